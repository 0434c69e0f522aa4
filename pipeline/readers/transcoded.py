"""The bytes of a file in UTF-16 or a legacy encoding as UTF-8, for readers that look for ASCII marks in them."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from typing import Any

from pipeline.charsets.charset import codec_of
from pipeline.readers.members import MemberStream

_HEADS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"<\x00?\x00", "utf-16-le"),
    (b"\x00<\x00?", "utf-16-be"),
    (b"<\x00m\x00", "utf-16-le"),
    (b"\x00<\x00m", "utf-16-be"),
)
_DECLARED = re.compile(rb"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9_:.\-]+)[\"']")
_NOT_XML = (
    "groundup_not_xml"  # what means nothing becomes a character that XML does not have, so that its element fails
)


def _refuse(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "\x00", error.end


codecs.register_error(_NOT_XML, _refuse)


def xml_codec(head: bytes) -> str | None:
    """The codec of an XML file by its byte order mark, else its declaration; None for UTF-8, which needs nothing."""
    codec = next((codec for mark, codec in _HEADS if head.startswith(mark)), None)
    if codec is None and (declared := _DECLARED.match(head)) is not None:
        codec = codec_of(declared[1].decode("ascii"))
        # A declaration that can be read as ASCII is in no such encoding.
        codec = None if codec is not None and codec.startswith(("utf-16", "utf-32", "utf_16", "utf_32")) else codec
    return None if codec in ("utf-8", "ascii", None) else codec


@dataclass
class TranscodedStream(MemberStream):
    """A `MemberStream` whose buffer holds UTF-8, whatever the file is in: positions are no addresses of plain files.

    codec: of the file. errors: what becomes of bytes that mean nothing: U+0000, which is in no XML, or "replace".
    """

    codec: str = "utf-8"
    errors: str = _NOT_XML
    _decoder: Any = field(init=False, default=None)

    def _start_run(self, offset: int) -> None:
        super()._start_run(offset)
        self._decoder = codecs.getincrementaldecoder(self.codec)(self.errors)

    def covering_address(self, start: int, end: int) -> tuple[int, int]:
        """As `MemberStream.covering_address`; a plain file is covered by itself alone."""
        return super().covering_address(start, end) if self.compression is not None else (self.run_offset, -1)

    def fill(self) -> bool:
        """Append to the buffer. False when the run has ended."""
        while True:
            before = len(self.buffer)
            is_filled = super().fill()
            data = bytes(memoryview(self.buffer)[before:])
            del self.buffer[before:]
            self.buffer += self._decoder.decode(data, not is_filled).encode("utf-8")
            if not is_filled or len(self.buffer) > before:
                return is_filled
