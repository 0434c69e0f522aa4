"""ARC reader: records of real and made files, with ids and addresses that lead back to them."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manifests.errors import UserError
from manifests.records.read import read_record, split_record
from pipeline.readers.arc import arc_line_end, iso_date, next_arc_start, parse_arc_line
from tests.pipeline.readers.test_readers_warc import CHANGES, make_record, mutate, page, read

FILEDESC = b"filedesc://x.arc 0.0.0.0 20080430204825 text/plain %d\n%s\n"
VERSION = b"1 1 Test\nURL IP-address Archive-date Content-type Archive-length\n"


def arc_record(
    number: int, body: bytes, head: bytes = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", tail: bytes = b"\n"
) -> bytes:
    block = head + body
    return b"http://example.org/%d 10.0.0.1 20080430204825 text/html %d\n" % (number, len(block)) + block + tail


def arc_records(num: int) -> list[bytes]:
    return [FILEDESC % (len(VERSION), VERSION), *(arc_record(number, page(number)) for number in range(num))]


def test_header_lines() -> None:
    fields = parse_arc_line(b"http://a.org/b c 1.2.3.4 20080430204825 text/html 20080430204825 12\r\n")
    assert fields is not None
    assert fields["warc-target-uri"] == "http://a.org/b c"  # the last address and date count
    assert fields["content-type"] == "text/html 20080430204825"
    two = b"http://a.org/ 1.2.3.4 19961104142103 text/html 200 fac0 - 209 IA-001102.arc 202"
    fields = parse_arc_line(two)
    assert fields == {
        "warc-type": "response",
        "warc-target-uri": "http://a.org/",
        "warc-date": "1996-11-04T14:21:03Z",
        "content-type": "text/html",
        "content-length": "202",
    }
    for line in (
        b"Date: Wed, 04 Jan 2017 20:56:33 GMT",
        b"User-Agent: Mozilla/5.0 (compatible; heritrix/1.14.0 +http://crawler.archive.org)",
        b"http://a.org/ 1.2.3.4 20080430204825 12",
        b"http://a.org/ 1.2.3.4 2008 text/html 12",
        b"a.org/ 1.2.3.4 20080430204825 text/html 12",
        b"",
    ):
        assert parse_arc_line(line) is None, line
    assert iso_date("200804302048") == "2008-04-30T20:48:00Z"
    assert iso_date("20081330204825") is None


def test_real_arc_file(shared_data: Path) -> None:
    """The 299 captures of a crawl; the tool that made a WARC of the same crawl found the same pages."""
    path = shared_data / "warc/archivesunleashed_aut/example.arc.gz"
    documents, reader = read(path)
    assert (reader.num_records, dict(reader.num_other_records), reader.damaged) == (300, {"arc_header": 1}, [])
    assert len({document.id for document in documents}) == len(documents) == 94
    as_warc, _ = read(shared_data / "warc/archivesunleashed_aut/example.warc.gz")
    texts = {document.metadata["url"]: document.text for document in as_warc}
    for document in documents:
        offset, length = document.metadata["offset"], document.metadata["length"]
        assert document.id == f"example.arc.gz#{offset}"
        assert document.metadata["date"].startswith("2008-04-30T2")
        assert texts[document.metadata["url"]] == document.text
        header, block = split_record(read_record(str(path), "warc", offset, length, document.id))
        assert header.startswith(document.metadata["url"].encode() + b" ")
        assert block.startswith(b"HTTP/1.")


def test_the_other_real_arc_files(shared_data: Path) -> None:
    with (shared_data / "warc" / "MANIFEST.tsv").open() as lines:
        names = [row["file"] for row in csv.DictReader(lines, delimiter="\t") if ".arc" in row["file"]]
    found = {}
    for name in names:
        documents, reader = read(shared_data / "warc" / name)
        found[name] = (reader.num_records, len(documents), dict(reader.num_dropped))
        for document in documents:
            address = document.metadata["offset"], document.metadata["length"]
            record = read_record(str(shared_data / "warc" / name), "warc", *address, document.id)
            assert split_record(record)[0].startswith(document.metadata["url"].encode())
    assert found == {
        # One gzip member for all, a date that is null, wrong lengths: warcio reads the first record alone.
        "archivesunleashed_aut/badexample.arc.gz": (6, 0, {"not_html": 2, "truncated_record": 3}),
        "archivesunleashed_aut/example.arc.gz": (300, 94, found["archivesunleashed_aut/example.arc.gz"][2]),
        "richardlehane_webarchive/hello-world.arc": (2, 1, {}),
        "richardlehane_webarchive/hello-world2.arc": (2, 1, {}),
        "webrecorder_warcio/bad.arc": (4, 0, {"truncated_record": 3, "empty_payload": 1}),  # lengths -1 and abc
        "webrecorder_warcio/example-space-in-url.arc": (
            2,
            0,
            {"truncated_record": 1},
        ),  # its line ends became shorter, its length did not
        "webrecorder_warcio/example.arc": (2, 1, {}),
        "webrecorder_warcio/example.arc.gz": (2, 1, {}),
    }


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_every_record_has_an_address(tmp_path: Path, pack) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "x.arc"
    members = [pack(record) for record in arc_records(20)]
    documents, reader = read(path, b"".join(members))
    assert not reader.damaged
    offset = len(members[0])
    for number, (document, member) in enumerate(zip(documents, members[1:], strict=True)):
        assert (document.metadata["offset"], document.metadata["length"]) == (offset, len(member))
        assert document.id == f"x.arc#{offset}"
        assert document.metadata["url"] == f"http://example.org/{number}"
        assert page(number) in read_record(str(path), "warc", offset, len(member), document.id)
        offset += len(member)
    with pytest.raises(UserError, match="no WARC or ARC record starts"):
        read_record(str(path), "warc", 0, 9, "x.arc#0")


def test_records_that_share_a_member_have_ids_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "x.arc.gz"
    records = arc_records(9)
    two = gzip.compress(b"".join(records[:5])), gzip.compress(b"".join(records[5:]))
    documents, _ = read(path, b"".join(two))
    assert len({document.id for document in documents}) == 9
    assert {document.metadata["length"] for document in documents} == {-1}
    assert documents[4].id == f"x.arc.gz#{len(two[0])}"
    assert documents[5].id == f"x.arc.gz#{len(two[0])}+{len(records[5])}"
    for number, document in enumerate(documents):
        record = read_record(str(path), "warc", document.metadata["offset"], -1, document.id)
        assert record == records[number + 1][:-1]
    with pytest.raises(UserError, match="no record is 12 unpacked bytes after"):
        read_record(str(path), "warc", 0, -1, "x.arc.gz#0+12")


def test_damage_costs_one_record(tmp_path: Path) -> None:
    records = arc_records(6)
    plain = [*records[:2], records[2].replace(b"text/html ", b"text/html 9", 1), *records[3:]]
    documents, reader = read(tmp_path / "x.arc", b"".join(plain))
    assert [document.metadata["url"][-1] for document in documents] == ["0", "2", "3", "4", "5"]
    assert dict(reader.num_dropped) == {"truncated_record": 1}
    documents, reader = read(tmp_path / "x.arc", b"".join([*records[:3], b"garbage\n" * 99, *records[3:]]))
    assert (len(documents), dict(reader.num_dropped)) == (6, {"unreadable": 1})
    members = [bytearray(gzip.compress(record)) for record in records]
    members[3][len(members[3]) // 2] ^= 0xFF
    documents, reader = read(tmp_path / "x.arc.gz", b"".join(members))
    assert (len(documents), reader.num_dropped.total(), len(reader.damaged)) == (5, 1, 1)
    assert documents[-1].metadata["offset"] == sum(map(len, members[:-1]))


def test_a_warc_file_holds_no_arc_records(tmp_path: Path) -> None:
    """A page about ARC files, in a record whose length is too short, is no ARC file."""
    inside = b"<p>\n" + b"".join(arc_records(2))
    record = make_record(1, inside)
    length = len(record) - len(record.split(b"\r\n\r\n")[0]) - 8
    short = record.replace(b"Content-Length: %d" % length, b"Content-Length: 60")
    assert short != record
    documents, reader = read(tmp_path / "x.warc", make_record(0, page(0)) + short + make_record(2, page(2)))
    assert [document.id[-1] for document in documents] == ["0", "1", "2"]
    assert dict(reader.num_dropped) == {"unreadable": 1}


def test_long_lines_are_searched_in_time_that_grows_with_them() -> None:
    line = b"http:" + b" 1.1.1.1 20080101000000" * 200_000
    assert arc_line_end(line + b"\n") is None
    assert next_arc_start((b"\n" + line[:3000]) * 300, 0, 1 << 30) is None


@pytest.mark.parametrize(
    "name", ["archivesunleashed_aut/badexample.arc.gz", "webrecorder_warcio/example.arc.gz", "made.arc", "made.arc.gz"]
)
def test_mutated_files_never_crash_and_counts_close(shared_data: Path, tmp_path: Path, name: str) -> None:
    pack = gzip.compress if name.endswith("gz") else bytes
    made = b"".join(pack(record) for record in arc_records(12))
    original = made if name.startswith("made") else (shared_data / "warc" / name).read_bytes()
    path = tmp_path / Path(name).name

    @settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(CHANGES)
    def check(changes: list[tuple[str, int, int]]) -> None:
        data = mutate(original, changes)
        documents, _ = read(path, data)
        for document in documents:
            offset, length = document.metadata["offset"], document.metadata["length"]
            assert 0 <= offset < len(data)
            assert offset + length <= len(data)
            record = read_record(str(path), "warc", offset, length, document.id)
            assert split_record(record)[0].decode("utf-8", "replace").startswith(document.metadata["url"])

    check()


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from([b"http:", b" ", b"1.1.1.1", b"-", b"20080101000000", b"9", b"a/b", b"\n", b"null"])))
def test_any_line_is_a_header_or_none(parts: list[bytes]) -> None:
    line = b"".join(parts)
    fields = parse_arc_line(line)
    assert fields is None or {"warc-target-uri", "content-length"} <= fields.keys()
    end = arc_line_end(line)
    assert end is None or line[end - 1] == 0x0A


def test_garbage_between_records_takes_time_once(tmp_path: Path) -> None:
    """What is looked for and is not there is not looked for in all that was read, at every record."""
    data = b"".join(arc_record(number, b"<p>words") + b"no record\n" for number in range(3_000))
    documents, reader = read(tmp_path / "x.arc.gz", gzip.compress(data))
    assert len(documents) == reader.num_dropped["unreadable"] == 3_000


@pytest.mark.parametrize("padding", [*range(4_010, 4_110), 20_400, 20_480])
def test_a_record_is_found_wherever_a_search_stops(tmp_path: Path, padding: int) -> None:
    documents, _ = read(tmp_path / "x.arc", arc_record(1, page(1)) + b"-" * padding + b"\n" + arc_record(2, page(2)))
    assert len(documents) == 2
