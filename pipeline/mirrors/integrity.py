"""Whether a file is whole: digests and decompression in one pass, in constant memory."""

from __future__ import annotations

import bz2
import hashlib
import lzma
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from isal import igzip_lib

_INPUT_BYTES = 1 << 16  # given to a decompressor at a time: what a small member leaves of it is copied
_OUTPUT_BYTES = 1 << 17  # decompressed at a time, so that a decompression bomb costs time and no memory
_DECOMPRESSION_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    ValueError,
    EOFError,
    lzma.LZMAError,
    cast(type[Exception], igzip_lib.IsalError),  # its stub does not call it a class
)


class Damaged(Exception):
    """Bytes that cannot be the file: not its format, not its digest, or something after its end."""


class Truncated(Damaged):
    """Everything so far is right, but the end is missing."""


class _Format(NamedTuple):
    """A compressed format whose files are one or more members, one after the other.

    member: what they are called.
    make: a decompressor of one member, with the interface of `bz2.BZ2Decompressor`.
    padding: zero bytes may stand after any of them.
    """

    name: str
    member: str
    make: Callable[[], Any]
    padding: bool


_FORMATS = {
    # Intel's ISA-L inflates real WARC files two and a half times as fast as zlib.
    ".gz": _Format("gzip", "members", lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP), True),
    ".bz2": _Format("bz2", "streams", bz2.BZ2Decompressor, False),
    # The memory that xz asks for comes from the file; 256 MiB covers every preset.
    ".xz": _Format("xz", "streams", lambda: lzma.LZMADecompressor(memlimit=1 << 28), True),
}


class _Stream:
    """Decompresses a file and throws the output away."""

    def __init__(self, format: _Format) -> None:
        self._format = format
        self._member: Any = None
        self._num_members = 0

    def feed(self, data: bytes) -> None:
        view = memoryview(data)
        for start in range(0, len(view), _INPUT_BYTES):
            self._feed(bytes(view[start : start + _INPUT_BYTES]) if len(view) > _INPUT_BYTES else data)

    def finish(self) -> None:
        if self._member is not None or not self._num_members:
            raise Truncated(f"the {self._format.name} stream ends too early")

    def _feed(self, data: bytes) -> None:
        while data:
            if self._member is None:
                data = data.lstrip(b"\0") if self._num_members and self._format.padding else data
                if not data:
                    return
                self._member = self._format.make()
            try:
                self._member.decompress(data, _OUTPUT_BYTES)
                while not self._member.eof and not self._member.needs_input:
                    self._member.decompress(b"", _OUTPUT_BYTES)
            except _DECOMPRESSION_ERRORS as error:
                place = f" after {self._num_members} {self._format.member}" if self._num_members else ""
                raise Damaged(f"not a whole {self._format.name} file{place} ({error})") from None
            data = b""
            if self._member.eof:
                data = self._member.unused_data
                self._member = None
                self._num_members += 1


def _stream_for(path: str) -> _Stream | None:
    return next((_Stream(format) for ending, format in _FORMATS.items() if path.endswith(ending)), None)


class Verifier:
    """Takes a file's bytes in order and says at the end whether they are the file.

    path: its ending says the compression to check: .gz, .bz2 or .xz.
    sha1, sha256: expected hexadecimal digests, where they are known.
    num_bytes: expected size, where it is known.
    """

    def __init__(
        self, path: str, sha1: str | None = None, num_bytes: int | None = None, sha256: str | None = None
    ) -> None:
        self._stream = _stream_for(path)
        self._sha1 = hashlib.sha1(usedforsecurity=False) if sha1 else None
        self._expected_sha1 = sha1.lower() if sha1 else None
        self._expected_sha256 = sha256.lower() if sha256 else None
        self._expected_bytes = num_bytes
        self._sha256 = hashlib.sha256()
        self.num_bytes = 0

    @property
    def proves_the_end(self) -> bool:
        """Whether a missing end would be noticed without the server's word for the length.

        A compressed stream is no proof: a WARC file that is cut between two gzip members still decompresses.
        """
        return any(known is not None for known in (self._expected_sha1, self._expected_sha256, self._expected_bytes))

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises `Damaged` as soon as they cannot belong to the file."""
        self._sha256.update(data)
        if self._sha1 is not None:
            self._sha1.update(data)
        self.num_bytes += len(data)
        if self._expected_bytes is not None and self.num_bytes > self._expected_bytes:
            raise Damaged(f"more than the {self._expected_bytes:,} bytes that it should have")
        if self._stream is not None:
            self._stream.feed(data)

    def finish(self) -> str:
        """The sha256 of the whole file. Raises `Truncated` or `Damaged` where it is not whole."""
        if self._expected_bytes is not None and self.num_bytes < self._expected_bytes:
            raise Truncated(f"{self.num_bytes:,} bytes, not the {self._expected_bytes:,} that it should have")
        if self._stream is not None:
            self._stream.finish()
        if self._sha1 is not None and self._sha1.hexdigest() != self._expected_sha1:
            raise Damaged(f"its sha1 is {self._sha1.hexdigest()}, not {self._expected_sha1} as the listing says")
        sha256 = self._sha256.hexdigest()
        if self._expected_sha256 is not None and sha256 != self._expected_sha256:
            raise Damaged(f"its sha256 is {sha256}, not {self._expected_sha256} as the pin says")
        return sha256
