"""Labels of blocks for training: how much of a block is main content, and how sure that is.

Where a page has a gold text, a block's label is the share of its 4-grams that the gold has, if the block lies on the
heaviest chain of blocks whose places in the gold rise: so the page's title in a list of other articles is not taken for
the headline. Blocks too short for 4-grams count if the gold has them between what their neighbours are.

Where a page has segments only, the label is a vote of other extractors, weighted by how good they are, and the segments
overrule it: the weights learn from these extractors what the segments leave open.
"""

from __future__ import annotations

import bisect

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
_CHAIN_REACH = 300  # blocks looked back at in the search for the chain
_NEAR = 6  # blocks
Labels = tuple[np.ndarray, np.ndarray]


def _grams(words: list[str]) -> list[tuple[str, ...]]:
    return [tuple(words[place : place + _GRAM]) for place in range(len(words) - _GRAM + 1)]


def _heaviest_chain(candidates: list[tuple[int, int, float]]) -> list[int]:
    """Of (block, place in the gold, weight): the blocks with rising places that weigh most, later ones on ties."""
    best: list[float] = []
    previous: list[int] = []
    for number, (_, place, weight) in enumerate(candidates):
        reached, before = 0.0, -1
        for other in range(max(0, number - _CHAIN_REACH), number):
            if candidates[other][1] < place and best[other] >= reached:
                reached, before = best[other], other
        best.append(reached + weight)
        previous.append(before)
    number = max(range(len(candidates)), key=lambda place: (best[place], place), default=-1)
    chain = []
    while number >= 0:
        chain.append(candidates[number][0])
        number = previous[number]
    return chain[::-1]


def labels_by_gold(texts: list[str], gold: str) -> Labels:
    """Label and weight of each block of a page with gold text."""
    gold_words = words_of(gold)
    places: dict[tuple[str, ...], int] = {}
    for place, gram in enumerate(_grams(gold_words)):
        places.setdefault(gram, place)
    labels, sure = np.zeros(len(texts), np.float32), np.ones(len(texts), np.float32)
    words = [words_of(text) for text in texts]
    short, candidates = [], []
    for number, own in enumerate(words):
        grams = _grams(own)
        if not grams:
            short.append(number)
            continue
        labels[number] = sum(gram in places for gram in grams) / len(grams)
        if labels[number] > 0.3:
            first = next(places[gram] for gram in grams if gram in places)
            candidates.append((number, first, float(labels[number]) * len(own)))
    chain = _heaviest_chain(candidates)
    starts = {number: first for number, first, _ in candidates}
    for number in starts.keys() - set(chain):
        labels[number], sure[number] = 0, 0.3
    for number in short:
        if not words[number]:
            continue
        after = bisect.bisect(chain, number)
        low = chain[after - 1] if after else None
        high = chain[after] if after < len(chain) else None
        is_near = (low is not None and number - low <= _NEAR) or (high is not None and high - number <= _NEAR)
        span = gold_words[starts[low] if low is not None else 0 : starts[high] + 1 if high is not None else None]
        if is_near and f" {' '.join(words[number])} " in f" {' '.join(span)} ":
            labels[number], sure[number] = (1, 0.5) if high is not None else (0.7, 0.3)
    return labels, sure


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
