"""Charsets, HTML and wikitext: what becomes text and what does not."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
from datatrove.data import Document
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.errors import UserError
from manifests.settings import validate
from pipeline.charsets.charset import codec_of, decode
from pipeline.extractors.html import HtmlExtractor, extract_main_text
from pipeline.extractors.plain import PlainTextExtractor
from pipeline.formats import ExtractSettings, RawFile, extractor_for, reader_for
from pipeline.markup.content_types import other_type
from pipeline.markup.wikitext.text import is_redirect, wikitext_to_text

LEGACY = [
    ("shift_jis", "cp932", "①日本語の髙島屋、テスト。"),
    ("euc-jp", "euc_jp", "日本語のページです。"),
    ("iso-2022-jp", "iso2022_jp", "日本語のページです。"),
    ("gb2312", "gb18030", "这是一个中文网页、價錢€𠀀。"),
    ("big5", "big5hkscs", "這是一個中文網頁。"),
    ("euc-kr", "cp949", "한국어 페이지 똠방각하."),
    ("windows-1251", "cp1251", "Это русская страница."),
    ("koi8-r", "koi8-r", "Это русская страница."),
    ("iso-8859-1", "cp1252", "Café “naïve” 5 €"),
    ("windows-1250", "cp1250", "Příliš žluťoučký kůň"),
    ("iso-8859-2", "iso8859-2", "Zażółć gęślą jaźń"),
    ("iso-8859-7", "iso8859-7", "Ελληνική σελίδα"),
    ("windows-1253", "cp1253", "Ελληνική σελίδα"),
    ("iso-8859-9", "cp1254", "Türkçe ığüşöç"),
    ("windows-1256", "cp1256", "صفحة عربية"),
    ("tis-620", "cp874", "หน้าเว็บภาษาไทย"),
    ("iso-8859-8-i", "iso8859-8", "דף בעברית"),
]


@pytest.mark.parametrize(("label", "codec", "text"), LEGACY)
def test_declared_charset(label: str, codec: str, text: str) -> None:
    html = f"<html><head><meta charset={label}></head><body>{text}</body></html>"
    assert text in decode(html.encode(codec)).text
    bare = f"<html><body>{text}</body></html>"
    assert text in decode(bare.encode(codec), label.upper()).text
    # The page is UTF-8 in truth: the declaration is wrong.
    assert text in decode(html.encode()).text
    assert text in decode(bare.encode(), label).text


@pytest.mark.parametrize("codec", ["gb18030", "koi8-r", "cp1251", "iso8859-7", "euc_jp", "cp1252"])
def test_undeclared_charset_is_detected(codec: str) -> None:
    text = {c: t for _, c, t in LEGACY}[codec] * 40
    text = text.replace("“", "").replace("”", "") if codec == "cp1252" else text
    assert decode(f"<p>{text}</p>".encode(codec)).text == f"<p>{text}</p>"


def test_byte_order_marks_and_stray_bytes() -> None:
    assert decode("é漢".encode("utf-16")).text == "é漢"
    assert decode(b"\xef\xbb\xbfabc", "koi8-r").text == "abc"
    mostly = ("Ünïcödé " * 500).encode() + b"\xff"
    assert decode(mostly).text == "Ünïcödé " * 500 + "\ufffd"
    assert decode(b'<meta charset="utf-16"><p>caf\xc3\xa9').text.endswith("café")
    assert decode(b"\x00\x01\xff\xfe" * 99).broken_fraction > 0.1


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.binary(max_size=500),
    st.text(max_size=12) | st.sampled_from(["hex", "rot13", "idna", "utf-7", "undefined", "utf-16"]),
)
def test_decode_never_raises(data: bytes, label: str) -> None:
    assert isinstance(decode(data, label).text, str)
    decode(b"<meta charset='" + label.encode("utf-8", "replace") + b"'>" + data)
    assert codec_of(label) is None or "".encode(codec_of(label) or "") is not None


PAGE = """<!doctype html><html><head><title>T</title></head><body>
<nav><ul><li><a href=/>Home page</a></li><li><a href=/a>About us page</a></li></ul></nav>
<main><article><h1>The heading</h1><p>The first paragraph has a <a href=/x>linked word</a> and goes on for a while, as a
paragraph of an article does, with enough words to be one.</p><ol><li>First item of the list.</li>
<li>Second item of the list.</li></ol>
<pre>def f():
    return 1</pre><p>The last paragraph also has a few more words than that.</p></article></main>
