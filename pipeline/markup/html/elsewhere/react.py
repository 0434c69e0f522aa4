"""The stream of React's server components, as a page keeps it for its scripts: rows of elements, data and texts.

A row is `id:JSON`, or `id:T<bytes in hexadecimal>,` and a text; `$L12`, `$12` and `$@12` stand for row 12. An element
is `["$", tag, key, properties]`, where a tag that begins with `$` is a component of the page's scripts.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

from pipeline.markup.html.elsewhere.loose_json import read_json
from pipeline.markup.html.elsewhere.prose import names

_ROW = re.compile(rb"([0-9a-f]{1,8}):(?:T([0-9a-f]{1,8}),|([A-Z]{0,2})(?=[\[{\"]))")
_REFERENCE = re.compile(r"\$[L@]?([0-9a-f]{1,8})$")
_TAG = re.compile(r"[a-z][a-z0-9]{0,15}")
_NOT_SHOWN = frozenset({"script", "style", "svg", "link", "meta", "template", "noscript", "head", "iframe"})
_KEPT = ("className", "id", "role", "hidden", "href", "itemProp")
# What a router shows in place of the page.
_INSTEAD = names("notFound forbidden unauthorized error errorStyles errorScripts loading template")
_MAX_DEPTH = 200
_MOST_CHARACTERS = 8 << 20


class Stream(dict[str, Any]):
    """The rows of a stream by their ids, in order."""


def is_stream(text: str) -> bool:
    return _ROW.match(text[:32].encode("utf-8", "replace")) is not None


def is_element(value: Any) -> bool:
    """Whether a value is an element of React."""
    return isinstance(value, list) and len(value) > 3 and value[0] == "$" and isinstance(value[3], dict)


def read_stream(text: str) -> Stream:
    """The rows of a stream. Rows that are code, hints or cut off are left out."""
    rows = Stream()
    data = text.encode("utf-8", "surrogatepass")  # lengths of texts are in bytes
    place = 0
    while place < len(data):
        end = data.find(b"\n", place)
        end = len(data) if end < 0 else end
        head = _ROW.match(data, place, min(end, place + 32) + 1)
        if head is not None and head[2]:
            end = head.end() + int(head[2], 16)
            rows[head[1].decode()] = data[head.end() : end].decode("utf-8", "replace")
            place = end
            continue
        if head is not None and not head[3]:
            rows[head[1].decode()] = read_json(data[head.end() : end].decode("utf-8", "replace"))
        place = end + 1
    return rows


class PageOfStream:
    """Writes the elements of a stream as the page that they stand for. Each row is written once."""

    def __init__(self, stream: Stream, text_of: Callable[[list[Any], str], str], title: str) -> None:
        self._rows = stream
        self._text_of, self._title = text_of, title
        self._left = dict.fromkeys(stream)
        self._room = _MOST_CHARACTERS

    def markup(self) -> str:
        """The whole page; text_of gives the text of properties of a component, in a page of this title."""
        parts = []
        while self._left:
            first = "0" if "0" in self._left else next(iter(self._left))
            row = self._row(first)
            if isinstance(row, (list, dict)):  # a text that nothing points to is code or data
                parts.append(self._elements_in(row, 0))
        return "".join(parts)

    def _row(self, name: str) -> Any:
        return self._rows[name] if self._left.pop(name, name) is None else None

    def _elements_in(self, part: Any, depth: int) -> str:
        """The elements in data: a string there is a name, or points to a row."""
        if depth > _MAX_DEPTH:
            return ""
        if is_element(part) or (isinstance(part, str) and _REFERENCE.match(part)):
            return self._markup(part, depth)
        if isinstance(part, dict):
            part = [inner for name, inner in part.items() if name not in _INSTEAD]
        return "".join(self._elements_in(inner, depth + 1) for inner in part) if isinstance(part, list) else ""

    def _markup(self, part: Any, depth: int) -> str:
        """What stands among the children of an element."""
        if depth > _MAX_DEPTH or self._room < 0:
            return ""
        if isinstance(part, str):
            reference = _REFERENCE.match(part)
            if reference is not None:
                return self._markup(self._row(reference[1]), depth + 1)
            self._room -= len(part)
            return "" if part.startswith("$") and part != "$" else html.escape(part, quote=False)
        if is_element(part):
            return self._element(part[1], part[3], depth)
        if isinstance(part, list):
            return "".join(self._markup(inner, depth + 1) for inner in part)
        return self._elements_in(part, depth + 1) if isinstance(part, dict) else ""

    def _element(self, tag: Any, properties: dict[str, Any], depth: int) -> str:
        if not isinstance(tag, str) or tag in _NOT_SHOWN:
            return ""
        children = properties.get("children")
        if not _TAG.fullmatch(tag):
            inner = self._markup(children, depth + 1)
            for name in filter(_INSTEAD.__contains__, properties):
                self._elements_in(properties[name], depth + 1)  # so that its rows count as written
            others = {name: part for name, part in properties.items() if name != "children" and name not in _INSTEAD}
            given = {name: self._filled(part) for name, part in others.items() if not _has_element(part)}
            slots = [part for name, part in others.items() if name not in given]
            inner += self._text_of([given], self._title)
            return inner + "".join(self._elements_in(part, depth + 1) for part in slots)
        raw = properties.get("dangerouslySetInnerHTML")
        if isinstance(raw, dict) and isinstance(raw.get("__html"), str):
            inner = self._filled(raw["__html"])
        else:
            inner = self._markup(children, depth + 1)
        kept = "".join(
            f' {"class" if name == "className" else name.lower()}="{html.escape(str(properties[name]))}"'
            for name in _KEPT
            if properties.get(name) not in (None, False, "", "$undefined")
        )
        return f"<{tag}{kept}>{inner}</{tag}>"

    def _filled(self, part: Any) -> Any:
        """A part in which a reference to a text is that text."""
        reference = _REFERENCE.match(part) if isinstance(part, str) else None
        if reference is not None and isinstance(self._rows.get(reference[1]), str):
            return self._row(reference[1]) or ""
        if isinstance(part, dict):
            return {name: self._filled(inner) if isinstance(inner, str) else inner for name, inner in part.items()}
        return part


def _has_element(part: Any) -> bool:
    waiting, looked = [part], 0
    while waiting and looked < 2000:
        value = waiting.pop()
        looked += 1
        if is_element(value) or (isinstance(value, str) and value.startswith("$L")):
            return True
        if isinstance(value, (dict, list)):
            waiting += value.values() if isinstance(value, dict) else value
    return False
