"""Process of a throw-away machine that runs commands, one a line of JSON, and tells what each took. It starts them itself, so
that no entering of namespaces is measured.

{"argv": […], "input": TEXT, "user": NUMBER or null, "environment": {}, "limit": SECONDS}
-> {"seconds": S, "peak": KIB, "descriptors": N, "status": N, "output": TEXT}

{"settle": true} waits until the kernel has cleared away what dead namespaces held. {"ping": [NAMESPACE PATH WORDS]} …"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time


def watch_descriptors(pid, seen, stop):
    """The most descriptors that the process has open; a process may end at any moment."""
    while not stop.is_set():
        try:
            seen[0] = max(seen[0], len(os.listdir(f"/proc/{pid}/fd")))
        except OSError:
            return


def run(order):
    def become():
        if order.get("user"):
            os.setgroups([])
            os.setgid(order["user"])
            os.setuid(order["user"])

    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as given:
        given.write(order.get("input", "").encode())
        given.seek(0)
        start = time.monotonic()
        process = subprocess.Popen(order["argv"], stdin=given, stdout=output, stderr=output, cwd="/",
                                   env={**os.environ, **order.get("environment", {})},
                                   preexec_fn=become if order.get("user") else None)
        killer = threading.Timer(order["limit"], process.kill)
        killer.daemon = True
        killer.start()
        seen, stop = [0], threading.Event()
        watcher = threading.Thread(target=watch_descriptors, args=(process.pid, seen, stop), daemon=True)
        if order.get("count_descriptors"):
            watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        stop.set()
        killer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    return {"seconds": seconds, "peak": usage.ru_maxrss, "descriptors": seen[0], "status": process.returncode,
            "output": text[-4000:]}


def settle():
    """Dead namespaces are cleared away in turn: when the link into one that dies now is gone, so are all before it."""
    def ip(*words):
        subprocess.run(["ip", *words], check=True, stdout=subprocess.DEVNULL)

    ip("netns", "add", "last")
    ip("link", "add", "to-last", "type", "veth", "peer", "name", "in-last", "netns", "last")
    ip("netns", "del", "last")
    deadline = time.monotonic() + 120
    while os.path.exists("/sys/class/net/to-last"):
        if time.monotonic() > deadline:
            raise SystemExit("the kernel did not clear away what died")
        time.sleep(0.01)
    return {}


def main():
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(settle() if order.get("settle") else run(order)), flush=True)


main()
