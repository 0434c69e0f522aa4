"""Pages as Markdown: one page for each construct, and what a parser of Markdown reads in it."""

from __future__ import annotations

import itertools
import re
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from pipeline.extractors.settings import ExtractSettings
from pipeline.markup.escapes import code_span, escaped, escaped_heading, fence
from pipeline.markup.html import extract_page, model
from pipeline.markup.html.layout import B_END, B_START
from pipeline.markup.html.markdown.languages import language_of
from pipeline.markup.html.markdown.write import to_markdown
from pipeline.markup.html.scan import scan_page, scan_tags
from pipeline.markup.html_options import Options

_PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def _markdown(html: str, url: str | None = None) -> str:
    """All blocks of a page as Markdown, main content or not."""
    data, tables = html.encode("utf-8"), model.load().tables
    scanned = scan_page(data, tables)
    return to_markdown(scanned, np.arange(len(scanned.blocks)), data, scan_tags(data, tables), url)


def _read(markdown: str) -> tuple[str, Counter[str]]:
    """What a parser shows of Markdown, and the kinds of its tokens."""
    kinds: Counter[str] = Counter()
    parts: list[str] = []

    def walk(tokens: list[Token]) -> None:
        for token in tokens:
            kinds[token.type] += 1
            if token.children is not None:
                walk(token.children)
                parts.append("\n")
            elif token.type == "softbreak":
                parts.append("\n")
            else:
                parts.append(token.content)

    walk(_PARSER.parse(markdown))
    return "".join(parts), kinds


_PROSE = "A paragraph of the page that is long enough to be one."


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ("<h1>One</h1><h2>Two</h2><h6>Six</h6>", "# One\n\n## Two\n\n###### Six"),
        ("<h2>The <b>first</b><br>and second line</h2>", "## The first and second line"),
        ("<h3><span>a</span><div>b</div></h3>", "### a b"),
        ("<div role=heading aria-level=4>Four</div><div role=heading>x</div>", "#### Four\n\n## x"),
        ("<h2><code>f()</code> and #2 #</h2>", "## `f()` and #2 \\#"),
        ("<h2>Oven<a class=headerlink href=#oven>¶</a></h2>", "## Oven"),
        ("<p>C#</p><h2>C#</h2>", "C#\n\n## C#"),
    ],
)
def test_headings(html: str, markdown: str) -> None:
    assert _markdown(html) == markdown


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ("<ul><li>a<li>b</ul>", "- a\n- b"),
        ("<ol><li>a<li>b</ol>", "1. a\n2. b"),
        ('<ol start="9"><li>a<li>b<li>c</ol>', "9. a\n10. b\n11. c"),
        ("<ol reversed><li>a<li>b</ol>", "2. a\n1. b"),
        ("<ol type=a><li>a<li>b</ol>", "1. a\n2. b"),
        ("<ul><li>a<ul><li>b<ul><li>c</ul></ul><li>d</ul>", "- a\n  - b\n    - c\n- d"),
        ("<ol><li>a<ul><li>b</ul><li>c<ol><li>d</ol></ol>", "1. a\n   - b\n2. c\n   1. d"),
        ("<ul><li>a</li><ul><li>b</li></ul><li>c</ul>", "- a\n  - b\n- c"),
        ("<ul><li>a<ul><li>b</ul>more of a<li>c</ul>", "- a\n  - b\n\n  more of a\n- c"),
        ("<ul><li><p>a</p><p>b</p><li>c</ul><p>d", "- a\n\n  b\n- c\n\nd"),
        ("<p>a</p><ul><li>b</ul>c", "a\n\n- b\n\nc"),
        ("<ol><li>a</ol><ol><li>b</ol>", "1. a\n\n1) b"),
        ("<ul><li>a<ol start=3><li>b</ol></ul>", "- a\n\n  3. b"),
        ("<ul><li><pre>x\n  y</pre><li><blockquote>q</blockquote></ul>", "- ```\n  x\n    y\n  ```\n- > q"),
        ("<ul><li><h3>Head</h3><p>Text</ul>", "### Head\n\nText"),
        ("<div role=list><div role=listitem>a</div><div role=listitem>b</div></div>", "- a\n- b"),
        ("<ol><li value=-3>a</ol>", "0. a"),
    ],
)
def test_lists(html: str, markdown: str) -> None:
    assert _markdown(html) == markdown


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ("<blockquote>a</blockquote>b", "> a\n\nb"),
        ("<blockquote><p>a</p><p>b</p></blockquote>", "> a\n>\n> b"),
        ("a<blockquote>b<blockquote>c</blockquote>d</blockquote>", "a\n\n> b\n>\n> > c\n>\n> d"),
        ("<blockquote>a</blockquote><blockquote>b</blockquote>", "> a\n\n> b"),
        ("<blockquote><ul><li>a<li>b</ul></blockquote>", "> - a\n> - b"),
        ("<blockquote><h2>a</h2><pre>x\n\n y</pre></blockquote>", "> ## a\n>\n> ```\n> x\n>\n>  y\n> ```"),
        ("<blockquote>a<br>b</blockquote>", "> a  \n> b"),
    ],
)
def test_quotations(html: str, markdown: str) -> None:
    assert _markdown(html) == markdown


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ("<dl><dt>Crumb<dd>Inside<dt>Crust<dd>Outside</dl>", "Crumb\n: Inside\n\nCrust\n: Outside"),
        ("<dl><dt>a<dd>b<dd>c</dl>", "a\n: b\n: c"),
        ("<dl><dt>a<dd><p>b<p>c</dl>", "a\n: b\n\nc"),
        ("<dl><div><dt>a</dt><dd>b</dd></div><div><dt>c<dd>d</div></dl>", "a\n: b\n\nc\n: d"),
        ("<dl><dt>f(x)<dd>text<dl><dt>g<dd>more</dl></dl>", "f(x)\n: text\n\ng\n: more"),
        ("<dl><dd>alone</dl>", "alone"),
        ("<ul><li><dl><dt>a<dd>b</dl></ul>", "a\n: b"),
    ],
)
def test_terms(html: str, markdown: str) -> None:
    assert _markdown(html) == markdown


