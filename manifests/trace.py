"""Trace: from a token to its document, to the extracted text, to the record or page that it came from.

Also the other way round: what became of a document or a URL, at which stage, by which rule and value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from manifests.builds import Build
from manifests.errors import UsageError, UserError
from manifests.origins import Origin, original_address
from manifests.records import read_record

_PROVENANCE = ("url", "source", "language", "date", "file", "offset", "length", "digest")


@dataclass(frozen=True)
class Trace:
    """A document and all its addresses. `record` is the raw bytes of its record or page, where it has an address."""

    id: str
    part: str  # document part below the build, and the row in it
    row: int
    text: str
    provenance: dict[str, Any]
    location: str  # where its raw file can be opened
    format: str  # of the raw file
    columns: dict[str, str]  # of the raw file, where its columns are named otherwise than a document's
    tokens: dict[str, Any] | None = None  # shard, start, length (tokens) and position, for a trace from a token
    origin: Origin | None = None  # where a record was that was fetched by itself, out of a file of Common Crawl

    def read_record(self) -> bytes:
        """The bytes at the document's address, decompressed: a WARC record, a wiki page's XML, a line, a file."""
        place = (self.provenance["offset"], self.provenance["length"])
        return read_record(self.location, self.format, *place, self.id, self.columns)


def trace_token(build: Build, address: str) -> Trace:
    """Trace `SHARD:POSITION`, such as `shard-00000:1234` (of the training split) or `validation/shard-00000:7`."""
    shard, separator, number = address.rpartition(":")
    if not separator or not number.isdigit():
        raise UsageError(f"--token {address}: write it as SHARD:POSITION, for example shard-00000:1234.")
    stem = shard.removesuffix(".bin")
    stem = stem if "/" in stem else f"train/{stem}"
    path = f"shards/{stem}.index.parquet"
    if not build.folder.exists(path):
        raise UserError(f"{build.url}: has no shard {stem!r}. There are: {', '.join(shard_stems(build))}.")
    entry = index_row_at(build, path, int(number))
    document = build.row(entry["part"], entry["row"])
    if document["id"] != entry["id"]:
        raise UserError(
            f"{build.url}/{entry['part']}: row {entry['row']} is {document['id']}, not {entry['id']} as the index of "
            f"{stem} says. Run groundup audit."
        )
    tokens = {"shard": stem, "position": int(number), "start": entry["start"], "length": entry["length"]}
    return _trace(build, entry["part"], entry["row"], document, tokens)


def _trace(build: Build, part: str, row: int, document: dict[str, Any], tokens: dict[str, Any] | None) -> Trace:
    raw = build.raw_files[document["source"], document["file"]]
    provenance = {name: document[name] for name in _PROVENANCE}
    origin = None
    if raw.inside and raw.format == "warc" and document["offset"] >= 0:
        origin = original_address(raw.location, document["offset"])
    address = (raw.location, raw.format, raw.columns)
    return Trace(document["id"], part, row, document["text"], provenance, *address, tokens, origin)


def shard_stems(build: Build) -> list[str]:
    """`train/shard-00000` and so on, in order."""
    paths = [entry.path for entry in build.manifest("shards").outputs if entry.path.endswith(".bin")]
    return [path.removesuffix(".bin") for path in paths]


def index_row_at(build: Build, path: str, position: int) -> dict[str, Any]:
    """The index row of the document that owns a token. Raises `UserError` past the end of the shard."""
    end = 0
    with build.folder.open(path) as file:
        parquet = pq.ParquetFile(file)
        for group in range(parquet.num_row_groups):
            table = parquet.read_row_group(group)
            if not table.num_rows:
                continue
            starts = table["start"].to_numpy()
            end = int(starts[-1]) + int(table["length"][-1].as_py())
            if position < end:
                row: dict[str, Any] = table.slice(int(starts.searchsorted(position, "right")) - 1, 1).to_pylist()[0]
                return row
    if end == 0:
        raise UserError(f"{build.url}/{path}: this shard is empty: it has few documents for its share of the hash.")
    raise UserError(f"{build.url}/{path}: there is no token {position:,}; positions go from 0 to {end - 1:,}.")


@dataclass(frozen=True)
class Sighting:
    """One place where a document was seen: kept by the last stage that has it, or dropped by one."""

    stage: str
    kept: bool
    part: str
    row: int
    document: dict[str, Any]


def find_document(build: Build, column: str, value: str) -> list[Sighting]:
    """Every document whose `id` or `url` is `value`: where it was dropped, or the last stage that kept it."""
    found: dict[tuple[str, str, int, str], Sighting] = {}  # two documents may have one id
    for stage in ("extract", "filter", "dedup"):
        if stage not in build.manifests:
            continue
        for kept in (True, False):
            for part in build.parts(stage, dropped=not kept):
                for row, document in build.find(part, column, value):
                    key = (document["source"], document["file"], document["offset"], document["id"])
                    found[key] = Sighting(stage, kept, part, row, document)
    return list(found.values())


def trace_document(
    build: Build, column: str, value: str
) -> Iterator[tuple[Sighting, Trace | None, list[dict[str, Any]]]]:
    """For each document of this id or URL: where it was seen last, its trace, and its places in the shards.

    Raises `UserError` when the build never saw it.
    """
    sightings = find_document(build, column, value)
    if not sightings:
        raise UserError(f"{build.url}: no document with {column} {value!r} was ever read. Check the spelling.")
    for sighting in sightings:
        document = sighting.document
        trace = None
        if (document["source"], document["file"]) in build.raw_files:
            trace = _trace(build, sighting.part, sighting.row, document, None)
        places = list(_places(build, sighting)) if sighting.kept and "shards" in build.manifests else []
        yield sighting, trace, places


def _places(build: Build, sighting: Sighting) -> Iterator[dict[str, Any]]:
    for stem in shard_stems(build):
        for _, entry in build.find(f"shards/{stem}.index.parquet", "id", sighting.document["id"]):
            if (entry["source"], entry["part"], entry["row"]) != (
                sighting.document["source"],
                sighting.part,
                sighting.row,
            ):
                continue
            yield {"shard": stem, "start": entry["start"], "length": entry["length"], "copy": entry["copy"]}
