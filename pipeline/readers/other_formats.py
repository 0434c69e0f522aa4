"""Files that are given as rows of one format and are plainly something else: what they are, by how they begin."""

from __future__ import annotations

import re

from manifests.records.encodings import wide_codec
from pipeline.readers.members import MemberStream

_HEAD_BYTES = 4096
_AS_FORMAT = 'a {} file: set format = "{}"'
_MAGIC = (
    (b"PAR1", _AS_FORMAT.format("Parquet", "parquet")),
    (b"PARE", "an encrypted Parquet file: decrypt it"),
    (b"ARROW1", "an Arrow file: convert it to Parquet"),
    (b"\xff\xff\xff\xff", "an Arrow stream: convert it to Parquet"),
    (b"ORC", "an ORC file: convert it to Parquet"),
    (b"Obj\x01", "an Avro file: convert it to Parquet"),
    (b"SQLite format 3\x00", "an SQLite database: export its rows"),
    (b"\x89HDF\r\n", "an HDF5 file: convert it to Parquet"),
    (b"\x93NUMPY", "a NumPy array: convert it to Parquet"),
    (b"PK\x03\x04", "a zip archive, or an office document: unpack it"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive: unpack it"),
    (b"%PDF-", "a PDF file: convert it to text"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old office document: convert it to text"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\x7fELF", "a program"),
)
_TAR_AT, _TAR = 257, b"ustar"
_JSON = re.compile(rb"(?:\s|\xef\xbb\xbf)*+(?:\{\s*+[\"}]|\[\s*+[\[{\"\]])")
_CONTROL = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c\x1d\x7f]")
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c\x1d\x7f]")
_MOST_CONTROL_SHARE = 0.02


def other_format(stream: MemberStream) -> str | None:
    """What a file is whose rows are to be read as text, where it is no text; the beginning stays in the buffer.

    None where it may be text, such as a file with damage at its beginning, of which rows may be left.
    """
    head = _head(stream)
    if known := _known(head):
        return known
    # NULs are left out: a hole in a file is damage. So is what stands before an object that can be made out.
    if b'{"' in head or wide_codec(head) or len(_CONTROL.findall(head)) <= _MOST_CONTROL_SHARE * len(head):
        return None
    return "no text: it has bytes that text has not"


def not_parquet(stream: MemberStream) -> str:
    """What a file is that cannot be opened as Parquet."""
    head = _head(stream)
    if head.startswith(b"PAR1"):
        if stream.compression is not None:
            return "a Parquet file that is compressed as a whole: unpack it"
        return "a Parquet file that is cut off or damaged: the list of its row groups, at its end, cannot be read"
    if _JSON.match(head):
        return f"not a Parquet file but {_AS_FORMAT.format('JSON', 'jsonl')}"
    known = _known(head)
    return f"not a Parquet file but {known}" if known else "not a Parquet file"


def _head(stream: MemberStream) -> bytes:
    return stream.head(_HEAD_BYTES)


def _known(head: bytes) -> str | None:
    if head[_TAR_AT:].startswith(_TAR):
        return "a tar archive: unpack it"
    if not head.startswith(b"%PDF-") and not _BINARY.search(head):
        return None  # a header row may begin with the same letters
    return next((what for magic, what in _MAGIC if head.startswith(magic)), None)
