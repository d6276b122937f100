# ctest: timeout=300
"""What README, docs/ and examples/ show is what happens: the commands of each page are run, in order, on a machine of the page's
own, and what they print is compared. How a page is written for that stands in docs/README.md."""

import dataclasses
import glob
import os
import re
import shutil
import unittest

import needs
import support

PAGES = ["README.md", "CONTRIBUTING.md", *sorted(
    os.path.relpath(path, support.ROOT) for pattern in ("docs/*.md", "examples/**/*.md")
    for path in glob.glob(os.path.join(support.ROOT, pattern), recursive=True))]
# How many blocks of a page are not run. Each says why, and is told as not run.
NOT_RUN = {"CONTRIBUTING.md": 1, "README.md": 1, "docs/command-line.md": 1, "docs/cookbook.md": 1, "docs/performance.md": 1,
           "docs/quick-start.md": 1, "docs/testing.md": 1}
# A block without commands is in one of these.
LANGUAGES = {"yaml", "text", "json", "python", "sh", "netplan", "containerlab", "mininet", "mermaid", "ini", "cpp"}
PROMPT = re.compile(r"([#$]) (.*)")
FILE = re.compile(r"`([\w./-]+\.\w+)`(, at its end)?:$")
MARK = re.compile(r"<!-- (not run|needs|output): (.+?) -->")


@dataclasses.dataclass
class Command:
    line: int
    user: str  # "#" or "$"
    text: str
    output: list


@dataclasses.dataclass
class Block:
    line: int
    language: str
    lines: list
    file: str = ""  # what it is the content of
    appended: bool = False
    not_run: str = ""
    needs: str = ""
    output: str = ""  # of this command, for a reader that draws it

    def commands(self):
        if self.output:
            return [Command(self.line, "#", self.output, self.lines)]
        found = []
        for number, line in enumerate(self.lines, self.line + 1):
            prompt = PROMPT.fullmatch(line)
            if found and found[-1].text.endswith("\\") and not found[-1].output:
                found[-1].text += "\n" + line
            elif prompt:
                found.append(Command(number, *prompt.groups(), []))
            elif found:
                found[-1].output.append(line)
            else:
                raise AssertionError(f"line {number}: output before the first prompt: {line}")
        return found


def blocks(page):
    """The fenced blocks of a page, with what stands above them."""
    lines = page.split("\n")
    found, at = [], 0
    while at < len(lines):
        fence = re.fullmatch(r"```(.*)", lines[at])
        if not fence:
            at += 1
            continue
        end = lines.index("```", at + 1)
        above = [line for line in lines[max(0, at - 3):at] if line.strip()]
        block = Block(at + 1, fence.group(1), lines[at + 1:end])
        mark = MARK.fullmatch(above.pop()) if above and above[-1].startswith("<!-- ") else None
        if mark:
            setattr(block, mark.group(1).replace(" ", "_"), mark.group(2))
        file = FILE.search(above[-1]) if above else None
        if file and block.language != "console":
            block.file, block.appended = file.group(1), bool(file.group(2))
        found.append(block)
        at = end + 1
    return found


def pattern(output):
    """What is shown as an expression: `…` is anything in a line, a line of nothing else any lines."""
    lines = ["(?:.*\n)*?" if line.strip() == "…" else re.escape(line.rstrip()).replace("…", ".*?") + " *\n" for line in output]
    return "".join(lines)


class Shell:
    """An interactive session as a reader has it: what is set in one command is there in the next."""

    def __init__(self, box, user, folder):
        words = ["bash", "--noprofile", "--norc"]
        environment = {"PATH": f"{folder}/.bin:{support.ENVIRONMENT['PATH']}", "LC_ALL": "C.UTF-8"}
        if user == "$":
            environment.update(XDG_RUNTIME_DIR=support.RUNTIME, HOME=folder, USER="user")
            words = [*support.AS_USER, *words]
        self.running = box.start(["env", *(f"{name}={value}" for name, value in environment.items()), *words], cwd=folder)

    def run(self, command, limit=support.LIMIT):
        """(exit status, what was printed, on both outputs)."""
        self.running.output = ""
        # A group, so that variables stay; a status of its own at the end, for `echo $?`.
        script = f"{{\n{command}\n}} 2>&1 </dev/null\nstatus_=$?; printf '\\1%d\\2' $status_; (exit $status_)\n"
        self.running.process.stdin.write(script.encode())
        self.running.process.stdin.flush()
        status = self.running.wait_for(r"\x01(\d+)\x02\Z", limit)
        return int(status.group(1)), self.running.output[:status.start()]


