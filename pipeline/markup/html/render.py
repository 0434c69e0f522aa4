"""Kept blocks to text: a line a block, items with "- " or a number, cells of a row side by side, `<pre>` as it is."""

from __future__ import annotations

import re

import numpy as np

from pipeline.markup.html import layout as L
from pipeline.markup.html.layout import Scanned
from pipeline.markup.html.tables import TAG

CELLS = (TAG["td"], TAG["th"])
HEADINGS = frozenset(range(TAG["h1"], TAG["h6"] + 1))
_OL, _DIV = TAG["ol"], TAG["div"]
LINE_OF_CODE = L.SPACES_SHOWN | L.IN_CODE
# A row stands in one line where its cells hold words rather than a page's columns: at most so many blocks a cell, and
# where there are two or more, short ones (bytes).
_MAX_LINES, _LONG_LINE = 6, 100
_LONGEST_NUMBER = 5  # bytes: of a line of code
_MAX_ABOVE = 6  # elements between a block and its cell
_MAX_INDENT = 8
# Lines beside each other that are indented by no-break spaces keep that where at least half of them look like code, or
# where they are so many lines of verse, none longer than this: elsewhere it begins paragraphs.
_CODE_LINE = re.compile(
    r"[;{}(\[:,\\]$|^[)}\]]|^(?:#|//|/\*|@\w|>>> |\$ |(?:import|from|def|return|if|elif|else|for|while|end|fi|done|"
    r"function|class|var|let|const|print|public|private|static|echo|raise|try|except|case|switch|begin)\b)| [-+*/]?= |"
    r"[=!<>]= |\w\(.*\)|=>|->|::|&&|\|\||</?\w"
)
_MIN_VERSE, _LONGEST_VERSE, _LEAST_INDENT = 4, 80, 2


