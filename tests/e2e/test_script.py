# ctest: timeout=240
"""`plan --script` of interfaces of every type and of what is set on them: by hand the kernel comes to the same state. What it
lacks is left out and told; under Debian's own kernel all is there (tests/vm)."""

import json
import unittest

import support
import test_kinds
import test_labels
import test_plan

SETTINGS = """name: lab
nodes:
  a:
    interfaces:
      eth0: {addresses: [10.0.0.1/24]%(netem)s}
      eth1: {addresses: [10.5.0.1/24]%(rate)s}
      x0: {type: vxlan, id: 5, local: 10.0.0.1, port: 4790, learning: false, addresses: [10.1.0.1/24],
           fdb: [{mac: "00:00:00:00:00:00", dst: 10.0.0.2}, {mac: "02:00:00:00:00:02", dst: 10.0.0.2}]}
  b: {interfaces: {eth0: {addresses: [10.0.0.2/24]}, eth1: {addresses: [10.5.0.2/24]}}}
%(bridge)slinks:
  - endpoints: ["a:eth0", "b:eth0"]
  - endpoints: ["a:eth1", "b:eth1"]
%(port)s"""

NETEM = (", impair: {delay: 20ms, jitter: 5ms, correlation: 25%, distribution: normal, loss: 1.5%, duplicate: 2%, corrupt: 0.1%, "
         "reorder: 3%, rate: 10mbit, limit: 500}")
BRIDGE = "bridges: {sw: {vlan_filtering: true}}\n"
PORTS = """  - endpoints: ["a:eth2", {bridge: sw, port: pa, vlans: {pvid: 10, tagged: [20, 30]}}]
  - endpoints: ["b:eth2", {bridge: sw, port: pb, vlans: {tagged: [10]}}]
"""


class NewerKinds(test_plan.ByHand):
    def missing(self, kinds):
        return test_kinds.Base.missing(self, kinds)

    def takes(self, command):
        """Whether the kernel does this on a veth called `probe0`; a reason is told where it does not. Elsewhere: a VRF leaves
        rules behind."""
        done = self.box.run(["unshare", "--net", "sh", "-c", "ip link add probe0 type veth peer name probe1 && " + command])
        if done.returncode != 0:
            print(f"not run: {self.id()}: {command}: {done.stderr.strip()}")
        return done.returncode == 0

    def assertDoesTheSame(self, path):
        hand = super().assertDoesTheSame(path)
        for name in self.box.namespaces():
            with self.subTest(namespace=name):
                self.assertEqual(self.beyond(self.box, name), self.beyond(hand, name))
        return hand

    def beyond(self, box, name):
        """What a snapshot does not hold: queueing disciplines, VLANs of ports, forwarding entries, routes for labels."""
        fdb = [entry for entry in box.json(["bridge", "-j", "fdb"], namespace=name) if "dst" in entry]
        labels = box.run(["ip", "-j", "-f", "mpls", "route"], namespace=name)
        found = {"qdisc": [one for one in box.json(["tc", "-j", "qdisc"], namespace=name) if one["kind"] != "noqueue"],
                 "vlan": box.json(["bridge", "-j", "vlan"], namespace=name), "fdb": fdb,
                 "label": json.loads(labels.stdout or "[]") if labels.returncode == 0 else []}
        return {part: sorted(json.dumps(one, sort_keys=True) for one in entries) for part, entries in found.items()}

    def test_interfaces_of_every_type(self):
        missing = self.missing([(kind.name, kind.probe) for kind in test_kinds.KINDS])
        for kind in missing:
            print(f"not run: {self.id()}: {kind}: the kernel has none")
        kinds = [kind for kind in test_kinds.KINDS if kind.name not in missing]
        text = "name: lab\nnodes:\n" + "".join(kind.nodes() for kind in kinds) + "links:\n"
        self.assertDoesTheSame(self.write("lab.yaml", text + "".join(kind.links() for kind in kinds)))

    def test_what_is_set_on_interfaces(self):
        netem = self.takes("tc qdisc add dev probe0 root netem delay 1ms")
        filtering = self.takes("ip link add probe type bridge vlan_filtering 1 && ip link set probe0 master probe && "
                               "bridge vlan add vid 10 dev probe0")
        text = SETTINGS % {"netem": NETEM if netem else "", "rate": ", impair: {rate: 8mbit}" if netem else "",
                           "bridge": BRIDGE if filtering else "", "port": PORTS if filtering else ""}
        self.assertDoesTheSame(self.write("lab.yaml", text))

    def test_labels(self):
        self.box.run(["modprobe", "-a", "mpls_router", "mpls_iptunnel", "vrf"])
        if not self.takes("ip link add probe type vrf table 10 && ip link set probe0 up && "
                          "ip route add 192.0.2.0/24 encap mpls 100 dev probe0"):
            self.skipTest("the kernel has no VRF or no MPLS")
        self.assertDoesTheSame(self.write("lab.yaml", test_labels.MPLS))

    def test_segments(self):
        if not self.takes("ip link add probe type vrf table 10 && ip link set probe0 up && "
                          "ip -6 route add 2001:db8::/64 encap seg6 mode encap segs 2001:db8::1 dev probe0"):
            self.skipTest("the kernel has no VRF or no SRv6")
        self.assertDoesTheSame(self.write("lab.yaml", test_labels.SEG6))


if __name__ == "__main__":
    unittest.main()