@pytest.mark.parametrize(
    ("html", "rows"),
    [
        ("<tr><th>Name<th>Age<tr><td>Ada<td>36", ["Name | Age", "Ada | 36"]),
        ("<thead><tr><td>Name<td>Age<tbody><tr><th>Ada<td>36", ["Name | Age", "Ada | 36"]),
        ("<tr><td>Name<td>Age<tr><td>Ada<td>36", ["Name | Age", "Ada | 36"]),
        ("<tr><th>Brand<td>Acme<tr><th>Color<td>Red", [" | ", "Brand | Acme", "Color | Red"]),
        ("<tr><td>a<th>2019<th>2020<tr><td>b<td>1<td>2", [" |  | ", "a | 2019 | 2020", "b | 1 | 2"]),
        ("<tr><td><th>2019<th>2020<tr><th>b<td>1<td>2", [" | 2019 | 2020", "b | 1 | 2"]),
        (
            "<tr><th rowspan=2>Name<th colspan=2>Years<tr><th>2019<th>2020<tr><td>Ada<td>1<td>2",
            ["Name | Years | ", " | 2019 | 2020", "Ada | 1 | 2"],
        ),
        (
            "<tr><th>a<th>b<th>c<tr><td rowspan=0>1<td>2<td>3<tr><td colspan='2'>4",
            ["a | b | c", "1 | 2 | 3", " | 4 | "],
        ),
        ("<tr><th>a<th>b<tr><td>x | y<td><code>p|q</code>", ["a | b", "x \\| y | `p\\|q`"]),
        ("<tr><th>a<th>b<tr><td>1<br>2<td><p>3</p><p>4</p>", ["a | b", "1 2 | 3 4"]),
        ("<tr><th>a<th><th>b<tr><td>1<td><td>2", ["a | b", "1 | 2"]),
        ("<tr><th>a<th>b<th>c<tr><td>1<td><td>3<tr><td><td>2<td>", ["a | b | c", "1 |  | 3", " | 2 | "]),
        ("<tr><th>a<th>b<tr><td># 1<td>- 2", ["a | b", "# 1 | - 2"]),
        ("<tr><th>Use<th>Does<tr><td><pre>a | *b*</pre><td>pipes", ["Use | Does", "`a \\| *b*` | pipes"]),
    ],
)
def test_tables(html: str, rows: list[str]) -> None:
    markdown = _markdown(f"<table>{html}</table>")
    lines = markdown.split("\n")
    assert lines[1] == "|" + " --- |" * len(re.split(r"(?<!\\)\|", rows[0]))
    assert [line.removeprefix("| ").removesuffix(" |") for line in (lines[0], *lines[2:])] == rows
    _, kinds = _read(markdown)
    assert (kinds["table_open"], kinds["tr_open"]) == (1, len(rows))


