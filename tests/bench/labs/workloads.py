"""The labs that are measured, each written for every contender: as a topology file, as `ip` commands, and as words for
the floor program and for Mininet."""

import ipaddress

BRIDGE = "br0"


class Commands:
    """What somebody types by hand: `ip` lines in the machine's own namespace, then those of each node."""

    def __init__(self):
        self.outside = []
        self.inside = {}  # node -> lines
        self.sysctls = {}  # node -> {key: value}

    def node(self, name):
        self.outside.append(f"netns add {name}")
        self.inside[name] = ["link set lo up"]

    def batch(self):
        """A shell script that starts one `ip -batch` for the machine and one a node."""
        lines = ["set -e", "ip -batch - <<'.'", *self.outside, "."]
        for node, inside in self.inside.items():
            for key, value in self.sysctls.get(node, {}).items():
                lines.append(f"ip netns exec {node} sysctl -qw {key}={value}")
            lines += [f"ip -n {node} -batch - <<'.'", *inside, "."]
        return "\n".join(lines) + "\n"

    def script(self):
        """One `ip` a line, as shell scripts do it."""
        lines = ["set -e", *(f"ip {line}" for line in self.outside)]
        for node, inside in self.inside.items():
            for key, value in self.sysctls.get(node, {}).items():
                lines.append(f"ip netns exec {node} sysctl -qw {key}={value}")
            lines += [f"ip -n {node} {line}" for line in inside]
        return "\n".join(lines) + "\n"


class Workload:
    commands = None  # Commands
    floor = ()  # its words, behind up or down
    mininet = None  # hosts on one switch

    def __init__(self, kind, size):
        self.name = f"{kind} {size}"
        self.size = size
        self.edited = self.topology(mtu=1400)
        self.text = self.topology()

    def topology(self, mtu=None):
        """The topology file; with `mtu`, one link has it."""
        raise NotImplementedError

    def down(self):
        """The shell script that takes away what `commands` made, its names free when it ends."""
        return "".join(f"ip netns del {node}\n" for node in self.commands.inside)

    def down_batch(self):
        return "\n".join(["ip -batch - <<'.'", *(f"netns del {node}" for node in self.commands.inside), "."]) + "\n"


def edit(mtu):
    return f", mtu: {mtu}" if mtu else ""


class Star(Workload):
    """Hosts on one bridge of the machine; an address and a default route each."""

    def __init__(self, size):
        super().__init__("star", size)
        self.floor = ("star", size)
        self.mininet = size
        self.ping = ("h1", str(ipaddress.ip_address("10.0.0.1") + size))  # the last host
        self.commands = Commands()
        self.commands.outside += [f"link add {BRIDGE} up type bridge", f"addr add 10.0.0.1/16 dev {BRIDGE}"]
        for i in range(1, size + 1):
            node = f"h{i}"
            self.commands.node(node)
            self.commands.outside.append(
                f"link add p{i} up master {BRIDGE} type veth peer name eth0 netns {node}")
            self.commands.inside[node] += [
                "link set eth0 up", f"addr add {ipaddress.ip_address('10.0.0.1') + i}/16 dev eth0",
                "route add default via 10.0.0.1"]

    def topology(self, mtu=None):
        return f"""name: bench
nodes:
  h[1-{self.size}]:
    routes: [{{to: default, via: 10.0.0.1}}]
bridges:
  {BRIDGE}: {{node: host, addresses: [10.0.0.1/16], prefix: 10.0.0.0/16}}
links:
  - endpoints: ["h[1-{self.size - 1}]:eth0", {BRIDGE}]
  - {{endpoints: ["h{self.size}:eth0", {BRIDGE}]{edit(mtu)}}}
"""

    def down(self):
        # A namespace takes its links along some time after its name is gone: the names here are freed first.
        ports = "".join(f"ip link del p{i}\n" for i in range(1, self.size + 1))
        return f"{ports}ip link del {BRIDGE}\n" + super().down()

    def down_batch(self):
        ports = [f"link del p{i}" for i in range(1, self.size + 1)]
        return "\n".join(["ip -batch - <<'.'", *ports, f"link del {BRIDGE}", "."]) + "\n" + super().down_batch()


class Ring(Workload):
    """Routers in a circle; the default route leads to the right."""

    def __init__(self, size):
        super().__init__("ring", size)
        self.floor = ("ring", size)
        self.ping = ("r1", "10.0.0.1")  # its neighbour: in a large ring nobody else is near enough for the answer
        self.commands = Commands()
        for i in range(1, size + 1):
            self.commands.node(f"r{i}")
            self.commands.sysctls[f"r{i}"] = {"net.ipv4.ip_forward": 1}
        for i in range(1, size + 1):
            near, far = f"r{i}", f"r{i % size + 1}"
            net = ipaddress.ip_address("10.0.0.0") + 2 * (i - 1)
            self.commands.outside.append(
                f"link add right netns {near} type veth peer name left netns {far}")
            self.commands.inside[near] += ["link set right up", f"addr add {net}/31 dev right"]
            self.commands.inside[far] += ["link set left up", f"addr add {net + 1}/31 dev left"]
        for i in range(1, size + 1):
            net = ipaddress.ip_address("10.0.0.0") + 2 * (i - 1)
            self.commands.inside[f"r{i}"].append(f"route add default via {net + 1}")

    def topology(self, mtu=None):
        last = f", interfaces: {{right: {{mtu: {mtu}}}}}" if mtu else ""
        return f"""name: bench
defaults:
  forwarding: {{ipv4: true}}
nodes:
  r[1-{self.size - 1}]: {{routes: [{{to: default, via: "r{{n+1}}:left"}}]}}
  r{self.size}: {{routes: [{{to: default, via: "r1:left"}}]{last}}}
links:
  - {{endpoints: ["r[1-{self.size}]:right", "r[2-{self.size},1]:left"], prefix: {{pool: 10.0.0.0/16, length: 31}}}}
"""


