# ctest: timeout=600
"""Labs of an ordinary user that never had any privilege: the holder, its life and its end, what cannot be done."""

import glob
import json
import os
import re
import unittest

import needs
import support
from support import AS_USER, PYTHON, RUNTIME, SERVICES, USER

PAIR = """name: pair
nodes:
  a: {interfaces: {eth0: {addresses: [192.0.2.1/24]}}}
  b: {interfaces: {eth0: {addresses: [192.0.2.2/24]}}}
links: [{endpoints: ["a:eth0", "b:eth0"]}]
"""


@unittest.skipIf(os.geteuid() != 0, "only root can make a machine that has ordinary users")
class RootlessCase(support.SandboxCase):
    TAP_MODE = "0666"  # of /dev/net/tun

    def setUp(self):
        self.box = support.RootlessSandbox(self.TAP_MODE)
        self.addCleanup(self.box.close)

    def folder(self):
        path = super().folder()
        os.chmod(path, 0o755)
        return path

    def as_user(self, *words, **options):
        return self.box.run([*AS_USER, *words], **options)

    def processes(self, pattern):
        lines = self.box.run(["ps", "-eo", "pid=,args="], check=True).stdout.splitlines()
        return [int(line.split()[0]) for line in lines if re.search(pattern, line)]

    def wait_until_gone(self, pid):
        waiting = self.box.start([PYTHON, "-c", f"""
import os, select
try:
    select.select([os.pidfd_open({pid})], [], [], 10)
except ProcessLookupError:
    pass
print("gone")"""])
        waiting.wait_for("^gone$")

    def kill(self, pid):
        self.box.run(["kill", "-KILL", pid], check=True)
        self.wait_until_gone(pid)

    def assertNothingLeft(self, before):
        self.assertSame(before, self.box.snapshot())
        self.assertEqual(RUNTIME, self.box.run(["find", RUNTIME], check=True).stdout.strip())


