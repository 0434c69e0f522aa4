"""Multistream dumps in ranges, made of real pages; sister wikis and their languages; truncated real dumps."""

from __future__ import annotations

import bz2
import functools
import hashlib
import json
import lzma
import re
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manifests.errors import UserError
from pipeline.documents.schema import document_row
from pipeline.mirrors.download import Downloader
from pipeline.readers.base import RawFile
from pipeline.readers.mediawiki import MediaWikiReader
from pipeline.sources.wikipedia import WikipediaSource, cut_streams, index_of, list_wikipedia
from pipeline.sources.wikis import language_of_wiki

_PAGES_PER_STREAM = 100
_PAGE = re.compile(rb"  <page>.*?</page>\n", re.DOTALL)


class Drops(list):
    def add(self, document, reason, value=None, detail=None) -> None:
        self.append((document_row(document), reason, value, detail))


@functools.cache
def real_pages(folder: Path) -> tuple[bytes, list[bytes]]:
    """Head and pages of a whole small wiki (Latgalian Wikipedia, some two thousand pages)."""
    xml = lzma.decompress((folder / "wiki" / "dumpster-dive" / "smallwiki-latest-pages-articles.xml.xz").read_bytes())
    pages = _PAGE.findall(xml)
    assert len(pages) > 1900
    return xml[: xml.index(b"  <page>")], pages


def write_multistream(
    folder: Path, head: bytes, pages: list[bytes], per_stream: int = _PAGES_PER_STREAM
) -> tuple[Path, Path, list[int]]:
    """A dump, its index, and the offsets of its streams, laid out as Wikimedia does: head, pages, closing tag."""
    dump = folder / "ltgwiki-20240101-pages-articles-multistream.xml.bz2"
    data, lines, offsets = bytearray(bz2.compress(head)), [], []
    for first in range(0, len(pages), per_stream):
        offsets.append(len(data))
        for page in pages[first : first + per_stream]:
            number, title = re.search(rb"<id>(\d+)", page), re.search(rb"<title>(.*?)</title>", page)
            lines.append(b"%d:%s:%s" % (len(data), number[1] if number else b"0", title[1] if title else b""))
        data += bz2.compress(b"".join(pages[first : first + per_stream]))
    data += bz2.compress(b"</mediawiki>\n")
    dump.write_bytes(data)
    index = folder / index_of(dump.name)
    index.write_bytes(bz2.compress(b"\n".join(lines) + b"\n"))
    return dump, index, offsets


def read(path: Path, start: int = 0, stop: int | None = None):
    """(documents, drops, other records, damaged places) of a file or a range of it."""
    reader = MediaWikiReader(RawFile("w/" + path.name, str(path), "wiki", "mediawiki", None, start, stop))
    reader.drops = Drops()
    documents = [document_row(document) for document in reader.run()]
    assert reader.num_candidates == len(documents) + reader.num_dropped.total()
    return documents, list(reader.drops), reader.num_other_records, reader.damaged


def read_ranges(path: Path, starts: list[int]):
    whole = [[], [], type(read(path, 0, 0)[2])(), []]
    for start, stop in zip(starts, [*starts[1:], None], strict=True):
        documents, drops, others, damaged = read(path, start, stop)
        whole[0] += documents
        whole[1] += drops
        whole[2] += others
        whole[3] += damaged
    return tuple(whole)


@pytest.fixture(scope="module")
def dump(shared_data: Path, tmp_path_factory) -> tuple[Path, Path, list[int]]:
    head, pages = real_pages(shared_data)
    odd = [b"  <page>&nope;</page>\n", b"  <page><ns>0</ns><revision><text>no numbers</text></revision></page>\n"]
    return write_multistream(tmp_path_factory.mktemp("dump"), head, [*pages[:150], *odd, *pages[150:]])


@pytest.fixture(scope="module")
def small_dump(shared_data: Path, tmp_path_factory) -> tuple[Path, Path, list[int]]:
    head, pages = real_pages(shared_data)
    return write_multistream(tmp_path_factory.mktemp("small"), head, pages[300:600], 20)


