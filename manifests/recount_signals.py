"""Recount the filter's signals: a row for each document, at its place, with the reason that its signals give."""

from __future__ import annotations

import itertools
from typing import Any

from manifests.builds import DROPPED, Build
from manifests.drops.decisions import Comparison, decisions_of

_FEW = 3  # lines about one part; a thousand of the same say no more


def recount_signals(build: Build, problems: list[str]) -> None:
    """Compare the signals with the parts beside them, and make every decision again.

    Appends a line to `problems` for the first few documents of a part that differ. Builds of before signals were
    written have none to look at.
    """
    manifest = build.manifest("filter")
    decisions = decisions_of(manifest)
    if decisions is None:
        return
    for source, parts in decisions.parts.items():
        for path in parts:
            wrong = list(itertools.islice(_differences(build, path, decisions.comparisons.get(source, ())), _FEW + 1))
            problems += [f"{path}: {line}" for line in wrong[:_FEW]]
            if len(wrong) > _FEW:
                problems.append(f"{path}: more rows are wrong")


def _differences(build: Build, path: str, comparisons: tuple[Comparison, ...]) -> Any:
    part = path.rsplit("/", 1)[-1]
    kept = _column(build, f"filter/{part}", ["id"])
    dropped = _column(build, f"filter/{DROPPED}/{part}", ["id", "reason"])
    places: dict[bool, int] = {True: 0, False: 0}
    for number, row in enumerate(_column(build, path, None)):
        is_kept = row["reason"] is None
        rows = kept if is_kept else dropped
        place = places[is_kept]
        places[is_kept] += 1
        if row["row"] != place or place >= len(rows) or rows[place]["id"] != row["id"]:
            yield f"row {number}: document {row['id']} is not in the place that is given"
        elif not is_kept and rows[place]["reason"] != row["reason"]:
            yield f"row {number}: says {row['reason']}, the dropped part {rows[place]['reason']}"
        elif (decided := _decide(row, comparisons)) != row["reason"]:
            yield f"row {number}: says {row['reason']}, its signals and the manifest's comparisons give {decided}"
    for is_kept, rows in ((True, kept), (False, dropped)):
        if places[is_kept] != len(rows):
            yield f"{places[is_kept]} documents {'kept' if is_kept else 'dropped'}, not {len(rows)} as in the part"


def _decide(row: dict[str, Any], comparisons: tuple[Comparison, ...]) -> str | None:
    for comparison in comparisons:
        value, limit = row.get(comparison.signal), comparison.limit(row["language"])
        if value is not None and (value < limit if comparison.must_be == "at_least" else value > limit):
            return comparison.reason
    return None


def _column(build: Build, path: str, columns: list[str] | None) -> list[dict[str, Any]]:
    return [row for table in build.tables(path, columns) for row in table.to_pylist()]
