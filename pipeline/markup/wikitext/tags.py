"""First pass over wikitext: comments and the tags whose content is not wikitext, which hide markup from what follows.

Content that stays (nowiki, pre, math, code) is kept aside and stands in the text as a number between `ASIDE` marks,
as MediaWiki itself does, so that no later pass touches it.
"""

from __future__ import annotations

import html
import html.entities
import re

from pipeline.markup.escapes import code_span, fence

ASIDE = "\x02"  # a number between two of these stands for content kept aside
CUT = "\x01"  # where something was removed that may leave a hole: a template, a file, a list of references
HEADING = "\x03"  # before a heading's level, one digit
CELL = "\x04"  # between the cells of a table's row, until nothing can empty them any more
# Around superscripts and subscripts, until their marks are known.
SUPERSCRIPT, SUBSCRIPT, END_SCRIPT = "\x0e", "\x0f", "\x10"
VARIABLE = "\x13"  # in one of them: it is in italics
ITEM = "\x14"  # before the marks of a list's item, at the end of its line; where Markdown is made
QUOTE, END_QUOTE = "\x15", "\x17"  # alone on their lines, where a quotation begins and ends; where Markdown is made
SPACE, TAB = "\x11", "\x12"  # those of preformatted lines, which stay as they are
_MARKS = "\x00\x01\x02\x03\x04\x05\x06\x0e\x0f\x10\x11\x12\x13\x14\x15\x17"
_NO_MARKS = str.maketrans("", "", _MARKS)

_DROPPED = (
    "ref|references|gallery|timeline|imagemap|score|graph|mapframe|maplink|hiero|templatedata|templatestyles|style"
    "|script|inputbox|categorytree|indicator|includeonly|charinsert|dynamicpagelist|rss|section|chart"
)
_KEPT = "nowiki|pre|math|chem|ce|syntaxhighlight|source"
_CODE = "code|kbd|tt|samp"
_OPAQUE = re.compile(rf"<(?:!--|({_DROPPED}|{_KEPT}|{_CODE})(?=[\s/>])([^<>]*+)>)", re.IGNORECASE)
_ENDS = {
    name: re.compile(rf"</{name}\s*+>", re.IGNORECASE) for name in f"{_DROPPED}|{_KEPT}".split("|") if name != "ref"
}
# A reference that opens inside another has not been closed: references do not nest.
_ENDS["ref"] = re.compile(r"</ref\s*+>|<ref(?:\s[^<>]*+)?(?<!/)>", re.IGNORECASE)
_BLOCKS = frozenset({"pre", "syntaxhighlight", "source"})
_LANGUAGE = re.compile(r"\blang\s*=\s*[\"']?([\w#+.-]+)", re.IGNORECASE)
_CHEMISTRY = frozenset({"chem", "ce"})
_ON_OWN_LINE = re.compile(r"display\s*=\s*[\"']?\s*block", re.IGNORECASE)
_PUNCTUATION = re.compile(r"[ \t]*([.,;:])(?=\s|<|\Z)")
_TEX_PAIRS = re.compile(r"(?<=\{)(?=[{|])|(?<=\})(?=\})|(?<=\|)(?=\})|(?<=\[)(?=\[)|(?<=\])(?=\])|(?<=')(?=')")
_CODE_TAGS = frozenset(_CODE.split("|"))
# Pairs that are a template or a link inside code, and those that are not and so are shown.
_PAIRS_IN_CODE = re.compile(
    r"(\{\{#?[^{}<>\[\]|#\n]++(?:\|[^{}]*+)?\}\}|\[\[[^{}<>\[\]|\n]++(?:\|[^\[\]]*+)?\]\])"
    r"|\{\{++|\}\}++|\[\[++|\]\]++|\{\||\|\}"
)
_SHOWN_AS_IT_IS = re.compile(r"(?:[^{}\[\]']|'(?!'))+")
_BEGINS_LINE = re.compile(r"[*#:;=|!]+")
_LEAVES_HOLE = frozenset({"references", "gallery", "score", "timeline", "graph", "mapframe", "maplink", "imagemap"})
_ENTITY = re.compile(r"&(?:#[0-9]{1,16}|#[xX][0-9a-fA-F]{1,16}|[a-zA-Z][a-zA-Z0-9]{1,31});")
ASIDE_MARK = re.compile(f"{ASIDE}([0-9]+){ASIDE}")
_NOWIKI = re.compile(r"</?nowiki\s*+/?>", re.IGNORECASE)
_HIDDEN = re.compile(
    r"<(span|div|small)\s[^<>]{0,200}?display\s{0,9}:\s{0,9}none[^<>]*+(?<!/)>[^<]*+</\1\s*+>", re.IGNORECASE
)

