"""Tells what data is: the smallest wrapper that needs a system library and a package of Python."""

import sys

import magic


class Wrapper:
    def wrapperOnceExec(self, data: bytes) -> str:
        return magic.from_buffer(data, mime=True)


if __name__ == "__main__":
    samples = [open(path, "rb").read(2048) for path in sys.argv[1:]] or [b"%PDF-1.7\n"]
    for sample in samples:
        print(Wrapper().wrapperOnceExec(sample))
