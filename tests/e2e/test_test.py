# ctest: timeout=400
"""`test`: up, check (or a command), down, always down; several labs side by side in namespaces of their own."""

import glob
import json
import os
import re
import shutil

import needs
import support

PAIR = """name: {name}
nodes:
  a: {{interfaces: {{eth0: {{addresses: [10.0.0.1/24, "fd00::1/64"]}}}}}}
  b-1: {{interfaces: {{eth0: {{addresses: [10.0.0.2/24]}}, lo: {{addresses: [10.9.9.9/32]}}}}}}
links: [{{endpoints: ["a:eth0", "b-1:eth0"]}}]
tests:
  answers: {{from: a, ping: b-1}}
  {more}
"""


class Test(support.SandboxCase):
    def setUp(self):
        super().setUp()
        self.work = self.folder()

    def pair(self, name, more=""):
        return self.write(f"{name}.yaml", PAIR.format(name=name, more=more), self.work)

    def assertNothingLeft(self, before):
        self.assertSame(before, self.box.snapshot())
        self.assertEqual([], json.loads(self.toporun("list", "--json").stdout)["labs"])

    def test_one_file(self):
        before = self.box.snapshot()
        done = self.toporun("test", self.pair("one"))
        self.assertRegex(done.stdout, r"^one \(.*/one\.yaml\)\nok    answers  \(\d+\.\d\d s\)\n"
                                      r"1 lab, 1 test: 1 ok, 0 failed, 0 skipped \(\d+\.\d\d s\)\n$")
        self.assertEqual("", done.stderr)
        self.assertNothingLeft(before)

    def test_side_by_side_and_no_names_meet(self):
        before = self.box.snapshot()
        # The same name, host interface and port in each.
        text = PAIR.format(name="same", more="") + "x-unused: 1\n"
        text = text.replace("links: [", 'links: [{endpoints: ["host:h0", "a:h0"]}, ')
        for number in range(4):
            self.write(f"{number}.yaml", text, self.work)
        self.write("not-a-topology.txt", "x", self.work)
        document = json.loads(self.toporun("test", self.work, "--jobs", "4", "--json").stdout)
        self.assertEqual([f"{number}.yaml" for number in range(4)],
                         [os.path.basename(lab["file"]) for lab in document["labs"]])
        self.assertEqual([1] * 4, [lab["ok"] for lab in document["labs"]], document)
        self.assertNothingLeft(before)

    def test_a_failure_is_told_and_the_lab_goes(self):
        before = self.box.snapshot()
        good = self.pair("good")
        bad = self.pair("bad", "wrong: {from: a, ping: 10.0.0.77, within: 200ms}")
        junit = os.path.join(self.work, "junit.xml")
        evidence = os.path.join(self.work, "evidence")
        done = self.toporun("test", bad, good, "--junit", junit, "--evidence", evidence, status=1)
        self.assertIn("FAIL  wrong    (", done.stdout)
        self.assertIn("2 labs, 3 tests: 2 ok, 1 failed, 0 skipped", done.stdout)
        self.assertIn(f"evidence: {evidence}/bad/index.html", done.stderr)
        self.assertEqual(["bad"], os.listdir(evidence))
        with open(f"{evidence}/bad/index.html", encoding="utf-8") as file:
            page = file.read()
        for text in ("wrong", "no reply from 10.0.0.77", "10.0.0.1/24", "as recorded", "node b-1"):
            self.assertIn(text, page)
        with open(f"{evidence}/bad/inspect.json", encoding="utf-8") as file:
            self.assertEqual("bad", json.load(file)["lab"])
        self.assertIn('<img src="graph.svg"', page)
        for name, sign in (("graph.svg", "<svg"), ("graph.html", "as it is now")):
            with open(f"{evidence}/bad/{name}", encoding="utf-8") as file:
                drawn = file.read()
            for text in (sign, "b-1", "10.0.0.1/24"):
                self.assertIn(text, drawn)
        self.read_junit(junit)
        self.assertNothingLeft(before)

    def test_an_up_that_fails_leaves_its_evidence_too(self):
        before = self.box.snapshot()
        path = self.write("sick.yaml", """name: sick
nodes:
  a:
    interfaces: {eth0: {addresses: [10.0.0.1/24]}}
    processes:
      server:
        command: [sh, -c, "echo no such thing as a configuration; exec sleep 1000"]
        healthcheck: {tcp: 9, interval: 50ms, retries: 3}
  b:
links: [{endpoints: ["a:eth0", "b:eth0"]}]
tests: {never: {from: a, ping: 10.0.0.1}}
""", self.work)
        evidence = os.path.join(self.work, "evidence")
        done = self.toporun("test", path, "--evidence", evidence, status=1)
        self.assertRegex(done.stdout, r"FAIL  up .*\n(.*\n)* +.*a/server")
        self.assertIn(f"evidence: {evidence}/sick/index.html", done.stderr)
        with open(f"{evidence}/sick/index.html", encoding="utf-8") as file:
            page = file.read()
        for text in ("no such thing as a configuration", "10.0.0.1/24", "a/server"):
            self.assertIn(text, page)
        with open(f"{evidence}/sick/inspect.json", encoding="utf-8") as file:
            self.assertEqual(["a", "b"], [node["node"] for node in json.load(file)["nodes"]])
        self.assertNothingLeft(before)
        # Refused before the first change: there is nothing to look at.
        refused = self.write("refused.yaml", "name: refused\nnodes: {a: {interfaces: {x0: {type: physical, device: card9}}}}\n", self.work)
        done = self.toporun("test", refused, "--evidence", evidence, status=1)
        self.assertIn("the host has no such interface", done.stdout)
        self.assertEqual(["sick"], os.listdir(evidence))

    def read_junit(self, path):
        try:
            import junitparser
        except ImportError:
            self.skipTest("python3-junitparser is not installed")
        suites = {suite.name: (suite.tests, suite.failures) for suite in junitparser.JUnitXml.fromfile(path)}
        self.assertEqual({"bad": (2, 1), "good": (1, 0)}, suites)

    def test_a_command_in_place_of_the_tests(self):
        before = self.box.snapshot()
        path = self.pair("lab")
        script = ('echo "$TOPORUN_LAB $TOPORUN_NODES $TOPORUN_NODE_A_IPV4 $TOPORUN_NODE_A_IPV6 '
                  '$TOPORUN_NODE_B_1_ETH0_IPV4 $TOPORUN_NODE_B_1_LO_IPV4"; "$0" exec lab a -- ping -c1 -W2 b-1 >&2')
        done = self.toporun("test", path, "--", "sh", "-c", script, support.TOPORUN)
        self.assertIn("lab a b-1 10.0.0.1 fd00::1 10.0.0.2 127.0.0.1 10.9.9.9\n", done.stdout)
        self.assertIn("1 test: 1 ok", done.stdout)
        done = self.toporun("test", path, "--json", "--evidence", self.work, "--", "sh", "-c", "echo said; exit 3", status=1)
        document = json.loads(done.stdout)
        self.assertEqual("exit status 3", document["labs"][0]["tests"][0]["why"])
        self.assertIn("said", done.stderr)
        self.assertNothingLeft(before)

    def test_what_cannot_stand_here_is_a_skip(self):
        before = self.box.snapshot()
        attach = self.write("attach.yaml", "name: attach\nnodes: {guest: {attach: {pid: 999999999}}}\n", self.work)
        done = self.toporun("test", attach)
        self.assertIn("skip  up  (", done.stdout)
        self.assertIn('attach node "guest"', done.stdout)
        self.assertIn("0 ok, 0 failed, 1 skipped", done.stdout)
        # A variable that a file of a folder insists on.
        self.write("asks.yaml", "name: asks\nnodes: {a: {sysctls: {net.ipv4.ip_default_ttl: '${TTL:?give a TTL}'}}}\n",
                   self.work)
        self.assertIn('"TTL": give a TTL', self.toporun("test", self.work).stdout)
        self.toporun("test", os.path.join(self.work, "asks.yaml"), status=3)
        self.assertNothingLeft(before)

    def test_a_lab_that_does_not_come_up_is_a_failure(self):
        before = self.box.snapshot()
        path = self.write("bad.yaml", "name: bad\nnodes: {a: {exec: ['false']}}\n", self.work)
        done = self.toporun("test", path, status=1)
        self.assertIn("FAIL  up", done.stdout)
        self.assertIn("exit status 1", done.stdout)
        self.assertNothingLeft(before)

    def test_mistakes_are_told_before_anything_is_done(self):
        good = self.pair("good")
        bad = self.write("bad.yaml", "nodes: {a: {x: 1}}\n", self.work)
        done = self.toporun("test", good, bad, status=3)
        self.assertEqual("", done.stdout)
        self.assertIn('unknown key "x"', done.stderr)
        for words, text in ((["test"], "FILE is missing"), (["test", "-"], "standard input"),
                            (["test", good, "--jobs", "0"], "--jobs"), (["test", good, "--tap", "--json"], "--tap"),
                            (["test", good, "--here", "--jobs", "2"], "--here")):
            done = self.toporun(*words, status=2)
            self.assertIn(text, done.stderr + done.stdout, words)
        self.toporun("test", os.path.join(self.work, "none.yaml"), status=None)

    def test_an_interrupt_takes_the_lab_down(self):
        before = self.box.snapshot()
        path = self.pair("lab", 'slow: {from: a, run: [sh, -c, "echo up > $MARK; sleep 0.1; exit 1"], within: 60s}')
        for name in ("INT", "TERM"):
            mark = os.path.join(self.work, f"mark-{name}")
            os.mkfifo(mark)
            if support.ROOTLESS:
                os.chmod(mark, 0o666)
            test = self.box.start(["sh", "-c", 'echo $$; exec "$@"', "sh", support.TOPORUN, "test", path], env={"MARK": mark})
            number = test.wait_for(r"^(\d+)$").group(1)
            with open(mark, encoding="ascii") as file:
                file.read()
            self.box.run(["kill", f"-{name}", number], check=True)
            self.drain(mark)
            self.assertEqual(130, test.finish(60), test.output)
            self.assertIn("interrupted", test.output)
            self.assertNothingLeft(before)

    def test_a_kill_takes_the_lab_down(self):
        before = self.box.snapshot()
        path = self.pair("lab", 'slow: {from: a, run: [sh, -c, "echo up > $MARK; sleep 0.1; exit 1"], within: 60s}')
        mark = os.path.join(self.work, "mark")
        os.mkfifo(mark)
        if support.ROOTLESS:
            os.chmod(mark, 0o666)
        test = self.box.start(["sh", "-c", 'echo $$; exec "$@"', "sh", support.TOPORUN, "test", path], env={"MARK": mark})
        number = test.wait_for(r"^(\d+)$").group(1)
        with open(mark, encoding="ascii") as file:
            file.read()
        self.drain(mark)
        self.box.run(["kill", "-KILL", number], check=True)
        script = f"while ps -e -o args | grep -q '^{support.TOPORUN} [t]est'; do read -t 0.05 _ <> <(:) || :; done"
        self.box.run(["bash", "-c", script], check=True, limit=30)
        self.assertNothingLeft(before)

    @staticmethod
    def drain(mark):
        """Whoever writes into it later is not held."""
        os.open(mark, os.O_RDONLY | os.O_NONBLOCK)

    def test_a_failed_lab_may_stay(self):
        before = self.box.snapshot()
        path = self.pair("bad", "wrong: {from: a, ping: 10.0.0.77, within: 200ms}")
        done = self.toporun("test", path, "--keep-on-failure", "--evidence", self.work, status=1)
        words = re.search(r"`(nsenter .*) toporun shell bad NODE` enters it, `kill (\d+)`", done.stderr)
        self.assertTrue(words, done.stderr)
        enter = words.group(1).split()
        if support.ROOTLESS:
            enter = [*support.AS_USER, *enter]
        inside = self.box.run([*enter, "/bin/sh", "-c", f"{support.TOPORUN} list"], env={"HOME": "/"})
        self.assertIn("bad", inside.stdout, inside.stderr)
        self.box.run(["kill", words.group(2)], check=True)
        gone = f"while kill -0 {words.group(2)} 2>/dev/null; do read -t 0.05 _ <> <(:) || :; done"
        self.box.run(["bash", "-c", gone], check=True, limit=30)
        self.assertNothingLeft(before)

    def test_here(self):
        path = self.pair("lab")
        done = self.toporun("test", path, "--here", "--", support.TOPORUN, "list")
        self.assertIn("lab", done.stdout)
        self.assertEqual([], json.loads(self.toporun("list", "--json").stdout)["labs"])

    def test_the_shipped_topologies(self):
        """Those with daemons of others are test_labs.py's matter."""
        before = self.box.snapshot()
        for file in glob.glob(os.path.join(support.ROOT, "topologies/*.yaml")):
            if not needs.packages(file):
                shutil.copy(file, self.work)
        done = self.toporun("test", self.work, "--jobs", "2", "--evidence", self.folder(), status=None, limit=300)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertIn(", 0 failed,", done.stdout)
        self.assertIn("is not set", done.stdout.split("attach.yaml (")[1].split("ok ")[0])
        self.assertNothingLeft(before)


if __name__ == "__main__":
    support.unittest.main()
