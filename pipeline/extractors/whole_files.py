"""What readers share that make one document of one file: opening, unpacking, and the drops of files that cannot be."""

from __future__ import annotations

from datatrove.data import Document

from pipeline.extractors.members import MemberStream, open_raw
from pipeline.extractors.raw import RawFile, Reader
from pipeline.extractors.warc import payload_digest

MAX_FILE_BYTES = 512 << 20
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


class WholeFileReader(Reader):
    """Base of the readers that read one file as one document.

    Reasons of drops: empty_payload, file_too_large (unpacked), truncated (the compressed data breaks off), unreadable
    (it is damaged, or a zip archive).
    """

    def __init__(self, file: RawFile, max_file_bytes: int = MAX_FILE_BYTES) -> None:
        super().__init__(file)
        self.max_file_bytes = max_file_bytes

    def read_data(self) -> tuple[Document, bytes] | None:
        """The file's document, without text, and its unpacked bytes; None where it was dropped. Its id is the key."""
        with open_raw(self.file.path) as raw:
            stream = MemberStream(raw, name=self.file.path)
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
        if data.startswith(_ZIP):
            what = "a zip archive, which is not read: unpack it, or take the file that is not packed"
            self.report_damage(0, what)
            self.drop_record(document, "unreadable", detail=what)
            return None
        return document, data
