"""Read the texts of plain files for the command line: .txt, .jsonl and .parquet."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.compression import compr
from fsspec.utils import infer_compression

from manifests.errors import UserError
from manifests.paths import open_path

_COMPRESSED = (".gz", ".bz2", ".xz", ".zst")


@dataclass(frozen=True)
class FileText:
    """A text with its address: `row` counts lines or rows from 0. `id` is its own, else "path:row"."""

    path: str
    row: int
    text: str
    id: str
    url: str | None = None
    language: str | None = None


def read_texts(paths: Sequence[str]) -> Iterator[FileText]:
    """The texts of files, in the order given: a .txt is one, a .jsonl (.json.gz, .zst ...) one a line, a .parquet one
    a row, both from the column `text`. Raises `UserError` that names file and row for whatever cannot be read; no
    text is left out."""
    for path in paths:
        name = path.lower()
        for suffix in _COMPRESSED:
            name = name.removesuffix(suffix)
        if name.endswith(".parquet"):
            rows = _parquet_rows(path)
        elif name.endswith((".jsonl", ".ndjson", ".json")):
            rows = _json_rows(path)
        elif name.endswith((".txt", ".md")):
            rows = iter([{"text": _read(path)}])
        else:
            raise UserError(f"{path}: unknown kind of file. Give .txt, .jsonl or .parquet files.")
        for number, row in enumerate(rows):
            text = row.get("text")
            if not isinstance(text, str):
                raise UserError(f"{path}, row {number}: has no string in `text`.")
            yield FileText(
                path=path,
                row=number,
                text=text,
                id=str(row["id"]) if row.get("id") is not None else f"{path}:{number}",
                url=row["url"] if isinstance(row.get("url"), str) else None,
                language=row["language"] if isinstance(row.get("language"), str) else None,
            )


@contextlib.contextmanager
def _open(path: str) -> Iterator[IO[bytes]]:
    """A file as it is decompressed by its ending."""
    with open_path(path) as stored, compr[infer_compression(path)](stored, mode="rb") as file:
        yield file


def _read(path: str) -> str:
    try:
        with _open(path) as file:
            data: bytes = file.read()
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 at byte {error.start}. Convert it first.") from None
    except (OSError, EOFError, ValueError) as error:
        raise _unreadable(path, error) from None


def _json_rows(path: str) -> Iterator[dict[str, Any]]:
    try:
        with _open(path) as file:
            for number, line in enumerate(file):
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise UserError(f"{path}, row {number}: not JSON ({error}).") from None
                if not isinstance(row, dict):
                    raise UserError(f"{path}, row {number}: not a JSON object.")
                yield row
    except (OSError, EOFError) as error:
        raise _unreadable(path, error) from None


def _parquet_rows(path: str) -> Iterator[dict[str, Any]]:
    try:
        with open_path(path) as file:
            parquet = pq.ParquetFile(file)
            names = [name for name in ("text", "id", "url", "language") if name in parquet.schema_arrow.names]
            if "text" not in names:
                raise UserError(f"{path}: has no column `text`; it has {', '.join(parquet.schema_arrow.names)}.")
            for batch in parquet.iter_batches(columns=names):
                yield from batch.to_pylist()
    except (OSError, EOFError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: str, error: Exception) -> UserError:
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path}: no such file.")
    return UserError(f"{path}: cannot be read ({(str(error).splitlines() or [type(error).__name__])[0]}).")
