# ctest: timeout=3600 label=long
"""What a CI runner does day after day: the job of examples/ci-job.sh, and the labs by the step of examples/ci/action.yml, two hundred
times in a row (or TOPORUN_RUNS times). Each run passes, and nothing is left behind."""

import os
import shutil
import statistics
import time

import support
from test_recipes import Action, SHELL

RUNS = int(os.environ.get("TOPORUN_RUNS", "200"))


class InARow(support.SandboxCase):
    def setUp(self):
        super().setUp()
        self.work = self.folder()

    def repeat(self, what, argv, sign, env):
        """Runs it so many times; the machine is compared every 20 runs, and the last one is among them."""
        before, took = self.box.snapshot(), []
        for number in range(1, RUNS + 1):
            started = time.monotonic()
            done = self.box.run(argv, env=env, cwd=self.work, limit=300)
            took.append(time.monotonic() - started)
            self.assertEqual((0, True), (done.returncode, sign in done.stdout),
                             f"run {number} of {RUNS}:\n{done.stdout}\n{done.stderr}")
            if number % 20 == 0 or number == RUNS:
                self.assertSame(before, self.box.snapshot())
        print(f"{what}: {RUNS} runs without a failure in {sum(took):.0f} s; one took {statistics.median(took):.2f} s, "
              f"the slowest {max(took):.2f} s")

    def test_the_job(self):
        scratch = os.path.join(self.work, "scratch")
        os.mkdir(scratch)
        os.chmod(scratch, 0o777)
        self.repeat("ci-job.sh", [os.path.join(support.ROOT, "examples/ci-job.sh"), support.TOPORUN], "passed\n",
                    {"TMPDIR": scratch})
        self.assertEqual([], os.listdir(scratch))

    def test_the_recipe(self):
        labs = os.path.join(self.work, "labs")
        os.mkdir(labs)
        for name in ("pair", "web-service"):  # a cable; daemons that wait for each other
            shutil.copy(os.path.join(support.ROOT, f"topologies/{name}.yaml"), labs)
        *_, (_, script, variables) = Action().runs(toporun=support.TOPORUN, labs="labs")
        words = ["env", *(f"{name}={value}" for name, value in variables.items()), *SHELL, script]
        # Among the words is the program's own name: a rootless machine runs these as its ordinary user.
        self.repeat("the action", [*words, support.TOPORUN], "2 labs, 7 tests: 7 ok, 0 failed, 0 skipped", {})
        self.assertEqual(["labs", "toporun-report.xml"], sorted(os.listdir(self.work)))


if __name__ == "__main__":
    support.unittest.main()
