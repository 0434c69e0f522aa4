"""Compressed files by their formats' specifications: what is valid is read to its end, what is damaged is told."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import struct
from pathlib import Path

import lz4.block
import lz4.frame
import pytest
import zstandard

from manifests.errors import UserError
from manifests.records.read import read_record, read_warc_record
from pipeline.formats import RawFile, reader_for
from pipeline.readers.base import Reader

ROWS = [{"id": f"r{number}", "text": f"Row {number}: the mill by the river {number * 7919}."} for number in range(40)]
LINES = [json.dumps(row).encode() + b"\n" for row in ROWS]
FIRST, SECOND = b"".join(LINES[:25]), b"".join(LINES[25:])
ZST = zstandard.ZstdCompressor(write_checksum=True).compress
LZ4 = lz4.frame.compress


def skippable(data: bytes, nibble: int = 0) -> bytes:
    return struct.pack("<II", 0x184D2A50 + nibble, len(data)) + data


def pzstd(*parts: bytes) -> bytes:
    """As pzstd writes: before each frame one to be skipped, which holds its packed size."""
    frames = [ZST(part) for part in parts]
    return b"".join(skippable(struct.pack("<I", len(frame))) + frame for frame in frames)


def seekable(*parts: bytes) -> bytes:
    """The seekable format of zstd's contrib: a table at the end, in a frame to be skipped."""
    frames = [ZST(part) for part in parts]
    entries = b"".join(struct.pack("<II", len(f), len(p)) for f, p in zip(frames, parts, strict=True))
    return b"".join(frames) + skippable(entries + struct.pack("<IBI", len(frames), 0, 0x8F92EAB1), 14)


def no_size(data: bytes) -> bytes:
    packer = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    return packer.compress(data) + packer.flush()


def wide(data: bytes, window_log: int = 31) -> bytes:
    """A frame whose window is as large as zstd allows; its size is not known, so the window is not cut down."""
    packer = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters(
            window_log=window_log, hash_log=10, chain_log=10, write_content_size=False
        )
    ).compressobj()
    frame = packer.compress(data) + packer.flush()
    assert zstandard.get_frame_parameters(frame).window_size == 1 << window_log
    return frame


def legacy(*blocks: bytes) -> bytes:
    """A legacy lz4 frame."""
    packed = [lz4.block.compress(block, store_size=False) for block in blocks]
    return struct.pack("<I", 0x184C2102) + b"".join(struct.pack("<I", len(block)) + block for block in packed)


def alone(data: bytes, sized: bool = False) -> bytes:
    packed = lzma.compress(data, format=lzma.FORMAT_ALONE)
    return packed[:5] + struct.pack("<Q", len(data)) + packed[13:] if sized else packed


VALID = {
    "several.zst": ZST(FIRST) + ZST(SECOND),
    "empty-frames.zst": ZST(b"") + ZST(FIRST) + ZST(b"") + ZST(SECOND) + ZST(b""),
    "no-size.zst": no_size(FIRST) + no_size(SECOND),
    "skippable-between.zst": ZST(FIRST) + skippable(b"x" * 100_000, 3) + skippable(b"") + ZST(SECOND),
    "skippable-first.zst": skippable(b"hello", 10) + ZST(FIRST + SECOND),
    "skippable-with-frame.zst": ZST(FIRST) + skippable(ZST(b'{"text": "not a row"}\n')) + ZST(SECOND),
    "pzstd.zst": pzstd(FIRST, SECOND),
    "seekable.zst": seekable(FIRST, SECOND),
    "torn-row.zst": ZST(FIRST[:-40]) + skippable(b"?") + ZST(FIRST[-40:] + SECOND),
    "wide.zst": wide(FIRST) + wide(SECOND, 28),
    "named-otherwise.bin": skippable(b"hello") + ZST(FIRST + SECOND),
    "several.lz4": LZ4(FIRST) + LZ4(SECOND),
    "skippable.lz4": skippable(b"hello", 5) + LZ4(FIRST) + skippable(b"", 15) + LZ4(SECOND) + skippable(b"end"),
    "legacy.lz4": legacy(FIRST, SECOND),
    "legacy-twice.lz4": legacy(FIRST) + legacy(SECOND),
    "legacy-mixed.lz4": legacy(FIRST[:700], FIRST[700:]) + skippable(b"x") + LZ4(SECOND[:300]) + legacy(SECOND[300:]),
    "legacy-empty.lz4": legacy() + legacy(FIRST + SECOND),
    "empty-frame.lz4": LZ4(b"") + LZ4(FIRST + SECOND),
    "streams.xz": lzma.compress(FIRST) + lzma.compress(SECOND),
    "padded.xz": lzma.compress(FIRST) + bytes(4) + lzma.compress(SECOND) + bytes(8),
    "padded-much.xz": lzma.compress(FIRST) + bytes(200_000) + lzma.compress(SECOND) + bytes(140_000),
    "empty-stream.xz": lzma.compress(b"") + lzma.compress(FIRST + SECOND),
    "alone.lzma": alone(FIRST + SECOND),
    "alone-sized.lzma": alone(FIRST + SECOND, sized=True),
    "alone-by-content": alone(FIRST + SECOND),
    "padded.gz": gzip.compress(FIRST + SECOND) + bytes(10_240),
    "padded-between.gz": gzip.compress(FIRST) + bytes(511) + gzip.compress(SECOND),
    "empty-member.gz": gzip.compress(b"") + gzip.compress(FIRST) + gzip.compress(b"") + gzip.compress(SECOND),
    "streams.bz2": bz2.compress(FIRST) + bz2.compress(SECOND),
    "empty-stream.bz2": bz2.compress(b"") + bz2.compress(FIRST + SECOND),
    "plain.zst": FIRST + SECOND,
}  # fmt: skip


