"""The TeX of a formula, from whatever a page holds of it, and how it stands in the text: `$x^2$`, or `$$x^2$$`.

In this order: the TeX that the page has (an annotation or `alttext` of MathML, attributes and scripts of MathJax), its
MathML (`mathml.py`), what KaTeX or MathJax drew (`katex.py`, `mathjax.py`), a picture's address or alternative text.
"""

from __future__ import annotations

import html
import re
from urllib.parse import unquote

from pipeline.markup.html.formulas.asciimath import tex_of_asciimath
from pipeline.markup.html.formulas.katex import tree_of_katex
from pipeline.markup.html.formulas.mathjax import tree_of_mathjax
from pipeline.markup.html.formulas.mathml import label_of, tex_of_mathml, tex_of_tree, tree_of
from pipeline.markup.html.tokens import attributes_of, without_tags

_VALUE = r"\s*=\s*(?:\"([^\"]*+)\"|'([^']*+)')"
_ANNOTATION = re.compile(
    r"<(?:\w+:)?annotation\s[^>]*?encoding\s*=\s*[\"']?[^\"'>]*tex[^>]*+>(?:<!\[CDATA\[(.*?)\]\]>|([^<]*+))<",
    re.IGNORECASE | re.DOTALL,
)
_TEX_ATTRIBUTE = re.compile(rf"\s(?:alttext|data-latex|data-tex|data-expr|data-formula){_VALUE}", re.IGNORECASE)
_MATHML_ATTRIBUTE = re.compile(rf"\sdata-mathml{_VALUE}", re.IGNORECASE)
MATHML = re.compile(r"<((?:\w+:)?math)(?=[\s>])[^>]*+>.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
SCRIPT = re.compile(
    r"<script\s[^>]*?type\s*=\s*[\"']?math/(tex|mml|asciimath)[^>]*+>(.*?)</script", re.IGNORECASE | re.DOTALL
)
_TEX_ELEMENT = re.compile(r"<(tex-math|annotation-tex)(?=[\s>])[^>]*+>(.*?)</\1", re.IGNORECASE | re.DOTALL)
_IMAGE = re.compile(r"<img\s([^>]*+)>", re.IGNORECASE)
_KATEX, _MATHJAX = re.compile(r"class\s*=\s*[\"']?katex"), re.compile(r"<mjx-math|data-mml-node")
# What WIRIS writes in `data-mathml` for the signs of markup.
_WIRIS = str.maketrans({"«": "<", "»": ">", "¨": '"', "§": "&", "`": "'"})
_CDATA = re.compile(r"%?\s*<!\[CDATA\[|%?\s*\]\]>")
_COMMENT = re.compile(r"(?<!\\)%[^\n]*\n")
_STYLED = re.compile(r"\{\s*\\(?:display|text|script)style(?![a-zA-Z])(.*)\}", re.DOTALL)
_STYLE = re.compile(r"\\displaystyle(?![a-zA-Z])\s*")
_DELIMITED = re.compile(
    r"\$\$\$([^$]+)\$\$\$|\$\$((?:(?!\$\$).)+)\$\$|\$([^$]+)\$|\\\(((?:(?!\\[()]).)+)\\\)|\\\[((?:(?!\\\]).)+)\\\]",
    re.DOTALL,
)
_ENVIRONMENT = re.compile(r"\\begin\{(equation|displaymath|math)(\*?)\}(.*)\\end\{\1\2\}", re.DOTALL)
_PICTURES = re.compile(
    r"(?:^|\s)(?:mwe-math-fallback-image\S*|tex(?:-formula|render)?|latex(?:center)?|mathtex|math|wp-katex|wirisformula|"
    r"ql-img-\w+-\w+|formula(?:inl|dsp)|(?:inline|displayed|numbered)?(?:formula|equation)|mathjax|mimetex|ltx_math)(?=\s|$)",
    re.IGNORECASE,
)
# Addresses that draw the TeX they hold.
_DRAWN_BY = re.compile(
    r"codecogs\.com/(?:\w+(?:\.\w+)?/?)?\?|mi[mn]etex(?:\.cgi|\.php|\.exe)?\?|mathtex(?:\.cgi|\.php)?\?|[?&]cht=tx&(?:.*&)?chl=|"
    r"(?:latex|tex|math|equation|formula|eq)[\w./]*\?(?:.*&)?(?:latex|tex|math|formula|from|eq)=|[?&]chl=(?=.*[?&]cht=tx)|"
    r"upmath\.me/\w+/|tex\.s2cms\.\w+/\w+/|/latex\.php\?latex=|math\.now\.sh\?from=",
    re.IGNORECASE,
)
_ADDRESSES = ("src", "data-src", "data-lazy-src", "data-original")  # a picture that waits has its own in another
_SET_UP = re.compile(
    r"^(?:\s|~|\\(?:inline|tiny|small|normalsize|large|Large|LARGE|huge|Huge|reverse|opaque|bg_\w+|fn_\w+|dpi\{?\d+\}?)"
    r"(?![a-zA-Z]))+"
)
_IS_TEX = re.compile(r"\\[a-zA-Z,;!|{}]|[\^_=<>]|[\w)]\s*[-+*/]\s*[\w(\\]|^[\W\d]*[a-zA-Z]?[\W\d]*$")
_WORDS = re.compile(r"(?<![\\a-zA-Z])[^\W\d_]{3,}[ -]+(?:[^\W\d_]+ +)*[^\W\d_]{2,}")
_DISPLAY = re.compile(
    r"mode\s*=\s*display|display\s*=\s*[\"']?(?:block|true)|katex-+display|MathJax_(?:SVG_)?Display|MJXc-display|"
    r"(?:fallback-image|mathml)-display|ql-img-displayed|formula(?:Dsp|dsp)|latexcenter|data-display\s*=\s*[\"']?true|"
    r"math-style\s*=\s*[\"']?display|displayedequation|numberedequation",
)


def is_picture(attributes: str) -> bool:
    """Whether a picture (its attributes) shows a formula: by its class, address or alternative text."""
    found = attributes_of(attributes)
    alt = found.get("alt", "").strip()
    addresses = [found.get(name, "") for name in _ADDRESSES]
    return (
        _PICTURES.search(found.get("class", "")) is not None
        or "data-mathml" in found
        or any(map(_DRAWN_BY.search, addresses))
        or (alt[:1] in ("$", "\\", "{") and (_DELIMITED.fullmatch(alt) is not None or "\\displaystyle" in alt[:20]))
        or any("/math/render/" in address for address in addresses)
    )


def is_display(markup: str) -> bool:
    """Whether an element (its tags) says that its formula stands on a line of its own."""
    return _DISPLAY.search(markup) is not None


def tex_of(text: str) -> tuple[str, bool]:
    """TeX without what the page has put around it (delimiters, sections of CDATA, comments, `{\\displaystyle …}`), and
    whether its delimiters are those of a line of its own."""
    text = _CDATA.sub("\n", text)
    text = " ".join((_COMMENT.sub(" ", text) if "%" in text else text).split())
    is_own_line = False
    if (delimited := _DELIMITED.fullmatch(text)) is not None:
        is_own_line = text.startswith(("$$", "\\[")) and not text.startswith("$$$")
        text = next(filter(None, delimited.groups())).strip()
    if (styled := _STYLED.fullmatch(text)) is not None and _is_balanced(styled[1]):
        text = styled[1].strip()
    if (named := _ENVIRONMENT.fullmatch(text)) is not None and f"\\begin{{{named[1]}" not in named[3]:
        is_own_line, text = named[1] != "math", named[3].strip()
    elif text.startswith("\\begin{"):
        is_own_line = is_own_line or re.match(r"\\begin\{(?:align|gather|multline|eqnarray|flalign)", text) is not None
    return _STYLE.sub("", text, count=1) if text.startswith("\\displaystyle") else text, is_own_line


def _is_balanced(text: str) -> bool:
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", text):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    return depth == 0


def looks_like_tex(text: str) -> bool:
    """Whether a text that may be words is a formula."""
    return _IS_TEX.search(text) is not None and (_WORDS.search(text) is None or "\\" in text or "_" in text)


def _first(pattern: re.Pattern[str], text: str) -> str:
    """What the first group of a pattern that has any holds, references decoded."""
    found = pattern.search(text)
    return html.unescape(next(filter(None, found.groups()), "")) if found is not None else ""


def formula_of(markup: str) -> tuple[str, bool]:
    """The TeX of the formula of an element (tags, content and all), and whether it has a line of its own; "" where it
    shows none that can be read."""
    is_own_line = is_display(markup[:4000])
    for pattern in (_ANNOTATION, _TEX_ATTRIBUTE):
        tex, is_delimited = tex_of(_first(pattern, markup))
        if tex:
            return tex, is_own_line or is_delimited
    if (found := SCRIPT.search(markup)) is not None:
        kind = found[1].lower()
        if kind == "tex":
            tex, is_delimited = tex_of(found[2])
            return tex, is_own_line or is_delimited
        content = tex_of(found[2])[0]
        return tex_of_mathml(content) if kind == "mml" else tex_of_asciimath(html.unescape(content)), is_own_line
    if (mathml := MATHML.search(markup)) is not None:
        return tex_of_mathml(mathml[0]), is_own_line
    if stored := _first(_MATHML_ATTRIBUTE, markup):
        return tex_of_mathml(stored.translate(_WIRIS) if "«" in stored else stored), is_own_line
    if (element := _TEX_ELEMENT.search(markup)) is not None:
        tex, is_delimited = tex_of(html.unescape(_inner_document(element[2])))
        return tex, is_own_line or is_delimited
    if _MATHJAX.search(markup) is not None:
        return tex_of_tree(tree_of_mathjax(tree_of(markup))), is_own_line
    if _KATEX.search(markup) is not None:
        return tex_of_tree(tree_of_katex(tree_of(markup))), is_own_line
    if (image := _IMAGE.search(markup)) is not None:
        tex, is_delimited = _of_picture(image[1])
        return tex, is_own_line or is_delimited
    return "", False


def _inner_document(text: str) -> str:
    """TeX without the document that journals put around it."""
    found = re.search(r"\\begin\{document\}(.*)\\end\{document\}", text, re.DOTALL)
    return found[1] if found is not None else text


def _of_picture(attributes: str) -> tuple[str, bool]:
    found = attributes_of(attributes)
    for address in (found.get(name, "") for name in _ADDRESSES):
        if (drawn := _DRAWN_BY.search(address)) is None:
            continue
        tex = address[drawn.end() :]
        if drawn[0].endswith("="):
            tex = tex.partition("&")[0].replace("+", " ")
        tex = unquote(tex).replace("&space;", " ").replace("&plus;", "+").replace("&amp;", "&")
        if tex := _SET_UP.sub("", tex).strip():
            return tex_of(tex)
    tex, is_own_line = tex_of(found.get("alt", "") or found.get("title", ""))
    return (tex, is_own_line) if looks_like_tex(tex) else ("", False)


def numbered(tex: str, number: str) -> str:
    """A formula with the number that the page shows beside it."""
    return tex if not number or "\\tag" in tex else f"{tex} {label_of(number)}".strip()


def aligned(rows: list[list[str]]) -> str:
    """Formulas in cells under each other as one."""
    rows = [row for row in rows if any(row)]
    if len(rows) < 2:
        return " ".join(filter(None, rows[0])) if rows else ""
    width = max(map(len, rows))
    name = "gathered" if width == 1 else "aligned"
    return f"\\begin{{{name}}}" + " \\\\ ".join(" & ".join(row) for row in rows) + f"\\end{{{name}}}"


def plain_words(markup: str) -> str:
    """The words of a cell beside a formula, as a part of it."""
    text = without_tags(markup)
    return text if not any(character.isalpha() for character in text) else f"\\text{{{text}}}"
