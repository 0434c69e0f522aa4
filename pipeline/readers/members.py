"""Decompression with addresses: a raw file as runs of bytes that know where in the file they came from.

A compressed raw file is a row of members: gzip members, bz2 or xz streams, lz4 or zstd frames; a 7z archive is one.
Readers parse the decompressed bytes and ask `MemberStream.address` which stored bytes hold them. Damage inside the file
ends one run of bytes; the next one starts at the next member that decompresses to what the caller looks for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

from manifests.errors import UserError
from manifests.paths import open_path
from manifests.records.compressions import (
    BY_ENDING,
    DEFAULT_MEMORY_BYTES,
    HEAD_BYTES,
    READ_BYTES,
    STEP_BYTES,
    Compression,
    Source,
    compression_of,
    damage_errors,
    read_exactly,
    zstd_dictionary,
)
from pipeline.readers.seven_zip import SEVEN_ZIP_MAGIC, SEVEN_ZIP_READ_BYTES, SevenZipDecompressor

_SEARCH_BYTES = 1 << 20
_PROBE_BYTES = 4 << 10
_SALVAGE_STEP = 256
LOOK_AHEAD_BYTES = 1 << 20
# An archive holds one member, which starts it and ends with it.
SEVEN_ZIP = Compression(
    "7z",
    lambda head: head.startswith(SEVEN_ZIP_MAGIC),
    (),
    lambda source, head: SevenZipDecompressor(source.file),
    read_bytes=SEVEN_ZIP_READ_BYTES,
)


@dataclass
class MemberStream:
    """The decompressed bytes of a raw file, a run at a time.

    `buffer` holds decompressed bytes not yet consumed; its first byte is at `position` of the current run. `fill`
    appends to it. When it returns False the run is over: at the end of the file when `damage` is None, else because of
    what `damage` says. Then `next_run` moves on to the next member for which `starts(head)` is true.

    file: an open binary file that can seek.
    name: the file's name; its ending says the compression where the first bytes are damaged.
    starts: tells whether the first bytes of a member, decompressed, begin something the reader knows. None: any.
    start, stop: read only the members that start at these offsets of the file or between them, `stop` not included.
    memory_bytes: the most that a member may ask for to be unpacked; one that asks for more is damage.
    """

    file: IO[bytes]
    name: str = ""
    starts: Callable[[bytes], bool] | None = None
    start: int = 0
    stop: int | None = None
    memory_bytes: int = DEFAULT_MEMORY_BYTES
    compression: Compression | None = field(init=False)
    size: int = field(init=False)  # bytes of the file as stored, up to `stop`
    buffer: bytearray = field(init=False, default_factory=bytearray)
    position: int = field(init=False, default=0)
    damage: str | None = field(init=False, default=None)
    truncated: bool = field(init=False, default=False)  # the damage is that the file ends too early
    at_end: bool = field(init=False, default=False)
    _resume: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.size = self.file.seek(0, 2)
        if self.stop is not None:
            self.size = min(self.size, self.stop)
        self._errors = damage_errors()
        self._source = Source(self.file, self.memory_bytes)
        self.compression = self._detect()
        self._start_run(self.start)
        if self.compression is not None and self.compression.name == "zstd":
            try:
                self._source.dictionary = zstd_dictionary(self.file)
            except self._errors as error:
                self._end(f"the dictionary in its first frame cannot be read: {error}")
                self._resume = self.size  # what follows cannot be read without it
            self.file.seek(self.start)

    def _detect(self) -> Compression | None:
        self.file.seek(0)
        if SEVEN_ZIP.starts(read_exactly(self.file, HEAD_BYTES)):
            return SEVEN_ZIP
        return compression_of(self.file, self.name) or self._compression_of_damaged()

    def _compression_of_damaged(self) -> Compression | None:
        """A file whose first bytes are damaged is still compressed if its name says so and a later member is sound."""
        self.compression = BY_ENDING.get(self.name.lower().rpartition(".")[2])
        if self.compression is None or self.starts is None or self._find_member(0) is None:
            return None
        return self.compression

    def _start_run(self, offset: int) -> None:
        self.file.seek(offset)
        self.buffer.clear()
        self.position = 0
        self.damage = None
        self.truncated = False
        self.at_end = False
        self.run_offset = offset
        self._resume = None
        self._pending = b""
        self._read_offset = offset  # file offset of the first byte of _pending
        self._member: Any = None
        self._member_produced = False
        self._padded_from: int | None = None  # offset of the zeros after the member that ended last
        # (position in the run, offset in the file) of every member boundary still of use
        self._boundaries: list[tuple[int, int]] = [(0, offset)] if self.compression is None else []

    @property
    def end_position(self) -> int:
        """Position in the run just after the buffer's last byte."""
        return self.position + len(self.buffer)

    def fill(self) -> bool:
        """Append decompressed bytes to the buffer. False when the run has ended."""
        if self.at_end:
            return False
        if self.compression is None:
            data = self._read(min(READ_BYTES, max(0, self.size - self.file.tell())))
            self.buffer += data
            if not data:
                self._end(None)
            return bool(data)
        before = len(self.buffer)
        while len(self.buffer) == before and not self.at_end:
            self._decompress_some(self.compression)
        return len(self.buffer) > before

    def head(self, num_bytes: int) -> bytes:
        """So many of the bytes to come, or all that the run has; they stay in the buffer."""
        while len(self.buffer) < num_bytes and self.fill():
            pass
        return bytes(memoryview(self.buffer)[:num_bytes])

    def _decompress_some(self, compression: Compression) -> None:
        if self._member is None:
            self._begin_member(compression)
            return
        if not self._pending and self._member.needs_input:
            self._pending = self._read(compression.read_bytes)
            if not self._pending:
                if getattr(self._member, "may_end", False):
                    self._member = None
                    self._end(None)
                    return
                self.truncated = True
                self._end("the file ends inside a compressed member")
                return
        chunk = self._pending
        try:
            data = self._member.decompress(chunk, STEP_BYTES)
        except self._errors as error:
            if not self._member_produced:
                self._salvage(compression)
            self._end(f"damaged {compression.name} data ({self._source.explain(error)})")
            return
        self.buffer += data
        self._member_produced = self._member_produced or bool(data)
        if self._member.eof:
            unused = bytes(self._member.unused_data or b"")
            self._read_offset += len(chunk) - len(unused)
            self._pending = unused
            self._member = None
        else:
            self._read_offset += len(chunk)
            self._pending = b""

    def _begin_member(self, compression: Compression) -> None:
        """Begin the member that comes next, or pass over a piece of what stands before it."""
        if self.stop is not None and self._read_offset >= self.size:
            self._end(None)
            return
        if len(self._pending) < HEAD_BYTES:
            self._pending += self._read(compression.read_bytes)
        gap = compression.gap(self._pending)
        if gap:
            self._pass(compression, gap)
            return
        if self._padded_from is not None and (self._read_offset - self._padded_from) % compression.padding:
            num_zeros = self._read_offset - self._padded_from
            self._read_offset = self._padded_from
            self._end(f"{num_zeros} zero bytes after a member, and {compression.name} pads to {compression.padding}")
            return
        self._padded_from = None
        if not self._pending:
            self._end(None)
            return
        if not compression.starts(self._pending[:HEAD_BYTES]):
            self._end(f"no {compression.name} member starts here")
            return
        self._boundaries.append((self.end_position, self._read_offset))
        self._member_produced = False
        try:
            self._member = compression.decompressor(self._source, self._pending[:HEAD_BYTES])
        except self._errors as error:
            self._end(f"{compression.name} data that is not read: {error}")

    def _pass(self, compression: Compression, gap: int) -> None:
        """Pass over padding, or a frame to be skipped, as far as it is known: the member before ends ahead of it."""
        if self._boundaries and self._boundaries[-1] != (self.end_position, self._read_offset):
            self._boundaries.append((self.end_position, self._read_offset))
        if compression.padding and self._padded_from is None:
            self._padded_from = self._read_offset
        if gap > len(self._pending) and self._read_offset + gap > self.file.seek(0, 2):
            self.truncated = True
            self._end("the file ends inside a frame to be skipped")
            return
        if gap > len(self._pending):
            self.file.seek(self._read_offset + gap)
        self._pending = self._pending[gap:]
        self._read_offset += gap

    def _salvage(self, compression: Compression) -> None:
        """Recover the first bytes of a member whose first chunk already fails, so that its header can be named."""
        self.file.seek(self._boundaries[-1][1])
        data = self._read(compression.read_bytes)
        try:
            member = compression.decompressor(self._source, data[:HEAD_BYTES])
            for start in range(0, len(data), _SALVAGE_STEP):
                self.buffer += member.decompress(data[start : start + _SALVAGE_STEP], STEP_BYTES)
                if member.eof:
                    return
        except self._errors:
            return

    def _read(self, num_bytes: int) -> bytes:
        return read_exactly(self.file, num_bytes)

    def _end(self, damage: str | None) -> None:
        self.at_end = True
        self.damage = damage
        if damage is None:
            self._boundaries.append((self.end_position, self.size))
        elif self._member is None and self.compression is not None:
            # The damage lies between members: what came before it is whole.
            self._boundaries.append((self.end_position, self._read_offset))

    def consume(self, num_bytes: int) -> None:
        """Forget the first `num_bytes` of the buffer."""
        del self.buffer[:num_bytes]
        self.position += num_bytes
        if self.compression is not None and len(self._boundaries) > 1:
            keep = 0
            while keep + 1 < len(self._boundaries) and self._boundaries[keep + 1][0] <= self.position:
                keep += 1
            del self._boundaries[:keep]

    def boundaries(self) -> list[tuple[int, int]]:
        """(position in the run, offset in the file) of the member boundaries at and after the consumed bytes."""
        return self._boundaries

    def sound_position(self) -> int:
        """Position in the run up to which every byte is in a member that was read to its end and checked."""
        if self._member is None or self.compression is None:
            return self.end_position
        return self._boundaries[-1][0]

    def may_trust(self, position: int) -> bool:
        """True where the run's bytes up to `position` are what was packed, as far as can be told in bounded memory.

        A decompressor gives out what it makes of damaged data before it comes to the checksum. So the bytes of a member
        that was not read to its end count only with a mebibyte of sound ones after them, or where the file ends too
        early and nothing is wrong with what is there. In a larger member damage may show later still; it is told when
        it does.
        """
        while self.sound_position() < position and self.end_position < position + LOOK_AHEAD_BYTES and self.fill():
            pass
        far = self.end_position >= position + LOOK_AHEAD_BYTES
        return self.damage is None or self.truncated or far or position <= self.sound_position()

    @property
    def damage_offset(self) -> int:
        """Offset in the file of the member (or the bytes between members) that ended the run."""
        return self._boundaries[-1][1] if self._boundaries else self.run_offset

    def resume_offset(self) -> int:
        """Offset in the file at which reading goes on after this run's damage; the file's size if nowhere."""
        if self.damage is None or self.compression is None:
            return self.size
        if self._resume is None:
            found = self._find_member(self.damage_offset + 1)
            self._resume = self.size if found is None else found
        return self._resume

    def address(self, start: int, end: int) -> tuple[int, int]:
        """(offset, length) in the file, in bytes as stored, of the run's bytes from `start` to `end`.

        In a compressed file that is the members which hold exactly these bytes. Where they share a member with other
        bytes, the offset is that member's and the length -1.
        """
        if self.compression is None:
            return self.run_offset + start, end - start
        holding = [entry for entry in self._boundaries if entry[0] <= start]
        if not holding:
            return self.run_offset, -1
        at, offset = holding[-1]
        if at != start:
            return offset, -1
        for boundary, boundary_offset in self._boundaries:
            if boundary == end and boundary_offset > offset:
                return offset, boundary_offset - offset
        return offset, -1

    def within(self, position: int) -> int:
        """The number of decompressed bytes before `position` of the run, in the member that holds it."""
        if self.compression is None:
            return 0
        return position - next((entry[0] for entry in reversed(self._boundaries) if entry[0] <= position), 0)

    def covering_address(self, start: int, end: int) -> tuple[int, int]:
        """(offset, length) of the whole members that cover the run's bytes from `start` to `end`; length -1 if open."""
        if self.compression is None:
            return self.run_offset + start, end - start
        offset = next((entry[1] for entry in reversed(self._boundaries) if entry[0] <= start), self.run_offset)
        stop = next((entry[1] for entry in self._boundaries if entry[0] >= end and entry[1] > offset), -1)
        return offset, stop - offset if stop >= 0 else -1

    def next_run(self) -> bool:
        """Go on after damage, at the next member that `starts` accepts. False when there is none."""
        offset = self.resume_offset()
        self._start_run(offset)
        return offset < self.size

    def _find_member(self, offset: int) -> int | None:
        assert self.compression is not None
        if not self.compression.magics:
            return None
        magics = re.compile(b"|".join(map(re.escape, self.compression.magics)))
        longest = max(map(len, self.compression.magics))
        while offset < self.size:
            self.file.seek(offset)
            window = self._read(_SEARCH_BYTES)
            for found in magics.finditer(window):
                if offset + found.start() < self.size and self._accepts(offset + found.start()):
                    return offset + found.start()
            if len(window) < _SEARCH_BYTES:
                return None
            offset += len(window) - longest + 1
        return None

    def _accepts(self, offset: int) -> bool:
        assert self.compression is not None
        self.file.seek(offset)
        head = bytearray()
        data = self._read(_PROBE_BYTES)
        if not self.compression.starts(data[:HEAD_BYTES]):
            return False
        try:
            member = self.compression.decompressor(self._source, data[:HEAD_BYTES])
            for start in range(0, len(data), _SALVAGE_STEP):
                head += member.decompress(data[start : start + _SALVAGE_STEP], _PROBE_BYTES)
                if member.eof or len(head) >= _PROBE_BYTES:
                    break
            # bz2 gives nothing before it has a whole block, of up to 900 kB.
            unprobed = _SEARCH_BYTES
            while not head and not member.eof and unprobed > 0 and (data := self._read(READ_BYTES)):
                head += member.decompress(data, _PROBE_BYTES)
                unprobed -= len(data)
        except self._errors:
            pass  # a member that is damaged further on still starts here; its damage is reported when it is read
        return bool(head) and (self.starts is None or self.starts(bytes(head)))


def open_raw(path: str) -> Any:
    """Open a raw file, local or remote, for binary reading with seeks. Raises `UserError` where it cannot be read."""
    try:
        return open_path(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file. Run the acquire stage again, or correct the source's paths.") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}). Check its permissions.") from None
