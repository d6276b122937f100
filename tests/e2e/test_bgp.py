# ctest: timeout=600
"""Twenty routers that speak BGP: they converge, lose a link and converge again; and a session that is wrong on purpose is a
failure that tells where to look."""

import json
import os

import needs
import support

PATH = os.path.join(support.ROOT, "topologies/bgp-20.yaml")


class Bgp(support.SandboxCase):
    def setUp(self):
        super().setUp()
        needs.require(self, {}, PATH)

    def test_it_converges_loses_a_link_and_converges_again(self):
        before = self.box.snapshot()
        done = self.toporun("test", PATH, "--json", "--evidence", self.folder(), status=None, limit=240)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        tests = {test["name"]: test for test in json.loads(done.stdout)["labs"][0]["tests"]}
        steps = tests["a cut ring"]["steps"]
        around = next(step for step in steps if step["what"] == "path 10.21.0.20 from r1")
        # It is not there at once: somebody has to be told first.
        self.assertGreater(around["seconds"], 0)
        self.assertGreater(around["tries"], 1)
        print(f"all loopbacks known after {tests['r1 knows all loopbacks']['seconds']:.1f} s of waiting; "
              f"another way after {around['seconds']:.1f} s")
        self.assertSame(before, self.box.snapshot())

    def test_a_wrong_session_is_found_and_told(self):
        before, work = self.box.snapshot(), self.folder()
        junit = os.path.join(work, "junit.xml")
        done = self.toporun("test", PATH, "--set", "WRONG_BY=1", "--set", "WITHIN=10s", "--evidence", work, "--junit", junit,
                            status=1, limit=240)
        # The daemon itself says which session it is, and the way says what is missing.
        self.assertRegex(done.stdout, r"FAIL  r1 and r20 speak +\([0-9.]+ s\)\n +run vtysh .* from r20: expected stdout with .*"
                                      r'65001.*, but stdout is .*\\"state\\":\\"(Idle|Active|Connect|OpenSent)\\"')
        self.assertRegex(done.stdout, r"FAIL  the neighbour is next door .*\n +path 10[.]21[.]0[.]20 from r1: expected ")
        # The ring is whole but for that: each still knows all.
        self.assertRegex(done.stdout, r"ok +r1 knows all loopbacks")
        self.assertSame(before, self.box.snapshot())

        evidence = os.path.join(work, "bgp-20")
        self.assertIn(f"evidence: {evidence}/index.html", done.stderr)
        def read(name):
            with open(os.path.join(evidence, name), encoding="utf-8") as file:
                return file.read()

        verdicts = {test["name"]: test["verdict"] for test in json.loads(read("verdicts.json"))["tests"]}
        self.assertEqual(("failed", "ok"), (verdicts["r1 and r20 speak"], verdicts["over IPv6 too"]))
        # Which daemon refuses whom and why, and that the others do not.
        self.assertRegex(read("process-r20.bgpd.log"), r"neighbor 10[.]21[.]20[.]2 2/2 \(OPEN Message Error/Bad Peer AS\)")
        self.assertNotIn("Bad Peer AS", read("process-r10.bgpd.log"))
        # r1 goes round the ring to r20, and says so.
        self.assertRegex(read("node-r1.txt"), r"10[.]21[.]0[.]20 (nhid \d+ )?via 10[.]21[.]1[.]2 dev east proto bgp")
        page = read("index.html")
        for text in ("r1 and r20 speak", "log process-r20.bgpd.log", "node r1"):
            self.assertIn(text, page)


if __name__ == "__main__":
    support.unittest.main()
