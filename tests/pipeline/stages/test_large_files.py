"""A build of large files of rows, which are cut into many tasks, is the build of the same files whole."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.audit.audit import audit_build
from manifests.errors import UserError
from manifests.manifest import read_manifest
from manifests.storage import Folder
from pipeline.build import run_build
from pipeline.recipe import load_recipe
from tests.signal_builds import run_command

_SOURCE = """
[[sources]]
name = "{format}"
kind = "files"
paths = ["*.{format}"]
format = "{format}"
"""


def _recipe(tmp_path: Path, formats: tuple[str, ...], more: str = "") -> Path:
    sources = "".join(_SOURCE.format(format=format) for format in formats)
    path = tmp_path / "recipe.toml"
    path.write_text(f'name = "rows"\noutput = "out"\nmax_dropped_fraction = 1.0\n{sources}{more}')
    return path


def _build(recipe: Path, output: Path, until: str = "extract", overrides: tuple[str, ...] = ()) -> Any:
    run_build(load_recipe(recipe, [f"output={json.dumps(str(output))}", *overrides]), until=until)
    return read_manifest(Folder(str(output / "extract")))


def _rows(build: Path, source: str, folder: str = "") -> list[dict[str, Any]]:
    parts = sorted((build / "extract" / folder).glob(f"part-{source}-*.parquet"))
    return [row for part in parts for row in pq.read_table(part).to_pylist()]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    texts = [f'Text number {number}, "quoted",\nand on a second line. ' * 3 for number in range(3000)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n\n" for text in texts) + "{broken\n")
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": "A small one."}) + "\n")
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["title", "text"], *([number, text] for number, text in enumerate(texts)), ["few"]])
    table = pa.table({"text": [*texts, None], "id": [f"row {number}" for number in range(3001)]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=100)
    return _recipe(tmp_path, ("jsonl", "csv", "parquet"))


def test_ranges_give_the_same_documents(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _build(recipe, tmp_path / "whole")
    monkeypatch.setattr("pipeline.stages.extract.RANGE_BYTES", 50_000)
    cut = _build(recipe, tmp_path / "cut")
    assert len(cut.outputs) > len(whole.outputs) + 30
    assert cut.counts == whole.counts
    assert cut.facts == whole.facts
    for source in ("jsonl", "csv", "parquet"):
        for folder in ("", "dropped"):
            assert _rows(tmp_path / "cut", source, folder) == _rows(tmp_path / "whole", source, folder)
    assert audit_build(str(tmp_path / "cut"), deep=True).problems == []
    for source in ("jsonl", "csv", "parquet"):
        id = _rows(tmp_path / "cut", source)[2500]["id"]
        traced = run_command("trace", str(tmp_path / "cut"), "--doc", id).output
        assert "Text number 2500" in traced


def test_a_source_that_grows_reads_its_large_files_once(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.stages.extract.RANGE_BYTES", 50_000)
    _build(recipe, tmp_path / "out")
    (tmp_path / "c.jsonl").write_text(json.dumps({"text": "One more."}) + "\n")
    manifest = _build(recipe, tmp_path / "out")
    assert manifest.run["tasks_run"] == 1


def test_a_large_file_without_texts_is_refused_as_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jsonl").write_text('{"body": "No text here."}\n' * 1000)
    (tmp_path / "b.jsonl").write_text('{"text": "Text here."}\n' * 1000)
    recipe = _recipe(tmp_path, ("jsonl",))
    message = r"a.jsonl: there is no column `text` \(there are: body\)"
    with pytest.raises(UserError, match=message):
        _build(recipe, tmp_path / "whole")
    monkeypatch.setattr("pipeline.stages.extract.RANGE_BYTES", 5_000)
    with pytest.raises(UserError, match=message):
        _build(recipe, tmp_path / "cut")


def test_rows_without_texts_at_the_beginning_are_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jsonl").write_text('{"body": "No text here."}\n' * 1000 + '{"text": "Text here."}\n' * 1000)
    monkeypatch.setattr("pipeline.stages.extract.RANGE_BYTES", 5_000)
    manifest = _build(_recipe(tmp_path, ("jsonl",)), tmp_path / "cut")
    assert manifest.counts.sources["jsonl"].dropped == {"bad_json": 1000}
    assert manifest.facts["missing_columns"] == []


def test_rows_of_a_dataset_are_cut_at_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "dataset"
    folder.mkdir()
    with (folder / "train.jsonl").open("w") as file:
        for number in range(5000):
            file.write(json.dumps({"text": f"Row {number} of a data set. " * 20, "id": f"row-{number}"}) + "\n")
    recipe = _recipe(tmp_path, (), '[[sources]]\nname = "set"\nkind = "huggingface"\npath = "./dataset"\n')
    whole = _build(recipe, tmp_path / "whole")
    monkeypatch.setattr("pipeline.stages.extract.RANGE_BYTES", 5_000)
    cut = _build(recipe, tmp_path / "cut")
    assert len([entry for entry in whole.outputs if entry.path.startswith("part-")]) == 1
    assert len([entry for entry in cut.outputs if entry.path.startswith("part-")]) >= 3
    assert len(_rows(tmp_path / "cut", "set")) == 5000
    assert _rows(tmp_path / "cut", "set") == _rows(tmp_path / "whole", "set")
