"""What the manifest says of clusters."""

from __future__ import annotations

import pytest

from pipeline.dedup.facts import Cluster, cluster_facts, merged_cluster_facts


def _clusters() -> list[Cluster]:
    sizes = [2, 2, 3, 4, 5, 9, 10, 99, 100, 999, 1000, 9_999, 10_000, 859_092, *([2] * 1200)]
    return [
        Cluster(
            cluster=7 * place,
            size=size,
            kept=f"kept {place}",
            source="books" if place % 2 else "web",
            removed={"web": size - 2, "news": 1} if size > 2 else {"news": 1},
            samples=[f"gone {place}"],
        )
        for place, size in enumerate(sizes)
    ]


def test_sizes_removals_and_the_largest() -> None:
    facts = cluster_facts(_clusters())
    assert facts["sizes"] == {
        "2": 1202,
        "3-4": 2,
        "5-9": 2,
        "10-99": 2,
        "100-999": 2,
        "1000-9999": 2,
        "10000 or more": 2,
    }
    assert sum(facts["removed"]["news"].values()) == 1214
    assert facts["removed"]["web"] == {"books": 859_090 + 9_997 + 997 + 97 + 7 + 2, "web": 1 + 3 + 8 + 98 + 998 + 9_998}
    assert [row["size"] for row in facts["largest"][:4]] == [859_092, 10_000, 9_999, 1_000]
    assert facts["largest"][0] == {"cluster": 91, "size": 859_092, "kept": "kept 13", "samples": ["gone 13"]}
    assert len(facts["largest"]) == 20


@pytest.mark.parametrize("width", [1, 2, 3, 7, 100, 5000])
def test_facts_of_tasks_add_up(width: int) -> None:
    clusters = _clusters()
    later = clusters[::-1]
    parts = [cluster_facts(later[begin : begin + width]) for begin in range(0, len(later), width)]
    assert merged_cluster_facts(parts) == cluster_facts(clusters)


def test_no_cluster() -> None:
    assert merged_cluster_facts([]) == cluster_facts([]) == {"sizes": {}, "removed": {}, "largest": []}
