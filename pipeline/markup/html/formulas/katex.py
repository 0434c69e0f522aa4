"""Formulas that a page holds only as KaTeX drew them in HTML, as a tree of MathML.

The kind of each box is its class. What stands where is said by heights: in a list of boxes over each other the one with
the least `top` is the highest, and what is above the line of its base is a superscript.
"""

from __future__ import annotations

import re

from pipeline.markup.html.formulas.mathml import Node, row_of, text_of

_TOP = re.compile(r"(?:^|;)\s*top\s*:\s*(-?[\d.]+)em")
_HEIGHT = re.compile(r"(?:^|;)\s*height\s*:\s*(-?[\d.]+)em")
_NOTHING = frozenset(
    {"strut", "pstrut", "vlist-s", "nulldelimiter", "frac-line", "arraycolsep", "hide-tail", "overline-line", "rule"}
    | {"underline-line", "fix", "vertical-separator", "hline", "hdashline"}
)
_FONTS = {
    "mathbb": "double-struck", "mathcal": "script", "mathscr": "script", "mathfrak": "fraktur", "mathbf": "bold",
    "boldsymbol": "bold-italic", "mathsf": "sans-serif", "mathtt": "monospace", "mathrm": "normal", "textbf": "bold",
    "mathit": "italic", "amsrm": "normal", "textfrak": "fraktur", "textbb": "double-struck",
}  # fmt: skip
# What is over or under a base, by the class of what its box holds.
_BESIDE_BASE = frozenset({"sizing", "accent-body", "stretchy", "overline-line", "underline-line"})
# Large brackets are made of pieces, or are pictures that are so wide (thousandths).
_PIECES = {"⎛": "(", "⎜": "(", "⎝": "(", "⎞": ")", "⎟": ")", "⎠": ")", "⎡": "[", "⎢": "[", "⎣": "[", "⎤": "]", "⎥": "]"}
_PIECES |= {"⎦": "]", "⎧": "{", "⎨": "{", "⎩": "{", "⎪": "{", "⎫": "}", "⎬": "}", "⎭": "}", "∣": "|", "∥": "‖"}
_WIDTHS = {"875": "()", "667": "[]", "333": "||", "556": "‖‖", "647": "[]", "403": "[]", "472": "[]"}
_ACCENT_WIDTHS = {"471": "→", "1062": "^", "2364": "^", "600": "~", "1033": "~", "2339": "~", "2340": "~"}


def _classes(node: Node) -> set[str]:
    return {name.removeprefix("katex-") for name in node.attributes.get("class", "").split()}


def _found(node: Node, *names: str) -> Node | None:
    """The first element inside (or the one itself) that has one of these classes."""
    if not _classes(node).isdisjoint(names):
        return node
    return next((found for child in node.children if (found := _found(child, *names)) is not None), None)


def _holds(box: Node, name: str) -> bool:
    return any(name in _classes(child) for child in box.children)


def _number(pattern: re.Pattern[str], node: Node) -> float:
    found = pattern.search(node.attributes.get("style", ""))
    return float(found[1]) if found is not None and found[1].count(".") < 2 and found[1].strip("-.") else 0.0


def _stacked(node: Node) -> list[tuple[float, Node]]:
    """The boxes of the list of boxes over each other that an element holds, highest first, with how low each is."""
    list_ = _found(node, "vlist")
    boxes: list[tuple[float, Node]] = []
    for box in list_.children if list_ is not None else []:
        support = next((child for child in box.children if "pstrut" in _classes(child)), None)
        if support is not None:
            boxes.append((_number(_TOP, box) + _number(_HEIGHT, support), box))
    return sorted(boxes, key=lambda each: each[0])


def _inside(node: Node) -> Node:
    return row_of(_boxes(node.children, _classes(node)))


def _boxes(nodes: list[Node], classes: set[str]) -> list[Node]:
    """What elements beside each other show; scripts take what is before them in the same element as their base, from
    the scripts before on.
    """
    row: list[Node] = []
    first = 0  # of the base
    for node in nodes:
        if node.name == "mtext":
            row.append(_leaf(node.text, classes))
        elif "msupsub" in _classes(node):
            row[first:] = [_with_scripts(row_of(row[first:]), node)]
            first = len(row)
        else:
            row += _box(node, classes)
    return row


