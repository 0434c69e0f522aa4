"""Strict settings from TOML: unknown keys and wrong types are refused with their key path.

Every table of a recipe is a `Settings` class beside the code that it steers. This module knows none of them.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationError, field_validator
from pydantic_core import CoreSchema

from manifests.errors import UsageError, UserError, check_is_text, check_text
from manifests.paths import as_seen_from_here, resolve
from manifests.secrets import check_no_credentials, scrub

_EXACT_TYPES = ("int", "float", "bool")


def _strict(schema: Any) -> Any:
    """A schema of pydantic in which numbers and booleans, however deep, are taken from nothing else."""
    if isinstance(schema, list | tuple):
        return type(schema)(_strict(item) for item in schema)
    if not isinstance(schema, dict):
        return schema
    inner = {key: value if key in ("default", "metadata") else _strict(value) for key, value in schema.items()}
    return inner | {"strict": True} if inner.get("type") in _EXACT_TYPES else inner


class Settings(BaseModel):
    """Base of every settings table: immutable, no key that is not declared, no value of another type.

    TOML tells numbers, booleans and strings apart, so `true` is no 1 and "5" no 5. Integers are taken for floats,
    and arrays for tuples.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        # `strict=True` for all would refuse arrays for tuples.
        schema: CoreSchema = _strict(handler(source))
        return schema


class RecipeSettings(Settings):
    """The top of a recipe: the fields that the pipeline's recipe and the trainer's share."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Name of the recipe, which manifests and reports show."""
    output: str = Field(min_length=1)
    """The build's folder, relative to the recipe, or any fsspec URL."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of every draw of the build (samples, shuffle, mixture, validation split) and of training."""

    @field_validator("output")
    @classmethod
    def _output_is_open(cls, output: str) -> str:
        return check_no_credentials(output)


SettingsT = TypeVar("SettingsT", bound=Settings)


def load_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file. Raises `UserError` when it is missing or is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such recipe. Give the path of a TOML file, or see recipes/ for ready ones."
        ) from None
    except (IsADirectoryError, PermissionError) as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}). Give the path of a TOML file.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path}: not valid TOML: {error}.") from None


def read_recipe(path: Path, overrides: Iterable[str] = ()) -> dict[str, Any]:
    """The tables of a recipe, with the assignments of `--set` laid over them. Raises `UserError`.

    `output` comes as it can be opened from the working directory. Nothing is checked but that they are tables:
    `pipeline.recipe` and `train.settings` each check their own.
    """
    check_is_text(str(path.absolute()), "recipe", "Rename it, or move the recipe to another folder.")
    data = _tables(path, overrides)
    if isinstance(data.get("output"), str) and data["output"]:
        data["output"] = as_seen_from_here(resolve(data["output"], path.resolve().parent))
    return data


def written_output(path: Path, overrides: Iterable[str] = ()) -> str:
    """`output` of a recipe as it is written; empty where there is none. Raises `UserError` as `read_recipe` does."""
    return str(_tables(path, overrides).get("output", ""))


def _tables(path: Path, overrides: Iterable[str]) -> dict[str, Any]:
    data = load_toml(path)
    for assignment in overrides:
        apply_override(data, assignment)
    return data


