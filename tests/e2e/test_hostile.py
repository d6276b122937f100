# ctest: timeout=600
"""Files and machines that mean no good: bombs, names that a shell or nft would run, links in the place of our files, too few
descriptors or addresses. A clear error in bounded time and memory, and nothing is done that was not asked for."""

import os

import support
from tracing import changes, traced

MEMORY = 1 << 30  # bytes of address space
SECONDS = 20

PAIR = """name: pair
nodes:
  a: {interfaces: {eth0: {addresses: [192.0.2.1/24]}}}
  b: {interfaces: {eth0: {addresses: [192.0.2.2/24]}}}
links: [{endpoints: ["a:eth0", "b:eth0"]}]
"""


def aliases(depth, width):
    """Each list holds the one before several times: width ** depth in all."""
    lines = ["x-0: &a0 [1]"] + [f"x-{i}: &a{i} [{', '.join([f'*a{i - 1}'] * width)}]" for i in range(1, depth + 1)]
    return "\n".join(lines) + "\nnodes: {a: }\n"


class Bombs(support.SandboxCase):
    def refused(self, text, pattern, most=20000):
        """By `validate`, with the place, within bounds of memory, time and words."""
        argv = ["prlimit", f"--as={MEMORY}", support.TOPORUN, "validate", "-"]
        done = self.box.run(argv, input=text, limit=SECONDS)
        self.assertEqual(3, done.returncode, done.stderr[:2000])
        self.assertRegex(done.stderr, pattern)
        self.assertLess(len(done.stderr), most)
        return done.stderr

    def test_aliases(self):
        self.refused(aliases(9, 10), r"-:\d+:\d+: .*million")
        self.refused("x-a: &a [*a]\nnodes: {a: }\n", r"-:1:10: .*cycle")
        self.refused("nodes:\n  a: &a\n    <<: *a\n", r"-:3:\d+: ")

    def test_depth(self):
        self.refused("x-a: " + "[" * 100000, r"-:1:\d+: nested more than 64 deep")
        self.refused("x-a: " + "{a: " * 5000, r"-:1:\d+: nested more than 64 deep")
        self.refused("".join("  " * i + "a:\n" for i in range(200)), r"-:\d+:\d+: ")

    def test_size(self):
        self.refused("x-a: " + "a" * (17 << 20), "16 MiB")
        self.refused(f"nodes: {{a: {{group: {'g' * (1 << 20)}}}}}\n", r'-:1:\d+: .*"g{1,2000}')
        self.refused("nodes:\n" + "".join(f"  n{i}: {{bad: 1}}\n" for i in range(20000)), r"-:2:\d+: ", most=1 << 22)
        self.refused('nodes:\n  "h[1-999999999]":\n', r"-:2:\d+: ")
        self.refused("nodes: {a: {interfaces: {eth0: {addresses: [" + ", ".join(["x"] * 5000) + "]}}}}\n", r"-:1:\d+: ", most=1 << 24)

    def test_bytes(self):
        for text in ("name: a\0b\n", "nodes: {\"a\\0b\": }\n", "nodes: {\"a\\nb\": }\n", "nodes: {\"a\\x1b[31m\": }\n"):
            with self.subTest(text):
                told = self.refused(text, r"-:1:\d+: ")
                self.assertNotRegex(told, r"[\x00-\x09\x0b-\x1f]", "what is printed is safe on a terminal")
        path = os.path.join(self.folder(), "bad.yaml")
        with open(path, "wb") as file:
            file.write(b"name: \xff\xfe\n")
        self.assertRegex(self.toporun("validate", path, status=3).stderr, r"bad\.yaml:1:7: this is not UTF-8")

    def test_expansions(self):
        self.refused("name: ${" + "A:-${" * 5000 + "}" * 5001 + "\n", r"-:1:\d+: ")
        done = self.box.run([support.TOPORUN, "validate", "-", "--set", "A=" + "x" * 100000], input="name: ${A}\nnodes: {a: }\n",
                            limit=SECONDS)
        self.assertEqual(3, done.returncode, done.stderr[:2000])


