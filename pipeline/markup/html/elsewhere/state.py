"""The state that a page's scripts start from: where frameworks write it, and what of it is the page's text.

It is found by its form, not by names of sites: scripts of JSON, objects that scripts assign or push, and attributes
that hold JSON. Nuxt, Remix and React Router write it as one flat array whose parts point to each other; React's
server components as a stream of rows.
"""

from __future__ import annotations

import html
import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from pipeline.markup.html.elsewhere.loose_json import called_with, read_at, read_json, read_string, scripts_of
from pipeline.markup.html.elsewhere.react import Stream, is_stream, read_stream

_LEAST = 200  # bytes of a state that are worth a look
_MOST = 8 << 20  # bytes of all states of a page that are read
_JSON_TYPE = re.compile(
    r"type\s*=\s*[\"']?(?:(?:application|text)/(?:x-)?json|qwik/json|fastboot/shoebox)", re.IGNORECASE
)
_OTHER_TYPE = re.compile(r"type\s*=\s*[\"']?(?!module|text/javascript|application/javascript)\w", re.IGNORECASE)
_CONFIGURATION = re.compile(
    r"config|setting|i18n|intl|locale|translat|messages|lang|analytic|tracking|tooltip|loadable|chunk|manifest"
    r"|feature|flags|consent|emoji|polyfill|\bga\b|gtm|dataLayer|wpcf7|capabilit|env\b|phrases|editor",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(
    r"(?:(?:window|self|globalThis|document)\s?(?:\.\s?([\w$.]{1,80})|\[\s?[\"']([\w$. -]{1,80})[\"']\s?\])"
    r"|(?:var|let|const)\s([\w$]{1,80})|(?<![\w$.])(data|__[\w$]{3,80}))\s{0,8}[=:]\s{0,8}"
    r"(?:[\w$.]{1,80}\s?\|\|\s?)?"
    r"(?=[{\[]|(?:window\.)?JSON\.parse\(|\(?\s?function\s?\(|[\"'](?:[{\[]|%7B|%5B))"
)
_PARSED = re.compile(
    r"(?:(?:window\.)?JSON\.parse\(\s{0,64})?((?:(?:window\.)?(?:decodeURIComponent|unescape|escape|atob)\(\s{0,64}){0,3})"
    r"(?=[\"'])"
)
_PUSHED = re.compile(r"(?:__next_f\.push\(\[\s?1\s?,\s?|streamController\.enqueue\(\s?)(?=\")")
_ATTRIBUTE = re.compile(
    r"\s([\w:@.-]{1,60})=(?:\"\s{0,8}(?=[\[{]\s{0,8}(?:\{\s{0,8})?&(?:quot|#34);)|'\s{0,8}(?=\{\"|\[\{\"|\[\"))"
)
_ANGULAR = {"&q;": '"', "&s;": "'", "&l;": "<", "&g;": ">"}


def states(page: str) -> Iterator[Any | Stream]:
    """Every state of a page, in order, each as a tree of objects and arrays; or a `Stream`."""
    left = _MOST
    stream: list[str] = []
    for attributes, source in scripts_of(page):
        if len(source) < _LEAST and "__next_f" not in source and "streamController" not in source:
            continue
        left -= len(source)
        if left < 0:
            break
        if _JSON_TYPE.search(attributes):
            if not _CONFIGURATION.search(attributes):
                yield from _unfolded(read_json(_angular(source)))
        elif not _OTHER_TYPE.search(attributes):
            for pushed in _PUSHED.finditer(source):
                stream.append(read_string(source, pushed.end())[0])
            yield from _assigned(source)
    if stream:
        text = "".join(stream)
        yield from [read_stream(text)] if is_stream(text) else _unfolded(read_json(text.partition("\n")[0]))
    yield from _attributes(page, left)


def _angular(source: str) -> str:
    if "&q;" not in source:
        return source
    for name, character in _ANGULAR.items():
        source = source.replace(name, character)
    return source.replace("&a;", "&")


def _assigned(source: str) -> Iterator[Any]:
    """What a script assigns to names, where that is an object, an array, or JSON in a string."""
    end = 0
    for match in _ASSIGNED.finditer(source):
        place = match.end()
        name = match[1] or match[2] or match[3] or match[4]
        if match.start() < end or _CONFIGURATION.search(name) or (match[4] == "data" and "__sveltekit" not in source):
            continue
        if source[place] in "{[":
            value, end = read_at(source, place)
        elif parsed := _PARSED.match(source, place):
            text, end = read_string(source, parsed.end())
            value = read_json(_decoded(text, parsed[1])) if len(text) >= _LEAST else None
        else:
            value, end = called_with(source, place)
        if end - place >= _LEAST:
            yield from _unfolded(value)


def _decoded(text: str, calls: str) -> str:
    """The JSON that a string stands for. calls: what a script decodes it with."""
    if "atob" in calls:
        with suppress(ValueError):  # what is no base64 is no JSON
            text = b64decode(text).decode("utf-8", "replace")
    return unquote(text) if text.startswith("%") or (calls and "atob" not in calls) else text


def _attributes(page: str, left: int) -> Iterator[Any]:
    """JSON in attributes, as mounted components have their properties."""
    end = 0
    for match in _ATTRIBUTE.finditer(page):
        quote = "'" if page[match.end(1) + 1] == "'" else '"'
        if match.start() < end:
            continue
        end = page.find(quote, match.end())
        if end < 0:
            return
        if end - match.end() >= _LEAST and not _CONFIGURATION.search(match[1]):
            left -= end - match.end()
            if left < 0:
                return
            yield from _unfolded(read_json(html.unescape(page[match.end() : end])))


def _unfolded(value: Any) -> Iterator[Any]:
    if isinstance(value, list) and len(value) > 4 and _is_flat(value):
        value = _hydrated(value)
    if isinstance(value, (dict, list)):
        yield value


def _is_flat(value: list[Any]) -> bool:
    """Whether an array is one whose objects have only places in it for values."""
    first = value[0]
    if isinstance(first, list) and len(first) == 2 and first[0] in ("ShallowReactive", "Reactive"):
        return True
    return isinstance(first, dict) and bool(first) and all(type(part) is int for part in first.values())


def _hydrated(flat: list[Any]) -> Any:
    """The tree that a flat array stands for. Names may be places, too: `_12`. It may have circles."""
    made: list[Any] = [{} if isinstance(part, dict) else [] if isinstance(part, list) else part for part in flat]

    def at(place: Any) -> Any:
        return made[place] if type(place) is int and 0 <= place < len(made) else None

    for part, into in zip(flat, made, strict=True):
        if isinstance(part, dict):
            for name, place in part.items():
                known = at(int(name[1:])) if re.fullmatch(r"_\d{1,8}", name) else name
                if isinstance(known, str):
                    into[known] = at(place)
        elif isinstance(part, list):
            into.extend(at(place) for place in part)
    return made[0]
