"""What a command does to the machine, by strace; and calls of it that are made to fail or to kill it."""

import re

# Calls that can change something outside the process. Reading, mapping and waiting are left out.
CHANGING = (
    "open,openat,openat2,creat,write,pwrite64,writev,sendto,sendmsg,sendmmsg,mount,umount2,move_mount,fsmount,open_tree,"
    "mount_setattr,pivot_root,unshare,unlink,unlinkat,rmdir,rename,renameat,renameat2,mkdir,mkdirat,mknod,mknodat,symlink,"
    "symlinkat,link,linkat,chmod,fchmod,fchmodat,chown,fchown,lchown,fchownat,truncate,ftruncate,setxattr,removexattr,"
    "utimensat,kill,tkill,tgkill,pidfd_send_signal,execve")

# Of nf_tables' messages, those that only read.
NFT_READS = {1, 4, 7, 10, 13, 16, 19, 21, 23}
LINE = re.compile(r"^(?:\[pid +)?(\d+)\]? +(\w+)\((.*)$")
RESUMED = re.compile(r"^(?:\[pid +)?(\d+)\]? +<\.\.\. (\w+) resumed>(.*)$")


def calls(text):
    """(pid, name, arguments and result) of each call in strace's output, unfinished ones joined."""
    pending, found = {}, []
    for line in text.splitlines():
        if match := RESUMED.match(line):
            pid, name, rest = match.groups()
            index = pending.pop((pid, name), None)
            if index is not None:
                found[index] = (pid, name, found[index][2] + rest)
        elif match := LINE.match(line):
            pid, name, rest = match.groups()
            if rest.endswith("<unfinished ...>"):
                pending[pid, name] = len(found)
                rest = rest.removesuffix("<unfinished ...>")
            found.append((pid, name, rest))
    return found


def reads_only(message):
    """Whether a netlink message of this type (as strace tells it) asks only."""
    if re.search("_(GET|MSG_GET)|NLMSG_(NOOP|DONE)", message):
        return True
    if not message.startswith("0x"):
        return False
    number = int(message, 16)
    if number >> 8 == 0xa:
        return (number & 0xff) in NFT_READS
    return 16 <= number < 256 and number & 3 == 2


def change(name, rest, allowed):
    """Whether this call changed something; `allowed` matches the paths that may be written."""
    if re.search(r"= -1 E\w+ \(.*\)$", rest):
        return False  # It did not happen.
    if name in ("sendto", "sendmsg", "sendmmsg"):
        # Of the generic family strace knows no names: what asks for a family's number, and what asks for all.
        rest = re.sub(r"nlmsg_type=0x10 [^}]*\}, \"\\x03\\x01", "", rest)
        rest = re.sub(r"nlmsg_type=0x\w+ [^,}]*, nlmsg_flags=NLM_F_REQUEST\|0x300,", "", rest)
        return any(not reads_only(message) for message in re.findall(r"nlmsg_type=(\w+)", rest))
    if name in ("open", "openat", "openat2", "creat"):
        return bool(re.search("O_WRONLY|O_RDWR|O_CREAT|O_TRUNC", rest)) and not re.search(allowed, rest)
    if name in ("write", "pwrite64", "writev", "ftruncate"):
        # What is told to the user, a pipe or socket between its own processes, memory.
        return not re.match(r"[012]<|\d+<(pipe|socket|UNIX|anon_inode|/memfd)", rest) and not re.search(allowed, rest)
    if name == "execve":
        return False  # The command itself; a program that it starts is traced too.
    return True


def changes(text, allowed="/lock>|/lock\"|\"/dev/null\"|\"/dev/net/tun\""):
    """The calls of a trace that changed something."""
    return [f"{name}({rest}" for _, name, rest in calls(text) if change(name, rest, allowed)]


def traced(box, argv, trace, **options):
    """Runs a command under strace; (what it ended with, the trace's text). A helper that it starts is let go."""
    done = box.run(["strace", "-f", "-y", "-b", "execve", "-s", "256", "-e", "trace=" + CHANGING, "-e", "signal=none",
                    "-o", trace, *argv], **options)
    with open(trace, encoding="utf-8", errors="replace") as file:
        return done, file.read()
