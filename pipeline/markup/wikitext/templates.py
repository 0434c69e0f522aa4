"""Second pass over wikitext: templates and parameters go, by counting braces; the few that carry prose give their text.

Templates cannot be expanded without the wiki's other pages. What is known of them is which of their arguments is
printed as it stands, and that only for templates found in most wikis under the same name.
"""

from __future__ import annotations

import re

from pipeline.markup.wikitext.arguments import guard, unguard
from pipeline.markup.wikitext.carried import character, is_carried, is_function, render, render_function
from pipeline.markup.wikitext.tags import CUT

# Beyond this a carried text is dropped with its template, and templates deeper than this carry none: both bound the
# work on hostile pages to a fixed number of copies of the text.
MAX_CARRIED_CHARACTERS = 20_000
MAX_CARRIED_DEPTH = 12
MAX_FUNCTION_CHARACTERS = 100

_BRACES = re.compile(r"\{\{++|\}\}++")
# What an unclosed template holds: up to a single brace on its line, else the line and the lines of arguments below.
_UNCLOSED = re.compile(r"[^\n{}]*+(?:\}|(?:\n[ \t]*+[|!}][^\n]*+)*+)")


class _Frame:
    """An open run of braces, and the text since."""

    __slots__ = ("braces", "parts")

    def __init__(self, braces: int) -> None:
        self.braces = braces
        self.parts: list[str] = []


def cut_templates(text: str, language: str | None, aside: list[str]) -> str:
    """Text without templates, parser functions and parameters, each leaving `CUT` where it carried nothing.

    language: ISO 639 code of the wiki's; how numbers and dates are printed. aside: contents kept aside, to which code
    that templates print is added. Unclosed ones lose their first lines only. Linear in the text, whatever it holds.
    """
    if "{{" not in text and "}}" not in text:
        return text
    stack: list[_Frame] = []
    root: list[str] = []
    parts = root
    position = 0
    for token in _BRACES.finditer(text):
        start, end = token.span()
        if position < start:
            parts.append(text[position:start])
        position = end
        count = end - start
        if text[start] == "{":
            frame = _Frame(count)
            stack.append(frame)
            parts = frame.parts
            continue
        while count > 1 and stack:
            frame = stack[-1]
            used = 3 if count > 2 and frame.braces > 2 else 2
            count -= used
            frame.braces -= used
            carried = CUT
            if used == 2 and len(stack) <= MAX_CARRIED_DEPTH:
                carried = _carried(frame.parts, language, aside)
                if carried != CUT and (len(stack) > 1 or frame.braces > 1):
                    carried = guard(carried)
            if frame.braces > 1:
                frame.parts = parts = [carried]
                continue
            stack.pop()
            parts = stack[-1].parts if stack else root
            if "/" in carried and carried[0].isdigit() and parts and parts[-1][-1:].isdigit():
                parts.append(" ")  # 5 1/2, not 51/2
            parts.append(carried)
        if count > 1 and text[start - 1 : start] == "|":
            parts.append("}")  # the end of a table with a brace too many
    parts.append(text[position:])
    for frame in stack:
        root.append(CUT)
        root.append(_UNCLOSED.sub("", "".join(frame.parts), count=1))
    return unguard("".join(root))


def _carried(parts: list[str], language: str | None, aside: list[str]) -> str:
    """The text that a template of this content prints, as far as it is known, else `CUT`."""
    if not parts:
        return CUT
    name, separator, rest = parts[0].partition("|")
    function, colon, argument = name.partition(":")
    name = _normal(name)
    if not separator and len(parts) == 1 and (printed := character(name, language)) is not None:
        return printed
    if colon and is_function(function := _normal(function)):
        body = "".join([argument, separator, rest, *parts[1:]])
        printed = render_function(function, body, language) if len(body) < MAX_FUNCTION_CHARACTERS else None
        return CUT if printed is None else printed
    if not separator or not is_carried(name):
        return CUT
    body = rest + "".join(parts[1:])
    if len(body) > MAX_CARRIED_CHARACTERS:
        return CUT
    printed = render(name, body, language, aside)
    return CUT if printed is None else printed


def _normal(name: str) -> str:
    return name.strip().lower().replace("_", " ")
