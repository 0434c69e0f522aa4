"""Kept blocks to Markdown: CommonMark with the tables of GitHub, and definition lists as most of its readers have them.

A block is put where it stands: in items and quotations (a prefix of each line), and in a leaf, which is a heading, a
paragraph, a code block or a table. Emphasis is not marked: pages use bold and italics for their looks, and without it
the words are those of the plain form.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.markup.escapes import code_span, escaped_start, fence, pipe_table
from pipeline.markup.html import layout as L
from pipeline.markup.html.layout import Scanned
from pipeline.markup.html.markdown.grid import columns_of, grid, table_of
from pipeline.markup.html.markdown.inline import Inline
from pipeline.markup.html.markdown.languages import language_of
from pipeline.markup.html.render import CELLS, HEADINGS, LINE_OF_CODE, begins_item, indents_of, rows_of
from pipeline.markup.html.tables import TAG
from pipeline.markup.html.tokens import attributes_at

_LI, _UL, _OL, _QUOTE, _DT, _DD, _H1, _TR, _CODE = (
    TAG[name] for name in ("li", "ul", "ol", "blockquote", "dt", "dd", "h1", "tr", "code")
)
_PRE_TAGS = (TAG["pre"], TAG["listing"], _CODE)
# What may stand between a code block and the element that names its language.
_WRAPPERS = frozenset(
    TAG[name] for name in ("", "div", "span", "figure", "table", "thead", "tbody", "tr", "td", "code", "pre")
)
_MAX_ABOVE, _MAX_BELOW = 7, 4  # elements around and in a code block that are asked for its language
_MAX_DEPTH = 16  # items and quotations in each other
_MAX_NUMBER = 999_999_999  # of an item, in Markdown
_QUOTED = "> "


class _Place(NamedTuple):
    """Where an element stands: items and quotations around it (prefix and number of the element), heading, element of
    code, and term or description; 0 where it stands in none.
    """

    around: tuple[tuple[str, int], ...] = ()
    heading: int = 0
    code: int = 0
    term: int = 0


class _Leaf(NamedTuple):
    """The open leaf: its kind, what it is of, and its lines; for a table, the cells of its rows; for a text, the lines
    of code that it is made of ("" for others).
    """

    kind: str  # "text", "heading", "code", "table"
    of: int
    place: _Place
    lines: list[str]
    rows: dict[int, dict[int, str]]
    code: list[str]


class _Markdown:
    def __init__(self, scanned: Scanned, kept: np.ndarray, page: bytes, tags: np.ndarray, url: str | None) -> None:
        self._scanned, self._nodes, self._page = scanned, scanned.nodes, page
        self._kept = kept
        self._inline = Inline(scanned, page, tags, url)
        opened = tags[tags[:, L.T_TAG] >= 0]
        self._tag_at = np.zeros(len(self._nodes) + 1, np.int64)
        self._tag_at[opened[:, L.T_NODE]] = opened[:, L.T_AT]  # the last one with a number is that which opened it
        self._places: dict[int, _Place] = {0: _Place()}
        self._last_items: dict[int, int] = {}  # of lists: the item whose mark was written last
        self._tables: dict[int, tuple[list[int], list[int]]] | None = None
        self._columns: dict[int, dict[int, int] | None] = {}
        self._begun: set[int] = set()  # tables of which rows were written
        self._delimiters: dict[int, str] = {}  # of ordered lists
        self._around: tuple[tuple[str, int], ...] = ()  # the block before this one
        self._lines: list[str] = []
        self._open: tuple[tuple[str, int], ...] = ()  # around the leaf written last
        self._last: _Leaf | None = None  # that leaf

    def attributes(self, node: int) -> dict[str, str]:
        return attributes_at(self._page, int(self._tag_at[node]))

    # Where a block stands

    def _place(self, node: int) -> _Place:
        """The place of an element; `node` holds the block that is written now."""
        new = []
        at = node
        while at not in self._places:
            new.append(at)
            at = int(self._nodes[at, L.N_PARENT])
        place = self._places[at]
        for element in reversed(new):
            place = self._places[element] = self._inside(place, element, node)
        return place

    def _inside(self, place: _Place, element: int, node: int) -> _Place:
        tag, parent = int(self._nodes[element, L.N_TAG]), int(self._nodes[element, L.N_PARENT])
        is_deep = len(place.around) >= _MAX_DEPTH
        if tag == _QUOTE and not is_deep:
            return place._replace(around=(*place.around, (_QUOTED, element)))
        if tag == _LI and not is_deep and begins_item(self._nodes, node, element):
            self._last_items[parent] = element
            return place._replace(around=(*place.around, (self._mark(element, parent, len(place.around)), element)))
        if tag in (_UL, _OL) and parent in self._last_items:  # a list beside the items of the list that it stands in
            item = self._places[self._last_items[parent]]
            return item if item.around == self._around[: len(item.around)] else place
        if tag in HEADINGS:
            return place._replace(heading=element)
        if tag in (_DT, _DD):
            return place._replace(term=element)
        if not place.code and self._nodes[element, L.N_FLAGS] & L.IN_PRE:
            return place._replace(code=element)
        return place

    def _mark(self, item: int, parent: int, depth: int) -> str:
        """What stands before an item: "- ", or "3. " in an ordered list; Markdown has no letters.

        A list right behind another has "3) ", since it would go on with the numbers of that.
        """
        if self._nodes[parent, L.N_TAG] != _OL:
            return "- "
        number = int(self._nodes[item, L.N_NUMBER])
        if self._nodes[parent, L.N_STYLE] & L.LIST_FROM_END:
            number += 1 - int(self._nodes[parent, L.N_NUMBER])
        if parent not in self._delimiters:
            before = self._around[depth][0] if depth < len(self._around) else ""
            self._delimiters[parent] = ")" if before.endswith(". ") else "."
        return f"{min(max(number, 0), _MAX_NUMBER)}{self._delimiters[parent]} "

    # Leaves

    def text(self) -> str:
        scanned, nodes = self._scanned, self._nodes
        blocks = scanned.blocks[self._kept]
        rows, cells = rows_of(scanned, blocks)
        indents, looks_like_code = indents_of(scanned, blocks)
        leaf: _Leaf | None = None
        before = -2
        for number, (start, end, node, breaks), row, cell, indent, looks in zip(
            self._kept.tolist(),
            blocks[:, [L.B_START, L.B_END, L.B_NODE, L.B_BREAKS]].tolist(),
            rows.tolist(),
            cells.tolist(),
            indents,
            looks_like_code.tolist(),
            strict=True,
        ):
            is_next = number == before + 1
            if row >= 0:
                table = table_of(nodes, row)
                if leaf is None or leaf.kind != "table" or leaf.of != table:
                    self._write(leaf)
                    leaf = _Leaf("table", table, self._place(table), [], {}, [])
                texts = leaf.rows.setdefault(row, {})
                if nodes[node, L.N_FLAGS] & L.IN_PRE:
                    line = code_span(self._as_it_is(start, end)).replace("|", "\\|")
                else:
                    line = self._inline.line(number, start, end, kind="cell")
                texts[cell] = f"{texts[cell]} {line}" if cell in texts else line
                before, self._around = number, leaf.place.around
                continue
            place = self._place(node)
            is_code = bool(place.code or nodes[node, L.N_FLAGS] & LINE_OF_CODE == LINE_OF_CODE or looks)
            if is_code:
                line = self._as_it_is(start, end, indent)
                if (
                    leaf is not None
                    and leaf.kind == "code"
                    and (leaf.of == place.code if place.code else is_next and not leaf.of)
                ):
                    leaf.lines.append(line)
                else:
                    self._write(leaf)
                    leaf = _Leaf("code", place.code, place, [line], {}, [])
            elif place.heading:
                line = self._inline.line(number, start, end, kind="heading")
                if leaf is not None and leaf.kind == "heading" and leaf.of == place.heading:
                    leaf.lines[0] += " " + line
                else:
                    self._write(leaf)
                    leaf = _Leaf("heading", place.heading, place, [line], {}, [])
            else:
                line = " " * indent + self._inline.line(number, start, end)
                if leaf is not None and leaf.kind == "text" and leaf.of == node and is_next and breaks == 1:
                    leaf.lines[-1] += "  "
                else:
                    self._write(leaf)
                    leaf = _Leaf("text", node, place, [], {}, [])
                leaf.lines.extend("  \n".join(line.split("\n")).split("\n"))
                leaf.code.append(self._as_it_is(start, end, indent) if self._inline.is_code(start, end) else "")
            before, self._around = number, place.around
        self._write(leaf)
        return "\n".join(self._lines)

    def _as_it_is(self, start: int, end: int, indent: int = 0) -> str:
        return " " * indent + self._scanned.text[start:end].tobytes().decode("utf-8")

    def _write(self, leaf: _Leaf | None) -> None:
        """Write a leaf that is whole."""
        if leaf is None:
            return
        if leaf.kind == "table":
            self._write_table(leaf)
        elif leaf.kind == "heading":
            level = int(self._nodes[leaf.of, L.N_TAG]) - _H1 + 1
            self._put(leaf, ["#" * level + " " + leaf.lines[0]])
        elif leaf.kind == "code":
            self._put(leaf, fence("\n".join(leaf.lines), self._language(leaf)))
        elif all(leaf.code) and len(leaf.lines) > 1:
            self._put(leaf, fence("\n".join(leaf.code), ""))
        else:
            lines = [leaf.lines[0].lstrip(" "), *leaf.lines[1:]]
            is_description = self._describes(leaf)
            self._put(leaf, [": " + lines[0], *lines[1:]] if is_description else lines, is_description)
        self._last = leaf

    def _describes(self, leaf: _Leaf) -> bool:
        """Whether a paragraph begins the description of a term, or another one, that was written just before."""
        term, last = leaf.place.term, self._last
        if not term or self._nodes[term, L.N_TAG] != _DD or last is None or last.kind != "text" or not last.place.term:
            return False
        is_beside = self._nodes[last.place.term, L.N_PARENT] == self._nodes[term, L.N_PARENT]
        return bool(is_beside and last.place.term != term and last.place.around == leaf.place.around)

    def _write_table(self, leaf: _Leaf) -> None:
        table = leaf.of
        if table not in self._columns:
            inside = self._rows_by_table().get(table, ([], []))
            self._columns[table] = columns_of(self._nodes, *inside, self.attributes)
        places = self._columns[table]
        is_first = table not in self._begun
        self._begun.add(table)
        role = self.attributes(table).get("role", "")
        rows = None if places is None else grid(self._nodes, leaf.rows, places, role, is_first)
        if rows is not None:
            self._put(leaf, pipe_table(rows))
            return
        for cells in leaf.rows.values():
            self._put(leaf, [escaped_start(" | ".join(cells.values()))])

    def _rows_by_table(self) -> dict[int, tuple[list[int], list[int]]]:
        """The rows of each table, and the cells of these, in order."""
        if self._tables is None:
            self._tables = {}
            tags, nodes = self._nodes[:, L.N_TAG], self._nodes
            for row in np.flatnonzero(tags == _TR).tolist():
                self._tables.setdefault(table_of(nodes, row), ([], []))[0].append(row)
            cells = np.flatnonzero(np.isin(tags, CELLS) & (nodes[:, L.N_ROW] >= 0))
            for cell, row in zip(cells.tolist(), nodes[cells, L.N_ROW].tolist(), strict=True):
                self._tables[table_of(nodes, row)][1].append(cell)
        return self._tables

    def _language(self, leaf: _Leaf) -> str:
        """The language of a code block, as it, `<code>` in it, or what is around it names it."""
        nodes, root = self._nodes, leaf.of
        if not root:
            return ""
        for node in [root, *range(root + 1, min(len(nodes), root + 1 + _MAX_BELOW))]:
            if nodes[node, L.N_PARENT] < root < node:
                break
            if node > root and nodes[node, L.N_TAG] != _CODE:
                continue
            if language := language_of(self.attributes(node), is_code=True):
                return language
        node = int(nodes[root, L.N_PARENT])
        for _ in range(_MAX_ABOVE):
            if not node or nodes[node, L.N_TAG] not in _WRAPPERS:
                break
            if language := language_of(self.attributes(node), is_code=nodes[node, L.N_TAG] in _PRE_TAGS):
                return language
            node = int(nodes[node, L.N_PARENT])
        return ""

    # Lines

    def _put(self, leaf: _Leaf, lines: list[str], is_glued: bool = False) -> None:
        """Write the lines of a leaf behind the prefixes of what it stands in, and what parts it from the last one."""
        around, common = leaf.place.around, 0
        while common < min(len(around), len(self._open)) and around[common] == self._open[common]:
            common += 1
        shared = "".join(map(_further, around[:common]))
        if self._lines and not is_glued and not self._is_next_item(leaf, common):
            self._lines.append(shared.rstrip(" "))
        first = shared + "".join(prefix for prefix, _ in around[common:])
        further = "".join(map(_further, around))
        self._lines.append((first + lines[0]).rstrip(" ") if not lines[0] else first + lines[0])
        self._lines += [further + line if line else further.rstrip(" ") for line in lines[1:]]
        self._open = around

    def _is_next_item(self, leaf: _Leaf, common: int) -> bool:
        """Whether a leaf begins an item that follows the last leaf without an empty line."""
        around = leaf.place.around
        if common == len(around) or around[common][0] == _QUOTED:
            return False
        nodes, list_ = self._nodes, int(self._nodes[around[common][1], L.N_PARENT])
        if common < len(self._open):
            return self._open[common][0] != _QUOTED and list_ == nodes[self._open[common][1], L.N_PARENT]
        # A list in an item begins below a paragraph, which a number other than 1 cannot end.
        is_in_item = common > 0 and around[common - 1][0] != _QUOTED
        return (
            is_in_item
            and around[common][0] in ("- ", "1. ", "1) ")
            and self._last is not None
            and self._last.kind == "text"
        )


def _further(part: tuple[str, int]) -> str:
    """The prefix of the lines after the first one."""
    return part[0] if part[0] == _QUOTED else " " * len(part[0])


def to_markdown(scanned: Scanned, kept: np.ndarray, page: bytes, tags: np.ndarray, url: str | None = None) -> str:
    """The blocks whose numbers are `kept`, in order, as Markdown.

    page, tags: what was scanned, and its tags (`scan_tags`). url: where the page is from, for links; None drops these.
    """
    return _Markdown(scanned, kept, page, tags, url).text()
