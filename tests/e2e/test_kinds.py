"""Every kind of interface and every object that is set on one: up, traffic across it, a change in place, a replacement,
drift told and repaired, down. Each case fills its row of a matrix, which is printed at the end; a kind that the kernel
lacks is probed for and skipped by name. The same cases run under Debian's own kernel, which has them all (tests/vm).
"""

import dataclasses
import re
import unittest

import support

COLUMNS = ("up", "traffic", "in place", "replace", "drift", "down")
MATRIX = {}


@dataclasses.dataclass
class Kind:
    """Two nodes, NAMEa and NAMEb, with an interface `x0` of this kind in both. In a text `{n}` is 1 in the one and 2 in the
    other, `{m}` the other way round, `{o}` the other's letter."""

    name: str
    settings: str  # beside `type`
    in_place: tuple  # (what is written, what instead)
    replace: tuple
    seen: tuple  # after the change in place: (key, value) of linkinfo's info_data, or of the link
    probe: str = ""  # what `ip link add … type` takes beside the name
    outer: str = "addresses: [10.0.0.{n}/24, 'fd00::{n}/64']"  # eth0's settings
    inner: tuple = ("10.1.0.{n}/24", "fd01::{n}/64")
    rest: str = ""  # further keys of each node
    cables: int = 1
    ping: tuple = ("10.1.0.2", "fd01::2")
    drift: str = "link set x0 down"
    listed: str = ""  # as the kernel calls it, where that is another word
    speaks_changed: bool = True  # traffic still crosses it after the change in place
    keyed: str = ""  # commands in each node that let traffic pass at all

    def nodes(self, edit=("", "")):
        text = ""
        for end, n, m in (("a", "1", "2"), ("b", "2", "1")):
            inner = ", ".join(f"'{address}'" for address in self.inner)
            part = (f"  {self.name}{end}:\n    interfaces:\n      eth0: {{{self.outer}}}\n"
                    f"      x0: {{type: {self.name}, {self.settings}, addresses: [{inner}]}}\n{self.rest}")
            other = "b" if end == "a" else "a"
            text += part.replace("{n}", n).replace("{m}", m).replace("{o}", other).replace(", ,", ",")
        if edit[0] not in text:
            raise AssertionError(f"{edit[0]!r} is not in\n{text}")
        return text.replace(*edit)

    def links(self):
        return "".join(f'  - endpoints: ["{self.name}a:eth{number}", "{self.name}b:eth{number}"]\n'
                       for number in range(self.cables))


def tunnel(name, replaced_by, ipv6=False, **more):
    ends = ("fd00::{n}", "fd00::{m}") if ipv6 else ("10.0.0.{n}", "10.0.0.{m}")
    return Kind(name, f"local: '{ends[0]}', remote: '{ends[1]}', ttl: 64", ("ttl: 64", "ttl: 77"),
                (f"type: {name},", f"type: {replaced_by},"), ("ttl", 77),
                probe=f"local {ends[0]} remote {ends[1]}".replace("{n}", "1").replace("{m}", "2"), **more)


