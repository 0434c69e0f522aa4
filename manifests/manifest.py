"""The manifest of a stage: what was built, from what, with which settings and code, and that the counts close.

`manifest.schema.json` beside this file is the published JSON Schema of `Manifest`; a test keeps the two the same.
Everything but `run` is reproducible: it holds no time, host or worker count.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from manifests.errors import UserError
from manifests.settings import Settings, canonical_json, readable_json
from manifests.storage import Folder, PublishedFile

SCHEMA_VERSION = 2
MANIFEST = "manifest.json"


class FileEntry(Settings):
    """A file with its digest.

    `path` of an output is relative to the stage's folder, that of an input to the build's; a raw file is named by its
    key (see the acquire stage), a tokenizer that existed before by its name.
    """

    path: str
    bytes: int
    sha256: str
    documents: int | None = None
    tokens: int | None = None
    text_bytes: int | None = None  # of a part of kept documents: UTF-8 bytes of their texts

    @classmethod
    def of(cls, file: PublishedFile, documents: int | None = None, tokens: int | None = None) -> FileEntry:
        return cls(path=file.path, bytes=file.bytes, sha256=file.sha256, documents=documents, tokens=tokens)


class SourceCounts(Settings):
    """Counts of one source's documents in one stage: `documents_in == documents_out + sum(dropped.values())`."""

    documents_in: int = 0
    documents_out: int = 0
    dropped: dict[str, int] = Field(default_factory=dict)
    other_records: dict[str, int] = Field(default_factory=dict)  # in a raw file, but no document: requests, talk pages
    edited: dict[str, int] = Field(default_factory=dict)  # removed from kept texts: rule -> lines or marks

    @property
    def num_dropped(self) -> int:
        return sum(self.dropped.values())

    @property
    def closes(self) -> bool:
        return self.documents_in == self.documents_out + self.num_dropped


class Counts(Settings):
    """Counts of a stage or task, by source. `unit` is what is counted."""

    unit: Literal["documents", "files"] = "documents"
    sources: dict[str, SourceCounts] = Field(default_factory=dict)

    @property
    def documents_in(self) -> int:
        return sum(counts.documents_in for counts in self.sources.values())

    @property
    def documents_out(self) -> int:
        return sum(counts.documents_out for counts in self.sources.values())

    @property
    def dropped(self) -> dict[str, int]:
        """All sources together: reason -> number, the most frequent first."""
        total: dict[str, int] = {}
        for counts in self.sources.values():
            _add(total, counts.dropped)
        return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))

    @property
    def closes(self) -> bool:
        return all(counts.closes for counts in self.sources.values())

    @staticmethod
    def sum(parts: list[Counts]) -> Counts:
        """Add the counts of tasks; sources and reasons come out sorted, so the order of tasks does not show."""
        merged: dict[str, dict[str, Any]] = {}
        for part in parts:
            for source, counts in part.sources.items():
                into = merged.setdefault(
                    source, {"documents_in": 0, "documents_out": 0, "dropped": {}, "other_records": {}, "edited": {}}
                )
                into["documents_in"] += counts.documents_in
                into["documents_out"] += counts.documents_out
                _add(into["dropped"], counts.dropped)
                _add(into["other_records"], counts.other_records)
                _add(into["edited"], counts.edited)
        unit = parts[0].unit if parts else "documents"
        return Counts(unit=unit, sources={name: SourceCounts(**_sorted(merged[name])) for name in sorted(merged)})


def _add(into: dict[str, int], more: dict[str, int]) -> None:
    for key, number in more.items():
        into[key] = into.get(key, 0) + number


def _sorted(counts: dict[str, Any]) -> dict[str, Any]:
    return {key: dict(sorted(value.items())) if isinstance(value, dict) else value for key, value in counts.items()}


class FingerprintParts(Settings):
    """Everything that decides a stage's output, and nothing else."""

    settings: dict[str, Any]
    code: str  # digest of the source that makes the output (manifests.code)
    libraries: dict[str, str]  # distribution -> version of those that shape the output
    inputs: str  # digest over the inputs' paths and sha256

    def digest(self) -> str:
        return digest_of(self.model_dump())


class Manifest(Settings):
    """One stage of one build."""

    schema_version: int = SCHEMA_VERSION
    stage: str
    recipe: str
    after: list[str] = Field(default_factory=list)  # stages whose output it read
    documents_from: str | None = None  # the one of them whose documents it took
    writes_documents: bool = False  # as parts, its drops beside them; else drops are counts without rows
    fingerprint: str
    fingerprint_of: FingerprintParts
    inputs: list[FileEntry]
    outputs: list[FileEntry]
    counts: Counts
    facts: dict[str, Any] = Field(default_factory=dict)  # a stage's own: vocabulary size, splits, raw files
    software: dict[str, str] = Field(default_factory=dict)
    run: dict[str, Any] = Field(default_factory=dict)  # not reproducible: times, host, workers

    def reproducible(self) -> dict[str, Any]:
        """The manifest without `run`: equal for two builds of one recipe."""
        return self.model_dump(exclude={"run"})


def digest_of(value: Any) -> str:
    """`sha256:...` of a value's canonical JSON."""
    return "sha256:" + hashlib.sha256(canonical_json(value).encode()).hexdigest()


def digest_of_files(files: list[FileEntry]) -> str:
    """One digest for a list of files: paths and contents, in order."""
    return digest_of([[file.path, file.sha256] for file in files])


def read_manifest(folder: Folder) -> Manifest | None:
    """The manifest of a stage's folder, None where the stage is not complete.

    Raises `UserError` when there is one that cannot be read, or of another version of the schema: it is never taken
    for a missing one.
    """
    if not folder.exists(MANIFEST):
        return None
    try:
        manifest = Manifest.model_validate_json(folder.read_bytes(MANIFEST))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise UserError(
            f"{folder.url}/{MANIFEST}: not a manifest ({where or 'file'}: {problem['msg']}). "
            "It was changed or damaged; delete this stage's folder and run the recipe again."
        ) from None
    if manifest.schema_version != SCHEMA_VERSION:
        raise UserError(
            f"{folder.url}/{MANIFEST}: of version {manifest.schema_version}, and this groundup reads {SCHEMA_VERSION}. "
            f"Delete {MANIFEST} in the folder of every stage and run the recipe again; downloads are kept."
        )
    return manifest


def write_manifest(folder: Folder, manifest: Manifest) -> PublishedFile:
    """Publish a stage's manifest: the last thing a stage does."""
    return folder.publish_bytes(MANIFEST, json_bytes(manifest.model_dump()))


def json_bytes(value: Any) -> bytes:
    """Readable JSON with a stable form: sorted keys, two spaces, a newline at the end."""
    return (readable_json(value) + "\n").encode()


def schema_bytes() -> bytes:
    """The JSON Schema of a manifest, as published in `manifest.schema.json`."""
    return json_bytes(Manifest.model_json_schema())


SCHEMA_FILE = Path(__file__).with_name("manifest.schema.json")
