"""Wikitext to plain text: headings, paragraphs, lists, tables and link labels stay; everything that is not prose goes.

A few passes, each linear in the text and mostly inside compiled expressions: tags whose content is not wikitext,
templates, links, tables, the other tags, then what lines begin with, and the holes that removed markup left.
"""

from __future__ import annotations

import re

from pipeline.markup.wikitext.blocks import to_markdown
from pipeline.markup.wikitext.links import strip_links
from pipeline.markup.wikitext.names import dropped_prefixes
from pipeline.markup.wikitext.scripts import mark_scripts, note_variables
from pipeline.markup.wikitext.switches import switches_of
from pipeline.markup.wikitext.tables import join_cells, render_tables
from pipeline.markup.wikitext.tags import (
    CELL,
    CUT,
    END_QUOTE,
    HEADING,
    ITEM,
    QUOTE,
    SPACE,
    TAB,
    decode_entities,
    put_back,
    set_aside,
    strip_tags,
)
from pipeline.markup.wikitext.templates import cut_templates
from pipeline.markup.wikitext.variants import pick_variants

_REDIRECT = re.compile(r"\s*#\s*\w+\s*:?\s*\[\[[^\]\n]+\]\]", re.UNICODE)
_QUOTES = re.compile(r"''++")
_APOSTROPHE = "\x00"
_HEADING_LINE = re.compile(rf"\n[{CUT}]*+(=++)([^\n]*+)")
_BULLET = re.compile(r"\n[ \t]*+[:;*#]*[*#](?![:;*#])[ \t]*+")
# One space before a line says that it is shown as it is written, its other spaces too.
_PREFORMATTED = re.compile(r"\n ([^\n]++)")
_TO_KEPT = str.maketrans({" ": SPACE, "\t": TAB})
_INDENT = re.compile(r"\n[ \t]*+[:;*#]++[ \t]*+")
_RULE = re.compile(r"\n-{4,}+")
_STRAY_BRACES = re.compile(r"\{\{++|\}\}++|\{\||\|\}|\[\[|\]\]")
_LEADING_PIPES = re.compile(rf"\n[ \t{CUT}]*+\|[ \t|{CUT}]*+")
_BLANK_LINES = re.compile(r"\n\n\n+")
_LONE_BULLET = re.compile(rf"\n-[ \t.,;:{CUT}]*+(?=\n)")
_EMPTY_BRACKETS = re.compile(r" \([ \n,;:/]*+\)")
_EMPTY_WIDE_BRACKETS = re.compile(r"（[ \n,;:、，；/]*+）")
_OPENING, _CLOSING = "(（[", ")）]"
_PARTING = " ,;:/、，；"
_STOPS = " ,.;:!?)、。，．）\n"
_TAIL = 64  # characters before a hole that are looked at
_EMPTY = f" \t\n-*#:;.|{CUT}{CELL}{ITEM}{QUOTE}{END_QUOTE}"
_ITEM_LINE = re.compile(r"\n[ \t]*+([:;*#]*[*#]:*)(?![:;*#])[ \t]*+([^\n]*+)")  # or a line more of an item: `#:`
_QUOTATION = re.compile(r"<(/?)blockquote(?=[\s/>])[^<>]*+>", re.IGNORECASE)


def is_redirect(text: str) -> bool:
    """True for wikitext that is a redirect, in whatever language it says so."""
    return _REDIRECT.match(text[:1000]) is not None


def wikitext_to_text(
    wikitext: str,
    language: str | None = None,
    *,
    names: tuple[str, ...] = (),
    keep_tables: bool = True,
    markdown: bool = False,
) -> str:
    """Plain text of a page's wikitext; paragraphs are parted by an empty line, list items are lines with `- `.

    language: ISO 639 code; it says what files and categories are called, besides the English names. names: what the
    wiki itself says they are called. keep_tables: rows of cells parted by ` | `, or nothing. markdown: headings,
    items, tables, quotations and code as Markdown has them. Sections of which nothing is left lose their headings.
    Never raises for any string, in time linear in it.
    """
    text, aside = set_aside(wikitext, markdown)
    text = cut_templates(text, language, aside)
    text = pick_variants(text, language)
    text = "\n" + strip_links(text, dropped_prefixes(language, names))
    text = render_tables(text, keep_tables, markdown)
    if markdown:
        text = _QUOTATION.sub(lambda tag: f"\n\n{END_QUOTE if tag[1] else QUOTE}\n\n", text)
    text = strip_tags(text)
    if "''" in text:
        text = _strip_quotes(note_variables(text))
    if "__" in text:
        text = switches_of(language).sub("", text)
    if markdown:
        text = _ITEM_LINE.sub(rf"\n- \2{ITEM}\1", text)
    text = mark_scripts(decode_entities(_lines(text)))
    if markdown:
        return to_markdown(_tidy(text, markdown), aside)
    text = put_back(_tidy(text).strip(f" \n{SPACE}{TAB}"), aside).rstrip().lstrip("\n")
    return text.replace(SPACE, " ").replace(TAB, "\t") if SPACE in text or TAB in text else text