def apply_override(data: dict[str, Any], assignment: str) -> None:
    """Apply one `key.path=value` of `--set` in place.

    The value is read as TOML (`30`, `true`, `["en"]`, `"text"`); what is not TOML is taken as a plain string. A
    list of named tables is entered by name: `sources.cc.max_files=2`.
    """
    check_text({"--set": assignment})
    key_path, separator, raw = assignment.partition("=")
    if not separator or not key_path:
        raise UsageError(
            f"--set {assignment!r}: write it as key=value, for example --set filter.gopher_quality.min_words=30."
        )
    try:
        value = tomllib.loads(f"value = {raw}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        value = raw
    *tables, leaf = key_path.strip().split(".")
    node: Any = data
    for name in tables:
        if isinstance(node, list):
            node = _named(node, name, assignment)
        elif isinstance(node, dict):
            node = node.setdefault(name, {})
        else:
            raise UserError(f"--set {assignment!r}: {name!r} is not a table.")
    if isinstance(node, list):
        raise UserError(f"--set {assignment!r}: name a key inside the entry, for example {key_path}.max_files=2.")
    if not isinstance(node, dict):
        raise UserError(f"--set {assignment!r}: {tables[-1]!r} is not a table.")
    node[leaf] = value


def _named(entries: list[Any], name: str, assignment: str) -> dict[str, Any]:
    for entry in entries:
        if isinstance(entry, dict) and entry.get("name") == name:
            return entry
    names = ", ".join(str(entry.get("name")) for entry in entries if isinstance(entry, dict))
    raise UserError(f"--set {assignment!r}: no entry named {name!r}; there are: {names}.")


def validate(settings: type[SettingsT], data: dict[str, Any], where: str) -> SettingsT:
    """Check `data` against `settings`. Raises `UserError` with every problem's key path; `where` names the file."""
    try:
        return settings.model_validate(data)
    except ValidationError as error:
        errors = error.errors()
        missing = [tuple(_keys_of(problem["loc"], data)) for problem in errors if problem["type"] == "missing"]
        problems = [_describe(problem, settings, data, missing) for problem in errors]
        raise UserError(f"{where}: " + "; ".join(problems) + ".") from None
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


_NAMES_IN_TOML = (
    ("valid tuple", "valid list"),
    ("Tuple should have(.*) after validation", r"list should have\1"),
    ("valid dictionary( or instance of .*)?", "table"),
)


def _describe(problem: Any, settings: type[Settings], data: dict[str, Any], missing: list[tuple[Any, ...]]) -> str:
    """A problem's key path and what is wrong with it. `missing`: the key paths of all that is missing."""
    location = _keys_of(problem["loc"], data)
    key_path = ".".join(str(part) for part in location) or "the file"
    if problem["type"] == "extra_forbidden":
        meant = _meant(location, settings, missing, problem["loc"])
        hint = f" (did you mean {meant!r}?)" if meant else ""
        return f"unknown key {key_path}{hint}"
    if problem["type"] == "missing":
        return f"{key_path} is missing: add it"
    message = problem["msg"].removeprefix("Value error, ")
    for of_python, of_toml in _NAMES_IN_TOML:
        message = re.sub(of_python, of_toml, message)
    given = "" if isinstance(problem["input"], dict | list) else f", not {problem['input']!r}"
    return scrub(f"{key_path}: {message[0].lower()}{message[1:]}{given}")


def _meant(
    location: list[int | str], settings: type[Settings], missing: list[tuple[Any, ...]], place: tuple[int | str, ...]
) -> str | None:
    """The key that an unknown one most likely stands for; None where none is like it.

    What is missing in its table comes first, then the keys of that table, then those of all tables.
    """
    key = str(location[-1])
    table = tuple(location[:-1])
    for keys in ([str(path[-1]) for path in missing if path[:-1] == table], _keys_there(settings, place[:-1])):
        if near := difflib.get_close_matches(key, keys, n=1, cutoff=0.6):
            return near[0]
    near = difflib.get_close_matches(key, _all_keys(settings), n=1, cutoff=0.5)
    if near == [key]:  # the right key in the wrong place
        return next((path for path in _paths(settings) if path.rpartition(".")[2] == key), key)
    return near[0] if near else None


def _keys_there(settings: type[Settings], place: tuple[int | str, ...]) -> list[str]:
    """The keys of the table at a place, as pydantic names it; for a member of a union, of that one."""
    node: Any = settings.model_json_schema()
    definitions = node.get("$defs", {})
    for part in place:
        if isinstance(part, int):
            node = node.get("items", {})
        elif part.startswith("kind:"):
            members = [definitions.get(member.get("$ref", "").rpartition("/")[2], {}) for member in node["oneOf"]]
            kinds = [member.get("properties", {}).get("kind", {}).get("const") for member in members]
            node = dict(zip(kinds, members, strict=True)).get(part.removeprefix("kind:"), {})
        else:
            node = node.get("properties", {}).get(part, {})
        named = next((member for member in node.get("anyOf", []) if "$ref" in member), node)  # a table or nothing
        node = definitions.get(named.get("$ref", "").rpartition("/")[2], named)
    return sorted(node.get("properties", {}))


def _keys_of(location: tuple[int | str, ...], data: Any) -> list[int | str]:
    """The keys of a problem's location: pydantic puts names of a union's members between and after them."""
    keys: list[int | str] = []
    for part in location:
        if isinstance(part, str) and part.startswith("kind:"):
            continue
        is_key = isinstance(data, dict) and (part in data or part == location[-1])
        is_place = isinstance(data, list) and isinstance(part, int)
        if is_key or is_place:
            keys.append(part)
            data = data.get(part) if isinstance(data, dict) else (data[int(part) :] or [None])[0]  # it may be missing
    return keys


def _paths(settings: type[Settings], above: str = "") -> Iterator[str]:
    """The path of each key in the tables of a settings class."""
    for name, field in settings.model_fields.items():
        yield above + name
        for kind in (field.annotation, *get_args(field.annotation)):  # a table, or one that may be left out
            if isinstance(kind, type) and issubclass(kind, Settings):
                yield from _paths(kind, f"{above}{name}.")


def _all_keys(settings: type[Settings]) -> list[str]:
    """Every key anywhere below a settings class, so that a key at the wrong depth is still recognised."""
    keys: list[str] = []

    def visit(schema: Any) -> None:
        if isinstance(schema, dict):
            keys.extend(schema.get("properties", {}))
            for value in schema.values():
                visit(value)
        elif isinstance(schema, list):
            for value in schema:
                visit(value)

    visit(settings.model_json_schema())
    return sorted(set(keys))


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_READABLE = json.JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)


def canonical_json(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces. What is digested is digested in this form.

    Raises `UserError` that names a number which is not finite: JSON has none (RFC 8259, 6), and other readers than
    Python's refuse the whole file for it.
    """
    return _encode(_CANONICAL, value)


def readable_json(value: Any) -> str:
    """The same with a line for each value, to be looked at."""
    return _encode(_READABLE, value)


def _encode(encoder: json.JSONEncoder, value: Any) -> str:
    try:
        return encoder.encode(value)
    except ValueError as error:
        found = next(_not_finite(value, ""), None)
        if found is None:
            raise
        raise UserError(f"{found[0]} is {found[1]}, a number that JSON does not have; nothing was written.") from error


def _not_finite(value: Any, path: str) -> Iterator[tuple[str, float]]:
    """The numbers that are infinite or not a number, each with its key path."""
    if isinstance(value, float) and not math.isfinite(value):
        yield path, value
    elif isinstance(value, dict | list | tuple):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _not_finite(item, f"{path}.{key}" if path else str(key))
