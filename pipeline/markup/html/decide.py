"""Which blocks are kept: their scores, less what is hidden or a box, and tables and the like as a whole."""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import entry
from pipeline.markup.html.comments import with_options
from pipeline.markup.html.formula_blocks import keep_formulas
from pipeline.markup.html.layout import (
    ARIA_HIDDEN,
    B_CHARS,
    B_CJK,
    B_HASH,
    B_INNER,
    B_LAST,
    B_LINK_CHARS,
    B_NODE,
    B_SPACES,
    HIDDEN,
    IN_ASIDE,
    IN_BUTTON,
    IN_CAPTION,
    IN_CELL,
    IN_CODE,
    IN_DL,
    IN_FOOTER,
    IN_FORM,
    IN_HEADING,
    IN_ITEM,
    IN_NAV,
    IN_PRE,
    IN_QUOTE,
    N_FLAGS,
    N_LISTS,
    N_PARENT,
    N_ROW,
    N_TAG,
    Scanned,
)
from pipeline.markup.html.model import Model
from pipeline.markup.html.tables import TAG
from pipeline.markup.html_options import Options

_CELLS = (TAG["td"], TAG["th"])
_SECTIONS = (TAG["thead"], TAG["tbody"], TAG["tfoot"])
_H1, _H6 = TAG["h1"], TAG["h6"]
# Elements whose class names are those of the page (a post about cookies has the tag `cookies`), so say nothing.
_WHOLE_PAGE = tuple(TAG[name] for name in ("html", "body", "main", "article"))
CONSENT, COMMENTS, BOX = 1, 2, 4  # bits of the groups of `class_groups.json`
HIDDEN_SHARE = 0.5  # of a page's text: above it, scripts show what styles hide
_GROUP_SHARE = 0.5  # of a page's text: what holds more is no box, whatever its class says
# Bounds of the least score to keep, which is chosen by page: a page without main content has none.
_LEAST_CUT, _MOST_CUT = 0.2, 0.5
_ASIDE = IN_NAV | IN_FOOTER | IN_ASIDE | IN_FORM | IN_BUTTON
# A table holds data if it has two rows, nearly two cells a row, most text directly in cells, and short cells. It is
# kept as a whole if its mean score is above the last number. Measured: no change of the scores, but no torn tables.
_MIN_ROWS, _MIN_CELLS, _CELL_SHARE, _MAX_CELL, _MIN_MEAN = 2, 1.7, 0.7, 120, 0.2
# Code, tables, lists, quotations and terms between two kept blocks of the same element are kept, if they are not mostly
# links, at least this likely in the mean, and no more than so many blocks.
_FORMED = IN_PRE | IN_CELL | IN_ITEM | IN_QUOTE | IN_DL | IN_CAPTION
_MIN_BETWEEN, _MAX_BETWEEN, _MAX_LINKED = 0.04, 60, 0.4
# A score says little of an item of a word or two, so what is left of a list goes where its neighbours go: it stays
# where an item of the list is kept, or the line before the list is and ends with a colon. It must be items with text of
# their own and at most so many characters, not mostly links, at least this likely in the mean and each; and the list
# must hold no heading, else it is the layout of a page.
_LISTS, _LI = (TAG["ul"], TAG["ol"]), TAG["li"]
_MAX_REST, _MIN_REST, _MIN_EACH = 60, 0.1, 0.02
_COLONS = (0x3A, 0xFF1A)


@entry
def _inherit(parents: np.ndarray, bits: np.ndarray) -> None:
    """Add to the bits of each element those of what it stands in."""
    for node in range(1, parents.size):
        bits[node] |= bits[parents[node]]


def _groups(scanned: Scanned, model: Model) -> np.ndarray:
    """Of each block, the bits of the groups whose class words are on an element that it stands in."""
    blocks, nodes, words = scanned.blocks, scanned.nodes, scanned.words
    bits = np.zeros(len(nodes), np.int32)
    found = model.word_groups[words[:, 1]] & (CONSENT | COMMENTS | BOX)
    np.bitwise_or.at(bits, words[found > 0, 0], found[found > 0])
    bits[np.isin(nodes[:, N_TAG], _WHOLE_PAGE)] = 0
    bits[nodes[:, N_FLAGS] & (IN_PRE | IN_CODE) != 0] = 0  # colours of code: a comment is none of the page's
    if not bits.any():
        return np.zeros(len(blocks), np.int32)
    parents = np.ascontiguousarray(nodes[:, N_PARENT])
    _inherit(parents, bits)
    groups: np.ndarray = bits[blocks[:, B_INNER]]
    size = blocks[:, B_CHARS].sum()
    for bit in (CONSENT, COMMENTS, BOX):
        if blocks[groups & bit > 0, B_CHARS].sum() > _GROUP_SHARE * size:
            groups &= ~bit
    return groups


