"""The filter stage's decisions, repeated in SQL from its signals and comparisons, without the texts.

A document's signals are numbers that know no threshold. Its source's comparisons are gone through in their order, and
the first that does not hold is the reason of the drop; a signal that is null holds. `docs/formats.md` has the columns.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from manifests.comparison import Comparison
from manifests.errors import UserError
from manifests.explore.build import Build
from manifests.explore.sql import Parameters, Tables, quoted
from manifests.manifest import Manifest

SIGNALS = "signals"  # the folder of the filter stage's signals
_PARTS = f"{SIGNALS}/part-"


@dataclass(frozen=True)
class Decisions:
    """What decided in a build: by source its comparisons in their order, and its files of signals.

    `recipe`: the filter stage's settings, as its manifest has them.
    """

    comparisons: dict[str, tuple[Comparison, ...]]
    parts: dict[str, tuple[str, ...]]
    recipe: dict[str, Any]

    def judging(self, reason: str) -> list[tuple[str, int]]:
        """(source, place in its order) of every comparison that has this reason and a number for a threshold."""
        return [
            (source, place)
            for source, comparisons in self.comparisons.items()
            for place, comparison in enumerate(comparisons)
            if comparison.reason == reason and self.is_number(source, comparison.setting)
        ]

    def setting(self, key: str, source: str | None = None) -> Any:
        """A setting of the recipe's filter table, or of a source that has its own; None where there is none."""
        table = self.recipe.get("filter") if source is None else self.recipe.get("sources", {}).get(source)
        for name in key.split("."):
            if not isinstance(table, dict) or name not in table:
                return None
            table = table[name]
        return table

    def is_number(self, source: str, key: str) -> bool:
        """Whether a comparison's setting is its threshold; a list of languages, say, is compared through a 0 or 1."""
        value = self.setting(key, source)
        value = self.setting(key) if value is None else value
        return bool(key) and (value is None or (isinstance(value, int | float) and not isinstance(value, bool)))


def read_decisions(build: Build, purpose: str) -> Decisions:
    """The comparisons and signals that the filter stage recorded.

    Raises `UserError` for a build without signals, and for a damaged record.
    """
    manifest = build.manifest("filter")
    decisions = decisions_of(manifest)
    if decisions is None:
        raise UserError(
            f"{build.url}: {purpose} needs signals, and the filter stage of this build has written none. "
            f"Run its recipe again: groundup run RECIPE --until filter --set {shlex.quote('output=' + build.url)}"
        )
    with Tables(build) as tables:
        for source, parts in decisions.parts.items():
            if parts and source in decisions.comparisons:
                columns = set(tables.columns(parts[0]))
                missing = sorted({row.signal for row in decisions.comparisons[source]} - columns)
                if missing:
                    raise UserError(f"{build.url}/{parts[0]}: has no column {missing[0]!r}. Run groundup audit.")
    return decisions


def decisions_of(manifest: Manifest) -> Decisions | None:
    """What a filter stage's manifest says; None where it wrote no signals."""
    recorded = manifest.facts.get("comparisons")
    if recorded is None:
        return None
    try:
        comparisons = {source: tuple(Comparison(**row) for row in rows) for source, rows in recorded.items()}
    except (AttributeError, TypeError, ValidationError):
        raise UserError("filter/manifest.json: its comparisons cannot be read. Run groundup audit.") from None
    parts: dict[str, tuple[str, ...]] = dict.fromkeys(comparisons, ())
    for entry in manifest.outputs:
        if entry.path.startswith(_PARTS) and entry.documents != 0:
            source = entry.path.removeprefix(_PARTS).rpartition("-")[0]  # a part is of one source
            parts[source] = (*parts.get(source, ()), f"filter/{entry.path}")
    return Decisions(comparisons, parts, manifest.fingerprint_of.settings)


def limit_sql(comparison: Comparison, parameters: Parameters) -> str:
    """The threshold of a comparison for a row's language."""
    otherwise = f"{parameters.bind(comparison.threshold)}::DOUBLE"
    cases = [
        f"WHEN {parameters.bind(language)} THEN {parameters.bind(threshold)}::DOUBLE"
        for language, threshold in sorted((comparison.by_language or {}).items())
    ]
    return f"(CASE language {' '.join(cases)} ELSE {otherwise} END)" if cases else otherwise


def broken_sql(comparison: Comparison, parameters: Parameters) -> str:
    """True where a comparison does not hold; null, which is not true, where the signal is null."""
    return f"(NOT {quoted(comparison.signal)} {comparison.sign} {limit_sql(comparison, parameters)})"


def reason_sql(comparisons: tuple[Comparison, ...], parameters: Parameters) -> str:
    """The reason of a row's drop by these comparisons; null where it is kept."""
    cases = [f"WHEN {broken_sql(row, parameters)} THEN {parameters.bind(row.reason)}" for row in comparisons]
    return f"(CASE {' '.join(cases)} ELSE NULL END)" if cases else "NULL::VARCHAR"
