# ctest: timeout=300
"""Nodes with a view of their own (files, binds, tmpfs), and declared processes: order, health, restarts, logs, the end."""

import json
import os
import re
import shutil
import signal
import time
import unittest

import support


def lab(nodes, name="lab"):
    return json.dumps({"name": name, "nodes": nodes})


class Case(support.SandboxCase):
    def up(self, nodes, status=0, **options):
        return self.toporun("up", "-", input=lab(nodes), status=status, **options)

    def exec(self, node, script, status=0):
        return self.toporun("exec", "lab", node, "--", "sh", "-c", script, status=status)

    def ps(self, *nodes):
        """NODE/PROC -> what `ps --json` says of it."""
        found = json.loads(self.toporun("ps", "lab", "--json").stdout)["processes"]
        return {f"{one['node']}/{one['process']}": one for one in found}

    def wait_for(self, condition, limit=20):
        """Asks again until `condition` returns something true: that."""
        deadline = time.monotonic() + limit
        while not (value := condition()):
            self.assertLess(time.monotonic(), deadline, "it did not come to that in time")
        return value

    def processes(self, pattern):
        """The numbers of the machine's processes whose command line matches."""
        script = ('for p in /proc/[0-9]*; do echo "${p#/proc/} $(tr "\\0\\n" "  " <$p/cmdline)"; done 2>/dev/null')
        lines = self.box.run(["sh", "-c", script]).stdout.splitlines()
        return [int(line.split()[0]) for line in lines if re.search(pattern, line) and "for p in" not in line]

    def kill(self, pid, number=signal.SIGKILL):
        self.box.run(["kill", f"-{int(number)}", str(pid)], check=True)


