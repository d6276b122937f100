"""`toporun doctor`: what it says of a machine against that machine's own files, with and without what it looks for."""

import json

import support


class Doctor(support.SandboxCase):
    def features(self, **options):
        done = self.toporun("doctor", "--json", **options)
        return {one["feature"]: one for one in json.loads(done.stdout)["features"]}

    def test_it_says_what_works_and_changes_nothing(self):
        before = self.box.snapshot()
        found = self.features()
        for one in found.values():
            self.assertIn(one["state"], ("works", "limited", "missing"), one)
            if one["state"] != "works":
                self.assertTrue(one["detail"] and one["remedy"], one)
        # What every other test here needs.
        for name in ("link veth", "link bridge", "tap device", "nftables", "seccomp"):
            self.assertEqual("works", found[name]["state"], found[name])
        self.assertSame(before, self.box.snapshot())
        text = self.toporun("doctor").stdout
        for name in found:
            self.assertIn(name, text)

    def test_kinds_of_links_are_as_ip_finds_them(self):
        found = self.features()
        self.box.run(["ip", "netns", "add", "scratch"], check=True)
        for kind in ("dummy", "vrf", "bond"):  # Made without further words.
            words = ["table", "7"] if kind == "vrf" else []
            done = self.box.run(["ip", "-n", "scratch", "link", "add", "x", "type", kind, *words])
            self.assertEqual("works" if done.returncode == 0 else "missing", found[f"link {kind}"]["state"], kind)
            if done.returncode == 0:
                self.box.run(["ip", "-n", "scratch", "link", "del", "x"], check=True)

    def test_what_a_range_of_nodes_lacks_is_one_error(self):
        found = self.features()
        kinds = {"dummy": "", "vrf": ", table: 10", "vti": ", local: 192.0.2.1, remote: 192.0.2.2"}
        missing = [kind for kind in kinds if found[f"link {kind}"]["state"] == "missing"]
        if not missing:
            self.skipTest("this kernel has " + ", ".join(kinds))
        kind = missing[0]
        path = self.write("lab.yaml", f"name: lab\nnodes:\n  h[1-50]:\n    interfaces: {{x0: {{type: {kind}{kinds[kind]}}}}}\n")
        done = self.toporun("up", path, status=1)
        self.assertEqual(1, done.stderr.count(f"use link {kind}"), done.stderr)
        self.assertRegex(done.stderr, rf"lab\.yaml:4:\d+: \S+ h1:x0 and 49 more: use link {kind}: ")

    def test_what_is_taken_away_is_named_with_its_remedy(self):
        self.assertEqual("works", self.features()["tap device"]["state"])
        self.box.run(["mount", "-t", "tmpfs", "tmpfs", "/dev/net"], check=True)
        tap = self.features()["tap device"]
        self.assertEqual(("limited", "modprobe tun"), (tap["state"], tap["remedy"]))

        ping = "/proc/sys/net/ipv4/ping_group_range"
        for groups, state in (("1 0", "limited"), ("0 2147483647", "works")):
            done = self.box.run(["sh", "-c", f"echo {groups} > {ping}"])
            if done.returncode:
                continue  # A user namespace of one group has no such range.
            self.assertEqual(state, self.features()["ping through an uplink"]["state"], groups)

    def test_user_namespaces(self):
        """The limit counts in the user namespace it is set in: one of the test's own."""
        count = "/proc/sys/user/max_user_namespaces"
        script = f"echo 0 > {count} && {support.TOPORUN} doctor --json"
        done = self.box.run(["unshare", "--user", "--map-root-user", "--mount-proc", "--pid", "--fork", "sh", "-c", script])
        if "Permission denied" in done.stderr or "not permitted" in done.stderr:
            self.skipTest("no user namespace of the test's own: " + done.stderr.strip())
        found = {one["feature"]: one for one in json.loads(done.stdout)["features"]}
        self.assertEqual("missing", found["rootless mode"]["state"])
        self.assertIn("user.max_user_namespaces", found["rootless mode"]["remedy"])
        self.assertEqual("works", self.features()["rootless mode"]["state"])

    def test_an_old_libslirp_is_warned_of(self):
        version = self.toporun("--version").stdout.split("libslirp ")[1].split()[0]
        old = tuple(map(int, version.split("."))) < (4, 9, 2)
        found = self.features()["libslirp"]
        self.assertEqual("limited" if old else "works", found["state"])
        self.assertIn(version, found["detail"])
        self.assertEqual(old, "CVE-2026-9539" in found["detail"])
