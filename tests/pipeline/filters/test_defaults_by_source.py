"""The web's rules are for the web: what judges a source where the recipe says nothing, and where it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import groundup
from manifests.errors import UserError
from manifests.explore.build import Build
from manifests.explore.what_if import what_if
from manifests.manifest import read_manifest
from manifests.storage import Folder
from pipeline.build import run_build
from pipeline.engine.runner import Unwatched
from pipeline.filters.settings import RULE_NAMES, FilterSettings
from pipeline.filters.summary import judges_line
from pipeline.recipe import Recipe, load_recipe

ALL, NONE = (list(RULE_NAMES), ["en"]), ([], [])
WARC = {"kind": "files", "paths": ["a"], "format": "warc"}
TEXT = {"kind": "files", "paths": ["a"], "format": "text"}


def settings(source: dict[str, Any], table: dict[str, Any] | None = None) -> FilterSettings:
    data = {"name": "x", "output": "x", "sources": [{"name": "s", **source}], "filter": table or {}}
    recipe = Recipe.model_validate(data)
    return recipe.filter_settings(recipe.sources[0])


def rules_and_languages(source: dict[str, Any], table: dict[str, Any] | None = None) -> tuple[list[str], list[str]]:
    found = settings(source, table)
    return list(found.rules), found.languages


@pytest.mark.parametrize(
    ("source", "right"),
    [
        ({"kind": "common_crawl", "crawl": "CC-MAIN-2024-10"}, ALL),
        ({"kind": "common_crawl", "crawl": "CC-MAIN-2024-10", "records": "wet"}, ALL),
        ({"kind": "wikipedia", "wiki": "enwiki", "date": "latest"}, ALL),
        (WARC, ALL),
        (WARC | {"format": "wet"}, ALL),
        (WARC | {"format": "html"}, ALL),
        (WARC | {"format": "mediawiki"}, ALL),
        (TEXT, NONE),
        (TEXT | {"format": "gutenberg"}, NONE),
        (TEXT | {"format": "code"}, NONE),
        (TEXT | {"format": "jsonl"}, NONE),
        (TEXT | {"format": "parquet"}, NONE),
        (TEXT | {"format": "csv"}, NONE),
        ({"kind": "code", "paths": ["."]}, NONE),
        ({"kind": "huggingface", "path": "a/b"}, NONE),
    ],
)
def test_nothing_written(source: dict[str, Any], right: tuple[list[str], list[str]]) -> None:
    assert rules_and_languages(source) == right


@pytest.mark.parametrize(
    ("own", "table", "right"),
    [
        ({}, {"languages": ["de"]}, ([], ["de"])),
        ({}, {"languages": ["en"]}, ([], ["en"])),  # the default, but written
        ({}, {"rules": ["c4"]}, (["c4"], [])),
        ({}, {"rules": [], "languages": ["en"]}, ([], ["en"])),
        ({}, {"gopher_quality": {"min_words": 30}}, (["gopher_quality"], [])),
        ({}, {"fineweb": {}, "c4": {"min_sentences": 1}}, (["c4", "fineweb"], [])),  # in the order of the default
        ({}, {"rules": ["c4"], "gopher_quality": {"min_words": 30}}, (["c4"], [])),
        ({}, {"language_threshold": 0.5}, ([], ["en"])),
        ({}, {"language_thresholds": {"de": 0.5}}, ([], [])),
        ({}, {"pii": {"enabled": True}}, NONE),
        ({"rules": ["gopher_quality"]}, {}, (["gopher_quality"], [])),
        ({"filter": {"rules": ["gopher_quality"]}}, {}, (["gopher_quality"], [])),
        ({"filter": {"gopher_quality": {"min_words": 20}}}, {}, (["gopher_quality"], [])),
        ({"filter": {"languages": ["is"]}}, {"languages": ["de"]}, ([], ["is"])),
        ({"filter": {"languages": []}}, {"languages": ["de"], "rules": ["c4"]}, (["c4"], [])),
        ({"rules": []}, {"gopher_quality": {"min_words": 30}}, NONE),
    ],
)
def test_what_is_written_judges_one_s_own_files(
    own: dict[str, Any], table: dict[str, Any], right: tuple[list[str], list[str]]
) -> None:
    assert rules_and_languages(TEXT | own, table) == right


def test_written_thresholds_arrive() -> None:
    found = settings(TEXT | {"filter": {"c4": {"min_sentences": 1}}}, {"gopher_quality": {"min_words": 30}})
    assert (found.gopher_quality.min_words, found.c4.min_sentences) == (30, 1)
    assert list(found.rules) == ["gopher_quality", "c4"]
    assert settings(WARC, {"gopher_quality": {"min_words": 30}}).rules == list(RULE_NAMES)


def test_a_wrong_key_of_a_source_is_named() -> None:
    with pytest.raises(UserError, match="gopher_qualty"):
        settings(TEXT | {"filter": {"gopher_qualty": {}}})


def test_the_line_groups_what_is_judged_alike() -> None:
    by_source = {
        "web": settings(WARC),
        "docs": settings(TEXT),
        "books": settings(TEXT | {"format": "gutenberg"}),
        "poems": settings(TEXT, {"language_thresholds": {"de": 0.5}, "custom": {"module": "poems.py"}}),
    }
    assert judges_line(by_source) == (
        "web: rules gopher_repetition, gopher_quality, c4, fineweb, languages en from a score of 0.65; "
        "docs, books: no rules, any language; "
        "poems: no rules, any language, de from a score of 0.5, poems.py"
    )


class Notes(Unwatched):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A recipe of a web page and a text file, both too short for any rule and in German."""
    (tmp_path / "page.html").write_text("<html><body><p>Das Haus steht am Ufer des Flusses.</p></body></html>")
    (tmp_path / "note.md").write_text("# Notizen\n\nDie alte Mühle klappert am Bach.\n")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'name = "mixed"\noutput = "{tmp_path / "out"}"\nmax_dropped_fraction = 1.0\n'
        '[[sources]]\nname = "web"\nkind = "files"\npaths = ["page.html"]\nformat = "html"\n'
        '[[sources]]\nname = "notes"\nkind = "files"\npaths = ["note.md"]\nformat = "text"\n'
    )
    return recipe


def test_plan_and_filter_say_it_and_the_build_keeps_the_files(mixed: Path) -> None:
    line = (
        "web: rules gopher_repetition, gopher_quality, c4, fineweb, languages en from a score of 0.65; "
        "notes: no rules, any language"
    )
    plan = CliRunner().invoke(groundup.make_app("run"), ["run", str(mixed), "--plan"])
    assert line in plan.output
    notes = Notes()
    run_build(load_recipe(mixed), until="filter", watcher=notes)
    assert next(text for text in notes.lines if text.startswith("filter:")) == f"filter: {line}"
    out = Folder(str(mixed.parent / "out"))
    manifest = read_manifest(out.folder("filter"))
    assert manifest is not None
    assert manifest.counts.sources["web"].dropped == {"language": 1}
    assert manifest.counts.sources["notes"].documents_out == 1
    assert manifest.facts["comparisons"]["notes"] == []
    assert len(manifest.facts["comparisons"]["web"]) > 20
    assert Build(out.url).manifest("filter").fingerprint_of.settings["sources"]["notes"]["rules"] == []
    effects = what_if(Build(out.url), ["gopher_quality.min_words=30"]).effects
    assert {effect.source: effect.notes for effect in effects} == {
        "notes": [
            "gopher_quality.min_words does not judge it; written in [filter] it would, unless the recipe writes rules "
            "for it"
        ],
        "web": [],
    }
