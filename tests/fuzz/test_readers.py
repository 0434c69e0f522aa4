"""Every reader of raw files, plain and compressed: documents, drops and damages that add up, or an error for users."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
from datatrove.data import Document

from manifests.audit import provenance
from manifests.errors import UserError
from manifests.explore.build import RawEntry
from manifests.records.read import read_record
from pipeline.documents.parts import encodable
from pipeline.documents.schema import DOCUMENT_SCHEMA, DROP_SCHEMA, document_row
from pipeline.extractors.base import GuardedExtractor
from pipeline.extractors.settings import ExtractSettings
from pipeline.formats import extractor_for, reader_for
from pipeline.readers.base import RawFile, Reader
from tests.fuzz.harness import Case, Target, check_user_error, fuzz_test
from tests.fuzz.mutate import changed, changed_json
from tests.fuzz.seeds import PACKERS, seeds_of

_PACKED = tuple(PACKERS)


class _Drops:
    """The drops of a reader or an extractor, as rows."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, document: Document, reason: str, value: float | None = None, detail: str | None = None) -> None:
        row = document_row(document) | {"stage": "extract", "reason": reason, "value": value, "detail": detail}
        self.rows.append(encodable(row))


def _read(reader: Reader) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, int], list[str], str]:
    """Documents, drops, other records, damages, and the error for users that ended the reading, if one did."""
    drops = _Drops()
    reader.drops = drops
    documents: list[dict[str, Any]] = []
    extractor = extractor_for(reader.file.format, ExtractSettings())
    extractor.drops = drops
    error = ""
    try:
        for document in reader.run():
            documents.append(encodable(document_row(document)))
    except UserError as raised:
        check_user_error(raised, reader.file.key, reader.file.path)
        error = str(raised)
    else:
        assert reader.num_candidates == len(documents) + len(drops.rows), "candidates are not documents and drops"
    assert Counter(row["reason"] for row in drops.rows) == reader.num_dropped, "drops are counted wrongly"
    if not isinstance(extractor, GuardedExtractor):
        texts = list(extractor.run(Document(**row_document(row)) for row in documents))
        pa.array([text.text for text in texts], pa.string())
    return documents, drops.rows, dict(reader.num_other_records), reader.damaged, error


def row_document(row: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a document, of a row of its schema."""
    return {"text": row["text"], "id": row["id"], "metadata": {**row}}


def check_file(format: str, case: Case) -> None:
    """What must be true of a raw file, whatever is in it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / case.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(case.data)
        file = RawFile(key=case.name, path=str(path), source="s", format=format)
        documents, drops, _, damaged, _ = first = _read(reader_for(file))
        assert first == _read(reader_for(file)), "another reading gives something else"
        for schema, rows in ((DOCUMENT_SCHEMA, documents), (DROP_SCHEMA, drops)):
            pa.Table.from_pylist(rows, schema)
        assert all(line.strip() and line.isprintable() for line in damaged), f"a damage of several lines: {damaged!r}"
        for row in documents + drops:
            assert row["id"], "a document without an id"
            assert row["offset"] + max(0, row["length"]) <= len(case.data), f"an address beyond the file: {row!r}"
        raw = RawEntry(case.name, "s", format, None, 0, "", None, str(path), False, {})
        for number, row in enumerate(documents):
            problems: list[str] = []
            if row["offset"] >= 0:
                provenance._check_record(row, raw, "part", problems, set())
            elif number < _MOST_SEARCHED:
                wrong = _not_found(row, path, format)
                problems += wrong if not damaged else []  # numbers of rows are of those that can be read
            assert not problems, f"audit: {problems[0].replace(folder, '').replace(row['id'], 'ID')}"


_MOST_SEARCHED = 3  # records of a file that are looked for by their ids: each is a search from the file's beginning


def _not_found(row: dict[str, Any], path: Path, format: str) -> list[str]:
    """What is wrong with the record of a document that has no address inside its file."""
    try:
        record = read_record(str(path), format, row["offset"], row["length"], row["id"])
    except UserError as error:
        return [] if "has no address inside this file" in str(error) else [str(error)]
    wrong = provenance._mismatch(row, format, record, {}) if format in ("jsonl", "warc", "wet") else None
    return [f"the record of its id {wrong}"] if wrong else []


def _mutate(random: Random, case: Case, seeds: Sequence[Case]) -> Case:
    """Change what is in a file, what it is packed in, or both."""
    name, data = case.name, case.data
    ending = next((ending for ending in _PACKED if name.endswith(ending)), "")
    others = [seed.data for seed in random.sample(list(seeds), min(4, len(seeds)))]
    kind = random.random()
    if ending or kind < 0.6:
        data = _change_contents(random, name, data, others)
    if not ending and random.random() < 0.4:
        ending = random.choice(_PACKED)
        name += ending
        cuts = sorted(random.randrange(len(data) + 1) for _ in range(random.choice((0, 0, 1, 3))))
        data = b"".join(PACKERS[ending](data[a:b]) for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True))
        if random.random() < 0.6:
            data = changed(random, data, others)
    return Case(name, data)


