"""Wikitext to plain text: its form, real pages of many languages, hostile and broken pages."""

from __future__ import annotations

import functools
import re
import tracemalloc
from pathlib import Path
from unicodedata import normalize

import pytest
from datatrove.data import Document
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.wikitext_gold import Case, html_text, mean_f1, parser_tests, word_f1
from manifests.errors import UserError
from manifests.settings import validate
from pipeline.formats import ExtractSettings, RawFile, extractor_for, reader_for
from pipeline.markup.wikitext.names import (
    _LOCAL,
    WIKI_NAMES_KEY,
    dropped_prefixes,
    is_disambiguation,
    normal_prefix,
)
from pipeline.markup.wikitext.text import wikitext_to_text

_MARKUP = re.compile(
    r"\{\{|\}\}|\[\[|\]\]|\{\||\|\}|</?ref\b|\bthumb\||\|thumb\b|'''|"
    r"^[ \t]*\|(?!\w? \|| [^\n]+ \| )|[\x00-\x08\x0e-\x13]",
    re.MULTILINE,
)
_DUMPS = {
    "en": "gensim/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2",
    "it": "json-wikipedia/it__small-dump.xml.gz",
    "ja": "xztextfilter/jawiki-truncated-100k.xml.xz",
    "bn": "xztextfilter/bnwiki-truncated-100k.xml.xz",
    "ltg": "dumpster-dive/smallwiki-latest-pages-articles.xml.xz",
}


@functools.cache
def real_pages(path: Path, most: int) -> list[tuple[str, str, str | None, tuple[str, ...]]]:
    """(id, wikitext, language, names of files and categories) of a dump's pages."""
    pages = []
    for document in reader_for(RawFile(path.name, str(path), "wiki", "mediawiki"))():
        names = tuple(document.metadata[WIKI_NAMES_KEY])
        pages.append((document.id, document.text, document.metadata.get("language"), names))
        if len(pages) == most:
            break
    return pages


def test_lists_headings_and_paragraphs() -> None:
    source = """First ''paragraph'' with '''bold''' and '''''both'''''.

Second one.<br />New line.
== Heading one <!-- note --> ==
text
===Level [[three]]===
* item
** nested item
# numbered
#: continued
; term
: definition
----
:: indented
=== 1 = 1 ===
<blockquote>Quoted.</blockquote>"""
    assert wikitext_to_text(source) == (
        "First paragraph with bold and both.\n\nSecond one.\nNew line.\n\nHeading one\n\ntext\n\nLevel three\n\n"
        "- item\n- nested item\n- numbered\ncontinued\nterm\ndefinition\n\nindented\n\n1 = 1\n\nQuoted."
    )


def test_tables_are_rows_of_cells() -> None:
    source = """before
{| class="wikitable" style="x"
|+ align="top" | The caption
|-
! scope="col" | Name !! Year
|-
| [[A|the A]] || align=right | 1901<ref>x</ref>
|-
| colspan=2 |
|-
| {{flag|Peru}}
| two<br>lines
more
|
{|
| inner || table
|}
|}
after"""
    rows = "The caption\nName | Year\nthe A | 1901\nPeru | two lines more\n\ninner | table"
    assert wikitext_to_text(source) == f"before\n\n{rows}\n\nafter"
    assert wikitext_to_text(source, keep_tables=False) == "before\n\nafter"
    assert wikitext_to_text('a\n{| class="infobox geography"\n| b\n{|\n|c\n|}\n|}\nd') == "a\n\nd"
    assert wikitext_to_text("a\n{|\n| b\n== c ==\nd") == "a\n\nb\n\nc\n\nd"
    assert wikitext_to_text("<table><tr><th>a</th><td>b</td></tr><tr><td>c</td></tr></table>") == "a | b\n\nc"


