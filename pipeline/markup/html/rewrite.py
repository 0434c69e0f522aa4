"""What the scanner does not read by itself is put in words that it does: formulas, fractions, shadow trees, raw text,
pages in pieces.

A formula stands once, as TeX (`formulas/` finds it): `$x^2$` in a line, `$$x^2$$` on a line of its own. The copies
that MathJax, KaTeX and MediaWiki make of it go. On pages that load MathJax or KaTeX, what those would read in the text,
`\\(…\\)`, `\\[…\\]`, `$$…$$` and environments, is put in the same form; `$…$` stays as it is. The scanner says which
pages hold any of these; others are never looked at here.
"""

from __future__ import annotations

import html
import re

from pipeline.markup.html import formula_classes
from pipeline.markup.html.formulas import find
from pipeline.markup.html.formulas.asciimath import tex_of_asciimath
from pipeline.markup.html.layout import MET_DELIMITERS, MET_FORMULA, MET_FRACTION, MET_RAW, MET_SHADOW, MET_STREAMED
from pipeline.markup.html.shadow import flattened
from pipeline.markup.html.shown import FRACTIONS
from pipeline.markup.html.streamed import in_place
from pipeline.markup.html.tokens import TOKEN, Ends, attributes_of, is_void, without_tags

_MATH_TAGS = frozenset({"math", "mml:math", "m:math", "mjx-container", "tex-math"})
_HOLDERS = frozenset({"span", "div", "nobr", "p", "code", "pre", "section", "figure", "eq", "td"})
_CODE = frozenset({"pre", "code"})
_MAX_FAILED = 500  # places that seemed to hold a formula and do not: then the page is no page of formulas
_MAX_WORDED, _MAX_FRACTION = 20000, 2000  # characters of a formula and of a fraction
# What MathJax and KaTeX read in a page's text; and what only programs of forums and blogs read, so that it is a formula
# on any page.
_IN_TEXT = (b"\\(", b"\\[", b"$$", b"\\begin{")
_OF_FORUMS = (b"[/itex]", b"[/tex]", b"[/latex]", b"[/math]", b"$latex ")
_OPENS = re.compile(r"\\[(\[]|\$\$|\\begin\{|\[(?:i?tex|latex|math)\]|\$latex\s", re.IGNORECASE)
_PART = r"(?:[^<$]|<br\s*/?>|<wbr\s*/?>|\\\$)"
_FORMULA_IN_TEXT = re.compile(
    rf"\\\((?:(?!\\[()]){_PART}){{1,4000}}\\\)|\\\[(?:(?!\\\]){_PART}){{1,9000}}\\\]|\$\$\$?{_PART}{{1,9000}}\$\$\$?"
    rf"|\\begin\{{([a-z]+\*?)\}}(?:(?!\\end\{{\1\}}){_PART}){{1,9000}}\\end\{{\1\}}"
    rf"|\[(i?tex|latex|math)\](?:(?!\[/?\2\]){_PART}){{1,9000}}\[/\2\]|\$latex\s{_PART}{{1,4000}}\$",
    re.IGNORECASE,
)
_EQNO = re.compile(
    r"<(span|div|td)\s[^>]*class\s*=\s*[\"']?[^\"'>]*(?:eqno|eqn-num|equation-?number|ltx_tag_equation)[^>]*>(.*?)</\1",
    re.IGNORECASE | re.DOTALL,
)
_NUMBER = re.compile(r"\(?[\w.*′'-]{1,12}\)?")
_LINES = re.compile(
    r"<br\s*/?>|<wbr\s*/?>|<!--.*?-->|</?span(?:\s+class=\"?nolink\"?)?>|</?code(?:\s[^>]*)?>",
    re.IGNORECASE | re.DOTALL,
)
_SIGN_OF_TEX = re.compile(r"[\\^_]")
_ROW = re.compile(r"<tr\b", re.IGNORECASE)
_CELL = re.compile(r"<td\b([^>]*)>(.*?)(?=<td\b|</tr|\Z)", re.IGNORECASE | re.DOTALL)
_WORD, _MANY_WORDS = re.compile(r"[^\W\d_]{2,}"), 3  # in a cell that is prose
_METADATA = re.compile(r"<(div|span)\s[^>]*ltx_(?:metadata|note)[^>]*>.*?</\1>", re.DOTALL | re.IGNORECASE)
# A number rather than a formula: it is written as other fractions are.
_FRACTION_OF_NUMBERS = re.compile(
    r"<(?:\w+:)?math(?:\s[^>]*)?>(?:\s|</?(?:\w+:)?m(?:row|style)[^>]*>)*<(?:\w+:)?mfrac>\s*<(?:\w+:)?mn>(\d+)</(?:\w+:)?mn>"
    r"\s*<(?:\w+:)?mn>(\d+)</(?:\w+:)?mn>\s*</(?:\w+:)?mfrac>(?:\s|</(?:\w+:)?m(?:row|style)>)*</(?:\w+:)?math\s*>",
    re.IGNORECASE,
)
_PUNCTUATION = re.compile(r"\s*([.,;:])(?=\s|<|\Z)")
_SHORT_CODE = re.compile(
    r"\[/?(?:i?tex|latex|math)\]|(?<=\$)latex\s|(?:&(?:amp;|#0?38;)?(?:bg|fg|s)=[\w-]+)+(?=\$)", re.IGNORECASE
)
_BEGINS_LINE = re.compile(r"<(?:br|p|div|blockquote|li|dd|center)(?:\s[^<>]*)?/?>\s*\Z", re.IGNORECASE)
_ENDS_LINE = re.compile(r"\s*[.,;:]?\s*<(?:br|/p|/div|/blockquote|/li|/dd|/center|p|div)\b", re.IGNORECASE)
_SAYS_SOMETHING = re.compile(r"[^\W_]")  # `$$ - $$$` are prices
# The number of an equation right behind it: in an element whose class says so, or alone in one, in parentheses.
_NUMBER_BEHIND = re.compile(
    r"(?:\s|&nbsp;|</(?:div|span|td|p|figure|nobr|center)\s*>)*+((?:<(?:div|span|td|p|label|strong|b)(?:\s[^<>]*+)?>\s*+){1,4})"
    r"(\(?(?:[A-Z]\.?)?\d{1,3}(?:[.-]\d{1,3}){0,3}[a-z]?\)?)\s*+(?=</)",
)
_SAYS_NUMBER = re.compile(r"eqno|eqn-num|eq-num|equation[-_]*num|equation-label|numcol|\blabel\b", re.IGNORECASE)
_NUMERATOR, _DENOMINATOR = (
    re.compile(rf"class\s*=\s*[\"']?(?:[^\"'>]*\s)?{name}(?:\s[^\"'>]*)?[\"']?[^>]*>(.*?)</span", re.DOTALL)
    for name in ("num(?:erator)?", "den(?:om|ominator)?")
)
_UNSEEN = re.compile(r"<span\s[^>]*(?:sr-only|visually-?hidden|screen-reader|display\s*:\s*none)[^>]*>[^<]*</span>")
_PLAIN_FRACTION = re.compile(r"(?:(\d+) )?(\d+) ?[/\u2044\u2215] ?(\d+)")
_BEHIND_A_DIGIT = re.compile(r"\d(?:<[^<>]*>)*\Z")


