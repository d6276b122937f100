# ctest: timeout=120
"""The pytest plugin: a lab as a fixture, brought up once a module and taken down behind it."""

import os

import support

LAB = """name: pair
nodes: {a: , b: }
links: [{endpoints: ["a:eth0", "b:eth0"], prefix: 10.0.0.0/24, mtu: "${MTU:-1500}"}]
tests:
  answers: {from: a, ping: b}
  wrong: {from: a, tcp: "b:9", within: 100ms}
"""

TESTS = """
import pytest

pytestmark = pytest.mark.toporun("pair.yaml", set={"MTU": 1400})
names = set()

def test_a_command(lab):
    names.add(lab.name)
    assert lab["a"].run("hostname").stdout == "a\\n"
    assert lab["a"].run("sh", "-c", "exit 3", check=False).returncode == 3
    assert lab["b"].run("sh", "-c", "echo $X", env={"X": "y"}).stdout == "y\\n"

def test_what_inspect_tells(lab):
    names.add(lab.name)
    eth0 = next(one for one in lab["b"].interfaces if one["name"] == "eth0")
    assert eth0["mtu"] == 1400
    assert lab.status()["as_recorded"]

def test_the_tests_of_the_file(lab):
    assert lab.check("answers")["ok"] == 1
    with pytest.raises(AssertionError, match="wrong: tcp b:9 from a: expected a connection"):
        lab.check("wrong")

@pytest.mark.toporun("pair.yaml", scope="function")
def test_one_of_its_own(lab):
    assert lab.name not in names
    with lab["a"].start("sh", "-c", "echo up; exec sleep 60") as process:
        assert process.stdout.readline() == "up\\n"

def test_one_lab_a_module():
    assert len(names) == 1
"""


class Pytest(support.SandboxCase):
    def test_a_module(self):
        folder = self.folder()
        self.write("pair.yaml", LAB, folder)
        self.write("test_pair.py", TESTS, folder)
        before = self.box.snapshot()
        done = self.box.run([support.PYTHON, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_toporun", folder],
                            env={"TOPORUN": support.TOPORUN, "PYTHONPATH": os.path.join(support.ROOT, "python")})
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertIn("5 passed", done.stdout)
        self.assertSame(before, self.box.snapshot())


if __name__ == "__main__":
    support.unittest.main()
