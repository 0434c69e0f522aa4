"""The corpus of the dedup benches: documents of real sentences, with copies planted at known rates and similarities.

Any document can be made from its number alone, so a corpus of any size is written as a stream. Sentences are those of
real pages, articles and books, drawn anew for each document: two documents that were not planted share a sentence at
most now and then.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Iterator
from functools import cache, cached_property
from math import gcd
from pathlib import Path

from bench.data import OUTPUT, data_folder

DATA = ("web/wcxb-dev", "web/waddle-daniel", "books/gitenberg", "lm/wikitext-2")
PART_DOCUMENTS = 5_000
EXACT, NEAR, BELOW, ORIGINAL = "exact", "near", "below", "original"
RATES = ((NEAR, 0.10), (EXACT, 0.05), (BELOW, 0.03))
"""Shares of all documents that are copies: to be removed, to be removed, and to stay."""
_SIMILARITIES = {NEAR: (0.85, 0.95), BELOW: (0.60, 0.70)}
_SENTENCE = re.compile(r"[^.!?\n]{20,400}[.!?]+")
_TAG = re.compile(r"<[^>]{1,200}>")
_NGRAM = 5


@cache
def sentences() -> list[str]:
    """The sentences of the texts in the data, each once, in a fixed order."""
    folder, found = data_folder(), {}
    texts: list[str] = []
    for pages in DATA[:2]:
        for line in (folder / pages / "manifest.jsonl").read_text(encoding="utf-8").split("\n")[:-1]:
            page = json.loads(line)
            texts.append(_TAG.sub(" ", page.get("gold") or ""))
    for path in sorted((folder / DATA[2]).glob("*.txt")):
        encoding = "utf-8" if path.name.endswith("-0.txt") else "latin-1"
        texts.append(path.read_text(encoding=encoding, errors="replace").replace("\n", " "))
    texts.append((folder / DATA[3] / "train.txt").read_text(encoding="utf-8"))
    for text in texts:
        for sentence in _SENTENCE.findall(text):
            found[" ".join(sentence.split())] = None
    return list(found)


class Corpus:
    """`num_documents` documents of about `mean_characters`; the same for the same arguments."""

    def __init__(self, num_documents: int, mean_characters: int = 3500, seed: int = 1) -> None:
        self.num_documents = num_documents
        self._mean = mean_characters
        self._seed = seed
        # Roles follow a permutation of the numbers, so that each original has one copy at most, somewhere else.
        self._factor = int(num_documents * 0.6180339) | 1
        while gcd(self._factor, num_documents) != 1:
            self._factor += 2
        self._inverse = pow(self._factor, -1, num_documents)
        self._shift = num_documents // 2 + 1

    def role(self, number: int) -> tuple[str, int]:
        """The kind of a document, and the number of its original: its own where it is no copy."""
        place = number * self._factor % self.num_documents
        begin = 0.0
        for name, rate in RATES:
            if place < round((begin + rate) * self.num_documents):
                return name, (place + self._shift) * self._inverse % self.num_documents
            begin += rate
        return ORIGINAL, number

    def text(self, number: int) -> str:
        role, original = self.role(number)
        lines = self._lines(original)
        if role == EXACT:
            return "\n\n".join(lines) + "\n"
        if role == ORIGINAL:
            return "\n".join(lines)
        return self._changed(lines, role, number)

    def _lines(self, number: int) -> list[str]:
        """Paragraphs of four sentences."""
        draw = random.Random(self._seed * 1_000_003 + number)
        wanted = self._mean * (0.5 + draw.random())
        lines: list[str] = []
        while wanted > 0:
            line = " ".join(draw.choices(sentences(), k=4))
            wanted -= len(line)
            lines.append(line)
        return lines

    def _changed(self, lines: list[str], role: str, number: int) -> str:
        """The text with as many words replaced, evenly, as bring it to a similarity between two bounds.

        A word that is replaced ends 5 n-grams of each text, so `c` of them leave `(n - 5 c) / (n + 5 c)` of `n`.
        """
        draw = random.Random(-self._seed * 1_000_003 - number)
        low, high = _SIMILARITIES[role]
        aim = low + (high - low) * draw.random()
        words = [line.split(" ") for line in lines]
        num_words = sum(map(len, words))
        num_changes = max(1, round(num_words * (1 - aim) / (1 + aim) / _NGRAM))
        stride = num_words / num_changes
        places = {int(stride * (at + 0.2 + 0.5 * draw.random())) for at in range(num_changes)}
        at = 0
        for line in words:
            for place in range(len(line)):
                if at in places:
                    line[place] = f"{draw.choice(self._words)}{draw.choice('aeiou')}"
                at += 1
        return "\n".join(map(" ".join, words))

    @cached_property
    def _words(self) -> list[str]:
        return [word for sentence in sentences()[::50] for word in sentence.split() if word.isalpha()]

    def rows(self, begin: int = 0, end: int | None = None) -> Iterator[dict[str, str]]:
        for number in range(begin, self.num_documents if end is None else end):
            yield {"id": str(number), "text": self.text(number)}

    def parts(self) -> list[Path]:
        """The corpus as files of JSONL, made once."""
        made_of = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
        folder = OUTPUT / "data" / f"dedup-{self.num_documents}-{self._mean}-{self._seed}-{made_of}"
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for begin in range(0, self.num_documents, PART_DOCUMENTS):
            path = folder / f"{begin // PART_DOCUMENTS:05d}.jsonl"
            if not path.exists():
                unfinished = path.with_suffix(".unfinished")
                with unfinished.open("w", encoding="utf-8") as file:
                    for row in self.rows(begin, min(begin + PART_DOCUMENTS, self.num_documents)):
                        file.write(json.dumps(row, ensure_ascii=False) + "\n")
                unfinished.rename(path)
            paths.append(path)
        return paths
