"""The statistics of a text that the rules compare with their thresholds.

A text is split once (`split_text`); each family of rules then has its signals, named as its settings name them without
`max_` and `min_`. Signals know no threshold, so a threshold can be changed without reading a text again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.filters.ngrams import duplicate_ngram_characters, repeated_ngrams, top_ngram_characters
from pipeline.filters.words import TERMINAL_PUNCTUATION, UNSPACED_LANGUAGES, Words, word_table


@dataclass(frozen=True)
class SplitText:
    """A text with its lines (stripped, empty ones too) and its words."""

    text: str
    lines: list[str]
    words: Words


@dataclass(frozen=True)
class RepetitionSignals:
    """Gopher's repetition table; all are fractions of the text's lines, paragraphs or characters."""

    duplicate_line_fraction: float
    duplicate_paragraph_fraction: float
    duplicate_line_character_fraction: float
    duplicate_paragraph_character_fraction: float
    top_2gram_fraction: float
    top_3gram_fraction: float
    top_4gram_fraction: float
    duplicate_5gram_fraction: float
    duplicate_6gram_fraction: float
    duplicate_7gram_fraction: float
    duplicate_8gram_fraction: float
    duplicate_9gram_fraction: float
    duplicate_10gram_fraction: float


@dataclass(frozen=True)
class QualitySignals:
    """Gopher's quality rules. None where a signal says nothing about the document's language."""

    num_words: int  # without words that are punctuation only
    mean_word_length: float | None  # characters, of the same words
    hash_fraction: float  # "#" for each word
    ellipsis_fraction: float  # ellipses for each word
    bullet_line_fraction: float
    ellipsis_line_fraction: float
    alphabetic_word_fraction: float
    num_stop_words: int | None  # different ones


@dataclass(frozen=True)
class FineWebSignals:
    """FineWeb's rules, on lines that are not blank."""

    num_lines: int
    punctuated_line_fraction: float
    short_line_fraction: float
    duplicate_line_character_fraction: float
    new_lines_per_word: float


def split_text(text: str, language: str | None = None, look_for: Iterable[str] = ()) -> SplitText:
    """Split a text into lines and words. `look_for` are stop words whose presence will be asked for."""
    lines = [line.strip() for line in text.splitlines()]
    return SplitText(text, lines, word_table(language not in UNSPACED_LANGUAGES).split(lines, look_for))


def repetition_signals(split: SplitText) -> RepetitionSignals:
    """Gopher's repetition signals of a text."""
    text, words = split.text, split.words
    num_characters = max(len(text), 1)
    paragraphs = _paragraphs(text)
    lines = _lines(text)
    num_duplicate_paragraphs, paragraph_characters = count_duplicates(paragraphs)
    num_duplicate_lines, line_characters = count_duplicates(lines)
    ends = np.zeros(len(words) + 1, np.int64)
    np.cumsum(words.lengths, out=ends[1:])
    shares: dict[str, float] = {}
    for n, positions, classes in repeated_ngrams(words.ids, longest=10):
        if n <= 4:
            shares[f"top_{n}gram_fraction"] = top_ngram_characters(n, positions, classes, ends) / num_characters
        else:
            characters = duplicate_ngram_characters(n, positions, classes, ends)
            shares[f"duplicate_{n}gram_fraction"] = characters / num_characters
    return RepetitionSignals(
        duplicate_line_fraction=num_duplicate_lines / len(lines),
        duplicate_paragraph_fraction=num_duplicate_paragraphs / len(paragraphs),
        duplicate_line_character_fraction=line_characters / num_characters,
        duplicate_paragraph_character_fraction=paragraph_characters / num_characters,
        **shares,
    )


def _lines(text: str) -> list[str]:
    """What stands between runs of new lines, and the empty string before or after one that begins or ends the text."""
    lines = [line for line in text.split("\n") if line]
    return [""] * text.startswith("\n") + lines + [""] * text.endswith("\n") or [""]


def _paragraphs(text: str) -> list[str]:
    """What stands between runs of at least two new lines."""
    parts = (part.lstrip("\n") for part in text.strip().split("\n\n"))
    return [part for part in parts if part] or [""]


def quality_signals(split: SplitText, stop_words: Sequence[str] | None) -> QualitySignals:
    """Gopher's quality signals; `stop_words` are those that the text was split with, None where there are none."""
    text, lines, words = split.text, split.lines, split.words
    num_all = max(len(words), 1)
    num_lines = max(len(lines), 1)
    num_symbols = int(np.count_nonzero(words.is_symbol))
    num_words = len(words) - num_symbols
    characters = int(words.lengths.sum()) - int(words.lengths[words.is_symbol].sum())
    has_ellipsis = "..." in text or "…" in text
    return QualitySignals(
        num_words=num_words,
        mean_word_length=characters / max(num_words, 1) if words.is_spaced else None,
        hash_fraction=text.count("#") / num_all,
        ellipsis_fraction=(text.count("...") + text.count("…")) / num_all if has_ellipsis else 0.0,
        bullet_line_fraction=sum(line.startswith(("•", "-")) for line in lines) / num_lines,
        ellipsis_line_fraction=sum(line.endswith(("...", "…")) for line in lines) / num_lines if has_ellipsis else 0.0,
        alphabetic_word_fraction=int(np.count_nonzero(words.has_letter)) / num_all,
        num_stop_words=None if stop_words is None else len(words.present.intersection(stop_words)),
    )


def fineweb_signals(text: str, num_words: int, short_line_length: int) -> FineWebSignals:
    """FineWeb's signals of a text that has `num_words` words, punctuation included."""
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    num_lines = max(len(lines), 1)
    num_new_lines = text.count("\n")
    _, duplicate_characters = count_duplicates(lines)
    return FineWebSignals(
        num_lines=len(lines),
        punctuated_line_fraction=sum(line[-1] in TERMINAL_PUNCTUATION for line in lines) / num_lines,
        short_line_fraction=sum(len(line) <= short_line_length for line in lines) / num_lines,
        duplicate_line_character_fraction=duplicate_characters / max(len(text) - num_new_lines, 1),
        new_lines_per_word=num_new_lines / max(num_words, 1),
    )


def count_duplicates(parts: Sequence[str]) -> tuple[int, int]:
    """How many parts stood before in the sequence, and their characters."""
    if len(set(parts)) == len(parts):
        return 0, 0
    seen: set[str] = set()
    num_duplicates = num_characters = 0
    for part in parts:
        if part in seen:
            num_duplicates += 1
            num_characters += len(part)
        else:
            seen.add(part)
    return num_duplicates, num_characters


def sentences_per_line(words: Words) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Sentences in each line: one, and one more wherever a word follows sentence-ending marks (spaCy's rule)."""
    num_ends = np.zeros(len(words) + 1, np.int64)
    np.cumsum(words.is_sentence_end, out=num_ends[1:])
    plain = np.flatnonzero(~(words.is_sentence_end | words.is_punctuation))
    starts = words.line_start[:-1]
    # A plain word begins a sentence where a mark stands between it and the plain word, or line start, before it.
    line_of_plain = np.searchsorted(words.line_start, plain, side="right") - 1
    before = np.zeros(len(plain), np.int64)
    before[1:] = plain[:-1]
    before = np.maximum(before, starts[line_of_plain])
    begins = num_ends[plain] > num_ends[before]
    return 1 + np.bincount(line_of_plain[begins], minlength=len(starts))
