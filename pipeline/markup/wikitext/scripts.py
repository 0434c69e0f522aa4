"""Superscripts and subscripts of wikitext: their marks (`markup/scripts.py`), and fractions.

The numbers of a fraction have no mark but its slash (3/4; 1 3/4 after a number).
"""

from __future__ import annotations

import re

from pipeline.markup import scripts
from pipeline.markup.wikitext.tags import CELL, CUT, END_SCRIPT, SUBSCRIPT, SUPERSCRIPT, VARIABLE

_INSIDE = f"[^{SUPERSCRIPT}{SUBSCRIPT}{END_SCRIPT}]*+"
# One for each, since a search for a letter is faster than one for either of two.
_SCRIPTS = [re.compile(f"({mark})({_INSIDE}){END_SCRIPT}") for mark in (SUPERSCRIPT, SUBSCRIPT)]
_IN_ITALICS = re.compile(f"{SUPERSCRIPT}(?='')")
_FRACTION = re.compile(
    f"{SUPERSCRIPT}({_INSIDE}){END_SCRIPT}\\s?[/\u2044\u2215]\\s?(?:{SUBSCRIPT}({_INSIDE}){END_SCRIPT}|(?=[0-9]))"
)
_MARKS = (SUPERSCRIPT, SUBSCRIPT, END_SCRIPT, VARIABLE)
_MOST_NESTED = 6
_OPEN = re.compile(f"(?<=[0-9])[{SUPERSCRIPT}{SUBSCRIPT}](?=[0-9+\\-−–])")
_LINE_STARTS = f"\n{CELL}"


def note_variables(text: str) -> str:
    """Text in which scripts in italics, which `''` says, are known as variables when the quotes are gone."""
    return _IN_ITALICS.sub(SUPERSCRIPT + VARIABLE, text) if SUPERSCRIPT in text else text


def mark_scripts(text: str) -> str:
    """Text with the marks of its scripts, of nested ones the inner ones first."""
    if SUPERSCRIPT in text:
        text = _FRACTION.sub(_fraction, text)
    for _ in range(_MOST_NESTED):
        if END_SCRIPT not in text:
            break
        for script in _SCRIPTS:
            text = script.sub(_marked, text)
    if SUPERSCRIPT in text or SUBSCRIPT in text:  # nothing closes it
        text = _OPEN.sub(lambda opened: "^" if opened[0] == SUPERSCRIPT else "_", text)
    for mark in _MARKS:
        text = text.replace(mark, "")
    return text


def _fraction(found: re.Match[str]) -> str:
    above, below = found[1].strip(), found[2]
    if not above or (below is None and not above.isdigit()):
        return found[0]
    before = found.string[found.start() - 1 : found.start()]
    return f"{' ' if before.isdigit() else ''}{above}/{(below or '').strip()}"


def _marked(script: re.Match[str]) -> str:
    content = " ".join(script[2].replace(CUT, " ").replace(VARIABLE, "").split())
    text, place, end = script.string, script.start() - 1, script.end()
    glued = True
    while place >= 0 and (text[place] in _MARKS or scripts.kind_of(ord(text[place])) == scripts.SPACE):
        if text[place] in _LINE_STARTS:
            return script[2]
        glued = glued and text[place] in _MARKS
        place -= 1
    if place < 0 or text.startswith("- ", place):
        return script[2]
    before = ord(text[place])
    kinds = [scripts.kind_of(ord(character)) for character in content if character != " "]
    counted = (scripts.DIGIT, scripts.LETTER, scripts.SIGN, scripts.SYMBOL)
    digits, letters, signs, symbols = map(kinds.count, counted)
    mark = scripts.mark_of(
        script[1] == SUPERSCRIPT, before, scripts.kind_of(before), glued, "0" <= text[place - 1 : place] <= "9",
        VARIABLE in script[2], False, "^" in content or "_" in content, " " in content,
        len(kinds), digits, letters, signs, symbols, sum(map(content.count, ".:,")),
        ord(content[:1] or " "), kinds[0] if kinds else scripts.SPACE, kinds[-1] if kinds else scripts.SPACE,
        text[end : end + 1].isdigit(),
    )  # fmt: skip
    if mark == scripts.NO_MARK:
        return content if kinds and len(kinds) <= scripts.MAX_CHARACTERS else script[2]
    sign = "^" if script[1] == SUPERSCRIPT else "_"
    return f"{sign}{{{content}}}" if mark == scripts.MARK_BRACES else f"{sign}{content}"
