# ctest: timeout=300
"""`plan` as a diff, `plan --why`, and `plan --script`: the script does by hand what `up` does."""

import glob
import json
import os
import shutil
import unittest

import needs
import support

LAB = """name: lab
nodes:
  a:
    interfaces: {eth0: {addresses: [10.0.0.1/24, "fd00::1/64"]}}
    routes: [{to: 10.9.0.0/24, via: 10.0.0.2}]
  b:
    forwarding: true
    interfaces: {eth0: {addresses: [10.0.0.2/24, "fd00::2/64"]}}
    sysctls: {net.ipv4.ip_default_ttl: 33}
links: [{endpoints: ["a:eth0", "b:eth0"]}]
"""

EVERYTHING = """name: lab
nodes:
  a:
    interfaces:
      eth0: {addresses: [10.0.0.2/24, "fd00::2/64"], mtu: 1400, txqueuelen: 50}
      lo: {addresses: [10.255.0.1/32]}
    routes:
      - {to: default, via: 10.0.0.1}
      - {to: default, via: "fd00::1", metric: 77}
      - {to: 10.7.0.0/16, type: blackhole}
      - {to: 10.8.0.0/16, via: 10.0.0.1, table: 100, from: 10.255.0.1, mtu: 1300}
    rules: [{from: 10.0.0.0/24, table: 100, priority: 99}, {fwmark: 7, table: 100}]
    neighbours: [{to: 10.0.0.77, mac: "02:00:00:00:00:77", dev: eth0}, {to: 10.0.0.78, proxy: true, dev: eth0}]
    sysctls: {net.ipv4.conf.eth0.rp_filter: 2, net.ipv4.ip_local_port_range: 10000 20000}
    hosts: {printer: 10.0.0.9}
  r:
    forwarding: {ipv4: true}
    interfaces:
      wan: {addresses: [203.0.113.1/24], ipv6: false}
      wan2: {addresses: [{address: 203.0.114.1, peer: 203.0.114.2/32}], state: down}
    nat:
      - masquerade: {out: wan}
      - forward: {in: wan, proto: tcp, port: 8080-8082, to: "10.0.0.2:80-82"}
      - forward: {proto: udp, port: 53, to: 10.0.0.2}
    nftables: |
      table inet mine {
        chain input { type filter hook input priority 0; tcp dport 7 counter comment "it's mine"; }
      }
  isp:
    interfaces: {eth0: {addresses: [203.0.113.2/24]}, eth1: {addresses: [203.0.114.2/24]}}
    routes: [{to: 10.0.0.0/8, nexthops: [{via: 203.0.113.1}, {via: 203.0.114.1, weight: 3}]}]
    exec: [["sh", "-c", "echo \\"it's $TOPORUN_NODE\\" >/dev/null"]]
bridges:
  lan: {node: r, addresses: [10.0.0.1/24, "fd00::1/64"], stp: true, priority: 4096, ageing: 100}
  sw:
links:
  - endpoints: ["a:eth0", lan]
  - endpoints: ["r:wan", "isp:eth0"]
  - endpoints: ["r:wan2", "isp:eth1"]
  - endpoints: ["a:x", sw]
  - endpoints: ["isp:x", sw]
  - endpoints: ["host:from-host", "isp:from-host"]
"""

# Indexes come in the order of the work; a mark and a group are how toporun knows its own.
NOT_BY_HAND = {"ifindex", "link_index", "link_netnsid", "group", "ifalias"}


def shape(state):
    """What must be equal: without order where the kernel tells it by index."""
    out = {}
    for part, values in state.parts.items():
        if part in ("mount", "process", "file", "abstract socket"):
            continue
        if part == "sysctl":
            out[part] = dict(values)
            continue
        entries = []
        for value in values.values():
            entry = json.loads(value)
            if part == "link":
                entry = {key: item for key, item in entry.items() if key not in NOT_BY_HAND}
                # A port of the spanning tree listens, then learns, for half a minute.
                port = entry.get("linkinfo", {}).get("info_slave_data", {})
                if port.get("state") == "learning":
                    port["state"] = "listening"
            entries.append(json.dumps(entry, sort_keys=True))
        out[part] = sorted(entries)
    return out


