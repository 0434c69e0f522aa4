"""WARC reader: every record of the real files read or dropped, with an address that proves it."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manifests.audit import provenance
from manifests.errors import UserError
from manifests.records.read import read_record, read_warc_record, split_record
from pipeline.formats import RawFile, reader_for
from pipeline.readers.http import join_chunks, parse_response
from pipeline.readers.members import MemberStream
from pipeline.readers.warc import WarcReader, record_place
from pipeline.readers.warc_records import Unreadable, WarcRecord, iterate_records, starts_record


def make_record(
    number: int, body: bytes, kind: str = "response", http: str = "Content-Type: text/html", **fields: str
) -> bytes:
    block = f"HTTP/1.1 200 OK\r\n{http}\r\n\r\n".encode() + body if kind == "response" else body
    content_type = fields.pop("content_type", "application/http; msgtype=response")
    head = [
        "WARC/1.0",
        f"WARC-Type: {kind}",
        f"WARC-Record-ID: <urn:uuid:{number:032x}>",
        f"WARC-Target-URI: http://example.org/{number}",
        "WARC-Date: 2024-01-02T03:04:05Z",
        f"Content-Type: {content_type}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items()),
        f"Content-Length: {len(block)}",
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + block + b"\r\n\r\n"


def page(number: int) -> bytes:
    return f"<html><body><p>Page {number} {'words ' * 50}</p></body></html>".encode()


def read(path: Path, data: bytes | None = None, **options: int) -> tuple[list, WarcReader]:
    if data is not None:
        path.write_bytes(data)
    reader = WarcReader(RawFile(path.name, str(path), "test", "warc"), **options)
    documents = list(reader())
    assert reader.num_candidates == len(documents) + reader.num_dropped.total()
    return documents, reader


def warc_files(shared_data: Path) -> list[tuple[str, Path, dict[str, str]]]:
    with (shared_data / "warc" / "MANIFEST.tsv").open() as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    found = [(row["file"], shared_data / "warc" / row["file"], row) for row in rows]
    return [entry for entry in found if entry[1].exists()]


def fastwarc_records(path: Path) -> tuple[list[tuple[int, str, bytes]], bool]:
    """Offset, id and block of what FastWARC reads, and whether it came to the end without an error."""
    records = []
    try:
        with path.open("rb") as file:
            for record in ArchiveIterator(file, parse_http=False):
                records.append((record.stream_pos, record.headers.get("WARC-Record-ID"), bytes(record.reader.read())))
    except OSError:
        return records, False
    return records, True


def records_of(path: Path) -> list[WarcRecord | Unreadable]:
    with path.open("rb") as file:
        return list(iterate_records(MemberStream(file, name=path.name, starts=starts_record)))


def test_real_addresses_give_the_record_to_fastwarc(shared_data: Path) -> None:
    """The bytes at offset and length, and nothing else, are one record for an independent reader."""
    num_compared = 0
    for name, path, _ in warc_files(shared_data):
        expected, is_sound = fastwarc_records(path)
        ours = [record for record in records_of(path) if isinstance(record, WarcRecord) and record.damage is None]
        raw = path.read_bytes()
        for record in ours:
            stored = read_warc_record(str(path), record.offset, record.length, record.id or record_place(name, record))
            assert split_record(stored)[1] == record.block, name
        # FastWARC misreads headers whose lines end in a bare line feed.
        if not is_sound or len(expected) != len(ours) or b"WARC/1.0\n" in raw:
            continue
        for record, (offset, record_id, block) in zip(ours, expected, strict=True):
            assert record.block == block, name
            if record.length < 0:
                continue
            assert record.offset == offset, name
            again = list(ArchiveIterator(io.BytesIO(raw[offset : offset + record.length]), parse_http=False))
            assert len(again) == 1, name
            assert again[0].headers.get("WARC-Record-ID") == record_id, name
            num_compared += 1
    assert num_compared > 1000


def test_real_common_crawl_record(shared_data: Path) -> None:
    path = shared_data / "warc/commoncrawl_whirlwind-python/whirlwind.warc.gz"
    (document,), reader = read(path)
    assert document.id.startswith("urn:uuid:")
    assert document.metadata["url"] == "https://an.wikipedia.org/wiki/Escopete"
    assert document.metadata["digest"].startswith("sha1:")
    assert document.metadata["date"].startswith("2024-05-18")
    assert "Escopete" in document.text
    assert reader.num_other_records == {"warcinfo": 1, "request": 1, "metadata": 1}
    address = document.metadata["offset"], document.metadata["length"]
    assert b"Escopete" in read_record(str(path), "warc", *address, document.id)
    wet = shared_data / "warc/commoncrawl_whirlwind-python/whirlwind.warc.wet.gz"
    (text,), _ = read(wet)
    assert text.metadata["plain_text"] is True
    assert "Escopete" in text.text


@pytest.mark.parametrize("ending", ["gz", "zst", "lz4", "warc"])
def test_every_compression_has_addresses(tmp_path: Path, ending: str) -> None:
    compress = {"gz": gzip.compress, "warc": bytes}
    if ending == "zst":
        import zstandard

        compress["zst"] = zstandard.compress
    if ending == "lz4":
        compress["lz4"] = pytest.importorskip("lz4.frame").compress
    members = [compress[ending](make_record(number, page(number))) for number in range(20)]
    path = tmp_path / f"x.warc.{ending}"
    documents, reader = read(path, b"".join(members))
    assert not reader.damaged
    offset = 0
    for number, (document, member) in enumerate(zip(documents, members, strict=True)):
        assert (document.metadata["offset"], document.metadata["length"]) == (offset, len(member))
        assert page(number) in read_warc_record(str(path), offset, len(member), document.id)
        offset += len(member)


def test_records_that_share_a_member_are_found_by_id(tmp_path: Path) -> None:
    path = tmp_path / "x.warc.gz"
    documents, _ = read(path, gzip.compress(b"".join(make_record(number, page(number)) for number in range(5))))
    assert [document.metadata["length"] for document in documents] == [-1] * 5
    for number, document in enumerate(documents):
        assert page(number) in read_record(str(path), "warc", document.metadata["offset"], -1, document.id)
    with pytest.raises(UserError, match="is not at or after"):
        read_warc_record(str(path), 0, -1, "urn:uuid:none")


def test_a_wrong_address_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.warc.gz"
    members = [gzip.compress(make_record(number, page(number))) for number in range(2)]
    documents, _ = read(path, b"".join(members))
    with pytest.raises(UserError, match="is not urn"):
        read_warc_record(str(path), 0, len(members[0]), documents[1].id)
    with pytest.raises(UserError, match="no gzip member starts"):
        read_warc_record(str(path), 3, 50, documents[0].id)


def test_reasons(tmp_path: Path) -> None:
    big = b"<html>" + b"x" * 500
    cases = [
        (make_record(1, page(1)), None),
        (make_record(2, page(2)).replace(b"200 OK", b"404 NO"), "http_status"),
        (make_record(3, b"%PDF-1.4 ..."), "not_html"),
        (make_record(4, b"{}", http="Content-Type: application/json"), "not_html"),
        (make_record(5, b""), "empty_payload"),
        (make_record(6, b"", kind="revisit"), "revisit"),
        (make_record(7, page(7), WARC_Segment_Number="1"), "segmented_record"),
        (make_record(8, b"\xff\x00\xfe\x01" * 99), "decode_error"),
        (make_record(9, b"\x1f\x8bbroken", http="Content-Type: text/html\r\nContent-Encoding: gzip"), "decode_error"),
        (make_record(10, big * 20), "record_too_large"),
        (make_record(11, page(11), http="Server: none"), None),
        (make_record(12, b"Plain text.", kind="conversion", content_type="text/plain"), None),
    ]
    for data, reason in cases:
        documents, reader = read(tmp_path / "x.warc", make_record(99, page(99)) + data, max_record_bytes=5000)
        assert dict(reader.num_dropped) == ({reason: 1} if reason else {}), reason
        assert len(documents) == (1 if reason else 2)


def test_codings_are_undone(tmp_path: Path) -> None:
    import zlib

    import zstandard

    plain = page(7)
    chunked = (
        b"".join(b"%x\r\n%s\r\n" % (len(plain[i : i + 40]), plain[i : i + 40]) for i in range(0, len(plain), 40))
        + b"0\r\n\r\n"
    )
    deflate = zlib.compressobj(wbits=-15)
    bodies = {
        "Content-Encoding: gzip": gzip.compress(plain),
        "Content-Encoding: deflate": zlib.compress(plain),
        "Content-Encoding: DEFLATE": deflate.compress(plain) + deflate.flush(),
        "Content-Encoding: zstd": zstandard.compress(plain),
        "Transfer-Encoding: chunked": chunked,
        "Transfer-Encoding:  chunked": plain,  # named but not applied
        "Content-Encoding: br, gzip": gzip.compress(plain),
        "Content-Encoding:  gzip": plain,
    }
    for http, body in bodies.items():
        (document,), _ = read(tmp_path / "x.warc", make_record(1, body, http=f"Content-Type: text/html\r\n{http}"))
        assert document.text == plain.decode(), http


def test_brotli(tmp_path: Path) -> None:
    brotli = pytest.importorskip("brotli")
    body = brotli.compress(page(1))
    (document,), _ = read(
        tmp_path / "x.warc", make_record(1, body, http="Content-Type: text/html\r\nContent-Encoding: br")
    )
    assert document.text == page(1).decode()


def test_a_coding_that_was_not_applied_is_not_undone(tmp_path: Path) -> None:
    for coding in ("gzip", "x-gzip", "deflate", "br", "zstd", "identity", "none", "utf-8", "gzip, br"):
        http = f"Content-Type: text/html\r\nContent-Encoding: {coding}"
        (document,), _ = read(tmp_path / "x.warc", make_record(1, page(1), http=http))
        assert document.text == page(1).decode(), coding


def test_a_body_that_is_in_no_coding_is_a_drop(tmp_path: Path) -> None:
    for coding in ("gzip", "deflate", "br", "zstd"):
        http = f"Content-Type: text/html\r\nContent-Encoding: {coding}"
        body = b"\x1f\x8b" + b"\xff\x00\xee\x81" * 99
        documents, reader = read(tmp_path / "x.warc", make_record(1, body, http=http))
        assert (documents, dict(reader.num_dropped)) == ([], {"decode_error": 1}), coding


def test_gzip_body_of_two_members_and_bombs(tmp_path: Path) -> None:
    http = "Content-Type: text/html\r\nContent-Encoding: gzip"
    plain = page(1)
    two = gzip.compress(plain[:100]) + gzip.compress(plain[100:]) + b"\0\0"
    (document,), _ = read(tmp_path / "x.warc", make_record(1, two, http=http))
    assert document.text == plain.decode()
    bomb = gzip.compress(bytes(40 << 20)) * 2
    _, reader = read(tmp_path / "x.warc", make_record(1, bomb, http=http))
    assert dict(reader.num_dropped) == {"page_too_large": 1}


class Sink:
    def __init__(self) -> None:
        self.drops: list[tuple[str, float | None, str | None]] = []

    def add(self, document: object, reason: str, value: float | None = None, detail: str | None = None) -> None:
        self.drops.append((reason, value, detail))


def test_a_body_over_the_limit_is_a_page_too_large_with_its_size(tmp_path: Path) -> None:
    import zlib

    import brotli
    import zstandard

    body = page(1).ljust(5000)
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    deflate = zlib.compressobj(wbits=-15)
    bodies = {
        "Server: none": (body, 5000.0),
        "Transfer-Encoding: chunked": (chunked, 5000.0),
        "Content-Encoding: gzip": (gzip.compress(body), None),
        "Content-Encoding: deflate": (zlib.compress(body), None),
        "Content-Encoding: DEFLATE": (deflate.compress(body) + deflate.flush(), None),
        "Content-Encoding: zstd": (zstandard.compress(body), None),
        "Content-Encoding: br": (brotli.compress(body), None),
    }
    path = tmp_path / "x.warc"
    for http, (stored, size) in bodies.items():
        path.write_bytes(make_record(1, stored, http=f"Content-Type: text/html\r\n{http}"))
        reader = WarcReader(RawFile(path.name, str(path), "test", "warc"), max_body_bytes=4999)
        reader.drops = sink = Sink()
        assert list(reader()) == [], http
        what = "a body of over 4999 bytes" + ("" if size else ", unpacked")
        assert sink.drops == [("page_too_large", size, what)], http
        reader.max_body_bytes = 5000
        assert len(list(reader())) == 1, http


CHUNKED = [
    (b"5\r\n<p>ab\r\n4;ext=1\r\n</p>\r\n0\r\nTrailer: x\r\n\r\n", b"<p>ab</p>"),
    (b"5\n<p>ab\n4\n</p>\n0\n\n", b"<p>ab</p>"),
    (b"005 \r\n<p>ab\r\n4\r\n</p>\r\n", b"<p>ab</p>"),  # no last chunk
    (b"5\r\n<p>ab\r\n40\r\n</p>", b"<p>ab</p>"),  # torn
    (b"5\r\n<p>ab\r\n4\r\n</p>garbage", b"<p>ab</p>garbage"),  # the second chunk is longer than it says
    (b"12345 is a number</p>", b"12345 is a number</p>"),
    (b"5\r\n<p>abcdefg</p>", b"5\r\n<p>abcdefg</p>"),
    (b"<p>none</p>", b"<p>none</p>"),
    (b"ffffffffffffffff\r\nx", b"ffffffffffffffff\r\nx"),
    (b"0\r\n\r\n", b""),
    (b"", b""),
]


@pytest.mark.parametrize(("body", "expected"), CHUNKED)
def test_chunks(body: bytes, expected: bytes) -> None:
    assert join_chunks(body) == expected


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.binary(min_size=1, max_size=50), max_size=8), st.sampled_from([b"\r\n", b"\n"]))
def test_whatever_was_chunked_is_joined(pieces: list[bytes], end: bytes) -> None:
    body = b"".join(b"%X%s%s%s" % (len(piece), end, piece, end) for piece in pieces) + b"0" + end + end
    assert join_chunks(body) == b"".join(pieces)


def test_http_header_without_an_end(tmp_path: Path) -> None:
    response = parse_response(
        b"HTTP/1.0 200 Document follows\r\nContent-type: text/html Last-modified: Sat\r\n<HTML>\r\nx"
    )
    assert (response.status, response.mime, response.body) == (200, "text/html", b"<HTML>\r\nx")
    assert parse_response(b"HTTP/1.0 200 OK\r\nServer: x").body == b""


def test_records_of_other_types_are_counted(tmp_path: Path) -> None:
    kinds = ["warcinfo", "request", "metadata", "continuation", "shiny"]
    data = b"".join(make_record(number, b"x", kind=kind) for number, kind in enumerate(kinds))
    documents, reader = read(tmp_path / "x.warc", data + make_record(9, b"", kind="revisit", WARC_Refers_To="<urn:a>"))
    assert (len(documents), reader.num_records) == (0, 6)
    assert dict(reader.num_other_records) == dict.fromkeys(kinds, 1)
    assert dict(reader.num_dropped) == {"revisit": 1}


def test_a_record_without_id_in_a_shared_member_is_found_by_its_place(tmp_path: Path) -> None:
    records = [make_record(number, page(number)) for number in range(3)]
    records[1] = records[1].replace(b"WARC-Record-ID: <urn:uuid:%032x>\r\n" % 1, b"")
    path = tmp_path / "x.warc.gz"
    documents, _ = read(path, gzip.compress(b"".join(records)))
    assert documents[1].id == f"x.warc.gz#0+{len(records[0])}"
    assert read_record(str(path), "warc", 0, -1, documents[1].id) == records[1][:-4]


def test_damage_costs_one_drop_and_nothing_else(tmp_path: Path) -> None:
    members = [gzip.compress(make_record(number, page(number)), mtime=0) for number in range(6)]
    broken = bytearray(members[2])
    broken[len(broken) // 2] ^= 0xFF
    starts = [sum(map(len, members[:number])) for number in range(7)]
    cases = {
        "flipped": [*members[:2], bytes(broken), *members[3:]],
        "checksum": [*members[:2], members[2][:-6] + b"\0" + members[2][-5:], *members[3:]],
        "magic": [*members[:2], b"XXX" + members[2][3:], *members[3:]],
    }
    for what, data in cases.items():
        documents, reader = read(tmp_path / "x.warc.gz", b"".join(data))
        assert [int(document.id[-2:], 16) for document in documents] == [0, 1, 3, 4, 5], what
        assert reader.num_dropped.total() == 1, what
        assert len(reader.damaged) == 1, what
        for document, number in zip(documents, (0, 1, 3, 4, 5), strict=True):
            assert (document.metadata["offset"], document.metadata["length"]) == (
                starts[number],
                len(members[number]),
            ), what
    documents, reader = read(tmp_path / "x.warc.gz", b"".join([*members[:2], b"garbage " * 9, *members[2:]]))
    assert len(documents) == 6
    assert dict(reader.num_dropped) == {"unreadable": 1}
    for cut in (1, 5, 30, len(members[5]) - 4):
        documents, reader = read(tmp_path / "x.warc.gz", b"".join(members)[:-cut])
        assert len(documents) == 5, cut
        assert reader.num_dropped.total() == 1, cut
    documents, reader = read(tmp_path / "x.warc.gz", b"\0" + b"".join(members)[1:])
    assert len(documents) == 5
    assert dict(reader.num_dropped) == {"unreadable": 1}


def test_wrong_lengths_in_plain_files(tmp_path: Path) -> None:
    records = [make_record(number, page(number)) for number in range(4)]
    length = b"Content-Length: %d" % (len(page(1)) + 44)
    assert length in records[1]
    too_long = records[1].replace(length, b"Content-Length: 9999")
    documents, reader = read(tmp_path / "x.warc", records[0] + too_long + records[2] + records[3])
    assert [document.id[-1] for document in documents] == ["0", "2", "3"]
    assert dict(reader.num_dropped) == {"truncated_record": 1}
    too_short = records[1].replace(length, b"Content-Length: 99")
    documents, reader = read(tmp_path / "x.warc", records[0] + too_short + records[2] + records[3])
    assert [document.id[-1] for document in documents] == ["0", "1", "2", "3"]
    assert dict(reader.num_dropped) == {"unreadable": 1}
    documents, reader = read(tmp_path / "x.warc", b"".join(records)[:-20])
    assert len(documents) == 3
    assert dict(reader.num_dropped) == {"truncated_record": 1}


def test_result_does_not_depend_on_short_reads(tmp_path: Path, shared_data: Path) -> None:
    """A remote file returns what it has; the records and addresses stay the same."""

    class Short(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size, 777) if size and size > 0 else size)

    data = (shared_data / "warc/chatnoir-eu_chatnoir-resiliparse/warcfile.warc.gz").read_bytes()
    whole = list(iterate_records(MemberStream(io.BytesIO(data), starts=starts_record)))
    assert list(iterate_records(MemberStream(Short(data), starts=starts_record))) == whole


def mutate(data: bytes, changes: list[tuple[str, int, int]]) -> bytes:
    out = bytearray(data)
    for kind, at, value in changes:
        at %= len(out) + 1
        if kind == "flip" and at < len(out):
            out[at] ^= 1 + value % 255
        elif kind == "cut":
            del out[at : at + value]
        elif kind == "insert":
            out[at:at] = bytes([value % 256]) * (1 + value % 7)
        elif kind == "end":
            del out[max(1, at) :]
    return bytes(out)


CHANGES = st.lists(
    st.tuples(st.sampled_from(["flip", "flip", "cut", "insert", "end"]), st.integers(0, 1 << 20), st.integers(0, 5000)),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize(
    "name",
    [
        "commoncrawl_whirlwind-python/whirlwind.warc.gz",
        "webrecorder_warcio/example.warc.gz",
        "webrecorder_warcio/example.warc",
        "oduwsdl_ipwb/salam-home.warc",
        "chatnoir-eu_chatnoir-resiliparse/block-sized-records.warc.lz4",
    ],
)
def test_mutated_real_files_never_crash_and_counts_close(shared_data: Path, tmp_path: Path, name: str) -> None:
    original = (shared_data / "warc" / name).read_bytes()
    path = tmp_path / Path(name).name

    @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(CHANGES)
    def check(changes: list[tuple[str, int, int]]) -> None:
        data = mutate(original, changes)
        documents, _ = read(path, data)
        for document in documents:
            offset, length = document.metadata["offset"], document.metadata["length"]
            assert 0 <= offset < len(data)
            assert offset + length <= len(data)
            if document.id.startswith("urn:"):
                assert read_warc_record(str(path), offset, length, document.id)

    check()


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.binary(max_size=2000))
def test_http_never_raises(block: bytes) -> None:
    from pipeline.readers.http import BodyError, decode_body

    for head in (
        b"",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200\nContent-Encoding: deflate\n\n",
        b"HTTP/1.0 200 OK\r\nContent-Encoding: br\r\n\r\n",
    ):
        with contextlib.suppress(BodyError):
            decode_body(parse_response(head + block))


def test_remote_file_system_and_missing_file() -> None:
    import fsspec

    data = b"".join(gzip.compress(make_record(number, page(number))) for number in range(3))
    with fsspec.open("memory://raw/x.warc.gz", "wb") as file:
        file.write(data)
    reader = reader_for(RawFile("x", "memory://raw/x.warc.gz", "s", "warc"))
    assert len(list(reader())) == 3
    with pytest.raises(UserError, match="no such file"):
        list(reader_for(RawFile("x", "/nowhere/x.warc.gz", "s", "warc"))())


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_a_record_is_not_one_that_names_it(tmp_path: Path, pack) -> None:
    """A request names the response that it belongs to; both lie in one member."""
    request = make_record(1, b"GET / HTTP/1.1\r\n\r\n", "request", WARC_Concurrent_To=f"<urn:uuid:{2:032x}>")
    path = tmp_path / "x.warc.gz"
    (document,), _ = read(path, pack(request + make_record(2, page(2))))
    record = read_warc_record(str(path), document.metadata["offset"], document.metadata["length"], document.id)
    assert page(2) in record


def test_records_of_one_id_in_one_member_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "x.warc.gz"
    records = [make_record(1, page(number)) for number in range(3)] + [make_record(2, page(9))]
    documents, _ = read(path, gzip.compress(b"".join(records)) + gzip.compress(records[0] + records[3]))
    assert len({document.id for document in documents[:4]}) == 4
    for number, document in zip((0, 1, 2, 9, 0, 9), documents, strict=True):
        place = document.metadata["offset"], document.metadata["length"]
        assert page(number) in read_warc_record(str(path), *place, document.id)
        row = {"id": document.id, "digest": document.metadata["digest"]}
        record = read_warc_record(str(path), *place, document.id)
        assert provenance._mismatch(row, "warc", record, {}) is None


def test_a_record_before_damage_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "x.arc.gz"
    body = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + page(1)
    line = b"http://a.example/ 10.0.0.1 20240101000000 text/html %d\n" % len(body)
    damaged = b"\x1f\x8b\x08" + b"\xff" * 40
    (first, second), _ = read(path, gzip.compress((line + body + b"\n") * 2) + damaged)
    for document in (first, second):
        place = document.metadata["offset"], document.metadata["length"]
        assert read_warc_record(str(path), *place, document.id) == line + body


@pytest.mark.parametrize(
    ("field", "id"),
    [
        ("WARC-Record-ID: <urn:a>", "urn:a"),
        ("warc-record-id:<urn:a>  ", "urn:a"),
        ("WARC-Record-ID : urn:a", "urn:a"),
        ("WARC-Record-ID: <urn:a>\r\nWARC-Record-ID: <urn:b>", "urn:a"),
        ("WARC-Record-ID: <urn:\r\n a>", "urn: a"),
        ("WARC-Record-ID:\n\t<urn:a>", "urn:a"),
        ("WARC-Refers-To: <urn:b>\nWARC-Record-ID: <urn:a>", "urn:a"),
    ],
)
@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_ids_are_found_however_they_are_written(tmp_path: Path, field: str, id: str, pack) -> None:
    path = tmp_path / "x.warc.gz"
    record = make_record(1, page(1)).replace(f"WARC-Record-ID: <urn:uuid:{1:032x}>".encode(), field.encode())
    (document, _), _ = read(path, pack(record + make_record(2, page(2))))
    assert document.id == id
    found = read_warc_record(str(path), document.metadata["offset"], document.metadata["length"], document.id)
    assert page(1) in found
    row = {"id": document.id, "digest": document.metadata["digest"]}
    assert provenance._mismatch(row, "warc", found, {}) is None


def test_a_record_in_another_one_by_a_wrong_length_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "x.warc.gz"
    first = make_record(1, page(1)).replace(b"Content-Length: ", b"Content-Length: 9")
    (document,), reader = read(path, gzip.compress(first + make_record(2, page(2))))
    assert reader.num_dropped == {"truncated_record": 1}
    record = read_warc_record(str(path), document.metadata["offset"], document.metadata["length"], document.id)
    assert page(2) in record


def test_starts_without_the_end_of_a_header_take_time_once(tmp_path: Path) -> None:
    data = b"WARC/1.0\r\nWARC-Type: response\r\n" * 20_000
    documents, reader = read(tmp_path / "x.warc", data + b"\r\n" + make_record(1, page(1)))
    assert len(documents) == 1
    assert reader.num_dropped["truncated_record"] > 19_000
