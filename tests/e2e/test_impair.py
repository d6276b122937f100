# ctest: timeout=180
"""Impairments as they are measured: what a datagram meets is what the file, or `toporun impair`, says, and only in that
direction. Runs under Debian's own kernel too (tests/vm), whose processor is emulated: limits of time are lower bounds, and
upper ones only where they tell one thing from another."""

import json
import math
import os
import statistics
import unittest

import support

METER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "meter.py")
COUNT = 1000

LAB = """name: lab
nodes:
  a: {interfaces: {eth0: {addresses: [10.0.0.1/24]}}}
  b: {interfaces: {eth0: {addresses: [10.0.0.2/24]}}}
links: [{endpoints: ["a:eth0", "b:eth0"]%s}]
"""


def bounds(count, share, missed=1e-9):
    """The least and the most that `count` independent trials with this chance yield, but for one run in a billion: the exact
    tails of the binomial distribution below and above are each at most `missed` / 2."""
    logs = [math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1) + k * math.log(share) +
            (count - k) * math.log1p(-share) for k in range(count + 1)]
    chances = [math.exp(one) for one in logs]
    low, below = 0, chances[0]
    while below <= missed / 2:
        low += 1
        below += chances[low]
    high, above = count, chances[count]
    while above <= missed / 2:
        high -= 1
        above += chances[high]
    return low, high


class Bounds(unittest.TestCase):
    def test_hold_what_a_fair_coin_does(self):
        low, high = bounds(1000, 0.5)
        self.assertEqual(1000, low + high)
        # Six standard deviations and a little, as the normal distribution has it.
        self.assertAlmostEqual(6.1, (high - 500) / math.sqrt(250), delta=0.2)


