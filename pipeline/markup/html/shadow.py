"""Declarative shadow trees (`<template shadowrootmode>`) as the page that a browser shows: with what slots hold.

https://html.spec.whatwg.org/multipage/scripting.html#attr-template-shadowrootmode: the first such template among the
children of an element that can have a shadow tree takes the place of its children. A slot shows the children that name
it, one without a name those that name none, and where there are none its own content. Other children are not shown.
"""

from __future__ import annotations

import re

from pipeline.markup.html.tokens import TOKEN, Ends, attributes_of, is_void

_SHADOW = re.compile(r"shadowrootmode\s*=\s*[\"']?(?:open|closed)(?![\w-])", re.IGNORECASE)
_HOSTS = frozenset(
    {"article", "aside", "blockquote", "body", "div", "footer", "header", "main", "nav", "p", "section", "span"}
    | {"h1", "h2", "h3", "h4", "h5", "h6"}
)
_MAX_DEPTH = 24  # of shadow trees in each other


def flattened(text: str, depth: int = 0) -> str:
    """The markup with shadow trees in the places of what they are hosted by."""
    if depth > _MAX_DEPTH or _SHADOW.search(text) is None:
        return text
    parts: list[str] = []
    done = 0
    hosts: list[tuple[str, int]] = []  # open elements: name, where the content starts
    ends = Ends(text)
    position = 0
    while (token := TOKEN.search(text, position)) is not None:
        position = token.end()
        name = (token[5] or "").lower()
        if not name:
            continue
        if token[4]:
            place = next((at for at in range(len(hosts) - 1, -1, -1) if hosts[at][0] == name), None)
            if place is not None:
                del hosts[place:]
            continue
        if name == "template":
            inside = ends.of(name, position)
            if inside is None:
                break
            host, start = hosts[-1] if hosts else ("", 0)
            if _SHADOW.search(token[6]) is not None and start >= done and (host in _HOSTS or "-" in host):
                outside = ends.of(host, inside[1])
                stop = outside[0] if outside is not None else len(text)
                children = text[start : token.start()] + text[inside[1] : stop]
                shown = _with_slots(text[position : inside[0]], _by_slot(children))
                parts += [text[done:start], flattened(shown, depth + 1)]
                position = done = stop
            else:
                position = inside[1]
        elif not is_void(name, token[6]):
            hosts.append((name, position))
    parts.append(text[done:])
    return "".join(parts)


def _by_slot(children: str) -> dict[str, str]:
    """The markup of an element's children by the slot that they name; text, and what names none, under ""."""
    slots: dict[str, list[str]] = {}
    ends = Ends(children)
    done = 0
    while (token := TOKEN.search(children, done)) is not None:
        slots.setdefault("", []).append(children[done : token.start()])
        done = token.end()
        if token[5] and not token[4]:
            name = token[5].lower()
            inside = None if is_void(name, token[6]) else ends.of(name, done)
            done = inside[1] if inside is not None else done
            slot = attributes_of(token[6]).get("slot", "")
            slots.setdefault(slot, []).append(children[token.start() : done])
        elif token[1]:
            slots[""].append(token[0])
    slots.setdefault("", []).append(children[done:])
    return {slot: "".join(parts) for slot, parts in slots.items()}


def _with_slots(content: str, children: dict[str, str]) -> str:
    """A shadow tree with its slots filled; templates inside it have slots of their own."""
    parts: list[str] = []
    done = 0
    ends = Ends(content)
    left = dict(children)
    while (token := TOKEN.search(content, done)) is not None:
        parts.append(content[done : token.start()])
        done = token.end()
        name = (token[5] or "").lower()
        inside = ends.of(name, done) if name in ("slot", "template") and not token[4] else None
        if inside is None:
            parts.append("" if name == "slot" else token[0])
        elif name == "template":
            parts.append(content[token.start() : inside[1]])
            done = inside[1]
        else:
            shown = left.pop(attributes_of(token[6]).get("name", ""), "")
            parts.append(shown if shown.strip() else _with_slots(content[done : inside[0]], left))
            done = inside[1]
    parts.append(content[done:])
    return "".join(parts)