def met_in_text(text: bytes, data: bytes) -> int:
    """MET_DELIMITERS where a page (`data`; `text`: what it shows) leaves formulas in its text to a program it loads."""
    is_met = (b"[/" in text or b"$" in text) and any(sign in text for sign in _OF_FORUMS)
    if not is_met and (b"\\" in text or b"$$" in text) and any(sign in text for sign in _IN_TEXT):
        lower = data.lower()  # faster than a search that folds letters
        is_met = b"mathjax" in lower or b"katex" in lower
    return MET_DELIMITERS if is_met else 0


def rewritten(data: bytes, met: int) -> bytes:
    """The page with these in plain words. `met`: what the scanner met (MET_...)."""
    text = data.decode("utf-8", "replace")
    if met & MET_STREAMED:
        text = in_place(text)
    if met & MET_SHADOW:
        text = flattened(text)
        met |= MET_FORMULA | MET_RAW | MET_FRACTION  # the scanner has not seen into it
    if met & (MET_FORMULA | MET_RAW | MET_FRACTION | MET_DELIMITERS):
        text = _Rewriter(text, is_typeset=met & MET_DELIMITERS != 0).text()
    return text.encode("utf-8", "replace")


class _Rewriter:
    def __init__(self, text: str, *, is_typeset: bool) -> None:
        self._text = text
        self._is_typeset = is_typeset
        self._ends = Ends(text)
        self._parts: list[str] = []
        self._done = 0
        self._failed = 0
        self._last = ("", 0)  # formula, and where the text after it starts

    def text(self) -> str:
        position = 0
        while (token := TOKEN.search(self._text, position)) is not None and self._failed < _MAX_FAILED:
            if self._is_typeset:
                self._read_text(position, token.start())
            position = max(self._done, self._read(token)) if token.start() >= self._done else self._done
        self._parts.append(self._text[self._done :])
        return "".join(self._parts)

    def _read(self, token: re.Match[str]) -> int:
        """Put one token in other words, or leave it; where to go on."""
        raw, name = (token[1] or "").lower(), (token[5] or "").lower()
        if raw == "xmp":
            return self._put(token.start(), token.end(), f"<pre>{html.escape(token[3], quote=False)}</pre>")
        if raw == "script":
            if find.SCRIPT.match(token[0]) is not None:
                return self._put_formula(token.start(), token.end(), *find.formula_of(token[0]))
        elif name and not token[4]:
            if name == "plaintext":
                rest = html.escape(self._text[token.end() :], quote=False)
                return self._put(token.start(), len(self._text), f"<pre>{rest}</pre>")
            if name in _MATH_TAGS:
                return self._read_element(token, name)
            if name == "img":
                if find.is_picture(token[6]):
                    return self._put_formula(token.start(), token.end(), *find.formula_of(token[0]))
            elif "class" in token[6]:
                words = frozenset(attributes_of(token[6]).get("class", "").split())
                if name == "table" and words & formula_classes.EQUATIONS:
                    return self._read_equations(token)
                if name in _HOLDERS and words & (formula_classes.WRAPPERS | formula_classes.MATHJAX):
                    return self._read_element(token, name, is_mathjax=not words.isdisjoint(formula_classes.MATHJAX))
                if name in _HOLDERS and words & formula_classes.WORDED:
                    return self._read_worded(token, name, words)
                if name == "span" and not words.isdisjoint(FRACTIONS):
                    return self._read_fraction(token)
            if name in _CODE and self._is_typeset:
                inside = self._ends.of(name, token.end())
                return token.end() if inside is None else inside[1]
        return token.end()

    def _read_text(self, start: int, end: int) -> None:
        """Put the formulas that begin in a piece of text in other words."""
        position = max(start, self._done)
        while (opening := _OPENS.search(self._text, position, end)) is not None and self._failed < _MAX_FAILED:
            found = _FORMULA_IN_TEXT.match(self._text, opening.start())
            if found is None:
                self._failed += opening[0] in ("\\[", "\\begin{")  # what may have been read far for it
                position = opening.end()
                continue
            words = html.unescape(_LINES.sub(" ", _SHORT_CODE.sub("", found[0])))
            tex, is_own_line = find.tex_of(words)
            position = found.end()
            if found[0][0] == "[":  # whoever wrote it meant a formula, on its own line or not
                before = max(0, found.start() - 200), found.start()
                begins = is_own_line or _BEGINS_LINE.search(self._text, *before) is not None
                is_own_line = begins and _ENDS_LINE.match(self._text, position) is not None
            elif found[0][0] != "\\" and (_SAYS_SOMETHING.search(tex) is None or not find.looks_like_tex(tex)):
                continue
            if tex:
                self._put_formula(found.start(), position, tex, is_own_line)

    def _read_worded(self, token: re.Match[str], name: str, words: frozenset[str]) -> int:
        """An element whose text is TeX, or AsciiMath."""
        inside = self._ends.of(name, token.end())
        if inside is None or inside[0] - token.end() > _MAX_WORDED:
            self._failed += inside is not None
            return token.end()
        content, number = _without_number(self._text[token.end() : inside[0]])
        content = _LINES.sub(" ", content)
        if "<" in content:
            return token.end()  # what is in it is looked at
        text = " ".join(html.unescape(content).split())
        tex, is_own_line = find.tex_of(html.unescape(content))
        if tex == text and not is_own_line:  # without delimiters
            if not find.looks_like_tex(text) or "$" in text or "\\(" in text or "\\[" in text:
                return token.end()
            if _SIGN_OF_TEX.search(text) is None and not words & (formula_classes.WORDED - formula_classes.VAGUE):
                return token.end()
            is_own_line = name in ("div", "p", "pre", "section", "figure") or any("display" in word for word in words)
            is_own_line = is_own_line or "math-block" in words or find.is_display(token[0])
            if words & formula_classes.ASCIIMATH:
                tex = tex_of_asciimath(tex)
        elif name == "div" and "arithmatex" in words:
            is_own_line = True
        return self._put_formula(token.start(), inside[1], find.numbered(tex, number), is_own_line)

    def _read_equations(self, token: re.Match[str]) -> int:
        """A table of LaTeXML: rows of equations, with rows of words between them."""
        inside = self._ends.of("table", token.end())
        if inside is None or "<table" in (content := self._text[token.end() : inside[0]]):
            self._failed += inside is not None
            return token.end()
        if find.MATHML.search(content) is None:
            return token.end()
        parts: list[str] = []
        rows: list[tuple[list[str], str]] = []
        for row in _ROW.split(_METADATA.sub("", content))[1:]:
            cells: list[str] = []
            number = ""
            for attributes, cell in _CELL.findall(row):
                if len(_WORD.findall(without_tags(find.MATHML.sub("", cell)))) >= _MANY_WORDS:
                    words = find.MATHML.sub(lambda math: _shown(find.formula_of(math[0])[0], False), cell)
                    parts += [_equations(rows), f"<p>{words}</p>"]
                    rows, cells = [], []
                    break
                if "eqno" in attributes or (not cells and "ltx_tag_equation" in cell and "<math" not in cell):
                    number = without_tags(cell)
                elif "padleft" not in attributes and "padright" not in attributes:
                    cells.append(_cell(cell))
            if any(cells):
                rows.append((cells, number))
        return self._put(token.start(), inside[1], "".join([*parts, _equations(rows)]))

    def _read_element(self, token: re.Match[str], name: str, is_mathjax: bool = False) -> int:
        inside = None if is_void(name, token[6]) else self._ends.of(name, token.end())
        if inside is None:
            return token.end()
        after = inside[1]
        if is_mathjax and self._has_script(after):
            return self._put(token.start(), after, "")
        numbers = _FRACTION_OF_NUMBERS.fullmatch(self._text, token.start(), after)
        if numbers is not None and "alttext" not in token[6]:
            return self._put(token.start(), after, self._spaced(token.start(), f"{numbers[1]}/{numbers[2]}"))
        markup, number = _without_number(self._text[token.start() : after])
        tex, is_own_line = find.formula_of(markup)
        if not tex:
            self._failed += 1
            return token.end()
        return self._put_formula(token.start(), after, find.numbered(tex, number), is_own_line)

    def _has_script(self, position: int) -> bool:
        """Whether the script of a formula follows, behind other copies of it."""
        for _ in range(3):
            token = TOKEN.search(self._text, position)
            if token is None or self._text[position : token.start()].strip():
                return False
            if token[1]:
                return find.SCRIPT.match(token[0]) is not None
            name = (token[5] or "").lower()
            if (
                not name
                or token[4]
                or not formula_classes.MATHJAX & frozenset(attributes_of(token[6]).get("class", "").split())
            ):
                return False
            inside = self._ends.of(name, token.end())
            if inside is None:
                return False
            position = inside[1]
        return False

    def _read_fraction(self, token: re.Match[str]) -> int:
        inside = self._ends.of("span", token.end())
        if inside is None or inside[0] - token.end() > _MAX_FRACTION:
            self._failed += inside is not None
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

    def _put_formula(self, start: int, end: int, tex: str, is_own_line: bool) -> int:
        if not tex:
            return end
        last, since = self._last
        self._last = tex, end
        if tex == last and since <= start and not without_tags(self._text[since:start][:4000]):
            return self._put(start, end, "")
        if not is_own_line:
            return self._put(start, end, _shown(tex, False))
        behind = _NUMBER_BEHIND.match(self._text, end)
        if behind is not None and (behind[2][0] + behind[2][-1] == "()" or _SAYS_NUMBER.search(behind[1]) is not None):
            self._put(start, end, f"<br>{_shown(find.numbered(tex, behind[2]), True)}<br>")
            return self._put(behind.start(2), behind.end(2), "")
        line = _shown(tex, True)
        if (punctuation := _PUNCTUATION.match(self._text, end)) is not None:
            line, end = line + punctuation[1], punctuation.end()
        return self._put(start, end, f"<br>{line}<br>")

    def _put(self, start: int, end: int, markup: str) -> int:
        self._parts += [self._text[self._done : start], markup]
        self._done = end
        return end


