"""Clusters: the documents that `dedup` dropped as copies, each with the one that is kept for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from manifests.errors import UserError
from manifests.explore.build import Build, open_build
from manifests.explore.sql import Parameters, Tables, part_of
from manifests.manifest import Manifest

STAGE = "dedup"
CANDIDATES, PAIRS = "candidates", "pairs"
NEAR, EXACT, URL = 0, 1, 2
REASONS = ("near_duplicate", "exact_duplicate", "url_duplicate")  # by the kind of a pair
_SAMPLES = 3  # members of a cluster in a list of clusters
_KEYS = ("duplicate_of", "cluster", "within")  # of a cluster: one id and text may be kept in several sources
_KEY = ", ".join(_KEYS)
_MEMBER = (
    f"id, source, reason, value AS similarity, estimated_similarity, shared_buckets, {_KEY}, filename, "
    "file_row_number AS row"
)
_LEAST_LIKE_FIRST = "similarity NULLS LAST, estimated_similarity NULLS LAST, filename, row"


@dataclass
class Cluster:
    """The document that is kept, with where it is, and those that were dropped for it, the least like it first.

    within: the source that it is of, where no other is compared with it, else empty. text: None where it is of an
    earlier build that cannot be read. size: with the kept one. members: rows of drops, not all of them in a list of
    clusters, or of one with very many.
    """

    id: str
    source: str
    number: int
    within: str
    place: str
    row: int
    text: str | None
    is_earlier: bool = False
    size: int = 1
    members: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Overview:
    """All clusters of a build in numbers: clusters by size; removals by source of the dropped, and of the kept."""

    kept: int
    sizes: dict[str, int]
    removed: dict[str, dict[str, int]]
    largest: list[Cluster]

    @property
    def dropped(self) -> int:
        return sum(number for kept in self.removed.values() for number in kept.values())


def stored_files(manifest: Manifest, folder: str) -> list[str]:
    """Paths below the build of the files of `candidates` or `pairs` that have rows."""
    return [f"{STAGE}/{entry.path}" for entry in manifest.outputs if entry.path.startswith(f"{folder}/")]


class Clusters:
    """Questions on the clusters of a build. Raises `UserError` where its dedup stage kept no evidence."""

    def __init__(self, build: Build, tables: Tables) -> None:
        self._build, self._tables = build, tables
        self._manifest = build.manifest(STAGE)
        self.settings: dict[str, Any] = self._manifest.fingerprint_of.settings.get(STAGE) or {}
        self._kept = build.parts(STAGE)
        self._dropped = build.parts(STAGE, dropped=True)
        self._within = "''" if self.settings.get("scope", "global") == "global" else "source"
        self._candidates = stored_files(self._manifest, CANDIDATES)
        if not self._candidates:
            raise UserError(
                f"{build.url}: stage {STAGE} is of an older groundup, which kept no evidence of copies. "
                "Run the recipe again."
            )

    def overview(self, num_largest: int) -> Overview:
        """The stage's own facts, and as many of the largest clusters."""
        facts = self._manifest.facts["clusters"]
        largest = self._largest(num_largest, of_earlier=False)
        if self.settings.get("against"):
            largest += self._largest(num_largest, of_earlier=True)
            largest = sorted(largest, key=lambda cluster: -cluster.size)[:num_largest]
        self._add_samples(largest)
        return Overview(self._manifest.counts.documents_out, facts["sizes"], facts["removed"], largest)

    def of_document(self, id: str, most: int) -> list[Cluster]:
        """The cluster of each document of this id, kept or dropped, with up to `most` members.

        Raises `UserError` where no document of this id came into the stage, or none was dropped as a copy.
        """
        parameters = Parameters()
        value = parameters.bind(id)
        rows = self._tables.rows(
            f"SELECT {_KEY}, min(reason) AS reason FROM {self._drops(parameters)} "
            f"WHERE id = {value} OR duplicate_of = {value} GROUP BY ALL ORDER BY ALL",
            parameters,
        )
        found = [self._head(row) for row in rows if row["duplicate_of"] is not None]
        for cluster in found:
            parameters = Parameters()
            cluster.members = self._members(
                f"{_is_of(cluster, parameters)} ORDER BY {_LEAST_LIKE_FIRST} LIMIT {most}", parameters
            )
            parameters = Parameters()
            counted = self._tables.rows(
                f"SELECT count(*) AS number FROM {self._drops(parameters)} WHERE {_is_of(cluster, parameters)}",
                parameters,
            )
            cluster.size = 1 + counted[0]["number"]
        return found or [self._alone(id, rows[0]["reason"] if rows else None)]

    def _alone(self, id: str, reason: str | None) -> Cluster:
        """A document that is kept and has no copy; raises the `UserError` that says what it is instead."""
        parameters = Parameters()
        rows = self._tables.rows(
            "SELECT source, text, filename, file_row_number AS row "
            f"FROM {self._tables.source(self._kept, parameters)} WHERE id = {parameters.bind(id)} LIMIT 1",
            parameters,
        )
        for row in rows:
            return Cluster(id, row["source"], 0, "", part_of(row["filename"], self._kept), row["row"], row["text"])
        if reason is not None:
            raise UserError(f"{id}: dropped for {reason}, and as no copy of another document.")
        raise UserError(
            f"{self._build.url}: no document with id {id!r} came into stage {STAGE}. `groundup drops "
            f"{self._build.url} --doc ID` tells where one went; `groundup clusters {self._build.url}` lists ids."
        )

    def text_of(self, cluster: Cluster, id: str, dropped: bool = False) -> str | None:
        """The text of one of a cluster's documents. `dropped`: of one that was dropped, where the kept one has its id.

        None for a kept one that cannot be read. Raises `UserError` where the cluster has no document of this id.
        """
        if id == cluster.id and not dropped:
            return cluster.text
        parameters = Parameters()
        rows = self._members(f"{_is_of(cluster, parameters)} AND id = {parameters.bind(id)} LIMIT 1", parameters)
        if not rows:
            raise UserError(f"{id}: is not in the cluster of {cluster.id}. Give one of the ids that are listed for it.")
        return self._text(rows[0]["part"], rows[0]["row"])

    def _text(self, part: str, row: int) -> str:
        return str(self._tables.document(part, row)["text"])

    def _members(self, where: str, parameters: Parameters) -> list[dict[str, Any]]:
        rows = self._tables.rows(f"SELECT {_MEMBER} FROM {self._drops(parameters)} WHERE {where}", parameters)
        return [{"part": part_of(row.pop("filename"), self._dropped), **row} for row in rows]

    def _drops(self, parameters: Parameters) -> str:
        return f"(SELECT *, {self._within} AS within FROM {self._tables.source(self._dropped, parameters)})"

    def _head(self, key: dict[str, Any]) -> Cluster:
        """The document that is kept for others, as it was compared: in an input part, or in an earlier build."""
        id, number, within = (key[name] for name in _KEYS)
        parameters = Parameters()
        rows = self._tables.rows(
            f"SELECT part, row, source, is_earlier FROM {self._tables.source(self._candidates, parameters)} "
            f"WHERE id = {parameters.bind(id)} AND content >> 1 = {parameters.bind(number)} "
            f"AND {self._within} = {parameters.bind(within)} ORDER BY is_earlier DESC, document LIMIT 1",
            parameters,
        )
        if not rows:
            raise UserError(f"{self._build.url}: the document {id}, kept for copies, is not here. Run groundup audit.")
        (row,) = rows
        text = None
        if row["is_earlier"]:
            with suppress(UserError):  # that build is gone, or another now; the address says which it was
                text = next(documents_of(row["part"], [row["row"]], id))["text"]
        else:
            text = self._text(row["part"], row["row"])
        return Cluster(
            id, row["source"], number, within, row["part"], row["row"], text, row["is_earlier"], key.get("size", 1)
        )

    def _largest(self, most: int, of_earlier: bool) -> list[Cluster]:
        parameters = Parameters()
        if of_earlier:
            kept = f"SELECT id FROM {self._tables.source(self._candidates, parameters)} WHERE is_earlier"
        else:
            kept = (
                f"SELECT id FROM {self._tables.source(self._kept, parameters)} WHERE cluster_size > 1 "
                f"ORDER BY cluster_size DESC, filename, file_row_number LIMIT {most}"
            )
        clusters = self._tables.rows(
            f"SELECT {_KEY}, count(*) + 1 AS size FROM {self._drops(parameters)} WHERE duplicate_of IN ({kept}) "
            f"GROUP BY ALL ORDER BY size DESC, {_KEY} LIMIT {most}",
            parameters,
        )
        heads = [self._head(row) for row in clusters]
        return [head for head in heads if head.is_earlier == of_earlier]

    def _add_samples(self, clusters: list[Cluster]) -> None:
        if not clusters:
            return
        by_key = {(cluster.id, cluster.number, cluster.within): cluster for cluster in clusters}
        parameters = Parameters()
        wanted = ", ".join(f"({', '.join(map(parameters.bind, key))})" for key in by_key)
        rows = self._members(
            f"({_KEY}) IN ({wanted}) QUALIFY row_number() OVER "
            f"(PARTITION BY {_KEY} ORDER BY {_LEAST_LIKE_FIRST}) <= {_SAMPLES} "
            f"ORDER BY {_LEAST_LIKE_FIRST}",
            parameters,
        )
        for row in rows:
            by_key[row["duplicate_of"], row["cluster"], row["within"]].members.append(row)


def _is_of(cluster: Cluster, parameters: Parameters) -> str:
    values = map(parameters.bind, (cluster.id, cluster.number, cluster.within))
    return f"({_KEY}) = ({', '.join(values)})"


def documents_of(place: str, rows: list[int], id: str | None = None) -> Iterator[dict[str, Any]]:
    """Rows of a part of an earlier build, given by its address.

    Raises `UserError` where it cannot be read, or where it has another document there than the one of this id.
    """
    url, stage, part = place.rsplit("/", 2)
    with Tables(open_build(url)) as tables:
        for row in tables.documents(f"{stage}/{part}", rows).values():
            if id is not None and row["id"] != id:
                raise UserError(f"{place}: was built again since, and has other documents.")
            yield row
