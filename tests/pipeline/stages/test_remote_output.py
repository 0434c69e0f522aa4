"""A build whose output is no local disk: the same documents and shards, published through fsspec."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from manifests.audit.audit import audit_build
from manifests.explore.build import Build
from manifests.explore.trace import trace_token
from pipeline.build import run_build
from pipeline.recipe import load_recipe

_RECIPE = """
name = "remote"
output = "{output}"
[[sources]]
name = "texts"
kind = "files"
paths = ["*.txt"]
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


def test_a_build_in_memory_is_that_on_disk(tmp_path: Path) -> None:
    library = Path(os.__file__).parent
    for module in ("ast", "calendar", "copy"):
        (tmp_path / f"{module}.txt").write_text((library / f"{module}.py").read_text(encoding="utf-8"))
    url = f"memory://{uuid.uuid4()}/out"
    reports = []
    for output in (str(tmp_path / "local"), url):
        path = tmp_path / "recipe.toml"
        path.write_text(_RECIPE.format(output=output))
        reports.append(run_build(load_recipe(path)))
        assert audit_build(output, deep=True).problems == []
    on_disk, in_memory = reports
    for stage, manifest in on_disk.manifests.items():
        assert manifest.reproducible() == in_memory.manifests[stage].reproducible()
    assert run_build(load_recipe(path)).rebuilt == []
    trace = trace_token(Build(url), "shard-00000:5")
    assert trace.read_record().decode().strip() == trace.text.strip()