KINDS = [
    Kind("dummy", "", ("type: dummy,", "type: dummy, mtu: 1380,"), ("type: dummy", "type: vxlan, id: 7"),
         ("mtu", 1380), inner=("10.1.{n}.1/24", "fd01:0:0:{n}::1/64"), ping=("10.1.2.1", "fd01:0:0:2::1"),
         rest="    routes: [{to: 10.1.{m}.0/24, via: 10.0.0.{m}}, {to: 'fd01:0:0:{m}::/64', via: 'fd00::{m}'}]\n"),
    Kind("vlan", "link: eth0, id: 10", ("link: eth0", "link: eth0, mtu: 1380"), ("id: 10", "id: 20"), ("mtu", 1380),
         probe="link lo id 10"),
    Kind("vxlan", "id: 10, local: 10.0.0.{n}, remote: 10.0.0.{m}, dev: eth0", ("dev: eth0", "dev: eth0, learning: false"),
         ("id: 10", "id: 20"), ("learning", False), probe="id 10 dstport 4789"),
    Kind("macvlan", "link: eth0, mode: bridge", ("mode: bridge", "mode: vepa"), ("mode: bridge", "mode: passthru"),
         ("mode", "vepa"), probe="link lo"),
    Kind("macvtap", "link: eth0, mode: bridge", ("mode: bridge", "mode: private"), ("macvtap,", "macvlan,"),
         ("mode", "private"), probe="link lo"),
    # In one namespace with its parent only layer 2 has a way out.
    Kind("ipvlan", "link: eth0, mode: l2", ("mode: l2", "mode: l3"),
         ("type: ipvlan, link: eth0, mode: l2", "type: macvlan, link: eth0"), ("mode", "l3"), probe="link lo",
         speaks_changed=False),
    Kind("bond", "members: [eth0, eth1], mode: active-backup, miimon: 100", ("miimon: 100", "miimon: 50"),
         ("active-backup", "balance-xor"), ("miimon", 50), outer="", cables=2, probe="mode active-backup"),
    Kind("vrf", "table: 10, members: [eth0]", ("table: 10", "table: 10, mtu: 1380"), ("table: 10", "table: 20"),
         ("mtu", 1380), inner=(), ping=("-I", "x0", "10.0.0.2", "fd00::2"), probe="table 10"),
    tunnel("gre", "ipip"),
    tunnel("gretap", "gre"),
    tunnel("ip6gre", "ip6tnl", ipv6=True),
    tunnel("ip6gretap", "ip6gre", ipv6=True),
    tunnel("ipip", "gre", inner=("10.1.0.{n}/24",), ping=("10.1.0.2",)),
    tunnel("sit", "gre", inner=("fd01::{n}/64",), ping=("fd01::2",)),
    tunnel("ip6tnl", "ip6gre", ipv6=True),
    Kind("vti", "local: 10.0.0.{n}, remote: 10.0.0.{m}, key: 5", ("key: 5", "key: 6"), ("type: vti,", "type: gre,"),
         ("ikey", "0.0.0.6"), probe="local 10.0.0.1 remote 10.0.0.2", inner=("10.1.0.{n}/24",), ping=()),
    Kind("vti6", "local: 'fd00::{n}', remote: 'fd00::{m}', key: 5", ("key: 5", "key: 6"), ("type: vti6,", "type: ip6gre,"),
         ("ikey", "0.0.0.6"), probe="local fd00::1 remote fd00::2", ping=()),
    Kind("geneve", "id: 10, remote: 10.0.0.{m}, ttl: 64", ("ttl: 64", "ttl: 77"), ("id: 10", "id: 20"), ("ttl", 77),
         probe="id 10 remote 10.0.0.2"),
    Kind("wireguard", "auto: true, listen_port: 51820, peers: [{node: wireguard{o}, keepalive: 25}]",
         ("listen_port: 51820", "mtu: 1380, listen_port: 51821"), ("listen_port: 51820, ", ""), ("mtu", 1380)),
    # The keys of its channels come from others: here as ip-macsec(8) sets them.
    Kind("macsec", "link: eth0, mac: '02:00:00:00:0c:0{n}', port: 11, encrypt: true", ("encrypt: true", "encrypt: false"),
         ("port: 11", "port: 12"), ("encrypt", False), probe="link lo",
         keyed="ip macsec add x0 tx sa 0 pn 1 on key 0{n} {n}{n}111111111111111111111111111111; "
               "ip macsec add x0 rx port 11 address 02:00:00:00:0c:0{m}; "
               "ip macsec add x0 rx port 11 address 02:00:00:00:0c:0{m} sa 0 pn 1 on key 0{m} {m}{m}111111111111111111111111111111"),
    Kind("tap", "multi_queue: false", ("multi_queue: false", "multi_queue: false, mtu: 1380"),
         ("multi_queue: false", "multi_queue: true"), ("mtu", 1380), ping=(), listed="tun"),
    Kind("tun", "multi_queue: false", ("multi_queue: false", "multi_queue: false, mtu: 1380"),
         ("multi_queue: false", "multi_queue: true"), ("mtu", 1380), ping=(), listed="tun"),
]


