"""How long labs take to stand up, to be looked at and to go: tools/bench labs [options].

Every contender does the same lab in turn, round after round, in throw-away machines; what is shown are medians. The floor is
a program that sends the least requests that make the lab and checks nothing. Every figure of every round goes into a JSON
file. Nothing leaves the machine, nothing is left behind."""

import argparse
import json
import os
import re
import statistics
import sys

import contenders
import workloads

# figure, of whom, at most this many times, figure, of whom; the workload's key
TARGETS = [
    ("star-400", "up", "toporun", 1.25, "up", "floor"),
    ("ring-1000", "up", "toporun", 1.25, "up", "floor"),
    ("star-1000", "up", "toporun", 1.0, "up", "floor"),
    ("star-400", "up", "toporun", 1 / 5, "up", "ip -batch"),
    ("star-400", "up", "toporun", 1 / 12, "up", "mininet"),
    ("star-1000", "again", "toporun", 2.0, "look", "floor"),
    ("ring-1000", "again", "toporun", 2.0, "look", "floor"),
    ("star-1000", "again", "toporun", 0.2, "up", "toporun"),
    ("ring-1000", "again", "toporun", 0.2, "up", "toporun"),
    ("star-1000", "edit", "toporun", 1.2, "again", "toporun"),
    ("ring-1000", "edit", "toporun", 1.2, "again", "toporun"),
    ("star-400", "down", "toporun", 1.25, "down", "floor"),
    ("star-1000", "down", "toporun", 1.25, "down", "floor"),
    ("ring-1000", "down", "toporun", 1.25, "down", "floor"),
    ("star-400", "up", "rootless", 1.15, "up", "toporun"),
    ("ring-1000", "up", "rootless", 1.15, "up", "toporun"),
]
# the same figure a node at ten thousand, at most this many times that at a thousand
PER_NODE = [("up", 1.5), ("again", 1.5), ("down", 1.5)]
PEAKS = [("star-1000", 64), ("ring-1000", 64), ("ring-10000", 400)]  # MiB

FLOOR = os.path.join(os.path.dirname(contenders.support.TOPORUN), "bench_floor")
FIGURES = ("up", "first ping", "again", "edit", "status", "down", "look")
QUICK = ("star-100", "ring-100")
PLANNED = 14300  # nodes of a ring of a good 100,000 objects
PLANNING = ("make the graph of objects", "decide what to do")  # parts of --stats
PLANNING_LIMIT = 1.0  # s


class Bench:
    def __init__(self, options):
        self.options = options
        self.rows = []
        self.failures = []
        self.root = contenders.Machine(contenders.support.Sandbox())
        self.user = contenders.Machine(contenders.support.RootlessSandbox())
        self.contestants = [
            contenders.Floor(self.root, options.floor), contenders.Toporun(self.root), contenders.Rootless(self.user),
            contenders.Batch(self.root), contenders.Script(self.root)]
        if contenders.has_mininet():
            self.contestants.append(contenders.Mininet(self.root))
        else:
            print("not measured: mininet is not installed (apt-get install mininet bridge-utils)")
        if options.contender:
            self.contestants = [one for one in self.contestants if one.name in options.contender]
        self.user.box.run(["mkdir", "-p", "/run/bench"], check=True)
        contenders.Rootless.folder = "/run/bench"

    def close(self):
        self.root.close()
        self.user.close()

    def measure(self, contender, workload):
        figures = {}

        def note(figure, done):
            figures[figure] = done["seconds"]
            for key in ("peak", "descriptors"):
                figures[key] = max(figures.get(key, 0), done.get(key, 0))

        if isinstance(contender, contenders.Mininet):
            up, down = contender.up_and_down(workload)
            figures.update({"up": up["seconds"], "down": down["seconds"]})
            return figures
        note("up", contender.up(workload))
        figures["first ping"] = figures["up"] + contender.first_ping(workload)["seconds"]
        if isinstance(contender, contenders.Toporun):
            note("again", contender.up(workload))
            note("edit", contender.up(workload, workload.edited))
            note("back", contender.up(workload))
            note("status", contender.toporun("status", "bench"))
        if isinstance(contender, contenders.Floor):
            figures["look"] = contender.look(workload)["seconds"]
        note("down", contender.down(workload))
        return figures

    def row(self, key):
        workload = workloads.ALL[key]()
        slow = set()
        measured = {}
        able = [one for one in self.contestants if one.can(workload)]
        for turn in range(self.options.rounds):
            for contender in able[turn % len(able):] + able[:turn % len(able)]:
                if contender.name in slow:
                    continue
                try:
                    figures = self.measure(contender, workload)
                except contenders.Failed as failure:
                    if isinstance(contender, contenders.Toporun):
                        raise SystemExit(f"{key}: {failure}") from None
                    self.failures.append(f"{key}: {failure}")
                    slow.add(contender.name)
                    continue
                contender.settle()
                measured.setdefault(contender.name, []).append(figures)
                # Once is enough of what takes that long.
                if figures["up"] > self.options.slow:
                    slow.add(contender.name)
        medians = {name: {figure: statistics.median(one[figure] for one in rounds) for figure in rounds[0]}
                   for name, rounds in measured.items()}
        self.rows.append({"key": key, "what": workload.name, "size": workload.size, "medians": medians, "all": measured})
        print_row(self.rows[-1])

    def descriptors(self, key):
        """In a run of its own: counting them takes time."""
        workload = workloads.ALL[key]()
        toporun = contenders.Toporun(self.root)
        seen = max(toporun.up(workload, count_descriptors=True)["descriptors"],
                   toporun.down(workload, count_descriptors=True)["descriptors"])
        toporun.settle()
        print(f"{workload.name}: {seen} descriptors open at once, at most")
        self.rows.append({"key": key + " descriptors", "what": workload.name, "descriptors": seen})

    def planning(self):
        """What planning alone takes, the file read and nothing there yet: neither reading nor looking counts."""
        toporun = contenders.Toporun(self.root)
        path = toporun.put(workloads.Ring(PLANNED).text)
        rounds = []
        for _ in range(self.options.rounds):
            output = toporun.toporun("plan", "--stats", path)["output"]
            took = [re.search(rf"([0-9.]+) s .*  {part}$", output, re.MULTILINE) for part in PLANNING]
            objects = re.search(r"([0-9]+) to create", output)
            if not objects or not all(took):
                raise SystemExit(f"planning: the output is not understood:\n{output}")
            rounds.append(sum(float(one[1]) for one in took))
        self.rows.append({"key": "planning", "what": f"planning {objects[1]} objects", "seconds": rounds})