def _with_scripts(base: Node, node: Node) -> Node:
    above = below = None
    for low, box in _stacked(node):
        if low < 0:
            above = _inside(box)
        else:
            below = _inside(box)
    if above is not None and below is not None:
        return Node("msubsup", children=[base, below, above])
    script = above or below
    return base if script is None else Node("msup" if above is not None else "msub", children=[base, script])


def _leaf(text: str, classes: set[str]) -> Node:
    text = text.strip("\u200b")
    if not text.strip(" \n"):
        return Node("none")
    if text[0].isdigit() and not classes & _FONTS.keys():
        return Node("mn", text=text)
    if "text" in classes:
        return Node("mtext", text=text)
    if text in ("∣", "∥") and "mrel" not in classes:
        return Node("mi", text=text)
    if not text[0].isalpha() or "mop" in classes:
        return Node("mo", text=text)
    if len(text) > 1 and text.isalpha() and classes & {"mathnormal", "mathdefault"}:
        return Node("mrow", children=[Node("mi", text=letter) for letter in text])
    font = next((_FONTS[name] for name in sorted(classes) if name in _FONTS), "")
    if not font and text.isascii() and "mathnormal" not in classes and "mathdefault" not in classes:
        font = "normal"
    return Node("mi", {"mathvariant": font} if font else {}, text=text)


def _box(node: Node, around: set[str]) -> list[Node]:
    """What one element shows; `around`: the classes that say what kind of letters stand in it."""
    classes = _classes(node)
    if not classes.isdisjoint(_NOTHING) or node.name in ("svg", "annotation"):
        return []
    if "mspace" in classes:
        width = re.search(r"(?:margin-right|width)\s*:\s*(\d+(?:\.\d+)?em)", node.attributes.get("style", ""))
        return [Node("mspace", {"width": width[1]})] if width is not None and float(width[1][:-2]) > 0.5 else []
    if classes & {"tag", "eqn-num"}:
        return [
            Node("mtable", children=[Node("mlabeledtr", children=[Node("mtext", text=text_of(node)), Node("mtd")])])
        ]
    if "mfrac" in classes:
        boxes = [box for _, box in _stacked(node)]
        parts = [_inside(box) for box in boxes if not _holds(box, "frac-line")]
        return [Node("mfrac", {"linethickness": "0"} if len(parts) == len(boxes) else {}, parts)]
    if "sqrt" in classes:
        root = next((child for child in node.children if "root" in _classes(child)), None)
        body = [box for _, box in _stacked(Node("span", children=[each for each in node.children if each is not root]))]
        base = next((_inside(box) for box in body if not _holds(box, "hide-tail")), Node("mrow"))
        degree = next((_inside(box) for _, box in _stacked(root)), None) if root is not None else None
        return [Node("msqrt", children=[base]) if degree is None else Node("mroot", children=[base, degree])]
    if "mtable" in classes:
        return [_table(node)]
    if classes & {"mopen", "mclose"} and _found(node, "delimsizing") is not None:
        return [Node("mo", text=_delimiter(node, is_open="mopen" in classes))]
    if "accent" in classes or classes & {"op-limits", "munder", "mover"} or {"overline", "underline"} & classes:
        return _over_and_under(node, classes)
    if classes & {"fbox", "boxpad", "colorbox"} and "stretchy" not in classes:
        return [Node("menclose", {"notation": "box"}, _boxes(node.children, around))]
    if "text" in classes and not classes & {"sizing"}:
        return [Node("mtext", text=text_of(node))]
    if "rlap" in classes and "\ue020" in text_of(node):
        return [Node("mo", text="\ue020")]
    if "x-arrow" in classes:
        return [_arrow(node)]
    kinds = {name for name in classes | (around & _FONTS.keys()) if name in _FONTS or name[:4] == "math"} | (
        classes & {"mop", "mopen", "mclose", "mrel", "mbin", "mpunct", "text"}
    )
    shown = _boxes(node.children, kinds or around)
    if "mop" in classes and len(shown) > 1 and all(each.text.isalpha() for each in shown):
        return [Node("mo", text="".join(each.text for each in shown))]
    if "mtight" in classes or "mord" in classes or "minner" in classes or "mop" in classes:
        return [row_of(shown)] if shown else [Node("mrow")]
    return shown


