"""Tells a document's way through the stages, for the commands `drops` and `trace`."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NoReturn

from manifests.comparison import Comparison
from manifests.errors import UserError
from manifests.explore.build import Build
from manifests.explore.decisions import decisions_of
from manifests.explore.sightings import Journey, Sighting, find_journeys, near_urls
from manifests.explore.sql import Tables
from manifests.manifest import Manifest

_EXCERPT = 300  # characters
_WHOLE = 1e15  # up to there a whole number is a count of something

Limits = dict[tuple[str, str], Comparison]  # (source, reason) -> the one comparison that decides so


def limits_of(build: Build) -> Limits:
    """The comparisons that the filter stage recorded; empty for a build without them.

    A reason that several comparisons have is left out, since a drop does not say which of them it was.
    """
    decisions = decisions_of(build.manifests["filter"]) if "filter" in build.manifests else None
    if decisions is None:
        return {}
    found = [((source, row.reason), row) for source, rows in decisions.comparisons.items() for row in rows]
    number = Counter(key for key, _ in found)
    return {key: row for key, row in found if number[key] == 1}


def journey_lines(build: Build, journey: Journey, limits: Limits) -> list[str]:
    """A document, and what each stage did with it."""
    document = journey.last.document
    lines = [f"{document['id']}  {document['source']}"]
    for sighting in journey.sightings:
        lines.append(_sighting_line(sighting, limits))
        if not sighting.kept and sighting.document["duplicate_of"]:
            lines.append(f"  copy of   {copy_text(sighting.document, build.manifests.get('dedup'))}")
    if journey.copies:
        by_source = ", ".join(f"{name} {number:,}" for name, number in _copies_of(journey).items())
        lines.append(f"  copies    {journey.copies:,} others were dropped as copies of it ({by_source})")
    lines += [
        f"  cut       {cut['characters']:,} characters in {cut['places']:,} places: {cut['reason']} (dedup/edits)"
        for cut in journey.cuts
    ]
    lines += [f"  tokens    {place['shard']}:{place['start']} ({place['length']:,} tokens)" for place in journey.places]
    if _left_out(build, journey):
        lines.append(
            "  not in the shards: the weight of its source, page type or cluster leaves it out (mixture_weight)"
        )
    return lines


def journey_data(build: Build, journey: Journey, limits: Limits) -> dict[str, Any]:
    """The same as a value for JSON."""
    document = journey.last.document
    return {
        **{name: document[name] for name in ("id", "url", "source", "language", "date", "file", "offset", "length")},
        "stages": [_sighting_data(sighting, limits) for sighting in journey.sightings],
        "copies": journey.copies,
        "copies_by_source": _copies_of(journey),
        "cuts": journey.cuts,
        "tokens": journey.places,
        "left_out_by_weight": _left_out(build, journey),
    }


def _copies_of(journey: Journey) -> dict[str, int]:
    copies: dict[str, int] = json.loads(journey.last.document.get("copies") or "{}")
    return copies


def copy_text(drop: dict[str, Any], dedup: Manifest | None) -> str:
    """What a dropped document is a copy of, and how that was shown. `dedup`: the manifest of its stage."""
    settings = dedup.fingerprint_of.settings.get("dedup", {}).get("minhash", {}) if dedup is not None else {}
    said = f"{drop['duplicate_of']}, "
    if drop["reason"] == "exact_duplicate":
        return f"{said}equal but for white space"
    if drop["reason"] == "url_duplicate":
        return f"{said}of the same URL"
    said += "texts not compared" if drop["value"] is None else f"{settings.get('measure')} {drop['value']:.3f}"
    if drop.get("estimated_similarity") is None:
        return said
    buckets = f"{drop['shared_buckets']} of {settings.get('num_buckets')} buckets"
    return f"{said} (estimated {drop['estimated_similarity']:.3f}, {buckets})"


def nowhere(build: Build, tables: Tables, column: str, value: str) -> NoReturn:
    """Raises the `UserError` that says that the build never read a document, and what it has that is like it."""
    other, option = ("id", "--doc") if column == "url" else ("url", "--url")
    if find_journeys(build, tables, other, value):
        hint = f"A document has this {other}: use {option}."
    elif column == "url" and (near := near_urls(build, tables, value)):
        hint = f"Of the same host: {' '.join(near)}"
    else:
        hint = "Check the spelling."
    raise UserError(f"{build.url}: no document with {column} {value!r} was ever read. {hint}")


def _left_out(build: Build, journey: Journey) -> bool:
    if "shards" not in build.manifests or journey.places:
        return False
    return journey.last.kept and journey.last.stage == build.manifests["shards"].documents_from


def _sighting_line(sighting: Sighting, limits: Limits) -> str:
    if sighting.kept:
        return f"  kept by   {sighting.stage}: {sighting.part}, row {sighting.row}"
    return f"  dropped   {sighting.stage}: {sighting.document['reason']}{value_of(sighting.document, limits)}"


def _sighting_data(sighting: Sighting, limits: Limits) -> dict[str, Any]:
    data: dict[str, Any] = {"stage": sighting.stage, "kept": sighting.kept, "part": sighting.part, "row": sighting.row}
    if sighting.kept:
        return data
    drop = sighting.document
    data |= {name: drop[name] for name in ("reason", "value", "detail", "duplicate_of", "cluster")}
    data |= {name: drop.get(name) for name in ("shared_buckets", "estimated_similarity")}
    if limit := limits.get((drop["source"], drop["reason"])):
        threshold = limit.limit(drop["language"])
        data |= {"must_be": limit.must_be, "threshold": threshold, "setting": limit.setting}
    return data


def value_of(drop: dict[str, Any], limits: Limits) -> str:
    """The value of a drop, the threshold that it broke and the setting that holds it, and its detail."""
    limit = limits.get((drop["source"], drop["reason"])) if drop["stage"] == "filter" else None
    if limit is not None and limit.setting == "page_types":
        return f" (not among {limit.setting}): {drop['detail']}"  # its value is but no
    said = []
    if drop["value"] is not None and not drop["duplicate_of"]:  # `copy_text` says how like the two are
        said.append(number_text(drop["value"]))
    if limit is not None and not limit.signal.startswith("urls.url_"):  # these are yes or no
        threshold = limit.limit(drop["language"])
        said.append(f"{limit.setting or limit.must_be.replace('_', ' ')} is {number_text(threshold)}")
    value = f" ({'; '.join(said)})" if said else ""
    return f"{value}{': ' + drop['detail'] if drop['detail'] else ''}"


def number_text(value: float) -> str:
    """A number for people: whole ones in full, others (and those beyond all counting) with six digits."""
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < _WHOLE else f"{value:.6g}"


def excerpt(text: str | None) -> str:
    """The beginning of a text, on one line."""
    folded = " ".join((text or "").split())
    return folded if len(folded) <= _EXCERPT else folded[: _EXCERPT - 3] + "..."
