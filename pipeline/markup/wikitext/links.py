"""Links of wikitext: labels stay; files, categories, links to other languages and bare footnote links go."""

from __future__ import annotations

import re

from pipeline.markup.wikitext.names import normal_prefix
from pipeline.markup.wikitext.tags import CUT

MAX_LINK_DEPTH = 24  # links open inside links: captions of files hold links, and more levels are none
_MAX_CAPTION = 6000  # characters; a file that holds more has not been closed where it should
# Links to plain titles with nothing inside: the first group is a label, the second a title.
_PLAIN = re.compile(r"\[\[(?:[^\[\]|\n:{}<>]++\|([^\[\]|]++)|(?!//)([^\[\]|\n:{}<>]++))\]\]")
_BRACKETS = re.compile(r"\[\[++|\]\]++")
_EXTERNAL = re.compile(
    r"\[(?:(?:https?|ftps?|irc|gopher|news|mailto|geo|tel|sftp|git|svn|magnet|urn):|//)[^\s\[\]<>\"']++(?:'(?!')[^\s\[\]<>\"']*+)*+"
    r"(?:[ \t\xa0\u3000]*+([^\[\]\n]*+(?:\[[^\[\]\n]*+\][^\[\]\n]*+)*+))\]",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"(?:https?:)?//\S", re.IGNORECASE)
_CLOSED_BY_ONE = re.compile(r"[^\[\]|\n]*+\|([^\[\]\n|]*+)\](?!\])")


def strip_links(text: str, dropped: frozenset[str]) -> str:
    """Text with links replaced by their labels; `dropped`: prefixes in lower case of links that show none."""
    if "[" not in text:
        return text
    # A split with groups gives what stands between the links and what shows of them, without a call for each.
    if "[[" in text:
        text = "".join(filter(None, _PLAIN.split(text)))
    if "[[" in text or "]]" in text:
        text = _strip_nested(text, dropped)
    if "[" in text:
        text = "".join(filter(None, _EXTERNAL.split(text)))
    return text


def _strip_nested(text: str, dropped: frozenset[str]) -> str:
    stack: list[list[str]] = []
    root: list[str] = []
    parts = root
    position = ignored = 0
    for token in _BRACKETS.finditer(text):
        start, end = token.span()
        # One bracket too many opens or closes a link to elsewhere, which is outside the first and inside the last.
        start += (end - start) % 2
        if position < start:
            parts.append(text[position:start])
        position = end
        if text[start] == "[":
            for _ in range(start, end, 2):
                if len(stack) == MAX_LINK_DEPTH:
                    ignored += 1
                    continue
                parts = []
                stack.append(parts)
            continue
        for _ in range(start, end, 2):
            if ignored:
                ignored -= 1
            elif stack:
                body = "".join(stack.pop())
                parts = stack[-1] if stack else root
                parts.append(_shown(body, dropped))
    parts.append(text[position:])
    for opened in stack:
        root.append(_unclosed("".join(opened), dropped))
    return "".join(root)


def _prefix(target: str) -> str:
    return normal_prefix(target.partition(":")[0])


def _shown(body: str, dropped: frozenset[str]) -> str:
    """The text that a link of this content shows."""
    target, separator, label = body.partition("|")
    target = target.strip()
    if "\n" in target:
        return body
    if ":" in target and target[0] != ":" and _prefix(target) in dropped:
        if len(body) > _MAX_CAPTION and "\n\n" in body:
            return CUT + body[body.index("\n\n") :]
        return CUT
    if separator and label:
        return label.replace("|", " ") if "|" in label else label
    if _ADDRESS.match(target):  # a link to elsewhere in the brackets of one to a page
        return target.partition(" ")[2]
    return target.removeprefix(":")


def _unclosed(text: str, dropped: frozenset[str]) -> str:
    """The text that stays behind brackets that nothing closes."""
    line = text.partition("\n")[0]
    if ":" in line and _prefix(line) in dropped:
        return CUT + text[len(line) :]
    label = _CLOSED_BY_ONE.match(text)
    return label[1] + text[label.end() :] if label else text
