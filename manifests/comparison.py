"""A comparison: what must hold of a document's signals for the filter stage to keep it.

Everything that decides, or explains or repeats a decision, asks `first_broken` or the comparison itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

Relation = Literal["at_least", "at_most"]


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class Comparison:
    """Holds where a signal is at least, or at most, a threshold; also where the signal is None.

    `reason` is that of the drop where it does not hold. `setting` is the threshold's key below the recipe's filter
    table, empty where none can move it. `by_language` has thresholds for documents of these languages instead.
    """

    reason: str
    signal: str
    must_be: Relation
    setting: str
    threshold: float
    by_language: dict[str, float] | None = None

    @property
    def sign(self) -> str:
        """The operator between signal and threshold in SQL: `>=` or `<=`."""
        return ">=" if self.must_be == "at_least" else "<="

    def limit(self, language: str | None) -> float:
        """The threshold for a document in this language."""
        return self.by_language.get(language or "", self.threshold) if self.by_language else self.threshold

    def holds(self, value: float | None, language: str | None = None) -> bool:
        """True where the comparison lets a document be kept: its language, and its signal's value."""
        if value is None:
            return True
        # Asked of every document for every comparison: no call where there is no need for one.
        limit = self.limit(language) if self.by_language else self.threshold
        return value >= limit if self.must_be == "at_least" else value <= limit

    def row(self) -> dict[str, Any]:
        """The comparison as the filter stage's manifest states it (docs/formats.md)."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def first_broken(
    comparisons: Iterable[Comparison], signals: Mapping[str, float | None], language: str | None = None
) -> Comparison | None:
    """The first comparison that does not hold, which decides about a document; None where all hold: it is kept."""
    for comparison in comparisons:
        if not comparison.holds(signals[comparison.signal], language):
            return comparison
    return None