def test_ranges_give_what_the_whole_gives(dump) -> None:
    path, index, offsets = dump
    whole = read(path)
    assert len(whole[0]) > 800
    assert len(whole[1]) > 1
    assert whole[2]["namespace_10"] > 100
    assert [reason for _, reason, _, _ in whole[1]].count("bad_xml") == 1
    assert any("#" in row["id"] for row in whole[0])
    assert {row["url"].partition("/wiki/")[0] for row in whole[0] if row["url"]} == {"https://ltg.wikipedia.org"}
    size = path.stat().st_size
    for task_bytes in (1, size // 7, size // 2, size):
        notes: list[str] = []
        starts = cut_streams(str(index), str(path), size, task_bytes, notes.append)
        assert not notes
        assert starts[0] == 0
        assert set(starts[1:]) <= set(offsets)
        assert read_ranges(path, starts) == whole
    assert len(cut_streams(str(index), str(path), size, size // 7)) == 6
    assert cut_streams(str(index), str(path), size) == [0]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_cut_at_streams(small_dump, data) -> None:
    path, _, offsets = small_dump
    cuts = data.draw(st.sets(st.sampled_from(offsets), max_size=6))
    assert read_ranges(path, sorted({0, *cuts})) == read(path)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_is_reported_by_its_range_alone(small_dump, tmp_path: Path, data) -> None:
    """Also where the damage makes a stream end elsewhere: a cut is a sound start, so the whole resumes there, too."""
    path, _, offsets = small_dump
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(offsets[0], len(content) - 1))
        content[at : at + 4] = data.draw(st.binary(min_size=4, max_size=4))
    damaged = tmp_path / path.name
    damaged.write_bytes(content[: len(path.read_bytes())])
    starts = cut_streams(str(path.parent / index_of(path.name)), str(damaged), len(content), len(content) // 6)
    assert read_ranges(damaged, starts) == read(damaged)


def test_damage_in_one_range(dump, tmp_path: Path) -> None:
    path, _index, offsets = dump
    content = bytearray(path.read_bytes())
    content[offsets[8] + 5000 : offsets[8] + 5100] = bytes(100)
    damaged = tmp_path / path.name
    damaged.write_bytes(content)
    starts = [0, offsets[5], offsets[10]]
    parts = [read(damaged, start, stop) for start, stop in zip(starts, [*starts[1:], None], strict=True)]
    assert [sum("damaged bz2" in place for place in part[3]) for part in parts] == [0, 1, 0]
    assert [sum(reason == "unreadable" for _, reason, _, _ in part[1]) for part in parts] == [0, 1, 0]


@pytest.mark.parametrize(
    "change", ["off by one", "beyond", "unsorted", "missing", "torn", "text", "long line", "empty"]
)
def test_a_wrong_index_loses_nothing(dump, tmp_path: Path, change: str) -> None:
    path, index, offsets = dump
    lines = bz2.decompress(index.read_bytes()).splitlines()
    size = path.stat().st_size
    moved = {"off by one": 1, "beyond": size}
    if change in moved:
        lines = [b"%d:%s" % (int(line.split(b":")[0]) + moved[change], line.partition(b":")[2]) for line in lines]
    elif change == "unsorted":
        lines = lines[::-1]
    elif change == "missing":
        lines = lines[:300]
    elif change == "long line":
        lines[500] = b"9" * 200_000 + lines[500]
    data = bz2.compress(b"\n".join(lines))
    data = {"torn": data[: len(data) // 2], "text": b"\n".join(lines), "empty": b""}.get(change, data)
    wrong = tmp_path / "index.bz2"
    wrong.write_bytes(data)
    notes: list[str] = []
    starts = cut_streams(str(wrong), str(path), size, size // 9, notes.append)
    assert bool(notes) == (change in ("off by one", "torn", "text", "empty"))
    assert starts == sorted(set(starts))
    assert set(starts[1:]) <= set(offsets)
    assert len(starts) > 2 or change in ("off by one", "beyond", "missing", "text", "empty", "unsorted", "torn")
    assert read_ranges(path, starts) == read(path)


def test_memory_of_cutting_is_constant(tmp_path: Path) -> None:
    stream = bz2.compress(b"  <page>" + b"x" * 100)
    for number in (2_000, 60_000):
        index, dump = tmp_path / "index", tmp_path / "dump"
        dump.write_bytes(stream * number)
        index.write_bytes(bz2.compress(b"".join(b"%d:1:%s\n" % (at * len(stream), b"t" * 99) for at in range(number))))
        tracemalloc.start()
        starts = cut_streams(str(index), str(dump), len(stream) * number, len(stream) * number // 8)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(starts) == 8
        assert peak < 24 << 20


def test_a_page_that_the_closing_tag_cuts_is_a_drop(tmp_path: Path) -> None:
    path = tmp_path / "dewiki.xml"
    path.write_bytes(b"<mediawiki><page><id>1</id><text>torn\n</mediawiki>\n")
    documents, drops, _, damaged = read(path)
    assert not documents
    assert [reason for _, reason, _, _ in drops] == ["truncated"]
    assert len(damaged) == 1


def test_truncated_real_dumps_give_every_complete_page_and_one_drop(shared_data: Path) -> None:
    files = sorted((shared_data / "wiki" / "xztextfilter").glob("*.xml.xz"))
    assert files
    for path in files:
        xml = lzma.decompress(path.read_bytes())
        documents, drops, others, _ = read(path)
        reasons = [reason for _, reason, _, _ in drops]
        assert len(documents) + len(drops) + sum(others.values()) == xml.count(b"</page>") + 1
        assert reasons.count("truncated") == 1
        assert set(reasons) <= {"redirect", "disambiguation", "truncated", "empty_page"}
        assert {row["language"] for row in documents} == {path.name[:2]}


def _mirror(folder: Path, wiki: str, date: str, names: list[str], status: str = "done") -> None:
    place = folder / wiki / date
    place.mkdir(parents=True)
    files = {}
    for name in names:
        (place / name).write_bytes(name.encode())
        files[name] = {"size": len(name), "sha1": hashlib.sha1(name.encode()).hexdigest()}
    job = {"status": status, "files": files}
    jobs = {"articlesmultistreamdump": job, "articlesdump": {"status": status, "files": {}}}
    (place / "dumpstatus.json").write_text(json.dumps({"version": "0.8", "jobs": jobs}))


def test_each_part_comes_with_its_index(tmp_path: Path) -> None:
    stem = "enwiki-20241101-pages-articles-multistream"
    dumps = [f"{stem}1.xml-p1p41242.bz2", f"{stem}2.xml-p41243p151573.bz2", f"{stem}10.xml-p9p10.bz2"]
    indexes = [f"{stem}-index1.txt-p1p41242.bz2", f"{stem}-index2.txt-p41243p151573.bz2"]
    _mirror(tmp_path, "enwiki", "20241101", [*dumps, *indexes, f"{stem}-index3.txt-p1p2.bz2"])
    source = WikipediaSource(name="w", wiki="enwiki", date="20241101", mirror=f"file://{tmp_path}")
    with Downloader() as downloader:
        files = list_wikipedia(source, downloader)
        assert [file.key for file in files] == sorted(f"enwiki/20241101/{name}" for name in [*dumps, *indexes])
        by_key = {file.key: file for file in files}
        for dump_name, index_name in zip(dumps, indexes, strict=False):
            index = by_key[index_of(f"enwiki/20241101/{dump_name}")]
            assert index.key.endswith(index_name)
            assert index.format == "multistream-index"
            assert index.bytes == len(index_name)
            assert index.sha1 == hashlib.sha1(index_name.encode()).hexdigest()
            assert by_key[f"enwiki/20241101/{dump_name}"].format == "mediawiki"
        first = list_wikipedia(source.model_copy(update={"max_files": 1}), downloader)
    assert [file.key for file in first if file.format == "mediawiki"] == [f"enwiki/20241101/{sorted(dumps)[0]}"]


@pytest.mark.parametrize("wiki", ["enwiktionary", "dewikisource", "frwikivoyage", "zh_yuewiki", "specieswiki"])
def test_latest_of_a_sister_wiki(tmp_path: Path, wiki: str) -> None:
    name = f"{wiki}-20240101-pages-articles-multistream.xml.bz2"
    for date, status in (
        ("20231220", "done"),
        ("20240101", "done"),
        ("20240120", "in-progress"),
        ("20240201", "failed"),
    ):
        _mirror(tmp_path, wiki, date, [name.replace("20240101", date)], status)
    (tmp_path / wiki / "20240220").mkdir()
    with Downloader() as downloader:
        files = list_wikipedia(
            WikipediaSource(name="w", wiki=wiki, date="latest", mirror=f"file://{tmp_path}"), downloader
        )
    assert [file.key for file in files] == [f"{wiki}/20240101/{name}"]


@pytest.mark.parametrize(
    ("wiki", "language"),
    [
        *[("enwiki", "en"), ("enwiktionary", "en"), ("dewikisource", "de"), ("frwikivoyage", "fr")],
        *[("itwikiversity", "it"), ("ptwikinews", "pt"), ("ruwikiquote", "ru"), ("jawikibooks", "ja")],
        *[("simplewiki", "en"), ("simplewiktionary", "en"), ("zh_min_nanwikisource", "nan"), ("zh_yuewiki", "yue")],
        *[("zh_classicalwiki", "lzh"), ("be_x_oldwiki", "be"), ("alswiki", "gsw"), ("nds_nlwiki", "nds")],
        *[("bat_smgwiki", "sgs"), ("fiu_vrowiki", "vro"), ("roa_rupwiktionary", "rup"), ("cebwiki", "ceb")],
        *[("commonswiki", None), ("wikidatawiki", None), ("specieswiki", None), ("metawiki", None)],
        *[("incubatorwiki", None), ("sourceswiki", None), ("mediawikiwiki", None), ("betawikiversity", None)],
        *[("foundationwiki", None), ("bewikimedia", None), ("arbcom_enwiki", None), ("wikimania2014wiki", None)],
        *[("ptwikimedia", None), ("outreachwiki", None), ("test2wiki", None), ("wikifunctionswiki", None)],
    ],
)
def test_language_of_real_wikis(wiki: str, language: str | None) -> None:
    assert language_of_wiki(wiki) == language
    assert WikipediaSource(name="w", wiki=wiki, date="latest").language == language


def test_every_minidump_is_read_as_its_wiki(shared_data: Path) -> None:
    files = sorted((shared_data / "wiki" / "dbpedia-minidumps").glob("*.bz2"))
    assert len(files) > 50
    for path in files:
        documents, _, _, damaged = read(path)
        wiki = path.name.partition(".")[0]
        assert not damaged
        assert {row["language"] for row in documents} <= {language_of_wiki(wiki)}
        assert all(row["id"].startswith(f"{wiki}/") for row in documents)


def test_a_range_is_part_of_the_file_that_its_reader_is_made_for(dump) -> None:
    path, _, offsets = dump
    file = RawFile("w", str(path), "wiki", "mediawiki")
    first = {document.id for document in MediaWikiReader(replace(file, stop=offsets[3])).run()}
    rest = {document.id for document in MediaWikiReader(replace(file, start=offsets[3])).run()}
    assert first
    assert rest
    assert not first & rest


_NO_FILES = b'{"jobs": {"articlesdump": {"status": "done", "files": {"a": 1}}}}'


@pytest.mark.parametrize("answer", [b"[" * 100_000, b"null", b'{"jobs": []}', _NO_FILES, b"\xff"])
def test_an_answer_that_is_no_status_is_told(answer: bytes) -> None:
    class Mirror:
        def fetch(self, url: str) -> bytes:
            return answer

    source = WikipediaSource(kind="wikipedia", name="w", wiki="enwiki", date="20240101", mirror="https://m.example")
    with pytest.raises(UserError, match=r"dumpstatus\.json: not a dump status"):
        list_wikipedia(source, Mirror())  # type: ignore[arg-type]
