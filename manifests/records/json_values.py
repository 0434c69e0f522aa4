"""JSON values that do not stand one a line: one array of all, objects over several lines or several on one.

Between values stands white space, a comma, a bracket of an array around them, a byte order mark, or the separator of
JSON text sequences (RFC 7464); so all of these files are read in one way, as a row of values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

_MOST_LOOK_BYTES = 16 << 20
_GAP = re.compile(rb"(?:[\s,\[\]\x1e]|\xef\xbb\xbf)*+")
_BEFORE = re.compile(rb"(?:\s|\xef\xbb\xbf)*+")
_ARRAY_START = re.compile(rb"\[\s*+[\[{\"\]]")
_NEXT_VALUE = re.compile(rb"(?:[\s,]|\xef\xbb\xbf)*+(?:[{\[\x1e]|\Z)")
_STRUCTURE = re.compile(rb"[\"{}\[\]]")
# A line end inside a string is written as an escape, so a string that comes to one is broken.
_STRING = re.compile(rb"(?:[^\"\\\r\n]++|\\[^\r\n])*+")
_AFTER_TEXT = re.compile(rb"[\s,:]*+")
_SCALAR = re.compile(rb"[^\s,\[\]{}\":\x1e]++|.", re.DOTALL)
_INDENT = re.compile(rb"(?:\A|[\r\n])([ \t]*+)\Z")
_OBJECT_AFTER_OBJECT = re.compile(rb"\}\s*+,?\s*+(?=\{)")
_MOST_INDENT_BYTES = 64
_QUOTE, _OPEN, _CLOSE, _LINE_ENDS = 0x22, b"{[", b"}]", b"\r\n"


class ByteStream(Protocol):
    """Bytes that come piece by piece, as a `MemberStream` gives them."""

    buffer: bytearray
    position: int
    damage: str | None

    def fill(self) -> bool: ...

    def consume(self, num_bytes: int) -> None: ...

    def may_trust(self, position: int) -> bool: ...


class Value(NamedTuple):
    """A value: the position of its first byte, its bytes, and what it says; where it says nothing, why."""

    start: int
    length: int
    data: bytes = b""
    row: Any = None
    error: str = ""


class _End:
    """Looks for the end of the value at a buffer's start, as far as the buffer goes."""

    def __init__(self, buffer: bytearray | bytes) -> None:
        self._buffer = buffer
        self.at = 0
        self._depth = 0
        self._in_string = False
        self.is_broken = False

    def find(self) -> int | None:
        """The end; None where it lies beyond the buffer, or the value is broken at `at`."""
        buffer = self._buffer
        while True:
            if self._in_string:
                found = _STRING.match(buffer, self.at)
                assert found is not None
                self.at = found.end()
                if self.at >= len(buffer) or (buffer[self.at] != _QUOTE and self.at + 1 >= len(buffer)):
                    return None
                if buffer[self.at] != _QUOTE:
                    self.is_broken = True
                    return None
                self._in_string = False
                self.at += 1
            else:
                mark = _STRUCTURE.search(buffer, self.at)
                if mark is None:
                    self.at = len(buffer)
                    return None
                self.at = mark.end()
                byte = buffer[mark.start()]
                if byte == _QUOTE:
                    self._in_string = True
                    continue
                self._depth += 1 if byte in _OPEN else -1
            if self._depth <= 0:
                return self.at


def holds_lines(stream: ByteStream) -> bool:
    """True where a file is to be read as one value a line, by what it begins with, which stays."""
    start = _skip(stream, _BEFORE)
    if start is None:
        return True
    buffer = stream.buffer
    while len(buffer) < start + 64 and stream.fill():
        pass
    if buffer[start] != _OPEN[0]:
        return buffer[start] != 0x1E and _ARRAY_START.match(buffer, start) is None
    searched = start
    while (newline := buffer.find(b"\n", searched)) < 0 and len(buffer) < start + _MOST_LOOK_BYTES:
        searched = len(buffer)
        if not stream.fill():
            break
    if newline >= 0 and _says(bytes(buffer[start:newline])):
        return True
    value = buffer[start:]
    end = _End(value)
    while (length := end.find()) is None and not end.is_broken and len(value) < _MOST_LOOK_BYTES:
        before = len(buffer)
        if not stream.fill():
            break
        value += buffer[before:]
    if length is None or not _says(bytes(value[:length])):
        return True
    while len(buffer) < start + length + 64 and stream.fill():
        pass
    return _NEXT_VALUE.match(buffer, start + length) is None


def _says(data: bytes) -> bool:
    try:
        read_json(data)
    except (ValueError, RecursionError):
        return False
    return True


def _skip(stream: ByteStream, pattern: re.Pattern[bytes]) -> int | None:
    """The place in the buffer after what `pattern` matches at its start; None where nothing follows."""
    at = 0
    while True:
        found = pattern.match(stream.buffer, at)
        assert found is not None
        at = found.end()
        # A byte order mark may be there in part.
        if at + 3 <= len(stream.buffer) or not stream.fill():
            return at if at < len(stream.buffer) else None


