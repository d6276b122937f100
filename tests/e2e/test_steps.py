# ctest: timeout=7200
"""The real binary is killed at its N-th call that changes something, whichever of its processes makes it: while it brings a
lab up, takes it down, undoes a failed run, and while the next run clears up behind one that was killed. Then the next `up`
finds its way, and the next `down` leaves nothing.

A sample of the calls is tried; with TOPORUN_LONG=1 all of pair's and more of the others'. TOPORUN_SEED chooses the sample.
"""

import os
import random
import unittest

import needs
import support

LONG = os.environ.get("TOPORUN_LONG") == "1"
SEED = int(os.environ.get("TOPORUN_SEED", "1"))
BUILD = os.environ.get("TOPORUN_BUILD", os.path.join(support.ROOT, "build/release"))
STEPPER = os.path.join(BUILD, "stepper")
KILLED = 128 + 9

# A lab whose `up` fails at its end, so that all of it is undone.
FAILING = """name: failing
nodes:
  left:
    interfaces: {eth0: {addresses: [10.1.0.1/24]}}
    exec: ["false"]
  right:
    interfaces: {eth0: {addresses: [10.1.0.2/24, "fd00:1::2/64"]}}
    forwarding: {ipv4: true}
    nat: [{masquerade: {out: eth0}}]
links:
  - endpoints: ["left:eth0", "right:eth0"]
  - endpoints: ["right:up", "host:steps0"]
"""


class Steps(support.SandboxCase):
    def setUp(self):
        super().setUp()
        if not os.access(STEPPER, os.X_OK):
            self.fail(f"{STEPPER} is not built")
        self.random = random.Random(SEED)
        self.list = os.path.join(self.folder(), "calls")
        self.tried = 0
        self.before = self.box.snapshot()

    def steps(self, words, status=0):
        """The calls that a run makes which nobody disturbs."""
        done = self.box.run([STEPPER, f"--list={self.list}", "--", support.TOPORUN, *words])
        self.assertEqual(status, done.returncode, done.stderr)
        with open(self.list, encoding="ascii") as file:
            return [line.split(" ", 1)[1].strip() for line in file]

    def kill(self, number, words):
        return self.box.run([STEPPER, f"--at={number}", "--", support.TOPORUN, *words])

    def each(self, calls, count, body):
        numbers = range(1, len(calls) + 1)
        if count is not None and count < len(calls):
            numbers = sorted(self.random.sample(numbers, count))
        for number in numbers:
            with self.subTest(call=calls[number - 1], number=number, seed=SEED):
                try:
                    self.tried += 1
                    body(number)
                    self.assertSame(self.before, self.box.snapshot())
                except BaseException:
                    self.new_machine()
                    raise

    def life(self, path, name, count):
        """`count` calls of each kind of run; None: all."""
        up, down = ["up", path], ["down", name]
        tried_before = self.tried
        up_calls = self.steps(up)
        down_calls = self.steps(down)
        self.assertGreater(len(up_calls), 50)
        self.assertGreater(len(down_calls), 10)
        self.assertSame(self.before, self.box.snapshot())

        def converged():
            self.toporun(*up)
            self.assertIn("nothing to do", self.toporun(*up).stderr)
            self.toporun("status", name)
            self.toporun(*down)

        def up_then_up(number):
            self.kill(number, up)
            converged()

        def up_then_down(number):
            self.kill(number, up)
            self.toporun(*down)

        def recovery_then_up(number):
            self.kill(self.random.randint(1, len(up_calls)), up)
            self.kill(number, up)
            converged()

        def recovery_then_down(number):
            self.kill(self.random.randint(1, len(up_calls)), up)
            self.kill(min(number, len(down_calls)), down)
            self.toporun(*down)

        def down_then_down(number):
            self.toporun(*up)
            self.kill(number, down)
            self.toporun(*down)

        def down_then_up(number):
            self.toporun(*up)
            self.kill(number, down)
            converged()

        for calls, body in ((up_calls, up_then_up), (up_calls, up_then_down), (up_calls, recovery_then_up),
                            (up_calls, recovery_then_down), (down_calls, down_then_down), (down_calls, down_then_up)):
            self.each(calls, count, body)
        print(f"{name}: {self.tried - tried_before} kills, seed {SEED}")

    def test_pair(self):
        self.life(self.topology("pair.yaml"), "pair", None if LONG else 3)

    def test_home_nat(self):
        self.life(self.topology("home-nat.yaml"), "home-nat", 60 if LONG else 2)

    @unittest.skipUnless(LONG, "only with TOPORUN_LONG=1")
    def test_others(self):
        for file in ("lan", "leaf-spine", "policy-routing", "rootless-pods", "routers", "star", "two-homes"):
            self.life(self.topology(file + ".yaml"), file, 12)

    @unittest.skipUnless(LONG, "only with TOPORUN_LONG=1")
    def test_daemons(self):
        """Labs that run another package's daemons: the calls of those are counted too. (bgp-20 is one of them twenty times over,
        and more than an hour of them.)"""
        for file in ("bird", "dhcp", "frr-ospf", "iperf3", "nginx-nat"):
            with self.subTest(file=file):
                path = self.topology(file + ".yaml")
                needs.require(self, {}, path)
                self.life(path, file, 6)

    def test_roll_back(self):
        path = self.write("failing.yaml", FAILING)
        up, down = ["up", path], ["down", "failing"]
        calls = self.steps(up, status=1)
        self.assertSame(self.before, self.box.snapshot())

        def then_up(number):
            self.kill(number, up)
            # It finds its way up to where the lab fails, and back to what the kill left.
            self.assertIn("exit status 1", self.toporun(*up, status=1).stderr)
            self.toporun(*down)

        def then_down(number):
            self.kill(number, up)
            self.toporun(*down)

        def then_killed_again(number):
            self.kill(number, up)
            self.kill(self.random.randint(1, len(calls)), up)
            self.toporun(*down)

        for body, count in ((then_up, None), (then_down, None), (then_killed_again, 100)):
            self.each(calls, count if LONG else 4, body)
        print(f"roll-back: {self.tried} kills, seed {SEED}")

    @staticmethod
    def topology(file):
        return os.path.join(support.ROOT, "topologies", file)
