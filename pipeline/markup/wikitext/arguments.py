"""The arguments of a template: what parts them, and characters that stand for themselves among them."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Stand for `|` and `=` that templates printed: those part no arguments. They are put back when all templates are gone.
PIPE, EQUALS = "\x05", "\x06"
_TO_MARKS = str.maketrans({"|": PIPE, "=": EQUALS})
_TO_CHARACTERS = str.maketrans({PIPE: "|", EQUALS: "="})
_MARKS = re.compile(r"\[\[|\]\]|-\{|\}-|\|")
_NAMED = re.compile(r"\s*+([\w \-+±×./]{1,40}?)\s*+=(?!=)")
_MOST_NUMBERED = 50


@dataclass
class Arguments:
    """positional: by their place, a missing one is empty; named: by their names in lower case."""

    positional: list[str]
    named: dict[str, str]


def guard(text: str) -> str:
    """What a template printed, so that it parts no arguments of the one around it."""
    return text.translate(_TO_MARKS)


def unguard(text: str) -> str:
    """The text with the characters that `guard` and `{{!}}` left marks for."""
    return text.translate(_TO_CHARACTERS) if PIPE in text or EQUALS in text else text


def split_arguments(body: str) -> list[str]:
    """What pipes part in a template; those inside links and choices of variants part nothing."""
    if "[[" not in body and "-{" not in body:
        return body.split("|")
    pieces: list[str] = []
    depths = {"[[": 0, "-{": 0}
    start = 0
    for mark in _MARKS.finditer(body):
        token = mark[0]
        if token in depths:
            depths[token] += 1
        elif token != "|":
            opening = "[[" if token == "]]" else "-{"
            depths[opening] = max(0, depths[opening] - 1)
        elif not any(depths.values()):
            pieces.append(body[start : mark.start()])
            start = mark.end()
    pieces.append(body[start:])
    return pieces


def read_arguments(body: str) -> Arguments:
    """Arguments by their places and names. `1=` is the first place, and what has no name then takes the next."""
    placed: dict[int, str] = {}
    named: dict[str, str] = {}
    number = 0
    for piece in split_arguments(body):
        key = _NAMED.match(piece) if "=" in piece else None
        if key is None:
            number += 1
            while number in placed:
                number += 1
            placed[number] = piece.strip()
            continue
        value = piece[key.end() :].strip()
        if key[1].isascii() and key[1].isdigit() and 0 < int(key[1]) <= _MOST_NUMBERED:
            placed[int(key[1])] = value
        else:
            named[key[1].lower()] = value
    return Arguments([placed.get(place, "") for place in range(1, max(placed, default=0) + 1)], named)
