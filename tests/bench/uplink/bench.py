"""The uplink against slirp4netns and pasta, in turns on one throw-away machine: tools/bench uplink [options].

Each measurement is made `rounds` times, every program once a round; what is shown are medians. Ratios are to slirp4netns.
CPU is the program's own user and system time for 10^9 bytes. Nothing leaves the machine, nothing is left behind."""

import argparse
import json
import os
import statistics
import sys
import time

import contenders

TRAFFIC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "traffic.py")
PYTHON = contenders.support.PYTHON
MTUS = (1500, 65520)


def figures(result, cpu):
    """The CPU time is that of the whole run, so it is held against all that was moved."""
    return {"gbit/s": result["bytes"] * 8 / result["seconds"] / 1e9, "cpu s/GB": cpu / max(result["moved"], 1) * 1e9}


class Bench:
    def __init__(self, box, options):
        self.box = box
        self.options = options
        self.rows = []
        self.failures = []  # of others; ours end the bench
        server = box.start([PYTHON, "-B", TRAFFIC, "serve"])
        self.port = int(server.wait_for(r"^ready (\d+)$").group(1))

    def row(self, what, contestants, measure):
        """Measures in turns; `measure` gives a dict of figures."""
        if self.options.only and self.options.only not in what:
            return
        measured = {contender.name: [] for contender in contestants}
        for turn in range(self.options.rounds):
            # Nobody is always the first.
            for contender in contestants[turn % len(contestants):] + contestants[:turn % len(contestants)]:
                try:
                    measured[contender.name].append(measure(contender))
                except AssertionError:
                    if contender.name == "toporun":
                        raise
                    self.failures.append(f"{what}: {contender.name} did not come to an end")
        measured = {name: all_of for name, all_of in measured.items() if all_of}
        medians = {name: {key: statistics.median(one[key] for one in all_of) for key in all_of[0]}
                   for name, all_of in measured.items()}
        row = {"what": what, "medians": medians, "all": measured}
        self.rows.append(row)
        print(line_of(row), flush=True)

    def ask(self, argv, namespace):
        done = self.box.run([PYTHON, "-B", TRAFFIC, *argv], namespace=namespace, check=True, limit=8)
        return json.loads(done.stdout)

    def throughput(self, contender, direction, streams, host=contenders.HOST, inner=False, held=0):
        before = contender.cpu()
        result = self.ask(["run", host, self.port, direction, streams, self.options.seconds, held],
                          contender.inner if inner else contender.node)
        used = contender.cpu() - before
        return figures(result, used)

    def published(self, contender, direction):
        """A client on the machine, a server in the node."""
        server = self.box.start([PYTHON, "-B", TRAFFIC, "serve", str(contender.port())], namespace=contender.node)
        server.wait_for("ready")
        before = contender.cpu()
        # For a client that is outside, `in` is what the node sends.
        result = self.ask(["run", contenders.HOST, contender.port(), "in" if direction == "out" else "out", 1,
                           self.options.seconds, 0], None)
        used = contender.cpu() - before
        server.stop()
        return figures(result, used)

    def beside(self, contender, held):
        alone = self.throughput(contender, "out", 1)
        return {"share": self.throughput(contender, "out", 1, held=held)["gbit/s"] / alone["gbit/s"]}

    def routed(self, contender, direction):
        fragments = self.fragments(contender)
        result = self.throughput(contender, direction, 1, inner=True)
        return {**result, "fragments": self.fragments(contender) - fragments}

    def fragments(self, contender):
        lines = self.box.run(["cat", "/proc/net/snmp"], namespace=contender.node, check=True).stdout.splitlines()
        names, values = (line.split() for line in lines if line.startswith("Ip:"))
        return int(values[names.index("FragCreates")])

    def round_trip(self, contender, host):
        return {"µs": self.ask(["ping", host, self.port, self.options.seconds / 2], contender.node)["microseconds"]}

    def idle(self, contestants):
        """All of them at once: nobody does anything."""
        if self.options.only and self.options.only not in "idle":
            return
        before = {contender.name: contender.switches() for contender in contestants}
        time.sleep(self.options.idle)
        row = {"what": f"idle for {self.options.idle} s", "medians": {
            contender.name: {"wake-ups": contender.switches() - before[contender.name]} for contender in contestants}}
        self.rows.append(row)
        print(line_of(row), flush=True)

    def all_of(self, mtu, contestants):
        quick = self.options.quick
        for family, host in ((4, contenders.HOST), (6, contenders.HOST6)):
            for direction in ("out", "in"):
                for streams in (1,) if quick else (1, 8):
                    self.row(f"MTU {mtu}, IPv{family}, {direction}, {streams} stream{'s' if streams > 1 else ''}",
                             contestants, lambda one: self.throughput(one, direction, streams, host))
        behind = [contender for contender in contestants if contender.inner]
        for direction in ("out", "in"):
            self.row(f"MTU {mtu}, {direction}, node behind a veth of MTU 1500", behind,
                     lambda one: self.routed(one, direction))
        if quick:
            return
        for direction in ("out", "in"):
            self.row(f"MTU {mtu}, {direction}, through a published port", behind,
                     lambda one: self.published(one, direction))
        for family, host in ((4, contenders.HOST), (6, contenders.HOST6)):
            self.row(f"MTU {mtu}, IPv{family}, round trip", contestants, lambda one: self.round_trip(one, host))
        if mtu == 1500:
            self.row("MTU 1500, out, 1 stream beside 1000 idle connections", contestants,
                     lambda one: self.beside(one, 1000))


