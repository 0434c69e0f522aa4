"""The rows of a CSV file, found in its bytes.

Format: RFC 4180, read tolerantly in two things: a line ends with CR LF, LF or CR, and a quote inside a field that does
not start with one is a character as any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pipeline.charsets.charset import MAX_BROKEN_FRACTION, decode
from pipeline.readers.members import MemberStream

MAX_ROW_BYTES = 64 << 20
DETECTED_BYTES = 1 << 20  # of a file, to tell its encoding
_QUOTE = 0x22
_LINE_ENDS = (0x0A, 0x0D)
_LINE_END = re.compile(rb"\r\n?|\n")
# What may be read again of a file whose quotes are broken: so much, and once more what was passed so far.
_RESCAN_BYTES = 256 << 20
_MOST_FIELDS = 1 << 16
# Rows that need no look at each of them, of a file with a delimiter.
_SOUND_ROWS = (
    rb'(?:(?:"(?:[^"]++|"")*+"|(?!")[^\r\n%(d)s]*+)(?:%(d)s(?:"(?:[^"]++|"")*+"|(?!")[^\r\n%(d)s]*+))*+'
    rb"(?:\n|\r\n|\r(?=[^\n])))*+"
)


@dataclass
class Row:
    """A row, or the line at which one that cannot be read starts.

    start, length: its bytes in the file, of one that has addresses. line: at which it starts, from 1. fields: None
    where it cannot be read, because of what `what` says.
    """

    start: int
    length: int
    line: int
    fields: list[bytes] | None
    what: str = ""
    is_blank: bool = False  # no more than a line end


class _BadRow(Exception):
    """A row cannot be made out; `at` bytes were looked at."""

    def __init__(self, what: str, at: int) -> None:
        super().__init__(what)
        self.at = at


class RowScanner:
    """Splits decompressed bytes into rows. After a row that cannot be made out it goes on at the next line.

    A row that is not UTF-8 is in the encoding that the bytes from the first such row on look like.
    """

    _STATE = ("line", "passed_bytes", "scanned_bytes", "codec")

    def __init__(self, stream: MemberStream, max_row_bytes: int = MAX_ROW_BYTES) -> None:
        self.stream = stream
        self.max_row_bytes = max_row_bytes
        self.delimiter = b","
        self.line = 1
        self.passed_bytes = 0
        self.scanned_bytes = 0
        self.codec: str | None = None  # of rows that are not UTF-8, once one was seen

    def state(self) -> dict[str, Any]:
        """What reading on from here needs of what was read so far."""
        return {name: getattr(self, name) for name in self._STATE}

    def move(self, stream: MemberStream, state: dict[str, Any]) -> None:
        """Go on at the start of another stream of the same file, with a state of `state`."""
        self.stream = stream
        for name in self._STATE:
            setattr(self, name, state[name])

    def decode(self, fields: list[bytes]) -> list[str]:
        """The fields of one row, whose bytes are out of the buffer. Raises `UnicodeError` where they mean nothing."""
        whole = b"\n".join(fields)
        try:
            whole.decode("utf-8")
            return [field.decode("utf-8") for field in fields]
        except UnicodeDecodeError:
            pass
        if self.codec is None:
            self.codec = decode(whole + b"\n" + self.stream.head(DETECTED_BYTES), is_html=False).codec
        texts = [field.decode(self.codec, "replace") for field in fields]
        num_broken = sum(text.count("\ufffd") for text in texts)
        if num_broken > MAX_BROKEN_FRACTION * sum(map(len, texts)):
            raise UnicodeError(f"neither UTF-8 nor {self.codec}, which the file looks like")
        return texts

    def pass_sound_rows(self, most_bytes: int) -> int:
        """Pass over rows in which nothing is amiss, in as many bytes at most. Returns how many bytes they are."""
        block = self.stream.head(min(most_bytes, self.max_row_bytes))
        end = len(block)
        if self.codec is None:
            try:
                block.decode()
            except UnicodeDecodeError as error:
                end = error.start
        found = self._sound_rows.match(block, 0, end)
        assert found is not None
        if not found.end() or block.count(self.delimiter, 0, found.end()) >= _MOST_FIELDS:
            return 0
        return self._take(None, found.end(), "").length

    @cached_property
    def _sound_rows(self) -> re.Pattern[bytes]:
        return re.compile(_SOUND_ROWS % {b"d": re.escape(self.delimiter)})

    def rows(self) -> Iterator[Row]:
        """The rows of this run. Before damage, a torn row and rows that cannot be trusted stay in the buffer."""
        while True:
            try:
                parsed = self._parse(self.delimiter)
            except _BadRow as error:
                if self._is_torn():
                    return
                self.scanned_bytes += error.at
                yield self._pass_line(str(error), error.at)
                continue
            if parsed is None:
                return
            fields, length = parsed
            if self._is_torn(length) or not self.stream.may_trust(self.stream.position + length):
                return
            yield self._take(fields, length, "")

    def header_fields(self, delimiter: bytes) -> list[bytes] | None:
        """The fields of the row that comes next, which stays; None where none can be made out."""
        try:
            parsed = self._parse(delimiter)
        except _BadRow:
            return None
        return None if parsed is None or self._is_torn(parsed[1]) else parsed[0]

    def skip_line(self) -> Row:
        """Pass over what is left of a line."""
        return self._pass_line("it is what damage left of a row")

    def _is_torn(self, length: int = -1) -> bool:
        """True where the run broke off, and inside the row of that length, if one is given."""
        stream = self.stream
        if not stream.at_end or stream.damage is None:
            return False
        return length < 0 or (length == len(stream.buffer) and stream.buffer[length - 1] not in _LINE_ENDS)

    def _has(self, at: int) -> bool:
        """True where there is a byte at `at` of the buffer."""
        while len(self.stream.buffer) <= at:
            if not self.stream.fill():
                return False
        return True

    def _find(self, what: bytes, at: int) -> int:
        """The next place of `what` in the buffer; -1 where the run ends before. Raises `_BadRow` for a row too long."""
        stream = self.stream
        while (found := stream.buffer.find(what, at)) < 0:
            at = len(stream.buffer)
            self._check_length(at)
            if not stream.fill():
                return -1
        self._check_length(found)
        return found

    def _check_length(self, at: int) -> None:
        """Raise `_BadRow` where the row goes on at `at`. It is the same however much the buffer holds by now."""
        if at > self.max_row_bytes:
            raise _BadRow(f"a row of over {self.max_row_bytes} bytes", self.max_row_bytes)

    def _parse(self, delimiter: bytes) -> tuple[list[bytes], int] | None:
        """Fields and length, line end included, of the row at the buffer's start; None at the end of the run."""
        buffer = self.stream.buffer
        if not self._has(0):
            return None
        fields: list[bytes] = []
        field_end = re.compile(rb"[\r\n%s]" % re.escape(delimiter))
        at = 0
        while True:
            if self._has(at) and buffer[at] == _QUOTE:
                value, at = self._quoted(at)
            else:
                value, at = self._unquoted(at, field_end)
            fields.append(value)
            if not self._has(at):
                return fields, at
            if buffer[at] == delimiter[0]:
                at += 1
            elif buffer[at] in _LINE_ENDS:
                is_two = buffer[at] == 0x0D and self._has(at + 1) and buffer[at + 1] == 0x0A
                return fields, at + 1 + is_two
            else:
                raise _BadRow(f"text follows the closing quote of field {len(fields)}", at)
            self._check_length(at)
            if len(fields) > _MOST_FIELDS:
                raise _BadRow(f"a row of over {_MOST_FIELDS} fields", at)

    def _quoted(self, at: int) -> tuple[bytes, int]:
        buffer = self.stream.buffer
        start = end = at + 1
        while True:
            end = self._find(b'"', end)
            if end < 0:
                raise _BadRow("a quote is opened that nothing closes", len(buffer))
            if not self._has(end + 1) or buffer[end + 1] != _QUOTE:
                return bytes(memoryview(buffer)[start:end]).replace(b'""', b'"'), end + 1
            end += 2

    def _unquoted(self, at: int, field_end: re.Pattern[bytes]) -> tuple[bytes, int]:
        buffer = self.stream.buffer
        searched = at
        while (found := field_end.search(buffer, searched)) is None:
            searched = len(buffer)
            self._check_length(searched)
            if not self.stream.fill():
                return bytes(memoryview(buffer)[at:]), len(buffer)
        self._check_length(found.start())
        return bytes(memoryview(buffer)[at : found.start()]), found.start()

    def _take(self, fields: list[bytes] | None, length: int, what: str) -> Row:
        buffer = self.stream.buffer
        start = self.stream.run_offset + self.stream.position
        row = Row(start, length, self.line, fields, what, buffer[0] in _LINE_ENDS)
        self.line += buffer.count(b"\n", 0, length)
        if num_returns := buffer.count(b"\r", 0, length):
            self.line += num_returns - buffer.count(b"\r\n", 0, length)
        self.pass_bytes(length)
        return row

    def pass_bytes(self, length: int) -> None:
        self.stream.consume(length)
        self.passed_bytes += length

    def _pass_line(self, what: str, scanned: int = 0) -> Row:
        """Pass over one line, or over the lines that were scanned where so much was in vain that there is no end of it.

        scanned: bytes that were looked at.
        """
        stream = self.stream
        if self.scanned_bytes > _RESCAN_BYTES + self.passed_bytes:
            last = stream.buffer.rfind(b"\n", 0, scanned)
            if last >= 0:
                return self._take(None, last + 1, what)
        start, line = stream.run_offset + stream.position, self.line
        while (found := _LINE_END.search(stream.buffer)) is None or found.end() == len(stream.buffer):
            if found is None:
                self.pass_bytes(max(0, len(stream.buffer) - 1))
            if not stream.fill():
                self.pass_bytes(found.end() if found is not None else len(stream.buffer))
                break
        else:
            self.pass_bytes(found.end())
        self.line += 1
        return Row(start, stream.run_offset + stream.position - start, line, None, what)