class Base(support.SandboxCase):
    def fill(self, row, column):
        MATRIX.setdefault(row, {})[column] = True

    def link(self, node, name):
        """What `ip` tells of an interface; None where there is none."""
        done = self.box.run(["ip", "-n", "lab." + node, "-d", "-j", "link", "show", name])
        return support.json.loads(done.stdout)[0] if done.returncode == 0 else None

    def lab(self, text, status=0):
        return self.toporun("up", self.write("lab.yaml", text), status=status)

    def missing(self, kinds):
        """Which of the kinds (pairs of a name and what `ip link add … type` takes beside it) the kernel does not make. One
        command for all: an emulated processor takes long to start one."""
        script = "ip link add probe0 type veth peer name probe1\n"
        for kind, probe in kinds:
            if kind in ("tap", "tun"):
                continue
            parent = " link probe0" if probe.startswith("link ") else ""
            script += (f"ip link add{parent} name probe type {kind} {probe.replace('link lo', '')} 2>/run/why || "
                       f"echo {kind} $(cat /run/why)\nip link del probe 2>/dev/null\n")
        told = self.box.run(["sh", "-c", script + "ip link del probe0; rm /run/why"]).stdout.splitlines()
        for line in told:
            self.assertRegex(line, "Unknown device type|not supported")
        return {line.split()[0] for line in told}

    def has_nothing_to_do(self):
        done = self.toporun("up", "lab")
        self.assertIn("nothing to do", done.stdout + done.stderr)

    def reaches(self, words, node="a"):
        for address in (word for word in words if re.search(r"[.:]", word)):
            flags = [word for word in words if not re.search(r"[.:]", word)]
            done = self.box.run(["ping", "-n", "-c", "2", "-i", "0.2", "-w", "10", *flags, address], namespace="lab." + node)
            self.assertEqual(0, done.returncode, done.stdout + done.stderr)

    def as_recorded(self):
        self.assertEqual(0, self.toporun("status", "lab", status=None).returncode,
                         self.toporun("status", "lab", status=None).stdout)

    def drifts(self, commands, named, node="a"):
        """The commands' effect is told by `status` under this name, and `up` puts it right."""
        for command in commands:
            self.box.run(command, namespace="lab." + node, check=True)
        told = self.toporun("status", "lab", status=5)
        self.assertIn(named, told.stdout)
        self.toporun("up", "lab")
        self.as_recorded()

    def goes(self, before):
        self.toporun("down", "lab")
        self.box.settle()
        self.assertSame(before, self.box.snapshot())


