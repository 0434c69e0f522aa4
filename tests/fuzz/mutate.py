"""Random changes of an input: to its bytes, to its text, and to its structure where it is JSON, TOML or markup."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import tomli_w

MOST_BYTES = 1 << 20  # an input grows no larger
_NUMBERS = (0, 1, -1, 2, 127, 255, 256, 65535, 1 << 31, (1 << 32) - 1, (1 << 63) - 1, 1 << 64, 10**15, 10**40)
_INTERESTING = (0x00, 0x01, 0x0A, 0x0D, 0x20, 0x22, 0x2D, 0x3C, 0x7F, 0x80, 0xC3, 0xE2, 0xED, 0xF0, 0xFE, 0xFF)
_ODD_TEXT = (
    b"\x00", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc3", b"\xf4\x90\x80\x80", b"\r", b"\r\n",
    "\u2028".encode(), "\u0301".encode(), "\u202e".encode(), "\u200b".encode(), "\U0010ffff".encode(),
    "漢字かな".encode(), "العربية".encode(), "ไทย".encode(), "é".encode("latin-1"), b"\x1b$B", b"\x85", b"\x0b",
    b"\x0c",
)  # fmt: skip
_CODECS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "utf-8-sig", "shift_jis", "gb18030")
_DIGITS = re.compile(rb"\d+")

Change = Callable[[Random, bytes], bytes]


def changed(random: Random, data: bytes, others: Sequence[bytes] = (), words: Sequence[bytes] = ()) -> bytes:
    """`data` after one to six changes. others: inputs to splice with. words: what means something in this format."""
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 6))):
        kind = random.random()
        if words and kind < 0.35:
            data = _put_words(random, data, words)
        elif others and kind < 0.42:
            data = _splice(random, data, random.choice(others))
        else:
            data = random.choice(_CHANGES)(random, data)
        data = data[:MOST_BYTES]
    return data


def _place(random: Random, data: bytes) -> int:
    """Anywhere; the ends and the first bytes, where headers are, more often."""
    kind = random.random()
    if kind < 0.25:
        return random.randrange(min(len(data), 64) + 1)
    if kind < 0.35:
        return max(0, len(data) - random.randrange(65))
    return random.randrange(len(data) + 1)


def _span(random: Random, data: bytes) -> tuple[int, int]:
    start = _place(random, data)
    return start, min(len(data), start + random.choice((1, 1, 2, 4, 8, 32, 200, 2000)))


def _flip(random: Random, data: bytes) -> bytes:
    at = _place(random, data)
    return data[:at] + bytes([data[at] ^ (1 << random.randrange(8))]) + data[at + 1 :] if at < len(data) else data


def _set(random: Random, data: bytes) -> bytes:
    at = _place(random, data)
    return data[:at] + bytes([random.choice(_INTERESTING)]) + data[at + 1 :]


def _insert(random: Random, data: bytes) -> bytes:
    at = _place(random, data)
    return data[:at] + (random.choice(_ODD_TEXT) if random.random() < 0.7 else random.randbytes(9)) + data[at:]


def _delete(random: Random, data: bytes) -> bytes:
    start, end = _span(random, data)
    return data[:start] + data[end:]


def _duplicate(random: Random, data: bytes) -> bytes:
    start, end = _span(random, data)
    return data[:end] + data[start:end] * random.choice((1, 1, 2, 10, 300)) + data[end:]


def _move(random: Random, data: bytes) -> bytes:
    start, end = _span(random, data)
    rest = data[:start] + data[end:]
    at = _place(random, rest)
    return rest[:at] + data[start:end] + rest[at:]


def _truncate(random: Random, data: bytes) -> bytes:
    return data[: _place(random, data)]


def _behead(random: Random, data: bytes) -> bytes:
    return data[_place(random, data) :]


def _blank(random: Random, data: bytes) -> bytes:
    start, end = _span(random, data)
    return data[:start] + bytes([random.choice(_INTERESTING)]) * (end - start) + data[end:]


def _number(random: Random, data: bytes) -> bytes:
    found = list(_DIGITS.finditer(data[: 1 << 16]))
    if not found:
        return data
    number = random.choice(found)
    return data[: number.start()] + str(random.choice(_NUMBERS)).encode() + data[number.end() :]


def _field(random: Random, data: bytes) -> bytes:
    """A number of two, four or eight bytes in another order, or another one, as lengths and offsets are."""
    size = random.choice((2, 4, 8))
    at = _place(random, data)
    old = data[at : at + size]
    if random.random() < 0.3:
        return data[:at] + old[::-1] + data[at + size :]
    number = random.choice(_NUMBERS) % (1 << 8 * size)
    return data[:at] + number.to_bytes(size, random.choice(("little", "big"))) + data[at + size :]


def _recode(random: Random, data: bytes) -> bytes:
    try:
        return data.decode("utf-8").encode(random.choice(_CODECS), "replace")
    except UnicodeDecodeError:
        return data.decode("latin-1").encode("utf-8")


def _line_ends(random: Random, data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\n", random.choice((b"\r", b"\r\n", b"\n\n", b"\x85", b"")))


_CHANGES: tuple[Change, ...] = (
    _flip, _flip, _set, _insert, _insert, _delete, _delete, _duplicate, _move, _truncate, _behead, _blank, _number,
    _field, _field, _recode, _line_ends,
)  # fmt: skip


def _splice(random: Random, data: bytes, other: bytes) -> bytes:
    start, end = _span(random, other) if random.random() < 0.5 else (_place(random, other), len(other))
    at = _place(random, data)
    return data[:at] + other[start:end] + (data[at:] if random.random() < 0.5 else b"")


def _put_words(random: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    """Put words of the format somewhere: one, some of them, one very often, or one in itself."""
    at = _place(random, data)
    kind = random.random()
    if kind < 0.6:
        put = b"".join(random.choice(words) for _ in range(random.choice((1, 1, 2, 5, 20))))
    elif kind < 0.9:
        put = b"".join(random.choice(words) for _ in range(random.choice((1, 2)))) * random.choice((10, 100, 2000))
    else:
        put = random.choice(words) * 300 + b"x" + random.choice(words) * 300
    end = at + (random.randrange(40) if random.random() < 0.3 else 0)
    return data[:at] + put + data[end:]


_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 0.5, 1e308, 1e-9, float("nan"), float("inf"), 2**31, 2**63, 2**64, 10**30, "", " ",
    "x",
    "a" * 5000, "\x00", "\ud800", "../../x", "/", "a\nb", "1", "nan", "漢", [], {}, [[]], [None], [0, "x"],
    {"": None},
    {"a": {"b": 1}}, "https://user:pass@host/", "s3://", "file:///dev/null", "%s", "{x}", "*" * 20,
)  # fmt: skip


def changed_value(random: Random, value: Any, times: int | None = None) -> Any:
    """JSON-like data after some changes of its structure: other types, keys and items lost, doubled, moved."""
    value = copy.deepcopy(value)
    for _ in range(times or random.choice((1, 1, 1, 2, 4))):
        value = _change_inside(random, value)
    return value


def _change_inside(random: Random, value: Any) -> Any:
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = random.choice(list(value))
        kind = random.random()
        if kind < 0.7:
            value[key] = _change_inside(random, value[key])
        elif kind < 0.8:
            del value[key]
        elif kind < 0.9:
            value[random.choice((key + "x", key.upper(), "", "\x00", "0"))] = value[key]
        else:
            value[key], other = value[random.choice(list(value))], value[key]
            value[random.choice(list(value))] = other
        return value
    if isinstance(value, list) and value and random.random() < 0.85:
        at = random.randrange(len(value))
        kind = random.random()
        if kind < 0.6:
            value[at] = _change_inside(random, value[at])
        elif kind < 0.75:
            del value[at]
        elif kind < 0.85:
            value.insert(at, copy.deepcopy(value[at]))
        elif kind < 0.95:
            value.insert(at, random.choice(_VALUES))
        else:
            random.shuffle(value)
        return value
    kind = random.random()
    if isinstance(value, str) and kind < 0.4:
        text = changed(random, value.encode("utf-8", "surrogatepass"))[:10_000]
        return text.decode("utf-8", random.choice(("replace", "surrogateescape")))
    if isinstance(value, int | float) and not isinstance(value, bool) and kind < 0.5:
        return random.choice((value + 1, -value, value * 2, float(value), str(value), random.choice(_NUMBERS)))
    if kind < 0.05:
        return [value]
    if kind < 0.1:
        return {"x": value}
    return copy.deepcopy(random.choice(_VALUES))


def changed_json(random: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """A JSON file with another structure, or other bytes."""
    if random.random() < 0.3:
        return changed(random, data, others, (b"{", b"}", b"[", b"]", b'"', b",", b":", b"null", b"1e999", b"\\ud800"))
    try:
        value = changed_value(random, json.loads(data))
        return json.dumps(value, ensure_ascii=random.random() < 0.5, indent=random.choice((None, 2))).encode(
            "utf-8", "surrogatepass"
        )
    except (ValueError, RecursionError):
        return changed(random, data, others)


def changed_toml(random: Random, data: bytes, others: Sequence[bytes] = (), words: Sequence[bytes] = ()) -> bytes:
    """A TOML file with another structure, or other bytes."""
    if random.random() < 0.3:
        return changed(
            random, data, others, (b"[", b"]", b"[[", b"=", b'"', b"'''", b"\n", b"#", b"1979-05-27", *words)
        )
    try:
        value = changed_value(random, tomllib.loads(data.decode("utf-8")))
        return tomli_w.dumps(_without_none(value)).encode("utf-8", "surrogatepass")
    except (ValueError, TypeError, AttributeError):
        return changed(random, data, others, words)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value if item is not None] if isinstance(value, list) else value
