"""Charsets: real pages in the encodings of their languages, declared rightly, wrongly and not at all."""

from __future__ import annotations

import gzip
import re
import tarfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resiliparse.parse.encoding import detect_encoding

from bench.charsets import CONDITIONS, ENCODINGS, is_right, samples
from pipeline.charsets.charset import codec_of, declared_in_document, decode
from pipeline.charsets.detection import detect_legacy, is_dense
from pipeline.formats import ExtractSettings, RawFile, extractor_for, reader_for


@pytest.fixture(scope="module")
def right(shared_data: Path) -> dict[str, Counter[str]]:
    """By encoding: number of pages, and how many are decoded exactly right in each condition."""
    counts: dict[str, Counter[str]] = {}
    for sample in samples(shared_data, 2):
        row = counts.setdefault(sample.label, Counter())
        row["pages"] += 1
        row["resiliparse"] += detect_encoding(sample.bytes_with(None)) == codec_of(sample.label)
        for condition in CONDITIONS:
            row[condition] += is_right(sample, condition)
    return counts


@pytest.mark.parametrize("label", [label for label in ENCODINGS if label != "big5"])
def test_pages_are_decoded_exactly(right, label: str) -> None:
    row = right[label]
    assert row["pages"]
    # A right declaration is enough, also beside a wrong one.
    assert {condition: row[condition] for condition in CONDITIONS if "r" in condition} == dict.fromkeys(
        ("r-", "-r", "rr", "rw", "wr"), row["pages"]
    )
    # Two encodings of one language may give the same bytes but for a sign or two, which then is a guess.
    assert all(row[condition] >= 0.5 * row["pages"] for condition in ("--", "w-", "-w", "ww")), row


def test_all_in_all_the_bytes_are_known_better_than_by_the_detector(right) -> None:
    total: Counter[str] = sum(right.values(), Counter())
    for condition in ("--", "w-", "-w", "ww"):
        assert total[condition] > 0.96 * total["pages"]
    assert total["--"] > 1.15 * total["resiliparse"]


def test_real_pages_that_are_not_utf_8(shared_data: Path) -> None:
    pages = []
    with tarfile.open(shared_data / "web" / "trafilatura" / "html.tar.xz") as archive:
        for member in archive:
            file = archive.extractfile(member)
            data = file.read() if file else b""
            try:
                data.decode("utf-8")
            except UnicodeDecodeError:
                pages.append((member.name, data))
    assert len(pages) == 27
    for name, data in pages:
        decoded = decode(data)
        own = codec_of(declared_in_document(data)) or "cp1252"
        assert decoded.codec == own, name
        assert decoded.broken_fraction < 1e-4, name
        # Against a header that is wrong.
        if own not in ("utf-8", "cp1252"):
            assert decode(data, "iso-8859-1").text == decoded.text, name
        assert decode(data, "utf-8").text == decoded.text, name


TRADITIONAL = (
    "<html><head><title>臺灣的國家公園</title></head><body><p>這是一個關於國家公園的網頁，介紹了許多山區的動物與植物。"
    "遊客來到這裡，可以看見雲海、森林和高山湖泊，也能夠學習當地的歷史。</p><p>我們會在每個週末舉辦導覽活動，歡迎大家參加。</p>"
    "</body></html>"
)


@pytest.mark.parametrize("declared", ["big5", None, "iso-8859-1", "utf-8"])
@pytest.mark.parametrize("own", ["big5", None, "iso-8859-1"])
def test_big5(declared: str | None, own: str | None) -> None:
    page = TRADITIONAL.replace("<head>", f'<head><meta charset="{own}">') if own else TRADITIONAL
    assert decode(page.encode("big5"), declared).text == page


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        *[("iso-8859-1", "cp1252"), ("latin1", "cp1252"), ("US-ASCII", "cp1252"), ("iso-8859-9", "cp1254")],
        *[("gb2312", "gb18030"), ("GBK", "gb18030"), ("gb_2312-80", "gb18030"), ("big5-hkscs", "big5hkscs")],
        *[("ks_c_5601-1987", "cp949"), ("euc-kr", "cp949"), ("x-sjis", "cp932"), ("shift-jis", "cp932")],
        *[("windows-31j", "cp932"), ("tis-620", "cp874"), ("iso-8859-11", "cp874"), ("koi8", "koi8-r")],
        *[("koi8-ru", "koi8-u"), ("x-cp1251", "cp1251"), ("x-mac-cyrillic", "mac-cyrillic"), ("866", "cp866")],
        *[("sun_eu_greek", "iso8859-7"), ("elot_928", "iso8859-7"), ("ecma-118", "iso8859-7"), ("l2", "iso8859-2")],
        *[("logical", "iso8859-8"), ("dos-874", "cp874"), ("x-x-big5", "big5hkscs"), ("csshiftjis", "cp932")],
        *[("iso-ir-149", "cp949"), ("cseuckr", "cp949"), ("csiso2022jp", "iso2022_jp_ext"), ("koi8_r", "koi8-r")],
        *[("unicode-1-1-utf-8", "utf-8"), ("x-unicode20utf8", "utf-8"), ("ucs-2", "utf-16-le")],
        *[("csunicode", "utf-16-le")],
        *[("unicodefffe", "utf-16-be"), ("arabic", "iso8859-6"), ("greek8", "iso8859-7"), ("hebrew", "iso8859-8")],
        *[("x-mac-ukrainian", "mac-cyrillic"), ("iso-ir-58", "gb18030"), ("csiso58gb231280", "gb18030")],
    ],
)  # fmt: skip
def test_labels_mean_what_the_encoding_standard_says(label: str, codec: str) -> None:
    assert codec_of(label) == codec
    assert codec_of(f" {label.upper()} ") == codec


def test_a_page_cut_off_inside_a_character_is_utf_8_against_its_header() -> None:
    page = "<p>Größe, Übung, Äpfel, Öl, Straße, Maß, süß, schön, für, über</p>"
    assert decode(page.encode() + b"\xc3", "iso-8859-1").text == page + "\ufffd"
    assert decode(page.encode("cp1252"), "utf-8").text == page


@given(st.binary(max_size=300))
def test_detection_never_raises(data: bytes) -> None:
    codec = detect_legacy(data)
    assert codec is None or isinstance(data.decode(codec, "replace"), str)
    is_dense(data, codec)


def test_records_of_wet_files_stay_as_they_are(shared_data: Path) -> None:
    """The text of a real `conversion` record, as it is but for white space at its ends."""
    paths = sorted((shared_data / "warc" / "commoncrawl_whirlwind-python").glob("*wet*"))
    assert len(paths) == 2
    for path in paths:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        record = raw[raw.index(b"WARC-Type: conversion") :]
        head, _, body = record.partition(b"\r\n\r\n")
        length = int(re.search(rb"Content-Length: (\d+)", head)[1])
        reader = reader_for(RawFile(path.name, str(path), "cc", "wet"))
        (document,) = extractor_for("wet", ExtractSettings()).run(reader.run())
        assert document.text.encode() == body[:length].strip()


@pytest.mark.parametrize(
    "label", ["unicode-escape", "raw_unicode_escape", "charmap", "cp037", "ibm500", "palmos", "hex"]
)
def test_codecs_that_no_page_is_in(label: str) -> None:
    assert codec_of(label) is None
    assert decode(b"caf\\u0041 \xc3\xa9t\xc3\xa9", label).text == "caf\\u0041 \u00e9t\u00e9"