_SCRIPTS = {"sup": SUPERSCRIPT, "sub": SUBSCRIPT}
_ITALICS = frozenset({"i", "em", "var"})
# Blocks, and breaks.
_BLOCK_TAGS = frozenset(
    {"p", "div", "blockquote", "center", "ul", "ol", "dl", "dd", "dt", "table", "caption", "poem", "tr", "gallery"}
    | {"h1", "h2", "h3", "h4", "h5", "h6", "section", "pre", "br", "hr"}
)
_KNOWN_TAGS = (
    "abbr b bdi bdo big cite code data del dfn font ins kbd mark nobr q rb rp rt rtc ruby s samp small span "
    "strike strong time tt u wbr img a thead tbody tfoot col colgroup td th li noinclude onlyinclude "
    "nowiki ref references math chem ce syntaxhighlight source gallery includeonly templatestyles section timeline "
    "imagemap score graph mapframe maplink hiero categorytree indicator inputbox languages translate tvar phonos noop "
    "br label style script templatedata charinsert chart maps link meta langconvert"
)
_INLINE_TAGS = frozenset(_KNOWN_TAGS.split())
_BREAKING = frozenset({"\n", " | ", "\n* "})
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*+)(?=[\s/>])[^<>]*+>")
_BROKEN_TAG = re.compile(
    r"<ref\s[^<>\n]*+|</?(?:ref(?:erences)?|br|div|span|small|su[bp]|nowiki|t[dr]|center|font)\b/?", re.IGNORECASE
)


def decode_entities(text: str) -> str:
    """Character references that end in `;` as characters, as wikis take them: `&copy=` in an address stays."""
    return _ENTITY.sub(_decode, text) if "&" in text else text


def _decode(entity: re.Match[str]) -> str:
    name = entity[0]
    if name[1] != "#":  # in whole: `&ampamp;` is none, whatever it begins with
        return html.entities.html5.get(name[1:], name)
    character = html.unescape(name)
    return character if character >= " " or character in "\n\t" else ""


def set_aside(text: str, markdown: bool = False) -> tuple[str, list[str]]:
    """Text without comments and dropped tags, and the contents kept aside, by their numbers. Linear in the text.

    markdown: whether code is kept between fences and backticks.
    """
    if any(mark in text for mark in _MARKS):
        text = text.translate(_NO_MARKS)
    aside: list[str] = []
    if "<" not in text:
        return text, aside
    parts: list[str] = []
    unclosed: set[str] = set()  # names that nothing closes from here to the end
    position = 0
    search = _OPAQUE.search
    while (tag := search(text, position)) is not None:
        start = tag.start()
        if tag[1] is None:
            end = text.find("-->", start + 4)
            end = len(text) if end < 0 else end + 3
            if text[start - 1 : start] == "\n" and text[end : end + 1] == "\n":
                end += 1  # a comment alone on its line takes the line with it
            parts.append(text[position:start])
            position = end
            continue
        name = tag[1].lower()
        parts.append(text[position:start])
        position = tag.end()
        if name in _CODE_TAGS:
            # Up to the next tag: what that may hide comes first.
            end = text.find("<", position)
            code = text[position : end if end >= 0 else position]
            if markdown and code.strip() and text.startswith("</", end) and _SHOWN_AS_IT_IS.fullmatch(code) is not None:
                parts.append(put_aside(code_span(decode_entities(code.strip())), aside))
                position = end
                continue
            if (begin := _BEGINS_LINE.match(code)) is not None:  # where the tag is gone, it would begin a list
                parts.append(put_aside(begin[0], aside))
                position = begin.end() + position
                code = code[begin.end() :]
            if "{" in code or "}" in code or "[" in code or "]" in code:
                parts.append(_PAIRS_IN_CODE.sub(lambda pair: pair[1] or put_aside(pair[0], aside), code))
                position = end
            continue
        if tag[2].endswith("/"):
            if name in _LEAVES_HOLE:
                parts.append(CUT)
            continue
        closed = None if name in unclosed else _ENDS[name].search(text, position)
        if closed is None:
            unclosed.add(name)
            if name == "references":
                parts.append(CUT)
            continue
        if name == "ref" and text[closed.start() + 1] != "/":
            # up to the end of the line, or to the reference that follows on the same line
            line_end = text.find("\n", position, closed.start())
            position = closed.start() if line_end < 0 else line_end
            continue
        content = text[position : closed.start()]
        position = closed.end()
        if name == "math" or name in _CHEMISTRY:
            is_own_line = _ON_OWN_LINE.search(tag[2]) is not None
            ending = _PUNCTUATION.match(text, position) if is_own_line else None
            position = ending.end() if ending is not None else position
            parts.append(_formula(name, content, is_own_line, ending[1] if ending is not None else "", aside))
        elif name in _BLOCKS or name == "nowiki":
            parts.append(_keep(name, tag[2], content, aside, markdown))
        elif name in _LEAVES_HOLE:
            parts.append(CUT)
    parts.append(text[position:])
    return "".join(parts), aside