class Life(RootlessCase):
    def test_up_and_down_leave_no_trace(self):
        before = self.box.snapshot()
        path = self.write("pair.yaml", PAIR)
        self.assertRegex(self.toporun("up", path).stderr, r"^pair is up: \d+ created")
        self.assertTrue(self.box.ping("192.0.2.2", namespace="pair.a"))
        self.assertEqual("pair is up to date: nothing to do\n", self.toporun("up", path).stderr)
        self.toporun("status", "pair")
        (holder,) = self.processes("lab-holder")
        self.assertEqual(["toporun", "lab-holder", "pair", f"{RUNTIME}/toporun"],
                         self.box.run(["cat", f"/proc/{holder}/cmdline"]).stdout.split("\0")[:4])
        self.assertEqual("0\n1\n2\n", self.as_user("ls", f"/proc/{holder}/fd").stdout)
        self.toporun("down", "pair")
        self.assertNothingLeft(before)

    def test_a_watch_outlives_the_holder(self):
        before = self.box.snapshot()
        self.toporun("up", self.write("pair.yaml", PAIR))
        for words in ((), ("--heal",)):
            watch = self.box.start([support.TOPORUN, "watch", "pair", "--interval", "200ms", *words])
            watch.wait_for("^watching pair: ")
            (holder,) = self.processes("lab-holder")
            self.kill(holder)
            watch.wait_for("^-   holder  is gone: the process that held the lab's namespaces$")
            if not words:
                self.toporun("up", "pair")
            watch.wait_for("^=   holder +is as recorded again$", 20)
            self.box.run(["ip", "-n", "pair.a", "link", "set", "eth0", "mtu", "1400"], check=True)
            watch.wait_for("^~   link .*mtu 1500 → 1400$")
            if words:
                watch.wait_for("^=   link .* is as recorded again$", 20)
            self.toporun("up", "pair", "--lock-timeout", "20")
            if words:
                self.toporun("down", "pair", "--lock-timeout", "20")
                self.assertEqual(0, watch.finish(20), watch.output)
            else:
                watch.stop()
        self.assertNothingLeft(before)

    def test_nothing_is_left_of_a_plan(self):
        before = self.box.snapshot()
        path = self.write("pair.yaml", PAIR)
        self.assertIn("to create", self.toporun("plan", path).stdout)
        self.toporun("plan", "--exit-code", path, status=5)
        self.assertNothingLeft(before)

    def test_a_failed_up_leaves_nothing(self):
        before = self.box.snapshot()
        path = self.write("bad.yaml", PAIR + "defaults: {exec: [[sh, -c, 'exit 3']]}\n")
        self.toporun("up", path, status=1)
        self.assertNothingLeft(before)

    def test_the_last_command_ends_what_runs_in_the_lab(self):
        before = self.box.snapshot()
        self.toporun("up", self.write("pair.yaml", PAIR))
        for place in ("a", "host"):
            sleeper = self.box.start([support.TOPORUN, "exec", "pair", place, "--", "sh", "-c", "echo on; exec sleep 300"])
            sleeper.wait_for("^on$")
        down = self.toporun("down", "pair")
        self.assertRegex(down.stderr, r"pair\.a: ended process \d+ \(sleep\)")
        self.assertRegex(down.stderr, r"pair: ended process \d+ \(sleep\)")
        self.assertNothingLeft(before)

    def test_two_labs_and_two_users(self):
        path = self.write("pair.yaml", PAIR)
        self.toporun("up", path)
        self.toporun("up", path, "--name", "other")
        other = "setpriv --reuid=12346 --regid=12346 --clear-groups env -u XDG_RUNTIME_DIR " + support.TOPORUN
        self.box.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/mnt"], check=True)
        self.box.run(["cp", path, "/mnt/pair.yaml"], check=True)
        self.box.run(["mount", "--bind", "/mnt", "/tmp"], check=True)
        self.box.run(["sh", "-c", f"{other} up /tmp/pair.yaml"], check=True)
        self.assertEqual(3, len(self.processes("lab-holder")))
        self.assertEqual("pair\n", self.box.run(["ls", "/tmp/toporun-12346"]).stdout)
        self.toporun("down", "--all")
        self.assertEqual(1, len(self.processes("lab-holder")))
        self.box.run(["sh", "-c", f"{other} status"], check=True)
        self.box.run(["sh", "-c", f"{other} down pair"], check=True)
        self.assertEqual([], self.processes("lab-holder"))

    def test_roots_labs_are_others(self):
        path = self.write("pair.yaml", PAIR)
        self.toporun("up", path)
        # In one word, so that it runs as root.
        for words, host in (("", "machine"), ("--rootless ", "holder")):
            root = lambda command: self.box.run(["sh", "-c", f"{support.TOPORUN} {words}{command}"], check=True)
            root(f"up {path}")
            self.assertEqual(host == "machine", "pair.a" in support.Sandbox.namespaces(self.box))
            root("down pair")
            self.toporun("status", "pair")
        done = self.box.run(["sh", "-c", f"{support.TOPORUN} --state-dir {RUNTIME}/toporun exec pair a -- true"])
        self.assertNotEqual(0, done.returncode)
        done = self.box.run(["sh", "-c", f"chown -R 0 {RUNTIME}/toporun/pair; "
                             f"{support.TOPORUN} --state-dir {RUNTIME}/toporun down pair"])
        self.assertEqual(4, done.returncode, done.stderr)
        self.assertIn("it is rootless", done.stderr)


