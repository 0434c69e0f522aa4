"""datatrove's own filters as the rules are compared with them."""

from __future__ import annotations

import re
from typing import Any

from pipeline.filters.rules import RULES
from pipeline.filters.settings import FilterSettings, RuleName
from pipeline.filters.stop_words import default_stop_words


def datatrove_filter(rule: RuleName, language: str) -> Any:
    """datatrove's filter with the rule's default thresholds, for texts of a language (ISO 639-1).

    What it is told: the language's stop words (it knows Gopher's English ones), no terminal punctuation for C4 (as
    FineWeb has it), the paper's 0.1 of duplicate-line characters for FineWeb.
    """
    from datatrove.pipeline.filters.c4_filters import C4QualityFilter
    from datatrove.pipeline.filters.fineweb_quality_filter import FineWebQualityFilter
    from datatrove.pipeline.filters.gopher_quality_filter import GopherQualityFilter
    from datatrove.pipeline.filters.gopher_repetition_filter import GopherRepetitionFilter

    if rule == "c4":
        return C4QualityFilter(filter_no_terminal_punct=False, language=language)
    if rule == "fineweb":
        return FineWebQualityFilter(char_duplicates_ratio=0.1, language=language)
    if rule == "gopher_repetition":
        return GopherRepetitionFilter(language=language)
    return GopherQualityFilter(stop_words=default_stop_words()[language], language=language)


def settings_of(rule: RuleName) -> FilterSettings:
    """The settings of one rule by itself."""
    return FilterSettings(rules=[rule])


_SIGNALS = {
    "gopher_short_doc": "num_words",
    "gopher_long_doc": "num_words",
    "gopher_below_avg_threshold": "mean_word_length",
    "gopher_above_avg_threshold": "mean_word_length",
    "gopher_too_many_hashes": "hash_fraction",
    "gopher_too_many_ellipsis": "ellipsis_fraction",
    "gopher_too_many_bullets": "bullet_line_fraction",
    "gopher_too_many_end_ellipsis": "ellipsis_line_fraction",
    "gopher_below_alpha_threshold": "alphabetic_word_fraction",
    "gopher_enough_stop_words": "num_stop_words",
    "too_few_sentences": "num_sentences",
    "line_punct_ratio": "punctuated_line_fraction",
    "short_line_ratio": "short_line_fraction",
    "char_dup_ratio": "duplicate_line_character_fraction",
    "list_ratio": "new_lines_per_word",
    **{f"top_{n}_gram": f"top_{n}gram_fraction" for n in (2, 3, 4)},
    **{f"duplicated_{n}_n_grams": f"duplicate_{n}gram_fraction" for n in range(5, 11)},
}
"""datatrove's reasons and the signal each is about, as far as the number of words has a part in it."""


def datatrove_value(
    rule: RuleName, their_reason: str | None, our_reason: str | None, text: str, language: str
) -> tuple[str, float | None]:
    """The signal that decided, and its value by datatrove's own functions; None where it has no words in it."""
    ours = {comparison.reason: comparison.signal for comparison in RULES[rule]}
    signal = ours.get(our_reason or "") or _SIGNALS.get(their_reason or "", their_reason or "text")
    return signal, _value(signal, text, language)


def _value(signal: str, text: str, language: str) -> float | None:
    from datatrove.pipeline.filters.gopher_repetition_filter import find_all_duplicate, find_top_duplicate, get_n_grams
    from datatrove.utils.text import PUNCTUATION_SET, split_into_words

    words = split_into_words(text, language)
    plain = [word for word in words if not PUNCTUATION_SET.issuperset(word)]
    gram = re.match(r"(top|duplicate)_(\d+)gram_fraction", signal)
    if gram and gram[1] == "top":
        return float(find_top_duplicate(get_n_grams(words, int(gram[2]))) / len(text))
    if gram:
        return float(find_all_duplicate(words, int(gram[2])) / len(text))
    if signal == "num_words":
        return len(plain)
    if signal == "mean_word_length":
        return sum(map(len, plain)) / max(len(plain), 1)
    if signal == "alphabetic_word_fraction":
        return sum(any(map(str.isalpha, word)) for word in words) / max(len(words), 1)
    if signal == "num_stop_words":
        return len(set(default_stop_words()[language]).intersection(words))
    if signal == "new_lines_per_word":
        return text.count("\n") / max(len(words), 1)
    return _num_sentences(text, language) if signal == "num_sentences" else None


def _num_sentences(text: str, language: str) -> float:
    """How many sentences datatrove counts in the lines that C4's rules leave."""
    from datatrove.data import Document
    from datatrove.utils.text import split_into_sentences

    block = datatrove_filter("c4", language)
    block.min_num_sentences = -1
    document = Document(text=text, id="")
    block.filter(document)
    return sum(len(split_into_sentences(line, language)) for line in document.text.split("\n") if line)
