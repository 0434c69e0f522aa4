"""The compressions that raw files come in, as decompressors of one kind that unpack a bounded amount at once."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from manifests.errors import UserError
from pipeline.readers.seven_zip import SEVEN_ZIP_MAGIC, SEVEN_ZIP_READ_BYTES, SevenZipDecompressor

READ_BYTES = 64 << 10
_ZSTD_READ_BYTES = 512  # a zstd block of four bytes may unpack to 128 KiB, and all of them come at once
STEP_BYTES = 1 << 20  # unpacked at once, by the others: a kilobyte may hold gigabytes


def _lz4_decompressor(file: IO[bytes]) -> Any:
    try:
        import lz4.frame
    except ImportError:
        raise UserError("lz4 files need the lz4 package: pip install lz4.") from None
    return lz4.frame.LZ4FrameDecompressor()


def _zstd_decompressor(file: IO[bytes]) -> Any:
    import zstandard

    return _ZstdDecompressor(zstandard.ZstdDecompressor().decompressobj())


class _ZstdDecompressor:
    """zstandard's decompressor as those of the standard library; as little goes in, so much at most comes out."""

    needs_input = True

    def __init__(self, member: Any) -> None:
        self._member = member

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return bytes(self._member.decompress(data))

    @property
    def eof(self) -> bool:
        return bool(self._member.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._member.unused_data or b"")


class _GzipDecompressor:
    """zlib's decompressor as those of bz2 and lzma: it keeps the input that it has not come to."""

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


@dataclass(frozen=True)
class Compression:
    """A compression that comes in members, each recognised by the magic bytes that it starts with."""

    name: str
    magic: bytes
    # of the open file; has decompress(data, max_length), needs_input, eof, unused_data
    decompressor: Callable[[IO[bytes]], Any]
    read_bytes: int = READ_BYTES
    is_one_member: bool = False  # a file holds one member, which starts it and ends with it


COMPRESSIONS = (
    Compression("gzip", b"\x1f\x8b\x08", lambda file: _GzipDecompressor()),
    Compression("bz2", b"BZh", lambda file: bz2.BZ2Decompressor()),
    Compression("xz", b"\xfd7zXZ\x00", lambda file: lzma.LZMADecompressor()),
    Compression("zstd", b"\x28\xb5\x2f\xfd", _zstd_decompressor, _ZSTD_READ_BYTES),
    Compression("lz4", b"\x04\x22\x4d\x18", _lz4_decompressor),
    Compression("7z", SEVEN_ZIP_MAGIC, SevenZipDecompressor, SEVEN_ZIP_READ_BYTES, is_one_member=True),
)
BY_ENDING = dict(zip(("gz", "bz2", "xz", "zst", "lz4", "7z"), COMPRESSIONS, strict=True))


def compression_of(head: bytes) -> Compression | None:
    """The compression that a file starting with `head` is in, None for plain bytes."""
    return next((known for known in COMPRESSIONS if head.startswith(known.magic)), None)


def damage_errors() -> tuple[type[Exception], ...]:
    """The exceptions that decompressors raise on damaged data."""
    import zstandard

    return (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError, RuntimeError, zstandard.ZstdError)