def _keep_whole_tables(scanned: Scanned, scores: np.ndarray, threshold: float) -> None:
    """Set the scores of blocks in tables of data to 1 where enough of the table is kept."""
    blocks, nodes = scanned.blocks, scanned.nodes
    rows = nodes[blocks[:, B_NODE], N_ROW]
    inside = np.flatnonzero(rows >= 0)
    if not len(inside):
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
    places = blocks[inside, B_NODE]
    in_cell = np.isin(nodes[places, N_TAG], _CELLS) | np.isin(nodes[nodes[places, N_PARENT], N_TAG], _CELLS)
    whole = (
        (num_rows >= _MIN_ROWS)
        & (num_blocks >= _MIN_CELLS * num_rows)
        & (size <= _MAX_CELL * num_blocks)
        & (np.bincount(table_of, in_cell) >= _CELL_SHARE * num_blocks)
        & (np.bincount(table_of, scores[inside] > threshold) > 0)
        & (np.bincount(table_of, scores[inside] * sizes) > _MIN_MEAN * size)
    )
    scores[inside[whole[table_of]]] = 1


def _keep_between(scanned: Scanned, scores: np.ndarray, threshold: float) -> None:
    """Set the scores of what has a form of its own, and stands between kept blocks, to 1: see _MIN_BETWEEN."""
    blocks, nodes = scanned.blocks, scanned.nodes
    flags = nodes[blocks[:, B_INNER], N_FLAGS]
    kept = np.flatnonzero(scores > threshold)
    for first, last in zip(kept[:-1].tolist(), kept[1:].tolist(), strict=True):
        if not 1 < last - first <= _MAX_BETWEEN + 1:
            continue
        run = slice(first + 1, last)
        if not ((flags[run] & _FORMED != 0) & (flags[run] & _ASIDE == 0)).all():
            continue
        chars = blocks[run, B_CHARS]
        if scores[run].mean() < _MIN_BETWEEN or blocks[run, B_LINK_CHARS].sum() > _MAX_LINKED * chars.sum():
            continue
        around = set()
        node = int(blocks[first, B_NODE])
        for _ in range(3):
            around.add(node)
            node = max(0, int(nodes[node, N_PARENT]))
        node = int(nodes[blocks[last, B_NODE], N_PARENT])
        if node in around or int(nodes[node, N_PARENT]) in around:
            scores[run] = 1


@entry
def _outer_lists(tags: np.ndarray, parents: np.ndarray, unordered: int, ordered: int) -> np.ndarray:
    """For each element, the outermost list that it is or stands in; -1 where it stands in none."""
    outer = np.full(tags.size, -1, np.int32)
    for node in range(1, tags.size):
        outer[node] = outer[parents[node]]
        if outer[node] < 0 and (tags[node] == unordered or tags[node] == ordered):
            outer[node] = node
    return outer


def _keep_whole_lists(scanned: Scanned, scores: np.ndarray, threshold: float) -> None:
    """Set the scores of what is left of lists to 1: see _MAX_REST."""
    blocks, nodes = scanned.blocks, scanned.nodes
    places = blocks[:, B_NODE]
    if not nodes[places, N_LISTS].any():
        return
    tags, parents = np.ascontiguousarray(nodes[:, N_TAG]), np.ascontiguousarray(nodes[:, N_PARENT])
    list_of = _outer_lists(tags, parents, *_LISTS)[places]
    flags = nodes[blocks[:, B_INNER], N_FLAGS]
    ends = np.flatnonzero(np.diff(list_of, append=-2) != 0) + 1
    for first, stop in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        if list_of[first] < 0:
            continue
        run = slice(first, stop)
        rest = first + np.flatnonzero(scores[run] <= threshold)
        if not len(rest) or (flags[run] & (_ASIDE | IN_HEADING) != 0).any():
            continue
        if len(rest) == stop - first and not _is_announced(scanned, scores, threshold, first, int(list_of[first])):
            continue
        are_items = (tags[places[rest]] == _LI).all() and blocks[rest, B_CHARS].max() <= _MAX_REST
        are_links = blocks[run, B_LINK_CHARS].sum() > _MAX_LINKED * blocks[run, B_CHARS].sum()
        if are_items and not are_links and scores[rest].mean() >= _MIN_REST and scores[rest].min() >= _MIN_EACH:
            scores[rest] = 1


