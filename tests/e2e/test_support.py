"""The support library itself: what is made in a sandbox is seen there, and nowhere else."""

import os
import subprocess
import unittest

import support


def links_outside():
    return subprocess.run(["ip", "-o", "link"], check=True, capture_output=True, text=True).stdout


class Machine(support.SandboxCase):
    def test_what_is_made_inside_is_seen_inside_only(self):
        before, outside = self.box.snapshot(), links_outside()
        self.assertSame(before, self.box.snapshot())
        self.box.run(["ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1"], check=True)
        seen = before.difference(self.box.snapshot())
        self.assertIn("+ link: probe0", seen)
        self.assertIn("+ sysctl: net/ipv4/conf/probe1/forwarding", seen)
        self.assertNotIn("probe0", links_outside())
        self.box.run(["ip", "link", "del", "probe0"], check=True)
        self.assertSame(before, self.box.snapshot())
        self.assertEqual(outside, links_outside())

    def test_each_part_shows_a_change(self):
        changes = {
            "address": ["ip", "address", "add", "192.0.2.1/32", "dev", "lo"],
            "route": ["ip", "route", "add", "198.51.100.0/24", "dev", "lo", "table", "77"],
            "rule": ["ip", "-6", "rule", "add", "from", "2001:db8::/64", "table", "77"],
            "nft": ["nft", "add", "table", "inet", "probe"],
            "sysctl": ["sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"],
            "mount": ["mount", "-t", "tmpfs", "tmpfs", "/srv"],
            "file": ["sh", "-c", "mkdir -p /etc/netns/probe && echo x >/etc/netns/probe/hosts"],
            "process": ["sh", "-c", "exec setsid -f sleep 300 </dev/null >/dev/null 2>&1"],
        }
        for part, argv in changes.items():
            with self.subTest(part):
                before = self.box.snapshot()
                self.box.run(argv, check=True)
                self.assertIn(f"+ {part}: ", before.difference(self.box.snapshot()))
        self.assertFalse(os.path.exists("/etc/netns/probe"))

    def test_named_namespaces_have_a_state_of_their_own(self):
        before = self.box.snapshot()
        self.box.run(["ip", "netns", "add", "probe"], check=True)
        self.assertEqual(["probe"], self.box.namespaces())
        first = self.box.snapshot("probe")
        self.box.run(["ip", "link", "set", "lo", "mtu", "1400"], namespace="probe", check=True)
        self.assertIn("+ link: lo", first.difference(self.box.snapshot("probe")))
        self.assertSame(before, self.box.snapshot(), ignore=("mount", "file"))

    def test_the_end_takes_every_process_along(self):
        with support.Sandbox() as box:
            running = box.start(["sh", "-c", "echo up; read line"])
            running.wait_for("up")
            alive = box.run(["pgrep", "-c", "-x", "sh"], check=True).stdout
            self.assertEqual("1", alive.strip())
        self.assertIsNotNone(running.process.poll())

    def test_a_command_that_hangs_is_ended(self):
        told = r"(?s)still running after 1 s.*process \d+ \(S, traced by 0\) in \S+, call \d+ .*: sleep 300"
        with self.assertRaisesRegex(AssertionError, told):
            self.box.run(["sleep", "300"], limit=1)
        self.assertEqual(1, self.box.run(["pgrep", "-r", "R,S", "sleep"]).returncode)


class Services(support.SandboxCase):
    def setUp(self):
        super().setUp()
        for line in ("ip netns add far", "ip link add near0 type veth peer name far0 netns far",
                     "ip address add 192.0.2.1/24 dev near0", "ip link set near0 up",
                     "ip -n far address add 192.0.2.2/24 dev far0", "ip -n far link set far0 up",
                     "ip -n far link set lo up", "ip address add 2001:db8::1/64 dev near0 nodad",
                     "ip -n far address add 2001:db8::2/64 dev far0 nodad"):
            self.box.run(line.split(), check=True)

    def test_echo_tells_the_clients_address(self):
        tcp = self.box.serve("tcp-echo", namespace="far")
        self.assertRegex(self.box.ask("tcp", "192.0.2.2", tcp.port, "ping"), r"^192\.0\.2\.1 \d+\nping$")
        self.assertRegex(self.box.ask("tcp", "2001:db8::2", tcp.port, "ping"), r"^2001:db8::1 \d+\nping$")
        udp = self.box.serve("udp-echo", namespace="far", address="192.0.2.2")
        self.assertRegex(self.box.ask("udp", "192.0.2.2", udp.port, "ping"), r"^192\.0\.2\.1 \d+\nping$")
        tcp.wait_for(r"from 192\.0\.2\.1 \d+")
        self.assertTrue(self.box.ping("192.0.2.2", count=2))

    def test_http_and_dns(self):
        http = self.box.serve("http", "hello there", namespace="far")
        self.assertRegex(self.box.ask("http", "192.0.2.2", http.port, ""), r"^hello there\n192\.0\.2\.1\n$")
        dns = self.box.serve("dns", "www.test=198.51.100.7", "www.test=2001:db8::7", namespace="far")
        self.assertEqual("198.51.100.7\n2001:db8::7\n", self.box.ask("dns", "192.0.2.2", dns.port, "www.test"))
        self.assertFalse(self.box.answers("dns", "192.0.2.2", dns.port, "other.test"))

    def test_nobody_listens(self):
        self.assertFalse(self.box.answers("tcp", "192.0.2.2", 9))
        self.assertFalse(self.box.ping("192.0.2.9", limit=1))


if __name__ == "__main__":
    unittest.main()
