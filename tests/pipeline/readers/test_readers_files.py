"""MediaWiki, text, JSONL and Parquet readers: every page, line and row yielded or dropped."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manifests.errors import UserError
from manifests.records.read import read_page, read_record
from pipeline.documents.schema import document_row
from pipeline.formats import ExtractSettings, RawFile, extractor_for, reader_for
from pipeline.readers.base import Reader
from pipeline.readers.mediawiki import MediaWikiReader
from pipeline.readers.members import MemberStream

HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="de">
  <siteinfo><sitename>Wikipedia</sitename><dbname>dewiki</dbname><base>https://de.wikipedia.org/wiki/Hauptseite</base>
  <namespaces><namespace key="0" case="first-letter" /><namespace key="1">Diskussion</namespace></namespaces></siteinfo>
"""


def wiki_page(
    number: int, text: str = "Some ''text''.", ns: str = "<ns>0</ns>", extra: str = "", title: str = ""
) -> str:
    title = title or f"Page {number}"
    return f"""  <page><title>{title}</title>{ns}<id>{number}</id>{extra}<revision><id>{number + 1000}</id>
  <timestamp>2024-01-01T00:00:00Z</timestamp><model>wikitext</model><text bytes="1">{text}</text></revision></page>\n"""


def read(path: Path, format: str, data: bytes | None = None) -> tuple[list, Reader]:
    if data is not None:
        path.write_bytes(data)
    reader = reader_for(RawFile(path.name, str(path), "test", format))
    documents = list(reader())
    assert reader.num_candidates == len(documents) + reader.num_dropped.total()
    for document in documents:
        pa.array([document.text])
        assert {"url", "source", "date", "file", "offset", "length", "digest"} <= document.metadata.keys()
        assert document_row(document)["source"] == "test"
    return documents, reader


def test_pages_and_reasons(tmp_path: Path) -> None:
    dump = HEAD + "".join(
        [
            wiki_page(1, "Ein &lt;b&gt; &amp;amp; Text", title="Ä &amp; B"),
            wiki_page(2, "#WEITERLEITUNG [[Ä]]"),
            wiki_page(3, "x", extra='<redirect title="Ä" />'),
            wiki_page(4, ""),
            wiki_page(5, "x", ns="<ns>1</ns>"),
            wiki_page(6, "x", ns="", title="Diskussion:Ä"),
            wiki_page(7, "&nope;"),
            wiki_page(8, "{}").replace("wikitext", "json"),
            wiki_page(9),
        ]
    )
    documents, reader = read(tmp_path / "d.xml", "mediawiki", (dump + "</mediawiki>").encode())
    assert [document.id for document in documents] == ["dewiki/1/1001", "dewiki/9/1009"]
    assert documents[0].text == "Ein <b> &amp; Text"
    assert documents[0].metadata["url"] == "https://de.wikipedia.org/wiki/%C3%84_%26_B"
    assert documents[0].metadata["language"] == "de"
    assert documents[0].metadata["digest"].startswith("sha1:")
    assert reader.num_other_records == {"namespace_1": 2}
    assert dict(reader.num_dropped) == {"redirect": 2, "empty_page": 1, "bad_xml": 1, "not_wikitext": 1}


def test_every_compression_gives_the_same_pages_and_an_address(tmp_path: Path) -> None:
    parts = [HEAD, *("".join(wiki_page(number) for number in range(start, start + 10)) for start in (0, 10, 20))]
    xml = ("".join(parts) + "</mediawiki>").encode()
    files = {
        "plain.xml": xml,
        "single.xml.gz": gzip.compress(xml),
        "single.xml.xz": lzma.compress(xml),
        "multi.xml.bz2": b"".join(bz2.compress(part.encode()) for part in [*parts, "</mediawiki>"]),
    }
    expected = None
    for name, data in files.items():
        path = tmp_path / name
        documents, reader = read(path, "mediawiki", data)
        assert not reader.damaged
        expected = expected or [(document.id, document.text) for document in documents]
        assert [(document.id, document.text) for document in documents] == expected
        assert len(documents) == 30
        for document in documents[::7]:
            offset, length = document.metadata["offset"], document.metadata["length"]
            assert 0 <= offset < offset + length <= len(data)
            element = read_record(str(path), "mediawiki", offset, length, document.id)
            assert f"<id>{document.id.split('/')[1]}</id>".encode() in element
    streams = {document.metadata["offset"]: document.metadata["length"] for document in documents}
    assert len(streams) == 3
    for offset, length in streams.items():
        assert bz2.decompress(files["multi.xml.bz2"][offset : offset + length]).count(b"<page>") == 10
    with pytest.raises(UserError, match="is not in the"):
        read_page(str(tmp_path / "multi.xml.bz2"), *next(iter(streams.items())), "dewiki/29/1029")


