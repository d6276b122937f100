"""Tells what the kernel announces, in several network namespaces at once, without missing the first event.

monitor.py [NAME…]: the namespace it is started in, called "host", and the named ones. Prints `ready` once it listens;
for each line on its standard input it prints one line of JSON: every event since the last one, as
{"namespace", "event", "about"}. An event is in its socket before the call that caused it returns, so nothing has to be
waited for. `ip monitor` cannot say when it has begun to listen, and it is one process a namespace.
"""

import ctypes
import ipaddress
import json
import os
import socket
import struct
import sys

CLONE_NEWNET = 0x40000000
NETLINK_ROUTE, NETLINK_NETFILTER = 0, 12
# RTNLGRP_*: links, neighbours, addresses, routes and rules of both families, next hops.
ROUTE_GROUPS = (1, 3, 5, 7, 8, 9, 11, 19, 32)
NFNLGRP_NFTABLES = 7
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 270, 1
EVENTS = {16: "link", 20: "address", 24: "route", 28: "neighbour", 32: "rule", 104: "nexthop"}
PERMANENT = 0x80


def attributes(data):
    found, at = {}, 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("HH", data, at)
        if length < 4:
            break
        found.setdefault(kind & 0x3fff, data[at + 4:at + length])
        at += (length + 3) & ~3
    return found


def address(data):
    return str(ipaddress.ip_address(data)) if data and len(data) in (4, 16) else "any"


def describe(kind, body):
    """What a message is about; None for what comes and goes by itself."""
    if kind == "link":
        name = attributes(body[16:]).get(3, b"?").rstrip(b"\0").decode()
        return None if body[0] == socket.AF_BRIDGE else name
    if kind == "address":
        found = attributes(body[8:])
        return f"{address(found.get(2) or found.get(1))}/{body[1]}"
    if kind == "route":
        return f"{address(attributes(body[12:]).get(1))}/{body[1]} table {body[4]}"
    if kind == "neighbour":
        state, = struct.unpack_from("H", body, 8)
        return address(attributes(body[12:]).get(1)) if state & PERMANENT else None
    return ""


def events(sock, family):
    while True:
        try:
            data = sock.recv(1 << 20)
        except BlockingIOError:
            return
        at = 0
        while at + 16 <= len(data):
            length, number, _, _, _ = struct.unpack_from("IHHII", data, at)
            body = data[at + 16:at + length]
            at += (length + 3) & ~3
            if family == NETLINK_NETFILTER:
                if number != 0xa0f:  # The new generation follows every change; it is no change itself.
                    yield "nft", hex(number & 0xff)
                continue
            kind = EVENTS.get(number & ~3, str(number & ~3))
            about = describe(kind, body)
            if about is not None:
                yield ("- " if number & 3 == 1 else "+ ") + kind, about


def listen(sockets, name):
    route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, NETLINK_ROUTE)
    route.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    route.bind((0, 0))  # One without a number of its own is told nothing.
    for group in ROUTE_GROUPS:
        route.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
    nft = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, NETLINK_NETFILTER)
    nft.bind((0, 0))
    nft.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)
    sockets += [(name, route, NETLINK_ROUTE), (name, nft, NETLINK_NETFILTER)]


def main():
    libc = ctypes.CDLL(None, use_errno=True)
    sockets = []
    home = open("/proc/self/ns/net", "rb")
    listen(sockets, "host")
    for name in sys.argv[1:]:
        with open(f"/run/netns/{name}", "rb") as file:
            if libc.setns(file.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"enter {name}")
        listen(sockets, name)
    # The monitor is no process of the last namespace.
    libc.setns(home.fileno(), CLONE_NEWNET)
    home.close()
    print("ready", flush=True)
    while os.read(0, 1):
        print(json.dumps([{"namespace": name, "event": event, "about": about}
                          for name, sock, family in sockets for event, about in events(sock, family)]), flush=True)


if __name__ == "__main__":
    main()
