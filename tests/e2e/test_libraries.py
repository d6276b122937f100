# ctest: timeout=200
"""The header for GoogleTest and the library for shell scripts, by their examples, and what they leave when they are killed."""

import os
import subprocess
import tempfile

import support

SHELL = os.path.join(support.ROOT, "shell/toporun.sh")
GTEST = os.path.join(support.ROOT, "examples/gtest")

# A binary that ends its caller at one of its commands, as a crash would. What brings a lab up is started by its guard.
CRASHER = """#!/bin/sh
case "$* " in
  *" up "*) command=up caller=$(ps -o ppid= -p $PPID) ;;
  *) command=$1 caller=$PPID ;;
esac
[ "$command" != "$CRASH_AT" ] || kill -KILL $caller
exec "$REAL" "$@"
"""


class Library(support.SandboxCase):
    def setUp(self):
        super().setUp()
        self.before = self.box.snapshot()
        self.environment = {"TOPORUN": support.TOPORUN, "TOPORUN_SH": SHELL}

    def assertNothingLeft(self):
        self.assertSame(self.before, self.box.snapshot())

    def wait_for_nothing(self):
        """Whoever takes the lab down does it behind the caller's back."""
        script = 'until [ "$("$0" list 2>&1)" = "no lab is up" ] && ! pgrep -f "gtest-[0-9a-f]{12}"; do read -t 0.05 _ <> <(:) || :; done'
        self.box.run(["bash", "-c", script, support.TOPORUN], check=True, limit=60)
        self.assertNothingLeft()


class GoogleTest(Library):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="toporun-gtest-")
        cls.addClassCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        # With all warnings, as the projects of others may have them.
        flags = "-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Werror"
        for words in (["-S", GTEST, "-B", folder.name, f"-DCMAKE_CXX_FLAGS={flags}",
                       f"-DTOPORUN_INCLUDE={support.ROOT}/cpp"], ["--build", folder.name]):
            done = subprocess.run(["cmake", *words], capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
        cls.program = os.path.join(folder.name, "router_test")

    def run_it(self, *words, **environment):
        return self.box.run([self.program, *words], env={**self.environment, **environment})

    def test_the_example(self):
        done = self.run_it()
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertIn("[  PASSED  ] 3 tests.", done.stdout)
        self.assertNothingLeft()

    def test_a_crash_leaves_nothing(self):
        crasher = self.write("crasher", CRASHER)
        os.chmod(crasher, 0o755)
        os.chmod(os.path.dirname(crasher), 0o755)
        for command in ("up", "exec", "check"):
            done = self.run_it(TOPORUN=crasher, REAL=support.TOPORUN, CRASH_AT=command)
            self.assertIn(done.returncode, (-9, 137), done.stdout + done.stderr)
            self.wait_for_nothing()

    def test_what_the_command_refuses_is_told(self):
        done = self.run_it("--gtest_filter=Bottleneck.*", TOPORUN="/no/such/program")
        self.assertEqual(1, done.returncode)
        self.assertIn("toporun up: exit status 127", done.stdout)
        self.assertIn("/no/such/program: not found", done.stderr)
        failing = self.write("failing", '#!/bin/sh\n[ "$2" != up ] || set -- "$@" --set MTU=9\nexec "$REAL" "$@"\n')
        os.chmod(failing, 0o755)
        os.chmod(os.path.dirname(failing), 0o755)
        done = self.run_it("--gtest_filter=Bottleneck.*", TOPORUN=failing, REAL=support.TOPORUN)
        self.assertEqual(1, done.returncode)
        self.assertRegex(done.stdout, r"toporun up: exit status 3\n.*router\.yaml:\d+: .*mtu")
        self.wait_for_nothing()


class Shell(Library):
    def script(self, text):
        path = self.write("script.sh", f'. "$TOPORUN_SH"\nlab_up {support.ROOT}/examples/gtest/router.yaml || exit\n{text}')
        os.chmod(os.path.dirname(path), 0o755)
        return ["sh", path]

    def run_it(self, argv, status=0):
        done = self.box.run(argv, env=self.environment)
        self.assertEqual(status, done.returncode, done.stdout + done.stderr)
        self.assertNothingLeft()
        return done.stdout

    def test_the_example(self):
        told = self.run_it([os.path.join(support.ROOT, "examples/shell/router.sh")])
        self.assertEqual(["ok 1", "ok 2", "ok 3", "ok 4", "ok 5", "1..5"], [line.split(" - ")[0] for line in told.splitlines()])

    def test_what_fails_is_told(self):
        told = self.run_it(self.script("""
ok "fails" lab_run client sh -c 'echo because; exit 3'
lab_run client sh -c 'exit 3'; echo "status $?"
lab_address client left || echo "no address"
ok "holds" true
tap_end
"""), status=1)
        self.assertIn("not ok 1 - fails\n# because\nstatus 3\nno address\nok 2 - holds\n1..2\n", told)

    def test_a_file_that_is_wrong(self):
        self.run_it(["sh", "-c", '. "$TOPORUN_SH"; lab_up "$0" || exit; echo up',
                     self.write("bad.yaml", "nodes: {a: {x: 1}}\n", self.folder())], status=3)

    def test_a_second_lab_takes_the_first_down(self):
        told = self.run_it(self.script(f"""
first=$LAB
lab_up {support.ROOT}/examples/gtest/router.yaml
[ "$first" != "$LAB" ] && "$TOPORUN" -q list | grep -c "^sh-"
lab_down
"$TOPORUN" list 2>&1
"""))
        self.assertEqual("1\nno lab is up\n", told)

    def test_signals_and_errors_take_it_down(self):
        for number, status in (("INT", 130), ("TERM", 143), ("HUP", 129)):
            self.run_it(self.script(f"kill -{number} $$\necho not here\n"), status)
        self.run_it(self.script("set -e\nlab_run client false\necho not here\n"), 1)


if __name__ == "__main__":
    support.unittest.main()
