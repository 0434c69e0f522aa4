"""WARC and ARC framing: the records of a file, each with its address, and every span that holds none.

FastWARC 2.0 reads ahead, so a damaged gzip member takes the sound records before it along; it ends without an error
inside a file whose lengths are wrong; and it takes a cut-off last record for a whole one. Records are therefore framed
here, member by member, and FastWARC stays the independent reader that tests compare with.
Format: WARC 1.0 and 1.1 (ISO 28500), read tolerantly: any line ends, any case, folded header lines. ARC records come
as WARC records with the header fields that say the same. In a WARC file no line counts as the start of an ARC record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.readers import arc
from pipeline.readers.members import MemberStream

MAX_HEADER_BYTES = 1 << 20
MAX_RECORD_BYTES = 256 << 20
_START = re.compile(rb"WARC/[01]\.\d{1,2}(?:\.\d)?[ \t]*(?:\r?\n|\Z)", re.IGNORECASE)
_NEXT_START = re.compile(rb"(?<=\n)WARC/[01]\.\d{1,2}(?:\.\d)?[ \t]*\r?\n", re.IGNORECASE)
_HEADER_END = re.compile(rb"\n\r?\n")
_START_BYTES = 16  # no start line is longer
_LONG_HEADER_BYTES = 16 << 10
_WINDOW_BYTES = 4 << 10
_LINE_ENDS = b"\r\n"


@dataclass
class WarcRecord:
    """A record as stored: its header fields (names in lower case) and its block.

    within: bytes of the member at `offset`, decompressed, before the record; 0 where it starts the member.
    damage: None for a whole record; otherwise what is wrong with it, and `block` is not to be used.
    """

    offset: int
    length: int
    headers: dict[str, str] = field(repr=False)
    block: bytes = field(repr=False)
    damage: str | None = None
    reason: str = ""
    within: int = 0

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


class BlockSink(Protocol):
    """Takes the blocks that are too large to be held, a piece at a time."""

    def begin(self, headers: dict[str, str]) -> None: ...

    def update(self, data: bytes) -> None: ...


def starts_record(head: bytes) -> bool:
    """True where decompressed bytes begin a WARC or ARC record."""
    head = head.lstrip(_LINE_ENDS)
    return _START.match(head[:_START_BYTES]) is not None or arc.arc_line_end(head) is not None


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
    stream: MemberStream, max_record_bytes: int = MAX_RECORD_BYTES, sink: BlockSink | None = None
) -> Iterator[WarcRecord | Unreadable]:
    """Every record and every unreadable span of `stream`, in file order. Never raises for what the file holds.

    A block of more than `max_record_bytes` is never held: it goes to `sink`, where there is one, before its record,
    with the reason record_too_large, comes.
    """
    framer = _Framer(stream, max_record_bytes, sink)
    while True:
        yield from framer.run()
        if stream.damage is None or not stream.next_run():
            return


class _Framer:
    """Splits one run of decompressed bytes after the other into records."""

    def __init__(self, stream: MemberStream, max_record_bytes: int, sink: BlockSink | None) -> None:
        self.stream = stream
        self.max_record_bytes = max_record_bytes
        self.sink = sink
        self.may_be_arc = True  # until a WARC record is met

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
        if self._at_warc_start(at):
            return True
        if not self.may_be_arc:
            return False
        stream = self.stream
        while stream.buffer.find(b"\n", at, at + arc.MAX_LINE_BYTES) < 0:
            if len(stream.buffer) >= at + arc.MAX_LINE_BYTES or not stream.fill():
                return False
        return arc.arc_line_end(stream.buffer, at) is not None

    def _at_warc_start(self, at: int) -> bool:
        return _START.match(bytes(self.stream.buffer[at : at + _START_BYTES])) is not None

    def _next_start(self, at: int) -> int | None:
        """The place in the buffer of the next line from `at` on that starts a record."""
        buffer = self.stream.buffer
        window = _WINDOW_BYTES  # so that one kind is not looked for in all of the buffer where the other is near
        while True:
            end = at + window
            found = _NEXT_START.search(buffer, at, end)
            warc = found.start() if found is not None else None
            other = arc.next_arc_start(buffer, at, end) if self.may_be_arc else None
            start = min((start for start in (warc, other) if start is not None), default=None)
            if start is not None or end >= len(buffer):
                return start
            line = buffer.rfind(b"\n", at, end)  # the line that the window cuts is looked at again
            at = line if line >= 0 else end
            window *= 4

    def _skip_to_start(self) -> Unreadable:
        """Consume up to the next line that starts a record, or to the end of the run."""
        stream = self.stream
        start = stream.position
        what = "no WARC or ARC record starts here"
        # A boundary of members may be a start without a line end before it.
        first_offset = stream.covering_address(start, start + 1)[0]
        while True:
            found = self._next_start(1)
            jump = self._boundary_start()
            if found is not None and (jump is None or found <= jump):
                jump = found
            if jump is not None:
                end = stream.position + jump
                stop = stream.covering_address(end, end + 1)[0]
                stream.consume(jump)
                return Unreadable(first_offset, stop - first_offset if stop > first_offset else -1, what)
            # A start line may be only partly there.
            keep = arc.MAX_LINE_BYTES if self.may_be_arc else _START_BYTES
            stream.consume(max(0, len(stream.buffer) - keep))
            if not stream.fill():
                stream.consume(len(stream.buffer))
                return Unreadable(first_offset, stream.resume_offset() - first_offset, what)

    def _boundary_start(self) -> int | None:
        stream = self.stream
        for position, _ in stream.boundaries():
            at = position - stream.position
            if 0 < at < len(stream.buffer) and (
                self._at_warc_start(at) or (self.may_be_arc and arc.arc_line_end(stream.buffer, at) is not None)
            ):
                return at
        return None

    def _record(self) -> WarcRecord:
        stream = self.stream
        start = stream.position
        header_end: int | None
        if self._at_warc_start(0):
            self.may_be_arc = False
            header_end = self._find_header_end()
            if header_end is None:
                fields = bytes(stream.buffer[: self._next_start(1) or MAX_HEADER_BYTES])
                return self._torn(start, parse_fields(fields), "its header has no end")
            headers = parse_fields(bytes(stream.buffer[:header_end]))
        else:
            header_end = arc.arc_line_end(stream.buffer) or 0
            headers = arc.parse_arc_line(bytes(stream.buffer[:header_end])) or {}
        stated = headers.get("content-length", "0")
        if not (stated.isascii() and stated.isdigit() and len(stated) < 16):
            return self._torn(start, headers, f"its length is {stated[:20]!r}")
        block_bytes = int(stated)
        if block_bytes > self.max_record_bytes:
            return self._oversized(start, headers, header_end, block_bytes)
        end = header_end + block_bytes
        whole = self._need(end)
        following = self._skip_ends_from(end) if whole else end
        if not whole or not (following == len(stream.buffer) or self._at_start(following)):
            swallowed = self._next_start(header_end)
            if swallowed is not None and swallowed < end:
                what = f"its length of {block_bytes} bytes runs into the next record"
                return self._cut(start, headers, swallowed, what)
            if not whole:
                return self._torn(start, headers, stream.damage or "the file ends inside it")
            # What follows is garbage: the next round reports it.
        if self._is_unsound(start, start + end):
            return self._torn(start, headers, stream.damage or "damaged data")
        block = bytes(memoryview(stream.buffer)[header_end:end])
        offset, length = stream.address(start, start + following)
        within = stream.within(start)
        stream.consume(following)
        return WarcRecord(offset, length, headers, block, within=within)

    def _is_unsound(self, start: int, end: int) -> bool:
        """True where a record that looks whole lies in a damaged member.

        What was decompressed before the file broke off is right, but a member that holds this record alone and was
        never checked to its end counts as the one that is cut off.
        """
        stream = self.stream
        if not stream.may_trust(end):
            return True
        sound = stream.sound_position()
        return stream.truncated and end > sound >= start

    def _find_header_end(self) -> int | None:
        stream = self.stream
        is_long = _HEADER_END.search(stream.buffer, 0, _LONG_HEADER_BYTES) is None
        if is_long and self._need(_LONG_HEADER_BYTES) and not _HEADER_END.search(stream.buffer, 0, _LONG_HEADER_BYTES):
            following = self._next_start(1)
            if following is not None and following < _LONG_HEADER_BYTES:
                return None  # not looked for behind the starts of many others, each time anew
        searched = 0
        while True:
            found = _HEADER_END.search(stream.buffer, max(0, searched - 3))
            if found is not None:
                return found.end() if found.end() <= MAX_HEADER_BYTES else None
            searched = len(stream.buffer)
            if searched > MAX_HEADER_BYTES or not stream.fill():
                return None

    def _skip_ends_from(self, end: int) -> int:
        """The end of the line ends after `end`; the buffer's length where the run ends there."""
        stream = self.stream
        at = end
        while self._need(at + 1) and stream.buffer[at] in _LINE_ENDS:
            at += 1
        return at

    def _cut(self, start: int, headers: dict[str, str], end: int, damage: str) -> WarcRecord:
        offset, length = self.stream.address(start, start + end)
        within = self.stream.within(start)
        self.stream.consume(end)
        return WarcRecord(offset, length, headers, b"", damage, "truncated_record", within)

    def _torn(self, start: int, headers: dict[str, str], damage: str) -> WarcRecord:
        """A record without an end: everything up to the next start belongs to it."""
        stream = self.stream
        stream_start = stream.covering_address(start, start + 1)[0]
        within = stream.within(start)
        stream.consume(1)
        span = self._skip_to_start()
        length = span.offset + span.length - stream_start if span.length >= 0 else -1
        return WarcRecord(stream_start, length, headers, b"", damage, "truncated_record", within)

    def _oversized(self, start: int, headers: dict[str, str], header_end: int, block_bytes: int) -> WarcRecord:
        """Pass over a block that is too large for memory, without holding it."""
        stream = self.stream
        offset = stream.covering_address(start, start + 1)[0]
        within = stream.within(start)
        stream.consume(header_end)
        if self.sink is not None:
            self.sink.begin(headers)
        left = block_bytes
        while left > 0 and (stream.buffer or stream.fill()):
            step = min(left, len(stream.buffer))
            if self.sink is not None:
                self.sink.update(bytes(memoryview(stream.buffer)[:step]))
            stream.consume(step)
            left -= step
        self._skip_line_ends()
        stop = (
            stream.covering_address(stream.position, stream.position + 1)[0]
            if stream.buffer
            else stream.resume_offset()
        )
        damage = f"its block of {block_bytes} bytes is over the limit of {self.max_record_bytes}"
        return WarcRecord(offset, stop - offset, headers, b"", damage, "record_too_large", within)
