# ctest: timeout=600
"""The shipped labs with daemons of others, by their own tests, side by side; with TOPORUN_LONG=1 all of topologies/. What of
them this machine cannot have is told by name."""

import glob
import os

import needs
import support

LONG = os.environ.get("TOPORUN_LONG") == "1"
FOLDER = os.path.join(support.ROOT, "topologies")
SLOW = ("bgp-20",)  # test_bgp.py has it


class Labs(support.SandboxCase):
    def standing(self):
        """The files whose daemons are installed; the others are told."""
        files = []
        for path in sorted(glob.glob(os.path.join(FOLDER, "*.yaml"))):
            wanted, name = needs.packages(path), os.path.basename(path).removesuffix(".yaml")
            if not LONG and (not wanted or name in SLOW):
                continue
            if missing := needs.lacking(self.box, wanted):
                print(f"not run: {name}: this machine has no {', '.join(missing)}")
            else:
                files.append(path)
        return files

    def test_their_own_tests_hold(self):
        try:
            import junitparser
        except ImportError:
            self.skipTest("python3-junitparser is not installed")
        files, work = self.standing(), self.folder()
        if not files:
            self.skipTest("none of the daemons is installed")
        chosen = os.path.join(work, "chosen")
        os.mkdir(chosen)
        for path in files:
            os.symlink(path, os.path.join(chosen, os.path.basename(path)))
        report = os.path.join(work, "junit.xml")
        before = self.box.snapshot()
        done = self.toporun("test", chosen, "--jobs", "4", "--junit", report, "--evidence", work, status=None, limit=500)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertSame(before, self.box.snapshot())

        suites = list(junitparser.JUnitXml.fromfile(report))
        self.assertEqual(len(files), len(suites))
        for suite in suites:
            self.assertEqual((0, 0), (suite.failures, suite.errors), suite.name)
            skipped = [result for case in suite for result in case.result if isinstance(result, junitparser.Skipped)]
            self.assertEqual(len(skipped), suite.skipped, suite.name)
            for result in skipped:
                print(f"not run: {suite.name}: {result.message}")
        ran = sum(suite.tests - suite.skipped for suite in suites)
        self.assertIn(f"{ran} ok, 0 failed", done.stdout)
        self.assertGreater(ran, 10)
        print(f"{len(suites)} labs, {ran} tests held; {max(suites, key=lambda suite: suite.time).name} took longest")


if __name__ == "__main__":
    support.unittest.main()
