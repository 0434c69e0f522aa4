"""What other settings of `dedup` would have kept and dropped, decided again from its stored pairs, without the texts.

Documents are decided in order of preference: one goes where a better one that stays is its pair, or an exact copy of it
went. Another threshold takes other pairs. Another `dedup.keep` is another order, in which other copies of a text stand
for it, so pairs are first brought to those.
"""

from __future__ import annotations

import difflib
import re
import shlex
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from manifests.errors import UsageError, UserError
from manifests.explore.build import Build
from manifests.explore.clusters import CANDIDATES, EXACT, NEAR, PAIRS, REASONS, STAGE, URL, stored_files
from manifests.explore.what_if import Change, Move, SourceEffect, WhatIf

PREFIX = f"{STAGE}."
THRESHOLD, KEEP = "dedup.minhash.threshold", "dedup.keep"
_STORED = 0.5  # pairs below it are counted only
_ORDERS = ("first", "longest", "newest", "source")
_MANY, _NEIGHBOURS = 64, 8  # texts of a bucket of which all pairs are proposed; and those before one that it meets
_CHUNK = 1 << 20  # pairs
# The stronger a reason, the higher: an exact copy, a near one, one of equal URL. 0 stays.
_LEVEL = np.array([2, 3, 1], dtype=np.int8)  # by kind of pair
_PARTIAL_DATE = re.compile(r"(\d{4})(?:-(\d\d))?")

Ints = NDArray[np.int64]
_EDGE = np.dtype([("better", np.int64), ("worse", np.int64), ("kind", np.int8), ("similarity", np.float64)])
"""A pair of documents, given by their places among the candidates."""

_DOCUMENT = np.dtype(
    [
        *(("document", np.int64), ("length", np.int64), ("signal", np.float64), ("content", np.uint64)),
        *(("tie", np.uint32), ("is_earlier", np.bool_), ("minutes", np.int64), ("source", np.int64)),
    ]
)

Edges = NDArray[np.void]


def what_if_dedup(build: Build, assignments: list[str]) -> WhatIf:
    """The documents that these settings (`dedup.minhash.threshold=0.9`, `dedup.keep=newest`) would keep, all together.

    Raises `UsageError` for what cannot be answered from stored pairs, and `UserError` where these do not give the
    build's own drops.
    """
    manifest = build.manifest(STAGE)
    settings = manifest.fingerprint_of.settings[STAGE]
    paths = stored_files(manifest, CANDIDATES)
    if not paths or not settings["minhash"]["verify"]:
        raise UserError(
            f"{build.url}: --what-if {assignments[0]} needs similarities of pairs, and this build has none (an older "
            "groundup, or dedup.minhash.verify=false). Run its recipe again."
        )
    changes = _parse(assignments, settings, manifest.facts.get("num_unlike", 0))
    asked = {f"{PREFIX}{change.key}": change.value for change in changes}
    now, then = settings["minhash"]["threshold"], float(asked.get(THRESHOLD, settings["minhash"]["threshold"]))
    keep = str(asked.get(KEEP, settings["keep"]))
    documents = _Documents(build, paths, settings)
    edges = documents.pairs(build, stored_files(manifest, PAIRS), min(now, then))
    place = documents.order(settings["keep"])
    levels_now = _decided(edges, place, now)
    documents.compare(build, levels_now)
    notes = []
    if keep != settings["keep"]:
        place = documents.order(keep)
        edges = documents.proposed(edges, place)
        notes.append(
            "made of the pairs that the build proposed: in another order a run may find others among more than "
            f"{_MANY} texts of one bucket, and among texts of one URL"
        )
    moves = documents.moves(levels_now, _decided(edges, place, then))
    effects = [
        SourceEffect(source, counts.documents_out, moves.get(source, []), 1.0)
        for source, counts in manifest.counts.sources.items()
    ]
    return WhatIf(changes, effects, None, notes)


