"""`python -m tools.make_recipe_page`: writes `docs/recipe.md`, every key of a recipe, from the settings classes.

The meaning of a key is its field's description, or the docstring below the field. A key that has neither is an error.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from manifests.settings import Settings
from model.config import GPTConfig
from pipeline.engine.settings import ClusterSettings
from pipeline.extractors.settings import ExtractSettings
from pipeline.mirrors.network import AcquireSettings
from pipeline.recipe import Recipe
from pipeline.sources.common_crawl import CommonCrawlSource
from pipeline.sources.settings import SourceSettings
from pipeline.sources.wikipedia import WikipediaSource
from pipeline.stages.extract import OPERATIONAL
from train.settings import OPERATIONAL_SETTINGS, ModelSettings, TrainRecipe, TrainSettings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "recipe.md"

_INTRODUCTION = """\
# Recipe

Every key of a recipe, by table. `python -m tools.make_recipe_page` writes this page from the settings classes; a test
keeps the two the same. The [README](../README.md#a-recipe) has a short recipe, `recipes/` has ready ones.

A recipe is one TOML file. `name`, `output` and one source are enough. Unknown keys are refused, with the nearest valid
name, and so are values that cannot be read as the key's type (`"128"` is read as 128). `--set filter.c4.min_lines=3`
lays a value over a key for one run; sources are entered by name (`--set sources.cc.max_files=2`). Relative
paths start at the recipe's folder, in `--set`, too. A key whose default is "not set" has no value where it is left out.

A key that is marked *operational* decides no byte of what is built, so nothing is rebuilt when it changes. The others
take part in the fingerprint of what they steer; a build's folder belongs to the recipe's `name`."""

# Keys that decide when something is done or stops; `None` is all keys of a table and of those below it.
_Names = frozenset[str] | set[str]
_OPERATIONAL: dict[type[Settings], _Names | None] = {
    Recipe: {"output", "max_dropped_fraction"},
    CommonCrawlSource: {"mirror"},
    WikipediaSource: {"mirror"},
    AcquireSettings: None,
    ClusterSettings: None,
    ExtractSettings: OPERATIONAL,
    TrainSettings: OPERATIONAL_SETTINGS,
}
# Classes whose fields are explained where they are used.
_EXPLAINED_BY: dict[type[Settings], type] = {ModelSettings: GPTConfig}
_NAMES = {bool: "boolean", int: "integer", float: "number", str: "string"}


class NoMeaning(Exception):
    """A key has neither a description nor a docstring."""


def page() -> str:
    """The text of the page. Raises `NoMeaning` for the first key that has none."""
    return "\n\n".join([_INTRODUCTION, *_tables(Recipe, "", "The top of the file", operational=False)]) + "\n"


def _tables(settings: type[Settings], path: str, heading: str, *, operational: bool) -> Iterator[str]:
    """The section of a table, then those of the tables in it. `path`: its place in the recipe, "" for the top."""
    keys, below = {}, []
    for name, field in settings.model_fields.items():
        trainers = TrainRecipe.model_fields.get(name) if field.annotation == dict[str, Any] else None
        annotation = (trainers or field).annotation
        if _classes(annotation):
            below.append((f"{path}.{name}".lstrip("."), annotation))
        else:
            keys[name] = field
    chosen = _OPERATIONAL.get(settings, set())
    operational = operational or chosen is None
    note = "Every key of this table is *operational*." if operational else ""
    yield _section(settings, heading, keys, note, set() if operational else chosen or set())
    for annotation, same in itertools.groupby(below, key=lambda table: table[1]):
        places = [place for place, _ in same]
        first, *others = _classes(annotation)
        if issubclass(first, SourceSettings):
            yield from _sources([first, *others])
        else:
            keys_below = [f'{place}."HOST"' if get_origin(annotation) is dict else place for place in places]
            headings = ", ".join(f"`[{key}]`" for key in keys_below)  # tables of one class have one section
            yield from _tables(first, keys_below[0], headings, operational=operational)


def _sources(kinds: list[type[Settings]]) -> Iterator[str]:
    """The section of what all sources have, then one for each kind."""
    shared = SourceSettings.model_fields
    yield _section(SourceSettings, "`[[sources]]`", shared, "", set())
    for kind in kinds:
        own = {name: field for name, field in kind.model_fields.items() if name not in shared}
        (name,) = get_args(own["kind"].annotation)
        below = {key: _classes(field.annotation) for key, field in own.items()}
        plain = {key: field for key, field in own.items() if not below[key]}
        yield _section(kind, f'`[[sources]]` with `kind = "{name}"`', plain, "", _OPERATIONAL.get(kind) or set())
        for key, classes in below.items():
            for settings in classes:
                heading = f'`[sources.{key}]` of `kind = "{name}"`'
                yield from _tables(settings, f"sources.{key}", heading, operational=False)


def _section(
    settings: type[Settings],
    heading: str,
    keys: dict[str, FieldInfo],
    note: str,
    operational: frozenset[str] | set[str],
) -> str:
    meanings = _meanings(settings)
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name in sorted(keys, key=lambda name: name != "kind"):  # the others stay in the order of the class
        meaning = " ".join(meanings.get(name, "").split())
        if not meaning:
            raise NoMeaning(f"{settings.__module__}.{settings.__name__}.{name} has no description and no docstring")
        mark = " *Operational.*" if name in operational else ""
        cells = (f"`{name}`", _type(keys[name]), _default(name, keys[name]), meaning + mark)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    parts = [f"## {heading}", inspect.getdoc(settings) or "", note, "\n".join(rows) if keys else ""]
    return "\n\n".join(part for part in parts if part)


def _meanings(settings: type[Settings]) -> dict[str, str]:
    explained_by = _EXPLAINED_BY.get(settings)
    described = {name: field.description for name, field in settings.model_fields.items() if field.description}
    return (_docstrings(explained_by) if explained_by else {}) | _docstrings(settings) | described


def _docstrings(owner: type) -> dict[str, str]:
    """Field -> the docstring below it, in the source of a class and of those that it is made from."""
    found = {}
    for part in reversed(owner.__mro__):
        try:
            tree = ast.parse(inspect.getsource(part))
        except (OSError, TypeError):  # built in, or made by a call: there is no source
            continue
        for node in tree.body:
            body = node.body if isinstance(node, ast.ClassDef) else []
            for field, below in itertools.pairwise(body):
                if (
                    isinstance(field, ast.AnnAssign)
                    and isinstance(field.target, ast.Name)
                    and isinstance(below, ast.Expr)
                    and isinstance(below.value, ast.Constant)
                    and isinstance(below.value.value, str)
                ):
                    found[field.target.id] = below.value.value
    return found


def _classes(annotation: Any) -> list[type[Settings]]:
    """The settings classes anywhere in an annotation, in its order."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return [annotation]
    return [found for argument in get_args(annotation) for found in _classes(argument)]


def _type(field: FieldInfo) -> str:
    return _words(field.annotation, field.metadata)


def _words(annotation: Any, metadata: Any = ()) -> str:
    """An annotation in words, with the bounds of its metadata."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = [
            bound for item in arguments[1:] for bound in (item.metadata if isinstance(item, FieldInfo) else [item])
        ]
        return _words(arguments[0], inner)
    if origin in (Union, types.UnionType):
        words = " or ".join(_words(argument) for argument in arguments if argument is not type(None))
    elif origin is Literal:
        words = " or ".join(f"`{_toml(value)}`" for value in arguments)
    elif origin is list or (origin is tuple and arguments[-1] is Ellipsis):
        words = _many("list of", arguments[0])
    elif origin is tuple and len(set(arguments)) > 1:
        words = "list of " + " and ".join(_words(argument) for argument in arguments)
    elif origin is tuple:
        words = _many(f"list of {len(arguments)}", arguments[0])
    elif origin is dict:
        words = "table" if arguments[1] is Any else _many("table of", arguments[1])
    else:
        words = _NAMES[annotation]
    return ", ".join([words, *_bounds(metadata)])


def _many(words: str, annotation: Any) -> str:
    return f"{words} {_NAMES[annotation]}s" if annotation in _NAMES else f"{words}: {_words(annotation)}"


def _bounds(metadata: Any) -> Iterator[str]:
    bounds = {
        name: value
        for item in metadata
        for name in ("ge", "gt", "le", "lt", "min_length", "max_length", "pattern")
        if (value := getattr(item, name, None)) is not None
    }
    if "ge" in bounds and "le" in bounds:
        yield f"{_toml(bounds.pop('ge'))} to {_toml(bounds.pop('le'))}"
    for name, words in (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below")):
        if name in bounds:
            yield f"{words} {_toml(bounds[name])}"
    if bounds.get("min_length"):
        yield "not empty"
    if "max_length" in bounds:
        yield f"at most {bounds['max_length']} characters"
    if "pattern" in bounds:
        yield f"as `{bounds['pattern']}`"


def _default(name: str, field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if field.is_required() or name == "kind":  # a kind has a default in Python alone
        return "required"
    return "not set" if value is None else f"`{_toml(value)}`"


def _toml(value: Any) -> str:
    """A value as a recipe writes it."""
    if isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        items = ", ".join(f"{key} = {_toml(item)}" for key, item in value.items())
        return f"{{ {items} }}" if items else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return f"{value:_}" if isinstance(value, int | float) and value >= 10_000 else str(value)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
