"""Says where a source's documents went when a stage drops more than half of them, and what would keep them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from manifests.comparison import Comparison
from manifests.errors import shown
from manifests.explore.build import DROPPED, Build
from manifests.explore.decisions import Decisions, decisions_of
from manifests.explore.journeys import copy_text, number_text
from manifests.explore.least_kept import by_page_type
from manifests.manifest import Manifest

_MUCH = 0.5  # of a source's documents
_LITTLE, _FEW = 0.3, 20  # of what the pages of a type show; and a type of fewer pages is not named
_REASONS = 3
_COLUMNS = [
    "id",
    "url",
    "reason",
    "value",
    "detail",
    "language",
    "duplicate_of",
    "shared_buckets",
    "estimated_similarity",
]
# What keeps documents of a reason that the filter's comparisons do not name; `{source}` is the source's table.
_SETTINGS = {
    "exact_duplicate": "--set dedup.exact=false",
    "near_duplicate": "a higher dedup.minhash.threshold, or --set dedup.minhash.enabled=false",
    "url_duplicate": "--set dedup.url=false",
    "contaminated": "--set dedup.decontaminate.files='[]'",
    "repeated_lines": "--set dedup.lines.enabled=false",
    "page_timeout": "a higher extract.page_seconds",
    "page_memory": "a higher extract.page_memory_megabytes",
    "page_too_large": "a higher extract.max_page_characters, where the raw file allows it",
    "not_source": "their endings in {source}.extensions",
    "too_large": "a higher {source}.max_file_bytes",
    "vendored": "--set {source}.vendored=true",
    "no_gutenberg_markers": "--set {source}.format='\"text\"'",
}


def loss_lines(build: Build, manifest: Manifest) -> Iterator[str]:
    """For each type of page of which little is kept, a line; for each source that lost more than half in a stage, one
    with the largest reasons, and one for each of these.

    A reason's line has one example, its value against the threshold, and the setting that would keep such documents.
    """
    decisions = decisions_of(manifest)
    for row in by_page_type(manifest):
        if row.share < _LITTLE and row.pages >= _FEW:
            yield (
                f"{manifest.stage}: of {row.pages:,} pages of type {row.name} {100 * row.share:.0f} % of the "
                f"characters that they show are kept. See them with: groundup drops {shlex.quote(build.url)} --lost"
            )
    for source, counts in manifest.counts.sources.items():
        lost = counts.documents_in - counts.documents_out
        if not manifest.writes_documents or lost <= _MUCH * counts.documents_in:
            continue
        reasons = sorted(counts.dropped.items(), key=lambda item: (-item[1], item[0]))
        largest = dict(reasons[:_REASONS])
        said = ", ".join(f"{reason} {number:,}" for reason, number in largest.items())
        more = f", and {len(reasons) - _REASONS} more reasons" if len(reasons) > _REASONS else ""
        yield (
            f"{manifest.stage}: source {source} loses {lost:,} of {counts.documents_in:,} documents: {said}{more}. "
            f"See them with: groundup drops {shlex.quote(build.url)} --source {source} --reason REASON"
        )
        examples = _examples(build, manifest, source, set(largest))
        for reason in largest:
            drop, broken = examples[reason], _broken(decisions, source, examples[reason])
            example = shown(f"{drop['url'] or drop['id']}{_measured(manifest, drop, broken)}")
            yield f"  {reason}: {example}. {_keeps(source, drop, broken)}."


def _examples(build: Build, manifest: Manifest, source: str, reasons: set[str]) -> dict[str, dict[str, Any]]:
    """The first dropped document of each reason."""
    found: dict[str, dict[str, Any]] = {}
    for entry in manifest.outputs:
        if entry.path.rpartition("-")[0] != f"{DROPPED}/part-{source}" or not entry.documents:
            continue
        for table in build.tables(f"{manifest.stage}/{entry.path}", _COLUMNS):
            for row in table.to_pylist():
                if row["reason"] in reasons and row["reason"] not in found:
                    found[row["reason"]] = row
            if len(found) == len(reasons):
                return found
    return found


def _broken(decisions: Decisions | None, source: str, drop: dict[str, Any]) -> list[Comparison]:
    """The comparisons, one of which dropped a document: those of its reason that can have."""
    if decisions is None:
        return []
    broken = [row for row in decisions.comparisons.get(source, ()) if row.reason == drop["reason"]]
    if drop["reason"] == "language":
        languages = decisions.setting("languages", source) or decisions.setting("languages") or []
        is_wanted = any(drop["detail"] in (code, f"{code}-{drop['detail'].partition('-')[2]}") for code in languages)
        broken = [row for row in broken if (row.setting == "languages") != is_wanted]
    return broken


def _measured(manifest: Manifest, drop: dict[str, Any], broken: list[Comparison]) -> str:
    """The value against its threshold, the detail, and of a copy what is kept in its place."""
    said = [str(drop["detail"])] if drop["detail"] else []
    if drop["value"] is not None and not drop["duplicate_of"]:
        limits = [
            f", not {row.must_be.replace('_', ' ')} {number_text(row.limit(drop['language']))}"
            for row in broken[:1]
            if not _is_yes_or_no(row)
        ]
        said.append(number_text(drop["value"]) + "".join(limits))
    if drop["duplicate_of"]:
        said.append(f"copy of {copy_text(drop, manifest)}")
    return f" ({'; '.join(said)})" if said else ""


def _keeps(source: str, drop: dict[str, Any], broken: list[Comparison]) -> str:
    """The setting that would keep documents like this one."""
    place = f"sources.{source}"
    if [row.setting for row in broken] in (["languages"], ["page_types"]):
        return f"To keep them: --set {place}.filter.{broken[0].setting}='[]'"
    settings = {row.setting: row for row in broken if row.setting}
    if not settings:
        keeps = _SETTINGS.get(drop["reason"])
        return f"To keep them: {keeps.format(source=place)}" if keeps else "No setting keeps them"
    wanted = [
        f"another {place}.filter.{setting}"
        if _is_yes_or_no(row)
        else f"a {'lower' if row.must_be == 'at_least' else 'higher'} {place}.filter.{setting}"
        for setting, row in settings.items()
    ]
    return f"To keep them: {' or '.join(wanted)}"


def _is_yes_or_no(row: Comparison) -> bool:
    """Whether a signal is yes or no rather than a number: those of URL lists, languages and page types are."""
    return row.signal.startswith("urls.url_") or row.setting in ("languages", "page_types")