def number_of(nodes: np.ndarray, item: int) -> str:
    """What stands before an item: "- ", or "3. " in an ordered list, with letters where the list asks for them."""
    parent = int(nodes[item, L.N_PARENT])
    if nodes[parent, L.N_TAG] != _OL:
        return "- "
    number, style = int(nodes[item, L.N_NUMBER]), int(nodes[parent, L.N_STYLE])
    if style & L.LIST_FROM_END:
        number += 1 - int(nodes[parent, L.N_NUMBER])
    kind = chr(style & 127)
    if kind in "aA" and 1 <= number <= 26:
        return f"{chr(ord(kind) + number - 1)}. "
    if kind in "iI" and 1 <= number < 400:
        roman = "".join(
            digits[number // unit % 10]
            for unit, digits in (
                (100, ("", "c", "cc", "ccc", "", "", "", "", "", "")),
                (10, ("", "x", "xx", "xxx", "xl", "l", "lx", "lxx", "lxxx", "xc")),
                (1, ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix")),
            )
        )
        return f"{roman if kind == 'i' else roman.upper()}. "
    return f"{number}. "


def _cells_of(nodes: np.ndarray, places: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The cell that each block stands in, of its row's own; -1 where there is none."""
    cells = np.where(rows >= 0, places, -1)
    found = np.full(len(places), -1, np.int64)
    for _ in range(_MAX_ABOVE):
        inside = cells > 0
        if not inside.any():
            break
        at = np.where(inside, cells, 0)
        is_cell = inside & np.isin(nodes[at, L.N_TAG], CELLS) & (nodes[at, L.N_ROW] == rows)
        found[is_cell] = at[is_cell]
        cells = np.where(inside & ~is_cell & (nodes[at, L.N_ROW] == rows) & (at != rows), nodes[at, L.N_PARENT], -1)
    return found


def _rows_of_words(rows: np.ndarray, cells: np.ndarray, sizes: np.ndarray, plain: np.ndarray) -> np.ndarray:
    """For each block, whether its row is written as one line: see _MAX_LINES."""
    _, cell_of, lines = np.unique(cells, return_inverse=True, return_counts=True)
    longest = np.zeros(len(lines), np.int64)
    np.maximum.at(longest, cell_of, sizes)
    unfit = ((lines > _MAX_LINES) | ((lines > 1) & (longest > _LONG_LINE)))[cell_of] | ~plain | (cells < 0)
    _, row_of = np.unique(rows, return_inverse=True)
    found: np.ndarray = (np.bincount(row_of, unfit)[row_of] == 0) & (rows >= 0)
    return found


def _lines_of_code(nodes: np.ndarray, blocks: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """For each block, whether its cell holds lines of code and nothing else, one of them indented."""
    _, cell_of, lines = np.unique(cells, return_inverse=True, return_counts=True)
    in_code = nodes[blocks[:, L.B_INNER], L.N_FLAGS] & L.IN_CODE != 0
    indented = np.bincount(cell_of, blocks[:, L.B_INDENT] > 0)
    found: np.ndarray = ((lines > 1) & (np.bincount(cell_of, in_code) == lines) & (indented > 0))[cell_of]
    return found & (cells >= 0)


def _code_among_words(scanned: Scanned, blocks: np.ndarray, rows: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """For each block, whether it is one line of `<pre>`, alone in its cell, in a row that has words in another cell."""
    in_pre = scanned.nodes[blocks[:, L.B_NODE], L.N_FLAGS] & L.IN_PRE != 0
    _, row_of = np.unique(rows, return_inverse=True)
    _, cell_of, lines = np.unique(cells, return_inverse=True, return_counts=True)
    sizes, first = blocks[:, L.B_END] - blocks[:, L.B_START], blocks[:, L.B_FIRST]
    is_words = ~in_pre & ((sizes > _LONGEST_NUMBER) | ((sizes > 1) & (first > ord("9"))))
    found: np.ndarray = in_pre & (rows >= 0) & (lines[cell_of] == 1) & (np.bincount(row_of, is_words)[row_of] > 0)
    for place in np.flatnonzero(found).tolist():
        found[place] = 10 not in scanned.text[blocks[place, L.B_START] : blocks[place, L.B_END]]
    return found


def _with_empty_cells(nodes: np.ndarray, scanned: Scanned, rows: list[int]) -> dict[int, dict[int, int]]:
    """For each row, the places of its cells among those it has, where more than half of them hold text."""
    wanted = np.flatnonzero(np.isin(nodes[:, L.N_TAG], CELLS) & np.isin(nodes[:, L.N_ROW], rows))
    columns: dict[int, dict[int, int]] = {row: {} for row in rows}
    for cell, row in zip(wanted.tolist(), nodes[wanted, L.N_ROW].tolist(), strict=True):
        columns[row][cell] = len(columns[row])
    return columns


def _row_line(cells: list[int], lines: list[list[str]], columns: dict[int, int]) -> str:
    """A row: its cells with " | " between them, those without text too, but for what is empty at its end."""
    texts = [" ".join(each) for each in lines]
    places = [columns.get(cell, -1) for cell in cells]
    if -1 in places or 2 * len(cells) < places[-1] + 1 or len(cells) == 1:
        return " | ".join(texts)
    row = [""] * (places[-1] + 1)
    for place, text in zip(places, texts, strict=True):
        row[place] = text
    return " | ".join(row).lstrip(" ") if row[0] else "| " + " | ".join(row[1:])


def indents_of(scanned: Scanned, blocks: np.ndarray) -> tuple[list[int], np.ndarray]:
    """Columns that each block is indented by, of code, and of verse, where no-break spaces show them; and whether it is
    a line of code by its look alone.
    """
    indents = blocks[:, L.B_INDENT]
    looks_like_code = np.zeros(len(blocks), bool)
    if not indents.any():
        return [0] * len(blocks), looks_like_code
    nodes = scanned.nodes
    is_code = nodes[blocks[:, L.B_INNER], L.N_FLAGS] & L.IN_CODE != 0
    places = blocks[:, L.B_NODE]
    parents = nodes[places, L.N_PARENT]
    # Lines of one element (parted by `<br>`), or of elements beside each other.
    beside = (places[1:] == places[:-1]) | ((parents[1:] == parents[:-1]) & (nodes[places[1:], L.N_TAG] == _DIV))
    ends = [*(np.flatnonzero(~beside) + 1).tolist(), len(blocks)]
    shown = np.where(is_code, indents, 0)
    start = 0
    for end in ends:
        run, start = slice(start, end), end
        if indents[run].max() < _LEAST_INDENT or is_code[run].all() or nodes[places[run], L.N_ITEM].max() >= 0:
            continue
        lines = [scanned.text[a:b].tobytes().decode("utf-8") for a, b in blocks[run, L.B_START : L.B_END + 1].tolist()]
        num_code = sum(_CODE_LINE.search(line) is not None for line in lines)
        looks_like_code[run] = len(lines) > 1 and 2 * num_code >= len(lines)
        is_verse = len(lines) >= _MIN_VERSE and indents[run].min() == 0 and max(map(len, lines)) <= _LONGEST_VERSE
        if is_verse or looks_like_code[run].any():
            shown[run] = indents[run]
    found: list[int] = shown.tolist()
    return found, looks_like_code


def rows_of(scanned: Scanned, blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each block the row that it is written in one line with, and the cell that it stands in; -1 without."""
    nodes = scanned.nodes
    places = blocks[:, L.B_NODE]
    around = nodes[places]
    rows = around[:, L.N_ROW]
    if not (rows >= 0).any():
        return (none := np.full(len(blocks), -1, np.int64)), none
    cells = _cells_of(nodes, places, rows)
    flags, tags = around[:, L.N_FLAGS], around[:, L.N_TAG]
    plain = (flags & L.IN_PRE == 0) & (flags & LINE_OF_CODE != LINE_OF_CODE) & ~np.isin(tags, list(HEADINGS))
    plain &= ~_lines_of_code(nodes, blocks, cells)
    if not plain.all():
        plain |= _code_among_words(scanned, blocks, rows, cells)
    joined = _rows_of_words(rows, cells, blocks[:, L.B_END] - blocks[:, L.B_START], plain)
    return np.where(joined, rows, -1), cells


def begins_item(nodes: np.ndarray, node: int, item: int) -> bool:
    """Whether the first block of an item, which stands in `node`, has the item's mark before it."""
    if item not in (node, nodes[node, L.N_PARENT]) or nodes[node, L.N_TAG] in HEADINGS:
        return False
    return not nodes[item, L.N_FLAGS] & L.IN_PRE  # there, it numbers lines


def render(scanned: Scanned, kept: np.ndarray) -> str:
    """The text of the blocks whose numbers are `kept`, in order, in Unicode's composed form (NFC)."""
    text, nodes = scanned.text.tobytes(), scanned.nodes
    blocks = scanned.blocks[kept]
    places = blocks[:, L.B_NODE]
    around = nodes[places]
    starts, ends = blocks[:, L.B_START].tolist(), blocks[:, L.B_END].tolist()
    rows, cells = rows_of(scanned, blocks)
    columns: dict[int, dict[int, int]] = {}
    if (rows >= 0).any():
        columns = _with_empty_cells(nodes, scanned, sorted(set(rows.tolist()) - {-1}))
    lines: list[str] = []
    last_item = open_row = -1
    row_cells: list[int] = []
    row_lines: list[list[str]] = []
    for start, end, indent, node, row, cell, (item, lists) in zip(
        starts,
        ends,
        indents_of(scanned, blocks)[0],
        places.tolist(),
        rows.tolist(),
        cells.tolist(),
        around[:, [L.N_ITEM, L.N_LISTS]].tolist(),
        strict=True,
    ):
        line = text[start:end].decode("utf-8")
        if open_row >= 0 and row != open_row:
            lines.append(_row_line(row_cells, row_lines, columns[open_row]))
        if row >= 0:
            line = line.replace("\n", " ")
            if row != open_row:
                row_cells, row_lines = [], []
            if row_cells and row_cells[-1] == cell:
                row_lines[-1].append(line)
            else:
                row_cells.append(cell)
                row_lines.append([line])
        else:
            if indent:
                line = " " * indent + line
            if item >= 0 and item != last_item and begins_item(nodes, node, item):
                line = "  " * (min(lists, _MAX_INDENT) - 1) + number_of(nodes, item) + line
            lines.append(line)
        open_row, last_item = row, item
    if open_row >= 0:
        lines.append(_row_line(row_cells, row_lines, columns[open_row]))
    return "\n".join(lines)
