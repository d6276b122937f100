"""The programs that are compared, each with a node of its own on one throw-away machine. The node's namespace is
`.node`; `.inner`, where there is one, stands behind it on a veth of MTU 1500."""

import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../e2e"))
import support  # noqa: E402

HOST, HOST6 = "192.0.2.9", "2001:db8::9"  # the server's, on the machine itself
ROUTED = "10.77.0"


class Contender:
    inner = None
    families = (4, 6)
    name = ""

    def __init__(self, box, mtu):
        self.box = box
        self.mtu = mtu
        self.node = f"{self.name}-{mtu}"

    def lines(self, *lines):
        for line in lines:
            self.box.run(line.split(), check=True)

    def stop(self):
        self.running.stop()

    def make_node(self):
        self.lines(f"ip netns add {self.node}", f"ip -n {self.node} link set lo up")

    def cpu(self):
        """Seconds that the program has run so far, by the scheduler's own count."""
        return sum(int(self.box.run(["cat", f"/proc/{pid}/schedstat"], check=True).stdout.split()[0])
                   for pid in self.pids()) / 1e9

    def switches(self):
        """How often the program went to sleep so far."""
        total = 0
        for pid in self.pids():
            for line in self.box.run(["cat", f"/proc/{pid}/status"], check=True).stdout.splitlines():
                if line.startswith("voluntary_ctxt_switches:"):
                    total += int(line.split()[1])
        return total


class Toporun(Contender):
    name = "toporun"

    def start(self):
        lab = f"bench{self.mtu}"
        self.node, self.inner = f"{lab}.n", f"{lab}.inner"
        text = f"""name: {lab}
nodes:
  n:
    forwarding: true
    uplink: {{type: slirp, ipv6: true, mtu: {self.mtu}}}
    ports: ["{self.port()}:{self.port()}"]
    interfaces: {{lan: {{addresses: [{ROUTED}.1/24]}}}}
  inner:
    interfaces: {{eth0: {{addresses: [{ROUTED}.2/24]}}}}
    routes: [{{to: default, via: {ROUTED}.1}}]
links: [{{endpoints: ["n:lan", "inner:eth0"]}}]
"""
        path = f"/run/{lab}.yaml"
        self.box.run(["tee", path], input=text, check=True)
        self.box.run([support.TOPORUN, "up", path], check=True)
        self.lab = lab

    def port(self):
        return 18000 + self.mtu % 1000

    def stop(self):
        self.box.run([support.TOPORUN, "down", self.lab], check=True)

    def pids(self):
        lines = self.box.run(["ps", "-eo", "pid=,args="], check=True).stdout.splitlines()
        return [int(line.split()[0]) for line in lines if f"uplink-helper {self.lab} n" in line]


class Slirp4netns(Contender):
    name = "slirp4netns"

    def start(self):
        self.make_node()
        self.inner = self.node + "-inner"
        self.lines(f"ip netns add {self.inner}", f"ip -n {self.inner} link set lo up",
                   f"ip -n {self.node} link add lan type veth peer name eth0 netns {self.inner}",
                   f"ip -n {self.node} address add {ROUTED}.1/24 dev lan", f"ip -n {self.node} link set lan up",
                   f"ip -n {self.inner} address add {ROUTED}.2/24 dev eth0", f"ip -n {self.inner} link set eth0 up",
                   f"ip -n {self.inner} route add default via {ROUTED}.1")
        self.api = f"/run/{self.node}.sock"
        self.running = self.box.start(
            ["slirp4netns", "--configure", f"--mtu={self.mtu}", "--enable-ipv6", f"--api-socket={self.api}",
             "--ready-fd=1", "--netns-type=path", f"/run/netns/{self.node}", "tap0"])
        self.running.wait_for("1")
        # libslirp asks for the inner node by ARP on the tap; its IPv6 has no such thing.
        self.box.run(["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.tap0.proxy_arp=1",
                      "net.ipv4.neigh.tap0.proxy_delay=0"], namespace=self.node, check=True)
        request = {"execute": "add_hostfwd", "arguments": {
            "proto": "tcp", "host_addr": "0.0.0.0", "host_port": self.port(), "guest_port": self.port()}}
        ask = ("import socket, sys\n"
               "sock = socket.socket(socket.AF_UNIX)\nsock.connect(sys.argv[1])\nsock.sendall(sys.argv[2].encode())\n"
               "sock.shutdown(socket.SHUT_WR)\nreply = sock.recv(4096).decode()\nprint(reply)\nsys.exit('error' in reply)\n")
        self.box.run([support.PYTHON, "-c", ask, self.api, json.dumps(request)], check=True)
        self.box.run([support.PYTHON, "-c", WAIT_ADDRESS], namespace=self.node, check=True)

    def port(self):
        return 19000 + self.mtu % 1000

    def pids(self):
        lines = self.box.run(["ps", "-C", "slirp4netns", "-o", "pid=,args="], check=True).stdout.splitlines()
        return [int(line.split()[0]) for line in lines if f"/run/netns/{self.node} " in line]


