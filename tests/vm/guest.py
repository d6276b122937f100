#!/usr/bin/python3 -B
"""Runs a command as root under Debian's own kernel: guest.py [--timeout SECONDS] [--memory MIB] COMMAND [WORD…].

QEMU boots the kernel of linux-image-amd64 with this machine's file system as its own: read-only over 9p, below a tmpfs that
takes every change, so that the command finds every program and every build tree and nothing that it does stays. It runs in
the caller's folder with the caller's environment, without standard input and without a network device. What it prints comes
back on the same two streams, its exit status as ours. Otherwise: 77 where something that a guest needs cannot be had (with
the reason), 124 when the time is up, 125 when the guest ended without a status.

The kernel is fetched once from Debian's archive into $TOPORUN_VM_CACHE, else ~/.cache/toporun-vm. Needs the packages
qemu-system-x86, busybox-static, kmod, xz-utils and zstd; neither root nor /dev/kvm.
"""

import argparse
import ctypes
import fcntl
import glob
import hashlib
import os
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

# What labs need, and what carries the file system. Graphics, sound and storage stay out.
MODULES = re.compile(r"/kernel/(arch|crypto|lib|net|fs/(9p|netfs|overlayfs|fscache|nls)|"
                     r"drivers/(virtio|net/[^/]*\.ko|net/(bonding|ipvlan|vxlan|wireguard|macsec)))")
CARRIERS = ("virtio_pci", "9pnet_virtio", "9p", "overlay")


class CannotBeHad(Exception):
    """The guest lacks something: a skip."""


def find(program):
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        raise CannotBeHad(f"{program} is not installed")
    return path


