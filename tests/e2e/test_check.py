# ctest: timeout=300
"""`check`: the file's tests and single checks on a lab that is up, from its nodes and from outside."""

import json
import os
import re
import signal

import support

LAB = """name: lab
nodes:
  a:
    interfaces: {eth0: {addresses: [10.0.1.1/24, "fd00:1::1/64"]}}
    routes: [{to: default, via: 10.0.1.2}, {to: default, via: "fd00:1::2"}]
  r:
    forwarding: true
    interfaces:
      west: {addresses: [10.0.1.2/24, "fd00:1::2/64"]}
      east: {addresses: [10.0.2.1/24, "fd00:2::1/64"]}
  b:
    interfaces: {eth0: {addresses: [10.0.2.2/24, "fd00:2::2/64"]}}
    routes: [{to: default, via: 10.0.2.1}, {to: default, via: "fd00:2::1"}]
links:
  - endpoints: ["a:eth0", "r:west"]
  - {endpoints: ["r:east", "b:eth0"], mtu: 1400}
tests:
"""

GOOD = """
  by address: {from: a, ping: 10.0.2.2}
  by name over IPv6: {from: a, ping: b, family: ipv6}
  by interface: {from: b, ping: "a:eth0"}
  nobody there: {from: a, ping: 10.0.2.77, expect: unreachable, within: 300ms}
  quality: {from: a, ping: b, count: 20, expect: {loss: "0%", rtt: "<= 1s", mtu: 1400}}
  path: {from: a, path: b, expect: {via: [r], mtu: 1400}}
  route: {from: a, route: 10.0.2.0/24, expect: {via: 10.0.1.2, dev: eth0}}
  no route: {from: r, route: 10.9.0.0/16, expect: unreachable}
  closed: {from: a, tcp: "b:81", expect: unreachable, within: 300ms}
  name: {from: b, dns: r, expect: {answer: 10.0.1.2}}
  run: {from: a, run: [sh, -c, "echo $TOPORUN_LAB $TOPORUN_NODE; echo oops >&2; exit 3"],
        expect: {status: 3, stdout: {equals: "lab a", contains: lab, matches: "^lab"}, stderr: oops}}
  json: {from: b, run: [ip, -j, route], expect: {stdout: {json: [{dst: default, gateway: 10.0.2.1}]}}}
  throughput: {from: b, throughput: a, expect: {throughput: ">= 1mbit"}}
"""

STEPS = """
  cut and mended:
    steps:
      - {from: a, ping: b}
      - {link: "r:east", set: down}
      - {from: a, ping: 10.0.2.2, expect: unreachable, within: 300ms}
      - {from: r, route: "fd00:2::/64", expect: unreachable, within: 300ms}
      - {wait: 10ms}
      - {link: "r:east", set: up}
      - {from: a, ping: b, within: 20s}
      - {from: a, ping: b, family: ipv6, within: 20s}
  node: {steps: [{node: r, set: down}, {from: a, ping: b, expect: unreachable, within: 300ms}]}
  left down: {steps: [{link: "a:eth0", set: down}, {from: a, ping: 10.0.1.2, within: 200ms}]}
  after: {from: a, ping: b, within: 20s}
"""


