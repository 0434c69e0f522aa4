"""Pages that React sent in pieces: what stands hidden at their end is put where a browser shows it.

A piece is a hidden `<div id="S:1">`. Its place is `<template id="P:1">`, or `<template id="B:1">` with what is shown
while the piece is awaited behind it, up to a comment. A piece that has no place stays where it is, shown.
"""

from __future__ import annotations

import re

_PIECE = re.compile(r" id=[\"']?S:([0-9a-f]++)[\"'\s>]")
_MAX_TAG = 2000  # characters of the tag of a piece
_PLACE = re.compile(r"<template\s[^<>]*?\bid\s*=\s*[\"']?([BP]):([0-9a-f]++)[\"'\s>][^<]*+</template\s*>")
# What is looked at to find where a piece ends: scripts and comments are gone past.
_DIV = re.compile(r"<(?:(/?)div(?=[\s/>])|(script)(?=[\s/>])|(!--))")
_SCRIPT_END = re.compile(r"</script")
# React's comments around what may be awaited: their start, their end.
_AWAITED = re.compile(r"<!--(/?)\$[?!~]?-->")
_MAX_DEPTH = 64  # of pieces in each other


def in_place(text: str) -> str:
    """The markup with every piece in its place."""
    pieces: dict[str, str] = {}
    parts: list[str] = []
    done = 0
    position = 0
    while (found := _PIECE.search(text, position)) is not None:
        start = text.rfind("<", position, found.start())
        tag_end = text.find(">", found.end() - 1, found.end() + _MAX_TAG)
        position = found.end()
        if found[1] in pieces or tag_end < 0 or not text.startswith("<div", start):
            continue
        if "hidden" not in text[start:tag_end]:
            continue
        stop = _end_of_div(text, tag_end)
        if stop < 0:
            break
        parts.append(text[done:start])
        pieces[found[1]] = text[tag_end + 1 : stop]
        position = done = text.find(">", stop) + 1
    page = "".join(parts)
    rest = text[done:]
    body = rest.rfind("</body")
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
        if found[1] == "B" and is_open:
            stop = _end_of_awaited(text, done)
            is_open = stop >= 0
            done = max(done, stop)
    parts.append(text[done:])
    return "".join(parts)


def _end_of_div(text: str, start: int) -> int:
    """Where the end tag of the `<div>` stands whose content begins at `start`; -1 where nothing ends it."""
    depth = 1
    while (tag := _DIV.search(text, start)) is not None:
        start = tag.end()
        if tag[2]:
            end = _SCRIPT_END.search(text, start)
            start = end.end() if end is not None else len(text)
        elif tag[3]:
            start = text.find("-->", start)
            if start < 0:
                return -1
        else:
            depth += -1 if tag[1] else 1
            if depth == 0:
                return tag.start() if text.find(">", start) >= 0 else -1
    return -1


def _end_of_awaited(text: str, start: int) -> int:
    """Where what is shown until a piece comes ends; -1 where no comment says so."""
    depth = 1
    for comment in _AWAITED.finditer(text, start):
        depth += -1 if comment[1] else 1
        if depth == 0:
            return comment.start()
    return -1
