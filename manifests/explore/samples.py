"""Examples of documents that were dropped for a reason."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from manifests.errors import UserError
from manifests.explore.build import Build
from manifests.explore.funnel import reason_table
from manifests.explore.sql import Parameters, Tables, part_of


def find_drops(
    build: Build, reason: str, most: int, source: str | None = None, seed: int = 0
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Up to `most` documents dropped for `reason`, with their stage: rows of drops, and `part` and `row` beside.

    They are drawn from all that were dropped for it, every one with the same chance, and come in document order. The
    same seed draws the same ones. Raises `UserError` for a reason, or a source, that nothing was dropped for.
    """
    check_reason(build, reason, source)
    with Tables(build) as tables:
        for stage in build.document_stages:
            for part, rows in _draw(build, tables, stage, reason, most, source, seed).items():
                for row, document in sorted(tables.documents(part, rows).items()):
                    yield stage, {**document, "part": part, "row": row}
                    most -= 1


def check_reason(build: Build, reason: str, source: str | None) -> None:
    """Raises `UserError` where nothing was dropped for this reason, in this source."""
    table = list(reason_table(build))
    reasons = sorted({name for _, _, name, _ in table})
    if reason not in reasons:
        raise UserError(f"{build.url}: nothing was dropped for {reason!r}. Reasons: {', '.join(reasons) or 'none'}.")
    sources = sorted({name for _, name, found, _ in table if found == reason})
    if source is not None and source not in sources:
        raise UserError(
            f"{build.url}: nothing of source {source!r} was dropped for {reason!r}. Sources: {', '.join(sources)}."
        )


def _draw(
    build: Build, tables: Tables, stage: str, reason: str, most: int, source: str | None, seed: int
) -> dict[str, list[int]]:
    """By part, the rows of the drawn documents."""
    parts = build.parts(stage, dropped=True)
    if not any(found == (stage, reason) for found in ((row[0], row[2]) for row in reason_table(build))):
        return {}
    parameters = Parameters()
    counted = tables.rows(
        f"SELECT filename, count(*) AS number FROM {tables.source(parts, parameters)} "
        f"WHERE {_wanted(parameters, reason, source)} GROUP BY filename",
        parameters,
    )
    numbers = {part_of(row["filename"], parts): int(row["number"]) for row in counted}
    total = sum(numbers.values())
    drawn = sorted(random.Random(seed).sample(range(total), min(most, total)))
    before = 0
    of_part: dict[str, list[int]] = {}  # which of a part's documents of this reason
    for part in parts:
        if places := [place - before for place in drawn if before <= place < before + numbers.get(part, 0)]:
            of_part[part] = places
        before += numbers.get(part, 0)
    if not of_part:
        return {}
    parameters = Parameters()
    rows = tables.rows(
        f"SELECT filename, file_row_number AS row FROM {tables.source(list(of_part), parameters)} "
        f"WHERE {_wanted(parameters, reason, source)} ORDER BY filename, file_row_number",
        parameters,
    )
    hits: dict[str, list[int]] = {}
    for row in rows:
        hits.setdefault(part_of(row["filename"], list(of_part)), []).append(row["row"])
    return {part: [hits[part][place] for place in places] for part, places in of_part.items()}


def _wanted(parameters: Parameters, reason: str, source: str | None) -> str:
    where = f"reason = {parameters.bind(reason)}"
    return where if source is None else f"{where} AND source = {parameters.bind(source)}"
