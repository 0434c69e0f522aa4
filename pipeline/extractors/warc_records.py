"""WARC framing: the records of a file, each with its address, and every span that holds none.

FastWARC 2.0 reads ahead, so a damaged gzip member takes the sound records before it along; it ends without an error
inside a file whose lengths are wrong; and it takes a cut-off last record for a whole one. Records are therefore framed
here, member by member, and FastWARC stays the independent reader that tests compare with.
Format: WARC 1.0 and 1.1 (ISO 28500), read tolerantly: any line ends, any case, folded header lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.extractors.members import MemberStream

MAX_HEADER_BYTES = 1 << 20
MAX_RECORD_BYTES = 256 << 20
_START = re.compile(rb"WARC/[01]\.\d{1,2}[ \t]*(?:\r?\n|\Z)", re.IGNORECASE)
_NEXT_START = re.compile(rb"(?<=\n)WARC/[01]\.\d{1,2}[ \t]*\r?\n", re.IGNORECASE)
_HEADER_END = re.compile(rb"\n\r?\n")
_START_BYTES = 16  # no start line is longer
_LINE_ENDS = b"\r\n"


@dataclass
class WarcRecord:
    """A record as stored: its header fields (names in lower case) and its block.

    damage: None for a whole record; otherwise what is wrong with it, and `block` is not to be used.
    """

    offset: int
    length: int
    headers: dict[str, str] = field(repr=False)
    block: bytes = field(repr=False)
    damage: str | None = None
    reason: str = ""

    @property
    def type(self) -> str:
        return self.headers.get("warc-type", "").strip().lower()

    @property
    def id(self) -> str:
        """WARC-Record-ID without its angle brackets, empty where the record has none."""
        return self.headers.get("warc-record-id", "").strip().strip("<>")


@dataclass
class Unreadable:
    """A span of the file in which no record starts. `length` is -1 where its end has no address."""

    offset: int
    length: int
    what: str


def starts_record(head: bytes) -> bool:
    """Whether decompressed bytes begin a WARC record."""
    return _START.match(head.lstrip(_LINE_ENDS)[:_START_BYTES]) is not None


def parse_fields(lines: bytes) -> dict[str, str]:
    """Header fields, names in lower case; the first of a repeated field counts, folded lines are joined."""
    fields: dict[str, str] = {}
    name = ""
    for line in lines.decode("utf-8", "replace").split("\n"):
        line = line.rstrip("\r")
        if line[:1] in (" ", "\t") and name:
            fields[name] = f"{fields[name]} {line.strip()}".strip()
            continue
        key, separator, value = line.partition(":")
        if separator:
            key = key.strip().lower()
            if key in fields:
                name = ""
                continue
            name = key
            fields[name] = value.strip()
    return fields


def iterate_records(
    stream: MemberStream, max_record_bytes: int = MAX_RECORD_BYTES
) -> Iterator[WarcRecord | Unreadable]:
    """Every record and every unreadable span of `stream`, in file order. Never raises for what the file holds."""
    framer = _Framer(stream, max_record_bytes)
    while True:
        yield from framer.run()
        if stream.damage is None or not stream.next_run():
            return


class _Framer:
    """Splits one run of decompressed bytes after the other into records."""

    def __init__(self, stream: MemberStream, max_record_bytes: int) -> None:
        self.stream = stream
        self.max_record_bytes = max_record_bytes

    def run(self) -> Iterator[WarcRecord | Unreadable]:
        stream = self.stream
        damage_told = False
        while True:
            self._skip_line_ends()
            if not stream.buffer:
                break
            if not self._at_start():
                span = self._skip_to_start()
                damage_told = stream.at_end and stream.damage is not None and not stream.buffer
                if damage_told:
                    span = self._until_next_run(span.offset, f"{span.what}; {stream.damage}")
                yield span
                continue
            record = self._record()
            if record.damage is not None and stream.at_end and not stream.buffer and stream.damage is not None:
                damage_told = True
                offset, length = self._span_to_next_run(record.offset)
                record.offset, record.length = offset, length
            yield record
        if stream.damage is not None and not damage_told:
            yield self._until_next_run(stream.damage_offset, stream.damage)

    def _until_next_run(self, offset: int, what: str) -> Unreadable:
        return Unreadable(*self._span_to_next_run(offset), what)

    def _span_to_next_run(self, offset: int) -> tuple[int, int]:
        return offset, self.stream.resume_offset() - offset

    def _need(self, num_bytes: int) -> bool:
        """Have `num_bytes` in the buffer; False when the run ends before."""
        stream = self.stream
        while len(stream.buffer) < num_bytes:
            if not stream.fill():
                return False
        return True

    def _skip_line_ends(self) -> None:
        stream = self.stream
        while True:
            rest = (
                len(stream.buffer.lstrip(_LINE_ENDS))
                if bytes(stream.buffer[:1]) in (b"\r", b"\n")
                else len(stream.buffer)
            )
            stream.consume(len(stream.buffer) - rest)
            if rest or not stream.fill():
                return

    def _at_start(self, at: int = 0) -> bool:
        self._need(at + _START_BYTES)
        return _START.match(bytes(self.stream.buffer[at : at + _START_BYTES])) is not None

    def _skip_to_start(self) -> Unreadable:
        """Consume up to the next line that starts a record, or to the end of the run."""
        stream = self.stream
        start = stream.position
        self._need(64)
        what = (
            "an ARC record, only WARC is read"
            if stream.buffer.startswith(b"filedesc:")
            else "no WARC record starts here"
        )
        # A boundary of members may be a start without a line end before it.
        first_offset = stream.covering_address(start, start + 1)[0]
        while True:
            found = _NEXT_START.search(stream.buffer, 1)
            jump = self._boundary_start()
            if found is not None and (jump is None or found.start() <= jump):
                jump = found.start()
            if jump is not None:
                end = stream.position + jump
                stop = stream.covering_address(end, end + 1)[0]
                stream.consume(jump)
                return Unreadable(first_offset, stop - first_offset if stop > first_offset else -1, what)
            stream.consume(max(0, len(stream.buffer) - _START_BYTES))
            if not stream.fill():
                stream.consume(len(stream.buffer))
                return Unreadable(first_offset, stream.resume_offset() - first_offset, what)

    def _boundary_start(self) -> int | None:
        stream = self.stream
        for position, _ in stream.boundaries():
            at = position - stream.position
            if 0 < at < len(stream.buffer) and _START.match(bytes(stream.buffer[at : at + _START_BYTES])):
                return at
        return None

    def _record(self) -> WarcRecord:
        stream = self.stream
        start = stream.position
        header_end = self._find_header_end()
        if header_end is None:
            return self._torn(start, parse_fields(bytes(stream.buffer[:MAX_HEADER_BYTES])), "its header has no end")
        headers = parse_fields(bytes(stream.buffer[:header_end]))
        stated = headers.get("content-length", "0")
        if not (stated.isascii() and stated.isdigit() and len(stated) < 16):
            return self._torn(start, headers, f"Content-Length is {stated[:20]!r}")
        block_bytes = int(stated)
        if block_bytes > self.max_record_bytes:
            return self._oversized(start, headers, header_end, block_bytes)
        end = header_end + block_bytes
        whole = self._need(end)
        following = self._skip_ends_from(end) if whole else end
        if not whole or not (following == len(stream.buffer) or self._at_start(following)):
            swallowed = _NEXT_START.search(stream.buffer, header_end)
            if swallowed is not None and swallowed.start() < end:
                what = f"Content-Length {block_bytes} runs into the next record"
                return self._cut(start, headers, swallowed.start(), what)
            if not whole:
                return self._torn(start, headers, stream.damage or "the file ends inside it")
            # What follows is garbage: the next round reports it.
        block = bytes(memoryview(stream.buffer)[header_end:end])
        if stream.damage is not None and self._is_unsound(start, start + end):
            return self._torn(start, headers, stream.damage)
        offset, length = stream.address(start, start + following)
        stream.consume(following)
        return WarcRecord(offset, length, headers, block)

    def _is_unsound(self, start: int, end: int) -> bool:
        """Whether a record that looks whole lies in a damaged member.

        What was decompressed before the file broke off is right, but a member that holds this record alone and was
        never checked to its end counts as the one that is cut off.
        """
        sound = self.stream.sound_position()
        return end > sound and not (self.stream.truncated and start > sound)

    def _find_header_end(self) -> int | None:
        stream = self.stream
        searched = 0
        while True:
            found = _HEADER_END.search(stream.buffer, max(0, searched - 3))
            if found is not None:
                return found.end() if found.end() <= MAX_HEADER_BYTES else None
            searched = len(stream.buffer)
            if searched > MAX_HEADER_BYTES or not stream.fill():
                return None

    def _skip_ends_from(self, end: int) -> int:
        """Where the line ends after `end` end; the buffer's length where the run does."""
        stream = self.stream
        at = end
        while self._need(at + 1) and stream.buffer[at] in _LINE_ENDS:
            at += 1
        return at

    def _cut(self, start: int, headers: dict[str, str], end: int, damage: str) -> WarcRecord:
        offset, length = self.stream.address(start, start + end)
        self.stream.consume(end)
        return WarcRecord(offset, length, headers, b"", damage, "truncated_record")

    def _torn(self, start: int, headers: dict[str, str], damage: str) -> WarcRecord:
        """A record without an end: everything up to the next start belongs to it."""
        stream = self.stream
        stream_start = stream.covering_address(start, start + 1)[0]
        stream.consume(1)
        span = self._skip_to_start()
        length = span.offset + span.length - stream_start if span.length >= 0 else -1
        return WarcRecord(stream_start, length, headers, b"", damage, "truncated_record")

    def _oversized(self, start: int, headers: dict[str, str], header_end: int, block_bytes: int) -> WarcRecord:
        """Pass over a block that is too large for memory, without holding it."""
        stream = self.stream
        offset = stream.covering_address(start, start + 1)[0]
        left = header_end + block_bytes
        while left > 0 and (stream.buffer or stream.fill()):
            step = min(left, len(stream.buffer))
            stream.consume(step)
            left -= step
        self._skip_line_ends()
        stop = (
            stream.covering_address(stream.position, stream.position + 1)[0]
            if stream.buffer
            else stream.resume_offset()
        )
        damage = f"its block of {block_bytes} bytes is over the limit of {self.max_record_bytes}"
        return WarcRecord(offset, stop - offset, headers, b"", damage, "record_too_large")