class Kinds(Base):
    """All kinds of KINDS that the kernel has, in one lab."""

    def setUp(self):
        super().setUp()
        missing = self.missing([(kind.name, kind.probe) for kind in KINDS])
        self.kinds = [kind for kind in KINDS if kind.name not in missing]
        for kind in missing:
            print(f"not run: {self.id()}: {kind}: the kernel has none")
        # The modules' own interfaces are the kernel's; what they are called in a namespace is no business of the lab's.
        self.box.settle()

    def topology(self, edit=None):
        """`edit` is the name of a Kind's member, a pair of what is written and what instead."""
        nodes = "".join(kind.nodes(getattr(kind, edit) if edit else ("", "")) for kind in self.kinds)
        return "name: lab\nnodes:\n" + nodes + "links:\n" + "".join(kind.links() for kind in self.kinds)

    def each(self, column, check):
        """Runs the check for each kind; those that pass have that cell of the matrix filled."""
        for kind in self.kinds:
            with self.subTest(kind=kind.name, step=column):
                check(kind)
                self.fill(kind.name, column)

    def look(self):
        """Every `x0` of the nodes NAMEa, as `ip` tells it, by kind: None where there is none."""
        script = "".join(f"ip -n lab.{kind.name}a -d -j link show x0 2>/dev/null || echo '[null]'\n" for kind in self.kinds)
        told = self.box.run(["sh", "-c", script], check=True).stdout.splitlines()
        return {kind.name: support.json.loads(line)[0] for kind, line in zip(self.kinds, told, strict=True)}

    def silent(self):
        """The kinds across which a ping does not get, or what else stands for traffic does not pass."""
        script = ""
        for kind in self.kinds:
            for end, n, m in (("a", "1", "2"), ("b", "2", "1")):
                # Where they are set already, they stay.
                words = kind.keyed.replace("{n}", n).replace("{m}", m)
                if words:
                    script += f"ip netns exec lab.{kind.name}{end} sh -c '{words}' 2>/dev/null\n"
        for kind in self.kinds:
            flags = " ".join(word for word in kind.ping if not re.search(r"[.:]", word))
            for address in (word for word in kind.ping if re.search(r"[.:]", word)):
                script += (f"ip netns exec lab.{kind.name}a ping -n -q -c 3 -i 0.3 -w 20 {flags} {address} >/dev/null 2>&1 "
                           f"|| echo {kind.name} &\n")
        failed = set(self.box.run(["sh", "-c", script + "wait"], check=True).stdout.split())
        for kind in self.kinds:
            node = kind.name + "a"
            if kind.name in ("tap", "tun") and not self.carries(node, kind.name):
                failed.add(kind.name)
            if kind.name.startswith("vti") and not self.counts(node, "x0", kind.name):
                failed.add(kind.name)
        return failed

    def test_all(self):
        before = self.box.snapshot()
        self.lab(self.topology())
        first = self.look()

        def is_up(kind):
            self.assertEqual(kind.listed or kind.name, first[kind.name]["linkinfo"]["info_kind"])
            self.assertIn("UP", first[kind.name]["flags"])

        self.each("up", is_up)
        self.has_nothing_to_do()
        silent = self.silent()
        self.each("traffic", lambda kind: self.assertNotIn(kind.name, silent))

        path = self.write("changed.yaml", self.topology("in_place"))
        plan = self.toporun("plan", path).stdout
        self.assertNotRegex(plan, r"-/\+")
        self.toporun("up", path)
        self.as_recorded()
        links = self.look()
        silent = self.silent()

        def changed(kind):
            self.assertRegex(plan, rf"(?m)^~ +device {kind.name}a:x0 ")
            link = links[kind.name]
            self.assertEqual(first[kind.name]["ifindex"], link["ifindex"])
            where = link if kind.seen[0] in link else link["linkinfo"]["info_data"]
            self.assertEqual(kind.seen[1], where[kind.seen[0]])
            if kind.speaks_changed:
                self.assertNotIn(kind.name, silent)

        self.each("in place", changed)

        path = self.write("replaced.yaml", self.topology("replace"))
        plan = self.toporun("plan", path).stdout
        self.toporun("up", path)
        self.as_recorded()
        fresh = self.look()
        self.lab(self.topology())
        self.as_recorded()

        def replaced(kind):
            self.assertRegex(plan, rf"(?m)^-/\+ +device {kind.name}a:x0 ")
            self.assertNotEqual(first[kind.name]["ifindex"], fresh[kind.name]["ifindex"])

        self.each("replace", replaced)

        for what in ("drift", "gone"):
            script = "".join(f"ip -n lab.{kind.name}a {kind.drift if what == 'drift' else 'link del x0'}\n"
                             for kind in self.kinds)
            self.box.run(["sh", "-ec", script], check=True)
            told = self.toporun("status", "lab", status=5).stdout
            self.toporun("up", "lab")
            self.as_recorded()
            silent = self.silent()

            def repaired(kind, told=told, silent=silent):
                self.assertIn(f"device {kind.name}a:x0", told)
                self.assertNotIn(kind.name, silent)

            self.each("drift", repaired)
        self.goes(before)
        self.each("down", lambda kind: None)

    def carries(self, node, kind):
        """Whether a program in the node that opens it gets what the kernel sends."""
        program = ("import fcntl,os,struct,subprocess,sys;"
                   "f=os.open('/dev/net/tun',os.O_RDWR);"
                   f"fcntl.ioctl(f,0x400454ca,struct.pack('16sH22x',b'x0',{1 if kind == 'tun' else 2}|0x1000));"
                   "p=subprocess.Popen(['ping','-n','-c','20','-i','0.2','-w','10','10.1.0.9'],stdout=subprocess.DEVNULL);"
                   "\nwhile True:\n d=os.read(f,2048)\n if b'\\x0a\\x01\\x00\\x09' in d: p.kill(); p.wait(); sys.exit(0)")
        return self.box.run([support.PYTHON, "-c", program], namespace="lab." + node).returncode == 0

    def counts(self, node, name, kind):
        """Without an IPsec policy a vti sends nothing: whether what leaves by it is counted, as an error of carrier."""
        before = self.box.json(["ip", "-s", "-j", "link", "show", name], namespace="lab." + node)[0]["stats64"]["tx"]
        target = "fd01::2" if kind == "vti6" else "10.1.0.2"
        self.box.run(["ping", "-n", "-c", "1", "-w", "1", target], namespace="lab." + node)
        after = self.box.json(["ip", "-s", "-j", "link", "show", name], namespace="lab." + node)[0]["stats64"]["tx"]
        return sum(after.values()) > sum(before.values())


class OnTheHost(Base):
    """Interfaces of nodes that stand on one of the host's."""

    def test_parents_on_the_host(self):
        for kind, settings in (("macvlan", "mode: bridge"), ("vlan", "id: 10"), ("ipvlan", "mode: l2"),
                               ("vxlan", "id: 10, remote: 10.0.0.2")):
            with self.subTest(kind):
                probe = {"vxlan": "id 5 dstport 4789", "vlan": "link lo id 10"}.get(kind, "link lo")
                if self.missing([(kind, probe)]):
                    self.skipTest(f"the kernel has no {kind}")
                self.box.run(["sh", "-ec", "ip link add up0 type veth peer name up1; ip addr add 10.0.0.1/24 dev up0; "
                              "ip link set up0 up; ip link set up1 up"], check=True)
                self.box.settle()
                before = self.box.snapshot()
                parent = "dev" if kind == "vxlan" else "link"
                text = (f"name: lab\nnodes:\n  a: {{interfaces: {{x0: {{type: {kind}, {parent}: 'host:up0', {settings}, "
                        "addresses: [10.1.0.1/24]}}}\n")
                self.lab(text)
                self.assertEqual(kind, self.link("a", "x0")["linkinfo"]["info_kind"])
                self.has_nothing_to_do()
                self.drifts([["ip", "link", "del", "x0"]], "device a:x0")
                self.goes(before)
                self.box.run(["ip", "link", "del", "up0"], check=True)