class Entry(RootlessCase):
    def setUp(self):
        super().setUp()
        self.toporun("up", self.write("pair.yaml", PAIR))

    def exec(self, *words, **options):
        return self.toporun("exec", "pair", *words, **options)

    def test_status_folder_environment_and_streams(self):
        self.assertEqual(7, self.exec("a", "--", "sh", "-c", "exit 7", status=7).returncode)
        self.assertEqual("/usr/share\n", self.exec("a", "--", "pwd", cwd="/usr/share").stdout)
        self.assertEqual("pair a x\n", self.exec("a", "-e", "V=x", "--", "sh", "-c",
                                                 "echo $TOPORUN_LAB $TOPORUN_NODE $V").stdout)
        self.assertEqual("0\n", self.exec("b", "--", "id", "-u").stdout)
        self.assertEqual("b\n", self.exec("b", "--", "hostname").stdout)
        self.assertEqual("in", self.exec("a", "--", "cat", input="in").stdout)
        self.exec("a", "--timeout", "100ms", "--", "sleep", "30", status=124)
        self.exec("--all", "--", "sh", "-c", "test $TOPORUN_NODE = a || exit 5", status=5)
        self.exec("none", "--", "true", status=125)

    def test_from_a_new_session(self):
        done = self.box.run(["setsid", "--wait", support.TOPORUN, "exec", "pair", "a", "--", "sh", "-c",
                             "ip -o -4 address show eth0; exit 9"], cwd="/tmp")
        self.assertEqual(9, done.returncode)
        self.assertIn("192.0.2.1/24", done.stdout)

    def test_ip_netns_and_the_files_of_a_node(self):
        inside = self.exec("host", "--", "ip", "netns", "exec", "pair.a", "cat", "/etc/hosts").stdout
        self.assertIn("192.0.2.2", inside)
        self.assertEqual(inside, self.exec("a", "--", "cat", "/etc/hosts").stdout)
        self.assertEqual("pair.a\npair.b\n", "\n".join(sorted(
            line.split()[0] for line in self.exec("host", "--", "ip", "netns", "list").stdout.splitlines())) + "\n")

    def test_the_systems_files_are_still_seen(self):
        show = ("host", "--", "cat", "/etc/motd.test")
        self.exec(*show, status=1)
        for text in ("one", "two"):  # A file that is replaced, not written into.
            self.box.run(["sh", "-ec", f"echo {text} > /etc/hosts.new; mv /etc/hosts.new /etc/hosts"], check=True)
            self.assertEqual(text + "\n", self.exec("host", "--", "cat", "/etc/hosts").stdout)
        self.assertEqual("", self.exec("host", "--", "test", "-d", RUNTIME).stderr)
        self.exec("host", "--", "touch", "/etc/passwd", status=1)

    def test_signals_reach_the_command(self):
        running = self.box.start([support.TOPORUN, "exec", "pair", "a", "--", "sh", "-c",
                                  "trap 'echo caught; exit 3' TERM; echo pid $PPID; while :; do sleep 0.1; done"])
        running.wait_for("^pid")
        (outside, *_) = self.processes(f"^ *\\d+ {re.escape(support.TOPORUN)} exec")
        self.box.run(["kill", "-TERM", outside], check=True)
        self.assertEqual(3, running.finish())
        self.assertIn("caught", running.output)

    def test_identify_and_pids(self):
        running = self.box.start([support.TOPORUN, "exec", "pair", "a", "--", "sh", "-c", "echo pid $$; exec sleep 300"])
        pid = running.wait_for(r"^pid (\d+)$").group(1)
        self.assertEqual("pair a\n", self.toporun("identify", pid).stdout)
        self.assertRegex(self.toporun("pids", "pair").stdout, rf"(?m)^a +{pid} +sleep 300$")
        self.assertEqual("pair b\n", self.exec("b", "--", support.TOPORUN, "identify").stdout)
        self.toporun("identify", "1", status=1)


