# ctest: timeout=200
"""What passed the interfaces of a lab whose tests failed: a file of packets for each node in the evidence."""

import os
import socket

import packets
import support

LAB = """name: lab
nodes:
  a: {interfaces: {eth0: {addresses: [192.0.2.1/24, "2001:db8::1/64"]}, h0: {addresses: [198.51.100.1/24]}}}
  b: {interfaces: {eth0: {addresses: [192.0.2.2/24]}}}
bridges: {lan: }
links:
  - {endpoints: ["a:eth0", "lan:to-a"]}
  - {endpoints: ["b:eth0", lan]}
  - {endpoints: ["host:h0", "a:h0"]}
tests:
"""
WRONG = """  wrong: {from: a, ping: 192.0.2.77, within: 100ms}
"""


def asks_for(address):
    """An ARP request, or a neighbour solicitation, for the address."""
    if ":" in address:
        return lambda packet: (packet.data[12:15] == b"\x86\xdd\x60" and packet.data[54:55] == b"\x87"
                               and packet.data[62:78] == socket.inet_pton(socket.AF_INET6, address))
    return lambda packet: (packet.data[12:14] == b"\x08\x06" and packet.data[20:22] == b"\x00\x01"
                           and packet.data[38:42] == socket.inet_aton(address))


def is_icmp(packet):
    return packet.data[12:14] == b"\x08\x00" and packet.data[23:24] == b"\x01"