def _change_contents(random: Random, name: str, data: bytes, others: list[bytes]) -> bytes:
    if name.endswith(".jsonl") and random.random() < 0.6:
        lines = data.split(b"\n")
        at = random.randrange(len(lines))
        lines[at] = changed_json(random, lines[at]).replace(b"\n", b" ")
        return b"\n".join(lines)
    return changed(random, data, others, _words_of(name))


def _words_of(name: str) -> tuple[bytes, ...]:
    return next((words for part, words in _WORDS.items() if part in name), ())


_WORDS: dict[str, tuple[bytes, ...]] = {
    "arc": (
        b"WARC/1.0\r\n", b"WARC/1.1\n", b"\r\n\r\n", b"\n\n", b"Content-Length: 0\r\n", b"Content-Length: -1\r\n",
        b"WARC-Type: response\r\n", b"WARC-Type: conversion\r\n", b"Transfer-Encoding: chunked\r\n",
        b"HTTP/1.1 200 OK",
        b"Content-Encoding: gzip, br\r\n", b"Content-Encoding: deflate\r\n", b"Content-Encoding: zstd\r\n",
        b"Content-Type: text/html; charset=utf-16\r\n", b"Content-Type: text/html; charset=idna\r\n", b"0\r\n\r\n",
        b"ffffffff\r\n", b"WARC-Segment-Number: 1\r\n", b"WARC-Identified-Payload-Type: text/html\r\n", b"\r\n ",
        b"WARC-Record-ID: <urn:uuid:1>\r\n", b"http://example.org/ 10.0.0.1 20240101000000 text/html 10\n",
        b"WARC-Record-ID: <>\r\n", b"WARC-Payload-Digest: sha1:A\r\n", b"<p>text</p>", b"<meta charset=utf-7>",
    ),
    ".xml": (
        b"<page>", b"</page>", b"<revision>", b"</revision>", b"<id>1</id>", b"<id></id>", b"<ns>1</ns>", b"<title>",
        b"<text>", b"</text>", b"<text deleted='deleted' />", b"</mediawiki>", b"<mediawiki>",
        b"<redirect title='x' />",
        b"<base>http://x/index.php?title=A</base>", b"<base>x:</base>", b"<base>http://[</base>", b"<!DOCTYPE a [",
        b"<dbname>x</dbname>", b"<timestamp>2030</timestamp>", b"&#0;", b"&lt;", b"&x;", b"<![CDATA[", b"]]>",
        b"<!--",
        b"<?xml version='1.0' encoding='utf-16'?>", b"<!ENTITY x '&y;'>", b"<model>css</model>", b"<sha1></sha1>",
        b"#REDIRECT [[x]]", b"<namespace key='1'>", b'<namespace key="7" case="x">A</namespace>',
    ),
    ".jsonl": (b"{", b"}", b"[", b'"', b'{"text": "a"}\n', b"\\ud800", b"\\u0000", b"\n", b"\r", b"NaN", b"1e999"),
    ".csv": (b",", b";", b"\t", b"|", b'"', b'""', b'"\n', b"\n", b"\r", b"text", b"id,text\n", b"\n\n", b'",',
    b'"x'),
    ".txt": (
        b"*** START OF THE PROJECT GUTENBERG EBOOK X ***\n", b"*** END OF THE PROJECT GUTENBERG EBOOK X ***\n",
        b"***START", b"Title: ", b"Language: ", b"\n\n\n", b"    ", b"[Illustration]", b"_", b"CHAPTER I\n",
        b"PK\x03\x04",
        b"Character set encoding: ", b"\x1b$B", b"+ADw-", b"\n\t\n", b"[1]", b" * * * * *\n", b"\xa0", b"\xad",
    ),
    ".html": (b"<meta charset=utf-16>", b"<meta charset=x-user-defined>", b"<?xml encoding='utf-7'?>", b"<p>", b"<"),
    "repo/": (b"# -*- coding: idna -*-\n", b"#!/bin/sh\n", b"#!", b"coding=utf-16", b"@generated", b"\n", b"x" * 400),
    ".parquet": (b"PAR1", b"\x15\x00", b"\x19\x1c", b"\xff\xff\xff\x7f", b"\x28\xb5\x2f\xfd"),
}  # fmt: skip


def _target(format: str, ci_inputs: int = 60) -> Target:
    return Target(
        f"reader-{format}",
        lambda: seeds_of(format),
        lambda case: check_file(format, case),
        _mutate,
        ci_inputs=ci_inputs,
    )


TARGETS = [
    _target(format)
    for format in ("warc", "wet", "mediawiki", "html", "text", "gutenberg", "code", "jsonl", "csv", "parquet")
]

test_inputs = fuzz_test(TARGETS)
