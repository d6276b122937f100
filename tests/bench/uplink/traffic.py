"""Makes the bench's traffic with as little work of its own as it can, so that what is between the ends sets the pace: the
sender gives the kernel pages (sendfile), the receiver throws them away there (MSG_TRUNC).

traffic.py serve [PORT]                               both families, any address; prints `ready PORT`
traffic.py run HOST PORT out|in STREAMS SECONDS HELD   prints {"bytes", "seconds", "moved"}; `out` is away from the client; HELD
                                                      more connections stay open and idle meanwhile
traffic.py ping HOST PORT SECONDS                     prints {"microseconds"}: the median round trip of one byte
"""

import fcntl
import json
import os
import select
import signal
import socket
import statistics
import struct
import sys
import termios
import time

CHUNK = 1 << 18
SETTLING = 0.1  # seconds of a run that do not count


def pages():
    fd = os.memfd_create("traffic")
    os.write(fd, os.urandom(CHUNK))
    return fd


def send(sock, seconds):
    """Sends until the peer says something or is gone, and `seconds` at most: what it said, and how much was delivered by
    then. (A program that is busy with what it gets from us may not hand us the answer.)"""
    source = pages()
    said = select.poll()
    said.register(sock, select.POLLIN)
    sent = 0
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not said.poll(0):
            sent += os.sendfile(sock.fileno(), source, 0, CHUNK)
        told = sock.recv(4096)
    except (BrokenPipeError, ConnectionResetError):
        return b"", sent  # The peer has what it wanted.
    waiting = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]
    # What waits is thrown away.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return told, sent - waiting


def receive(sock, seconds):
    """Counts for so long after the settling time: bytes, first and last moment, all bytes since
    the beginning."""
    buffer = bytearray(CHUNK)
    begin = time.monotonic() + SETTLING
    count = before = 0
    while (started := time.monotonic()) < begin:
        size = sock.recv_into(buffer, CHUNK, socket.MSG_TRUNC)
        if not size:
            raise ConnectionResetError
        before += size
    while (now := time.monotonic()) - started < seconds:
        size = sock.recv_into(buffer, CHUNK, socket.MSG_TRUNC)
        if not size:
            raise ConnectionResetError
        count += size
    return count, started, now, before + count


def answer(sock, kind, seconds):
    """One connection of the server."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if kind == "out":
        sock.sendall(json.dumps(receive(sock, seconds)).encode())
        # No half-closed connection: not every program that is measured can do that.
        while sock.recv(CHUNK, socket.MSG_TRUNC):
            pass
    elif kind == "in":
        send(sock, 60)
    elif kind == "ping":
        while data := sock.recv(64):
            sock.send(data)


def serve(port):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=4096)
    print("ready", listener.getsockname()[1], flush=True)
    held = select.epoll()
    sockets = {}
    held.register(listener, select.EPOLLIN)
    while True:
        for fd, _ in held.poll():
            if fd == listener.fileno():
                sock, _ = listener.accept()
                sockets[sock.fileno()] = sock
                held.register(sock, select.EPOLLIN)
                continue
            sock = sockets[fd]
            kind, seconds = (sock.recv(12).decode() or "gone 0").split()
            if kind == "hold":
                continue
            held.unregister(fd)
            del sockets[fd]
            if kind != "gone" and os.fork() == 0:
                listener.close()
                try:
                    answer(sock, kind, float(seconds))
                except ConnectionError:
                    pass  # Told by the client.
                os._exit(0)
            sock.close()


def connected(host, port):
    sock = socket.create_connection((host, port), 10)
    sock.settimeout(None)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def tell(sock, kind, seconds=0.0):
    """What the connection is for."""
    sock.sendall(f"{kind:<4}{seconds:8.2f}".encode())


def asked(host, port, kind):
    sock = connected(host, port)
    tell(sock, kind)
    return sock


def stream(sock, direction, seconds):
    if direction == "in":
        return receive(sock, seconds)
    told, delivered = send(sock, seconds + 3 * SETTLING)
    return *json.loads(told)[:3], delivered


def run(host, port, direction, streams, seconds, held):
    kept = [asked(host, port, "hold") for _ in range(held)]
    # All before the first one sends: it may leave no room for another to be connected.
    socks = [connected(host, port) for _ in range(streams)]
    readers = []
    for sock in socks:
        reader, writer = os.pipe()
        if os.fork() == 0:
            tell(sock, direction, seconds)
            os.write(writer, json.dumps(stream(sock, direction, seconds)).encode())
            os._exit(0)
        os.close(writer)
        readers.append(reader)
    results = [json.loads(os.read(reader, 4096)) for reader in readers]
    counts, first, last, moved = zip(*results)
    # Streams that took turns are not added up as if they had run at once.
    print(json.dumps({"bytes": sum(counts), "moved": sum(moved), "seconds": max(last) - min(first)}))
    for sock in kept:
        sock.close()


def ping(host, port, seconds):
    sock = asked(host, port, "ping")
    times = []
    end = time.monotonic() + seconds
    while (before := time.monotonic()) < end:
        sock.send(b"x")
        sock.recv(1)
        times.append(time.monotonic() - before)
    print(json.dumps({"microseconds": statistics.median(times) * 1e6}))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int((sys.argv + ["0"])[2]))
    elif sys.argv[1] == "run":
        run(sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5]), float(sys.argv[6]), int(sys.argv[7]))
    else:
        ping(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