def test_captions_and_tables_in_items() -> None:
    table = "<table><caption>Times</caption><tr><th>a<th>b<tr><td>1<td>2</table>"
    lines = "| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert _markdown(table) == f"Times\n\n{lines}"
    assert _markdown(f"<ul><li>See:{table.replace('<caption>Times</caption>', '')}</ul>") == (
        "- See:\n\n  " + lines.replace("\n", "\n  ")
    )
    assert _markdown("<div role=table><div role=row><div role=columnheader>a</div><div role=columnheader>b</div></div>"
                     "<div role=row><div role=cell>1</div><div role=cell>2</div></div></div>") == lines  # fmt: skip


@pytest.mark.parametrize(
    "html",
    [
        "<table><tr><td>a<td>b</table>",
        "<table><tr><td>a<tr><td>b</table>",
        "<table role=presentation><tr><td>a<td>b<tr><td>c<td>d</table>",
        f"<table><tr><td><h2>Menu</h2><td><p>{_PROSE * 3}</p><p>{_PROSE * 3}</p><tr><td>x<td><h2>y</h2></table>",
        "<table><tr><td><table><tr><td>a<td>b</table><td>c</table>",
        "<table><tr><td>a<td><pre>x\ny</pre></table>",
        "<table>" + "".join("<tr>" + "<td>" * n + f"a{n}" for n in range(1, 20)) + "</table>",
    ],
)
def test_layouts_are_no_tables(html: str) -> None:
    assert not _read(_markdown(html))[1]["table_open"]


@pytest.mark.parametrize(
    ("html", "language"),
    [
        ('<pre><code class="language-python">x</code></pre>', "python"),
        ('<pre><code class="lang-js">x</code></pre>', "js"),
        ('<pre class="language-rust"><code>x</code></pre>', "rust"),
        ('<pre class="brush: php; gutter: false">x</pre>', "php"),
        ('<pre class="brush:java">x</pre>', "java"),
        ('<pre><code class="hljs go">x</code></pre>', "go"),
        ('<pre><code class="hljs language-c++">x</code></pre>', "c++"),
        ('<pre class="sourceCode r"><code class="sourceCode r">x</code></pre>', "r"),
        ('<div class="sourceCode" id="cb1"><pre class="sourceCode haskell"><code>x</code></pre></div>', "haskell"),
        ('<pre data-lang="ruby">x</pre>', "ruby"),
        ('<pre data-language="SQL">x</pre>', "sql"),
        ('<div class="highlight-python notranslate"><div class="highlight"><pre>x</pre></div></div>', "python"),
        ('<div class="highlight-default"><div class="highlight"><pre>x</pre></div></div>', ""),
        ('<div class="highlight highlight-source-shell"><pre>x</pre></div>', "shell"),
        ('<div class="highlight highlight-text-html-basic"><pre>x</pre></div>', "html"),
        ('<div class="language-ruby highlighter-rouge"><div class="highlight"><pre class="highlight"><code>x', "ruby"),
        ('<div class="mw-highlight mw-highlight-lang-lua"><pre>x</pre></div>', "lua"),
        ('<pre class="src src-emacs-lisp">x</pre>', "emacs-lisp"),
        ('<pre class="code python">x</pre>', "python"),
        ('<pre class="EnlighterJSRAW" data-enlighter-language="css">x</pre>', "css"),
        ('<pre class="lang:perl decode:true">x</pre>', "perl"),
        ('<pre><code class="python">x</code></pre>', "python"),
        ('<pre lang="bash">x</pre>', "bash"),
        ('<pre lang="en">x</pre>', ""),
        ('<pre><code class="language-plaintext">x</code></pre>', ""),
        ('<article class="post lang-en"><pre>x</pre></article>', ""),
        ('<div class="post language-en"><pre>x</pre></div>', ""),
        ('<pre class="wide box">x</pre>', ""),
        ('<pre>y</pre><pre><code class="language-js">x</code></pre>', "js"),
        (
            '<table class="highlighttable"><tr><td class="linenos"><pre>1</pre><td class="code"><div>'
            '<pre data-lang="toml">x</pre></div></table>',
            "toml",
        ),
    ],
)
def test_languages_of_code(html: str, language: str) -> None:
    assert _markdown(html).endswith(f"```{language}\nx\n```")


