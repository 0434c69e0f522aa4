"""Dropped documents: how many by stage, source and reason, and examples of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.builds import Build
from manifests.errors import UserError

_STAGES = ("extract", "filter", "dedup")


def reason_table(build: Build) -> Iterator[tuple[str, str, str, int]]:
    """(stage, source, reason, number), stage by stage, the most frequent first."""
    for stage in _STAGES:
        if stage in build.manifests:
            for source, counts in build.manifests[stage].counts.sources.items():
                for reason, number in sorted(counts.dropped.items(), key=lambda item: (-item[1], item[0])):
                    yield stage, source, reason, number


def counted_table(build: Build) -> Iterator[tuple[str, str, str, int]]:
    """As `reason_table`, for the stages that only count what they pass over: no rows are written for it."""
    for stage in ("tokenizer", "shards"):
        if stage in build.manifests:
            for source, counts in build.manifests[stage].counts.sources.items():
                for reason, number in sorted(counts.dropped.items()):
                    yield stage, source, reason, number


def find_drops(build: Build, reason: str, most: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Up to `most` documents dropped for `reason`, with their stage. Raises `UserError` for an unknown reason."""
    reasons = sorted({name for _, _, name, _ in reason_table(build)})
    if reason not in reasons:
        raise UserError(f"{build.url}: nothing was dropped for {reason!r}. Reasons: {', '.join(reasons) or 'none'}.")
    for stage in _STAGES:
        if stage not in build.manifests:
            continue
        for part in build.parts(stage, dropped=True):
            for row in _rows(build, part, reason, most):
                yield stage, row
                most -= 1
            if most <= 0:
                return


def _rows(build: Build, part: str, reason: str, most: int) -> Iterator[dict[str, Any]]:
    with build.folder.open(part) as file:
        parquet = pq.ParquetFile(file)
        for group in range(parquet.num_row_groups):
            hits = pc.indices_nonzero(pc.equal(parquet.read_row_group(group, columns=["reason"])["reason"], reason))
            if len(hits):
                rows = parquet.read_row_group(group).take(hits.slice(0, most)).to_pylist()
                yield from rows
                most -= len(rows)
            if most <= 0:
                return
