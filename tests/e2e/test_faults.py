# ctest: timeout=3600
"""Calls of the real binary that fail, and kills and interruptions at its calls. strace makes the N-th call of a kind fail or
delivers a signal as it begins, so every run hits what it means to, and nothing is built into the program for it.

After a failed call `up` has either done all or taken back all; after a kill the next `up` and `down` find their way. A
sample of the calls is tried; with TOPORUN_LONG=1 all of them.
"""

import os
import re

import support
import tracing

LONG = os.environ.get("TOPORUN_LONG") == "1"
KINDS = ("sendto", "sendmsg", "mount", "umount2", "unshare", "setns", "openat", "write", "rename", "unlink", "mkdir", "rmdir",
         "clone", "flock", "ftruncate")
# Here it stops dead rather than go on in a wrong place: as if it had been killed.
NO_WAY_BACK = "no way back into the own network namespace"
PATHS = re.compile(r'"/(run|etc/netns|proc/sys|dev/net)')


def interesting(name, rest):
    """Calls that touch the machine or the lab's own state; not those of the loader and of what is told to the user."""
    if name == "openat":
        return bool(PATHS.search(rest)) or "O_CREAT" in rest
    if name == "write":
        return not re.match(r"[012]<", rest)
    return not re.search(r"= -1 (EEXIST|ENOENT|EINVAL)", rest)


def ordinals(text):
    """{call: the numbers, counted in its own process, of those that are interesting}"""
    counts, found = {}, {}
    for pid, name, rest in tracing.calls(text):
        if name not in KINDS:
            continue
        number = counts[pid, name] = counts.get((pid, name), 0) + 1
        if interesting(name, rest):
            found.setdefault(name, {})[number] = rest
    return found


def sample(points, count):
    """`count` of [(call, number, what)], spread evenly, each kind of call at least once; all when that is asked for."""
    every = [(name, number, what) for name, numbers in points.items() for number, what in sorted(numbers.items())]
    if LONG or len(every) <= count:
        return every
    chosen = {round(index * (len(every) - 1) / (count - 1)) for index in range(count)}
    first = {name: index for index, (name, _, _) in reversed(list(enumerate(every)))}
    return [every[index] for index in sorted(chosen | set(first.values()))]


class Faults(support.SandboxCase):
    tried = 0

    def strace(self, words, *inject):
        argv = ["strace", "-f", "-y", "-b", "execve", "-s", "128", "-e", "signal=none", "-o", self.trace]
        argv += [word for one in inject for word in ("-e", "inject=" + one)]
        return self.box.run([*argv, "-e", "trace=" + ",".join(KINDS), support.TOPORUN, *words])

    def learn(self, words):
        """The calls that a run makes which nothing disturbs."""
        self.trace = self.trace if hasattr(self, "trace") else os.path.join(self.folder(), "trace")
        done = self.strace(words)
        self.assertEqual(0, done.returncode, done.stderr)
        with open(self.trace, encoding="utf-8", errors="replace") as file:
            return ordinals(file.read())

    def each(self, points, count, body):
        tried = 0
        for name, number, what in sample(points, count):
            with self.subTest(call=name, number=number, what=what[:120]):
                tried += 1
                try:
                    body(name, number)
                except BaseException:
                    self.new_machine()
                    raise
        self.assertGreaterEqual(tried, min(count, 5))
        self.tried += tried

    def life(self, file, errors, kills, down_errors, down_kills, interrupts):
        path = os.path.join(support.ROOT, "topologies", file)
        name = file.removesuffix(".yaml")
        before = self.box.snapshot()
        up, down = self.learn(["up", path]), self.learn(["down", name])
        self.assertSame(before, self.box.snapshot())

        def settled(words, after):
            self.toporun(*words)
            self.toporun(*after)

        def failed_up(call, number):
            done = self.strace(["up", path], f"{call}:error=EPERM:when={number}")
            if done.returncode == 0:
                settled(["status", name], ["down", name])
            elif NO_WAY_BACK in done.stderr:
                settled(["up", path], ["down", name])
            else:
                self.assertIn(done.returncode, (1, 4), done.stderr)
                self.assertNamesAnObject(done.stderr)
            self.assertSame(before, self.box.snapshot())

        def killed_up(call, number):
            done = self.strace(["up", path], f"{call}:signal=SIGKILL:when={number}")
            self.assertNotEqual(1, done.returncode, done.stderr)
            self.toporun("up", path)
            settled(["status", name], ["down", name])
            self.assertSame(before, self.box.snapshot())

        def killed_up_then_down(call, number):
            self.strace(["up", path], f"{call}:signal=SIGKILL:when={number}")
            self.toporun("down", name)
            self.assertSame(before, self.box.snapshot())

        def failed_down(call, number):
            self.toporun("up", path)
            done = self.strace(["down", name], f"{call}:error=EPERM:when={number}")
            if done.returncode != 0 and NO_WAY_BACK not in done.stderr:
                self.assertNamesAnObject(done.stderr)
            self.toporun("down", name)
            self.assertSame(before, self.box.snapshot())

        def killed_down(call, number):
            self.toporun("up", path)
            self.strace(["down", name], f"{call}:signal=SIGKILL:when={number}")
            self.toporun("down", name)
            self.assertSame(before, self.box.snapshot())

        def killed_down_then_up(call, number):
            self.toporun("up", path)
            self.strace(["down", name], f"{call}:signal=SIGKILL:when={number}")
            self.toporun("up", path)
            settled(["status", name], ["down", name])
            self.assertSame(before, self.box.snapshot())

        def interrupted(call, number):
            done = self.strace(["up", path], f"{call}:signal=SIGINT:when={number}")
            self.assertIn(done.returncode, (0, 130), done.stderr)
            statuses.add(done.returncode)
            if done.returncode == 0:
                settled(["status", name], ["down", name])
            self.assertSame(before, self.box.snapshot())

        self.each(up, errors, failed_up)
        self.each(up, kills, killed_up)
        self.each(up, kills // 2, killed_up_then_down)
        self.each(down, down_errors, failed_down)
        self.each(down, down_kills, killed_down)
        self.each(down, down_kills // 2, killed_down_then_up)
        statuses = set()
        self.each({name: numbers for name, numbers in up.items() if name in ("sendto", "mount", "write")}, interrupts, interrupted)
        self.assertIn(130, statuses)
        print(f"{name}: {self.tried} faults")

    def assertNamesAnObject(self, text):
        """`where: what was tried: why`, with an object, a file or a namespace in it."""
        self.assertRegex(text, r"(?m)^(/\S+:\d+:\d+: )?(lab \"|[\w ]+ \"/|(namespace|link|address|route|rule|file|folder|bridge|tap|"
                               r"uplink|port|nat|nftables|sysctl|interface) \S|/\S+: ).*: .+$", text)

    def test_pair(self):
        self.life("pair.yaml", errors=16, kills=12, down_errors=6, down_kills=6, interrupts=4)

    def test_home_nat(self):
        self.life("home-nat.yaml", errors=8, kills=6, down_errors=5, down_kills=5, interrupts=3)
