"""What `--plan` expects of deduplication, before anything is known and from the documents that the build has."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from manifests.storage import Folder
from pipeline.build import run_build
from pipeline.commands.needs import expect
from pipeline.dedup.candidates import ENTRY
from pipeline.recipe import Recipe, load_recipe

_DOCUMENTS = 400


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdefghijklmnop", k=draw.randint(2, 9))) for _ in range(20_000)]
    with (tmp_path / "texts.jsonl").open("w") as file:
        for number in range(_DOCUMENTS):
            file.write(json.dumps({"id": str(number), "text": " ".join(draw.choices(words, k=600))}) + "\n")
    (tmp_path / "recipe.toml").write_text(
        'name = "needs"\noutput = "build"\n[filter]\nrules = []\nlanguages = []\n[[sources]]\nname = "texts"\n'
        'kind = "files"\nformat = "jsonl"\npaths = ["texts.jsonl"]\n'
    )
    return load_recipe(tmp_path / "recipe.toml")


def test_disk_follows_the_documents_of_the_build(recipe: Recipe) -> None:
    build = Folder(recipe.output)
    before = expect(recipe, build, 1)["dedup"]
    assert before.disk_bytes is not None
    assert before.disk_bytes > 1e6
    run_build(recipe, "filter")
    documents = sum(Folder(recipe.output).folder("filter").sizes("").get(path, 0) for path in _parts(recipe))
    known = expect(recipe, build, 1)["dedup"].disk_bytes
    assert known is not None
    # A document has some 500 bytes of keys and signature, and 15 entries.
    assert known == pytest.approx(documents * (1 + 2.8 / 3) + _DOCUMENTS * (500 + 15 * ENTRY.itemsize))


def _parts(recipe: Recipe) -> list[str]:
    return [path for path in Folder(recipe.output).folder("filter").list() if path.startswith("part-")]


@pytest.mark.parametrize(
    ("key", "value"), [("exact", False), ("url", True), ("minhash.enabled", False), ("minhash.num_buckets", 26)]
)
def test_disk_follows_the_number_of_keys(recipe: Recipe, key: str, value: object) -> None:
    default = expect(recipe, Folder(recipe.output), 1)["dedup"].disk_bytes
    other = load_recipe(recipe.folder / "recipe.toml", [f"dedup.{key}={json.dumps(value)}"])
    changed = expect(other, Folder(recipe.output), 1)["dedup"].disk_bytes
    assert default is not None
    assert changed is not None
    assert (changed > default) == (value in (True, 26))


def test_memory_follows_workers_and_documents(recipe: Recipe) -> None:
    from pipeline.stages.dedup import DedupStage

    stage = DedupStage(recipe, Folder(recipe.output), "filter")
    few, many = stage.expected_memory(1, 1e3), stage.expected_memory(1, 1e6)
    assert few < many < 1e9
    assert stage.expected_memory(8, 1e6) == pytest.approx(8 * many)
    assert 2e9 < stage.expected_memory(1, 1e8) < 8e9  # one task clusters all
