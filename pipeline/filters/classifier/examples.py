"""What a classifier is trained on: excerpts of the documents of Parquet parts, with the group that each belongs to."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pyarrow.parquet as pq

from manifests.draws import draw
from manifests.errors import UserError
from manifests.paths import file_system, local_path
from manifests.patterns import matching_files
from pipeline.filters.classifier.features import EXCERPT_CHARACTERS, excerpt
from pipeline.filters.language import identify_language

SECTION_CHARACTERS = 5 * EXCERPT_CHARACTERS
MOST_SECTIONS = 20  # of one document, so that a book counts for more than a page, and not for a thousand
_COMMON_HOST = 0.1


class Part(NamedTuple):
    """A Parquet file of documents: its path, its name without folders, its digest."""

    path: str
    name: str
    sha256: str


class Example(NamedTuple):
    """An excerpt to learn from. `order` is drawn for its document; examples are sorted and sampled by it. `group` is
    what must not be on both sides of a split: a host, or a document where the host has too much of its side.
    """

    order: int
    document: str
    section: int
    host: str
    text: str
    group: str = ""


def find_parts(paths: list[str], side: str) -> list[Part]:
    """The parts that files, patterns and folders name, by digest, each once; of a folder, its `part-*.parquet`.

    Raises `UserError` where there is none.
    """
    found: dict[str, Part] = {}
    for path in paths:
        fs, root = file_system(path)
        pattern = f"{root}/part-*.parquet" if fs.isdir(root) else root
        names = fs.glob(pattern) if local_path(path) is None else matching_files(pattern, "/")
        if not names:
            raise UserError(
                f"{path}: no Parquet parts for the {side} side. Name files, a pattern, or the folder of a stage "
                "(OUT/extract), whose part-*.parquet are taken."
            )
        for name in names:
            with fs.open(name, "rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            part = Part(fs.unstrip_protocol(name), name.rpartition("/")[2], sha256)
            found[part.sha256] = part
    return [found[digest] for digest in sorted(found)]


def read_examples(parts: list[Part], languages: list[str], most_documents: int, seed: int) -> list[Example]:
    """Examples of the parts' documents, at most so many documents (drawn by their ids), in a fixed order.

    languages: only documents that are identified as one of them; [] takes all. Raises `UserError` where a part cannot
    be read or is not of documents.
    """
    chosen: list[tuple[int, str, str, tuple[str, ...]]] = []  # a heap, the greatest draw first
    for part in parts:
        for row in _rows(part):
            text, document = row["text"] or "", str(row["id"])
            order = draw("example", seed, document)
            if not text.strip() or (len(chosen) == most_documents and -order <= chosen[0][0]):
                continue
            if languages and identify_language(text).code not in languages:
                continue
            entry = (-order, document, _host(row.get("url")), _sections(text))
            (heapq.heappush if len(chosen) < most_documents else heapq.heappushpop)(chosen, entry)
    examples = [
        Example(-negative, document, section, host, piece)
        for negative, document, host, sections in chosen
        for section, piece in enumerate(sections)
    ]
    return _grouped(sorted(examples))


def _sections(text: str) -> tuple[str, ...]:
    """Excerpts of the text, or of sections at even distances where it is longer than one."""
    number = min(MOST_SECTIONS, len(text) // SECTION_CHARACTERS)
    if number <= 1:
        return (excerpt(text),)
    step = (len(text) - SECTION_CHARACTERS) // (number - 1)
    return tuple(excerpt(text[start : start + SECTION_CHARACTERS]) for start in range(0, step * number, step))


def _grouped(examples: list[Example]) -> list[Example]:
    """The examples with their groups. A host with more than a tenth of them is split by document: it could not be held
    out whole."""
    by_host = Counter(example.host for example in examples)
    common = {host for host, number in by_host.items() if not host or number > _COMMON_HOST * len(examples)}
    return [
        example._replace(group=f"document {example.document}" if example.host in common else f"host {example.host}")
        for example in examples
    ]


def _host(url: Any) -> str:
    try:
        host = urlsplit(str(url)).hostname or "" if url else ""
    except ValueError:  # a URL that is none: its document is a group by itself
        host = ""
    return host.removeprefix("www.")


def _rows(part: Part) -> Iterator[dict[str, Any]]:
    fs, root = file_system(part.path)
    try:
        with fs.open(root, "rb") as file:
            parquet = pq.ParquetFile(file)
            columns = [name for name in ("id", "text", "url") if name in parquet.schema_arrow.names]
            if not {"id", "text"} <= set(columns):
                raise UserError(f"{part.path}: has no columns id and text. Name parts of documents.")
            for group in range(parquet.num_row_groups):
                yield from parquet.read_row_group(group, columns=columns).to_pylist()
    except (OSError, ValueError) as error:  # Arrow's errors are these, too
        reason = " ".join(str(error).split())
        raise UserError(f"{part.path}: cannot be read as Parquet ({reason}). Name parts of a build.") from None
