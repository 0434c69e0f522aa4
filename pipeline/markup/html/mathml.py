"""MathML as one line of text: x^2, x_i, (a+b)/2, sqrt(x). For formulas whose TeX is not on the page.

https://www.w3.org/TR/mathml-core/ and, for `mfenced` and `mmultiscripts`, https://www.w3.org/TR/MathML3/.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from html.parser import HTMLParser

_MAX_DEPTH = 60  # of elements in each other: what is deeper stands beside its parent
_EMPTY = frozenset({"mspace", "mprescripts", "none", "mglyph", "malignmark", "maligngroup"})
_TOKENS = frozenset({"mi", "mn", "mo", "mtext", "ms"})
_SKIPPED = frozenset({"annotation", "annotation-xml", "mphantom", "maligngroup", "malignmark", "mspace", "none"})
_INVISIBLE = str.maketrans("", "", "\u2062\u2063\u2064\u200b\u200c\u200d\ufeff")
_APPLY = "\u2061"
_PRIMES = frozenset("′″‴⁗'*†‡")
_ACCENTS = {
    "¯": "\u0304", "‾": "\u0304", "ˉ": "\u0304", "―": "\u0304", "\u0332": "\u0304", "^": "\u0302", "ˆ": "\u0302",
    "~": "\u0303", "˜": "\u0303", "→": "\u20d7", "\u20d7": "\u20d7", "˙": "\u0307", ".": "\u0307", "¨": "\u0308",
}  # fmt: skip
_SPACES = re.compile(r"\s+")
_SCRIPTED = frozenset({"msub", "msup", "msubsup", "munder", "mover", "munderover", "mmultiscripts"})
_PLAIN_SCRIPT = re.compile(r"\w+|[-+−]\d+|.")
_ENCLOSED = re.compile(r"[(\[{|⟨‖⌊⌈].*[)\]}|⟩‖⌋⌉]|\w+\([^()]*\)")


@dataclass
class _Node:
    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[_Node] = field(default_factory=list)
    text: str = ""


class _Parser(HTMLParser):
    """Builds the tree of a formula; end tags that close nothing are passed over."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = _Node("mrow")
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = _Node(tag.rpartition(":")[2], {name: value or "" for name, value in attrs})
        self._open[-1].children.append(node)
        if node.name not in _EMPTY and len(self._open) < _MAX_DEPTH:
            self._open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(_Node(tag.rpartition(":")[2], {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        name = tag.rpartition(":")[2]
        for place in range(len(self._open) - 1, 0, -1):
            if self._open[place].name == name:
                del self._open[place:]
                return

    def handle_data(self, data: str) -> None:
        if self._open[-1].name in _TOKENS:
            self._open[-1].text += data
        elif data.strip():
            self._open[-1].children.append(_Node("mtext", text=data))


def linear(markup: str) -> str:
    """The formula of MathML markup as text; "" where it shows nothing."""
    parser = _Parser()
    parser.feed(markup)
    parser.close()
    return " ".join(_joined(parser.root.children).split())


def script(mark: str, text: str) -> str:
    """A script after its mark, in braces where it is more than a word, a signed number or one character."""
    return "" if not text else f"{mark}{text}" if _PLAIN_SCRIPT.fullmatch(text) else f"{mark}{{{text}}}"


def _joined(nodes: list[_Node]) -> str:
    """The texts of elements beside each other, with a space where two names or numbers would run into one."""
    line = ""
    was_name = was_script = False
    for node in nodes:
        text = _text(node)
        if not text:
            continue
        is_name = (node.name == "mi" and len(text) > 1) or re.match(r"[a-z]{2,}\(", text) is not None
        if text == _APPLY:
            continue
        meets = bool(line) and line[-1].isalnum() and text[0].isalnum()
        if meets and (was_name or was_script or is_name or (line[-1].isdigit() and text[0].isdigit())):
            line += " "
        line += text
        was_name, was_script = is_name, node.name in _SCRIPTED
    return line


def _core(node: _Node) -> _Node:
    """What a row of one element holds."""
    while node.name in ("mrow", "mstyle", "mpadded", "math") and len(node.children) == 1:
        node = node.children[0]
    return node


def _operand(node: _Node) -> str:
    """An operand of a fraction or the base of a script, in parentheses where it has parts."""
    node = _core(node)
    text = _text(node)
    if node.name in ("mi", "mn", "mo", "msqrt", "mroot", "mfenced", "mtext") or _ENCLOSED.fullmatch(text):
        return text
    if node.name in ("msub", "msup", "msubsup") and len(node.children) > 1:
        return text
    return f"({text})" if len(text) > 1 else text


def _text(node: _Node) -> str:
    children = node.children
    name = node.name
    if name in _SKIPPED:
        return ""
    if name in _TOKENS:
        text = _SPACES.sub(" ", node.text).translate(_INVISIBLE)
        text = text if name == "mtext" else text.strip()
        return text or _joined(children)
    if name == "mglyph":
        return node.attributes.get("alt", "")
    if name in ("semantics", "maction"):
        return _text(children[0]) if children else ""
    if name == "msqrt":
        return f"sqrt({_joined(children)})"
    if name == "mfenced":
        separators = "".join(node.attributes.get("separators", ",").split())
        line = ""
        for number, child in enumerate(children):
            if number and separators:
                line += separators[min(number, len(separators)) - 1] + " "
            line += _text(child)
        return f"{node.attributes.get('open', '(')}{line}{node.attributes.get('close', ')')}"
    if name == "mtable":
        return "; ".join(filter(None, map(_text, children)))
    if name in ("mtr", "mlabeledtr"):
        cells = children[1:] if name == "mlabeledtr" else children
        return ", ".join(filter(None, map(_text, cells)))
    if len(children) > 1 and name in _LAYOUTS:
        return _LAYOUTS[name](node)
    return _joined(children)


def _fraction(node: _Node) -> str:
    top, bottom = node.children[:2]
    if node.attributes.get("linethickness") in ("0", "0px", "0pt"):
        return f"binom({_text(top)}, {_text(bottom)})"
    return f"{_operand(top)}/{_operand(bottom)}"


def _root(node: _Node) -> str:
    return f"root({_text(node.children[0])}, {_text(node.children[1])})"


def _sub(node: _Node) -> str:
    return _operand(node.children[0]) + script("_", _text(node.children[1]))


def _sup(node: _Node) -> str:
    text = _text(node.children[1])
    return _operand(node.children[0]) + (text if text and set(text) <= _PRIMES else script("^", text))


def _both(node: _Node) -> str:
    base, below = node.children[:2]
    above = _text(node.children[2]) if len(node.children) > 2 else ""
    prime = above and set(above) <= _PRIMES
    return _operand(base) + script("_", _text(below)) + (above if prime else script("^", above))


def _over(node: _Node) -> str:
    base, above = _operand(node.children[0]), _text(node.children[1])
    if above in _ACCENTS and len(base) == 1:
        return unicodedata.normalize("NFC", base + _ACCENTS[above])
    return base + script("^", above)


def _multiscripts(node: _Node) -> str:
    base, *scripts = node.children
    before: list[_Node] = []
    at = next((place for place, child in enumerate(scripts) if child.name == "mprescripts"), None)
    if at is not None:
        scripts, before = scripts[:at], scripts[at + 1 :]

    def pairs(nodes: list[_Node]) -> str:
        marks = "_^" * len(nodes)
        return "".join(script(mark, _text(child)) for mark, child in zip(marks, nodes, strict=False))

    return pairs(before) + _operand(base) + pairs(scripts)


_LAYOUTS = {
    "mfrac": _fraction, "mroot": _root, "msub": _sub, "msup": _sup, "msubsup": _both, "munder": _sub, "mover": _over,
    "munderover": _both, "mmultiscripts": _multiscripts,
}  # fmt: skip
