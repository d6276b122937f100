# ctest: timeout=300
"""`watch`: what drifts is told as it drifts and when it is as recorded again, `--heal` puts it back, and what another
command does to the lab is no drift."""

import json
import os
import signal
import time

import jsonschema

import support

LAB = """name: lab
nodes:
  a:
    interfaces: {eth0: {addresses: [10.0.1.2/24, "fd00:1::2/64"]}}
    routes: [{to: default, via: 10.0.1.1}]
  r:
    forwarding: {ipv4: true}
    sysctls: {net.ipv4.ip_default_ttl: 60}
    interfaces: {left: {addresses: [10.0.1.1/24]}}
    rules: [{from: 10.0.1.0/24, table: 100, priority: 500}]
    neighbours: [{to: 10.0.1.9, mac: "02:00:00:00:00:09", dev: left}]
    nat: [{masquerade: {out: left}}]
  s:
  out:
    uplink: {type: slirp}
bridges: {lan: }
links:
  - endpoints: ["a:eth0", "r:left"]
  - endpoints: ["s:eth0", lan]
  - endpoints: ["host:h0", "s:eth1"]
"""

# What is done -> what is told of it, and undone -> told again. The kernel announces the first kind.
ANNOUNCED = {
    "ip -n lab.a link set eth0 mtu 1400": (r"~   link a:eth0--r:left  a:eth0 mtu 1500 → 1400", "ip -n lab.a link set eth0 mtu 1500"),
    "ip -n lab.a address del fd00:1::2/64 dev eth0":
        ("-   address a:eth0/fd00:1::2/64  is gone", "ip -n lab.a address add fd00:1::2/64 dev eth0 nodad"),
    "ip -n lab.a route del default": ("-   route a/default  is gone", "ip -n lab.a route add default via 10.0.1.1 proto 213"),
    "ip -n lab.r rule del priority 500":
        (r"-   rule r/\S+  is gone", "ip -n lab.r rule add from 10.0.1.0/24 table 100 priority 500 protocol 213"),
    "ip -n lab.s link set eth0 down": (r"~   link s:eth0--lan:\S+  s:eth0 up on → off", "ip -n lab.s link set eth0 up"),
}
ANNOUNCED["ip netns exec lab.r sysctl -w net.ipv4.ip_forward=0"] = (
    r"~   namespace r  forwarding.ipv4 on → off", "ip netns exec lab.r sysctl -w net.ipv4.ip_forward=1")
POLLED = {
    "ip netns exec lab.r sysctl -w net.ipv4.ip_default_ttl=61":
        (r"~   sysctl r/net.ipv4.ip_default_ttl  value 60 → 61", "ip netns exec lab.r sysctl -w net.ipv4.ip_default_ttl=60"),
    "ip -n lab.r neigh del 10.0.1.9 dev left": (r"-   neighbour r:left/10.0.1.9  is gone", None),
    "ip netns exec lab.r nft delete table inet toporun": (r"-   nat r\S*  is gone", None),
}

with open(os.path.join(support.ROOT, "schema/output.schema.json"), encoding="utf-8") as file:
    SCHEMA = json.load(file)


class WatchCase(support.SandboxCase):
    def watch(self, *words, lab="lab", prefix=()):
        """Starts it; returns when it watches. `.pid` is its number in the machine."""
        say = ["sh", "-c", 'echo "pid $$"; exec "$@"', "sh"]
        running = self.box.start([*say, *prefix, support.TOPORUN, "watch", lab, *words])
        running.pid = running.wait_for(r"^pid (\d+)$").group(1)
        self.told(running, rf"watching {lab}: \d+ objects", 30)
        return running

    def told(self, running, pattern, limit=10):
        """Waits for a whole line; what was told before it, and it, are forgotten."""
        match = running.wait_for(rf"^{pattern}\n", limit)
        before, running.output = running.output[:match.start()], running.output[match.end():]
        return before

    @staticmethod
    def mended(told):
        """The line that ends what `told` began."""
        return rf"=   {told[4:].split('  ')[0]} +is as recorded again"

    def do(self, line):
        self.box.run(line.split(), check=True)

    def end(self, running, name="INT"):
        self.do(f"kill -{name} {running.pid}")
        self.assertEqual(130, running.finish(20), running.output)
        return running.output


