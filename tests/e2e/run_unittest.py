"""Runs files of unittest cases for ctest: `run_unittest.py FILE.py… [unittest options]`.

A line `not run: NAME: REASON` is printed for each skipped case (tools/test collects them). The exit status is 77, which
ctest shows as skipped, when nothing of the files could run, and 1 when a file holds no case at all.
"""

import importlib.util
import itertools
import os
import sys
import unittest


def load(path):
    folder = os.path.dirname(os.path.abspath(path))
    # The file's own folder, and the support library's.
    sys.path[:0] = [folder, os.path.dirname(os.path.abspath(__file__))]
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def run(path, options):
    module = load(path)
    program = unittest.main(
        module=module, argv=[path] + options, exit=False, verbosity=2, testRunner=unittest.TextTestRunner)
    result = program.result
    sys.stderr.flush()
    for case, reason in result.skipped:
        print(f"not run: {case}: {reason}")
    print(f"cases: {result.testsRun} run, {len(result.skipped)} skipped")
    if result.testsRun == 0 and not result.skipped and result.wasSuccessful():
        print(f"{path}: no test cases found")
        return 1
    if not result.wasSuccessful():
        return 1
    # A case that leaves out a part of what it does (a subtest) has run.
    whole = [case for case, _ in result.skipped if not hasattr(case, "test_case")]
    return 77 if result.testsRun == len(whole) else 0


def main(argv):
    files = list(itertools.takewhile(lambda word: word.endswith(".py"), argv[1:]))
    statuses = {run(path, argv[1 + len(files):]) for path in files}
    return 1 if 1 in statuses else 0 if 0 in statuses else 77


if __name__ == "__main__":
    sys.exit(main(sys.argv))
