"""An extractor for the guard's tests that does what a page tells it to."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from pathlib import Path

_hoard: list[bytes] = []


def extract(data: bytes, note: str) -> tuple[str, str]:
    """Obey the first word of the page; else give it back in capitals."""
    order, _, rest = data.decode("utf-8").partition(" ")
    if order == "loop":
        while True:
            pass
    if order == "native-loop":  # holds the interpreter, as a native parser does
        ctypes.PyDLL(None).usleep(600_000_000)
    if order == "sleep":
        time.sleep(600)
    if order == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if order == "exit":
        os._exit(3)
    if order == "hoard":  # what a library's cache or a torn heap does
        _hoard.append(bytes(int(rest) << 20))
    if order == "need":
        return "", str(len(bytes(int(rest) << 20)) >> 20)
    if order == "crash-in-need":  # as native code that does not look at what it was given
        try:
            bytes(int(rest) << 20)
        except MemoryError:
            os.abort()
    if order == "memory":
        return "", str(len(bytearray(100 << 30)))
    if order == "raise":
        raise ValueError("told to")
    if order == "crash-once" and not Path(rest).exists():
        Path(rest).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if order == "print":
        os.write(1, b"noise")
        print("noise")
    return note, data.decode("utf-8").upper()
