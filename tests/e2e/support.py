"""What end-to-end tests stand on: a throw-away machine, its state as a value, and small servers and clients.

    class MyTest(support.SandboxCase):
        def test_pair(self):
            before = self.box.snapshot()
            self.toporun("up", path)
            self.assertEqual("", before.difference(self.box.snapshot()))

A Sandbox has mount, network and process namespaces of its own (and a user namespace when the test is not run by root),
a fresh /run, a copy of /etc, its own /proc and /sys, and `lo` up. Nothing that is done in it reaches the machine, and
nothing of it outlives the object. Files outside /run and /etc are the machine's.
"""

import ctypes
import hashlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOPORUN = os.environ.get("TOPORUN_BIN", os.path.join(ROOT, "build/release/toporun"))
PYTHON = "/usr/bin/python3"
SERVICES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "services.py")
LIMIT = int(os.environ.get("TOPORUN_TEST_LIMIT", "60"))  # seconds that one command may take

# With TOPORUN_TEST_ROOTLESS=1 the same cases run the command as an ordinary user that never had any privilege.
ROOTLESS = os.environ.get("TOPORUN_TEST_ROOTLESS") == "1"
USER = 12345
RUNTIME = f"/run/user/{USER}"
STATE = f"{RUNTIME}/toporun" if ROOTLESS else "/run/toporun"  # the records of labs
AS_USER = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--"]

# What a test's command sees: nothing of the caller's but where programs are.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root" if os.geteuid() == 0 else os.environ.get("HOME", "/"),
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}


class Running:
    """A process that was started in a sandbox. Its output is read on demand, with a limit, never by sleeping."""

    def __init__(self, argv, **options):
        self.argv = argv
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            **options)
        self.output = ""

    def wait_for(self, pattern, limit=10):
        """Reads on until the output matches `pattern`; the match. An AssertionError tells what there was instead."""
        deadline = time.monotonic() + limit
        while True:
            match = re.search(pattern, self.output, re.M)
            if match:
                return match
            left = deadline - time.monotonic()
            ready = left > 0 and select.select([self.process.stdout], [], [], left)[0]
            data = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not data:
                why = "ended" if ready else f"did not in {limit} s"
                raise AssertionError(f"{self.argv}: waited for {pattern!r}, but it {why}; output:\n{self.output}")
            self.output += data.decode(errors="replace")

    def drain(self):
        """Reads what is there already."""
        while select.select([self.process.stdout], [], [], 0)[0]:
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                break
            self.output += data.decode(errors="replace")

    def signal(self, number):
        """To the process and all that it started."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass  # Ended already.

    def finish(self, limit=LIMIT):
        """Waits for the end; the exit status. `output` is complete then."""
        try:
            rest, _ = self.process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            rest, _ = self.process.communicate()
            raise AssertionError(f"{self.argv}: still running after {limit} s; output:\n"
                                 f"{self.output}{rest.decode(errors='replace')}") from None
        self.output += rest.decode(errors="replace")
        return self.process.returncode

    def stop(self):
        """Ends it now, if it still runs; the services end when their standard input does."""
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
        self.process.communicate()


class State:
    """What a machine looks like, by `ip`, `nft` and /proc; only what stays the same while nothing is changed."""

    def __init__(self, parts):
        self.parts = parts  # part -> {key: value}

    def __eq__(self, other):
        return self.parts == other.parts

    def difference(self, other, ignore=()):
        """Lines `- part: key: value` (only here), `+ …` (only there); empty when equal. `ignore` names whole parts."""
        lines = []
        for part in sorted(set(self.parts) | set(other.parts)):
            mine, theirs = self.parts.get(part, {}), other.parts.get(part, {})
            if part in ignore or mine == theirs:
                continue
            for key in sorted(set(mine) | set(theirs)):
                if mine.get(key) != theirs.get(key):
                    lines += [f"{sign} {part}: {key}: {side[key]}" for sign, side in (("-", mine), ("+", theirs))
                              if key in side]
        return "\n".join(lines)


def what_waits(session):
    """A line for each process of a session: its number, its state, who traces it, the kernel's function and the call that it
    is in, and what it runs."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                state, _, _, number = file.read().rpartition(")")[2].split()[:4]
            if int(number) != session:
                continue
            said = []
            for name in ("wchan", "syscall", "cmdline", "status"):
                with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as file:
                    said.append(file.read().replace("\0", " ").strip())
            tracer = re.search(r"TracerPid:\s*(\d+)", said.pop()).group(1)
        except OSError:
            continue  # It has ended.
        yield f"process {pid} ({state}, traced by {tracer}) in {said[0] or '-'}, call {said[1]}: {said[2]}"