class Check(support.SandboxCase):
    def bring_up(self, tests):
        self.path = self.write("lab.yaml", LAB + tests)
        self.toporun("up", self.path)

    def verdicts(self, *words, status=0):
        return json.loads(self.toporun("check", "lab", *words, "--json", status=status).stdout)

    def test_all_that_holds(self):
        self.bring_up(GOOD)
        done = self.toporun("check", self.path)
        self.assertRegex(done.stdout.splitlines()[-1], r"^13 tests: 13 ok, 0 failed, 0 skipped \(\d+\.\d\d s\)$")
        self.assertRegex(done.stdout.splitlines()[0], r"^ok    by address {9}\(\d+\.\d\d s\)$")
        self.assertEqual(["by address", "by interface", "by name over IPv6"],
                         sorted(test["name"] for test in self.verdicts("by *")["tests"]))

    def test_what_does_not_hold_is_explained(self):
        self.bring_up("""
  wrong status: {from: a, run: [sh, -c, "echo no; exit 4"], within: 100ms}
  wrong output: {from: a, run: [echo, hello], expect: {stdout: {contains: bye}}, within: 100ms}
  nobody: {from: a, ping: 10.0.2.77, within: 200ms}
  reached: {from: a, ping: b, expect: unreachable}
  too much loss: {from: a, ping: 10.0.2.77, count: 3, expect: {loss: "<= 1%"}, within: 200ms}
  unknown name: {from: a, tcp: "nowhere:80", expect: unreachable, within: 100ms}
  other way: {from: a, path: b, expect: {via: [b, r]}, within: 100ms}
""")
        done = self.toporun("check", "lab", status=1)
        self.assertEqual("", done.stderr)
        for text in ("run sh -c echo no; exit 4 from a: expected exit status 0, but exit status 4 (tried",
                     'expected stdout that contains "bye", but stdout is "hello" (tried',
                     "ping 10.0.2.77 from a: expected a reply, but no reply from 10.0.2.77",
                     "ping b from a: expected no reply, but 10.0.2.2 answers after",
                     "expected loss <= 1%, but loss is 100% (no reply from 10.0.2.77",
                     'expected no connection, but resolve "nowhere": its hosts file does not know it',
                     "expected via b,r, but via is r (tried"):
            self.assertIn(text, done.stdout)
        self.assertIn("7 tests: 0 ok, 7 failed, 0 skipped", done.stdout)
        document = self.verdicts(status=1)
        self.assertEqual(7, document["failed"])
        self.assertEqual(19, document["tests"][0]["line"])

    def test_a_try_that_the_time_cut_off_does_not_hide_the_one_before(self):
        flag = os.path.join(self.folder(), "flag")
        self.bring_up(f"""
  cut off: {{from: a, run: [sh, -c, "[ -e {flag} ] && exec sleep 60; touch {flag}; exit 4"], within: 500ms}}
  never ends: {{from: a, run: [sleep, "60"], within: 500ms}}
""")
        done = self.toporun("check", "lab", status=1)
        self.assertRegex(done.stdout, r"expected exit status 0, but exit status 4 \(tried 2 times")
        self.assertIn("expected exit status 0, but it was ended after 1.0 s", done.stdout)

    def test_steps_change_the_lab_and_put_it_back(self):
        self.bring_up(STEPS)
        self.box.settle()
        before = self.places()
        done = self.toporun("check", "lab", status=1)
        words = {line[6:].split("  ")[0]: line.split()[0] for line in done.stdout.splitlines() if line[:4].strip()}
        self.assertEqual({"cut and mended": "ok", "node": "ok", "left down": "FAIL", "after": "ok"},
                         {name: word for name, word in words.items() if name in STEPS}, done.stdout)
        self.assertIn("step 2: ping 10.0.1.2 from a: expected a reply", done.stdout)
        self.assertIn("as recorded", self.toporun("status", "lab").stdout)
        self.box.settle()
        self.assertEqual(before, self.places())

    def places(self):
        """The network of each place. The kernel tells equal routes of several interfaces in the order of their making."""
        return {name: {part: sorted(values.values()) for part, values in state.parts.items() if part not in ("file", "neighbour")}
                for name, state in self.box.snapshots().items()}

    def test_an_interrupt_puts_back_too(self):
        self.bring_up("""
  long: {steps: [{link: "r:east", set: down}, {from: r, run: [sh, -c, "echo; exit 1"], within: 60s}]}
  never: {from: a, ping: b}
""")
        check = self.box.start(["sh", "-c", 'echo $$; exec "$@"', "sh", support.TOPORUN, "check", "lab"])
        number = check.wait_for(r"^(\d+)$").group(1)
        self.wait_until_down()
        self.box.run(["kill", "-INT", number], check=True)
        self.assertEqual(130, check.finish(30), check.output)
        self.assertIn("interrupted", check.output)
        self.assertNotIn("never", check.output)
        self.assertIn("as recorded", self.toporun("status", "lab").stdout)

    def test_what_a_kill_leaves_is_put_back_by_the_next(self):
        self.bring_up("""
  long: {steps: [{link: "r:east", set: down}, {from: r, run: [sleep, "0.1"], expect: {status: 1}, within: 60s}]}
  short: {steps: [{node: b, set: up}, {from: a, ping: b, within: 20s}]}
""")
        check = self.box.start([support.TOPORUN, "check", "lab", "long"])
        self.wait_until_down()
        check.signal(signal.SIGKILL)
        check.finish(30)
        self.assertRegex(self.toporun("status", "lab").stdout, r"1 override\n! +r:east +down")
        self.assertIn("ok    short", self.toporun("check", "lab", "short").stdout)
        self.assertRegex(self.toporun("status", "lab").stdout, r"as recorded \(\d+ objects\)\n$")

    def wait_until_down(self):
        """The test's first step is done when the kernel says so."""
        script = "until ip link show dev east | grep -q 'state DOWN'; do read -t 0.05 _ <> <(:) || :; done"
        self.box.run(["bash", "-c", script], namespace="lab.r", check=True, limit=20)

    def test_an_impairment_for_a_while(self):
        self.bring_up("""
  slow: {steps: [{link: "r:east", set: {rate: 1mbit}}, {from: a, throughput: b, expect: {throughput: "<= 2mbit"}}]}
""")
        document = self.verdicts()
        verdict = document["tests"][0]["verdict"]
        self.assertIn(verdict, ("ok", "skipped"), document)
        if verdict == "skipped":
            print("not run: this kernel limits no rates")
        self.assertNotRegex(self.box.run(["tc", "qdisc", "show", "dev", "east"], namespace="lab.r").stdout, "tbf|netem")

    def test_processes_are_killed_stopped_and_started(self):
        path = self.write("lab.yaml", """name: lab
nodes:
  a:
    interfaces: {eth0: {addresses: [10.0.1.1/24]}}
    processes:
      web: {command: [python3, -m, http.server, "8080"], healthcheck: {tcp: 8080}}
  b: {interfaces: {eth0: {addresses: [10.0.1.2/24]}}}
links: [{endpoints: ["a:eth0", "b:eth0"]}]
tests:
  stopped and started:
    steps:
      - {from: b, http: "http://a:8080/"}
      - {process: a/web, set: stopped}
      - {from: b, tcp: "a:8080", expect: unreachable, within: 300ms}
      - {process: a/web, set: started}
      - {from: b, http: "http://a:8080/", within: 20s}
  killed: {steps: [{process: a/web, set: killed}, {from: b, tcp: "a:8080", expect: unreachable, within: 300ms}]}
  put back: {from: b, http: "http://a:8080/", within: 20s}
""")
        self.toporun("up", path)
        self.toporun("check", "lab")
        self.toporun("status", "lab")

    def test_from_outside(self):
        self.bring_up("""
  outside: {from: outside, tcp: "127.0.0.1:18080"}
  closed: {from: outside, tcp: "127.0.0.1:18081", expect: unreachable, within: 300ms}
  run: {from: outside, run: [readlink, /proc/self/ns/net], expect: {stdout: {matches: "^net:"}}}
  route: {from: outside, route: 127.0.0.1, expect: {dev: lo}}
""")
        self.box.serve("tcp-echo", port=18080)
        self.assertIn("4 ok", self.toporun("check", "lab").stdout)
        outside = self.box.run(["readlink", "/proc/self/ns/net"], check=True).stdout.strip()
        self.toporun("check", "lab", "--from", "outside", "--run", "--", "test", "$(readlink /proc/self/ns/net)", "=", outside,
                     "--within", "100ms", status=1)
        done = self.toporun("check", "lab", "--from", "outside", "--run", "--within", "100ms", "--", "sh", "-c",
                            f"test $(readlink /proc/self/ns/net) = '{outside}'")
        self.assertIn("1 ok", done.stdout)

    def test_services(self):
        self.bring_up("""
  http: {from: a, http: "http://b:8080/x", expect: {code: 200, stdout: {contains: welcome}}}
  http over IPv6: {from: a, http: "http://[fd00:2::2]:8080/"}
  missing: {from: a, http: "http://b:8081/", expect: {code: 404}}
  udp: {from: a, udp: "b:5000"}
  dns: {from: a, udp: "b:53"}
""")
        self.box.serve("http", "welcome", namespace="lab.b", port=8080)
        self.box.serve("udp-echo", namespace="lab.b", port=5000)
        self.box.serve("dns", "x.test=10.0.0.9", namespace="lab.b", port=53)
        server = [support.PYTHON, "-m", "http.server", "8081", "--directory", "/proc/self/fdinfo"]
        self.box.start(server, namespace="lab.b")
        document = self.verdicts(status=1)
        verdicts = {test["name"]: test["verdict"] for test in document["tests"]}
        # This one lists a folder, and says 200: a wrong code is seen.
        self.assertEqual("failed", verdicts.pop("missing"))
        self.assertEqual({"ok"}, set(verdicts.values()), document)

    def test_all_pairs(self):
        self.bring_up("")
        self.assertEqual("16 of 16 address pairs reached\n", self.toporun("check", "lab", "--all-pairs").stdout)
        self.box.run(["ip", "-6", "route", "del", "default"], namespace="lab.a", check=True)
        done = self.toporun("check", "lab", "--all-pairs", "--within", "1500ms", status=1)
        self.assertTrue(done.stdout.startswith("   r  b  a\na  6  6  -\n"), done.stdout)
        self.assertIn("a does not reach b at fd00:2::2 (eth0)", done.stdout)
        self.assertIn("13 of 16 address pairs reached", done.stdout)
        document = json.loads(self.toporun("check", "lab", "--all-pairs", "--family", "ipv4", "--json").stdout)
        self.assertEqual({"lab": "lab", "pairs": 8, "failed": []}, document)

    def test_a_single_check(self):
        self.bring_up("")
        self.assertIn("ok    ping b from a", self.toporun("check", "lab", "--from", "a", "--ping", "b").stdout)
        self.toporun("check", "lab", "--from", "a", "--tcp", "b:81", "--within", "200ms", status=1)
        self.toporun("check", "lab", "--from", "a", "--tcp", "b:81", "--within", "200ms", "--expect", "unreachable")
        done = self.toporun("check", "lab", "--from", "a", "--path", "b", "--family", "ipv6")
        self.assertIn("      reached fd00:2::2 by r\n", done.stdout)
        self.toporun("check", "lab", "--from", "a", "--within", "10s", "--", "test", "1", "=", "1")

    def test_reports(self):
        self.bring_up('\n  good: {from: a, ping: b}\n  "b<&>d": {from: a, tcp: "b:9", within: 100ms}\n')
        junit = self.write("junit.xml", "")
        done = self.toporun("check", "lab", "--tap", "--junit", junit, status=1)
        self.assertTrue(done.stdout.startswith("TAP version 14\n1..2\nok 1 - lab: good\nnot ok 2 - lab: b<&>d\n"), done.stdout)
        self.read_junit(junit)

    def read_junit(self, path):
        try:
            import junitparser
        except ImportError:
            self.skipTest("python3-junitparser is not installed")
        report = junitparser.JUnitXml.fromfile(path)
        suite = next(iter(report))
        self.assertEqual((2, 1, 0), (suite.tests, suite.failures, suite.skipped))
        self.assertEqual(["good", "b<&>d"], [case.name for case in suite])

    def test_mistakes(self):
        self.bring_up('\n  good: {from: a, ping: b}\n')
        for words, status, text in (
                (["lab", "godo"], 1, 'no test fits "godo" (did you mean "good"?)'),
                (["nolab"], 1, 'lab "nolab" is not up'),
                (["lab", "--ping", "b"], 2, "--from NODE is missing"),
                (["lab", "--from", "a"], 2, "exactly one of"),
                (["lab", "--from", "a", "--tcp", "b"], 2, "--tcp takes HOST:PORT"),
                (["lab", "--from", "aa", "--ping", "b"], 1, 'has no node "aa"'),
                (["lab", "--all-pairs", "--from", "a"], 2, "--all-pairs"),
                (["lab", "--from", "a", "--ping", "b", "--expect", "up"], 2, "--expect is"),
                (["lab", "--from", "a", "--ping", "b", "--within", "soon"], 2, "--within is a time")):
            done = self.toporun("check", *words, status=status)
            self.assertIn(text, done.stderr, words)
        self.toporun("down", "lab")
        self.assertIn("is not up", self.toporun("check", "lab", status=1).stderr)

    def test_a_file_that_asks_for_what_is_not_measured(self):
        path = self.write("bad.yaml", "name: bad\nnodes: {a: }\ntests:\n"
                          '  one: {from: a, ping: a, expect: {stdout: x}}\n'
                          '  two: {from: a, ping: a, expect: {rtt: "<= 45 parsecs"}}\n'
                          '  three: {from: a, run: [x], expect: {stdout: {matches: "("}}}\n'
                          '  four: {from: a, http: "https://a/"}\n')
        done = self.toporun("validate", path, status=3)
        for text in ("a ping measures loss, rtt, mtu", '"<= 45 parsecs" is not a time as "<= 45ms"', '"(": ',
                     "a URL begins with http://"):
            self.assertIn(text, done.stderr)


if __name__ == "__main__":
    support.unittest.main()