# Its IPv6 address comes by router advertisement.
WAIT_ADDRESS = """import subprocess, sys, time
end = time.monotonic() + 10
while "fd00:" not in subprocess.run(["ip", "-6", "address", "show", "dev", "tap0", "-tentative"],
                                    capture_output=True, text=True).stdout:
    if time.monotonic() > end:
        sys.exit("slirp4netns gave no IPv6 address")
    time.sleep(0.05)
"""


class Pasta(Contender):
    name = "pasta"

    def start(self):
        self.make_node()
        argv = ["pasta", "--config-net", "--foreground", "--quiet", "--runas", "0", "--mtu", str(self.mtu), "-i", "card",
                "-a", "192.0.2.1", "-n", "24", "-g", "192.0.2.254", "-a", "2001:db8::1", "-g", "2001:db8::fe",
                "--no-map-gw", "-t", "none", "-u", "none", "-T", "none", "-U", "none", "-I", "tap0",
                "--netns", f"/run/netns/{self.node}"]
        self.running = self.box.start(argv)
        self.box.run([support.PYTHON, "-c", WAIT_PASTA], namespace=self.node, check=True)

    def pids(self):
        lines = self.box.run(["ps", "-eo", "pid=,args="], check=True).stdout.splitlines()
        return [int(line.split()[0]) for line in lines if " pasta --config-net" in line and line.endswith(self.node)]


WAIT_PASTA = """import subprocess, sys, time
end = time.monotonic() + 10
while "default" not in subprocess.run(["ip", "-6", "route"], capture_output=True, text=True).stdout:
    if time.monotonic() > end:
        sys.exit("pasta gave no IPv6 route")
    time.sleep(0.05)
"""


def machine():
    box = support.Sandbox()
    for line in ("ip link add card type veth peer name wire", "ip link set wire up",
                 "ip address add 192.0.2.1/24 dev card", f"ip address add {HOST}/24 dev card",
                 "ip address add 2001:db8::1/64 dev card nodad", f"ip address add {HOST6}/64 dev card nodad preferred_lft 0",
                 "ip link set card up", "ip route add default via 192.0.2.254",
                 "ip -6 route add default via 2001:db8::fe dev card"):
        box.run(line.split(), check=True)
    box.run(["sysctl", "-qw", "net.core.somaxconn=4096"], check=True)
    return box


def started(box, mtu):
    """Those that run here, and why the others do not."""
    running, missing = [], []
    for kind in (Toporun, Slirp4netns, Pasta):
        if kind is not Toporun and not shutil.which(kind.name):
            missing.append(f"{kind.name} is not installed")
            continue
        contender = kind(box, mtu)
        try:
            contender.start()
        except AssertionError as error:
            if kind is Toporun:
                raise
            missing.append(f"{kind.name} does not run here: {str(error).splitlines()[-1]}")
            continue
        running.append(contender)
    return running, missing