def _arrow(node: Node) -> Node:
    """An arrow with what stands over and under it."""
    above = below = None
    arrow = Node("mo", text="→")
    for _, box in reversed(_stacked(node)):
        if _svg(box) is not None:
            arrow.text = "←" if _found(box, "halfarrow-left") is not None else "→"
            below, above = above, None
        else:
            above = _inside(box)
    return Node("munderover", children=[arrow, below or Node("none"), above or Node("none")])


def _delimiter(node: Node, *, is_open: bool) -> str:
    text = text_of(node).replace("\u200b", "").strip()
    if text:
        return _PIECES.get(text[0], text[0])
    picture = _svg(node)
    pair = _WIDTHS.get(picture[0], "  ") if picture else "  "
    return pair[0 if is_open else 1].strip()


def _svg(node: Node) -> tuple[str, str] | None:
    """Width and height in the coordinates of the first picture inside."""
    if node.name == "svg":
        sizes = node.attributes.get("viewbox", "").split()
        return (sizes[2], sizes[3]) if len(sizes) == 4 else None
    return next((found for child in node.children if (found := _svg(child)) is not None), None)


def _mark(box: Node, is_over: bool) -> str:
    """The sign that a stretched picture is."""
    if _found(box, "brace-left") is not None:
        return "⏞" if is_over else "⏟"
    if _found(box, "overline-line", "underline-line") is not None:
        return "¯" if is_over else "_"
    picture = _svg(box)
    if picture is None:
        return ""
    if (accent := _ACCENT_WIDTHS.get(picture[0])) is not None:
        return accent
    left, right = _found(box, "halfarrow-left") is not None, _found(box, "halfarrow-right") is not None
    return "↔" if left and right else "→"


def _over_and_under(node: Node, classes: set[str]) -> list[Node]:
    boxes = _stacked(node)
    if not boxes:
        return _boxes(node.children, set())

    at = next(
        (
            place
            for place, (_, box) in enumerate(boxes)
            if "svg-align" not in _classes(box) and not any(_classes(child) & _BESIDE_BASE for child in box.children)
        ),
        0,
    )
    if "accent" in classes:
        accent = next((box for place, (_, box) in enumerate(boxes) if place != at), None)
        sign = (text_of(accent).strip("\u200b ") or _mark(accent, True)) if accent is not None else ""
        return [Node("mover", children=[_inside(boxes[at][1]), Node("mo", text=sign)])]
    shown = [_inside(box) for _, box in boxes]
    over, under = shown[:at], shown[at + 1 :]
    if over and not _is_shown(over[0]):
        over = [Node("mo", text=_mark(boxes[0][1], True))]
    if under and not _is_shown(under[-1]):
        under = [Node("mo", text=_mark(boxes[-1][1], False))]
    name = "munderover" if over and under else "mover" if over else "munder"
    return [Node(name, children=[shown[at], *under[-1:], *over[:1]])]


def _is_shown(node: Node) -> bool:
    return node.name in ("mfrac", "msqrt", "mtable") or bool(text_of(node).strip())


def _table(node: Node) -> Node:
    columns = [child for child in node.children if any(name.startswith("col-align-") for name in _classes(child))]
    cells = [[_inside(box) for _, box in _stacked(column)] for column in columns]
    rows = [
        Node("mtr", children=[Node("mtd", children=[column[row]]) for column in cells if row < len(column)])
        for row in range(max(map(len, cells), default=0))
    ]
    sides = ("col-align-r", "col-align-l")
    is_aligned = len(columns) > 1 and all(
        side in _classes(column) for side, column in zip(sides, columns, strict=False)
    )
    return Node("mtable", {"columnalign": "right left"} if is_aligned else {}, rows)


def tree_of_katex(root: Node) -> Node:
    """The formula in KaTeX's HTML."""
    html = _found(root, "katex-html", "html") or root
    return Node("mrow", children=_boxes(html.children, set()))