def _keep(name: str, attributes: str, content: str, aside: list[str], markdown: bool) -> str:
    if name == "pre":
        content = _NOWIKI.sub("", content)
    if name in ("pre", "nowiki"):
        content = decode_entities(content)
    is_block = name in _BLOCKS and ("\n" in content or name == "pre") and "inline" not in attributes
    if is_block:
        content = content.strip("\n").rstrip()
    elif name != "nowiki":
        content = content.strip()
    if not content:
        return ""
    if markdown and name in _BLOCKS:
        language = _LANGUAGE.search(attributes)
        content = "\n".join(fence(content, language[1].lower() if language else "")) if is_block else code_span(content)
    mark = put_aside(content, aside)
    return f"\n\n{mark}\n\n" if is_block else mark


def _formula(name: str, content: str, is_own_line: bool, ending: str, aside: list[str]) -> str:
    """A formula as pages show it too: `$x^2$`, or on a line of its own `$$x^2$$`, with the punctuation after it."""
    # Doubled braces would pass for markup; to TeX the space between them is nothing.
    content = " ".join(_TEX_PAIRS.sub(" ", content).split())
    if not content:
        return ending
    content = f"\\ce{{{content}}}" if name in _CHEMISTRY else content
    if not is_own_line:
        return put_aside(f"${content}$", aside)
    return f"\n{put_aside(f'$${content}$${ending}', aside)}\n"


def put_aside(content: str, aside: list[str]) -> str:
    """A mark for content that no later pass may touch."""
    aside.append(content)
    return f"{ASIDE}{len(aside) - 1}{ASIDE}"


def put_back(text: str, aside: list[str]) -> str:
    """The text with the contents kept aside in their places; a number that stands twice is put back twice."""
    return ASIDE_MARK.sub(lambda mark: aside[int(mark[1])], text) if aside else text


def _plain_tag(tag: re.Match[str]) -> str:
    name = tag[2].lower()
    if name in _SCRIPTS:
        return END_SCRIPT if tag[1] else _SCRIPTS[name]
    if name in _ITALICS:
        return "" if tag[1] else VARIABLE
    if name in _BLOCK_TAGS:
        return "\n"
    if name in ("td", "th"):
        return "" if tag[1] else " | "
    if name == "li":
        return "" if tag[1] else "\n* "
    return "" if name in _INLINE_TAGS else tag[0]


def strip_tags(text: str) -> str:
    """Text without HTML tags; blocks and breaks become line ends. Tags that no wiki knows are text and stay."""
    if "<" not in text:
        return text
    if "none" in text:
        text = _HIDDEN.sub("", text)
    text = _TAG.sub(_plain_tag, text)
    return _BROKEN_TAG.sub("", text) if "<" in text else text


def tags_to_spaces(text: str) -> str:
    """Text of a table's cell without tags that would break its line."""
    if "<" not in text:
        return text
    return _TAG.sub(lambda tag: " " if _plain_tag(tag) in _BREAKING else tag[0], text.replace("</li><li>", ", "))
