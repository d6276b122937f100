"""Reads pcapng files, not by our own code that writes them."""

import collections
import struct

SECTION, INTERFACE, STATISTICS, PACKET = 0x0A0D0D0A, 1, 5, 6
Packet = collections.namedtuple("Packet", "interface time length outgoing data")


def blocks(data):
    """[(type, body)] of a file in this machine's byte order."""
    found = []
    while data:
        kind, length = struct.unpack_from("=II", data)
        assert length % 4 == 0 and struct.unpack_from("=I", data, length - 4)[0] == length
        found.append((kind, data[8:length - 4]))
        data = data[length:]
    return found


def options(data):
    """{code: value}"""
    found = {}
    while data:
        code, length = struct.unpack_from("=HH", data)
        if code == 0:
            break
        found[code] = data[4:4 + length]
        data = data[4 + (length + 3) // 4 * 4:]
    return found


class File:
    """`names` and `link_types` of the interfaces, `packets`, and `statistics`: (received, lost, delivered) by name."""

    def __init__(self, path):
        self.names, self.link_types, self.packets, self.statistics = [], [], [], {}
        with open(path, "rb") as file:
            found = blocks(file.read())
        assert found[0][0] == SECTION and struct.unpack_from("=IHH", found[0][1]) == (0x1A2B3C4D, 1, 0)
        for kind, body in found[1:]:
            getattr(self, {INTERFACE: "interface", PACKET: "packet", STATISTICS: "count"}[kind])(body)

    def interface(self, body):
        self.link_types.append(struct.unpack_from("=H", body)[0])
        self.names.append(options(body[8:])[2].decode())

    def packet(self, body):
        number, high, low, captured, length = struct.unpack_from("=IIIII", body)
        rest = options(body[20 + (captured + 3) // 4 * 4:])
        outgoing = struct.unpack("=I", rest[2])[0] == 2 if 2 in rest else None
        self.packets.append(Packet(self.names[number], (high << 32) + low, length, outgoing, body[20:20 + captured]))

    def count(self, body):
        told = options(body[12:])
        self.statistics[self.names[struct.unpack_from("=I", body)[0]]] = tuple(
            struct.unpack("=Q", told[code])[0] for code in (4, 7, 8))

    def of(self, name):
        return [packet for packet in self.packets if packet.interface == name]
