# ctest: timeout=180
"""The CI recipes of examples/ci: their YAML is sound, and their own shell steps do what they say on a throw-away machine, by an
ordinary user as by root."""

import json
import os
import re
import unittest

import ruamel.yaml

import support

FOLDER = os.path.join(support.ROOT, "examples/ci")

LAB = """name: {name}
nodes:
  a: {{interfaces: {{eth0: {{addresses: [10.0.0.1/24, "fd00::1/64"]}}}}}}
  b: {{interfaces: {{eth0: {{addresses: [10.0.0.2/24, "fd00::2/64"], mtu: "${{MTU:-1500}}"}}}}}}
links: [{{endpoints: ["a:eth0", "b:eth0"]}}]
tests:
  over IPv4: {{from: a, ping: {target}, within: {within}}}
  over IPv6: {{from: a, ping: "fd00::2", within: 30s}}
"""
# As GitHub and GitLab start a step's bash.
SHELL = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]


def load(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return ruamel.yaml.YAML(typ="safe").load(file)


def inputs_in(text):
    return set(re.findall(r"\$\{\{ inputs\.(\w+) \}\}", text))


class Action:
    """action.yml, its steps as GitHub runs them: inputs filled in, variables given."""

    def __init__(self):
        self.tree = load("action.yml")
        self.steps = self.tree["runs"]["steps"]
        self.defaults = {name: one.get("default") for name, one in self.tree["inputs"].items()}

    def runs(self, **given):
        """(name, script, variables) of each step that is a script."""
        values = {**self.defaults, **given}
        for step in self.steps:
            if "run" in step:
                filled = {name: re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda found: values[found[1]], text)
                          for name, text in step["env"].items()}
                yield step["name"], step["run"], filled


class Form(unittest.TestCase):
    def test_the_action(self):
        action = Action()
        self.assertEqual("composite", action.tree["runs"]["using"])
        for name, one in action.tree["inputs"].items():
            self.assertTrue(one["description"], name)
            self.assertIsInstance(one["default"], str, name)  # GitHub takes nothing else
        used = set()
        for step in action.steps:
            self.assertEqual(1, len({"run", "uses"} & set(step)), step)
            if "run" in step:
                self.assertEqual("bash", step["shell"])
                # What a user gives is a variable's value, never a part of the script.
                self.assertNotIn("${{", step["run"])
                used |= inputs_in(json.dumps(step["env"]))
            else:
                self.assertRegex(step["uses"], r"^[\w-]+/[\w-]+@v\d+$")
        self.assertEqual(set(action.tree["inputs"]), used)

    def test_the_workflow_uses_the_action_as_it_is(self):
        job = load("github-workflow.yml")["jobs"]["labs"]
        known = set(Action().tree["inputs"])
        local = [step for step in job["steps"] if step.get("uses", "").startswith("./")]
        self.assertEqual(1, len(local))
        self.assertTrue(os.path.isdir(os.path.join(support.ROOT, local[0]["uses"].removeprefix("./.toporun/"))))
        self.assertLessEqual(set(local[0]["with"]), known)
        build = next(step for step in job["steps"] if "run" in step)
        for line in build["run"].splitlines():
            if line.startswith("tools/"):
                script, *groups = line.split()
                with open(os.path.join(support.ROOT, script), encoding="utf-8") as file:
                    text = file.read()
                for group in groups:
                    self.assertRegex(text, rf"(?m)^    {group}\) ")
        self.assertEqual(local[0]["with"]["toporun"].removeprefix(build["working-directory"] + "/"), "build/release/toporun")

    def test_the_template_keeps_what_its_script_writes(self):
        job = load("gitlab.yml")[".toporun"]
        script = "\n".join(job["script"])
        self.assertIn(f"--junit {job['artifacts']['reports']['junit']} ", script)
        self.assertIn(f"--evidence {job['artifacts']['paths'][0].rstrip('/')} ", script)
        kept = Action().steps[-1]["with"]["path"].split()
        self.assertEqual([job["artifacts"]["reports"]["junit"], job["artifacts"]["paths"][0]], kept)
        self.assertEqual("always", job["artifacts"]["when"])

    def test_the_readme_names_each_file(self):
        with open(os.path.join(FOLDER, "README.md"), encoding="utf-8") as file:
            text = file.read()
        for name in os.listdir(FOLDER):
            self.assertTrue(name == "README.md" or f"`{name}`" in text, name)


