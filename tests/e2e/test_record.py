# ctest: timeout=3600
"""The record of a lab is lost, cut short, damaged, of another version or from before a reboot: `down` finds what stands by its
marks and leaves the machine as it was; `up` takes over what stands; a file system that is full does no harm.

Cuts are sampled; with TOPORUN_LONG=1 a small lab's record is cut behind each line and at every eleventh byte, the first of which
TOPORUN_SEED chooses. The journal's own tests cut at every byte.
"""

import json
import os
import random
import re

import support

LONG = os.environ.get("TOPORUN_LONG") == "1"
STRIDE = 11
SEED = int(os.environ.get("TOPORUN_SEED", "1"))
FILES = ("pair", "home-nat", "lan", "leaf-spine", "policy-routing", "rootless-pods", "routers", "star", "two-homes")

# All kinds of objects that stand outside the lab's own namespaces.
HOST = """name: outside
nodes:
  a: {interfaces: {eth0: {addresses: [10.5.1.2/24]}}}
  b: {attach: {pid: "${PID}"}, interfaces: {eth0: {addresses: [10.5.3.2/24, 10.5.3.3/24]}},
      routes: [{to: 10.66.0.0/16, via: 10.5.3.9}], rules: [{from: 10.5.7.0/24, table: 77, priority: 500}],
      nat: [{masquerade: {out: eth0}}]}
bridges:
  hostbr: {node: host, addresses: [10.5.2.1/24]}
links:
  - endpoints: ["a:eth0", "host:to-a"]
  - endpoints: ["a:more", hostbr]
  - endpoints: ["b:eth0", "a:third"]
"""