@support.root_only("the meter enters namespaces by their names")
class Measured(support.SandboxCase):
    def setUp(self):
        super().setUp()
        self.netem = self.has("netem delay 1ms")
        if not self.netem and not self.has("tbf rate 8mbit burst 10k limit 30k"):
            self.skipTest("the kernel has neither netem nor tbf")

    def has(self, words):
        found = self.box.run(["tc", "qdisc", "add", "dev", "lo", "root", *words.split()]).returncode == 0
        if found:
            self.box.run(["tc", "qdisc", "del", "dev", "lo", "root"], check=True)
        return found

    def needs_netem(self):
        if not self.netem:
            self.skipTest("the kernel has no netem")

    def send(self, source, target, count=COUNT, size=200):
        address = {"a": "10.0.0.1", "b": "10.0.0.2"}[target]
        done = self.box.run([support.PYTHON, "-B", METER, f"lab.{source}", f"lab.{target}", address, count, size], check=True)
        return json.loads(done.stdout)["arrived"]

    def up(self, impair=""):
        self.toporun("up", self.write("lab.yaml", LAB % impair))
        self.assertTrue(self.box.ping("10.0.0.2", namespace="lab.a", limit=10))

    def impair(self, *words):
        self.toporun("impair", "lab", *words)

    def assertWithin(self, limits, value, what):
        self.assertTrue(limits[0] <= value <= limits[1], f"{what}: {value} is not from {limits[0]} to {limits[1]}")

    def assertAllCome(self, source, target):
        """Every datagram once, in order."""
        self.assertEqual(list(range(COUNT)), [number for number, _, _ in self.send(source, target)])

    def ways(self, source, target, count=40):
        """How long each was on the way, in seconds. Few at a time, so that no queue forms."""
        return [way for _, way, _ in self.send(source, target, count=count)]

    def speed(self, source, target, count=300, size=1000):
        """Bits a second that the link takes, from a fifth of the way on: what a bucket holds goes at once."""
        arrived = self.send(source, target, count=count, size=size)[count // 5:]
        framed = size + 8 + 20 + 14  # UDP, IPv4, Ethernet: what a queueing discipline counts
        return (len(arrived) - 1) * framed * 8 / (arrived[-1][2] - arrived[0][2])

    def test_delay_and_jitter_each_way(self):
        self.needs_netem()
        self.up(', impair: {a: {delay: 60ms}, b: {delay: 250ms, jitter: 100ms}}')
        there, back = self.ways("a", "b"), self.ways("b", "a")
        self.assertGreaterEqual(min(there), 0.059)
        self.assertLess(statistics.median(there), 0.150)
        self.assertGreaterEqual(min(back), 0.149)
        self.assertLess(statistics.median(back), 0.400)
        # Uniform between 150 and 350 ms: a standard deviation of 58 ms.
        self.assertGreater(statistics.stdev(back), 0.030)
        # The round trip is the sum, by a tool that others know too.
        done = self.box.run(["ping", "-n", "-c", "10", "-i", "0.2", "10.0.0.2"], namespace="lab.a", check=True)
        rtt = float(done.stdout.rsplit("= ", 1)[1].split("/")[0])
        self.assertGreaterEqual(rtt, 60 + 150 - 2)
        # For a while another one, then the file's again.
        self.impair("a:eth0", "delay", "5ms")
        self.assertLess(statistics.median(self.ways("a", "b")), 0.050)
        self.impair("a:eth0", "clear")
        self.assertGreaterEqual(min(self.ways("a", "b")), 0.059)

    def test_loss_of_a_thousand(self):
        self.needs_netem()
        self.up(', impair: {"a:eth0": {loss: 10%}}')
        self.assertWithin(bounds(COUNT, 0.1), COUNT - len(self.send("a", "b")), "lost of 1000 at 10 %")
        self.assertAllCome("b", "a")
        self.impair("a:eth0", "loss", "40%")
        self.assertWithin(bounds(COUNT, 0.4), COUNT - len(self.send("a", "b")), "lost of 1000 at 40 %")
        self.impair("a:eth0", "clear")
        self.assertWithin(bounds(COUNT, 0.1), COUNT - len(self.send("a", "b")), "lost of 1000 at 10 % again")

    def test_duplicates_reordered_and_corrupted_ones_are_as_many_as_asked_for(self):
        self.needs_netem()
        self.up()
        self.impair("a:eth0", "duplicate", "20%")
        self.assertWithin(bounds(COUNT, 0.2), len(self.send("a", "b")) - COUNT, "more than 1000 at 20 %")
        self.assertAllCome("b", "a")

        # A quarter goes at once and overtakes what waits; so few come before all others that they do not count.
        self.impair("a:eth0", "delay", "500ms", "reorder", "25%")
        numbers = [number for number, _, _ in self.send("a", "b")]
        least, overtook = COUNT, 0
        for number in reversed(numbers):
            overtook += number > least
            least = min(least, number)
        low, high = bounds(COUNT, 0.25)
        self.assertWithin((low - 20, high), overtook, "of 1000 overtook at 25 %")
        self.assertAllCome("b", "a")

        # One bit each: a checksum finds it, but in the six bytes of the sender's MAC address, of 1042.
        before = self.errors("b")
        self.impair("a:eth0", "corrupt", "10%")
        arrived = self.send("a", "b", size=1000)
        lost = COUNT - len(arrived)
        self.assertWithin(bounds(COUNT, 0.1 * (1 - 6 / 1042)), lost, "found corrupt of 1000 at 10 %")
        self.assertGreater(self.errors("b") - before, lost * 0.8, "wrong checksums")
        self.assertAllCome("b", "a")

    def errors(self, node):
        """Datagrams with a wrong checksum, so far."""
        told = self.box.run(["grep", "^Udp:", "/proc/net/snmp"], namespace="lab." + node, check=True).stdout.splitlines()
        return int(dict(zip(told[0].split(), told[1].split(), strict=True))["InCsumErrors"])

    def test_rate(self):
        self.up(', impair: {a: {rate: 2mbit}, b: {rate: 1mbit}}')
        for source, target, rate in (("a", "b", 2e6), ("b", "a", 1e6)):
            self.assertAlmostEqual(1, self.speed(source, target) / rate, delta=0.1, msg=f"{source} to {target}")
        self.impair("b:eth0", "rate", "3mbit")
        self.assertAlmostEqual(1, self.speed("b", "a") / 3e6, delta=0.1)

    def test_a_seed_makes_the_same_losses(self):
        self.needs_netem()
        release = tuple(int(part) for part in os.uname().release.split(".")[:2])
        if release < (6, 6):
            self.skipTest("netem has a seed from Linux 6.6 on")
        self.up()
        lost = []
        for _ in range(2):
            self.impair("a:eth0", "loss", "30%", "seed", "7")
            lost.append([number for number, _, _ in self.send("a", "b")])
            self.impair("a:eth0", "clear")
        self.assertEqual(lost[0], lost[1])


if __name__ == "__main__":
    unittest.main()