def test_empty_cells_keep_their_place() -> None:
    source = """{| class="wikitable"
! Nr. !! Name !! People !! Area
|-
| 1. || {{X-MI}} || {{Meta|Mitte}} || 39,47
|-
| 2. ||  ||  || 40,47
|-
| 3. || [[File:a.jpg|20px]] || <ref>x</ref> <span></span> || 41,47
|-
|
| align=right |
| b
| c
|-
| 4. || d || {{e}} ||
|-
| || f || __NOTOC__ || g
|-
| || {{e}} ||
|-
| || <small></small> || <ref>x</ref>
|}"""
    rows = ("1. |  |  | 39,47", "2. |  |  | 40,47", "3. |  |  | 41,47", "|  | b | c", "4. | d", "| f |  | g")
    assert wikitext_to_text(source) == "\n".join(("Nr. | Name | People | Area", *rows))
    # As in HTML: a row whose cells are mostly empty, or all but one, has no columns to keep.
    assert wikitext_to_text("{|\n| || || a || || || || b\n|-\n| || || c\n|-\n| - || ||\n|}") == "a | b\nc"
    # Rows of layouts: what stands beside prose.
    assert wikitext_to_text("{|\n| a || || b ||\n* c\n| || d || || e\n|}") == "a | b\n\n- c\nd | e"
    assert wikitext_to_text("a\n{|\n| || {{x}}\n|-\n| <span></span> || ||\n|}\nb") == "a\n\nb"


def test_links() -> None:
    for source, text in (
        ("[[a]]s [[b|c]] [[d (e)|d]]", "as c d"),
        ("[[Category:X]][[:Category:X]] [[:File:y.jpg|y]]", "Category:X y"),
        ("[[File:x.jpg|thumb|200px|alt=a|A [[b|caption]] [http://c d]]]e", "e"),
        ("[[image:x.jpg]]a[[de:b]][[zh-min-nan:c]][[:fr:d|e]]", "ae"),
        ("[[s:Hamlet|the play]] [[Star Trek: Nemesis]]", "the play Star Trek: Nemesis"),
        ("[http://a b ''c''] [https://d] [//e f] http://g", "b c f http://g"),
        ("[[a|b] [[File:c.jpg|thumb|d\ne]", "b\ne]"),
        ("[[File:a|b [[c]]\n\nd", "d"),
        ("x ]] y [[ z", "x y z"),
        ("[[//www.example.com]]a [[//b.org c]]", "a c"),
    ):
        assert wikitext_to_text(source, "en") == text, source


def test_names_of_files_and_categories_in_any_language() -> None:
    for language, source in {
        "de": "[[Datei:a|mini|b]][[Bild:c]][[Kategorie:d]]",
        "ja": "[[ファイル:a|thumb|b]][[画像:c]][[カテゴリ:d]]",
        "vi": "[[Tập_tin:a|nhỏ|b]][[Hình:c]][[Thể loại:d]]",
        "ru": "[[файл:a|мини]][[Изображение:b]][[Категория:c]]",
        "bn": "[[চিত্র:a|থাম্ব]][[বিষয়শ্রেণী:b]]",
        "ar": "[[ملف:a|تصغير]][[تصنيف:b]]",
    }.items():
        assert wikitext_to_text(source + "text", language) == "text"
        assert wikitext_to_text(source + "text") == "text"
    assert wikitext_to_text("[[Imagine: John Lennon]]", "en") == "Imagine: John Lennon"
    assert wikitext_to_text("[[Teckning:a.jpg|b]]c", "en", names=("Teckning",)) == "c"
    assert {
        normal_prefix(normalize("NFC", name)) for names in _LOCAL.values() for name in names.split("|")
    } <= dropped_prefixes(None)


