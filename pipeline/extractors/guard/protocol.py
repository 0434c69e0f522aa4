"""The messages between a guard and its process.

The guard lays pages into a shared area and writes a `REQUEST`. The process notes in the shared progress which page it
is at, and writes back the number of bytes that follow (int64) and the answers to all pages of the request.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

LEAST_AREA = 8 << 20  # bytes of each of the two areas; one is larger only while it holds larger pages
READY = b"r"
LOADING = -1  # the progress of a process that is not ready yet

# Reasons of drops. Users filter by them.
CRASHED = "extractor_crashed"
TIMED_OUT = "page_timeout"
OUT_OF_MEMORY = "page_memory"
FAILED = "extraction_error"

REQUEST = struct.Struct("<4q")  # which area, its bytes, where the contents (JSON) start, their bytes
_ANSWER = struct.Struct("<5q")  # bytes of reason, detail, columns (JSON), title, text


@dataclass(frozen=True)
class Page:
    """A page as its extractor takes it: bytes, and a note of the extractor's own meaning."""

    data: bytes
    note: str = ""


@dataclass(frozen=True)
class Answer:
    """Title and text of a page, or the reason why there is none, and its detail.

    columns: what else is known of the page, as columns of its document.
    """

    title: str = ""
    text: str = ""
    reason: str = ""
    detail: str = ""
    columns: dict[str, Any] = field(default_factory=dict)


def pack_answer(answer: Answer) -> bytes:
    texts = (answer.reason, answer.detail, json.dumps(answer.columns), answer.title, answer.text)
    parts = [text.encode("utf-8", "replace") for text in texts]
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
        reason, detail, columns, title, text = parts
        yield Answer(title, text, reason, detail, json.loads(columns))
