# ctest: timeout=120
"""What shells offer: commands, options, labs, nodes, interfaces and processes, by the scripts of `completion`."""

import os

import support

LAB = """name: lab
nodes: {alpha: , beta: }
bridges: {lan: }
links: [{endpoints: ["alpha:eth0", "beta:up"]}, {endpoints: ["beta:eth1", "lan:p1"]}]
"""

BASH = """source <("$0" completion bash)
COMP_LINE=$1 COMP_POINT=${#1}
_toporun
printf '%s\\n' "${COMPREPLY[@]}"
"""


class Completion(support.SandboxCase):
    def words(self, *words):
        return self.toporun("complete-word", "--", *words).stdout.split()

    def test_what_is_offered(self):
        self.toporun("up", self.write("lab.yaml", LAB))
        commands = self.words("")
        self.assertIn("up", commands)
        self.assertNotIn("complete-word", commands)
        self.assertEqual(["validate"], self.words("val"))
        self.assertEqual(["lab", ":files"], self.words("up", ""))
        self.assertEqual(["lab", ":files"], self.words("--lock-timeout", "2s", "up", "-v", "la"))
        self.assertEqual(["alpha", "beta", "host", "lan"], self.words("exec", "lab", ""))
        self.assertEqual(["beta:eth1", "beta:up"], self.words("capture", "lab", "beta:"))
        self.assertEqual(["alpha:eth0"], self.words("capture", "lab", "beta:up", "a"))
        self.assertEqual(["alpha:eth0"], self.words("impair", "lab", "a"))
        self.assertEqual(["--keep"], self.words("up", "--ke"))
        self.assertEqual(["mermaid"], self.words("graph", "--format", "m"))
        self.assertEqual(["bash", "fish", "zsh"], self.words("completion", ""))
        # Nothing is known of these: nothing is offered, and no error in a line that is being typed.
        for typed in (["exec", "nolab", ""], ["nocommand", ""], ["exec", "lab", "alpha", "--", "l"], []):
            self.assertEqual([], self.words(*typed), typed)

    def test_bash(self):
        self.toporun("up", self.write("lab.yaml", LAB))
        for typed, offered in (("exec lab be", ["beta"]), ("capture lab beta:e", ["eth1"]), ("graph --format asc", ["ascii"])):
            done = self.box.run(["bash", "-c", BASH, support.TOPORUN, f"{support.TOPORUN} {typed}"], check=True)
            self.assertEqual(offered, done.stdout.split(), done.stderr)

    def test_fish(self):
        self.toporun("up", self.write("lab.yaml", LAB))
        script = "set -x PATH $argv[1] $PATH; toporun completion fish | source; complete -C 'toporun exec lab al'"
        done = self.box.run(["fish", "--no-config", "-c", script, os.path.dirname(support.TOPORUN)], check=True)
        self.assertEqual(["alpha"], done.stdout.split(), done.stderr)

    def test_zsh_reads_its_script(self):
        script = self.write("_toporun", self.toporun("completion", "zsh").stdout)
        self.assertEqual("", self.box.run(["zsh", "-n", script], check=True).stderr)

    def test_another_shell(self):
        told = self.toporun("completion", "fisch", status=2).stderr
        self.assertIn('did you mean "fish"', told)
