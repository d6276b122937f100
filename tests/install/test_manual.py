# ctest: timeout=300
"""The manual pages say what `--help`, the schema and the sources say, no more and no less, and groff and man have nothing to
complain about."""

import gzip
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ["TOPORUN_BUILD"]
TOPORUN = os.path.join(BUILD, "toporun")
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "MANWIDTH": "200", "MAN_KEEP_FORMATTING": ""}


def run(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True, env=ENVIRONMENT, timeout=60)


OPTION = re.compile(r"^  (-\S+)((?: [A-Z][A-Z=:]*)?)((?: \.\.\.)?)((?: Excludes: --\S+)?)\s+(\S.*)$", re.M)


def options(text):
    """(names, value, beside, what it does) of each option of a help's text."""
    for names, value, repeats, excludes, about in OPTION.findall(text):
        names = re.sub(r"\{.*", "", names).split(",")
        beside = ["may be repeated"] * bool(repeats) + [f"not with {name}" for name in excludes.split()[1:]]
        yield names, value.strip(), "; ".join(beside), about.replace("`", "")


def part(text, title):
    """What stands indented below a heading of `--help`."""
    match = re.search(rf"^{title}:\n((?:  .*\n|\n(?=  ))*)", text + "\n", re.M)
    return match.group(1) if match else ""


@unittest.skipUnless(shutil.which("groff") and shutil.which("man"), "groff and man-db are not installed")
class Manual(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="toporun-manual-")
        cls.addClassCleanup(folder.cleanup)
        cls.pages = {}
        for name in ("toporun.1", "toporun.yaml.5"):
            cls.pages[name] = os.path.join(folder.name, name)
            with gzip.open(os.path.join(BUILD, "installed", name + ".gz")) as page, open(cls.pages[name], "wb") as file:
                file.write(page.read())

    def read(self, name):
        """A page as a reader sees it."""
        return run("man", "--no-hyphenation", "--no-justification", "-l", self.pages[name]).stdout

    def sections(self, name):
        """Title of a section or "SECTION/SUBSECTION" -> its text."""
        found, section, title = {}, "", ""
        for line in self.read(name).splitlines():
            if re.match(r"[A-Z]", line):
                section = title = line.strip()
            elif re.match(r"   \S", line):
                title = f"{section}/{line.strip()}"
            found[title] = found.get(title, "") + line + "\n"
        return found

    def test_nothing_is_complained_about(self):
        for name, path in self.pages.items():
            with self.subTest(name):
                self.assertEqual("", run("groff", "-man", "-ww", "-Tutf8", "-z", path).stderr)
                self.assertEqual("", run("groff", "-man", "-ww", "-Tascii", "-z", path).stderr)
                self.assertEqual("", run("man", "--warnings=w", "-l", "-Tutf8", path).stderr)
                self.assertRegex(run("lexgrog", path).stdout, rf'"{name[:-2]} - \S.*"')
                for line in self.read(name).splitlines():
                    self.assertNotRegex(line, r"\\f|\]\(|^\s*\|")

    def test_commands_are_those_of_help(self):
        listed = re.findall(r"^  ([a-z-]+)\s", part(run(TOPORUN, "--help").stdout, "Subcommands"), re.M)
        self.assertGreater(len(listed), 20)
        told = [title.split()[-1] for title in self.sections("toporun.1") if title.startswith("COMMANDS/")]
        self.assertEqual(listed, told)

    def test_options_are_those_of_help(self):
        sections = self.sections("toporun.1")
        places = {"": sections["OPTIONS"]}
        places.update({title.split()[-1]: text for title, text in sections.items() if title.startswith("COMMANDS/")})
        seen = 0
        for command, text in places.items():
            with self.subTest(command):
                help_text = run(TOPORUN, *([command] if command else []), "--help").stdout
                flat = " ".join(text.split())
                wanted = []
                for names, value, beside, about in options(part(help_text, "Options")):
                    if command and "--help" in names:
                        continue
                    head = " ".join([", ".join(names), value]).strip()
                    wanted.append(head)
                    self.assertIn(" ".join([head, *about.split()]) + (f" ({beside})" if beside else ""), flat)
                told = re.findall(r"^       (-[a-zA-Z-]+(?:, -[a-zA-Z-]+)*(?: [A-Z][A-Z=:]*)?)(?=\s|$)", text, re.M)
                self.assertEqual(wanted, [head.strip() for head in told])
                seen += len(wanted)
        self.assertGreater(seen, 50)

    def test_words_are_those_of_help(self):
        for title, text in self.sections("toporun.1").items():
            if not title.startswith("COMMANDS/"):
                continue
            command = title.split()[-1]
            with self.subTest(command):
                wanted = re.findall(r"^  (\S+)\s", part(run(TOPORUN, command, "--help").stdout, "Positionals"), re.M)
                told = re.findall(r"^       ([A-Z][A-Z]+(?:[:\[/][A-Z/\]]+)?)(?:\s|$)", text, re.M)
                self.assertEqual(wanted, told)

    def test_exit_statuses_and_variables_are_those_of_the_sources(self):
        sections = self.sections("toporun.1")
        told = {int(number) for numbers in re.findall(r"^       ((?:\d+)(?:, \d+)*)\s", sections["EXIT STATUS"], re.M)
                for number in numbers.split(", ")}
        sources = {}
        for folder, _, names in os.walk(os.path.join(ROOT, "runner")):
            for name in filter(lambda name: name.endswith((".h", ".cc")), names):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    sources[name] = file.read()
        failures = re.search(r"enum class Failure \{(.*?)\};", sources["error.h"], re.S).group(1)
        numbers = re.findall(r"= (\d+)", failures)
        for name in ("ending.h", "enter.h"):
            numbers += re.findall(r"constexpr int kExit\w+ = (\d+);", sources[name])
        self.assertEqual({int(number) for number in numbers}, told)
        read = {name for text in sources.values() for name in re.findall(r'getenv\("([A-Z_]+)"\)', text)}
        self.assertIn("NO_COLOR", read)
        self.assertEqual(read, set(re.findall(r"^       ([A-Z_]+)(?:\s|$)", sections["ENVIRONMENT"], re.M)))

    def test_keys_are_those_of_the_schema(self):
        keys = set()

        def collect(schema):
            if isinstance(schema, list):
                for item in schema:
                    collect(item)
            elif isinstance(schema, dict):
                if "properties" in schema and "additionalProperties" in schema:
                    keys.update(schema["properties"])
                for item in schema.values():
                    collect(item)

        collect(json.loads(run(TOPORUN, "schema").stdout))
        self.assertGreater(len(keys), 150)
        told = {key for line in re.findall(r"^       ([a-z].*)$", self.read("toporun.yaml.5"), re.M)
                for key in re.match(r"[\w, ]*?(?=  |$)|\w+", line).group(0).split(", ")}
        self.assertEqual(set(), keys - told)


if __name__ == "__main__":
    unittest.main()
