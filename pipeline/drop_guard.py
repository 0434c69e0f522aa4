"""Stops a build in which a source, or a whole stage, loses more of its documents than the recipe accepts."""

from __future__ import annotations

import shlex

from manifests.errors import UserError
from manifests.explore.funnel import funnel_lines
from manifests.manifest import Counts, Manifest, SourceCounts
from pipeline.engine.runner import Watcher


def check_dropped(manifest: Manifest, most: float, output: str, watcher: Watcher) -> None:
    """Look at a finished stage. `most`: the largest share of documents that it may drop, of a source and of all.

    Raises `UserError`, after the stage's funnel was shown, where it dropped more. The stage is complete all the same,
    and is reused when the recipe accepts the loss.
    """
    if not manifest.writes_documents:
        return
    counted: list[tuple[str, Counts | SourceCounts]] = [
        (f"source {name!r}", counts) for name, counts in manifest.counts.sources.items()
    ]
    for name, counts in [("all sources together", manifest.counts), *counted]:
        lost = counts.documents_in - counts.documents_out
        if lost <= most * counts.documents_in:
            continue
        for line in funnel_lines(manifest):
            watcher.note(line)
        reason, number = max(counts.dropped.items(), key=lambda item: (item[1], item[0]))
        raise UserError(
            f"{manifest.stage}: {lost:,} of {counts.documents_in:,} documents of {name} were dropped "
            f"({number:,} for {reason}), more than the {100 * most:g} % that max_dropped_fraction accepts. Look at "
            f"them with `groundup drops {shlex.quote(output)} --reason {reason}`, or accept it with --set "
            "max_dropped_fraction=1."
        )