def _is_announced(scanned: Scanned, scores: np.ndarray, threshold: float, first: int, list_: int) -> bool:
    """Whether the block before a list is kept, ends with a colon, and stands beside the list."""
    blocks, nodes = scanned.blocks, scanned.nodes
    if first == 0 or scores[first - 1] <= threshold or blocks[first - 1, B_LAST] not in _COLONS:
        return False
    around, before = int(nodes[list_, N_PARENT]), int(blocks[first - 1, B_NODE])
    return around in (before, int(nodes[before, N_PARENT]))


def _repeated_headline(scanned: Scanned, kept: np.ndarray) -> np.ndarray:
    """The kept blocks without those of the headline's words before it: breadcrumbs, a label."""
    tags = scanned.nodes[scanned.blocks[kept, B_NODE], N_TAG]
    headline = np.flatnonzero(tags == _H1)
    if not len(headline) or not 0 < headline[0] <= 5:
        return kept
    hashes = scanned.blocks[kept, B_HASH]
    again = (hashes == hashes[headline[0]]) & (np.arange(len(kept)) < headline[0])
    left: np.ndarray = kept[~again]
    return left


def best_cut(scores: np.ndarray, num_words: np.ndarray) -> float:
    """The threshold with the greatest expected F1 of words, if scores are probabilities; in [_LEAST_CUT, _MOST_CUT].

    With blocks in order of their scores, precision and recall of the first k are estimated by sums of score x words
    (Lipton et al. 2014, "Optimal thresholding of classifiers to maximize F1 measure").
    """
    order = np.argsort(-scores, kind="stable")
    ranked, words = scores[order].astype(np.float64), num_words[order].astype(np.float64)
    found = np.cumsum(ranked * words)
    best = int(np.argmax(found / (np.cumsum(words) + found[-1])))
    return float(min(_MOST_CUT, max(_LEAST_CUT, ranked[best] - 1e-6)))


def kept_blocks(scanned: Scanned, scores: np.ndarray, model: Model, options: Options) -> np.ndarray:
    """Numbers of the blocks that are main content, in order. scores: those of `model.judge`, which are changed."""
    blocks, nodes = scanned.blocks, scanned.nodes
    if not len(blocks):
        return np.zeros(0, np.int64)
    threshold = best_cut(scores, blocks[:, B_SPACES] + blocks[:, B_CJK] + 1)
    flags = nodes[blocks[:, B_INNER], N_FLAGS]
    chars = blocks[:, B_CHARS]
    for hidden in (flags & HIDDEN != 0, flags & ARIA_HIDDEN != 0):
        if hidden.any() and chars[hidden].sum() <= HIDDEN_SHARE * chars.sum():
            scores[hidden] = 0
    groups = _groups(scanned, model)
    scores[groups & CONSENT > 0] = 0
    remarks = groups & COMMENTS > 0
    under_article = False
    if remarks.any() and chars[remarks & (scores > threshold)].sum() < chars[~remarks & (scores > threshold)].sum():
        under_article = True  # else they are a forum's or a guest book's
        scores[remarks] = 0
    keep_formulas(scanned, scores, threshold, flags & (HIDDEN | ARIA_HIDDEN) != 0)
    _keep_between(scanned, scores, threshold)
    _keep_whole_lists(scanned, scores, threshold)
    _keep_whole_tables(scanned, scores, threshold)
    kept = _repeated_headline(scanned, np.flatnonzero(scores > threshold))
    if options.comments == "keep" or options.authors == "drop":
        kept = with_options(scanned, kept, remarks, under_article, model.word_groups, options)
    return kept
