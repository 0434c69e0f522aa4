"""Records of Common Crawl by their addresses: what the local WARC files hold, and what is done about wrong ones."""

from __future__ import annotations

import gzip
import io
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from fastwarc.warc import ArchiveIterator
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import UserError
from manifests.records.origins import Origin, origin_fields, original_address, stored_member
from manifests.records.read import read_warc_record
from pipeline.mirrors.download import Downloader
from pipeline.mirrors.integrity import Damaged
from pipeline.mirrors.loopback import Fault, LoopbackMirror, Request
from pipeline.mirrors.retry import RetrySettings
from pipeline.mirrors.transport import TooShort
from pipeline.readers.base import RawFile
from pipeline.readers.warc import WarcReader
from pipeline.sources.crawl_index import INDEX_ROWS
from pipeline.sources.crawl_records import RecordCounts, _check, _payloads, fetch_records, join_neighbours
from tests.crawl_mirror import CRAWL, CrawlMirror, make_crawl, real_pages

NUM_PAGES = 240


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> CrawlMirror:
    return make_crawl(tmp_path_factory.mktemp("mirror"), real_pages(shared_data, NUM_PAGES), num_warcs=3)


@pytest.fixture
def mirror(crawl: CrawlMirror) -> Iterator[LoopbackMirror]:
    with LoopbackMirror(crawl.folder) as server:
        yield server


def _fetch(rows: pa.Table, mirror: LoopbackMirror, unavailable: str = "stop") -> tuple[bytes, RecordCounts]:
    target = io.BytesIO()
    with Downloader(RetrySettings(max_attempts=3), wait=lambda seconds: None) as downloader:
        counts = fetch_records(rows, mirror.url, downloader, target, unavailable)  # type: ignore[arg-type]
    return target.getvalue(), counts