class Captures(support.SandboxCase):
    def setUp(self):
        super().setUp()
        self.work = self.folder()
        self.evidence = os.path.join(self.work, "evidence")
        self.before = self.box.snapshot()

    def perform(self, tests, *words, lab=LAB, status=1):
        path = self.write("lab.yaml", lab + tests, self.work)
        return self.toporun("test", path, "--evidence", self.evidence, *words, status=status)

    def read(self, node, lab="lab"):
        return packets.File(f"{self.evidence}/{lab}/captures/{node}.pcapng")

    def assertNothingLeft(self):
        self.assertSame(self.before, self.box.snapshot())

    def test_what_a_failing_check_sent_is_in_the_files_of_its_interfaces(self):
        done = self.perform(WRONG + '  wrong by IPv6: {from: a, ping: "2001:db8::77", within: 100ms}\n')
        self.assertEqual(f"evidence: {self.evidence}/lab/index.html\n", done.stderr)
        files = {node: self.read(node) for node in ("a", "b", "lan", "host")}
        self.assertEqual(files.keys(), {name.removesuffix(".pcapng") for name in os.listdir(f"{self.evidence}/lab/captures")})
        self.assertLessEqual({"a:lo", "a:eth0", "a:h0"}, set(files["a"].names))
        self.assertLessEqual({"lan:to-a", "lan:lan"}, set(files["lan"].names))
        self.assertEqual(["host:h0"], files["host"].names)
        for address in ("192.0.2.77", "2001:db8::77"):
            asking = asks_for(address)
            for node, name, outgoing in (("a", "a:eth0", True), ("lan", "lan:to-a", False), ("b", "b:eth0", False)):
                directions = {packet.outgoing for packet in files[node].of(name) if asking(packet)}
                self.assertEqual({outgoing}, directions, (address, name))
            self.assertFalse(list(filter(asking, files["a"].of("a:h0") + files["host"].packets)), address)
        for file in files.values():
            times = [packet.time for packet in file.packets]
            self.assertEqual(sorted(times), times)
            for name, (received, lost, delivered) in file.statistics.items():
                self.assertEqual(received, lost + len(file.of(name)))
                self.assertEqual(delivered, len(file.of(name)))
        with open(f"{self.evidence}/lab/index.html", encoding="utf-8") as file:
            page = file.read()
        self.assertIn('<a href="captures/lan.pcapng">lan.pcapng</a></td><td>to-a</td>', page)
        # Another program reads the same.
        shown = self.box.run(["tcpdump", "-n", "-r", f"{self.evidence}/lab/captures/b.pcapng", "arp"], check=True).stdout
        self.assertIn("Request who-has 192.0.2.77 tell 192.0.2.1", shown)
        self.assertNothingLeft()

    def test_from_the_start_of_the_lab(self):
        lab = LAB.replace("  a: {", "  a: {exec: ['ping -c 10 -i 0.1 -W 5 192.0.2.2'], ")
        self.perform(WRONG, lab=lab)
        self.assertTrue(list(filter(is_icmp, self.read("b").of("b:eth0"))))

    def test_nothing_is_written_when_all_holds_or_none_are_wanted(self):
        self.perform("  answers: {from: a, ping: b}\n", status=0)
        self.assertFalse(os.path.exists(self.evidence))
        self.perform(WRONG, "--no-captures")
        self.assertTrue(os.path.exists(f"{self.evidence}/lab/index.html"))
        self.assertFalse(os.path.exists(f"{self.evidence}/lab/captures"))
        self.assertNothingLeft()

    def test_the_lab_does_not_change_by_it(self):
        script = ('"$0" exec lab a -- ss -H -0 -a; "$0" exec lab a -- ip -d link show dev eth0; '
                  '"$0" status lab && ! "$0" exec lab a -- ip -d link | grep "promiscuity [1-9]"')
        done = self.perform("", "--", "sh", "-c", script, support.TOPORUN, status=0)
        self.assertRegex(done.stdout, r"(?m)^p_raw\b.*\beth0\b")  # It is captured,
        self.assertEqual(1, done.stdout.count("promiscuity 0"), done.stdout)  # and hears no more than before.

    def test_interfaces_that_come_and_go_meanwhile(self):
        # Fifteen letters, the longest name.
        ping = ("ip link add {0} type veth peer name {1}; ip link set {1} up; ip address add 203.0.113.1/24 dev {0}; ip link set {0} up; ping -c 10 -i 0.1 203.0.113.9 || :; ")
        script = ping.format("late", "other") + "ip link del late; " + ping.format("fifteen-letters", "and-its-other")
        self.perform(f"  comes and goes: {{from: a, run: [sh, -c, '{script}'], within: 30s}}\n" + WRONG)
        file = self.read("a")
        for name in ("a:late", "a:other", "a:fifteen-letters", "a:and-its-other"):
            self.assertTrue(list(filter(asks_for("203.0.113.9"), file.of(name))), name)
        self.assertNothingLeft()

    def test_a_node_that_appears_meanwhile(self):
        path = self.write("lab.yaml", LAB, self.work)
        more = self.write("more.yaml", LAB.replace("  b: {", "  late: {interfaces: {eth0: {addresses: [192.0.2.3/24]}}}\n  b: {").replace(
            "  - {endpoints: [\"b:eth0\", lan]}", "  - {endpoints: [\"b:eth0\", lan]}\n  - {endpoints: [\"late:eth0\", lan]}"), self.work)
        script = f'"{support.TOPORUN}" up {more} && "{support.TOPORUN}" exec lab late -- ping -c 10 -i 0.1 -W 5 192.0.2.1; exit 1'
        self.toporun("test", path, "--evidence", self.evidence, "--", "sh", "-c", script, status=1)
        self.assertTrue(list(filter(is_icmp, self.read("late").of("late:eth0"))))
        self.assertNothingLeft()

    def test_the_last_are_kept(self):
        self.perform("  many: {from: a, run: 'ping -c 700 -i 0.003 -s 1400 192.0.2.2', within: 40s}\n" + WRONG)
        for node, name in (("a", "a:eth0"), ("lan", "lan:to-a")):
            file = self.read(node)
            received, _, delivered = file.statistics[name]
            self.assertGreaterEqual(received, 1400)
            self.assertLess(delivered, 1000)
            self.assertTrue(list(filter(asks_for("192.0.2.77"), file.of(name))))
            # Its sequence number.
            first = next(packet for packet in file.of(name) if is_icmp(packet))
            self.assertGreater(int.from_bytes(first.data[40:42], "big"), 100)
            self.assertLess(sum(len(packet.data) for packet in file.of(name)), 1 << 20)

    def test_a_long_packet_is_cut_and_says_how_long_it_was(self):
        lab = LAB.replace("b:eth0\", lan]", "b:eth0\", lan], mtu: 9000").replace("lan:to-a\"]", "lan:to-a\"], mtu: 9000")
        self.perform("  large: {from: a, run: 'ping -c 1 -s 8000 192.0.2.2'}\n" + WRONG, lab=lab)
        lengths = {(packet.length, len(packet.data)) for packet in self.read("b").of("b:eth0") if is_icmp(packet)}
        self.assertEqual({(8042, 2048)}, lengths)

    def test_a_worker_that_is_killed_leaves_nothing(self):
        done = self.perform("  killed: {from: a, run: [sh, -c, 'kill -KILL $PPID'], within: 20s}\n")
        self.assertIn("ended by signal 9", done.stdout)
        self.assertNothingLeft()

    def test_here(self):
        self.perform(WRONG, "--here")
        self.assertTrue(list(filter(asks_for("192.0.2.77"), self.read("b").of("b:eth0"))))
        self.assertEqual(["host:h0"], self.read("host").names)
        self.assertNothingLeft()

    def test_labs_of_one_name_have_folders_of_their_own(self):
        for number, ttl in ((1, 11), (2, 22), (3, 33)):
            text = LAB.replace("  b: {", f"  b: {{sysctls: {{net.ipv4.ip_default_ttl: '{ttl}'}}, ") + WRONG
            name = "lab-2" if number == 2 else "lab"
            self.write(f"{number}.yaml", text.replace("name: lab", f"name: {name}"), self.work)
        done = self.toporun("test", self.work, "--jobs", "2", "--evidence", self.evidence, status=1)
        for name, number in (("lab", 1), ("lab-2", 2), ("lab-3", 3)):
            self.assertIn(f"evidence: {self.evidence}/{name}/index.html\n", done.stderr)
            with open(f"{self.evidence}/{name}/index.html", encoding="utf-8") as file:
                self.assertIn(f"/{number}.yaml", file.read())
        self.assertEqual(3, len(os.listdir(self.evidence)))
        self.assertNothingLeft()


if __name__ == "__main__":
    support.unittest.main()
