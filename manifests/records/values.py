"""The values of rows: where a column is in a row, and the text of what is no text."""

from __future__ import annotations

import datetime
import json
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

_MOST_NAMES = 50
_MOST_DEPTH = 4


@dataclass(frozen=True)
class Unreadable:
    """Stands for a value that cannot be read, and says why."""

    why: str


def value_at(row: dict[str, Any], column: str) -> Any:
    """The value under this name, else under `b` in the object under `a` for `a.b`; None where there is none."""
    if column in row:
        return row[column]
    found: Any = row
    for name in column.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(name)
    return found


def has_column(row: dict[str, Any], column: str) -> bool:
    """True where a row has a value for a column, be it null."""
    if column in row:
        return True
    outer, dot, name = column.rpartition(".")
    found = value_at(row, outer) if dot else None
    return isinstance(found, dict) and name in found


def names_of(row: dict[str, Any], prefix: str = "", depth: int = 1) -> list[str]:
    """The columns of a row; those of an object in it by their path, such as `a.b`."""
    names: list[str] = []
    for name, value in list(row.items())[:_MOST_NAMES]:
        if isinstance(value, dict) and value and depth < _MOST_DEPTH:
            names += names_of(value, f"{prefix}{name}.", depth + 1)
        else:
            names.append(prefix + name)
    return names


def sound(text: str) -> str:
    """Text without lone surrogates, which no file can hold: each becomes U+FFFD, and a pair its character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def text_of(value: Any) -> str | None:
    """The text of a value: dates in ISO 8601, bytes as UTF-8 where that can be printed, else as
    hexadecimal digits, nested values as JSON.

    None for what is missing (null, not a number) or has no text.
    """
    match value:
        case str():
            return sound(value)
        case None | Unreadable():
            return None
        case bool():
            return "true" if value else "false"
        case float():
            return None if math.isnan(value) else repr(value)
        case bytes():
            try:
                text = value.decode("utf-8")
            except UnicodeDecodeError:
                return value.hex()
            return text if text.isprintable() else value.hex()
        case datetime.date() | datetime.time():  # a datetime is a date
            return value.isoformat().replace("+00:00", "Z")
        case Decimal():
            return format(value, "f")
        case list() | tuple() | dict():
            try:
                return sound(json.dumps(value, ensure_ascii=False, default=text_of))
            except (RecursionError, TypeError, ValueError):
                return None
        case _:
            return sound(str(value))
