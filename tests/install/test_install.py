"""`cmake --install` yields what a Debian package would hold, and the installed binary runs from there."""

import os
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ["TOPORUN_BUILD"]


def below(folder):
    """Every file below `folder`, relative to it."""
    return sorted(os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names
                  if "__pycache__" not in at)


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="toporun-install-")
        cls.addClassCleanup(folder.cleanup)
        cls.prefix = folder.name
        subprocess.run(["cmake", "--install", BUILD, "--prefix", cls.prefix], check=True, stdout=subprocess.DEVNULL)

    def test_files_stand_where_debian_expects_them(self):
        share = os.path.join(self.prefix, "share/toporun")
        for folder in ("topologies", "examples", "schema", "python"):
            with self.subTest(folder):
                shipped = below(os.path.join(ROOT, folder))
                self.assertNotEqual([], shipped)
                self.assertEqual(shipped, below(os.path.join(share, folder)))
        self.assertEqual(["CHANGELOG.md", "LICENSE", "README.md"], below(os.path.join(self.prefix, "share/doc/toporun")))
        self.assertEqual(["toporun/lab.h"], below(os.path.join(self.prefix, "include")))
        self.assertTrue(os.path.exists(os.path.join(share, "toporun.sh")))
        self.assertEqual(["bin", "include", "share"], sorted(os.listdir(self.prefix)))

    def test_the_installed_binary_checks_the_installed_topologies(self):
        binary = os.path.join(self.prefix, "bin/toporun")
        self.assertIn("toporun 0.1.0", subprocess.run([binary, "--version"], check=True, capture_output=True,
                                                      text=True).stdout)
        topologies = os.path.join(self.prefix, "share/toporun/topologies")
        checked = [name for name in sorted(os.listdir(topologies)) if name.endswith(".yaml")]
        self.assertNotEqual([], checked)
        for name in checked:
            with self.subTest(name):
                with open(os.path.join(topologies, name), encoding="utf-8") as file:
                    # A file that stands for an existing process wants to be told which.
                    options = ["--set", f"PID={os.getpid()}"] if "${PID:?" in file.read() else []
                done = subprocess.run([binary, "validate", name, *options], cwd=topologies, capture_output=True,
                                      text=True)
                self.assertEqual(0, done.returncode, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