class Wireguard(Base):
    """Keys and peers."""

    TEXT = """name: lab
nodes:
  a:
    interfaces:
      eth0: {addresses: [10.0.0.1/24]}
      wg0: {type: wireguard, private_key_file: a.key, listen_port: 51820, addresses: [10.1.0.1/24, "fd01::1/64"],
            peers: [{node: b, preshared_key_file: shared}, {public_key: "bSf+aOzQnI0essqY79dley6GcHvC2lPnlweTU69yZXY=", allowed_ips: [10.3.0.0/16]}]}
  b:
    interfaces:
      eth0: {addresses: [10.0.0.2/24]}
      wg0: {type: wireguard, auto: true, listen_port: 51820, addresses: [10.1.0.2/24, "fd01::2/64"],
            peers: [{node: a, preshared_key_file: shared}]}
links: [{endpoints: ["a:eth0", "b:eth0"]}]
"""

    def setUp(self):
        super().setUp()
        if self.missing([("wireguard", "")]):
            self.skipTest("the kernel has no wireguard")
        self.secrets = {name: self.box.run(["wg", word], check=True).stdout.strip()
                        for name, word in (("a.key", "genkey"), ("other", "genkey"), ("shared", "genpsk"))}
        self.place = self.folder()
        for name in ("a.key", "shared"):
            self.write(name, self.secrets[name] + "\n", self.place)

    def lab(self, text, status=0):
        return self.toporun("up", self.lab_file(text), status=status)

    def lab_file(self, text):
        """Always the same file: its keys are beside it."""
        return self.write("lab.yaml", text, self.place)

    def wg(self, what, node="a"):
        return self.box.run(["wg", "show", "wg0", what], namespace="lab." + node, check=True).stdout.strip()

    def public(self, secret):
        return self.box.run(["wg", "pubkey"], input=secret, check=True).stdout.strip()

    def test_keys(self):
        before = self.box.snapshot()
        self.lab(self.TEXT)
        self.has_nothing_to_do()
        self.assertEqual(self.secrets["a.key"], self.wg("private-key"))
        made = self.wg("private-key", "b")
        self.reaches(["10.1.0.2", "fd01::2"])
        self.assertIn(self.secrets["shared"], self.wg("preshared-keys"))
        mode = self.box.run(["stat", "-c", "%a", f"{support.STATE}/lab/keys"], check=True).stdout.strip()
        self.assertEqual("600", mode)

        # An edit elsewhere leaves the key that was made; so does the loss of the lab's folder.
        path = self.lab_file(self.TEXT.replace("10.3.0.0/16", "10.3.0.0/16, 10.4.0.0/16"))
        self.assertRegex(self.toporun("plan", path).stdout, r"(?m)^~ +peer a:wg0/bSf\S+ +allowed_ips 10.3.0.0/16 → ")
        self.toporun("up", path)
        self.assertEqual(made, self.wg("private-key", "b"))
        self.box.run(["rm", "-r", f"{support.STATE}/lab"], check=True)
        self.lab(self.TEXT)
        self.assertEqual(made, self.wg("private-key", "b"))
        self.reaches(["10.1.0.2"])

        # Another key is a change in place here and another peer there.
        path = self.lab_file(self.TEXT.replace("private_key_file: a.key", f"private_key: {self.secrets['other']}"))
        plan = self.toporun("plan", path).stdout
        self.assertIn(f"public_key {self.public(self.secrets['a.key'])} → {self.public(self.secrets['other'])}", plan)
        self.assertRegex(plan, r"(?m)^~ +device a:wg0")
        self.assertRegex(plan, r"(?m)^-/\+ +peer b:wg0/a:wg0")
        self.toporun("up", path)
        self.assertEqual(self.secrets["other"], self.wg("private-key"))
        self.reaches(["10.1.0.2"])
        shown = plan
        for words in (["status", "lab"], ["status", "--json", "lab"], ["plan", path], ["plan", "--script", path],
                      ["validate", "--print", path], ["validate", "--print=json", path], ["inspect", "--json", "lab"],
                      ["-vv", "up", path]):
            done = self.toporun(*words)
            shown += done.stdout + done.stderr
        shown += self.box.run(["cat", f"{support.STATE}/lab/journal"], check=True).stdout
        for name, secret in [*self.secrets.items(), ("made", made)]:
            self.assertNotIn(secret, shown, name)

        # What somebody did by hand is told and put right, and undone to what it was where a run fails.
        third = self.box.run(["wg", "genkey"], check=True).stdout
        self.drifts([["sh", "-c", f"echo {third.strip()} | wg set wg0 private-key /dev/stdin"]], "device a:wg0")
        self.drifts([["wg", "set", "wg0", "listen-port", "7"]], "device a:wg0")
        peer = self.public(made)
        self.drifts([["wg", "set", "wg0", "peer", peer, "remove"]], "peer a:wg0/b:wg0")
        self.drifts([["wg", "set", "wg0", "peer", peer, "allowed-ips", "10.9.9.0/24"]], "peer a:wg0/b:wg0")
        self.drifts([["wg", "set", "wg0", "peer", peer, "persistent-keepalive", "9"]], "peer a:wg0/b:wg0")
        self.drifts([["wg", "set", "wg0", "peer", peer, "preshared-key", "/dev/null"]], "peer a:wg0/b:wg0")
        self.reaches(["10.1.0.2"])
        self.box.run(["sh", "-c", f"echo {third.strip()} | wg set wg0 private-key /dev/stdin"], namespace="lab.a", check=True)
        self.lab(self.TEXT.replace("  b:\n", "  c: {exec: [['false']]}\n  b:\n"), status=1)
        self.assertEqual(third.strip(), self.wg("private-key"))
        self.goes(before)


