"""The page of all keys of a recipe: as the generator gives it, whole, and with a meaning for each key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import Field

from manifests.settings import Settings
from pipeline.recipe import Recipe
from tools import make_recipe_page
from train.settings import TrainRecipe


def test_page_is_as_the_settings_give_it() -> None:
    assert make_recipe_page.PAGE.read_text(encoding="utf-8") == make_recipe_page.page(), (
        "run: python -m tools.make_recipe_page"
    )


def _keys(schema: Any) -> Iterator[str]:
    """Every name of a property anywhere in a JSON schema."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for value in schema.values():
            yield from _keys(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _keys(value)


def test_every_key_of_the_schemas_is_a_row_or_a_table() -> None:
    page = make_recipe_page.page()
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \| (.+) \|$", page, re.MULTILINE)
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    tables = [table for line in headings for table in re.findall(r"`\[+([^\]]+)\]", line)]
    named = {row[0] for row in rows} | {part for table in tables for part in table.split(".")}
    wanted = {*_keys(Recipe.model_json_schema()), *_keys(TrainRecipe.model_json_schema())}
    assert len(wanted) > 100
    assert wanted <= named


class _Inner(Settings):
    """A table in a table."""

    limit: int = Field(default=20_000, ge=1, lt=50_000)
    """Bytes that it may have;
    more are refused."""


class _Outer(Settings):
    """A table."""

    choice: str | None = Field(default=None, pattern="a|b", description="One of | two.")
    shares: dict[str, list[float]] = Field(default={})
    """Shares by name."""
    inner: _Inner = _Inner()


def test_a_table_of_keys() -> None:
    outer, inner = make_recipe_page._tables(_Outer, "outer", "`[outer]`", operational=False)
    assert outer.splitlines()[0] == "## `[outer]`"
    assert outer.splitlines()[-2:] == [
        r"| `choice` | string, as `a\|b` | not set | One of \| two. |",
        "| `shares` | table of: list of numbers | `{}` | Shares by name. |",
    ]
    assert inner.splitlines() == [
        "## `[outer.inner]`",
        "",
        "A table in a table.",
        "",
        "| key | type | default | meaning |",
        "|---|---|---|---|",
        "| `limit` | integer, at least 1, below 50_000 | `20_000` | Bytes that it may have; more are refused. |",
    ]


class _Unexplained(_Inner):
    """A table with a key that nobody explains."""

    surprise: bool = False


def test_a_key_without_a_meaning_is_an_error() -> None:
    with pytest.raises(make_recipe_page.NoMeaning, match=r"_Unexplained\.surprise has no description"):
        list(make_recipe_page._tables(_Unexplained, "", "A table", operational=False))