def _strip_quotes(text: str) -> str:
    """Text without marks of bold and italics; where a line has an odd number of each, one apostrophe is text."""
    parts: list[str] = []
    position = 0
    while (found := text.find("'''", position)) >= 0:
        start = text.rfind("\n", position, found) + 1 or position
        end = text.find("\n", found)
        end = len(text) if end < 0 else end
        line = text[start:end]
        if line.count("'''") % 2 and (apostrophe := _apostrophe(line)) >= 0:
            line = f"{line[:apostrophe]}{_APOSTROPHE}{line[apostrophe + 1 :]}"
        parts.append(text[position:start])
        parts.append(line)
        position = end
    if parts:
        parts.append(text[position:])
        text = "".join(parts).replace("'''''", "").replace("'''", "")
    return text.replace("''", "").replace(_APOSTROPHE, "'")


def _apostrophe(line: str) -> int:
    """The place of the apostrophe in `''Title'''s`, by the rules of MediaWiki's parser for odd marks; -1 without."""
    bold = italic = 0
    runs = [run.span() for run in _QUOTES.finditer(line)]
    for start, end in runs:
        bold += end - start != 2
        italic += end - start == 2 or end - start >= 5
    threes = [start for start, end in runs if end - start in (3, 4)]
    if not threes or not bold % 2 or not italic % 2:
        return -1
    words = [start for start in threes if line[start - 1 : start] != " "]
    single = [start for start in words if start > 1 and line[start - 2] == " "]
    return (single or words or threes)[0]


def _lines(text: str) -> str:
    """Text with headings marked, list items as `- `, without indents, rules and stray markup."""
    text = _HEADING_LINE.sub(_heading, text)
    text = _BULLET.sub("\n- ", text)
    if "\n " in text:
        text = _PREFORMATTED.sub(_preformatted, text)
    text = _INDENT.sub("\n", text)
    if "\n----" in text:
        text = _RULE.sub("\n", text)
    return _STRAY_BRACES.sub("", text)


def _preformatted(line: re.Match[str]) -> str:
    shown = line[1].rstrip(f" \t{CUT}")
    begins = shown.lstrip(f" \t{CUT}")[:1]
    if not begins or begins in "|!" or CELL in shown or not ("  " in shown or "\t" in shown or shown[0] == " "):
        return line[0]
    return "\n" + shown.translate(_TO_KEPT)


def _heading(line: re.Match[str]) -> str:
    title = line[2].rstrip(f" \t{CUT}")
    bare = title.rstrip("=")
    level = min(len(line[1]), len(title) - len(bare), 6)
    if not level:
        return line[0]
    bare = bare.strip(f" \t{CUT}")
    return f"\n\n{HEADING}{level}{bare}\n\n" if bare else "\n"


def _tidy(text: str, markdown: bool = False) -> str:
    """Fill the holes, drop empty sections, single spaces, at most one empty line in a row."""
    text = _LONE_BULLET.sub("\n" + CUT, text)
    if HEADING in text:
        text = _drop_empty_sections(text, HEADING if markdown else "")
    if CUT in text:
        text = _close_holes(text)
    if " (" in text:
        text = _EMPTY_BRACKETS.sub("", text)
    if "（" in text:
        text = _EMPTY_WIDE_BRACKETS.sub("", text)
    text = text.replace("\xa0", " ").replace("\t", " ")
    while "  " in text:
        text = text.replace("  ", " ")
    text = text.replace(" \n", "\n").replace("\n ", "\n")
    if "\n|" in text:
        text = _LEADING_PIPES.sub("\n", text)
    return _BLANK_LINES.sub("\n\n", text if markdown else join_cells(text))


def _close_holes(text: str) -> str:
    """Text without `CUT`, and without what parted the removed text from its neighbours: `( ; born` is `(born`."""
    left, *rights = text.split(CUT)
    parts: list[str] = []
    for right in rights:
        if len(left) > _TAIL:
            parts.append(left[:-_TAIL])
            left = left[-_TAIL:]
        before = left.rstrip(_PARTING)
        after = right.lstrip(_PARTING)
        if before and before[-1] in _OPENING:
            left, right = before, after
            if right and right[0] in _CLOSING:
                left, right = left[:-1].rstrip(" "), right[1:]
        elif after and after[0] in _CLOSING:
            left, right = before, after
        elif left.endswith("\n- "):
            right = right.lstrip(" .,;:")
        elif left.endswith(" ") and (not right or right[0] in _STOPS):
            left = left.rstrip(" ")
            if right and right[0] in ",;" and left.endswith((",", ";", "(")):
                right = right[1:]
        elif left[-1:].isdigit() and right[:1].isdigit():
            left += " "  # two numbers, not one
        left += right
    parts.append(left)
    return "".join(parts)


def _drop_empty_sections(text: str, mark: str) -> str:
    """Drop the headings of sections that hold nothing once markup is gone, but for those that held nothing before.

    The others have `mark` and their level before them, or, where it is empty, nothing.
    """
    first, *sections = text.split(HEADING)
    kept: list[str] = []
    next_level = 0  # of the heading that follows in what is kept; 0 at the end
    below = 0  # of the section last dropped behind this one
    for section in reversed(sections):
        level = int(section[0]) if section[:1].isdigit() else 1
        body = section.partition("\n")[2]
        if next_level <= level and (CUT in body or below > level) and not body.strip(_EMPTY):
            below = level
            continue
        below = 0
        kept.append(mark + section if mark else section[1:])
        next_level = level
    return first + "".join(reversed(kept))
