# ctest: timeout=300
"""`up`, `down`, `plan`, `status`, `list`, `inspect` on a small lab."""

import json
import os
import re
import time

import support

PAIR = """name: pair
nodes:
  a: {interfaces: {eth0: {addresses: [192.0.2.1/24]}}}
  b: {interfaces: {eth0: {addresses: [192.0.2.2/24]}}}
links: [{endpoints: ["a:eth0", "b:eth0"]}]
"""


class Lifecycle(support.SandboxCase):
    def test_up_changes_down(self):
        before = self.box.snapshot()
        path = self.write("pair.yaml", PAIR)

        up = self.toporun("up", path)
        self.assertEqual("", up.stdout)
        self.assertRegex(up.stderr, r"^pair is up: \d+ created \(\d+\.\d\d s\)\n$")
        self.assertTrue(self.box.ping("192.0.2.2", namespace="pair.a"))

        self.settle()
        standing = self.box.snapshots()
        again = self.toporun("up", path)
        self.assertEqual("pair is up to date: nothing to do\n", again.stderr)
        for name, state in standing.items():
            # The lock's holder is another one each time.
            text = state.difference(self.box.snapshot(name or None))
            lines = [line for line in text.splitlines() if f"{support.STATE}/pair/lock" not in line]
            self.assertEqual([], lines, name)

        with open(path, "w", encoding="utf-8") as file:
            file.write(PAIR.replace("192.0.2.2/24", "192.0.2.3/24"))
        changed = self.toporun("up", "pair")
        self.assertRegex(changed.stderr, r"^pair is up: 1 created, 1 changed, 1 removed")  # the hosts file too
        self.assertTrue(self.box.ping("192.0.2.3", namespace="pair.a"))

        os.remove(path)
        down = self.toporun("down", "pair")
        self.assertRegex(down.stderr, r"^pair is down: \d+ objects removed")
        self.assertSame(before, self.box.snapshot(), ignore=("mount",))
        self.assertEqual('lab "pair" is not up: nothing to do\n', self.toporun("down", "pair").stderr)

    def settle(self):
        """Link-local addresses come a while after their interface: waits until each has been found to be unique."""
        deadline = time.monotonic() + 10
        for name in self.box.namespaces():
            while self.box.json(["ip", "-n", name, "-6", "-j", "address", "show", "tentative"]) not in ([], [{}], None):
                self.assertLess(time.monotonic(), deadline, name)

    def start_waiting_up(self, path):
        """Starts an `up` whose lab's command waits: (running, a function that signals toporun alone)."""
        running = self.box.start(["sh", "-c", 'echo "pid $$"; exec "$0" up "$1"', support.TOPORUN, path])
        pid = running.wait_for(r"^pid (\d+)$").group(1)
        running.wait_for(r"^a \| started$")
        return running, lambda name: self.box.run(["kill", "-" + name, pid], check=True)

    def test_down_finds_the_lab_of_a_file(self):
        path = self.write("pair.yaml", PAIR)
        self.toporun("up", path)
        self.toporun("up", path, "--name", "copy")
        self.assertEqual({"copy", "pair"}, self.labs())
        self.toporun("down", path)
        self.assertEqual({"copy"}, self.labs())
        self.toporun("down", path)
        self.assertEqual(set(), self.labs())

    def labs(self):
        return {lab["name"] for lab in json.loads(self.toporun("list", "--json").stdout)["labs"]}

    def test_down_clears_what_a_killed_first_up_left(self):
        before = self.box.snapshot()
        make = f"mkdir -p -m 700 {support.STATE}/x; touch {support.STATE}/x/lock"
        self.box.run([*(support.AS_USER if support.ROOTLESS else []), "sh", "-ec", make], check=True)
        self.assertEqual('lab "x" is not up: nothing to do\n', self.toporun("down", "x").stderr)
        self.assertSame(before, self.box.snapshot())

    def test_down_all(self):
        path = self.write("pair.yaml", PAIR)
        self.toporun("up", path)
        self.toporun("up", path, "--name", "copy")
        self.toporun("down", "--all")
        self.assertEqual(set(), self.labs())
        self.assertEqual([], self.box.namespaces())
        self.assertEqual("no lab is up: nothing to do\n", self.toporun("down", "--all").stderr)

    def test_list(self):
        self.assertEqual("no lab is up\n", self.toporun("list").stderr)
        path = self.write("pair.yaml", PAIR)
        self.toporun("up", path)
        lines = [line.split() for line in self.toporun("list").stdout.splitlines()]
        self.assertEqual([["NAME", "NODES", "STATE", "FILE"], ["pair", "2", "up", path]], lines)

    def test_a_lab_from_standard_input_goes_by_its_name(self):
        self.toporun("up", "-", input=PAIR)
        refused = self.toporun("up", "pair", status=1)
        self.assertIn("came from standard input", refused.stderr)
        self.toporun("down", "pair")
        self.assertEqual([], self.box.namespaces())

    def test_up_by_name_uses_the_recorded_settings(self):
        path = self.write("many.yaml", 'nodes: {"h[1-${N}]": }\n')
        self.toporun("up", path, "--set", "N=2")
        self.assertEqual("many is up to date: nothing to do\n", self.toporun("up", "many").stderr)
        self.toporun("up", "many", "--set", "N=3")
        self.assertEqual(["many.h1", "many.h2", "many.h3"], self.box.namespaces())

    def test_a_wrong_file_touches_nothing(self):
        before = self.box.snapshot()
        path = self.write("pair.yaml", PAIR.replace("nodes:", "noddes:"))
        wrong = self.toporun("up", path, status=3)
        self.assertIn('did you mean "nodes"', wrong.stderr)
        self.assertSame(before, self.box.snapshot())

    def test_plan_tells_and_touches_nothing(self):
        before = self.box.snapshot()
        path = self.write("pair.yaml", PAIR)
        plan = self.toporun("plan", path)
        self.assertIn("+   namespace a", plan.stdout)
        self.assertIn("+   link a:eth0--b:eth0", plan.stdout)
        self.assertRegex(plan.stdout.splitlines()[-1], r"^pair: \d+ to create$")
        self.toporun("plan", path, "--exit-code", status=5)
        self.assertSame(before, self.box.snapshot())

        self.toporun("up", path)
        self.assertEqual("pair: nothing to do\n", self.toporun("plan", path, "--exit-code").stdout)
        with open(path, "a", encoding="utf-8") as file:
            file.write("defaults: {interfaces: {eth0: {mtu: 1400}}}\n")
        standing = self.box.snapshot()
        document = json.loads(self.toporun("plan", "pair", "--json").stdout)
        self.assertSame(standing, self.box.snapshot())
        self.assertEqual(("pair", True), (document["lab"], document["changes"]))
        (action,) = document["actions"]
        self.assertEqual("change", action["action"])
        self.assertEqual({("1500", "1400")}, {(d["before"], d["after"]) for d in action["differences"]})

    def test_status_names_what_drifted_and_heals_it(self):
        path = self.write("pair.yaml", PAIR)
        self.toporun("up", path)
        self.assertRegex(self.toporun("status", "pair").stdout, r"^pair: as recorded \(\d+ objects\)\n$")
        self.box.run(["ip", "-n", "pair.a", "address", "del", "192.0.2.1/24", "dev", "eth0"], check=True)
        self.box.run(["ip", "-n", "pair.b", "link", "set", "eth0", "mtu", "1400"], check=True)
        drift = self.toporun("status", "pair", status=5)
        self.assertIn("-   address a:eth0/192.0.2.1/24  is gone", drift.stdout)
        self.assertIn("mtu 1500 → 1400", drift.stdout)
        document = json.loads(self.toporun("status", "--json", status=5).stdout)["labs"][0]
        self.assertFalse(document["as_recorded"])
        self.assertEqual(2, len(document["drift"]))
        os.remove(path)
        healed = self.toporun("status", "pair", "--heal")
        self.assertIn("pair is healed", healed.stderr)
        self.toporun("status", "pair")

    def test_status_notes_a_changed_file(self):
        path = self.write("pair.yaml", PAIR)
        self.toporun("up", path)
        with open(path, "a", encoding="utf-8") as file:
            file.write("# a word\n")
        self.assertIn("has changed since pair came up", self.toporun("status", path).stderr)
        self.assertTrue(json.loads(self.toporun("status", "--json").stdout)["labs"][0]["file_changed"])
        unknown = self.toporun("status", "pir", status=1)
        self.assertEqual('lab "pir" is not up (did you mean "pair"?)\n', unknown.stderr)

    def test_a_name_whose_namespace_is_dying(self):
        """A run that was killed between the two steps of a removal left the file; the cable still stands for a moment."""
        if support.ROOTLESS:
            self.skipTest("the names are in the lab's own namespaces")
        path = os.path.join(support.ROOT, "topologies/home-nat.yaml")
        before = self.box.snapshot()
        self.toporun("up", path)
        script = f'ip netns pids home-nat.isp | xargs -r kill; umount /run/netns/home-nat.isp; exec "$0" up {path}'
        for _ in range(12):
            done = self.box.run(["sh", "-c", script, support.TOPORUN])
            self.assertEqual(0, done.returncode, done.stderr)
            self.assertRegex(done.stderr, r"^home-nat is up: \d+ created")
        self.toporun("status", "home-nat")
        self.toporun("down", "home-nat")
        self.assertSame(before, self.box.snapshot())

    def test_inspect_tells_what_there_is_now(self):
        self.toporun("up", self.write("pair.yaml", PAIR))
        self.box.run(["ip", "-n", "pair.a", "address", "add", "198.51.100.7/32", "dev", "lo"], check=True)
        document = json.loads(self.toporun("inspect", "pair", "--json").stdout)
        nodes = {node["node"]: node for node in document["nodes"]}
        self.assertEqual({"a", "b"}, set(nodes))
        interfaces = {interface["name"]: interface for interface in nodes["a"]["interfaces"]}
        self.assertIn({"address": "198.51.100.7/32"}, interfaces["lo"]["addresses"])
        self.assertEqual(("up", 1500), (interfaces["eth0"]["state"], interfaces["eth0"]["mtu"]))
        (truth,) = self.box.json(["ip", "-n", "pair.a", "-j", "link", "show", "eth0"])
        self.assertEqual(truth["address"], interfaces["eth0"]["mac"])
        self.assertEqual([{"id": "a:eth0--b:eth0", "a": "a:eth0", "b": "b:eth0"}], document["links"])
        text = self.toporun("inspect", "pair").stdout
        self.assertIn("node a  (namespace pair.a)", text)
        self.assertRegex(text, r"(?m)^  eth0 +up +1500 +[0-9a-f:]{17} +veth +- +192\.0\.2\.1/24$")
        self.assertIn("  route 192.0.2.0/24 dev eth0 src 192.0.2.1\n", text)

    def test_graph_of_a_lab_whose_file_is_gone(self):
        path = self.write("pair.yaml", PAIR)
        self.toporun("up", path)
        from_file = self.toporun("graph", "pair", "--format", "dot")
        os.remove(path)
        from_record = self.toporun("graph", "pair", "--format", "dot")
        self.assertEqual(from_file.stdout, from_record.stdout)
        self.assertIn("drawn from the record", from_record.stderr)

    @support.root_only("the names of namespaces are a rootless lab's own: nobody else's can be in the way")
    def test_a_foreign_object_in_the_way_is_named(self):
        self.box.run(["ip", "netns", "add", "pair.b"], check=True)
        before = self.box.snapshot()
        path = self.write("pair.yaml", PAIR)
        for command in ("up", "plan"):
            refused = self.toporun(command, path, status=4)
            self.assertRegex(refused.stderr, r'pair.yaml:4:3: namespace b: stands already')
            self.assertSame(before, self.box.snapshot())

    @support.root_only("a rootless lab's host is its own wherever the command runs")
    def test_a_lab_of_another_host_namespace_is_refused(self):
        path = self.write("pair.yaml", PAIR)
        self.toporun("up", path)
        self.box.run(["ip", "netns", "add", "elsewhere"], check=True)
        for words in (("up", path), ("plan", path), ("status", "pair"), ("down", "pair")):
            done = self.box.run(["nsenter", "--net=/run/netns/elsewhere", support.TOPORUN, *words])
            self.assertEqual(4, done.returncode, done.stderr)
            self.assertIn("another network namespace", done.stderr)
        self.toporun("down", "pair")

    def test_a_failed_command_of_the_lab_undoes_the_first_up(self):
        before = self.box.snapshot()
        path = self.write("x.yaml", "name: x\nnodes:\n  a:\n    exec:\n      - [sh, -c, 'echo why >&2; exit 3']\n")
        failed = self.toporun("up", path, status=1)
        self.assertRegex(failed.stderr, r"x.yaml:5:\d+: ")
        self.assertIn("what was done is undone", failed.stderr)
        self.assertSame(before, self.box.snapshot(), ignore=("mount",))
        kept = self.toporun("up", path, "--keep", status=1)
        self.assertIn("toporun down x", kept.stderr)
        self.assertEqual(["x.a"], self.box.namespaces())
        self.toporun("down", "x")
        self.assertEqual([], self.box.namespaces())

    def test_an_interrupted_up_undoes_what_it_did(self):
        before = self.box.snapshot()
        path = self.write("x.yaml", "name: x\nnodes:\n  a:\n    exec: [[sh, -c, 'echo started; exec sleep 60']]\n")
        for name in ("INT", "TERM"):
            running, signal = self.start_waiting_up(path)
            signal(name)
            self.assertEqual(130, running.finish(20), running.output)
            self.assertTrue(running.output.endswith("interrupted\nnote: what was done is undone\n"), running.output)
            self.assertSame(before, self.box.snapshot(), ignore=("mount",))

    def test_the_lock_is_held_while_a_lab_changes(self):
        path = self.write("x.yaml", "name: x\nnodes:\n  a:\n    exec: [[sh, -c, 'echo started; exec sleep 60']]\n")
        running, signal = self.start_waiting_up(path)
        refused = self.toporun("down", "x", status=1)
        self.assertIn("another command holds it (pid ", refused.stderr)
        signal("TERM")
        self.toporun("up", self.write("x.yaml", "name: x\nnodes: {a: }\n"), "--lock-timeout", "20")
        self.assertEqual(130, running.finish(20))

    def test_waiting_for_the_lock_can_be_interrupted(self):
        path = self.write("x.yaml", "name: x\nnodes:\n  a:\n    exec: [[sh, -c, 'echo started; exec sleep 60']]\n")
        holder, signal_holder = self.start_waiting_up(path)
        waiter = self.box.start(["sh", "-c", 'echo "pid $$"; exec "$0" down x --lock-timeout 60', support.TOPORUN])
        pid = waiter.wait_for(r"^pid (\d+)$").group(1)
        # It has its handlers when it waits; before that the signal's own way ends it, which would do as well.
        self.box.run(["kill", "-INT", pid], check=True)
        self.assertIn(waiter.finish(20), (130, -2), waiter.output)
        signal_holder("INT")
        self.assertEqual(130, holder.finish(20))

    def test_a_terminal_shows_how_far_it_is(self):
        path = self.write("x.yaml", "name: x\nnodes:\n  a:\n    exec: [[sleep, '0.7'], 'true']\n")
        shown = self.toporun_on_terminal("up", path)
        self.assertRegex(shown, r"\r\x1b\[K\d+/\d+ exec\r\x1b\[Kx is up: ")
        quick = self.toporun_on_terminal("up", path)
        self.assertEqual("x is up to date: nothing to do\r\n", quick)
        self.assertIn("\x1b[1m", self.toporun_on_terminal("validate", "/nowhere.yaml"))
        self.assertNotIn("\x1b[1m", self.toporun_on_terminal("validate", "/nowhere.yaml", env={"NO_COLOR": "1"}))

    def test_a_terminal_shows_how_far_tests_are(self):
        path = self.write("x.yaml", """name: x
nodes: {a: }
tests: {slow: {from: a, run: [sleep, '1.5']}}
""")
        shown = self.toporun_on_terminal("test", path)
        self.assertRegex(shown, r"^\r\x1b\[K0/1 labs  x(\r\x1b\[K0/1 labs  x)*\r\x1b\[Kx \(/")
        for quiet in (self.toporun_on_terminal("-q", "test", path), self.toporun("test", path).stderr):
            self.assertNotIn("\r\x1b[K", quiet)

    def test_a_terminal_shows_how_far_down_is(self):
        # What ends within its grace period only.
        path = self.write("x.yaml", """name: x
nodes:
  a: {processes: {p: {command: [sh, -c, 'trap "" TERM; echo ready; while :; do sleep 0.2; done'], stop_grace_period: 1s,
      healthcheck: {log: ready}}}}
""")
        self.toporun_on_terminal("up", path)  # whose labs are the terminal's user's
        self.assertRegex(self.toporun_on_terminal("down", path), r"\r\x1b\[K\d+/\d+ \w+\r\x1b\[Kx is down: ")
        self.toporun_on_terminal("up", path)
        self.assertNotIn("\r\x1b[K", self.toporun_on_terminal("-q", "down", path))

    def toporun_on_terminal(self, *words, env=None):
        command = " ".join([support.TOPORUN, *words])
        return self.box.run(["script", "-qec", command, "/dev/null"], env=env).stdout

    def test_up_as_json(self):
        document = json.loads(self.toporun("up", self.write("pair.yaml", PAIR), "--json").stdout)
        self.assertEqual(("pair", True), (document["lab"], document["changed"]))
        self.assertIn("namespace a", {action["id"] for action in document["actions"]})
        self.assertEqual({"down": ["pair"]}, json.loads(self.toporun("down", "pair", "--json").stdout))

    def test_stats_tell_where_the_time_went(self):
        path = self.write("lab.yaml", """name: lab
nodes: {a: , b: }
links: [{endpoints: ["a:eth0", "b:eth0"], prefix: 10.0.0.0/24}]
""")
        done = self.toporun("up", path, "--stats", "--json")
        self.assertEqual("lab", json.loads(done.stdout)["lab"])
        rows = {match.group(3): (float(match.group(1)), int(match.group(2) or 0)) for match in re.finditer(
            r"^ *([0-9.]+) s +[0-9]+ % +([0-9]*) +(.*)$", done.stderr, re.M)}
        self.assertEqual(2, rows["make namespace"][1])
        self.assertEqual(1, rows["make link"][1])
        self.assertEqual(2, rows["make address"][1])
        self.assertEqual(2, rows["look at what there is"][1], "before and after")
        within = [name for name in rows if name.endswith("within the above")]
        self.assertEqual(1, len(within))
        total = rows.pop("together")[0]
        self.assertAlmostEqual(total, sum(took for name, (took, _) in rows.items() if name not in within),
                               delta=0.001 * len(rows) + 0.001)
        self.assertGreater(rows["make namespace"][0], 0)
        self.assertNotIn("together", self.toporun("down", "lab").stderr)

    def test_verbosity(self):
        path = self.write("pair.yaml", PAIR)
        loud = self.toporun("-v", "up", path)
        self.assertIn("+ link a:eth0--b:eth0\n", loud.stderr)
        self.toporun("down", "pair")
        self.assertEqual("", self.toporun("-q", "up", path).stderr)

    def test_a_renamed_file_warns(self):
        path = self.write("pair.yaml", PAIR)
        self.toporun("up", path)
        with open(path, "w", encoding="utf-8") as file:
            file.write(PAIR.replace("name: pair", "name: couple"))
        warned = self.toporun("up", path)
        self.assertIn('was up as "pair"', warned.stderr)
        self.assertEqual({"pair"}, self.labs())
