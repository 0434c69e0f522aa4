"""Builds with planted copies: two sources, exact and near copies, equal URLs, and a build against the first."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from manifests.explore.build import Build
from pipeline.build import run_build
from pipeline.recipe import load_recipe

_RECIPE = """
name = "copies"
output = "{output}"
max_dropped_fraction = 1
[[sources]]
name = "zeta"
kind = "files"
paths = ["zeta.jsonl"]
format = "jsonl"
[[sources]]
name = "alpha"
kind = "files"
paths = ["alpha.jsonl"]
format = "jsonl"
[filter]
languages = []
rules = []
[dedup]
url = true
{dedup}
"""


def planted(number: int = 60) -> dict[str, list[dict[str, Any]]]:
    """Documents by source: of each third one near copies, of each fifth an exact one, of each tenth one of its URL."""
    draw = random.Random(3)
    sources: dict[str, list[dict[str, Any]]] = {"zeta": [], "alpha": []}
    for page in range(number):
        words = _words(draw, 400)
        name = ("zeta", "alpha")[page % 2]
        sources[name].append(_row(f"d{page}", words, f"https://one.example/{page}", 2000 + page % 20))
        if page % 3 == 0:
            for edits in (1, 3, 5, 8):
                near = [*words, *_words(draw, edits)]
                for _ in range(edits):
                    near[draw.randrange(len(near))] = draw.choice(["seven", "blue", "river"])
                sources["zeta"].append(_row(f"d{page}-near{edits}", near, f"https://two.example/{page}/{edits}", 2030))
        if page % 5 == 0:
            row = _row(f"d{page}-copy", words, f"https://three.example/{page}", 2021)
            sources["alpha"].append({**row, "text": row["text"].replace(" ", "\n\n")})
        if page % 10 == 1:
            row = _row(f"d{page}-url", _words(draw, 200), f"http://www.one.example/{page}/#top", 1999)
            sources["alpha"].append(row)
    return sources


def _words(draw: random.Random, number: int) -> list[str]:
    return ["".join(draw.choice("abcdefgh") for _ in range(4)) for _ in range(number)]


def _row(id: str, words: list[str], url: str, year: int) -> dict[str, Any]:
    return {"id": id, "text": " ".join(words), "url": url, "date": f"{year}-05-01"}


def make_copies_build(folder: Path, dedup: str = "", output: str = "out") -> Build:
    """Build the planted documents up to `dedup`, whose table has these lines, too."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in planted().items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    recipe = folder / f"{output}.toml"
    recipe.write_text(_RECIPE.format(output=folder / output, dedup=dedup), encoding="utf-8")
    run_build(load_recipe(recipe), until="dedup")
    return Build(str(folder / output))
