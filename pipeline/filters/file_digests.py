"""Digests of files that settings name, such as block lists of gigabytes: a process reads each but once."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

_MOST_FILES = 4096


def file_digest(path: Path) -> str:
    """The sha256 of a file, in hexadecimal. Raises `OSError`.

    It is read again where its size or its time of modification is another.
    """
    status = path.stat()
    return _digest(path.absolute(), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=_MOST_FILES)
def _digest(path: Path, num_bytes: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
