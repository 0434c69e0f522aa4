"""Wikitext: what the page shows: lists and sort keys, code, superscripts, variants of languages, switches of pages."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from pipeline.markup.wikitext.switches import _FALLBACKS, _SWITCHES, switches_of
from pipeline.markup.wikitext.text import wikitext_to_text


def check(cases: dict[str, str], language: str | None = "en") -> None:
    for source, text in cases.items():
        assert wikitext_to_text(source, language) == text, source


def test_list_templates() -> None:
    check(
        {
            "{{plainlist|\n* Apple\n* [[Pear|Pears]]\n}}": "- Apple\n- Pears",
            "x {{ubl|A|B|class=c}} y": "x\n\n- A\n- B\ny",
            "{{unbulleted list|[[a|b]]|{{nowrap|c d}}}}": "- b\n- c d",
            "{{bulleted list|1=Z|A|B}}": "- Z\n- A\n- B",
            "{{hlist|Red|Green|Blue}}": "Red · Green · Blue",
            "{{flatlist|\n* a1\n* a2\n}}": "a1 · a2",
            "{{cslist|A|B}}": "A, B",
            "{{columns-list|colwidth=30em|\n* N\n* S\n}}": "- N\n- S",
            "{{columns-list|2|\n* N\n* S\n}}": "- N\n- S",
            "{{columns|width=5em|col1=\n* N\n|col2=\n* S\n}}": "- N\n- S",
            "{{div col|colwidth=20em}}\n* One\n* Two\n{{div col end}}": "- One\n- Two",
            "{{collapsible list|title=Names|A|B}}": "Names\n\n- A\n- B",
            "{{br separated entries|A|B}}": "A\nB",
            "{{term|w}}\n{{defn|what it is}}": "w\n\nwhat it is",
        }
    )
    check({"{{ubl|甲|乙}}": "- 甲\n- 乙", "{{箇条書き|甲|乙}}": "- 甲\n- 乙"}, "ja")
    check({"{{colonnes|taille=15|\n* N\n* S\n}}": "- N\n- S"}, "fr")


def test_lists_and_sort_keys_in_tables() -> None:
    source = """{| class="wikitable sortable"
! data-sort-type="number" | Year !! Name
|-
| 1990 || {{sort|1|Alpha}} || {{sortname|Jo|Beta|nolink=1}} || 10<sup>2</sup>
|-
| data-sort-value="1" | 1991 || {{nts|1234}} || {{dts|1991|2|3}} || {{hs|5}}x
|-
| 2 || {{ubl|A|B}} || {{plainlist|
* C
* D
}} || {{hlist|E|F}}
|-
| 3 || {{ntsh|7}}g || {{sort|h}} || {{frac|1|2}}
|}"""
    rows = ("1990 | Alpha | Jo Beta | 10^2", "1991 | 1,234 | 3 February 1991 | x", "2 | A, B | C, D | E · F")
    assert wikitext_to_text(source, "en") == "\n".join(("Year | Name", *rows, "3 | g | h | 1/2"))


def test_code_stays_code() -> None:
    check(
        {
            "<code><nowiki>[[Page]]</nowiki></code>": "[[Page]]",
            "<kbd><nowiki>[[ -f x ]]</nowiki></kbd> a": "[[ -f x ]] a",
            "<tt><nowiki>{{Name|x}}</nowiki></tt>": "{{Name|x}}",
            "<nowiki>{{ page.title }} '''b''' <ref>c</ref></nowiki>": "{{ page.title }} '''b''' <ref>c</ref>",
            "<code>&lt;nowiki>&lt;ref>t&lt;/ref>&lt;/nowiki></code>": "<nowiki><ref>t</ref></nowiki>",
            "<code>__init__</code> <var>x</var> <samp>__FILE__</samp>": "__init__ x __FILE__",
            "<code>struct {{1,2},{3,4}};</code> <code>}}</code> <tt>{|</tt>": "struct {{1,2},{3,4}}; }} {|",
            "<code>[[Page]] [[a|b]] c[0]</code>": "Page b c[0]",
            "<code>{{tl|name}}</code> {{tlx|n|a}}": "{{name}} {{n|a}}",
            "{{code|lang=c|int x;}} {{code|''a'' {{=}} [[b]]}}": "int x; ''a'' = [[b]]",
            "{{para|name|value}} {{tag|ref}} {{tag|br|single}}": "|name=value <ref>...</ref> <br />",
            "{{ic|<nowiki>[[ -f x ]]</nowiki>}}": "[[ -f x ]]",
            "a\n<pre>\n  if x:\n    y\n</pre>": "a\n\n  if x:\n    y",
            "a\n<syntaxhighlight lang=c line start=3>\n  int x;\n\treturn;\n</syntaxhighlight>": (
                "a\n\n  int x;\n\treturn;"
            ),
            "a <syntaxhighlight inline>x  =  {{y}}</syntaxhighlight> b": "a x  =  {{y}} b",
            "a\n int x;\n   y();\n z\nb": "a\nint x;\n  y();\nz\nb",
            "a\n x  |  y\n 1  |  2": "a\nx  |  y\n1  |  2",
            "a\n ''b''   [[c]]": "a\nb   c",
            "<code>a{{</code> b {{cut}} <code>}}</code>c": "a{{ b }}c",
        }
    )


def test_superscripts_and_subscripts() -> None:
    check(
        {
            "10<sup>2</sup> x<sub>n+1</sub>": "10^2 x_{n+1}",
            "10<sup>n+1</sup> 10<sup>&minus;3</sup> 10<sup>-3</sup>": "10^{n+1} 10^−3 10^-3",
            "H<sub>2</sub>O SO<sub>4</sub><sup>2−</sup> Na<sup>+</sup>": "H_2O SO_4^{2−} Na^+",
            "a <sup>14</sup>C 2<sup>''n''</sup> e<sup>''rt''</sup> a<sup><i>bc</i></sup>": "a ^14C 2^n e^rt a^bc",
            "1<sup>st</sup> 2<sup>nd</sup> M<sup>me</sup> XX<sup>e</sup> n<sup>o</sup>": "1st 2nd Mme XXe no",
            "<sup>3</sup>/<sub>4</sub> 1<sup>3</sup>&frasl;<sub>4</sub>": "3/4 1 3/4",
            "Ab<sup>®</sup> c<sup>[2]</sup> d.<sup>1</sup> e<sup>†</sup>": "Ab® c[2] d.1 e†",
            "e<sup>x<sup>2</sup></sup> x<sub>i<sub>j</sub></sub>": "e^{x^2} x_{i_j}",
            "10<sup>2</sup>3": "10^{2}3",
            "x<sup></sup> y<sup>2 z": "x y2 z",
            "½ m² H₂O 10⁻³ <math>x^2</math>": "½ m² H₂O 10⁻³ $x^2$",
            "{{math|''x''<sup>2</sup>}} {{sup|2}}": "x^2 ^2",
            "<ce>H2O</ce> <chem>H2O</chem>": "$\\ce{H2O}$ $\\ce{H2O}$",
            "a<sup>{{r|x}}</sup>b a<sup><ref>n</ref></sup>": "ab a",
            "3 km<sup>2</sup> and 10<sup>3</sup>{{e|5}}": "3 km^2 and 10^3×10^5",
        }
    )
    assert wikitext_to_text("{|\n| 10<sup>2</sup> || H<sub>2</sub>O\n|}") == "10^2 | H_2O"


@pytest.mark.parametrize("language", ["zh", None])
def test_variants(language: str | None) -> None:
    check(
        {
            "a-{zh-hans:b;zh-hant:c}-d": "abd",
            "-{b;c}-": "b;c",
            "-{a:b}-": "a:b",
            "-{zh-hans:a&nbsp;b;zh-hant:c}-": "a b",
            '-{zh-hans:<span style="color:red;x:y">b</span>;zh-hant:c}-': "b",
            "-{A|zh-cn:甲;zh-tw:乙}- -{zh-cn:甲;zh-tw:乙;}-": "甲 甲",
            "-{H|zh-cn:甲;zh-tw:乙}-a -{T|zh-cn:甲}-b -{-|zh-cn:甲}-c -{D|zh-cn:甲}-d": "a b c d",
            "-{R|zh-cn:甲}- -{zh-hans;zh-hant|丙}- -{|丁}-": "zh-cn:甲 丙 丁",
            "-{x=>zh-cn:甲;x=>zh-tw:乙}-": "甲",
            "-{zh-hans:a-{zh-hans:i;zh-hant:j}-b;zh-hant:c}-": "aib",
            "{{nowrap|-{A|zh-cn:甲;zh-tw:乙}-}}": "甲",
            "[[-{zh-cn:甲;zh-tw:乙}-|e]]": "e",
            "-{sr-ec:а;sr-el:a}-": "а",
            "-{ a": "-{ a",
            "a }- b": "a }- b",
        },
        language,
    )


def test_brackets_are_text_where_a_language_has_no_variants() -> None:
    check({"f-{x}- a-{zh-hans:b;zh-hant:c}-d": "f-{x}- abd"}, "en")


@pytest.mark.parametrize(
    ("language", "source", "text"),
    [
        ("en", "__NOTOC__\na __TOC__ __notoc__ __INDEX__ b", "a b"),
        ("en", "__init__ __index__ __FILE__ __VA_ARGS__ __CONFIG__ __END__ __INHALTSVERZEICHNIS__", None),
        ("de", "__KEIN_INHALTSVERZEICHNIS__a __NOTOC__ __TOC__ __NICHT_INDEXIEREN__ b", "a b"),
        ("de", "__SOMMAIRE__ __DATE__", None),
        ("bar", "__INHALTSVERZEICHNIS__ a", "a"),
        ("fr", "__AUCUNSOMMAIRE__ __SOMMAIRE__ a", "a"),
        ("es", "__NOTDC__ __TDC__ a", "a"),
        ("it", "__NOTOC__ __TOC__ a __IO__", "a __IO__"),
        ("ru", "__БЕЗ_ОГЛАВЛЕНИЯ__ a", "a"),
        ("ja", "__目次非表示__ a", "a"),
        ("zh", "__無目錄__ __无目录__ a", "a"),
        ("ar", "__لافهرس__ a", "a"),
        ("nl", "__GEENINHOUD__ a", "a"),
        ("af", "__IO__ a", "a"),
        (None, "__KEIN_INHALTSVERZEICHNIS__ __目次非表示__ a __init__", "a __init__"),
        ("en", "<nowiki>__NOTOC__</nowiki>", None),
    ],
)
def test_switches(language: str | None, source: str, text: str | None) -> None:
    expected = source.replace("<nowiki>", "").replace("</nowiki>", "") if text is None else text
    assert wikitext_to_text(source, language) == expected


def test_table_of_switches() -> None:
    assert len(_SWITCHES) > 80
    assert {"de", "fr", "es", "it", "pt", "ru", "pl", "nl", "sv", "ja", "zh", "ar", "uk", "vi"} <= set(_SWITCHES)
    for language, words in _SWITCHES.items():
        for word in words.replace("/", "|").split("|"):
            assert not word or switches_of(language).fullmatch(f"__{word}__"), (language, word)
    for language, codes in _FALLBACKS.items():
        assert language not in codes.split(",")
        assert set(codes.split(",")) <= set(_SWITCHES)


def _texts(path: Path) -> dict[str, str]:
    pages = ET.fromstring(path.read_bytes()).iter("{http://www.mediawiki.org/xml/export-0.11/}page")
    texts = {}
    for page in pages:
        found = {element.tag.partition("}")[2]: element.text or "" for element in page.iter()}
        texts[found["title"]] = wikitext_to_text(found["text"], "en")
    return texts


def test_given_pages(shared_data: Path) -> None:
    folder = shared_data / "cases"
    words = _texts(folder / "02-magic-words/enwiki-pp.xml")["Preprocessor"]
    assert words.startswith("Two macros")
    for word in ("FILE", "LINE", "main", "DATE", "COUNTER", "VA_ARGS", "STDC_VERSION"):
        assert f"__{word}__" in words
    help_page = _texts(folder / "17-code-nowiki/enwiki-help.xml")["Links"]
    for code in ("write [[Page]]", "{{Name|x}}", "'''bold'''", "<nowiki><ref>text</ref></nowiki>", "{{ page.title }}"):
        assert code in help_page
    pages = _texts(folder / "06-wiki-misc/enwiki-misc.xml")
    assert pages["Lists"] == (
        "- Apple\n- Pear\n\nRed · Green · Blue\n\n- North\n- South\n- East\n\n- One\n- Two\n\na1 · a2"
    )
    assert pages["Rowspan"].splitlines()[3:] == ["1990 | Alpha | Jo Beta", "1991 | 1,234 | 3 February 1991"]
    assert "int x; and a=b, x | y. {{name}} {{name}}" in pages["Code"]
    assert "{\n\treturn 0;\n}" in pages["Code"]
    assert "It began c. 1850. As of March 2019, it has nine teams." in pages["Nihongo"]
    assert pages["Quote"].startswith("He said: The gate stays shut = that is the rule. and went.")
    assert "inner one | inner two\ninner three | inner four" in pages["Nested"]