class Cards(Base):
    """A card of the host's in a node: here the end of a veth, whose other end plays the rest of the world."""

    TEXT = "name: lab\nnodes: {a: {interfaces: {wan0: {type: physical, device: card0, addresses: [10.8.0.9/24]}}}}\n"
    CARDS = """
        for n in 0 1; do
          ip link add card$n type veth peer name far$n
          ip link set card$n mtu 1400 txqueuelen 77 alias 'the way out'
          ip address add 10.8.$n.2/24 dev far$n
          ip address add 10.8.$n.1/24 brd + dev card$n; ip address add fd08:$n::1/64 dev card$n nodad
          ip link set far$n up; ip link set card$n up
          ip route add 10.66.$n.0/24 via 10.8.$n.7 dev card$n metric 5
        done"""

    def setUp(self):
        super().setUp()
        self.box.run(["sh", "-ec", self.CARDS], check=True)
        self.box.settle()
        self.before = self.box.snapshot()

    def is_as_before(self):
        """But for the order in which equal routes of several cards stand: that of their coming."""
        self.box.settle()
        lines = self.before.difference(self.box.snapshot()).splitlines()
        self.assertEqual([], [line for line in lines if '"dst": "fe80::/64"' not in line and '"dst": "ff00::/8"' not in line])

    def on_host(self, name):
        return self.box.run(["ip", "link", "show", name]).returncode == 0

    def test_a_card_comes_and_goes(self):
        self.lab(self.TEXT)
        self.assertFalse(self.on_host("card0"))
        first = self.link("a", "wan0")
        self.assertEqual((1400, 77), (first["mtu"], first["txqlen"]))
        self.has_nothing_to_do()
        self.fill("physical", "up")
        self.box.run(["ip", "address", "add", "10.8.0.2/32", "dev", "lo"])
        self.reaches(["10.8.0.2"])
        self.box.run(["ip", "address", "del", "10.8.0.2/32", "dev", "lo"])
        self.fill("physical", "traffic")
        path = self.write("lab.yaml", self.TEXT.replace("device: card0", "device: card0, mtu: 1300"))
        self.assertRegex(self.toporun("plan", path).stdout, r"(?m)^~ +physical a:wan0  mtu 1400 → 1300")
        self.toporun("up", path)
        self.assertEqual((first["ifindex"], 1300), (self.link("a", "wan0")["ifindex"], self.link("a", "wan0")["mtu"]))
        self.fill("physical", "in place")
        path = self.write("lab.yaml", self.TEXT.replace("card0", "card1"))
        self.assertRegex(self.toporun("plan", path).stdout, r"(?m)^-/\+ +physical a:wan0 .*card card0 → card1")
        self.toporun("up", path)
        self.as_recorded()
        self.assertTrue(self.on_host("card0"))
        self.assertFalse(self.on_host("card1"))
        self.lab(self.TEXT)
        self.fill("physical", "replace")
        self.drifts([["ip", "link", "set", "wan0", "down"]], "physical a:wan0")
        self.drifts([["ip", "address", "del", "10.8.0.9/24", "dev", "wan0"]], "address a:wan0/10.8.0.9/24")
        self.fill("physical", "drift")
        self.toporun("down", "lab")
        self.is_as_before()
        self.fill("physical", "down")

    def test_the_host_has_it_back_after_a_failure(self):
        self.lab(self.TEXT.replace("}}}}", "}}, exec: [['false']]}}"), status=1)
        self.is_as_before()

    def test_without_the_record_it_is_at_least_given_back(self):
        self.lab(self.TEXT)
        self.box.run(["rm", "-r", f"{support.STATE}/lab"], check=True)
        told = self.toporun("down", "lab")
        self.assertIn("card0 is back on the host; which addresses and settings it had there is not known", told.stderr)
        self.assertTrue(self.on_host("card0"))
        link = self.box.json(["ip", "-j", "-d", "link", "show", "card0"])[0]
        self.assertEqual(("default", None), (link["group"], link.get("ifalias")))
        self.assertEqual([], self.box.namespaces())

    def test_what_is_not_there_is_told_before_anything_is_touched(self):
        done = self.lab(self.TEXT.replace("card0", "card9"), status=1)
        self.assertIn('move "card9" into the node: the host has no such interface (did you mean "card', done.stderr)
        done = self.lab(self.TEXT.replace("card0", "lo"), status=1)
        self.assertIn("no namespace gives its loopback away", done.stderr)
        self.is_as_before()

    def test_its_name_may_be_taken_meanwhile(self):
        self.lab(self.TEXT)
        self.box.run(["ip", "link", "add", "card0", "type", "veth", "peer", "name", "other"], check=True)
        done = self.toporun("down", "lab", status=1)
        self.assertIn('another interface there is called "card0" by now', done.stderr)
        self.assertIsNotNone(self.link("a", "wan0"), "not lost with its namespace")
        self.box.run(["ip", "link", "del", "card0"], check=True)
        self.toporun("down", "lab")
        self.is_as_before()


