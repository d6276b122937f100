# ctest: timeout=180
"""What an editor says of our files: yaml-language-server, spoken to as an editor does, with the schema that a file names
in its first line."""

import json
import os
import pathlib
import queue
import shutil
import subprocess
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMIT = 60  # seconds for one answer
MODELINE = "# yaml-language-server: $schema=../schema/topology.schema.json\n"

# What is wrong -> (line and column of the mark, counted from 0; words of its message).
MISTAKES = {
    "nodes:\n  a: {interfces: {}}\n": ((2, 6), "interfces"),
    "nodes:\n  a:\n    forwarding: 7\n": ((3, 16), "Incorrect type"),
    "nodes: {a: , b: }\nlinks:\n  - endpoints: [\"a:eth0\"]\n": ((3, 15), "too few items"),
    "nodes:\n  a:\n    uplink: {type: slrip}\n": ((3, 19), "slirp"),
    "nodes:\n  a: {interfaces: {eth0: {mtu: many}}}\n": ((2, 31), 'Expected "integer | null"'),
}


def find_server():
    """The one that tools/setup has installed, or the user's own."""
    for path in (ROOT / "build/editor/node_modules/.bin/yaml-language-server", shutil.which("yaml-language-server")):
        if path and os.path.exists(path) and shutil.which("node"):
            return str(path)
    return None


class Server:
    """A language server behind pipes (LSP 3.17), in a network namespace of its own where that is possible: whatever it
    needs is in the repository."""

    SETTINGS = {"yaml": {"validate": True, "schemaStore": {"enable": False}, "yamlVersion": "1.2"}}

    def __init__(self, path):
        alone = ["unshare", "--map-root-user", "--net"] if os.geteuid() else ["unshare", "--net"]
        if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode != 0:
            alone = []
        self.process = subprocess.Popen([*alone, path, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        self.messages = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()
        self.last = 0
        self.configured = False
        self.request("initialize", {"processId": os.getpid(), "rootUri": ROOT.as_uri(), "capabilities": {
            "workspace": {"configuration": True, "didChangeConfiguration": {"dynamicRegistration": True}},
            "textDocument": {"publishDiagnostics": {"relatedInformation": False}}},
            "workspaceFolders": [{"uri": ROOT.as_uri(), "name": "toporun"}]})
        self.notify("initialized", {})
        self.notify("workspace/didChangeConfiguration", {"settings": self.SETTINGS})
        while not self.configured:
            self.take()

    def close(self):
        self.request("shutdown", None)
        self.notify("exit", None)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def read(self):
        while True:
            length = None
            while (line := self.process.stdout.readline()) not in (b"\r\n", b""):
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            if length is None:
                self.messages.put(None)
                return
            self.messages.put(json.loads(self.process.stdout.read(length)))

    def send(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def notify(self, method, params):
        self.send({"method": method, "params": params})

    def request(self, method, params):
        self.last += 1
        self.send({"id": self.last, "method": method, "params": params})
        while True:
            message = self.take()
            if message.get("id") == self.last and "method" not in message:
                return message["result"]

    def take(self):
        """The next message; what the server asks is answered."""
        message = self.messages.get(timeout=LIMIT)
        if message is None:
            raise AssertionError("the language server has ended")
        if "id" in message and "method" in message:
            result = None
            if message["method"] == "workspace/configuration":
                result = [self.SETTINGS.get(item.get("section")) for item in message["params"]["items"]]
                self.configured = True
            self.send({"id": message["id"], "result": result})
        return message

    def diagnostics(self, path, text):
        """What it marks in a document with this text."""
        uri = path.as_uri()
        self.notify("textDocument/didOpen",
                    {"textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": text}})
        while True:
            message = self.take()
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == uri:
                return message["params"]["diagnostics"]


def places(found):
    return [(one["range"]["start"]["line"], one["range"]["start"]["character"], one["message"]) for one in found]


class Editor(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        path = find_server()
        if path is None:
            raise unittest.SkipTest("yaml-language-server is not installed (tools/setup editor)")
        cls.server = Server(path)
        cls.addClassCleanup(cls.server.close)

    def test_it_marks_nothing_in_what_we_ship(self):
        files = [path for folder in ("topologies", "examples", "tests/collections") for path in (ROOT / folder).rglob("*.yaml")]
        self.assertGreater(len(files), 50)
        for path in sorted(files):
            with self.subTest(path.name):
                text = path.read_text(encoding="utf-8")
                self.assertRegex(text, r"\A# yaml-language-server: \$schema=(\.\./)+schema/topology\.schema\.json\n")
                self.assertEqual([], places(self.server.diagnostics(path, text)))

    def test_it_marks_what_is_wrong(self):
        for number, (text, (place, words)) in enumerate(MISTAKES.items()):
            with self.subTest(text):
                found = places(self.server.diagnostics(ROOT / "topologies" / f"mistake-{number}.yaml", MODELINE + text))
                self.assertEqual([place], [mark[:2] for mark in found], found)
                self.assertIn(words, found[0][2])


if __name__ == "__main__":
    unittest.main()
