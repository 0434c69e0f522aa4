"""Reading of JSON that pages hold, also where it is broken, cut off, or a literal of JavaScript.

What the standard reader refuses is read token by token: commas too many or too few, raw line ends, bare and
single-quoted names, comments, quotes inside strings, a missing end. Time and memory are linear in the length.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

# A quote ends a string only before what may follow one: a mark, a comma and another value, or a name and its colon.
_AFTER = (
    r"\s{0,64}(?:[:}\])+;]|/[/*]|\Z|\"[\w@$-]{1,60}\"\s?:"
    r"|,\s{0,64}(?:[\"'`{\[}\])(\d-]|/[/*]|\Z|[\w$]{1,60}\s?[:,\])}]))"
)
_TOKEN = re.compile(
    r'"(?P<double>(?:[^"\\]++|\\.|"(?!' + _AFTER + r"))*+)(?:\"|\\?\Z)"
    r"|'(?P<single>(?:[^'\\]++|\\.|'(?!" + _AFTER + r"))*+)(?:'|\\?\Z)"
    r"|`(?P<template>(?:[^`\\]++|\\.)*+)(?:`|\\?\Z)"
    r"|//[^\n]*+|/\*(?:[^*]++|\*(?!/))*+(?:\*/|\Z)"
    r"|(?P<mark>[\[{(\]}):,;])"
    r"|(?P<word>[^\s\[\](){}:,;\"'`]++)",
    re.DOTALL,
)
_EXACT_STRING = re.compile(r'"(?P<double>(?:[^"\\]++|\\.)*+)"|\'(?P<single>(?:[^\'\\]++|\\.)*+)\'', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(\r?\n)|(.))", re.DOTALL)
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "b": " ", "f": " ", "v": " ", "0": ""}
_SURROGATES = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_OPEN, _CLOSE = frozenset("[{("), frozenset("]})")
_MAX_DEPTH = 400


_SCRIPT = re.compile(r"<script(?=[\s>])([^>]{0,4096}+)>", re.IGNORECASE)
_SCRIPT_END = re.compile(r"</script", re.IGNORECASE)


def scripts_of(page: str) -> Iterator[tuple[str, str]]:
    """The attributes of every script of a page, and what stands in it; the last may be cut off."""
    place = 0
    while (start := _SCRIPT.search(page, place)) is not None:
        end = _SCRIPT_END.search(page, start.end())
        yield start[1], page[start.end() : end.start() if end else len(page)]
        if end is None:
            return
        place = end.end()


class Word(str):
    """A name, number or constant as it stands in JavaScript, which is no text of a page."""

    __slots__ = ()


def _escaped(match: re.Match[str]) -> str:
    wide, four, two, line_end, other = match.groups()
    digits = wide or four or two
    if digits:
        code = int(digits, 16)
        return chr(code) if code < 0x110000 else "\ufffd"
    return "" if line_end else _PLAIN.get(other, other)


def unescaped(source: str) -> str:
    """The inside of a string of JSON or JavaScript as text. Halves of a pair that stand alone stay."""
    if "\\" not in source:
        return source
    text = _ESCAPE.sub(_escaped, source)
    return _SURROGATES.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)


def read_string(source: str, place: int) -> tuple[str, int]:
    """The string literal at a place, and where it ends; "" and the place where none stands there."""
    match = _EXACT_STRING.match(source, place)
    if match is None:
        return "", place
    return unescaped(match[match.lastgroup or 0]), match.end()


def read_json(source: str) -> Any:
    """The value of a whole text; None where it is none."""
    try:
        return json.loads(source, strict=False)
    except RecursionError:
        return None
    except ValueError:
        return read_literal(source, 0)[0]


def read_at(source: str, place: int) -> tuple[Any, int]:
    """The object or array that begins at a place, whatever follows it, and where it ends."""
    try:
        return json.JSONDecoder(strict=False).raw_decode(source, place)
    except RecursionError:
        return None, len(source)
    except ValueError:
        return read_literal(source, place)


def read_literal(source: str, place: int) -> tuple[Any, int]:
    """As `read_at`, for what is not quite JSON: what can be told of it. Bare words come as `Word`.

    Round brackets are read as square ones: a call is its name, then an array of what it is given.
    """
    reader = _Reader()
    for match in _TOKEN.finditer(source, place):
        if reader.take(match):
            return reader.root, match.end()
    return reader.root, len(source)


class _Reader:
    """Builds a value from tokens: a stack of what is open, and of each object the name that waits for its value."""

    def __init__(self) -> None:
        self.root: Any = None
        self._stack: list[Any] = []
        self._names: list[str | None] = []
        self._filled: list[bool] = []  # whether the place between two commas has a value

    def take(self, match: re.Match[str]) -> bool:
        """Add a token. True where the value is complete."""
        kind = match.lastgroup
        if kind is None:
            return False  # a comment
        token = match[kind]
        if kind == "mark":
            return self._mark(token)
        self._value(Word(token) if kind == "word" else unescaped(token))
        return not self._stack and kind != "word"

    def _mark(self, token: str) -> bool:
        if token in _OPEN:
            if len(self._stack) >= _MAX_DEPTH:
                return True
            value: Any = {} if token == "{" else []
            self._value(value)
            self._stack.append(value)
            self._names.append(None)
            self._filled.append(False)
        elif token in _CLOSE:
            if self._stack:
                for parts in (self._stack, self._names, self._filled):
                    parts.pop()
            return not self._stack
        elif token == "," and self._stack:
            self._names[-1], self._filled[-1] = None, False
        return not self._stack and token == ";"

    def _value(self, value: Any) -> None:
        """Put a value where one is due. A second one before the comma counts only where the first was a bare word."""
        if not self._stack:
            if self.root is None or isinstance(self.root, Word):
                self.root = value
            return
        into, name = self._stack[-1], self._names[-1]
        if isinstance(into, dict):
            if name is None:
                if isinstance(value, str):
                    self._names[-1] = str(value)
            elif not self._filled[-1] or isinstance(into.get(name), Word):
                into[name], self._filled[-1] = value, True
            elif isinstance(value, str) and not isinstance(value, Word):
                self._names[-1], self._filled[-1] = value, False  # the comma before this name is missing
        elif not self._filled[-1]:
            into.append(value)
            self._filled[-1] = True
        elif isinstance(into[-1], Word):
            into[-1] = value
        elif not isinstance(value, Word):
            into.append(value)


def called_with(source: str, place: int) -> tuple[Any, int]:
    """The object that a function at a place returns when it is called with what follows it, and where that ends.

    None and the place where it returns none. Bundlers write repeated values of a page's state so:
    `(function(a,b){return {x:a,y:b}}("text",1))`.
    """
    head = re.compile(r"\(?\s*function\s*\(([\w$,\s]{0,100000})\)\s*\{\s*return\s*").match(source, place)
    if head is None:
        return None, place
    names = [name.strip() for name in head[1].split(",")]
    value, end = read_literal(source, head.end())
    call = source.find("(", end, end + 64)
    given: Any = []
    if call >= 0:
        given, end = read_literal(source, call)
    values = dict(zip(names, given if isinstance(given, list) else [], strict=False))
    for container, key, part in _parts(value):
        if isinstance(part, Word):
            container[key] = values.get(part, part)
    return value, end


def _parts(value: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Every part of a tree: what holds it, its name or place there, and itself."""
    waiting = [value]
    while waiting:
        container = waiting.pop()
        if not isinstance(container, (dict, list)):
            continue
        for key, part in list(container.items() if isinstance(container, dict) else enumerate(container)):
            yield container, key, part
            waiting.append(part)