def test_large_streams_have_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.readers.mediawiki.MAX_STREAM_BYTES", 2000)
    xml = (HEAD + "".join(wiki_page(number) for number in range(50)) + "</mediawiki>").encode()
    documents, _ = read(tmp_path / "x.xml.bz2", "mediawiki", bz2.compress(xml))
    assert len(documents) == 50
    assert documents[0].metadata["offset"] == documents[0].metadata["length"] == -1
    assert b"<id>30</id>" in read_page(str(tmp_path / "x.xml.bz2"), -1, -1, documents[30].id)


def test_truncated_and_damaged_dumps(tmp_path: Path) -> None:
    parts = [HEAD, *(wiki_page(number) for number in range(5)), "</mediawiki>"]
    xml = "".join(parts).encode()
    documents, reader = read(tmp_path / "x.xml", "mediawiki", xml[:-60])
    assert (len(documents), dict(reader.num_dropped)) == (4, {"truncated": 1})
    streams = [bz2.compress(part.encode()) for part in parts]
    documents, reader = read(tmp_path / "x.xml.bz2", "mediawiki", b"".join(streams)[:-40])
    assert dict(reader.num_dropped) == {"truncated": 1}
    broken = bytearray(streams[2])
    broken[len(broken) // 2] ^= 0xFF
    streams[2] = bytes(broken)
    documents, reader = read(tmp_path / "x.xml.bz2", "mediawiki", b"".join(streams))
    assert [document.id for document in documents] == [f"dewiki/{number}/{number + 1000}" for number in (0, 2, 3, 4)]
    assert dict(reader.num_dropped) == {"unreadable": 1}
    assert len(reader.damaged) == 1


@pytest.mark.parametrize(("path", "num_documents", "drops"), [
    ("wiki/gensim/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2", 98,
     {"redirect": 99, "disambiguation": 8}),
    ("wiki/json-wikipedia/it__small-dump.xml.gz", 579, {"redirect": 64, "disambiguation": 29}),
    ("wiki/xztextfilter/jawiki-truncated-100k.xml.xz", 183, {"redirect": 15, "disambiguation": 6, "truncated": 1}),
    ("wiki/dkpro-jwpl/aawiki-20260101-pages-meta-current.xml.bz2", 0, {"redirect": 1, "empty_page": 1}),
    ("wiki/gensim/bgwiki-latest-pages-articles-shortened.xml.bz2", 1, {}),  # UTF-16
])  # fmt: skip
def test_real_dumps(shared_data: Path, path: str, num_documents: int, drops: dict[str, int]) -> None:
    documents, reader = read(shared_data / path, "mediawiki")
    assert (len(documents), dict(reader.num_dropped)) == (num_documents, drops)
    for document in documents[:: max(1, len(documents) // 3)]:
        address = document.metadata["offset"], document.metadata["length"]
        if address == (-1, -1):
            assert "bgwiki" in path
            with pytest.raises(UserError, match=f"{document.id} has no address inside .* is in UTF-16. Its text is in"):
                read_record(str(shared_data / path), "mediawiki", *address, document.id)
            continue
        assert read_page(str(shared_data / path), *address, document.id).startswith(b"<page>")


def test_every_small_wiki(shared_data: Path) -> None:
    files = sorted((shared_data / "wiki/dbpedia-minidumps").glob("*.xml.bz2"))
    for path in files:
        documents, reader = read(path, "mediawiki")
        assert not reader.damaged, path.name
        wiki = path.name.partition(".")[0]
        for document in documents:
            assert document.id.startswith(f"{wiki}/")
            assert document.metadata["language"] != "en" or wiki in ("enwiki", "simplewiki")


@pytest.mark.parametrize("name", ["plain.xml", "multi.xml.bz2"])
def test_mutated_dumps_never_crash(tmp_path: Path, name: str) -> None:
    parts = [HEAD, *(wiki_page(number) for number in range(8)), "</mediawiki>"]
    compress = bz2.compress if name.endswith("bz2") else bytes
    data = b"".join(compress(part.encode()) for part in parts)

    @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, len(data) - 1), st.integers(1, 255), st.integers(0, 300))
    def check(at: int, value: int, cut: int) -> None:
        mutated = bytearray(data)
        mutated[at] ^= value
        del mutated[at + 1 : at + 1 + cut]
        read(tmp_path / name, "mediawiki", bytes(mutated))

    check()


def test_text_files(tmp_path: Path, shared_data: Path) -> None:
    (document,), _ = read(tmp_path / "x.txt.bz2", "text", bz2.compress("Grüße\r\nZeile".encode()))
    assert (document.id, document.text) == ("x.txt.bz2", "Grüße\nZeile")
    assert dict(read(tmp_path / "e.txt", "text", b" \n")[1].num_dropped) == {"empty_payload": 1}
    assert dict(read(tmp_path / "b.txt", "text", b"\x00\x01\xff" * 99)[1].num_dropped) == {"decode_error": 1}
    assert dict(read(tmp_path / "t.gz", "text", gzip.compress(b"abc" * 99)[:-9])[1].num_dropped) == {"truncated": 1}
    book = shared_data / "books/gitenberg/de-die-verwandlung-22367-8.txt"
    (whole,), _ = read(book, "text")
    assert "jungen Körper dehnte" in whole.text
    assert read_record(str(book), "text", 0, whole.metadata["length"], whole.id) == book.read_bytes()


def test_jsonl(tmp_path: Path) -> None:
    lines = [
        json.dumps(
            {"text": "first", "id": 7, "url": "http://x", "date": "2024", "language": "en", "other": 1}
        ).encode(),
        b"not json",
        b'{"text": "\xff"}',
        b"",
        b'{"id": "no text"}',
        b'["text"]',
        b'{"text": "  "}',
        '{"text": "zweites\\ud800 ü"}'.encode(),
        b"[" * 100_000,
        json.dumps({"text": "last"}).encode(),
    ]
    for name, compress in (("x.jsonl", bytes), ("x.jsonl.gz", gzip.compress), ("x.jsonl.xz", lzma.compress)):
        path = tmp_path / name
        documents, reader = read(path, "jsonl", compress(b"\n".join(lines)))
        assert [document.text for document in documents] == ["first", "zweites\ufffd ü", "last"]
        assert [document.id for document in documents] == ["7", f"{name}#8", f"{name}#10"]
        assert documents[0].metadata["url"] == "http://x"
        assert dict(reader.num_dropped) == {"bad_json": 5, "empty_payload": 1}
        assert reader.num_other_records == {"blank_line": 1}
        for document in documents:
            address = document.metadata["offset"], document.metadata["length"]
            assert read_record(str(path), "jsonl", *address, document.id).strip() in lines
    _, reader = read(tmp_path / "x.jsonl.gz", "jsonl", gzip.compress(b"\n".join(lines))[:-20])
    assert reader.num_dropped["truncated"] == 1


def test_real_jsonl(shared_data: Path) -> None:
    documents, reader = read(shared_data / "lm/llamafactory/c4_demo.jsonl", "jsonl")
    assert len(documents) == 300
    assert not reader.num_dropped


def test_parquet(tmp_path: Path) -> None:
    texts = ["one", "", None, *(f"row {number}" for number in range(3, 1000))]
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"text": texts, "language": ["en"] * 1000}), path, row_group_size=100)
    documents, reader = read(path, "parquet")
    assert len(documents) == 998
    assert dict(reader.num_dropped) == {"empty_payload": 1, "bad_row": 1}
    assert documents[500].id == f"x.parquet#{documents[500].text.split()[1]}"
    assert json.loads(read_record(str(path), "parquet", -1, -1, documents[500].id))["text"] == documents[500].text
    data = path.read_bytes()
    assert dict(read(tmp_path / "cut.parquet", "parquet", data[:-9])[1].num_dropped) == {"unreadable": 1}
    pq.write_table(pa.table({"body": ["x"]}), path)
    with pytest.raises(UserError, match="no column `text`"):
        read(path, "parquet")


