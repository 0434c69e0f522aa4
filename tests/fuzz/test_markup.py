"""The parsers of HTML and wikitext: any text gives a text that can be encoded, the same twice, in bounded time."""

from __future__ import annotations

from hypothesis import strategies as st

from pipeline.extractors.wikitext import to_text
from pipeline.markup.html import extract_page
from pipeline.markup.wikitext.text import wikitext_to_text
from tests.fuzz.harness import Case, Target, fuzz_test
from tests.fuzz.seeds import WIKITEXT, seeds_of, web_pages

_LANGUAGES = (None, "en", "de", "fr", "ja", "zh", "ru", "ar", "sr")


def check_html(case: Case) -> None:
    text = case.data.decode("utf-8", "replace")
    page = extract_page(text)
    for part in (page.text, page.title):
        part.encode("utf-8")
        assert "\x00" not in part, "a NUL in the text"
    assert page == extract_page(text), "another text the second time"
    assert len(page.text) <= 4 * len(text) + 1000, "a text much longer than the page"


def check_wikitext(case: Case) -> None:
    text = case.data.decode("utf-8", "replace")
    language = _LANGUAGES[len(case.data) % len(_LANGUAGES)]
    plain = wikitext_to_text(text, language)
    plain.encode("utf-8")
    assert "\x00" not in plain.replace("\x00", "") or "\x00" in text, "a NUL in the text"
    assert plain == wikitext_to_text(text, language), "another text the second time"
    assert len(plain) <= 4 * len(text) + 1000, "a text much longer than the page"
    wikitext_to_text(text, language, names=("Datei", "Kategorie"), keep_tables=False).encode("utf-8")
    to_text(case.data.decode("utf-8", "replace").encode(), "")


def _wiki_seeds() -> list[Case]:
    cases = [Case("page.wiki", WIKITEXT.encode())]
    for seed in seeds_of("mediawiki"):
        if seed.name.endswith(".xml"):
            for piece in seed.data.split(b"<text")[1:20]:
                text = piece.partition(b">")[2].partition(b"</text>")[0]
                cases.append(Case("page.wiki", text.replace(b"&lt;", b"<").replace(b"&gt;", b">")[:60_000]))
    return cases


