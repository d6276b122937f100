# ctest: timeout=300
"""What holds the moment `up` ends: IPv6 through routers at once, addresses with duplicate address detection, forwarded
ports from the target's own segment; and a failed `up` leaves the lab as it found it."""

import json
import time

import support

CHAIN = """name: lab
nodes:
  a:
    interfaces: {eth0: {addresses: ["fd00:1::2/64"]}}
    routes: [{to: default, via: "fd00:1::1"}]
  r1:
    forwarding: true
    interfaces: {left: {addresses: ["fd00:1::1/64"]}, right: {addresses: ["fd00:2::1/64"]}}
    routes: [{to: "fd00:3::/64", via: "fd00:2::2"}]
  r2:
    forwarding: true
    interfaces: {left: {addresses: ["fd00:2::2/64"]}}
    routes: [{to: "fd00:1::/64", via: "fd00:2::1"}]
  b:
    interfaces: {eth0: {addresses: ["fd00:3::2/64"]}}
    routes: [{to: default, via: "fd00:3::1"}]
bridges:
  lan: {node: r2, addresses: ["fd00:3::1/64"]}
links:
  - endpoints: ["a:eth0", "r1:left"]
  - endpoints: ["r1:right", "r2:left"]
  - endpoints: ["b:eth0", lan]
"""

DAD = """name: lab
nodes:
  a: {interfaces: {eth0: {addresses: ["fd00::1/64"]}}}
  b: {interfaces: {eth0: {addresses: [{address: "fd00::2/64", dad: true}]}}}
bridges:
  lan:
links:
  - endpoints: ["a:eth0", lan]
  - endpoints: ["b:eth0", lan]
"""

HAIRPIN = """name: lab
nodes:
  gw:
    forwarding: true
    nat: [{forward: {proto: tcp, port: 8080, to: "10.0.0.2:80"}}, {forward: {proto: udp, port: 8080, to: "[fd00::2]:80"}}]
  server:
    interfaces: {eth0: {addresses: [10.0.0.2/24, "fd00::2/64"]}}
  client:
    interfaces: {eth0: {addresses: [10.0.0.3/24, "fd00::3/64"]}}
bridges:
  lan: {node: gw, addresses: [10.0.0.1/24, "fd00::1/64"]}
links:
  - endpoints: ["server:eth0", lan]
  - endpoints: ["client:eth0", lan]
"""


class Ipv6(support.SandboxCase):
    def addresses(self, node):
        return self.box.json(["ip", "-6", "-j", "addr", "show", "dev", "eth0"], f"lab.{node}")[0]["addr_info"]

    def test_the_first_packet_passes_two_routers_at_once(self):
        """The kernel itself keeps a new link-local address back for two seconds."""
        before = self.box.snapshot()
        path = self.write("lab.yaml", CHAIN)
        self.toporun("up", path)
        start = time.monotonic()
        self.assertTrue(self.box.ping("fd00:3::2", namespace="lab.a", limit=5))
        passed = time.monotonic() - start
        for node in ("a", "r1", "r2", "b"):
            for link in self.box.json(["ip", "-j", "addr"], f"lab.{node}"):
                for address in link["addr_info"]:
                    self.assertFalse(address.get("tentative"), f"{node}: {link['ifname']}: {address['local']}")
        # Entering the machine and the namespace is most of it.
        self.assertLess(passed, 1)
        for key in ("accept_dad", "dad_transmits", "addr_gen_mode"):
            own = self.box.run(["cat", f"/proc/sys/net/ipv6/conf/eth0/{key}"], namespace="lab.a", check=True).stdout
            default = self.box.run(["cat", f"/proc/sys/net/ipv6/conf/default/{key}"], check=True).stdout
            self.assertEqual(default, own, key)
        self.assertEqual([], json.loads(self.toporun("plan", path, "--json").stdout)["actions"])
        self.toporun("down", "lab")
        self.assertSame(before, self.box.snapshot())

    def test_link_local_addresses_are_those_of_the_kernel(self):
        """Down and up again, and the kernel makes the same."""
        self.toporun("up", self.write("lab.yaml", CHAIN))
        [ours] = [a["local"] for a in self.addresses("a") if a["scope"] == "link"]
        self.box.run(["sh", "-c", "ip link set eth0 down && ip link set eth0 up"], namespace="lab.a", check=True)
        self.box.settle()
        self.assertEqual([ours], [a["local"] for a in self.addresses("a") if a["scope"] == "link"])

    def test_no_link_local_address_where_the_user_wants_none(self):
        text = CHAIN.replace("  a:\n", "  a:\n    sysctls: {net.ipv6.conf.default.addr_gen_mode: 1}\n")
        self.toporun("up", self.write("lab.yaml", text))
        self.assertEqual(["fd00:1::2"], [a["local"] for a in self.addresses("a")])

    def test_up_waits_for_duplicate_address_detection(self):
        self.toporun("up", self.write("lab.yaml", DAD))
        [address] = [a for a in self.addresses("b") if a["local"] == "fd00::2"]
        self.assertFalse(address.get("tentative"), address)
        self.assertFalse(address.get("nodad"), address)

    def test_a_duplicate_is_told_with_its_line_and_undone(self):
        """The other one was added by hand: the loader would have told of two in the file."""
        before = self.box.snapshot()
        self.toporun("up", self.write("lab.yaml", DAD.replace('[{address: "fd00::2/64", dad: true}]', "[]")))
        self.box.run("ip -6 address add fd00::2/64 dev eth0 nodad".split(), namespace="lab.a", check=True)
        path = self.write("lab.yaml", DAD)
        done = self.toporun("up", path, "--name", "lab", status=1)
        line = 1 + DAD.split('{address: "fd00::2/64"')[0].count("\n")
        self.assertRegex(done.stderr, rf"lab\.yaml:{line}:\d+: .*address b:eth0/fd00::2/64: .*"
                                      r"another host on the link has this address")
        self.assertNotIn("fd00::2", [a["local"] for a in self.addresses("b")])
        self.toporun("down", "lab")
        self.assertSame(before, self.box.snapshot())


