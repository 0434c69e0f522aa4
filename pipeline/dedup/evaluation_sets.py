"""Evaluation sets as files of JSONL, CSV or text: their items, and the texts of each."""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from manifests.errors import UserError
from manifests.paths import is_url
from manifests.patterns import matching_files
from manifests.records.compressions import BY_ENDING
from manifests.records.csv_header import DELIMITERS, choose_delimiter
from manifests.records.json_values import json_values
from manifests.records.unpacked import Unpacked
from manifests.records.values import sound

_MOST_BYTES = 1 << 30  # of a JSON value
_IDS = ("id", "idx")
_LABEL = re.compile(r"\s*(?:[^\W\d_][\w ]{0,30}:|[A-Za-z0-9][.)])(?=[ \t]+\S)")


class EvaluationFile(NamedTuple):
    """name: of the set, the path below the folder that all files share."""

    name: str
    path: str


class Piece(NamedTuple):
    """A text of an item. field: the number of the field, or of the list, that it is in. is_listed: it is in a list."""

    text: str
    field: int
    is_listed: bool


class Item(NamedTuple):
    """name: its id, or its number in the file, from 1."""

    name: str
    pieces: list[Piece]


def evaluation_files(patterns: list[str], resolve: Callable[[str], str]) -> list[EvaluationFile]:
    """The files that patterns match, sorted, each once. Raises `UserError` where one matches nothing."""
    found: set[str] = set()
    for pattern in patterns:
        if is_url(pattern):
            raise UserError(f"dedup.decontaminate.files: {pattern}: is a URL. Fetch the file, and give its path.")
        files = matching_files(resolve(pattern), "/")
        if not files:
            raise UserError(
                f"dedup.decontaminate.files: {pattern}: no such file. Give files of JSONL, CSV or text, relative to "
                "the recipe."
            )
        found.update(os.path.normpath(file) for file in files)
    top = os.path.commonpath([os.path.dirname(path) for path in found]) if found else ""
    return sorted(EvaluationFile(sound(os.path.relpath(path, top)), path) for path in found)


def check_files(files: list[EvaluationFile]) -> None:
    """Raise `UserError` for a file that cannot be read to its end, and for one without an item."""
    for file in files:
        if not sum(1 for _ in items(file)):
            raise UserError(f"{file.path}: has no item with a text. Give JSONL, CSV or text with a text a line.")


def digests(files: list[EvaluationFile]) -> dict[str, str]:
    """The sha256 of each file as it lies there, by its name. Raises `UserError` for one that cannot be read."""
    found = {}
    for file in files:
        try:
            with open(file.path, "rb") as data:
                found[file.name] = hashlib.file_digest(data, "sha256").hexdigest()
        except OSError as error:
            raise UserError(f"{file.path}: cannot be read ({error.strerror}). Correct its permissions.") from None
    return found


def items(file: EvaluationFile) -> Iterator[Item]:
    """The items of a file that have a text. Raises `UserError` for what cannot be read.

    The ending tells the format, below that of a compression: JSON values (`.jsonl`, `.ndjson`, `.json`), CSV with
    quotes (`.csv`), or else lines, whose fields tabs part.
    """
    name = re.sub(rf"\.({'|'.join(BY_ENDING)})$", "", file.path.lower())
    is_json = name.endswith((".jsonl", ".ndjson", ".json"))
    try:
        with open(file.path, "rb") as raw:
            stream = Unpacked(raw, file.path, must_end=True)
            rows = _json_items(stream) if is_json else _row_items(stream, name.endswith(".csv"))
            for number, (fields, identity) in enumerate(rows, 1):
                if pieces := [piece for field in fields for piece in _pieces(field)]:
                    yield Item(sound(identity) or str(number), pieces)
            if stream.damage is not None:
                raise ValueError("its compressed data is damaged")
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise UserError(
            f"{file.path}: cannot be read as an evaluation set ({error}). Give JSONL, CSV or text in UTF-8."
        ) from None


def _pieces(field: Piece) -> Iterator[Piece]:
    """The field; where a label such as `Question:` begins it, its labels, and what each line says without them."""
    if not _LABEL.match(field.text):
        yield field
        return
    for line in field.text.splitlines():
        label = _LABEL.match(line)
        end = label.end() if label else 0
        yield from (field._replace(text=text) for text in (line[:end], line[end:]) if text)


def _json_items(stream: Unpacked) -> Iterator[tuple[list[Piece], str]]:
    for number, value in enumerate(json_values(stream, _MOST_BYTES), 1):
        if value.error:
            raise ValueError(f"value {number}: {value.error}")
        row = value.row
        identity = next((row[key] for key in _IDS if key in row), "") if isinstance(row, dict) else ""
        yield list(_texts(row, itertools.count(), None)), str(identity) if isinstance(identity, str | int) else ""


def _texts(value: Any, fields: Iterator[int], listed: int | None) -> Iterator[Piece]:
    """All texts in a JSON value, in order; `listed`: the number of the list that it stands in."""
    if isinstance(value, str) and value.strip():
        yield Piece(value, next(fields) if listed is None else listed, listed is not None)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner, fields, listed)
    elif isinstance(value, list):
        number = next(fields) if listed is None else listed
        for inner in value:
            yield from _texts(inner, fields, number)


def _row_items(stream: Unpacked, is_csv: bool) -> Iterator[tuple[list[Piece], str]]:
    """Rows of a CSV file, whose first may name a column of ids, or lines."""
    lines = io.TextIOWrapper(stream.lines(), "utf-8-sig", newline="" if is_csv else None)
    place = None
    for number, row in enumerate(_rows(lines) if is_csv else (line.split("\t") for line in lines)):
        if is_csv and number == 0:
            place = next((row.index(key) for key in _IDS if key in row), None)
        identity = row[place] if number and place is not None and place < len(row) else ""
        yield [Piece(text, field, False) for field, text in enumerate(row) if text.strip()], identity


def _rows(lines: io.TextIOWrapper) -> Iterator[list[str]]:
    """The rows of a CSV file, with the delimiter that makes most columns of the first."""
    csv.field_size_limit(sys.maxsize)
    first = lines.readline()
    names = {delimiter: next(csv.reader([first], delimiter=delimiter), []) for delimiter in DELIMITERS}
    yield from csv.reader(itertools.chain([first], lines), delimiter=choose_delimiter(names, frozenset()))
