"""Decides which blocks are kept: those above the page's threshold that are not hidden and in no box.

`whole.py` adds tables, lists and what stands between kept blocks.
"""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import entry
from pipeline.documents.page_types import PAGE_TYPES
from pipeline.markup.html import layout as L
from pipeline.markup.html.comments import with_options
from pipeline.markup.html.formulas.blocks import keep_formulas
from pipeline.markup.html.layout import Scanned
from pipeline.markup.html.model import Judged, Model
from pipeline.markup.html.records import settle_slots
from pipeline.markup.html.tables import TAG
from pipeline.markup.html.whole import ASIDE, keep_between, keep_lists, keep_tables
from pipeline.markup.html_options import Options

_H1 = TAG["h1"]
# Elements whose class names are those of the page (a post about cookies has the tag `cookies`), so say nothing.
_WHOLE_PAGE = tuple(TAG[name] for name in ("html", "body", "main", "article"))
CONSENT, COMMENTS, BOX = 1, 2, 4  # bits of the groups of `class_groups.json`
HIDDEN_SHARE = 0.5  # of a page's text: above it, scripts show what styles hide
# Comments are content where the page is at least so likely a forum. With the true types, and hosts held out, forums
# gain 1.2 points of word F1 by that.
_ARTICLE, _FORUM, _IS_FORUM = PAGE_TYPES.index("article"), PAGE_TYPES.index("forum"), 0.5
_GROUP_SHARE = 0.5  # of a page's text: what holds more is no box, whatever its class says
# Bounds of the least score to keep, which is chosen by page: a page without main content has none.
_LEAST_CUT, _MOST_CUT, _LEVELS = 0.2, 0.5, 40


@entry
def _set_groups(nodes: np.ndarray, words: np.ndarray, word_groups: np.ndarray, bits: np.ndarray) -> bool:
    """Add to the bits of each element those of its own class words; returns whether there are any."""
    found = False
    for row in range(words.shape[0]):
        own = word_groups[words[row, 1]] & (CONSENT | COMMENTS | BOX)
        if own == 0:
            continue
        node = words[row, 0]
        # Colours of code: a comment in it is none of the page's.
        if nodes[node, L.N_TAG] in _WHOLE_PAGE or nodes[node, L.N_FLAGS] & (L.IN_PRE | L.IN_CODE) != 0:
            continue
        bits[node] |= own
        found = True
    return found


@entry
def _inherit(parents: np.ndarray, bits: np.ndarray) -> None:
    """Add to the bits of each element those of what it stands in."""
    for node in range(1, parents.size):
        bits[node] |= bits[parents[node]]


def _groups(scanned: Scanned, model: Model) -> np.ndarray:
    """Of each block, the bits of the groups whose class words are on an element that it stands in."""
    blocks, nodes, words = scanned.blocks, scanned.nodes, scanned.words
    bits = np.zeros(len(nodes), np.int32)
    if not _set_groups(nodes, words, model.word_groups, bits):
        return np.zeros(len(blocks), np.int32)
    parents = np.ascontiguousarray(nodes[:, L.N_PARENT])
    _inherit(parents, bits)
    groups: np.ndarray = bits[blocks[:, L.B_INNER]]
    size = blocks[:, L.B_CHARS].sum()
    for bit in (CONSENT, COMMENTS, BOX):
        if blocks[groups & bit > 0, L.B_CHARS].sum() > _GROUP_SHARE * size:
            groups &= ~bit
    return groups


def _repeated_headline(scanned: Scanned, kept: np.ndarray) -> np.ndarray:
    """The kept blocks without those of the headline's words before it: breadcrumbs, a label."""
    tags = scanned.nodes[scanned.blocks[kept, L.B_NODE], L.N_TAG]
    headline = np.flatnonzero(tags == _H1)
    if not len(headline) or not 0 < headline[0] <= 5:
        return kept
    hashes = scanned.blocks[kept, L.B_HASH]
    again = (hashes == hashes[headline[0]]) & (np.arange(len(kept)) < headline[0])
    left: np.ndarray = kept[~again]
    return left


@entry
def best_cut(scores: np.ndarray, num_words: np.ndarray, alike: float) -> float:
    """The threshold with the greatest expected F1 of words, if scores are probabilities; in [_LEAST_CUT, _MOST_CUT].

    That needs to be known how blocks go together. Either each is main content or not by itself: then precision and
    recall of the likeliest blocks are estimated by sums of score x words (Lipton et al. 2014, "Optimal thresholding of
    classifiers to maximize F1 measure"). Or the least likely are only if all that are likelier are, as with the teasers
    below an article: then F1 is the mean over all thresholds that may be the true one. `alike` (0 to 1) is what the
    second counts. Scores are taken in _LEVELS steps.
    """
    words, likely = np.zeros(_LEVELS), np.zeros(_LEVELS)  # words at least so likely, and those expected to be content
    for b in range(scores.size):
        level = _LEVELS - 1 - min(_LEVELS - 1, int(scores[b] * _LEVELS))
        words[level] += num_words[b]
        likely[level] += num_words[b] * scores[b]
    for level in range(1, _LEVELS):
        words[level] += words[level - 1]
        likely[level] += likely[level - 1]
    best, found = 0, -1.0
    for level in range(_LEVELS):
        together = 0.0
        for other in range(_LEVELS):
            together += min(words[level], words[other]) / max(1e-9, words[level] + words[other])
        apart = likely[level] / max(1e-9, words[level] + likely[-1])
        value = (1 - alike) * apart + alike * together / _LEVELS
        if value > found:
            best, found = level, value
    return min(_MOST_CUT, max(_LEAST_CUT, (_LEVELS - 1 - best) / _LEVELS - 1e-6))


def kept_blocks(scanned: Scanned, judged: Judged, model: Model, options: Options) -> np.ndarray:
    """Numbers of the blocks that are main content, in order. The scores of `judged` are changed."""
    scores, types, ids, table = judged
    blocks, nodes = scanned.blocks, scanned.nodes
    if not len(blocks):
        return np.zeros(0, np.int64)
    threshold = best_cut(scores, blocks[:, L.B_SPACES] + blocks[:, L.B_CJK] + 1, types[_ARTICLE])
    settle_slots(blocks, ids, table, scores, threshold)
    flags = nodes[blocks[:, L.B_INNER], L.N_FLAGS]
    chars = blocks[:, L.B_CHARS]
    for hidden in (flags & L.HIDDEN != 0, flags & L.ARIA_HIDDEN != 0):
        if hidden.any() and chars[hidden].sum() <= HIDDEN_SHARE * chars.sum():
            scores[hidden] = 0
    groups = _groups(scanned, model)
    scores[groups & CONSENT > 0] = 0
    scores[((flags & ASIDE != 0) | (groups & BOX > 0)) & (scores <= _MOST_CUT)] = 0
    remarks = groups & COMMENTS > 0
    likely = np.where(scores > threshold, chars, 0)
    under_article = bool(remarks.any() and likely[remarks].sum() < likely[~remarks].sum())  # else a guest book's
    if under_article and types[_FORUM] < _IS_FORUM:
        scores[remarks] = 0
    keep_formulas(scanned, scores, threshold, flags & (L.HIDDEN | L.ARIA_HIDDEN) != 0)
    for keep in (keep_between, keep_lists, keep_tables):
        keep(blocks, nodes, scores, threshold)
    kept = _repeated_headline(scanned, np.flatnonzero(scores > threshold))
    if options.comments == "keep" or options.authors != "auto":
        kept = with_options(scanned, kept, remarks, under_article, model.word_groups, ids, table, options)
    return kept
