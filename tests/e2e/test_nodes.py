# ctest: timeout=300
"""`exec`, `shell`, `pids`, `identify`: commands inside nodes."""

import json
import os

import support

LAB = """name: lab
nodes:
  a: {interfaces: {eth0: {addresses: [192.0.2.1/24]}}}
  b: {interfaces: {eth0: {addresses: [192.0.2.2/24]}}}
bridges: {lan: }
links: [{endpoints: ["a:eth0", lan]}, {endpoints: ["b:eth0", lan]}]
"""


class Nodes(support.SandboxCase):
    def setUp(self):
        super().setUp()
        self.toporun("up", "-", input=LAB)

    def test_exec_runs_in_the_node_with_its_name_and_files(self):
        self.assertEqual("a\n", self.toporun("exec", "lab", "a", "--", "hostname").stdout)
        self.assertEqual("lab a\n",
                         self.toporun("exec", "lab", "a", "--", "sh", "-c", "echo $TOPORUN_LAB $TOPORUN_NODE").stdout)
        hosts = self.toporun("exec", "lab", "a", "--", "getent", "hosts", "b").stdout
        self.assertIn("192.0.2.2", hosts)
        addresses = self.toporun("exec", "lab", "b", "--", "ip", "-j", "address", "show", "eth0").stdout
        self.assertIn("192.0.2.2", {entry["local"] for entry in json.loads(addresses)[0]["addr_info"]})

    def test_options_behind_the_command_are_the_commands(self):
        self.assertIn('"ifname":"eth0"', self.toporun("exec", "lab", "a", "ip", "-j", "link").stdout)
        self.assertEqual("--json\n", self.toporun("exec", "lab", "a", "echo", "--json").stdout)

    @support.root_only("a rootless lab has one user")
    def test_environment_folder_user_and_time(self):
        done = self.toporun("exec", "lab", "a", "-e", "X=1 2", "-w", "/tmp", "--", "sh", "-c", "echo $X; pwd")
        self.assertEqual("1 2\n/tmp\n", done.stdout)
        if os.geteuid() == 0:
            self.assertEqual("nobody\n", self.toporun("exec", "lab", "a", "-u", "nobody", "--", "id", "-un").stdout)
        self.toporun("exec", "lab", "a", "--timeout", "200ms", "--", "sleep", "60", status=124)

    def test_the_status_is_the_commands(self):
        for status, argv in ((0, ["true"]), (7, ["sh", "-c", "exit 7"]), (127, ["/no/such/program"]),
                             (126, ["/etc/passwd"]), (143, ["sh", "-c", "kill -TERM $$"])):
            with self.subTest(argv):
                self.toporun("exec", "lab", "a", "--", *argv, status=status)

    def test_a_missing_lab_or_node_is_125(self):
        for words, sentence in ((("lba", "a"), 'lab "lba" is not up (did you mean "lab"?)\n'),
                                (("lab", "lam"), 'lab "lab" has no node "lam" (did you mean "lan"?)\n')):
            done = self.toporun("exec", *words, "--", "true", status=125)
            self.assertEqual(sentence, done.stderr)
            self.assertEqual(sentence, self.toporun("shell", *words, status=125).stderr)
        self.box.run(["ip", "netns", "del", "lab.b"], check=True)
        self.toporun("exec", "lab", "b", "--", "true", status=125)

    @support.root_only("`host` is a rootless lab's own outer namespace")
    def test_the_host_is_a_node_too(self):
        outside = self.box.run(["readlink", "/proc/self/ns/net"], check=True).stdout
        self.assertEqual(outside, self.toporun("exec", "lab", "host", "--", "readlink", "/proc/self/ns/net").stdout)

    def test_a_switch_is_a_place_but_not_one_of_all(self):
        self.assertIn("lan", self.toporun("exec", "lab", "lan", "--", "ip", "-o", "link").stdout)
        done = self.toporun("exec", "--all", "lab", "--", "hostname")
        self.assertEqual(["a | a", "b | b"], sorted(done.stdout.splitlines()))

    def test_all_marks_both_streams_and_returns_the_highest(self):
        script = 'echo out; echo err >&2; [ $TOPORUN_NODE = a ] && exit 3 || exit 5'
        done = self.toporun("exec", "lab", "--all", "--", "sh", "-c", script, status=5)
        self.assertEqual(["a | out", "b | out"], sorted(done.stdout.splitlines()))
        *marked, first, second, last = done.stderr.splitlines()
        self.assertEqual(["a | err", "b | err"], sorted(marked))
        self.assertEqual(["exit status 3: a", "exit status 5: b", "2 of 2 nodes failed"], [first, second, last])
        self.assertEqual("", self.toporun("exec", "lab", "--all", "--", "true").stderr)
        self.assertEqual("", self.toporun("-q", "exec", "lab", "--all", "--", "false", status=1).stderr)

    def test_standard_input_reaches_the_command(self):
        self.assertEqual("HELLO\n", self.toporun("exec", "lab", "a", "--", "tr", "a-z", "A-Z", input="hello\n").stdout)

    def test_pids_and_identify(self):
        running = self.box.start([support.TOPORUN, "exec", "lab", "b", "--", "sh", "-c", "echo $$; exec sleep 300"])
        pid = int(running.wait_for(r"^(\d+)$").group(1))
        document = json.loads(self.toporun("pids", "lab", "--json").stdout)
        self.assertEqual([{"node": "b", "pid": pid, "command": "sleep 300"}], document["processes"])
        self.assertEqual("NODE  PID  COMMAND\n".split(), self.toporun("pids", "lab", "a").stdout.split())
        self.assertEqual("lab b\n", self.toporun("identify", str(pid)).stdout)
        self.assertEqual({"pid": pid, "lab": "lab", "node": "b"},
                         json.loads(self.toporun("identify", str(pid), "--json").stdout))
        self.toporun("identify", "1", status=1)
        inside = self.toporun("exec", "lab", "a", "--", support.TOPORUN, "identify")
        self.assertEqual("lab a\n", inside.stdout)
        self.toporun("pids", "lab", "c", status=1)

    def test_down_ends_and_names_what_runs_in_a_node(self):
        running = self.box.start([support.TOPORUN, "exec", "lab", "b", "--", "sh", "-c", "echo up; exec sleep 300"])
        running.wait_for("up")
        self.assertIn("sleep", self.toporun("down", "lab").stderr)
        self.assertEqual(143, running.finish(20))

    def test_shell_is_one_in_the_node(self):
        done = self.toporun("shell", "lab", "a", input="hostname; exit 4\n", env={"SHELL": "/bin/sh"}, status=4)
        self.assertIn("a\n", done.stdout)