def _parse(assignments: list[str], settings: dict[str, Any], num_unlike: int) -> list[Change]:
    changes = []
    for assignment in assignments:
        key, separator, raw = (part.strip() for part in assignment.partition("="))
        if not separator:
            raise UsageError(f"--what-if {assignment}: write it as key=value, for example {THRESHOLD}=0.9.")
        rerun = f"It needs a rerun: groundup run RECIPE --until {STAGE} --set {shlex.quote(f'{key}={raw}')}"
        if key not in (THRESHOLD, KEEP):
            near = difflib.get_close_matches(key, (THRESHOLD, KEEP), n=1, cutoff=0.75)
            hint = f"did you mean {near[0]}?" if near else rerun
            raise UsageError(
                f"--what-if {assignment}: of dedup only {THRESHOLD} and {KEEP} are answered from stored pairs; {hint}"
            )
        try:
            value = tomllib.loads(f"value = {raw}")["value"]
        except tomllib.TOMLDecodeError:
            value = raw
        if key == KEEP:
            if value not in _ORDERS and value != settings["keep"]:
                raise UsageError(
                    f"--what-if {assignment}: documents can be ordered by {', '.join(_ORDERS)} and, of signals, by the "
                    f"one that the build kept by. {rerun}"
                )
            if value != settings["keep"] and settings["minhash"]["measure"] == "containment":
                raise UsageError(
                    f"--what-if {assignment}: of each pair the containment of the worse one is stored, and another "
                    f"order asks for that of the better one. {rerun}"
                )
            changes.append(Change("keep", str(value), table=STAGE))
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
            raise UsageError(f"--what-if {assignment}: a threshold is a number above 0 and up to 1. Give one of these.")
        if not settings["minhash"]["enabled"]:
            raise UsageError(f"--what-if {assignment}: this build looked for no near duplicates. {rerun}")
        stored = min(_STORED, settings["minhash"]["threshold"])
        if value < stored:
            raise UsageError(
                f"--what-if {assignment}: pairs below {stored} were proposed and not stored ({num_unlike:,} here), so "
                f"what would go for them is not known. {rerun}"
            )
        changes.append(Change(key.removeprefix(PREFIX), float(value), table=STAGE))
    return changes


class _Documents:
    """What is stored of the documents that are in a pair, as arrays: some 50 bytes each."""

    def __init__(self, build: Build, paths: list[str], settings: dict[str, Any]) -> None:
        equal = EXACT if settings["exact"] else NEAR
        self.reasons = (None, REASONS[URL], REASONS[NEAR], REASONS[equal])  # by level
        stored = ["document", "length", "signal", "content", "tie", "is_earlier"]
        found = [np.empty(0, dtype=_DOCUMENT)]
        numbers: dict[str, int] = {}
        for path in paths:
            for table in build.tables(path, [*stored, "date", "source"]):
                rows = np.empty(table.num_rows, dtype=_DOCUMENT)
                for name in stored:
                    rows[name] = table[name].to_numpy()
                rows["minutes"] = [_minutes(date) for date in table["date"].to_pylist()]
                rows["source"] = [numbers.setdefault(name, len(numbers)) for name in table["source"].to_pylist()]
                found.append(rows)
        self._paths = paths
        self.source_names = list(numbers)
        self.rows = np.concatenate(found)

    def pairs(self, build: Build, paths: list[str], least: float) -> Edges:
        """The stored pairs that are not less similar than `least`, or are of another kind."""
        found = []
        for path in paths:
            for table in build.tables(path, list(_EDGE.names or ())):
                edges = np.empty(table.num_rows, dtype=_EDGE)
                for name in ("better", "worse"):
                    edges[name] = np.searchsorted(self.rows["document"], table[name].to_numpy())
                edges["kind"] = table["kind"].to_numpy()
                edges["similarity"] = table["similarity"].to_numpy()  # NaN where it is null
                found.append(edges[~(edges["similarity"] < least)])
        return np.concatenate([np.empty(0, dtype=_EDGE), *found])

    def order(self, keep: str) -> Ints:
        """The place of each document in the order of preference; those of earlier builds come first."""
        if keep == "longest":
            primary = -self.rows["length"]
        elif keep == "newest":
            primary = -self.rows["minutes"]
        elif keep == "first":
            primary = self.rows["document"]
        elif keep == "source":  # parts lie in the order of the recipe's sources
            first = np.full(len(self.source_names), np.iinfo(np.int64).max)
            own = ~self.rows["is_earlier"]
            np.minimum.at(first, self.rows["source"][own], self.rows["document"][own])
            primary = first[self.rows["source"]]
        else:
            primary = -np.nan_to_num(self.rows["signal"].astype(np.float64), nan=-np.inf)
        primary = np.where(self.rows["is_earlier"], 0, primary)
        order = np.lexsort(
            [self.rows["document"], self.rows["tie"], self.rows["content"], primary, ~self.rows["is_earlier"]]
        )
        place = np.empty(order.size, dtype=np.int64)
        place[order] = np.arange(order.size)
        return place

    def compare(self, build: Build, levels: NDArray[np.int8]) -> None:
        """Raises `UserError` where these decisions are not the build's, by part and reason."""
        found: defaultdict[tuple[str, str], int] = defaultdict(int)
        begin = 0
        for path in self._paths:
            for table in build.tables(path, ["part", "id"]):
                mine = levels[begin : begin + table.num_rows]
                at = np.flatnonzero((mine > 0) & ~self.rows["is_earlier"][begin : begin + table.num_rows])
                rows = table.take(at)
                for part, id, level in zip(
                    rows["part"].to_pylist(), rows["id"].to_pylist(), mine[at].tolist(), strict=True
                ):
                    found[part.rpartition("/")[2], str(self.reasons[level])] += _counted(id)
                begin += table.num_rows
        for path in build.parts(STAGE, dropped=True):
            for table in build.tables(path, ["id", "reason"]):
                for id, reason in zip(table["id"].to_pylist(), table["reason"].to_pylist(), strict=True):
                    if reason in REASONS:
                        found[path.rpartition("/")[2], reason] -= _counted(id)
        for (part, reason), difference in sorted(found.items()):
            if difference:
                raise UserError(
                    f"{build.url}: stored pairs and decisions of part {part} disagree on what goes as {reason}. "
                    "Run groundup audit."
                )

    def moves(self, now: NDArray[np.int8], then: NDArray[np.int8]) -> dict[str, list[Move]]:
        """By source, the documents whose reason changes, the most first. Their lengths are counted as bytes."""
        found: dict[str, defaultdict[tuple[str | None, str | None], list[int]]] = {}
        for at in np.flatnonzero((now != then) & ~self.rows["is_earlier"]).tolist():
            reasons = (self.reasons[now[at]], self.reasons[then[at]])
            if reasons[0] != reasons[1]:
                of_source = found.setdefault(self.source_names[self.rows["source"][at]], defaultdict(lambda: [0, 0]))
                of_source[reasons][0] += 1
                of_source[reasons][1] += int(self.rows["length"][at])
        return {
            source: sorted(
                (Move(*reasons, *numbers) for reasons, numbers in moves.items()), key=lambda move: -move.num_documents
            )
            for source, moves in found.items()
        }

    def proposed(self, edges: Edges, place: Ints) -> Edges:
        """The pairs that would be proposed in this order, made of those that were in the build's."""
        text = _heads(edges[edges["kind"] == EXACT], place)
        near = edges[edges["kind"] == NEAR]
        near["better"], near["worse"] = text[near["better"]], text[near["worse"]]
        page = _heads(edges[edges["kind"] == URL], place)
        return np.concatenate([near, *_among(text, place, EXACT, 1), *_among(page, place, URL, _NEIGHBOURS)])