def test_code() -> None:
    assert _markdown("<pre>\n  a\n\n\tb\n</pre>") == "```\n  a\n\n\tb\n```"
    assert _markdown("<pre>```\nx\n```</pre>") == "````\n```\nx\n```\n````"
    assert _markdown("<pre><div>if x:</div><div>    y()</div></pre>") == "```\nif x:\n    y()\n```"
    assert _markdown('<div class="cm-line">if x:</div><div class="cm-line">  y()</div>') == "```\nif x:\n  y()\n```"
    assert _markdown("<p><code>a<br>&nbsp;&nbsp;b<br>c</code></p>") == "```\na\n  b\nc\n```"
    assert _markdown("<pre>a &lt; *b*</pre><pre>c</pre>") == "```\na < *b*\n```\n\n```\nc\n```"


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ("Call <code>f(x)</code> now", "Call `f(x)` now"),
        ("<kbd>Ctrl</kbd>+<kbd>C</kbd>, <tt>x</tt>, <samp>y</samp>", "`Ctrl`+`C`, `x`, `y`"),
        ("<code>a`b</code> <code>`</code>", "``a`b`` `` ` ``"),
        ("<code>a</code><code>b</code> <code>c</code>", "`ab` `c`"),
        ("<code> a  b </code>, c", "`a  b` , c"),
        ("<code><span>x</span> <kbd>y</kbd></code>", "`x y`"),
        ("<p><code>open</p><p>no</p>", "`open`\n\nno"),
        ("a <code></code> b", "a b"),
        ("`a` and <code>*b*</code>", "\\`a\\` and `*b*`"),
        ("<td><code>x|y</code>", "`x|y`"),
    ],
)
def test_code_in_lines(html: str, markdown: str) -> None:
    assert _markdown(html) == markdown


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ('<a href="/a">b</a>', "[b](https://x.org/a)"),
        ('see <a href="c?d=1&amp;e=2#f"> the <b>page</b></a>.', "see [the page](https://x.org/p/c?d=1&e=2#f)."),
        ('<a href="//y.org">b</a>', "[b](https://y.org)"),
        ('<a href="mailto:a@b.org">b</a>', "[b](mailto:a@b.org)"),
        ('<a href="/a b(c)|d">e</a>', "[e](https://x.org/a%20b%28c%29%7Cd)"),
        ('<a href="/a">b [c]</a>', "[b \\[c\\]](https://x.org/a)"),
        ('<a href="/a"><code>b</code> c</a>', "[`b` c](https://x.org/a)"),
        ('<code><a href="/a">b</a></code>', "[`b`](https://x.org/a)"),
        ('<code>List&lt;<a href="/a">b</a>></code>', "`List<b>`"),
        ('<a href="/a"><h2>b</h2><p>c</p></a>', "## [b](https://x.org/a)\n\nc"),
        ('<a href="#b">b</a> <a href="javascript:f()">c</a> <a href="https://x.org/p/q#z">e</a>', "b c e"),
        ('<a href="/a"><img src=i></a> <a>b</a> <a href="">c</a>', "b c"),
        ('<a href="http://[x">b</a> <a href="data:,x">c</a>', "b c"),
        ('<base href="/deep/"><a href="a">b</a>', "[b](https://x.org/deep/a)"),
        ('<base href="https://z.org/q"><a href="a">b</a>', "[b](https://z.org/a)"),
        ('<a href="/a">b<a href="/c">d</a>', "[b](https://x.org/a)[d](https://x.org/c)"),
        ('<pre><a href="/a">b</a></pre>', "```\nb\n```"),
    ],
)
def test_links(html: str, markdown: str) -> None:
    assert _markdown(html, "https://x.org/p/q") == markdown
    assert "x.org" not in _markdown(html)


