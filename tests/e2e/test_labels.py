# ctest: timeout=180
"""Routes that encapsulate, with traffic over them: an MPLS VPN (push, swap, pop, pop into a VRF), SRv6 VPNs (End, End.DX4,
End.DT4, End.DT6), and routes that a VRF has. What the kernel lacks is probed for; under Debian's own it is there (tests/vm)."""

import unittest

import support

# Two customers' sites behind two providers' edges. A packet from ce1 gets the labels 200 and 300 at pe1; p1 makes 200 to 201, p2
# takes 201 off, and pe2 takes 300 off and looks in the customer's table. On the way back 210, 211 and 310.
MPLS = """name: lab
defaults: {forwarding: true}
nodes:
  ce1:
    forwarding: false
    interfaces: {eth0: {addresses: [10.1.0.2/24, "fd01::2/64"]}, lo: {addresses: [10.9.0.1/32]}}
    routes: [{to: default, via: 10.1.0.1}, {to: default, via: "fd01::1"}]
  pe1:
    interfaces:
      ce: {addresses: [10.1.0.1/24, "fd01::1/64"]}
      core: {addresses: [10.0.1.1/24, "fd00:1::1/64"]}
      blue: {type: vrf, table: 10, members: [ce]}
    sysctls: {net.mpls.platform_labels: 1000, net.mpls.conf.core.input: 1}
    routes:
      - {to: 10.2.0.0/24, via: 10.0.1.2, dev: core, table: 10, encap: {mpls: [200, 300]}}
      - {to: "fd02::/64", via: "fd00:1::2", dev: core, table: 10, encap: {mpls: [200, 300]}}
      - {to: 10.9.0.1/32, via: 10.1.0.2, dev: ce}
      - {to: {mpls: 310}, dev: blue}
  p1:
    interfaces: {w: {addresses: [10.0.1.2/24, "fd00:1::2/64"]}, e: {addresses: [10.0.2.1/24, "fd00:2::1/64"]}}
    sysctls: {net.mpls.platform_labels: 1000, net.mpls.conf.w.input: 1, net.mpls.conf.e.input: 1}
    routes:
      - {to: {mpls: 200}, via: 10.0.2.2, as: [201]}
      - {to: {mpls: 211}, via: "fd00:1::1"}
  p2:
    interfaces: {w: {addresses: [10.0.2.2/24, "fd00:2::2/64"]}, e: {addresses: [10.0.3.1/24, "fd00:3::1/64"]}}
    sysctls: {net.mpls.platform_labels: 1000, net.mpls.conf.w.input: 1, net.mpls.conf.e.input: 1}
    routes:
      - {to: {mpls: 201}, via: 10.0.3.2}
      - {to: {mpls: 210}, nexthops: [{via: "fd00:2::1", as: [211]}, {via: 10.0.2.1, as: [211]}]}
  pe2:
    interfaces:
      ce: {addresses: [10.2.0.1/24, "fd02::1/64"]}
      core: {addresses: [10.0.3.2/24, "fd00:3::2/64"]}
      blue: {type: vrf, table: 10, members: [ce]}
    sysctls: {net.mpls.platform_labels: 1000, net.mpls.conf.core.input: 1}
    routes:
      - {to: 10.1.0.0/24, via: 10.0.3.1, dev: core, table: 10, encap: {mpls: [210, 310]}}
      - {to: 10.9.0.1/32, via: 10.0.3.1, dev: core, table: 10, encap: {mpls: [210, 310]}}
      - {to: "fd01::/64", via: "fd00:3::1", dev: core, table: 10, encap: {mpls: [210, 310]}}
      - {to: {mpls: 300}, dev: blue}
  ce2:
    forwarding: false
    interfaces: {eth0: {addresses: [10.2.0.2/24, "fd02::2/64"]}}
    routes: [{to: default, via: 10.2.0.1}, {to: default, via: "fd02::1"}]
links:
  - endpoints: ["ce1:eth0", "pe1:ce"]
  - endpoints: ["pe1:core", "p1:w"]
  - endpoints: ["p1:e", "p2:w"]
  - endpoints: ["p2:e", "pe2:core"]
  - endpoints: ["pe2:ce", "ce2:eth0"]
"""

