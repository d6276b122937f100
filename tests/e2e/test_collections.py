# ctest: timeout=300
"""The kernel's half of public collections of labs (tests/collections, each said in our own words): it comes up, reaches what
its origin reaches, by programs run through `toporun exec`, stays as it is at a second `up`, and goes. What this kernel lacks
is skipped by name and run under Debian's (tests/vm)."""

import glob
import os
import re
import shlex
import time
import unittest

import needs
import support
from checks import Checks, Topology

FILES = sorted(glob.glob(os.path.join(support.ROOT, "tests/collections/*.yaml")))
if os.environ.get("TOPORUN_TEST_SPECIAL") == "1":
    FILES = [path for path in FILES if needs.perhaps(path)]
WITHIN = 10  # seconds that a check may take to hold


class Through(Checks):
    """The same checks, with every program started by `toporun exec`; the pings of a lab side by side."""

    def arguments(self, node, argv):
        return ["exec", self.topology.name, node, "--", *argv]

    def command(self, node, argv):
        return [support.TOPORUN, *self.arguments(node, argv)]

    def pings(self, checks):
        """Names of those that do not hold. A host is asked until it answers; one that must not answer is asked three times
        (and `ping` ends with 2 where there is no way at all)."""
        script = ""
        for name, check in checks.items():
            # A node by its name: the node's own hosts file must know it.
            host = check["ping"] if check["ping"] in self.topology.nodes else self.topology.host(check["ping"])
            tell = f"echo {shlex.quote(name)}"
            if check.get("expect") == "unreachable":
                argv = shlex.join(self.arguments(check["from"], ["ping", "-n", "-c", "3", "-i", "0.2", "-W", "1", host]))
                script += f"(\"$1\" {argv} >/dev/null 2>&1; case $? in 1 | 2) ;; *) {tell} ;; esac) &\n"
            else:
                # A neighbour that does not answer at once ends `ping` before its time.
                argv = shlex.join(self.arguments(check["from"], ["ping", "-n", "-c", "1", "-w", str(WITHIN), host]))
                script += f"(for try in 1 2 3; do \"$1\" {argv} >/dev/null 2>&1 && exit; done; {tell}) &\n"
        return self.box.run(["sh", "-c", script + "wait", "sh", support.TOPORUN], check=True).stdout.splitlines()

    def measured_ping(self, check):
        argv = ["ping", "-n", "-c", str(check["count"]), "-i", "0.2", "-w", "30", self.topology.host(check["ping"])]
        return self.measured(self.box.run(self.command(check["from"], argv)).stdout, check["expect"])

    def output(self, check):
        expect = check.get("expect", {})
        expect = {} if expect == "reachable" else expect
        deadline = time.monotonic() + WITHIN
        while True:
            done = self.box.run(self.command(check["from"], check["run"]))
            held = done.returncode == expect.get("status", 0)
            for way, value in expect.get("stdout", {}).items():
                held = held and bool({"contains": value in done.stdout, "matches": re.search(value, done.stdout)}[way])
            if held or time.monotonic() > deadline:
                return held

    def failures(self):
        tests = self.topology.tree["tests"]
        plain = {name: check for name, check in tests.items() if "ping" in check and not isinstance(check.get("expect"), dict)}
        failed = self.pings(plain)
        for name, check in tests.items():
            if name in plain:
                continue
            if not (self.measured_ping(check) if "ping" in check else self.output(check)):
                failed.append(name)
        return failed


class Collections(unittest.TestCase):
    """All on one machine, one after the other; at the end it is as it was."""

    maxDiff = None
    toporun = support.SandboxCase.toporun

    @classmethod
    def setUpClass(cls):
        if support.ROOTLESS and os.geteuid() != 0:
            raise unittest.SkipTest("only root can make a machine that has ordinary users")
        cls.box = support.RootlessSandbox() if support.ROOTLESS else support.Sandbox()
        cls.addClassCleanup(cls.box.close)
        cls.printed = {path: cls.box.run([support.TOPORUN, "validate", "--print=json", path], check=True).stdout for path in FILES}
        every = set().union(*(needs.needs(support.json.loads(text)) for text in cls.printed.values()))
        # Before the machine's state is taken: a module that is loaded brings interfaces of its own.
        cls.missing = set(needs.lacking(cls.box, every))
        rules = ("add table inet t; add chain inet t c { type nat hook postrouting priority 100; }; "
                 "add rule inet t c masquerade")
        cls.box.run(["unshare", "--net", "nft", rules], check=True)
        cls.before = cls.box.snapshot()

    @classmethod
    def tearDownClass(cls):
        difference = cls.before.difference(cls.box.snapshot())
        if difference:
            raise AssertionError("the machine is not as it was (- before, + after):\n" + difference)

    def whole_life(self, path):
        topology = Topology(self.printed[path])
        missing = needs.needs(topology.tree) & self.missing
        if missing:
            self.skipTest("the kernel has no " + ", ".join(sorted(missing)))
        self.assertTrue(topology.tree.get("tests"), "it says nothing of what is reached")
        self.addCleanup(self.toporun, "down", topology.name)
        self.toporun("up", path)
        self.assertEqual([], Through(self, topology).failures())
        self.assertIn("nothing to do", self.toporun("up", path).stderr)


def one(path):
    return lambda self: self.whole_life(path)


for file in FILES:
    setattr(Collections, "test_" + re.sub(r"\W", "_", os.path.basename(file).removesuffix(".yaml")), one(file))


if __name__ == "__main__":
    unittest.main()
