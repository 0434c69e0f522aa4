"""Strict settings: what is wrong in a recipe is named by its key path."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Discriminator, Tag

from manifests.errors import UserError
from manifests.settings import Settings, apply_override, canonical_json, load_toml, readable_json, validate


class _Inner(Settings):
    min_words: int = 50
    name: str = "x"


class _Outer(Settings):
    output: str
    quality: _Inner = _Inner()
    languages: tuple[str, ...] = ()


def test_an_unknown_key_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match=r"r\.toml: unknown key quality\.min_word \(did you mean 'min_words'\?\)"):
        validate(_Outer, {"output": "x", "quality": {"min_word": 1}}, "r.toml")


class _File(Settings):
    kind: Literal["file"] = "file"
    paths: list[str]
    pattern: str = ""
    quality: _Inner | None = None


class _Page(Settings):
    kind: Literal["page"] = "page"
    urls: list[str]


class _Model(Settings):
    path: str = ""
    url: str = ""
    minimum: int = 0


class _Union(Settings):
    sources: tuple[
        Annotated[
            Annotated[_File, Tag("kind:file")] | Annotated[_Page, Tag("kind:page")],
            Discriminator(lambda value: f"kind:{value['kind']}"),
        ],
        ...,
    ] = ()
    model: _Model = _Model()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"sources": [{"kind": "file", "path": ["x"]}]}, "unknown key sources.0.path (did you mean 'paths'?)"),
        ({"sources": [{"kind": "page", "url": ["x"]}]}, "unknown key sources.0.url (did you mean 'urls'?)"),
        ({"sources": [{"kind": "file", "paths": ["x"], "patern": ""}]}, "sources.0.patern (did you mean 'pattern'?)"),
        (
            {"sources": [{"kind": "file", "paths": ["x"], "quality": {"min_word": 1}}]},
            "sources.0.quality.min_word (did you mean 'min_words'?)",
        ),
        ({"model": {"minimun": 1}}, "unknown key model.minimun (did you mean 'minimum'?)"),
        ({"sources": [{"kind": "page", "urls": [], "path": "x"}]}, "sources.0.path (did you mean 'model.path'?)"),
        ({"model": {"paths": "x"}}, "unknown key model.paths (did you mean 'path'?)"),
        ({"source": []}, "unknown key source (did you mean 'sources'?)"),
    ],
)
def test_an_unknown_key_is_first_looked_for_in_its_own_table(data: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        validate(_Union, data, "r.toml")


def test_a_key_in_the_wrong_place_is_refused_with_the_right_one() -> None:
    with pytest.raises(UserError, match=r"unknown key min_words \(did you mean 'quality\.min_words'\?\)"):
        validate(_Outer, {"output": "x", "min_words": 1}, "r.toml")


def test_every_problem_is_named() -> None:
    with pytest.raises(UserError) as caught:
        validate(_Outer, {"quality": {"min_words": "many"}, "languages": "en"}, "r.toml")
    message = str(caught.value)
    assert "output is missing" in message
    assert "quality.min_words" in message
    assert "'many'" in message
    assert "languages" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("quality.min_words=30", {"quality": {"min_words": 30}}),
        ("languages=['de']", {"languages": ["de"]}),
        ("output=build/x y", {"output": "build/x y"}),
        ("output=s3://b/c?d=e", {"output": "s3://b/c?d=e"}),
        ("flag=true", {"flag": True}),
    ],
)
def test_overrides_are_toml_or_plain_text(assignment: str, expected: dict[str, Any]) -> None:
    data: dict[str, Any] = {}
    apply_override(data, assignment)
    assert data == expected


def test_an_override_enters_a_list_by_name() -> None:
    data = {"sources": [{"name": "a"}, {"name": "b"}]}
    apply_override(data, "sources.b.max_files=2")
    assert data["sources"] == [{"name": "a"}, {"name": "b", "max_files": 2}]
    with pytest.raises(UserError, match="no entry named 'c'; there are: a, b"):
        apply_override(data, "sources.c.max_files=2")


@pytest.mark.parametrize("assignment", ["novalue", "=3", "output.deeper=3"])
def test_a_wrong_override_is_refused(assignment: str) -> None:
    with pytest.raises(UserError, match="--set"):
        apply_override({"output": "x"}, assignment)


def test_files_that_are_no_recipes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such recipe"):
        load_toml(tmp_path / "missing.toml")
    for content in (b"name = \xff", b"name = " + b"[" * 100_000):
        (tmp_path / "bad.toml").write_bytes(content)
        with pytest.raises(UserError, match="not valid TOML"):
            load_toml(tmp_path / "bad.toml")
    with pytest.raises(UserError, match="cannot be read"):
        load_toml(tmp_path)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(_JSON)
def test_canonical_json_does_not_depend_on_the_order_of_keys(value: Any) -> None:
    def turned(inner: Any) -> Any:
        if isinstance(inner, dict):
            return {key: turned(inner[key]) for key in reversed(list(inner))}
        return [turned(item) for item in inner] if isinstance(inner, list) else inner

    assert canonical_json(value) == canonical_json(turned(value))


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (float("nan"), " is nan"),
        ({"a": {"b": [1.0, float("inf")]}}, "a.b.1 is inf"),
        ([{"x": -float("inf")}], "0.x is -inf"),
        ({"facts": {"auc": np.float64("nan")}}, "facts.auc is nan"),
        ({"ok": 1.5, "t": (0.0, float("nan"))}, "t.1 is nan"),
    ],
)
def test_what_json_has_no_number_for_is_named_and_not_written(value: Any, where: str) -> None:
    for write in (canonical_json, readable_json):
        with pytest.raises(UserError, match=f"^{where}, a number that JSON does not have"):
            write(value)


class _Typed(Settings):
    count: int = 1
    either: int | Literal["auto"] = "auto"
    share: float = 0.5
    pair: tuple[float, float] = (0.0, 1.0)
    by_name: dict[str, int] | None = None
    flag: bool = False


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("count", value) for value in (True, False, "5", 5.0, 1e6)),
        *(("either", value) for value in (True, "5", 2.5)),
        *(("share", value) for value in (True, "0.5")),
        *(("flag", value) for value in (1, "yes", "true")),
    ],
)
def test_a_value_of_another_type_is_refused_by_its_key(key: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf"r\.toml: {key}: input should be .*not {value!r}") as caught:
        validate(_Typed, {key: value}, "r.toml")
    assert f"{key}." not in str(caught.value).replace("r.toml", "")


def test_values_of_another_type_inside_arrays_and_tables_are_refused() -> None:
    with pytest.raises(UserError, match=r"pair\.1: input should be a valid number, not True"):
        validate(_Typed, {"pair": [0, True]}, "r.toml")
    with pytest.raises(UserError, match=r"by_name\.a: input should be a valid integer, not True"):
        validate(_Typed, {"by_name": {"a": True}}, "r.toml")


def test_values_of_their_types_are_taken_from_toml_and_overrides() -> None:
    data: dict[str, Any] = {"pair": [0, 1], "by_name": {"a": 1}}
    for assignment in ("count=30", "either=auto", "share=1", "flag=true"):
        apply_override(data, assignment)
    taken = validate(_Typed, data, "r.toml")
    assert taken == _Typed(count=30, either="auto", share=1.0, pair=(0.0, 1.0), by_name={"a": 1}, flag=True)
    assert validate(_Typed, {"either": 4}, "r.toml").either == 4
