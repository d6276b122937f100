"""What a topology asks of a machine beyond what every lab does, and what of that this one lacks: of the kernel, tried out
with `ip`, `tc` and `bridge`, not by asking toporun; and the daemons that its head says it needs."""

import itertools
import re

# What `ip link add NAME type` takes beside the type.
LINKS = {
    "bond": "", "dummy": "", "geneve": "id 1 remote 192.0.2.2", "gre": "local 192.0.2.1 remote 192.0.2.2",
    "gretap": "local 192.0.2.1 remote 192.0.2.2", "ip6gre": "local fd00::1 remote fd00::2",
    "ip6gretap": "local fd00::1 remote fd00::2", "ip6tnl": "local fd00::1 remote fd00::2",
    "ipip": "local 192.0.2.1 remote 192.0.2.2", "ipvlan": "mode l2", "macsec": "", "macvlan": "mode bridge",
    "macvtap": "mode bridge", "sit": "local 192.0.2.1 remote 192.0.2.2", "vlan": "id 1",
    "vrf": "table 10", "vti": "local 192.0.2.1 remote 192.0.2.2", "vti6": "local fd00::1 remote fd00::2",
    "vxlan": "id 1 dstport 4789", "wireguard": "",
}
STANDS_ON = {"ipvlan", "macsec", "macvlan", "macvtap", "vlan"}
OTHERS = {
    "VLAN filtering": "ip link add sw type bridge vlan_filtering 1",
    "impairment": "tc qdisc add dev lo root netem delay 1ms",
    "rate limit": "tc qdisc add dev lo root tbf rate 10mbit burst 10k latency 50ms",
    "encap mpls": "ip route add 203.0.113.0/24 encap mpls 100 dev lo",
    "encap seg6": "ip -6 route add fd01::/64 encap seg6 mode encap segs fd02::1 dev lo",
    "encap seg6local": "ip -6 route add fd01::/64 encap seg6local action End dev lo",
}
# A program of each package that a file's head may name.
PROGRAMS = {"frr": "/usr/lib/frr/zebra", "bird2": "bird", "dnsmasq-base": "dnsmasq", "busybox-static": "busybox", "nginx": "nginx",
            "iperf3": "iperf3"}
WORDS = re.compile(rf"type: *(?:{'|'.join(LINKS)})\b|vlan_filtering|impair:|encap:")


def perhaps(path):
    """Whether a file may ask for something, by its text alone."""
    with open(path, encoding="utf-8") as file:
        return bool(WORDS.search(file.read()))


def needs(tree):
    """Of a topology as `validate --print=json` tells it."""
    found = set()

    def walk(value):
        if isinstance(value, list):
            for item in value:
                walk(item)
        if not isinstance(value, dict):
            return
        if value.get("vlan_filtering"):
            found.add("VLAN filtering")
        if value.get("impair"):
            # For both ends, or one map for each; a mere rate takes no netem.
            ends = [end for end in value["impair"].values() if isinstance(end, dict)] or [value["impair"]]
            found.update("rate limit" if set(end) == {"rate"} else "impairment" for end in ends)
        found.update(f"encap {name}" for name in value.get("encap") or {})
        for item in value.values():
            walk(item)

    for node in tree.get("nodes", {}).values():
        for interface in (node.get("interfaces") or {}).values():
            if (interface or {}).get("type") in LINKS:
                found.add("link " + interface["type"])
    walk({key: value for key, value in tree.items() if key != "tests"})
    return found


def packages(path):
    """What the head of a file says: `# … Needs Debian's packages a and b.`"""
    with open(path, encoding="utf-8") as file:
        head = "".join(line[1:] for line in itertools.takewhile(lambda line: line.startswith("#"), file))
    said = re.search(r"Needs\s+Debian's\s+packages?\s+(.*?)\.", " ".join(head.split()))
    return {f"package {name}" for name in re.split(", | and ", said.group(1))} if said else set()


def trial(need):
    if need.startswith("package "):
        return f"command -v {PROGRAMS[need.removeprefix('package ')]}"
    kind = need.removeprefix("link ")
    if kind == need:
        return OTHERS[need]
    parent = "link a " if kind in STANDS_ON else ""
    return f"ip link add {parent}name x type {kind} {LINKS[kind]}"


def lacking(box, wanted):
    """Those of the needs that the kernel does not have, each tried in a namespace of its own."""
    place = ("ip link add name a type veth peer name b; ip address add 192.0.2.1/24 dev lo; ip link set b up; ip link set a up; "
             "ip link set lo up; ")
    script = "".join(f"unshare --net sh -c '{place}{trial(need)}' >/dev/null 2>&1 || echo '{need}'\n" for need in sorted(wanted))
    return box.run(["sh", "-c", script], check=True).stdout.splitlines()


def require(case, tree, path):
    """Skips the case, by name, where this machine lacks what a topology needs."""
    missing = lacking(case.box, needs(tree) | packages(path))
    if missing:
        case.skipTest("this machine has no " + ", ".join(missing))
