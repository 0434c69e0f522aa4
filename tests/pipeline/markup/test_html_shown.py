"""What a browser shows of numbers, formulas, code, shadow trees, roles and white space: each with its right value."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.markup.html import extract_main_text, extract_page, model
from pipeline.markup.html.render import render
from pipeline.markup.html.rewrite import met_in_text, rewritten
from pipeline.markup.html.scan import scan_page

_TABLES = model.load().tables


def _shown(html: str) -> str:
    """All blocks of a page as text, main content or not."""
    data = html.encode("utf-8")
    scanned = scan_page(data, _TABLES)
    if met := scanned.met | met_in_text(scanned.text.tobytes(), data):
        scanned = scan_page(rewritten(data, met), _TABLES)
    return render(scanned, np.arange(len(scanned.blocks)))


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("100<sup>2</sup> = 10000", "100^2 = 10000"),
        ("1.5×10<sup>8</sup> km", "1.5×10^8 km"),
        ("10<sup>n+1</sup>", "10^{n+1}"),
        ("10<sup>-3</sup> m, 10<sup>&minus;3</sup> m, 10<sup>&#8722;12</sup>", "10^-3 m, 10^−3 m, 10^−12"),
        ("10 <sup>2</sup>", "10 ^2"),
        ("10<sup>2<sup>n</sup></sup>", "10^{2^n}"),
        ("2<sup>n</sup> and 2<sup><i>k</i></sup> and e<sup>x</sup>", "2^n and 2^k and e^x"),
        ("a<sup>2</sup>3", "a^{2}3"),
        ("H<sub>2</sub>O, CO<sub>2</sub>e", "H_2O, CO_2e"),
        ("x<sub>n+1</sub> x<sub>i</sub><sup>2</sup>", "x_{n+1} x_i^2"),
        ("SO<sub>4</sub><sup>2&minus;</sup> Ca<sup>2+</sup> Na<sup>+</sup>", "SO_4^{2−} Ca^{2+} Na^+"),
        ("the <sup>14</sup>C and <sup>14</sup><sub>6</sub>C", "the ^14C and ^14_6C"),
        ('m<span style="font-size: 8px; vertical-align: super">2</span>', "m^2"),
        ('m<span role="superscript">2</span>', "m^2"),
        ("x² + H₂O + 10⁻³ + ½ &frac34;", "x² + H₂O + 10⁻³ + ½ ¾"),
        ("f<sup>(n)</sup> y<sup>n/2</sup>", "f^{(n)} y^{n/2}"),
        ("<pre>x<sup>2</sup>\n  y</pre>", "x^2\n  y"),
        # letters of ordinals and abbreviations, signs, notes, small print
        ("1<sup>st</sup> 2<sup>nd</sup> XX<sup>e</sup> n<sup>th</sup> N<sup>os.</sup> 5", "1st 2nd XXe nth Nos. 5"),
        ("M<sup>me</sup> D<sup>r</sup> N<sup>o</sup>", "Mme Dr No"),
        ("Brand<sup>®</sup> Brand<sup>TM</sup> x<sup>*</sup> y<sup>†</sup>", "Brand® BrandTM x* y†"),
        (
            'Word<sup><a href="#fn1">[1]</a></sup> x<sup class="reference">[2]</sup> A<sup>[3]</sup>',
            "Word[1] x[2] A[3]",
        ),
        ("It ends.<sup>3</sup> “So,”<sup>4</sup> they say", "It ends.3 “So,”4 they say"),
        ("Words<sup>(see below)</sup>, <sub>SMALL</sub> ^ <sup><i>a</i></sup>", "Words(see below), SMALL ^ a"),
        ("<sup>1</sup> See there", "1 See there"),
    ],
)
def test_superscripts_and_subscripts(html: str, text: str) -> None:
    assert _shown(f"<p>{html}</p>") == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("1<span class=frac><sup>1</sup>&frasl;<sub>2</sub></span> cups", "1 1/2 cups"),
        ("<sup>3</sup>&frasl;<sub>4</sub> and <sup>3</sup>/<sub>4</sub>", "3/4 and 3/4"),
        ("2 <sup>5</sup>⁄<sub>8</sub> and <sup>7</sup> &#8260; <sub>8</sub>", "2 5/8 and 7/8"),
        ("1<sup>1</sup>/2 and <sup>1</sup>/3 and 1/<sub>2</sub>", "1 1/2 and 1/3 and 1/2"),
        (
            '<span class="sfrac"><span class="num">1</span><span class="sr-only">/</span><span class="den">2</span>'
            "</span>",
            "1/2",
        ),
        (
            '<span class="frac">3<span class="sr-only">+</span><span class="num">1</span>&frasl;'
            '<span class="den">2</span></span> x',
            "3 1/2 x",
        ),
        ("1<math><mfrac><mn>3</mn><mn>4</mn></mfrac></math> cup", "1 3/4 cup"),
        ("1½ &frac12; 1&frasl;2", "1½ ½ 1⁄2"),
    ],
)
def test_fractions(html: str, text: str) -> None:
    assert _shown(f"<p>{html}</p>") == text


_SQUARE = "<msup><mi>c</mi><mn>2</mn></msup>"
_ANNOTATED = (
    "<math><semantics><mrow><mi>E</mi><mo>=</mo><mi>m</mi>"
    f'{_SQUARE}</mrow><annotation encoding="application/x-tex">E = mc^2</annotation></semantics></math>'
)


@pytest.mark.parametrize(
    "html",
    [
        _ANNOTATED,
        f"<MATH>{_ANNOTATED[6:]}",
        f'<span class="katex"><span class="katex-mathml">{_ANNOTATED}</span>'
        '<span class="katex-html" aria-hidden="true">'
        "<span>E</span><span>=</span><span>mc</span><span>2</span></span></span>",
        f'<span class="mwe-math-element"><span style="display: none">{_ANNOTATED}</span><img class="'
        'mwe-math-fallback-image-inline" aria-hidden="true" alt="{\\displaystyle E = mc^2}"></span>',
        '<img class="mwe-math-fallback-image-inline" src="x.svg" alt="{\\displaystyle E = mc^2}">',
        '<img class="latex" alt="E = mc^2"><img class="photo" alt="no">',
        '<math alttext="E = mc^2"><mi>E</mi></math><img class="mwe-math-fallback-image-inline" alt="E = mc^2">',
        '<span class="MathJax_Preview"></span><script type="math/tex">E = mc^2</script>',
        '<span class="MathJax_Preview">E=mc2</span><span class="MathJax"><nobr><span>E=mc2</span></nobr></span>'
        '<script type="math/tex" id="a">% <![CDATA[\nE = mc^2 %]]></script>',
        f'<mjx-container class="MathJax"><mjx-math aria-hidden="true">E=mc2</mjx-math><mjx-assistive-mml>{_ANNOTATED}'
        "</mjx-assistive-mml></mjx-container>",
        '<mjx-container><mjx-math data-latex="E = mc^2"><mjx-mi>E</mjx-mi></mjx-math></mjx-container>',
        f"<mml:math>{_ANNOTATED[6:-7]}</mml:math>",
    ],
)
def test_a_formula_stands_once_as_its_tex(html: str) -> None:
    assert _shown(f"<p>It is {html}, where m is the mass.</p>") == "It is $E = mc^2$, where m is the mass."


def test_a_formula_on_a_line_of_its_own() -> None:
    html = '<p>So<script type="math/tex; mode=display">a &lt; b < c</script>and so on, $x$ and \\(y\\).</p>'
    assert _shown(html) == "So\n$$a &lt; b < c$$\nand so on, $x$ and \\(y\\)."


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<msup><mi>x</mi><mn>2</mn></msup><mi>y</mi>", "x^2 y"),
        (
            "<mi>x</mi><mo>=</mo><mfrac><mrow><mo>−</mo><mi>b</mi><mo>±</mo><msqrt><mi>d</mi></msqrt></mrow>"
            "<mrow><mn>2</mn><mi>a</mi></mrow></mfrac>",
            "x=\\frac{-b\\pm\\sqrt{d}}{2a}",
        ),
        (
            "<msup><mrow><mo>(</mo><mi>a</mi><mo>+</mo><mi>b</mi><mo>)</mo></mrow>"
            "<mrow><mi>n</mi><mo>+</mo><mn>1</mn></mrow></msup>",
            "(a+b)^{n+1}",
        ),
        ("<msup><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mn>2</mn></msup>", "{a+b}^2"),
        (
            "<munderover><mo>∑</mo><mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi></munderover><mi>i</mi>",
            "\\sum_{i=1}^n i",
        ),
        ("<mi>sin</mi><mo>&#x2061;</mo><mi>x</mi>", "\\sin x"),
        (
            '<mfenced open="[" close="]"><mtable><mtr><mtd><mi>a</mi></mtd><mtd><mi>b</mi></mtd></mtr>'
            "<mtr><mtd><mi>c</mi></mtd><mtd><mi>d</mi></mtd></mtr></mtable></mfenced>",
            "\\begin{bmatrix}a & b \\\\ c & d\\end{bmatrix}",
        ),
        ("<mroot><mi>x</mi><mn>3</mn></mroot><mo>+</mo><msup><mi>f</mi><mo>′</mo></msup>", "\\sqrt[3]{x}+f'"),
        ("<mmultiscripts><mi>C</mi><mprescripts/><mn>6</mn><mn>14</mn></mmultiscripts>", "{}_6^{14}C"),
        ("<msup><mn>10</mn><mrow><mo>-</mo><mn>3</mn></mrow></msup><mtext> m</mtext>", "10^{-3}\\text{ m}"),
        ("<mover><mi>x</mi><mo>¯</mo></mover>", "\\bar{x}"),
    ],
)
def test_mathml_without_tex_becomes_tex(markup: str, text: str) -> None:
    assert _shown(f"<p>a <math>{markup}</math> z</p>") == f"a ${text}$ z"


def test_formulas_nobody_closed_are_read_in_linear_time() -> None:
    for piece in ("<math>", '<span class="katex">', "<math><annotation encoding='x-tex'>", "<msup><math>", "<a b='"):
        _shown(f"<p>{piece * 20000}x")
    assert _shown("<p><math>" + "<msqrt>" * 2000 + "<mi>x</mi></math>").count("sqrt") > 10


_CODE = 'def area(width, height):\n    if width < 0:\n        raise ValueError("no")\n    return width * height'
_LINES = _CODE.replace("<", "&lt;").split("\n")


def _with_nbsp(line: str) -> str:
    text = line.lstrip(" ")
    return "&nbsp;" * (len(line) - len(text)) + text


@pytest.mark.parametrize(
    "html",
    [
        '<div class="code">' + "".join(f'<div class="line">{_with_nbsp(line)}</div>' for line in _LINES) + "</div>",
        "<p>" + "<br>\n".join(map(_with_nbsp, _LINES)) + "</p>",
        "<code>" + "<br>".join(map(_with_nbsp, _LINES)) + "</code>",
        "".join(f"<div><code>{line}</code></div>" for line in _LINES),
        "".join(f'<div style="white-space: pre">{line}</div>' for line in _LINES),
        f'<div style="font-family: monospace; white-space:pre-wrap">{chr(10).join(_LINES)}</div>',
        "<pre><code>" + "".join(f'<span style="display:block">{line}</span>' for line in _LINES) + "</code></pre>",
        "<pre><code>"
        + "".join(f'<span style="display:flex"><span>{line}\n</span></span>' for line in _LINES)
        + "</code></pre>",
        "<pre>" + "<br>".join(_LINES) + "</pre>",
        "<table>"
        + "".join(
            f'<tr><td class="blob-num" data-line-number="{n}">{n}</td><td class="blob-code"><b>{line}</b></td></tr>'
            for n, line in enumerate(_LINES, 1)
        )
        + "</table>",
        '<table class="highlighttable"><tr><td class="linenos"><div class="linenodiv"><pre>1\n2\n3\n4</pre></div></td>'
        f'<td class="code"><div><pre><span></span>{chr(10).join(_LINES)}</pre></div></td></tr></table>',
        '<table class="lntable"><tr><td class="lntd"><pre><span class="lnt">1\n</span><span>2\n</span></pre></td>'
        f'<td class="lntd"><pre>{chr(10).join(_LINES)}</pre></td></tr></table>',
        "<pre>" + "\n".join(f'<span class="ln">{n}</span>{line}' for n, line in enumerate(_LINES, 1)) + "</pre>",
        "<pre>"
        + "\n".join(
            f'<span style="user-select: none; color: gray">{n}</span>{line}' for n, line in enumerate(_LINES, 1)
        )
        + "</pre>",
        '<pre class="line-numbers">' + "\n".join(_LINES) + '<span class="line-numbers-rows"><span></span></span></pre>',
        '<pre><ol class="linenums">' + "".join(f"<li><span>{line}</span></li>" for line in _LINES) + "</ol></pre>",
        "<xmp>" + _CODE + "</xmp>",
        "<listing>" + "\n".join(_LINES) + "</listing>",
        "<plaintext>" + _CODE,
    ],
)
def test_code_is_shown_as_it_is(html: str) -> None:
    assert _shown(f"<p>Before it.</p>{html}") == f"Before it.\n{_CODE}"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("Inline <code>a  =  b</code> stays.", "Inline a  =  b stays."),
        ("Call<code> f( x )</code>, <kbd>Ctrl</kbd>+<kbd>C</kbd> or <tt>x</tt>", "Call f( x ), Ctrl+C or x"),
        ("<code>a\n     b</code> and <samp>*_x_*</samp>", "a b and *_x_*"),
        (
            "Numbers <span class=lineno>in words</span>, lines <span class=ln>7 of it</span>",
            "Numbers in words, lines 7 of it",
        ),
        (
            "&nbsp;&nbsp;&nbsp;A paragraph of prose that begins with spaces.",
            "A paragraph of prose that begins with spaces.",
        ),
        ('<span style="white-space:pre-wrap">Two  spaces of an editor</span>', "Two spaces of an editor"),
        ('<span style="white-space: pre-line">one\n   two</span>', "one\ntwo"),
    ],
)
def test_code_and_spaces_in_a_line(html: str, text: str) -> None:
    assert _shown(f"<p>{html}</p>") == text


def test_indented_verse() -> None:
    verse = (
        "The mill stands by the water still,<br>&nbsp;&nbsp;its wheel turns;<br>he sleeps,<br>&nbsp;&nbsp;the corn lies"
    )
    assert _shown(f"<p>{verse}</p>") == verse.replace("<br>", "\n").replace("&nbsp;", " ")


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("この橋は<wbr>二百年前に\n建てられました。<b>\n  橋</b>を", "この橋は二百年前に建てられました。橋を"),
        ("中文，\n中文。\n\t“好”", "中文，中文。 “好”"),
        ("한국어\n문장", "한국어 문장"),
        ("中\nA 文\n한", "中 A 文 한"),
        ("ＡＢ\nＣ ｱ\nｲ", "ＡＢＣ ｱｲ"),
        ("a\u200b\nb \u200b\nc", "abc"),
        ("中 文&nbsp;\n文", "中 文 文"),
        ("a<b> \n b</b><i>c</i>\n", "a bc"),
        ("\U00020000\n\U00020001", "\U00020000\U00020001"),
    ],
)
def test_line_ends_of_the_source(html: str, text: str) -> None:
    assert _shown(f"<p>{html}</p>") == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        (
            '<div role="table"><div role="rowgroup"><div role="row"><span role="columnheader">Word</span>'
            '<span role="columnheader">Meaning</span></div></div><div role="row"><span role="cell">keel</span>'
            '<span role="cell">the lowest beam</span></div></div>',
            "Word | Meaning\nkeel | the lowest beam",
        ),
        ('<ul role="grid"><li role="row"><b role="rowheader">a</b><i role="gridcell">b</i></li></ul>', "a | b"),
        ('<table><tr><td style="white-space: pre-line">a\nb<td>c</table>', "a b | c"),
        ('<div role="list"><div role="listitem">a</div><span role="listitem">b</span></div>', "- a\n- b"),
        ('<ol role="list"><li role="listitem">a</li><li>b</li></ol>', "1. a\n2. b"),
        ('a<span role="heading" aria-level="3">Head</span>b', "a\nHead\nb"),
        ('<span style="display: block">a</span><span style="display:block">b</span>c', "a\nb\nc"),
        ('<div hidden="until-found">yes</div><div hidden>no</div><div hidden="hidden">no</div>', "yes\nno\nno"),
        (
            "<details><summary>Why</summary>Because</details><details open><summary>a</summary>b</details>",
            "Why\nBecause\na\nb",
        ),
        ("<p>a<noscript><img src=x alt=no></noscript> b</p>", "a b"),
        ('<div role="presentation"><b role="note">x</b>y</div>', "xy"),
    ],
)
def test_roles_and_what_is_shown(html: str, text: str) -> None:
    assert _shown(html) == text


def test_hidden_until_found_is_main_text() -> None:
    scanned = scan_page(b'<p hidden="until-found">a<p hidden="">b', _TABLES)
    assert [bool(flag & 1) for flag in scanned.nodes[1:3, 2]] == [False, True]


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ('<x-a><template shadowrootmode="open"><p>one</p></template></x-a><p>two</p>', "one\ntwo"),
        (
            '<x-a><template shadowrootmode="open"><h1><slot name="t">No title</slot></h1><slot></slot>'
            '<slot name="f"><p>Fallback</p></slot></template><p>Light</p><span slot="t">Title</span>'
            '<p slot="none">no</p></x-a>',
            "Title\nLight\nFallback",
        ),
        (
            '<a-b><template shadowrootmode="open"><c-d><template shadowrootmode=closed><i><slot></slot></i></template>'
            "<slot></slot></c-d></template>deep</a-b> end",
            "deep end",
        ),
        ('<a-b><p>first</p><template shadowrootmode="open">[<slot></slot>]</template></a-b>', "[\nfirst\n]"),
        ("<ul><template shadowrootmode=open>no</template><li>a</ul>", "- a"),
        ('<a-b><template shadowrootmode="x">no</template>a</a-b><template>no</template>', "a"),
        ('<a-b><template shadowrootmode="open">no light</template>gone</a-b>', "no light"),
        ("<!-- <a-b><template shadowrootmode=open> --><p>x</p>", "x"),
        ('<div><template shadowrootmode="open">x<sup>2</sup><math alttext="y"></math></template></div>', "x2$y$"),
    ],
)
def test_shadow_trees(html: str, text: str) -> None:
    assert _shown(html).replace("^", "") == text


_SENTENCE = "The bridge over the river was repaired in spring, and the town paid for the stones and for the masons. "
_SHELL = '<html><head><title>Bridge</title>{}</head><body><div id="app"></div>{}</body></html>'


@pytest.mark.parametrize(
    "data",
    [
        {"@type": "NewsArticle", "articleBody": _SENTENCE * 8},
        [{"@type": "WebSite"}, {"@graph": [{"@type": "Person"}, {"articleBody": _SENTENCE * 8}]}],
        {"@type": "Article", "articleBody": "<p>" + _SENTENCE * 4 + "</p><p>" + _SENTENCE * 4 + "</p>"},
        {"@type": "DiscussionForumPosting", "text": _SENTENCE * 8},
        {"mainEntity": {"@type": ["Article"], "articleBody": [_SENTENCE * 4, _SENTENCE * 4]}},
        {"articleBody": (_SENTENCE * 8).replace("and", "&amp; &quot;and&quot;")},
    ],
)
def test_text_of_an_article_in_linked_data(data: object) -> None:
    source = json.dumps(data)
    page = extract_page(_SHELL.format(f"<script type='application/ld+json'>{source}</script>", ""))
    assert page.origin == "json_ld"
    assert page.text.count("The bridge over the river") == 8
    assert "<" not in page.text
    assert "&" not in page.text.replace("& ", "")


def test_text_elsewhere_is_only_for_pages_without() -> None:
    script = '<script type="application/ld+json">' + json.dumps({"articleBody": _SENTENCE * 3}) + "</script>"
    body = "<article>" + f"<p>{_SENTENCE}</p>" * 3 + "</article>"
    assert extract_page(_SHELL.format(script, body)).origin == ""
    broken = '<script type="application/ld+json">{"articleBody": "' + _SENTENCE * 9
    assert extract_page(_SHELL.format(broken + "</script>", "")).text == (_SENTENCE * 9).strip()
    deep = '<script type="application/ld+json">' + "[" * 100000 + '"articleBody"</script>'
    assert extract_page(_SHELL.format(deep, "")).text == ""


def test_what_is_shown_without_scripts_is_for_pages_that_show_nothing() -> None:
    article = "<noscript><article>" + f"<p>{_SENTENCE}</p>" * 8 + "</article></noscript>"
    page = extract_page(_SHELL.format("", article))
    assert (page.origin, page.text.count("The bridge")) == ("noscript", 8)
    warning = "<noscript>You need to enable JavaScript to run this app.</noscript>"
    assert extract_page(_SHELL.format("", warning)).text == ""


@pytest.mark.parametrize(
    ("case", "found"),
    [
        ("07-html-math/sup.html", ("100^2 = 10000", "10^8 km", "km^2", "H_2O")),
        ("07-html-math/fraction.html", ("Take 1 1/2 cups", "and 3/4 cup")),
        ("07-html-math/katex.html", ("at rest is $E = mc^2$, where",)),
        ("07-html-math/mathjax2.html", ("at rest is $E = mc^2$, where",)),
        ("07-html-math/mediawiki-rendered.html", ("at rest is $E=mc^{2}$, where",)),
        ("08-html-code/br-code.html", (f"Call it with two numbers.\n{_CODE}\n",)),
        ("08-html-code/github-table.html", (f"field:\n{_CODE}\nCall",)),
        ("08-html-code/codehilite-table.html", (f"field:\n{_CODE}\nCall",)),
        ("08-html-code/rouge-table.html", (f"field:\n{_CODE}\nCall",)),
        ("08-html-code/span-lines.html", (f"field:\n{_CODE}\nCall",)),
        ("09-html-pages/cjk.html", ("二百年前に建てられました。", "写真を撮りに", "魚がたくさん")),
        ("09-html-pages/shadow.html", ("The bridge\nParagraph 1",)),
        ("09-html-pages/until-found.html", ("at eight in the morning", "Dogs are welcome")),
        ("09-html-pages/lrec.html", ("Word | Meaning\nkeel | the lowest beam of a ship\n",)),
    ],
)
def test_given_pages(shared_data: Path, case: str, found: tuple[str, ...]) -> None:
    file = shared_data / "cases" / case
    if not file.exists():
        pytest.skip(f"no {file}")
    text = extract_main_text(file.read_text(encoding="utf-8"))
    assert [part for part in found if part not in text] == []


_HIGHLIGHTED = (
    "<table><tr><td class='gutter'><div class='line'>1</div><div class='line'>2</div></td><td class='code'>"
    "<div class='container'><div class='line'><code>def</code> <code>f():</code></div><div class='line'>"
    "<code class='spaces'>&nbsp;&nbsp;&nbsp;&nbsp;</code><code>return</code> <code>1</code></div>"
    "</div></td></tr></table>"
)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        (_HIGHLIGHTED, "def f():\n    return 1"),
        ("<pre><code>make install</code><button>Copy</button></pre>", "make install"),
        ("<pre><button><span>Copy</span></button>ls -l\n  cd</pre>", "ls -l\n  cd"),
        ("<table><tr><td>sum</td><td><code>a</code><br><code>b</code></td></tr></table>", "sum | a b"),
        ("5<span class='frac'>1<span>⁄</span>2</span> cups", "5 1/2 cups"),
        ("1<span class=fraction>1/2</span> or <span class=frac>3/4</span> cup", "1 1/2 or 3/4 cup"),
        ("a <span class=fraction>small</span> part", "a small part"),
        ("<m:math xmlns:m='x'><m:msup><m:mn>10</m:mn><m:mn>2</m:mn></m:msup></m:math> m", "$10^2$ m"),
    ],
)
def test_more_of_what_is_shown(html: str, text: str) -> None:
    assert _shown(html) == text
