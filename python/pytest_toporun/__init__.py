"""Labs as pytest fixtures, by the JSON that toporun prints. Nothing but the standard library and pytest.

    import pytest

    pytestmark = pytest.mark.toporun("lab.yaml", set={"MTU": 1400})

    def test_web(lab):
        assert lab["client"].run("curl", "-fsS", "http://web/").stdout == "hello\\n"
        lab.check("web *")

The lab comes up under a name of its own before the first test of a module that asks for it, and goes down after the last;
`scope="function"` of the mark gives every test a fresh one. `-p pytest_toporun` loads the plugin; TOPORUN names the binary.
"""

import contextlib
import json
import os
import subprocess
import uuid

import pytest


class ToporunError(Exception):
    """What the command said."""


class Node:
    """A node of a lab that is up."""

    def __init__(self, lab, name):
        self.lab = lab
        self.name = name

    def run(self, *command, check=True, input=None, timeout=60, env=None):
        """Runs a command in the node: a CompletedProcess with text. A failure is an error unless `check` is false."""
        variables = [word for name, value in (env or {}).items() for word in ("-e", f"{name}={value}")]
        done = subprocess.run(self.lab.argv("exec", self.lab.name, self.name, *variables, "--", *map(str, command)),
                              input=input, capture_output=True, text=True, timeout=timeout)
        if check and done.returncode != 0:
            raise ToporunError(f"{self.name}: {' '.join(map(str, command))}: exit status {done.returncode}\n"
                               f"{done.stdout}{done.stderr}")
        return done

    @contextlib.contextmanager
    def start(self, *command):
        """A command that runs in the node for as long as the block does: the Popen of `toporun exec`."""
        process = subprocess.Popen(self.lab.argv("exec", self.lab.name, self.name, "--", *map(str, command)),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            yield process
        finally:
            process.terminate()
            process.communicate()

    @property
    def interfaces(self):
        """As `inspect --json` tells them."""
        return next(node for node in self.lab.inspect()["nodes"] if node["node"] == self.name)["interfaces"]


class Lab:
    """A lab that is up."""

    def __init__(self, file, name, options=(), binary=None):
        self.file = str(file)
        self.name = name
        self.options = list(options)
        self.binary = binary or os.environ.get("TOPORUN", "toporun")

    def argv(self, *words):
        return [self.binary, *words]

    def call(self, *words, status=(0,)):
        """The document that a command prints."""
        done = subprocess.run(self.argv(*words, "--json"), stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode not in status:
            raise ToporunError(f"toporun {' '.join(words)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def up(self):
        return self.call("up", self.file, "--name", self.name, *self.options)

    def down(self):
        return self.call("down", self.name)

    def inspect(self):
        return self.call("inspect", self.name)

    def status(self):
        return self.call("status", self.name, status=(0, 5))["labs"][0]

    def check(self, pattern="*"):
        """Runs the file's tests whose names fit; what fails is an AssertionError that tells why."""
        verdicts = self.call("check", self.name, pattern, status=(0, 1))
        failed = [f"{test['name']}: {step['what']}: expected {step['expected']}, but {step['found']}"
                  for test in verdicts["tests"] for step in test["steps"] if step["verdict"] == "failed"]
        assert not failed, "\n".join(failed)
        return verdicts

    def __getitem__(self, node):
        return Node(self, node)


def pytest_configure(config):
    config.addinivalue_line("markers", "toporun(file, set={}, scope='module', args=[]): the topology of the fixture `lab`")


@contextlib.contextmanager
def _standing(request, mark):
    file = os.path.join(os.path.dirname(str(request.path)), mark.args[0])
    options = [word for name, value in mark.kwargs.get("set", {}).items() for word in ("--set", f"{name}={value}")]
    lab = Lab(file, f"pytest-{uuid.uuid4().hex[:12]}", [*options, *mark.kwargs.get("args", [])])
    try:
        lab.up()
        yield lab
    finally:
        lab.down()


@pytest.fixture(scope="module")
def _module_lab(request):
    """Opens the module's lab when it is first asked for."""
    with contextlib.ExitStack() as stack:
        labs = {}

        def open_lab(request_of_test, mark):
            key = repr((mark.args, mark.kwargs))
            if key not in labs:
                labs[key] = stack.enter_context(_standing(request_of_test, mark))
            return labs[key]

        yield open_lab


@pytest.fixture
def lab(request, _module_lab):
    """The lab of the nearest mark `toporun`."""
    mark = request.node.get_closest_marker("toporun")
    if mark is None or not mark.args:
        raise pytest.UsageError("the fixture `lab` needs a mark: @pytest.mark.toporun(\"FILE\")")
    if mark.kwargs.get("scope", "module") == "function":
        with _standing(request, mark) as fresh:
            yield fresh
    else:
        yield _module_lab(request, mark)
