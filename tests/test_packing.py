"""The packed pages are a sound WARC file: all pages, their bytes, the same file every time."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from fastwarc.warc import ArchiveIterator, WarcRecordType

from tests.packing import pack_web_pages

NUM_PAGES = 12


def test_packs_pages_as_sound_records_and_the_same_bytes(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "web" / "trafilatura"
    first, second = tmp_path / "first.warc.gz", tmp_path / "second.warc.gz"
    assert pack_web_pages(folder, first, NUM_PAGES) == NUM_PAGES
    pack_web_pages(folder, second, NUM_PAGES)
    assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [first.name, second.name]

    with first.open("rb") as file:
        assert all(record.verify_block_digest() for record in ArchiveIterator(file, parse_http=False))
    lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    digests = {record["sha256"] for record in map(json.loads, lines)}
    with first.open("rb") as file:
        pages = [
            (record.headers["WARC-Target-URI"], hashlib.sha256(record.reader.read()).hexdigest())
            for record in ArchiveIterator(file, record_types=WarcRecordType.response)
        ]
    assert len({digest for _, digest in pages}) == NUM_PAGES
    assert {digest for _, digest in pages} <= digests
    assert all(url.startswith(("http://", "https://")) for url, _ in pages)


def test_pages_without_an_address_get_their_own(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "web" / "waddle-daniel"  # states hosts, no addresses
    target = tmp_path / "pages.warc.gz"
    pack_web_pages(folder, target, NUM_PAGES)
    with target.open("rb") as file:
        urls = [
            record.headers["WARC-Target-URI"] for record in ArchiveIterator(file, record_types=WarcRecordType.response)
        ]
    assert len(set(urls)) == NUM_PAGES
