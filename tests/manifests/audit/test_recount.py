"""Recounts of shards: what is repeated or lost is found, whatever is in memory at a time."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.audit import recount

_SOURCES = ("books", "web")


class _Indexes:
    """What `recount_shards` asks of a build, of indexes in a folder."""

    def __init__(self, folder: Path, documents: dict[str, int], num_shards: int) -> None:
        self._folder = folder
        counts = {source: SimpleNamespace(documents_out=number) for source, number in documents.items()}
        shards = [{"path": f"train/shard-{number:05d}.bin"} for number in range(num_shards)]
        facts = {"splits": {"train": {"shards": shards}}}
        self._manifest = SimpleNamespace(counts=SimpleNamespace(sources=counts), facts=facts)

    def manifest(self, stage: str) -> Any:
        return self._manifest

    def tables(self, path: str, columns: list[str]) -> Iterator[pa.Table]:
        parquet = pq.ParquetFile(self._folder / Path(path).name)
        for group in range(parquet.num_row_groups):
            yield parquet.read_row_group(group, columns=columns)


def _write(folder: Path, rows: dict[str, np.ndarray[Any, Any]], num_shards: int) -> None:
    """Indexes of rows whose order was drawn, as shards have it."""
    order = np.random.default_rng(0).permutation(len(rows["row"]))
    for number, chosen in enumerate(np.array_split(order, num_shards)):
        columns = {name: values[chosen] for name, values in rows.items()}
        sources = pa.array(_SOURCES).take(pa.array(columns["source"]))
        parts = pa.array([f"dedup/part-x-{k:05d}.parquet" for k in range(100)]).take(pa.array(columns["part"]))
        table = pa.table(
            {
                "source": sources,
                "part": parts,
                "row": columns["row"],
                "copy": columns["copy"],
                "length": np.full(len(chosen), 3),
                "num_bytes": np.full(len(chosen), 9),
            }
        )
        pq.write_table(table, folder / f"shard-{number:05d}.index.parquet", row_group_size=5_000)


def _rows(num_parts: int, num_rows: int, num_copies: int) -> dict[str, np.ndarray[Any, Any]]:
    part, row, copy = np.meshgrid(np.arange(num_parts), np.arange(num_rows), np.arange(num_copies), indexing="ij")
    return {"part": part.ravel(), "source": part.ravel() % 2, "row": row.ravel(), "copy": copy.ravel()}


@pytest.mark.parametrize("most", [1, 25, 10**6])
def test_repeated_and_lost_copies_are_found_whatever_is_in_memory(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recount, "_MOST_ROWS", most)
    rows = _rows(10, 8, 3)
    build: Any = _Indexes(tmp_path, {"books": 40, "web": 40}, 4)
    _write(tmp_path, rows, 4)
    problems: list[str] = []
    recount.recount_shards(build, problems)
    assert problems == []

    again = {name: np.append(values, values[[7, 100]]) for name, values in rows.items()}
    _write(tmp_path, again, 4)
    recount.recount_shards(build, problems)
    assert problems == ["shards: 2 rows repeat a copy of a document that is there already"]

    problems.clear()
    lost = (rows["part"] == 3) & (rows["row"] == 5)
    _write(tmp_path, {name: values[~lost] for name, values in rows.items()}, 4)
    recount.recount_shards(build, problems)
    assert problems == ["shards: source web: 39 documents in the shards, not 40"]

    problems.clear()  # one document under the source of another is both too few and too many
    moved = {**rows, "source": np.where(lost, 0, rows["source"])}
    _write(tmp_path, moved, 4)
    recount.recount_shards(build, problems)
    assert problems == [
        "shards: source books: 41 documents in the shards, not 40",
        "shards: source web: 39 documents in the shards, not 40",
    ]


def test_empty_shards_hold_nothing(tmp_path: Path) -> None:
    _write(tmp_path, _rows(0, 0, 1), 1)
    problems: list[str] = []
    build: Any = _Indexes(tmp_path, {"books": 0}, 1)
    recount.recount_shards(build, problems)
    assert problems == []


def test_memory_is_bounded_by_the_rows_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recount, "_MOST_ROWS", 20_000)
    peaks = []
    for num_parts in (10, 60):
        _write(tmp_path, _rows(num_parts, 4_000, 1), 3)
        build: Any = _Indexes(tmp_path, {"books": num_parts * 2_000, "web": num_parts * 2_000}, 3)
        problems: list[str] = []
        tracemalloc.start()
        recount.recount_shards(build, problems)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert problems == []
    assert peaks[1] < 1.5 * peaks[0]
