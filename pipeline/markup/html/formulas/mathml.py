"""MathML to TeX, for formulas whose TeX is not on the page.

https://www.w3.org/TR/mathml-core/ and, for `mfenced`, `menclose` and `mmultiscripts`, https://www.w3.org/TR/MathML3/.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from pipeline.markup.html.formulas import texnames
from pipeline.markup.html.formulas.texnames import joined

_MAX_DEPTH = 120  # of elements in each other: what is deeper stands beside its parent
_EMPTY = frozenset({"mspace", "mprescripts", "none", "mglyph", "malignmark", "maligngroup", "br", "img", "use", "path"})
TOKENS = frozenset({"mi", "mn", "mo", "mtext", "ms"})
_SKIPPED = frozenset({"annotation", "annotation-xml", "mphantom", "maligngroup", "malignmark", "none", "mprescripts"})
_ROWS = frozenset({"mrow", "mstyle", "mpadded", "math", "merror", "semantics", "maction", "texatom"})
_SCRIPTED = frozenset({"msub", "msup", "msubsup", "mmultiscripts"})
_CONTENT = frozenset({"apply", "ci", "cn", "bind", "csymbol"})
_PRIMES = frozenset("′″‴⁗'")
_SPACES = re.compile(r"[ \t\r\n\f]+")
_SHORT = re.compile(r"\\[a-zA-Z]+|.", re.DOTALL)
_PLAIN_TEXT = re.compile(r"[\W\d_]+")
_THIN = "\u2006\u2009\u200a\u202f\u205f"
_WIDTH = re.compile(r"(-?(?:\d+\.?\d*|\.\d+))\s*em")
_LABEL = re.compile(r"\((.*)\)")
_LIMITS = frozenset("∑∏∐∫∬∭∮⋃⋂⋁⋀⨁⨂⨀⨄⨆") | frozenset({"lim", "max", "min", "sup", "inf", "limsup", "liminf", "gcd"})
_OPENING, _CLOSING = "([{|‖⟨⌊⌈∣∥", ")]}|‖⟩⌋⌉∣∥"
_MATRICES = {
    "()": "pmatrix", "[]": "bmatrix", "{}": "Bmatrix", "||": "vmatrix", "∣∣": "vmatrix", "‖‖": "Vmatrix",
    "∥∥": "Vmatrix", "{": "cases",
}  # fmt: skip
_ENCLOSED = {
    "box": "boxed", "roundedbox": "boxed", "updiagonalstrike": "cancel", "downdiagonalstrike": "bcancel",
    "updiagonalstrike downdiagonalstrike": "xcancel", "top": "overline", "bottom": "underline", "radical": "sqrt",
    "horizontalstrike": "hcancel",
}  # fmt: skip


@dataclass
class Node:
    """An element of MathML; of other markup only until it is read as MathML."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)
    text: str = ""


def row_of(nodes: list[Node]) -> Node:
    """Elements beside each other as one."""
    return nodes[0] if len(nodes) == 1 else Node("mrow", children=nodes)


