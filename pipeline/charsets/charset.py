"""Bytes of a page to text: byte order mark, then UTF-8 if it is that, then what is declared, then what it looks like.

A declaration that the bytes speak against comes last: letters beyond ASCII that stand together, word for word, are no
text in Latin letters, whatever a server says unasked.
Labels mean what the WHATWG Encoding Standard says (gb2312 is read as GB18030, iso-8859-1 as windows-1252). Bytes that
are valid UTF-8 with letters beyond ASCII are taken as UTF-8 against any declaration: text in another encoding is
practically never valid UTF-8, while wrong declarations are common.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, replace

from resiliparse.parse.encoding import map_encoding_to_html5

from manifests.records.encodings import wide_codec
from pipeline.charsets.detection import LATIN, detect_legacy, is_dense, windows_of

_META_BYTES = 4096
_META_CHARSET = re.compile(rb"<meta[^>]{0,400}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.\-]+)", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9_:.\-]+)[\"']")
MAX_BROKEN_FRACTION = 0.05  # above it a text is not usable
_DETECTED_BEFORE = 4096  # bytes before the first that is not UTF-8
STRAY_FRACTION = 0.005
_SOUND_RATIO = 10  # whole characters of UTF-8 for one that is not

# WHATWG labels whose meaning differs from Python's codec of that name, or that Python does not know.
_LABELS = {
    "ascii": "cp1252", "us-ascii": "cp1252", "ansi_x3.4-1968": "cp1252",
    "iso-8859-1": "cp1252", "iso8859-1": "cp1252", "iso_8859-1": "cp1252", "latin1": "cp1252", "l1": "cp1252",
    "x-cp1252": "cp1252", "x-cp1250": "cp1250", "x-cp1251": "cp1251", "ansi": "cp1252",
    "iso-8859-9": "cp1254", "iso8859-9": "cp1254", "latin5": "cp1254",
    "iso-8859-11": "cp874", "iso8859-11": "cp874", "tis-620": "cp874", "tis620": "cp874", "windows-874": "cp874",
    "iso8859_11": "cp874",
    "gb2312": "gb18030", "gb_2312-80": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "chinese": "gb18030",
    "csgb2312": "gb18030", "cp936": "gb18030", "hz": "hz", "hz-gb-2312": "hz",
    "big5": "big5hkscs", "big5-hkscs": "big5hkscs", "cn-big5": "big5hkscs", "x-x-big5": "big5hkscs",
    "shift_jis": "cp932", "shift-jis": "cp932", "sjis": "cp932", "x-sjis": "cp932", "ms_kanji": "cp932",
    "windows-31j": "cp932", "x-euc-jp": "euc_jp", "euc-jp": "euc_jp", "iso-2022-jp": "iso2022_jp_ext",
    "iso2022_jp": "iso2022_jp_ext",
    "euc-kr": "cp949", "euc_kr": "cp949", "ks_c_5601-1987": "cp949", "ksc5601": "cp949", "korean": "cp949",
    "windows-949": "cp949", "x-mac-cyrillic": "mac_cyrillic", "x-mac-ukrainian": "mac_cyrillic",
    "macintosh": "mac_roman", "x-mac-roman": "mac_roman",
    "unicode": "utf-16-le", "utf-16": "utf-16-le", "utf-7": "utf-8", "visual": "iso8859-8",
    "iso-8859-8-i": "iso8859-8", "iso-8859-8-e": "iso8859-8", "logical": "iso8859-8", "koi8-ru": "koi8-u",
    "utf8mb4": "utf-8", "utf-8mb4": "utf-8",
}  # fmt: skip
# Python's codecs that are no charset of any page.
_NO_CHARSETS = frozenset(
    {"undefined", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "mbcs", "oem", "charmap", "palmos"}
)
_NO_PAGE = re.compile(r"(?:cp|ibm)(?:037|1026|1140|273|424|500|875)")  # EBCDIC: any bytes would be a text
_ESCAPE = re.compile(rb"\x1b[$(][@BIJ(]")


def codec_of(label: str | None) -> str | None:
    """Name of the Python codec that a charset label means, None for a label that means nothing."""
    if not label:
        return None
    name = label.strip().strip("\"'").lower()
    name = _LABELS.get(name, name)
    if name in _NO_CHARSETS:
        return None
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        known = map_encoding_to_html5(name, False) if name.isascii() else None
        if known is None:
            return None
        info = codecs.lookup(_LABELS.get(known, known))
    if (
        info.name.replace("-", "_") in _NO_CHARSETS
        or _NO_PAGE.fullmatch(info.name)
        or not getattr(info, "_is_text_encoding", True)
    ):
        return None
    return _LABELS.get(info.name, info.name)


def declared_in_document(data: bytes) -> str | None:
    """The charset label of a page's own `<meta>` or XML declaration."""
    head = data[:_META_BYTES]
    found = _XML_ENCODING.search(head) or _META_CHARSET.search(head)
    return found.group(1).decode("ascii") if found else None


