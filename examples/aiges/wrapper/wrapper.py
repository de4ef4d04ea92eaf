"""Tells what a file is: the smallest wrapper that needs a system library and a package of Python."""

import sys

import magic


class Wrapper:
    def wrapperOnceExec(self, data: bytes) -> str:
        return magic.from_buffer(data, mime=True)


if __name__ == "__main__":
    paths = sys.argv[1:] or [__file__]
    for path in paths:
        with open(path, "rb") as file:
            print(Wrapper().wrapperOnceExec(file.read(2048)))
