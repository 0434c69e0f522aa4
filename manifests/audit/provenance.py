"""Law 4 under audit: documents point to raw records that hold them, and tokens to documents that they spell."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from manifests.errors import UserError
from manifests.explore.build import Build, RawEntry
from manifests.explore.trace import shard_stems
from manifests.records.encodings import decoded
from manifests.records.json_values import read_json
from manifests.records.read import read_record, split_record
from manifests.records.rows import split_csv_row
from manifests.records.values import sound, text_of, value_at
from manifests.storage import split_path

_PIECE = 1 << 22  # tokens
_SAMPLE = 200  # raw records, and documents of each shard, that a quick audit reads
_PLACE = re.compile(r"#\d+(?:\+\d+)?$")  # an id that says where a record is, of one whose own is another's too
_DTYPES = {"uint16": "<u2", "uint32": "<u4"}


def check_documents(build: Build, problems: list[str], notes: list[str], checked: Counter[str], deep: bool) -> None:
    """Each kept document of the first stage names a raw file of the build; its record at its offset holds it.

    What "holds it" means is told by `_mismatch`. Documents without an offset of their own (in a large compressed
    stream) are counted in a note and their records are not read. Without `deep`, about 200 records are
    read, spread evenly.
    """
    raw_files = build.raw_files
    first = build.document_stages[0]
    parts = build.parts(first)
    total = sum(entry.documents or 0 for entry in build.manifest(first).outputs if entry.path.startswith("part-"))
    every = 1 if deep else max(1, total // _SAMPLE)
    number = not_checked = 0
    unreachable: set[str] = set()
    for part in parts:
        for table in build.tables(part, ["id", "source", "file", "offset", "length", "digest"]):
            for row in table.to_pylist():
                number += 1
                if (row["source"], row["file"]) not in raw_files:
                    problems.append(f"{part}: {row['id']}: comes from {row['file']}, which acquire does not list")
                    return
                if row["offset"] < 0:
                    not_checked += 1
                    continue
                if number % every == 0:
                    _check_record(row, raw_files[row["source"], row["file"]], part, problems, unreachable)
                    checked["raw records"] += 1
    if not_checked:
        notes.append(f"{not_checked:,} documents have no address inside their file: their records were not checked")
    notes.extend(f"{file}: not here, so its records were not read" for file in sorted(unreachable))


def _check_record(row: dict[str, Any], raw: RawEntry, part: str, problems: list[str], unreachable: set[str]) -> None:
    folder, name = split_path(raw.location)
    if not folder.exists(name):
        unreachable.add(row["file"])
        return
    try:
        record = read_record(raw.location, raw.format, row["offset"], row["length"], row["id"], raw.columns)
    except UserError as error:
        problems.append(f"{part}: {row['id']}: {error}")
        return
    if not record:
        problems.append(f"{part}: {row['id']}: no record at byte {row['offset']} of {row['file']}")
        return
    if raw.format == "csv":
        wrong = _csv_mismatch(row, split_csv_row(raw.location, record, raw.columns))
    else:
        wrong = _mismatch(row, raw.format, record, raw.columns)
    if wrong:
        problems.append(f"{part}: {row['id']}: the record at byte {row['offset']} of {row['file']} {wrong}")


def _mismatch(row: dict[str, Any], format: str, record: bytes, columns: dict[str, str]) -> str | None:
    """The fault of a record; None where it is the document's.

    WARC, ARC: its header states the document's id, if any id, and either states the digest or has a payload with it.
    JSON: its id, and a text with the digest; CSV, likewise: `_csv_mismatch`. Pages: `read_record` has compared page and
    revision. Whole files: the digest.
    """
    if format in ("warc", "wet"):
        header, block = split_record(record)
        fields = dict(re.findall(r"(?m)^([\w-]+):[ \t]*(.*?)[ \t\r]*$", header.decode("utf-8", "replace").lower()))
        stated_id = fields.get("warc-record-id", "").strip("<>")
        if stated_id and stated_id != row["id"].lower() and _PLACE.search(row["id"]) is None:
            return "has another WARC-Record-ID"
        if row["digest"] is None or fields.get("warc-payload-digest") == row["digest"].lower():
            return None
        payload = re.split(rb"\n\r?\n", block, maxsplit=1)[-1]
        unended = re.split(rb"\n(?=[ \t]*<)", block, maxsplit=1)[-1]  # after an HTTP header without a blank line
        digests = (_sha1(block), _sha1(payload), _sha1(unended))
        return None if row["digest"] in digests else "has another payload digest"
    if format == "jsonl":
        try:
            value = read_json(record)
        except (ValueError, RecursionError):
            return "is not JSON"
        text = value_at(value, columns.get("text", "text")) if isinstance(value, dict) else None
        if not isinstance(text, str):
            return "has no text"
        if row["digest"] not in (None, _sha1(sound(text).encode())):
            return "has another digest"
        stated = text_of(value_at(value, columns.get("id", "id")))
        return "has another id" if stated and stated != row["id"] else None
    if format in ("text", "html", "gutenberg", "code") and row["digest"] not in (None, _sha1(record)):
        return "has another digest"
    return None


def _csv_mismatch(row: dict[str, Any], fields: dict[str, bytes] | None) -> str | None:
    """The fault of a CSV row: it is none, has no text or, in any encoding, another one by the digest, or another id."""
    if fields is None:
        return "is no row of the file"
    data = fields.get("text", b"")
    if not data.strip():
        return "has no text"
    if row["digest"] is not None and all(row["digest"] != _sha1(text.encode()) for text in decoded(data)):
        return "has another digest"
    return "has another id" if fields.get("id") and row["id"] not in decoded(fields["id"]) else None


def _sha1(data: bytes) -> str:
    return "sha1:" + base64.b32encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode("ascii")


def check_tokens(build: Build, problems: list[str], checked: Counter[str], deep: bool) -> None:
    """Each shard is its index: documents follow each other, end with end-of-text, and decode to their text.

    The text is that of the part and row of the index. Without `deep`, about 200 documents of each
    shard are decoded; places and ends of all are checked.
    """
    facts = build.manifest("shards").facts
    tokenizer = Tokenizer.from_str(build.folder.read_text("tokenizer/tokenizer.json"))
    texts = _Texts(build)
    for stem in shard_stems(build):
        name = f"shards/{stem}.bin"
        tokens = np.frombuffer(build.folder.read_bytes(name), dtype=_DTYPES[facts["dtype"]])
        with build.folder.open(f"shards/{stem}.index.parquet") as file:
            index = pq.read_table(file, columns=["id", "part", "row", "start", "length"])
        starts, lengths = index["start"].to_numpy(), index["length"].to_numpy()
        checked["tokens"] += len(tokens)
        if not np.array_equal(starts, np.cumsum(lengths) - lengths) or lengths.sum() != len(tokens):
            problems.append(f"shards/{stem}.index.parquet: its documents do not follow each other to the shard's end")
            continue
        if not np.array_equal(_places(tokens, facts["end_of_text_id"]), starts + lengths - 1):
            problems.append(f"{name}: its end-of-text tokens are not where the index ends its documents")
            continue
        step = 1 if deep else max(1, len(index) // _SAMPLE)
        for number in _in_part_order(index, step):
            row = index.slice(number, 1).to_pylist()[0]
            document = texts.read(row["part"], row["row"])
            ids = tokens[row["start"] : row["start"] + row["length"] - 1]
            checked["documents decoded"] += 1
            if document["id"] != row["id"]:
                problems.append(f"shards/{stem}.index.parquet: {row['id']} is not at row {row['row']} of {row['part']}")
                break
            if tokenizer.decode(ids.tolist(), skip_special_tokens=False) != document["text"]:
                problems.append(f"{name}: tokens of {row['id']} do not decode to its text in {row['part']}")
                break


def _places(tokens: np.ndarray[Any, Any], token: int) -> np.ndarray[Any, Any]:
    """The positions of a token, in order, a few million at a time."""
    pieces = [np.flatnonzero(tokens[at : at + _PIECE] == token) + at for at in range(0, len(tokens), _PIECE)]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int64)


def _in_part_order(index: pa.Table, step: int) -> Iterator[int]:
    """Numbers of every `step`th row of an index, in the order in which the parts have the documents."""
    rows = np.arange(0, len(index), step)
    parts = index["part"].combine_chunks().dictionary_encode()
    names = pc.rank(parts.dictionary, tiebreaker="dense").to_numpy() if len(parts.dictionary) else np.zeros(0)
    order = np.lexsort((index["row"].to_numpy()[rows], names[parts.indices.to_numpy()[rows]]))
    yield from rows[order].tolist()


class _Texts:
    """Rows of document parts by number; the row group read last stays in memory, for readers that go in order."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._part = ""
        self._first = 0
        self._table: Any = None

    def read(self, part: str, row: int) -> dict[str, Any]:
        if part != self._part or not self._first <= row < self._first + len(self._table):
            self._load(part, row)
        found: dict[str, Any] = self._table.slice(row - self._first, 1).to_pylist()[0]
        return found

    def _load(self, part: str, row: int) -> None:
        first = 0
        for table in self._build.tables(part, ["id", "text"]):
            if row < first + len(table):
                self._part, self._first, self._table = part, first, table
                return
            first += len(table)
        raise UserError(f"{self._build.url}/{part}: has no row {row}, which the shards' index names.")