class LeafSpine(Workload):
    """Every leaf has a cable to every spine, a host, and one route over all spines (equal-cost multipath)."""

    def __init__(self, spines, leaves):
        self.spines, self.leaves = spines, leaves
        super().__init__("leaf-spine", f"{spines} x {leaves}")
        self.ping = ("host1", f"10.200.{leaves}.10")

    def topology(self, mtu=None):
        over = ", ".join(f'{{via: "spine{s}:down{{n}}"}}' for s in range(1, self.spines + 1))
        back = "\n".join(f'      - {{to: 10.200.{leaf}.0/24, via: "leaf{leaf}:up{{n}}"}}'
                         for leaf in range(1, self.leaves + 1))
        cables = "\n".join(
            f'  - {{endpoints: ["leaf[1-{self.leaves}]:up{s}", "spine{s}:down[1-{self.leaves}]"], '
            f'prefix: {{pool: 10.{s}.0.0/16, length: 31}}}}' for s in range(1, self.spines + 1))
        return f"""name: bench
nodes:
  leaf[1-{self.leaves}]:
    forwarding: {{ipv4: true}}
    interfaces: {{lan: {{addresses: ["10.200.{{n}}.1/24"]}}}}
    routes:
      - {{to: 10.200.0.0/16, nexthops: [{over}]}}
  spine[1-{self.spines}]:
    forwarding: {{ipv4: true}}
    routes:
{back}
  host[1-{self.leaves}]:
    interfaces: {{eth0: {{addresses: ["10.200.{{n}}.10/24"]}}}}
    routes: [{{to: default, via: "10.200.{{n}}.1"}}]
links:
{cables}
  - endpoints: ["host[1-{self.leaves - 1}]:eth0", "leaf[1-{self.leaves - 1}]:lan"]
  - {{endpoints: ["host{self.leaves}:eth0", "leaf{self.leaves}:lan"]{edit(mtu)}}}
"""


class Campus(Workload):
    """Routers in a line, hosts on a bridge of each."""

    def __init__(self, hosts, routers):
        self.hosts, self.routers = hosts, routers
        super().__init__("campus", f"{hosts} + {routers}")
        self.ping = ("h1", f"10.{routers}.0.{1 + hosts // routers}")

    def topology(self, mtu=None):
        each = self.hosts // self.routers
        nodes, bridges, links = [], [], []
        for r in range(1, self.routers + 1):
            first, last = (r - 1) * each + 1, r * each
            nodes.append(f"  h[{first}-{last}]: {{routes: [{{to: default, via: 10.{r}.0.1}}]}}")
            towards = [f"{{to: 10.{other}.0.0/16, via: 10.255.{r if other > r else r - 1}.{2 if other > r else 1}}}"
                       for other in range(1, self.routers + 1) if other != r]
            nodes.append(f"  r{r}: {{forwarding: {{ipv4: true}}, routes: [{', '.join(towards)}]}}")
            bridges.append(f"  lan{r}: {{node: r{r}, addresses: [10.{r}.0.1/16], prefix: 10.{r}.0.0/16}}")
            if r < self.routers:
                links.append(f'  - endpoints: [{{node: r{r}, interface: east, addresses: [10.255.{r}.1/24]}}, '
                             f'{{node: r{r + 1}, interface: west, addresses: [10.255.{r}.2/24]}}]')
            last_own = last - 1 if r == self.routers else last
            links.append(f'  - endpoints: ["h[{first}-{last_own}]:eth0", lan{r}]')
        links.append(f'  - {{endpoints: ["h{self.hosts}:eth0", lan{self.routers}]{edit(mtu)}}}')
        return "\n".join(["name: bench", "nodes:", *nodes, "bridges:", *bridges, "links:", *links]) + "\n"


class Homes(Workload):
    """Home routers on one net, NAT and a packet filter in each."""

    def __init__(self, size):
        super().__init__("homes", size)
        self.ping = ("h1", str(ipaddress.ip_address("10.0.0.1") + size))

    def topology(self, mtu=None):
        return f"""name: bench
nodes:
  h[1-{self.size}]:
    forwarding: {{ipv4: true}}
    routes: [{{to: default, via: 10.0.0.1}}]
    nat:
      - masquerade: {{out: eth0}}
    nftables: |
      table inet filter {{
        chain input {{
          type filter hook input priority 0; policy accept
          ct state invalid drop
          tcp dport {{ 23, 445 }} drop
        }}
      }}
bridges:
  {BRIDGE}: {{node: host, addresses: [10.0.0.1/16], prefix: 10.0.0.0/16}}
links:
  - endpoints: ["h[1-{self.size - 1}]:eth0", {BRIDGE}]
  - {{endpoints: ["h{self.size}:eth0", {BRIDGE}]{edit(mtu)}}}
"""


ALL = {
    "star-100": lambda: Star(100), "star-400": lambda: Star(400), "star-1000": lambda: Star(1000),
    "ring-100": lambda: Ring(100), "ring-1000": lambda: Ring(1000), "ring-4000": lambda: Ring(4000),
    "ring-10000": lambda: Ring(10000), "leaf-spine": lambda: LeafSpine(16, 64), "campus": lambda: Campus(300, 6),
    "homes-200": lambda: Homes(200),
}
