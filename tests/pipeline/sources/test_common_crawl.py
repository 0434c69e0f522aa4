"""Common Crawl as a source: its settings, which files it lists, and its path listings."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from manifests.errors import UserError
from manifests.settings import Settings, validate
from manifests.storage import Folder
from pipeline.mirrors.download import Downloader
from pipeline.mirrors.loopback import LoopbackMirror
from pipeline.sources.common_crawl import CommonCrawlSource, list_common_crawl
from pipeline.sources.crawl_query import IndexQuery
from tests.crawl_mirror import CRAWL, CrawlMirror, make_crawl, real_pages

OTHER = "CC-MAIN-2023-50"


class _Recipe(Settings):
    sources: list[CommonCrawlSource]


def _source(**table: object) -> CommonCrawlSource:
    return validate(_Recipe, {"sources": [{"name": "cc", "kind": "common_crawl", **table}]}, "r.toml").sources[0]


def _refusal(**table: object) -> str:
    with pytest.raises(UserError) as caught:
        _source(**table)
    return str(caught.value)


@pytest.fixture(scope="module")
def crawls(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> list[CrawlMirror]:
    folder = tmp_path_factory.mktemp("mirror")
    pages = real_pages(shared_data, 60)
    return [make_crawl(folder, pages, CRAWL, num_warcs=6), make_crawl(folder, pages[::-1], OTHER, num_warcs=3)]


@pytest.fixture
def mirror(crawls: list[CrawlMirror]) -> Iterator[LoopbackMirror]:
    with LoopbackMirror(crawls[0].folder) as server:
        yield server


def _keys(source: CommonCrawlSource, seed: int = 0) -> list[str]:
    with Downloader() as downloader:
        return [file.key for file in list_common_crawl(source, downloader, seed)]


def test_one_crawl_or_several() -> None:
    assert _source(crawl=CRAWL).crawls == [CRAWL]
    assert _source(crawl=CRAWL) == _source(crawl=[CRAWL])
    assert _source(crawl=[CRAWL, OTHER]).crawls == [CRAWL, OTHER]
    assert "sources.0.crawl" in _refusal(crawl="../..")
    assert "names a crawl twice" in _refusal(crawl=[CRAWL, CRAWL])
    assert "crawl is missing: add it" in _refusal()


def test_ways_to_choose_exclude_each_other() -> None:
    assert "max_files and sample exclude each other" in _refusal(crawl=CRAWL, max_files=1, sample=1)
    index = {"tlds": ["org"]}
    assert "sample and index exclude each other" in _refusal(crawl=CRAWL, sample=1, index=index)
    assert "the index knows no WET files" in _refusal(crawl=CRAWL, records="wet", index=index)


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a//b", "crawl-data\\x"])
def test_a_path_stays_below_the_mirror(path: str) -> None:
    assert "is no path below the mirror" in _refusal(paths=[path])


def test_paths_are_taken_as_they_are(crawls: list[CrawlMirror], mirror: LoopbackMirror) -> None:
    keys = [crawls[0].warc_keys[3], crawls[1].warc_keys[0]]
    assert _keys(_source(paths=keys, mirror=mirror.url)) == sorted(keys)
    assert mirror.requests == []
    assert "is not of the source's crawl" in _refusal(paths=keys, crawl=CRAWL)
    assert "names a file twice" in _refusal(paths=[keys[0], keys[0]])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "asks for every record of the crawl"),
        ({"hosts": ["https://a.org/x"]}, "is no host name"),
        ({"domains": ["*.a.org"]}, "is no host name"),
        ({"tlds": ["co.uk"]}, "is no top-level domain"),
        ({"languages": ["english"]}, "is no language code"),
        ({"languages": ["xyz"]}, "is no language code"),
        ({"mime": ["html"]}, "is no content type"),
        ({"tlds": ["org"], "status": [20]}, "is no HTTP status code"),
        ({"tlds": ["org"], "status": []}, "sources.0.index.status"),
        ({"url_patterns": ["("]}, "is no regular expression"),
        ({"url_patterns": [""]}, "a pattern is empty"),
        ({"tld": ["org"]}, "unknown key sources.0.index.tld (did you mean 'tlds'?)"),
        ({"tlds": ["org"], "max_records": 0}, "sources.0.index.max_records"),
    ],
)
def test_wrong_queries_are_refused(table: dict[str, object], message: str) -> None:
    assert message in _refusal(crawl=CRAWL, index=table)


def test_queries_are_written_one_way() -> None:
    query = IndexQuery(domains=["Bücher.example", "B.org."], languages=["ger", "de", "en", "tl"], mime=["Text/HTML"])
    assert query.domains == ["b.org", "xn--bcher-kva.example"]
    assert query.languages == ["deu", "eng", "tgl"]
    assert query.mime == ["text/html"]
    assert query.status == [200]


@pytest.mark.parametrize("records", ["warc", "wet"])
def test_all_files_of_all_crawls(records: str, crawls: list[CrawlMirror], mirror: LoopbackMirror) -> None:
    listed = [key for crawl in crawls for key in (crawl.warc_keys if records == "warc" else crawl.wet_keys)]
    assert _keys(_source(crawl=[CRAWL, OTHER], records=records, mirror=mirror.url)) == sorted(listed)


def test_the_first_of_each_crawl(crawls: list[CrawlMirror], mirror: LoopbackMirror) -> None:
    keys = _keys(_source(crawl=[CRAWL, OTHER], max_files=2, mirror=mirror.url))
    assert keys == sorted([*crawls[0].warc_keys[:2], *crawls[1].warc_keys[:2]])


def test_a_sample_follows_from_the_seed_alone(crawls: list[CrawlMirror], mirror: LoopbackMirror) -> None:
    def sample(number: int, seed: int, crawl: list[str]) -> set[str]:
        keys = _keys(_source(crawl=crawl, sample=number, mirror=mirror.url), seed)
        assert keys == sorted(keys)
        return set(keys)

    alone, both = sample(2, 7, [CRAWL]), sample(2, 7, [OTHER, CRAWL])
    assert len(alone) == 2
    assert len(both) == 4
    assert alone < both  # another crawl changes nothing in this one
    assert alone < sample(4, 7, [CRAWL])  # and a larger sample holds the smaller
    assert len({frozenset(sample(2, seed, [CRAWL])) for seed in range(12)}) > 3
    assert sample(50, 7, [CRAWL]) == set(crawls[0].warc_keys)


def test_listed_files_are_the_mirrors(crawls: list[CrawlMirror], mirror: LoopbackMirror, tmp_path: Path) -> None:
    source = _source(crawl=OTHER, max_files=1, mirror=mirror.url)
    with Downloader() as downloader:
        (file,) = list_common_crawl(source, downloader)
        downloader.download(file, Folder(tmp_path))
    assert (tmp_path / file.key).read_bytes() == (crawls[1].folder / file.key).read_bytes()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>no</html>", "not a path listing"),
        (gzip.compress(b"crawl-data/a\n")[:-9], "not a path listing"),
        (gzip.compress(b"\xff\n"), "not a path listing"),
        (gzip.compress(b"\n"), "lists no files"),
        (gzip.compress(b"crawl-data/../../x\n"), "no safe path"),
    ],
)
def test_bad_listings_are_refused(body: bytes, message: str, tmp_path: Path) -> None:
    listing = tmp_path / f"crawl-data/{CRAWL}/warc.paths.gz"
    listing.parent.mkdir(parents=True)
    listing.write_bytes(body)
    with pytest.raises(UserError, match=message) as caught:
        _keys(_source(crawl=CRAWL, mirror=f"file://{tmp_path}"))
    assert "\n" not in str(caught.value)


def test_a_listing_that_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.sources.common_crawl._MOST_LISTING_BYTES", 1_000)
    listing = tmp_path / f"crawl-data/{CRAWL}/warc.paths.gz"
    listing.parent.mkdir(parents=True)
    listing.write_bytes(gzip.compress(b"a\n" * 1_000))
    with pytest.raises(UserError, match="too large for a path listing"):
        _keys(_source(crawl=CRAWL, mirror=f"file://{tmp_path}"))
