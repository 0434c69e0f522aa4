"""The languages of a text, from as much of it as it takes to be sure."""

from __future__ import annotations

import re

from pipeline.filters.language.model import UNKNOWN, Language, LanguageModel, load_language_model
from pipeline.filters.language.prose import prose_of

NUM_LANGUAGES = 3
"""How many languages are told of a document."""

_LETTER = re.compile(r"[^\W\d_]")

# Slices from all over the text, and the score from which they are enough. Many short slices see a page of two
# languages better than few long ones, and a page may begin and end in another language than its body.
_LOOKS = ((16, 24), (32, 32), (64, 1024))  # slices, characters in each
_SURE = 0.9
_LONGEST_PART_WORD = 16
# Characters that code and markup have, and their share from which a text may be part of either: half of 800 web pages
# have 0.013, of 350 pages of documentation 0.08.
_CODE = re.compile(r"[0-9_=<>{}\[\]\\|/@#$%^&~+`*();]")
_CODE_SHARE = 0.02
_WHOLE_SHARE = 0.85  # of a text's characters that are prose: with so much, the text as it is tells its language
_PIECES = (8, 4096)  # of a long text in which prose is looked for, and characters in each


def identify_languages(
    text: str, num_languages: int = NUM_LANGUAGES, model: LanguageModel | None = None
) -> list[Language]:
    """The likeliest languages of a text, best first, as the model (lid.176 by default) sees the whole on one line.

    The first is the label. 384 characters are read where they are enough to be sure, else 1,024. Where these are not,
    and where the text has characters of code and markup, its prose alone is looked at, too; the surer answer counts.
    Last, 65,536 characters are read. A text without a letter, or without a word of prose, is
    `und` with the score 0. Time is bounded but for the search for a letter, which is linear.
    """
    unknown = [Language(UNKNOWN, 0.0)]
    if _LETTER.search(text) is None:
        return unknown
    model = model or load_language_model()
    found, has_seen_all = _look(text, _LOOKS[:2], num_languages, model)
    if _score(found) >= _SURE:
        return found
    of_prose: list[Language] = []
    if _has_code(text) and (prose := _prose(text)) is not None:
        if _LETTER.search(prose) is None:
            return unknown
        of_prose, _ = _look(prose, _LOOKS, num_languages, model)
        if _score(of_prose) >= _SURE:
            return of_prose
    if not has_seen_all:
        found, _ = _look(text, _LOOKS[2:], num_languages, model)
    return max(of_prose, found, key=_score) or unknown


def identify_language(text: str, model: LanguageModel | None = None) -> Language:
    """The label: the first of `identify_languages`."""
    return identify_languages(text, 1, model)[0]


def _look(
    text: str, looks: tuple[tuple[int, int], ...], num_languages: int, model: LanguageModel
) -> tuple[list[Language], bool]:
    """What the first look finds that is sure or sees the whole text, or the last one; and whether it sees the whole."""
    found: list[Language] = []
    for num_slices, slice_length in looks:
        found = model.predict(_sample(text, num_slices, slice_length), num_languages)
        if len(text) <= num_slices * slice_length:
            return found, True
        if _score(found) >= _SURE:
            break
    return found, False


def _score(found: list[Language]) -> float:
    """How sure a label is."""
    return found[0].score if found else 0.0


def _has_code(text: str) -> bool:
    """Whether a text has more characters of code and markup than prose has."""
    sample = _sample(text, *_LOOKS[1])
    return len(_CODE.findall(sample)) >= _CODE_SHARE * len(sample)


def _prose(text: str) -> str | None:
    """The prose of a text, of a long one in pieces of whole lines from all over it; None where it is nearly all."""
    num_pieces, length = _PIECES
    if len(text) > num_pieces * length:
        step = (len(text) - length) / (num_pieces - 1)
        starts = [int(number * step) for number in range(num_pieces)]
        starts = [text.find("\n", start, start + length) + 1 or start for start in starts]
        text = "\n".join(text[start : start + length] for start in starts)
    prose = prose_of(text)
    return prose if len(prose) < _WHOLE_SHARE * len(text) else None


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