class Lost(RootlessCase):
    """The holder, or what is known of it, has gone."""

    def setUp(self):
        super().setUp()
        self.before = self.box.snapshot()
        self.path = self.write("pair.yaml", PAIR)
        self.toporun("up", self.path)
        (self.holder,) = self.processes("lab-holder")
        self.record = f"{RUNTIME}/toporun/pair/holder"

    def rewrite(self, **changes):
        record = json.loads(self.box.run(["cat", self.record], check=True).stdout)
        record.update(changes)
        self.box.run([*AS_USER, "tee", self.record], input=json.dumps(record), check=True)

    def assertMended(self):
        self.assertRegex(self.toporun("up", "pair").stderr, "^pair is up: ")
        self.assertTrue(self.box.ping("192.0.2.2", namespace="pair.a"))
        self.assertEqual(1, len(self.processes("lab-holder")))
        self.toporun("status", "pair")
        self.toporun("down", "pair")
        self.assertNothingLeft(self.before)

    def assertTold(self):
        status = self.toporun("status", "pair", status=5)
        self.assertRegex(status.stdout, r"(?m)^-  +holder +is gone: ")
        self.assertIn("holder gone", self.toporun("list").stdout)
        refused = self.toporun("exec", "pair", "a", "--", "true", status=125)
        self.assertIn("the process that held them is gone", refused.stderr)

    def test_killed_and_made_anew(self):
        self.kill(self.holder)
        self.assertTold()
        self.assertMended()

    def test_killed_and_taken_down(self):
        self.kill(self.holder)
        self.toporun("down", "pair")
        self.assertNothingLeft(self.before)

    def test_killed_and_healed(self):
        self.kill(self.holder)
        self.toporun("status", "--heal", "pair")
        self.assertTrue(self.box.ping("192.0.2.2", namespace="pair.a"))

    def test_a_record_of_another_boot(self):
        self.kill(self.holder)
        self.rewrite(boot_id="another")
        self.assertTold()
        self.assertMended()

    def test_a_pid_that_is_somebody_elses(self):
        self.kill(self.holder)
        other = self.box.start([*AS_USER, "sh", "-c", "echo pid $$; exec sleep 300"])
        pid = int(other.wait_for(r"^pid (\d+)$").group(1))
        self.rewrite(pid=pid)
        self.assertTold()
        self.toporun("up", "pair")
        self.toporun("down", "pair")
        self.assertIsNone(other.process.poll(), "a stranger was ended")
        other.stop()
        self.assertNothingLeft(self.before)

    def test_a_lost_record_is_found_by_the_command_line(self):
        self.box.run(["rm", self.record], check=True)
        self.toporun("status", "pair")
        self.toporun("down", "pair")
        self.assertNothingLeft(self.before)

    def test_a_folder_that_was_removed(self):
        self.box.run(["rm", "-r", f"{RUNTIME}/toporun"], check=True)
        self.toporun("down", "pair")
        self.assertNothingLeft(self.before)


class Killed(RootlessCase):
    """The command is killed between any two calls that change something; the next one cleans up."""

    CALLS = ("unshare", "mount", "setns", "renameat", "rename", "mkdir", "symlink", "sendmsg", "execve", "fork,clone,vfork,clone3")

    def after_a_kill(self, words, call, number):
        # The tracer stands aside: it goes on with the holder, and the command's own end is seen.
        argv = ["sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh", "strace", "--daemonize", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
                f"--inject={call}:signal=KILL:when={number}", support.TOPORUN, *words]
        return self.box.run(argv).returncode

    def assertCleaned(self, before):
        for tracer in self.processes(r"^ *\d+ strace "):
            self.wait_until_gone(tracer)
        self.assertNothingLeft(before)

    def test_up(self):
        before = self.box.snapshot()
        path = self.write("pair.yaml", PAIR)
        killed = 0
        for call in self.CALLS:
            for number in (1, 2, 3, 5, 8, 13):
                status = self.after_a_kill(["up", path], call, number)
                killed += status != 0
                self.toporun("down", "pair")
                self.assertEqual([], self.processes("lab-holder"), (call, number))
        self.assertGreater(killed, 20)
        self.assertCleaned(before)

    def test_down(self):
        before = self.box.snapshot()
        path = self.write("pair.yaml", PAIR)
        killed = 0
        for call in ("unlink", "umount2", "pidfd_send_signal", "setns", "write"):
            for number in (1, 2, 4, 8):
                self.toporun("up", path)
                killed += self.after_a_kill(["down", "pair"], call, number) != 0
                self.toporun("down", "pair")
                self.assertEqual([], self.processes("lab-holder"), (call, number))
        self.assertGreater(killed, 8)
        self.assertCleaned(before)


