"""Edits under audit: a document that `dedup` kept is the one before it without the characters that it says it cut."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from manifests.explore.build import Build
from manifests.explore.clusters import STAGE, stored_files

EDITS = "edits"
_FEW = 10  # problems that are named


def check_edits(build: Build, problems: list[str], checked: Counter[str]) -> None:
    """Each edit is recomputed from the text before it, and edits are counted again by source and reason."""
    manifest = build.manifest(STAGE)
    before = {entry.path.rpartition("/")[2]: entry.path for entry in reversed(manifest.inputs)}
    counted: Counter[tuple[str, str]] = Counter()
    found: list[str] = []
    for path in stored_files(manifest, EDITS):
        name = path.rpartition("/")[2]
        parts = (before[name], f"{STAGE}/{name}")  # with their rows; what is asked for is ascending in both
        originals, kept = (enumerate(build.rows(part, ["id", "source", "text"])) for part in parts)
        for row, group in groupby(build.rows(path), lambda edit: edit["row"]):
            edits = list(group)
            document = next((one for number, one in kept if number == row), None)
            original = next((one for number, one in originals if number == edits[0]["input_row"]), None)
            if document is None or original is None or not original["id"] == document["id"] == edits[0]["id"]:
                found.append(f"{path}: {edits[0]['id']}: is no edit of the document in row {row} of its part")
                break
            counted.update((document["source"], edit["reason"]) for edit in edits)
            checked["edits"] += len(edits)
            bounds = [0, *(edit[bound] for edit in edits for bound in ("start", "end")), len(original["text"])]
            pieces = (original["text"][begin:end] for begin, end in zip(bounds[::2], bounds[1::2], strict=True))
            if bounds != sorted(bounds) or "".join(pieces) != document["text"]:
                found.append(f"{path}: {document['id']}: its text is not the one before without what was cut out")
    problems += found[:_FEW]
    stated = {
        (source, reason): number
        for source, counts in manifest.counts.sources.items()
        for reason, number in counts.edited.items()
    }
    if not found and stated != dict(counted):
        problems.append(f"{STAGE}: its files say {dict(counted)} edits, the manifest says {stated}")
