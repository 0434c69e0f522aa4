"""The funnel: how many documents each stage took in, dropped by reason, and gave on, for each source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from manifests.explore.build import Build
from manifests.manifest import Manifest


@dataclass(frozen=True)
class Step:
    """Counts of one stage and one source. `dropped`: reason -> documents, the most frequent first."""

    source: str
    stage: str
    documents_in: int
    documents_out: int
    dropped: dict[str, int]
    rows: bool  # whether the dropped documents are in the build

    def share(self, number: int) -> float:
        """A number of documents as a share of those that came in."""
        return number / self.documents_in if self.documents_in else 0.0


def funnel(build_or_manifest: Build | Manifest) -> list[Step]:
    """All steps of a build, or of the stage of one manifest: source by source, in the order of the stages."""
    if isinstance(build_or_manifest, Manifest):
        manifests = {build_or_manifest.stage: build_or_manifest}
    else:
        manifests = build_or_manifest.manifests
    steps = [
        Step(
            source,
            stage,
            counts.documents_in,
            counts.documents_out,
            dict(sorted(counts.dropped.items(), key=lambda item: (-item[1], item[0]))),
            manifest.writes_documents,
        )
        for stage, manifest in manifests.items()
        if manifest.writes_documents or manifest.documents_from is not None
        for source, counts in manifest.counts.sources.items()
    ]
    sources = list(dict.fromkeys(step.source for step in steps))
    return sorted(steps, key=lambda step: sources.index(step.source))


def funnel_lines(build_or_manifest: Build | Manifest) -> list[str]:
    """The funnel as lines of text: a line for what came in, one for each reason, and one for what went on.

    Shares are of the documents that came into that stage. The runner prints those of one manifest where a stage drops
    more than it may.
    """
    steps = funnel(build_or_manifest)
    width = max([len(step.source) for step in steps] + [12])
    reasons = max([len(reason) for step in steps for reason in step.dropped] + [24])

    def line(step: Step, what: str, number: int, share: float | None = None, note: str = "") -> str:
        percent = "" if share is None else f"{100 * share:9.2f} %"
        return f"{step.stage:<10} {step.source:<{width}} {what:<{reasons}} {number:>13,}{percent}{note}".rstrip()

    lines = []
    for step in steps:
        if not step.rows and not step.dropped:
            continue  # a stage that passed on all it read says nothing new
        lines.append(line(step, "in", step.documents_in))
        note = "" if step.rows else "  (counted only, no rows)"
        lines += [line(step, reason, number, step.share(number), note) for reason, number in step.dropped.items()]
        lines.append(line(step, "out", step.documents_out, step.share(step.documents_out)))
    return lines


def reason_table(build: Build) -> Iterator[tuple[str, str, str, int]]:
    """(stage, source, reason, number), stage by stage, the most frequent first."""
    for stage in build.document_stages:
        for step in funnel(build):
            if step.stage == stage:
                for reason, number in step.dropped.items():
                    yield stage, step.source, reason, number


def counted_table(build: Build) -> Iterator[tuple[str, str, str, int]]:
    """As `reason_table`, for the stages that only count what they pass over: no rows are written for it."""
    for step in funnel(build):
        if not step.rows:
            for reason, number in step.dropped.items():
                yield step.stage, step.source, reason, number
