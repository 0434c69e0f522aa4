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
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.errors import UsageError, UserError
from manifests.explore.build import Build
from manifests.explore.clusters import CANDIDATES, EXACT, NEAR, PAIRS, REASONS, STAGE, URL, stored_files

PREFIX = f"{STAGE}."
THRESHOLD, KEEP = "dedup.minhash.threshold", "dedup.keep"
_STORED = 0.5  # pairs below it are counted only
_ORDERS = ("first", "longest", "newest", "source")
_MANY, _NEIGHBOURS = 64, 8  # texts of one URL of which all pairs are proposed; beyond, with how many before them
_CHUNK = 1 << 20  # pairs
# The stronger a reason, the higher: an exact copy, a near one, one of equal URL. 0 stays.
_LEVEL = np.array([2, 3, 1], dtype=np.int8)  # by kind of pair
_PARTIAL_DATE = re.compile(r"(\d{4})(?:-(\d\d))?")

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass
class DedupEffect:
    """The effect on one source.

    moves: (reason now, reason then) -> documents; None is kept. characters: of kept texts, more than now.
    """

    source: str
    kept_now: int
    moves: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)
    characters: int = 0

    @property
    def come_back(self) -> int:
        return sum(number for (_, after), number in self.moves.items() if after is None)

    @property
    def go(self) -> int:
        return sum(number for (before, _), number in self.moves.items() if before is None)

    @property
    def kept_then(self) -> int:
        return self.kept_now + self.come_back - self.go


@dataclass(frozen=True)
class DedupWhatIf:
    """changes: setting -> value. effects: by source."""

    changes: dict[str, str | float]
    effects: list[DedupEffect]
    notes: list[str]


class _Edges:
    """Pairs of documents, given by their places among the candidates."""

    def __init__(self, better: Ints, worse: Ints, kind: NDArray[np.int8], similarity: NDArray[np.float64]) -> None:
        self.better, self.worse, self.kind, self.similarity = better, worse, kind, similarity

    def __getitem__(self, chosen: Any) -> _Edges:
        return _Edges(self.better[chosen], self.worse[chosen], self.kind[chosen], self.similarity[chosen])


def what_if_dedup(build: Build, assignments: list[str]) -> DedupWhatIf:
    """The documents that these settings (`dedup.minhash.threshold=0.9`, `dedup.keep=newest`) would keep, all together.

    Raises `UsageError` for what cannot be answered from stored pairs, and `UserError` where these do not give the
    build's own drops.
    """
    manifest = build.manifest(STAGE)
    settings = manifest.fingerprint_of.settings[STAGE]
    paths = stored_files(manifest, CANDIDATES)
    if not paths or not settings["minhash"]["verify"]:
        raise UserError(
            f"{build.url}: --what-if {PREFIX}... needs similarities of pairs, and this build has none (an older "
            "groundup, or dedup.minhash.verify=false). Run its recipe again."
        )
    changes = _parse(assignments, settings, manifest.facts.get("num_unlike", 0))
    now, then = settings["minhash"]["threshold"], changes.get(THRESHOLD, settings["minhash"]["threshold"])
    keep = changes.get(KEEP, settings["keep"])
    documents = _Documents(build, paths, settings["exact"])
    edges = documents.pairs(build, stored_files(manifest, PAIRS), min(now, float(then)))
    place = documents.order(settings["keep"])
    levels_now = _decided(edges, place, now)
    documents.compare(build, levels_now)
    notes = []
    if keep != settings["keep"]:
        place = documents.order(str(keep))
        edges = documents.proposed(edges, place)
        notes.append(
            "made of the pairs that the build proposed: in another order a run may find others among more than "
            f"{_MANY} texts of one bucket, and among texts of one URL"
        )
    levels_then = _decided(edges, place, float(then))
    effects = {source: DedupEffect(source, counts.documents_out) for source, counts in manifest.counts.sources.items()}
    for at in np.flatnonzero((levels_now != levels_then) & ~documents.is_earlier).tolist():
        before, after = documents.reasons[levels_now[at]], documents.reasons[levels_then[at]]
        if before != after:
            effect = effects[documents.source_names[documents.sources[at]]]
            effect.moves[before, after] += 1
            effect.characters += int(documents.lengths[at]) * ((after is None) - (before is None))
    return DedupWhatIf(changes, list(effects.values()), notes)


def _parse(assignments: list[str], settings: dict[str, Any], num_unlike: int) -> dict[str, str | float]:
    changes: dict[str, str | float] = {}
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
            changes[key] = str(value)
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
        changes[key] = float(value)
    return changes


