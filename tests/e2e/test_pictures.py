# ctest: timeout=120
"""The pictures in the documentation are of the topologies as they are now, and each topology has one."""

import collections
import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as xml

import support

SVG = "{http://www.w3.org/2000/svg}"
FOLDER = os.path.join(support.ROOT, "docs/pictures")


def content(path):
    """What a picture shows, wherever it stands: Graphviz of another version may lay it out otherwise."""
    shown = collections.Counter()
    for group in xml.parse(path).getroot().iter(SVG + "g"):
        texts = tuple(text.text for text in group.findall(SVG + "text"))
        shown[group.get("class"), group.findtext(SVG + "title"), texts] += 1
    return shown


def names(pattern):
    return {os.path.splitext(os.path.basename(path))[0] for path in glob.glob(os.path.join(support.ROOT, pattern))}


class Pictures(unittest.TestCase):
    def test_they_are_of_the_topologies_as_they_are_now(self):
        if not shutil.which("dot"):
            self.skipTest("Graphviz is not installed")
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        tool = os.path.join(support.ROOT, "tools/pictures")
        subprocess.run([tool, folder], check=True, env={**os.environ, "TOPORUN_BIN": support.TOPORUN})
        drawn = {name: content(os.path.join(folder, f"{name}.svg")) for name in names("topologies/*.yaml")}
        self.assertGreater(len(drawn), 15)
        for name, shown in sorted(drawn.items()):
            with self.subTest(name):
                self.assertGreater(sum(shown.values()), 2)
                kept = content(os.path.join(FOLDER, f"{name}.svg"))
                self.assertEqual((kept - shown, shown - kept), ({}, {}), "run tools/pictures")

    def test_each_topology_has_one_and_nothing_else_has(self):
        topologies = names("topologies/*.yaml")
        self.assertEqual(topologies, names("docs/pictures/*"))
        with open(os.path.join(support.ROOT, "docs/topologies.md"), encoding="utf-8") as file:
            page = file.read()
        for form in (r"^## (.+)$", r"\(\.\./topologies/(.+)\.yaml\)", r"\(pictures/(.+)\.svg\)"):
            self.assertEqual(sorted(topologies), sorted(re.findall(form, page, re.MULTILINE)), form)

    def test_they_are_drawn_for_light_and_dark(self):
        for path in glob.glob(os.path.join(FOLDER, "*.svg")):
            with open(path, encoding="utf-8") as file:
                self.assertIn("@media (prefers-color-scheme: dark)", file.read(), path)
