"""What `--vary` asks for: keys of the recipe with their values, every combination of them, and a name for each."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from manifests.errors import UsageError, check_text
from manifests.settings import canonical_json

SEED = "seed"
_VARIED_TABLES = ("model", "train")
_CLOSING = {"[": "]", "{": "}"}
_PLAIN = re.compile(r"[A-Za-z0-9._-]+")
_LONGEST_NAME = 150  # characters; names of files have room for 255 bytes


def read_vary(assignments: Sequence[str], overrides: Sequence[str] = ()) -> dict[str, list[str]]:
    """`--vary key=value,value,...` -> the values of each key as they are written, in order.

    overrides: those of `--set`, none of which may say what a varied key is. Raises `UsageError` for a key that no run
    can have for itself, one that is given twice, and values that cannot be told apart.
    """
    varied: dict[str, list[str]] = {}
    given = {override.partition("=")[0].strip() for override in overrides}
    for assignment in assignments:
        check_text({"--vary": assignment})
        key, equals, text = assignment.partition("=")
        key = key.strip()
        where = f"--vary {assignment!r}"
        if not equals or not key:
            raise UsageError(f"{where}: write it as key=value,value, for example --vary train.learning_rate=1e-3,2e-3.")
        if key != SEED and key.partition(".")[0] not in _VARIED_TABLES:
            raise UsageError(
                f"{where}: only seed and keys of [model] and [train] can be varied, since all runs share one build."
            )
        if key in varied or key in given:
            raise UsageError(f"{where}: {key} is given twice. Write all its values in one --vary.")
        varied[key] = split_values(text, where)
    return varied


def split_values(text: str, where: str) -> list[str]:
    """Values between commas, those inside brackets and quotes not counted. Raises `UsageError`; `where` names it."""
    values, start, quote, closing = [], 0, "", []
    position = 0
    while position < len(text):
        letter = text[position]
        if quote:
            if letter == "\\" and quote == '"':  # TOML has no escapes between single quotes
                position += 1
            elif letter == quote:
                quote = ""
        elif letter in "\"'":
            quote = letter
        elif letter in _CLOSING:
            closing.append(_CLOSING[letter])
        elif closing and letter == closing[-1]:
            closing.pop()
        elif letter == "," and not closing:
            values.append(text[start:position])
            start = position + 1
        position += 1
    if quote or closing:
        raise UsageError(
            f"{where}: {quote or closing[-1]} is missing. Values stand between commas, each as TOML writes it."
        )
    values = [value.strip() for value in (*values, text[start:])]
    if not all(values):
        raise UsageError(f"{where}: a value is empty. Write it as key=value,value.")
    return values


def combinations(varied: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Every choice of one value for each key; the first key changes slowest."""
    return [dict(zip(varied, values, strict=True)) for values in itertools.product(*varied.values())]


def run_name(values: Mapping[str, Any]) -> str:
    """The folder of a run with these values: the same for the same values, another for others.

    The seed comes last. A value that a file's name cannot hold as it is ends with a digest of it.
    """
    keys = sorted(values, key=lambda key: (key == SEED, key))
    name = ",".join(f"{key}={_value_name(values[key])}" for key in keys)
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}~{_digest(dict(values))}"


def value_text(value: Any) -> str:
    """A value as tables show it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _value_name(value: Any) -> str:
    text = value_text(value)
    looks_otherwise = isinstance(value, str) and re.match(r"[\d.+-]|true$|false$|null$|inf$|nan$", value)
    if _PLAIN.fullmatch(text) and not looks_otherwise:
        return text
    return f"{re.sub(r'[^A-Za-z0-9._]+', '-', text).strip('-')[:40]}~{_digest(value)}"


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()[:8]