class ByHand(support.SandboxCase):
    def by_hand(self, path, before=()):
        """A machine of its own on which the script has run."""
        script = self.toporun("plan", path, "--script").stdout
        box = support.Sandbox()
        self.addCleanup(box.close)
        for line in before:
            box.run(line.split(), check=True)
        done = box.run(["sh", "-"], input=script)
        self.assertEqual(0, done.returncode, f"{done.stderr}\n{script}")
        self.assertEqual("", done.stderr, script)
        return box

    def assertDoesTheSame(self, path):
        hand = self.by_hand(path)
        self.toporun("up", path)
        self.box.settle()
        hand.settle()
        mine, theirs = self.box.snapshots(), hand.snapshots()
        self.assertEqual(set(mine), set(theirs))
        for name in mine:
            with self.subTest(namespace=name):
                self.assertEqual(shape(mine[name]), shape(theirs[name]))
            if name and name.split(".")[1] not in ("sw", "lan"):
                for file in ("hosts", "resolv.conf"):
                    read = ["cat", f"/etc/netns/{name}/{file}"]
                    self.assertEqual(self.box.run(read).stdout, hand.run(read).stdout)
        return hand


class Script(ByHand):
    def test_every_kind_of_object(self):
        self.assertDoesTheSame(self.write("lab.yaml", EVERYTHING))

    def test_names_that_ip_takes_for_words_of_its_own(self):
        self.assertDoesTheSame(self.write("lab.yaml", """name: lab
nodes:
  n: {interfaces: {a: {addresses: [10.0.0.1/24], mtu: 1400}, type: {}}, routes: [{to: 10.1.0.0/24, via: 10.0.0.2}]}
  m: {interfaces: {up: {addresses: [10.0.0.2/24]}}}
bridges: {master: {node: n}}
links: [{endpoints: ["n:a", "m:up"]}, {endpoints: ["n:type", "m:address"]}, {endpoints: ["m:name", master]}]
"""))

    def test_shipped_topologies(self):
        for path in sorted(glob.glob(os.path.join(support.ROOT, "topologies/*.yaml"))):
            # In a guest with Debian's kernel (tests/vm) only what another kernel may lack.
            if os.environ.get("TOPORUN_TEST_SPECIAL") == "1" and not needs.perhaps(path):
                continue
            with open(path, encoding="utf-8") as file:
                text = file.read()
            # An uplink's helper and a node's own view are toporun's own, and what is attached to has to be there first.
            if any(key in text for key in ("uplink:", "attach:", "processes:", "files:")):
                continue
            missing = needs.lacking(self.box, needs.needs(json.loads(self.toporun("validate", "--print=json", path).stdout)))
            # Keys are made by `up`: two labs that are made apart have other ones.
            if missing or "auto: true" in text:
                why = f"the kernel has no {', '.join(missing)}" if missing else "its keys are made anew"
                print(f"not run: plan --script of {os.path.basename(path)}: {why}")
                continue
            with self.subTest(path=os.path.basename(path)):
                self.assertDoesTheSame(path)
                self.toporun("down", "--all")

    @unittest.skipUnless(shutil.which("slirp4netns"), "slirp4netns is not installed")
    def test_an_uplink_by_slirp4netns(self):
        """The way out and a published port, by the program that people know."""
        path = self.write("lab.yaml", "name: lab\nnodes: {n: {uplink: {type: slirp}, ports: ['18080:80']}}\n")
        box = self.by_hand(path, before=("ip link add card type veth peer name far", "ip link set far up",
                                         "ip address add 198.18.0.1/24 dev card", "ip link set card up"))
        out = box.serve("tcp-echo")
        self.assertRegex(box.ask("tcp", "198.18.0.1", out.port, "out", namespace="lab.n"), r"^198\.18\.0\.1 \d+\nout$")
        box.serve("tcp-echo", namespace="lab.n", port=80)
        self.assertRegex(box.ask("tcp", "198.18.0.1", 18080, "in"), r"^198\.18\.0\.1 \d+\nin$")

    def test_an_edit_by_hand_leaves_nothing_to_do(self):
        path = self.write("lab.yaml", LAB)
        self.toporun("up", path)
        edited = LAB.replace("ttl: 33", "ttl: 44").replace(
            '"b:eth0"]}', '"b:eth0"], mtu: 1400}').replace("10.9.0.0/24", "10.8.0.0/24").replace("    forwarding: true\n", "")
        with open(path, "w", encoding="utf-8") as file:
            file.write(edited)
        script = self.toporun("plan", path, "--script").stdout
        self.assertIn("\n# ~   link a:eth0--b:eth0  a:eth0 mtu 1500 → 1400, b:eth0 mtu 1500 → 1400\n", script)
        self.box.run(["sh", "-"], input=script, check=True)
        self.assertEqual("lab: nothing to do\n", self.toporun("plan", path).stdout)


