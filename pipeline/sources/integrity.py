"""Whether a file is whole: digests and decompression in one pass, in constant memory."""

from __future__ import annotations

import bz2
import hashlib
import lzma
import zlib
from typing import Any, Protocol

_OUTPUT_BYTES = 1 << 20  # decompressed at a time, so that a decompression bomb costs time and no memory


class Damaged(Exception):
    """Bytes that cannot be the file: not its format, not its digest, or something after its end."""


class Truncated(Damaged):
    """Everything so far is right, but the end is missing."""


class _Stream(Protocol):
    """Decompresses a file of one or more members and throws the output away."""

    def feed(self, data: bytes) -> None: ...

    def finish(self) -> None: ...


class _Gzip:
    """Gzip members one after the other, as WARC files are; zero padding is allowed after any of them."""

    def __init__(self) -> None:
        self._member: Any = None
        self._num_members = 0

    def feed(self, data: bytes) -> None:
        while data:
            if self._member is None:
                data = data.lstrip(b"\0") if self._num_members else data
                if not data:
                    return
                self._member = zlib.decompressobj(wbits=31)
            try:
                self._member.decompress(data, _OUTPUT_BYTES)
                while not self._member.eof and self._member.unconsumed_tail:
                    self._member.decompress(self._member.unconsumed_tail, _OUTPUT_BYTES)
            except zlib.error as error:
                place = f" after {self._num_members} members" if self._num_members else ""
                raise Damaged(f"not a whole gzip file{place} ({error})") from None
            data = b""
            if self._member.eof:
                data = self._member.unused_data
                self._member = None
                self._num_members += 1

    def finish(self) -> None:
        if self._member is not None or not self._num_members:
            raise Truncated("the gzip stream ends too early")


class _Frames:
    """bz2 and xz, whose decompressors have the same interface."""

    def __init__(self, what: str, make: Any, padding: bool) -> None:
        self._what = what
        self._make = make
        self._padding = padding  # zero bytes may stand between streams
        self._member: Any = None
        self._num_members = 0

    def feed(self, data: bytes) -> None:
        while data:
            if self._member is None:
                data = data.lstrip(b"\0") if self._num_members and self._padding else data
                if not data:
                    return
                self._member = self._make()
            try:
                self._member.decompress(data, _OUTPUT_BYTES)
                while not self._member.eof and not self._member.needs_input:
                    self._member.decompress(b"", _OUTPUT_BYTES)
            except (OSError, ValueError, lzma.LZMAError) as error:
                place = f" after {self._num_members} streams" if self._num_members else ""
                raise Damaged(f"not a whole {self._what} file{place} ({error})") from None
            data = b""
            if self._member.eof:
                data = self._member.unused_data
                self._member = None
                self._num_members += 1

    def finish(self) -> None:
        if self._member is not None or not self._num_members:
            raise Truncated(f"the {self._what} stream ends too early")


def _stream_for(path: str) -> _Stream | None:
    if path.endswith(".gz"):
        return _Gzip()
    if path.endswith(".bz2"):
        return _Frames("bz2", bz2.BZ2Decompressor, padding=False)
    if path.endswith(".xz"):
        # The memory that xz asks for comes from the file; 256 MiB covers every preset.
        return _Frames("xz", lambda: lzma.LZMADecompressor(memlimit=1 << 28), padding=True)
    return None


class Verifier:
    """Takes a file's bytes in order and says at the end whether they are the file.

    path: its ending says the compression to check: .gz, .bz2 or .xz.
    sha1: expected hexadecimal digest, where it is known.
    num_bytes: expected size, where it is known.
    """

    def __init__(self, path: str, sha1: str | None = None, num_bytes: int | None = None) -> None:
        self._stream = _stream_for(path)
        self._sha1 = hashlib.sha1(usedforsecurity=False) if sha1 else None
        self._expected_sha1 = sha1.lower() if sha1 else None
        self._expected_bytes = num_bytes
        self._sha256 = hashlib.sha256()
        self.num_bytes = 0

    @property
    def proves_the_end(self) -> bool:
        """Whether a missing end would be noticed without the server's word for the length.

        A compressed stream is no proof: a WARC file that is cut between two gzip members still decompresses.
        """
        return self._sha1 is not None or self._expected_bytes is not None

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises `Damaged` as soon as they cannot belong to the file."""
        self._sha256.update(data)
        if self._sha1 is not None:
            self._sha1.update(data)
        self.num_bytes += len(data)
        if self._expected_bytes is not None and self.num_bytes > self._expected_bytes:
            raise Damaged(f"more than the {self._expected_bytes:,} bytes that the listing says")
        if self._stream is not None:
            self._stream.feed(data)

    def finish(self) -> str:
        """The sha256 of the whole file. Raises `Truncated` or `Damaged` where it is not whole."""
        if self._expected_bytes is not None and self.num_bytes < self._expected_bytes:
            raise Truncated(f"{self.num_bytes:,} bytes, not the {self._expected_bytes:,} that the listing says")
        if self._stream is not None:
            self._stream.finish()
        if self._sha1 is not None and self._sha1.hexdigest() != self._expected_sha1:
            raise Damaged(f"its sha1 is {self._sha1.hexdigest()}, not {self._expected_sha1} as the listing says")
        return self._sha256.hexdigest()
