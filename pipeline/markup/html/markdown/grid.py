"""Tables as grids: the column of each cell, where cells span several columns or rows; and which tables are data."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from pipeline.markup.html.layout import N_PARENT, N_ROW, N_TAG
from pipeline.markup.html.tables import TAG

_TR, _TH, _THEAD = TAG["tr"], TAG["th"], TAG["thead"]
SECTIONS = (_THEAD, TAG["tbody"], TAG["tfoot"])
_MAX_COLUMNS = 100  # a table with more is written in lines
_LAYOUT = frozenset({"presentation", "none"})  # roles of tables that are no tables
# A grid that is emptier than this is the layout of something: lines.
_MOST_PLACES = 8  # places for each cell with text

Attributes = Callable[[int], Mapping[str, str]]


def table_of(nodes: np.ndarray, row: int) -> int:
    """The table of a row."""
    parent = int(nodes[row, N_PARENT])
    return int(nodes[parent, N_PARENT]) if nodes[parent, N_TAG] in SECTIONS else parent


def columns_of(nodes: np.ndarray, rows: list[int], cells: list[int], attributes: Attributes) -> dict[int, int] | None:
    """The first column of each cell of a table, by the HTML standard's way to form one; None where they are too many.

    rows: all rows of the table, in order; cells: theirs, in order.
    """
    places: dict[int, int] = {}
    taken: dict[int, int] = {}  # columns that a cell above spans, up to before which row
    number = {row: place for place, row in enumerate(rows)}
    column, last = 0, -1
    for cell in cells:
        row = number[int(nodes[cell, N_ROW])]
        column = column if row == last else 0
        last = row
        while taken.get(column, 0) > row:
            column += 1
        found = attributes(cell)
        width, height = _span(found, "colspan", 1), _span(found, "rowspan", len(rows))
        if column + width > _MAX_COLUMNS:
            return None
        places[cell] = column
        if height > 1:
            taken.update(dict.fromkeys(range(column, column + width), row + height))
        column += width
    return places


def _span(attributes: Mapping[str, str], name: str, of_all: int) -> int:
    """How many rows or columns a cell spans; 0 rows are all that follow."""
    digits = attributes.get(name, "1").strip()
    if not (digits.isascii() and digits.isdigit()):
        return 1
    return max(1, int(digits[:6])) if int(digits[:6]) else of_all


def grid(
    nodes: np.ndarray, lines: dict[int, dict[int, str]], places: Mapping[int, int], role: str, is_first: bool
) -> list[list[str]] | None:
    """The rows of a table of GitHub's, header first; None where the table is none of data.

    lines: the texts of the cells of each row; places: their columns; is_first: whether the table begins with these.
    Columns without text go. The header is the first row if it has header cells alone, or no row has any.
    """
    used = sorted({places[cell] for cells in lines.values() for cell in cells if cell in places})
    filled = sum(len(cells) for cells in lines.values())
    if role.lower() in _LAYOUT or len(used) < 2 or len(lines) < 2 or len(used) * len(lines) > _MOST_PLACES * filled:
        return None
    if any(cell not in places for cells in lines.values() for cell in cells):
        return None
    at = {column: place for place, column in enumerate(used)}
    rows: list[list[str]] = []
    for cells in lines.values():
        row = [""] * len(used)
        for cell, text in cells.items():
            row[at[places[cell]]] = text
        rows.append(row)
    if not (is_first and _has_header(nodes, lines)):
        rows.insert(0, [""] * len(used))
    return rows


def _has_header(nodes: np.ndarray, lines: dict[int, dict[int, str]]) -> bool:
    first, cells = next(iter(lines.items()))
    if nodes[nodes[first, N_PARENT], N_TAG] == _THEAD or all(nodes[cell, N_TAG] == _TH for cell in cells):
        return True
    return not any(nodes[cell, N_TAG] == _TH for cells in lines.values() for cell in cells)
