# ctest: timeout=400
"""What shells offer: commands, options, labs, nodes, interfaces and processes, by the scripts of `completion`."""

import os
import re

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


# An interactive zsh on a terminal of its own: a key behind the Tab shows the line.
ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PROMPT=; RPROMPT=; unsetopt zle_bracketed_paste prompt_sp; autoload -Uz compinit; compinit -u -D'
zpty -w shell "$1"
zpty -w shell 'show() { zle -I; print -r -- "buffer<$BUFFER>"; BUFFER= }; zle -N show; bindkey "^X" show; print rea""dy'
zpty -r shell answer '*ready*'
shift
for line; do
  zpty -w -n shell "$line"$'\t\x18'
  zpty -r shell answer '*buffer<*>*'
  print -r -- "== asked"
  print -r -- "$answer"
done
zpty -d shell
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

    def test_fish_describes_nothing_where_nothing_is_known_and_files_where_they_are_meant(self):
        self.toporun("up", self.write("lab.yaml", LAB))
        folder = self.folder()
        self.write("wanted.yaml", LAB, folder)
        for typed, offered in (("toporun exec nolab ", []), ("toporun capture lab beta:", ["beta:eth1", "beta:up"]),
                               ("toporun validate wan", ["wanted.yaml"]), ("toporun graph --format m", ["mermaid"])):
            script = "set -x PATH $argv[1] $PATH; toporun completion fish | source; complete -C $argv[2]"
            done = self.box.run(["fish", "--no-config", "-c", script, os.path.dirname(support.TOPORUN), typed], check=True,
                                cwd=folder)
            self.assertEqual(offered, [line.split("\t")[0] for line in done.stdout.splitlines()], done.stderr)

    def zsh(self, load, *lines):
        """What stands in the line after a Tab, and what is listed below it: of each of `lines`."""
        folder = self.folder()
        self.write("wanted.yaml", LAB, folder)
        path = f"{os.path.dirname(support.TOPORUN)}:{support.ENVIRONMENT['PATH']}"
        done = self.box.run(["zsh", "-f", "-c", ZSH, "zsh", load, *lines], check=True, cwd=folder,
                            env={"PATH": path, "TERM": "xterm", "COLUMNS": "200"}, limit=180)
        answers = []
        for screen in done.stdout.split("== asked\n")[1:]:
            plain = re.sub(r"\x1b\[[\d;?]*[A-Za-z]|\x1b[=>]|[\r\x07\x08]", " ", screen)
            buffer = re.search(r"buffer<(.*?)>", plain, re.DOTALL).group(1)
            answers.append((buffer, set(plain.split("buffer<")[0].split())))
        self.assertEqual(len(lines), len(answers), done.stdout + done.stderr)
        return answers

    def test_zsh(self):
        self.toporun("up", self.write("lab.yaml", LAB))
        script = self.toporun("completion", "zsh").stdout
        self.write("_toporun", script, functions := self.folder())
        # By its output, and as a file that zsh finds by itself.
        for load in ("source <(toporun completion zsh)", f"fpath=({functions} $fpath); compinit -u -D"):
            with self.subTest(load):
                unique, several, port, nothing, file = self.zsh(
                    load, "toporun exec lab al", "toporun exec lab ", "toporun capture lab beta:e", "toporun exec nolab ",
                    "toporun validate wan")
                self.assertEqual("toporun exec lab alpha ", unique[0])
                self.assertEqual("toporun exec lab ", several[0])
                self.assertLessEqual({"alpha", "beta", "host", "lan"}, several[1])
                self.assertEqual("toporun capture lab beta:eth1 ", port[0])
                self.assertEqual("toporun exec nolab ", nothing[0])
                self.assertEqual("toporun validate wanted.yaml ", file[0])

    def test_another_shell(self):
        told = self.toporun("completion", "fisch", status=2).stderr
        self.assertIn('did you mean "fish"', told)
