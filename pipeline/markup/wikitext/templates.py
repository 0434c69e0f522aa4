"""Second pass over wikitext: templates and parameters go, by counting braces; the few that carry prose give their text.

Templates cannot be expanded without the wiki's other pages. What is known of them is which of their arguments is
printed as it stands, and that only for templates found in most wikis under the same name.
"""

from __future__ import annotations

import re

from pipeline.markup.wikitext.tags import CUT

# Beyond this a carried text is dropped with its template, and templates deeper than this carry none: both bound the
# work on hostile pages to a fixed number of copies of the text.
MAX_CARRIED_CHARACTERS = 20_000
MAX_CARRIED_DEPTH = 12

_FIRST = "first"  # prints its first argument
_LAST = "last"  # prints its last positional argument
_SECOND = "second"
_NUMBER = "number"  # prints a number and its unit
_PRINTED = {
    _FIRST: (
        "1x|echo|nowrap|nobr|nobreak|nobold|noitalic|noitalics|small|smaller|big|larger|resize|sc|smallcaps|allcaps|sub|sup"
        "|math|mvar|mono|code|tt|kbd|key|keypress|em|strong|strikethrough|bdi|bdo|abbr|tooltip|linktext|as of|circa|c."
        "|val|num|esd|vr|polytonic|unicode|hebrew|script|nastaliq|angbr|proper name|nihongo|nihongo2|nihongo3|ruby|ルビ"
        "|読み仮名|ill|ill2|interlanguage link|link-interwiki|仮リンク|lien|не переведено|flag|flagu|flagcountry|flagg"
        "|quote|blockquote|cquote|bquote|quotation|nq|tq|poemquote|poem|verse|verse translation|citazione|zitat|cita"
        "|citation bloc|citat|sitat|citaat|цитата|উক্তি"
    ),
    _LAST: "transl|transliteration|transcr|rl|audio|fontcolor|colore",
    _SECOND: "lang|langx|rtl-lang|lang-rtl|langue|lang2|wikt-lang|color|font color|fontsize|hover",
    _NUMBER: "convert|cvt|conv|converter|unité|unit|unidad|unità|m|einheit",
}
_RULES = {name: rule for rule, names in _PRINTED.items() for name in names.split("|")}
_CHARACTERS = {
    "!": "|", "=": "=", "·": " · ", "•": " • ", "dot": " · ", "bull": " • ", "–": " – ", "ndash": "–", "snd": " – ",
    "spaced ndash": " – ", "spnd": " – ", "mdash": "—", "—": " — ", "spaced mdash": " — ", "nbsp": " ", "space": " ",
    "'": "'", "\"": "\"", "thinsp": " ", "hair space": " ", "shy": "", "pipe": "|", "times": "×", "degree": "°",
    "comma": ",", "zwj": "\u200d", "zwnj": "\u200c", "wbr": "", "ellipsis": "…",
}  # fmt: skip
_BRACES = re.compile(r"\{\{++|\}\}++")
_ARGUMENT_MARKS = re.compile(r"\[\[|\]\]|\|")
_NAMED = re.compile(r"\s*+([\w \-]{1,40}?)\s*+=(?!=)")
_TEXT_ARGUMENTS = frozenset({"1", "text", "quote", "texte", "testo", "texto", "2", "content", "цитата"})
# What an unclosed template holds: up to a single brace on its line, else the line and the lines of arguments below.
_UNCLOSED = re.compile(r"[^\n{}]*+(?:\}|(?:\n[ \t]*+[|!}][^\n]*+)*+)")
_CONVERT_WORDS = frozenset({"to", "-", "–", "and", "by", "x", "or", "*", "×", "/", "+/-", "±", "to(-)"})
_VARIANTS = re.compile(r"-\{([^{}]{0,2000})\}-")


class _Frame:
    """An open run of braces, and the text since."""

    __slots__ = ("braces", "parts")

    def __init__(self, braces: int) -> None:
        self.braces = braces
        self.parts: list[str] = []


