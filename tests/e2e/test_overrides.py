# ctest: timeout=300
"""`toporun impair`: links that are changed for a while, what `status`, `watch`, `plan`, `up` and `down` make of it."""

import json
import signal
import unittest

import support

LAB = """name: lab
nodes:
  a:
    interfaces:
      eth0: {addresses: [10.0.0.1/24, "fd00::1/64"]}
      eth1: {addresses: [10.1.0.1/24, "fd01::1/64"], impair: {rate: 80mbit}}
    routes:
      - {to: 10.9.0.0/24, via: 10.0.0.2}
      - {to: "fd09::/64", via: "fd00::2"}
      - {to: 10.8.0.0/24, nexthops: [{via: 10.0.0.2}, {via: 10.1.0.2}]}
      - {to: "fd08::/64", nexthops: [{via: "fd00::2"}, {via: "fd01::2"}]}
    neighbours: [{to: 10.0.0.77, mac: "02:00:00:00:00:77", dev: eth0}, {to: "fd00::78", proxy: true, dev: eth0}]
  b: {interfaces: {eth0: {addresses: [10.0.0.2/24, "fd00::2/64"]}, eth1: {addresses: [10.1.0.2/24, "fd01::2/64"]}}}
  c: {interfaces: {eth0: {addresses: [10.2.0.3/24]}}}
bridges:
  sw:
  gate: {node: b, addresses: [10.3.0.1/24, "fd03::1/64"]}
links:
  - endpoints: ["a:eth0", "b:eth0"]
  - endpoints: ["a:eth1", "b:eth1"]
  - endpoints: ["c:eth0", "sw:c"]
  - endpoints: ["c:eth1", "gate:c"]
  - endpoints: ["c:eth2", "host:lab-up"]
"""


