"""Common Crawl's index: what a query finds, what it costs, and how it is cut into batches."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import UserError
from manifests.storage import Folder
from pipeline.mirrors.download import Downloader
from pipeline.mirrors.loopback import Fault, LoopbackMirror, Request
from pipeline.mirrors.remote import RemoteFile
from pipeline.sources import crawl_index
from pipeline.sources.common_crawl import CommonCrawlSource
from pipeline.sources.crawl_index import (
    INDEX_ROWS,
    Batch,
    cut_batches,
    list_index_files,
    read_batch,
    scan_index_file,
    write_scan,
)
from pipeline.sources.crawl_query import Bounds, IndexQuery
from tests.crawl_mirror import CRAWL, INDEX_SCHEMA, CrawlMirror, make_crawl, real_pages

OTHER = "CC-MAIN-2023-50"
NUM_PAGES = 240


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> CrawlMirror:
    folder = tmp_path_factory.mktemp("mirror")
    pages = real_pages(shared_data, NUM_PAGES)
    make_crawl(folder, pages[:40], OTHER, num_warcs=1, num_parts=1)
    return make_crawl(folder, pages, CRAWL, num_warcs=3, num_parts=2, rows_per_group=20)


@pytest.fixture
def mirror(crawl: CrawlMirror) -> Iterator[LoopbackMirror]:
    with LoopbackMirror(crawl.folder) as server:
        yield server


def _source(mirror: LoopbackMirror | str, crawl: str | list[str] = CRAWL, **index: object) -> CommonCrawlSource:
    url = mirror if isinstance(mirror, str) else mirror.url
    return CommonCrawlSource.model_validate({"name": "cc", "crawl": crawl, "mirror": url, "index": index})


def _scan(source: CommonCrawlSource, seed: int = 0) -> pa.Table:
    with Downloader() as downloader:
        files = list_index_files(source, downloader)
        return pa.concat_tables([scan_index_file(source, file, downloader, seed) for file in files])


def _cut(source: CommonCrawlSource, folder: Folder, seed: int = 0, turned: bool = False) -> list[Batch]:
    paths = []
    with Downloader() as downloader:
        for number, file in enumerate(list_index_files(source, downloader)):
            paths.append(f"scan-{number}.parquet")
            with folder.publish(paths[-1]) as target:
                write_scan(scan_index_file(source, file, downloader, seed), target)
    return cut_batches(paths[::-1] if turned else paths, source, folder, "batches.parquet", seed)


def _addresses(table: pa.Table) -> list[tuple[str, int]]:
    names = ("warc_filename", "warc_record_offset") if "warc_filename" in table.column_names else ("file", "offset")
    return sorted(zip(table[names[0]].to_pylist(), table[names[1]].to_pylist(), strict=True))


def _expected(crawl: CrawlMirror, **wanted: list[str]) -> list[tuple[str, int]]:
    rows = crawl.rows
    for column, values in wanted.items():
        rows = rows.filter(pc.is_in(rows[column], pa.array(values)))
    return _addresses(rows)


# What a query finds


@pytest.mark.parametrize(
    ("index", "wanted"),
    [
        ({"domains": ["ifeng.com"]}, {"url_host_registered_domain": ["ifeng.com"]}),
        (
            {"hosts": ["abcnews.go.com", "finance.sina.com.cn"]},
            {"url_host_name": ["abcnews.go.com", "finance.sina.com.cn"]},
        ),
        ({"tlds": ["de"]}, {"url_host_tld": ["de"]}),
        ({"languages": ["zh", "pol"]}, {"content_languages": ["zho", "pol"]}),
        ({"languages": ["zh"], "tlds": ["hk", "cn"]}, {"content_languages": ["zho"], "url_host_tld": ["hk", "cn"]}),
        ({"mime": ["text/*"]}, {}),
        ({"mime": ["text/html", "application/pdf"], "tlds": ["pl"]}, {"url_host_tld": ["pl"]}),
    ],
)
def test_a_query_finds_what_the_index_has(
    index: dict[str, object], wanted: dict[str, list[str]], crawl: CrawlMirror, mirror: LoopbackMirror
) -> None:
    found = _scan(_source(mirror, **index))
    assert found.schema == INDEX_ROWS
    assert _addresses(found) == _expected(crawl, **wanted) != []


def test_every_host_and_domain_is_found_where_it_is(crawl: CrawlMirror) -> None:
    for column, key in (("url_host_name", "hosts"), ("url_host_registered_domain", "domains")):
        names = sorted(set(crawl.rows[column].to_pylist()))
        for name in [name for name in names if name.startswith("www")][:12] + names[::12]:
            found = _scan(_source(f"file://{crawl.folder}", **{key: [name]}))
            assert _addresses(found) == _expected(crawl, **{column: [name]}) != []


def test_patterns_look_at_the_whole_url(crawl: CrawlMirror, mirror: LoopbackMirror) -> None:
    found = _scan(_source(mirror, url_patterns=[r"^https?://[^/]*\.de/.*[0-9]{4}", "ifeng"]))
    mask = pc.or_(
        pc.match_substring_regex(crawl.rows["url"], r"^https?://[^/]*\.de/.*[0-9]{4}"),
        pc.match_substring(crawl.rows["url"], "ifeng"),
    )
    assert _addresses(found) == _addresses(crawl.rows.filter(mask)) != []
    assert found.num_rows < NUM_PAGES


def test_the_first_language_or_any() -> None:
    column = pa.array(["deu,eng", "eng", "eng,deu", None, "", "xeng"])
    for primary, expected in ((True, [2, 3]), (False, [1, 2, 3])):
        (_, condition) = IndexQuery(languages=["en"], primary_language=primary).conditions()
        mask = condition.holds({"content_languages": column})
        assert [at for at, holds in enumerate(mask.to_pylist(), 1) if holds] == expected


def test_the_declared_type_stands_in_for_the_detected() -> None:
    (_, condition) = IndexQuery(mime=["text/html", "image/*"]).conditions()
    declared = pa.array(["Text/HTML; charset=utf-8", "text/html", "image/png", None])
    detected = pa.array([None, "application/pdf", None, None])
    columns = {"content_mime_type": declared, "content_mime_detected": detected}
    assert condition.holds(columns).to_pylist() == [True, False, True, None]
    assert condition.holds({"content_mime_type": declared}).to_pylist() == [True, True, True, None]


def test_only_fetched_pages_are_looked_up(crawl: CrawlMirror, mirror: LoopbackMirror) -> None:
    with Downloader() as downloader:
        files = list_index_files(_source(mirror, [OTHER, CRAWL], tlds=["org"]), downloader)
    assert [file.key for file in files if CRAWL in file.key] == crawl.index_keys
    assert len(files) == 3


@given(st.lists(st.text(alphabet="abcé,)", max_size=4), min_size=1), st.text(alphabet="abcé,)", max_size=3))
def test_bounds_never_rule_out_what_is_there(values: list[str], prefix: str) -> None:
    ordered = sorted(values, key=str.encode)
    bounds = Bounds(ordered[0], ordered[-1])
    if any(value.startswith(prefix) for value in values):
        assert bounds.may_start_with(prefix)
    assert bounds.may_hold(values[-1])


@pytest.mark.parametrize(
    ("least", "most", "answer"),
    [("com,f", "com,g", False), ("com,a", "com,d", False), ("com,a", "com,g", True), ("com,exampleb", "com,g", False)],
)
def test_bounds_rule_out_what_is_not_there(least: str, most: str, answer: bool) -> None:
    assert Bounds(least, most).may_start_with("com,examplea") is answer


# What it costs


def test_one_host_costs_a_part_of_the_index(crawl: CrawlMirror, shared_data: Path, tmp_path: Path) -> None:
    # Row groups of a real size would have a hundred times as many rows; the shares are the same.
    big = pa.concat_tables([crawl.rows] * 250).sort_by("url_surtkey")
    for name in ("url", "url_surtkey", "content_digest"):
        salted = [f"{old}{hashlib.sha1(b'%d' % at).hexdigest()}" for at, old in enumerate(big[name].to_pylist())]
        big = big.set_column(big.schema.get_field_index(name), INDEX_SCHEMA.field(name), pa.array(salted))
    key = f"cc-index/table/cc-main/warc/crawl={CRAWL}/subset=warc/part-00000.parquet"
    (tmp_path / key).parent.mkdir(parents=True)
    pq.write_table(big, tmp_path / key, row_group_size=5_000, compression="gzip")
    size = (tmp_path / key).stat().st_size
    with LoopbackMirror(tmp_path) as mirror, _Counting() as downloader:
        source = _source(mirror, domains=["ifeng.com"])
        found = scan_index_file(source, RemoteFile(key, f"{mirror.url}/{key}", "parquet"), downloader)
        assert found.num_rows == 250 * len(_expected(crawl, url_host_registered_domain=["ifeng.com"]))
        assert downloader.num_bytes < size / 4
        assert len(mirror.requests) < 20
        downloader.num_bytes = 0
        nothing = scan_index_file(
            _source(mirror, domains=["nowhere.zz"]), RemoteFile(key, f"{mirror.url}/{key}", "parquet"), downloader
        )
        assert nothing.num_rows == 0
        assert downloader.num_bytes <= 256 << 10  # the footer alone


class _Counting(Downloader):
    num_bytes = 0

    def fetch_range(self, url: str, start: int, length: int, *rest: object) -> bytes:
        self.num_bytes += length
        return super().fetch_range(url, start, length, *rest)  # type: ignore[arg-type]


def test_more_than_single_requests_are_good_for_is_refused(
    mirror: LoopbackMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crawl_index, "_MOST_ROWS", 20)
    with pytest.raises(UserError, match=r"more than 20 records of .* take whole files"):
        _scan(_source(mirror, mime=["text/html"]))
    with pytest.raises(UserError, match="lower max_records"):
        _scan(_source(mirror, mime=["text/html"], max_records=21))
    assert _scan(_source(mirror, mime=["text/html"], max_records=20)).num_rows == 40  # of two files of the index


# Damaged, changing and old indexes


def test_cut_connections_change_nothing(crawl: CrawlMirror) -> None:
    def faults(request: Request) -> Fault | None:
        return Fault(cut_after=100) if request.method == "GET" and request.number % 2 == 0 else None

    with LoopbackMirror(crawl.folder, faults) as mirror:
        source = _source(mirror, mime=["text/html"], url_patterns=["."])
        with Downloader(wait=lambda seconds: None) as downloader:
            files = list_index_files(source, downloader)
            found = pa.concat_tables([scan_index_file(source, file, downloader) for file in files])
            assert sum(downloader.faults.values()) >= len(mirror.requests) / 4
    assert _addresses(found) == _expected(crawl)


def test_an_index_that_changes_while_it_is_read_is_named(crawl: CrawlMirror) -> None:
    def faults(request: Request) -> Fault | None:
        return Fault(headers={"ETag": '"new"'}) if request.number > 2 and "part-" in request.path else None

    with LoopbackMirror(crawl.folder, faults) as mirror, pytest.raises(UserError, match=r"part-00000.*read") as caught:
        _scan(_source(mirror, mime=["text/html"], url_patterns=["."]))
    assert "\n" not in str(caught.value)


def test_an_index_without_languages_says_so(crawl: CrawlMirror, tmp_path: Path) -> None:
    path = tmp_path / f"crawl={CRAWL}" / "part.parquet"
    path.parent.mkdir()
    pq.write_table(crawl.rows.drop_columns(["content_languages", "content_mime_detected"]), path)
    file = RemoteFile(f"crawl={CRAWL}/part.parquet", f"file://{path}", "parquet")
    with Downloader() as downloader:
        with pytest.raises(UserError, match="no column content_languages"):
            scan_index_file(_source("file:///x", languages=["en"]), file, downloader)
        found = scan_index_file(_source("file:///x", mime=["text/html"]), file, downloader)
    assert found.num_rows == NUM_PAGES


@pytest.mark.parametrize("damage", ["cut", "noise", "page"])
def test_a_damaged_index_is_refused_in_one_line(damage: str, crawl: CrawlMirror, tmp_path: Path) -> None:
    data = bytearray((crawl.folder / crawl.index_keys[0]).read_bytes())
    if damage == "cut":
        del data[-2_000:]
    elif damage == "noise":
        data = bytearray(b"<html>" * 1_000)
    else:
        data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
    path = tmp_path / f"crawl={CRAWL}" / "part.parquet"
    path.parent.mkdir()
    path.write_bytes(data)
    file = RemoteFile(f"crawl={CRAWL}/part.parquet", f"file://{path}", "parquet")
    with Downloader() as downloader, pytest.raises(UserError, match="not a whole Parquet file") as caught:
        scan_index_file(_source("file:///x", mime=["text/html"], url_patterns=["."]), file, downloader)
    assert "\n" not in str(caught.value)


# Batches


def test_batches_follow_from_the_data(mirror: LoopbackMirror, crawl: CrawlMirror, tmp_path: Path) -> None:
    source = _source(mirror, [CRAWL, OTHER], mime=["text/html"])
    folder, again = Folder(tmp_path / "a"), Folder(tmp_path / "b")
    batches = _cut(source, folder)
    assert batches == _cut(source, again, turned=True)
    assert folder.read_bytes("batches.parquet") == again.read_bytes("batches.parquet")
    assert [(batch.crawl, batch.number, batch.num_records) for batch in batches] == [(OTHER, 0, 40), (CRAWL, 0, 240)]
    rows = read_batch(folder, "batches.parquet", 1)
    assert rows.schema == INDEX_ROWS
    assert list(zip(rows["file"].to_pylist(), rows["offset"].to_pylist(), strict=True)) == _expected(crawl)
    assert sum(rows["length"].to_pylist()) == batches[1].num_bytes
    alone = _cut(_source(mirror, mime=["text/html"]), Folder(tmp_path / "c"))
    assert (alone[0].path, alone[0].digest) == (batches[1].path, batches[1].digest)


def test_batches_have_limits(mirror: LoopbackMirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crawl_index, "BATCH_RECORDS", 50)
    monkeypatch.setattr(crawl_index, "BATCH_BYTES", 1 << 20)
    batches = _cut(_source(mirror, mime=["text/html"]), Folder(tmp_path))
    assert sum(batch.num_records for batch in batches) == NUM_PAGES
    assert all(batch.num_records <= 50 and batch.num_bytes <= 1 << 20 for batch in batches)
    assert [batch.number for batch in batches] == [batch.row_group for batch in batches] == list(range(len(batches)))
    assert len({batch.digest for batch in batches}) == len(batches) > 4


@pytest.mark.parametrize("number", [1, 7, 100])
def test_max_records_are_chosen_by_the_seed(number: int, mirror: LoopbackMirror, tmp_path: Path) -> None:
    def chosen(records: int, seed: int) -> set[tuple[str, int]]:
        folder = Folder(tmp_path / f"{records}-{seed}")
        batches = _cut(_source(mirror, [CRAWL, OTHER], mime=["text/html"], max_records=records), folder, seed)
        tables = [read_batch(folder, "batches.parquet", batch.row_group) for batch in batches]
        by_crawl = Counter(crawl for table in tables for crawl in table["crawl"].to_pylist())
        assert by_crawl == {CRAWL: min(records, 240), OTHER: min(records, 40)}
        return {address for table in tables for address in _addresses(table)}

    assert chosen(number, 1) < chosen(number + 20, 1)
    assert chosen(number, 1) != chosen(number, 2)


def test_repeated_rows_are_one_and_contradictions_are_refused(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    row = {"crawl": CRAWL, "file": "a.warc.gz", "offset": 5, "length": 9, "digest": "X"}
    source = _source("file:///x", tlds=["org"])
    for number, changed in enumerate([row, row, {**row, "offset": 6}, {**row, "length": 8}]):
        with folder.publish(f"{number}.parquet") as file:
            write_scan(pa.Table.from_pylist([changed], schema=INDEX_ROWS), file)
    (batch,) = cut_batches(["0.parquet", "1.parquet", "2.parquet"], source, folder, "batches.parquet")
    assert batch.num_records == 2
    with pytest.raises(UserError, match="two different records at 5"):
        cut_batches(["0.parquet", "3.parquet"], source, folder, "other.parquet")
    assert not folder.exists("other.parquet")


def test_a_query_without_an_answer_is_said(mirror: LoopbackMirror, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no record of CC-MAIN-2024-10 answers its index table"):
        _cut(_source(mirror, domains=["nowhere.example"]), Folder(tmp_path))