def test_templates_leave_no_holes() -> None:
    for source, text in (
        ("'''Rome''' ({{IPA|x}}; {{lang-la|''Roma''}}) is", "Rome (Roma) is"),
        ("'''A''' ({{IPA|x}}, {{audio|y}}) is", "A (y) is"),
        ("A ({{a}}; {{b}}) is", "A is"),
        ("A ({{a}}, born 1970) is ({{x}}) b", "A (born 1970) is b"),
        ("日本（{{読み|a}}、国）、（{{b}}）は", "日本（国）、は"),
        ("at {{a}}, and {{b}}.", "at, and."),
        ("main() f(x, ) a ( ; ) ()", "main() f(x, ) a"),
        ("{{a|{{b}}|[[c|{{d}}]]}}e {{{1|f}}}{{#if:x|y}}{{DEFAULTSORT:z}}", "e"),
        ("{{convert|5|km|mi}} {{convert|5|to|7|kg}} {{nowrap|a {{small|b}}}}", "5 km 5 to 7 kg a b"),
        ("{{lang|fr|mot [[a|b|c]]}} {{quote|1=x = y|author}} {{transl|ja|kana}}", "mot b c x = y kana"),
        ("a\n{{Infobox\n| b = c\n| d = {{e}}\nprose\n\nmore", "a\n\nprose\n\nmore"),
        ("{{1x|a [[b]]}} {{echo|c}}", "a b c"),
        ("a }} b {{ c\nd", "a b\nd"),
        ("a-{zh-hans:b;zh-hant:c}-d", "abd"),
    ):
        assert wikitext_to_text(source, "en") == text, source


def test_empty_sections_lose_their_headings() -> None:
    source = (
        "a\n== References ==\n{{reflist}}\n== Links ==\n=== Sites ===\n* {{x}}\n== End ==\nb\n== See ==\n[[Category:A]]"
    )
    assert wikitext_to_text(source) == "a\n\nEnd\n\nb"
    assert wikitext_to_text("a\n== b ==\n== c ==") == "a\n\nb\n\nc"
    assert wikitext_to_text("== a ==\n{{x}}\n=== b ===\nc") == "a\n\nb\n\nc"


def test_tags() -> None:
    for source, text in (
        ("<math>\\frac{a}{{b}}</math> and <math>x'' [[0,1]]</math>", "$\\frac{a}{ {b} }$ and $x' ' [ [0,1] ]$"),
        ("<code>a = [b]</code> <nowiki>* &lt;b&gt; ''c''</nowiki>", "a = [b] * <b> ''c''"),
        (
            "a\n<syntaxhighlight lang=c>\nif (a[b[0]]) {{\n    c();\n}}\n</syntaxhighlight>d",
            "a\n\nif (a[b[0]]) {{\n    c();\n}}\n\nd",
        ),
        ("<pre>\n  {{a}}\n  == b ==</pre>", "  {{a}}\n  == b =="),
        ("a<!-- b\n\n[[c]] -->d<!--e", "ad"),
        ("a<ref>b</ref><ref name=c/><REF name='d'>{{e}}\n|</Ref >f<references>g</references>", "af"),
        ("a<ref>b c<ref>d</ref> e\nf", "a e\nf"),
        ("<gallery>\nFile:a.jpg|b\n</gallery>c<timeline>d</timeline>", "c"),
        ("H<sub>2</sub>O <font color=red>b</font> <foo>c</foo> 1 < 2 <br/> 3 > 2", "H_2O b <foo>c</foo> 1 < 2\n3 > 2"),
        ("a <span style=\"display:none\">b</span>c<div style='x'>d</div>", "a c\nd"),
        ("&ampamp; &amp;amp; &ouml;&nosuch;", "&ampamp; &amp; ö&nosuch;"),
        ("&lt;ref&gt; &amp;nbsp; &#8212; &copy=1 &nbsp;x", "<ref> &nbsp; — &copy=1 x"),
        ("__NOTOC__a __KEIN_INHALTSVERZEICHNIS__b __init__ __目次非表示__c", "a b __init__ c"),
        ("''Title'''s page\n''a'' l'''Est'' b\n'''c''' ''''d''''", "Title's page\na l'Est b\nc 'd'"),
    ):
        assert wikitext_to_text(source) == text, source


def test_disambiguations() -> None:
    marks = (
        "{{disambig}}",
        "{{Disambigua\n}}",
        "{{ hndis|name=A}}",
        "{{dp}}",
        "{{曖昧さ回避}}",
        "__DISAMBIG__",
        "{{দ্ব্যর্থতা নিরসন}}",
    )
    for mark in marks:
        assert is_disambiguation(f"'''A''' may be:\n* b\n{mark}"), mark
    for other in (
        "{{dp|2|b}}",
        "{{disambiguation needed}}",
        "{{nota disambigua|a}}",
        "disambiguation",
        "{{for|a|b (disambiguation)}}",
    ):
        assert not is_disambiguation(other), other