class Refused(RootlessCase):
    def test_a_state_folder_that_is_not_safe(self):
        state = f"/tmp/toporun-{USER}"
        for make, why in ((f"ln -s /run/user/{USER} {state}", "it is not a folder"),
                          (f"mkdir -m 0777 {state}; chown {USER} {state}", "others may"),
                          (f"mkdir -m 0700 {state}", "belongs to another user")):
            self.box.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/tmp"], check=True)
            self.box.run(["sh", "-ec", make], check=True)
            done = self.box.run(["env", "-u", "XDG_RUNTIME_DIR", support.TOPORUN, "up", "-"], input=PAIR)
            self.box.run(["umount", "/tmp"], check=True)
            self.assertEqual(1, done.returncode, make)
            self.assertIn(why, done.stderr)
        self.assertEqual([], self.processes("lab-holder"))

    def test_all_that_needs_privilege_in_one_run(self):
        before = self.box.snapshot()
        path = self.write("lab.yaml", """name: lab
nodes:
  a: {uplink: {type: nat}}
  b: {attach: {pid: 1}}
  c: {interfaces: {eth7: {type: physical, device: eth0}}}
  d: {interfaces: {m0: {type: macvlan, link: "host:eth0"}}}
""")
        for command in ("up", "plan"):
            done = self.toporun(command, path, status=3)
            for place, key in (("3:15", "nat"), ("4:", "attach"), ("5:", "physical"), ("6:", "host:eth0")):
                self.assertRegex(done.stderr, rf"lab\.yaml:{place}.*{key}.*run it as root")
        self.assertNothingLeft(before)

    def test_a_privileged_port(self):
        before = self.box.snapshot()
        path = self.write("lab.yaml", """name: lab
nodes: {n: {uplink: {type: slirp}, ports: ["127.0.0.1:80:80"]}}
""")
        done = self.toporun("up", path, status=4)
        self.assertIn("net.ipv4.ip_unprivileged_port_start", done.stderr)
        self.assertNothingLeft(before)

    def test_a_port_that_is_taken_outside(self):
        server = self.box.serve("tcp-echo", address="127.0.0.1")
        path = self.write("lab.yaml", f"""name: lab
nodes: {{n: {{uplink: {{type: slirp}}, ports: ["127.0.0.1:{server.port}:80"]}}}}
""")
        self.assertIn("in use", self.toporun("up", path, status=4).stderr)


