"""Lines of a wiki's page as Markdown: its headings, items, rows and code are marked by the passes before."""

from __future__ import annotations

import re

from pipeline.markup.escapes import escaped, escaped_heading, fence, pipe_table
from pipeline.markup.wikitext.tags import ASIDE_MARK, CELL, END_QUOTE, HEADING, ITEM, QUOTE, SPACE, TAB, put_back

_MAX_DEPTH = 8
_EMPTY = " \t.,;:-"
_CODE = re.compile(rf"[{SPACE}{TAB}]")
_TO_SPACES = str.maketrans({SPACE: " ", TAB: "\t"})


class _Page:
    def __init__(self, aside: list[str]) -> None:
        self._aside = aside
        self._parts: list[str] = []
        self._kind = ""  # of the line before
        self._open: list[tuple[str, int]] = []  # items around the next: marks, columns of what they show
        self._counts: dict[str, int] = {}  # items of the ordered lists that are open, by their marks

    def put(self, lines: list[str], kind: str) -> None:
        """Lines of one kind; an empty line parts those of two kinds, and blocks from each other."""
        if self._parts and self._parts[-1] and (kind != self._kind or kind == "block"):
            self._parts.append("")
        self._parts += lines
        self._kind = kind

    def end_line(self) -> None:
        if self._parts and self._parts[-1]:
            self._parts.append("")
        self._kind = ""

    def item(self, marks: str, text: str) -> None:
        if not text.strip(_EMPTY):
            return
        if self._kind != "item":
            self._counts, self._open = {}, []
        if marks.endswith(":"):
            self._further(marks.rstrip(":"), text)
            return
        marks = marks[:_MAX_DEPTH]
        self._counts = {around: count for around, count in self._counts.items() if marks.startswith(around)}
        self._open = [level for level in self._open if len(level[0]) < len(marks) and marks.startswith(level[0])]
        mark = "- "
        if marks[-1] == "#":
            self._counts[marks] = self._counts.get(marks, 0) + 1
            mark = f"{self._counts[marks]}. "
        indent = " " * sum(width for _, width in self._open)
        self._open.append((marks, len(mark)))
        self.put([indent + mark + self._line(text)], "item")

    def _further(self, marks: str, text: str) -> None:
        """A line more of the item with these marks; without one, a paragraph."""
        around = [level for level in self._open if len(level[0]) <= len(marks)]
        if self._kind != "item" or not around or not self._open[-1][0].startswith(marks):
            self.put([self._line(text)], "text")
            return
        self._open = around
        self._parts += ["", " " * sum(width for _, width in self._open) + self._line(text)]

    def table(self, rows: list[list[str]]) -> None:
        cells = [[self._line(cell, is_cell=True) for cell in row] for row in rows]
        used = [place for place in range(max(map(len, cells))) if any(row[place : place + 1] > [""] for row in cells)]
        filled = [[row[place] if place < len(row) else "" for place in used] for row in cells]
        filled = [row for row in filled if any(row)]
        if len(used) < 2 or len(filled) < 2:
            for row in filled:
                self.put([" | ".join(filter(None, row))], "block")
            return
        self.put(pipe_table(filled), "block")

    def heading(self, level: int, title: str) -> None:
        self.put(["#" * level + " " + put_back(escaped_heading(title), self._aside)], "block")

    def quotation(self, inside: _Page) -> None:
        if lines := inside.whole():
            self.put([f"> {line}".rstrip(" ") for line in lines.split("\n")], "block")

    def code(self, lines: list[str]) -> None:
        self.put(fence(put_back("\n".join(lines), self._aside).translate(_TO_SPACES), ""), "block")

    def text(self, line: str) -> None:
        if (alone := ASIDE_MARK.fullmatch(line)) is not None and "\n" in self._aside[int(alone[1])]:
            self.put(self._aside[int(alone[1])].split("\n"), "block")
        else:
            self.put([self._line(line)], "text")

    def _line(self, text: str, is_cell: bool = False) -> str:
        text = put_back(escaped(text.strip(" "), begins_line=not is_cell), self._aside)
        return " ".join(text.replace("|", "\\|").split("\n")) if is_cell else text

    def whole(self) -> str:
        return "\n".join(self._parts).strip("\n")


def to_markdown(text: str, aside: list[str]) -> str:
    """The Markdown of a page.

    text: with marks for headings (HEADING, level), quotations (QUOTE, END_QUOTE), items (ITEM and their marks at the
    end of the line), cells (CELL) and spaces that count (SPACE, TAB); aside: what was kept aside.
    """
    page = _Page(aside)
    around: list[_Page] = []  # what the quotations that are open stand in
    rows: list[list[str]] = []
    code: list[str] = []
    for line in [*text.split("\n"), ""]:
        if rows and CELL not in line:
            page.table(rows)
            rows = []
        if code and _CODE.search(line) is None:
            page.code(code)
            code = []
        if not line:
            page.end_line()
        elif line == QUOTE:
            around.append(page)
            page = _Page(aside)
        elif line == END_QUOTE:
            if around:
                around[-1].quotation(page)
                page = around.pop()
        elif line[0] == HEADING:
            page.heading(int(line[1]) if line[1:2].isdigit() else 1, line[2:])
        elif CELL in line:
            row, is_item, _ = line.partition(ITEM)  # an item that a template put into a cell
            rows.append([cell.strip(" \t") for cell in row.removeprefix("- " if is_item else "").split(CELL)])
        elif _CODE.search(line) is not None:
            code.append(line)
        elif ITEM in line:
            content, _, marks = line.removeprefix("- ").rpartition(ITEM)
            page.item(marks, content)
        else:
            page.text(line)
    for outer in reversed(around):  # what no tag ends is no quotation
        outer.put(page.whole().split("\n"), "block")
        page = outer
    return page.whole()