def test_blocks_run_in_a_datatrove_pipeline(tmp_path: Path) -> None:
    """The blocks are ordinary pipeline steps: an executor of datatrove's runs them."""
    from datatrove.executor.local import LocalPipelineExecutor

    path = tmp_path / "d.xml"
    path.write_text(HEAD + wiki_page(1) + wiki_page(2, "") + "</mediawiki>")
    seen: list[str] = []

    def collect(data, rank: int, world_size: int):  # type: ignore[no-untyped-def]
        for document in data:
            seen.append(document.text)
            yield document

    file = RawFile("d.xml", str(path), "s", "mediawiki")
    steps = [MediaWikiReader(file), extractor_for("mediawiki", ExtractSettings()), collect]
    stats = LocalPipelineExecutor(steps, tasks=1, logging_dir=str(tmp_path / "logs")).run()
    assert seen == ["Some text."]
    assert "dropped_empty_page" in stats.to_json()


def test_parquet_rows_that_are_bad(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    offsets = pa.py_buffer(b"".join(n.to_bytes(4, "little") for n in (0, 3, 8, 11)))
    texts = pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer(b"oneGr\xf6\xdfesix")])
    pq.write_table(pa.table({"text": texts}), path)
    documents, reader = read(path, "parquet")
    assert [document.text for document in documents] == ["one", "Größe", "six"]  # decoded as a text file is
    assert not reader.num_dropped
    dates = pa.array([0, 1 << 60], pa.timestamp("us"))
    pq.write_table(pa.table({"text": ["a", "b"], "date": dates}), path)
    documents, reader = read(path, "parquet")
    assert [document.metadata["date"] for document in documents] == ["1970-01-01T00:00:00", None]
    assert not reader.num_dropped