class Sandbox:
    def __init__(self):
        self._running = []
        namespaces = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private"]
        self._enter = ["nsenter", "--mount", "--net", "--pid"]
        if os.geteuid() != 0:
            namespaces += ["--user", "--map-root-user"]
            self._enter += ["--user", "--preserve-credentials"]
        self._machine = subprocess.Popen(
            ["unshare"] + namespaces + [PYTHON, "-B", os.path.abspath(__file__), "--machine"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT,
            start_new_session=True)
        ready = select.select([self._machine.stdout], [], [], LIMIT / 2)[0]
        line = self._machine.stdout.readline().decode() if ready else ""
        if not line.startswith("ready "):
            self._machine.kill()
            raise RuntimeError("no sandbox: " + self._machine.communicate()[1].decode(errors="replace"))
        self._enter += ["--target", line.split()[1]]

    def close(self):
        """Ends every process of the machine; its namespaces, mounts and files go with them."""
        for running in self._running:
            running.stop()
        self._machine.stdin.close()
        try:
            self._machine.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._machine.kill()
            self._machine.wait()
        self._machine.stdout.close()
        self._machine.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def argv(self, argv, namespace=None, cwd="/"):
        """The command line that runs `argv` in here from outside."""
        inside = ["ip", "netns", "exec", namespace] if namespace else []
        return self._enter + [f"--wdns={cwd}", "--"] + inside + [str(word) for word in argv]

    def run(self, argv, *, namespace=None, check=False, input=None, env=None, cwd="/", limit=LIMIT):
        """Runs a command to its end: a CompletedProcess with text. `check` fails the test with the whole output."""
        full = self.argv(argv, namespace, cwd)
        process = subprocess.Popen(
            full, stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env={**ENVIRONMENT, **(env or {})}, start_new_session=True)
        try:
            out, err = process.communicate(input.encode() if input is not None else None, timeout=limit)
        except subprocess.TimeoutExpired:
            waiting = "\n".join(what_waits(process.pid))
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(f"{argv}: still running after {limit} s\n{out.decode(errors='replace')}\n"
                                 f"{err.decode(errors='replace')}\n{waiting}") from None
        done = subprocess.CompletedProcess(
            argv, process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))
        if check and done.returncode != 0:
            raise AssertionError(f"{argv}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def start(self, argv, *, namespace=None, env=None, cwd="/"):
        """Starts a command; it is ended with the sandbox at the latest."""
        running = Running(self.argv(argv, namespace, cwd), env={**ENVIRONMENT, **(env or {})})
        self._running.append(running)
        return running

    def json(self, argv, namespace=None):
        """The value that a command prints as JSON (`ip -j …`, `nft -j …`)."""
        return json.loads(self.run(argv, namespace=namespace, check=True).stdout or "null")

    # Services and clients: services.py, in here or in a named namespace.

    def serve(self, kind, *words, namespace=None, port=0, address="", limit=300):
        """Starts `tcp-echo`, `udp-echo`, `http TEXT` or `dns NAME=ADDR …`; returns when it listens. The port is
        `.port` of what is returned."""
        options = [f"--port={port}", f"--address={address}", f"--limit={limit}"]
        running = self.start([PYTHON, "-B", SERVICES, "serve", kind, *options, *words], namespace=namespace)
        running.port = int(running.wait_for(r"^ready (\d+)$").group(1))
        return running

    def ask(self, kind, host, port, text="hello", *, namespace=None, limit=5, source=""):
        """What a `tcp`, `udp`, `http` or `dns` service answers; an AssertionError when it does not."""
        return self.run([PYTHON, "-B", SERVICES, "ask", kind, host, port, text, limit, source], namespace=namespace,
                        check=True).stdout

    def answers(self, kind, host, port, text="hello", *, namespace=None, limit=1):
        """Whether a service answers at all within `limit` seconds."""
        argv = [PYTHON, "-B", SERVICES, "ask", kind, host, port, text, limit, ""]
        return self.run(argv, namespace=namespace).returncode == 0

    def ping(self, host, *, namespace=None, count=1, limit=3):
        """Whether every one of `count` echo requests was answered."""
        argv = ["ping", "-n", "-c", count, "-i", "0.05", "-w", limit, host]
        return self.run(argv, namespace=namespace).returncode == 0

    # The machine's state.

    def snapshot(self, namespace=None):
        """The State of the whole machine, or the network part of one of its named namespaces."""
        what = "network" if namespace else "all"
        done = self.run([PYTHON, "-B", os.path.abspath(__file__), "--snapshot", what], namespace=namespace, check=True)
        return State(json.loads(done.stdout))

    def namespaces(self):
        """The names that `ip netns list` tells."""
        return sorted(line.split()[0] for line in self.run(["ip", "netns", "list"], check=True).stdout.splitlines())

    def settle(self):
        """Waits, here and in each named namespace, until link-local addresses stand and have been found to be unique:
        the kernel does that a while after an interface came up, and announces it then."""
        self.run([PYTHON, "-B", os.path.abspath(__file__), "--settle", *self.namespaces()], check=True)

    def snapshots(self):
        """The machine and every named namespace in it: name ("" is the machine) -> State."""
        return {"": self.snapshot(), **{name: self.snapshot(name) for name in self.namespaces()}}


class RootlessSandbox(Sandbox):
    """A machine on which the command under test belongs to an ordinary user. What the test itself looks at, it looks at
    as root; a lab's namespaces are found through its holder, by the names that they have as root's."""

    def __init__(self, tap_mode="0666"):
        super().__init__()
        # The device may be its owner's only; that is the machine's business, not a test's that does not ask.
        self.run(["sh", "-ec", f"mkdir -p {RUNTIME}; chown {USER}:{USER} {RUNTIME}; chmod 0700 {RUNTIME}; "
                  f"mknod -m {tap_mode} /run/tun c 10 200; mount --bind /run/tun /dev/net/tun"], check=True)

    def argv(self, argv, namespace=None, cwd="/"):
        words = [str(word) for word in argv]
        if namespace:
            holder = self.holder_of(namespace)
            if holder:
                return super().argv([*self.enter(holder), "ip", "netns", "exec", namespace, *words], None, cwd)
        elif TOPORUN in words:
            return super().argv([*AS_USER, "env", f"XDG_RUNTIME_DIR={RUNTIME}", "HOME=/", *words], None, cwd)
        else:
            # A command that names a node, as `ip -n LAB.NODE` does.
            holder = next(filter(None, map(self.holder_of, words)), None)
            if holder:
                return super().argv([*self.enter(holder), *words], None, cwd)
        return super().argv(words, namespace, cwd)

    @staticmethod
    def enter(holder):
        """The words that run a command in a lab's outer namespaces."""
        return [*AS_USER, "nsenter", "--preserve-credentials", "--user", "--mount", "--net", f"--target={holder}", "--"]

    def holder_of(self, name):
        """The holder of the lab whose node's namespace has this name, or that it names by a path; None without one."""
        match = re.search(r"(?:^|netns/)([a-z0-9][a-z0-9_-]*)\.[A-Za-z0-9][A-Za-z0-9_.-]*(?:$|[/ ])", name)
        return self.holder(match.group(1)) if match else None

    def holder(self, lab):
        """The number of the lab's holder, as its record says; None without one."""
        done = subprocess.run(super().argv(["cat", f"{RUNTIME}/toporun/{lab}/holder"]), capture_output=True, text=True)
        return json.loads(done.stdout)["pid"] if done.returncode == 0 else None

    def namespaces(self):
        names = super().namespaces()
        for lab in self.run(["ls", f"{RUNTIME}/toporun"]).stdout.split():
            holder = self.holder(lab)
            if holder:
                done = self.run([*self.enter(holder), "ip", "netns", "list"], check=True)
                names += [line.split()[0] for line in done.stdout.splitlines()]
        return sorted(names)

    def settle(self):
        for name in self.namespaces():
            super().run([PYTHON, "-B", os.path.abspath(__file__), "--settle"], namespace=name, check=True)
        self.run([PYTHON, "-B", os.path.abspath(__file__), "--settle"], check=True)


def root_only(reason):
    """Marks a class or a case of what needs privilege by its nature: not run rootless, and told by name."""
    return unittest.skipIf(ROOTLESS, "needs root: " + reason)


class SandboxCase(unittest.TestCase):
    """A test with a machine of its own: `self.box`."""

    maxDiff = None

    def setUp(self):
        if ROOTLESS and os.geteuid() != 0:
            self.skipTest("only root can make a machine that has ordinary users")
        self.new_machine()

    def new_machine(self):
        """In place of the one before it, which may be in disorder."""
        if hasattr(self, "box"):
            self.box.close()
        self.box = RootlessSandbox() if ROOTLESS else Sandbox()
        self.addCleanup(self.box.close)

    def folder(self):
        """A folder for the test's files, seen inside and outside."""
        folder = tempfile.TemporaryDirectory(prefix="toporun-test-")
        self.addCleanup(folder.cleanup)
        if ROOTLESS:
            os.chmod(folder.name, 0o755)
            os.chown(folder.name, USER, USER)
        return folder.name

    def write(self, name, text, folder=None):
        """Writes a file into a new folder (or `folder`): its path."""
        path = os.path.join(folder or self.folder(), name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def toporun(self, *words, status=0, **options):
        """Runs the binary under test in the machine; fails unless it ends with `status` (None: any)."""
        done = self.box.run([TOPORUN, *words], **options)
        if status is not None and done.returncode != status:
            self.fail(f"toporun {' '.join(map(str, words))}: exit status {done.returncode} instead of {status}\n"
                      f"{done.stdout}\n{done.stderr}")
        return done

    def assertSame(self, before, after, ignore=()):
        difference = before.difference(after, ignore)
        self.assertEqual("", difference, "the machine is not as it was (- before, + after):\n" + difference)


# The rest runs inside.


def machine():
    """Process 1 of a sandbox: mounts, `lo` up, then reaps what is orphaned until standard input ends."""
    # /proc is still the machine's, so this is our number as the test sees it.
    number = os.readlink("/proc/self")

    def call(*argv):
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    call("mount", "-t", "proc", "proc", "/proc")
    call("mount", "-t", "sysfs", "sysfs", "/sys")
    # A copy, since /etc/netns may have to be made. What only root may read is missing from an ordinary user's copy.
    call("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    os.mkdir("/run/etc")
    subprocess.run(["cp", "-a", "/etc/.", "/run/etc/"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    call("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/mnt")
    call("cp", "-a", "/run/etc/.", "/mnt/")
    call("mount", "--move", "/mnt", "/etc")
    call("rm", "-rf", "/run/etc", "/etc/netns")
    # A bare machine may have none, and `ip netns exec` shows a node's file only where there is one to cover.
    with open("/etc/hosts", "a", encoding="ascii"):
        pass
    os.mkdir("/run/lock")
    call("ip", "link", "set", "lo", "up")

    def reap(*_):
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass  # None left.

    signal.signal(signal.SIGCHLD, reap)
    print("ready", number, flush=True)
    while os.read(0, 4096):
        pass


VOLATILE = {
    "valid_life_time", "preferred_life_time", "expires", "used", "age", "cache", "tentative", "hello_timer", "tcn_timer",
    "topology_change_timer", "gc_timer", "handle", "packets", "bytes", "metainfo", "stats", "stats64", "message_age_timer",
    "forward_delay_timer", "hold_timer", "operstate",
}
# The kernel notices a carrier some time after it came or went.
VOLATILE_FLAGS = {"NO-CARRIER", "LOWER_UP", "linkdown", "dead"}
# What counts or is made up at first use; what other namespaces share is not this machine's either.
VOLATILE_SYSCTLS = re.compile(
    r"nf_conntrack_count$|tcp_fastopen_key$|route/flush$|stable_secret$|rmem_|wmem_|/random|nf_conntrack_(max|buckets)$")


def steady(value):
    """`value` without what changes by itself."""
    if isinstance(value, dict):
        return {key: steady(item) for key, item in value.items() if key not in VOLATILE}
    if isinstance(value, list):
        return [steady(item) for item in value if not (isinstance(item, str) and item in VOLATILE_FLAGS)]
    return value


def tool(*argv):
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    return steady(json.loads(done.stdout or "[]"))


def numbered(values):
    """Equal entries may stand twice: a key each, in the order told."""
    return {f"{index:04}": json.dumps(value, sort_keys=True) for index, value in enumerate(values)}


def network():
    sysctls = {}
    for folder, _, names in os.walk("/proc/sys/net"):
        for name in names:
            path = os.path.join(folder, name)
            if VOLATILE_SYSCTLS.search(path):
                continue
            try:
                with open(path, encoding="latin-1") as file:
                    sysctls[path[len("/proc/sys/"):]] = file.read().strip()
            except OSError:
                continue  # Write-only, or its interface has gone since the folder was read.
    with open("/proc/net/unix", encoding="latin-1") as file:
        abstract = [line.split(maxsplit=7)[7].strip() for line in file if line.count(" @")]
    rules = [entry for entry in tool("nft", "-j", "list", "ruleset")["nftables"] if entry]
    links = tool("ip", "-d", "-j", "link")
    addresses = [{"ifname": link["ifname"], **address} for link in tool("ip", "-j", "address")
                 for address in link.get("addr_info", [])]
    return {
        "link": {link["ifname"]: json.dumps(link, sort_keys=True) for link in links},
        "address": numbered(addresses),
        "route": numbered(tool("ip", "-4", "-j", "route", "show", "table", "all") +
                          tool("ip", "-6", "-j", "route", "show", "table", "all")),
        "rule": numbered(tool("ip", "-4", "-j", "rule") + tool("ip", "-6", "-j", "rule")),
        "neighbour": numbered(entry for entry in tool("ip", "-j", "neigh", "show", "nud", "permanent")),
        "nft": numbered(rules),
        "sysctl": sysctls,
        "abstract socket": {name: "" for name in abstract},
    }


def mounts():
    out = []
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        for line in file:
            front, back = line.split(" - ", 1)
            _, _, device, root, point, options, *optional = front.split()
            sharing = sorted(word.split(":")[0] for word in optional)
            out.append((point, " ".join([root, options, *sharing, back.strip()])))
    found = {}
    for point, text in out:  # Stacked mounts stand at one point.
        found[point + "'" * sum(key.rstrip("'") == point for key in found)] = text
    return found


def processes():
    """All but this one, what runs it, and what has ended and only waits to be asked for its status."""
    found = {}
    mine = {str(os.getpid()), str(os.getppid())}
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{number}/cmdline", encoding="utf-8", errors="replace") as file:
                words = file.read().replace("\0", " ").strip()
            with open(f"/proc/{number}/stat", encoding="utf-8", errors="replace") as file:
                front, back = file.read().rsplit(")", 1)
        except (FileNotFoundError, ProcessLookupError):
            continue  # Ended meanwhile.
        if number not in mine and back.split()[0] != "Z":
            found[number] = f"{front.split('(', 1)[1]}: {words}"
    return found


def files(*roots):
    found = {}
    for root in roots:
        for folder, folders, names in os.walk(root):
            for name in folders + names:
                path = os.path.join(folder, name)
                about = os.lstat(path)
                text = f"{about.st_mode:o} {about.st_uid}:{about.st_gid}"
                if os.path.islink(path):
                    text += " -> " + os.readlink(path)
                elif os.path.isfile(path) and about.st_size < 1 << 20 and os.access(path, os.R_OK):
                    try:
                        with open(path, "rb") as file:
                            text += f" {about.st_size} {hashlib.sha256(file.read()).hexdigest()[:16]}"
                    except OSError:
                        text += " (not read)"  # A bound namespace: it has no content.
                found[path] = text
    return found


def setting(interface, key):
    with open(f"/proc/sys/net/ipv6/conf/{interface}/{key}", encoding="ascii") as file:
        return file.read().strip()


def unsettled():
    """Interfaces whose link-local address is still to come or is not known to be unique yet, and those that the kernel
    has not yet found to have a carrier."""
    found = []
    links = json.loads(subprocess.run(["ip", "-d", "-j", "address"], check=True, capture_output=True).stdout)
    # A bridge has a carrier some time after its ports have one.
    carried = {link["master"] for link in links if "master" in link and "LOWER_UP" in link["flags"]}
    for link in links:
        name, flags = link["ifname"], link["flags"]
        if {"NO-CARRIER", "LOWER_UP"} <= set(flags):
            found.append(name)
            continue
        try:
            off, mode = (setting(name, key) for key in ("disable_ipv6", "addr_gen_mode"))
        except FileNotFoundError:
            continue  # An MTU too small for IPv6, or gone.
        up = "UP" in flags and ("LOWER_UP" in flags or name in carried)
        if off == "1" or not up or "master" in link or {"LOOPBACK", "NOARP"} & set(flags):
            continue
        six = [entry for entry in link["addr_info"] if entry["family"] == "inet6"]
        local = mode == "1" or any(entry["scope"] == "link" for entry in six)  # Mode 1 makes none.
        if not local or any(entry.get("tentative") for entry in six):
            found.append(name)
    return found


def enter(name):
    """This process moves into a named namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{name}", "rb") as file:
        if libc.setns(file.fileno(), 0):
            raise OSError(ctypes.get_errno(), f"enter {name}")


def settle(limit=20):
    deadline = time.monotonic() + limit
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
        sock.bind((0, 1 | 1 << 8))  # Links, and addresses of IPv6.
        while names := unsettled():
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([sock], [], [], left)[0]:
                sys.exit(f"no settled link-local address in {limit} s: {', '.join(names)}")
            sock.recv(1 << 20)


def snapshot(what):
    parts = network()
    if what == "all":
        parts.update({"mount": mounts(), "process": processes(), "file": files("/run", "/etc")})
    json.dump(parts, sys.stdout)


if __name__ == "__main__":
    if sys.argv[1:] == ["--machine"]:
        machine()
    elif sys.argv[1:2] == ["--snapshot"]:
        snapshot(sys.argv[2])
    elif sys.argv[1:2] == ["--settle"]:
        settle()
        for name in sys.argv[2:]:
            enter(name)
            settle()
    else:
        sys.exit("this is a library; tests/e2e/run_unittest.py runs a test")