class Views(Case):
    def test_files_are_the_nodes_own_and_the_hosts_stay_as_they_are(self):
        # The machine may have FRR of its own.
        self.box.run(["sh", "-c", "echo of the host >/etc/motd; rm -rf /etc/frr"], check=True)
        before = self.box.snapshot()
        roots = self.box.run(["ls", "-a", "/"]).stdout
        self.up({
            "a": {"files": {"/etc/motd": {"content": "of a\n"}, "/etc/frr/frr.conf": {"content": "hostname a\n", "mode": "0640"},
                            "/config/deep/er/x": {"content": "x"}, "/etc/with space": {"content": "s"}},
                  "tmpfs": ["/run/frr", "/var/lib/made/up"]},
            "b": {}})
        self.assertEqual("of a\nhostname a\nxs", self.exec("a", "cat /etc/motd /etc/frr/frr.conf /config/deep/er/x '/etc/with space'").stdout)
        self.assertEqual("640\n", self.exec("a", "stat -c %a /etc/frr/frr.conf").stdout)
        self.assertEqual("tmpfs\ntmpfs\n", self.exec("a", "stat -f -c %T /run/frr /var/lib/made/up").stdout)
        # What stands beside it is still there, and new things can be written without the host's seeing them.
        self.assertEqual("root\n", self.exec("a", "head -1 /etc/passwd | cut -d: -f1").stdout)
        self.exec("a", "echo own >/etc/frr/other; echo own >/etc/new; mv /etc/frr/other /etc/frr/frr.conf; touch /run/frr/pid")
        self.assertEqual("of the host\n", self.exec("b", "cat /etc/motd").stdout)
        self.exec("b", "test -e /etc/frr || test -e /config || test -e /run/frr", status=1)
        self.assertEqual(roots, self.box.run(["ls", "-a", "/"]).stdout)
        self.assertEqual([], [line for line in before.difference(self.box.snapshot(), ("process",)).splitlines()
                              if re.search(r" file: /etc/(?!netns)| mount: (?!/run/netns)", line)])
        self.toporun("down", "lab")
        self.assertSame(before, self.box.snapshot())

    def test_twenty_nodes_side_by_side(self):
        nodes = {"r[1-20]": {"files": {"/etc/frr/frr.conf": {"content": "hostname r{n}\n"}}, "tmpfs": ["/run/frr"],
                             "processes": {"daemon": {"command": "sh -c 'echo $$$$ >/run/frr/pid; exec sleep 1000'",
                                                      "healthcheck": {"file": "/run/frr/pid", "interval": "100ms", "retries": 200}}}}}
        self.up(nodes)
        said = self.toporun("exec", "lab", "--all", "--", "sh", "-c",
                            "hostname; cat /etc/frr/frr.conf; tr '\\0' ' ' </proc/$(cat /run/frr/pid)/cmdline; echo").stdout
        for n in range(1, 21):
            lines = [line.split(" | ")[1] for line in said.splitlines() if line.startswith(f"r{n} |")]
            self.assertEqual([f"r{n}", f"hostname r{n}", "sleep 1000 "], lines)
        self.toporun("status", "lab")
        # What the keepers end themselves is nobody else's.
        self.assertNotIn("ended process", self.toporun("down", "lab").stderr)
        self.assertEqual([], self.processes("sleep 1000"))

    def test_binds_and_sources_are_relative_to_the_file(self):
        folder = self.folder()
        os.mkdir(os.path.join(folder, "shared"))
        os.chmod(os.path.join(folder, "shared"), 0o777)
        self.write("shown", "shared\n", os.path.join(folder, "shared"))
        self.write("part.conf", "from beside the file\n", folder)
        with open(os.path.join(folder, "bytes"), "wb") as file:
            file.write(b"\x00\xff\xfe")
        path = self.write("lab.yaml", lab({"a": {
            "files": {"/opt/x/part.conf": {"source": "part.conf"}, "/opt/x/bytes": {"source": "./bytes"}},
            "binds": ["shared:/data/rw", f"{folder}/shared:/data/ro:ro", f"{folder}/part.conf:/etc/hostname:ro"]}}), folder)
        self.toporun("up", path, cwd="/usr")
        self.assertEqual("from beside the file\nshared\nshared\nfrom beside the file\n",
                         self.exec("a", "cat /opt/x/part.conf /data/rw/shown /data/ro/shown /etc/hostname").stdout)
        self.assertEqual("00fffe\n", self.exec("a", "od -An -tx1 /opt/x/bytes | tr -d ' '").stdout)
        self.exec("a", "echo new >/data/rw/made")
        self.exec("a", "echo new >/data/ro/made", status=2)
        with open(os.path.join(folder, "shared/made"), encoding="ascii") as file:
            self.assertEqual("new\n", file.read())
        self.assertIn("nothing to do", self.toporun("up", path).stderr)
        self.toporun("status", "lab")
        os.remove(os.path.join(folder, "part.conf"))
        done = self.toporun("up", path, status=3)
        self.assertRegex(done.stderr, r'lab.yaml:1:\d+: node "a": file "/opt/x/part.conf": read ".*part.conf": no such file')
        self.toporun("down", "lab")

    @unittest.skipUnless(shutil.which("g++"), "g++ is not installed")
    @support.root_only("the command's environment is told there")
    def test_a_keeper_that_is_ready_before_its_number_is_told(self):
        """As on a machine so busy that who forked the keeper gets its turn last."""
        source = self.write("late.cc", """
            #include <string.h>
            #include <sys/syscall.h>
            #include <unistd.h>
            extern "C" ssize_t write(int fd, const void* bytes, size_t size) {
              if (size > 7 && memcmp(bytes, "{\\"pid\\":", 7) == 0) sleep(5);
              return syscall(SYS_write, fd, bytes, size);
            }""")
        late = os.path.join(self.folder(), "late.so")
        self.box.run(["g++", "-shared", "-fPIC", "-o", late, source], check=True)
        self.up({"a": {"files": {"/etc/motd": {"content": "a\n"}}}}, env={"LD_PRELOAD": late})
        self.assertEqual("a\n", self.exec("a", "cat /etc/motd").stdout)
        self.toporun("down", "lab")

    def test_a_bind_of_nothing_is_refused_before_anything_is_touched(self):
        before = self.box.snapshot()
        done = self.up({"a": {"binds": ["/no/such/folder:/x"]}}, status=1)
        self.assertIn('bind "/no/such/folder": no such file or directory', done.stderr)
        self.assertSame(before, self.box.snapshot())

    def test_content_is_changed_in_place_and_a_new_path_makes_a_new_view(self):
        def nodes(content, more=()):
            return {"a": {"files": {"/etc/conf.d/one": {"content": content}, **{path: {"content": ""} for path in more}},
                          "processes": {"sleeper": {"command": "sleep 1000"}}}}
        self.up(nodes("1\n"))
        pid = self.ps()["a/sleeper"]["pid"]
        self.assertIn("~   content a:/etc/conf.d/one", self.toporun("plan", "-", input=lab(nodes("2\n"))).stdout)
        self.up(nodes("2\n"))
        self.assertEqual("2\n", self.exec("a", "cat /etc/conf.d/one").stdout)
        self.assertEqual(pid, self.ps()["a/sleeper"]["pid"])
        # An edit by hand is drift, and goes.
        self.exec("a", "echo by hand >/etc/conf.d/one")
        self.assertIn("content a:/etc/conf.d/one", self.toporun("status", "lab", status=5).stdout)
        self.up(nodes("2\n"))
        self.assertEqual("2\n", self.exec("a", "cat /etc/conf.d/one").stdout)
        self.assertIn("-/+ view a", self.toporun("plan", "-", input=lab(nodes("2\n", ["/etc/conf.d/two"]))).stdout)
        self.up(nodes("2\n", ["/etc/conf.d/two"]))
        self.exec("a", "test -e /etc/conf.d/two")
        self.assertNotEqual(pid, self.ps()["a/sleeper"]["pid"])

    def test_hosts_that_change_are_seen_in_a_view_that_stays(self):
        one = {"a": {"interfaces": {"lo": {"addresses": ["192.0.2.1/32"]}}, "processes": {"s": {"command": "sleep 1000"}}}}
        self.up(one)
        self.assertEqual(["192.0.2.1"], self.exec("a", "getent hosts a").stdout.split()[:1])
        self.up({**one, "b": {"interfaces": {"lo": {"addresses": ["192.0.2.2/32"]}}}})
        self.assertEqual(["192.0.2.2"], self.exec("a", "getent hosts b").stdout.split()[:1])

    def test_a_killed_keeper_is_drift_and_is_made_anew(self):
        nodes = {"a": {"files": {"/etc/x": {"content": "x"}}, "processes": {"s": {"command": "sleep 1000"}}}}
        self.up(nodes)
        (keeper,) = [pid for pid in self.processes("^[0-9]+ toporun node-keeper lab a")
                     if "toporun-keeper" in self.box.run(["cat", f"/proc/{pid}/comm"]).stdout]
        self.kill(keeper)
        self.wait_for(lambda: not self.processes("sleep 1000"))
        said = self.toporun("status", "lab", status=5).stdout
        for line in ("- +view a +is gone", "- +process a/s +is dead"):
            self.assertRegex(said, line)
        self.assertIn("the keeper that holds it is gone", self.toporun("exec", "lab", "a", "--", "true", status=125).stderr)
        self.assertEqual("gone", self.ps()["a/s"]["state"])
        self.up(nodes)
        self.assertEqual("x", self.exec("a", "cat /etc/x").stdout)
        self.toporun("status", "lab")
        self.toporun("down", "lab")
        self.assertEqual([], self.processes("toporun node-keeper|sleep 1000"))

    def test_down_needs_no_record_to_find_keepers(self):
        if support.ROOTLESS:
            self.skipTest("needs root: a rootless lab without a record goes with its holder")
        before = self.box.snapshot()
        self.up({"a": {"processes": {"s": {"command": "sleep 1000"}}}})
        self.box.run(["rm", f"{support.STATE}/lab/journal"], check=True)
        self.toporun("down", "lab")
        self.assertSame(before, self.box.snapshot())


