"""Removals under audit: what `dedup` dropped as a copy is compared again with the document that is kept for it."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from manifests.audit.similarity import Ngrams
from manifests.errors import UserError
from manifests.explore.build import Build
from manifests.explore.clusters import CANDIDATES, REASONS, STAGE, documents_of, stored_files
from manifests.explore.sql import Parameters, Tables, part_of

_SAMPLE = 200  # removals that a quick audit compares
_BATCH_CHARACTERS = 16 << 20  # of dropped texts that are in memory
_BATCH_DROPS = 10_000
_EQUAL = 1e-9
_SIZES = ((2, "2"), (4, "3-4"), (9, "5-9"), (99, "10-99"), (999, "100-999"), (9_999, "1000-9999"))
_READ = 64  # kept documents at a time
_FEW = 10  # problems of one kind that are named
_COLUMNS = ["id", "text", "url", "source", "reason", "value", "duplicate_of", "cluster"]

Drop = dict[str, Any]


def check_removals(build: Build, problems: list[str], notes: list[str], checked: Counter[str], deep: bool) -> None:
    """Each document that was dropped as a copy names one that is kept, here or in an earlier build, and is its copy.

    Copies are equal after white space is folded, of one URL, or as similar as stated and as the threshold asks,
    computed from the texts. Without `deep`, about 200 are compared, spread evenly. The numbers of copies of all kept
    documents are added up. In memory are some thousand dropped texts. Builds of before this was stored have a note.
    """
    manifest = build.manifest(STAGE)
    candidates = stored_files(manifest, CANDIDATES)
    if not candidates:
        notes.append(f"{STAGE}: of an older groundup, which kept no evidence: removals were not checked")
        return
    settings = manifest.fingerprint_of.settings[STAGE]
    with Tables(build) as tables:
        _add_up(build, tables, candidates, problems)
        if not settings["minhash"]["verify"]:
            notes.append("dedup.minhash.verify is false: a shared bucket was enough, so removals were not checked")
            return
        total = sum(
            number
            for counts in manifest.counts.sources.values()
            for reason, number in counts.dropped.items()
            if reason in REASONS
        )
        removals = _Removals(build, tables, candidates, settings["minhash"])
        for batch in _batches(build, 1 if deep else max(1, total // _SAMPLE)):
            problems += removals.problems(batch)
            checked["removals"] += len(batch) - removals.num_unknown
            if len(problems) > _FEW:
                break
        notes.extend(f"{part}: not here now, so removals for its documents were not checked" for part in removals.gone)


def _batches(build: Build, every: int) -> Iterator[list[tuple[str, Drop]]]:
    """Each `every`th document that was dropped as a copy, with the part that it is in."""
    batch: list[tuple[str, Drop]] = []
    number = characters = 0
    for part in build.parts(STAGE, dropped=True):
        for table in build.tables(part, _COLUMNS):
            for at in range(table.num_rows):
                if table["reason"][at].as_py() not in REASONS:
                    continue
                number += 1
                if number % every:
                    continue
                row = table.slice(at, 1).to_pylist()[0]
                batch.append((part, row))
                characters += len(row["text"])
                if characters > _BATCH_CHARACTERS or len(batch) == _BATCH_DROPS:
                    yield batch
                    batch, characters = [], 0
    if batch:
        yield batch


class _Removals:
    """Finds what is wrong with removals. `gone`: parts of earlier builds that cannot be read now."""

    def __init__(self, build: Build, tables: Tables, candidates: list[str], minhash: dict[str, Any]) -> None:
        self._build, self._tables, self._candidates = build, tables, candidates
        self._minhash = minhash
        self.gone: dict[str, None] = {}
        self.num_unknown = 0  # of the last batch, removals for documents of such parts

    def problems(self, batch: list[tuple[str, Drop]]) -> list[str]:
        """A line for each removal that is not as stated. Ids may repeat: one kept document that fits is enough."""
        pending = dict.fromkeys(range(len(batch)), "that document is not kept")
        by_id: dict[str | None, list[int]] = {}
        for at, (_, drop) in enumerate(batch):
            by_id.setdefault(drop["duplicate_of"], []).append(at)
        for number, kept in self._kept([id for id in by_id if id is not None]):
            for at in [at for at in by_id[kept["id"]] if at in pending and batch[at][1]["cluster"] == number]:
                wrong = self._mismatch(batch[at][1], kept)
                if wrong is None:
                    del pending[at]
                else:
                    pending[at] = wrong
        unknown = (
            self._of_gone([id for id in (batch[at][1]["duplicate_of"] for at in pending) if id]) if self.gone else set()
        )
        self.num_unknown = sum(batch[at][1]["duplicate_of"] in unknown for at in pending)
        return [
            f"{part}: {drop['id']}: dropped as {drop['reason']} of {drop['duplicate_of']}, but {wrong}"
            for (part, drop), wrong in ((batch[at], wrong) for at, wrong in pending.items())
            if drop["duplicate_of"] not in unknown
        ]

    def _kept(self, ids: list[str]) -> Iterator[tuple[int, Drop]]:
        """The documents of these ids that stayed, as they were compared, each with the number of its cluster."""
        parameters = Parameters()
        parts = self._build.parts(STAGE)
        rows = self._tables.rows(
            f"SELECT filename, id FROM {self._tables.source(parts, parameters)} WHERE {_among(ids, parameters)}",
            parameters,
        )
        stayed = {(part_of(row["filename"], parts).rpartition("/")[2], row["id"]) for row in rows}
        for row in self._compared(ids):
            part, is_earlier = row["part"], row["is_earlier"]
            documents = dict(zip(row["rows"], zip(row["ids"], row["numbers"], strict=True), strict=True))
            wanted = [at for at, (id, _) in documents.items() if is_earlier or (part.rpartition("/")[2], id) in stayed]
            for begin in range(0, len(wanted), _READ):
                places = wanted[begin : begin + _READ]
                try:
                    found = documents_of(part, places) if is_earlier else self._tables.documents(part, places).values()
                    for place, document in zip(sorted(places), found, strict=True):
                        if document["id"] == documents[place][0]:
                            yield documents[place][1], document
                        elif is_earlier:  # that build was made again since
                            self.gone[part] = None
                except UserError:
                    if not is_earlier:
                        raise
                    self.gone[part] = None

    def _compared(self, ids: list[str]) -> list[dict[str, Any]]:
        """By part, the rows of the candidates that have these ids."""
        parameters = Parameters()
        lists = ", ".join(
            f"list({what} ORDER BY row) AS {name}"
            for what, name in (("row", "rows"), ("id", "ids"), ("content >> 1", "numbers"))
        )
        return self._tables.rows(
            f"SELECT part, is_earlier, {lists} FROM {self._tables.source(self._candidates, parameters)} "
            f"WHERE {_among(ids, parameters)} GROUP BY part, is_earlier ORDER BY part",
            parameters,
        )

    def _of_gone(self, ids: list[str]) -> set[str]:
        """Those of these ids that are of parts which cannot be read now."""
        return {id for row in self._compared(ids) if row["part"] in self.gone for id in row["ids"]}

    def _mismatch(self, drop: Drop, kept: Drop) -> str | None:
        """Compares a dropped document with a kept one; says what differs from the drop, None where nothing does."""
        if drop["reason"] == "exact_duplicate":
            same = drop["text"].split() == kept["text"].split()
            return None if same else "their texts differ by more than white space"
        if drop["reason"] == "url_duplicate":
            one, other = _page(drop["url"]), _page(kept["url"])
            return None if one is not None and one == other else f"their URLs are {drop['url']} and {kept['url']}"
        minhash = self._minhash
        ngrams = [Ngrams(row["text"], minhash["ngram_words"], minhash["fold_verified"]) for row in (kept, drop)]
        found = ngrams[0].similarity(ngrams[1], minhash["measure"])
        if drop["value"] is None or not abs(found - drop["value"]) <= _EQUAL:
            return f"their {minhash['measure']} is {found:.6f}, not {drop['value']} as stated"
        if found < minhash["threshold"]:
            return f"their {minhash['measure']} is {found:.6f}, below the threshold {minhash['threshold']}"
        return None


def _among(ids: list[str], parameters: Parameters) -> str:
    return f"id IN (SELECT unnest({parameters.bind(ids)}::VARCHAR[]))"


def _page(url: str | None) -> str | None:
    """A URL without what does not tell pages apart, as `dedup.url` has it."""
    try:
        parts = urlsplit((url or "").strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host:
        return None
    at = "" if port in (None, 80, 443) else f":{port}"
    return f"{host.removeprefix('www.').rstrip('.')}{at}{parts.path.rstrip('/')}?{parts.query}"


def _add_up(build: Build, tables: Tables, candidates: list[str], problems: list[str]) -> None:
    """Checks that `cluster_size` and `copies` of kept documents add up to the drops, and to the manifest's clusters."""
    manifest = build.manifest(STAGE)
    sizes: Counter[str] = Counter()
    removed: defaultdict[str, Counter[str]] = defaultdict(Counter)
    parameters = Parameters()
    for row in tables.rows(
        "SELECT source, cluster_size, copies, count(*) AS number "
        f"FROM {tables.source(build.parts(STAGE), parameters)} GROUP BY ALL ORDER BY ALL",
        parameters,
    ):
        copies = json.loads(row["copies"] or "{}")
        if row["cluster_size"] != 1 + sum(copies.values()):
            problems.append(f"{STAGE}: {row['number']} kept documents say {row['cluster_size']} and {row['copies']}")
        if row["cluster_size"] > 1:
            sizes[_size_label(row["cluster_size"])] += row["number"]
        for source, number in copies.items():
            removed[source][row["source"]] += number * row["number"]
    parameters = Parameters()
    for row in tables.rows(
        "SELECT kept, list(source) AS sources, list(number) AS numbers FROM "
        "(SELECT duplicate_of, cluster, d.source AS source, min(c.source) AS kept, count(*) AS number "
        f"FROM {tables.source(build.parts(STAGE, dropped=True), parameters)} AS d JOIN (SELECT id, content >> 1 AS "
        f"number, min(source) AS source FROM {tables.source(candidates, parameters)} WHERE is_earlier GROUP BY ALL) "
        "AS c ON c.id = d.duplicate_of AND c.number = d.cluster GROUP BY duplicate_of, cluster, d.source) "
        "GROUP BY duplicate_of, cluster, kept",
        parameters,
    ):
        sizes[_size_label(1 + sum(row["numbers"]))] += 1
        for source, number in zip(row["sources"], row["numbers"], strict=True):
            removed[source][f"{row['kept']} (earlier build)"] += number
    facts = manifest.facts["clusters"]
    if (facts["sizes"], facts["removed"]) != (sizes, {source: {**kept} for source, kept in removed.items()}):
        problems.append(f"{STAGE}/manifest.json: facts.clusters: not what the documents say")
    for source, counts in manifest.counts.sources.items():
        dropped = sum(number for reason, number in counts.dropped.items() if reason in REASONS)
        if dropped != removed[source].total():
            problems.append(
                f"{STAGE}: source {source}: {dropped} copies were dropped, but kept documents stand for "
                f"{removed[source].total()}"
            )


def _size_label(size: int) -> str:
    return next((label for most, label in _SIZES if size <= most), "10000 or more")
