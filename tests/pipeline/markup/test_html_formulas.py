"""Formulas of pages as TeX: once, `$x^2$` in a line, `$$x^2$$` on a line of its own, whatever pages hold of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pipeline.markup.html import extract_main_text, model
from pipeline.markup.html.formulas.asciimath import tex_of_asciimath
from pipeline.markup.html.formulas.katex import tree_of_katex
from pipeline.markup.html.formulas.mathjax import tree_of_mathjax
from pipeline.markup.html.formulas.mathml import tex_of_mathml, tex_of_tree, tree_of
from pipeline.markup.html.layout import Scanned
from pipeline.markup.html.markdown.write import to_markdown
from pipeline.markup.html.render import render
from pipeline.markup.html.rewrite import met_in_text, rewritten
from pipeline.markup.html.scan import scan_page, scan_tags
from pipeline.markup.wikitext.text import wikitext_to_text

_TABLES = model.load().tables
_TYPESETTER = '<script src="https://cdn.example/mathjax@3/es5/tex-mml-chtml.js"></script>'


def _scanned(html: str) -> tuple[bytes, Scanned]:
    data = html.encode("utf-8")
    scanned = scan_page(data, _TABLES)
    if met := scanned.met | met_in_text(scanned.text.tobytes(), data):
        data = rewritten(data, met)
        scanned = scan_page(data, _TABLES)
    return data, scanned


def _shown(html: str) -> str:
    """All blocks of a page as text, main content or not."""
    _, scanned = _scanned(html)
    return render(scanned, np.arange(len(scanned.blocks)))


def _markdown(html: str) -> str:
    data, scanned = _scanned(html)
    return to_markdown(scanned, np.arange(len(scanned.blocks)), data, scan_tags(data, _TABLES))


@pytest.mark.parametrize(
    ("picture", "tex"),
    [
        ('<img src="/math/render/svg/0a1b" alt="{\\displaystyle E=mc^{2}}">', "E=mc^{2}"),
        ('<img class="latex" src="//s0.wp.com/latex.php?latex=a%3Db%2Bc&bg=fff" alt="a=b+c">', "a=b+c"),
        ('<img src="https://latex.codecogs.com/gif.latex?%5Cinline%20x%5E2&space;&plus;&space;1">', "x^2 + 1"),
        ('<img src="https://latex.codecogs.com/svg.image?\\frac{a}{b}" alt="equation">', "\\frac{a}{b}"),
        ('<img src="/cgi-bin/mimetex.cgi?x^2+y^2" alt="">', "x^2+y^2"),
        ('<img src="/cgi-bin/mathtex.cgi?\\alpha">', "\\alpha"),
        ('<img src="https://chart.googleapis.com/chart?cht=tx&amp;chl=x%5E2%2B1">', "x^2+1"),
        ('<img src="https://chart.googleapis.com/chart?chl=a_1&cht=tx">', "a_1"),
        ('<img class="texrender" title="x^2" alt="x^2" src="/filter/tex/pix.php/0f.gif">', "x^2"),
        ('<img src="a.png" class="ql-img-inline-formula quicklatex-auto-format" alt="&#120;&#95;&#49;">', "x_1"),
        ('<img class="formulaInl" alt="$x^2$" src="form_0.png">', "x^2"),
        ('<img alt="$\\alpha$" src="img1.gif">', "\\alpha"),
        ('<img src="//www.zhihu.com/equation?tex=x%5E2" alt="x^2">', "x^2"),
        ('<img src="https://i.upmath.me/svg/x%5E2">', "x^2"),
        ('<img src="/blank.gif" data-src="https://latex.codecogs.com/svg.latex?E=mc^2">', "E=mc^2"),
        ('<img src="data:image/gif;base64,R0" data-original="//www.zhihu.com/equation?tex=x%5E2">', "x^2"),
        ('<img class="latex" data-lazy-src="//s0.wp.com/latex.php?latex=x%5E2&bg=fff" src="a.gif" alt="">', "x^2"),
        (
            '<img class="Wirisformula" alt="x squared" data-mathml="«math xmlns=¨http://www.w3.org/1998/Math/MathML¨»'
            '«msup»«mi»x«/mi»«mn»2«/mn»«/msup»«/math»">',
            "x^2",
        ),
    ],
)
def test_pictures_of_formulas(picture: str, tex: str) -> None:
    assert _shown(f"<p>It is {picture}, so.</p>") == f"It is ${tex}$, so."


@pytest.mark.parametrize(
    "picture",
    [
        '<img src="math-teacher.jpg" alt="A teacher of mathematics at school">',
        '<img src="x.jpg" alt="$5 coupon">',
        '<img class="math" alt="A big picture of a triangle">',
        '<img class="equation" src="a.png" alt="">',
        '<img src="a.png" data-src="holiday.jpg" alt="Sea">',
        '<img src="latex-gloves.jpg" alt="Latex gloves, blue">',
    ],
)
def test_pictures_that_are_no_formulas(picture: str) -> None:
    assert _shown(f"<p>Look: {picture} there.</p>") == "Look: there."


@pytest.mark.parametrize(
    ("html", "text"),
    [
        # elements whose text is TeX: Pandoc, Sphinx, Stack Exchange, MkDocs, kramdown, Discourse, remark, WordPress
        ('<span class="math inline">\\(x^2\\)</span>, then', "$x^2$, then"),
        ('a <span class="math display">\\[y&lt;3\\]</span>, end', "a\n$$y<3$$,\nend"),
        ('<span class="math inline">x^2</span>', "$x^2$"),
        ('<span class="math inline"><em>x</em><sup>2</sup></span>', "x^2"),
        (
            '<span class="math">Mathematics</span> and <span class="math">Pure Mathematics</span>',
            "Mathematics and Pure Mathematics",
        ),
        ('<div class="math">\n\\int x\n</div>', "$$\\int x$$"),
        (
            '<div class="math notranslate nohighlight"><span class="eqno">(3)'
            '<a class="headerlink" href="#e">¶</a></span>'
            "\\[E=mc^2\\]</div>",
            "$$E=mc^2 \\tag{3}$$",
        ),
        (
            'if <span class="math-container">$x^2$</span> so <span class="math-container">$$a &lt; b$$</span>.',
            "if $x^2$ so\n$$a < b$$.",
        ),
        (
            '<span class="math-container">\\begin{align}a&amp;=b\\\\c&amp;=d\\end{align}</span>',
            "$$\\begin{align}a&=b\\\\c&=d\\end{align}$$",
        ),
        ('<span class="arithmatex">\\(x\\)</span><div class="arithmatex">\\[y\\]</div>', "$x$\n$$y$$"),
        ('<code class="language-math math-inline">x_1</code> <span class="kdmath">$x$</span>', "$x_1$ $x$"),
        ('<span class="wp-katex-eq" data-display="true">x_1</span>', "$$x_1$$"),
        ('<pre class="code math js-render-math"><code>x_1\n+ y</code></pre>', "$$x_1 + y$$"),
        (
            '<div class="formula">Area = length × width</div><div class="formula">a_1=2</div>',
            "Area = length × width\n$$a_1=2$$",
        ),
        ('<span class="math-container">$50%$ of $x$</span> <span class="math">a %\n b</span>', "$50%$ of $x$ $a b$"),
        ('<span class="ztext-math" data-tex="x^2"><span>drawn</span></span>', "$x^2$"),
        ('<span class="asciimath">sqrt(x)/2 &lt;= alpha</span>', "$\\frac{\\sqrt{x}}{2}\\le\\alpha$"),
        (
            '<script type="math/asciimath">x^2</script> <script type="math/mml"><math><mi>α</mi></math></script>',
            "$x^2$ $\\alpha$",
        ),
        ('<script type="math/tex; mode=display">\\ce{H2O} % note\n+b</script>. z', "$$\\ce{H2O} +b$$.\nz"),
        (
            '<p class="ql-center-displayed-equation"><span class="ql-right-eqno"> (1) </span>'
            '<span class="ql-left-eqno"> &nbsp; </span><img src="a.png" class="ql-img-displayed-equation" '
            'alt="&#92;&#91;'
            'E=mc^2&#92;&#93;"></p>',
            "$$E=mc^2 \\tag{1}$$",
        ),
        (
            "<math><semantics><semantics><mi>x</mi><annotation encoding='StarMath 5.0'>no</annotation></semantics>"
            "<annotation encoding='application/x-tex'><![CDATA[a<b]]></annotation></semantics></math>",
            "$a<b$",
        ),
        ('a <math display="block"><mi>x</mi></math>, b', "a\n$$x$$,\nb"),
        # what MathJax and KaTeX would read in the text of the page
        (
            f"{_TYPESETTER}we \\(x\\) and \\[y\\] and $z$ and $$w_1$$ end",
            "we $x$ and\n$$y$$\nand $z$ and\n$$w_1$$\nend",
        ),
        (
            f"{_TYPESETTER}use <code>\\(no\\)</code> at $5 and $6 or $$ and $$$",
            "use \\(no\\) at $5 and $6 or $$ and $$$",
        ),
        (f"{_TYPESETTER}\\begin{{equation}} a=b<br> \\label{{x}}\\end{{equation}} z", "$$a=b \\label{x}$$\nz"),
        (f"{_TYPESETTER}cheap $$ - $$$, \\(x\\)", "cheap $$ - $$$, $x$"),
        # and what programs of forums and blogs would
        ("we [itex]E=mc^2[/itex], [tex]x &lt; y[/tex]<br>[TEX]\\int x[/TEX]<br>", "we $E=mc^2$, $x < y$\n$$\\int x$$"),
        (
            "a [math]n[/math] <code>[math]n[/math]</code> [latex]y_1[/latex] in [latex]",
            "a $n$ [math]n[/math] $y_1$ in [latex]",
        ),
        (
            "as $latex x_1 = 3$, $latex \\beta&#038;s=2$; $latex gloves cost $5",
            "as $x_1 = 3$, $\\beta$; $latex gloves cost $5",
        ),
        # the number of an equation behind it: Springer, MDPI, PubMed Central; a number that is none
        (
            '<div class="c-article-equation__content"><span class="mathjax-tex">$$a=b$$</span></div>'
            '<div class="c-article-equation__number">(1)</div><p>z</p>',
            "$$a=b \\tag{1}$$\nz",
        ),
        (
            '<div class="f"><math display="block"><mi>a</mi></math></div><div class="l"><label>(A.2)</label></div>',
            "$$a \\tag{A.2}$$",
        ),
        (
            '<table><tr><td class="formula"><math display="block"><mi>a</mi></math></td>'
            '<td class="label">4</td></tr></table>',
            "$$a \\tag{4}$$",
        ),
        ('<p><math display="block"><mi>a</mi></math></p><p>1984</p>', "$$a$$\n1984"),
        ("none \\(x\\) and \\[y\\] $$ cheap $$, $x$", "none \\(x\\) and \\[y\\] $$ cheap $$, $x$"),
    ],
)
def test_formulas_in_words(html: str, text: str) -> None:
    assert _shown(f"<div>{html}</div>") == text


_ROW = '<tr class="ltx_equation ltx_eqn_row"><td class="ltx_eqn_cell ltx_eqn_center_padleft"></td>{}</tr>'
_NUMBER = '<td rowspan="1" class="ltx_eqn_cell ltx_eqn_eqno"><span class="ltx_tag ltx_tag_equation">({})</span></td>'


def _cells(*tex: str) -> str:
    return "".join(
        f'<td class="ltx_td"><math class="ltx_Math" alttext="\\displaystyle {each}"></math></td>' for each in tex
    )


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([_cells("E=mc^{2}") + _NUMBER.format(1)], "$$E=mc^{2} \\tag{1}$$"),
        ([_cells("E=mc^{2}")], "$$E=mc^{2}$$"),
        (
            [_cells("a", "=b,") + _NUMBER.format(2), _cells("c", "=d")],
            "$$\\begin{aligned}a & =b, \\\\ c & =d\\end{aligned} \\tag{2}$$",
        ),
        (
            [_cells("a", "=b") + _NUMBER.format("3a"), _cells("c", "=d") + _NUMBER.format("3b")],
            "$$a =b \\tag{3a}$$\n$$c =d \\tag{3b}$$",
        ),
        ([_cells("a") + "<td>if</td>" + _cells("b")], "$$a \\text{if} b$$"),
        (
            [
                _cells("a"),
                '<td colspan="5">where the mean of <math alttext="X"></math> is given, and</td>',
                _cells("b"),
            ],
            "$$a$$\nwhere the mean of $X$ is given, and\n$$b$$",
        ),
    ],
)
def test_tables_of_equations(rows: list[str], text: str) -> None:
    table = f'<table class="ltx_equation ltx_eqn_table"><tbody>{"".join(map(_ROW.format, rows))}</tbody></table>'
    assert _shown(f"<div>So{table}</div>") == f"So\n{text}"


@pytest.mark.parametrize(
    ("markup", "tex"),
    [
        (
            "<mi>α</mi><mo>≤</mo><mi>Γ</mi><mo>→</mo><mi>ℝ</mi><mi mathvariant='bold'>v</mi>",
            "\\alpha\\le\\Gamma\\to\\mathbb{R}\\mathbf{v}",
        ),
        ("<mo>{</mo><mi>a</mi><mo>&amp;</mo><mn>5</mn><mo>%</mo><mo>}</mo><mo>&lt;</mo>", "\\{a\\&5\\%\\}<"),
        (
            "<mover><mi>x</mi><mo>^</mo></mover><mover><mrow><mi>A</mi><mi>B</mi></mrow><mo>¯</mo></mover>",
            "\\hat{x}\\overline{AB}",
        ),
        ("<munder><mo>lim</mo><mrow><mi>x</mi><mo>→</mo><mn>0</mn></mrow></munder>", "\\lim_{x\\to0}"),
        (
            "<mover><mo>=</mo><mtext>def</mtext></mover><mover><mo>→</mo><mi>f</mi></mover>",
            "\\overset{\\text{def}}{=}\\xrightarrow{f}",
        ),
        ("<munder><munder><mi>a</mi><mo>⏟</mo></munder><mi>n</mi></munder>", "\\underbrace{a}_n"),
        (
            "<mo>(</mo>"
            "<mfrac linethickness='0'><mi>n</mi><mi>k</mi></mfrac><mo>)</mo><mfrac><mi>a</mi><mi>b</mi></mfrac>",
            "\\binom{n}{k}\\frac{a}{b}",
        ),
        (
            "<mo>{</mo><mtable><mtr>"
            "<mtd><mn>1</mn></mtd><mtd><mtext>if </mtext><mi>x</mi></mtd></mtr><mtr><mtd><mn>0</mn>"
            "</mtd></mtr></mtable>",
            "\\begin{cases}1 & \\text{if }x \\\\ 0\\end{cases}",
        ),
        (
            "<mtable columnalign='right left'><mtr><mtd><mi>a</mi></mtd><mtd><mo>=</mo><mi>b</mi></mtd></mtr>"
            "<mlabeledtr><mtd><mtext>(3)</mtext></mtd><mtd><mi>c</mi></mtd><mtd><mo>=</mo><mi>d</mi></mtd></mlabeledtr></mtable>",
            "\\begin{aligned}a & =b \\\\ c & =d\\end{aligned}\\tag{3}",
        ),
        (
            "<menclose notation='box'><mi>x</mi></menclose><menclose notation='updiagonalstrike'><mi>y</mi></menclose>",
            "\\boxed{x}\\cancel{y}",
        ),
        (
            "<mfenced open='|' close='|'><mtable><mtr><mtd><mi>a</mi></mtd></mtr></mtable></mfenced>",
            "\\begin{vmatrix}a\\end{vmatrix}",
        ),
        ("<mfenced><mi>a</mi><mi>b</mi></mfenced><msubsup><mi>x</mi><mn>1</mn><mo>′</mo></msubsup>", "(a,b)x_1'"),
        (
            "<msub><mrow/><mn>2</mn></msub><msup><mn>90</mn><mo>°</mo></msup><mi>d</mi><mi mathvariant='normal'>e</mi>",
            "{}_2 90^\\circ d\\mathrm{e}",
        ),
        (
            "<mi>𝑥</mi><mi>𝐀</mi><mi>𝜕</mi><mi>ℏ</mi><mo>≠</mo><mo>−</mo><mo>∘</mo>",
            "x\\mathbf{A}\\partial\\hbar\\ne-\\circ",
        ),
        (
            "<semantics><apply><ci>x</ci></apply>"
            "<annotation-xml encoding='MathML-Presentation'><mi>y</mi></annotation-xml></semantics>",
            "y",
        ),
        ("<mi>速度</mi><mo>=</mo><mtext>10% &amp; $</mtext>", "\\text{速度}=10\\% \\& \\$"),
    ],
)
def test_mathml_to_tex(markup: str, tex: str) -> None:
    assert tex_of_mathml(f"<math>{markup}</math>") == tex


def _box(classes: str, *inside: str) -> str:
    return f'<span class="{classes}">{"".join(inside)}</span>'


def _stack(*boxes: tuple[float, str]) -> str:
    """Boxes over each other as KaTeX writes them, each with its `top`."""
    rows = "".join(
        f'<span style="top:{top}em;"><span class="pstrut" style="height:3em;"></span>{inside}</span>'
        for top, inside in boxes
    )
    return _box("vlist-t", _box("vlist-r", _box("vlist", rows), _box("vlist-s", "\u200b")))


def _letter(letter: str) -> str:
    return _box("mord mathnormal", letter)


def _small(inside: str) -> str:
    return _box("sizing reset-size6 size3 mtight", inside)


_SPACE = '<span class="mspace" style="margin-right:0.2778em;"></span>'
_SQUARED = _box("mord", _letter("c"), _box("msupsub", _stack((-3.363, _small(_box("mord mtight", "2"))))))


@pytest.mark.parametrize(
    ("inside", "tex"),
    [
        (_letter("E") + _SPACE + _box("mrel", "=") + _SPACE + _letter("m") + _SQUARED, "E=mc^2"),
        (
            _box("mord", _letter("x"), _box("msupsub", _stack(
                (-2.8, _small(_letter("i"))), (-3.4, _small(_letter("n")))
            ))),
            "x_i^n",
        ),
        (
            _box("mord", _box("mopen nulldelimiter"), _box("mfrac", _stack(
                (-2.3, _letter("b")), (-3.2, _box("frac-line")), (-3.7, _letter("a"))
            ))),
            "\\frac{a}{b}",
        ),
        (
            _box("mord sqrt", _box("root", _stack((-3.2, _small(_box("mord", "3"))))), _stack(
                (-3, _letter("x")), (-3.1, _box("hide-tail", "<svg></svg>"))
            )),
            "\\sqrt[3]{x}",
        ),
        (
            _box("mop op-limits", _stack(
                (-1.9, _small(_letter("i"))), (-3, "<span>" + _box("mop op-symbol large-op", "∑") + "</span>"),
                (-4.3, _small(_letter("n"))),
            )) + _letter("a"),
            "\\sum_i^n a",
        ),
        (_box("mord accent", _stack((-3, _letter("x")), (-3.1, _box("accent-body", _box("mord", "^"))))), "\\hat{x}"),
        (
            _box("minner", _box("mopen delimcenter", _box("delimsizing size3", "(")), _box("mord", _box(
                "mtable", _box("col-align-c", _stack((-3.6, _letter("a")), (-2.4, _letter("c")))),
                _box("col-align-c", _stack((-3.6, _letter("b")), (-2.4, _letter("d")))),
            )), _box("mclose delimcenter", _box("delimsizing size3", ")"))),
            "\\begin{pmatrix}a & b \\\\ c & d\\end{pmatrix}",
        ),
        (_box("mord text", _box("mord", "if\xa0")) + _box("mop", "sin") + _letter("α"), "\\text{if }\\sin\\alpha"),
        (_box("mord mathbb", "R") + _box("mrel", "≤") + _box("mord mathrm", "d"), "\\mathbb{R}\\le\\mathrm{d}"),
    ],
)  # fmt: skip
def test_what_katex_drew(inside: str, tex: str) -> None:
    html = f'<span class="katex-html" aria-hidden="true">{_box("base", _box("strut"), inside)}</span>'
    assert tex_of_tree(tree_of_katex(tree_of(html))) == tex
    assert _shown(f'<p>So <span class="katex">{html}</span>.') == f"So ${tex}$."
    display = f'<span class="katex-display"><span class="katex">{html}</span></span>'
    assert _shown(f"<p>So {display}. End.") == f"So\n$${tex}$$.\nEnd."


def _glyph(kind: str, code: str) -> str:
    return f'<mjx-{kind}><mjx-c class="mjx-c{code} TEX-I"></mjx-c></mjx-{kind}>'


def _svg(kind: str, *inside: str) -> str:
    return f'<g data-mml-node="{kind}">{"".join(inside)}</g>'


def _use(code: str) -> str:
    return f'<use data-c="{code}"></use>'


_X, _I, _TWO, _SUM = _glyph("mi", "1D465"), _glyph("mi", "1D456"), _glyph("mn", "32"), _glyph("mo", "2211")


@pytest.mark.parametrize(
    ("inside", "tex"),
    [
        (f"<mjx-msup>{_X}<mjx-script>{_TWO}</mjx-script></mjx-msup>", "x^2"),
        (f"<mjx-msubsup>{_X}<mjx-script>{_TWO}<mjx-spacer></mjx-spacer>{_I}</mjx-script></mjx-msubsup>", "x_i^2"),
        (
            f"<mjx-mfrac><mjx-frac><mjx-num><mjx-nstrut></mjx-nstrut>{_X}</mjx-num><mjx-dbox><mjx-dtable><mjx-line>"
            f"</mjx-line><mjx-row><mjx-den>{_TWO}</mjx-den></mjx-row></mjx-dtable></mjx-dbox></mjx-frac></mjx-mfrac>",
            "\\frac{x}{2}",
        ),
        (
            f"<mjx-munderover><mjx-over>{_TWO}</mjx-over><mjx-box><mjx-munder><mjx-row><mjx-base>{_SUM}</mjx-base></mjx-row>"
            f"<mjx-row><mjx-under>{_I}</mjx-under></mjx-row></mjx-munder></mjx-box></mjx-munderover>{_X}",
            "\\sum_i^2 x",
        ),
        (
            f"<mjx-msqrt><mjx-sqrt><mjx-surd>{_SUM}</mjx-surd><mjx-box>{_X}</mjx-box></mjx-sqrt></mjx-msqrt>",
            "\\sqrt{x}",
        ),
        (_svg("msup", _svg("mi", _use("1D465")), _svg("mn", _use("32"))), "x^2"),
        (_svg("msubsup", _svg("mi", _use("1D465")), _svg("mn", _use("32")), _svg("mi", _use("1D456"))), "x_i^2"),
        (_svg("mfrac", _svg("mi", _use("1D465")), _svg("mn", _use("32")), "<rect></rect>"), "\\frac{x}{2}"),
        (_svg("msqrt", _svg("mi", _use("1D465")), _svg("mo", _use("221A"))), "\\sqrt{x}"),
    ],
)
def test_what_mathjax_drew(inside: str, tex: str) -> None:
    math = f"<svg>{_svg('math', inside)}</svg>" if inside.startswith("<g") else f"<mjx-math>{inside}</mjx-math>"
    assert tex_of_tree(tree_of_mathjax(tree_of(math))) == tex
    assert _shown(f'<p>So <mjx-container class="MathJax">{math}</mjx-container>.') == f"So ${tex}$."


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("sum_(i=1)^n i^3=((n(n+1))/2)^2", "\\sum_{i=1}^n i^3=(\\frac{n(n+1)}{2})^2"),
        ("frac(a)(b) + root(3)(x)", "\\frac{a}{b}+\\sqrt[3]{x}"),
        ("int_0^oo e^(-x) dx", "\\int_0^{\\infty}e^{-x}dx"),
        ('x in RR "if" abs(y) <= 2', "x\\in\\mathbb{R}\\text{if}|y|\\le2"),
        ("vec v * hat(theta) != sin 2.5", "\\vec{v}\\cdot\\hat{\\theta}\\ne\\sin2.5"),
    ],
)
def test_asciimath(text: str, tex: str) -> None:
    assert tex_of_asciimath(text) == tex


def test_formulas_beside_text_that_is_kept_are_kept() -> None:
    paragraph = (
        "<p>The integral of this function over the whole line is used everywhere in the theory of probability.</p>"
    )
    formulas = ("<p>\\[x=1\\]</p>", "<div>$$y_2$$</div>", "<p>\\[a\\]</p><p>\\[b\\]</p>")
    body = paragraph + "".join(formula + paragraph for formula in formulas)
    page = (
        f"<html><head><title>Notes</title>{_TYPESETTER}</head><body><nav><a href=/>Home</a></nav><h1>Notes</h1>{body}"
    )
    text = extract_main_text(page + "<footer>$ 5 $</footer></body></html>")
    assert [line for line in text.split("\n") if "$" in line] == ["$$x=1$$", "$$y_2$$", "$$a$$", "$$b$$"]


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ("<p>So \\(a_1*b_2*c\\), \\(\\{x\\}\\) *y* \\(z\\)</p>", "So $a_1*b_2*c$, $\\{x\\}$ \\*y\\* $z$"),
        ("<p>It is \\[\\{a\\}_1*b*c_2\\]</p>", "It is  \n$$\\{a\\}_1*b*c_2$$"),
        ("<p>at $5 *and* up to US$6, or $7</p>", "at $5 \\*and\\* up to US$6, or $7"),
        ("<h2>The \\(x*y*z\\)</h2>", "## The $x*y*z$"),
        (
            "<table><tr><th>a<th>b<tr><td>norm<td>\\(|x|_2*y*\\)<tr><td>c<td>d</table>",
            "| a | b |\n| --- | --- |\n| norm | $\\|x\\|_2*y*$ |\n| c | d |",
        ),
    ],
)
def test_markdown_leaves_formulas_as_they_are(html: str, markdown: str) -> None:
    assert _markdown(_TYPESETTER + html) == markdown


def test_wikitext_and_html_agree() -> None:
    wikitext = 'So <math>x^2</math> and <math display="block">E=mc^2</math>, at $5.'
    html = (
        '<p>So <math alttext="{\\displaystyle x^2}"></math> and '
        '<math display="block" alttext="{\\displaystyle E=mc^2}">'
        "</math>, at $5.</p>"
    )
    assert wikitext_to_text(wikitext, "en") == _shown(html) == "So $x^2$ and\n$$E=mc^2$$,\nat $5."


_SCRIPT = _box("msupsub", _stack((-3.1, _small(_letter("i")))))


def test_columns_of_katex_are_told_by_their_class_whatever_else_it_says() -> None:
    right, left = (
        _box(f"col-align-{side} a b c d e f", _stack((-3.6, _letter("a")), (-2.4, _letter("c")))) for side in "rl"
    )
    tree = tree_of_katex(tree_of(_box("katex-html", _box("mtable", right, left))))
    assert tex_of_tree(tree) == "\\begin{aligned}a & a \\\\ c & c\\end{aligned}"


@pytest.mark.parametrize(
    "make",
    [
        lambda count: "<math>" + "<mrow>" * count + "<mi>x</mi>" * count,
        lambda count: '<span class="katex-html">' + '<span class="mord"><span class="msupsub">' * count + "x",
        lambda count: '<span class="katex">' + "<span class=mord>x</span>" * count + "</span>",
        lambda count: "<mjx-container>" + "<mjx-msup>" * count + "</mjx-msup>" * count + "</mjx-container>",
        lambda count: (
            "<mjx-container><svg>" + '<g data-mml-node="msup">' * count + "</g>" * count + "</svg></mjx-container>"
        ),
        lambda count: "<math>" + "<munder><mo>→</mo>" * count + "</math>",
        lambda count: f"{_TYPESETTER}" + "\\( $$ \\[ \\begin{a} " * count,
        lambda count: '<script type="math/asciimath">' + "sqrt ( " * count + "</script>",
        lambda count: "<table class=ltx_equation>" + "<tr><td><math alttext=x></math>" * count + "</table>",
        lambda count: "<span class=math>\\(" * count,
        lambda count: f"{_TYPESETTER}" + "\\[ \\begin{a} " * 10 * count,
        lambda count: f'<span class="katex"><span class="katex-html">{_letter("x") + _SCRIPT * count}</span></span>',
        lambda count: f"<math><mi>a</mi><mspace width='{'1.' * count}em'/><mi>b</mi></math>",
        lambda count: "<div class=math>" * count + "x" * 20_001 + "</div>" * count,
    ],
)
def test_formulas_without_end_are_read(make: Callable[[int], str]) -> None:
    for count in (1, 50, 3000):
        _shown(f"<p>{make(count)}")