class Page:
    """A page that is being run."""

    def __init__(self, case, name):
        self.case, self.name = case, name
        with open(os.path.join(support.ROOT, name), encoding="utf-8") as file:
            self.blocks = blocks(file.read())
        self.folder = case.folder()
        os.chmod(self.folder, 0o755)
        # As in a clone: what pages speak of is there, and toporun is installed.
        for shared in ("topologies", "examples", "python", "schema"):
            os.symlink(os.path.join(support.ROOT, shared), os.path.join(self.folder, shared))
        os.mkdir(os.path.join(self.folder, ".bin"))
        os.symlink(support.TOPORUN, os.path.join(self.folder, ".bin/toporun"))
        if os.geteuid() == 0:
            os.chown(self.folder, support.USER, support.USER)
        self.shells = {}

    def shell(self, user):
        if user not in self.shells:
            if user == "$":
                self.case.box.run(["sh", "-ec", f"mkdir -p {support.RUNTIME}; chown {support.USER} {support.RUNTIME}; "
                                   f"chmod 0700 {support.RUNTIME}; mknod -m 0666 /run/tun c 10 200; "
                                   "mount --bind /run/tun /dev/net/tun"], check=True)
            self.shells[user] = Shell(self.case.box, user, self.folder)
        return self.shells[user]

    def write(self, block):
        path = os.path.join(self.folder, block.file)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "a" if block.appended else "w", encoding="utf-8") as file:
            file.write("\n".join(block.lines) + "\n")
        if block.lines[:1] and block.lines[0].startswith("#!"):
            os.chmod(path, 0o755)

    def reason(self, block):
        """Why a block is not run; empty when it is."""
        if block.not_run:
            return block.not_run
        if block.needs:
            wanted = set(block.needs.split(", "))
            programs = {need for need in wanted if need.startswith("command ")}
            for program in sorted(programs):
                if not shutil.which(program.removeprefix("command "), path=support.ENVIRONMENT["PATH"]):
                    return f"there is no {program}"
            lacking = needs.lacking(self.case.box, wanted - programs)
            if lacking:
                return "the kernel has no " + ", ".join(lacking)
        if os.geteuid() != 0 and any(command.user == "$" for command in block.commands()):
            return "only root can make a machine that has ordinary users"
        return ""

    def check(self, block):
        commands = block.commands()
        for command, following in zip(commands, [*commands[1:], None]):
            status, printed = self.shell(command.user).run(command.text)
            place = f"{self.name}:{command.line}: {command.user} {command.text}"
            printed = printed if not printed or printed.endswith("\n") else printed + "\n"
            if not re.fullmatch(pattern(command.output), printed):
                self.case.fail(f"{place}\nshown:\n" + "".join(line + "\n" for line in command.output) + f"printed:\n{printed}")
            if status != 0 and not (following and following.text == "echo $?"):
                self.case.fail(f"{place}\nexit status {status}, which no `echo $?` behind it shows\n{printed}")

    def run(self):
        for block in self.blocks:
            if block.file:
                self.write(block)
            if block.language != "console" and not block.output:
                continue
            reason = self.reason(block)
            with self.case.subTest(f"{self.name}:{block.line}"):
                if reason:
                    self.case.skipTest(reason)
                self.check(block)