class Record(support.SandboxCase):
    def setUp(self):
        super().setUp()
        self.before = self.box.snapshot()

    def path(self, lab, name="journal"):
        return f"/run/toporun/{lab}/{name}"

    def read(self, path):
        return self.box.run(["cat", path], check=True).stdout

    def put(self, path, text):
        self.box.run(["sh", "-c", 'cat >"$1"', "sh", path], input=text, check=True)

    def assertClean(self):
        self.assertSame(self.before, self.box.snapshot())

    def topology(self, name):
        return os.path.join(support.ROOT, "topologies", name + ".yaml")

    def test_deleted(self):
        for name in FILES if LONG else FILES[:3]:
            with self.subTest(file=name):
                self.toporun("up", self.topology(name))
                self.box.run(["rm", self.path(name)], check=True)
                done = self.toporun("down", name)
                self.assertIn("without its record", done.stderr)
                self.assertClean()

    def test_deleted_with_all_of_the_state(self):
        self.toporun("up", self.topology("home-nat"))
        self.box.run(["rm", "-r", "/run/toporun"], check=True)
        self.toporun("down", "home-nat")
        # That the folders of names and files were made for the lab was told there alone.
        difference = self.before.difference(self.box.snapshot())
        self.assertNotRegex(difference, r"(?m)^. (link|address|route|nft|process|sysctl)")
        self.assertNotIn("home-nat", difference)

    def test_deleted_and_all_labs_taken_down(self):
        self.toporun("up", self.topology("pair"))
        self.toporun("up", self.topology("lan"))
        self.box.run(["rm", self.path("pair"), self.path("lan")], check=True)
        self.toporun("down", "--all")
        self.assertClean()

    def test_deleted_of_a_lab_with_objects_elsewhere(self):
        guest = self.box.start(["unshare", "--net", "sh", "-c", "ip link set lo up; ip link add own type bridge; "
                                "ip address add 192.0.2.7/32 dev own; ip rule add from 192.0.2.7 table 9 priority 99; "
                                "echo ready $$; exec sleep infinity"])
        guest.wait_for(r"^ready \d+$")
        pid = self.box.run(["pgrep", "-x", "sleep"], check=True).stdout.strip()

        def attached():
            argv = ["nsenter", f"--net=/proc/{pid}/ns/net", "sh", "-c",
                    "ip -j -d address; ip -j route show table all; ip -j -6 route show table all; ip -j rule; nft list ruleset"]
            return re.sub(r'"(valid_life_time|preferred_life_time)":\d+', "", self.box.run(argv, check=True).stdout)

        self.before, inside = self.box.snapshot(), attached()
        # Somebody else's, with names that look like the lab's.
        self.box.run(["ip", "link", "add", "foreign0", "type", "bridge"], check=True)
        self.box.run(["nft", "add", "table", "inet", "toporun-outside2-a"], check=True)
        self.before = self.box.snapshot()
        path = self.write("outside.yaml", HOST)
        for lost in (f"rm {self.path('outside')}", f"truncate -s 300 {self.path('outside')}"):
            with self.subTest(lost=lost):
                self.toporun("up", path, env={"PID": pid})
                self.assertNotEqual(inside, attached())
                self.box.run(["sh", "-c", lost], check=True)
                self.toporun("down", "outside")
                self.assertClean()
                self.assertEqual(inside, attached())

    def test_cut_short(self):
        for name in ("pair", "home-nat"):
            self.toporun("up", self.topology(name))
            whole = self.read(self.path(name))
            self.toporun("down", name)
            cuts = range(len(whole))
            tried = 0
            lines = [match.end() for match in re.finditer("\n", whole)]
            if not LONG:
                chosen = random.Random(SEED)
                cuts = sorted({0, 1, len(whole) - 1, *chosen.sample(lines, 3), *chosen.sample(cuts, 4)})
            elif name == "pair":
                cuts = sorted({*lines[:-1], *cuts[SEED % STRIDE::STRIDE]})
            else:
                cuts = random.Random(SEED).sample(cuts, 200)
            for cut in cuts:
                tried += 1
                with self.subTest(file=name, cut=cut, seed=SEED):
                    self.toporun("up", self.topology(name))
                    self.box.run(["truncate", "-s", cut, self.path(name)], check=True)
                    if cut % 3 == 0:
                        self.toporun("up", self.topology(name))
                        self.toporun("status", name)
                    self.toporun("down", name)
                    self.assertClean()
            print(f"{name}: {tried} cuts, seed {SEED}")

    def test_damaged_in_the_middle(self):
        self.toporun("up", self.topology("home-nat"))
        lines = self.read(self.path("home-nat")).splitlines(keepends=True)
        self.toporun("down", "home-nat")
        for number in range(0, len(lines), 1 if LONG else max(1, len(lines) // 6)):
            with self.subTest(line=number):
                self.toporun("up", self.topology("home-nat"))
                lines = self.read(self.path("home-nat")).splitlines(keepends=True)
                # As a full disk leaves it: the front of a line, and the next one at once.
                lines[number] = lines[number][:len(lines[number]) // 2]
                self.put(self.path("home-nat"), "".join(lines))
                self.toporun("down", "home-nat")
                self.assertClean()

    def test_of_another_version(self):
        self.toporun("up", self.topology("home-nat"))
        text = self.read(self.path("home-nat"))
        self.put(self.path("home-nat"), text.replace('{"toporun":1', '{"toporun":99', 1))
        # Whoever changes the lab could lose what that version knows.
        self.assertIn("another version", self.toporun("up", self.topology("home-nat"), status=1).stderr)
        self.toporun("down", "home-nat")
        self.assertClean()

    def test_from_before_a_reboot(self):
        self.toporun("up", self.topology("home-nat"))
        kept = self.read(self.path("home-nat"))
        self.toporun("down", "home-nat")
        header = json.loads(kept.splitlines()[0])
        old = kept.replace(header["boot_id"], "00000000-0000-0000-0000-000000000000")
        for words in (["down", "home-nat"], ["up", self.topology("home-nat")]):
            with self.subTest(words=words):
                self.box.run(["mkdir", "-p", "-m", "700", "/run/toporun/home-nat"], check=True)
                self.put(self.path("home-nat"), old)
                self.toporun(*words)
                self.toporun("down", "home-nat")
                self.assertClean()

    def test_on_a_full_file_system(self):
        """For every size at which it is full: `up` fails and undoes all, or it is done; an edit likewise."""
        self.box.run(["mkdir", "/run/small"], check=True)
        self.box.run(["mount", "-t", "tmpfs", "-o", "mode=700,size=64k", "tmpfs", "/run/small"], check=True)
        state = {"TOPORUN_STATE_DIR": "/run/small/toporun"}
        before = self.box.snapshot()
        path = self.topology("home-nat")
        edited = self.write("home-nat.yaml", open(path, encoding="utf-8").read().replace("mtu: 1400", "mtu: 1300"))
        statuses = set()
        for pages in range(16, 0, -1):
            with self.subTest(free=f"{pages * 4} KiB"):
                self.box.run(["sh", "-c", f"head -c {65536 - pages * 4096} /dev/zero >/run/small/filler; true"], check=True)
                done = self.toporun("up", path, status=None, env=state)
                statuses.add(done.returncode)
                if done.returncode == 0:
                    self.toporun("up", edited, "--name", "home-nat", status=None, env=state)
                    self.toporun("down", "home-nat", env=state)
                else:
                    self.assertIn("no space left", done.stderr)
                    # Where not even the record could be begun, nothing was done.
                    self.assertRegex(done.stderr, "what was done is undone|^write the record")
                self.box.run(["rm", "/run/small/filler"], check=True)
                self.assertSame(before, self.box.snapshot())
        self.assertEqual({0, 1}, statuses)
