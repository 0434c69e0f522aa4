"""How often a document is in the mixture that stands for a cluster of copies."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from manifests.audit.audit import audit_build
from manifests.errors import UserError
from pipeline.build import run_build
from pipeline.recipe import MixtureSettings, load_recipe
from pipeline.stages.shards import Mixture

# Texts, and how often each is in the source.
_COPIES = {"bridge": 1, "river": 2, "mountain": 4, "forest": 9, "harbour": 12}
_RECIPE = """
name = "copies"
output = "out"
[[sources]]
name = "notes"
kind = "files"
paths = ["notes.jsonl"]
format = "jsonl"
[tokenizer]
vocab_size = 300
[shards]
validation_fraction = 0.0
"""


@pytest.mark.parametrize(
    ("size", "copies"),
    [
        *[(None, 1), (1, 1), (2, 2), (3, 3), (4, 3), (5, 5), (99, 5), (100, 8), (999, 8), (1000, 1)],
        *[(859_092, 1)],
    ],
)
def test_fineweb2(size: int | None, copies: int) -> None:
    weights = MixtureSettings(copies_weight="fineweb2").copies_weights()
    row = {"source": "web", "id": "1", "page_type": "forum", "cluster_size": size}
    assert Mixture(0, {"web": 1.0}, {}, weights).num_copies(row) == copies
    assert Mixture(0, {"web": 2.0}, {"forum": 3.0}, weights).num_copies(row) == 6 * copies
    assert Mixture(0, {"web": 1.0}, {}, MixtureSettings().copies_weights()).num_copies(row) == 1


@pytest.mark.parametrize(
    ("pairs", "copies"),
    [
        ([], [1, 1, 1, 1]),
        ([(2, 2.0)], [1, 2, 2, 2]),
        ([(1, 3.0)], [3, 3, 3, 3]),
        ([(2, 4.0), (10, 0.0)], [1, 4, 4, 0]),
        ([(1, 0.0), (3, 1.0), (10, 7.0)], [0, 0, 1, 7]),
    ],
)
def test_pairs(pairs: list[tuple[int, float]], copies: list[int]) -> None:
    weights = MixtureSettings(copies_weight=pairs).copies_weights()
    rows = [{"source": "web", "id": "1", "page_type": None, "cluster_size": size} for size in (1, 2, 5, 10)]
    assert [Mixture(0, {"web": 1.0}, {}, weights).num_copies(row) for row in rows] == copies


def test_parts_from_before_there_were_clusters_have_one_copy() -> None:
    weights = MixtureSettings(copies_weight="fineweb2").copies_weights()
    assert Mixture(0, {"web": 1.0}, {}, weights).num_copies({"source": "web", "id": "1", "page_type": None}) == 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('"fineweb3"', "copies_weight"),
        ("[[2, 2.0], [2, 3.0]]", "must grow"),
        ("[[5, 2.0], [2, 3.0]]", "must grow"),
        ("[[0, 2.0]]", "copies_weight"),
        ("[[2, -1.0]]", "copies_weight"),
        ("[[2, nan]]", "copies_weight"),
        ("[2, 3]", "copies_weight"),
    ],
)
def test_weights_that_mean_nothing_are_refused(tmp_path: Path, value: str, message: str) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f"{_RECIPE}[mixture]\ncopies_weight = {value}\n")
    with pytest.raises(UserError, match=message):
        load_recipe(recipe)


def test_a_build_with_copies(tmp_path: Path) -> None:
    with (tmp_path / "notes.jsonl").open("w") as file:
        for number in range(max(_COPIES.values())):
            for word, copies in _COPIES.items():
                if number < copies:
                    text = f"The {word} is old, and nobody in the town knows who has seen the {word} first. " * 3
                    file.write(json.dumps({"text": text, "id": f"{word}-{number}"}) + "\n")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(_RECIPE)

    def built(weight: str) -> tuple[dict[str, int], dict[str, int]]:
        manifests = run_build(load_recipe(recipe, [f"mixture.copies_weight={weight}"])).manifests
        tables = [pq.read_table(path) for path in (tmp_path / "out/shards/train").glob("*.index.parquet")]
        ids = [id for table in tables for id in table["id"].to_pylist()]
        return Counter(id.partition("-")[0] for id in ids), manifests["shards"].facts["repeats"]

    assert built("[]") == (dict.fromkeys(_COPIES, 1), {})
    assert built("fineweb2") == ({"bridge": 1, "river": 2, "mountain": 3, "forest": 5, "harbour": 5}, {"notes": 11})
    assert built("[[9, 2.0]]") == ({"bridge": 1, "river": 1, "mountain": 1, "forest": 2, "harbour": 2}, {"notes": 2})
    assert audit_build(str(tmp_path / "out"), deep=True).problems == []
    # A validation document has one copy, however large its cluster is.
    manifests = run_build(
        load_recipe(recipe, ["mixture.copies_weight=fineweb2", "shards.validation_fraction=0.2"])
    ).manifests
    splits = manifests["shards"].facts["splits"]
    assert 0 < splits["validation"]["num_documents"] < len(_COPIES)
    assert sum(split["num_documents"] for split in splits.values()) < 16