def test_neighbours_come_in_one_request() -> None:
    kib = 1 << 10
    records = [
        *(Origin("a", offset * kib, 10 * kib, None) for offset in (0, 10, 84, 159)),
        Origin("a", 9_000 * kib, 2_000 * kib, None),
        Origin("a", 11_001 * kib, 2_095 * kib, None),
        Origin("a", 13_096 * kib, 1, None),
        Origin("b", 13_097 * kib, 20_000 * kib, None),
    ]
    spans = list(join_neighbours(iter(records)))
    assert [(span.file, span.start // kib, len(span.records)) for span in spans] == [
        ("a", 0, 3),  # 64 KiB between the second and the third
        ("a", 159, 1),
        ("a", 9_000, 2),  # 4 MiB together
        ("a", 13_096, 1),
        ("b", 13_097, 1),
    ]
    assert [record for span in spans for record in span.records] == records


@pytest.fixture(scope="module")
def rows(crawl: CrawlMirror) -> pa.Table:
    """Every record of the crawl, as a batch."""
    columns = ["warc_filename", "warc_record_offset", "warc_record_length", "content_digest"]
    table = crawl.rows.select(columns).sort_by([(name, "ascending") for name in columns[:2]])
    return pa.table([pa.array([CRAWL] * table.num_rows), *table.columns], names=INDEX_ROWS.names).cast(INDEX_ROWS)


def test_a_local_warc_keeps_every_record_and_its_address(
    rows: pa.Table, crawl: CrawlMirror, mirror: LoopbackMirror, tmp_path: Path
) -> None:
    data, counts = _fetch(rows, mirror)
    assert (counts.num_records, counts.unavailable) == (NUM_PAGES, [])
    assert counts.num_bytes == sum(rows["length"].to_pylist())
    assert counts.num_requests == len(mirror.requests) < NUM_PAGES / 10
    path = tmp_path / "records.warc.gz"
    path.write_bytes(data)

    reader = WarcReader(RawFile(path=str(path), key="records.warc.gz", format="warc", source="cc"))
    documents = list(reader.read())
    assert reader.num_other_records == {"warcinfo": 1, "metadata": NUM_PAGES}
    assert reader.damaged == []
    assert len(documents) + sum(reader.num_dropped.values()) == NUM_PAGES
    for document in documents:
        offset, length = document.metadata["offset"], document.metadata["length"]
        origin = original_address(str(path), offset)
        assert origin is not None
        original = (crawl.folder / origin.file).read_bytes()[origin.offset : origin.offset + origin.length]
        assert data[offset : offset + length] == original
        assert document.metadata["digest"] == f"sha1:{origin.digest}"
        assert read_warc_record(str(path), offset, length, document.id) == gzip.decompress(original)


def test_an_independent_reader_reads_the_local_warc(rows: pa.Table, mirror: LoopbackMirror) -> None:
    data, _ = _fetch(rows.slice(0, 50), mirror)
    kinds: Counter[str] = Counter()
    before = None
    for record in ArchiveIterator(io.BytesIO(data), strict_mode=True):
        kinds[record.headers["WARC-Type"]] += 1
        if record.headers["WARC-Type"] == "response":
            assert before == record.headers["WARC-Record-ID"]
            assert record.verify_payload_digest()
        before = record.headers.get("WARC-Refers-To")
    assert kinds == {"warcinfo": 1, "metadata": 50, "response": 50}


def test_the_same_rows_give_the_same_bytes(rows: pa.Table, mirror: LoopbackMirror) -> None:
    found: dict[int, bytes] = {}
    with Downloader() as downloader:

        def fetch(number: int) -> None:
            target = io.BytesIO()
            fetch_records(rows.slice(20, 60), mirror.url, downloader, target)
            found[number] = target.getvalue()

        threads = [threading.Thread(target=fetch, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert len(found) == 4
    assert len(set(found.values())) == 1


def _broken(crawl: CrawlMirror, row: dict[str, object], how: str) -> bytes:
    """The WARC file of a row, with that record's bytes spoilt; no other byte moves."""
    data = bytearray((crawl.folder / str(row["file"])).read_bytes())
    start, length = int(row["offset"]), int(row["length"])  # type: ignore[call-overload]
    member = crawl.record({"warc_filename": row["file"], "warc_record_offset": start, "warc_record_length": length})
    if how == "bits":
        data[start + length // 2] ^= 0xFF
    elif how == "zeros":
        data[start : start + length] = bytes(length)
    else:  # a sound record of another page, and something after it to have the same length
        other = stored_member(gzip.decompress(member).replace(b"WARC-Type: response", b"WARC-Type: resource")[:60_000])
        data[start : start + length] = other[:length].ljust(length, b"\0")
    return bytes(data)


@pytest.mark.parametrize("how", ["bits", "zeros", "other"])
def test_a_damaged_record_is_named_and_never_lost_unseen(
    how: str, rows: pa.Table, crawl: CrawlMirror, tmp_path: Path
) -> None:
    row = rows.slice(30, 1).to_pylist()[0]
    body = _broken(crawl, row, how)

    def faults(request: Request) -> Fault | None:
        return Fault(body=body) if request.path == row["file"] else None

    with LoopbackMirror(crawl.folder, faults) as mirror:
        with pytest.raises(
            UserError, match=rf"{row['file']}: the record at {row['offset']} .* cannot be had"
        ) as caught:
            _fetch(rows, mirror)
        assert "\n" not in str(caught.value)
        data, counts = _fetch(rows, mirror, "drop")
    assert counts.num_records == NUM_PAGES - 1
    (lost,) = counts.unavailable
    assert (lost.origin.file, lost.origin.offset, lost.origin.length) == (row["file"], row["offset"], row["length"])
    assert lost.why
    with LoopbackMirror(crawl.folder) as mirror:
        others = pa.concat_tables([rows.slice(0, 30), rows.slice(31)])
        assert data == _fetch(others, mirror)[0]


def test_damage_on_the_way_is_mended(rows: pa.Table, crawl: CrawlMirror) -> None:
    row = rows.slice(30, 1).to_pylist()[0]
    body = _broken(crawl, row, "bits")

    def faults(request: Request) -> Fault | None:
        return Fault(body=body) if request.path == row["file"] and request.number == 0 else None

    with LoopbackMirror(crawl.folder, faults) as mirror:
        data, counts = _fetch(rows.slice(0, 60), mirror)
        assert (counts.unavailable, counts.num_repeated) == ([], 1)
        assert data == _fetch(rows.slice(0, 60), mirror)[0]


def test_a_file_that_is_gone_is_named(rows: pa.Table, crawl: CrawlMirror) -> None:
    gone = crawl.warc_keys[1]
    with LoopbackMirror(crawl.folder, lambda request: Fault(status=404) if request.path == gone else None) as mirror:
        with pytest.raises(UserError, match=f"{gone}: the record at .* cannot be had: the mirror has no such file"):
            _fetch(rows, mirror)
        _, counts = _fetch(rows, mirror, "drop")
    assert {lost.origin.file for lost in counts.unavailable} == {gone}
    assert counts.num_records + len(counts.unavailable) == NUM_PAGES


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("digest", "A" * 32, "not A{32} as the index says"),
        ("length", 10, "cut off"),
        ("offset", 1, "no whole gzip member"),
        ("length", 0, "gives 0 bytes"),
    ],
)
def test_an_index_that_is_wrong_is_found_out(
    column: str, value: object, message: str, rows: pa.Table, mirror: LoopbackMirror
) -> None:
    wrong = pa.Table.from_pylist([{**rows.slice(3, 1).to_pylist()[0], column: value}], schema=INDEX_ROWS)
    with pytest.raises(UserError, match=message):
        _fetch(wrong, mirror)


@given(st.data())
def test_a_mutated_member_is_refused_or_holds_the_same(rows: pa.Table, crawl: CrawlMirror, data: st.DataObject) -> None:
    row = rows.slice(data.draw(st.sampled_from([0, 7, 40])), 1).to_pylist()[0]
    where = {"warc_filename": row["file"], "warc_record_offset": row["offset"], "warc_record_length": row["length"]}
    sound = crawl.record(where)
    origin = Origin(row["file"], row["offset"], row["length"], row["digest"])
    assert _check(origin, sound).member == sound
    mutated = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        mutated[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    try:
        record = _check(origin, bytes(mutated))
    except Damaged:
        return
    assert gzip.decompress(record.member) == gzip.decompress(sound)


def test_a_payload_may_be_digested_without_its_chunks() -> None:
    block = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nHello\r\n1 \r\n!\r\n0\r\n\r\n"
    payloads = list(_payloads({"content-type": "application/http; msgtype=response"}, block))
    assert payloads[1:] == [b"Hello!"]
    assert list(_payloads({"content-type": "text/plain"}, block)) == [block]


# Original addresses


@given(st.binary(max_size=300), st.binary(max_size=300), st.integers(0, 1 << 40))
def test_a_note_is_found_from_its_end(before: bytes, inside: bytes, offset: int) -> None:
    origin = Origin("crawl-data/a.warc.gz", offset, 7, None)
    held = b"WARC/1.0\r\nX: " + inside.replace(b"\r", b"").replace(b"\n", b"") + b"\r\n\r\n" + origin_fields(origin)
    note = stored_member(held)
    assert gzip.decompress(note) == held
    with tempfile.NamedTemporaryFile() as file:
        file.write(before + note + b"\x1f\x8b and the record")
        file.flush()
        assert original_address(file.name, len(before) + len(note)) == origin
        assert original_address(file.name, len(before) + len(note) - 1) is None


def test_a_record_without_a_note_has_no_origin(crawl: CrawlMirror) -> None:
    row = crawl.rows.slice(0, 1).to_pylist()[0]
    assert original_address(str(crawl.folder / row["warc_filename"]), row["warc_record_offset"]) is None
    with pytest.raises(UserError, match="the raw file is gone"):
        original_address("/nowhere/a.warc.gz", 5)


def test_records_behind_the_end_of_a_file_are_named_and_the_others_are_there(
    rows: pa.Table, crawl: CrawlMirror
) -> None:
    file = rows["file"][0].as_py()
    ours = [row for row in rows.to_pylist() if row["file"] == file]
    cut = ours[-2]["offset"] + 10
    body = (crawl.folder / file).read_bytes()[:cut]

    def faults(request: Request) -> Fault | None:
        return Fault(body=body) if request.path == file else None

    with LoopbackMirror(crawl.folder, faults) as mirror:
        with pytest.raises(UserError, match=r"cannot be had: the mirror's file ends before it does"):
            _fetch(rows, mirror)
        _, counts = _fetch(rows, mirror, "drop")
    assert [lost.origin.offset for lost in counts.unavailable] == [row["offset"] for row in ours[-2:]]
    assert counts.num_records == rows.num_rows - 2
    assert {lost.why for lost in counts.unavailable} == {"the mirror's file ends before it does"}


def test_a_range_behind_the_end_is_too_short_with_advice(mirror: LoopbackMirror, crawl: CrawlMirror) -> None:
    key = crawl.warc_keys[0]
    num_bytes = (crawl.folder / key).stat().st_size
    with Downloader(RetrySettings(max_attempts=1), wait=lambda seconds: None) as downloader:
        for start in (num_bytes - 5, num_bytes):  # 206 with the file's length, and 416
            with pytest.raises(TooShort, match=rf"has fewer than the {start + 10:,} bytes .* use another one"):
                downloader.fetch_range(f"{mirror.url}/{key}", start, 10)
