"""Recount the filter's signals: a row for each document, at its place, with the reason that its signals give."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

from manifests.comparison import Comparison
from manifests.explore.build import DROPPED, Build
from manifests.explore.decisions import SIGNALS, decisions_of
from manifests.manifest import Manifest

_FEW = 3  # lines about one part; a thousand of the same say no more
_RULES = ("gopher_repetition.", "gopher_quality.", "c4.", "fineweb.")  # the families of the published rules' signals


def recount_signals(build: Build, problems: list[str]) -> None:
    """Compare the signals with the parts beside them, and make every decision again.

    Appends a line to `problems` for the first few documents of a part that differ, and for a part that has no signals.
    A few thousand rows are in memory at a time. Builds of before signals were written have none to look at.
    """
    manifest = build.manifest("filter")
    decisions = decisions_of(manifest)
    if decisions is None:
        return
    languages: dict[str, dict[str, Counter[str]]] = {}  # by source and language: documents, and signals that are null
    for name in _part_names(manifest):
        places = [f"filter/{SIGNALS}/{name}", f"filter/{name}", f"filter/{DROPPED}/{name}"]
        missing = [path for path in places if not build.folder.exists(path)]
        problems += [f"{path}: missing, so the signals of part {name} cannot be compared" for path in missing]
        if missing:
            continue
        source = name.removeprefix("part-").rpartition("-")[0]
        comparisons = decisions.comparisons.get(source, ())
        counts = languages.setdefault(source, {})
        wrong = list(itertools.islice(_differences(build, places, comparisons, counts), _FEW + 1))
        problems += [f"{places[0]}: {line}" for line in wrong[:_FEW]]
        if len(wrong) > _FEW:
            problems.append(f"{places[0]}: more rows are wrong")
    stated = manifest.facts.get("languages")  # builds of before they were counted have none
    if stated is not None and not problems and (wrong_sources := _wrong_sources(stated, languages)):
        problems.append(f"filter/manifest.json: facts.languages: not what the signals say: {', '.join(wrong_sources)}")


def _wrong_sources(stated: dict[str, Any], counted: dict[str, dict[str, Counter[str]]]) -> list[str]:
    """Sources whose documents, by language, are not as many as stated, or not judged by other signals."""
    found = {
        source: {
            language: {"documents": counts[""], "not_judged": {name: counts[name] for name in counts if name}}
            for language, counts in languages.items()
        }
        for source, languages in counted.items()
    }
    return sorted(name for name in stated.keys() | found.keys() if stated.get(name, {}) != found.get(name, {}))


def _part_names(manifest: Manifest) -> list[str]:
    """Of all parts of the stage, whether they have documents kept, dropped, or only signals."""
    names = {entry.path.rpartition("/")[2] for entry in manifest.outputs}
    return sorted(name for name in names if name.startswith("part-"))


def _differences(
    build: Build, places: list[str], comparisons: tuple[Comparison, ...], languages: dict[str, Counter[str]]
) -> Iterator[str]:
    """In words. `places`: the part's signals, kept and dropped documents, all in the same order. `languages` counts."""
    signals, kept, dropped = places
    ids: dict[bool, Iterator[dict[str, Any]]] = {
        True: build.rows(kept, ["id"]),
        False: build.rows(dropped, ["id", "reason"]),
    }
    counted = {True: 0, False: 0}
    for number, row in enumerate(build.rows(signals)):
        silent = (name for name, value in row.items() if value is None and name.startswith(_RULES))
        languages.setdefault(row["language"], Counter()).update(["", *silent])
        is_kept = row["reason"] is None
        place = counted[is_kept]
        counted[is_kept] += 1
        document = next(ids[is_kept], None)
        if row["row"] != place or document is None or document["id"] != row["id"]:
            yield f"row {number}: document {row['id']} is not in the place that is given"
        elif not is_kept and document["reason"] != row["reason"]:
            yield f"row {number}: says {row['reason']}, the dropped part {document['reason']}"
        elif (decided := _decide(row, comparisons)) != row["reason"]:
            yield f"row {number}: says {row['reason']}, its signals and the manifest's comparisons give {decided}"
    for is_kept, rest in ids.items():
        if left := sum(1 for _ in rest):
            yield f"has no row for {left} of the documents that were {'kept' if is_kept else 'dropped'}"


def _decide(row: dict[str, Any], comparisons: tuple[Comparison, ...]) -> str | None:
    # Its own reading of a comparison, on purpose: what decided is not asked whether it decided rightly.
    for comparison in comparisons:
        value = row.get(comparison.signal)
        limit = (comparison.by_language or {}).get(row["language"], comparison.threshold)
        if value is not None and (value < limit if comparison.must_be == "at_least" else value > limit):
            return comparison.reason
    return None
