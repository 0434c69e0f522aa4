"""`python -m tools.make_languages_page`: writes `docs/languages.md`, the share of prose kept in each language.

The sentences of `lid/` (some 1,000 of each language, by Leipzig Corpora and others) are shuffled and put together to
documents of thirty, three to a paragraph. Each is judged by the default rules, with no language filter.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from datatrove.data import Document

from bench.data import REPOSITORY
from pipeline.filters.chain import Chain
from pipeline.filters.settings import FilterSettings
from pipeline.filters.text.measurer import code_points
from pipeline.filters.text.scripts import script_of_text
from tools.make_stop_words import sentences_of_languages

_DOCUMENT, _PARAGRAPH, _ROUNDS = 30, 3, 3
_TEXT = """# Languages

The share of documents that the default rules keep, language by language, with `languages = []`: thirty shuffled
sentences a document, three to a paragraph, from the test data of Lingua. `python -m tools.make_languages_page` makes
this page. "Judged as" is the language that most of them are identified as; "says nothing" are the measures of
[filters.md](filters.md#languages-and-scripts) that judge fewer than half of them, besides those that have no list.

| language | script | documents | kept | judged as | says nothing |
|---|---|---|---|---|---|
"""


class Share(NamedTuple):
    """What became of the documents of a language."""

    language: str
    script: str
    num_documents: int
    num_kept: int
    judged_as: str
    silent: tuple[str, ...]
    reasons: dict[str, int]

    def row(self) -> str:
        """The row of the page's table."""
        silent = ", ".join(f"`{name.partition('.')[2]}`" for name in self.silent)
        kept = f"{self.num_kept / self.num_documents:.0%}"
        return f"| {self.language} | {self.script} | {self.num_documents} | {kept} | {self.judged_as} | {silent} |\n"


def shares() -> list[Share]:
    """What became of the documents of each language, in the order of the codes."""
    chain = Chain(FilterSettings(languages=[]))
    found = []
    for language, sentences in sorted(sentences_of_languages().items()):
        sentences = [sentence for sentence in sentences if sentence.strip()]
        sentences = _shuffled(sentences)
        labels, reasons, silent, scripts = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
        firsts = range(0, len(sentences) - _DOCUMENT + 1, _DOCUMENT)
        for first in firsts:
            paragraphs = [
                " ".join(sentences[place : place + _PARAGRAPH]) for place in range(first, first + _DOCUMENT, _PARAGRAPH)
            ]
            text = "\n".join(paragraphs)
            decision = chain.decide(Document(text=text, id=f"{language}-{first}"))
            labels[decision.languages[0].code] += 1
            scripts[script_of_text(code_points(text))] += 1
            reasons[decision.verdict.reason if decision.verdict else "kept"] += 1
            silent.update(name for name, value in decision.signals.items() if value is None)
        names = tuple(name for name in sorted(silent) if _is_judged(name) and 2 * silent[name] > len(firsts))
        num_kept = reasons.pop("kept", 0)
        found.append(
            Share(
                language, scripts.most_common(1)[0][0], len(firsts), num_kept, labels.most_common(1)[0][0], names,
                dict(reasons),
            )
        )  # fmt: skip
    return found


def _shuffled(sentences: list[str]) -> list[str]:
    """All sentences in some order, as many in another, and so on."""
    chance = random.Random(0)
    return [sentence for _ in range(_ROUNDS) for sentence in chance.sample(sentences, len(sentences))]


def _is_judged(signal: str) -> bool:
    return signal.startswith(("gopher_", "c4.", "fineweb.")) and signal != "c4.num_bad_words"


def page(found: list[Share]) -> str:
    """The page for these shares."""
    return _TEXT + "".join(share.row() for share in found)


def main() -> None:
    found = shares()
    target = Path(REPOSITORY) / "docs" / "languages.md"
    target.write_text(page(found), encoding="utf-8")
    for share in found:
        if share.num_kept < share.num_documents:
            print(share.language, f"{share.num_kept}/{share.num_documents}", share.reasons)
    print(f"{target}: {len(found)} languages")


if __name__ == "__main__":
    main()