class Names(support.SandboxCase):
    """`touch` would leave a file, a table of nft would stand."""

    NAMES = ("$(touch${IFS}w)", "a;touch w", "`touch w`", "../../w", "a b", "a\"b", "a'b", "a|touch w", "-rf", "a{b}", "*")

    def test_nodes_bridges_labs_groups(self):
        for name in self.NAMES:
            for text in (f"nodes: {{{support.json.dumps(name)}: }}\n", f"name: {support.json.dumps(name)}\nnodes: {{a: }}\n",
                         f"nodes: {{a: }}\nbridges: {{{support.json.dumps(name)}: }}\n"):
                with self.subTest(text):
                    if name == "*" and "bridges" in text or name == "-rf" and "bridges" in text:
                        continue  # A device may be called so.
                    done = self.toporun("up", "-", input=text, status=None, cwd="/run")
                    self.assertIn(done.returncode, (0, 3), done.stderr)
                    if done.returncode == 0:
                        self.toporun("down", "stdin")
        for name in self.NAMES:
            self.toporun("up", "-", "--name", name, input=PAIR, status=2)
        self.assertNotEqual(0, self.box.run(["ls", "/run/w"]).returncode)
        self.assertEqual([], self.box.namespaces())

    def test_interfaces_that_a_shell_or_nft_would_run(self):
        before = self.box.snapshot()
        for name in ("$(touch w)"[:15].replace(" ", "$IFS")[:15], "a;b", "`w`", "a\"b", "a'b", "{", "}", "meta", "drop", "a#b",
                     "-rf", "*", "a|b", "\\"):
            with self.subTest(name):
                quoted = support.json.dumps(name)
                text = (f"name: odd\nnodes:\n  a:\n    interfaces: {{{quoted}: {{addresses: [10.1.0.1/24, \"fd00:1::1/64\"]}}}}\n"
                        f"    sysctls: {{net.ipv4.ip_default_ttl: 33}}\n"
                        f"    routes: [{{to: 10.9.0.0/16, via: 10.1.0.2, dev: {quoted}}}]\n"
                        f"    nat: [{{masquerade: {{out: {quoted}}}}},"
                        f" {{forward: {{in: {quoted}, proto: tcp, port: 80, to: \"10.1.0.2:8080\"}}}}]\n"
                        f"  b: {{interfaces: {{eth0: {{addresses: [10.1.0.2/24]}}}}}}\n"
                        f"links: [{{endpoints: [{support.json.dumps('a:' + name)}, \"b:eth0\"]}}]\n")
                path = self.write("odd.yaml", text)
                self.toporun("up", path, cwd="/run")
                self.assertTrue(self.box.ping("10.1.0.2", namespace="odd.a"))
                rules = self.box.json(["nft", "-j", "list", "ruleset"], namespace="odd.a")["nftables"]
                self.assertEqual(["toporun"], [entry["table"]["name"] for entry in rules if "table" in entry])
                # Of nft a `*` at the end stands for any ending.
                self.assertIn(support.json.dumps(name.replace("*", "\\*")), support.json.dumps(rules))
                self.assertIn("nothing to do", self.toporun("up", path, cwd="/run").stderr)
                self.toporun("status", "odd")
                self.toporun("down", "odd")
                self.assertSame(before, self.box.snapshot())

    def test_values_of_a_file_are_no_text_of_nft(self):
        for text in ("nodes: {a: {nat: [{masquerade: {out: \"eth0 accept; add table inet w\"}}]}}\n",
                     "nodes: {a: {nat: [{snat: {out: lo, to: \"10.0.0.1; add table inet w\"}}]}}\n",
                     "nodes: {a: {sysctls: {\"net.ipv4.../../../kernel/hostname\": 1}}}\n",
                     "nodes: {a: {sysctls: {\"net/../kernel/hostname\": w}}}\n"):
            with self.subTest(text):
                self.toporun("up", "-", input=text, status=3)
        self.assertEqual([], self.box.namespaces())


