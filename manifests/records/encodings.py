"""Encodings of files: the wide ones by the bytes that a file begins with, and the names of the legacy ones."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

HEAD_BYTES = 4096
_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_ASCII = {
    "utf-32-le": rb"[\t\n\r\x1e -~]\x00\x00\x00",
    "utf-32-be": rb"\x00\x00\x00[\t\n\r\x1e -~]",
    "utf-16-le": rb"[\t\n\r\x1e -~]\x00",
    "utf-16-be": rb"\x00[\t\n\r\x1e -~]",
}
_BEGINS = {codec: re.compile(b"(?:" + ascii + b"){2}") for codec, ascii in _ASCII.items()}
_CONTROL = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
_UTF_16 = {codec: re.compile(_ASCII[codec]) for codec in ("utf-16-be", "utf-16-le")}

# Python's names of the codecs in which a row may be that is not UTF-8; ASCII is in each what it is in UTF-8.
LEGACY = (
    *(f"cp{number}" for number in (1252, 1251, 1250, 1253, 1254, 1255, 1256, 1257, 1258, 874, 866, 932, 949)),
    *(f"iso8859-{number}" for number in (2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16)),
    *("gb18030", "big5hkscs", "euc_jp", "koi8-r", "koi8-u", "mac_cyrillic", "mac_roman", "iso8859-1"),
)


def decoded(data: bytes) -> Iterator[str]:
    """The bytes decoded as UTF-8, then as each of the legacy encodings: all texts that they may stand for."""
    for codec in ("utf-8", *LEGACY):
        yield data.decode(codec, "replace")


def encoded(text: str) -> Iterator[bytes]:
    """The bytes that a text may be in."""
    for codec in ("utf-8", *LEGACY):
        try:
            yield text.encode(codec)
        except UnicodeEncodeError:
            continue


def wide_codec(data: bytes) -> str | None:
    """The UTF-16 or UTF-32 that bytes are in; None for other bytes.

    By the byte order mark; without one by two characters of ASCII at the beginning, or by where most NULs are.
    """
    for mark, codec in _MARKS:
        if data.startswith(mark):
            return codec
    head = data[:HEAD_BYTES]
    if b"\x00" not in head:
        return None
    begins = next((codec for codec, pattern in _BEGINS.items() if pattern.match(head)), None)
    if begins is not None:
        return begins
    if _is_parted_by_nuls(head):
        return None
    # In big endian ASCII every first byte is 0, and the second is a character that is printed.
    big, little = (len(pattern.findall(head)) for pattern in _UTF_16.values())
    if max(big, little) < len(head) // 40 or 10 * max(big, little) < 9 * head.count(0):
        return None
    return "utf-16-be" if big > little else "utf-16-le"


def _is_parted_by_nuls(head: bytes) -> bool:
    """True for text in UTF-8 with NULs between its parts, as `find -print0` writes it.

    In UTF-16 the NULs of ASCII are half of the bytes; other letters have bytes that are controls or no UTF-8.
    """
    if 3 * head.count(0) > len(head) or _CONTROL.search(head):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # its last character may be cut off
    except UnicodeDecodeError:
        return False
    return True
