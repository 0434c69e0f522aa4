"""Lines, paragraphs and spans of sentences that repeat across documents, and how they are cut out of texts.

A unit has at least `FEWEST_WORDS` words that are no numbers; where a script has no spaces, characters. Shorter ones say
too little to be known as repeats: a name before a speech, `else:`, "No, sir.", a row of asterisks or of figures.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from pipeline.dedup.rank import Int64Array, UInt64Array, by_preference
from pipeline.dedup.text.sketch import code_points
from pipeline.dedup.text.word_spans import WordRuns, word_spans

FEWEST_WORDS = 4
REPEAT = np.dtype([("document", np.int64), ("key", np.uint64), ("num_documents", np.uint32), ("keeps", np.bool_)])
"""A unit of a document that other documents have, too. keeps: it stays in this one, where it is first."""

_LINE = re.compile(r"\S[^\n]*")
_SENTENCE_ENDS = re.compile(r"[.!?…]+[\"'”’»)\]]*\s+|[。！？]+[」』”]*")
_LINE_ENDS, _BLANKS = re.compile(r"\s*\n|\s+"), re.compile(r"[^\S\n]+")


class Units(NamedTuple):
    """The units of a text in order: a hash of each, and where it starts and ends, in characters."""

    keys: UInt64Array
    starts: Int64Array
    ends: Int64Array


class Cut(NamedTuple):
    """Characters that are cut out of a text, from `start` to `end`; `place`: of the find among those given."""

    start: int
    end: int
    place: int


def units(text: str, unit: Literal["line", "paragraph", "three_sentences"]) -> Units:
    """The units of a text that are long enough. Those of three sentences overlap."""
    places = [match.span() for match in _LINE.finditer(text)]
    if unit == "three_sentences":
        sentences = [span for begin, end in places for span in _sentences(text, begin, end)]
        places = [(first[0], last[1]) for first, last in zip(sentences, sentences[2:], strict=False)]
    starts, ends = np.array(places, np.int64).reshape(-1, 2).T
    spans = word_spans(text, keeps_digits=False)
    first, last = np.searchsorted(spans.starts, starts), np.searchsorted(spans.starts, ends)
    codes = code_points(text)[spans.starts]
    num_words = np.concatenate([[0], np.cumsum((codes < ord("0")) | (codes > ord("9")))])
    is_long = num_words[last] - num_words[first] >= FEWEST_WORDS
    starts, ends, first, last = (array[is_long] for array in (starts, ends, first, last))
    if unit == "paragraph":
        keys = WordRuns(spans.hashes).hashes(first, last)
    else:
        folded = (" ".join(text[begin:end].split()).lower() for begin, end in zip(starts, ends, strict=True))
        keys = np.array(
            [xxhash.xxh3_64_intdigest(line.encode("utf-8", "surrogatepass")) for line in folded], dtype=np.uint64
        )
    return Units(keys, starts, ends)


def _sentences(text: str, begin: int, end: int) -> list[tuple[int, int]]:
    bounds = [begin, *(match.end() for match in _SENTENCE_ENDS.finditer(text, begin, end)), end]
    spans = ((first, first + len(text[first:last].rstrip())) for first, last in pairwise(bounds))
    return [(first, last) for first, last in spans if last > first]


def repeats(entries: NDArray[np.void], min_documents: int) -> NDArray[np.void]:
    """The units that at least so many documents have: one `REPEAT` for each of these, by document and key.

    The first document in order of preference keeps the unit.

    Args:
        entries: `candidates.ENTRY`, each unit of a document once, in any order.
        min_documents: of which a unit must be.
    """
    entries = entries[by_preference(entries["rank"], entries["content"], entries["document"], entries["key"])]
    _, first, counts = np.unique(entries["key"], return_index=True, return_counts=True)
    found = np.zeros(len(entries), REPEAT)
    found["document"], found["key"] = entries["document"], entries["key"]
    found["num_documents"] = np.repeat(counts, counts)
    found["keeps"][first] = True
    found = found[found["num_documents"] >= min_documents]
    return found[np.lexsort([found["key"], found["document"]])]


def places_to_cut(keys: UInt64Array, repeated: NDArray[np.void]) -> list[tuple[int, int]]:
    """Places of units to cut out of a document, each with that of its `REPEAT`, ascending by key."""
    which = {key: at for at, key in enumerate(repeated["key"].tolist())}
    found = [(place, which[key]) for place, key in enumerate(keys.tolist()) if key in which]
    kept = {at: place for place, at in reversed(found) if repeated["keeps"][at]}
    return [(place, at) for place, at in found if kept.get(at) != place]


def whole(text: str, start: int, end: int) -> tuple[int, int]:
    """A span of lines or sentences with the white space that would be one too many without it."""
    before = text.rfind("\n", 0, start) + 1
    if not text[before:start].strip():  # it begins a line
        found = _LINE_ENDS.match(text, end)
        end = found.end() if found else end
        return (len(text[:start].rstrip()), end) if end == len(text) else (before, end)
    found = _BLANKS.match(text, end)
    end = found.end() if found else end
    return (len(text[:start].rstrip()), end) if text[end : end + 1] in ("\n", "") else (start, end)


def cut(text: str, spans: list[tuple[int, int]]) -> tuple[str, list[Cut]]:
    """A text without spans of it, and what was cut out, in order; spans that overlap are one."""
    cuts: list[Cut] = []
    for place, (start, end) in sorted(enumerate(spans), key=lambda span: span[1]):
        if cuts and text[start : cuts[-1].end].isspace():
            start = cuts[-1].end
        if cuts and start < cuts[-1].end:
            cuts[-1] = cuts[-1]._replace(end=max(end, cuts[-1].end))
        else:
            cuts.append(Cut(start, end, place))
    bounds = [0, *(bound for one in cuts for bound in one[:2]), len(text)]
    return "".join(text[begin:end] for begin, end in zip(bounds[::2], bounds[1::2], strict=True)), cuts


def with_signs(text: str, start: int, end: int) -> tuple[int, int]:
    """A span with the signs that touch it, so that no bracket or question mark is left alone."""
    while start > 0 and not text[start - 1].isalnum() and not text[start - 1].isspace():
        start -= 1
    while end < len(text) and not text[end].isalnum() and not text[end].isspace():
        end += 1
    return start, end


def says_nothing(text: str) -> bool:
    """Whether a text has no letter and no digit."""
    return not any(map(str.isalnum, text))
