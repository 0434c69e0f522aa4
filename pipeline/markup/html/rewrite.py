"""What the scanner does not read by itself is put in words that it does: formulas, fractions, shadow trees, raw text,
pages in pieces.

A formula stands once, as its TeX where that is on the page (an annotation or `alttext` of MathML, a script of MathJax,
the alternative text of a picture), else as a line (`mathml.py`): the copies that MathJax, KaTeX and MediaWiki make of
it go. TeX stands bare, as `<math>` of wikitext does. The scanner says which pages hold any of these; others are never
looked at here.
"""

from __future__ import annotations

import html
import re

from pipeline.markup.html.layout import MET_FORMULA, MET_FRACTION, MET_RAW, MET_SHADOW, MET_STREAMED
from pipeline.markup.html.mathml import linear
from pipeline.markup.html.shadow import flattened
from pipeline.markup.html.streamed import in_place
from pipeline.markup.html.tokens import TOKEN, Ends, attributes_of, is_void, without_tags

# Elements that hold one formula, with all its copies; and those that MathJax 2 sets beside the script it came from.
_WRAPPERS = frozenset({"katex", "katex-display", "katex--inline", "katex--display", "mwe-math-element", "ltx_Math"})
_MATHJAX = frozenset(
    {"MathJax_Preview", "MathJax", "MathJax_Display", "MathJax_SVG", "MathJax_SVG_Display", "MathJax_CHTML"}
    | {"MathJax_MathML", "mjx-chtml", "MJXc-display", "MathJax_PlainSource", "MathJax_PHTML"}
)
_PICTURES = re.compile(
    r"(?:^|\s)(?:mwe-math-fallback-image|tex(?:\s|$)|latex|mathtex|math(?:\s|$)|wp-katex)", re.IGNORECASE
)
_FRACTIONS = frozenset({"frac", "sfrac", "fraction"})
_MATH_TAGS = frozenset({"math", "mml:math", "m:math", "mjx-container"})
_MAX_FAILED = 500  # elements that seemed to hold a formula and do not: then the page is no page of formulas
_DISPLAY = re.compile(
    r"mode\s*=\s*display|display\s*=\s*[\"']?(?:block|true)|katex-+display|MathJax_(?:SVG_)?Display|MJXc-display"
)
_ANNOTATION = re.compile(r"<(?:\w+:)?annotation\s[^>]*?encoding\s*=\s*[\"']?[^\"'>]*tex[^>]*+>([^<]*+)<", re.IGNORECASE)
_TEX_ATTRIBUTE = re.compile(
    r"\s(?:alttext|data-latex|data-tex|data-expr)\s*=\s*(?:\"([^\"]*+)\"|'([^']*+)')", re.IGNORECASE
)
_MATHML_ATTRIBUTE = re.compile(r"\sdata-mathml\s*=\s*(?:\"([^\"]*+)\"|'([^']*+)')", re.IGNORECASE)
_MATHML = re.compile(r"<((?:\w+:)?math)(?=[\s>])[^>]*+>.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_SCRIPT = re.compile(
    r"<script\s[^>]*?type\s*=\s*[\"']?math/(tex|mml|asciimath)[^>]*+>(.*?)</script", re.IGNORECASE | re.DOTALL
)
_ALT = re.compile(r"<img\s[^>]*?\salt\s*=\s*(?:\"([^\"]*+)\"|'([^']*+)')", re.IGNORECASE)
_CDATA = re.compile(r"%?\s*<!\[CDATA\[|%?\s*\]\]>")
_STYLED = re.compile(r"\{\s*\\(?:display|text|script)style(?![a-zA-Z])(.*)\}", re.DOTALL)
_DELIMITED = re.compile(r"\$\$(.+)\$\$|\$([^$]+)\$|\\\((.+)\\\)|\\\[(.+)\\\]", re.DOTALL)
_NUMERATOR = re.compile(
    r"class\s*=\s*[\"']?(?:[^\"'>]*\s)?num(?:erator)?(?:\s[^\"'>]*)?[\"']?[^>]*>(.*?)</span", re.DOTALL
)
_DENOMINATOR = re.compile(
    r"class\s*=\s*[\"']?(?:[^\"'>]*\s)?den(?:om|ominator)?(?:\s[^\"'>]*)?[\"']?[^>]*>(.*?)</span", re.DOTALL
)
_UNSEEN = re.compile(r"<span\s[^>]*(?:sr-only|visually-?hidden|screen-reader|display\s*:\s*none)[^>]*>[^<]*</span>")
_PLAIN_FRACTION = re.compile(r"(?:(\d+) )?(\d+) ?[/\u2044\u2215] ?(\d+)")
_BEHIND_A_DIGIT = re.compile(r"\d(?:<[^<>]*>)*\Z")


