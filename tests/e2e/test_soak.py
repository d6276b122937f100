# ctest: timeout=3600
"""Up and down over and over, and many labs at once: nothing grows. With TOPORUN_LONG=1 a thousand cycles and two hundred labs."""

import os
import re
import time

import support

LONG = os.environ.get("TOPORUN_LONG") == "1"
CYCLES = 1000 if LONG else 20
LABS = 200 if LONG else 12

LAB = """name: soak
nodes:
  a:
    interfaces: {eth0: {addresses: [10.1.0.1/24, "fd00:1::1/64"]}}
    routes: [{to: 10.9.0.0/16, via: 10.1.0.2}]
  b:
    forwarding: true
    interfaces: {eth0: {addresses: [10.1.0.2/24, "fd00:1::2/64"]}}
    nat: [{masquerade: {out: eth0}}]
    uplink: {type: slirp}
bridges:
  sw:
links:
  - endpoints: ["a:eth0", "b:eth0"]
  - endpoints: ["a:eth1", sw]
"""


class Soak(support.SandboxCase):
    def open_files(self):
        """Of the whole machine."""
        return int(self.box.run(["cat", "/proc/sys/fs/file-nr"], check=True).stdout.split()[0])

    def kernel_memory(self):
        """What the kernel holds and cannot give back, in KiB, once namespaces that are gone are cleaned away."""
        text = self.box.run(["cat", "/proc/meminfo"], check=True).stdout
        return int(re.search(r"SUnreclaim:\s+(\d+)", text).group(1))

    def test_cycles(self):
        path = self.write("soak.yaml", LAB)
        before = self.box.snapshot()
        files = self.open_files()
        started, memory = time.monotonic(), None
        for cycle in range(CYCLES):
            self.toporun("-q", "up", path)
            self.toporun("-q", "down", "soak")
            if cycle % 100 == 10:
                self.assertSame(before, self.box.snapshot())
                memory = memory or self.kernel_memory()
        self.assertSame(before, self.box.snapshot())
        grown = self.open_files() - files
        self.assertLess(grown, 2000, "open files of the whole machine")
        print(f"{CYCLES} cycles in {time.monotonic() - started:.0f} s; open files of the machine {grown:+}, "
              f"kernel memory {self.kernel_memory() - memory:+} KiB")

    def test_many_labs_at_once(self):
        path = self.write("soak.yaml", LAB)
        before = self.box.snapshot()
        script = ('i=$1; while [ $i -lt $2 ]; do "$3" -q up "$4" --name soak$i || exit; i=$((i + $5)); done')
        for command in ("up", "down"):
            # Four at a time: what they share is counted under a lock.
            text = script if command == "up" else script.replace('up "$4" --name soak$i', "down soak$i")
            running = [self.box.start(["sh", "-c", text, "sh", first, LABS, support.TOPORUN, path, 4]) for first in range(4)]
            for one in running:
                self.assertEqual(0, one.finish(limit=1200), one.output)
            if command == "up":
                self.assertEqual(LABS, len(self.toporun("list").stdout.splitlines()) - 1)
                self.assertEqual(3 * LABS, len(self.box.namespaces()))
        self.assertSame(before, self.box.snapshot())
        print(f"{LABS} labs at once")
