"""Applies a tar-diff of version 1: tar_patch.py TREE DELTA OUTPUT. Written from the format's description alone.

zstd comes from the system's libzstd (dpkg itself needs it), which Python's standard library before 3.14 has no door to.
"""
import ctypes
import ctypes.util
import os
import sys


class Buffer(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("position", ctypes.c_size_t)]


def unpack(data):
    zstd = ctypes.CDLL("libzstd.so.1")
    zstd.ZSTD_createDStream.restype = ctypes.c_void_p
    zstd.ZSTD_decompressStream.argtypes = [ctypes.c_void_p, ctypes.POINTER(Buffer), ctypes.POINTER(Buffer)]
    zstd.ZSTD_decompressStream.restype = ctypes.c_size_t
    stream = zstd.ZSTD_createDStream()
    source = ctypes.create_string_buffer(data, len(data))
    target = ctypes.create_string_buffer(1 << 17)
    given = Buffer(ctypes.cast(source, ctypes.c_void_p), len(data), 0)
    result = bytearray()
    left = 1
    while left:
        taken = Buffer(ctypes.cast(target, ctypes.c_void_p), 1 << 17, 0)
        left = zstd.ZSTD_decompressStream(stream, ctypes.byref(taken), ctypes.byref(given))
        assert not zstd.ZSTD_isError(ctypes.c_size_t(left)), "damaged zstd"
        result += target.raw[: taken.position]
        assert left == 0 or taken.position or given.position < given.size, "cut zstd"
    return bytes(result)


def patch(tree, delta, output):
    assert delta[:8] == b"tardf1\n\0", "no tar-diff"
    operations = unpack(delta[8:])
    at = 0
    source = None
    while at < len(operations):
        operation = operations[at]
        at += 1
        value = shift = 0
        while True:
            byte = operations[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        data = b""
        if operation in (0, 1, 3):
            data = operations[at : at + value]
            assert len(data) == value, "cut operation"
            at += value
        if operation == 0:
            output.write(data)
        elif operation == 1:
            parts = data.split(b"/")
            assert data and not data.startswith(b"/") and b".." not in parts and b"." not in parts, "path not clean"
            source = open(os.path.join(os.fsencode(tree), data), "rb")
        elif operation == 2:
            copied = source.read(value)
            assert len(copied) == value, "source too short"
            output.write(copied)
        elif operation == 3:
            copied = source.read(value)
            assert len(copied) == value, "source too short"
            output.write(bytes((a + b) & 255 for a, b in zip(copied, data)))
        elif operation == 4:
            source.seek(value)
        else:
            raise AssertionError("unknown operation %d" % operation)


with open(sys.argv[2], "rb") as delta, open(sys.argv[3], "wb") as output:
    patch(sys.argv[1], delta.read(), output)