class Diff(support.SandboxCase):
    def test_reads_like_a_diff(self):
        path = self.write("lab.yaml", LAB)
        self.toporun("up", path)
        text = LAB.replace('"b:eth0"]}', '"b:eth0"], mtu: 1400}').replace("    routes: [{to: 10.9.0.0/24, via: 10.0.0.2}]\n", "")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("33}", "33}\n    routes: [{to: 10.7.0.0/24, via: 10.0.0.1}]"))
        self.assertEqual("-   route a/10.9.0.0/24\n"
                         "~   link a:eth0--b:eth0  a:eth0 mtu 1500 → 1400, b:eth0 mtu 1500 → 1400\n"
                         "+   route b/10.7.0.0/24\n"
                         "lab: 1 to create, 1 to change, 1 to remove\n", self.toporun("plan", path).stdout)

    def test_colour_on_a_terminal_only(self):
        path = self.write("lab.yaml", LAB)
        self.assertNotIn("\033", self.toporun("plan", path).stdout)
        shown = self.box.run(["script", "-qec", f"{support.TOPORUN} plan {path}", "/dev/null"], check=True).stdout
        self.assertIn("\033[32m+  \033[0m namespace a", shown)
        plain = self.box.run(["script", "-qec", f"{support.TOPORUN} plan {path}", "/dev/null"], check=True,
                             env={"NO_COLOR": "1"}).stdout
        self.assertNotIn("\033", plain)

    def test_why(self):
        path = self.write("lab.yaml", LAB)
        self.assertEqual("address a:eth0/10.0.0.1/24  (line 4)\n"
                         "  +   address a:eth0/10.0.0.1/24\n"
                         "it stands on\n"
                         "  link a:eth0--b:eth0  [+]\n"
                         "    namespace a  [+]\n"
                         "      folder netns  [+]\n"
                         "    namespace b  [+]\n"
                         "      folder netns  [+]\n"
                         "on it stand, and go when it goes\n"
                         "  +   route a/10.9.0.0/24\n",
                         self.toporun("plan", path, "--why", "a:eth0/10.0.0.1/24").stdout)
        self.toporun("up", path)
        why = self.toporun("plan", path, "--why", "namespace a").stdout
        self.assertIn("  stands as it should: nothing is done with it\n", why)
        self.assertIn("on it stand, and go when it goes\n", why)
        self.assertIn("      route a/10.9.0.0/24\n", why)
        self.assertEqual(["address a:eth0/10.0.0.1/24  (line 4)"],
                         json.loads(self.toporun("plan", path, "--why", "a:eth0/10.0.0.1/24", "--json").stdout)["why"][:1])

    def test_why_of_an_unknown_object_names_a_near_one(self):
        path = self.write("lab.yaml", LAB)
        done = self.toporun("plan", path, "--why", "namespace aa", status=1)
        self.assertIn('the lab has no object "namespace aa" (did you mean "namespace a"?)', done.stderr)
        self.assertIn('"a/resolv.conf"', self.toporun("plan", path, "--why", "a/resolv.con", status=1).stderr)
