"""The encoding of a page that is not UTF-8, by its bytes: resiliparse's detector, and what it is known to mistake."""

from __future__ import annotations

import re

from resiliparse.parse.encoding import detect_encoding

LATIN = frozenset(
    {"cp1250", "cp1252", "cp1254", "cp1257", "cp1258", "iso8859-2", "iso8859-3", "iso8859-4", "iso8859-10"}
    | {"iso8859-13", "iso8859-14", "iso8859-15", "iso8859-16", "mac_roman", "mac-roman"}
)
# The bytes that are controls in ISO 8859 are letters and quotes in the Windows code page that is nearest.
_WINDOWS_OF = {
    "iso8859-2": "cp1250", "iso8859-4": "cp1257", "iso8859-7": "cp1253", "iso8859-8": "cp1255", "iso8859-13": "cp1257",
    "iso8859-15": "cp1252",
}  # fmt: skip
_CONTROLS = re.compile(rb"[\x80-\x84\x86-\x9f]")  # 0x85 is a line end of mainframes
# ISO 8859-16 is on no page to speak of; Romanian ones are in cp1250.
_CODECS = {
    "iso8859-11": "cp874", "iso8859-16": "cp1250", "big5": "big5hkscs", "shift_jis": "cp932",
    "iso2022_jp": "iso2022_jp_ext",
}  # fmt: skip
_DOUBLE = frozenset({"big5hkscs", "cp932", "gb18030", "cp949"})
_RUN_OF_CHARACTERS = re.compile("[^\x00-\x7f]{3,}")
_RUN = re.compile(rb"[\x80-\xff]{3,}")
_HIGH = bytes(range(0x80, 0x100))
# The capital alpha with an accent; all other letters are the same in both, and in cp1253 the byte is a pilcrow.
_ALPHA_8859 = re.compile(rb"[\xb8-\xfe]\xb6|\xb6[\xc1-\xfe]")
_UKRAINIAN = re.compile(rb"[\xc0-\xff][\xa4\xa6\xa7\xad\xb4\xb6\xb7\xbd]|[\xa4\xa6\xa7\xad\xb4\xb6\xb7\xbd][\xc0-\xff]")
_LEAST_LETTERS = 20
_HANGUL = re.compile("[\uac00-\ud7a3]")
_CYRILLIC = re.compile("[\u0400-\u045f]")
_LOWER_CYRILLIC = re.compile("[\u0430-\u045f]")


def is_dense(data: bytes, codec: str | None = None) -> bool:
    """True where most of what is beyond ASCII stands three or more together, as in no text in Latin letters.

    codec: one of those whose characters are of two bytes, of which the second may be ASCII.
    """
    if codec in _DOUBLE:
        text = data.decode(codec, "ignore")
        return 2 * sum(map(len, _RUN_OF_CHARACTERS.findall(text))) > sum(not c.isascii() for c in text) > 0
    data = data.replace(b"\xef\xbf\xbd", b"")  # what another program made of what it could not read
    num_high = len(data) - len(data.translate(None, _HIGH))
    return 2 * sum(map(len, _RUN.findall(data))) > num_high > 0


def windows_of(codec: str, data: bytes) -> str:
    """The Windows code page that a page in an ISO code is in truth where it has the bytes that are controls there."""
    return _WINDOWS_OF.get(codec, codec) if _CONTROLS.search(data) else codec


def detect_legacy(data: bytes) -> str | None:
    """The codec, by its bytes, of a text that is not UTF-8; None where nothing is known of it."""
    found = detect_encoding(data)
    codec = None if found is None else _CODECS.get(found, found)
    if codec is not None and codec in _DOUBLE and not is_dense(data, codec):
        return None
    if codec in ("cp1253", "iso8859-7"):  # which it takes for one another
        is_iso = _ALPHA_8859.search(data) or (b"\xb6" in data and b"\xa2" not in data)
        return "iso8859-7" if is_iso and not _CONTROLS.search(data) else "cp1253"
    if codec == "koi8-r" and _UKRAINIAN.search(data):
        return "koi8-u"  # where Russian has frames of tables
    if codec == "utf-8":
        return _unknown(data)
    return windows_of(codec, data) if codec is not None else None


def _unknown(data: bytes) -> str | None:
    """An encoding that the detector has no name for, by the letters that it gives."""
    if not is_dense(data):
        return None
    for codec, letters, most in (("cp949", _HANGUL, None), ("mac_cyrillic", _CYRILLIC, _LOWER_CYRILLIC)):
        text = data.decode(codec, "replace")
        beyond = sum(not character.isascii() and character.isalpha() for character in text) + text.count("\ufffd")
        num_letters = len(letters.findall(text))
        is_usual = most is None or len(most.findall(text)) > 0.7 * num_letters
        if num_letters >= _LEAST_LETTERS and num_letters > 0.8 * beyond and is_usual:
            return codec
    return None