def test_links_of_a_page_without_an_address() -> None:
    assert _markdown('<a href="/a">b</a> <a href="http://x.org/c">d</a>', "") == "b [d](http://x.org/c)"


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("# no heading", "\\# no heading"),
        ("#hashtag", "#hashtag"),
        ("####### seven", "####### seven"),
        ("1. no item", "1\\. no item"),
        ("1986) A year", "1986\\) A year"),
        ("1.5 apples", "1.5 apples"),
        ("- dash", "\\- dash"),
        ("-5 degrees", "-5 degrees"),
        ("* star", "\\* star"),
        ("+ plus", "\\+ plus"),
        ("> quote", "\\> quote"),
        ("===", "\\==="),
        ("---", "\\---"),
        ("* * *", "\\* * *"),
        ("~~~", "\\~~~"),
        ("a | b", "a | b"),
        ("--- | ---", "\\--- | ---"),
        ("*not emphasis*", "\\*not emphasis\\*"),
        ("5 * 3 * 2", "5 * 3 * 2"),
        ("price* and more", "price* and more"),
        ("snake_case_name", "snake_case_name"),
        ("__init__", "\\_\\_init\\_\\_"),
        ("_private", "_private"),
        ("x_1 + y_{ij}", "x_1 + y_{ij}"),
        ("[a](b)", "[a\\](b)"),
        ("[1]", "[1]"),
        ("[a]: b", "\\[a]: b"),
        ("<b> & <3 a<b", "\\<b> & <3 a<b"),
        ("<!-- x -->", "\\<!-- x -->"),
        ("&copy; &nosuch", "\\&copy; &nosuch"),
        ("C:\\dir \\* \\\\", "C:\\dir \\\\* \\\\\\\\"),
        ("a ` b", "a ` b"),
        ("`a`", "\\`a\\`"),
        ("~~a~~", "\\~~a\\~~"),
        ("two\n# lines", "two\n\\# lines"),
    ],
)
def test_what_is_no_markup_is_escaped(text: str, markdown: str) -> None:
    assert escaped(text) == markdown
    shown, kinds = _read(markdown)
    assert shown.strip() == text
    assert set(kinds) <= {"paragraph_open", "inline", "text", "softbreak", "paragraph_close", "text_special"}


@pytest.mark.parametrize("seed", range(40))
def test_any_text_is_read_as_it_is(seed: int) -> None:
    """Texts of what Markdown has markup for: a parser shows their characters, and nothing is markup."""
    draw = np.random.default_rng(seed)
    marks = ["*", "_", "`", "#", ">", "<", "&", "[", "]", "(", ")", "\\", "~", "!", "-", "+", "1.", "|", "=", "a", "b",
             "é", "。", " ", "\n", "copy;", "https://a.b", "$", ":", "**", "~~", "```", "---"]  # fmt: skip
    for _ in range(50):
        text = "".join(draw.choice(marks, 14))
        text = "\n".join(line.strip() for line in text.split("\n") if line.strip())
        if not text:
            continue
        shown, kinds = _read(escaped(text))
        assert shown.strip() == text, escaped(text)
        assert set(kinds) <= {"paragraph_open", "inline", "text", "softbreak", "paragraph_close", "text_special"}
        line = text.replace("\n", " ")
        shown, kinds = _read(f"## {escaped_heading(line)}")
        assert shown.strip() == " ".join(line.split(" ")).strip(), escaped_heading(line)
        shown, kinds = _read("x " + code_span(line))
        assert shown.strip() == f"x {line}"
        assert [token.content for token in _PARSER.parse("\n".join(fence(text, "")))] == [text + "\n"]


def test_lines_of_verse() -> None:
    assert _markdown("<p>The oven glows,<br>the dough, it grows,<br><br>and soon</p>") == (
        "The oven glows,  \nthe dough, it grows,\n\nand soon"
    )
    assert _markdown("<p>a<br># b<br>1. c</p>") == "a  \n\\# b  \n1\\. c"


