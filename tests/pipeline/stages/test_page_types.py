"""The type of a page in the filter and in the mixture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datatrove.data import Document

from manifests.audit.audit import audit_build
from manifests.errors import UserError
from manifests.explore.build import Build
from manifests.explore.journeys import limits_of, value_of
from pipeline.build import run_build
from pipeline.documents.page_types import PAGE_TYPES
from pipeline.filters.chain import Chain
from pipeline.filters.settings import FilterSettings
from pipeline.losses import loss_lines
from pipeline.recipe import load_recipe
from pipeline.stages.shards import Mixture

_RECIPE = """
name = "pages"
output = "out"
max_dropped_fraction = 1.0
[[sources]]
name = "web"
kind = "files"
paths = ["*.html"]
format = "html"
[[sources]]
name = "notes"
kind = "files"
paths = ["notes.jsonl"]
format = "jsonl"
[filter]
languages = []
rules = []
[dedup.minhash]
enabled = false
[tokenizer]
vocab_size = 300
[shards]
validation_fraction = 0.0
"""


@pytest.mark.parametrize("page_type", [*PAGE_TYPES, None])
def test_types_that_are_wanted_are_kept(page_type: str | None) -> None:
    chain = Chain(FilterSettings(page_types=["forum", "documentation"], languages=[], rules=[]))
    document = Document(text="These words are of a page.", id="1", metadata={"page_type": page_type})
    verdict = chain.decide(document).verdict
    if page_type in ("forum", "documentation", None):
        assert verdict is None
    else:
        assert verdict == ("page_type", 0.0, page_type)


def test_a_type_that_is_none_is_refused(tmp_path: Path) -> None:
    for table in ('[filter]\npage_types = ["blog"]', "[shards]\npage_type_weights = {blog = 2}"):
        recipe = tmp_path / "recipe.toml"
        recipe.write_text(_RECIPE.partition("[filter]")[0] + table)
        with pytest.raises(UserError, match="page_type"):
            load_recipe(recipe)


@pytest.mark.parametrize(
    ("page_type", "source_weight", "weights", "copies"),
    [
        ("forum", 1.0, {"forum": 3.0}, 3),
        ("forum", 2.0, {"forum": 3.0}, 6),
        ("article", 2.0, {"forum": 3.0}, 2),
        (None, 2.0, {"forum": 3.0}, 2),
        ("listing", 5.0, {"listing": 0.0}, 0),
        ("product", 0.5, {"product": 2.0}, 1),
    ],
)
def test_copies_of_a_type(page_type: str | None, source_weight: float, weights: Any, copies: int) -> None:
    mixture = Mixture(0, {"web": source_weight}, weights)
    assert mixture.num_copies({"source": "web", "id": "1", "page_type": page_type}) == copies


def _rows(build: Build, dropped: bool = False) -> list[dict[str, Any]]:
    tables = [pq.read_table(build.folder.full(part)) for part in build.parts("filter", dropped)]
    return [row for table in tables for row in table.to_pylist()]


def test_a_build_with_types_of_pages(tmp_path: Path) -> None:
    for year in range(1990, 1994):
        text = f"<p>The bridge over the river was repaired in {year}, and the town paid for its new stones.</p>" * 5
        (tmp_path / f"{year}.html").write_text(f"<title>Bridges</title><article><h1>Bridges</h1>{text}</article>")
    (tmp_path / "notes.jsonl").write_text(json.dumps({"text": "A note that is no page, and says little of bridges."}))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(_RECIPE)
    run_build(load_recipe(recipe), until="filter")
    (page_type,) = {row["page_type"] for row in _rows(Build(str(tmp_path / "out")))} - {None}

    weights = f"shards.page_type_weights={{{page_type} = 0.0}}"
    manifests = run_build(load_recipe(recipe, [weights])).manifests
    assert manifests["shards"].counts.sources["web"].dropped == {"mixture_weight": 4}
    assert manifests["shards"].counts.sources["notes"].documents_out == 1

    others = [name for name in PAGE_TYPES if name != page_type]
    run_build(load_recipe(recipe, [f"filter.page_types={json.dumps(others)}"]), until="filter")
    build = Build(str(tmp_path / "out"))
    drops = _rows(build, dropped=True)
    assert [(row["reason"], row["detail"]) for row in drops] == [("page_type", page_type)] * 4
    assert {value_of(row, limits_of(build)) for row in drops} == {f" (not among page_types): {page_type}"}
    assert {row["lost_text"] for row in drops} == {None}
    assert all(row["shown_characters"] >= row["kept_characters"] > 0 for row in drops)
    assert any("filter.page_types='[]'" in line for line in loss_lines(build, build.manifest("filter")))
    problems = audit_build(build.url, deep=True).problems  # what follows the filter is of before
    assert not [problem for problem in problems if problem.startswith("filter/")]
