"""Raw files opened and decompressed, from any address on."""

from __future__ import annotations

import codecs
import contextlib
import io
from collections.abc import Iterator
from typing import Any

from manifests.errors import UserError
from manifests.paths import open_path
from manifests.records import encodings
from manifests.records.compressions import (
    COMPRESSIONS,
    HEAD_BYTES,
    STEP_BYTES,
    Compression,
    Source,
    compression_of,
    damage_errors,
    read_exactly,
    zstd_dictionary,
)

_BLOCK_BYTES = 64 << 10


def unpacked_file(file: Any, mode: str = "rb", **_: Any) -> io.BufferedReader:
    """An open compressed file as what it holds; fsspec may be told to open files so. Reading raises `ValueError`."""

    def blocks() -> Iterator[bytes]:
        try:
            yield from decompressed(file, "", 0, -1, must_end=True)
        except UserError as error:
            raise ValueError(f"damaged compressed data: {error.__cause__}") from error

    return io.BufferedReader(_Blocks(blocks()), _BLOCK_BYTES)


@contextlib.contextmanager
def open_file(path: str) -> Iterator[Any]:
    """Open a raw file. Raises `UserError` where it is gone."""
    try:
        file = open_path(path)
    except FileNotFoundError:
        raise UserError(f"{path}: the raw file is gone. Run the acquire stage again.") from None
    with file:
        yield file


class _Blocks(io.RawIOBase):
    """An iterator of bytes as a file."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._left:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._left = block
        taken = self._left[: len(target)]
        target[: len(taken)] = taken
        self._left = self._left[len(taken) :]
        return len(taken)


class Unpacked:
    """A whole file, decompressed, and in UTF-8 where it was in UTF-16 or UTF-32, as bytes that come piece by piece.

    See `json_values.ByteStream`. must_end: compressed data that breaks off is damage, too.
    """

    def __init__(self, file: Any, path: str, must_end: bool = False) -> None:
        self.buffer = bytearray()
        self.position = 0
        self.damage: str | None = None
        self._blocks = decompressed(file, path, 0, -1, must_end)
        self._decoder: Any = None
        while len(self.buffer) < encodings.HEAD_BYTES and self.fill():
            pass
        codec = encodings.wide_codec(bytes(self.buffer))
        if codec is not None:
            self._decoder = codecs.getincrementaldecoder(codec)("replace")
            self.buffer = bytearray(self._decoder.decode(bytes(self.buffer)).encode("utf-8"))

    def fill(self) -> bool:
        """Append to the buffer. False at the end of the file, or of what can be decompressed; `damage` says it then."""
        try:
            return self._fill()
        except UserError as error:
            self.damage = str(error)
            return False

    def _fill(self) -> bool:
        before = len(self.buffer)
        while len(self.buffer) == before:
            block = next(self._blocks, None)
            if block is None and self._decoder is None:
                return False
            if self._decoder is None:
                self.buffer += block or b""
                continue
            self.buffer += self._decoder.decode(block or b"", block is None).encode("utf-8")
            if block is None:
                self._decoder = None
        return True

    def consume(self, num_bytes: int) -> None:
        """Forget the first bytes of the buffer."""
        del self.buffer[:num_bytes]
        self.position += num_bytes

    def may_trust(self, position: int) -> bool:
        """Always: what damage may have changed is compared with the document."""
        return True

    def lines(self) -> io.BufferedReader:
        """What is left, as a file."""
        return io.BufferedReader(_Blocks(self._pieces()), _BLOCK_BYTES)

    def _pieces(self) -> Iterator[bytes]:
        while self.buffer or self.fill():
            piece = bytes(self.buffer)
            self.consume(len(piece))
            yield piece


def decompressed(file: Any, path: str, offset: int, length: int, must_end: bool = False) -> Iterator[bytes]:
    """The bytes of `length` stored bytes from `offset` (-1: to the end of the file), decompressed.

    must_end: a member that breaks off is an error. Raises `UserError` for what cannot be decompressed.
    """
    compression = compression_of(file, path) or _compression_at(file, offset)
    end = offset + length if length >= 0 else file.seek(0, 2)
    file.seek(offset)
    if compression is None:
        while block := file.read(min(_BLOCK_BYTES, end - file.tell())):
            yield bytes(block)
        return
    source = Source(file)
    try:
        if compression.name == "zstd":
            source.dictionary = zstd_dictionary(file)
        yield from _members(source, compression, offset, end, must_end)
    except damage_errors() as error:
        what = source.explain(error)
        raise UserError(f"{path}: the bytes at {offset} cannot be decompressed ({what}). Run acquire again.") from error


def _compression_at(file: Any, offset: int) -> Compression | None:
    """The compression of a file whose beginning is damaged, by the member at `offset`."""
    file.seek(offset)
    head = read_exactly(file, HEAD_BYTES)
    return next((known for known in COMPRESSIONS if known.starts(head)), None)


def _members(source: Source, compression: Compression, at: int, end: int, must_end: bool) -> Iterator[bytes]:
    """What the members from byte `at` to byte `end` hold, without what the format lets stand between them."""
    file = source.file
    file.seek(at)
    pending = b""
    while True:
        if len(pending) < HEAD_BYTES:
            pending += read_exactly(file, min(compression.read_bytes, end - file.tell()))
        if gap := compression.gap(pending):
            if gap > len(pending):
                file.seek(gap - len(pending), 1)
            pending = pending[gap:]
            continue
        if not pending:
            return
        if not compression.starts(pending[:HEAD_BYTES]):
            raise ValueError(f"no {compression.name} member starts at {file.tell() - len(pending)}")
        member = compression.decompressor(source, pending[:HEAD_BYTES])
        while not member.eof:
            if data := member.decompress(pending, STEP_BYTES):
                yield data
            pending = b""
            if member.needs_input and not member.eof:
                pending = read_exactly(file, min(compression.read_bytes, end - file.tell()))
                if not pending:
                    if must_end and not getattr(member, "may_end", False):
                        raise EOFError("the file ends inside a compressed member")
                    return
        pending = bytes(member.unused_data or b"")
