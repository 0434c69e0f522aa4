"""What clustering did, for the manifest: sizes of clusters, removals by pair of sources, the largest clusters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

_SIZES = ((2, "2"), (4, "3-4"), (9, "5-9"), (99, "10-99"), (999, "100-999"), (9_999, "1000-9999"))
_LARGEST_SIZE = "10000 or more"
_LARGEST = 20
SAMPLES = 3


class Cluster(NamedTuple):
    """A survivor and what went for it.

    removed: documents that went, by source. size: of all, the survivor included. samples: ids of a few that went.
    """

    cluster: int
    size: int
    kept: str
    source: str
    removed: Mapping[str, int]
    samples: list[str]


def cluster_facts(clusters: Iterable[Cluster]) -> dict[str, Any]:
    """`sizes`: clusters by size. `removed`: documents that went, by their source and that of the survivor. `largest`:
    up to 20 clusters, the largest first."""
    return merged_cluster_facts(map(_facts_of, clusters))


def _facts_of(found: Cluster) -> dict[str, Any]:
    return {
        "sizes": {next((name for most, name in _SIZES if found.size <= most), _LARGEST_SIZE): 1},
        "removed": {source: {found.source: number} for source, number in found.removed.items()},
        "largest": [{"cluster": found.cluster, "size": found.size, "kept": found.kept, "samples": found.samples}],
    }


def merged_cluster_facts(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The facts of several as one."""
    sizes: Counter[str] = Counter()
    removed: dict[str, Counter[str]] = {}
    largest: list[dict[str, Any]] = []
    for facts in parts:
        sizes.update(facts["sizes"])
        for source, kept in facts["removed"].items():
            removed.setdefault(source, Counter()).update(kept)
        largest = sorted([*largest, *facts["largest"]], key=lambda row: (-row["size"], row["cluster"]))[:_LARGEST]
    names = [*(name for _, name in _SIZES), _LARGEST_SIZE]
    return {
        "sizes": {name: sizes[name] for name in names if sizes[name]},
        "removed": {source: dict(sorted(kept.items())) for source, kept in sorted(removed.items())},
        "largest": largest,
    }
