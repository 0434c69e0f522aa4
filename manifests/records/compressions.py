"""The compressions that raw files come in, by the specifications of their formats.

A compressed file is a row of members: gzip members (RFC 1952), bz2 or xz streams, zstd (RFC 8878) or lz4 frames, lz4
frames of the legacy format, .lzma streams. Between them and after the last some formats allow padding, of zeros, or
frames to be skipped. Each decompressor has the interface of `bz2.BZ2Decompressor` and unpacks a bounded amount at once.
"""

from __future__ import annotations

import bz2
import io
import lzma
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from manifests.errors import UserError

READ_BYTES = 64 << 10
_ZSTD_READ_BYTES = 512  # a zstd block of four bytes may unpack to 128 KiB, and all of them come at once
STEP_BYTES = 1 << 20  # unpacked at once, by the others: a kilobyte may hold gigabytes
HEAD_BYTES = 18  # the longest header, that of a zstd frame
DEFAULT_MEMORY_BYTES = 4 << 30

_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18", re.DOTALL)
_SKIPPABLE_HEAD_BYTES = 8  # the magic number, and the size of what follows
_ZSTD_DICTIONARY_FRAME = b"\x5d\x2a\x4d\x18"
_MOST_DICTIONARY_BYTES = 128 << 20
_XZ_MAGIC = b"\xfd7zXZ\x00"
_LZMA_MOST_PROPERTIES = 224  # (4 * 5 + 4) * 9 + 8
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_MOST_WINDOW = 1 << 31
_LZ4_MAGIC = b"\x04\x22\x4d\x18"
_LZ4_LEGACY_MAGIC = b"\x02\x21\x4c\x18"
_LZ4_LEGACY_BLOCK = 8 << 20
_LZ4_LEGACY_MOST = _LZ4_LEGACY_BLOCK + _LZ4_LEGACY_BLOCK // 255 + 16  # what so much packs to at worst


@dataclass
class Source:
    """The file that members are unpacked from.

    memory_bytes: the most that a member may ask for, which its header says. dictionary: that of the zstd frames.
    """

    file: IO[bytes]
    memory_bytes: int = DEFAULT_MEMORY_BYTES
    dictionary: Any = None

    def check_window(self, num_bytes: int) -> None:
        """Raise `ValueError` where a member needs more memory than it may have."""
        if num_bytes > self.memory_bytes:
            raise ValueError(f"a window of {num_bytes >> 20:,} MiB, {self._limit}")

    def explain(self, error: BaseException) -> str:
        """The message of an error that a decompressor raised."""
        is_limit = isinstance(error, lzma.LZMAError) and "limit" in str(error)
        return f"a larger window, {self._limit}" if is_limit else str(error)

    @property
    def _limit(self) -> str:
        allowed = f"and {self.memory_bytes >> 20:,} are allowed by extract.page_memory_megabytes"
        return f"{allowed}: raise it, or pack the file again"


class _ZstdDecompressor:
    """zstandard's decompressor; as little goes in, so much at most comes out."""

    needs_input = True

    def __init__(self, source: Source, head: bytes) -> None:
        import zstandard

        try:
            frame = zstandard.get_frame_parameters(head)
        except zstandard.ZstdError:
            frame = None  # cut off, or damaged: unpacking says so
        if frame is not None:
            if frame.window_size > _ZSTD_MOST_WINDOW:
                raise ValueError(f"a window of {frame.window_size >> 20:,} MiB, and zstd reads up to 2,048")
            source.check_window(frame.window_size)
            known = 0 if source.dictionary is None else source.dictionary.dict_id()
            if frame.dict_id not in (0, known):
                raise ValueError(
                    f"it needs the dictionary {frame.dict_id}, which the file does not hold: "
                    "unpack it with that one (zstd -d -D)"
                )
        unpacker = zstandard.ZstdDecompressor(dict_data=source.dictionary, max_window_size=_ZSTD_MOST_WINDOW)
        self._member = unpacker.decompressobj()

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return bytes(self._member.decompress(data))

    @property
    def eof(self) -> bool:
        return bool(self._member.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._member.unused_data or b"")


