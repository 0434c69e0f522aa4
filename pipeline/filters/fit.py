"""What the rules can say about a text by its language and script: a measure that does not fit says nothing.

The published thresholds are those of English prose. Where a language or a script makes another number usual, a signal
is None and no comparison looks at it, or it is None within limits of its own.
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline.filters.boundaries import PUBLISHED
from pipeline.filters.language.tags import language_of
from pipeline.filters.text.measurer import code_points
from pipeline.filters.text.scripts import SYLLABIC, UNITS_PER_WORD, UNKNOWN_SCRIPT, UNPUNCTUATED, script_of_text

_SURE = 0.65
"""The smallest probability of a language by which a text is judged as one in it: FineWeb's threshold for English."""
_STOP_WORDS = "gopher_quality.num_stop_words"
_NUM_WORDS = "gopher_quality.num_words"
_WORD_LENGTH = "gopher_quality.mean_word_length"
_ENDS = ("c4.num_sentences", "fineweb.punctuated_line_fraction")
_USUAL_LENGTHS = (1.5, 20.0)
"""Mean lengths of words that some language has: two syllables as signs; the long words of Greenlandic or Ashéninka."""


_FEW_STOP_WORDS, _MANY_WORDS, _PROSE = 1, 400, 0.15
"""So few words of the list are in no text of the language that has so many words. Where the eight commonest of these
make up such a share, they are the function words of another language."""


class Fit(NamedTuple):
    """Which signals say nothing, between which lengths a mean length of words does not, and whether a long text may be
    in another language than the likeliest."""

    silent: tuple[str, ...]
    lengths: tuple[float, float] | None
    may_be_other: bool

    def silence(self, signals: dict[str, float | None], commonest_words: float) -> None:
        """Replace what says nothing by None. `commonest_words`: the share of the eight commonest ones."""
        for name in self.silent:
            if name in signals:
                signals[name] = None
        found, num_words = signals.get(_STOP_WORDS), signals.get(_NUM_WORDS)
        is_strange = self.may_be_other and found is not None and found <= _FEW_STOP_WORDS
        if is_strange and commonest_words >= _PROSE and num_words is not None and num_words >= _MANY_WORDS:
            signals[_STOP_WORDS] = None
        length = signals.get(_WORD_LENGTH)
        if length is not None and self.lengths is not None and self.lengths[0] <= length <= self.lengths[1]:
            signals[_WORD_LENGTH] = None


def is_sure(score: float | None) -> bool:
    """Whether a text is judged as one in the likeliest language; None is a language that is given for certain."""
    return score is None or score >= _SURE


def fit_of(language: str, is_sure: bool, script: str, stop_words: list[str]) -> Fit:
    """What fits texts in a script (ISO 15924) whose likeliest language and its stop words are given."""
    silent = []
    scripts = {script_of_text(code_points(word)) for word in stop_words}
    if not is_sure or not scripts or script not in scripts | {UNKNOWN_SCRIPT}:
        silent.append(_STOP_WORDS)
    if script in UNITS_PER_WORD:
        silent.append(_WORD_LENGTH)
    if script in UNPUNCTUATED:
        silent += _ENDS
    is_published = is_sure and language_of(language) in PUBLISHED
    lengths = _USUAL_LENGTHS if script in SYLLABIC or not is_sure else None
    return Fit(tuple(silent), lengths, may_be_other=not is_published)
