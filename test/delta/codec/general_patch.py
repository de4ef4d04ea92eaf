"""Applies a delta of the general coding whose streams are not packed; written from docs/delta-format.md alone.

usage: general_patch.py OLD DELTA NEW
"""

import hashlib
import sys


class Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, size):
        assert self.at + size <= len(self.data), "too short"
        self.at += size
        return self.data[self.at - size : self.at]

    def uvarint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def svarint(self):
        value = self.uvarint()
        return -(value + 1) // 2 if value % 2 else value // 2

    def ended(self):
        return self.at == len(self.data)


def block(delta, old, size):
    sizes = []
    for _ in range(7):
        sizes.append(delta.uvarint())
        assert sizes[-1] == 0 or delta.uvarint() == 0, "a packed stream"
    insert, seek, copy, gap, run, difference, data = (Reader(delta.take(each)) for each in sizes)
    made = bytearray()
    copied = []
    position = 0
    while True:
        made += data.take(insert.uvarint())
        if len(made) == size:
            break
        position += seek.svarint()
        count = copy.uvarint()
        assert 1 <= count <= 2**20 and position >= 0 and position + count <= len(old)
        copied += range(len(made), len(made) + count)
        made += old[position : position + count]
        position += count
        if len(made) == size:
            break
    at = 0
    while not gap.ended():
        at += gap.uvarint()
        count = run.uvarint()
        for byte in difference.take(count):
            made[copied[at]] = (made[copied[at]] + byte) % 256
            at += 1
    assert all(each.ended() for each in (insert, seek, copy, gap, run, difference, data)), "bytes left over"
    return bytes(made)


def main():
    with open(sys.argv[1], "rb") as file:
        old = file.read()
    with open(sys.argv[2], "rb") as file:
        delta = Reader(file.read())
    assert delta.take(4) == b"ibd1" and delta.take(1) == b"\0"
    assert delta.uvarint() == len(old)
    size = delta.uvarint()
    delta.uvarint()
    delta.uvarint()
    new = b""
    while len(new) < size:
        new += block(delta, old, delta.uvarint())
    assert len(new) == size and hashlib.sha256(new).digest() == delta.take(32) and delta.ended()
    with open(sys.argv[3], "wb") as file:
        file.write(new)


main()