def rewritten(data: bytes, met: int) -> bytes:
    """The page with these in plain words. `met`: what the scanner met (MET_...)."""
    text = data.decode("utf-8", "replace")
    if met & MET_STREAMED:
        text = in_place(text)
    if met & MET_SHADOW:
        text = flattened(text)
        met |= MET_FORMULA | MET_RAW | MET_FRACTION  # the scanner has not seen into it
    if met & (MET_FORMULA | MET_RAW | MET_FRACTION):
        text = _Rewriter(text).text()
    return text.encode("utf-8", "replace")


def tex_of(text: str) -> str:
    """TeX without what the page has put around it: delimiters, sections of CDATA, `{\\displaystyle …}`."""
    text = " ".join(_CDATA.sub(" ", text).split())
    if (delimited := _DELIMITED.fullmatch(text)) is not None:
        text = next(filter(None, delimited.groups())).strip()
    if (styled := _STYLED.fullmatch(text)) is not None and _is_balanced(styled[1]):
        text = styled[1].strip()
    return text


def _is_balanced(text: str) -> bool:
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", text):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    return depth == 0


def _first(pattern: re.Pattern[str], text: str) -> str:
    """What the first group of a pattern that has any holds, references decoded."""
    found = pattern.search(text)
    return html.unescape(next(filter(None, found.groups()), "")) if found is not None else ""


def formula_of(markup: str) -> str:
    """The formula of an element (tags, content and all); "" where it shows none that can be read."""
    for pattern in (_ANNOTATION, _TEX_ATTRIBUTE):
        if tex := tex_of(_first(pattern, markup)):
            return tex
    if (found := _SCRIPT.search(markup)) is not None:
        return linear(found[2]) if found[1].lower() == "mml" else tex_of(found[2])
    if (mathml := _MATHML.search(markup)) is not None:
        return linear(mathml[0])
    if stored := _first(_MATHML_ATTRIBUTE, markup):
        return linear(stored)
    return tex_of(_first(_ALT, markup))