class Docs(support.SandboxCase):
    def test_blocks_say_what_they_are(self):
        for name in PAGES:
            with open(os.path.join(support.ROOT, name), encoding="utf-8") as file:
                page = file.read()
            for block in blocks(page):
                with self.subTest(f"{name}:{block.line}"):
                    self.assertIn(block.language, LANGUAGES | {"console"})
                    if block.language == "console":
                        self.assertNotEqual([], block.commands())
                    else:
                        # A command in another block would not be run.
                        self.assertEqual([], [line for line in block.lines if re.match(r"(# |\$ )?toporun ", line)])
            # Nor would one in a block made by indentation.
            text = re.sub(r"^```.*?^```$", "", page, flags=re.M | re.S)
            self.assertEqual([], re.findall(r"^    +(?:[#$] )?(?:sudo )?(?:\S*/)?toporun .*", text, re.M), name)

    def test_what_is_not_run_is_counted(self):
        found = {}
        for name in PAGES:
            with open(os.path.join(support.ROOT, name), encoding="utf-8") as file:
                number = sum(bool(block.not_run) for block in blocks(file.read()))
            if number:
                found[name] = number
        self.assertEqual(NOT_RUN, found)

    def test_topologies_are_valid(self):
        for name in PAGES:
            with open(os.path.join(support.ROOT, name), encoding="utf-8") as file:
                page = file.read()
            for block in blocks(page):
                text = "\n".join(block.lines) + "\n"
                # What the page writes to a file is judged by what the page shows of it.
                if block.language == "yaml" and not block.file and re.search(r"^nodes:", text, re.M):
                    with self.subTest(f"{name}:{block.line}"):
                        text = text if re.search(r"^name:", text, re.M) else "name: example\n" + text
                        done = self.toporun("validate", "-", input=text, status=None, cwd=support.ROOT)
                        self.assertEqual(0, done.returncode, done.stderr)

    def test_messages_are_the_runner_s(self):
        """What docs/troubleshooting.md has as headings is what somebody may search for."""
        with open(os.path.join(support.ROOT, "docs/troubleshooting.md"), encoding="utf-8") as file:
            headings = re.findall(r"^### (.+)$", file.read(), re.M)
        sources = ""
        for path in glob.glob(os.path.join(support.ROOT, "runner/**/*.cc"), recursive=True):
            with open(path, encoding="utf-8") as file:
                sources += re.sub(r'"\s*\n\s*"', "", file.read())
        # One is the kernel's own, one is about many messages.
        others = {"Specified qdisc kind is unknown", "status says that something differs"}
        self.assertEqual(others, {heading for heading in headings if heading not in sources})

    def test_links_lead_somewhere(self):
        for name in PAGES:
            folder = os.path.dirname(os.path.join(support.ROOT, name))
            with open(os.path.join(support.ROOT, name), encoding="utf-8") as file:
                text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", file.read(), flags=re.M | re.S)
            for target in re.findall(r"\]\(([^)\s]+)\)", text):
                if "://" not in target and not target.startswith("#"):
                    self.assertTrue(os.path.exists(os.path.join(folder, target.split("#")[0])), f"{name}: {target}")


def case_of(name):
    def test(self):
        Page(self, name).run()

    test.__doc__ = None
    return test


# Beside the others it takes too long: tests/e2e/test_cookbook.py.
APART = ["docs/cookbook.md"]
for page in PAGES:
    if page in APART:
        continue
    setattr(Docs, "test_page_" + re.sub(r"\W", "_", page.removesuffix(".md").lower()), case_of(page))


class Harness(unittest.TestCase):
    """The comparison itself."""

    def test_wildcards(self):
        for shown, printed, fits in (
                (["a … b"], "a 1 2 b\n", True), (["a … b"], "a\n1 b\n", False), (["a", "…", "b"], "a\nb\n", True),
                (["a", "…", "b"], "a\n1\n2\nb\n", True), (["a", "…"], "a\n", True), (["a"], "a\nb\n", False), ([], "a\n", False),
                (["a.b"], "axb\n", False), (["a"], "a  \n", True)):
            with self.subTest(shown):
                self.assertEqual(fits, bool(re.fullmatch(pattern(shown), printed)))

    def test_blocks_and_marks(self):
        found = blocks("Write `x.yaml`:\n\n```yaml\na: 1\n```\n\n`x.yaml`, at its end:\n\n```yaml\nb: 2\n```\n"
                       "<!-- not run: it needs the network -->\n```console\n# a \\\n  b\nout\n$ c\n```\n")
        self.assertEqual([("x.yaml", False), ("x.yaml", True), ("", False)], [(block.file, block.appended) for block in found])
        self.assertEqual("it needs the network", found[2].not_run)
        self.assertEqual([("#", "a \\\n  b", ["out"]), ("$", "c", [])],
                         [(command.user, command.text, command.output) for command in found[2].commands()])


if __name__ == "__main__":
    unittest.main()
