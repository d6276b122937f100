"""What ctest's JUnit file (FOLDER/junit.xml) holds, as a table by suite, with every test that did not run and why, and the
table of kinds of interfaces that the guest filled.

A suite that took longer than its budget is named: one that creeps up is noticed when it does. It is no failure, since how
long something takes is the machine's matter too.
"""

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as xml

# Seconds of all tests of a suite together, three at a time on two processors.
BUDGETS = {"unit": 300, "kernel": 360, "fault": 240, "fuzz": 60, "layering": 20, "schema": 60, "install": 120, "e2e": 1200,
           "rootless": 480, "vm": 1200}


def skip_reason(text):
    """googletest prints the reason below the place, our Python runner in a `not run` line."""
    match = re.search(r"Skipped\n(.+)", text) or re.search(r"^not run: .*?: (.+)$", text, re.M)
    return match.group(1).strip() if match else "no reason told"


def kinds(text):
    """The table that tests/e2e/test_kinds.py ends with."""
    match = re.search(r"^kind +up .*\n(?:\S+ .*(?:yes|—)\n?)+", text, re.M)
    return match.group(0) if match else ""


def labels(build):
    """Test -> suite; the JUnit file of Debian's ctest does not tell."""
    listed = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], check=True, capture_output=True)
    return {test["name"]: item["value"][0] for test in json.loads(listed.stdout)["tests"]
            for item in test.get("properties", []) if item["name"] == "LABELS"}


def main(build):
    suite_of, suites, skips, table = labels(build), {}, [], ""
    for case in xml.parse(os.path.join(build, "junit.xml")).getroot().iter("testcase"):
        suite = suites.setdefault(suite_of.get(case.get("name"), "other"),
                                  {"passed": 0, "failed": 0, "skipped": 0, "seconds": 0.0})
        suite["seconds"] += float(case.get("time"))
        text = case.findtext("system-out") or ""
        if case.get("name") == "vm/kinds":
            table = kinds(text)
        if case.find("failure") is not None or case.get("status") == "fail":
            suite["failed"] += 1
        elif case.find("skipped") is not None:
            suite["skipped"] += 1
            skips.append(f"{case.get('name')}: {skip_reason(text)}")
            continue
        else:
            suite["passed"] += 1
        # A file of Python cases is one entry; those of it that did not run are told too.
        skips += [f"{case.get('name')}: {line}" for line in re.findall(r"^not run: (.+)$", text, re.M)]
    if table:
        print(f"\nunder Debian's own kernel:\n{table}")
    late = []
    print(f"\n{'suite':12}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}{'budget':>8}")
    for name, suite in sorted(suites.items()):
        budget = BUDGETS.get(name)
        print(f"{name:12}{suite['passed']:8}{suite['failed']:8}{suite['skipped']:9}{suite['seconds']:9.1f}{budget or '':>8}")
        if budget and suite["seconds"] > budget:
            late.append(f"{name} took {suite['seconds']:.0f} s of its {budget} s")
    total = {key: sum(suite[key] for suite in suites.values()) for key in ("passed", "failed", "skipped")}
    print(f"{'all':12}{total['passed']:8}{total['failed']:8}{total['skipped']:9}\n")
    if skips:
        print("not run:", *sorted(skips), sep="\n  ")
        print()
    for line in late:
        print("over budget:", line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
