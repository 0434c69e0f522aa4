"""Superscripts and subscripts: the mark that tells 10^2 from 102, and H_2O from H2O; the same as for HTML.

A superscript is `^2`, a subscript `_2`, in braces where it is more than one run of word characters (`^{n+1}`), a signed
number without them (`^-3`). Without a mark stay letters of ordinals and abbreviations (1st, Mme), signs (®, *),
references to notes, and the numbers of a fraction, which has a slash (3/4; 1 3/4 after a number).
"""

from __future__ import annotations

import re

from pipeline.markup.wikitext.tags import CUT, END_SCRIPT, SUBSCRIPT, SUPERSCRIPT, VARIABLE

_INSIDE = f"[^{SUPERSCRIPT}{SUBSCRIPT}{END_SCRIPT}]*+"
# One for each, since a search for a letter is faster than one for either of two.
_SCRIPTS = [re.compile(f"({mark})({_INSIDE}){END_SCRIPT}") for mark in (SUPERSCRIPT, SUBSCRIPT)]
_IN_ITALICS = re.compile(f"{SUPERSCRIPT}(?='')")
_FRACTION = re.compile(
    f"{SUPERSCRIPT}({_INSIDE}){END_SCRIPT}\\s?[/\u2044\u2215]\\s?(?:{SUBSCRIPT}({_INSIDE}){END_SCRIPT}|(?=[0-9]))"
)
_MARKS = (SUPERSCRIPT, SUBSCRIPT, END_SCRIPT, VARIABLE)
_MOST_NESTED = 6
_MOST_CHARACTERS = 40  # of a script: what is longer is a small line of text
_VARIABLES = frozenset("nxkmijpqyzNT")  # letters that stand for a number, not for the end of a word
_SIGNS = "+-−–∞∗±"
_SIGNED_NUMBER = re.compile(r"[+\-−–]\d+")
_SYMBOLS = re.compile(r"[*\xa2-\xbf\u2010-\u2011\u2014-\u205f\u2100-\u214f]+")


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
    is_variable = VARIABLE in script[2]
    content = " ".join(script[2].replace(CUT, " ").replace(VARIABLE, "").split())
    if not content or len(content) > _MOST_CHARACTERS:
        return script[2]
    text, start, end = script.string, script.start(), script.end()
    before = text[start - 1 : start]
    if before == END_SCRIPT:
        before = text[start - 2 : start - 1]
    if script[1] == SUPERSCRIPT:
        if _has_no_mark(content, before, is_variable):
            return content
    elif before in ("/", "\u2044"):
        return content
    is_word = content.isalnum() or _SIGNED_NUMBER.fullmatch(content) is not None or len(content) == 1
    follows = text[end : end + 1].isdigit() and content[-1].isdigit()
    mark = "^" if script[1] == SUPERSCRIPT else "_"
    return f"{mark}{content}" if is_word and not follows else f"{mark}{{{content}}}"


def _has_no_mark(content: str, before: str, is_variable: bool) -> bool:
    """Whether a superscript is the end of a word, a sign, or a note."""
    if content[0] == "[" or _SYMBOLS.fullmatch(content):
        return True
    if content.isdigit() and (_SYMBOLS.fullmatch(before) or (before and before in "!\"',.:;?")):
        return True
    if not any(character.isalnum() or character in _SIGNS for character in content):
        return True
    return before.isalnum() and content.isalpha() and not is_variable and content not in _VARIABLES