def _heads(edges: Edges, place: Ints) -> Ints:
    """Of each document the best one that it is connected with."""
    shape = (place.size, place.size)
    graph = coo_array((np.ones(edges.size, dtype=np.bool_), (edges["better"], edges["worse"])), shape)
    labels = connected_components(graph, directed=False)[1]
    worst_first = np.argsort(-place)
    heads = np.empty(place.size, dtype=np.int64)
    heads[labels[worst_first]] = worst_first
    found: Ints = heads[labels]
    return found


def _among(head: Ints, place: Ints, kind: int, neighbours: int) -> Iterator[Edges]:
    """Pairs of each document with its head, and with as many before it of the same head."""
    members = np.flatnonzero(np.bincount(head, minlength=head.size)[head] > 1)
    order = members[np.lexsort([place[members], head[members]])]
    ends = [(head[order], order)]
    for distance in range(1, neighbours + 1):
        ends.append((order[:-distance], order[distance:]))
    for better, worse in ends:
        edges = np.empty(worse.size, dtype=_EDGE)
        edges["better"], edges["worse"], edges["kind"], edges["similarity"] = better, worse, kind, np.nan
        yield edges[head[better] == head[worse]]


def _decided(edges: Edges, place: Ints, threshold: float) -> NDArray[np.int8]:
    """Of each document its `_LEVEL`: why it goes, 0 where it stays."""
    edges = edges[((edges["kind"] != NEAR) | (edges["similarity"] >= threshold)) & (edges["better"] != edges["worse"])]
    ends = np.stack([edges["better"], edges["worse"]])
    is_turned = place[ends[0]] > place[ends[1]]
    ends[:, is_turned] = ends[::-1, is_turned]
    order = np.argsort(place[ends[1]], kind="stable")
    levels = bytearray(place.size)
    for begin in range(0, order.size, _CHUNK):
        chunk = order[begin : begin + _CHUNK]
        of_pairs = _LEVEL[edges["kind"][chunk]].tolist()
        for one, other, level in zip(*ends[:, chunk].tolist(), of_pairs, strict=True):
            # All pairs in which `one` is the worse stand before, so it is decided.
            mine = levels[one]
            if mine == 0:
                levels[other] = max(levels[other], level)
            elif (level == 3 and mine > 1) or level == mine == 1:
                levels[other] = max(levels[other], mine)
    return np.frombuffer(levels, dtype=np.int8)


def _counted(id: str) -> int:
    """What differs where ids or their number do, when it is added up."""
    return (1 << 64) + hash(id)


@lru_cache(maxsize=1 << 16)
def _minutes(date: str | None) -> int:
    """Minutes since the year 1 of a date in ISO 8601, or of a year or month alone; 0 where it is none."""
    text = (date or "").strip()
    partial = _PARTIAL_DATE.fullmatch(text)
    try:
        when = datetime(int(partial[1]), int(partial[2] or 1), 1) if partial else datetime.fromisoformat(text)
    except ValueError:
        return 0
    if when.tzinfo is not None:
        when = when.astimezone(UTC)
    return max(1, (when.toordinal() - 1) * 24 * 60 + when.hour * 60 + when.minute)
