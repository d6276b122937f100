"""The JSON Schema, as an editor uses it: it takes every topology that we ship and refuses what is wrong in shape."""
import json
import pathlib
import unittest

import jsonschema
from ruamel.yaml import YAML

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "schema" / "topology.schema.json").read_text(encoding="utf-8"))
GALLERY = ROOT / "tests" / "gallery"
MARK = "# structural"  # the first line of a file whose mistake the schema sees


def load(path):
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


def good_files():
    folders = [ROOT / "topologies", ROOT / "examples", ROOT / "tests" / "collections", GALLERY / "good"]
    return sorted(path for folder in folders if folder.is_dir() for path in folder.rglob("*.yaml"))


def structural_files():
    return sorted(path for path in GALLERY.glob("*.yaml") if path.read_text(encoding="utf-8").startswith(MARK))


class SchemaTest(unittest.TestCase):
    def setUp(self):
        self.validator = jsonschema.Draft202012Validator(SCHEMA)

    def test_is_a_schema(self):
        jsonschema.Draft202012Validator.check_schema(SCHEMA)
        self.assertEqual(SCHEMA["$schema"], "https://json-schema.org/draft/2020-12/schema")

    def test_takes_what_we_ship(self):
        files = good_files()
        self.assertGreaterEqual(len(files), 13)
        for path in files:
            with self.subTest(path.name):
                errors = [f"{list(error.absolute_path)}: {error.message[:300]}"
                          for error in self.validator.iter_errors(load(path))]
                self.assertEqual(errors, [])

    def test_refuses_what_is_wrong_in_shape(self):
        files = structural_files()
        self.assertGreaterEqual(len(files), 25)
        for path in files:
            with self.subTest(path.name):
                self.assertFalse(self.validator.is_valid(load(path)))

    def test_explains_every_key(self):
        """An editor shows the description of a key."""
        silent = []

        def walk(schema, where):
            if isinstance(schema, list):
                for i, item in enumerate(schema):
                    walk(item, f"{where}/{i}")
            if not isinstance(schema, dict):
                return
            # A condition's `properties` asks, it does not describe.
            if "properties" in schema and "additionalProperties" in schema:
                for key, value in schema["properties"].items():
                    if "description" not in value:
                        silent.append(f"{where}/{key}")
            for key, value in schema.items():
                walk(value, f"{where}/{key}")

        walk(SCHEMA, "")
        self.assertEqual(silent, [])

    def test_leaves_extensions_alone(self):
        document = {"x-mine": [1, 2], "nodes": {"a": {"x-note": "hello", "interfaces": {"lo": {"x-y": None}}}}}
        self.assertTrue(self.validator.is_valid(document))

    def test_takes_substitutions_and_ranges(self):
        document = {
            "nodes": {"h[1-${N:-3}]": {"interfaces": {"eth0": {"mtu": "${MTU:-1500}", "addresses": ["10.0.0.{n}/24"]}}}},
            "links": [{"endpoints": ["h[1-3]:eth0", "lan"], "mtu": "${MTU}"}],
        }
        self.assertTrue(self.validator.is_valid(document))

    def test_yaml_1_2_words_are_text(self):
        """`yes` is a string: a reader of YAML 1.1 would let it pass as a truth value."""
        self.assertFalse(self.validator.is_valid(YAML(typ="safe", pure=True).load("nodes: {a: {forwarding: yes}}")))


if __name__ == "__main__":
    unittest.main()
