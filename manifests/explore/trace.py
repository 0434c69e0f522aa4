"""Trace: from a token to its document, to the extracted text, to the record or page that it came from.

Also the other way round: what became of a document or a URL, at which stage, by which rule and value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from manifests.errors import UsageError, UserError
from manifests.explore.build import Build
from manifests.explore.journeys import nowhere
from manifests.explore.sightings import Journey, Sighting, find_journeys
from manifests.explore.sql import Tables
from manifests.records.origins import Origin, original_address
from manifests.records.read import read_record

_PROVENANCE = ("url", "title", "source", "language", "date", "file", "offset", "length", "digest")
_OF_PAGES = ("page_type", "page_type_score", "shown_characters", "kept_characters", "text_origin")


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
    provenance = {name: document[name] for name in _PROVENANCE} | {name: document.get(name) for name in _OF_PAGES}
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
    for table in build.tables(path):
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


def trace_journey(build: Build, tables: Tables, journey: Journey) -> Trace | None:
    """The addresses of a document where it was seen last; None where acquire's manifest does not know its raw file."""
    last = journey.last
    document = last.document
    if (document["source"], document["file"]) not in build.raw_files:
        return None
    return _trace(build, last.part, last.row, tables.document(last.part, last.row), None)


def trace_document(
    build: Build, column: str, value: str
) -> Iterator[tuple[Sighting, Trace | None, list[dict[str, Any]]]]:
    """For each document of this id or URL: where it was seen last, its trace, and its places in the shards.

    Raises `UserError` when the build never saw it.
    """
    with Tables(build) as tables:
        for journey in find_journeys(build, tables, column, value) or [nowhere(build, tables, column, value)]:
            yield journey.last, trace_journey(build, tables, journey), journey.places
