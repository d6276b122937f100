# ctest: timeout=120
"""What `--json` prints is as schema/output.schema.json says, and the tables for people are aligned."""

import json
import os

import jsonschema

import support

with open(os.path.join(support.ROOT, "schema/output.schema.json"), encoding="utf-8") as file:
    SCHEMA = json.load(file)

LAB = """name: lab
nodes:
  a:
    interfaces: {eth0: {addresses: [10.0.0.1/24, "fd00::1/64"]}, lo: {addresses: [{address: 10.5.0.1, peer: 10.5.0.2/32}]}}
    routes: [{to: 10.9.0.0/16, nexthops: [{via: 10.0.0.2}, {via: 10.0.0.3, weight: 2}]}, {to: 10.5.0.0/16, type: blackhole}]
    rules: [{from: 10.0.0.0/24, table: 100}]
    sysctls: {net.ipv4.ip_default_ttl: 33}
    processes: {p: {command: sleep 1000, healthcheck: {test: "true"}}, done: {command: "true"}}
  out:
    uplink: {type: slirp, ipv6: true}
    ports: ["18080:80", "127.0.0.1:18081-18083:81-83/udp"]
bridges: {lan: }
links:
  - endpoints: ["a:eth0", lan]
  - endpoints: ["host:h0", "out:eth0"]
tests:
  itself: {from: a, ping: 10.0.0.1}
"""


class Output(support.SandboxCase):
    def check(self, command, *words, definition=None, status=0):
        """Runs the command with --json: its document, which must be as the schema says."""
        text = self.toporun(command, *words, "--json", status=status).stdout
        document = json.loads(text)
        schema = {"$schema": SCHEMA["$schema"], "$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{definition or command}"}
        jsonschema.Draft202012Validator(schema).validate(document)
        return document

    def test_every_command_is_as_its_schema_says(self):
        path = self.write("lab.yaml", LAB)
        self.assertEqual([], self.check("list")["labs"])
        self.check("validate", path)
        self.check("plan", path)
        self.assertEqual("lab", self.check("plan", path, "--script")["lab"])
        self.check("plan", path, "--why", "namespace a")
        self.check("up", path)
        self.check("list")
        self.check("status")
        sleeper = self.box.start(["sleep", "100"], namespace="lab.a")
        self.check("pids", "lab")
        self.assertEqual({"p", "done"}, {one["process"] for one in self.check("ps", "lab")["processes"]})
        self.assertEqual(["a/p"], self.check("restart", "lab", "a/p")["restarted"])
        self.check("identify", status=1)  # This process is in no lab.
        view = self.check("inspect", "lab")
        self.assertIn({"protocol": "udp", "host_address": "127.0.0.1", "host_port": "18081-18083", "target": "10.0.2.100",
                       "port": "81-83", "uplink": "out"}, view["ports"])
        self.assertTrue(self.check("impair", "lab", "a:eth0", "down")["changed"])
        self.assertEqual(1, len(self.check("impair", "lab")["interfaces"]))
        self.assertEqual([{"interface": "a:eth0", "now": {"state": "down"}, "file": {"state": "up"}}],
                         self.check("status", "lab")["labs"][0]["overrides"])
        self.assertTrue(self.check("impair", "lab", "a:eth0", "clear")["changed"])
        self.check("impair", "lab", "a:eth0", "dwn", definition="failure", status=2)
        self.box.run(["sh", "-c", "ip link set eth0 mtu 1300; ip address del fd00::1/64 dev eth0"], namespace="lab.a", check=True)
        self.assertEqual(2, len(self.check("status", "lab", status=5)["labs"][0]["drift"]))
        self.check("plan", path)
        sleeper.stop()
        self.check("check", "lab")
        # One end's address of a point to point link, which nobody else knows.
        self.check("check", "lab", "--all-pairs", "--within", "100ms", definition="all_pairs", status=1)
        self.check("down", "lab")
        self.check("test", path)
        self.check("status", "lab", definition="failure", status=1)
        self.check("validate", self.write("bad.yaml", "nodes: {a: {x: 1, y: 2}}"), definition="failure", status=3)

    def test_the_schema_is_closed(self):
        jsonschema.Draft202012Validator.check_schema(SCHEMA)

        def walk(value):
            if isinstance(value, dict):
                if "properties" in value and value.get("type") == "object":
                    self.assertIs(False, value["additionalProperties"], value)
                for item in value.values():
                    walk(item)
            elif isinstance(value, list):
                for item in value:
                    walk(item)

        walk(SCHEMA["$defs"])


class Tables(support.SandboxCase):
    def columns(self, lines):
        """Where the words of the heading begin: each line below must have a blank before each of them."""
        heading = lines[0]
        starts = [i for i, c in enumerate(heading) if c != " " and heading[max(0, i - 2):i] in ("", "  ")]
        for line in lines[1:]:
            for start in starts:
                self.assertTrue(start == 0 or line[start - 1:start] in ("", " "), f"{heading}\n{line}")
        return heading.split()

    def test_inspect_and_list_are_aligned(self):
        self.toporun("up", self.write("lab.yaml", LAB))
        blocks = [block.splitlines() for block in self.toporun("inspect", "lab").stdout.split("\n\n")]
        [node] = [block for block in blocks if block[0].startswith("node a ")]
        table = [line for line in node[1:] if not line.startswith(("  route ", "  rule "))]
        self.assertEqual(["INTERFACE", "STATE", "MTU", "MAC", "KIND", "PORT", "OF", "ADDRESSES"], self.columns(table))
        self.assertTrue(any(line.rstrip().endswith(" 10.0.0.1/24") and "eth0" in line for line in table), table)
        for first in ("UPLINK", "PUBLISHED"):
            [block] = [block for block in blocks if block[0].startswith(first)]
            self.columns(block)
        self.columns(self.toporun("list").stdout.splitlines())