def cut_templates(text: str) -> str:
    """Text without templates, parser functions and parameters, each leaving `CUT` where it carried nothing.

    Unclosed ones lose their first lines only. Linear in the text, whatever it holds.
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
            carried = _carried(frame.parts) if used == 2 and len(stack) <= MAX_CARRIED_DEPTH else CUT
            if frame.braces > 1:
                frame.parts = parts = [carried]
                continue
            stack.pop()
            parts = stack[-1].parts if stack else root
            parts.append(carried)
        if count > 1 and text[start - 1 : start] == "|":
            parts.append("}")  # the end of a table with a brace too many
    parts.append(text[position:])
    for frame in stack:
        root.append(CUT)
        root.append(_UNCLOSED.sub("", "".join(frame.parts), count=1))
    return "".join(root)


def _carried(parts: list[str]) -> str:
    """The text that a template of this content prints, as far as it is known, else `CUT`."""
    if not parts:
        return CUT
    name, separator, rest = parts[0].partition("|")
    name = name.strip().lower().replace("_", " ")
    if not separator:
        if name in _CHARACTERS and len(parts) == 1:
            return _CHARACTERS[name]
        function, colon, argument = name.partition(":")
        if colon and function in ("formatnum", "lc", "uc", "lcfirst", "ucfirst", "#formatnum"):
            return parts[0].partition(":")[2] + "".join(parts[1:]) if len(argument) < 100 and len(parts) < 9 else CUT
        return CUT
    rule = _RULES.get(name) or (_FIRST if name.startswith(("lang-", "lang ")) and len(name) < 16 else None)
    if rule is None:
        return CUT
    body = rest + "".join(parts[1:])
    if len(body) > MAX_CARRIED_CHARACTERS:
        return CUT
    positional, named = _arguments(body)
    if rule == _NUMBER:
        return _number(positional)
    if rule == _SECOND:
        return positional[1] if len(positional) > 1 else named.get("2", CUT)
    if not positional:
        return next((named[key] for key in named if key in _TEXT_ARGUMENTS), CUT)
    return positional[-1] if rule == _LAST else positional[0]


def _arguments(body: str) -> tuple[list[str], dict[str, str]]:
    """Arguments by place, and those with names; pipes inside links part nothing."""
    pieces: list[str] = []
    depth = start = 0
    for mark in _ARGUMENT_MARKS.finditer(body):
        if mark[0] == "[[":
            depth += 1
        elif mark[0] == "]]":
            depth = max(0, depth - 1)
        elif not depth:
            pieces.append(body[start : mark.start()])
            start = mark.end()
    pieces.append(body[start:])
    positional: list[str] = []
    named: dict[str, str] = {}
    for piece in pieces:
        key = _NAMED.match(piece)
        if key is None:
            positional.append(piece.strip())
        else:
            named[key[1].lower()] = piece[key.end() :].strip()
    if "1" in named:
        positional = [named["1"], *positional]
    return positional, named


def _number(arguments: list[str]) -> str:
    """`5 km` of a conversion's arguments `5|km|mi`, `5 to 7 km` of `5|to|7|km|mi`."""
    if not arguments or not arguments[0].lstrip("+-−.~≈")[:1].isdigit():
        return CUT
    words: list[str] = []
    for place, argument in enumerate(arguments[:8]):
        words.append(argument)
        is_unit = place > 0 and argument not in _CONVERT_WORDS and not argument[:1].isdigit()
        if is_unit or (place > 0 and place + 1 == len(arguments)):
            break
    return " ".join(word for word in words if word)


def pick_variants(text: str) -> str:
    """Text with the first wording of each choice between language variants, `-{zh-hans:a;zh-hant:b}-`."""
    return _VARIANTS.sub(_first_variant, text) if "-{" in text else text


def _first_variant(choice: re.Match[str]) -> str:
    flags, separator, wordings = choice[1].rpartition("|")
    if separator and any(flag.strip() in ("T", "H", "-", "D") for flag in flags.split(";")):
        return ""
    first = (wordings if separator else choice[1]).split(";")[0]
    code, colon, wording = first.partition(":")
    return wording.strip() if colon and code.strip().isascii() and len(code) < 12 else first