def test_each_row_of_a_damaged_row_group_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"text": [f"row {n} " * 20 for n in range(900)]}), path, row_group_size=300)
    start = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + 40] = b"\xff" * 40
    documents, reader = read(path, "parquet", bytes(data))
    assert len(documents) == 600
    assert reader.num_dropped == {"unreadable": 300}
    assert reader.num_candidates == 900


@pytest.mark.parametrize("ending", ["gz", "bz2", "xz", "zst", "lz4"])
def test_a_bomb_is_unpacked_in_steps(tmp_path: Path, ending: str) -> None:
    import lz4.frame
    import zstandard

    size = 48 << 20
    packers = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "lz4": lz4.frame.compress}
    packers["zst"] = zstandard.ZstdCompressor().compress
    path = tmp_path / f"x.{ending}"
    path.write_bytes(packers[ending](bytes(size)) + packers[ending](b"end"))
    with path.open("rb") as raw:
        stream = MemberStream(raw, name=path.name)
        most = total = 0
        while stream.fill():
            most = max(most, len(stream.buffer))
            total += len(stream.buffer)
            last = bytes(stream.buffer[-3:])
            stream.consume(len(stream.buffer))
        assert (total, last, stream.damage) == (size + 3, b"end", None)
        assert most <= (16 << 20)


def test_no_page_of_a_stream_too_large_has_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.readers.mediawiki.MAX_STREAM_BYTES", 2000)
    pages = "".join(wiki_page(number, f"T{number}") for number in range(1, 40))
    large = bz2.compress(f"<mediawiki>{pages}".encode())
    small = bz2.compress((wiki_page(50, "T50") + "</mediawiki>").encode())
    documents, _ = read(tmp_path / "x.xml.bz2", "mediawiki", large + small)
    places = [(document.metadata["offset"], document.metadata["length"]) for document in documents]
    assert places == [(-1, -1)] * 39 + [(len(large), len(small))]