def _grouped(text: str) -> str:
    return text if text.isalnum() else f"({text})"


def _shown(tex: str, is_own_line: bool) -> str:
    """A formula between its delimiters, as markup."""
    return html.escape(f"$${tex}$$" if is_own_line else f"${tex}$", quote=False)


def _without_number(markup: str) -> tuple[str, str]:
    """The markup of an equation without its number, and that."""
    for found in _EQNO.finditer(markup):
        number = without_tags(found[2]).rstrip("¶# ")
        if _NUMBER.fullmatch(number) is not None:
            return markup[: found.start()] + markup[found.end() + 1 :], number
    return markup, ""


def _equations(rows: list[tuple[list[str], str]]) -> str:
    """Rows of cells, each with its number, as one formula, or a formula each where more than one has a number."""
    if sum(bool(number) for _, number in rows) > 1:
        lines = [find.numbered(" ".join(filter(None, cells)), number) for cells, number in rows]
    else:
        number = next((number for _, number in rows if number), "")
        lines = [find.numbered(find.aligned([cells for cells, _ in rows]), number)] if rows else []
    return "".join(f"<p>{_shown(line, True)}</p>" for line in lines)


def _cell(markup: str) -> str:
    """The formulas of a cell, with the words between them."""
    parts: list[str] = []
    position = 0
    for found in find.MATHML.finditer(markup):
        parts += [find.plain_words(markup[position : found.start()]), find.formula_of(found[0])[0]]
        position = found.end()
    parts.append(find.plain_words(markup[position:]))
    return " ".join(filter(None, parts))
