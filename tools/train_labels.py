"""Labels of blocks for training: how much of a block is main content, and how sure that is.

Where a page has a gold text, its words and the gold's are aligned: the chain of equal words, in order in both, that is
worth most, where a run of them costs something to begin. So the page's title in a list of other articles is not taken
for the headline, nor a word of the menu for one of the text. A block's label is the share of its words that are
aligned.

Where a page has segments only, the label is a vote of other extractors, weighted by how good they are, and the segments
overrule it: the weights learn from these extractors what the segments leave open.
"""

from __future__ import annotations

import numba
import numpy as np

from bench.extraction_data import GoldPage, words_of

VOTES = {
    "trafilatura": 1.0,
    "trafilatura precision": 1.0,
    "trafilatura fast": 0.7,
    "readability-lxml": 0.4,
    "jusText": 0.3,
    "resiliparse": 0.3,
}
_GRAM = 4
_MATCH, _BEGIN = 2, 3  # what a word of a run is worth, and what the run costs
_MAX_CELLS = 600_000_000  # of the table of an alignment: the words of longer pages are aligned part by part
Labels = tuple[np.ndarray, np.ndarray]


def _grams(words: list[str]) -> list[tuple[str, ...]]:
    return [tuple(words[place : place + _GRAM]) for place in range(len(words) - _GRAM + 1)]


@numba.njit
def _aligned(words: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """For each word (a number), whether it is in the alignment that is worth most (Gotoh 1982, gaps free inside)."""
    count, size = words.size, gold.size
    best, run = np.zeros(size + 1, np.int32), np.full(size + 1, -(1 << 30), np.int32)
    best_before, run_before = best.copy(), run.copy()
    came = np.zeros((count + 1, size + 1), np.uint8)  # how `best` came: 0 from above, 1 from the left, 2 of a run
    goes_on = np.zeros((count + 1, size + 1), np.bool_)
    for i in range(1, count + 1):
        for j in range(1, size + 1):
            if words[i - 1] == gold[j - 1]:
                begun, on = best_before[j - 1] + _MATCH - _BEGIN, run_before[j - 1] + _MATCH
                run[j], goes_on[i, j] = max(begun, on), on >= begun
            else:
                run[j] = -(1 << 30)
            value, how = best_before[j], 0
            if best[j - 1] > value:
                value, how = best[j - 1], 1
            if run[j] > value:
                value, how = run[j], 2
            best[j], came[i, j] = value, how
        best_before[:], run_before[:] = best, run
    found = np.zeros(count, np.bool_)
    i, j = count, size
    inside = False
    while i > 0 and j > 0:
        if inside or came[i, j] == 2:
            found[i - 1] = True
            inside = goes_on[i, j]
            i -= 1
            j -= 1
        elif came[i, j] == 0:
            i -= 1
        else:
            j -= 1
    return found


def labels_by_gold(texts: list[str], gold: str) -> Labels:
    """Label and weight of each block of a page with gold text."""
    numbers: dict[str, int] = {}
    gold_words = np.array([numbers.setdefault(word.lower(), len(numbers)) for word in words_of(gold)], np.int32)
    words = [[numbers.get(word.lower(), -1) for word in words_of(text)] for text in texts]
    flat = np.array([word for block in words for word in block], np.int32)
    step = max(1, _MAX_CELLS // max(1, len(gold_words)))
    found = [_aligned(flat[start : start + step], gold_words) for start in range(0, len(flat), step)]
    owner = np.repeat(np.arange(len(texts)), [len(block) for block in words])
    aligned = np.bincount(owner, np.concatenate(found) if found else None, minlength=len(texts))
    sizes = np.maximum(1, [len(block) for block in words])
    return (aligned / sizes).astype(np.float32), np.ones(len(texts), np.float32)


def labels_by_votes(page: GoldPage, texts: list[str], votes: dict[str, str]) -> Labels:
    """Label and weight of each block of a page with segments, given the texts of other extractors."""
    words = [words_of(text) for text in texts]
    labels = np.zeros(len(texts), np.float32)
    for name, extracted in votes.items():
        grams = set(_grams(words_of(extracted)))
        lines = {" ".join(words_of(line)) for line in extracted.split("\n")}
        for number, own in enumerate(words):
            of_block = _grams(own)
            if of_block:
                found = sum(gram in grams for gram in of_block) / len(of_block)
            else:
                found = float(" ".join(own) in lines)
            labels[number] += VOTES[name] * found
    labels /= sum(VOTES[name] for name in votes)
    voted, sure = labels.copy(), np.full(len(texts), 0.5, np.float32)
    for segment in page.wanted:
        places = [number for number, text in enumerate(texts) if segment.strip() in text]
        if places:
            best = max(places, key=lambda number: (voted[number], len(texts[number])))
            labels[best], sure[best] = 1, 4
    for segment in page.unwanted:
        for number, text in enumerate(texts):
            if segment.strip() in text and sure[number] != 4:
                labels[number], sure[number] = 0, 3
    return labels, sure