class _GzipDecompressor:
    """zlib's decompressor, which keeps the input that it has not come to."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        tail = self._member.unconsumed_tail
        return self._member.decompress(tail + data if tail else data, max_length)

    @property
    def needs_input(self) -> bool:
        return not self._member.unconsumed_tail

    @property
    def eof(self) -> bool:
        return self._member.eof

    @property
    def unused_data(self) -> bytes:
        return self._member.unused_data


class _LegacyLz4:
    """A legacy frame: blocks of 8 MiB, each after its packed size, up to the file's end or the next magic number."""

    needs_input = True

    def __init__(self) -> None:
        self._held = bytearray()
        self._at = len(_LZ4_LEGACY_MAGIC)
        self.eof = False
        self.unused_data = b""

    @property
    def may_end(self) -> bool:
        """True between blocks: nothing else marks the end of the last frame."""
        return len(self._held) <= self._at

    def decompress(self, data: bytes, max_length: int) -> bytes:
        import lz4.block

        self._held += data
        blocks = []
        while len(self._held) >= self._at + 4:
            (size,) = struct.unpack_from("<I", self._held, self._at)
            if size > _LZ4_LEGACY_MOST:
                self.eof = True
                self.unused_data = bytes(self._held[self._at :])
                break
            end = self._at + 4 + size
            if len(self._held) < end:
                break
            blocks.append(lz4.block.decompress(bytes(self._held[self._at + 4 : end]), _LZ4_LEGACY_BLOCK))
            del self._held[:end]
            self._at = 0
        return b"".join(blocks)


def _xz(source: Source, head: bytes) -> Any:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=source.memory_bytes)


def _lzma_alone(source: Source, head: bytes) -> Any:
    return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=source.memory_bytes)


def _lz4(source: Source, head: bytes) -> Any:
    try:
        import lz4.frame
    except ImportError:
        raise UserError("lz4 files need the lz4 package: pip install lz4.") from None
    if head.startswith(_LZ4_LEGACY_MAGIC):
        return _LegacyLz4()
    if len(head) > len(_LZ4_MAGIC) and head[len(_LZ4_MAGIC)] & 1:
        raise ValueError(
            "it needs a dictionary, which lz4 files do not hold: unpack it with that dictionary (lz4 -d -D)"
        )
    return lz4.frame.LZ4FrameDecompressor()


@dataclass(frozen=True)
class Compression:
    """A compression that comes in members, each recognised by the bytes that it starts with.

    starts: whether a member starts with these bytes, `HEAD_BYTES` of them or what is left of the file. magics: what
    members are looked for by after damage; none: they are not. decompressor: makes one for a member that starts with
    the given bytes; `ValueError` where it cannot be unpacked. It has decompress(data, max_length), needs_input, eof,
    unused_data, and `may_end` where nothing marks the end of a member.
    padding: zeros may stand after a member, in multiples of so many; 0: none may.
    has_skippable: frames to be skipped may stand before, between and after members.
    """

    name: str
    starts: Callable[[bytes], Any]
    magics: tuple[bytes, ...]
    decompressor: Callable[[Source, bytes], Any]
    padding: int = 0
    has_skippable: bool = False
    read_bytes: int = READ_BYTES

    def gap(self, head: bytes) -> int:
        """The bytes that stand before the next member may start; `head` is what comes next."""
        if self.has_skippable and len(head) >= _SKIPPABLE_HEAD_BYTES and _SKIPPABLE.match(head):
            return _SKIPPABLE_HEAD_BYTES + int.from_bytes(head[4:_SKIPPABLE_HEAD_BYTES], "little")
        return len(head) - len(head.lstrip(b"\0")) if self.padding else 0


def _starts_lzma(head: bytes) -> bool:
    """True for a .lzma stream, which has no magic number: the header's values, and a first byte of 0 after them.

    They are the properties; the size of the dictionary, 2^n or 2^n + 2^(n-1); and that of the data, not known or below
    256 GiB. These are the bounds of XZ Utils, too.
    """
    if len(head) < HEAD_BYTES or head[0] > _LZMA_MOST_PROPERTIES or head[13]:
        return False
    dictionary: int
    size: int
    dictionary, size = struct.unpack_from("<IQ", head, 1)
    is_power = dictionary >= 1 << 12 and dictionary.bit_count() == 1
    is_between = dictionary >= 1 << 12 and dictionary.bit_count() == 2 and bool(dictionary & dictionary << 1)
    return (is_power or is_between or dictionary == 0xFFFFFFFF) and (size == 2**64 - 1 or size < 1 << 38)


