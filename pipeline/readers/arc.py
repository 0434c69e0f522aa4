"""ARC records: the header line that each starts with, told from other text.

Format: the Internet Archive's ARC file format, versions 1 and 2. A record is a line of values separated by single
spaces (URL, IP address, archive date, content type, [result code, checksum, location, offset, file name,] length), then
so many bytes, then a line end. The first record of a file has a URL `filedesc://` and describes the file.
"""

from __future__ import annotations

import re
from datetime import datetime

MAX_LINE_BYTES = 64 << 10
_SCHEME = re.compile(rb"[a-zA-Z][a-zA-Z0-9+.\-]{0,31}:")
_LINE_OF_URL = re.compile(rb"\n(?=[a-zA-Z][a-zA-Z0-9+.\-]{0,31}:)")
_DATE = re.compile(rb"(?:19|20)\d{10,16}|null")
_IP = re.compile(rb"[0-9a-fA-F.:]{1,45}|-")
_LENGTH = re.compile(rb"-?\w{1,20}")
_MOST_TOKENS = 12  # after the URL: ten values at most, and a content type may hold a space or two


def parse_arc_line(line: bytes) -> dict[str, str] | None:
    """The header fields that a WARC record would have, of an ARC header line; None where it is none.

    `warc-type` is arc_header for the record that describes the file, else response.
    """
    if _SCHEME.match(line) is None:
        return None
    tokens = line.rstrip(b" \t\r\n").rsplit(b" ", _MOST_TOKENS)
    # From the end: a URL may hold spaces, and what looks like an address and a date.
    for at in range(len(tokens) - 3, 1, -1):
        if _DATE.fullmatch(tokens[at]) and _IP.fullmatch(tokens[at - 1]):
            break
    else:
        return None
    length = tokens[-1]
    if _LENGTH.fullmatch(length) is None:
        return None
    url = b" ".join(tokens[: at - 1])
    # Version 2 has five values more between content type and length.
    num_type_tokens = len(tokens) - at - 2
    content_type = b" ".join(tokens[at + 1 : -6] if num_type_tokens >= 6 else tokens[at + 1 : -1])
    fields = {
        "warc-type": "arc_header" if url.startswith(b"filedesc:") else "response",
        "warc-target-uri": url.decode("utf-8", "replace"),
        "content-type": "" if content_type == b"no-type" else content_type.decode("utf-8", "replace"),
        "content-length": length.decode("utf-8", "replace"),
    }
    date = iso_date(tokens[at].decode("ascii"))
    if date is not None:
        fields["warc-date"] = date
    return fields


def iso_date(digits: str) -> str | None:
    """An ARC date (YYYYMMDDhhmmss, or its first 12 digits, or more) in ISO 8601; None for no date."""
    try:
        date = datetime.strptime(digits[:14].ljust(14, "0"), "%Y%m%d%H%M%S")
    except ValueError:
        return None
    return date.isoformat() + "Z"


def arc_line_end(data: bytes | bytearray, at: int = 0) -> int | None:
    """The end of the ARC header line that starts at `at`, its line end included; None where none starts there."""
    if _SCHEME.match(data, at) is None:
        return None
    newline = data.find(b"\n", at, at + MAX_LINE_BYTES)
    if newline < 0 or parse_arc_line(bytes(data[at:newline])) is None:
        return None
    return newline + 1


def next_arc_start(data: bytes | bytearray, at: int, end: int) -> int | None:
    """The start of the next line after `at`, and before `end`, that is an ARC header line."""
    for found in _LINE_OF_URL.finditer(data, max(0, at - 1), end):
        if found.end() >= at and arc_line_end(data, found.end()) is not None:
            return found.end()
    return None