class _Rewriter:
    def __init__(self, text: str) -> None:
        self._text = text
        self._ends = Ends(text)
        self._parts: list[str] = []
        self._done = 0
        self._failed = 0
        self._last = ("", 0)  # formula, and where the text after it starts

    def text(self) -> str:
        position = 0
        while (token := TOKEN.search(self._text, position)) is not None and self._failed < _MAX_FAILED:
            position = self._read(token)
        self._parts.append(self._text[self._done :])
        return "".join(self._parts)

    def _read(self, token: re.Match[str]) -> int:
        """Put one token in other words, or leave it; where to go on."""
        raw, name = (token[1] or "").lower(), (token[5] or "").lower()
        if raw == "xmp":
            return self._put(token.start(), token.end(), f"<pre>{html.escape(token[3], quote=False)}</pre>")
        if raw == "script":
            if _SCRIPT.match(token[0]) is not None:
                return self._put_formula(token.start(), token.end(), formula_of(token[0]), token[2])
        elif name and not token[4]:
            if name == "plaintext":
                rest = html.escape(self._text[token.end() :], quote=False)
                return self._put(token.start(), len(self._text), f"<pre>{rest}</pre>")
            if name in _MATH_TAGS:
                return self._read_element(token, name)
            if "class" in token[6]:
                classes = attributes_of(token[6]).get("class", "")
                words = frozenset(classes.split())
                if name == "img":
                    if _PICTURES.search(classes):
                        return self._put_formula(token.start(), token.end(), formula_of(token[0]), classes)
                elif name in ("span", "div", "nobr", "p") and words & (_WRAPPERS | _MATHJAX):
                    return self._read_element(token, name, is_mathjax=not words.isdisjoint(_MATHJAX))
                elif name == "span" and words & _FRACTIONS:
                    return self._read_fraction(token)
        return token.end()

    def _read_element(self, token: re.Match[str], name: str, is_mathjax: bool = False) -> int:
        inside = None if is_void(name, token[6]) else self._ends.of(name, token.end())
        if inside is None:
            return token.end()
        after = inside[1]
        if is_mathjax and self._has_script(after):
            return self._put(token.start(), after, "")
        markup = self._text[token.start() : after]
        formula = formula_of(markup)
        if not formula:
            self._failed += 1
            return token.end()
        return self._put_formula(token.start(), after, formula, markup[:4000])

    def _has_script(self, position: int) -> bool:
        """Whether the script of a formula follows, behind other copies of it."""
        for _ in range(3):
            token = TOKEN.search(self._text, position)
            if token is None or self._text[position : token.start()].strip():
                return False
            if token[1]:
                return _SCRIPT.match(token[0]) is not None
            name = (token[5] or "").lower()
            if not name or token[4] or not _MATHJAX & frozenset(attributes_of(token[6]).get("class", "").split()):
                return False
            inside = self._ends.of(name, token.end())
            if inside is None:
                return False
            position = inside[1]
        return False

    def _read_fraction(self, token: re.Match[str]) -> int:
        inside = self._ends.of("span", token.end())
        if inside is None or inside[0] - token.end() > 2000:
            return token.end()
        content = _UNSEEN.sub("", self._text[token.end() : inside[0]])
        top, bottom = _NUMERATOR.search(content), _DENOMINATOR.search(content)
        if top is None or bottom is None:
            plain = _PLAIN_FRACTION.fullmatch(without_tags(content))
            if plain is None:
                return token.end()
            line = f"{plain[1] or ''} {plain[2]}/{plain[3]}".strip()
            return self._put(token.start(), inside[1], self._spaced(token.start(), line))
        whole = without_tags(content[: content.rfind("<", 0, top.start())])
        fraction = f"{_grouped(without_tags(top[1]))}/{_grouped(without_tags(bottom[1]))}"
        line = html.escape(f"{whole} {fraction}".strip(), quote=False)
        return self._put(token.start(), inside[1], self._spaced(token.start(), line))

    def _spaced(self, start: int, line: str) -> str:
        """A number after a digit, with a space before it: 1 3/4."""
        is_behind = line[:1].isdigit() and _BEHIND_A_DIGIT.search(self._text, max(0, start - 200), start) is not None
        return f" {line}" if is_behind else line

    def _put_formula(self, start: int, end: int, formula: str, how: str) -> int:
        if not formula:
            return end
        last, since = self._last
        self._last = formula, end
        if formula == last and not without_tags(self._text[since:start][:4000]):
            return self._put(start, end, "")
        line = self._spaced(start, html.escape(formula, quote=False))
        return self._put(start, end, f"<br>{line}<br>" if _DISPLAY.search(how) else line)

    def _put(self, start: int, end: int, markup: str) -> int:
        self._parts += [self._text[self._done : start], markup]
        self._done = end
        return end


def _grouped(text: str) -> str:
    return text if text.isalnum() else f"({text})"