class Overrides(support.SandboxCase):
    def setUp(self):
        super().setUp()
        self.box.settle()
        self.before = self.box.snapshot()
        self.path = self.write("lab.yaml", LAB)
        self.toporun("up", self.path)
        self.box.settle()
        self.standing = self.network()

    def network(self):
        """The lab's namespaces as `ip` tells them. What went and came back is told behind what stayed: in no order."""
        out = {}
        for name in self.box.namespaces():
            parts = self.box.snapshot(name).parts
            for part in ("route", "address", "neighbour"):
                parts[part] = {f"{number:04}": value for number, value in enumerate(sorted(parts[part].values()))}
            out[name] = support.State(parts)
        return out

    def impair(self, *words, status=0):
        return self.toporun("impair", "lab", *words, status=status)

    def status(self, code=0):
        return json.loads(self.toporun("status", "lab", "--json", status=code).stdout)["labs"][0]

    def overrides(self):
        """By interface: what is so now, as `status` tells it, which finds no drift."""
        told = self.status()
        self.assertEqual([], told["drift"])
        self.assertTrue(told["as_recorded"])
        out = {}
        for one in told["overrides"]:
            out.setdefault(one["interface"], {}).update(one["now"])
        return out

    def flags(self, node, name):
        return self.box.json(["ip", "-n", "lab." + node, "-j", "link", "show", name])[0]["flags"]

    def qdisc(self, node, name):
        """The root's, as tc tells it."""
        tell = ["tc", "-n", "lab." + node, "-j", "qdisc", "show", "dev", name]
        return [one for one in self.box.json(tell) if one.get("root")][0]

    def assertStandsAgain(self):
        self.box.settle()
        now = self.network()
        self.assertEqual(set(self.standing), set(now))
        for name, state in now.items():
            self.assertSame(self.standing[name], state)

    def test_a_link_goes_down_and_comes_back_with_all_that_went(self):
        done = self.impair("a:eth0", "down")
        self.assertEqual("a:eth0  down  nothing  the file: up\n", done.stdout)
        self.assertNotIn("UP", self.flags("a", "eth0"))
        self.assertIn("UP", self.flags("b", "eth0"))
        routes = self.box.json(["ip", "-n", "lab.a", "-j", "route"]) + self.box.json(["ip", "-n", "lab.a", "-6", "-j", "route"])
        self.assertFalse([route for route in routes if route["dst"] in ("10.9.0.0/24", "fd09::/64")])
        self.assertEqual({"a:eth0": {"state": "down"}}, self.overrides())
        text = self.toporun("status", "lab").stdout
        self.assertRegex(text, r"^lab: as recorded \(\d+ objects\), 1 override\n")
        self.assertIn("!   a:eth0  down by `toporun impair`; the file: up\n", text)
        # To heal is to put back what drifted: a deliberate change stays, and what went with it too.
        self.toporun("status", "lab", "--heal")
        self.assertNotIn("UP", self.flags("a", "eth0"))
        self.impair("a:eth0", "up")
        self.assertStandsAgain()
        self.assertEqual({}, self.overrides())
        self.assertIn("nothing to do", self.toporun("up", "lab").stderr)

    def test_up_returns_all_to_the_file(self):
        self.impair("a:eth0", "down")
        self.impair("b:eth1", "down")
        self.impair("a:eth1", "rate", "8mbit")
        self.impair("c:eth0", "rate=4mbit")
        plan = self.toporun("plan", "lab").stdout
        self.assertIn("~   link a:eth0--b:eth0  a:eth0 up off → on; it was changed by `toporun impair`\n", plan)
        self.assertIn("~   impairment a:eth1  rate 8mbit → 80mbit; it was changed by `toporun impair`\n", plan)
        self.assertIn("-   impairment c:eth0  it was changed by `toporun impair`\n", plan)
        self.assertIn("+   route a/10.9.0.0/24  it is gone\n", plan)
        self.toporun("plan", "lab", "--exit-code", status=5)
        self.toporun("up", "lab")
        self.assertStandsAgain()
        self.assertEqual({}, self.overrides())

    def test_an_override_that_the_file_comes_to_say_is_none_any_more(self):
        self.impair("a:eth1", "rate", "8mbit")
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(LAB.replace("80mbit", "8mbit"))
        self.toporun("up", self.path)
        self.assertEqual({}, self.overrides())
        self.assertIn("nothing to do", self.toporun("up", self.path).stderr)
        # And what is as the file says was never one.
        self.impair("a:eth1", "rate", "8mbit")
        self.assertEqual({}, self.overrides())

    def test_clear_ends_every_override_of_an_interface(self):
        self.impair("a:eth1", "rate", "8mbit")
        self.impair("a:eth1", "down")
        self.impair("b:eth1", "down")
        told = json.loads(self.toporun("impair", "lab", "a:eth1", "--json").stdout)["interfaces"][0]
        self.assertEqual({"interface": "a:eth1", "state": "down", "impairment": {"rate": "8mbit"}, "override": True,
                          "file": {"state": "up", "impairment": {"rate": "80mbit"}}}, told)
        self.impair("a:eth1", "clear")
        self.assertIn("UP", self.flags("a", "eth1"))
        self.assertEqual(10_000_000, self.qdisc("a", "eth1")["options"]["rate"])
        self.assertEqual({"b:eth1": {"state": "down"}}, self.overrides())
        self.impair("b:eth1", "clear")
        self.assertStandsAgain()
        done = self.impair("b:eth1", "clear")
        self.assertIn("nothing to do", done.stderr)

    def test_ports_bridges_host_ends_and_lo(self):
        for end, node, name in (("sw:c", "sw", "c"), ("gate:c", "b", "c"), ("b:gate", "b", "gate"), ("a:lo", "a", "lo"),
                                ("c:eth1", "c", "eth1")):
            with self.subTest(end=end):
                self.impair(end, "down")
                self.assertNotIn("UP", self.flags(node, name))
                self.assertEqual({f"{node}:{name}": {"state": "down"}}, self.overrides())
                self.impair(end, "up")
                self.assertIn("UP", self.flags(node, name))
                self.impair(end, "rate", "8mbit")
                self.assertEqual(1_000_000, self.qdisc(node, name)["options"]["rate"])
                self.impair(end, "clear")
                self.assertEqual({}, self.overrides())
                self.assertNotIn("rate", self.qdisc(node, name).get("options", {}))
        self.impair("host:lab-up", "down")
        self.assertEqual({"host:lab-up": {"state": "down"}}, self.overrides())
        self.impair("host:lab-up", "up")
        self.assertStandsAgain()

    def test_down_takes_overrides_along(self):
        self.impair("a:eth0", "down")
        self.impair("host:lab-up", "rate", "8mbit")
        self.impair("a:lo", "down")
        self.toporun("down", "lab")
        self.box.settle()
        self.assertSame(self.before, self.box.snapshot())

    def test_drift_beside_an_override_is_told_and_healed(self):
        self.impair("a:eth0", "down")
        self.box.run(["ip", "-n", "lab.a", "address", "del", "10.1.0.1/24", "dev", "eth1"], check=True)
        drift = [one["id"] for one in self.status(code=5)["drift"]]
        self.assertIn("address a:eth1/10.1.0.1/24", drift)
        self.assertNotIn("route a/10.9.0.0/24", drift)
        self.toporun("status", "lab", "--heal")
        self.assertEqual({"a:eth0": {"state": "down"}}, self.overrides())
        # What else drifted is not this command's business.
        self.box.run(["ip", "-n", "lab.b", "address", "del", "10.1.0.2/24", "dev", "eth1"], check=True)
        self.impair("a:eth0", "up")
        self.assertEqual(["address b:eth1/10.1.0.2/24"], [one["id"] for one in self.status(code=5)["drift"]])
        self.toporun("status", "lab", "--heal")
        self.assertStandsAgain()

    def test_what_others_do_to_an_override_is_drift(self):
        self.impair("c:eth0", "rate", "8mbit")
        self.box.run(["tc", "-n", "lab.c", "qdisc", "del", "dev", "eth0", "root"], check=True)
        self.assertEqual(["impairment c:eth0"], [one["id"] for one in self.status(code=5)["drift"]])
        self.toporun("status", "lab", "--heal")
        self.assertEqual(1_000_000, self.qdisc("c", "eth0")["options"]["rate"])

    def test_watch_tells_of_overrides_apart(self):
        watch = self.box.start([support.TOPORUN, "watch", "lab"])
        watch.wait_for(r"^watching lab")
        self.impair("a:eth0", "down")
        watch.wait_for(r"^!   a:eth0  down by `toporun impair`; the file: up$", limit=20)
        self.impair("a:eth0", "up")
        watch.wait_for(r"^=   a:eth0  is no longer overridden$", limit=20)
        watch.signal(signal.SIGINT)
        watch.finish()
        self.assertNotRegex(watch.output, r"(?m)^[-~] ")

    def test_a_file_is_as_good_as_a_name_and_another_interface_may_be_by_hand(self):
        self.box.run(["ip", "-n", "lab.c", "link", "add", "mine", "type", "veth", "peer", "name", "other"], check=True)
        self.toporun("impair", self.path, "c:mine", "rate", "8mbit")
        self.assertEqual(1_000_000, self.qdisc("c", "mine")["options"]["rate"])
        self.toporun("impair", self.path, "c:mine", "clear")
        self.assertEqual({}, self.overrides())

    def test_all_that_is_impaired_is_shown(self):
        self.impair("c:eth0", "down")
        self.assertEqual("a:eth1  up    rate 80mbit\nc:eth0  down  nothing      the file: up\n", self.impair().stdout)

    def test_wrong_words_change_nothing(self):
        for words, status, told in (
                (["a:eth0", "dely", "20ms"], 2, 'impair: unknown key "dely" (did you mean "delay"?)'),
                (["a:eth0", "delay"], 2, 'impair: the value of "delay" is missing'),
                (["a:eth0", "delay", "20"], 2, 'impair: "delay" must be a time with its unit (20ms, 1.5s, 2m), not "20"'),
                (["a:eth0", "loss", "1%", "loss", "2%"], 2, 'impair: "loss" is given twice'),
                (["a:eth0", "rate=8mbit", "down"], 2, 'impair: "down" stands alone, without other words'),
                (["a:eth0", "dwn"], 2, 'impair: unknown word "dwn" (did you mean "down"?)'),
                (["a:eth0", "jitter=1ms"], 2, 'impair: "jitter" needs a "delay"'),
                (["eth0", "down"], 2, 'impair: "eth0" is no NODE:IFNAME (BRIDGE:PORT, host:IFNAME)'),
                (["x:eth0", "down"], 1, 'lab "lab" has no node "x"'),
                (["a:eth9", "down"], 1, 'a:eth9: change it: there is no such interface (did you mean "eth0"?)'),
                (["a:eth9"], 1, 'a:eth9: look at it: there is no such interface (did you mean "eth0"?)'),
                (["host:lo", "down"], 1, 'host:lo: lab "lab" has no interface "lo" on the host'),
        ):
            with self.subTest(words=words):
                done = self.impair(*words, status=status)
                self.assertIn(told, done.stderr)
                self.assertEqual("", done.stdout)
        self.toporun("impair", "nolab", "a:eth0", "down", status=1)
        self.assertStandsAgain()
        self.assertEqual({}, self.overrides())

    def test_what_is_gone_cannot_be_changed(self):
        self.box.run(["ip", "-n", "lab.a", "link", "del", "eth0"], check=True)
        self.assertIn("a:eth0: change it: it is gone; `toporun status --heal lab` puts it back",
                      self.impair("a:eth0", "down", status=1).stderr)

    def test_netem_words_or_what_is_missing(self):
        """Where the kernel has no netem the command says so, and nothing is changed."""
        probe = self.box.run(["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"])
        self.box.run(["tc", "qdisc", "del", "dev", "lo", "root"])
        if probe.returncode != 0:
            done = self.impair("c:eth0", "delay", "20ms", status=1)
            self.assertRegex(done.stderr, r"impairment c:eth0: use impairment: .*sch_netem")
            self.assertEqual({}, self.overrides())
            self.assertStandsAgain()
            return
        self.impair("c:eth0", "delay", "20ms", "5ms", "25%", "distribution", "normal", "loss", "random", "1%")
        self.assertEqual({"c:eth0": {"impairment": {"delay": "20ms", "jitter": "5ms", "correlation": "25%",
                                                    "distribution": "normal", "loss": "1%"}}}, self.overrides())
        options = self.qdisc("c", "eth0")["options"]
        self.assertAlmostEqual(0.02, options["delay"]["delay"])
        self.assertAlmostEqual(0.005, options["delay"]["jitter"])
        self.assertAlmostEqual(0.01, options["loss-random"]["loss"])
        self.impair("c:eth0", "clear")
        self.assertStandsAgain()

    def test_while_another_command_holds_the_lock_it_waits_or_says_so(self):
        lock = self.box.start([support.PYTHON, "-c", "import fcntl, sys; f = open(sys.argv[1]); "
                               "fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()",
                               f"{support.STATE}/lab/lock"])
        lock.wait_for("held")
        self.assertIn("lab", self.impair("a:eth0", "down", status=1).stderr)
        self.assertIn("UP", self.flags("a", "eth0"))
        lock.stop()


if __name__ == "__main__":
    unittest.main()