class Uplink(RootlessCase):
    """As Podman's rootless network: an address of the machine, a client that has another, a server beside it."""

    def setUp(self):
        super().setUp()
        for line in ("ip netns add remote", "ip link add card type veth peer name eth0 netns remote",
                     "ip address add 198.18.0.1/24 dev card", "ip link set card up", "ip -n remote link set lo up",
                     "ip -n remote address add 198.18.0.9/24 dev eth0", "ip -n remote link set eth0 up"):
            self.box.run(line.split(), check=True)
        self.box.settle()
        self.before = self.box.snapshot()
        with open(os.path.join(support.ROOT, "topologies/rootless-pods.yaml"), encoding="utf-8") as file:
            text = file.read().replace("127.0.0.1:18081:", "18081:")
        self.path = self.write("pods.yaml", text)
        self.up = self.toporun("up", self.path).stderr

    def test_pods_published_and_out(self):
        web = self.box.start([support.TOPORUN, "exec", "rootless-pods", "web", "--", PYTHON, "-B", "-u", "-c", """
import http.server
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"from a pod")
server = http.server.ThreadingHTTPServer(("0.0.0.0", 80), Page)
print("serving", flush=True)
server.serve_forever()
"""])
        web.wait_for("^serving$")
        self.assertIn("from a pod", self.box.ask("http", "198.18.0.1", 18081, "/", namespace="remote"))
        web.wait_for(r"^198\.18\.0\.9 - - .*GET")
        server = self.box.serve("http", "from outside", address="198.18.0.9", namespace="remote")
        page = self.toporun("exec", "rootless-pods", "client", "--", PYTHON, "-B", SERVICES, "ask", "http", "198.18.0.9",
                            server.port, "/", 5, "")
        self.assertIn("from outside", page.stdout)
        server.stop()
        self.toporun("down", "rootless-pods")
        web.stop()
        self.assertNothingLeft(self.before)

    def test_the_helper_ends_with_the_holder_and_comes_back(self):
        (helper,), (holder,) = self.processes("uplink-helper"), self.processes("lab-holder")
        # The real network is outside: the helper stands there, the lab's namespaces are not its own.
        link = f"/proc/{helper}/ns/net"
        self.assertEqual(self.box.run(["readlink", "/proc/self/ns/net"]).stdout, self.box.run(["readlink", link]).stdout)
        self.kill(holder)
        self.wait_until_gone(helper)
        self.toporun("status", "rootless-pods", status=5)
        self.toporun("up", "rootless-pods")
        self.toporun("status", "rootless-pods")
        self.toporun("down", "rootless-pods")
        self.assertNothingLeft(self.before)

    def test_a_killed_helper_is_told_and_brought_back(self):
        (helper,) = self.processes("uplink-helper")
        self.kill(helper)
        self.assertIn("uplink", self.toporun("status", "rootless-pods", status=5).stdout)
        self.toporun("up", "rootless-pods")
        self.toporun("status", "rootless-pods")


class UplinkWithoutTap(Uplink):
    """The same where the device is its owner's only: over a packet socket."""

    TAP_MODE = "0600"
    WARNING = (r"pods\.yaml:8:13: warning: uplink netns: /dev/net/tun: permission denied: it works over a packet socket "
               "instead, more slowly under load; chmod 0666 /dev/net/tun, or run as root\n")

    def test_it_says_so_once(self):
        self.assertRegex(self.up, self.WARNING)
        self.assertEqual("rootless-pods is up to date: nothing to do\n", self.toporun("up", self.path).stderr)
        self.box.run(["chmod", "0666", "/dev/net/tun"], check=True)
        self.assertEqual("rootless-pods is up to date: nothing to do\n", self.toporun("up", self.path).stderr)
        self.toporun("status", "rootless-pods")
        self.toporun("down", "rootless-pods")
        self.assertNotIn("warning", self.toporun("up", self.path).stderr)
        self.toporun("down", "rootless-pods")
        self.box.run(["chmod", "0600", "/dev/net/tun"], check=True)
        self.assertNothingLeft(self.before)

    def test_a_plan_says_so_and_a_script_needs_the_device(self):
        self.toporun("down", "rootless-pods")
        self.assertRegex(self.toporun("plan", self.path).stderr, self.WARNING)
        done = self.toporun("plan", "--script", self.path, status=1)
        self.assertIn("chmod 0666 /dev/net/tun", done.stderr)
        self.assertNothingLeft(self.before)

    def test_a_removed_interface_is_told_and_brought_back(self):
        (helper,) = self.processes("uplink-helper")
        self.toporun("exec", "rootless-pods", "netns", "--", "ip", "link", "del", "tap0")
        self.wait_until_gone(helper)
        status = self.toporun("status", "rootless-pods", status=5).stdout
        for gone in ("link netns:tap0--netns.uplink:tap0", "uplink netns", "route netns/default"):
            self.assertRegex(status, rf"(?m)^- +{gone} +is gone")
        self.toporun("up", "rootless-pods")
        self.toporun("status", "rootless-pods")
        self.assertEqual([], [line for line in self.toporun("graph", "--format", "dot", "rootless-pods").stdout.splitlines()
                              if "netns.uplink" in line], "it is a part of the uplink")
        self.toporun("down", "rootless-pods")
        self.assertNothingLeft(self.before)

    def test_nothing_but_the_helper_is_there(self):
        far = ("exec", "rootless-pods", "netns.uplink", "--")
        self.assertEqual("", self.toporun(*far, "ip", "-o", "address", "show", "tap0").stdout)
        self.assertEqual("", self.toporun(*far, "ip", "-6", "route").stdout)