<footer><p>Copyright notice of the site, all rights reserved.</p></footer></body></html>"""


def test_main_text() -> None:
    text = extract_main_text(PAGE)
    for kept in ("The heading", "linked word", "First item", "    return 1", "last paragraph"):
        assert kept in text
    for left in ("Home page", "Copyright", "href"):
        assert left not in text
    assert text.index("First item") < text.index("Second item")
    assert "First item of the list.\n" in text


def run(
    extractor: HtmlExtractor, *texts: str, **metadata: object
) -> tuple[list[Document], list[tuple[str, float | None]]]:
    drops: list[tuple[str, float | None]] = []

    class Sink:
        def add(self, document: Document, reason: str, value: float | None = None, detail: str | None = None) -> None:
            drops.append((reason, value))

    extractor.drops = Sink()
    documents = [Document(text=text, id=str(number), metadata=dict(metadata)) for number, text in enumerate(texts)]
    return list(extractor(documents)), drops


def test_every_document_is_kept_or_dropped() -> None:
    extractor = HtmlExtractor(max_characters=4_000_000)
    hostile = "<div>" * 200_000 + PAGE
    kept, drops = run(
        extractor, PAGE, "<html></html>", hostile, "x" * 4_000_001, "<table><td colspan=1000000000>cell</table>"
    )
    assert len(kept) + len(drops) == 5
    assert drops[:2] == [("empty_text", None), ("page_too_large", 4_000_001)]
    kept, drops = run(extractor, "plain <b>text</b>\r\n", plain_text=True)
    assert kept[0].text == "plain <b>text</b>"
    assert "plain_text" not in kept[0].metadata


@pytest.mark.parametrize(
    ("came", "composed"),
    [
        ("cafe\u0301", "caf\u00e9"),
        ("cu\u0309a", "c\u1ee7a"),
        ("\u1112\u1161\u11ab", "\ud55c"),
        ("\u304b\u3099", "\u304c"),
        ("\u0915\u093c", "\u0915\u093c"),  # excluded from composition
        ("\u0958", "\u0915\u093c"),
        ("\u212b \u037e", "\u00c5 ;"),
        ("x\u00b2 \ufb01", "x\u00b2 \ufb01"),  # compatible, but not the same
        ("o\u0300\u0323", "\u1ecd\u0300"),
    ],
)
@pytest.mark.parametrize("format", ["text", "jsonl", "gutenberg", "code", "html", "mediawiki"])
def test_texts_are_in_one_form_of_unicode(format: str, came: str, composed: str) -> None:
    for form, expected in (("NFC", composed), ("none", came)):
        extractor = extractor_for(format, validate(ExtractSettings, {"unicode": form}, "extract"))
        text = (
            f"<p>It says {came} in a line of prose that is long enough.</p>" if format == "html" else f"says {came} so"
        )
        (document,) = extractor.run([Document(text=text, id="x", metadata={})])
        assert f"says {expected} " in document.text


def test_a_text_that_no_arrow_column_can_hold_is_a_drop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit counts bytes in UTF-8, whatever the extractor; a lower one stands for the real one."""
    from pipeline.extractors import base as text_extractor

    monkeypatch.setattr(text_extractor, "MAX_TEXT_BYTES", 400)
    drops: list[tuple[str, str, float | None]] = []

    class Sink:
        def add(self, document: Document, reason: str, value: float | None = None, detail: str | None = None) -> None:
            drops.append((reason, document.text, value))

    texts = ["a" * 400, "a" * 401, "é" * 200, "é" * 200 + "a", "😀" * 100, "a" * 100]
    for extractor in (PlainTextExtractor(), HtmlExtractor()):
        extractor.drops = Sink()
        documents = [Document(text=text, id="x", metadata={"plain_text": True}) for text in texts]
        assert [len(document.text) for document in extractor(documents)] == [400, 200, 100, 100]
        assert drops == [("text_too_large", "", 401), ("text_too_large", "", 401)]
        drops.clear()
    assert 3 * text_extractor.MAX_TEXT_BYTES < 1 << 31