def read(path: Path, data: bytes, format: str = "jsonl", **options: int) -> tuple[list, Reader]:
    path.write_bytes(data)
    reader = reader_for(RawFile(path.name, str(path), "test", format, **options))
    documents = list(reader())
    assert reader.num_candidates == len(documents) + reader.num_dropped.total()
    return documents, reader


@pytest.mark.parametrize("name", VALID)
def test_what_is_valid_is_read_to_its_last_row(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    documents, reader = read(path, VALID[name])
    assert [(document.id, document.text) for document in documents] == [(row["id"], row["text"]) for row in ROWS]
    assert (reader.damaged, dict(reader.num_dropped)) == ([], {})
    for document in (documents[0], documents[-1]):
        address = document.metadata["offset"], document.metadata["length"]
        assert json.loads(read_record(str(path), "jsonl", *address, document.id)) in (ROWS[0], ROWS[-1])
    whole, reader = read(path, VALID[name], "text")
    assert [document.text.encode() for document in whole] == [FIRST + SECOND]
    assert not reader.damaged
    assert read_record(str(path), "text", 0, path.stat().st_size, path.name) == FIRST + SECOND


DAMAGED = {  # file, number of rows that are read, what is said
    "garbage.gz": (gzip.compress(FIRST) + b"garbage", 25, "no gzip member starts here"),
    "garbage.zst": (ZST(FIRST) + b"garbage", 25, "no zstd member starts here"),
    "garbage.xz": (lzma.compress(FIRST) + b"garbage", 25, "no xz member starts here"),
    "garbage.bz2": (bz2.compress(FIRST) + b"garbage", 25, "no bz2 member starts here"),
    "garbage.lz4": (LZ4(FIRST) + b"garbage!", 25, "no lz4 member starts here"),
    "garbage.lzma": (alone(FIRST) + b"garbage", 25, "no lzma member starts here"),
    "padding.xz": (lzma.compress(FIRST) + bytes(3) + lzma.compress(SECOND), 40, "3 zero bytes after a member"),
    "padding-last.xz": (lzma.compress(FIRST + SECOND) + bytes(6), 40, "6 zero bytes after a member"),
    "zeros.zst": (ZST(FIRST) + bytes(16), 25, "no zstd member starts here"),
    "cut.zst": (ZST(FIRST) + ZST(SECOND)[:-20], 25, "the file ends inside a compressed member"),
    "cut-skippable.zst": (ZST(FIRST) + skippable(b"x" * 90)[:-1], 25, "the file ends inside a frame to be skipped"),
    "cut-legacy.lz4": (legacy(FIRST, SECOND)[:-1], 25, "the file ends inside a compressed member"),
    "cut.lzma": (alone(FIRST + SECOND)[:-90], None, "the file ends inside a compressed member"),
    "flipped.zst": (ZST(FIRST) + ZST(SECOND)[:-1] + b"\x00" + ZST(SECOND), 40, "damaged zstd data"),
    "window.zst": (ZST(FIRST) + wide(SECOND) + ZST(SECOND), 40, "extract.page_memory_megabytes"),
    "memory.xz": (lzma.compress(FIRST, preset=0) + lzma.compress(SECOND), 25, "extract.page_memory_megabytes"),
    "dictionary.zst": (
        zstandard.ZstdCompressor(dict_data=zstandard.train_dictionary(2000, LINES * 50, dict_id=77)).compress(FIRST),
        0,
        "needs the dictionary 77",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_damaged_is_told(tmp_path: Path, name: str) -> None:
    data, num_rows, what = DAMAGED[name]
    memory_bytes = (64 if name == "window.zst" else 8 if name == "memory.xz" else 4096) << 20
    documents, reader = read(tmp_path / name, data, memory_bytes=memory_bytes)
    assert num_rows is None or [document.id for document in documents] == [row["id"] for row in ROWS[:num_rows]]
    assert len(reader.damaged) == 1
    assert what in reader.damaged[0]
    assert "\n" not in reader.damaged[0]
    assert sum(reader.num_dropped[reason] for reason in ("truncated", "unreadable")) == 1


def test_a_large_window_takes_no_more_memory_than_it_is_filled(tmp_path: Path) -> None:
    _, reader = read(tmp_path / "x.zst", wide(FIRST), memory_bytes=2 << 30)
    assert not reader.damaged


def warc(*texts: str) -> list[bytes]:
    records = []
    for number, text in enumerate(texts):
        body = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>{text}</p>".encode()
        head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:x:{number}>\r\nContent-Length: {len(body)}\r\n"
        head += "Content-Type: application/http\r\n"
        records.append(head.encode() + b"\r\n" + body + b"\r\n\r\n")
    return records


RECORDS = warc(*(f"Page {number} of the mill by the river" for number in range(30)))


def trained(raw: bool = False) -> zstandard.ZstdCompressionDict:
    if raw:
        return zstandard.ZstdCompressionDict(b"".join(RECORDS[:3]), dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return zstandard.train_dictionary(4000, RECORDS * 20)


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("with_id", [False, True])
def test_warc_with_a_dictionary(tmp_path: Path, raw: bool, packed: bool, with_id: bool) -> None:
    """The first frame of a .warc.zst holds the dictionary of the others, plain or packed by itself."""
    dictionary = trained(raw)
    held = dictionary.as_bytes()
    assert b"WARC/1.0" in held or not raw
    packer = zstandard.ZstdCompressor(dict_data=dictionary, write_dict_id=with_id)
    frames = [packer.compress(record) for record in RECORDS]
    path = tmp_path / "x.warc.zst"
    first = skippable(b"made by hand", 2) if with_id else b""
    documents, reader = read(path, first + skippable(ZST(held) if packed else held, 13) + b"".join(frames), "warc")
    assert [document.id for document in documents] == [f"urn:x:{number}" for number in range(30)]
    assert "Page 29 of the mill" in documents[29].text
    assert not reader.damaged
    for document, record in zip(documents, RECORDS, strict=True):
        assert document.metadata["length"] > 0
        address = document.metadata["offset"], document.metadata["length"]
        assert read_warc_record(str(path), *address, document.id) == record


def test_damage_beside_a_dictionary(tmp_path: Path) -> None:
    dictionary = trained()
    held = dictionary.as_bytes()
    packer = zstandard.ZstdCompressor(dict_data=dictionary, write_checksum=True)
    frames = [packer.compress(record) for record in RECORDS]
    bad = frames[3][:-1] + bytes([frames[3][-1] ^ 1])
    documents, reader = read(
        tmp_path / "x.warc.zst", skippable(held, 13) + b"".join([*frames[:3], bad, *frames[4:]]), "warc"
    )
    assert [document.id for document in documents] == [f"urn:x:{n}" for n in range(30) if n != 3]
    assert len(reader.damaged) == 1
    packed = bytearray(ZST(held))
    packed[-1] ^= 1
    documents, reader = read(tmp_path / "y.warc.zst", skippable(bytes(packed), 13) + b"".join(frames), "warc")
    assert not documents
    assert "the dictionary in its first frame cannot be read" in reader.damaged[0]
    documents, reader = read(tmp_path / "z.warc.zst", skippable(trained().as_bytes()[:900], 13)[:-5], "warc")
    assert not documents
    assert "the file ends inside its dictionary" in reader.damaged[0]


def pages(start: int, stop: int) -> bytes:
    return b"".join(
        b"<page><title>P%d</title><ns>0</ns><id>%d</id><revision><id>%d</id><model>wikitext</model>"
        b"<text>The mill %d by the river.</text></revision></page>\n" % (n, n + 1, n + 100, n)
        for n in range(start, stop)
    )


DUMP = [
    b'<mediawiki xml:lang="en"><siteinfo><dbname>enwiki</dbname></siteinfo>\n',
    pages(0, 5),
    pages(5, 9),
    b"</mediawiki>",
]
BOXES = {
    "zst": lambda parts: skippable(b"hello") + b"".join(ZST(part) + skippable(b"x", 4) for part in parts),
    "lz4": lambda parts: b"".join(LZ4(part) + skippable(b"x", 4) for part in parts[:-1]) + legacy(parts[-1]),
    "xz": lambda parts: b"".join(lzma.compress(part) + bytes(4) for part in parts),
    "gz": lambda parts: b"".join(gzip.compress(part) + bytes(6) for part in parts),
    "bz2": lambda parts: b"".join(bz2.compress(part) for part in parts),
    "lzma": lambda parts: alone(b"".join(parts)),
}
CSV = [b"id,text\n", b"".join(b"%d,the mill %d\n" % (n, n) for n in range(9)), b'9,"the\nlast"\n']
WET = [
    b"WARC/1.0\r\nWARC-Type: conversion\r\nContent-Type: text/plain\r\nWARC-Record-ID: <urn:w:%d>\r\n"
    b"Content-Length: 10\r\n\r\nText of %d.\r\n\r\n" % (n, n)
    for n in range(9)
]
ARC = [b"http://x.example/%d 1.2.3.4 20240101000000 text/html 20\n<p>The mill %d </p>\n\n" % (n, n) for n in range(9)]


@pytest.mark.parametrize("ending", BOXES)
@pytest.mark.parametrize(
    ("format", "parts"),
    [("mediawiki", DUMP), ("csv", CSV), ("wet", WET), ("warc", ARC), ("html", [b"<p>One", b" two.</p>"])],
    ids=["mediawiki", "csv", "wet", "arc", "html"],
)
def test_every_format_in_every_compression(tmp_path: Path, ending: str, format: str, parts: list[bytes]) -> None:
    plain, _ = read(tmp_path / "x", b"".join(parts), format)
    documents, reader = read(tmp_path / f"x.{ending}", BOXES[ending](parts), format)
    assert [document.text for document in documents] == [document.text for document in plain]
    assert documents
    assert (reader.damaged, dict(reader.num_dropped)) == ([], {})
    for document in documents:
        address = document.metadata["offset"], document.metadata["length"]
        assert read_record(str(tmp_path / f"x.{ending}"), format, *address, document.id)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        ZST(b""),
        skippable(b"only this"),
        gzip.compress(b""),
        lzma.compress(b""),
        bz2.compress(b""),
        LZ4(b""),
        legacy(),
    ],
)
def test_empty_files_have_no_documents_and_no_damage(tmp_path: Path, data: bytes) -> None:
    for name in ("x.zst", "x.lz4", "x"):
        documents, reader = read(tmp_path / name, data)
        assert (documents, reader.damaged, dict(reader.num_dropped)) == ([], [], {})


@pytest.mark.parametrize(
    "text", ["BZhanjing is a county.", "] is no list", "(\xb5/\xfd of 1.", "P*M is a name.", "Line one.\n" * 900]
)
def test_text_that_looks_compressed_is_text(tmp_path: Path, text: str) -> None:
    documents, _ = read(tmp_path / "x.txt", text.encode(), "text")
    assert [document.text for document in documents] == [text]


def test_reading_by_address_refuses_what_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(FIRST) + b"garbage")
    with pytest.raises(UserError, match="no gzip member starts at"):
        read_record(str(path), "jsonl", -1, -1, "x.jsonl.gz#900")
    path.write_bytes(DAMAGED["dictionary.zst"][0])
    with pytest.raises(UserError, match="needs the dictionary 77"):
        read_record(str(path), "jsonl", -1, -1, "x.jsonl.gz#1")


def test_the_given_files(shared_data: Path) -> None:
    folder = shared_data / "cases/13-compressed"
    for name in ("concat.jsonl.gz", "padded.jsonl.xz", "seekable.jsonl.zst", "skip.jsonl.lz4", "trailing.jsonl.gz"):
        reader = reader_for(RawFile(name, str(folder / name), "s", "jsonl"))
        documents = list(reader())
        assert len(documents) == 20
        assert len(reader.damaged) == (name == "trailing.jsonl.gz")
        assert json.loads(read_record(str(folder / name), "jsonl", -1, -1, f"{name}#20"))["text"] == documents[19].text
