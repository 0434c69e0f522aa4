"""How often pages are decoded exactly right, by encoding and by what declares it, beside detectors alone.

Pages: real ones of news sites (el, en, pl, ru, zh), and text of real Wikipedia pages set in HTML for other languages,
each encoded as sites of its language did, its own declarations taken out. A letter that the encoding does not have is a
character reference, as an author would write it. Wrong labels are those found most: iso-8859-1, which servers send
unasked, and utf-8 where the page is not.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import re
import tarfile
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.data import data_folder, missing_data
from bench.results import Bench, Result, Table
from pipeline.charsets.charset import codec_of, decode
from pipeline.formats import RawFile, reader_for
from pipeline.markup.wikitext.text import wikitext_to_text

# Label of the web -> Python's codec that encodes it, languages.
ENCODINGS = {
    "utf-8": ("utf-8", "en pl ru el zh ja ko ar th vi"),
    "utf-16le": ("utf-16-le", "en ru zh ja"),
    "utf-16be": ("utf-16-be", "en ru zh ja"),
    "windows-1252": ("cp1252", "en de fr es pt sv fi nl is fo"),
    "iso-8859-15": ("iso8859-15", "fr fi"),
    "windows-1250": ("cp1250", "pl cs hu sl ro"),
    "iso-8859-2": ("iso8859-2", "pl cs hu sl"),
    "windows-1251": ("cp1251", "ru uk bg sr"),
    "koi8-r": ("koi8-r", "ru"),
    "koi8-u": ("koi8-u", "uk"),
    "iso-8859-5": ("iso8859-5", "ru bg"),
    "ibm866": ("cp866", "ru"),
    "x-mac-cyrillic": ("mac_cyrillic", "ru"),
    "windows-1253": ("cp1253", "el"),
    "iso-8859-7": ("iso8859-7", "el"),
    "windows-1254": ("cp1254", "tr"),
    "windows-1255": ("cp1255", "he"),
    "iso-8859-8": ("iso8859-8", "he"),
    "windows-1256": ("cp1256", "ar fa"),
    "iso-8859-6": ("iso8859-6", "ar"),
    "windows-1257": ("cp1257", "lt lv et"),
    "iso-8859-13": ("iso8859-13", "lt lv"),
    "iso-8859-4": ("iso8859-4", "lt lv"),
    "windows-1258": ("cp1258", "vi"),
    "windows-874": ("cp874", "th"),
    "shift_jis": ("cp932", "ja"),
    "euc-jp": ("euc_jp", "ja"),
    "iso-2022-jp": ("iso2022_jp", "ja"),
    "gb2312": ("gbk", "zh"),
    "gb18030": ("gb18030", "zh"),
    "big5": ("big5hkscs", "zh-hant"),
    "euc-kr": ("cp949", "ko"),
}
# (what the HTTP header says, what the page says): r right, w wrong, - nothing.
CONDITIONS = ("r-", "-r", "rr", "rw", "wr", "--", "w-", "-w", "ww")
_NEWS = ("el", "en", "pl", "ru", "zh")
_PAGES = 12
_CHUNK = 2500
_OWN = re.compile(r"<meta[^>]*charset[^>]*>|^\s*<\?xml[^>]*\?>", re.IGNORECASE)


@dataclass(frozen=True)
class Sample:
    """A page as bytes without a declaration, and what it says."""

    label: str
    codec: str
    language: str
    html: str

    def bytes_with(self, label: str | None) -> bytes:
        """The page with a `<meta>` of this label, or none."""
        meta = f'<meta http-equiv="Content-Type" content="text/html; charset={label}">' if label else ""
        head, found, rest = self.html.partition("<head>")
        return f"{head}{found}{meta}{rest}".encode(self.codec)


@functools.cache
def _news(folder: Path) -> dict[str, list[str]]:
    place = folder / "web" / "waddle-daniel"
    rows = [json.loads(line) for line in (place / "manifest.jsonl").open(encoding="utf-8")]
    pages: dict[str, list[str]] = {language: [] for language in _NEWS}
    with tarfile.open(place / "html.tar.xz") as archive:
        files = {member.name: member for member in archive}
        for row in rows:
            chosen = pages[row["lang"]]
            file = archive.extractfile(files[row["file"]]) if len(chosen) < _PAGES else None
            if file is not None:
                text = _OWN.sub("", file.read().decode("utf-8", "ignore")).replace("\ufffd", "").replace("\x00", "")
                chosen.append(re.sub(r"<head[^>]*>", "<head>", text, count=1, flags=re.IGNORECASE).lstrip("\ufeff"))
    return pages


@functools.cache
def _encyclopedia(folder: Path, language: str) -> list[str]:
    path = folder / "wiki" / "dbpedia-minidumps" / f"{language}wiki.xml.bz2"
    pages = []
    for document in reader_for(RawFile(path.name, str(path), "wiki", "mediawiki")).run():
        text = wikitext_to_text(document.text, language)
        for start in range(0, len(text) - _CHUNK // 3, _CHUNK):
            lines = "".join(f"<p>{line}</p>\n" for line in text[start : start + _CHUNK].split("\n") if line)
            pages.append(f"<html>\n<head>\n<title>{lines[3:40]}</title></head>\n<body>\n{lines}</body></html>\n")
    return pages[:_PAGES]


def _as_written(text: str, codec: str) -> str:
    """Text as an author in this encoding writes it: what it lacks becomes marks that it has, or references."""
    written = []
    for character in text:
        try:
            character.encode(codec)
        except UnicodeEncodeError:
            base, mark = unicodedata.normalize("NFD", character)[:-1], unicodedata.normalize("NFD", character)[-1]
            apart = unicodedata.normalize("NFC", base) + mark
            try:
                apart.encode(codec)
            except UnicodeEncodeError:
                apart = f"&#{ord(character)};"
            character = apart
        written.append(character)
    return "".join(written)


def samples(folder: Path, most: int = _PAGES) -> Iterator[Sample]:
    """All pages in all encodings, of each language in one at most `most`."""
    for label, (codec, languages) in ENCODINGS.items():
        for language in languages.split():
            if language in _NEWS:
                pages = _news(folder)[language]
            elif language == "zh-hant":
                pages = [page for page in _encyclopedia(folder, "zh") if _is_traditional(page)]
            else:
                pages = _encyclopedia(folder, language)
            for page in pages[:most]:
                html = _as_written(page, codec)
                # What the encoding itself does not give back is no fault of who reads it.
                if html.encode(codec).decode(codec_of(label) or codec, "replace") == html:
                    yield Sample(label, codec, language, html)


def _is_traditional(text: str) -> bool:
    return sum(map(text.count, "國學會們來這個")) > sum(map(text.count, "国学会们来这个"))


def wrong_label(sample: Sample) -> str:
    """The label that such a page most often bears wrongly."""
    if sample.label in ("utf-8", "utf-16le", "utf-16be", "windows-1251", "shift_jis", "gb2312", "euc-kr"):
        return "iso-8859-1"
    return "utf-8" if sample.language not in ("ru", "el", "tr", "th", "he") else "iso-8859-1"


def is_right(sample: Sample, condition: str) -> bool:
    """Whether the page is decoded exactly, its declaration too, where header and page say what `condition` says."""
    labels = {"r": sample.label, "w": wrong_label(sample), "-": None}
    data = sample.bytes_with(labels[condition[1]])
    return decode(data, labels[condition[0]]).text == data.decode(sample.codec)


def _detectors() -> dict[str, Callable[[bytes], str | None]]:
    from resiliparse.parse.encoding import detect_encoding

    found: dict[str, Callable[[bytes], str | None]] = {"resiliparse": detect_encoding}
    if importlib.util.find_spec("cchardet") is not None:
        import cchardet

        found["cchardet"] = lambda data: cchardet.detect(data)["encoding"]
    return found


def _is_detected(sample: Sample, detector: Callable[[bytes], str | None]) -> bool:
    data = sample.bytes_with(None)
    return data.decode(codec_of(detector(data)) or "cp1252", "replace") == data.decode(sample.codec)


def run(_num_rounds: int) -> Result:
    """Count the pages decoded exactly right."""
    counts: dict[str, list[int]] = {}
    columns = [*CONDITIONS, *_detectors()]
    for sample in samples(data_folder()):
        row = counts.setdefault(sample.label, [0] * (1 + len(columns)))
        row[0] += 1
        for place, condition in enumerate(CONDITIONS, 1):
            row[place] += is_right(sample, condition)
        for place, detector in enumerate(_detectors().values(), 1 + len(CONDITIONS)):
            row[place] += _is_detected(sample, detector)
    total = [sum(row[place] for row in counts.values()) for place in range(1 + len(columns))]
    rows = [
        [label, str(row[0]), *(f"{100 * right / row[0]:.0f}" for right in row[1:])]
        for label, row in [*counts.items(), ("all", total)]
    ]
    return Result(
        {"counts": counts},
        [Table("Pages decoded exactly right, in per cent", ["encoding", "pages", *columns], rows)],
        ["columns: header and page say the right encoding (r), a wrong one (w), none (-); the last: detection alone"],
    )


def _missing() -> str | None:
    return missing_data("web/waddle-daniel", "wiki/dbpedia-minidumps")


BENCHES = [Bench("charsets", "pages decoded exactly right, by encoding and declaration", 1, _missing, run)]
