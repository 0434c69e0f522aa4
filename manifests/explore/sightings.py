"""Finds a document in the stages of a build: where it was kept, and where it was dropped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from manifests.explore.build import DROPPED, Build
from manifests.explore.sql import Parameters, Tables, part_of, quoted

_NEAR = 5  # URLs that are shown for one that is nowhere


@dataclass(frozen=True)
class Sighting:
    """One place where a document was seen: a row of what a stage kept or dropped.

    `document`: its columns, without the text; those of a drop are None where it was kept.
    """

    stage: str
    kept: bool
    part: str
    row: int
    document: dict[str, Any]


@dataclass
class Journey:
    """A document and its sightings, in the order of the stages. `places`: its rows in the shards' indexes."""

    sightings: list[Sighting]
    places: list[dict[str, Any]] = field(default_factory=list)
    cuts: list[dict[str, Any]] = field(default_factory=list)  # by reason, what dedup cut out of its text

    @property
    def last(self) -> Sighting:
        return self.sightings[-1]

    @property
    def copies(self) -> int:
        """Documents that were dropped as copies of it."""
        return (self.last.document.get("cluster_size") or 1) - 1


def find_journeys(build: Build, tables: Tables, column: str, value: str) -> list[Journey]:
    """Every document whose `id` or `url` is `value`, in document order; empty where the build never read one.

    Only the first stage is searched. A part keeps its name from stage to stage, so the others are asked for one part.
    """
    if not build.document_stages:
        return []
    first, *rest = build.document_stages
    parts = [*build.parts(first), *build.parts(first, dropped=True)]
    journeys: dict[tuple[Any, ...], Journey] = {}
    for sighting in _look(tables, first, parts, column, [value]):
        # Two rows of one file may have one id and no address: they share a journey, which shows them all.
        journeys.setdefault(_key(sighting), Journey([])).sightings.append(sighting)
    found = list(journeys.values())
    for stage in rest:
        follow(build, tables, stage, found)
    if "shards" in build.manifests:
        for journey in found:
            journey.places = _places(build, tables, journey)
    edits = {entry.path for entry in build.manifests["dedup"].outputs} if "dedup" in build.manifests else set()
    for journey in found:
        for sighting in journey.sightings:
            path = f"edits/{sighting.part.rpartition('/')[2]}"
            if sighting.stage == "dedup" and sighting.kept and path in edits:
                parameters = Parameters()
                journey.cuts += tables.rows(
                    'SELECT reason, count(*) AS places, sum("end" - start)::BIGINT AS characters '
                    f"FROM {tables.source([f'dedup/{path}'], parameters)} "
                    f"WHERE row = {parameters.bind(sighting.row)} GROUP BY reason ORDER BY reason",
                    parameters,
                )
    return found


def follow(build: Build, tables: Tables, stage: str, journeys: Iterable[Journey]) -> None:
    """Add what one more stage did with the documents that the stage before it kept."""
    kept = {_key(journey.last): journey for journey in journeys if journey.last.kept}
    names = {journey.last.part.rpartition("/")[2] for journey in kept.values()}
    parts = [
        part
        for dropped in (False, True)
        for part in build.parts(stage, dropped=dropped)
        if part.rpartition("/")[2] in names
    ]
    ids = [journey.last.document["id"] for journey in kept.values()]
    for sighting in _look(tables, stage, parts, "id", ids):
        if _key(sighting) in kept:
            kept[_key(sighting)].sightings.append(sighting)


def near_urls(build: Build, tables: Tables, url: str) -> list[str]:
    """URLs of the same host that the build read and that look most like this one."""
    stage = next(iter(build.document_stages), None)
    host = url.partition("://")[2].partition("/")[0].removeprefix("www.") or url.partition("/")[0]
    parts = [*build.parts(stage), *build.parts(stage, dropped=True)] if stage and host else []
    if not parts:
        return []
    parameters = Parameters()
    unions = " UNION ".join(
        f"SELECT url FROM {tables.source(group, parameters)} WHERE contains(url, {parameters.bind(host)})"
        for group in _by_kind(parts)
    )
    wanted = parameters.bind(url)
    sql = (
        f"SELECT url FROM ({unions}) WHERE regexp_replace(split_part(split_part(url, '://', 2), '/', 1), '^www[.]', '')"
        f" = {parameters.bind(host)} ORDER BY jaro_winkler_similarity(url, {wanted}) DESC, url LIMIT {_NEAR}"
    )
    return [row["url"] for row in tables.rows(sql, parameters)]


def _look(tables: Tables, stage: str, parts: list[str], column: str, values: list[str]) -> list[Sighting]:
    """The rows of these parts that have one of these values, in document order, kept ones first."""
    found = []
    for group in _by_kind(parts):
        parameters = Parameters()
        bound = ", ".join(parameters.bind(value) for value in values)
        sql = f"SELECT * EXCLUDE (text) FROM {tables.source(group, parameters)} WHERE {quoted(column)} IN ({bound})"
        sightings = []
        for row in tables.rows(sql, parameters):
            part, number = part_of(row.pop("filename"), group), row.pop("file_row_number")
            sightings.append(Sighting(stage, not _is_drop(part), part, number, row))
        found += sorted(sightings, key=lambda sighting: (group.index(sighting.part), sighting.row))
    return found


def _places(build: Build, tables: Tables, journey: Journey) -> list[dict[str, Any]]:
    shards = build.manifests["shards"]
    indexes = [f"shards/{entry.path}" for entry in shards.outputs]
    indexes = [path for path in indexes if path.endswith(".index.parquet")]
    places = []
    for sighting in journey.sightings:
        if not indexes or not sighting.kept or sighting.stage != shards.documents_from:
            continue
        parameters = Parameters()
        rows = tables.rows(
            f"SELECT filename, start, length, copy FROM {tables.source(indexes, parameters)} "
            f"WHERE row = {parameters.bind(sighting.row)} AND part = {parameters.bind(sighting.part)}",
            parameters,
        )
        for row in rows:
            index = part_of(row.pop("filename"), indexes)
            places.append({"shard": index.removeprefix("shards/").removesuffix(".index.parquet"), **row})
    return sorted(places, key=lambda place: (place["copy"], place["shard"], place["start"]))


def _key(sighting: Sighting) -> tuple[Any, ...]:
    document = sighting.document
    return document["source"], document["file"], document["offset"], document["id"]


def _by_kind(parts: list[str]) -> list[list[str]]:
    """Kept and dropped parts apart, since their columns differ; none of them empty."""
    groups = [[part for part in parts if _is_drop(part) == dropped] for dropped in (False, True)]
    return [group for group in groups if group]


def _is_drop(part: str) -> bool:
    return f"/{DROPPED}/" in part