UNITS = ("gbit/s", "cpu s/GB", "µs", "share", "fragments", "wake-ups")


def line_of(row):
    parts = []
    medians = row["medians"]
    for unit in UNITS:
        if not any(unit in figures for figures in medians.values()):
            continue
        cells = []
        for name, figures in medians.items():
            value = figures[unit]
            text = f"{name} {value:.2f}" if value < 100 and unit not in ("fragments", "wake-ups") else f"{name} {value:.0f}"
            cells.append(text)
        base = medians.get("slirp4netns", {}).get(unit)
        if base and unit not in ("share", "fragments", "wake-ups"):
            cells.append(f"= {medians['toporun'][unit] / base:.2f}×")
        parts.append(f"{unit}: " + ", ".join(cells))
    return f"{row['what']:<52} " + " | ".join(parts)


def main():
    parser = argparse.ArgumentParser(prog="tools/bench uplink", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--idle", type=float, default=10.0, help="seconds of the idle measurement")
    parser.add_argument("--quick", action="store_true", help="a few rows in half a minute")
    parser.add_argument("--only", default="", help="the rows whose name contains this")
    parser.add_argument("--mtu", type=int, action="append", help="only this one")
    parser.add_argument("--json", default="build/bench-uplink.json", help="where the figures go")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.rounds, options.idle = 0.4, 1, 2.0
    with contenders.machine() as box:
        bench = Bench(box, options)
        for mtu in options.mtu or ((1500,) if options.quick else MTUS):
            contestants, missing = contenders.started(box, mtu)
            for why in missing:
                print(f"not measured: {why}", flush=True)
            bench.all_of(mtu, contestants)
            if mtu == 1500:
                bench.idle(contestants)
            for contender in contestants:
                contender.stop()
    for failure in bench.failures:
        print(f"not measured: {failure}")
    os.makedirs(os.path.dirname(options.json) or ".", exist_ok=True)
    with open(options.json, "w", encoding="utf-8") as file:
        json.dump({"rounds": options.rounds, "seconds": options.seconds, "rows": bench.rows, "failures": bench.failures}, file, indent=1)
    print(f"{options.json}: every figure of every round")


if __name__ == "__main__":
    sys.exit(main())
