"""The validation split of a small corpus has a document."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifests.manifest import read_manifest
from manifests.storage import Folder
from pipeline.build import run_build
from pipeline.engine.runner import Unwatched
from pipeline.recipe import load_recipe
from pipeline.stages.shards import share_that_takes_one


@pytest.mark.parametrize(
    ("draws", "share", "taken"),
    [
        ([0.3, 0.1, *[0.5] * 8], 0.005, [0.1]),
        ([0.3, 0.1, *[0.5] * 8], 0.2, [0.1]),
        ([0.3, 0.1, *[0.5] * 8], 0.4, [0.1, 0.3]),
        ([0.3, 0.1, *[0.5] * 7], 0.005, []),  # nine documents
        ([0.3, 0.1, *[0.5] * 8], 0.0, []),
        ([0.0, *[0.5] * 9], 0.005, [0.0]),
        ([], 0.005, []),
    ],
)
def test_share(draws: list[float], share: float, taken: list[float]) -> None:
    found = share_that_takes_one(draws, share)
    assert sorted(draw for draw in draws if draw < found) == taken


class Notes(Unwatched):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


@pytest.mark.parametrize(("num_files", "weight", "num_validation"), [(12, 1.0, 1), (9, 1.0, 0), (12, 2.5, 1)])
def test_one_of_a_dozen_files(tmp_path: Path, num_files: int, weight: float, num_validation: int) -> None:
    for number in range(num_files):
        letter = chr(ord("a") + number)
        words = " ".join(letter * (place % 7 + 1) + chr(ord("a") + place % 26) for place in range(60))
        (tmp_path / f"{number:02d}.md").write_text(f"# Page {number}\n\n{words}\n")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'name = "dozen"\noutput = "{tmp_path / "out"}"\n'
        f'[[sources]]\nname = "docs"\nkind = "files"\npaths = ["*.md"]\nformat = "text"\nweight = {weight}\n'
        "[tokenizer]\nvocab_size = 300\n"
    )
    notes = Notes()
    run_build(load_recipe(recipe), watcher=notes)
    manifest = read_manifest(Folder(str(tmp_path / "out")).folder("shards"))
    assert manifest is not None
    assert manifest.facts["splits"]["validation"]["num_documents"] == num_validation
    assert manifest.facts["splits"]["train"]["num_documents"] >= num_files - num_validation
    said = [line for line in notes.lines if line.startswith("shards:")]
    assert (
        said
        == [f"shards: shards.validation_fraction 0.005 takes none of {num_files} documents; one is taken"][
            : num_validation or 0
        ]
    )
