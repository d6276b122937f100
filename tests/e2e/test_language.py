# ctest: timeout=300
"""docs/language.md against the schema and the runner: every key has its row and every row its key, a default is what the
schema says and what the runner does without the key, and every example of the page is a valid file."""

import json
import os
import re
import unittest

import support

PAGE = os.path.join(support.ROOT, "docs/language.md")
COLUMNS = ["key", "value", "default", "meaning", "follows"]
CHECK = "/$defs/check/properties/expect/anyOf/1"

# What a table of the page is about (`<!-- schema: NAME -->`), as places in the schema.
PLACES = {
    "file": [""], "node": ["/$defs/node"], "node.forwarding": ["/$defs/node/properties/forwarding/anyOf/1"],
    "node.attach": ["/$defs/node/properties/attach"], "dns": ["/$defs/dns"], "interface": ["/$defs/interface"],
    "interface.fdb": ["/$defs/interface/properties/fdb/items"], "interface.peers": ["/$defs/interface/properties/peers/items"],
    "address": ["/$defs/interfaceAddress/anyOf/1"], "impair": ["/$defs/impair"], "route": ["/$defs/route"],
    "route.to": ["/$defs/route/properties/to/anyOf/2"],
    "route.nexthops": ["/$defs/route/properties/nexthops/items"], "encap": ["/$defs/encap"],
    "encap.seg6": ["/$defs/encap/properties/seg6"], "encap.seg6local": ["/$defs/encap/properties/seg6local"],
    "rule": ["/$defs/rule"], "neighbour": ["/$defs/neighbour"], "nat": ["/$defs/nat"],
    "nat.masquerade": ["/$defs/nat/properties/masquerade"], "nat.snat": ["/$defs/nat/properties/snat"],
    "nat.forward": ["/$defs/nat/properties/forward"], "uplink": ["/$defs/uplink"], "port": ["/$defs/port/anyOf/2"],
    "process": ["/$defs/process"], "process.healthcheck": ["/$defs/process/properties/healthcheck"],
    "process.depends_on": ["/$defs/process/properties/depends_on/anyOf/1/additionalProperties"],
    "file-of-node": ["/$defs/file"], "bridge": ["/$defs/bridge"], "vlans": ["/$defs/vlans"], "link": ["/$defs/link"],
    "end": ["/$defs/end/anyOf/1"], "pool": ["/$defs/pool"], "check": ["/$defs/check"], "check.expect": [CHECK],
    "check.output": [CHECK + "/properties/stdout/anyOf/1", CHECK + "/properties/stderr/anyOf/1"],
    "test": ["/$defs/test/anyOf/1"], "step": [f"/$defs/step/anyOf/{number}" for number in range(1, 5)],
}

PAIR = ("nodes: {a: {interfaces: {d: {addresses: [10.0.0.1/24, 'fd00::1/64']}%s}%s}, b: }\n"
        "links: [{endpoints: ['a:d', 'b:d']}]")
