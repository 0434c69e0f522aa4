"""Real pages for the filter tests, extracted once a session."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import NamedTuple

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import detect_encoding
from resiliparse.parse.html import HTMLTree


class Page(NamedTuple):
    """An extracted page and the language its collection states, if any."""

    name: str
    language: str | None
    text: str


def load_pages(folder: Path, languages: set[str | None], limit: int) -> list[Page]:
    """The first `limit` pages of a folder of `web/` whose stated language is among `languages`."""
    with (folder / "manifest.jsonl").open(encoding="utf-8") as file:
        records = {record["file"]: record for record in map(json.loads, file)}
    pages: list[Page] = []
    with tarfile.open(folder / "html.tar.xz") as archive:
        for member in archive:
            record = records.get(member.name)
            if record is None or record.get("lang") not in languages:
                continue
            file = archive.extractfile(member)
            assert file is not None
            html = file.read()
            tree = HTMLTree.parse_from_bytes(html, detect_encoding(html))
            pages.append(Page(member.name, record.get("lang"), extract_plain_text(tree, main_content=True)))
            if len(pages) == limit:
                break
    return pages
