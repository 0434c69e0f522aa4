"""Files that are one document each: opening, unpacking, and the drops of files that cannot be; text and HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator

from datatrove.data import Document

from pipeline.charsets.charset import MAX_BROKEN_FRACTION, decode
from pipeline.readers.base import RawFile, Reader
from pipeline.readers.members import open_raw
from pipeline.readers.warc import payload_digest

MAX_FILE_BYTES = 512 << 20
MAGIC = (b"\x7fELF", b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"%PDF-", b"\xca\xfe\xba\xbe", b"!<arch>")
"""How files that are no text begin."""
_CONTROL = re.compile("[\x00-\x07\x0e-\x1a\x1c-\x1f\x7f-\x9f]")  # but white space, backspaces and escapes
_MAX_CONTROL_SHARE = 0.02  # of the first characters of a text
_HEAD_CHARACTERS = 65_536
ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")


class WholeFileReader(Reader):
    """Base of the readers that read one file as one document.

    Reasons of drops: empty_payload, file_too_large (unpacked), truncated (the compressed data breaks off), unreadable
    (it is damaged, or a zip archive in another format than text).
    """

    def __init__(self, file: RawFile, max_file_bytes: int = MAX_FILE_BYTES) -> None:
        super().__init__(file)
        self.max_file_bytes = max_file_bytes

    def read_data(self) -> tuple[Document, bytes] | None:
        """The file's document, without text, and its unpacked bytes; None where it was dropped. Its id is the key."""
        with open_raw(self.file.path) as raw:
            stream = self.stream(raw)
            document = self.document(self.file.key, offset=0, length=stream.size)
            while len(stream.buffer) <= self.max_file_bytes and stream.fill():
                pass
            if len(stream.buffer) > self.max_file_bytes:
                self.drop_record(document, "file_too_large", detail=f"over {self.max_file_bytes} bytes")
                return None
            data = bytes(stream.buffer)
            if stream.damage is not None:
                self.report_damage(stream.damage_offset, stream.damage)
                self.drop_record(document, "truncated" if stream.truncated else "unreadable", detail=stream.damage)
                return None
        document.metadata["digest"] = payload_digest(data)
        if not data.strip():
            self.drop_record(document, "empty_payload")
            return None
        if data.startswith(ZIP_MAGIC) and self.file.format != "text":
            what = "a zip archive, which is not read: unpack it, or take the file that is not packed"
            self.report_damage(0, what)
            self.drop_record(document, "unreadable", detail=what)
            return None
        return document, data


class TextFileReader(WholeFileReader):
    """Reads one file of format text or html as one document, whose id is the file's key.

    Reasons of drops: those of `WholeFileReader`; decode_error (value: share of characters that mean nothing), binary
    (format text alone; value: share of control characters, unless its first bytes tell). Zip archives, such as those of
    Word and EPUB, are binary.
    """

    name = "text file"

    def read(self) -> Iterator[Document]:
        found = self.read_data()
        if found is None:
            return
        document, data = found
        is_text = self.file.format == "text"
        if is_text and data.startswith((*MAGIC, *ZIP_MAGIC)):
            self.drop_record(document, "binary")
            return
        decoded = decode(data, is_html=self.file.format == "html")
        if decoded.broken_fraction > MAX_BROKEN_FRACTION:
            what = f"characters that mean nothing in {decoded.codec}"
            self.drop_record(document, "decode_error", decoded.broken_fraction, what)
            return
        head = decoded.text[:_HEAD_CHARACTERS]
        if is_text and (num_control := len(_CONTROL.findall(head))) > _MAX_CONTROL_SHARE * len(head):
            self.drop_record(document, "binary", num_control / len(head))
            return
        document.text = decoded.text.replace("\x00", "").replace("\r\n", "\n")
        yield document
