"""Recipes and overrides: refused in one line that names the file, or read."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

from manifests.errors import UserError
from manifests.settings import read_recipe
from pipeline.recipe import load_recipe
from pipeline.sources.pins import read_pin
from tests.conftest import REPOSITORY
from tests.fuzz.harness import Case, Target, check_user_error, fuzz_test
from tests.fuzz.mutate import changed_json, changed_toml
from tests.fuzz.seeds import real_data
from tests.recipes import _RECIPE
from tests.test_errors import _REST, _SOURCES
from train.settings import load_run

_EVERYTHING = """
name = "all"
output = "build"
pin = "pins.json"
[[sources]]
name = "hub"
kind = "huggingface"
path = "owner/data"
columns = {text = "content", id = "key"}
[[sources]]
name = "code"
kind = "code"
paths = ["repo"]
[[sources]]
name = "crawl"
kind = "common_crawl"
crawl = "CC-MAIN-2024-10"
index = true
[[sources]]
name = "rows"
kind = "files"
paths = ["*.jsonl", "**/x[0-9].jsonl", "s3://bucket/x"]
format = "jsonl"
weight = 2.5
rules = ["c4"]
filter = {language_threshold = 0.5}
[filter]
languages = ["en", "de"]
[filter.pii]
enabled = true
[[filter.custom]]
name = "short"
expression = "a < 1"
[dedup]
[executor]
kind = "slurm"
"""


def check_recipe(case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.toml"
        path.write_bytes(case.data)
        for read in (load_recipe, load_run):
            try:
                read(path)
            except UserError as error:
                check_user_error(error, str(path))


def check_override(case: Case) -> None:
    assignment = case.data.decode("utf-8", "surrogateescape")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.toml"
        path.write_text('name = "base"\noutput = "build"\n' + _SOURCES + _REST)
        for read in (load_recipe, load_run, lambda path, overrides: read_recipe(path, overrides)):
            try:
                read(path, [assignment])
            except UserError as error:
                check_user_error(error)


def check_pin(case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pins.json"
        path.write_bytes(case.data)
        try:
            read_pin(path)
        except UserError as error:
            check_user_error(error, str(path))


def _recipes() -> list[Case]:
    texts = [
        _EVERYTHING,
        _RECIPE.format(output="build", data="data"),
        'name = "base"\noutput = "build"\n' + _SOURCES + _REST,
    ]
    paths = sorted((REPOSITORY / "recipes").glob("*.toml"))
    paths += sorted(real_data().glob("cases/*/recipe.toml")) if real_data() is not None else []  # type: ignore[union-attr]
    return [Case("recipe.toml", text.encode()) for text in [*texts, *(path.read_text() for path in paths)]]


_PIN = """{"schema_version": 1, "groundup": "0.1.0", "sources": [{"name": "web", "kind": "files", "settings": {},
"files": [{"key": "a.warc.gz", "bytes": 10, "sha256": "%s"}]}]}""" % ("a" * 64)  # fmt: skip


def _mutate(random: Random, case: Case, seeds: Sequence[Case]) -> Case:
    return Case(case.name, changed_toml(random, case.data, [random.choice(seeds).data]))


_OVERRIDES = ("filter.gopher_quality.min_words=30", "sources.web.max_files=2", 'name="x"', "filter.languages=['en']",
              "train.betas=[0.9, 0.95]", "model.width=64", "output=s3://x/y", "extract.damaged=drop")  # fmt: skip

TARGETS = [
    Target("recipe", _recipes, check_recipe, _mutate),
    Target("override", lambda: [Case("set", text.encode()) for text in _OVERRIDES], check_override,
           words=(b"=", b".", b"[", b"]", b"{", b"}", b'"', b"'", b"\n", b"sources.", b"nan", b"1e999", b"\xff", b"#")),
    Target("pin", lambda: [Case("pins.json", _PIN.encode())], check_pin,
           lambda random, case, seeds: Case(case.name, changed_json(random, case.data))),
]  # fmt: skip

test_inputs = fuzz_test(TARGETS)