class Steps(support.SandboxCase):
    """The shell steps, by whoever the command under test is run by."""

    def setUp(self):
        super().setUp()
        self.work = self.folder()
        os.mkdir(os.path.join(self.work, "topologies"))
        for number in range(3):
            self.lab(f"lab-{number}", "b")
        if support.ROOTLESS:
            os.chown(os.path.join(self.work, "topologies"), support.USER, support.USER)

    def lab(self, name, target, within="30s"):
        self.write(f"{name}.yaml", LAB.format(name=name, target=target, within=within), os.path.join(self.work, "topologies"))

    def shell(self, script, variables, shell=SHELL):
        user = [*support.AS_USER, "env", f"XDG_RUNTIME_DIR={support.RUNTIME}", "HOME=/"] if support.ROOTLESS else ["env"]
        words = [f"{name}={value}" for name, value in variables.items()]
        return self.box.run([*user, *words, *shell, script], cwd=self.work, limit=120)

    def action(self, **given):
        """The steps in order, to the first that fails: all that they said, and the last one's status."""
        said = ""
        for _, script, variables in Action().runs(**{"toporun": support.TOPORUN, **given}):
            done = self.shell(script, {**variables, "PATH": self.path()})
            said += done.stdout + done.stderr
            if done.returncode != 0:
                break
        return done.returncode, said

    def path(self):
        return support.ENVIRONMENT["PATH"]

    def template(self, **given):
        job = load("gitlab.yml")[".toporun"]
        done = self.shell("\n".join(job["script"]), {**job["variables"], "TOPORUN": support.TOPORUN, **given})
        return done.returncode, done.stdout + done.stderr

    def recipes(self):
        return ((self.action, {"labs": "topologies/", "options": "--set MTU=1280"}),
                (self.template, {"LABS": "topologies/", "OPTIONS": "--set MTU=1280"}))

    def test_labs_that_hold(self):
        for recipe, words in self.recipes():
            with self.subTest(recipe.__name__):
                before = self.box.snapshot()
                status, said = recipe(**words)
                self.assertEqual(0, status, said)
                self.assertRegex(said, r"3 labs, 6 tests: 6 ok, 0 failed, 0 skipped")
                self.assertRegex(said, r"root(less)? mode +works")
                self.assertSame(before, self.box.snapshot())
                report = os.path.join(self.work, "toporun-report.xml")
                with open(report, encoding="utf-8") as file:
                    self.assertEqual(6, file.read().count("<testcase "))
                os.remove(report)
                self.assertFalse(os.path.exists(os.path.join(self.work, "toporun-evidence")))

    def test_a_lab_that_fails_fails_the_job_and_leaves_its_evidence(self):
        self.lab("lab-1", "10.0.0.99", within="500ms")
        for recipe, words in self.recipes():
            with self.subTest(recipe.__name__):
                before = self.box.snapshot()
                status, said = recipe(**words)
                self.assertEqual(1, status, said)
                self.assertRegex(said, r"FAIL  over IPv4")
                self.assertSame(before, self.box.snapshot())
                with open(os.path.join(self.work, "toporun-evidence/lab-1/index.html"), encoding="utf-8") as file:
                    self.assertIn("no reply from 10.0.0.99", file.read())
                self.box.run(["rm", "-r", os.path.join(self.work, "toporun-evidence")], check=True)

    def stub(self, **scripts):
        """A folder of programs that stand for a machine's."""
        folder = self.folder()
        for name, text in scripts.items():
            path = self.write(name.replace("_", "-"), "#!/bin/sh\n" + text, folder)
            os.chmod(path, 0o755)
        return folder

    def test_a_machine_that_lets_nobody_make_namespaces(self):
        folder = self.stub(toporun="echo 'root mode      missing  no'; echo 'rootless mode  missing  no'\n"
                                   "[ $1 = doctor ] || echo it went on\n")
        for recipe, word in ((self.action, "toporun"), (self.template, "TOPORUN")):
            with self.subTest(recipe.__name__):
                status, said = recipe(**{word: os.path.join(folder, "toporun")})
                self.assertEqual(1, status, said)
                self.assertIn("this runner lets nobody make namespaces", said)
                self.assertNotIn("it went on", said)

    @support.root_only("the steps ask for root there, and get it")
    def test_apparmor_is_told_of_the_program_alone(self):
        # What Ubuntu's kernel and tools do, as far as the step sees it.
        loaded = os.path.join(self.work, "loaded")
        folder = self.stub(
            toporun=f"[ $1 = doctor ] && [ ! -e {loaded} ] && {{ echo 'rootless mode  missing  AppArmor'; exit; }}\n"
                    f'exec {support.TOPORUN} "$@"\n',
            sudo='exec "$@"\n', sysctl="[ $2 = kernel.apparmor_restrict_unprivileged_userns ] && echo 1\n",
            apparmor_parser="exit 9\n")
        os.rename(os.path.join(folder, "apparmor-parser"), os.path.join(folder, "apparmor_parser"))
        self.write("apparmor_parser", f'#!/bin/sh\n[ "$1" = -r ] && cp "$2" {loaded}\n', folder)
        os.symlink(os.path.join(folder, "toporun"), os.path.join(self.work, "by-a-link"))
        self.box.run(["mkdir", "-p", "/etc/apparmor.d"], check=True)
        self.path = lambda: f"{folder}:{support.ENVIRONMENT['PATH']}"
        status, said = self.action(toporun="./by-a-link", labs="topologies/lab-0.yaml")
        self.assertEqual(0, status, said)
        self.assertIn("1 lab, 2 tests: 2 ok", said)
        with open(loaded, encoding="utf-8") as file:
            profile = file.read()
        self.assertEqual(f'abi <abi/4.0>,\ninclude <tunables/global>\nprofile toporun "{folder}/toporun" flags=(unconfined) '
                         "{\n  userns,\n}\n", profile)
        # The page shows the same, of a program that is installed.
        with open(os.path.join(FOLDER, "README.md"), encoding="utf-8") as file:
            self.assertIn(profile.replace(f"{folder}/toporun", "/usr/bin/toporun"), file.read())


if __name__ == "__main__":
    unittest.main()