class Watch(WatchCase):
    def setUp(self):
        super().setUp()
        self.path = self.write("lab.yaml", LAB)
        self.toporun("up", self.path)

    def test_what_the_kernel_announces_is_told_at_once_and_what_it_does_not_at_the_next_poll(self):
        slow = self.watch("--interval", "1h")
        fast = self.watch("--interval", "200ms")
        for line, (told, undo) in ANNOUNCED.items():
            with self.subTest(line):
                self.do(line)
                self.told(slow, told)
                self.told(fast, told)
                self.do(undo)
                self.told(slow, self.mended(told))
                self.told(fast, self.mended(told))
        self.end(slow)
        for line, (told, undo) in POLLED.items():
            with self.subTest(line):
                self.do(line)
                self.told(fast, told)
                if undo:
                    self.do(undo)
                    self.told(fast, self.mended(told))
        self.end(fast)

    def test_each_line_once_and_nothing_is_written(self):
        before = self.box.snapshot()
        running = self.watch("--interval", "100ms")
        standing = self.box.snapshot()
        self.do("ip -n lab.a address del fd00:1::2/64 dev eth0")
        self.told(running, "-   address a:eth0/fd00:1::2/64  is gone")
        # Each makes a look and a poll with the first drift still there.
        for mtu in range(1400, 1403):
            self.do(f"ip -n lab.s link set eth0 mtu {mtu}")
            self.assertEqual("", self.told(running, rf"~   link s:eth0--lan\S*  .*mtu 1500 → {mtu}"))
        # It starts a process for nftables at each look.
        self.assertSame(standing, self.box.snapshot(), ignore=("process",))
        self.assertEqual("", self.end(running, "TERM"))
        self.assertSame(before, self.box.snapshot())

    def test_an_uplink_that_dies_is_told_and_healed(self):
        running = self.watch("--heal", "--interval", "200ms")
        self.do("pkill -KILL -f uplink-helper.lab.out")
        self.told(running, r"-   uplink out  is gone")
        self.told(running, r"=   uplink out  is as recorded again", 20)
        self.end(running)
        self.toporun("status", "lab")

    def test_heal_puts_each_back(self):
        running = self.watch("--heal", "--interval", "200ms")
        for line, (told, _) in {**ANNOUNCED, **POLLED}.items():
            with self.subTest(line):
                self.do(line)
                self.told(running, told, 20)
                self.told(running, r"lab is healed: .*", 20)
                self.told(running, self.mended(told), 20)
        # Another command may have the lab meanwhile.
        self.assertEqual("lab is up to date: nothing to do\n", self.toporun("up", "lab", "--lock-timeout", "20").stderr)
        self.end(running)

    def test_a_repair_that_fails_is_told_once_and_tried_again(self):
        running = self.watch("--heal", "--interval", "100ms")
        self.do("ip -n lab.a route replace default via 10.0.1.7")
        self.told(running, "-   route a/default  is gone")
        self.told(running, r"(\d+:\d+: )?route a/default: stands already and is not this lab's")
        tries = {self.lock_taken()}
        deadline = time.monotonic() + 20
        while len(tries) < 3:
            self.assertLess(time.monotonic(), deadline, "it does not try again")
            tries.add(self.lock_taken())
        self.do("ip -n lab.a route del default")
        self.do("ip -n lab.s link set eth0 mtu 1400")
        self.told(running, r"=   route a/default +is as recorded again", 20)
        self.assertNotIn("stands already", self.end(running))

    def lock_taken(self):
        """When the lab's lock was taken last."""
        return self.box.run(["stat", "-c", "%y", f"{support.STATE}/lab/lock"], check=True).stdout

    def test_lost_announcements_are_no_lost_drift(self):
        running = self.watch("-vv", "--interval", "1h")
        self.do(f"kill -STOP {running.pid}")
        batch = "".join(f"address add 198.51.{i // 250}.{i % 250 + 1}/32 dev lo\n" for i in range(3000))
        self.box.run(["ip", "-n", "lab.s", "-batch", "-"], input=batch, check=True)
        self.do("ip -n lab.a route del default")
        running.signal(signal.SIGCONT)  # nsenter stops with its child
        self.told(running, r"lab: all of it is looked at: announcements were lost, .*")
        self.told(running, "-   route a/default  is gone")
        self.end(running)

    def test_as_json(self):
        running = self.box.start([support.TOPORUN, "watch", "lab", "--json", "-q", "--interval", "200ms", "--heal"])
        running.wait_for('"watching"')
        self.do("ip -n lab.s link set eth0 mtu 1400")
        running.wait_for('"mended"')
        self.toporun("down", "lab", "--lock-timeout", "20")
        self.assertEqual(0, running.finish(20))
        lines = [json.loads(line) for line in running.output.splitlines()]
        schema = {"$schema": SCHEMA["$schema"], "$defs": SCHEMA["$defs"], "$ref": "#/$defs/watch"}
        for line in lines:
            jsonschema.Draft202012Validator(schema).validate(line)
        self.assertEqual(["watching", "drift", "mended", "down"], [line["event"] for line in lines])
        self.assertEqual([{"field": lines[1]["differences"][0]["field"], "recorded": "1500", "found": "1400"}],
                         lines[1]["differences"])

    def test_what_another_command_does_is_no_drift(self):
        running = self.watch("--interval", "100ms")
        text = LAB
        for mtu in range(1400, 1405):
            text = LAB.replace("  s:\n", f"  s:\n  more{mtu}: {{interfaces: {{x: {{addresses: [10.9.9.1/24], mtu: {mtu}}}}}}}\n")
            text = text.replace('["s:eth0", lan]', f'["s:eth0", lan]\n    mtu: {mtu}')
            text = text.replace('  - endpoints: ["host', f'  - endpoints: ["more{mtu}:x", lan]\n  - endpoints: ["host')
            self.write("lab.yaml", text, os.path.dirname(self.path))
            self.toporun("up", "lab", "--lock-timeout", "20")
        self.do(f"ip -n lab.more{mtu} address del 10.9.9.1/24 dev x")
        before = self.told(running, rf"-   address more{mtu}:x/10.9.9.1/24  is gone")
        self.assertEqual("", before)
        self.toporun("down", "lab", "--lock-timeout", "20")
        self.assertEqual(0, running.finish(20))
        self.assertEqual("lab is down: nothing to watch any more\n", running.output)

    def test_a_name_that_goes_is_told_although_somebody_is_in_the_namespace(self):
        self.box.start(["sleep", "300"], namespace="lab.s")
        running = self.watch("--interval", "200ms")
        self.box.run(["ip", "netns", "del", "lab.s"], check=True)
        self.told(running, "-   namespace s +is gone")
        self.end(running)

    def test_a_lab_that_is_not_up(self):
        self.assertEqual('lab "lb" is not up (did you mean "lab"?)\n', self.toporun("watch", "lb", status=1).stderr)


class Large(WatchCase):
    def test_a_thousand_nodes_under_a_limit_of_a_thousand_descriptors(self):
        star = os.path.join(support.ROOT, "topologies/star.yaml")
        self.toporun("up", star, "--set", "HOSTS=1000", limit=200)
        running = self.watch(lab="star", prefix=["prlimit", "--nofile=1024:1024", "--"])
        for host in (1, 1000):
            self.do(f"ip -n star.h{host} link set eth0 mtu 1400")
            self.told(running, rf"~   link .*h{host}:eth0\S*  .*mtu 1500 → 1400", 30)
        self.end(running)
