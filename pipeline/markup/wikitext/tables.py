"""Tables of wikitext: a line for each row, cells parted by ` | `, or nothing of them.

Cells without text keep their place, but for the last ones, and lose it where most of a row is empty, as in HTML.
"""

from __future__ import annotations

import re

from pipeline.markup.wikitext.tags import CELL, CUT, tags_to_spaces

_ANY_TABLE = re.compile(rf"\n[ \t:*#{CUT}]*+(?:\{{\||\|)")
_LINE = re.compile(rf"[ \t{CUT}]*+(\|\}}+|\|-|\|\+|\||!)")
_OPENING = re.compile(rf"[ \t:*#{CUT}]*+\{{\|(?!\}})")
# Tables that are not content, by their class: the same words on wikis of many languages.
_NOT_CONTENT = re.compile(
    r"infobox|navbox|metadata|noprint|mbox|sinottico|avviso|toccolou?rs|taxobox|bandeau|navigation|sisterproject"
    r"|display\s{0,9}:\s{0,9}none|vertical-navbox|stub",
    re.IGNORECASE,
)
_CELL_LIMIT = 600  # characters of a cell beyond which it is prose in a layout and gets lines of its own
_SPAN = re.compile(r"\b(col|row)span\s*+=\s*+[\"']?([0-9]{1,4})", re.IGNORECASE)
_MAX_SPAN = 100  # columns or rows
_SEPARATOR = " | "
_ROW = re.compile(rf"\n([^\n{CELL}]*+{CELL}[^\n]*+)")


class _Rows:
    """Collects the lines of the page; cells of the open row wait for its end."""

    def __init__(self, markdown: bool) -> None:
        self.lines: list[str] = []
        self.markdown = markdown  # cells that span others leave these empty
        self.taken: dict[int, int] = {}  # columns that cells above span, for how many rows more
        self.cells: list[list[str]] | None = None  # lines of each cell of the open row

    def end_row(self) -> None:
        cells, self.cells = self.cells, None
        if cells and self.taken:
            self._skip_taken(cells)
            self.taken = {column: rows - 1 for column, rows in self.taken.items() if rows > 1}
        if not cells:
            return
        row: list[str] = []
        has_prose = False
        for lines in cells:
            kept = [line for line in lines if line.strip(f" \t{CUT}")]
            is_prose = sum(map(len, kept)) > _CELL_LIMIT or any(line.startswith(("=", "*", "#")) for line in kept)
            if is_prose:
                self._write([cell for cell in row if cell])  # a layout has no columns to keep
                row = []
                has_prose = True
                self.lines += lines
            else:
                row.append(tags_to_spaces(" ".join(line.strip() for line in kept)).strip(f" \t|{CUT}"))
        self._write([cell for cell in row if cell] if has_prose else row)

    def begin_row(self) -> list[list[str]]:
        """The cells of the row that is open, a new one where none is."""
        if self.cells is None:
            self.cells = []
        return self.cells

    def add_cell(self, cell: str) -> None:
        cells = self.begin_row()
        if not self.markdown:
            cells.append([_content(cell)])
            return
        self._skip_taken(cells)
        attributes = cell.partition("|")[0] if "|" in cell else ""
        spans = {name.lower(): min(int(number), _MAX_SPAN) for name, number in _SPAN.findall(attributes)}
        for column in range(max(1, spans.get("col", 1))):
            if (rows := spans.get("row", 1)) > 1:
                self.taken[len(cells)] = rows
            cells.append([_content(cell)] if column == 0 else [""])

    def _skip_taken(self, cells: list[list[str]]) -> None:
        while self.taken.get(len(cells), 0) > 0:
            cells.append([""])

    def _write(self, row: list[str]) -> None:
        if any(row):
            self.lines.append(f" {CELL} ".join(row))

    def add(self, line: str) -> None:
        """A line that is no table markup: of the last cell where a row is open."""
        if self.cells:
            self.cells[-1].append(line)
        else:
            self.lines.append(line)


def render_tables(text: str, keep: bool = True, markdown: bool = False) -> str:
    """Text, which starts with a line end, with its tables as rows of cells, or, where not `keep`, without them.

    `CELL` parts the cells, because what follows may still empty them: `join_cells` ends their rows.

    A table that nothing closes ends before the next heading or where the page does. Lines of cells outside of tables,
    which templates opened, are rows too. Links must have been replaced before: their pipes would part cells.
    """
    if _ANY_TABLE.search(text) is None:
        return text
    rows = _Rows(markdown)
    dropped: list[bool] = []  # for each open table whether it is dropped, by itself or with one around it
    for line in text.split("\n"):
        head = line.lstrip(f" \t:*#{CUT}")[:2]
        if head == "{|" and _OPENING.match(line) is not None:
            rows.end_row()
            rows.taken.clear()
            is_dropped = not keep or bool(dropped and dropped[-1]) or _NOT_CONTENT.search(line) is not None
            dropped.append(is_dropped)
            rows.lines.append(CUT if is_dropped else "")
            continue
        if head[:1] not in ("|", "!") or (mark := _LINE.match(line)) is None:
            if line.startswith("==") and line.rstrip(f" \t{CUT}").endswith("==") and dropped:
                # Headings stand in no table but those that nobody closed, and in layouts, whose cells are prose.
                rows.end_row()
                dropped = []
            if not (dropped and dropped[-1]):
                rows.add(line)
            continue
        kind = mark[1]
        rest = line[mark.end() :]
        if kind[0] == "!" and not dropped:
            rows.add(line)
        elif kind.startswith("|}"):
            was_dropped = bool(dropped and dropped.pop())
            if not was_dropped:
                rows.end_row()
                rows.taken.clear()
                rows.lines.append("")
            if rest.strip():
                rows.lines.append(rest)
        elif dropped and dropped[-1]:
            continue
        elif kind == "|-":
            rows.end_row()
        elif kind == "|+":
            rows.end_row()
            rows.lines.append(_content(rest))
        else:
            if kind == "!":
                rest = rest.replace("!!", "||")
            for cell in rest.split("||"):
                rows.add_cell(cell)
    rows.end_row()
    return "\n".join(rows.lines)


def join_cells(text: str) -> str:
    """Text, which starts with a line end, with ` | ` for `CELL`, and without the rows that were emptied."""
    return _ROW.sub(_row_line, text) if CELL in text else text


def _row_line(row: re.Match[str]) -> str:
    cells = [cell.strip(" \t") for cell in row[1].split(CELL)]
    texts = [cell for cell in cells if cell]
    if texts == ["-"]:  # as an item of which nothing else is left
        return ""
    while cells and not cells[-1]:
        cells.pop()
    if len(texts) < 2 or 2 * len(texts) < len(cells):
        return "\n" + _SEPARATOR.join(texts) if texts else ""
    return "\n" + _SEPARATOR.join(cells).lstrip(" ")


def _content(cell: str) -> str:
    """A cell without its attributes, which stand before a single pipe."""
    _, separator, content = cell.partition("|")
    return (content if separator else cell).strip(" \t")