def run(*words, **options):
    done = subprocess.run(words, capture_output=True, check=False, **options)
    if done.returncode != 0:
        raise CannotBeHad(f"{' '.join(words)}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


# ---- The kernel, unpacked once


def package():
    """The package that the meta package stands for today."""
    depends = run("apt-cache", "depends", "linux-image-amd64").decode()
    found = re.search(r"Depends: (linux-image-[0-9]\S*)", depends)
    if found is None:
        raise CannotBeHad("apt-cache knows no linux-image-amd64 (apt-get update?)")
    return found.group(1)


def decompress(image):
    """The ELF file inside a bzImage: QEMU starts it at once, where the kernel would unpack itself for seconds first.
    Documentation/arch/x86/boot.rst: setup_sects at 0x1f1, payload_offset and payload_length at 0x248."""
    sectors = image[0x1f1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (sectors + 1) * 512 + offset
    # The last four bytes tell the unpacked size.
    payload = image[start:start + length - 4]
    for tool in (["xz", "-dc"], ["zstd", "-qdc"]):
        done = subprocess.run([find(tool[0]), *tool[1:]], input=payload, capture_output=True, check=False)
        if done.stdout[:4] == b"\x7fELF":
            return done.stdout
    raise CannotBeHad("the kernel is compressed in an unknown way")


def unpack(folder):
    with tempfile.TemporaryDirectory() as scratch:
        run("apt-get", "-q", "download", package(), cwd=scratch)
        archive = glob.glob(os.path.join(scratch, "*.deb"))[0]
        members = run("dpkg-deb", "--fsys-tarfile", archive)
        listing = subprocess.run(["tar", "-t"], input=members, capture_output=True, check=True).stdout.decode()
        wanted = [name for name in listing.splitlines()
                  if "/boot/vmlinuz-" in name or re.search(r"/lib/modules/[^/]+/modules\.", name) or MODULES.search(name)]
        names = [name for name in wanted if not name.endswith("/")]
        subprocess.run(["tar", "-x", "-C", folder, *names], input=members, check=True)
    boot = glob.glob(os.path.join(folder, "boot/vmlinuz-*"))[0]
    with open(boot, "rb") as file:
        kernel = decompress(file.read())
    with open(os.path.join(folder, "vmlinux"), "wb") as file:
        file.write(kernel)
    shutil.rmtree(os.path.join(folder, "boot"))
    # Unpacked here, because the guest is slow at it.
    packed = glob.glob(os.path.join(folder, "lib/modules/**/*.ko.xz"), recursive=True)
    for start in range(0, len(packed), 100):
        run("xz", "-d", *packed[start:start + 100])
    version = os.listdir(os.path.join(folder, "lib/modules"))[0]
    order = os.path.join(folder, "lib/modules", version, "modules.order")
    with open(order, encoding="ascii") as file:
        lines = file.read().replace(".ko.xz", ".ko")
    with open(order, "w", encoding="ascii") as file:
        file.write(lines)
    run(find("depmod"), "-b", folder, version)


INIT = r"""#!/busybox sh
b=/busybox
$b mount -t proc proc /proc; $b mount -t sysfs sysfs /sys; $b mount -t devtmpfs dev /dev
for module in /modules/*; do $b insmod $module 2>/dev/null; done
over=trans=virtio,version=9p2000.L
$b mount -t 9p -o ro,$over,msize=512000,cache=loose machine /below
$b mount -t tmpfs -o size=90% above /above
$b mkdir /above/changes /above/work
$b mount -t overlay -o lowerdir=/below,upperdir=/above/changes,workdir=/above/work machine /root
$b mkdir -p /root/run
$b mount -t tmpfs run /root/run
$b mkdir /root/run/guest
$b mount -t 9p -o $over job /root/run/guest
$b cp $b /root/run/busybox
for each in proc sys dev; do $b mount --move /$each /root/$each; done
exec $b switch_root /root /run/busybox sh /run/guest/start
"""


def write_initramfs(kernel, path):
    with tempfile.TemporaryDirectory() as root:
        for name in ("modules", "proc", "sys", "dev", "below", "above", "root"):
            os.mkdir(os.path.join(root, name))
        shutil.copy(find("busybox"), os.path.join(root, "busybox"))
        version = os.listdir(os.path.join(kernel, "lib/modules"))[0]
        needed = run(find("modprobe"), "-d", kernel, "-S", version, "-aD", *CARRIERS).decode()
        files = []
        for line in needed.splitlines():
            words = line.split()
            if words[0] == "insmod" and words[1] not in files:
                files.append(words[1])
        for number, file in enumerate(files):
            shutil.copy(file, os.path.join(root, "modules", f"{number:03}"))
        with open(os.path.join(root, "init"), "w", encoding="ascii") as file:
            file.write(INIT)
        os.chmod(os.path.join(root, "init"), 0o755)
        names = subprocess.run(["find", "."], cwd=root, capture_output=True, check=True).stdout
        archive = subprocess.run([find("busybox"), "cpio", "-o", "-H", "newc"], cwd=root, input=names,
                                 capture_output=True, check=True).stdout
    with open(path + ".new", "wb") as file:
        file.write(archive)
    os.rename(path + ".new", path)


def kernel():
    """The folder of the unpacked kernel and its first file system; several guests may ask at once."""
    home = os.environ.get("HOME") or "/root"
    cache = os.environ.get("TOPORUN_VM_CACHE") or os.path.join(home, ".cache/toporun-vm")
    os.makedirs(cache, exist_ok=True)
    with open(__file__, "rb") as file:
        own = hashlib.sha256(file.read()).hexdigest()[:12]
    folder = os.path.join(cache, own)
    with open(os.path.join(cache, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(folder):
            for program in ("qemu-system-x86_64", "busybox", "modprobe", "depmod", "xz", "zstd"):
                find(program)
            shutil.rmtree(folder + ".new", ignore_errors=True)
            os.mkdir(folder + ".new")
            unpack(folder + ".new")
            write_initramfs(folder + ".new", os.path.join(folder + ".new", "initramfs"))
            os.rename(folder + ".new", folder)
    return folder


# ---- One guest

# Process 1 inside. The command has pipes for its output, since it may open /dev/stdout again; what is still open when it
# ends is ended. A file that was written over 9p is there when the write returns, which a serial line cannot promise.
START = r"""b=/run/busybox
$b mkdir -p /dev/pts /dev/shm /dev/net /lib/modules
[ -e /dev/net/tun ] || $b mknod -m 0666 /dev/net/tun c 10 200
$b ln -sf /proc/self/fd /dev/fd
for each in 0:stdin 1:stdout 2:stderr; do $b ln -sf /proc/self/fd/${each%:*} /dev/${each#*:}; done
$b mount -t devpts devpts /dev/pts
$b mount -t tmpfs shm /dev/shm
$b mount -t cgroup2 cgroup2 /sys/fs/cgroup
$b hostname guest
$b ip link set lo up
[ -e /lib/modules/$($b uname -r) ] || $b ln -s @MODULES@/* /lib/modules/
cd /run/guest
$b mkfifo /run/out /run/err
$b cat /run/out >out & out=$!
$b cat /run/err >err & err=$!
$b setsid /bin/bash command </dev/null >/run/out 2>/run/err
status=$?
for each in /proc/[0-9]*; do
  case ${each#/proc/} in 1|$out|$err) ;; *) kill -9 ${each#/proc/} ;; esac
done 2>/dev/null
wait
$b sync
echo $status >status
echo b >/proc/sysrq-trigger
"""


def write_job(folder, command, modules):
    with open(os.path.join(folder, "start"), "w", encoding="utf-8") as file:
        file.write(START.replace("@MODULES@", shlex.quote(modules)))
    with open(os.path.join(folder, "command"), "w", encoding="utf-8") as file:
        for name, value in os.environ.items():
            if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                file.write(f"export {name}={shlex.quote(value)}\n")
        file.write(f"cd {shlex.quote(os.getcwd())} || exit 125\nexec {shlex.join(command)}\n")
    for name in ("out", "err"):
        with open(os.path.join(folder, name), "wb"):
            pass


def accelerator():
    """A /dev/kvm that a stock kernel boots on has a processor with its flags behind it."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        flags = re.search(r"\b(vmx|svm)\b", file.read())
    return "kvm" if flags and os.access("/dev/kvm", os.R_OK | os.W_OK) else "tcg"


def share(tag, folder, options=""):
    quoted = folder.replace(",", ",,")
    return ["-fsdev", f"local,id={tag},path={quoted},security_model=none,multidevs=remap{options}",
            "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]


def qemu(folder, job, memory):
    kind = accelerator()
    # Emulated, what a modern kernel does for safety and for fast copying costs more than it is worth here.
    processor = "host" if kind == "kvm" else "max,la57=off,erms=off,fsrm=off"
    settings = ("console=ttyS0 quiet panic=-1 oops=panic norandmaps mitigations=off cryptomgr.notests init_on_alloc=0 "
                "tsc=reliable")
    return [find("qemu-system-x86_64"), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-M", "q35",
            "-accel", kind, "-cpu", processor, "-smp", "1", "-m", str(memory),
            "-kernel", os.path.join(folder, "vmlinux"), "-initrd", os.path.join(folder, "initramfs"), "-append", settings,
            "-serial", "file:" + os.path.join(job, "console").replace(",", ",,"),
            *share("machine", "/", ",readonly=on"), *share("job", job)]


def follow(path, stream, ended):
    """Copies what is written to a file, as it comes."""
    with open(path, "rb") as file:
        while True:
            last = ended.is_set()
            data = file.read()
            if data:
                stream.write(data)
                stream.flush()
            elif last:
                return
            else:
                ended.wait(0.1)


def end_with_parent():
    """Nothing outlives a caller that is killed: prctl(PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def main():
    parser = argparse.ArgumentParser(usage=__doc__.splitlines()[0], add_help=False)
    parser.add_argument("--timeout", type=int, default=600)
    parser.add_argument("--memory", type=int, default=1024)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if not options.command:
        parser.error("no command")
    try:
        folder = kernel()
    except CannotBeHad as error:
        print(f"guest: {error}", file=sys.stderr)
        return 77
    with tempfile.TemporaryDirectory(prefix="toporun-guest-") as job:
        write_job(job, options.command, os.path.join(folder, "lib/modules"))
        ended = threading.Event()
        process = subprocess.Popen(qemu(folder, job, options.memory), stdin=subprocess.DEVNULL, stdout=sys.stderr,
                                   preexec_fn=end_with_parent)
        followers = [threading.Thread(target=follow, args=(os.path.join(job, name), stream, ended))
                     for name, stream in (("out", sys.stdout.buffer), ("err", sys.stderr.buffer))]
        for follower in followers:
            follower.start()
        late = False
        started = time.monotonic()
        try:
            process.wait(timeout=options.timeout)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            ended.set()
            for follower in followers:
                follower.join()
        if late:
            print(f"guest: not done after {time.monotonic() - started:.0f} s", file=sys.stderr)
            return 124
        try:
            with open(os.path.join(job, "status"), encoding="ascii") as file:
                return int(file.read())
        except (OSError, ValueError):
            with open(os.path.join(job, "console"), encoding="ascii", errors="replace") as file:
                print("".join(file.readlines()[-20:]), file=sys.stderr)
            print("guest: it ended without a status", file=sys.stderr)
            return 125


if __name__ == "__main__":
    sys.exit(main())