_GZIP = Compression(
    "gzip", re.compile(rb"\x1f\x8b\x08").match, (b"\x1f\x8b\x08",), lambda _, head: _GzipDecompressor(), padding=1
)
_BZ2 = Compression(
    "bz2",
    # After the size of its blocks the mark of a block, or of the end: text may start with BZh, too.
    re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)").match,
    (b"BZh",),
    lambda _, head: bz2.BZ2Decompressor(),
)
_XZ = Compression("xz", re.compile(re.escape(_XZ_MAGIC)).match, (_XZ_MAGIC,), _xz, padding=4)
_ZSTD = Compression(
    "zstd",
    re.compile(re.escape(_ZSTD_MAGIC)).match,
    (_ZSTD_MAGIC,),
    _ZstdDecompressor,
    has_skippable=True,
    read_bytes=_ZSTD_READ_BYTES,
)
_LZ4 = Compression(
    "lz4",
    re.compile(b"|".join(map(re.escape, (_LZ4_MAGIC, _LZ4_LEGACY_MAGIC)))).match,
    (_LZ4_MAGIC, _LZ4_LEGACY_MAGIC),
    _lz4,
    has_skippable=True,
)
_LZMA = Compression("lzma", _starts_lzma, (), _lzma_alone)
COMPRESSIONS = (_GZIP, _BZ2, _XZ, _ZSTD, _LZ4, _LZMA)
BY_ENDING = {"gz": _GZIP, "bz2": _BZ2, "xz": _XZ, "zst": _ZSTD, "zstd": _ZSTD, "lz4": _LZ4, "lzma": _LZMA}


def compression_of(file: IO[bytes], name: str) -> Compression | None:
    """The compression of an open file by its first member; None for plain bytes.

    name: the file's; its ending decides where the first member is damaged after its magic number, and between zstd and
    lz4 where a file holds nothing but frames to be skipped.
    """
    named = BY_ENDING.get(name.lower().rpartition(".")[2])
    offset = 0
    size = file.seek(0, 2)
    while offset < size or not offset:
        file.seek(offset)
        head = read_exactly(file, HEAD_BYTES)
        found = next((known for known in COMPRESSIONS if known.starts(head)), None)
        if found is not None:
            return found
        if named is not None and named.magics and head.startswith(named.magics):
            return named
        gap = _ZSTD.gap(head)
        if not gap:
            break
        offset += gap
    if not offset:
        return None
    return named if named is not None and named.has_skippable else _ZSTD


def zstd_dictionary(file: IO[bytes]) -> Any:
    """The dictionary in the first frame of a zstd file, plain or packed by itself; None where there is none.

    The frame is one to be skipped, with the magic number 0x184D2A5D, as in .warc.zst files; other frames to be skipped
    may stand before it. Raises `ValueError` where what it holds cannot be unpacked.
    """
    import zstandard

    offset = gap = 0
    head = b""
    while not head.startswith(_ZSTD_DICTIONARY_FRAME):
        offset += gap
        file.seek(offset)
        head = read_exactly(file, _SKIPPABLE_HEAD_BYTES)
        gap = _ZSTD.gap(head)
        if not gap:
            return None
    size = gap - len(head)
    if size > _MOST_DICTIONARY_BYTES:
        raise ValueError(f"a dictionary of {size >> 20:,} MiB, and at most {_MOST_DICTIONARY_BYTES >> 20} are read")
    data = read_exactly(file, size)
    if len(data) < size:
        raise ValueError("the file ends inside its dictionary")
    if data.startswith(_ZSTD_MAGIC):
        data = _unpacked_dictionary(data)
    return zstandard.ZstdCompressionDict(data) if data else None


def _unpacked_dictionary(packed: bytes) -> bytes:
    member = _ZstdDecompressor(Source(io.BytesIO(), _MOST_DICTIONARY_BYTES), packed[:HEAD_BYTES])
    data = bytearray()
    for start in range(0, len(packed), _ZSTD_READ_BYTES):
        data += member.decompress(packed[start : start + _ZSTD_READ_BYTES], STEP_BYTES)
        if len(data) > _MOST_DICTIONARY_BYTES:
            raise ValueError(f"a dictionary of over {_MOST_DICTIONARY_BYTES >> 20} MiB")
        if member.eof:
            return bytes(data)
    raise ValueError("the packed dictionary breaks off")


def damage_errors() -> tuple[type[Exception], ...]:
    """The exceptions that decompressors raise on damaged data."""
    import zstandard

    return (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError, RuntimeError, MemoryError, zstandard.ZstdError)


def read_exactly(file: IO[bytes], num_bytes: int) -> bytes:
    """Read exactly `num_bytes` unless the file ends: a remote file may return fewer at a time."""
    blocks = []
    while num_bytes > 0 and (block := file.read(num_bytes)):
        blocks.append(bytes(block))
        num_bytes -= len(block)
    return b"".join(blocks)
