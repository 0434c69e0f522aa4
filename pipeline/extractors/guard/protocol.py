"""The messages between a guard and its process.

The guard lays pages into a shared area and writes a `REQUEST`. The process notes in the shared progress which page it
is at, and writes back the number of bytes that follow (int64) and the answers to all pages of the request.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

LEAST_AREA = 8 << 20  # bytes of each of the two areas; one is larger only while it holds larger pages
READY = b"r"
LOADING = -1  # the progress of a process that is not ready yet

# Reasons of drops. Users filter by them.
CRASHED = "extractor_crashed"
TIMED_OUT = "page_timeout"
OUT_OF_MEMORY = "page_memory"
FAILED = "extraction_error"

REQUEST = struct.Struct("<4q")  # which area, its bytes, where the contents (JSON) start, their bytes
_ANSWER = struct.Struct("<4q")  # bytes of reason, detail, title, text


@dataclass(frozen=True)
class Page:
    """A page as its extractor takes it: bytes, and a note of the extractor's own meaning."""

    data: bytes
    note: str = ""


@dataclass(frozen=True)
class Answer:
    """Title and text of a page, or the reason why there is none. `detail` is of the reason; of a text, its origin."""

    title: str = ""
    text: str = ""
    reason: str = ""
    detail: str = ""


def pack_answer(answer: Answer) -> bytes:
    parts = [part.encode("utf-8", "replace") for part in (answer.reason, answer.detail, answer.title, answer.text)]
    return _ANSWER.pack(*map(len, parts)) + b"".join(parts)


def parse_answers(data: bytes) -> Iterator[Answer]:
    position = 0
    while position < len(data):
        lengths = _ANSWER.unpack_from(data, position)
        position += _ANSWER.size
        parts = []
        for length in lengths:
            parts.append(data[position : position + length].decode("utf-8"))
            position += length
        reason, detail, title, text = parts
        yield Answer(title, text, reason, detail)
