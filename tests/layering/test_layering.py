"""Holds every #include of runner/ against the arrows of runner/CMakeLists.txt, and each third-party header against
its one home (docs/design.md)."""

import os
import re
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Where a library's headers may be included: path prefixes below runner/. What is listed nowhere has no home.
HOMES = {
    "yaml-cpp/": ["topology/"],
    "netlink/": ["kernel/"],
    "nftables/": ["kernel/nftables", "kernel/nft_"],
    "slirp/": ["uplink/"],
    "glib": ["uplink/"],
    "seccomp.h": ["uplink/"],
    "nlohmann/": ["base/json.h", "base/json_fwd.h"],
    "CLI/": ["main/"],
    "spdlog/": ["exec/", "commands/", "main/"],
    "fmt/": [""],
}
# Folders of the C library and the kernel; a header without a folder is the standard library's or the C library's.
SYSTEM = ("arpa/", "asm/", "linux/", "net/", "netinet/", "netpacket/", "sys/")

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')
LIBRARY = re.compile(r"^\s*runner_library\(\s*(\w+)([^)]*)\)", re.M)
PROGRAM = re.compile(r"^\s*target_link_libraries\(\s*toporun\s+([^)]*)\)", re.M)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def link_lines(cmake):
    """Folder -> the folders on its link line. `main` is the program's."""
    lines = {name: words.split() for name, words in LIBRARY.findall(cmake)}
    lines["main"] = [word for words in PROGRAM.findall(cmake) for word in words.split()]
    return {name: [word for word in words if word in lines] for name, words in lines.items()}


def reachable(lines, start):
    """All folders behind `start`, itself included. A circle is a ValueError."""
    found = []

    def visit(name, path):
        if name in path:
            raise ValueError("circle of link lines: " + " -> ".join(path + [name]))
        for behind in lines[name]:
            visit(behind, path + [name])
        if name not in found:
            found.append(name)

    visit(start, [])
    return found


def faults(root):
    """What is wrong below ROOT/runner, a line each."""
    runner = os.path.join(root, "runner")
    lines = link_lines(read(os.path.join(runner, "CMakeLists.txt")))
    allowed = {name: reachable(lines, name) for name in lines}
    out = []
    for folder, _, names in sorted(os.walk(runner)):
        for name in sorted(names):
            if not name.endswith((".cc", ".h")):
                continue
            path = os.path.relpath(os.path.join(folder, name), runner)
            home = path.split("/")[0]
            if home not in lines:
                out.append(f"{path}: the folder {home} has no link line")
                continue
            for number, line in enumerate(read(os.path.join(folder, name)).splitlines(), 1):
                match = INCLUDE.match(line)
                if match:
                    fault = include_fault(runner, path, allowed[home], *match.groups())
                    if fault:
                        out.append(f"{path}:{number}: {fault}")
    return out


def include_fault(runner, path, allowed, quote, header):
    if quote == '"':
        target = header.split("/")[0]
        if "/" not in header or not os.path.exists(os.path.join(runner, header)):
            return f'"{header}" is no path below runner/'
        if target not in allowed:
            return f"{path.split('/')[0]} may not include {target} (its link line says: {', '.join(allowed)})"
        return None
    for prefix, homes in HOMES.items():
        if header.startswith(prefix):
            if not any(path.startswith(home) for home in homes):
                return f"<{header}> belongs to {', '.join(homes)} only"
            return None
    if "/" in header and not header.startswith(SYSTEM):
        return f"<{header}> has no home: add it to HOMES of this test"
    return None


class Layering(unittest.TestCase):
    def test_includes_follow_the_link_lines(self):
        self.assertEqual([], faults(ROOT))

    def test_every_folder_is_checked(self):
        lines = link_lines(read(os.path.join(ROOT, "runner/CMakeLists.txt")))
        self.assertEqual(["base"], reachable(lines, "base"))
        self.assertIn("topology", reachable(lines, "plan"))
        self.assertNotIn("topology", reachable(lines, "kernel"))
        self.assertNotIn("topology", reachable(lines, "uplink"))
        self.assertNotIn("exec", reachable(lines, "plan"))


class Checker(unittest.TestCase):
    """The check itself, on small trees that break each rule."""

    CMAKE = "runner_library(base fmt::fmt)\nrunner_library(topology base yaml-cpp)\nrunner_library(kernel base)\n"

    def check(self, files, cmake=CMAKE):
        with tempfile.TemporaryDirectory() as root:
            for path, text in {"CMakeLists.txt": cmake, **files}.items():
                path = os.path.join(root, "runner", path)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
            return faults(root)

    def test_arrow_against_the_link_line(self):
        out = self.check({"base/a.h": '#include "kernel/b.h"\n', "kernel/b.h": '#include "base/a.h"\n'})
        self.assertEqual(["base/a.h:1: base may not include kernel (its link line says: base)"], out)

    def test_sideways_include(self):
        self.assertEqual(1, len(self.check({"kernel/a.cc": '\n  # include "topology/b.h"\n', "topology/b.h": ""})))

    def test_path_that_is_not_root_relative(self):
        self.assertEqual(1, len(self.check({"base/a.h": '#include "b.h"\n', "base/b.h": ""})))

    def test_third_party_header_away_from_home(self):
        self.assertEqual([], self.check({"topology/a.cc": "#include <yaml-cpp/yaml.h>\n#include <sys/types.h>\n"}))
        out = self.check({"kernel/a.cc": "#include <yaml-cpp/yaml.h>\n", "base/b.h": "#include <nlohmann/json.hpp>\n"})
        self.assertEqual(["base/b.h:1: <nlohmann/json.hpp> belongs to base/json.h, base/json_fwd.h only",
                          "kernel/a.cc:1: <yaml-cpp/yaml.h> belongs to topology/ only"], out)

    def test_header_without_home(self):
        self.assertEqual(1, len(self.check({"base/a.h": "#include <boost/any.hpp>\n"})))

    def test_folder_without_link_line(self):
        self.assertEqual(["misc/a.cc: the folder misc has no link line"], self.check({"misc/a.cc": ""}))

    def test_circle(self):
        with self.assertRaisesRegex(ValueError, "base -> kernel -> base"):
            self.check({}, cmake="runner_library(base kernel)\nrunner_library(kernel base)\n")


if __name__ == "__main__":
    unittest.main()