_TAGS = (
    "<p>|</p>|<div>|</div>|<b>|</b>|<i>|<span>|<a href=#>|</a>|<br>|<hr>|<h1>|</h1>|<h6>|<ul>|<li>"
    "|</li>|</ul>|<ol>|<ol start=9 reversed>|<dl>|<dt>|<dd>|<table>|<tr>|<td>|</td>|</tr>|</table>"
    "|<th>|<tbody>|<caption>|<td rowspan=99999999 colspan=99999999>|<pre>|</pre>|<code>|</code>|<kbd>"
    "|<tt>|<sup>|</sup>|<sub>|</sub>|<math>|</math>|<mfrac>|</mfrac>|<mn>|<msup>"
    "|<mtable>|<mtr>|<mtd>|<mover>|<mmultiscripts>|<mprescripts/>|<mfenced>|<semantics>|<mo>(|<mi>x|$|$$|\\(|\\)|\\["
    "|<span class=katex>|<span class=vlist>|<span class=mfrac>|<span class=msupsub>|<span style=top:-3em>|mathjax"
    "|<span class=mtable>|<mjx-container>|<mjx-msub>|<mjx-c class=mjx-c41>|<g data-mml-node=mfrac>|<span class=math>"
    "|<table class=ltx_equation>|<script type='math/asciimath'>|<img class=latex alt=x_1 src='/latex.php?latex=x'>"
    "|<annotation encoding='application/x-tex'>|</annotation>|<script>|</script>"
    "|<script type='math/tex'>|<script type='application/ld+json'>|<style>|</style>|<title>|</title>"
    "|<textarea>|</textarea>|<select>|<option>|<noscript>|</noscript>|<template>|</template>"
    "|<template shadowrootmode=open>|<slot>|<slot name=x>|</slot>|<p slot=x>|<details>|<summary>|<xmp>"
    "|</xmp>|<plaintext>|<svg>|</svg>|<iframe>|<object>|<img alt='x'>|<form>|<input>|<button>|<header>"
    "|<footer>|<nav>|<main>|<article>|<aside>|<section>|<blockquote>|<q>|<del>|<ruby>|<rt>|<rp>|<wbr>"
    "|<body>|</body>|<html>|<head>|<meta charset=utf-8>|<frameset>|<base href=x>|<![CDATA[|]]>|<!--"
    "|-->|<!|<?|?>|<!DOCTYPE>"
)
HTML_WORDS = tuple(
    word.encode()
    for word in (
        *_TAGS.split("|"),
        *("<p hidden>", "<p hidden=until-found>", "<p style='display:none'>", "<div role=table>", "<div role=cell>"),
        *("<div role=heading aria-level=2>", "<div role=listitem>", "<p class='comment share nav'>", "<p dir=rtl>"),
        *("&amp;", "&lt;", "&nbsp;", "&#x41;", "&#0;", "&#xD800;", "&#99999999999;", "&notanentity", "&", "&#x", ";"),
        *('{"articleBody": "A long text of the article stands here."}', "\n", "\t", " ", "'", '"', "=", "/", ">",
        "<", "</"),
        *("10<sup>2</sup>", "3&frasl;4", "½", "漢字\nかな", "한국\n말", "ไทย", "\u00ad", "\u200b", "\u202e",
        "a" * 500),
    )
)  # fmt: skip
WIKI_WORDS = tuple(
    word.encode()
    for word in (
        *(["{{", "}}", "{{{", "}}}", "[[", "]]", "[", "]", "{", "}", "-{", "}-", "''", "'''", "'''''", "==", "===",
        "~~~~", "----"]),
        *("|", "||", "!!", "{|", "|}", "|-", "|+", "\n|", "\n!", "\n*", "\n#", "\n:", "\n;", "\n ", "\n\n", "\n==",
        "==\n"),
        *("<ref>", "</ref>", "<ref name=a/>", "<nowiki>", "</nowiki>", "<nowiki/>", "<pre>", "</pre>", "<code>",
        "</code>"),
        *("<math>", "</math>", "<!--", "-->", "<gallery>", "</gallery>", "<syntaxhighlight lang=c>",
        "</syntaxhighlight>"),
        *("<source>", "<poem>", "</poem>", "<sup>", "</sup>", "<sub>", "<br>", "<includeonly>", "<noinclude>",
        "<onlyinclude>"),
        *("<table>", "<tr>", "<td>", "</td>", "<templatestyles src=x />", "<section begin=x />", "<timeline>",
        "<hiero>"),
        *("{{convert|", "{{val|", "{{frac|", "{{=}}", "{{!}}", "{{lang|de|", "{{nowrap|", "{{unité|", "{{#if:",
        "{{cite|"),
        *("{{formatnum:", "{{IPA|", "{{lang-", "{{ill|", "{{tlx|", "1=", "|abbr=on", "zh-hans:", "zh-hant:", ";",
        "=>"),
        *("[[File:a.jpg|thumb|", "[[Category:", "[[:de:", "[[#", "[http://x ", "http://x", "#REDIRECT [[",
        "__TOC__", "&nbsp;"),
        *("&lt;", "&#x41;", "&#0;", "\x00", "\x01", "\x02", "\x03", "\ue000", "\ufffd", "a", " ", "漢", "12",
        "10<sup>2"),
    )
)  # fmt: skip


def _of(words: tuple[bytes, ...], name: str) -> st.SearchStrategy[Case]:
    """Words of a format in any order, nested in each other, and pieces of any text."""
    pieces = st.one_of(st.sampled_from(words), st.text(max_size=8).map(lambda text: text.encode("utf-8", "replace")))
    leaves = st.lists(pieces, max_size=6).map(b"".join)
    nested = st.recursive(leaves, lambda inner: st.tuples(pieces, inner, pieces, inner).map(b"".join), max_leaves=20)
    return st.tuples(nested, st.integers(1, 40)).map(lambda drawn: Case(name, drawn[0] * drawn[1]))


TARGETS = [
    Target(
        "html",
        web_pages,
        check_html,
        words=HTML_WORDS,
        strategy=lambda: _of(HTML_WORDS, "x.html"),
        prepare=lambda: extract_page("<p>x"),
        ci_inputs=80,
    ),
    Target("wikitext", _wiki_seeds, check_wikitext, words=WIKI_WORDS, strategy=lambda: _of(WIKI_WORDS, "x.wiki")),
]

test_inputs = fuzz_test(TARGETS)