def test_setting_of_tables() -> None:
    with pytest.raises(UserError, match="tables"):
        validate(ExtractSettings, {"tables": "rows"}, "recipe.toml")
    for tables, text in (("keep", "a\n\nb"), ("drop", "a")):
        extractor = extractor_for("mediawiki", validate(ExtractSettings, {"tables": tables}, "recipe.toml"))

        document = Document(text="a\n{|\n|b\n|}", id="1", metadata={"language": "en", WIKI_NAMES_KEY: ["File"]})
        assert [kept.text for kept in extractor([document])] == [text]
        assert WIKI_NAMES_KEY not in document.metadata


@pytest.mark.parametrize("language", _DUMPS)
def test_real_pages_hold_no_markup(shared_data: Path, language: str) -> None:
    pages = real_pages(shared_data / "wiki" / _DUMPS[language], 150)
    assert len(pages) > 95
    left = []
    num_short = 0
    for id, wikitext, page_language, names in pages:
        text = wikitext_to_text(wikitext, page_language, names=names)
        if (found := _MARKUP.search(text)) is not None:
            left.append((id, text[max(0, found.start() - 60) : found.end() + 60]))
        num_short += len(wikitext) > 2000 and len(text) < 0.05 * len(wikitext)
    assert num_short < 0.05 * len(pages)
    assert len(left) <= 0.001 * len(pages) + (language in ("bn", "ja")), left


def test_pages_of_120_languages_hold_no_markup(shared_data: Path) -> None:
    paths = sorted((shared_data / "wiki" / "dbpedia-minidumps").glob("*.bz2"))
    assert len(paths) > 100
    left = []
    for path in paths:
        for id, wikitext, language, names in real_pages(path, 2):
            text = wikitext_to_text(wikitext, language, names=names)
            if (found := _MARKUP.search(text)) is not None:
                left.append((id, text[max(0, found.start() - 60) : found.end() + 60]))
    assert len(left) <= 2, left


def test_prose_of_real_pages_stays(shared_data: Path) -> None:
    """Lines of plain words in the source are in the text, whole."""
    plain = re.compile(r"(?<=\n\n)[^\n\[\]{}<>|='&*#:;_(（]{80,}(?=\n\n)")
    found = 0
    for language in ("en", "it", "ja", "bn"):
        for id, wikitext, page_language, names in real_pages(shared_data / "wiki" / _DUMPS[language], 150):
            if "<!--" in wikitext or "{|" in wikitext or "{{" in wikitext.partition("\n\n")[0]:
                continue
            text = " ".join(wikitext_to_text(wikitext, page_language, names=names).split())
            for line in plain.findall(wikitext):
                found += 1
                assert " ".join(line.split()) in text, (id, line)
    assert found > 20


def test_gold_of_mediawiki(shared_data: Path) -> None:
    whole = list(parser_tests(shared_data / "wiki/parsoid-parserTests/parserTests.tar.xz"))
    cases = [case for case in whole if case.is_plain]
    assert len(cases) > 900
    # strip_code's are 0.637 and 0.489: it keeps references and captions, and nothing of templates.
    assert mean_f1(lambda text: wikitext_to_text(text, "en"), whole, 1) > 0.64
    assert mean_f1(lambda text: wikitext_to_text(text, "en"), whole, 4) > 0.58
    assert mean_f1(lambda text: wikitext_to_text(text, "en"), cases, 1) > 0.91
    assert mean_f1(lambda text: wikitext_to_text(text, "en"), cases, 4) > 0.86
    folder = shared_data / "wiki/macbre-mediawiki-dump"
    page = wikitext_to_text((folder / "text.txt").read_text(encoding="utf-8"), "fo")
    assert word_f1(page, (folder / "expected.txt").read_text(encoding="utf-8"), 4) > 0.99