class Example(RootlessCase):
    def test_the_walk_through_podmans_network(self):
        before = self.box.snapshot()
        script = os.path.join(support.ROOT, "examples/rootless/walk.sh")
        done = self.box.run([script, support.TOPORUN], check=True)
        steps = done.stdout.split("\n== ")
        self.assertEqual(9, len(steps), done.stdout)
        self.assertRegex(steps[2], r"tap0 .*10\.0\.2\.100/24")
        self.assertRegex(steps[2], r"podman1 .*10\.89\.0\.1/24")
        self.assertRegex(steps[3], r"default via 10\.89\.0\.1")
        self.assertIn("10.89.0.2", steps[4])
        self.assertIn("hello from a pod, to 10.0.2.2", steps[5])
        self.assertIn("hello from a pod, to 10.89.0.3", steps[6])
        self.assertIn("pods.web", steps[7])
        self.assertRegex(done.stderr, r"pods\.web: ended process \d+ \(python3")
        self.assertNothingLeft(before)


class Same(RootlessCase):
    """What `inspect --json` says of a shipped topology is the same as root and rootless."""

    def test_inspect(self):
        compared = 0
        for path in sorted(glob.glob(os.path.join(support.ROOT, "topologies/*.yaml"))):
            name = os.path.basename(path)
            if os.path.exists(path.removesuffix(".yaml") + ".fixture.sh"):
                print(f"not run: inspect of {name} rootless: it attaches to a namespace that is not the lab's")
                continue
            with open(path, encoding="utf-8") as file:
                text = file.read()
            if "type: nat" in text:
                print(f"not run: inspect of {name} rootless: an uplink of type nat needs root")
                continue
            if needs.packages(path):
                print(f"not run: inspect of {name} rootless: its daemons write routes and addresses when they like")
                continue
            missing = self.lacking(path)
            if missing:
                print(f"not run: inspect of {name} rootless: the kernel has no {', '.join(missing)}")
                continue
            with self.subTest(name):
                rootless = self.look(path, support.RootlessSandbox())
                self.assertEqual(self.look(path, support.Sandbox()), rootless)
                self.assertTrue(rootless["nodes"] if "nodes" in rootless else rootless)
                compared += 1
        self.assertGreater(compared, 5)

    def lacking(self, path):
        with support.Sandbox() as box:
            printed = box.run([support.TOPORUN, "validate", "--print=json", path], check=True).stdout
            return needs.lacking(box, needs.needs(json.loads(printed)))

    def look(self, path, box):
        with box:
            box.run([support.TOPORUN, "up", path], check=True)
            box.settle()
            lab = json.loads(box.run([support.TOPORUN, "--json", "list"], check=True).stdout)["labs"][0]["name"]
            view = json.loads(box.run([support.TOPORUN, "--json", "inspect", lab], check=True).stdout)
            box.run([support.TOPORUN, "down", lab], check=True)
        return steady(view)


def steady(view):
    """Without what is another one at each start: pids, link-local addresses, which come when they come, and how many
    processes a node has, of which a health check may be one."""
    if isinstance(view, dict):
        others = {"since", "pid", "pid_in_node", "process", "token"}
        return {key: steady(value) for key, value in view.items()
                if key not in others and not (key == "processes" and isinstance(value, int))}
    if isinstance(view, list):
        def local(value):
            return isinstance(value, dict) and str(value.get("address", value.get("to", ""))).startswith("fe80:")

        values = (steady(value) for value in view if not local(value))
        return sorted(values, key=lambda value: json.dumps(value, sort_keys=True))
    return view


if __name__ == "__main__":
    unittest.main()
