"""What a filter says of a document: the text as it goes on, or why it is dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from manifests.comparison import Comparison


class Verdict(NamedTuple):
    """Why a document is dropped: a stable snake_case reason, the value that broke the threshold, and what matched."""

    reason: str
    value: float | None
    detail: str | None = None

    @classmethod
    def of(cls, broken: Comparison, signals: Mapping[str, float | None], detail: str | None = None) -> Verdict:
        """The verdict of a comparison that does not hold of these signals."""
        return cls(broken.reason, signals[broken.signal], detail)


@dataclass(frozen=True)
class Judgement:
    """What was decided about a document; `verdict` is None where it is kept.

    `text` is the text as it should go on where the document is kept (C4 removes lines, personal data is replaced), and
    as it came where it is dropped. `edits` counts what went from a kept text: lines by `c4_<reason>`, citation marks,
    personal data by `pii_<kind>`. `signals` are by `<rule>.<signal>`; None where one says nothing about the document.
    """

    text: str
    verdict: Verdict | None = None
    edits: Counter[str] = field(default_factory=Counter)
    signals: dict[str, float | None] = field(default_factory=dict)