class Ports(Base):
    """VLANs of a bridge that filters."""

    TEXT = """name: lab
nodes: {a: {interfaces: {eth0: {addresses: [10.1.0.1/24]}}}, b: {interfaces: {eth0: {addresses: [10.1.0.2/24]}}},
        c: {interfaces: {eth0: {addresses: [10.1.0.3/24]}, eth0.10: {type: vlan, link: eth0, id: 10, addresses: [10.2.0.3/24]}}}}
bridges: {sw: {vlan_filtering: true}}
links:
  - endpoints: ["a:eth0", {bridge: sw, port: pa, vlans: {pvid: 10}}]
  - endpoints: ["b:eth0", {bridge: sw, port: pb, vlans: {pvid: 10}}]
  - endpoints: ["c:eth0", {bridge: sw, port: pc, vlans: {tagged: [10]}}]
"""

    def test_vlans(self):
        done = self.box.run(["ip", "link", "add", "probe", "type", "bridge", "vlan_filtering", "1"])
        self.box.run(["ip", "link", "del", "probe"])
        if done.returncode != 0 or self.box.run(["bridge", "vlan", "show"]).returncode != 0:
            self.skipTest("the kernel has no VLAN filtering of bridges")
        before = self.box.snapshot()
        self.lab(self.TEXT)
        self.has_nothing_to_do()
        self.fill("vlans", "up")
        self.reaches(["10.1.0.2"])
        self.assertFalse(self.box.ping("10.1.0.3", namespace="lab.a", limit=1), "another VLAN")
        self.box.run(["ip", "addr", "add", "10.2.0.1/24", "dev", "eth0"], namespace="lab.a", check=True)
        self.assertTrue(self.box.ping("10.2.0.3", namespace="lab.a"), "tagged there, untagged here")
        self.box.run(["ip", "addr", "del", "10.2.0.1/24", "dev", "eth0"], namespace="lab.a", check=True)
        self.fill("vlans", "traffic")
        path = self.write("changed.yaml", self.TEXT.replace("pb, vlans: {pvid: 10}", "pb, vlans: {pvid: 20, tagged: [10, 30]}"))
        self.assertRegex(self.toporun("plan", path).stdout, r"(?m)^~ +vlans sw:pb  pvid 10 → 20")
        self.toporun("up", path)
        self.assertFalse(self.box.ping("10.1.0.2", namespace="lab.a", limit=1))
        vlans = {tuple(sorted(one.items(), key=str)) for port in self.box.json(["bridge", "-j", "vlan", "show", "dev", "pb"],
                 namespace="lab.sw") for one in [{k: str(v) for k, v in vlan.items()} for vlan in port["vlans"]]}
        self.assertEqual({"10", "20", "30"}, {dict(one)["vlan"] for one in vlans})
        self.fill("vlans", "in place")
        # Without a port's VLANs in the file it is as a port starts: by a change, not by a new port.
        self.lab(self.TEXT.replace(", vlans: {tagged: [10]}", ""))
        self.as_recorded()
        self.lab(self.TEXT)
        self.reaches(["10.1.0.2"])
        self.fill("vlans", "replace")
        self.drifts([["bridge", "vlan", "del", "vid", "10", "dev", "pb"]], "vlans sw:pb", node="sw")
        self.fill("vlans", "drift")
        self.goes(before)
        self.fill("vlans", "down")

    def test_forwarding_entries(self):
        if self.missing([("vxlan", "id 5 dstport 4789")]):
            self.skipTest("the kernel has no vxlan")
        before = self.box.snapshot()
        text = "name: lab\nnodes:\n"
        for n, m in (("1", "2"), ("2", "1")):
            text += (f"  n{n}: {{interfaces: {{eth0: {{addresses: [10.0.0.{n}/24]}}, x0: {{type: vxlan, id: 5, local: 10.0.0.{n}, "
                     f"fdb: [{{mac: '00:00:00:00:00:00', dst: 10.0.0.{m}}}, {{mac: '02:00:00:00:00:0{m}', dst: 10.0.0.{m}}}], "
                     f"mac: '02:00:00:00:00:0{n}', addresses: [10.1.0.{n}/24]}}}}}}\n")
        text += 'links: [{endpoints: ["n1:eth0", "n2:eth0"]}]\n'
        text = text.replace("n1", "a").replace("n2", "b")
        self.lab(text)
        self.has_nothing_to_do()
        self.fill("fdb", "up")
        self.reaches(["10.1.0.2"])
        self.fill("fdb", "traffic")
        # Its identity is all that an entry has: another destination is another entry.
        path = self.write("changed.yaml", text.replace("'02:00:00:00:00:02', dst: 10.0.0.2", "'02:00:00:00:00:02', dst: 10.0.0.3"))
        plan = self.toporun("plan", path).stdout
        self.assertIn("+   fdb a:x0/02:00:00:00:00:02,10.0.0.3", plan)
        self.assertIn("-   fdb a:x0/02:00:00:00:00:02,10.0.0.2", plan)
        self.toporun("up", path)
        self.assertFalse(self.box.ping("10.1.0.2", namespace="lab.a", limit=1))
        self.lab(text)
        self.reaches(["10.1.0.2"])
        self.fill("fdb", "in place")
        self.fill("fdb", "replace")
        self.drifts([["bridge", "fdb", "del", "02:00:00:00:00:02", "dev", "x0", "dst", "10.0.0.2"]], "fdb a:x0/02:00:00:00:00:02")
        self.fill("fdb", "drift")
        self.goes(before)
        self.fill("fdb", "down")


class Names(Base):
    def test_a_tunnel_that_has_the_kernel_s_own_name(self):
        if self.missing([("gre", "local 10.0.0.1 remote 10.0.0.2")]):
            self.skipTest("the kernel has no gre")
        # In this namespace as in a node's: where the sysctl net.core.fb_tunnels_only_for_init_net keeps it out, nothing stands in the way.
        if self.box.run(["unshare", "--net", "ip", "link", "show", "gre0"]).returncode != 0:
            self.skipTest("the kernel has no gre0 in every namespace")
        done = self.lab("name: lab\nnodes:\n  a: {interfaces: {gre0: {type: gre, local: 10.0.0.1, remote: 10.0.0.2}}}\n", status=1)
        self.assertRegex(done.stderr, r"lab\.yaml:3:\d+: device a:gre0: create gre: file exists; the kernel has an interface of "
                                      "this name in every namespace: choose another")


def tearDownModule():
    print(f"{'kind':<14}" + "".join(f"{column:>10}" for column in COLUMNS))
    for row, cells in MATRIX.items():
        print(f"{row:<14}" + "".join(f"{'yes' if cells.get(column) else '—':>10}" for column in COLUMNS))


if __name__ == "__main__":
    unittest.main()