class Hairpin(support.SandboxCase):
    def test_a_neighbour_of_the_target_reaches_the_forwarded_port(self):
        path = self.write("lab.yaml", HAIRPIN)
        self.toporun("up", path)
        self.box.serve("tcp-echo", namespace="lab.server", port=80)
        self.box.serve("udp-echo", namespace="lab.server", port=80)
        # With br_netfilter the bridge itself leads a packet of the target's back to its port, which takes none of its own.
        filters = self.box.run(["cat", "/proc/sys/net/bridge/bridge-nf-call-iptables"], namespace="lab.gw").stdout == "1\n"
        for node in ("client",) if filters else ("client", "server"):
            # The answer goes back by the router: it shows its address, not the client's.
            self.assertRegex(self.box.ask("tcp", "10.0.0.1", 8080, "x", namespace=f"lab.{node}"), r"^10\.0\.0\.1 \d+\nx$")
            self.assertRegex(self.box.ask("udp", "fd00::1", 8080, "x", namespace=f"lab.{node}"), r"^fd00::1 \d+\nx$")
        done = self.toporun("up", path)
        self.assertIn("nothing to do", done.stdout + done.stderr)


class RollBack(support.SandboxCase):
    def drift(self):
        [lab] = json.loads(self.toporun("status", "lab", "--json", status=5).stdout)["labs"]
        return sorted(lab["drift"], key=lambda entry: entry["id"])

    def test_a_failed_up_leaves_what_was_changed_by_hand(self):
        text = """name: lab
nodes:
  a: {interfaces: {eth0: {addresses: [10.0.0.1/24]}}, sysctls: {net.ipv4.ip_default_ttl: 33}}
  b: {interfaces: {eth0: {addresses: [10.0.0.2/24]}}}
links: [{endpoints: ["a:eth0", "b:eth0"]}]
"""
        path = self.write("lab.yaml", text)
        self.toporun("up", path)
        for argv in ("ip link set eth0 mtu 1333", "sysctl -qw net.ipv4.ip_default_ttl=44", "ip address del 10.0.0.1/24 dev eth0"):
            self.box.run(argv.split(), namespace="lab.a", check=True)
        self.box.settle()
        before = self.box.snapshots()
        status = self.drift()
        broken = self.write("lab.yaml", text.replace("33}}", "55}}").replace("  b:", "  c: {exec: [\"false\"]}\n  b:"))
        self.toporun("up", broken, "--name", "lab", status=1)
        after = self.box.snapshots()
        self.assertEqual(set(before), set(after))
        for name, state in before.items():
            with self.subTest(namespace=name):
                # Of the files, the record: what it says is compared below.
                self.assertSame(state, after[name], ignore=("file",))
        self.assertEqual(status, self.drift())
        self.toporun("up", path)
        ttl = self.box.run(["cat", "/proc/sys/net/ipv4/ip_default_ttl"], namespace="lab.a", check=True).stdout
        self.assertEqual("33\n", ttl)
