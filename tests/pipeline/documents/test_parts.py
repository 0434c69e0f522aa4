"""Parts between stages: a stage never takes in one that is not what was published."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from manifests.audit.audit import audit_build
from manifests.errors import UserError
from pipeline.build import run_build
from pipeline.recipe import load_recipe
from tests.builds import differing
from tests.conftest import REPOSITORY

_RECIPE = """
name = "parts"
output = "{output}"
[[sources]]
name = "pages"
kind = "files"
paths = ["{pages}/*.md"]
format = "text"
rules = []
[filter]
languages = []
[tokenizer]
vocab_size = 300
[shards]
tokens_per_shard = 20_000
validation_fraction = 0.0
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of this project's own pages."""
    folder = tmp_path_factory.mktemp("parts")
    (folder / "recipe.toml").write_text(_RECIPE.format(output=folder / "out", pages=REPOSITORY / "docs"))
    run_build(load_recipe(folder / "recipe.toml"))
    return folder


@pytest.mark.parametrize(
    ("stage", "change"),
    [
        ("extract", "filter.min_text_words=2"),
        ("filter", "dedup.minhash.num_buckets=13"),
        ("dedup", "tokenizer.vocab_size=310"),
        ("dedup", "shards.validation_fraction=0.5"),
    ],
)
def test_a_changed_part_stops_the_stage_that_reads_it(built: Path, tmp_path: Path, stage: str, change: str) -> None:
    """It is named, its deletion mends it, and the build ends in the bytes of one that nothing happened to."""
    output = tmp_path / "out"
    shutil.copytree(built / "out", output)
    (part,) = (output / stage).glob("part-*.parquet")
    data = bytearray(part.read_bytes())
    column = pq.ParquetFile(part).metadata.row_group(0).column(1)  # the texts
    for place in range(column.data_page_offset + 20, column.data_page_offset + column.total_compressed_size):
        data[place] ^= 1
        part.write_bytes(data)
        try:
            texts = pq.read_table(part)["text"].to_pylist()
        except (OSError, ValueError):  # of Arrow, or no UTF-8
            texts = None
        if texts is not None:
            break  # read as other text, without an error
        data[place] ^= 1
    recipe = load_recipe(built / "recipe.toml", [f"output={output}", change])
    with pytest.raises(UserError, match=rf"{stage}/{part.name}: was changed or damaged .* Delete it"):
        run_build(recipe)
    part.unlink()
    run_build(recipe)
    assert audit_build(str(output), deep=True).problems == []
    other = load_recipe(built / "recipe.toml", [f"output={tmp_path / 'other'}", change])
    run_build(other)
    assert differing(output, tmp_path / "other") == []
