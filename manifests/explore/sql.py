"""SQL over a build's Parquet files, with DuckDB: reads only the columns, row groups and rows that a question needs.

Values reach DuckDB as parameters and names are quoted, so what a user types is never part of the SQL. Nothing is
fetched and nothing is written: extensions are not loaded, and buckets are read through the build's own file system.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

from manifests.errors import UserError
from manifests.explore.build import Build

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "temp_directory": "",  # no question needs more memory than its answer
}


class Parameters:
    """The parameters of one statement. `bind` keeps a value and gives what stands for it in the SQL."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def bind(self, value: Any) -> str:
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"${name}"


def quoted(name: str) -> str:
    """A column's name as it is written in SQL."""
    return '"' + name.replace('"', '""') + '"'


class Tables:
    """A connection for the questions on one build; a context manager."""

    def __init__(self, build: Build) -> None:
        import duckdb  # here, since other commands need not wait for it

        self._build = build
        self._error = duckdb.Error
        self._connection = duckdb.connect(":memory:", config=_CONFIG)
        if not build.folder.is_local:
            self._connection.register_filesystem(build.folder.fs)

    def __enter__(self) -> Tables:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._connection.close()

    def source(self, parts: Sequence[str], parameters: Parameters) -> str:
        """The SQL that stands after FROM for these files (paths below the build, one at least, of one schema).

        Beside their columns the rows have `filename` (see `part_of`) and `file_row_number`, which counts from 0.
        """
        files = parameters.bind([self._location(part) for part in parts])
        return f"read_parquet({files}, filename = true, file_row_number = true)"

    def rows(self, sql: str, parameters: Parameters) -> list[dict[str, Any]]:
        """The rows of an answer. Raises `UserError` where a file is gone or is not what its manifest says."""
        try:
            answer = self._connection.execute(sql, parameters.values)
            names = [column[0] for column in answer.description]
            return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
        except (self._error, FileNotFoundError) as error:
            problem = str(error).splitlines()[0]
            raise UserError(f"{self._build.url}: cannot be read ({problem}). Run groundup audit.") from error

    def columns(self, part: str) -> list[str]:
        """Names of a file's columns."""
        parameters = Parameters()
        return [
            row["name"]
            for row in self.rows(
                f"SELECT name FROM parquet_schema({parameters.bind(self._location(part))}) WHERE num_children IS NULL",
                parameters,
            )
        ]

    def document(self, part: str, row: int) -> dict[str, Any]:
        """One row of a file, whole. Raises `UserError` where it has none of this number."""
        return self.documents(part, [row])[row]

    def documents(self, part: str, rows: Sequence[int]) -> dict[int, dict[str, Any]]:
        """These rows of a file, whole, by their numbers, ascending."""
        parameters = Parameters()
        numbers = ", ".join(parameters.bind(row) for row in rows)
        found = self.rows(
            f"SELECT * EXCLUDE (filename) FROM {self.source([part], parameters)} WHERE file_row_number IN ({numbers})",
            parameters,
        )
        documents = {row.pop("file_row_number"): row for row in found}
        for row in rows:
            if row not in documents:
                raise UserError(f"{self._build.url}/{part}: has no row {row}. Run groundup audit.")
        return dict(sorted(documents.items()))

    def _location(self, part: str) -> str:
        full = self._build.folder.full(part)
        if not self._build.folder.is_local:
            full = str(self._build.folder.fs.unstrip_protocol(full))
        return "".join(f"[{character}]" if character in "*?[" else character for character in full)


def part_of(filename: str, parts: Sequence[str]) -> str:
    """The one of these files that DuckDB means: a file system may write a path in another way than we do."""
    return next(part for part in parts if filename.endswith(f"/{part}"))
