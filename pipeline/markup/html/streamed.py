"""Pages that React sent in pieces: what stands hidden at their end is put where a browser shows it.

A piece is a hidden `<div id="S:1">`. Its place is `<template id="P:1">`, or `<template id="B:1">` with what is shown
while the piece is awaited behind it, up to a comment. A piece that has no place stays where it is, shown.
"""

from __future__ import annotations

import re

from pipeline.markup.html.tokens import Ends

_PIECE = re.compile(
    r"<div\s(?=[^<>]*\bhidden\b)(?=[^<>]*\bid\s*=\s*[\"']?S:([0-9a-f]++)[\"'\s>])[^<>]*+>", re.IGNORECASE
)
_PLACE = re.compile(
    r"<template\s[^<>]*?\bid\s*=\s*[\"']?([BP]):([0-9a-f]++)[\"'\s>][^<]*+</template\s*>", re.IGNORECASE
)
# React's comments around what may be awaited: their start, their end.
_AWAITED = re.compile(r"<!--(/?)\$[?!~]?-->")
_MAX_DEPTH = 64  # of pieces in each other


def in_place(text: str) -> str:
    """The markup with every piece in its place."""
    pieces: dict[str, str] = {}
    parts: list[str] = []
    done = 0
    ends = Ends(text)
    found = _PIECE.search(text)
    while found is not None:
        position = found.end()
        inside = ends.of("div", position)
        if inside is None:
            break
        if found[1] not in pieces:
            parts.append(text[done : found.start()])
            pieces[found[1]] = text[position : inside[0]]
            done = position = inside[1]
        found = _PIECE.search(text, position)
    page = "".join(parts)
    rest = text[done:]
    body = rest.lower().rfind("</body")
    last, end = (rest[:body], rest[body:]) if body >= 0 else (rest, "")
    page = _filled(page + last, pieces, 0)
    parts = [page]
    while pieces:  # those that have no place, and what has one in them
        name = next(iter(pieces))
        parts.append(f"<div>{_filled(pieces.pop(name), pieces, 0)}</div>")
    return "".join([*parts, end])


def _filled(text: str, pieces: dict[str, str], depth: int) -> str:
    """Markup with the pieces that have a place in it, which are taken out of `pieces`."""
    if depth > _MAX_DEPTH:
        return text
    parts: list[str] = []
    done = 0
    is_open = True  # whether what is awaited has an end
    for found in _PLACE.finditer(text):
        if found.start() < done or found[2] not in pieces:
            continue
        parts += [text[done : found.start()], _filled(pieces.pop(found[2]), pieces, depth + 1)]
        done = found.end()
        if found[1] in "Bb" and is_open:
            stop = _end_of_awaited(text, done)
            is_open = stop >= 0
            done = max(done, stop)
    parts.append(text[done:])
    return "".join(parts)


def _end_of_awaited(text: str, start: int) -> int:
    """Where what is shown until a piece comes ends; -1 where no comment says so."""
    depth = 1
    for comment in _AWAITED.finditer(text, start):
        depth += -1 if comment[1] else 1
        if depth == 0:
            return comment.start()
    return -1