class Places(support.SandboxCase):
    @support.root_only("it looks at root's own folder of records; the rootless one is tested with its owner")
    def test_a_link_in_the_place_of_a_file(self):
        path = self.write("pair.yaml", PAIR)
        victim = self.write("victim", "as it was\n")
        for make in (f"mkdir -m 0700 -p /run/toporun/pair; ln -s {victim} /run/toporun/pair/lock",
                     f"mkdir -m 0700 -p /run/toporun/pair; ln -s {victim} /run/toporun/pair/journal",
                     f"mkdir -m 0700 -p /run/elsewhere; mkdir -m 0700 /run/toporun; ln -s /run/elsewhere /run/toporun/pair",
                     "mkdir -m 0777 /run/toporun", "mkdir -m 0700 /run/toporun; chown 12345 /run/toporun"):
            with self.subTest(make):
                self.box.run(["sh", "-c", make], check=True)
                self.toporun("up", path, status=1)
                self.assertEqual([], self.box.namespaces())
                self.assertEqual("", self.box.run(["find", "/run/elsewhere", "-mindepth", "1"]).stdout)
                with open(victim, encoding="ascii") as file:
                    self.assertEqual("as it was\n", file.read())
                self.box.run(["rm", "-rf", "/run/toporun", "/run/elsewhere"], check=True)

    def test_records_are_private(self):
        self.toporun("up", self.write("pair.yaml", PAIR))
        listed = self.box.run(["find", support.STATE, "-printf", "%y %m %f\n"], check=True).stdout.splitlines()
        self.assertLess(3, len(listed))
        for line in listed:
            self.assertRegex(line, r"^(d 700 |f 600 |s 600 |f 644 hosts$)")

    @support.root_only("strace follows no process into another user's namespaces")
    def test_commands_that_look_write_nothing(self):
        path = self.write("pair.yaml", PAIR)
        other = self.write("other.yaml", PAIR.replace("name: pair", "name: other"))
        self.toporun("up", path)
        standing = self.box.snapshots()
        for words in (("validate", path), ("plan", path), ("plan", other), ("plan", "--script", other), ("status",),
                      ("status", "pair"), ("list",), ("inspect", "pair"), ("graph", "--format", "dot", "pair"), ("pids", "pair"),
                      ("schema",)):
            with self.subTest(words):
                done, trace = traced(self.box, [support.TOPORUN, *words], os.path.join(self.folder(), "trace"))
                self.assertIn(done.returncode, (0, 5), done.stderr)
                self.assertEqual([], changes(trace, allowed='"/dev/null"|"/dev/net/tun"'))
                for name, state in standing.items():
                    self.assertSame(state, self.box.snapshot(name or None))


class Addresses(support.SandboxCase):
    def test_the_heap_is_laid_out_where_nothing_limits_it(self):
        path, trace = self.write("pair.yaml", PAIR), os.path.join(self.folder(), "trace")
        for limit, laid_out in (("unlimited", True), (str(MEMORY // 1024), False)):
            with self.subTest(limit=limit):
                command = 'ulimit -v "$0"; exec strace -o "$1" -e trace=madvise "$2" validate "$3"'
                self.box.run(["sh", "-c", command, limit, trace, support.TOPORUN, path], check=True)
                with open(trace, encoding="utf-8") as file:
                    self.assertEqual(laid_out, "MADV_HUGEPAGE" in file.read())


class Descriptors(support.SandboxCase):
    def test_a_lab_of_more_nodes_than_descriptors(self):
        before = self.box.snapshot()
        star = os.path.join(support.ROOT, "topologies/star.yaml")
        few = ["prlimit", "--nofile=64:64", support.TOPORUN]
        for words in (["up", star, "--set", "HOSTS=150"], ["status", "star"], ["exec", "star", "--all", "--", "true"]):
            done = self.box.run([*few, *words])
            self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("nothing to do", self.box.run([*few, "up", star, "--set", "HOSTS=150"], check=True).stderr)
        self.box.run([*few, "down", "star"], check=True)
        self.assertSame(before, self.box.snapshot())

    def test_none_at_all(self):
        """Whatever runs out, `up` fails with its reason and leaves nothing."""
        before = self.box.snapshot()
        path = os.path.join(support.ROOT, "topologies/home-nat.yaml")
        statuses = set()
        for most in range(4, 64, 4):
            with self.subTest(descriptors=most):
                done = self.box.run(["prlimit", f"--nofile={most}:{most}", support.TOPORUN, "up", path])
                statuses.add(done.returncode)
                if done.returncode == 0:
                    self.toporun("down", "home-nat")
                else:
                    self.assertRegex(done.stderr, "ulimit -n|[Tt]oo many open files|error while loading")
                self.assertSame(before, self.box.snapshot())
        self.assertLessEqual({0, 1}, statuses)
