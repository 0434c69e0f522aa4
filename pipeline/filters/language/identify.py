"""The languages of a text, from as much of it as it takes to be sure."""

from __future__ import annotations

import re

from pipeline.filters.language.model import UNKNOWN, Language, LanguageModel, load_language_model

NUM_LANGUAGES = 3
"""How many languages are told of a document."""

_LETTER = re.compile(r"[^\W\d_]")

# Slices from all over the text, and the score from which a look is enough. Many short slices see a page of two
# languages better than few long ones, and a page may begin and end in another language than its body.
_LOOKS = ((16, 24, 0.9), (32, 32, 0.9), (64, 1024, 0.0))  # slices, characters in each, score
_LONGEST_PART_WORD = 16


def identify_languages(
    text: str, num_languages: int = NUM_LANGUAGES, model: LanguageModel | None = None
) -> list[Language]:
    """The likeliest languages of a text, best first, as the model (lid.176 by default) sees the whole on one line.

    The first is the label. A text without a letter is `und` with the score 0. 384 characters are read where they are
    enough to be sure, else 1,024, else 65,536; so time is bounded but for the search for a letter, which is linear.
    """
    if _LETTER.search(text) is None:
        return [Language(UNKNOWN, 0.0)]
    model = model or load_language_model()
    found: list[Language] = []
    for num_slices, slice_length, sure in _LOOKS:
        found = model.predict(_sample(text, num_slices, slice_length), num_languages)
        if len(text) <= num_slices * slice_length or (found and found[0].score >= sure):
            break
    return found or [Language(UNKNOWN, 0.0)]


def identify_language(text: str, model: LanguageModel | None = None) -> Language:
    """The label: the first of `identify_languages`."""
    return identify_languages(text, 1, model)[0]


def _sample(text: str, num_slices: int, slice_length: int) -> str:
    """Slices at even distances, the first and the last characters among them; the whole of a short text."""
    if len(text) <= num_slices * slice_length:
        return text
    step = (len(text) - slice_length) / (num_slices - 1)
    slices = [text[:slice_length]]
    for number in range(1, num_slices):
        start = int(number * step)
        # From the next word on, where there are words: a part of one says less, and may look like another language.
        start = text.find(" ", start, start + _LONGEST_PART_WORD) + 1 or start
        slices.append(text[start : start + slice_length])
    return " ".join(slices)