def test_gold_measure() -> None:
    assert html_text("<p>a<b>b</b></p><style>c</style><ul><li>d<br>e</li></ul>").split() == ["ab", "d", "e"]
    assert word_f1("a b c", "a b c", 4) == 1
    assert word_f1("a b c d e", "a b c d", 4) == pytest.approx(2 / 3)
    assert word_f1("", "a") == 0
    assert mean_f1(str.upper, [Case("x", "a", "A", True)], 1) == 1


_HOSTILE = (
    *("{{", "}}", "{{a|", "{{nowrap|", "{{{", "[[", "]]", "[[a|", "[[File:", "[http://a ", "{|\n", "{|\n|a\n", "|}\n"),
    *("|a||b\n", "\n|", "!!", "<", "<ref>", "<ref name=", "</ref>", "<!--", "<math>", "<nowiki>", "<b>", "<td>"),
    *("<span style=display:none ", "'", "''", "'''a ''", "=", "\n=", "\n== {{a}} ==\n", "*", "\n:", "\n ", "&", "__A"),
    *(
        "<code>",
        "<code>{{",
        "<code>[[a|",
        "<sup>",
        "</sup>",
        "<sup>1</sup>/",
        "<sub><sup>",
        "__",
        "__TOC",
        "}-",
        "-{zh:",
    ),
    *("-{a;b;", ";zh-cn", "=>", "-{}-", " x  y\n", "{{!}}", "{{=}}", "{{ubl|", "{{val|1|", "{{frac|", "{{convert|5|e3"),
    *("-{", "(", "({{a}}", "( ; ", " ", "\n", "{{a}}, ", "{{quote|x}}{{", "[[File:a|[[b]]]]", "<ref>{{", "[[<ref>"),
)


@pytest.mark.parametrize("piece", _HOSTILE)
def test_hostile_pages_are_bounded(piece: str) -> None:
    """A page that is quadratic to any pass takes minutes here, or gigabytes."""
    wikitext_to_text(piece * 20_000 + "x", "en")
    tracemalloc.start()
    wikitext_to_text(piece * 10_000, "en")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000 * len(piece) * 60 + (16 << 20)


@pytest.mark.parametrize(
    "pair",
    [
        *(
            ("{{", "}}"),
            ("[[a|", "]]"),
            ("{{nowrap|x|", "}}"),
            ("{|\n|", "\n|}\n"),
            ("<ref>", "</ref>"),
            ("(", "{{a}})"),
        ),
        *(("-{zh:", "}-"), ("<sup>", "</sup>"), ("{{code|", "}}"), ("{{ubl|a|", "}}"), ("{{nowrap|{{=}}", "}}")),
    ],
)
def test_deep_nesting_is_bounded(pair: tuple[str, str]) -> None:
    text = wikitext_to_text(f"before\n\n{pair[0] * 100_000}x{pair[1] * 100_000}\n\nafter", "en")
    assert text.startswith("before")
    assert text.endswith("after")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(alphabet="[]{}|'=<>/!-*#:;&()ref \n\taé_\x01\x02\x05\x10supcode0", max_size=160))
def test_any_string_becomes_text(source: str) -> None:
    text = wikitext_to_text(source)
    assert text == wikitext_to_text(source)
    assert not re.search("[\x00-\x08\x0e-\x13]", text)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_real_pages(shared_data: Path, data: st.DataObject) -> None:
    language = data.draw(st.sampled_from(["en", "it", "ja", "bn"]))
    pages = real_pages(shared_data / "wiki" / _DUMPS[language], 40)
    source = data.draw(st.sampled_from(pages))[1][:20_000]
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(source)))
        length = data.draw(st.integers(0, 400))
        piece = data.draw(
            st.sampled_from(["", "{{", "}}", "[[", "]]", "<ref>", "{|\n", "\n|}", "<!--", "'''", "|", "\n"])
        )
        source = source[:start] + piece + source[start + length :]
    text = wikitext_to_text(source, language)
    assert text == wikitext_to_text(source, language)
    assert len(text) < 2 * len(source) + 100
    assert not re.search("[\x00-\x08\x0e-\x13]", text)
