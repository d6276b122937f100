"""Performs the `tests:` of a topology file by ordinary programs: ping, sockets, getent. Not by toporun's own probes."""

import ipaddress
import json
import re
import shlex
import time

import support


class Topology:
    """A file as `validate --print=json` tells it: names filled in, ranges spread, addresses handed out."""

    def __init__(self, printed):
        self.tree = json.loads(printed)
        self.name = self.tree["name"]
        self.nodes = self.tree["nodes"]

    def namespace(self, node):
        return f"{self.name}.{node}"

    def addresses(self, node, interface=None):
        """All addresses of a node (of one interface of it), as ip_interface."""
        settings = self.nodes[node].get("interfaces", {})
        found = [entry for name, one in settings.items() if interface in (None, name)
                 for entry in (one or {}).get("addresses", [])]
        for name, bridge in self.tree.get("bridges", {}).items():
            if bridge and bridge.get("node") == node and interface in (None, name):
                found += bridge.get("addresses", [])
        return [ipaddress.ip_interface(one["address"] if isinstance(one, dict) else one) for one in found]

    def first(self, node, family=None, interface=None):
        """The first address of a node, of a family (4, 6) if one is given; None without one."""
        for one in self.addresses(node, interface):
            if family in (None, one.version):
                return str(one.ip)
        return None

    def owner(self, address):
        """The node that has an address."""
        wanted = ipaddress.ip_address(address)
        owners = [node for node in self.nodes if wanted in (one.ip for one in self.addresses(node))]
        return owners[0] if owners else None

    def host(self, text, family=None):
        """An address of what a check calls HOST."""
        try:
            return str(ipaddress.ip_address(text.strip("[]")))
        except ValueError:
            pass
        node, _, interface = text.partition(":")
        if node in self.nodes:
            return self.first(node, family, interface or None)
        return text

    def uplinks(self):
        return [node for node, settings in self.nodes.items() if settings.get("uplink")]


def host_and_port(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def seconds(text):
    """Of `10s`, `500ms`, `1m`: whole ones, at least one."""
    number, unit = re.fullmatch(r"([0-9.]+)(ms|s|m)", text).groups()
    return max(1, round(float(number) * {"ms": 0.001, "s": 1, "m": 60}[unit]))


def part_of(part, whole):
    """Whether the members that `part` has are in the JSON that a command printed."""
    if isinstance(whole, str) and not isinstance(part, str):
        try:
            whole = json.loads(whole)
        except ValueError:
            return False
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and part_of(value, whole[key]) for key, value in part.items())
    return part == whole


