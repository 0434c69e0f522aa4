"""Documents that hold items of evaluation sets: n-gram overlap, as for GPT-3 (Brown et al. 2020, appendix C).

An item is found in a document by any `ngram_words` words in a row of all its texts. What is shorter is found whole: the
item, each of its texts that is no member of a list, and each two texts, such as a question and an answer. The fewer
words it has, the more must set it apart from what stands around it:

- six words: nothing;
- five: punctuation or a line's end on both sides;
- four: they are the only ones on their line.

A word of one character counts half. A sign of arithmetic beside numbers alone counts three words. A member of a list,
such as a wrong answer, is found by itself from six words on.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.evaluation_sets import EvaluationFile, Item, Piece, items
from pipeline.dedup.text.sketch import code_points
from pipeline.dedup.text.word_spans import SIGNS, Int64Array, UInt64Array, WordRuns, WordSpans, word_spans

CONTAMINATED = "contaminated"
_ANYWHERE, _PARTED, _LINE, _NOWHERE = range(4)  # where a short text counts
_HALVES = (12, 10, 7)  # of words, that each of these asks for
_SHORTEST, _FREE = 3, 6  # words of a short text; words from which on it counts anywhere
_SIGN = 5  # halves of words that a sign counts more, beside numbers of this many halves
_NUMBERS = 4
_MOST_PAIRED = 16  # short texts of an item of which any two are taken together
_BATCH_ITEMS = 1000


class Found(NamedTuple):
    """Words of a document that an item has: from character `start` to `end`. item: "SET ITEM", the first that has the
    first of these words."""

    start: int
    end: int
    num_words: int
    item: str


class Index:
    """Sorted hashes of words in a row, each once, with the smallest of its owners."""

    def __init__(self, found: list[tuple[UInt64Array, Int64Array]]) -> None:
        hashes = np.concatenate([np.empty(0, np.uint64), *(hashes for hashes, _ in found)])
        owners = np.concatenate([np.empty(0, np.int64), *(owners for _, owners in found)])
        order = np.lexsort([owners, hashes])
        self.hashes, first = np.unique(hashes[order], return_index=True)
        self.owners = owners[order][first].astype(np.int32)
        # Whether a hash begins with these bits: most hashes of a document need no search.
        self._shift = np.uint64(64 - max(10, (8 * len(self.hashes)).bit_length()))
        self._begins = np.zeros(1 << (64 - int(self._shift)), np.bool_)
        self._begins[self.hashes >> self._shift] = True

    def look_up(self, hashes: UInt64Array) -> tuple[Int64Array, Int64Array]:
        """The places of those that it has, and their owners."""
        places = np.flatnonzero(self._begins[hashes >> self._shift])
        at = np.searchsorted(self.hashes, hashes[places])
        at[at == len(self.hashes)] = 0
        is_known = self.hashes[at] == hashes[places]
        return places[is_known], self.owners[at[is_known]].astype(np.int64)


class Decontaminator:
    """Finds items of evaluation sets in texts. Raises `UserError` for a file that cannot be read."""

    def __init__(self, files: list[EvaluationFile], ngram_words: int) -> None:
        self._width = ngram_words
        self._names: list[str] = []
        self.num_items: dict[str, int] = {}  # of each set
        self._found: dict[str, list[tuple[UInt64Array, Int64Array]]] = {"long": [], "short": [], "begins": []}
        for file in files:
            first, remaining = len(self._names), items(file)
            while batch := list(itertools.islice(remaining, _BATCH_ITEMS)):
                self._add(file.name, batch)
            self.num_items[file.name] = len(self._names) - first
        self._long, self._short, self._begins = map(Index, self._found.values())
        del self._found

    def _add(self, name: str, batch: list[Item]) -> None:
        first = len(self._names)
        self._names += [f"{name} {item.name}" for item in batch]
        owners = np.repeat(np.arange(first, len(self._names)), [len(item.pieces) for item in batch])
        pieces = [piece for item in batch for piece in item.pieces]
        text = "\n".join(piece.text for piece in pieces)
        spans = word_spans(text)
        runs = WordRuns(spans.hashes)
        ends = np.cumsum([len(piece.text) + 1 for piece in pieces])
        bounds = np.concatenate([[0], np.searchsorted(spans.starts, ends)])  # of the pieces, in words
        owner_of_word = np.repeat(owners, np.diff(bounds))
        at = np.arange(max(0, len(owner_of_word) - self._width + 1))
        at = at[owner_of_word[at] == owner_of_word[at + self._width - 1]]
        self._found["long"].append((runs.hashes(at, at + self._width), owner_of_word[at]))
        table, named = self._runs(pieces, owners.tolist(), bounds.tolist())
        hashes = runs.joined(table)
        is_long = table[:, 1] - table[:, 0] + table[:, 3] - table[:, 2] == self._width
        self._found["long"].append((hashes[is_long], named[is_long]))
        where = _where(text, spans, table)
        is_short = ~is_long & (where < _NOWHERE)
        table, named, where = table[is_short], named[is_short], where[is_short]
        self._found["short"].append((hashes[is_short], named * _NOWHERE + where))
        table[:, 1] = np.minimum(table[:, 1], table[:, 0] + _SHORTEST)
        table[:, 3] = table[:, 2] + _SHORTEST - table[:, 1] + table[:, 0]
        self._found["begins"].append((runs.joined(table), named))

    def _runs(self, pieces: list[Piece], owners: list[int], bounds: list[int]) -> tuple[Int64Array, Int64Array]:
        """Texts of fewer words than an n-gram, one or two, and n-grams across two; and the item of each.

        As rows of begin, end, begin, end, in words.
        """
        width = self._width
        found: list[tuple[int, int, int, int]] = []
        named: list[int] = []
        for owner, places in itertools.groupby(range(len(owners)), owners.__getitem__):
            mine = [(bounds[at], bounds[at + 1], pieces[at]) for at in places if bounds[at] < bounds[at + 1]]
            if not mine:
                continue
            alone = {(mine[0][0], mine[-1][1])}
            for _, group in itertools.groupby(mine, lambda span: span[2].field):
                field = list(group)
                alone |= {(begin, end) for begin, end, _ in field if end - begin >= _FREE}
                if not field[0][2].is_listed:  # the field, and the text behind its label
                    alone |= {(field[0][0], field[-1][1]), max(field, key=lambda span: span[1] - span[0])[:2]}
            found += [(*span, 0, 0) for span in sorted(alone) if _SHORTEST <= span[1] - span[0] < width]
            few = [span for span in mine if span[1] - span[0] < width]
            for one, two in itertools.permutations(few if len(few) <= _MOST_PAIRED else [], 2):
                if one[2].field == two[2].field:
                    continue
                if _SHORTEST <= one[1] - one[0] + two[1] - two[0] < width:
                    found.append((*one[:2], *two[:2]))
                for left in range(max(1, width - two[1] + two[0]), min(width, one[1] - one[0] + 1)):
                    found.append((one[1] - left, one[1], two[0], two[0] + width - left))
            named += [owner] * (len(found) - len(named))
        return np.array(found, np.int64).reshape(-1, 4), np.array(named, np.int64)

    def find(self, text: str) -> list[Found]:
        """What a text shares with items, in order; words that overlap or follow each other are one."""
        spans = word_spans(text)
        num_words, runs = len(spans.hashes), WordRuns(spans.hashes)
        begins = np.arange(max(0, num_words - self._width + 1))
        places, owners = self._long.look_up(runs.hashes(begins, begins + self._width))
        found = [
            (begin, begin + self._width, owner) for begin, owner in zip(places.tolist(), owners.tolist(), strict=True)
        ]
        begins = np.arange(max(0, num_words - _SHORTEST + 1))
        candidates, _ = self._begins.look_up(runs.hashes(begins, begins + _SHORTEST))
        for length in range(_SHORTEST, self._width if len(candidates) else 0):
            starts = candidates[candidates + length <= num_words]
            places, owners = self._short.look_up(runs.hashes(starts, starts + length))
            for begin, number in zip(starts[places].tolist(), owners.tolist(), strict=True):
                owner, where = divmod(number, _NOWHERE)
                if min(_gap(text, spans, begin), _gap(text, spans, begin + length)) >= where:
                    found.append((begin, begin + length, owner))
        merged: list[tuple[int, int, int]] = []
        for begin, end, owner in sorted(found):
            if merged and begin <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end), merged[-1][2])
            else:
                merged.append((begin, end, owner))
        return [
            Found(int(spans.starts[begin]), int(spans.ends[end - 1]), end - begin, self._names[owner])
            for begin, end, owner in merged
        ]


def _gap(text: str, spans: WordSpans, word: int) -> int:
    """What stands before a word, behind the one before it, as the strictest place that asks for no more."""
    if word in (0, len(spans.starts)):
        return _LINE
    between = text[spans.ends[word - 1] : spans.starts[word]]
    return _LINE if "\n" in between else _PARTED if between.strip(" \t\xa0") else _ANYWHERE


def _where(text: str, spans: WordSpans, table: Int64Array) -> NDArray[np.int64]:
    """Where each text, given by its words, counts."""
    codes = code_points(text)[spans.starts]
    is_sign, is_number = np.isin(codes, SIGNS), np.isin(codes, np.arange(ord("0"), ord("9") + 1))
    halves, signs, numbers = (
        np.diff(np.concatenate([[0], np.cumsum(count)])[table])[:, ::2].sum(axis=1)
        for count in (np.minimum(spans.ends - spans.starts, 2), is_sign, is_number)
    )
    words = table[:, 1] - table[:, 0] + table[:, 3] - table[:, 2]
    halves += _SIGN * signs * ((signs + numbers == words) & (halves - signs >= _NUMBERS))
    return np.select([halves >= least for least in _HALVES], [_ANYWHERE, _PARTED, _LINE], _NOWHERE)
