"""What audit compares: a record with its document, and a report with its own digest."""

from __future__ import annotations

import pytest

from manifests.provenance import _mismatch, _sha1
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


def test_digest_line_follows_the_page() -> None:
    assert digest_line(b"a") != digest_line(b"b")