def test_backends() -> None:
    for backend in ("groundup", "resiliparse"):
        assert "first paragraph" in run(HtmlExtractor(backend), PAGE)[0][0].text
    pytest.importorskip("trafilatura")
    assert "first paragraph" in run(HtmlExtractor("trafilatura"), PAGE)[0][0].text
    with pytest.raises(UserError, match="no extractor 'x'"):
        HtmlExtractor("x")
    with pytest.raises(UserError, match=r"html"):
        validate(ExtractSettings, {"html": "x"}, "recipe.toml")
    with pytest.raises(UserError, match="no reader for format"):
        reader_for(RawFile("k", "p", "s", "pdf"))


def test_quality_on_real_pages(shared_data: Path) -> None:
    """Segment F1 over a sample of pages with gold segments; the library's defaults give 0.842 over all of them."""
    folder = shared_data / "web/trafilatura"
    records = [json.loads(line) for line in (folder / "manifest.jsonl").open()]
    wanted = {record["file"]: record for record in records[::5] if record.get("must_contain")}
    found = spurious = missed = 0
    with tarfile.open(folder / "html.tar.xz") as archive:
        for member in archive:
            record = wanted.get(member.name)
            if record is None:
                continue
            file = archive.extractfile(member)
            assert file is not None
            text = " ".join(extract_main_text(decode(file.read()).text).split())
            hits = [" ".join(segment.split()) in text for segment in record["must_contain"]]
            found += sum(hits)
            missed += len(hits) - sum(hits)
            spurious += sum(" ".join(segment.split()) in text for segment in record["must_not_contain"])
    assert found > 300
    assert 2 * found / (2 * found + missed + spurious) > 0.85


def test_wikitext() -> None:
    source = """{{Infobox city|name=X|a={{b|c}}}}[[File:X.jpg|thumb|A [[caption]] here]]
'''Berlin''' is the [[capital city|capital]] of [[Germany]]<ref name=a>{{cite|x}}</ref>.<!-- note -->
&nbsp;It has 3&thinsp;million ''people''.<ref name="b" />

== History ==
* first ''item''
* second [http://x.org label] and [http://y.org]
{| class="wikitable"
| cell
|}
<gallery>File:A.jpg|x</gallery>
# one<br>line
__NOTOC__
[[Category:Cities]] [[de:Berlin]]"""
    text = wikitext_to_text(source, "en")
    assert "Berlin is the capital of Germany." in text
    assert "\n\nHistory\n\n- first item\n- second label and\n\ncell\n\n- one\nline" in text
    for left in (
        "Infobox",
        "caption",
        "cite",
        "note",
        "NOTOC",
        "Category",
        "de:",
        "[",
        "{",
        "<",
        "'''",
        "File",
    ):
        assert left not in text
    assert wikitext_to_text("[[Datei:x.png|mini]][[Kategorie:Y]]Text", "de") == "Text"
    assert is_redirect("#WEITERLEITUNG [[Ziel]]")
    assert is_redirect("#REDIRECT[[a]]")
    assert not is_redirect("# [[list]]\n# item")


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(alphabet="[]{}|'=<>/!-*#:;ref \n\taé_", max_size=120))
def test_wikitext_never_raises(text: str) -> None:
    assert isinstance(wikitext_to_text(text), str)