# A file in which `%s` takes `, KEY: VALUE` of a table.
FILES = {
    "node": "nodes: {a: {%s}}", "node.forwarding": "nodes: {a: {forwarding: {%s}}}",
    "interface": "nodes: {a: {interfaces: {d: {%s}}}, b: }\nlinks: [{endpoints: ['a:d', 'b:d']}]",
    "address": "nodes: {a: {interfaces: {d: {addresses: [{address: 'fd00::1/64'%s}]}}}, b: }\nlinks: [{endpoints: ['a:d', 'b:d']}]",
    "interface vlan": PAIR % (", x: {type: vlan, link: d, id: 5%s}", ""),
    "interface vxlan": PAIR % (", x: {type: vxlan, id: 5, remote: 10.0.0.2%s}", ""),
    "interface macvlan macvtap": PAIR % (", x: {type: macvlan, link: d%s}", ""),
    "interface ipvlan": PAIR % (", x: {type: ipvlan, link: d%s}", ""),
    "interface bond": "nodes: {a: {interfaces: {x: {type: bond%s}}}}",
    "interface tap tun": "nodes: {a: {interfaces: {x: {type: tap%s}}}}",
    "route": PAIR % ("", ", routes: [{to: 10.1.0.0/24, via: 10.0.0.2, dev: d%s}]"),
    "route.nexthops": PAIR % ("", ", routes: [{to: 10.1.0.0/24, nexthops: [{via: 10.0.0.2%s}, {via: 10.0.0.3}]}]"),
    "encap.seg6": PAIR % ("", ", routes: [{to: 'fd01::/64', via: 'fd00::2', encap: {seg6: {segs: ['fd02::1']%s}}}]"),
    "rule": "nodes: {a: {rules: [{from: 10.0.0.0/24, table: 7%s}]}}",
    "neighbour": PAIR % ("", ", neighbours: [{to: 10.0.0.2, mac: '02:00:00:00:00:02', dev: d%s}]"),
    "uplink": "nodes: {a: {uplink: {type: slirp%s}}, b: }",
    "port": "nodes: {a: {uplink: {type: slirp}, ports: [{host: 8080, port: 80%s}]}}",
    "process": "nodes: {a: {processes: {p: {command: 'true'%s}}}}",
    "process.healthcheck": "nodes: {a: {processes: {p: {command: 'true', healthcheck: {tcp: 80%s}}}}}",
    "process.depends_on": "nodes: {a: {processes: {p: {command: 'true', depends_on: {q: {%s}}}, "
                          "q: {command: 'true', healthcheck: {tcp: 80}}}}}",
    "file-of-node": "nodes: {a: {files: {/x: {content: x%s}}}}",
    "bridge": "bridges: {sw: {%s}}", "link": "nodes: {a: , b: }\nlinks: [{endpoints: ['a:x', 'b:x']%s}]",
}
# Not the default: without one here, true for false and the reverse.
OTHERS = {"mode": {"bridge": "vepa", "l2": "l3", "balance-rr": "broadcast", "encap": "inline", "0644": "0600"}, "preferred": 100,
          "protocol": {"802.1q": "802.1ad", "tcp": "udp"}, "port": 4790, "type": {"unicast": "blackhole"}, "weight": 2,
          "action": "prohibit", "interface": "tap1", "mtu": 1400, "cidr": "10.0.9.0/24", "from": "b", "restart": "always",
          "stop_signal": "SIGINT", "stop_grace_period": "7s", "condition": "healthy", "interval": "300ms", "timeout": "3s",
          "retries": 26, "start_period": "1s", "state": "down", "priority": 4096, "ageing": 30}
# One word is all there is, or another asks for other keys beside it.
ONLY = {("link", "type"), ("rule", "action"), ("neighbour", "proxy")}
# What no plan shows and the printed file does not fill in.
NOT_SHOWN = {("check", "expect"), ("check", "within"), ("interface wireguard", "auto")}


def at(schema, pointer):
    for word in pointer.split("/")[1:]:
        schema = schema[int(word)] if isinstance(schema, list) else schema[word]
    return schema


def written(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def maps(schema, pointer=""):
    """Every place that has keys of its own."""
    if isinstance(schema, list):
        for number, item in enumerate(schema):
            yield from maps(item, f"{pointer}/{number}")
    if isinstance(schema, dict):
        if "properties" in schema and "additionalProperties" in schema:
            yield pointer
        for key, item in schema.items():
            yield from maps(item, f"{pointer}/{key}")


def tables(text):
    """(name, rows) of each table with a mark; a row is a list of cells."""
    for name, table in re.findall(r"<!-- schema: (.+?) -->\n((?:\|.*\n)+)", text):
        head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in
                          table.replace("\\|", "\0").splitlines()]
        if head != COLUMNS:
            raise AssertionError(f"{name}: the columns are {head}")
        for row in rows:
            if len(row) != len(COLUMNS):
                raise AssertionError(f"{name}: {row}")
        yield name, rows