def json_values(stream: ByteStream, max_bytes: int) -> Iterator[Value]:
    """The values of a run of bytes. After one that is broken it goes on where the next one seems to start.

    max_bytes: of a value. Before damage, what cannot be trusted stays in the buffer.
    """
    before = b""  # what stands ahead of the value on its line
    while (gap := _skip(stream, _GAP)) is not None:
        before = (before + bytes(stream.buffer[max(0, gap - _MOST_INDENT_BYTES) : gap]))[-_MOST_INDENT_BYTES:]
        indent = _INDENT.search(before)
        stream.consume(gap)
        length, is_whole = _length(stream, max_bytes)
        if (not is_whole and stream.damage is not None) or not stream.may_trust(stream.position + length):
            return
        value = _value(stream, length, is_whole, max_bytes)
        if value.error:
            length = _next_start(stream, length, None if indent is None else indent[1])
            value = value._replace(length=length)
        before = bytes(stream.buffer[max(0, length - _MOST_INDENT_BYTES) : length])
        stream.consume(length)
        yield value


def _length(stream: ByteStream, max_bytes: int) -> tuple[int, bool]:
    """The length of the value at the buffer's start, and whether its end was found."""
    buffer = stream.buffer
    if buffer[0] != _QUOTE and buffer[0] not in _OPEN:
        while (found := _SCALAR.match(buffer)) is not None and found.end() == len(buffer) <= max_bytes:
            if not stream.fill():
                break
        assert found is not None
        return found.end(), True
    end = _End(buffer)
    while (length := end.find()) is None and not end.is_broken and len(buffer) <= max_bytes:
        if not stream.fill():
            break
    return (length, True) if length is not None else (max(1, end.at), False)


def _value(stream: ByteStream, length: int, is_whole: bool, max_bytes: int) -> Value:
    start = stream.position
    if length > max_bytes:
        return Value(start, length, error=f"a value of over {max_bytes} bytes")
    if not is_whole:
        return Value(start, length, error="a string or an object that nothing closes")
    data = bytes(memoryview(stream.buffer)[:length])
    try:
        return Value(start, length, data, read_json(data))
    except (ValueError, RecursionError) as error:
        return Value(start, length, error=str(error))


def _next_start(stream: ByteStream, length: int, indent: bytes | None) -> int:
    """The place where to go on after a value that cannot be read, which was taken to be of that length.

    indent: what stands before the value on its line; the next one starts so, too. None: other values.
    """
    start = _OBJECT_AFTER_OBJECT if indent is None else re.compile(rb"[\r\n]" + indent + rb"(?=[{\[\"])")
    at = 1
    while True:
        found = start.search(stream.buffer, at)
        if found is not None:
            return found.end()
        if len(stream.buffer) > length + _MOST_LOOK_BYTES:
            return length
        at = max(at, len(stream.buffer) - _MOST_INDENT_BYTES)
        if not stream.fill():
            return len(stream.buffer)


def read_json(data: bytes) -> Any:
    """The value of a JSON text in UTF-8. Raises `ValueError` for other text, `RecursionError` for nesting alone.

    Surrogates in the bytes (WTF-8) are let through. An integer of more digits than Python reads is its text. Of an
    object with values that are nested too deep the others are read.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = _with_surrogates(data)
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        return json.loads(text, parse_int=str)
    except RecursionError:
        return dict(_shallow(text.encode("utf-8", "surrogatepass")))


def _with_surrogates(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig", "surrogatepass")
    except UnicodeDecodeError as error:
        what = f"byte {error.start} is 0x{data[error.start]:02x}, so it is not UTF-8, which JSON is to be in"
        raise ValueError(f"{what}: convert the file to UTF-8") from None


def _shallow(data: bytes) -> Iterator[tuple[str, Any]]:
    """The names and values of an object but for those that are nested too deep."""
    for name, value in _top_level(data):
        try:
            yield json.loads(name), json.loads(value.decode("utf-8", "surrogatepass"), parse_int=str)
        except RecursionError:
            continue


def _top_level(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and values, as JSON texts, of the object that `data` is. Raises `RecursionError` where it is none."""
    at = _BEFORE.match(data).end()  # type: ignore[union-attr]
    if data[at : at + 1] != b"{":
        raise RecursionError("it is nested too deep")
    texts: list[bytes] = []
    at += 1
    while at < len(data):
        at = _AFTER_TEXT.match(data, at).end()  # type: ignore[union-attr]
        if data[at : at + 1] in (b"}", b""):
            return
        if data[at] == _QUOTE or data[at] in _OPEN:
            end = _End(data)
            end.at = at
            length = end.find()
        else:
            length = _SCALAR.match(data, at).end()  # type: ignore[union-attr]
        if length is None:
            raise ValueError("it is not closed")
        texts.append(data[at:length])
        at = length
        if len(texts) == 2:
            yield texts[0], texts[1]
            texts.clear()
