"""The command line itself: what is typed wrong is told with its way out and the right exit status."""

import json
import os
import re
import subprocess
import unittest

import support


def run(*words, env=None, stdin=""):
    return subprocess.run([support.TOPORUN, *words], input=stdin, capture_output=True, text=True, timeout=30,
                          env={**support.ENVIRONMENT, **(env or {})})


class Usage(unittest.TestCase):
    maxDiff = None

    def assertRefused(self, words, status, sentence):
        done = run(*words)
        self.assertEqual((status, "", sentence + "\n"), (done.returncode, done.stdout, done.stderr), words)

    def test_mistakes_are_named(self):
        cases = {
            (): "toporun: the command is missing; `toporun --help` lists them",
            ("upp", "x"): 'toporun: unknown command "upp" (did you mean "up"?)',
            ("frobnicate",): 'toporun: unknown command "frobnicate"; `toporun --help` lists them',
            ("up",): "up: LAB is missing: a topology file, or a lab that is up",
            ("up", "--kep", "x"): 'up: unknown option "--kep" (did you mean "--keep"?)',
            ("status", "--jsn"): 'status: unknown option "--jsn" (did you mean "--json"?)',
            ("plan", "a", "b"): 'plan: unexpected argument "b"',
            ("down", "--all", "x"): "down: --all takes no LAB",
            ("up", "--set", "x", "lab.yaml"): 'up: --set takes NAME=VALUE, not "x"',
            ("up", "--lock-timeout", "soon", "lab.yaml"): 'up: --lock-timeout is a time as 500ms or 5s, not "soon"',
            ("up", "--name", "No Name", "lab.yaml"): 'up: --name is a lab\'s name ([a-z0-9][a-z0-9_-]{0,30}), not "No '
                                                     'Name"',
            ("exec", "lab", "a"): "exec: the command is missing: exec LAB NODE -- COMMAND…",
            ("exec", "lab"): "exec: NODE is missing",
            ("exec", "--all", "lab", "a", "--", "true"): "exec: --all takes no NODE: put `--` before the command",
            ("exec", "lab", "a", "--timeout", "x", "--", "true"): 'exec: --timeout is a time as 500ms or 5s, not "x"',
            ("shell", "lab"): "shell: NODE is missing",
            ("watch",): "watch: LAB is missing: a topology file, or a lab that is up",
            ("watch", "lab", "--interval", "0"): 'watch: --interval is a time as 500ms or 5s, 100ms at least, not "0"',
            ("graph", "lab", "--format", "dto"): 'graph: there is no format "dto" (did you mean "dot"?)',
            ("graph", "lab", "--format", "png"): 'graph: there is no format "png"; there are: svg, dot, mermaid, html, ascii',
            ("completion", "tcsh"): 'completion: there is no script for "tcsh"; there are: bash, zsh, fish',
            ("validate", "--print=xml", "x"): 'validate: --print is yaml or json, not "xml"',
            ("identify", "-5"): 'identify: PID: "-5" is no number of a process',
            ("identify", "x"): 'identify: PID: "x" is no number of a process',
        }
        for words, sentence in cases.items():
            with self.subTest(words):
                self.assertRefused(words, 2, sentence)

    def test_library_sentences_are_usage_errors_too(self):
        for words in (("up", "--name"), ("list", "--root", "--rootless")):
            with self.subTest(words):
                done = run(*words)
                self.assertEqual((2, ""), (done.returncode, done.stdout), done.stderr)
                self.assertRegex(done.stderr, f"^{words[0]}: .")

    def test_help_lists_every_command(self):
        done = run("--help")
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        for command in ("up", "down", "plan", "status", "watch", "list", "inspect", "exec", "shell", "pids", "identify",
                        "check", "test", "ps", "logs", "restart", "impair", "completion", "validate", "schema", "graph"):
            self.assertRegex(done.stdout, rf"(?m)^\s+{command}\s")
            one = run(command, "--help")
            self.assertEqual((0, ""), (one.returncode, one.stderr), command)
            self.assertIn(command, one.stdout)

    def test_version_tells_the_libraries(self):
        done = run("--version")
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        for name in ("toporun", "libslirp", "libnl", "libnftables", "yaml-cpp", "fmt", "spdlog"):
            self.assertRegex(done.stdout, rf"(?m)^{name} \d+\.\d+")

    def test_json_tells_failures_on_standard_output(self):
        done = run("--json", "upp")
        self.assertEqual((2, ""), (done.returncode, done.stderr))
        self.assertIn("unknown command", json.loads(done.stdout)["errors"][0]["why"])

    def test_a_full_disk_is_no_success(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([support.TOPORUN, "schema"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=30)
        self.assertEqual((1, "write to standard output: it did not take all\n"), (done.returncode, done.stderr))

    def test_without_privilege_it_says_what_is_missing(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to give it away")
        done = subprocess.run(["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", support.TOPORUN, "--root",
                               "up", "-"], input="nodes: {a: }", capture_output=True, text=True, timeout=30,
                              env=support.ENVIRONMENT)
        self.assertEqual(1, done.returncode)
        self.assertIn("run as root: CAP_NET_ADMIN is not held; without --root it runs rootless", done.stderr)


class Files(unittest.TestCase):
    """Commands that read a file and touch nothing."""

    maxDiff = None

    def test_an_unknown_key_shows_place_caret_and_near_name(self):
        done = run("validate", "-", stdin="nodes: {a: {interfces: {}}}\n")
        self.assertEqual((3, ""), (done.returncode, done.stdout))
        first, line, caret = done.stderr.splitlines()[:3]
        self.assertRegex(first, r':1:13: .*did you mean "interfaces"')
        self.assertEqual(line.index("interfces"), caret.index("^"))

    def test_errors_as_json_have_their_place(self):
        done = run("--json", "validate", "-", stdin="nodes: {a: {interfces: {}}}\n")
        self.assertEqual((3, ""), (done.returncode, done.stderr))
        error = json.loads(done.stdout)["errors"][0]
        self.assertEqual((1, 13), (error["line"], error["column"]))
        self.assertEqual({"file", "line", "column", "where", "tried", "why", "errno"}, set(error) - {"notes"})

    def test_a_missing_file_is_named(self):
        done = run("validate", "/nowhere/lab.yaml")
        self.assertEqual((3, "/nowhere/lab.yaml: open: no such file or directory\n"), (done.returncode, done.stderr))

    def test_print_is_a_file_that_loads_to_the_same(self):
        path = os.path.join(support.ROOT, "topologies/home-nat.yaml")
        for form in ("--print", "--print=json"):
            once = run("validate", form, path)
            self.assertEqual(0, once.returncode, once.stderr)
            again = run("validate", form, "-", stdin=once.stdout)
            self.assertEqual((0, once.stdout), (again.returncode, again.stdout), again.stderr)

    def test_settings_reach_the_file(self):
        text = "nodes: {\"h[1-${N}]\": }\n"
        done = run("validate", "--json", "--set", "N=3", "--name", "many", "-", stdin=text)
        self.assertEqual(0, done.returncode, done.stdout)
        self.assertEqual(("many", 3), (json.loads(done.stdout)["name"], json.loads(done.stdout)["nodes"]))
        unused = run("validate", "--set", "M=3", "--set", "N=1", "-", stdin=text)
        self.assertEqual(3, unused.returncode)
        self.assertIn('"M"', unused.stderr)

    def test_schema_is_the_one_of_the_sources(self):
        with open(os.path.join(support.ROOT, "schema/topology.schema.json"), encoding="utf-8") as file:
            self.assertEqual(file.read(), run("schema").stdout)

    def test_graph_is_a_picture_of_the_file(self):
        done = run("graph", "--format", "dot", "-",
                   stdin="name: x\nnodes: {a: {interfaces: {e: {addresses: [192.0.2.1/24]}}}, b: }\n"
                         "links: [{endpoints: ['a:e', 'b:e']}]\n")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertTrue(re.search(r'"a" \[label="a\\ne 192.0.2.1/24"', done.stdout), done.stdout)
        self.assertIn('"a" -- "b" [taillabel="e", headlabel="e"]', done.stdout)

    def test_no_colour_off_a_terminal(self):
        self.assertNotIn("\x1b", run("validate", "-", stdin="nodes: 1\n").stderr)