class Language(support.SandboxCase):
    def setUp(self):
        super().setUp()
        with open(PAGE, encoding="utf-8") as file:
            self.page = file.read()
        self.schema = json.loads(self.toporun("schema").stdout)
        self.tables = list(tables(self.page))

    def keys(self):
        """(table, key, default or None) of each row; a row may stand for several keys."""
        for name, rows in self.tables:
            for row in rows:
                default = re.fullmatch(r"`(.+)`", row[2])
                self.assertTrue(default or row[2] == "", f"{name}: {row}")
                for key in re.findall(r"`([^`]+)`", row[0]):
                    yield name, key, default and default.group(1)

    def test_the_file_is_the_schema_that_is_shipped(self):
        with open(os.path.join(support.ROOT, "schema/topology.schema.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file), self.schema)

    def test_every_key_has_its_row_and_every_row_its_key(self):
        self.assertEqual(set(maps(self.schema)), {place for places in PLACES.values() for place in places})
        told = {}
        for name, key, _ in self.keys():
            told.setdefault(name.split(" ")[0], set()).add(key)
        self.assertEqual(set(PLACES), set(told))
        for name, places in PLACES.items():
            with self.subTest(table=name):
                self.assertEqual({key for place in places for key in at(self.schema, place)["properties"]}, told[name])

    def test_types_of_interfaces_have_their_tables(self):
        types = next(option["enum"] for option in at(self.schema, "/$defs/interface/properties/type")["anyOf"] if "enum" in option)
        told = [word for name, _ in self.tables for word in name.split(" ")[1:]]
        self.assertEqual(sorted(types), sorted([*told, "dummy"]))

    def test_defaults_are_the_schema_s(self):
        seen = 0
        for name, key, default in self.keys():
            values = [at(self.schema, place)["properties"].get(key, {}).get("default") for place in PLACES[name.split(" ")[0]]]
            values = [written(value) for value in values if value is not None]
            with self.subTest(table=name, key=key):
                if values:
                    self.assertEqual(values[0], default)
                    seen += 1
                elif default is not None:
                    self.assertIn(" ", name, "only what depends on an interface's type may have a default that the schema has not")
        self.assertGreaterEqual(seen, 40)

    def meaning(self, text):
        """What the runner makes of a file; None where it is none."""
        done = self.toporun("plan", "--script", "-", input=text, status=None)
        # A kind that the kernel lacks; and of processes and files a script tells too little.
        if done.returncode != 0 or "a keeper of toporun" in done.stdout:
            done = self.toporun("validate", "--print=json", "-", input=text, status=None)
        return done.stdout if done.returncode == 0 else None

    def test_defaults_are_the_runner_s(self):
        for name, key, default in self.keys():
            if default is None or (name, key) in NOT_SHOWN:
                continue
            with self.subTest(table=name, key=key):
                def file(value, name=name, key=key):
                    text = FILES[name] % (f", {key}: {value}" if value is not None else "")
                    return "name: lab\n" + text.replace("{, ", "{")

                absent = self.meaning(file(None))
                self.assertIsNotNone(absent, file(None))
                self.assertEqual(absent, self.meaning(file(default)))
                if (name, key) in ONLY:
                    continue
                other = OTHERS.get(key, {"true": "false", "false": "true"}.get(default))
                other = other[default] if isinstance(other, dict) else other
                self.assertNotIn(self.meaning(file(other)), (absent, None), file(other))

    def test_examples_are_valid(self):
        for name in ("language.md", "from-netplan.md", "kinds.md"):
            with open(os.path.join(support.ROOT, "docs", name), encoding="utf-8") as file:
                page = file.read()
            blocks = re.findall(r"^```yaml\n(.*?)^```", page, re.M | re.S)
            for number, text in enumerate(blocks, 1):
                with self.subTest(page=name, example=number):
                    done = self.toporun("validate", "-", input="name: example\n" * ("name:" not in text) + text, status=None)
                    self.assertEqual(0, done.returncode, done.stderr)
            if name == "language.md":
                self.assertGreater(len(blocks), 15)

    def test_links_lead_somewhere(self):
        anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", self.page, re.M)}
        for anchor in re.findall(r"\]\(#([^)]+)\)", self.page):
            self.assertIn(anchor, anchors)
        for path in re.findall(r"\]\(([^#):]+)\)", self.page):
            self.assertTrue(os.path.exists(os.path.join(support.ROOT, "docs", path)), path)


if __name__ == "__main__":
    unittest.main()