def test_real_wikipedia_has_no_markup_left(shared_data: Path) -> None:
    paths = ["wiki/json-wikipedia/it__small-dump.xml.gz", "wiki/gensim/enwiki-table-markup.xml.bz2"]
    extractor = extractor_for("mediawiki", ExtractSettings())
    for path in paths:
        pages = list(reader_for(RawFile(path, str(shared_data / path), "wiki", "mediawiki"))())[:40]
        documents = list(extractor(pages))
        assert len(documents) >= 5
        for document in documents:
            assert not any(mark in document.text for mark in ("{{", "}}", "[[", "]]", "<ref", "{|", "thumb|")), (
                document.id
            )


@pytest.mark.parametrize("piece", ["{{a|", "[[a|", "{|\n|a\n", "<ref name=", "<b>", "[http://a "])
def test_open_markup_drops_no_page(piece: str) -> None:
    kept, dropped = run(extractor_for("mediawiki", ExtractSettings()), "prose\n\n" + piece * 4000)
    assert not dropped
    assert kept[0].text.startswith("prose")


def test_brackets_and_white_space_are_linear() -> None:
    assert wikitext_to_text("a (" + "\n" * 200_000 + "b ( ; ) ()") == "a (\n\nb"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('\ufeff {"html": "<html><p>x"}', "application/json"),
        ('[{"id": 1}, ', "application/json"),
        (')]}\'\n{"a": 1}', "application/json"),
        ('jQuery17({"a": 1});', "application/javascript"),
        ('/* menu */ (function () { document.write("<div>"); })();', "application/javascript"),
        ("var menu = 1;", "application/javascript"),
        ('<?xml version="1.0"?>\n<!-- feed -->\n<rss version="2.0"><channel>', "application/rss+xml"),
        ('<feed xmlns="http://www.w3.org/2005/Atom">', "application/atom+xml"),
        ('<?xml version="1.0"?><?xml-stylesheet href="x"?><sitemapindex>', "sitemap"),
        ('<rdf:RDF xmlns:rdf="x">', "application/rdf+xml"),
        ("body { color: red }", "text/css"),
        ("%PDF-1.4", "application/pdf"),
        ('<?xml version="1.0"?><!DOCTYPE html PUBLIC "x"><html>', ""),
        ("<!doctype html><p>{", ""),
        ("[Home] Welcome to my page", ""),
        ("[1] Smith, J. (1998)", ""),
        ("Function of the heart (in brief)", ""),
        ("var is a word; $(date) is no script", ""),
        ("<feed>x", ""),
        ("", ""),
    ],
)
def test_what_is_no_page(text: str, kind: str) -> None:
    assert other_type(text) == kind


def test_no_page_is_a_reason_of_its_own() -> None:
    drops = []
    extractor = HtmlExtractor()
    extractor.drop = lambda document, reason, value=None, detail=None: drops.append((reason, detail))  # type: ignore[method-assign]
    texts = ['{"a": 1}', "<p>A page of one line, with a comma in it, and a full stop.</p>", "<rss><channel>"]
    kept = list(extractor.run([Document(text=text, id=str(number)) for number, text in enumerate(texts)]))
    assert drops[0] == ("not_html", "application/json")
    assert drops[-1] == ("not_html", "application/rss+xml")
    assert len(kept) + len(drops) == 3


def test_texts_from_elsewhere_are_counted() -> None:
    body = "The bridge over the river was repaired in spring, and the town paid for the stones. " * 8
    page = f'<title>x</title><script type="application/ld+json">{{"articleBody": "{body}"}}</script>'
    extractor = HtmlExtractor()
    (document,) = extractor.run([Document(text=page, id="1")])
    assert document.text == body.strip()
    assert extractor.num_from == {"json_ld": 1}
    assert document.metadata["text_origin"] == "json_ld"