# h1 and h2 are a customer in a VRF (End.DT4, End.DT6), g1 and g2 one in the main table (End.DX4). All go through r2 (End).
SEG6 = """name: lab
defaults: {forwarding: true}
nodes:
  h1: {forwarding: false, interfaces: {eth0: {addresses: [10.1.0.2/24, "fd01::2/64"]}},
       routes: [{to: default, via: 10.1.0.1}, {to: default, via: "fd01::1"}]}
  h2: {forwarding: false, interfaces: {eth0: {addresses: [10.2.0.2/24, "fd02::2/64"]}},
       routes: [{to: default, via: 10.2.0.1}, {to: default, via: "fd02::1"}]}
  g1: {forwarding: false, interfaces: {eth0: {addresses: [10.3.0.2/24]}}, routes: [{to: default, via: 10.3.0.1}]}
  g2: {forwarding: false, interfaces: {eth0: {addresses: [10.4.0.2/24]}}, routes: [{to: default, via: 10.4.0.1}]}
  r1:
    interfaces:
      h: {addresses: [10.1.0.1/24, "fd01::1/64"]}
      g: {addresses: [10.3.0.1/24]}
      core: {addresses: ["fc00:12::1/64"]}
      blue: {type: vrf, table: 10, members: [h]}
    sysctls: {net.vrf.strict_mode: 1, net.ipv6.conf.all.seg6_enabled: 1, net.ipv6.conf.core.seg6_enabled: 1}
    routes:
      - {to: "fc00:2::/64", via: "fc00:12::2"}
      - {to: 10.2.0.0/24, dev: core, table: 10, encap: {seg6: {mode: encap, segs: ["fc00:2::1", "fc00:3::4"]}}}
      - {to: "fd02::/64", dev: core, table: 10, encap: {seg6: {mode: encap, segs: ["fc00:2::1", "fc00:3::6"]}}}
      - {to: 10.4.0.0/24, dev: core, encap: {seg6: {mode: encap, segs: ["fc00:2::1", "fc00:3::44"]}}}
      - {to: "fc00:1::4/128", dev: core, encap: {seg6local: {action: End.DT4, vrftable: 10}}}
      - {to: "fc00:1::6/128", dev: core, encap: {seg6local: {action: End.DT6, vrftable: 10}}}
      - {to: "fc00:1::44/128", dev: core, encap: {seg6local: {action: End.DX4, nh4: 10.3.0.2}}}
  r2:
    interfaces: {w: {addresses: ["fc00:12::2/64"]}, e: {addresses: ["fc00:23::2/64"]}}
    sysctls: {net.ipv6.conf.all.seg6_enabled: 1, net.ipv6.conf.w.seg6_enabled: 1, net.ipv6.conf.e.seg6_enabled: 1}
    routes:
      - {to: "fc00:1::/64", via: "fc00:12::1"}
      - {to: "fc00:3::/64", via: "fc00:23::3"}
      - {to: "fc00:2::1/128", dev: w, encap: {seg6local: {action: End}}}
  r3:
    interfaces:
      h: {addresses: [10.2.0.1/24, "fd02::1/64"]}
      g: {addresses: [10.4.0.1/24]}
      core: {addresses: ["fc00:23::3/64"]}
      blue: {type: vrf, table: 10, members: [h]}
    sysctls: {net.vrf.strict_mode: 1, net.ipv6.conf.all.seg6_enabled: 1, net.ipv6.conf.core.seg6_enabled: 1}
    routes:
      - {to: "fc00:2::/64", via: "fc00:23::2"}
      - {to: 10.1.0.0/24, dev: core, table: 10, encap: {seg6: {mode: encap, segs: ["fc00:2::1", "fc00:1::4"]}}}
      - {to: "fd01::/64", dev: core, table: 10, encap: {seg6: {mode: encap, segs: ["fc00:2::1", "fc00:1::6"]}}}
      - {to: 10.3.0.0/24, dev: core, encap: {seg6: {mode: encap, segs: ["fc00:2::1", "fc00:1::44"]}}}
      - {to: "fc00:3::4/128", dev: core, encap: {seg6local: {action: End.DT4, vrftable: 10}}}
      - {to: "fc00:3::6/128", dev: core, encap: {seg6local: {action: End.DT6, vrftable: 10}}}
      - {to: "fc00:3::44/128", dev: core, encap: {seg6local: {action: End.DX4, nh4: 10.4.0.2}}}
links:
  - endpoints: ["h1:eth0", "r1:h"]
  - endpoints: ["g1:eth0", "r1:g"]
  - endpoints: ["r1:core", "r2:w"]
  - endpoints: ["r2:e", "r3:core"]
  - endpoints: ["r3:h", "h2:eth0"]
  - endpoints: ["r3:g", "g2:eth0"]
"""