class _Documents:
    """What is stored of the documents that are in a pair, as arrays: some 50 bytes each."""

    def __init__(self, build: Build, paths: list[str], says_exact: bool) -> None:
        self.reasons = (None, REASONS[URL], REASONS[NEAR], REASONS[EXACT if says_exact else NEAR])  # by level
        names = ["document", "length", "signal", "content", "tie", "is_earlier"]
        columns: dict[str, list[NDArray[Any]]] = {name: [] for name in [*names, "date", "source"]}
        self.source_names: list[str] = []
        self._paths = paths
        for path in paths:
            for table in build.tables(path, [*names, "date", "source"]):
                for name in names:
                    columns[name].append(table[name].to_numpy())
                columns["date"].append(np.fromiter(map(_minutes, table["date"].to_pylist()), np.int64))
                known = {name: at for at, name in enumerate(self.source_names)}
                found = [known.setdefault(name, len(known)) for name in table["source"].to_pylist()]
                self.source_names = list(known)
                columns["source"].append(np.array(found, dtype=np.int64))
        (
            self.numbers,
            self.lengths,
            self._signals,
            self._contents,
            self._ties,
            self.is_earlier,
            self._dates,
            self.sources,
        ) = (np.concatenate(arrays) for arrays in columns.values())

    def pairs(self, build: Build, paths: list[str], least: float) -> _Edges:
        """The stored pairs that are not less similar than `least`, or are of another kind."""
        found: list[_Edges] = []
        for path in paths:
            for table in build.tables(path, ["better", "worse", "kind", "similarity"]):
                similarity = table["similarity"].to_numpy()  # NaN where it is null
                chosen = ~(similarity < least)
                better, worse = (
                    np.searchsorted(self.numbers, table[name].to_numpy()[chosen]) for name in ("better", "worse")
                )
                found.append(_Edges(better, worse, table["kind"].to_numpy()[chosen], similarity[chosen]))
        return _joined(found)

    def order(self, keep: str) -> Ints:
        """The place of each document in the order of preference; those of earlier builds come first."""
        if keep == "longest":
            primary = -self.lengths
        elif keep == "newest":
            primary = -self._dates
        elif keep == "first":
            primary = self.numbers
        elif keep == "source":  # parts lie in the order of the recipe's sources
            first = np.full(len(self.source_names), np.iinfo(np.int64).max)
            own = ~self.is_earlier
            np.minimum.at(first, self.sources[own], self.numbers[own])
            primary = first[self.sources]
        else:
            primary = -np.nan_to_num(self._signals.astype(np.float64), nan=-np.inf)
        primary = np.where(self.is_earlier, 0, primary)
        order = np.lexsort([self.numbers, self._ties, self._contents, primary, ~self.is_earlier])
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
                at = np.flatnonzero((mine > 0) & ~self.is_earlier[begin : begin + table.num_rows])
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

    def proposed(self, edges: _Edges, place: Ints) -> _Edges:
        """The pairs that would be proposed in this order, made of those that were in the build's."""
        text = _components(edges[edges.kind == EXACT], self.numbers.size, place)
        near = edges[edges.kind == NEAR]
        of_texts = _Edges(text[near.better], text[near.worse], near.kind, near.similarity)
        return _joined([*_copies(text, place), of_texts, *self._of_urls(edges[edges.kind == URL], place)])

    def _of_urls(self, edges: _Edges, place: Ints) -> Iterator[_Edges]:
        """Pairs of the documents of each URL: all, or of many each with the best and with those just before it."""
        page = _components(edges, self.numbers.size, place)
        members = np.unique(np.concatenate([edges.better, edges.worse]))
        order = members[np.lexsort([place[members], page[members]])]
        sizes = np.bincount(page[order], minlength=self.numbers.size)[page[order]]
        yield _of_kind(page[order], order, URL)
        for distance in range(1, min(_MANY, order.size)):
            left, right = order[:-distance], order[distance:]
            near = (page[left] == page[right]) & ((sizes[distance:] <= _MANY) | (distance <= _NEIGHBOURS))
            yield _of_kind(left[near], right[near], URL)


def _decided(edges: _Edges, place: Ints, threshold: float) -> NDArray[np.int8]:
    """Of each document its `_LEVEL`: why it goes, 0 where it stays."""
    edges = edges[~((edges.kind == NEAR) & ~(edges.similarity >= threshold)) & (edges.better != edges.worse)]
    is_turned = place[edges.better] > place[edges.worse]
    better = np.where(is_turned, edges.worse, edges.better)
    worse = np.where(is_turned, edges.better, edges.worse)
    order = np.argsort(place[worse], kind="stable")
    levels = bytearray(place.size)
    for begin in range(0, order.size, _CHUNK):
        chunk = order[begin : begin + _CHUNK]
        of_pairs = _LEVEL[edges.kind[chunk]].tolist()
        for one, other, level in zip(better[chunk].tolist(), worse[chunk].tolist(), of_pairs, strict=True):
            # All pairs in which `one` is the worse stand before, so it is decided.
            mine = levels[one]
            if mine == 0:
                levels[other] = max(levels[other], level)
            elif level == 3 and mine > 1:
                levels[other] = max(levels[other], mine)
    return np.frombuffer(levels, dtype=np.int8)


def _components(edges: _Edges, number: int, place: Ints) -> Ints:
    """Of each document the best one that it is connected with."""
    parent = list(range(number))
    rank = place.tolist()

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    for one, other in zip(edges.better.tolist(), edges.worse.tolist(), strict=True):
        one, other = root(one), root(other)
        if rank[one] < rank[other]:
            parent[other] = one
        else:
            parent[one] = other
    return np.array([root(at) for at in range(number)], dtype=np.int64)


def _copies(head: Ints, place: Ints) -> Iterator[_Edges]:
    """Pairs of each document with the best of its copies, and with the copy before it."""
    members = np.flatnonzero(np.bincount(head, minlength=head.size)[head] > 1)
    order = members[np.lexsort([place[members], head[members]])]
    follows = np.flatnonzero(head[order[1:]] == head[order[:-1]])
    yield _of_kind(head[order], order, EXACT)
    yield _of_kind(order[follows], order[follows + 1], EXACT)


def _of_kind(better: Ints, worse: Ints, kind: int) -> _Edges:
    similarity = np.full(better.size, np.nan if kind == URL else 1.0)
    return _Edges(better, worse, np.full(better.size, kind, dtype=np.int8), similarity)


def _joined(edges: list[_Edges]) -> _Edges:
    none = _of_kind(np.empty(0, np.int64), np.empty(0, np.int64), NEAR)
    names = ("better", "worse", "kind", "similarity")
    return _Edges(*(np.concatenate([getattr(one, name) for one in [none, *edges]]) for name in names))


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