def test_the_same_is_kept_in_both_forms() -> None:
    """What is decided by the length of a text is decided by the plain form."""
    prose = "".join(f"<p>{_PROSE} It has the number {number}, so that none is like another.</p>" for number in range(9))
    links = "".join(f'<li><a href="/page/{number}">An item with its number {number}</a></li>' for number in range(9))
    html = (
        f"<title>x</title><main><h1>Headline</h1>{prose}<ul>{links}</ul><pre><code class=language-c>x;\n</code></pre>"
    )
    plain = extract_page(html)
    for options in (Options(form="markdown"), Options(form="markdown", links="keep", url="https://x.org/")):
        page = extract_page(html, options)
        assert (page.title, page.origin) == (plain.title, plain.origin)
        assert page.text.startswith("# Headline\n\nA paragraph")
        words = re.sub(r"\]\([^)]*\)|[#`\[]", "", page.text.replace("```c", "")).split()
        assert words == plain.text.split()
    article = '<script type="application/ld+json">{"@type": "Article", "articleBody": "%s"}</script>' % (
        "<h2>Part</h2><p>" + _PROSE * 20 + "</p><ul><li>item</li></ul>"
    )
    page = extract_page(article, Options(form="markdown"))
    assert page.origin == "json_ld"
    assert page.text.startswith("## Part\n\n")
    assert page.text.endswith("\n\n- item")


@pytest.mark.parametrize(
    "unit",
    ["<ul><li>a", "<blockquote>", "<ol><li>", "<code>", "<a href=/x>a", "<table><tr><td>a", "<tr><td rowspan=9>a<td>b",
     "<td colspan=1000>a", "<pre>", "<dl><dt>a<dd>b", "`*_", "<p>*a_", "<code>`</code>"],
)  # fmt: skip
def test_hostile_pages_take_linear_time(unit: str) -> None:
    """A page of a hundred thousand of anything comes to an end, and loses no character."""
    html = f"<p>{_PROSE}</p>" + unit * 30_000
    data, tables = html.encode(), model.load().tables
    scanned = scan_page(data, tables)
    text = to_markdown(scanned, np.arange(len(scanned.blocks)), data, scan_tags(data, tables), "https://x.org")
    shown = sum(scanned.text[start:end].tobytes().count(b"a") for start, end in scanned.blocks[:, [B_START, B_END]])
    assert text.count("a") >= shown


def test_settings() -> None:
    assert ExtractSettings().form == "text"
    with pytest.raises(ValueError, match='needs html = "groundup"'):
        ExtractSettings(form="markdown", html="resiliparse")
    with pytest.raises(ValueError, match='needs form = "markdown"'):
        ExtractSettings(links="keep")


def test_unknown_names_are_no_language() -> None:
    assert language_of({"class": "language-en"}, is_code=False) == ""
    assert language_of({"class": "hljs wide"}, is_code=True) == ""
    assert language_of({"class": "highlight-box"}, is_code=False) == ""
    assert language_of({"data-lang": "<x>"}, is_code=True) == ""


def test_real_pages_are_read_as_they_are(shared_data: Path) -> None:
    """All blocks of real pages, menus and forms too: a parser shows their characters, and markup that is a page's."""
    tables = model.load().tables
    kinds: Counter[str] = Counter()
    with tarfile.open(shared_data / "web" / "wcxb-dev" / "html.tar.xz") as archive:
        files = itertools.islice((file for file in archive if file.isfile()), 0, 160, 4)
        for file in files:
            data = archive.extractfile(file).read().decode("utf-8", "replace").encode()  # type: ignore[union-attr]
            scanned = scan_page(data, tables)
            text = to_markdown(scanned, np.arange(len(scanned.blocks)), data, scan_tags(data, tables))
            blocks = b"".join(scanned.text[start:end].tobytes() for start, end in scanned.blocks[:, [B_START, B_END]])
            if b"$" in blocks and b"\\" in blocks:
                continue  # formulas, which the parser does not know
            shown, found = _read(text)
            # What parts cells that stand in a line, and terms from their descriptions, is no text.
            assert _letters(shown) == _letters(blocks.decode()), file.name
            kinds += found
    assert kinds["heading_open"] > 300
    assert kinds["table_open"] > 1
    assert not {"em_open", "strong_open", "hr", "html_block", "html_inline", "code_block", "image", "link_open"} & {
        *kinds
    }


def _letters(text: str) -> str:
    return "".join(re.sub(r"^: |\|", "", text, flags=re.MULTILINE).split())
