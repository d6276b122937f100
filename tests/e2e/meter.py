"""What becomes of datagrams between two named namespaces: `meter.py FROM TO ADDRESS COUNT SIZE [IDLE]`.

One process sends and receives, so one clock tells when each left and when it came: that the kernel says, whenever the process
looks. The sockets are made in the two namespaces. Prints JSON: `arrived`, a list of [number, seconds on the way, seconds since the first came], in the order of
arrival. It ends when all have come, or when nothing has come for IDLE seconds (2) since the last was sent.
"""

import ctypes
import json
import os
import select
import socket
import struct
import sys
import time

HEADER = struct.Struct("!Id")
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35
TIME = struct.Struct("@qq")


def enter(descriptor):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, 0x40000000):  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "setns")


def socket_in(name):
    place = os.open(f"/run/netns/{name}", os.O_RDONLY)
    enter(place)
    os.close(place)
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def main(source, target, address, count, size, idle="2"):
    count, size, idle = int(count), int(size), float(idle)
    receiver = socket_in(target)
    receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
    receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    receiver.bind((address, 0))
    receiver.setblocking(False)
    sender = socket_in(source)
    # So few are on the way at once that no queue runs over that holds the sender back.
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    sender.connect(receiver.getsockname())
    arrived = []

    def take():
        while True:
            try:
                data, told, _, _ = receiver.recvmsg(65536, socket.CMSG_SPACE(TIME.size))
            except BlockingIOError:
                return
            seconds, nanoseconds = TIME.unpack(told[0][2])
            now = seconds + nanoseconds / 1e9
            number, sent = HEADER.unpack_from(data)
            arrived.append((number, now - sent, now))

    for number in range(count):
        sender.send(HEADER.pack(number, time.time()).ljust(size, b"."))
        take()
    while len({number for number, _, _ in arrived}) < count and select.select([receiver], [], [], idle)[0]:
        take()
    # A duplicate may come behind the last.
    while select.select([receiver], [], [], 0.3)[0]:
        take()
    first = arrived[0][2] if arrived else 0
    json.dump({"arrived": [(number, way, now - first) for number, way, now in arrived]}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
