"""The ways to stand a lab up that are compared. Each tells what its `up` and `down` are as orders for inside.py, and does
them in a throw-away machine of its own kind."""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../e2e"))
import support  # noqa: E402

LIMIT = 600
FILES = 1024  # descriptors that a process may have open: a thousand nodes have to fit


class Machine:
    """A throw-away machine with inside.py running in it."""

    def __init__(self, box):
        self.box = box
        self.agent = subprocess.Popen(
            box.argv([support.PYTHON, "-B", os.path.join(HERE, "inside.py")]), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, env=support.ENVIRONMENT)

    def order(self, **order):
        self.agent.stdin.write(json.dumps(order) + "\n")
        self.agent.stdin.flush()
        answer = self.agent.stdout.readline()
        if not answer:
            raise SystemExit("the machine's agent ended")
        return json.loads(answer)

    def close(self):
        self.agent.stdin.close()
        self.agent.wait()
        self.box.close()


class Failed(Exception):
    pass


class Contender:
    name = ""

    def __init__(self, machine):
        self.machine = machine

    def can(self, workload):
        # Larger ones take them minutes.
        return workload.commands is not None and workload.size <= 1000

    def run(self, argv, **more):
        done = self.machine.order(argv=["prlimit", f"--nofile={FILES}:{FILES}", *map(str, argv)], limit=LIMIT, **more)
        if done["status"] != 0:
            raise Failed(f"{self.name}: {' '.join(map(str, argv))[:200]}: status {done['status']}\n{done['output']}")
        return done

    def shell(self, text):
        return self.run(["sh"], input=text)

    def first_ping(self, workload):
        """From when `up` has ended to the first answer."""
        node, address = workload.ping
        return self.run(["ip", "netns", "exec", node, "ping", "-n", "-q", "-i", "0.2", "-c", "1", "-w", "20", address])

    def settle(self):
        self.machine.order(settle=True)


class Floor(Contender):
    name = "floor"

    def __init__(self, machine, program):
        super().__init__(machine)
        self.program = program

    def can(self, workload):
        return bool(workload.floor)

    def up(self, workload):
        return self.run([self.program, "up", *workload.floor])

    def down(self, workload):
        return self.run([self.program, "down", *workload.floor])

    def look(self, workload):
        return self.run([self.program, "look", workload.size])


class Batch(Contender):
    name = "ip -batch"

    def up(self, workload):
        return self.shell(workload.commands.batch())

    def down(self, workload):
        return self.shell(workload.down_batch())


class Script(Contender):
    name = "ip script"

    def up(self, workload):
        return self.shell(workload.commands.script())

    def down(self, workload):
        return self.shell(workload.down())


MININET = """
import sys, time
start = time.clock_gettime(time.CLOCK_MONOTONIC)
from mininet.net import Mininet
from mininet.nodelib import LinuxBridge
from mininet.topo import SingleSwitchTopo
net = Mininet(topo=SingleSwitchTopo(k=int(sys.argv[1])), switch=LinuxBridge, controller=None, ipBase="10.0.0.0/16")
net.start()
up = time.clock_gettime(time.CLOCK_MONOTONIC)
net.stop()
print("TOOK", up - start, time.clock_gettime(time.CLOCK_MONOTONIC) - up)
"""


class Mininet(Contender):
    """Its labs live as long as its process: one run tells both figures."""

    name = "mininet"

    def can(self, workload):
        return workload.mininet is not None

    def up_and_down(self, workload):
        # It keeps several descriptors a host.
        done = self.machine.order(argv=[support.PYTHON, "-c", MININET, str(workload.mininet)], limit=LIMIT)
        if done["status"] != 0 or "TOOK" not in done["output"]:
            raise Failed(f"mininet: status {done['status']}\n{done['output']}")
        up, down = map(float, done["output"].rsplit("TOOK", 1)[1].split())
        return {"seconds": up}, {"seconds": down}


class Toporun(Contender):
    name = "toporun"
    user = None
    environment = {}
    folder = "/run"

    def can(self, workload):
        return True

    def toporun(self, *words, **more):
        return self.run([support.TOPORUN, *words], user=self.user, environment=self.environment, **more)

    def put(self, text):
        path = f"{self.folder}/bench.yaml"
        self.machine.box.run(["tee", path], input=text, check=True)
        return path

    def up(self, workload, text=None, **more):
        return self.toporun("up", self.put(text or workload.text), **more)

    def down(self, workload, **more):
        return self.toporun("down", "bench", **more)

    def first_ping(self, workload):
        node, address = workload.ping
        return self.toporun("exec", "bench", node, "--", "ping", "-n", "-q", "-i", "0.2", "-c", "1", "-w", "20", address)


class Rootless(Toporun):
    name = "rootless"
    user = support.USER
    environment = {"XDG_RUNTIME_DIR": support.RUNTIME, "HOME": "/"}


def has_mininet():
    return subprocess.run([support.PYTHON, "-c", "import mininet.net"], capture_output=True).returncode == 0
