"""Choices between language variants, `-{zh-hans:a;zh-hant:b}-`, by the rules of MediaWiki's language converter."""

from __future__ import annotations

import re

_CODES = (
    "zh(?:-(?:hans|hant|cn|tw|hk|mo|my|sg))?|sr(?:-(?:ec|el|cyrl|latn))?|kk(?:-(?:cyrl|latn|arab|kz|tr|cn))?"
    "|ku(?:-(?:arab|latn))?|tg(?:-(?:cyrl|latn))?|uz(?:-(?:cyrl|latn))?|crh(?:-(?:cyrl|latn))?|gan(?:-(?:hans|hant))?"
    "|iu|ike-(?:cans|latn)|shi(?:-(?:tfng|latn))?|sh(?:-(?:cyrl|latn))?|wuu(?:-(?:hans|hant))?|tly(?:-cyrl)?"
    "|ban(?:-(?:bali|x-dharma|x-palmleaf|x-pku))?|mni(?:-(?:beng|mtei))?|en(?:-x-piglatin)?"
)
_CHOICE = re.compile(rf"(?:([^;]*?)=>)?\s*({_CODES})\s*:(.*)", re.DOTALL | re.IGNORECASE)
# A semicolon parts only before a code and its colon, or at the end: entities and attributes hold others.
_PARTING = re.compile(rf";\s*+(?=(?:[^;]*?=>\s*)?(?:{_CODES})\s*:|\Z)", re.IGNORECASE)
_FLAGS = frozenset("ATRDHN-")
_CODE = re.compile(_CODES, re.IGNORECASE)
_BEFORE_WORDING = re.compile(rf"(?:{_CODES})\s*+:", re.IGNORECASE)
_BRACKETS = re.compile(r"-\{|\}-")
_MOST_NESTED = 10
_MOST_CHARACTERS = 2000
_LANGUAGES = frozenset(
    {"zh", "sr", "kk", "ku", "tg", "uz", "crh", "gan", "iu", "shi", "sh", "wuu", "tly", "ban", "mni"}
)


def pick_variants(text: str, language: str | None) -> str:
    """Text with the wording of each choice that MediaWiki shows where nothing is converted: the first.

    language: ISO 639 code of the wiki's; where it has no variants, brackets without a code are text.
    """
    if "-{" not in text:
        return text
    keeps_plain = language is not None and language not in _LANGUAGES
    root: list[str] = []
    stack: list[list[str]] = []
    parts = root
    position = 0
    for bracket in _BRACKETS.finditer(text):
        parts.append(text[position : bracket.start()])
        position = bracket.end()
        if bracket[0] == "-{":
            if len(stack) == _MOST_NESTED:
                parts.append("-{")
                continue
            parts = []
            stack.append(parts)
            continue
        if not stack:
            parts.append("}-")
            continue
        content = "".join(stack.pop())
        parts = stack[-1] if stack else root
        is_plain = len(content) > _MOST_CHARACTERS or (keeps_plain and _BEFORE_WORDING.search(content) is None)
        parts.append(f"-{{{content}}}-" if is_plain else _shown(content))
    parts.append(text[position:])
    for opened in stack:
        root.append("-{")
        root += opened
    return "".join(root)


def _shown(content: str) -> str:
    """What a choice shows."""
    before, bar, rules = content.partition("|")
    flags: set[str] = set()
    is_for_variants = False
    if bar:
        for flag in before.split(";"):
            flag = flag.strip()
            flags |= {flag} & _FLAGS
            is_for_variants = is_for_variants or _CODE.fullmatch(flag) is not None
    else:
        rules = content
    if "R" in flags or (is_for_variants and not flags):
        return rules
    if "N" in flags:
        return rules  # the name of a variant: its code
    if flags & {"-", "T", "H", "D"}:  # for titles, or for the words of other places
        return ""
    first = None
    for choice in _PARTING.split(rules):
        if not choice.strip():
            continue
        found = _CHOICE.fullmatch(choice.strip())
        if found is None:
            return rules  # no choice, so the content stands
        if first is None or (first == "" and found[3].strip()):
            first = found[3].strip()
    return rules if first is None else first