class Checks:
    def __init__(self, test, topology):
        self.test, self.box, self.topology = test, test.box, topology
        self.serving = {}

    def place(self, check):
        node = check["from"]
        return None if node == "outside" else self.topology.namespace(node)

    def perform(self, check):
        """Whether it could be performed; fails the test when it does not hold."""
        family = {"ipv4": 4, "ipv6": 6}.get(check.get("family"))
        expect = check.get("expect", "reachable")
        for kind in ("ping", "tcp", "udp", "http", "dns", "run"):
            if kind in check:
                deadline = time.monotonic() + seconds(check.get("within", "5s"))
                while not (held := getattr(self, kind)(check, check[kind], family, expect)):
                    if expect == "unreachable" or time.monotonic() > deadline:
                        break
                self.test.assertTrue(held, f"{self.topology.name}: {check}")
                return True
        return False

    def ping(self, check, target, family, expect):
        # A node by its name: the node's own hosts file must know it.
        name = target if target in self.topology.nodes and check["from"] != "outside" else self.topology.host(target, family)
        wanted = expect != "unreachable"
        argv = ["ping", "-n", *([f"-{family}"] if family else [])]
        if isinstance(expect, dict):
            done = self.box.run([*argv, "-c", str(check.get("count", 3)), "-i", "0.1", "-w", "30", name], namespace=self.place(check))
            bounds = {what: bound for what, bound in expect.items() if what != "mtu"}
            return self.measured(done.stdout, bounds) and self.has_mtu([*argv, name], check, expect.get("mtu"), done.stdout)
        if not wanted:
            return self.box.run([*argv, "-c", "3", "-i", "0.2", "-w", "1", name], namespace=self.place(check)).returncode != 0
        # A neighbour that does not answer at once ends `ping` before its time.
        deadline = time.monotonic() + seconds(check.get("within", "5s"))
        while True:
            left = max(1, round(deadline - time.monotonic()))
            status = self.box.run([*argv, "-c", "1", "-w", str(left), name], namespace=self.place(check)).returncode
            if status != 1 or time.monotonic() > deadline:
                return status == 0

    def has_mtu(self, argv, check, mtu, told):
        """Whether the way takes packets of `mtu` bytes, and no larger ones, that nobody may cut."""
        if mtu is None:
            return True
        headers = 48 if ":" in told.split("\n")[0].split("(")[0] + told.split("(")[1].split(")")[0] else 28
        return [self.box.run([*argv, "-c", "1", "-w", "5", "-M", "do", "-s", str(size - headers)],
                             namespace=self.place(check)).returncode == 0 for size in (mtu, mtu + 1)] == [True, False]

    def measured(self, told, expect):
        """Whether what `ping` printed is within the bounds, written as `>= 30ms`, `<= 1%`."""
        found = {"loss": float(re.search(r"([0-9.]+)% packet loss", told).group(1))}
        times = re.search(r"= [0-9.]+/([0-9.]+)/", told)
        found["rtt"] = float(times.group(1)) if times else float("inf")
        for what, bound in expect.items():
            compare, number = re.fullmatch(r"(<=|>=|<|>) *([0-9.]+) *(?:ms|%)", bound).groups()
            if not {"<=": float.__le__, ">=": float.__ge__, "<": float.__lt__, ">": float.__gt__}[compare](found[what], float(number)):
                return False
        return True

    def serve(self, kind, address, port):
        """A server in the node that has the address, unless one was started already."""
        node = self.topology.owner(address)
        if node is None or (kind, node, port) in self.serving or self.listens(kind, node, port):
            return
        service = self.box.serve(kind, *(["page"] if kind == "http" else []), port=port,
                                 namespace=self.topology.namespace(node))
        self.serving[kind, node, port] = service

    def listens(self, kind, node, port):
        """Whether a process that the file itself declares serves there."""
        argv = ["ss", "-H", "-l", "-n", "-u" if kind == "udp-echo" else "-t", f"sport = :{port}"]
        return bool(self.box.run(argv, namespace=self.topology.namespace(node), check=True).stdout.strip())

    def connect(self, kind, service, check, host, port, expect):
        address = self.topology.host(host)
        if expect != "unreachable":
            self.serve(service, address, port)
        answered = self.box.answers(kind, address, port, namespace=self.place(check), limit=5 if expect != "unreachable" else 1)
        return answered == (expect != "unreachable")

    def tcp(self, check, target, _, expect):
        return self.connect("tcp", "tcp-echo", check, *host_and_port(target), expect)

    def udp(self, check, target, _, expect):
        return self.connect("udp", "udp-echo", check, *host_and_port(target), expect)

    def http(self, check, target, _, expect):
        host, port = re.fullmatch(r"http://([^/:\[\]]+|\[[^]]+\])(?::(\d+))?/.*", target).groups()
        return self.connect("http", "http", check, host, int(port or 80), expect)

    def dns(self, check, target, _, expect):
        found = self.box.run(["getent", "ahosts", target], namespace=self.place(check))
        return (found.returncode == 0) == (expect != "unreachable")

    def run(self, check, target, _, expect):
        argv = shlex.split(target) if isinstance(target, str) else target
        settings = self.topology.nodes.get(check["from"], {})
        if any(settings.get(key) for key in ("files", "binds", "tmpfs", "processes")):
            # The node's own view of the files; `ip netns exec` knows none.
            done = self.box.run([support.TOPORUN, "exec", self.topology.name, check["from"], "--", *argv])
        else:
            done = self.box.run(argv, namespace=self.place(check))
        if not isinstance(expect, dict):
            return (done.returncode == 0) == (expect != "unreachable")
        held = done.returncode == int(expect.get("status", 0))
        for stream in ("stdout", "stderr"):
            text = getattr(done, stream)
            for way, value in (expect.get(stream) or {}).items():
                matches = {"contains": lambda: value in text, "equals": lambda: value.strip() == text.strip(),
                           "matches": lambda: re.search(value, text, re.M), "json": lambda: part_of(value, text)}
                held = held and bool(matches[way]())
        return held

    def stop(self):
        for service in self.serving.values():
            service.stop()
        self.serving.clear()


class Monitor:
    """Kernel announcements in the machine and all its named namespaces: monitor.py."""

    def __init__(self, box, names=None):
        script = support.os.path.join(support.os.path.dirname(support.SERVICES), "monitor.py")
        names = box.namespaces() if names is None else names
        self.running = box.start([support.PYTHON, "-B", script, *names])
        self.running.wait_for("^ready$")
        self.read = 0

    def events(self):
        """All since the last call: lines `NAMESPACE: + address 192.0.2.1/24`."""
        self.running.process.stdin.write(b"\n")
        self.running.process.stdin.flush()
        lines = self.running.output.count("\n")
        self.running.wait_for(r"\A(?:.*\n){%d}.*\n" % lines, 30)
        found = json.loads(self.running.output.splitlines()[lines])
        return [f'{one["namespace"]}: {one["event"]} {one["about"]}' for one in found]

    def stop(self):
        self.running.stop()
