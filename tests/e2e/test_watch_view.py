# ctest: timeout=400
"""`watch` on a terminal: a page of the lab as it is, in the size of the terminal, which is left as it was."""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import needs
import support

LAB = """name: lab
nodes:
  a: {interfaces: {eth0: {addresses: [10.0.1.1/24]}}, uplink: {type: slirp}}
  b: {interfaces: {eth0: {addresses: [10.0.1.2/24]}}, processes: {idle: {command: sleep 1000}}}
bridges: {lan: }
links:
  - endpoints: ["a:eth0", "b:eth0"]
  - endpoints: ["b:eth1", "lan:port1"]
"""


class Terminal:
    """A terminal of the kind that `watch` draws on: only its own few sequences, and an error for any other."""

    SEQUENCE = re.compile(r"\x1b\[(\?\d+[hl]|\d+(?:;\d+)?H|[0-2]?[JK]|[\d;]*m)")

    def __init__(self, rows, columns):
        self.main, self.side = pty.openpty()
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.pending, self.raw = "", ""
        self.is_other = False      # the other screen is shown
        self.has_cursor = True
        self.first = []            # lines of the first screen
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.side)

    def resize(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.lines, self.at = [""] * rows, (0, 0)
        fcntl.ioctl(self.side, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def feed(self, text):
        self.raw += text
        self.pending += text
        while self.pending:
            if self.pending[0] == "\x1b":
                match = self.SEQUENCE.match(self.pending)
                if match is None:
                    if len(self.pending) > 16:
                        raise AssertionError(f"unknown sequence {self.pending[:16]!r}")
                    return
                self.pending = self.pending[match.end():]
                self.control(match.group(1))
                continue
            end = self.pending.find("\x1b")
            part, self.pending = (self.pending, "") if end < 0 else (self.pending[:end], self.pending[end:])
            self.write(part)

    def control(self, word):
        if word in ("?1049h", "?1049l"):
            self.is_other = word.endswith("h")
        elif word in ("?25h", "?25l"):
            self.has_cursor = word.endswith("h")
        elif word == "2J":
            self.lines = [""] * self.rows
        elif word == "2K":
            if self.at[0] < self.rows:
                self.lines[self.at[0]] = ""
        elif word.endswith("H"):
            row, column = word[:-1].split(";")
            self.at = (int(row) - 1, int(column) - 1)

    def write(self, text):
        if not self.is_other:
            self.first.append(text)
            return
        row, column = self.at
        assert column == 0 and "\n" not in text, (row, column, text)
        if row < self.rows:  # else it was drawn for the size before
            self.lines[row] += text

    @property
    def screen(self):
        return "\n".join(self.lines)


class WatchView(support.SandboxCase):
    def start(self, *words, rows=30, columns=100, env=None, prefix=()):
        """Starts `watch` on a terminal; returns when it shows the lab."""
        self.terminal = Terminal(rows, columns)
        self.addCleanup(os.close, self.terminal.main)
        # setsid --ctty makes the terminal the command's, so that its signals and its end are as in a real one.
        argv = self.box.argv(["setsid", "--ctty", "--wait", *prefix, support.TOPORUN, "watch", "lab", *words])
        self.process = subprocess.Popen(argv, stdin=self.terminal.side, stdout=self.terminal.side, stderr=self.terminal.side,
                                        env={**support.ENVIRONMENT, "TERM": "xterm-256color", **(env or {})})
        self.addCleanup(self.stop)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def read(self, limit):
        if select.select([self.terminal.main], [], [], limit)[0]:
            self.terminal.feed(self.terminal.decoder.decode(os.read(self.terminal.main, 65536)))

    def shows(self, pattern, limit=30):
        """Waits until the page has it; the match."""
        end = time.monotonic() + limit
        while not (match := re.search(pattern, self.terminal.screen, re.MULTILINE)):
            self.assertLess(time.monotonic(), end, f"{pattern!r} is not in\n{self.terminal.screen}\n{self.terminal.first}")
            self.assertIsNone(self.process.poll(), (self.terminal.screen, self.terminal.first))
            self.read(0.2)
        return match

    def press(self, keys):
        os.write(self.terminal.main, keys.encode())

    def pid(self):
        """Of the command, in the machine."""
        return self.box.run(["pgrep", "-f", "-o", f"{support.TOPORUN} watch lab"], check=True).stdout.strip()

    def ends(self, status):
        """It has ended with this status and left the terminal as it was."""
        end = time.monotonic() + 20
        while self.process.poll() is None:
            self.assertLess(time.monotonic(), end, "it does not end")
            self.read(0.1)
        while select.select([self.terminal.main], [], [], 0)[0]:
            self.read(0)
        self.assertEqual(status, self.process.returncode, self.terminal.first)
        self.assertFalse(self.terminal.is_other)
        self.assertTrue(self.terminal.has_cursor)
        self.assertEqual(self.terminal.before, termios.tcgetattr(self.terminal.side))

    def test_the_lab_as_it_is_and_what_happens_to_it(self):
        self.toporun("up", self.write("lab.yaml", LAB))
        self.start("--interval", "300ms")
        self.shows(r"^lab: 3 nodes, 2 links +as recorded$")
        self.shows(r"^a +node +2/2 up +\d")
        self.shows(r"^lan +switch +2/2 up")
        self.shows(r"^a:eth0 -- b:eth0 +up +\d+ +\d+ +\d+$")
        self.shows(r"^b:eth1 -- lan:port1 +up ")
        self.shows(r"^a:tap0 +slirp +10\.0\.2\.0/24 +serving +\d")
        self.shows(r"^b/idle +running +\d+ ")
        self.assertEqual(30, len(self.terminal.lines))
        self.assertEqual("q quit", self.terminal.lines[-1])
        self.assertIn("\x1b[7m", self.terminal.raw)
        # A link goes down by hand, and comes back.
        self.box.run(["ip", "-n", "lab.b", "link", "set", "eth1", "down"], check=True)
        self.shows(r"^lab: .* 1 object not as recorded$")
        self.shows(r"^NOT AS RECORDED\n~   link b:eth1--lan:port1  b:eth1 up on → off$")
        self.shows(r"^b:eth1 -- lan:port1 +down ")
        self.shows(r"^LATEST\n\d\d:\d\d:\d\d  ~   link b:eth1--lan:port1  b:eth1 up on → off$")
        self.box.run(["ip", "-n", "lab.b", "link", "set", "eth1", "up"], check=True)
        self.shows(r"=   link b:eth1--lan:port1  is as recorded again$")
        self.shows(r"^lab: .* as recorded$")
        # Traffic shows where it goes: eight packets a second and more, of a thousand bytes.
        pings = self.box.start(["ping", "-q", "-i", "0.05", "-s", "1000", "10.0.1.2"], namespace="lab.a")
        self.shows(r"^a:eth0 -- b:eth0 +up +\d+(\.\d)?k +\d+(\.\d)?k ")
        pings.stop()
        self.box.run(["pkill", "-x", "sleep"], namespace="lab.b")
        self.shows(r"^b/idle +(exited|failed|killed|stopped)")
        self.press("q")
        self.ends(0)

    def test_what_is_changed_for_a_while_and_the_drops_of_a_queue(self):
        if needs.lacking(self.box, {"rate limit"}):
            self.skipTest("the kernel has no tbf")
        self.toporun("up", self.write("lab.yaml", LAB))
        self.toporun("impair", "lab", "b:eth1", "rate", "10mbit")
        self.start()
        self.shows(r"^CHANGED FOR A WHILE\n.*b:eth1.*rate 10mbit")
        before = int(self.shows(r"^b:eth1 -- lan:port1 +up +\S+ +\S+ +(\d+)$").group(1))
        # No packet is as short as what this one takes.
        self.box.run("tc -n lab.b qdisc replace dev eth1 root tbf rate 1kbit burst 50 limit 50".split(), check=True)
        self.box.run(["ip", "-n", "lab.b", "address", "add", "10.0.2.1/24", "dev", "eth1"], check=True)
        self.box.run(["ping", "-q", "-c", "5", "-i", "0.01", "-W", "1", "10.0.2.2"], namespace="lab.b")
        end = time.monotonic() + 20
        while int(self.shows(r"^b:eth1 -- lan:port1 +up +\S+ +\S+ +(\d+)$").group(1)) <= before:
            self.assertLess(time.monotonic(), end, self.terminal.screen)
            self.read(0.2)

    def test_another_size(self):
        self.toporun("up", self.write("lab.yaml", LAB))
        self.start(rows=30, columns=100)
        self.shows(r"^b:eth1 -- lan:port1 +up ")
        self.terminal.resize(7, 44)
        self.shows(r"^lab: 3 nodes, 2 links +as recorded$")
        self.shows(r"^q quit +1-5 of \d+$")
        self.assertTrue(all(len(line) <= 44 for line in self.terminal.lines), self.terminal.screen)
        self.assertNotIn("LINK", self.terminal.screen)
        # What did not fit comes by keys.
        self.press("\x1b[6~")
        self.shows(r"^LINK ")
        self.press("\x1b[F")
        last = self.shows(r"^q quit +(\d+)-(\d+) of (\d+)$")
        self.shows(r"^b/idle +running")
        self.assertEqual(self.shows(r"^q quit +(\d+)-(\d+) of \2$").group(2), last.group(3))
        self.press("\x1b[H\x1b[B")
        self.shows(r"^q quit +2-6 of ")
        self.press("\t")
        self.shows(r"^lab: .*\nLINK ")
        self.press("g\x1b[Hkq")
        self.ends(0)

    def test_signals_leave_the_terminal_as_it_was(self):
        self.toporun("up", self.write("lab.yaml", LAB))
        for name, status in (("TERM", 130), ("INT", 130), ("HUP", -signal.SIGHUP), ("QUIT", -signal.SIGQUIT)):
            with self.subTest(name):
                self.start()
                self.shows(r"^b:eth1 -- lan:port1 +up ")
                self.assertTrue(self.terminal.is_other)
                self.assertFalse(self.terminal.has_cursor)
                self.box.run(["kill", f"-{name}", self.pid()], check=True)
                self.ends(status)

    def test_ctrl_c(self):
        self.toporun("up", self.write("lab.yaml", LAB))
        self.start()
        self.shows(r"^b:eth1 -- lan:port1 +up ")
        self.press("\x03")
        self.ends(130)

    def test_the_lab_goes_down_meanwhile(self):
        self.toporun("up", self.write("lab.yaml", LAB))
        self.start()
        self.shows(r"^b:eth1 -- lan:port1 +up ")
        self.toporun("down", "lab")
        self.ends(0)
        self.assertIn("lab is down: nothing to watch any more", "".join(self.terminal.first))

    def test_what_is_healed_is_told_on_the_page(self):
        self.toporun("up", self.write("lab.yaml", LAB))
        self.start("--heal")
        self.shows(r"^b:eth1 -- lan:port1 +up ")
        self.box.run(["ip", "-n", "lab.a", "address", "del", "10.0.1.1/24", "dev", "eth0"], check=True)
        self.shows(r"-   address a:eth0/10\.0\.1\.1/24  is gone$")
        self.shows(r"!  lab is healed: 1 created")
        self.shows(r"^lab: .* as recorded$")
        self.assertEqual([], [text for text in self.terminal.first if text.strip()])
        self.press("q")
        self.ends(0)

    def test_no_colour_and_no_page(self):
        self.toporun("up", self.write("lab.yaml", LAB))
        self.start(env={"NO_COLOR": "1"})
        self.shows(r"^b:eth1 -- lan:port1 +up ")
        self.assertEqual([], re.findall(r"\x1b\[[\d;]*m", self.terminal.raw))
        self.press("q")
        self.ends(0)
        # A terminal of which nothing is known gets lines.
        self.start(env={"TERM": "dumb"})
        end = time.monotonic() + 20
        while "watching lab: " not in "".join(self.terminal.first):
            self.assertLess(time.monotonic(), end)
            self.read(0.2)
        self.assertNotIn("\x1b", self.terminal.raw)
        self.press("\x03")
        self.ends(130)

    def test_a_thousand_nodes_with_few_descriptors(self):
        star = os.path.join(support.ROOT, "topologies/star.yaml")
        self.toporun("up", star, "--name", "lab", "--set", "HOSTS=1000", limit=240)
        self.start(prefix=["prlimit", "--nofile=1024"])
        self.shows(r"^lab: 1001 nodes, 1000 links +as recorded$", 120)
        self.shows(r"^hub +node +1000/1000 up")
        self.shows(r"^h1 +node +1/1 up")
        self.press("\x1b[F")
        self.shows(r"^h1000:eth0 -- hub:p1000 +up ")
        self.press("q")
        self.ends(0)