def seconds(value):
    return "–" if value is None else f"{value:.3f}" if value < 10 else f"{value:.1f}"


def print_row(row):
    print(f"\n| {row['what']} | " + " | ".join(FIGURES) + " | peak MiB |")
    print("|---" * (len(FIGURES) + 2) + "|")
    for name, figures in row["medians"].items():
        cells = [seconds(figures.get(figure)) for figure in FIGURES]
        peak = f"{figures['peak'] / 1024:.0f}" if figures.get("peak") else "–"
        print(f"| {name} | " + " | ".join(cells) + f" | {peak} |", flush=True)


def ratios(rows):
    """Lines of (what, ratio, at most, met)."""
    of = {row["key"]: row for row in rows}

    def figure(key, name, what):
        return of.get(key, {}).get("medians", {}).get(name, {}).get(what)

    lines = []
    for key, what, who, most, base_what, base_who in TARGETS:
        value, base = figure(key, who, what), figure(key, base_who, base_what)
        if value and base:
            lines.append((f"{key}: {what} of {who} to {base_what} of {base_who}", value / base, most))
    for what, most in PER_NODE:
        few, many = figure("ring-1000", "toporun", what), figure("ring-10000", "toporun", what)
        if few and many:
            lines.append((f"ring: {what} a node, 10,000 to 1,000", many / few / 10, most))
    for key, most in PEAKS:
        peak = figure(key, "toporun", "peak")
        if peak:
            lines.append((f"{key}: peak memory in MiB", peak / 1024, most))
    if "planning" in of:
        lines.append((f"{of['planning']['what']}, in s", statistics.median(of["planning"]["seconds"]), PLANNING_LIMIT))
    return lines


def main():
    parser = argparse.ArgumentParser(prog="tools/bench labs", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help=f"only {' and '.join(QUICK)}, three rounds")
    parser.add_argument("--contender", action="append", help="only this one: floor, toporun, rootless, ip -batch, …")
    parser.add_argument("--slow", type=float, default=15, help="seconds: what took longer is measured once only")
    parser.add_argument("--json", default="build/bench-labs.json", help="where the figures go")
    parser.add_argument("--floor", default=FLOOR, help="the floor program (%(default)s)")
    parser.add_argument("workload", nargs="*", help=f"of {', '.join(workloads.ALL)}, planning")
    options = parser.parse_args()
    known = [*workloads.ALL, "planning"]
    for key in options.workload:
        if key not in known:
            parser.error(f'no workload "{key}"; there are: {", ".join(known)}')
    if options.quick:
        options.rounds = min(options.rounds, 3)
    chosen = options.workload or [*(QUICK if options.quick else workloads.ALL), "planning"]
    bench = Bench(options)
    try:
        for key in chosen:
            if key == "planning":
                bench.planning()
            else:
                bench.row(key)
        if "star-1000" in chosen:
            bench.descriptors("star-1000")
    finally:
        bench.close()
    lines = ratios(bench.rows)
    if lines:
        print("\n| | ratio | at most | |\n|---|---|---|---|")
    for what, ratio, most in lines:
        print(f"| {what} | {ratio:.2f} | {most:.2f} | {'met' if ratio <= most else '**not met**'} |")
    for failure in bench.failures:
        print(f"not measured: {failure}")
    os.makedirs(os.path.dirname(options.json) or ".", exist_ok=True)
    with open(options.json, "w", encoding="utf-8") as file:
        json.dump({"rounds": options.rounds, "rows": bench.rows, "failures": bench.failures,
                   "ratios": [{"what": what, "ratio": ratio, "at most": most} for what, ratio, most in lines]}, file, indent=1)
    print(f"{options.json}: every figure of every round")


if __name__ == "__main__":
    sys.exit(main())