class Processes(Case):
    def test_order_conditions_and_environment(self):
        script = "echo {0} >>/shared/order; {1}"
        folder = self.folder()
        node = {"binds": [f"{folder}:/shared"]}

        def process(name, then="exec sleep 1000", **more):
            return {"command": ["sh", "-c", script.format(name, then)], **more}
        check = {"interval": "100ms", "retries": 200}
        self.up({
            "a": {**node, "processes": {
                "last": process("last", depends_on={"b/server": {"condition": "healthy"}, "first": {}}),
                "first": process("first", then="sleep 0.3; echo first done >>/shared/order")}},
            "b": {**node, "processes": {
                "server": process("server", then="sleep 0.3; echo healthy >>/shared/order; touch /run/ok; exec sleep 1000",
                                  depends_on={"a/first": {"condition": "completed"}},
                                  healthcheck={"file": "/run/ok", **check}),
            }, "tmpfs": ["/run"]},
            "c": {"processes": {"env": {"command": ["sh", "-c", "echo $TOPORUN_LAB $TOPORUN_NODE $X $(pwd); exec sleep 1000"],
                                        "environment": {"X": "a b"}, "working_dir": "/usr",
                                        "healthcheck": {"log": "^lab c a b /usr$", **check}}}}})
        with open(os.path.join(folder, "order"), encoding="ascii") as file:
            self.assertEqual("first\nfirst done\nserver\nhealthy\nlast\n", file.read())
        states = {name: (one["state"], one["health"]) for name, one in self.ps().items()}
        self.assertEqual({"a/first": ("completed", None), "a/last": ("running", None), "b/server": ("running", "healthy"),
                          "c/env": ("running", "healthy")}, states)
        self.toporun("status", "lab")

    def test_each_kind_of_healthcheck(self):
        check = {"interval": "100ms", "retries": 200}
        serve = "exec python3 -m http.server --bind {0} 8000"
        udp = "import socket,time; s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM); s.bind(('::1',53)); time.sleep(1000)"
        node = {"interfaces": {"lo": {"addresses": ["192.0.2.7/32", "2001:db8::7/128"]}}}
        self.up({
            "tcp4": {**node, "processes": {"p": {"command": ["sh", "-c", serve.format("192.0.2.7")], "healthcheck": {"tcp": 8000, **check}}}},
            "tcp6": {**node, "processes": {"p": {"command": ["sh", "-c", serve.format("2001:db8::7")], "healthcheck": {"tcp": 8000, **check}}}},
            "http": {**node, "processes": {"p": {"command": ["sh", "-c", serve.format("::1")], "healthcheck": {"http": "http://[::1]:8000/etc/", **check},
                                                 "working_dir": "/"}}},
            "udp": {**node, "processes": {"p": {"command": ["python3", "-c", udp], "healthcheck": {"udp": 53, **check}}}},
            "test": {**node, "processes": {"p": {"command": "sleep 1000", "environment": ["FINE=yes"],
                                                 "healthcheck": {"test": ["sh", "-c", "test $FINE = yes"], **check}}}}})
        self.assertEqual({"healthy"}, {one["health"] for one in self.ps().values()})

    def test_what_fails_tells_why_and_is_undone(self):
        before = self.box.snapshot()
        check = {"interval": "50ms", "retries": 3}
        loud = "echo one; echo two >&2; echo three; {0}"
        cases = {
            "exit status 3": ({"command": ["sh", "-c", loud.format("exit 3")], "healthcheck": {"tcp": 80, **check, "retries": 1000}}, "three"),
            "nothing listens on TCP port 80": ({"command": ["sh", "-c", loud.format("exec sleep 1000")], "healthcheck": {"tcp": 80, **check}}, "three"),
            "the check was not done in 100 ms": ({"command": ["sh", "-c", loud.format("exec sleep 1000")],
                                                  "healthcheck": {"test": "sleep 1000", "timeout": "100ms", **check}}, "two"),
            "exit status 127": ({"command": "/no/such/program"}, "no such file or directory"),
        }
        for why, (process, last) in cases.items():
            with self.subTest(why):
                done = self.up({"a": {"processes": {"bad": process}}}, status=1)
                self.assertRegex(done.stderr, rf'process a/bad: .*{re.escape(why)}')
                self.assertIn(last, done.stderr)
                self.assertIn("what was done is undone", done.stderr)
                self.assertSame(before, self.box.snapshot())

    def test_an_edit_that_fails_brings_the_former_process_back(self):
        former = {"s": {"command": "sleep 1000"}, "once": {"command": "true"},
                  "t": {"command": "sleep 1001", "depends_on": {"once": {"condition": "completed"}}}}
        self.up({"a": {"processes": former}})
        edits = {
            "itself": {**former, "s": {"command": "/no/such/program"}},
            "another": {**former, "s": {"command": "sleep 1002"}, "bad": {"command": "/no/such/program", "depends_on": ["s"]}},
            "what ends by itself": {**former, "once": {"command": "sh -c true"}, "bad": {"command": "/no/such/program", "depends_on": ["t"]}},
        }
        for why, processes in edits.items():
            with self.subTest(why):
                done = self.up({"a": {"processes": processes}}, status=1)
                self.assertIn("what was done is undone", done.stderr)
                self.assertNotIn("undo:", done.stderr)
                self.toporun("status", "lab")
                self.assertEqual({"a/s": "running", "a/once": "completed", "a/t": "running"},
                                 {name: one["state"] for name, one in self.ps().items()})
                self.assertEqual(1, len(self.processes(" sleep 1000 ")))

    def test_completed_with_another_status_is_a_failure(self):
        done = self.up({"a": {"processes": {"init": {"command": "sh -c 'echo broken; exit 4'"},
                                            "app": {"command": "sleep 1000", "depends_on": {"init": {"condition": "completed"}}}}}},
                       status=1)
        self.assertIn("process a/init", done.stderr)
        self.assertIn("exit status 4", done.stderr)
        self.assertIn("broken", done.stderr)

    def test_a_dead_process_is_drift_and_comes_back(self):
        nodes = {"a": {"processes": {"s": {"command": "sleep 1000"}, "t": {"command": "sleep 1001"}}}}
        self.up(nodes)
        before = self.ps()
        self.kill(before["a/s"]["pid"])
        self.wait_for(lambda: self.ps()["a/s"]["state"] == "failed")
        self.assertEqual(137, self.ps()["a/s"]["exit_status"])
        self.assertRegex(self.toporun("status", "lab", status=5).stdout, "- +process a/s +is dead")
        self.up(nodes)
        after = self.ps()
        self.assertEqual("running", after["a/s"]["state"])
        self.assertEqual(before["a/t"]["pid"], after["a/t"]["pid"])
        # A change of its definition starts it anew, and nothing else.
        nodes["a"]["processes"]["s"]["command"] = "sleep 1002"
        self.assertEqual(["-/+ process a/s  command sleep, 1000 → sleep, 1002"], [
            line for line in self.toporun("plan", "-", input=lab(nodes)).stdout.splitlines() if "process" in line])
        self.up(nodes)
        self.assertEqual(after["a/t"]["pid"], self.ps()["a/t"]["pid"])
        self.assertEqual([], self.processes("sleep 1000"))

    def test_an_ill_process_is_drift_and_is_started_anew(self):
        nodes = {"a": {"tmpfs": ["/run/p"], "processes": {
            "s": {"command": "sh -c 'touch /run/p/ok; exec sleep 1000'",
                  "healthcheck": {"file": "/run/p/ok", "interval": "50ms", "retries": 3, "start_period": "20s"}}}}}
        self.up(nodes)
        pid = self.ps()["a/s"]["pid"]
        self.exec("a", "rm /run/p/ok")
        self.wait_for(lambda: self.ps()["a/s"]["health"] == "unhealthy")
        self.assertRegex(self.toporun("status", "lab", status=5).stdout, "- +condition a/s/healthy +does not hold")
        self.toporun("status", "lab", "--heal")
        self.assertNotEqual(pid, self.ps()["a/s"]["pid"])
        self.assertEqual("healthy", self.ps()["a/s"]["health"])

    def test_restart_policies(self):
        count = "echo x >>/run/p/{0}; test $(wc -l </run/p/{0}) -ge 3 && {1}; exit 7"
        self.up({"a": {"tmpfs": ["/run/p"], "processes": {
            "fail": {"command": ["sh", "-c", count.format("fail", "exec sleep 1000")], "restart": "on-failure",
                     "healthcheck": {"test": ["sh", "-c", "test $(wc -l </run/p/fail) -ge 3"], "interval": "50ms", "retries": 400}},
            "zero": {"command": ["sh", "-c", "exit 0"], "restart": "on-failure"},
            "always": {"command": ["sh", "-c", "echo x >>/run/p/always; sleep 0.5"], "restart": "always",
                       "healthcheck": {"test": ["sh", "-c", "test $(wc -l </run/p/always) -ge 2"], "interval": "10ms", "retries": 1000}}}}})
        now = self.ps()
        self.assertEqual(("running", 2), (now["a/fail"]["state"], now["a/fail"]["restarts"]))
        self.assertEqual(("completed", 0), (now["a/zero"]["state"], now["a/zero"]["restarts"]))
        self.assertGreaterEqual(now["a/always"]["restarts"], 1)
        # A crash is one too.
        self.kill(now["a/fail"]["pid"])
        self.wait_for(lambda: self.ps()["a/fail"]["restarts"] == 3 and self.ps()["a/fail"]["state"] == "running")

    def test_down_ends_all_that_was_started(self):
        before = self.box.snapshot()
        stubborn = "trap '' TERM; sleep 1001 & setsid sleep 1002 & while true; do sleep 0.1; done"
        daemon = "setsid sh -c 'trap \"\" TERM HUP; echo $$$$ >/run/p/pid; while true; do sleep 0.1; done' & exit 0"
        double = "import os,time\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\ntime.sleep(1003)"
        self.up({"a": {"tmpfs": ["/run/p"], "processes": {
            "stubborn": {"command": ["sh", "-c", stubborn], "stop_grace_period": "300ms"},
            "daemon": {"command": ["sh", "-c", daemon], "stop_grace_period": "300ms",
                       "healthcheck": {"file": "/run/p/pid", "interval": "50ms", "retries": 400}},
            "double": {"command": ["python3", "-c", double], "stop_grace_period": "300ms"}}},
            "b": {"processes": {"other": {"command": "sleep 1004"}}}})
        self.wait_for(lambda: self.processes("sleep 1001") and self.processes("sleep 1002"))
        self.wait_for(lambda: self.ps()["a/double"]["pid"])
        # A process that went into the background still runs, and one alone can be ended with all of it.
        self.assertEqual("running", self.ps()["a/daemon"]["state"])
        only_b = {"a": {"tmpfs": ["/run/p"], "processes": {"double": {"command": ["python3", "-c", double], "stop_grace_period": "300ms"}}},
                  "b": {"processes": {"other": {"command": "sleep 1004"}}}}
        self.up(only_b)
        self.wait_for(lambda: not self.processes("sleep 100[12]"))
        self.assertTrue(self.processes("sleep 1004"))
        self.assertTrue(self.processes(r"time.sleep\(1003\)"))
        self.toporun("down", "lab")
        self.assertSame(before, self.box.snapshot())

    def test_the_stop_signal_and_dependents_first(self):
        folder = self.folder()
        script = "trap 'echo {0} >>/shared/end; exit 0' {1}; touch /shared/{0}; while true; do sleep 0.05; done"

        def process(name, number, **more):
            return {"command": ["sh", "-c", script.format(name, number)], "stop_signal": f"SIG{number}",
                    "healthcheck": {"file": f"/shared/{name}", "interval": "50ms", "retries": 400}, **more}
        self.up({"a": {"binds": [f"{folder}:/shared"], "processes": {"base": process("base", "USR1")}},
                 "b": {"binds": [f"{folder}:/shared"], "processes": {"top": process("top", "INT", depends_on=["a/base"])}}})
        self.toporun("down", "lab")
        with open(os.path.join(folder, "end"), encoding="ascii") as file:
            self.assertEqual("top\nbase\n", file.read())

    def test_logs_and_restart(self):
        self.up({"a": {"processes": {"p": {"command": "sh -c 'echo started; echo to err >&2; exec sleep 1000'",
                                           "healthcheck": {"log": "to err", "interval": "50ms", "retries": 400}}}},
                 "b": {"processes": {"q": {"command": "sh -c 'echo q; exec sleep 1000'", "healthcheck": {"log": "q"}}}}})
        self.assertEqual("started\nto err\n", self.toporun("logs", "lab", "a/p").stdout)
        self.assertEqual("to err\n", self.toporun("logs", "lab", "a", "--tail", "1").stdout)
        self.assertEqual({"a/p | started", "a/p | to err", "b/q | q"}, set(self.toporun("logs", "lab").stdout.splitlines()))
        following = self.box.start([support.TOPORUN, "logs", "lab", "-f"])
        following.wait_for("b/q . q")
        pid = self.ps()["a/p"]["pid"]
        self.assertIn("restarted a/p", self.toporun("restart", "lab", "a/p").stderr)
        following.wait_for(r"(a/p . started\n(.*\n)*){2}")
        self.assertNotEqual(pid, self.ps()["a/p"]["pid"])
        self.assertEqual("healthy", self.ps()["a/p"]["health"])
        self.toporun("status", "lab")
        for words, why in ((("a/x",), 'has no process "a/x"'), (("c",), 'has no node "c"'), ((), "missing")):
            self.assertIn(why, self.toporun("restart", "lab", *words, status=None).stderr)
        self.assertIn('has no process "a/x" (did you mean "a/p"?)', self.toporun("logs", "lab", "a/x", status=1).stderr)
        self.toporun("down", "lab")
        self.assertEqual(0, following.finish())
        self.assertIn("is down", following.output)

    def test_a_log_is_bounded(self):
        self.up({"a": {"processes": {"p": {"command": ["sh", "-c", "yes 0123456789abcdef | head -n 300000; echo the end; exec sleep 1000"],
                                           "healthcheck": {"log": "^the end$", "interval": "50ms", "retries": 400}}}}})
        sizes = self.box.run(["sh", "-c", f"stat -c %s {support.STATE}/lab/process-a.p.log*"], check=True).stdout.split()
        self.assertEqual(2, len(sizes))
        self.assertLess(sum(map(int, sizes)), 2_200_000)
        self.assertEqual("the end\n", self.toporun("logs", "lab", "--tail", "1").stdout)

    def test_up_that_is_killed_or_interrupted_while_it_waits(self):
        before = self.box.snapshot()
        nodes = {"a": {"tmpfs": ["/run/p"], "processes": {
            "p": {"command": "sleep 1000", "healthcheck": {"file": "/run/p/ok", "interval": "50ms", "retries": 100000}}}}}
        path = self.write("lab.yaml", lab(nodes))

        def begin():
            running = self.box.start([support.TOPORUN, "up", path])
            self.wait_for(lambda: self.processes("sleep 1000"))
            return running
        running = begin()
        self.kill(min(self.processes("toporun up /")), signal.SIGINT)
        self.assertEqual(130, running.finish())
        self.assertSame(before, self.box.snapshot())
        running = begin()
        self.kill(min(self.processes("toporun up /")))
        running.finish()
        self.toporun("down", "lab")
        self.assertSame(before, self.box.snapshot())
        running = begin()
        self.kill(min(self.processes("toporun up /")))
        running.finish()
        again = self.box.start([support.TOPORUN, "up", path])
        self.wait_for(lambda: self.toporun("exec", "lab", "a", "--", "touch", "/run/p/ok", status=None).returncode == 0)
        self.assertEqual(0, again.finish())
        self.assertEqual(1, len(self.processes("sleep 1000")))
        self.toporun("status", "lab")
        self.toporun("down", "lab")
        self.assertSame(before, self.box.snapshot())

    def test_exec_and_processes_share_what_they_see(self):
        self.up({"a": {"tmpfs": ["/run/p"], "processes": {
            "p": {"command": "sh -c 'echo $$$$ >/run/p/pid; exec sleep 1000'",
                  "healthcheck": {"file": "/run/p/pid", "interval": "50ms", "retries": 400}}}}})
        self.assertEqual("sleep\n", self.exec("a", "cat /proc/$(cat /run/p/pid)/comm").stdout)
        self.assertEqual("toporun-keeper\n", self.exec("a", "cat /proc/1/comm").stdout)
        self.assertEqual("a\n", self.exec("a", "hostname").stdout)
        self.assertEqual(str(self.ps()["a/p"]["pid_in_node"]), self.exec("a", "cat /run/p/pid").stdout.strip())
        self.assertEqual("/usr\n", self.toporun("exec", "lab", "a", "--", "pwd", cwd="/usr").stdout)
        self.exec("a", "exit 7", status=7)
        done = self.toporun("shell", "lab", "a", input="cat /run/p/pid; exit 4\n", env={"SHELL": "/bin/sh"}, status=4)
        self.assertIn(str(self.ps()["a/p"]["pid_in_node"]), done.stdout)
        self.assertIn("a/p", json.dumps([f"{one['node']}/{one['process']}" for one in
                                         json.loads(self.toporun("inspect", "lab", "--json").stdout)["processes"]]))
        self.assertIn("PROCESS", self.toporun("inspect", "lab").stdout)

    def test_down_ends_and_names_what_others_run_in_a_view(self):
        self.up({"a": {"processes": {"p": {"command": "sleep 1000"}}}})
        running = self.box.start([support.TOPORUN, "exec", "lab", "a", "--", "sh", "-c", "echo up; exec sleep 1001"])
        running.wait_for("up")
        said = self.toporun("down", "lab").stderr
        self.assertEqual(1, said.count("ended process"), said)
        self.assertIn("(sleep)", said)
        self.assertEqual(143, running.finish(20))

    def test_mistakes_are_told_with_their_place(self):
        for text, why in (("healthcheck: {http: 'https://x/'}", "it is no http:// URL"), ("healthcheck: {log: '(x'}", 'log "(x"')):
            with self.subTest(text):
                path = self.write("lab.yaml", f"nodes:\n  a:\n    processes:\n      p:\n        command: sleep 1\n        {text}\n")
                done = self.toporun("up", path, status=3)
                self.assertIn(":6:22: process \"a/p\": healthcheck", done.stderr)
                self.assertIn(why, done.stderr)

    def test_users(self):
        nodes = {"a": {"processes": {"p": {"command": "sh -c 'id -un; exec sleep 1000'", "user": "nobody",
                                           "healthcheck": {"log": "^nobody$", "interval": "50ms", "retries": 400}}}}}
        if support.ROOTLESS:
            self.assertIn("without privilege a lab has one user", self.up(nodes, status=3).stderr)
        else:
            self.up(nodes)


class Holder(Case):
    def test_a_killed_holder_takes_its_keepers_along(self):
        if not support.ROOTLESS:
            self.skipTest("the holder is a rootless lab's")
        nodes = {"a": {"processes": {"s": {"command": "sleep 1000"}}}}
        path = self.write("lab.yaml", lab(nodes))
        self.toporun("up", path)
        self.kill(self.box.holder("lab"))
        self.wait_for(lambda: not self.processes("sleep 1000|node-keeper"))
        self.toporun("status", "lab", status=5)
        self.toporun("up", path)
        self.toporun("status", "lab")
        self.toporun("down", "lab")
        self.assertEqual([], self.processes("sleep 1000|node-keeper"))