class _Parser(HTMLParser):
    """Builds the tree of a formula; end tags that close nothing are passed over."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("mrow")
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        node = self._open[-1].children[-1]
        if node.name not in _EMPTY and len(self._open) < _MAX_DEPTH:
            self._open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Node(tag.rpartition(":")[2], {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        name = tag.rpartition(":")[2]
        for place in range(len(self._open) - 1, 0, -1):
            if self._open[place].name == name:
                del self._open[place:]
                return

    def handle_data(self, data: str) -> None:
        if self._open[-1].name in TOKENS:
            self._open[-1].text += data
        elif data.strip():
            self._open[-1].children.append(Node("mtext", text=data))


def tree_of(markup: str) -> Node:
    """The elements of markup, in a row."""
    parser = _Parser()
    parser.feed(markup)
    parser.close()
    return parser.root


def tex_of_mathml(markup: str) -> str:
    """The formula of MathML markup as TeX; "" where it shows nothing."""
    return tex_of_tree(tree_of(markup))


def tex_of_tree(root: Node) -> str:
    """The formula of a tree of MathML elements as TeX."""
    return " ".join(_row(root.children).split(" ")).strip()


def _core(node: Node) -> Node:
    """What a row of one element holds."""
    while node.name in _ROWS and len(shown := [child for child in node.children if not _is_blank(child)]) == 1:
        node = shown[0]
    return node


def _is_blank(node: Node) -> bool:
    return node.name in _SKIPPED or node.name == "mspace" or (node.name in TOKENS and not _sign(node))


def _sign(node: Node) -> str:
    """The characters of an operator or name."""
    return _SPACES.sub(" ", node.text).strip("\u2061\u2062\u2063\u2064\u200b ")


def _row(nodes: list[Node]) -> str:
    """The TeX of elements beside each other: those of a matrix or a binomial with the fences around it."""
    parts: list[str] = []
    place = 0
    while place < len(nodes):
        node = nodes[place]
        place += 1
        core = _core(node)
        if core.name == "mo" and place < len(nodes) and (opening := _sign(core)) in ("(", "[", "{", "|", "‖", "∣", "∥"):
            inside = _core(nodes[place])
            fence = _core(nodes[place + 1]) if place + 1 < len(nodes) else Node("none")
            closing = _sign(fence) if fence.name == "mo" and _sign(fence) in _CLOSING else ""
            if inside.name == "mtable" and (opening + closing) in _MATRICES:
                parts.append(_table(inside, _MATRICES[opening + closing]))
                place += 2 if closing or (fence.name == "mo" and not _sign(fence)) else 1
                continue
            if opening + closing == "()" and inside.name == "mfrac" and _is_stack(inside):
                parts.append(f"\\binom{_braced(inside.children[0])}{_braced(inside.children[1])}")
                place += 2
                continue
        text = _tex(node)
        if core.name == "mi" and text.startswith("\\mathrm{") and place < len(nodes) and nodes[place].text == "\u2061":
            text = "\\operatorname" + text[len("\\mathrm") :]
        parts.append(text)
    return joined(parts)


def _braced(node: Node) -> str:
    return f"{{{_tex(node)}}}"


def _script(mark: str, tex: str) -> str:
    """A script after its mark, in braces where it is more than a character or command."""
    return "" if not tex else f"{mark}{tex}" if _SHORT.fullmatch(tex) else f"{mark}{{{tex}}}"


def _base(node: Node) -> str:
    """The base of a script: in braces where it has parts that no bracket holds together."""
    core = _core(node)
    tex = _tex(core)
    if not tex:
        return "{}"
    is_one = core.name not in _ROWS and core.name not in _SCRIPTED
    first, last = (_sign(_core(core.children[place])) if core.children else "" for place in (0, -1))
    return tex if is_one or (first and last and first in _OPENING and last in _CLOSING) else f"{{{tex}}}"


def _token(node: Node) -> str:
    variant = node.attributes.get("mathvariant", "").lower()
    if node.name in ("mtext", "ms"):
        text = _SPACES.sub(" ", node.text).replace("\xa0", " ")
        if not text.strip():
            return "" if not text else "\\," if text.strip(_THIN) == "" else "\\ "
        if _PLAIN_TEXT.fullmatch(text.strip()):
            return texnames.of_text(text.strip())
        return texnames.words(f'"{text}"' if node.name == "ms" else text)
    text = _sign(node)
    if text in ("∣", "∥") and (
        node.name == "mi" or {"fence", "data-mjx-texclass", "stretchy"} & node.attributes.keys()
    ):
        return "|" if text == "∣" else "\\|"
    name = "".join(text.split())
    if name in texnames.FUNCTIONS:
        return f"\\{name}"
    if node.name == "mo" and name == "mod":
        return "\\bmod"
    if len(name) > 1 and name.isalpha() and name.isascii():
        if node.name == "mo":
            return f"\\operatorname{{{name}}}"
        return texnames.plain_in("-tex-mathit" if variant == "italic" else variant or "normal", name)
    if len(text) > 1 and node.name == "mi" and any(character.isalpha() for character in text) and not name.isalnum():
        return texnames.words(text)
    return texnames.plain_in(variant, texnames.of_text(text)) if text.isalnum() else texnames.of_text(text)


def _tex(node: Node) -> str:
    children, name = node.children, node.name
    if name in _SKIPPED:
        return ""
    if name in TOKENS:
        return joined([_token(node), *map(_tex, children)])
    if (layout := _LAYOUTS.get(name)) is not None:
        return layout(node) if children or name in ("mspace", "mglyph", "mfenced") else ""
    return _row(children)


def _space(node: Node) -> str:
    if node.attributes.get("linebreak") == "newline":
        return "\\\\"
    width = _WIDTH.fullmatch(node.attributes.get("width", "").strip())
    size = float(width[1]) if width is not None else 0.0
    return "\\qquad" if size >= 2 else "\\quad" if size >= 0.9 else "\\," if 0.1 < size < 0.25 else ""


def _semantics(node: Node) -> str:
    """The presentation: the first child, or the one beside Content MathML."""
    first = node.children[0]
    if first.name in _CONTENT:
        for child in node.children[1:]:
            if child.name == "annotation-xml" and "presentation" in child.attributes.get("encoding", "").lower():
                return _row(child.children)
    return _tex(first)


def _fenced(node: Node) -> str:
    separators = "".join(node.attributes.get("separators", ",").split())
    row = [Node("mo", text=node.attributes.get("open", "("))]
    for number, child in enumerate(node.children):
        if number and separators:
            row.append(Node("mo", text=separators[min(number, len(separators)) - 1]))
        row.append(child)
    return _row([*row, Node("mo", text=node.attributes.get("close", ")"))])


def _is_stack(node: Node) -> bool:
    return node.attributes.get("linethickness", "").strip() in ("0", "0px", "0pt", "0em") and len(node.children) > 1


def _fraction(node: Node) -> str:
    if len(node.children) < 2:
        return _row(node.children)
    top, bottom = node.children[:2]
    if _is_stack(node):
        return f"{{{_tex(top)} \\atop {_tex(bottom)}}}"
    return f"\\frac{_braced(top)}{_braced(bottom)}"


def _square_root(node: Node) -> str:
    return f"\\sqrt{{{_row(node.children)}}}"


def _root(node: Node) -> str:
    if len(node.children) < 2:
        return _square_root(node)
    return f"\\sqrt[{_tex(node.children[1])}]{_braced(node.children[0])}"


def _is_prime(node: Node) -> bool:
    core = _core(node)
    signs = _sign(core) if core.name in TOKENS else "".join(map(_sign, core.children))
    return bool(signs) and set(signs) <= _PRIMES


def _raised(node: Node) -> str:
    tex = _tex(node)
    return tex if _is_prime(node) else _script("^", "\\circ" if tex == "^\\circ" else tex)


def _scripts(node: Node) -> str:
    base, *scripts = node.children
    if node.name == "msup" and scripts:
        return _base(base) + _raised(scripts[0])
    below = _tex(scripts[0]) if scripts else ""
    return _base(base) + _script("_", below) + (_raised(scripts[1]) if len(scripts) > 1 else "")


def _limits(node: Node) -> str:
    """What stands over and under: limits of an operator, accents, or what it is."""
    base, *rest = node.children
    under = rest[0] if rest and node.name != "mover" else None
    over = rest[-1] if rest and (node.name == "mover" or len(rest) > 1) else None
    core = _core(base)
    tex = _tex(base)
    takes = (
        "".join(_sign(core).split()) in _LIMITS
        or core.attributes.get("movablelimits") == "true"
        or tex.startswith(("\\underbrace", "\\overbrace", "\\operatorname"))
        or (core.name == "mo" and _sign(core).isalpha())
    )
    if takes:
        return tex + _script("_", _tex(under) if under else "") + _script("^", _tex(over) if over else "")
    arrow = texnames.EXTENDED_ARROWS.get(_sign(core)) if core.name == "mo" else None
    if arrow and (over is None or _sign(_core(over)) not in texnames.ACCENTS):
        below = _tex(under) if under else ""
        return f"\\{arrow}" + (f"[{below}]" if below else "") + f"{{{_tex(over) if over else ''}}}"
    if under is not None and (below := _tex(under)):
        name = texnames.UNDER_ACCENTS.get(_sign(_core(under)))
        tex = f"\\{name}{{{tex}}}" if name else f"\\underset{{{below}}}{{{tex}}}"
    if over is not None and (above := _tex(over)):
        accent = texnames.ACCENTS.get(_sign(_core(over)))
        is_wide = _SHORT.fullmatch(tex) is None and not re.fullmatch(r"\\math\w+\{\w\}", tex)
        tex = f"\\{accent[is_wide]}{{{tex}}}" if accent else f"\\overset{{{above}}}{{{tex}}}"
    return tex


def _multiscripts(node: Node) -> str:
    base, *after = node.children
    before: list[Node] = []
    at = next((place for place, child in enumerate(after) if child.name == "mprescripts"), None)
    if at is not None:
        after, before = after[:at], after[at + 1 :]

    def pairs(nodes: list[Node]) -> str:
        marks = "_^" * len(nodes)
        return "".join(_script(mark, _tex(child)) for mark, child in zip(marks, nodes, strict=False))

    first = pairs(before)
    return ("{}" + first if first else "") + _base(base) + pairs(after)


def _enclosed(node: Node) -> str:
    notation = " ".join(node.attributes.get("notation", "longdiv").split())
    inside = _row(node.children)
    command = _ENCLOSED.get(notation)
    return f"\\{command}{{{inside}}}" if command else f"\\enclose{{{notation}}}{{{inside}}}"


def label_of(text: str) -> str:
    """The tag of an equation by its number as shown: `\\tag{3}` of `(3)`."""
    text = " ".join(text.split())
    if (inside := _LABEL.fullmatch(text)) is not None:
        text = inside[1].strip()
    return f"\\tag{{{text}}}" if text else ""


def text_of(node: Node) -> str:
    """All text in an element."""
    return node.text + "".join(map(text_of, node.children))


def _table(node: Node, environment: str = "") -> str:
    rows: list[tuple[list[str], str]] = []
    for row in node.children:
        cells, label = row.children, ""
        if row.name == "mlabeledtr" and cells:
            label, cells = label_of(text_of(cells[0])), cells[1:]
        if row.name in ("mtr", "mlabeledtr"):
            rows.append(([_tex(cell) for cell in cells], label))
        elif tex := _tex(row):
            rows.append(([tex], ""))
    if not any(any(cells) for cells, _ in rows):
        return "".join(label for _, label in rows)
    columns = max(len(cells) for cells, _ in rows)
    labels = [label for _, label in rows if label]
    tag = labels[0] if len(labels) == 1 else ""
    if len(rows) == columns == 1 and not environment:
        return rows[0][0][0] + tag
    if not environment:
        aligns = node.attributes.get("columnalign", "").split()
        is_aligned = node.attributes.get("displaystyle") == "true" or aligns[:2] == ["right", "left"]
        environment = "matrix" if not is_aligned else "gathered" if columns == 1 else "aligned"
    lines = [" & ".join(cells) + ("" if tag else label) for cells, label in rows]
    return f"\\begin{{{environment}}}" + " \\\\ ".join(lines) + f"\\end{{{environment}}}" + tag


_LAYOUTS = {
    "mfrac": _fraction, "msqrt": _square_root, "mroot": _root, "msub": _scripts, "msup": _scripts, "msubsup": _scripts,
    "munder": _limits, "mover": _limits, "munderover": _limits, "mmultiscripts": _multiscripts, "mspace": _space,
    "semantics": _semantics, "mfenced": _fenced, "menclose": _enclosed, "mtable": _table,
    "maction": lambda node: _tex(node.children[0]), "mglyph": lambda node: node.attributes.get("alt", ""),
}  # fmt: skip
