"""`cmake --install` yields what a Debian package would hold, and the installed binary runs from there."""

import os
import re
import shutil
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

    def read(self, path):
        with open(os.path.join(self.prefix, path), encoding="utf-8") as file:
            return file.read()

    def test_files_stand_where_debian_expects_them(self):
        share = os.path.join(self.prefix, "share/toporun")
        for folder in ("topologies", "examples", "schema", "python"):
            with self.subTest(folder):
                shipped = below(os.path.join(ROOT, folder))
                self.assertNotEqual([], shipped)
                self.assertEqual(shipped, below(os.path.join(share, folder)))
        pages = [f"docs/{name}" for name in below(os.path.join(ROOT, "docs"))]
        self.assertEqual(sorted(["README.md", "changelog.Debian.gz", "changelog.gz", "copyright", *pages]),
                         below(os.path.join(self.prefix, "share/doc/toporun")))
        others = [path for path in below(self.prefix) if not path.startswith(("share/doc/", "share/toporun/topologies/",
                                                                              "share/toporun/examples/", "share/toporun/schema/",
                                                                              "share/toporun/python/"))]
        self.assertEqual(["bin/toporun", "include/toporun/lab.h", "lib/systemd/system/toporun@.service", "share/bash-completion/completions/toporun",
                          "share/fish/vendor_completions.d/toporun.fish", "share/man/man1/toporun.1.gz",
                          "share/man/man5/toporun.yaml.5.gz", "share/toporun/apparmor/toporun", "share/toporun/toporun.sh",
                          "share/zsh/vendor-completions/_toporun"], others)
        self.assertTrue(os.path.isdir(os.path.join(self.prefix, "etc/toporun")))

    def test_completions_are_the_program_s_own(self):
        for shell, path in {"bash": "share/bash-completion/completions/toporun", "zsh": "share/zsh/vendor-completions/_toporun",
                            "fish": "share/fish/vendor_completions.d/toporun.fish"}.items():
            done = subprocess.run([os.path.join(self.prefix, "bin/toporun"), "completion", shell], check=True, capture_output=True,
                                  text=True)
            self.assertEqual(done.stdout, self.read(path))

    def test_files_name_the_installed_program(self):
        unit = self.read("lib/systemd/system/toporun@.service")
        profile = self.read("share/toporun/apparmor/toporun")
        for text in (unit, profile):
            self.assertNotIn("@BINDIR@", text)
            self.assertNotIn("@SYSCONFDIR@", text)
        self.assertIn(f"ExecStart={self.prefix}/bin/toporun up --name %i {self.prefix}/etc/toporun/%i.yaml\n", unit)
        self.assertIn(f"ExecStop={self.prefix}/bin/toporun down %i\n", unit)
        self.assertIn(f"profile toporun {self.prefix}/bin/toporun flags=(unconfined) {{", profile)

    def test_the_profile_is_the_one_that_doctor_tells_to_write(self):
        with open(os.path.join(ROOT, "runner/machine/machine.cc"), encoding="utf-8") as file:
            told = re.search(r"AppArmor gives user namespaces no power: write `(.*?)` ", file.read().replace('"\n        "', "")).group(1)
        told = told.replace("{{", "{").replace("}}", "}").replace("profile toporun {}", f"profile toporun {self.prefix}/bin/toporun")
        profile = re.sub(r"#.*|include if exists .*", "", self.read("share/toporun/apparmor/toporun"))
        self.assertEqual(told.replace(",", "").split(), profile.replace(",", "").split())

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
    def test_the_unit_is_one_that_systemd_takes(self):
        unit = os.path.join(self.prefix, "lib/systemd/system/toporun@.service")
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
        ours = [line for line in done.stderr.splitlines() if "toporun" in line]
        self.assertEqual([], ours, done.stderr)
        # The lab's namespaces are mounts that the machine must see.
        for word in ("Protect", "Private", "ReadOnly", "ReadWrite", "Inaccessible", "BindPaths", "TemporaryFileSystem", "MountFlags"):
            self.assertNotRegex(self.read("lib/systemd/system/toporun@.service"), rf"(?m)^{word}\w*=")

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


@unittest.skipUnless(shutil.which("git"), "git is not installed")
class Version(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="toporun-version-")
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        os.mkdir(os.path.join(self.root, "tools"))
        for path in ("tools/version", "CMakeLists.txt"):
            shutil.copy(os.path.join(ROOT, path), os.path.join(self.root, path))

    def git(self, *words):
        settings = ["-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "init.defaultBranch=main"]
        return subprocess.run(["git", *settings, *words], cwd=self.root, check=True, capture_output=True, text=True).stdout.strip()

    def version(self):
        return subprocess.run(["tools/version"], cwd=self.root, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, text):
        with open(os.path.join(self.root, "change"), "w", encoding="ascii") as file:
            file.write(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", text)
        return "g" + self.git("rev-parse", "--short", "HEAD")

    def test_it_grows_with_the_commits(self):
        with open(os.path.join(ROOT, "CMakeLists.txt"), encoding="utf-8") as file:
            aim = re.search(r"project\(toporun VERSION ([0-9.]+)", file.read()).group(1)
        self.assertEqual(aim, self.version())
        self.git("init", "--quiet")
        found = []
        for number in (1, 2):
            commit = self.commit(f"{number}")
            found.append(self.version())
            self.assertEqual(f"{aim}~{number}.{commit}", found[-1])
        self.git("tag", f"v{aim}")
        found.append(self.version())
        self.assertEqual(aim, found[-1])
        commit = self.commit("4")
        found.append(self.version())
        self.assertEqual(f"{aim}+1.{commit}", found[-1])
        for older, newer in zip(found, found[1:]):
            subprocess.run(["dpkg", "--compare-versions", older, "lt", newer], check=True)
        with open(os.path.join(self.root, "change"), "w", encoding="ascii") as file:
            file.write("5")
        self.assertEqual(found[-1] + "+dirty", self.version())

    def test_a_tarball_knows_its_own(self):
        self.git("init", "--quiet")
        self.commit("1")
        with open(os.path.join(self.root, "VERSION"), "w", encoding="ascii") as file:
            file.write("7.8.9\n")
        self.assertEqual("7.8.9", self.version())

    def test_the_repository_around_a_copy_does_not_count(self):
        self.git("init", "--quiet")
        self.commit("1")
        inner = os.path.join(self.root, "copy")
        os.makedirs(os.path.join(inner, "tools"))
        for path in ("tools/version", "CMakeLists.txt"):
            shutil.copy(os.path.join(ROOT, path), os.path.join(inner, path))
        self.root = inner
        self.assertNotIn("~", self.version())


if __name__ == "__main__":
    unittest.main()
