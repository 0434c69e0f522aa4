"""Dumps in every export schema, encoding and packing, made of real pages; histories; 7z archives, whole and damaged."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import lzma
import re
import tracemalloc
from pathlib import Path

import py7zr
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manifests.errors import UserError
from manifests.records.read import read_record
from pipeline.documents.schema import document_row
from pipeline.formats import RawFile, reader_for
from pipeline.readers.mediawiki import MediaWikiReader
from tests.pipeline.sources.test_wikipedia import Drops, real_pages

_PACKINGS = {
    "7z": [{"id": py7zr.FILTER_LZMA2, "preset": 0}],
    "7z of LZMA": [{"id": py7zr.FILTER_LZMA, "preset": 1}],
    "7z of bzip2": [{"id": py7zr.FILTER_BZIP2}],
    "7z of deflate": [{"id": py7zr.FILTER_DEFLATE}],
    "7z unpacked": [{"id": py7zr.FILTER_COPY}],
}

_FAST = [{"id": py7zr.FILTER_LZMA2, "preset": 0}]


def seven_zip(*files: bytes, filters: list[dict] = _PACKINGS["7z"], **options) -> bytes:
    """An archive of these files."""
    target = io.BytesIO()
    with py7zr.SevenZipFile(target, "w", filters=filters, **options) as archive:
        for number, data in enumerate(files):
            archive.writef(io.BytesIO(data), f"{number}.xml")
    return target.getvalue()


def read(folder: Path, data: bytes, name: str = "ltgwiki.xml", **options):
    """(documents, reasons of drops, the reader) of a dump of these bytes."""
    path = folder / name
    path.write_bytes(data)
    reader = MediaWikiReader(RawFile(name, str(path), "wiki", "mediawiki"), **options)
    reader.drops = Drops()
    documents = [document_row(document) for document in reader.run()]
    assert reader.num_candidates == len(documents) + reader.num_dropped.total()
    return documents, [reason for _, reason, _, _ in reader.drops], reader


def content(documents: list[dict]) -> list[tuple]:
    """What documents say, without where they were."""
    return [tuple(row[key] for key in ("id", "url", "text", "date", "language")) for row in documents]


@pytest.fixture(scope="module")
def xml(shared_data: Path) -> bytes:
    """A dump of 160 real pages."""
    head, pages = real_pages(shared_data)
    return head + b"".join(pages[400:560]) + b"</mediawiki>\n"


@pytest.fixture(scope="module")
def plain(xml: bytes, tmp_path_factory) -> list[tuple]:
    documents, _, reader = read(tmp_path_factory.mktemp("plain"), xml)
    assert len(documents) > 30
    assert reader.num_other_records.total() > 3
    return content(documents)


@pytest.mark.parametrize("packing", [*_PACKINGS, "gz", "bz2", "xz", "zst"])
def test_every_packing_gives_the_same_pages(xml: bytes, plain, tmp_path: Path, packing: str) -> None:
    packers = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstandard.compress}
    data = seven_zip(xml, filters=_PACKINGS[packing]) if packing in _PACKINGS else packers[packing](xml)
    documents, _, reader = read(tmp_path, data, f"ltgwiki.xml.{packing[:3].strip()}")
    assert content(documents) == plain
    assert not reader.damaged
    if packing in _PACKINGS:
        assert {(row["offset"], row["length"]) for row in documents} == {(-1, -1)}
        with pytest.raises(UserError, match=r"has no address inside this file, because it is a 7z archive\. Its text"):
            read_record(str(tmp_path / "ltgwiki.xml.7z"), "mediawiki", -1, -1, documents[0]["id"])


def test_7z_in_other_formats(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.7z"
    path.write_bytes(seven_zip(b'{"text": "one"}\n{"text": "two"}\n'))
    reader = reader_for(RawFile("rows.jsonl.7z", str(path), "rows", "jsonl"))
    assert [(document.id, document.text) for document in reader.run()] == [
        ("rows.jsonl.7z#1", "one"),
        ("rows.jsonl.7z#2", "two"),
    ]
    path = tmp_path / "page.txt.7z"
    path.write_bytes(seven_zip("Größe".encode()))
    assert [d.text for d in reader_for(RawFile("page.txt.7z", str(path), "rows", "text")).run()] == ["Größe"]


@pytest.mark.parametrize("case", ["truncated", "two files", "empty", "no file", "encrypted", "only the head", "zstd"])
def test_a_7z_archive_that_cannot_be_read_is_one_drop(xml: bytes, tmp_path: Path, case: str) -> None:
    sound = seven_zip(xml)
    data = {
        "truncated": sound[: len(sound) // 2],
        "two files": seven_zip(xml, b"<mediawiki></mediawiki>"),
        "empty": seven_zip(b""),
        "no file": seven_zip(),
        "encrypted": seven_zip(xml, filters=None, password="x"),
        "zstd": seven_zip(xml, filters=[{"id": py7zr.FILTER_ZSTD, "level": 3}]),
        "only the head": sound[:20],
    }[case]
    documents, drops, reader = read(tmp_path, data, "ltgwiki.xml.7z")
    assert not documents
    assert drops == ["truncated" if case == "empty" else "unreadable"]
    assert len(reader.damaged) == 1
    assert {"two files": "holds 2 files", "encrypted": "encrypted", "zstd": "none of LZMA"}.get(
        case, ""
    ) in reader.damaged[0]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_anywhere_in_a_7z_archive_is_told(xml: bytes, plain, tmp_path: Path, data) -> None:
    sound = bytearray(seven_zip(xml))
    at = data.draw(st.integers(6, len(sound) - 1) | st.integers(len(sound) - 120, len(sound) - 1))
    sound[at] ^= data.draw(st.integers(1, 255))
    documents, drops, reader = read(tmp_path, bytes(sound), "ltgwiki.xml.7z")
    whole = content(documents) == plain and not reader.damaged
    assert whole or (reader.damaged and {"unreadable", "truncated", "bad_xml"} & set(drops))


def test_memory_of_a_7z_archive_is_constant(xml: bytes, tmp_path: Path) -> None:
    head, _, pages = xml.partition(b"  <page>")
    pages = b"  <page>" + pages.removesuffix(b"</mediawiki>\n")
    peaks = []
    for times in (4, 20):
        path = tmp_path / "ltgwiki.xml.7z"
        path.write_bytes(seven_zip(head + pages * times + b"</mediawiki>\n", filters=_FAST))
        tracemalloc.start()
        num_documents = sum(1 for _ in MediaWikiReader(RawFile("x", str(path), "wiki", "mediawiki")).run())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert num_documents % times == 0
    assert peaks[1] < 1.2 * peaks[0] + (2 << 20)


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16-le", "utf-16-be", "iso-8859-13"])
@pytest.mark.parametrize("mark", [True, False])
@pytest.mark.parametrize("packed", [False, True])
def test_encodings_of_dumps(xml: bytes, plain, tmp_path: Path, codec: str, mark: bool, packed: bool) -> None:
    """Latgalian is written with letters of ISO-8859-13, but for what the pages quote: that goes in as references."""
    text = f'<?xml version="1.0" encoding="{codec.removesuffix("-sig")}"?>\n' + xml.decode()
    if not mark and not codec.startswith("iso"):
        text = text.partition("\n")[2] if codec == "utf-8-sig" else text
    data = text.encode("utf-8" if codec == "utf-8-sig" else codec, "xmlcharrefreplace")
    marks = {"utf-8-sig": b"\xef\xbb\xbf", "utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
    data = (marks.get(codec, b"") if mark else b"") + data
    documents, _, reader = read(tmp_path, gzip.compress(data) if packed else data)
    assert content(documents) == plain
    assert not reader.damaged
    # Half of a letter is one page less, and says so.
    broken = data[: len(data) // 2 + 1 - len(data) // 2 % 2] + data[len(data) // 2 + 4 - len(data) // 2 % 2 :]
    documents, drops, _ = read(tmp_path, broken)
    assert len(documents) >= len(plain) // 2 - 2 or drops


@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "utf-16-be", "gb18030", "iso-8859-13"])
@pytest.mark.parametrize("mark", [True, False])
def test_members_that_split_an_encoded_dump_anywhere(xml: bytes, tmp_path: Path, codec: str, mark: bool) -> None:
    """Also inside the byte order mark or the declaration, a code unit, a surrogate pair; members may be empty."""
    body = "".join(xml.decode().partition("<page>")[1:])
    few = "".join(body.partition("</page>")[:2])
    few = re.sub(r"(<text[^>]*>)", "\\1\N{ROCKET}\N{SNOWMAN}\N{ROCKET} a ", few)
    head = f'<?xml version="1.0" encoding="{codec}"?>\n' if mark or not codec.startswith("utf-") else ""
    text = f'{head}<mediawiki xml:lang="ltg">{few}</mediawiki>\n'
    data = text.encode(codec, "xmlcharrefreplace")
    data = ({"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(codec, b"") if mark else b"") + data
    documents, _, _ = read(tmp_path, data)
    expected = content(documents)
    assert "\N{ROCKET}\N{SNOWMAN}\N{ROCKET} a" in expected[0][2]
    rocket = data.find("\N{ROCKET}".encode(codec, "xmlcharrefreplace"))
    near = st.integers(0, 10) | st.integers(rocket, rocket + 10) | st.integers(0, len(data))

    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(st.lists(near, max_size=8).map(sorted))
    def check(cuts: list[int]) -> None:
        bounds = [0, *cuts, len(data)]
        members = [gzip.compress(data[a:b], 1) for a, b in itertools.pairwise(bounds)]
        documents, drops, reader = read(tmp_path, b"".join(members), "ltgwiki.xml.gz")
        assert (content(documents), drops, reader.damaged) == (expected, [], [])

    check()


def as_schema(xml: bytes, version: str) -> bytes:
    """A dump of schema 0.10 made into one of another version: what each added, by its XSD, is put in or taken out."""
    number = int(version.partition(".")[2])
    text = xml.decode()
    text = re.sub(r"<mediawiki[^>]*>", f'<mediawiki xmlns="http://www.mediawiki.org/xml/export-{version}/" '
                  f'version="{version}" xml:lang="ltg">', text)  # fmt: skip
    if number < 6:
        text = re.sub(r"\s*<ns>[^<]*</ns>", "", text)
    for tag, since in (("sha1", 6), ("model", 8), ("format", 8), ("dbname", 9), ("origin", 11)):
        text = re.sub(rf"\s*<{tag}>[^<]*</{tag}>", "", text)
        if number < since:
            continue
        if tag == "dbname":
            text = text.replace("<siteinfo>", "<siteinfo>\n    <dbname>ltgwiki</dbname>")
        elif tag == "origin":
            text = re.sub(r"(<revision>\s*<id>(\d+)</id>)", r"\1\n      <origin>\2</origin>", text)
        else:
            value = {"sha1": "h" * 31, "model": "wikitext", "format": "text/x-wiki"}[tag]
            text = text.replace("</revision>", f"<{tag}>{value}</{tag}></revision>")
    if number < 4:
        text = re.sub(r"\s*<redirect[^>]*/>", "", text)
    elif number == 4:
        text = re.sub(r"<redirect[^>]*/>", "<redirect />", text)
    if number == 11:
        slot = "<content><role>extra</role><model>json</model><text>{}</text></content></revision>"
        text = text.replace("</revision>", slot)
    return text.encode()


@pytest.mark.parametrize("version", ["0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "0.10", "0.11"])
def test_every_export_schema_gives_the_same_pages(xml: bytes, plain, tmp_path: Path, version: str) -> None:
    data = as_schema(xml, version)
    assert (b"<ns>" in data) == (int(version[2:]) >= 6)
    documents, drops, reader = read(tmp_path, data)
    _, expected_drops, expected = read(tmp_path, xml)
    assert content(documents) == plain
    assert drops == expected_drops
    assert reader.num_other_records == expected.num_other_records


def test_pages_of_bare_old_dumps_are_told_apart_by_their_titles(tmp_path: Path) -> None:
    page = "<page><title>{}</title><id>{}</id><revision><id>1</id><text>words</text></revision></page>"
    titles = ["A", "2001: A Space Odyssey", "Talk:A", "User talk:B", "Category talk:C", "File:D", "Help talk:E"]
    pages = "".join(page.format(title, number) for number, title in enumerate(titles, 1))
    documents, _, reader = read(tmp_path, f"<mediawiki>{pages}</mediawiki>".encode(), "enwiki.xml")
    assert [row["id"] for row in documents] == ["enwiki/1/1", "enwiki/2/1"]
    assert set(reader.num_other_records) == {f"namespace_{number}" for number in (1, 3, 15, 6, 13)}


def test_the_last_revision_of_a_history_is_the_page(xml: bytes, plain, tmp_path: Path) -> None:
    """Also of one far larger than what a page may have, at the memory of one revision."""
    old = "<revision>\n<id>{}</id>\n<text>old {}</text>\n</revision>\n"
    small = "".join(old.format(number, "words") for number in range(3))
    history = xml.replace(b"<revision>", small.encode() + b"<revision>")
    documents, _, _ = read(tmp_path, history)
    assert content(documents) == plain
    large = "".join(old.format(number, "words " * 20_000) for number in range(300)).encode()
    first = xml.index(b"<revision>", xml.index(b"<ns>0</ns>") if b"<ns>0</ns>" in xml else 0)
    path = tmp_path / "ltgwiki.xml"
    data = xml[:first] + large + xml[first:]
    documents, drops, _ = read(tmp_path, data, max_page_bytes=2 << 20)
    assert content(documents) == plain
    assert "page_too_large" not in drops
    tracemalloc.start()
    assert sum(1 for _ in MediaWikiReader(RawFile("ltgwiki.xml", str(path), "wiki", "mediawiki")).run()) == len(plain)
    assert tracemalloc.get_traced_memory()[1] < 12 << 20
    tracemalloc.stop()
    # Cut off inside a long history.
    documents, drops, reader = read(tmp_path, data[: first + len(large) // 2])
    assert drops[-1] == "truncated"
    assert "inside a page" in reader.damaged[-1]
    _, drops, _ = read(tmp_path, data.replace(b"words words", b"words" * 300_000, 1), max_page_bytes=1 << 20)
    assert drops.count("page_too_large") == 1


@pytest.mark.parametrize("base", ["http://[", "http://[::1/w", "//]", "http://a]b[/"])
def test_a_base_that_is_no_address(tmp_path: Path, base: str) -> None:
    page = "<page><title>A</title><ns>0</ns><id>1</id><revision><id>2</id><text>Words.</text></revision></page>"
    dump = f"<mediawiki><siteinfo><base>{base}</base></siteinfo>{page}</mediawiki>"
    documents, _, _ = read(tmp_path, dump.encode(), "dump.xml")
    assert [document["text"] for document in documents] == ["Words."]


@pytest.mark.parametrize("ending", ["gz", "xz"])
def test_pages_of_a_damaged_stream_are_none(tmp_path: Path, ending: str) -> None:
    """What a checksum says is not what was packed is no document."""
    page = "<page><title>A</title><ns>0</ns><id>1</id><revision><id>2</id><text>Words.</text></revision></page>"
    data = f"<mediawiki>{page}</mediawiki>".encode()
    packed = bytearray(gzip.compress(data, mtime=0) if ending == "gz" else lzma.compress(data))
    packed[-6 if ending == "gz" else -30] ^= 0xFF
    documents, _, reader = read(tmp_path, bytes(packed), f"dump.xml.{ending}")
    assert documents == []
    assert reader.damaged


@pytest.mark.parametrize(
    "ids",
    [
        "<id>1</id><revision> <id>2</id>",
        "<id> 1 </id><revision><id>\n2</id>",
        "<id>1</id><revision>\x85 <id>2</id>",
        "<id>1</id><revision><parentid>7</parentid><id>2</id>",
        "<id>1</id><revision><contributor><id>5</id></contributor><id>2</id>",
        "<id>one</id><revision><id>2</id>",
        "<id>1/3</id><revision><id>2</id>",
    ],
)
def test_pages_are_read_back_however_their_numbers_stand(tmp_path: Path, ids: str) -> None:
    other = "<page><title>B</title><ns>0</ns><id>5</id><revision><id>12</id><text>Others.</text></revision></page>"
    page = f"<page><title>A</title><ns>0</ns>{ids}<text>Words.</text></revision></page>"
    data = f"<mediawiki>{page}{other}</mediawiki>".encode()
    documents, _, _ = read(tmp_path, data, "dump.xml")
    assert [document["text"] for document in documents] == ["Words.", "Others."]
    for document, element in zip(documents, (page, other), strict=True):
        found = read_record(
            str(tmp_path / "dump.xml"), "mediawiki", document["offset"], document["length"], document["id"]
        )
        assert found == element.encode()


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-be", "gb18030"])
def test_a_torn_dump_in_another_encoding_has_an_address_in_its_file(tmp_path: Path, codec: str) -> None:
    declared = f"<?xml version='1.0' encoding='{codec}'?>" if codec == "gb18030" else ""
    page = "<page><title>A</title><ns>0</ns><id>1</id><revision><id>2</id><text>漢字漢字</text></revision></page>"
    data = f"{declared}<mediawiki>{page}{'漢' * 5000}<page><title>torn".encode(codec)
    path = tmp_path / "dump.xml"
    path.write_bytes(data)
    reader = MediaWikiReader(RawFile("dump.xml", str(path), "wiki", "mediawiki"))
    documents = list(reader.run())
    assert [document.text for document in documents] == ["漢字漢字"]
    assert reader.damaged == ["dump.xml: at byte 0: the dump ends inside a page"]


@pytest.mark.parametrize("ending", ["", ".gz", ".bz2"])
def test_pages_without_numbers_are_read_back_by_their_places(tmp_path: Path, ending: str) -> None:
    pages = [f"<page><title>{n}</title><ns>0</ns><revision><text>Words {n}.</text></revision></page>" for n in "abc"]
    data = f"<mediawiki></page>{''.join(pages)}</mediawiki>".encode()
    packed = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress}[ending](data)
    documents, _, _ = read(tmp_path, packed, f"dump.xml{ending}")
    assert [document["text"] for document in documents] == ["Words a.", "Words b.", "Words c."]
    for document, page in zip(documents, pages, strict=True):
        place = document["offset"], document["length"]
        assert read_record(str(tmp_path / f"dump.xml{ending}"), "mediawiki", *place, document["id"]) == page.encode()
