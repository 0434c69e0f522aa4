"""What audit compares: a record with its document, and a report with its own digest."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifests.builds import RawEntry
from manifests.provenance import _check_record, _mismatch, _sha1
from manifests.report import digest_line

_HTTP = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>body</p>"
_WARC = b"WARC/1.0\r\nWARC-Record-ID: <urn:uuid:a>\r\nContent-Length: %d\r\n\r\n%s\r\n\r\n" % (len(_HTTP), _HTTP)


def test_a_warc_record_is_known_by_its_payload() -> None:
    row = {"id": "urn:uuid:a", "digest": _sha1(b"<p>body</p>")}
    assert _mismatch(row, "warc", _WARC, {}) is None
    assert _mismatch(row, "warc", _WARC.replace(b"body", b"bodx"), {}) == "has another payload digest"
    assert _mismatch({**row, "id": "urn:uuid:b"}, "warc", _WARC, {}) == "has another WARC-Record-ID"


@pytest.mark.parametrize(
    ("line", "wrong"),
    [(b'{"id": 1, "text": "t"}', None), (b'{"id": 2, "text": "t"}', "has another id"), (b'{"id": 1', "is not JSON")],
)
def test_a_json_line_is_known_by_its_id(line: bytes, wrong: str | None) -> None:
    assert _mismatch({"id": "1", "digest": None}, "jsonl", line, {}) == wrong


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ("1;t", None),
        ("2;t", "has another id"),
        (";t", None),
        ("1; ", "has no text"),
        ("1;u", "has another digest"),
        ("1;t;x", "is no row of the file"),
        ("1;t\n2;u", "is no row of the file"),
        ('1;"t', "is no row of the file"),
    ],
)
def test_a_csv_row_is_known_by_its_id(row: str, wrong: str | None, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"id;body\n{row}\n")
    raw = RawEntry("k", "s", "csv", None, 0, "", None, str(path), False, {"text": "body"})
    document = {"id": "1", "source": "s", "file": "k", "offset": 8, "length": len(row) + 1, "digest": _sha1(b"t")}
    problems: list[str] = []
    _check_record(document, raw, "part", problems, set())
    assert problems == ([] if wrong is None else [f"part: 1: the record at byte 8 of k {wrong}"])


def test_digest_line_follows_the_page() -> None:
    assert digest_line(b"a") != digest_line(b"b")
