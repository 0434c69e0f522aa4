"""Documentation as a reader sees it: signatures, lists, terms, notes, tabs, and lines of code."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.markup.html import model
from pipeline.markup.html.layout import ARIA_HIDDEN, B_INNER, HIDDEN, N_FLAGS
from pipeline.markup.html.render import render
from pipeline.markup.html.scan import scan_page

_TABLES = model.load().tables


def _shown(html: str) -> str:
    """The blocks of a page that are not hidden, main content or not."""
    scanned = scan_page(html.encode("utf-8"), _TABLES)
    flags = scanned.nodes[scanned.blocks[:, B_INNER], N_FLAGS]
    return render(scanned, np.flatnonzero(flags & (HIDDEN | ARIA_HIDDEN) == 0))


def _pre(text: str) -> str:
    return f'<span class="pre">{text}</span>'


@pytest.mark.parametrize(
    ("html", "text"),
    [
        # Sphinx
        (
            f'<dl class="py function"><dt class="sig sig-object py" id="x"><span class="sig-prename">{_pre("box.")}'
            f'</span><span class="sig-name">{_pre("fill")}</span><span class="sig-paren">(</span><em class="sig-param">'
            f'<span class="n">{_pre("depth")}</span><span class="o">{_pre("=")}</span>{_pre("None")}</em>, <em>'
            f'{_pre("*")}{_pre("rest")}</em><span class="sig-paren">)</span> <span>&#x2192;</span> {_pre("int")}'
            f'<a class="reference internal" href="s.html"><span class="viewcode-link">{_pre("[source]")}</span></a>'
            '<a class="headerlink" href="#x" title="Link">¶</a></dt><dd><p>Fill it.</p></dd></dl>',
            "box.fill(depth=None, *rest) → int\nFill it.",
        ),
        (
            '<dl><dt class="sig sig-object cpp"><span>fill</span><span>(</span><dl><dd><em>depth</em>,</dd><dd>'
            '<em>w</em>'
            '</dd></dl><span>)</span><a class="headerlink" href="#f">#</a><dd>Fill it.</dl>',
            "fill( depth, w )\nFill it.",
        ),
        # Javadoc, old and new
        (
            '<div class="member-signature"><span>public</span>&nbsp;<span><a href="S">String</a></span>&nbsp;<span>part'
            "</span><wbr><span>(int&nbsp;from,\n int&nbsp;to)</span>\n    <span>throws <a href=E>E</a></span></div>",
            "public String part(int from, int to) throws E",
        ),
        (
            "<pre>public&nbsp;<a href=S>String</a>&nbsp;part(int&nbsp;from,\n                  int&nbsp;to)</pre>",
            "public String part(int from,\n                  int to)",
        ),
        # Doxygen
        (
            '<div class="memproto"><table class="memname"><tr><td class="memname">int fill </td><td>(</td>'
            '<td class="paramtype">const char *&#160;</td><td class="paramname"><em>name</em>, </td></tr><tr><td></td>'
            '<td></td><td>int&#160;</td><td><em>n</em>&#160;</td></tr><tr><td></td><td>)</td></tr></table></div>'
            '<div class="memdoc"><p>Fill it.</p></div>',
            "int fill ( const char * name, int n )\nFill it.",
        ),
        # rustdoc
        (
            '<section class="method"><a class="src rightside" href="../src/x.rs.html">Source</a>'
            '<h4 class="code-header">'
            'pub fn <a href="#m" class="fn">fill</a>&lt;F&gt;(self, op: F) -&gt; <a href=R>Result</a>&lt;F&gt;<div '
            'class="where">where\n    F: <a href=x>Fn</a>(T),</div></h4></section><p>Fills.</p>',
            "pub fn fill<F>(self, op: F) -> Result<F> where F: Fn(T),\nFills.",
        ),
        # Go, MDN
        (
            '<pre>func <a href="#x">Fill</a>(a ...<a href="/b">any</a>) (n <a href="/i">int</a>)</pre><h4><span>func '
            '<a href="x">Fill</a> <a href="#Fill">¶</a></span></h4>',
            "func Fill(a ...any) (n int)\nfunc Fill",
        ),
        ("<dt><a href=#r><code>depth</code></a> <span class=badge>Optional</span></dt><dd>Of it.</dd>",
         "depth Optional\nOf it."),
    ],
)  # fmt: skip
def test_signatures_are_one_line(html: str, text: str) -> None:
    assert _shown(html) == text


def test_what_follows_a_signature_is_a_block_again() -> None:
    row = "<table><tr><td>a<td>b<tr><td>c<td>d</table>"
    assert _shown(f'<div class="memproto">x<div>y</div></div>{row}') == "x y\na | b\nc | d"
    assert _shown('<h4 class="code-header">x<br>y</h4>one<br>two') == "x y\none\ntwo"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<ul><li>a<ul><li>b<ol><li>c<li>d</ol></ul><li>e</ul>", "- a\n  - b\n    1. c\n    2. d\n- e"),
        ("<ul><li><p>a</p><p>b</p><li>c</ul>", "- a\nb\n- c"),
        ("<ol><li>a<ul><li>b</ul><li>c</ol>", "1. a\n  - b\n2. c"),
        ("<dl><dt>Term<dd>One<dd>Two<div><dt>Other<dd>Three</div></dl>", "Term\nOne\nTwo\nOther\nThree"),
        ("<dl><dt>A<dt>B<dd><dl><dt>C<dd>D</dl></dl>", "A\nB\nC\nD"),
        # notes keep their titles
        ('<div class="admonition warning"><p class="admonition-title">Warning</p><p>Hot.</p></div>', "Warning\nHot."),
        ('<aside class="note"><strong>Note:</strong> cold.</aside>', "Note: cold."),
        ('<div class="alert alert-info" role="alert"><h4>Tip</h4><p>Use it.</p></div>', "Tip\nUse it."),
        ('<div class="markdown-alert"><p><svg><title>i</title></svg>Tip</p><p>Use it.</p></div>', "Tip\nUse it."),
        ("<details class=admonition><summary>Example</summary><p>Like so.</p></details>", "Example\nLike so."),
        ("<blockquote><p><strong>Note</strong><br>Cold.</p></blockquote>", "Note\nCold."),
        # tabs: their labels apart, their panels in order
        (
            '<div role=tablist><button role=tab>Python</button><button role=tab>Go</button></div><div role=tabpanel>'
            "<pre>a</pre></div><div role=tabpanel hidden><pre>b</pre></div>", "Python Go\na\nb",
        ),
        ("<input type=radio id=a><label for=a>Python</label><label>Go</label><div><pre>a</pre></div>", "Python Go\na"),
        ("Press <button>OK</button>, or (<button>no</button>).", "Press OK, or (no)."),
    ],
)  # fmt: skip
def test_lists_terms_notes_and_tabs(html: str, text: str) -> None:
    assert _shown(html) == text


_CODE = "def f():\n    return 1"


@pytest.mark.parametrize(
    "html",
    [
        '<pre class="shiki"><code><span class="line">def f():</span>\n<span class="line">    return 1</span>'
        '</code></pre>',
        '<pre class="shiki"><code><span class="line">def f():</span><span class="line">    return 1</span>'
        '</code></pre>',
        '<pre><code><span class="line"><span class="cl">def f():\n</span></span><span class="line"><span class="cl">'
        "    return 1\n</span></span></code></pre>",
        '<pre><code><span class="token-line">def f():<br></span><span class="token-line">    return 1<br>'
        '</span></code></pre>',
        '<pre><code><div class="line">def f():</div><div class="line">    return 1</div></code></pre>',
        '<div class="highlight"><div class="line">def f():</div><div class="line">    return 1</div></div>',
        '<div class="fragment"><div class="line"><span class="lineno">  1</span>def f():</div><div class="line">'
        '<span class="lineno">  2</span>    return 1</div></div>',
        '<td class="code"><div class="x"><div class="line">def f():</div><div class="line">&nbsp;   return 1'
        '</div></div>',
        '<div class="highlighter-rouge"><div class="line"><span>def</span> f():</div>'
        '<div class="line">    return 1</div></div>',
        '<table class="highlighttable"><tr><td class="linenos"><pre>1\n2</pre><td class="code"><pre>def f():\n'
        "    return 1\n</pre></table>",
        '<div class="cm-content"><div class="cm-line">def f():</div><div class="cm-line">    return 1</div></div>',
        # without what copies it
        "<button>Copy</button><pre>def f():\n    return 1</pre><button class=x> <span>Copied!</span></button>",
        '<div class="copy-btn" role="button">Copy code</div><pre>def f():\n    return 1</pre>',
        '<pre>def f():\n    return 1<button>Run</button></pre><a class="test-arrow" href="?x">Run</a>',
        '<div class="zeroclipboard-container"><clipboard-copy>Copy</clipboard-copy></div>'
        '<pre>def f():\n    return 1</pre>',
        '<button aria-label="x">copy to clipboard</button><pre>def f():\n    return 1</pre>',
    ],
)  # fmt: skip
def test_lines_of_code(html: str) -> None:
    assert _shown(html) == _CODE


@pytest.mark.parametrize(
    ("html", "text"),
    [
        # lines of verse, and other things whose names are like those of code
        ('<div class="line-block"><div class="line">Roses   are</div><div class="line">  red</div></div>',
         "Roses are\nred"),
        ("<button>Copyright</button>", "Copyright"),
        ('<div class="copy copy-small">A text of   the page</div>', "A text of the page"),
        ('<pre class="src src-c">int  x;</pre>', "int  x;"),
        ('<p>a <span class="line">of  it</span></p>', "a of it"),
        ("<pre>x <span class='hl'>y</span> z</pre>", "x y z"),
    ],
)  # fmt: skip
def test_what_is_no_code(html: str, text: str) -> None:
    assert _shown(html) == text
