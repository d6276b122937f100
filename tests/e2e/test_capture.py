# ctest: timeout=300
"""`capture`: packets as they pass, by tcpdump in the nodes, printed or written as one pcapng file."""

import os

import packets
import support

LAB = """name: lab
nodes:
  a: {interfaces: {eth0: {addresses: [192.0.2.1/24]}}}
  b: {interfaces: {eth0: {addresses: [192.0.2.2/24]}}}
bridges: {lan: }
links: [{endpoints: ["a:eth0", lan]}, {endpoints: ["b:eth0", "lan:to-b"]}]
"""


class Capture(support.SandboxCase):
    def setUp(self):
        super().setUp()
        self.toporun("up", "-", input=LAB)

    def start(self, *words, interfaces=1):
        running = self.box.start([support.TOPORUN, "capture", "lab", *words])
        running.wait_for(r"(?s)" + ".*".join(["listening on "] * interfaces))
        return running

    def end(self, running):
        """As a user does."""
        (pid,) = self.box.run(["pgrep", "-f", "-o", f"{support.TOPORUN} capture"], check=True).stdout.split()
        self.box.run(["kill", "-INT", pid], check=True)
        self.assertEqual(0, running.finish(20), running.output)

    def ping(self):
        self.assertTrue(self.box.ping("192.0.2.2", namespace="lab.a"))

    def test_one_interface_as_text(self):
        running = self.start("b:eth0", "--", "icmp[icmptype]", "==", "icmp-echo")
        self.ping()
        running.wait_for(r"IP 192\.0\.2\.1 > 192\.0\.2\.2: ICMP echo request")
        self.end(running)
        self.assertNotIn("echo reply", running.output)
        self.assertEqual("", self.box.run(["pgrep", "-x", "tcpdump"]).stdout)

    def test_several_are_marked(self):
        running = self.start("a:eth0", "lan:to-b", "--", "icmp", interfaces=2)
        self.ping()
        for name in ("a:eth0", "lan:to-b"):
            running.wait_for(rf"^{name} \| .* 192\.0\.2\.1 > 192\.0\.2\.2: ICMP echo request")
        self.end(running)

    def test_one_file_in_which_each_packet_names_its_interface(self):
        path = os.path.join(self.folder(), "lab.pcapng")
        running = self.start("a:eth0", "b:eth0", "-w", path, "--", "icmp", interfaces=2)
        self.ping()
        self.box.start(["sh", "-c", 'until [ "$(tcpdump -n -r "$1" 2>/dev/null | wc -l)" -ge 4 ]; do :; done; echo four', "sh",
                        path]).wait_for("^four$")
        self.end(running)
        file = packets.File(path)
        self.assertEqual(["a:eth0", "b:eth0"], sorted(file.names))
        self.assertEqual(["a:eth0"] * 2 + ["b:eth0"] * 2, sorted(packet.interface for packet in file.packets))
        # Another program reads the same.
        shown = self.box.run(["tcpdump", "-n", "-r", path], check=True).stdout
        self.assertEqual(2, shown.count("echo request"))

    def test_to_a_program(self):
        reader = self.box.start(["sh", "-c", '"$1" capture lab a:eth0 -w - | tcpdump -n -l -c 2 -r - icmp; echo ended', "sh",
                                 support.TOPORUN])
        reader.wait_for("listening on ")
        self.ping()
        self.assertEqual(0, reader.finish(20), reader.output)
        self.assertIn("echo reply", reader.output)

    def test_mistakes_are_named(self):
        for words, status, sentence in (
                (["lab"], 2, "an interface is missing"),
                (["lab", "eth0"], 1, "an interface is written NODE:IFNAME"),
                (["lab", "a:eht0"], 1, 'node "a" has no interface "eht0" (did you mean "eth0"?)'),
                (["lab", "lam:to-b"], 1, 'lab "lab" has no node "lam" (did you mean "lan"?)'),
                (["lba", "a:eth0"], 1, 'lab "lba" is not up (did you mean "lab"?)'),
                (["lab", "a:eth0", "-w", "/no/such/folder/file"], 1, "/no/such/folder/file"),
                (["lab", "a:eth0", "--", "no such filter"], 1, "syntax error")):
            with self.subTest(words):
                self.assertIn(sentence, self.toporun("capture", *words, status=status).stderr)
