"""What the filter bench reads: main texts of real pages with their language, and texts that are hostile to a filter."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bench.data import OUTPUT
from bench.extraction_data import NEWS_SETS, read_pages
from manifests.code import code_digest
from pipeline.filters.language import identify_language
from pipeline.markup.html import extract_main_text


class Page(NamedTuple):
    """The main text of a page. The language is what its collection states, else what is identified."""

    file: str
    language: str
    text: str


def real_pages() -> list[Page]:
    """The pages of both collections that have a main text, extracted once and kept under `build/bench`."""
    version = code_digest(("pipeline.markup.html", "pipeline.filters.language"))[:12]
    kept = OUTPUT / "data" / f"filter-pages-{version}.jsonl"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_suffix(".unfinished")
        with unfinished.open("w", encoding="utf-8") as file:
            for name in NEWS_SETS:
                for page in read_pages(name):
                    text = extract_main_text(page.html)
                    if text.strip():
                        language = page.language or identify_language(text).code
                        file.write(json.dumps([page.file, language, text]) + "\n")
        os.replace(unfinished, kept)
    with kept.open(encoding="utf-8") as lines:
        return [Page(*json.loads(line)) for line in lines]


def _repeated(unit: str) -> Callable[[int], str]:
    return lambda size: unit * (size // len(unit.encode("utf-8")) + 1)


def _drawn(characters: str) -> Callable[[int], str]:
    return lambda size: "".join(random.Random(0).choices(characters, k=size))


def _different_words(size: int) -> str:
    words: list[str] = []
    length = 0
    while length < size:
        words.append("w" + f"{len(words):x}".translate(str.maketrans("0123456789", "ghijklmnop")))
        length += len(words[-1]) + 1
    return " ".join(words)


def _any_code_points(size: int) -> str:
    codes = np.random.default_rng(0).integers(0, 0x110000, size // 4, dtype=np.uint32)
    return codes.tobytes().decode("utf-32-le", "surrogatepass")


_PROSE = "The committee met on Tuesday to discuss the plan, and most of its members agreed with what had been said. "
HOSTILE: dict[str, tuple[str, Callable[[int], str]]] = {
    "prose on one line": ("en", _repeated(_PROSE)),
    "one word": ("en", lambda size: "a" * size),
    "a repeated word": ("en", _repeated("spam ")),
    "all different words": ("en", _different_words),
    "Chinese": ("zh", _repeated("他们在星期二开会讨论了这个计划，大多数成员都同意。")),
    "any code points": ("en", _any_code_points),
    "new lines": ("en", lambda size: "\n" * size),
    "short lines": ("en", _repeated("ab\n")),
    "one mark": ("en", lambda size: ")" * size),
    "marks": ("en", _drawn("().,;:'\"-—!?[]{}#$%&*+/<=>@\\^_`|~")),
    "marks and digits": ("en", _drawn("ab1. -'$")),
    "hyphens": ("en", _repeated("a-b ")),
}
"""Texts of so many bytes, each with the language it is judged in."""
