"""Law 4 under audit: documents point to raw records that hold them, and tokens to documents that they spell."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from typing import Any

from manifests.errors import UserError
from manifests.explore.build import Build, RawEntry
from manifests.records.encodings import decoded
from manifests.records.json_values import read_json
from manifests.records.read import header_fields, read_record, split_record, stated_id
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
        own_id = stated_id(header)
        if own_id and own_id != row["id"] and _PLACE.search(row["id"]) is None:
            return "has another WARC-Record-ID"
        if row["digest"] in (None, header_fields(header).get("warc-payload-digest")):
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
