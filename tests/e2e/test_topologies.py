# ctest: timeout=900
"""Every shipped topology: it comes up, does what its file says, stays as it is at a second `up`, and goes without a
trace. The five properties of the design that need the real kernel, but for faults (test_faults.py)."""

import glob
import ipaddress
import os
import re
import unittest

import needs
import support
from checks import Checks, Monitor, Topology
from tracing import changes, traced

FILES = sorted(glob.glob(os.path.join(support.ROOT, "topologies/*.yaml")) +
               glob.glob(os.path.join(support.ROOT, "examples/*.yaml")))
# In a guest with Debian's kernel (tests/vm) only what another kernel may lack.
SPECIAL = os.environ.get("TOPORUN_TEST_SPECIAL") == "1"
if SPECIAL:
    FILES = [path for path in FILES if needs.perhaps(path)]

# The machine's own addresses, as if it had a network card: the second is a client's that is not the first choice.
OUTSIDE = {4: "198.18.0.1", 6: "fd18::1"}
SECOND = {4: "198.18.0.2", 6: "fd18::2"}

# Nodes of a file that all reach each other; the other files have NAT between theirs.
WHOLE = {"pair": ".*", "lan": ".*", "routers": ".*", "leaf-spine": "host.*", "star": ".*", "first-lab": ".*",
         "attach": ".*", "attach-process": ".*"}


