"""How many documents of each language a rule could not judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pipeline.filters.settings import RULE_NAMES

_RULES = tuple(f"{rule}." for rule in RULE_NAMES)


class Unjudged:
    """Counts, by language, documents and the signals of the published rules that say nothing about them."""

    def __init__(self) -> None:
        self._documents: Counter[str] = Counter()
        self._silent: dict[str, Counter[str]] = {}

    def add(self, language: str, signals: Mapping[str, float | None]) -> None:
        """Count a document."""
        self._documents[language] += 1
        silent = [name for name, value in signals.items() if value is None and name.startswith(_RULES)]
        self._silent.setdefault(language, Counter()).update(silent)

    def merge(self, facts: Mapping[str, Any]) -> None:
        """Add what `facts` of other documents says."""
        for language, found in facts.items():
            self._documents[language] += found["documents"]
            self._silent.setdefault(language, Counter()).update(found["not_judged"])

    def facts(self) -> dict[str, Any]:
        """By language: `documents`, and in `not_judged` by signal how many of them it says nothing about."""
        return {
            language: {"documents": number, "not_judged": dict(sorted(self._silent[language].items()))}
            for language, number in sorted(self._documents.items())
        }
