"""C4's rules: which lines go, what text is left, and what speaks against the whole page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from pipeline.filters.settings import C4Settings
from pipeline.filters.signals import SplitText, sentences_per_line
from pipeline.filters.words import WordTable, word_table

_CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
_POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
_TERMINAL = (".", "?", "!", '"', "'")


@dataclass(frozen=True)
class C4Signals:
    """What C4's rules found. Lines that are removed for another reason do not count against the page."""

    text: str  # the lines that are left
    num_words: int  # words of `text`, punctuation included
    num_sentences: int
    num_lorem_ipsum_lines: int
    num_curly_bracket_lines: int
    removed_lines: dict[str, int] = field(default_factory=dict)  # by reason; blank lines are not counted
    num_citations: int = 0  # marks removed from lines that are left


def c4_signals(split: SplitText, settings: C4Settings) -> C4Signals:
    """Remove lines as C4 does and count what is left. A line goes for the first reason that holds."""
    lines, words = split.lines, split.words
    num_citations = 0
    if settings.remove_citations and "[" in split.text and _CITATION.search(split.text):
        cleaned = [_CITATION.sub("", line) for line in lines]
        table: WordTable = word_table(words.is_spaced)
        words = table.split(cleaned)
    else:
        cleaned = lines
    kept = np.ones(len(lines), np.bool_)
    removed: dict[str, int] = {}

    def remove(reason: str, indexes: list[int]) -> None:
        for index in indexes:
            kept[index] = False
        if indexes:
            removed[reason] = len(indexes)

    longest = settings.max_word_length
    remove("long_word", [i for i, line in enumerate(lines) if len(line) > longest and _has_long_word(line, longest)])
    if settings.require_terminal_punctuation:
        remove(
            "no_terminal_punctuation",
            [i for i, line in enumerate(cleaned) if kept[i] and lines[i] and not _ends_well(line)],
        )
    # The number of words is that before citations went, as in datatrove.
    is_short = (split.words.num_pieces < settings.min_words_per_line) & kept
    kept &= ~is_short
    num_short = int(np.count_nonzero(is_short & (split.words.num_pieces > 0)))
    if num_short:
        removed["few_words"] = num_short
    lower = (split.text if cleaned is lines else "\n".join(cleaned)).lower()
    lorem_ipsum = _lines_with(cleaned, kept, ("lorem ipsum",), lower) if settings.drop_lorem_ipsum else []
    if settings.remove_javascript_lines:
        remove("javascript", _lines_with(cleaned, kept, ("javascript",), lower))
    curly = [i for i, line in enumerate(cleaned) if kept[i] and "{" in line] if "{" in lower else []
    if settings.remove_policy_lines:
        remove("policy", _lines_with(cleaned, kept, _POLICIES, lower))

    kept_indexes = np.flatnonzero(kept)
    kept_lines = [cleaned[index] for index in kept_indexes]
    if cleaned is not lines:
        num_citations = sum(len(_CITATION.findall(lines[index])) for index in kept_indexes)
    return C4Signals(
        text="\n".join(kept_lines).strip(),
        num_words=int(np.diff(words.line_start)[kept].sum()),
        num_sentences=int(sentences_per_line(words)[kept].sum()),
        num_lorem_ipsum_lines=len(lorem_ipsum),
        num_curly_bracket_lines=len(curly),
        removed_lines=removed,
        num_citations=num_citations,
    )


def _has_long_word(line: str, longest: int) -> bool:
    return any(len(word) > longest for word in line.split())


def _ends_well(line: str) -> bool:
    return line.endswith(_TERMINAL) and not line.endswith("...")


def _lines_with(lines: list[str], kept: np.ndarray, phrases: tuple[str, ...], lower: str) -> list[int]:
    """Indexes of kept lines that hold one of the phrases. `lower` is the whole text, to skip the search quickly."""
    found = [phrase for phrase in phrases if phrase in lower]
    if not found:
        return []
    return [i for i, line in enumerate(lines) if kept[i] and any(phrase in line.lower() for phrase in found)]