@dataclass(frozen=True)
class Decoded:
    """Text, the codec that gave it, and the share of its characters that mean nothing (U+FFFD and NUL)."""

    text: str
    codec: str
    broken_fraction: float


def decode(data: bytes, declared: str | None = None, is_html: bool = True) -> Decoded:
    """The text of `data`. Never raises: bytes that mean nothing become U+FFFD.

    declared: label of the HTTP header; for HTML the page's own declaration comes after it.
    """
    if data.startswith(codecs.BOM_UTF8):
        return _attempt(data[len(codecs.BOM_UTF8) :], "utf-8")
    wide = wide_codec(data)
    if wide is not None:
        attempt = _attempt(data, wide)
        if attempt.text.startswith("\ufeff"):
            return replace(attempt, text=attempt.text[1:])
        if attempt.broken_fraction < STRAY_FRACTION:
            return attempt
    labels = [codec_of(declared)]
    if is_html:
        # A page that could be read to find `utf-16` in it is not in UTF-16.
        own = codec_of(declared_in_document(data))
        labels.append("utf-8" if own is not None and own.startswith("utf-16") else own)
    candidates = [label for label in labels if label is not None]
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return _decode_legacy(data, candidates, error.start)
    stateful = [codec for codec in candidates if codec.startswith(("iso2022", "hz", "utf-16"))]
    if not stateful and _ESCAPE.search(data):
        stateful = ["iso2022_jp_ext"]
    for codec in stateful:
        legacy = _attempt(data, codec)
        if legacy.broken_fraction == 0.0:
            return legacy
    return Decoded(text, "utf-8", text.count("\x00") / len(text) if b"\x00" in data else 0.0)


def _decode_legacy(data: bytes, candidates: list[str], first_broken: int) -> Decoded:
    """The first of declared, UTF-8 and detected that fits; where none does, the one that breaks least."""
    utf_8 = _attempt(data, "utf-8")
    broken = utf_8.text.count("\ufffd")
    valid = len(utf_8.text) - sum(map(str.isascii, utf_8.text)) - broken
    if valid >= _SOUND_RATIO * broken:  # a page that was cut off inside a character, against any declaration
        return utf_8
    # The detector looks at the beginning of what it is given, which may be plain ASCII for many pages of a book.
    detected = detect_legacy(data[max(0, first_broken - _DETECTED_BEFORE) :])
    best: Decoded | None = None
    for codec in _in_order(data, candidates, detected):
        attempt = utf_8 if codec == "utf-8" else _attempt(data, codec)
        if codec == "utf-8" and valid <= broken:
            continue  # English in Latin-1 breaks a byte a page, and is not UTF-8 whatever it says
        # A handful of stray bytes does not refute a declaration.
        if attempt.broken_fraction < STRAY_FRACTION:
            return attempt
        if best is None or attempt.broken_fraction < best.broken_fraction:
            best = attempt
    assert best is not None
    return best


def _in_order(data: bytes, declared: list[str], detected: str | None) -> list[str]:
    """Codecs as they are to be tried: what is declared, but for what the bytes speak against; then what is detected."""
    declared = [windows_of(codec, data) for codec in declared]
    if detected in declared:
        declared.insert(0, detected)  # header and page disagree, and one has a witness
    refuted: list[str] = []
    if detected == "cp1254" and set(declared) == {"cp1252"}:
        refuted = ["cp1252"]  # a page in Turkish; elsewhere the two differ in no letter but those of Icelandic
    if detected is not None and detected not in LATIN and is_dense(data, detected):
        # Servers send iso-8859-1 unasked, and pages copy it; it fits any bytes.
        refuted = [codec for codec in declared if codec in LATIN]
    sound = [codec for codec in declared if codec not in refuted]
    return list(dict.fromkeys([*sound, "utf-8", *([detected] if detected else []), *refuted, "cp1252"]))


def _attempt(data: bytes, codec: str) -> Decoded:
    text = data.decode(codec, "replace")
    broken = text.count("\ufffd") + text.count("\x00")
    return Decoded(text, codec, broken / len(text) if text else 0.0)