@support.root_only("modules are loaded, and the kernel's settings of MPLS belong to the machine's root")
class Labels(support.SandboxCase):
    def setUp(self):
        super().setUp()
        self.box.run(["modprobe", "-a", "mpls_router", "mpls_iptunnel", "vrf"])
        self.needs("link", "add", "probe", "type", "vrf", "table", "10")

    def needs(self, *words):
        """Skips where the kernel does not take this. In a namespace of its own: a VRF leaves rules behind."""
        done = self.box.run(["unshare", "--net", "sh", "-c", "ip link set lo up; ip " + " ".join(words)])
        if done.returncode != 0:
            self.skipTest(f"the kernel takes no `ip {' '.join(words)}`: {done.stderr.strip()}")

    def reaches(self, node, *addresses):
        for address in addresses:
            with self.subTest(node=node, address=address):
                self.assertTrue(self.box.ping(address, namespace="lab." + node, limit=20))

    def labels(self, node):
        """label -> (labels that take its place, its ways), as `ip` tells it."""
        told = self.box.json(["ip", "-n", "lab." + node, "-j", "-f", "mpls", "route"])
        return {int(route["dst"]): [(hop.get("to"), hop["dev"]) for hop in route.get("nexthops", [route])] for route in told}

    def test_an_mpls_vpn(self):
        self.needs("route", "add", "192.0.2.0/24", "encap", "mpls", "100", "dev", "lo")
        before = self.box.snapshot()
        path = self.write("lab.yaml", MPLS)
        self.toporun("up", path)
        self.assertIn("nothing to do", self.toporun("up", path).stderr)
        self.toporun("status", "lab")
        self.assertEqual({200: [("201", "e")], 211: [(None, "w")]}, self.labels("p1"))
        self.assertEqual({201: [(None, "e")], 210: [("211", "w"), ("211", "w")]}, self.labels("p2"))
        self.assertEqual({300: [(None, "blue")]}, self.labels("pe2"))
        # A route by a port of the VRF is the VRF's, without a word of its table.
        self.assertEqual("ce", self.box.json(["ip", "-n", "lab.pe1", "-j", "route", "show", "10.9.0.1", "table", "10"])[0]["dev"])
        self.reaches("ce1", "10.2.0.2", "fd02::2")
        self.reaches("ce2", "10.1.0.2", "fd01::2", "10.9.0.1")

        # Another label on the way, in place: pe1 and p2 agree on it, the file says so of both.
        changed = MPLS.replace("as: [201]}", "as: [222]}").replace("{to: {mpls: 201}", "{to: {mpls: 222}")
        plan = self.toporun("plan", self.write("changed.yaml", changed)).stdout
        self.assertRegex(plan, r"(?m)^~ +route p1/mpls=200  hops via 10\.0\.2\.2 dev e as 201 → via 10\.0\.2\.2 dev e as 222$")
        self.assertRegex(plan, r"(?m)^\+ +route p2/mpls=222$")
        self.assertRegex(plan, r"(?m)^- +route p2/mpls=201$")
        self.toporun("up", self.write("changed.yaml", changed))
        self.reaches("ce1", "10.2.0.2")

        self.box.run(["ip", "-n", "lab.p1", "-f", "mpls", "route", "del", "200"], check=True)
        self.assertIn("route p1/mpls=200", self.toporun("status", "lab", status=5).stdout)
        self.toporun("status", "lab", "--heal")
        self.reaches("ce1", "10.2.0.2")

        # An interface that goes down for a while comes back with its labels.
        self.toporun("impair", "lab", "p1:e", "down")
        self.assertFalse(self.box.ping("10.2.0.2", namespace="lab.ce1", limit=1))
        self.toporun("status", "lab")
        self.toporun("impair", "lab", "p1:e", "up")
        self.reaches("ce1", "10.2.0.2", "fd02::2")
        self.toporun("down", "lab")
        self.box.settle()
        self.assertSame(before, self.box.snapshot())

    def test_segment_routing(self):
        self.needs("-6", "route", "add", "2001:db8::/64", "encap", "seg6", "mode", "encap", "segs", "2001:db8::1", "dev", "lo")
        before = self.box.snapshot()
        path = self.write("lab.yaml", SEG6)
        self.toporun("up", path)
        self.assertIn("nothing to do", self.toporun("up", path).stderr)
        self.toporun("status", "lab")
        self.reaches("h1", "10.2.0.2", "fd02::2")
        self.reaches("g1", "10.4.0.2")
        # Whose packets these are the segments tell: nobody reaches the other customer.
        self.assertFalse(self.box.ping("10.4.0.2", namespace="lab.h1", limit=1))
        self.assertFalse(self.box.ping("10.2.0.2", namespace="lab.g1", limit=1))
        self.box.run(["ip", "-n", "lab.r2", "-6", "route", "del", "fc00:2::1/128"], check=True)
        self.assertIn("route r2/fc00:2::1/128", self.toporun("status", "lab", status=5).stdout)
        self.toporun("up", "lab")
        self.reaches("h1", "10.2.0.2")
        self.toporun("down", "lab")
        self.box.settle()
        self.assertSame(before, self.box.snapshot())


if __name__ == "__main__":
    unittest.main()
