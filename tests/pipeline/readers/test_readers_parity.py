"""WARC and ARC reader beside warcio and FastWARC, on every real file: as many records, and the same payloads."""

from __future__ import annotations

import contextlib
import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator as FastWarcIterator
from fastwarc.warc import WarcRecordType

from pipeline.readers.base import RawFile
from pipeline.readers.http import BodyError, decode_body, parse_response
from pipeline.readers.members import MemberStream
from pipeline.readers.warc import WarcReader
from pipeline.readers.warc_records import WarcRecord, iterate_records, starts_record

warcio = pytest.importorskip("warcio.archiveiterator")

# warcio's figures of MANIFEST.tsv take any line of five words for the header of an ARC record, and a blank line for
# that of a record without type. Read as WARC alone, it finds no such records, and no more than we do.
PHANTOMS = {
    "oduwsdl_ipwb/broken.warc": 2,  # Date and Last-Modified of an HTTP header
    "richardlehane_webarchive/invalid-warcfile-fields-empty.warc": 1,  # User-Agent of an HTTP request
    "richardlehane_webarchive/invalid-warcfile-fields-invalidformat.warc": 1,  # the same
    "richardlehane_webarchive/invalid-warcheaderversion-20.warc": 1,  # the file is one blank line
    "richardlehane_webarchive/invalid-warcreader-diagnosis-1.warc": 1,  # a blank line, then prose
}
# Bodies that differ, by file and library, and why ours is the one.
OTHER_BODIES = {
    # Header lines end in LF alone; FastWARC takes the first CR LF CR LF, deep in the page, for the header's end.
    ("chatnoir-eu_chatnoir-resiliparse/clueweb-quirk.warc.gz", "fastwarc"): 29,
    # The block is `HTTP/1.`: no status line, so to us all of it is body.
    ("oduwsdl_ipwb/broken.warc", "warcio"): 1,
    ("oduwsdl_ipwb/broken.warc", "fastwarc"): 1,
    # Their length runs into the next record: a drop to us, to them a body with that record's header at its end.
    ("richardlehane_webarchive/invalid-warcrecord-3.warc", "warcio"): 1,
    ("richardlehane_webarchive/invalid-warcrecord-3.warc", "fastwarc"): 1,
    # No blank line ends the HTTP header: warcio takes all of the page for header.
    ("richardlehane_webarchive/hello-world.arc", "warcio"): 1,
    # Named chunked and not: we keep the page, warcio loses it.
    ("webrecorder_warcio/example-wrong-chunks.warc.gz", "warcio"): 1,
}
# Records cut off by the file's end, which they give in part and we drop.
CUT_OFF = {
    "chatnoir-eu_chatnoir-resiliparse/clipped.warc.gz",
    "oduwsdl_ipwb/redirect.warc",
    "webrecorder_warcio/example-space-in-url.arc",
}


def real_files(shared_data: Path) -> list[tuple[str, Path, dict[str, str]]]:
    with (shared_data / "warc" / "MANIFEST.tsv").open() as lines:
        found = [
            (row["file"], shared_data / "warc" / row["file"], row) for row in csv.DictReader(lines, delimiter="\t")
        ]
    assert len(found) > 100
    return found


def count_with_warcio(path: Path) -> int:
    """Records up to the end, or to where it gives up; a blank line is none."""
    num_records = 0
    with contextlib.suppress(Exception), path.open("rb") as file:
        for record in warcio.ArchiveIterator(file, arc2warc=False):
            num_records += record.rec_headers.protocol != ""
            record.raw_stream.read()
    return num_records


def count_with_fastwarc(path: Path) -> int:
    num_records = 0
    with contextlib.suppress(OSError), path.open("rb") as file:
        for record in FastWarcIterator(file, parse_http=False):
            num_records += 1
            record.reader.read()
    return num_records


def test_as_many_records_as_the_better_of_two_libraries(shared_data: Path) -> None:
    num_beaten = 0
    for name, path, row in real_files(shared_data):
        reader = WarcReader(RawFile(path.name, str(path), "test", "warc"))
        num_documents = sum(1 for _ in reader())
        assert reader.num_candidates == num_documents + reader.num_dropped.total(), name
        assert reader.num_records or reader.damaged, f"{name}: nothing read and nothing said"
        best = max(count_with_warcio(path), count_with_fastwarc(path))
        assert reader.num_records >= best, name
        num_beaten += reader.num_records > best
        stated = sum(json.loads(row["warcio_records"]).values()) - PHANTOMS.get(name, 0)
        assert reader.num_records >= max(stated, int(row["fastwarc_lenient"] or 0), int(row["fastwarc_strict"] or 0))
    assert num_beaten >= 4


def our_bodies(path: Path) -> dict[str, list[bytes]]:
    """The bodies of HTTP responses under the record's id, or an ARC record's URL."""
    bodies: dict[str, list[bytes]] = {}
    with path.open("rb") as file:
        for record in iterate_records(MemberStream(file, name=path.name, starts=starts_record)):
            if not isinstance(record, WarcRecord) or record.damage is not None or record.block[:5] != b"HTTP/":
                continue
            try:
                body = decode_body(parse_response(record.block))
            except BodyError:
                continue
            bodies.setdefault(record.id or record.headers["warc-target-uri"], []).append(body)
    return bodies


def warcio_bodies(path: Path) -> Iterator[tuple[str, bytes]]:
    with contextlib.suppress(Exception), path.open("rb") as file:
        for record in warcio.ArchiveIterator(file, arc2warc=False):
            if record.rec_type in ("response", "revisit") and record.http_headers is not None:
                id = record.rec_headers.get_header("WARC-Record-ID") or record.rec_headers.get_header("uri")
                yield id.strip("<>"), record.content_stream().read()


def fastwarc_bodies(path: Path) -> Iterator[tuple[str, bytes]]:
    types = WarcRecordType.response | WarcRecordType.revisit
    with contextlib.suppress(OSError), path.open("rb") as file:
        for record in FastWarcIterator(file, parse_http=True, record_types=types, auto_decode="all"):
            if record.is_http:
                yield (record.headers.get("WARC-Record-ID") or "").strip("<>"), bytes(record.reader.read())


def test_payloads_are_those_of_two_libraries(shared_data: Path) -> None:
    num_same: Counter[str] = Counter()
    num_other: Counter[tuple[str, str]] = Counter()
    for name, path, _ in real_files(shared_data):
        ours = our_bodies(path)
        for library, theirs in (("warcio", warcio_bodies(path)), ("fastwarc", fastwarc_bodies(path))):
            for id, body in theirs:
                if id not in ours and (name in CUT_OFF or not body):
                    continue
                assert id in ours, (name, library, id)
                if body in ours[id]:
                    num_same[library] += 1
                else:
                    num_other[name, library] += 1
    assert num_other == OTHER_BODIES
    assert num_same["warcio"] > 800
    assert num_same["fastwarc"] > 500
