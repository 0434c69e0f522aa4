"""7z archives of one file, as Wikimedia packs full histories, unpacked as a stream with bounded memory.

py7zr reads the header, which ends the archive, and gives the chain of decompressors; the packed bytes are fed to it a
few at a time, because what it is given and has not come to it keeps in memory.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import IO, Any

from manifests.errors import UserError

SEVEN_ZIP_MAGIC = b"7z\xbc\xaf\x27\x1c"
SEVEN_ZIP_READ_BYTES = 1 << 10  # which hold up to 7 MB of LZMA, 20 MB of bzip2
# Methods, by the format's ids, that the standard library unpacks. PPMd of pyppmd 1.3 fails in large archives and may
# crash; the rest is not for text.
_METHODS = frozenset({b"\x00", b"\x21", b"\x03\x01\x01", b"\x04\x01\x08", b"\x04\x02\x02"})
_MOST_BYTES = 256 << 20  # unpacked of one such piece


class SevenZipDecompressor:
    """The archive as a decompressor of one member, which is fed all the file's bytes from its first to its last.

    `decompress` raises `ValueError` for an archive that is damaged, encrypted, packed by another method than LZMA,
    LZMA2, bzip2 and Deflate, or does not hold exactly one file; and `UserError` where py7zr is not installed.
    """

    needs_input = True
    unused_data = b""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._chain: Any = None
        self._position = 0  # in the file, of the next byte that comes
        self._crc = 0
        self._produced = 0
        self.eof = False

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """The next bytes of the file inside. `max_length` is not heeded: all that the packed bytes give comes."""
        from_here = self._position
        self._position += len(data)
        if self._chain is None:
            self._open()
        packed = data[max(0, self._start - from_here) : max(0, self._end - from_here)]
        unpacked = self._unpack(packed) if packed else b""
        self.eof = self._position >= self._file_size
        if self.eof and self._produced < self._size:
            raise ValueError("the archive's packed data ends before its file does")
        return unpacked

    def _open(self) -> None:
        """Read the header, and leave the file where it was."""
        try:
            from py7zr import SevenZipFile
            from py7zr.exceptions import ArchiveError, PasswordRequired
        except ImportError:
            raise UserError("7z archives need the py7zr package: pip install 'groundup[7z]'.") from None
        at = self._file.tell()
        self._file_size = self._file.seek(0, 2)
        self._file.seek(0)
        self._errors = (ArchiveError, PasswordRequired, EOFError, MemoryError, OverflowError, struct.error)
        # What a header that is not one makes of py7zr's reading.
        header_errors = (*self._errors, AssertionError, AttributeError, LookupError, TypeError, ValueError)
        try:
            archive = SevenZipFile(self._file, "r")
            members = [member for member in archive.files if not member.is_directory and not member.emptystream]
            methods = {coder["method"] for member in members for coder in member.folder.coders}
            refused = self._refused(archive.password_protected, len(members), methods)
            if refused is None:
                (member,) = members
                self._start = archive.afterheader + archive.header.main_streams.packinfo.packpositions[0]
                self._end = self._start + member.compressed
                self._size, self._stated_crc = member.uncompressed, member.crc32
                self._chain = member.folder.get_decompressor(member.compressed)
        except header_errors as error:
            refused = f"its header, which ends it, cannot be read: {error}"
        finally:
            self._file.seek(at)
        if refused is not None:
            raise ValueError(refused)

    @staticmethod
    def _refused(is_encrypted: bool, num_files: int, methods: set[bytes]) -> str | None:
        """The error for an archive of a kind that is not read."""
        if is_encrypted:
            return "it is encrypted: unpack it"
        if num_files != 1:
            return f"it holds {num_files} files, and one is read: unpack it"
        if not methods <= _METHODS:
            return "it is packed by none of LZMA, LZMA2, bzip2 and Deflate: unpack it"
        return None

    def _unpack(self, packed: bytes) -> bytes:
        fed = io.BytesIO(packed)
        pieces: list[bytes] = []
        while (left := self._size - self._produced) > 0:
            try:
                piece = self._chain.decompress(fed, min(left, _MOST_BYTES))
            except self._errors as error:
                raise ValueError(str(error) or type(error).__name__) from None
            self._produced += len(piece)
            self._crc = zlib.crc32(piece, self._crc)
            pieces.append(bytes(piece))
            if not piece and fed.tell() == len(packed):
                break
        if self._produced == self._size and self._stated_crc is not None and self._crc != self._stated_crc:
            raise ValueError("the checksum of the unpacked file is wrong")
        return b"".join(pieces)
