"""Small servers and clients for tests. Standard library only; each ends with its standard input or after a limit.

services.py serve tcp-echo|udp-echo|http|dns [--port=N] [--address=A] [--limit=S] [words]
    prints `ready PORT` once it listens, then one line for each request: `from ADDRESS PORT`.
    tcp-echo  sends `ADDRESS PORT` of the client as a line, then back what it gets
    udp-echo  answers each datagram with `ADDRESS PORT` of the client, a line end and the datagram
    http      answers 200 with the first word and the client's address
    dns       NAME=ADDRESS words are its zone, over UDP and TCP; other names do not exist
services.py ask tcp|udp|http|dns HOST PORT TEXT LIMIT SOURCE
    prints the answer; exit status 1 without one
"""

import http.client
import http.server
import ipaddress
import os
import socket
import socketserver
import struct
import sys
import threading


def say(*words):
    print(*words, flush=True)


def client(address):
    """Its address and port; an IPv4 client of a socket for both families shows as what it is."""
    return address[0].removeprefix("::ffff:"), address[1]


class TcpEcho(socketserver.BaseRequestHandler):
    def handle(self):
        say("from", *client(self.client_address))
        self.request.sendall("{} {}\n".format(*client(self.client_address)).encode())
        while data := self.request.recv(65536):
            self.request.sendall(data)


class UdpEcho(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        say("from", *client(self.client_address))
        sock.sendto("{} {}\n".format(*client(self.client_address)).encode() + data, self.client_address)


class Http(http.server.BaseHTTPRequestHandler):
    text = ""

    def do_GET(self):
        say("from", *client(self.client_address))
        body = f"{self.text}\n{client(self.client_address)[0]}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass  # The line above is the log.


def question(name, kind):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.rstrip(".").split("."))
    return labels + b"\0" + struct.pack("!HH", kind, 1)


A, AAAA = 1, 28


def answer(zone, query):
    """The reply to one DNS message (RFC 1035)."""
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
        at += 1 + query[at]
    kind, = struct.unpack_from("!H", query, at + 1)
    asked = query[12:at + 5]
    addresses = zone.get(".".join(labels))
    fitting = [one for one in addresses or [] if {4: A, 6: AAAA}[one.version] == kind]
    flags = 0x8580 | (3 if addresses is None else 0)  # An authoritative answer; NXDOMAIN for unknown names.
    reply = query[:2] + struct.pack("!HHHHH", flags, 1, len(fitting), 0, 0) + asked
    for one in fitting:
        reply += struct.pack("!HHHIH", 0xc00c, kind, 1, 60, len(one.packed)) + one.packed
    return reply


class DnsUdp(socketserver.BaseRequestHandler):
    zone = {}

    def handle(self):
        query, sock = self.request
        say("from", *client(self.client_address))
        sock.sendto(answer(self.zone, query), self.client_address)


class DnsTcp(socketserver.StreamRequestHandler):
    zone = {}

    def handle(self):
        while head := self.rfile.read(2):
            say("from", *client(self.client_address))
            reply = answer(self.zone, self.rfile.read(struct.unpack("!H", head)[0]))
            self.wfile.write(struct.pack("!H", len(reply)) + reply)


def bind(base, address, port, handler):
    v6 = ":" in address or not address

    class Server(socketserver.ThreadingMixIn, base):
        address_family = socket.AF_INET6 if v6 else socket.AF_INET
        allow_reuse_address = True
        daemon_threads = True

        def server_bind(self):
            if v6:  # Both families, unless an address says which.
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1 if address else 0)
            super().server_bind()

    try:
        return Server((address or "::", port), handler)
    except OSError:
        if address:
            raise
        return bind(base, "0.0.0.0", port, handler)  # A machine without IPv6.


def serve(kind, words):
    options = {"port": "0", "address": "", "limit": "300"}
    while words and words[0].startswith("--"):
        key, value = words.pop(0)[2:].split("=", 1)
        options[key] = value
    address, port = options["address"], int(options["port"])
    if kind == "tcp-echo":
        servers = [bind(socketserver.TCPServer, address, port, TcpEcho)]
    elif kind == "udp-echo":
        servers = [bind(socketserver.UDPServer, address, port, UdpEcho)]
    elif kind == "http":
        Http.text = words[0] if words else ""
        servers = [bind(socketserver.TCPServer, address, port, Http)]
    elif kind == "dns":
        zone = {}
        for word in words:
            name, value = word.split("=")
            zone.setdefault(name.lower(), []).append(ipaddress.ip_address(value))
        DnsUdp.zone = DnsTcp.zone = zone
        servers = [bind(socketserver.UDPServer, address, port, DnsUdp)]
        servers.append(bind(socketserver.TCPServer, address, servers[0].server_address[1], DnsTcp))
    else:
        sys.exit(f"no such service: {kind}")
    limit = threading.Timer(float(options["limit"]), os._exit, [3])
    limit.daemon = True
    limit.start()
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    say("ready", servers[0].server_address[1])
    while os.read(0, 4096):
        pass


def ask(kind, host, port, text, limit, source):
    where = (source, 0) if source else None
    if kind == "tcp":
        with socket.create_connection((host, port), limit, where) as sock:
            sock.sendall(text.encode())
            sock.shutdown(socket.SHUT_WR)
            reply = b"".join(iter(lambda: sock.recv(65536), b""))
    elif kind == "http":
        connection = http.client.HTTPConnection(host, port, timeout=limit, source_address=where)
        connection.request("GET", "/" + text)
        reply = connection.getresponse().read()
    else:
        family, *_, target = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(limit)
            if where:
                sock.bind(where)
            sock.connect(target)
            if kind == "udp":
                sock.send(text.encode())
                reply = sock.recv(65536)
            else:
                reply = b"".join(resolve(sock, text, record) for record in (A, AAAA))
    if not reply:
        sys.exit(f"{host} port {port}: no answer")
    sys.stdout.write(reply.decode(errors="replace"))


def resolve(sock, name, kind):
    """The addresses of `name`, a line each."""
    sock.send(struct.pack("!HHHHHH", 4711 + kind, 0x0100, 1, 0, 0, 0) + question(name, kind))
    reply = sock.recv(4096)
    while struct.unpack_from("!H", reply)[0] != 4711 + kind:
        reply = sock.recv(4096)
    count, = struct.unpack_from("!H", reply, 6)
    at, out = 12 + len(question(name, kind)), []
    for _ in range(count):
        # A compressed name, or the name in full.
        at += 2 if reply[at] >= 0xc0 else len(question(name, kind)) - 4
        found, _, _, length = struct.unpack_from("!HHIH", reply, at)
        at += 10
        if found == kind:
            out.append(str(ipaddress.ip_address(reply[at:at + length])) + "\n")
        at += length
    return "".join(out).encode()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], sys.argv[3:])
    else:
        try:
            ask(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5], float(sys.argv[6]), sys.argv[7])
        except OSError as error:
            sys.exit(f"{sys.argv[3]} port {sys.argv[4]}: {error}")
