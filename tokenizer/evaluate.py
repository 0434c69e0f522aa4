"""Measure a tokenizer on texts: how short it makes them, language by language, and how much of its vocabulary works."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import regex  # type: ignore[import-untyped]

from tokenizer.encode import BulkEncoder

# A run of letters, marks and digits, with apostrophes inside; ideographs and kana are written without spaces, so each
# counts as a word. Thai, Lao, Khmer and Burmese have no spaces either: read their figure with bytes per token.
_WORD = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}]|[[\p{L}\p{M}\p{N}]--[\p{Han}\p{Hiragana}\p{Katakana}]]+(?:['’][\p{L}\p{M}]+)*",
    regex.V1,
)

_BATCH_TEXTS = 512
RENYI_ORDER = 2.5


@dataclass
class Measures:
    """Totals over texts, and the figures that follow from them. A figure is nan where there is nothing to divide by."""

    num_documents: int = 0
    num_bytes: int = 0  # of UTF-8
    num_words: int = 0
    num_tokens: int = 0  # without end-of-text

    @property
    def bytes_per_token(self) -> float:
        """Compression: comparable between tokenizers on the same text, not between languages."""
        return self.num_bytes / self.num_tokens if self.num_tokens else float("nan")

    @property
    def tokens_per_word(self) -> float:
        """Fertility: all tokens, those of punctuation and spaces too, for each word."""
        return self.num_tokens / self.num_words if self.num_words else float("nan")

    def add(self, num_bytes: int, num_words: int, num_tokens: int) -> None:
        self.num_documents += 1
        self.num_bytes += num_bytes
        self.num_words += num_words
        self.num_tokens += num_tokens


@dataclass
class Evaluation:
    """The result of `evaluate`."""

    total: Measures
    groups: dict[str, Measures]  # by language, file or whatever the texts were labelled with, in sorted order
    vocab_size: int
    num_used: int  # ids that occur at least once
    renyi_efficiency: float  # 1 where every id is equally frequent, near 0 where a few ids make up the text
    id_counts: npt.NDArray[np.int64] = field(repr=False)  # (vocab_size,) occurrences of each id

    @property
    def used_fraction(self) -> float:
        return self.num_used / self.vocab_size

    def to_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return {
            "total": _plain(self.total),
            "groups": {name: _plain(measures) for name, measures in self.groups.items()},
            "vocab_size": self.vocab_size,
            "num_used": self.num_used,
            "used_fraction": self.used_fraction,
            "renyi_efficiency": None if np.isnan(self.renyi_efficiency) else self.renyi_efficiency,
        }


def count_words(text: str) -> int:
    """Words of a text; see `_WORD` for what a word is."""
    return sum(1 for _ in _WORD.finditer(text))


def renyi_efficiency(id_counts: npt.NDArray[np.int64], order: float = RENYI_ORDER) -> float:
    """Rényi entropy of the ids' frequencies over its maximum, log of the vocabulary size (Zouhar et al. 2023, who
    find that order 2.5 goes best with quality downstream). nan where no id occurs."""
    total = int(id_counts.sum())
    if total == 0 or len(id_counts) < 2:
        return float("nan")
    frequencies = id_counts[id_counts > 0] / total
    entropy = np.log((frequencies**order).sum()) / (1 - order)
    return float(entropy / np.log(len(id_counts)))


def evaluate(encoder: BulkEncoder, texts: Iterable[tuple[str, str]]) -> Evaluation:
    """Measure `encoder` on (group, text) pairs, streaming. A group is a language or a file."""
    total = Measures()
    groups: dict[str, Measures] = {}
    id_counts = np.zeros(encoder.vocab_size, dtype=np.int64)
    stream = iter(texts)
    while batch := list(itertools.islice(stream, _BATCH_TEXTS)):
        ids, offsets = encoder.encode_batch([text for _, text in batch])
        id_counts += np.bincount(ids, minlength=encoder.vocab_size)
        for (group, text), num_tokens in zip(batch, np.diff(offsets).tolist(), strict=True):
            num_bytes, num_words = len(text.encode()), count_words(text)
            for measures in (total, groups.setdefault(group, Measures())):
                measures.add(num_bytes, num_words, num_tokens)
    return Evaluation(
        total=total,
        groups=dict(sorted(groups.items())),
        vocab_size=encoder.vocab_size,
        num_used=int((id_counts > 0).sum()),
        renyi_efficiency=renyi_efficiency(id_counts),
        id_counts=id_counts,
    )


def _plain(measures: Measures) -> dict[str, object]:
    return {
        "num_documents": measures.num_documents,
        "num_bytes": measures.num_bytes,
        "num_words": measures.num_words,
        "num_tokens": measures.num_tokens,
        "bytes_per_token": measures.num_bytes / measures.num_tokens if measures.num_tokens else None,
        "tokens_per_word": measures.num_tokens / measures.num_words if measures.num_words else None,
    }