class Topologies(support.SandboxCase):
    def prepare(self):
        """The machine gets a cable to nowhere with addresses, a resolver on it, and what it says of it."""
        # No link-local addresses: they would come while a test looks.
        for line in ("ip link add card type veth peer name far", "ip link set card addrgenmode none",
                     "ip link set far addrgenmode none", "ip link set far up", "ip link set card up",
                     "ip address add 198.18.0.1/24 dev card", "ip address add 198.18.0.2/24 dev card",
                     "ip address add fd18::1/64 dev card nodad", "ip address add fd18::2/64 dev card nodad"):
            self.box.run(line.split(), check=True)
        self.box.serve("dns", "www.outside.test=198.18.0.1", "www.outside.test=fd18::1", port=53, address=OUTSIDE[4])
        self.echo = self.box.serve("tcp-echo")
        self.resolver = self.write("resolv.conf", f"nameserver {OUTSIDE[4]}\n")

    def fixture(self, path):
        """Starts what the file attaches to: (its pid or None, the words for the command line)."""
        script = path.removesuffix(".yaml") + ".fixture.sh"
        if not os.path.exists(script):
            return None, []
        if support.ROOTLESS:
            self.skipTest("needs root: it attaches to a namespace that is not the lab's own")
        pid = self.box.run([script], check=True).stdout.strip()
        return pid, ["--set", f"PID={pid}"]

    def attached(self, pid):
        if pid is None:
            return None
        done = self.box.run(["nsenter", f"--net=/proc/{pid}/ns/net", support.PYTHON, "-B", support.__file__,
                             "--snapshot", "network"], check=True)
        return support.State(support.json.loads(done.stdout))

    def environment(self):
        return {"TOPORUN_RESOLV_CONF": self.resolver} if self.resolver else {}

    def up(self, path, words):
        return self.toporun("up", path, *words, env=self.environment())

    def whole_life(self, path):
        pid, words = self.fixture(path)
        topology = Topology(self.toporun("validate", "--print=json", path, *words).stdout)
        needs.require(self, topology.tree, path)
        self.resolver = ""
        if topology.uplinks():
            self.prepare()
        self.assertLoadsAsPrinted(path, words)
        before, attached = self.box.snapshot(), self.attached(pid)

        self.up(path, words)
        self.assertEveryNodeIsThere(topology)
        checks = Checks(self, topology)
        self.perform(checks)
        if topology.name in WHOLE:
            self.assertAllReachAll(topology, WHOLE[topology.name])
        if topology.uplinks():
            self.assertWayOut(topology)
            self.assertPublished(topology, checks)
        checks.stop()

        self.box.settle()
        self.assertSecondUpChangesNothing(topology, path, words)
        self.toporun("status", topology.name)
        self.assertBrokenCables(checks, path, words)

        self.toporun("down", topology.name)
        self.assertSame(before, self.box.snapshot())
        if attached:
            self.assertSame(attached, self.attached(pid))

    def assertLoadsAsPrinted(self, path, words):
        if SPECIAL:
            return  # That does not depend on the kernel.
        for form in ("--print", "--print=json"):
            once = self.toporun("validate", form, path, *words).stdout
            self.assertEqual(once, self.toporun("validate", form, "-", input=once).stdout)

    def assertEveryNodeIsThere(self, topology):
        for node in topology.nodes:
            self.box.run(["true"], namespace=topology.namespace(node), check=True)
        self.assertLessEqual({topology.namespace(node) for node in topology.nodes}, set(self.box.namespaces()))

    def perform(self, checks):
        for name, test in checks.topology.tree.get("tests", {}).items():
            with self.subTest(test=name):
                if "steps" not in test:
                    checks.perform(test)

    def assertBrokenCables(self, checks, path, words):
        """Tests with steps that only take links down: `up` puts each back, as it does with any drift."""
        for name, test in checks.topology.tree.get("tests", {}).items():
            steps = test.get("steps", [])
            if not steps or any(step.get("set") != "down" for step in steps if "from" not in step):
                continue
            with self.subTest(test=name):
                for step in steps:
                    if "link" in step:
                        node, interface = step["link"].split(":")
                        self.box.run(["ip", "-n", checks.topology.namespace(node), "link", "set", interface, "down"],
                                     check=True)
                    else:
                        checks.perform(step)
                self.toporun("status", checks.topology.name, status=5)
                self.up(path, words)
                self.toporun("status", checks.topology.name)
                checks.perform(steps[0])

    def assertAllReachAll(self, topology, which):
        targets = {node: [address for family in (4, 6) if (address := topology.first(node, family))]
                   for node in topology.nodes if re.fullmatch(which, node)}
        for node in targets:
            families = {ipaddress.ip_address(address).version for address in targets[node]}
            wanted = [address for other, addresses in targets.items() if other != node for address in addresses
                      if ipaddress.ip_address(address).version in families]
            # All at once, and each is told that does not answer.
            script = 'for to; do (ping -n -q -c 1 -w 5 "$to" >/dev/null || echo "$to") & done; wait'
            silent = self.box.run(["sh", "-c", script, "sh", *wanted], namespace=topology.namespace(node), check=True)
            self.assertEqual("", silent.stdout, f"{topology.name}: no answer to {node}")

    def has_way_out(self, topology, node):
        shown = self.box.run(["ip", "route", "get", OUTSIDE[4]], namespace=topology.namespace(node))
        return shown.returncode == 0

    def assertWayOut(self, topology):
        """TCP through NAT and uplink to the machine, whose server sees the machine; a name by the uplink's resolver."""
        reached = 0
        for node in topology.nodes:
            if not self.has_way_out(topology, node):
                continue
            reached += 1
            namespace = topology.namespace(node)
            with self.subTest(out=node):
                answer = self.box.ask("tcp", OUTSIDE[4], self.echo.port, "through", namespace=namespace)
                self.assertRegex(answer, rf"^{re.escape(OUTSIDE[4])} \d+\nthrough$")
                resolver = self.box.run(["cat", f"/etc/netns/{namespace}/resolv.conf"], check=True).stdout
                if "nameserver " not in resolver:
                    continue
                found = self.box.run(["getent", "ahosts", "www.outside.test"], namespace=namespace, check=True).stdout
                self.assertIn(OUTSIDE[4], found)
                unknown = self.box.run(["getent", "ahosts", "other.outside.test"], namespace=namespace)
                self.assertEqual(2, unknown.returncode)
        self.assertGreater(reached, 0)

    def behind(self, topology, node, port, protocol):
        """Where a published port ends: the node's own, or where the node's NAT sends it on."""
        for rule in topology.nodes[node].get("nat", []):
            forward = rule.get("forward", {})
            first, _, last = str(forward.get("port", "")).partition("-")
            if forward.get("proto") == protocol and int(first) <= port <= int(last or first):
                address, _, to = forward["to"].partition(":")
                return topology.owner(address), int(to.split("-")[0] or port) if to else port
        return node, port

    def assertPublished(self, topology, checks):
        """The server sees the client's own address; a client on the machine's loopback shows as the uplink's gateway."""
        for node, settings in topology.nodes.items():
            for port in settings.get("ports", []):
                with self.subTest(port=port):
                    protocol = port.get("protocol", "tcp")
                    target, number = self.behind(topology, node, port["port"], protocol)
                    if checks.listens(f"{protocol}-echo", target, number):
                        continue  # A daemon of the file's own: its tests ask it.
                    server = self.box.serve(f"{protocol}-echo", namespace=topology.namespace(target), port=number)
                    for source, seen in ((SECOND[4], SECOND[4]), ("", "10.0.2.2")):
                        answer = self.box.ask(protocol, port["address"], port["host"], "in", source=source)
                        self.assertRegex(answer, rf"^{re.escape(seen)} \d+\nin$")
                        server.wait_for(rf"^from {re.escape(seen)} ")
                    server.stop()

    def assertSecondUpChangesNothing(self, topology, path, words):
        monitor = Monitor(self.box)
        standing = self.box.snapshot()
        trace = os.path.join(self.folder(), "trace")
        done, text = traced(self.box, [support.TOPORUN, "up", path, *words], trace,
                            env=self.environment())
        self.assertEqual((0, f"{topology.name} is up to date: nothing to do\n"), (done.returncode, done.stderr))
        self.assertEqual([], changes(text))
        own_daemons = needs.packages(path)  # which may announce things, and log, at any time
        if not own_daemons:
            self.assertEqual([], monitor.events())
        # The lock's holder is another one each time; the monitor is a process.
        lines = standing.difference(self.box.snapshot(), ("process",)).splitlines()
        others = "lock|process-.*[.]log:" if own_daemons else "lock"
        self.assertEqual([], [line for line in lines if not re.search(f"{support.STATE}/{topology.name}/({others})", line)])
        # The trace and the monitor do see a change.
        node = next(iter(topology.nodes))
        self.box.run(["ip", "address", "add", "198.51.100.99/32", "dev", "lo"], namespace=topology.namespace(node), check=True)
        self.assertIn(f"{topology.namespace(node)}: + address 198.51.100.99/32", monitor.events())
        _, text = traced(self.box, ["ip", "-n", topology.namespace(node), "address", "del", "198.51.100.99/32", "dev",
                                    "lo"], trace)
        self.assertNotEqual([], changes(text))
        self.assertIn(f"{topology.namespace(node)}: - address 198.51.100.99/32", monitor.events())
        monitor.stop()


def one(path):
    return lambda self: self.whole_life(path)


for file in FILES:
    setattr(Topologies, "test_" + re.sub(r"\W", "_", os.path.basename(file).removesuffix(".yaml")), one(file))


@unittest.skipIf(SPECIAL, "it asks nothing special of the kernel")
class Examples(support.SandboxCase):
    def test_the_ci_job(self):
        before = self.box.snapshot()
        done = self.box.run([os.path.join(support.ROOT, "examples/ci-job.sh"), support.TOPORUN], check=True, limit=120)
        self.assertTrue(done.stdout.endswith("passed\n"), done.stdout)
        self.assertSame(before, self.box.snapshot())
