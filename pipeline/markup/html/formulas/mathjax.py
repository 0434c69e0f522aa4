"""Formulas that a page holds only as MathJax drew them, in CHTML or SVG, as a tree of MathML.

Both keep the elements of MathML as names, `<mjx-mi>` and `data-mml-node="mi"`, and characters as the codes of glyphs.
"""

from __future__ import annotations

import re

from pipeline.markup.html.formulas.mathml import Node, row_of
from pipeline.markup.html.formulas.texnames import ACCENTS

_GLYPH = re.compile(r"\bmjx-c([0-9A-F]{2,6})\b")
_SCRIPTED = frozenset({"msub", "msup", "msubsup", "munder", "mover", "munderover"})
_NOT_SHOWN = frozenset(
    {"spacer", "nstrut", "dstrut", "tstrut", "line", "surd", "assistive-mml", "labels", "mphantom", "speech"}
)
_STRIKES = {"ustrike": "updiagonalstrike", "dstrike": "downdiagonalstrike", "hstrike": "horizontalstrike"}
_BRACES = "\ue150\ue151\ue152\ue153\ue154"  # pieces, in its fonts


def _kind(node: Node) -> str:
    """The name that an element of MathJax's output has in MathML; "" for a box with no meaning."""
    name = node.attributes.get("data-mml-node", "") or (node.name[4:] if node.name.startswith("mjx-") else "")
    return name.lower()


def _glyphs(node: Node) -> str:
    if (code := node.attributes.get("data-c")) is not None:
        return chr(int(code, 16)) if re.fullmatch(r"[0-9A-Fa-f]{1,5}", code) else ""
    if node.name in ("mjx-c", "mjx-stretchy-h", "mjx-stretchy-v"):
        found = _GLYPH.search(node.attributes.get("class", ""))
        if found is not None and int(found[1], 16) < 0x110000:
            return chr(int(found[1], 16))
    if "data-mml-node" not in node.attributes or node.attributes["data-mml-node"] in ("mi", "mo", "mn", "mtext", "ms"):
        return (node.text if node.name == "mtext" else "") + "".join(map(_glyphs, node.children))
    return ""


def _is_calligraphic(node: Node) -> bool:
    return any(
        "TEX-C" in child.attributes.get("class", "").split() or "TEX-C-" in child.attributes.get("xlink:href", "")
        for child in node.children
    )


def _part(node: Node, name: str) -> Node | None:
    """The element of a kind inside, not looked for inside another one's parts."""
    for child in node.children:
        if _kind(child) == name:
            return child
        is_box = _kind(child) in ("box", "row", "frac", "dbox", "dtable", "sqrt", "")
        if (is_box or _kind(node) == "box") and (found := _part(child, name)):
            return found
    return None


def _all(node: Node, names: tuple[str, ...]) -> list[Node]:
    found: list[Node] = []
    for child in node.children:
        if _kind(child) in names:
            found.append(child)
        elif _kind(child) not in ("mtd", "labels"):
            found += _all(child, names)
    return found


def _parts(node: Node) -> list[Node]:
    return [shown for child in node.children for shown in _drawn(child)]


def _whole(node: Node | None) -> Node:
    return row_of(_parts(node)) if node is not None else Node("mrow")


def _drawn(node: Node) -> list[Node]:
    kind = _kind(node)
    if kind in ("mi", "mo", "mn", "mtext", "ms"):
        text = _glyphs(node)
        if kind == "mo" and len(text) > 1:  # of pieces
            text = next((sign for sign in text if sign in ACCENTS and sign != "−"), text)
            text = "⏟" if text[0] in _BRACES else text
        is_upright = kind == "mi" and len(text) == 1 and text.isalpha() and text.isascii()
        font = "script" if _is_calligraphic(node) else "normal" if is_upright else ""
        return [Node(kind, {"mathvariant": font} if font else {}, text=text)]
    if kind in _NOT_SHOWN:
        return []
    if kind == "mspace":
        width = re.search(r"width\s*:\s*([\d.]+em)", node.attributes.get("style", ""))
        return [Node("mspace", {"width": width[1]} if width is not None else {})]
    if kind == "mtable":
        return [_mathjax_table(node)]
    if node.name.startswith("mjx-"):
        return _chtml(node, kind)
    if kind in _SCRIPTED:  # one may be empty
        children = [row_of(_drawn(child)) for child in node.children if _kind(child)]
        if kind == "msubsup" and len(children) == 3:
            children = [children[0], children[2], children[1]]
        return [Node(kind, children=children)]
    children = _parts(node)
    if kind in ("msqrt", "mroot"):
        surd = next((child for child in children if child.text == "√"), None)
        children = [child for child in children if child is not surd]
        return [Node(kind, children=children)]
    if kind == "mfrac":
        has_line = any(child.name == "rect" for child in node.children)
        return [Node(kind, {} if has_line else {"linethickness": "0"}, children)]
    return [row_of(children)] if kind and children else children


def _chtml(node: Node, kind: str) -> list[Node]:
    if kind == "mfrac":
        line = {} if _part(node, "line") is not None else {"linethickness": "0"}
        return [Node(kind, line, [_whole(_part(node, "num")), _whole(_part(node, "den"))])]
    if kind == "msqrt":
        return [Node(kind, children=_parts(_part(node, "box") or node))]
    if kind == "mroot":
        return [Node(kind, children=[_whole(_part(node, "box")), _whole(_part(node, "root"))])]
    if kind in _SCRIPTED:
        script = next((child for child in node.children if _kind(child) == "script"), None)
        if script is not None:
            base = row_of([each for child in node.children if child is not script for each in _drawn(child)])
            scripts = [row_of(shown) for child in script.children if (shown := _drawn(child))]
            return [Node(kind, children=[base, *reversed(scripts)])]
        base = _whole(_part(node, "base"))
        names = {"munder": ("under",), "mover": ("over",), "munderover": ("under", "over")}.get(kind, ())
        return [Node(kind, children=[base, *(_whole(_part(node, name)) for name in names)])]
    if kind == "menclose":
        strikes = [_STRIKES[_kind(child)] for child in node.children if _kind(child) in _STRIKES]
        is_box = "border" in "".join(child.attributes.get("style", "") for child in node.children)
        notation = " ".join(strikes) or ("box" if is_box else "")
        return [Node(kind, {"notation": notation}, _parts(node))] if notation else [row_of(_parts(node))]
    children = _parts(node)
    return [row_of(children)] if kind in ("mrow", "texatom", "mstyle", "mpadded") and children else children


def _mathjax_table(node: Node) -> Node:
    labels = [cell for each in _all(node, ("labels",)) for cell in _all(each, ("mtd",))]
    rows = []
    for row in _all(node, ("mtr", "mlabeledtr")):
        cells = [Node("mtd", children=_parts(cell)) for cell in _all(row, ("mtd",))]
        rows.append(Node("mtr", children=cells))
    if len(rows) == len(labels) == 1:
        rows = [Node("mlabeledtr", children=[Node("mtext", text=_glyphs(labels[0])), *rows[0].children])]
    first = [cell.attributes.get("style", "") for cell in _all(node, ("mtd",))[:2]]
    is_aligned = len(first) == 2 and "align: right" in first[0] and "align: left" in first[1]
    return Node("mtable", {"columnalign": "right left"} if is_aligned else {}, rows)


def tree_of_mathjax(root: Node) -> Node:
    """The formula in MathJax's CHTML or SVG."""
    return Node("mrow", children=_parts(root))
