"""Which blocks are kept: their scores, less what is hidden, and tables of data as a whole."""

from __future__ import annotations

import numpy as np

from pipeline.extractors.html_main.layout import (
    B_CHARS,
    B_CJK,
    B_INNER,
    B_NODE,
    HIDDEN,
    IN_ASIDE,
    IN_FOOTER,
    IN_FORM,
    IN_NAV,
    N_FLAGS,
    N_PARENT,
    N_ROW,
    N_TAG,
    Scanned,
)
from pipeline.extractors.html_main.model import Model, score_blocks
from pipeline.extractors.html_main.tables import TAG

_CELLS = (TAG["td"], TAG["th"])
_SECTIONS = (TAG["thead"], TAG["tbody"], TAG["tfoot"])
_HIDDEN_SHARE = 0.5  # of a page's text: above it, scripts show what styles hide
# Where fewer letters than this are kept (a CJK character is 2.5), the page may be of an unusual kind: what is less
# likely is taken too. Measured: nothing on pages like those learned from, 0.8 points on others.
_FEW_LETTERS, _LESS_LIKELY = 400, 0.15
# A table holds data if it has two rows, nearly two cells a row, most text directly in cells, and short cells. It is
# kept as a whole if its mean score is above the last number. Measured: no change of the scores, but no torn tables.
_MIN_ROWS, _MIN_CELLS, _CELL_SHARE, _MAX_CELL, _MIN_MEAN = 2, 1.7, 0.7, 120, 0.3


def _keep_whole_tables(scanned: Scanned, scores: np.ndarray, threshold: float) -> None:
    """Set the scores of blocks in tables of data to 1 where enough of the table is kept."""
    blocks, nodes = scanned.blocks, scanned.nodes
    rows = nodes[blocks[:, B_NODE], N_ROW]
    inside = np.flatnonzero(rows >= 0)
    if not (scores[inside] > threshold).any():
        return
    rows, row_of = np.unique(rows[inside], return_inverse=True)
    tables = nodes[rows, N_PARENT]
    tables = np.where(np.isin(nodes[tables, N_TAG], _SECTIONS), nodes[tables, N_PARENT], tables)
    tables, table_of_row = np.unique(tables, return_inverse=True)
    table_of = table_of_row[row_of]
    num_rows = np.bincount(table_of_row)
    num_blocks = np.bincount(table_of)
    sizes = blocks[inside, B_CHARS] + 10.0
    size = np.bincount(table_of, sizes)
    cells = np.bincount(table_of, np.isin(nodes[blocks[inside, B_NODE], N_TAG], _CELLS))
    whole = (
        (num_rows >= _MIN_ROWS)
        & (num_blocks >= _MIN_CELLS * num_rows)
        & (size <= _MAX_CELL * num_blocks)
        & (cells >= _CELL_SHARE * num_blocks)
        & (np.bincount(table_of, scores[inside] > threshold) > 0)
        & (np.bincount(table_of, scores[inside] * sizes) > _MIN_MEAN * size)
    )
    scores[inside[whole[table_of]]] = 1


def kept_blocks(scanned: Scanned, title: str, model: Model) -> np.ndarray:
    """Numbers of the blocks that are main content, in order."""
    blocks, nodes = scanned.blocks, scanned.nodes
    if not len(blocks):
        return np.zeros(0, np.int64)
    scores = score_blocks(
        scanned.text,
        blocks,
        nodes,
        scanned.words,
        np.frombuffer(title.encode("utf-8", "replace"), np.uint8),
        model.word_weights,
        model.first,
        model.second,
    )
    threshold = model.threshold
    kept = blocks[scores > threshold]
    if kept[:, B_CHARS].sum() + 1.5 * kept[:, B_CJK].sum() < _FEW_LETTERS:
        aside = (nodes[blocks[:, B_INNER], N_FLAGS] & (IN_NAV | IN_FOOTER | IN_ASIDE | IN_FORM)) != 0
        scores[aside & (scores <= threshold)] = 0
        threshold = _LESS_LIKELY
    _keep_whole_tables(scanned, scores, threshold)
    hidden = (nodes[blocks[:, B_INNER], N_FLAGS] & HIDDEN) != 0
    if hidden.any() and blocks[hidden, B_CHARS].sum() <= _HIDDEN_SHARE * blocks[:, B_CHARS].sum():
        scores[hidden] = 0
    return np.flatnonzero(scores > threshold)
