"""Documents near a threshold: those that just failed a comparison, and those that just passed it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from manifests.comparison import Comparison
from manifests.errors import UserError
from manifests.explore.build import DROPPED, Build
from manifests.explore.decisions import broken_sql, limit_sql, read_decisions
from manifests.explore.samples import check_reason
from manifests.explore.sightings import Journey, Sighting, follow
from manifests.explore.sql import Parameters, Tables, part_of, quoted


@dataclass(frozen=True)
class NearDrop:
    """A document near the threshold of a comparison.

    `failed`: it was dropped for it; else it passed, and `journey` says where it went from there. `text` is that of the
    row that `journey` begins with, in the filter stage. `language` is the document's label.
    """

    failed: bool
    value: float
    threshold: float
    comparison: Comparison
    journey: Journey
    text: str
    language: str | None

    @property
    def judges_language(self) -> bool:
        """True where the number is the label's, or is compared with a threshold of its language."""
        return self.comparison.signal.startswith("language.") or bool(self.comparison.by_language)


def near_drops(build: Build, reason: str, most: int, source: str | None = None) -> list[NearDrop]:
    """Up to `most` documents on either side of a reason's threshold: first those that failed, the nearest first.

    Those that passed are documents that came as far as this comparison: kept, or dropped by a later one. One without
    this signal did not come near it. Raises `UserError` for a reason that no comparison has, and for a build without
    signals.
    """
    decisions = read_decisions(build, "--near")
    judging = [(name, place) for name, place in decisions.judging(reason) if source in (None, name)]
    if not judging:
        check_reason(build, reason, source)
        known = sorted(
            {
                row.reason
                for name, rows in decisions.comparisons.items()
                for row in rows
                if decisions.is_number(name, row.setting)
            }
        )
        where = "" if source is None else f" in source {source!r}"
        raise UserError(
            f"{build.url}: no threshold decides {reason!r}{where}, so nothing is near it. "
            f"Reasons that have one: {', '.join(known) or 'none'}."
        )
    found: list[NearDrop] = []
    with Tables(build) as tables:
        for failed in (True, False):
            rows: list[tuple[Comparison, dict[str, Any]]] = []
            for name, place in judging:
                comparison = decisions.comparisons[name][place]
                nearest = _nearest(tables, decisions.parts[name], decisions.comparisons[name], place, failed, most)
                rows += [(comparison, row) for row in nearest]
            rows.sort(key=lambda pair: (pair[1]["distance"], pair[1]["part"], pair[1]["file_row_number"]))
            found += [_describe(build, tables, comparison, row, failed) for comparison, row in rows[:most]]
        for stage in build.document_stages[build.document_stages.index("filter") + 1 :]:
            follow(build, tables, stage, [near.journey for near in found if near.journey.last.kept])
    return found


def _nearest(
    tables: Tables, parts: tuple[str, ...], comparisons: tuple[Comparison, ...], place: int, failed: bool, most: int
) -> list[dict[str, Any]]:
    """The nearest rows of a source's signals on one side of the comparison at a place in the order."""
    if not parts:
        return []
    parameters = Parameters()
    table = tables.source(parts, parameters)
    comparison = comparisons[place]
    signal, limit = quoted(comparison.signal), limit_sql(comparison, parameters)
    broken = broken_sql(comparison, parameters)
    came_here = {comparison.reason} if failed else {row.reason for row in comparisons[place:]}
    went_on = f"reason IN ({', '.join(parameters.bind(reason) for reason in sorted(came_here))})"
    where = f"({went_on}) AND {broken}" if failed else f"(reason IS NULL OR {went_on}) AND NOT {broken}"
    for row in comparisons[:place]:
        if row.reason in came_here:  # the reason alone does not say that it came so far
            where += f" AND NOT coalesce({broken_sql(row, parameters)}, false)"
    nearest = tables.rows(
        "SELECT filename, file_row_number, id, reason, row, "
        f"{signal} AS value, {limit} AS threshold, abs({signal} - {limit}) AS distance FROM {table} "
        f"WHERE {where} AND {signal} IS NOT NULL ORDER BY distance, filename, file_row_number "
        f"LIMIT {parameters.bind(most)}",
        parameters,
    )
    return [{**row, "part": part_of(row["filename"], parts)} for row in nearest]


def _describe(build: Build, tables: Tables, comparison: Comparison, row: dict[str, Any], failed: bool) -> NearDrop:
    kept = row["reason"] is None
    name = row["part"].rpartition("/")[2]
    part = f"filter/{name}" if kept else f"filter/{DROPPED}/{name}"
    document = tables.document(part, row["row"])
    if document["id"] != row["id"]:
        raise UserError(
            f"{build.url}/{part}: row {row['row']} is {document['id']}, not {row['id']} as {row['part']} says. "
            "Run groundup audit."
        )
    text = document.pop("text")
    journey = Journey([Sighting("filter", kept, part, row["row"], document)])
    return NearDrop(failed, row["value"], row["threshold"], comparison, journey, text or "", document["language"])
