# ruff: noqa: SIM905
"""E-mail addresses.

From each `@` the domain is read forwards and the name backwards, both of bounded length, so a hostile text costs no
more than an ordinary one with as many `@`. Names and domains are ASCII or Latin letters: where a script without spaces
surrounds an address, its letters are not taken for a part of it.
"""

from __future__ import annotations

import re

from pipeline.filters.pii.spans import ZERO_WIDTH, Span

_LETTERS = f"0-9A-Za-z\u00c0-\u024f{ZERO_WIDTH}"
_DOMAIN = rf"(?:[0-9A-Za-z\u00c0-\u024f][{_LETTERS}-]{{0,62}}\.){{1,8}}(?:[A-Za-z]{{2,24}}|xn--[0-9a-z-]{{2,59}})"
_AFTER = r"(?![0-9A-Za-z_]|-[0-9A-Za-z])"
_PLAIN_AT = re.compile(f"@{_DOMAIN}{_AFTER}")
_ANY_AT = re.compile(f"[@\uff20\ufe6b]{_DOMAIN}{_AFTER}")
_NAME_BACKWARDS = re.compile(rf"[{_LETTERS}._%+'-]*")
_LONGEST_NAME = 254  # characters; RFC 5321 allows 64 in a name and 254 in the whole address
_INVISIBLE = re.compile(f"[{ZERO_WIDTH}]")
_NOT_AT_THE_START = ".'%+-"

# RFC 2606 and RFC 6761: nobody's.
_RESERVED = re.compile(r"(?:^|[.@])(?:example\.(?:com|net|org)|example|invalid|test|localhost)$")
# Names of files with an `@` in them, such as images for dense screens.
_FILE_ENDINGS = frozenset(
    (
        "avif bmp css csv docx gif htm html ico jpeg jpg js json less mp3 mp4 pdf php png scss svg ts tsx txt webp xml"
    ).split()
)


def find_emails(text: str) -> list[Span]:
    """The addresses of a text, in order. Addresses that run into each other without a gap are one."""
    if "\uff20" in text or "\ufe6b" in text:
        at_domain = _ANY_AT
    elif "@" in text:
        at_domain = _PLAIN_AT
    else:
        return []
    found: list[Span] = []
    for match in at_domain.finditer(text):
        at, end = match.span()
        before = found[-1].end if found else 0
        start = _start_of_name(text, at, before)
        if found and start <= before:
            start = found.pop().start
        elif start >= at or match.group().rpartition(".")[2].lower() in _FILE_ENDINGS:
            continue
        value = _INVISIBLE.sub("", text[start:end]).replace("\uff20", "@").replace("\ufe6b", "@").lower()
        is_personal = value.count("@") > 1 or _RESERVED.search(value) is None
        found.append(Span(start, end, "email", value, is_personal))
    return found


def _start_of_name(text: str, at: int, least: int) -> int:
    """Where the name before the `@` starts; `at` where there is none, `least` where it reaches back to there."""
    lowest = max(least, at - _LONGEST_NAME)
    match = _NAME_BACKWARDS.match(text[lowest:at][::-1])
    length = match.end() if match else 0
    if length == at - lowest:
        return least if lowest == least and least else (at if lowest else _skip(text, 0, at))
    return _skip(text, at - length, at)


def _skip(text: str, start: int, at: int) -> int:
    """Past signs that no name begins with."""
    while start < at and (text[start] in _NOT_AT_THE_START or _INVISIBLE.match(text[start])):
        start += 1
    return start
