"""Audit: recount every stage, recompute every digest, and hold a build against the four laws.

It trusts nothing that the pipeline says of itself: counts come from the Parquet files, digests from the bytes.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from manifests.audit.edits import check_edits
from manifests.audit.provenance import check_documents
from manifests.audit.recount import PAGE_COLUMNS, count_pages, recount_shards
from manifests.audit.recount_signals import recount_signals
from manifests.audit.removals import check_removals
from manifests.audit.tokens import check_tokens
from manifests.errors import UserError
from manifests.explore.build import DROPPED, Build
from manifests.manifest import MANIFEST, Manifest, digest_of_files, read_manifest
from manifests.report.report import REPORT, digest_line
from manifests.seal import RUN, SEAL, TASKS, compute_seal, read_seal
from manifests.secrets import scrub
from manifests.settings import canonical_json
from manifests.storage import Folder, split_path


@dataclass
class AuditReport:
    """The result of an audit: the numbers of things looked at, and the problems. No problem is a pass."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)
    not_built: list[str] = field(default_factory=list)  # stages of which there is no trace

    @property
    def passed(self) -> bool:
        return not self.problems


def audit_build(url: str, deep: bool = False, progress: Callable[[str], None] = lambda what: None) -> AuditReport:
    """Audit a build. `deep` also reads every raw record, compares every removed copy and decodes every token; else a
    sample of each is looked at."""
    build = Build(url)
    report = AuditReport()
    try:
        manifests = build.manifests
    except UserError as error:
        report.problems.append(str(error))
        return report
    progress("seal")
    _check_stages(build, report)
    _check_seal(build, report)
    _check_order(build, report)
    for stage, manifest in manifests.items():
        progress(stage)
        with _as_far_as_possible(report, f"{stage}/{MANIFEST}"):
            _check_stage(build, stage, manifest, report)
    with _as_far_as_possible(report, "manifests"):
        _check_flow(manifests, report)
    _check_report(build, report)
    progress("train")
    _check_training(build, report)
    if report.passed:  # addresses are followed only through files that are what their digests say
        progress("raw files")
        _check_raw_files(build, report)
    if report.passed:
        progress("documents")
        if build.document_stages:
            check_documents(build, report.problems, report.notes, report.checked, deep)
        if "dedup" in manifests:
            progress("removals")
            check_removals(build, report.problems, report.notes, report.checked, deep)
            check_edits(build, report.problems, report.checked)
        if "shards" in manifests:
            progress("tokens")
            check_tokens(build, report.problems, report.checked, deep)
    return report


@contextmanager
def _as_far_as_possible(report: AuditReport, where: str) -> Iterator[None]:
    """Takes an error for another problem of a build that was changed; where nothing was, the fault is ours."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        if report.passed:
            raise
        report.problems.append(f"{where}: cannot be checked further ({type(error).__name__}: {error})")


def _check_stage(build: Build, stage: str, manifest: Manifest, report: AuditReport) -> None:
    _check_manifest(manifest, report)
    damaged = _check_outputs(build.folder.folder(stage), manifest, report)
    _check_inputs(build, manifest, report)
    if not damaged and manifest.writes_documents:
        _recount(build, manifest, report)
    if not damaged and stage == "acquire":
        _recount_files(manifest, report)
    if not damaged and stage == "filter":
        recount_signals(build, report.problems)
    if not damaged and stage == "shards":
        recount_shards(build, report.problems)


def _check_stages(build: Build, report: AuditReport) -> None:
    """Checks that the stages are there. One that was not built yet is no fault; one that was begun, or is lost, is.

    A stage was built where the seal says so, where a later one is complete, or where it has files.
    """
    sealed = (read_seal(build.folder) or {"run": {}})["run"]
    try:
        after = [RUN] if read_manifest(build.folder.folder(RUN)) is not None else []
    except UserError:
        after = [RUN]  # `_check_training` says what is wrong with it
    for stage in reversed(build.stages):
        if stage in build.manifests:
            after.append(stage)
        elif stage in sealed:
            report.problems.append(f"{stage}/{MANIFEST}: missing, though {SEAL} says that the stage was complete")
        elif after:
            report.problems.append(f"{stage}: not complete (no {MANIFEST}), though {after[-1]}, which follows it, is")
        elif build.folder.folder(stage).list():
            report.problems.append(f"{stage}: begun and not complete (no {MANIFEST}). Run the recipe again")
        else:
            report.not_built.insert(0, stage)
    if not build.manifests and not report.problems:
        report.problems.append("no stage was built yet. Run the recipe")


def _check_seal(build: Build, report: AuditReport) -> None:
    """Law 3: what the last run published is what is here."""
    seal = read_seal(build.folder)
    assert seal is not None  # Build would have refused the folder
    recipe = seal["recipe"]
    expected = compute_seal(build.folder, recipe, build.stages)
    for stage, digests in expected["run"].items():
        sealed = seal.get("run", {}).get(stage)
        if sealed is None:
            report.problems.append(f"{SEAL}: says nothing of stage {stage}; the last run was interrupted: run it again")
            continue
        for what, name in (("manifest", f"{stage}/{MANIFEST}"), ("records", f"{stage}/{TASKS}/")):
            report.checked["seals"] += 1
            if sealed.get(what) != digests[what]:
                report.problems.append(f"{name}: changed since it was published (or {SEAL} was)")
    published = {stage: sealed for stage, sealed in seal["run"].items() if stage in expected["run"] or stage != RUN}
    if published != expected["run"] and not report.problems:  # a run under way again has no manifest to be sealed
        report.problems.append(f"{SEAL}: changed since it was published")
    for stage, manifest in build.manifests.items():
        if manifest.recipe != recipe:
            report.problems.append(f"{stage}/{MANIFEST}: of recipe {manifest.recipe!r}, but the build is {recipe!r}'s")


def _check_order(build: Build, report: AuditReport) -> None:
    """The seal lists every stage of which there is a folder, and each after the stages that it read."""
    for name in build.folder.names():
        if name not in (*build.stages, RUN) and build.folder.exists(f"{name}/{TASKS}"):
            report.problems.append(f"{SEAL}: does not list {name}/. Delete that folder, if the recipe's stages changed")
    for number, stage in enumerate(build.stages):
        after = build.manifests[stage].after if stage in build.manifests else []
        for missing in [name for name in after if name not in build.stages[:number]]:
            report.problems.append(f"{SEAL}: does not list {missing} before {stage}, which read it")


def _check_manifest(manifest: Manifest, report: AuditReport) -> None:
    """Law 2: the fingerprint is the digest of what it says it is of."""
    name = f"{manifest.stage}/{MANIFEST}"
    report.checked["manifests"] += 1
    if manifest.fingerprint != manifest.fingerprint_of.digest():
        report.problems.append(f"{name}: its fingerprint is not the digest of its fingerprint_of")
    if manifest.fingerprint_of.inputs != digest_of_files(manifest.inputs):
        report.problems.append(f"{name}: its fingerprint is not of the inputs it lists")
    for source, counts in manifest.counts.sources.items():
        if not counts.closes:
            report.problems.append(
                f"{name}: source {source}: {counts.documents_in} in, but {counts.documents_out} out "
                f"+ {counts.num_dropped} dropped"
            )


def _check_outputs(folder: Folder, manifest: Manifest, report: AuditReport) -> bool:
    """Law 3: every output is there with its digest, and nothing else is. True where something is damaged."""
    before = len(report.problems)
    present = set(folder.list())
    known = {MANIFEST}
    for entry in manifest.outputs:
        known.add(entry.path)
        name = f"{manifest.stage}/{entry.path}"
        if entry.path not in present:
            report.problems.append(f"{name}: missing")
            continue
        found = folder.digest(entry.path)
        report.checked["files"] += 1
        report.checked["bytes"] += found.bytes
        if found.bytes != entry.bytes:
            report.problems.append(f"{name}: {found.bytes:,} bytes, not {entry.bytes:,}")
        elif found.sha256 != entry.sha256:
            report.problems.append(f"{name}: its sha256 is not the manifest's: the file was changed or damaged")
    strangers = sorted(path for path in present - known if not path.startswith(f"{TASKS}/"))
    if manifest.stage == "acquire":  # downloads that a recipe no longer names are kept, on purpose
        if strangers:
            report.notes.append(f"acquire/: {len(strangers)} files that this recipe does not name")
    else:
        report.problems.extend(f"{manifest.stage}/{path}: no manifest names this file" for path in strangers)
    return len(report.problems) > before


def _check_inputs(build: Build, manifest: Manifest, report: AuditReport) -> None:
    """Law 2: a stage was built from the outputs that the stages before it have now."""
    available: dict[str, str] = {}
    read = [stage for stage in manifest.after if stage in build.manifests]
    for stage in read:
        available |= {f"{stage}/{entry.path}": entry.sha256 for entry in build.manifests[stage].outputs}
    if "acquire" in read:  # inputs are raw files, by their keys
        available |= {file["key"]: file["sha256"] for file in build.manifests["acquire"].facts["files"]}
    for entry in manifest.inputs:
        known = "acquire" in read or entry.path.split("/", 1)[0] in read
        if known and available.get(entry.path) != entry.sha256:
            report.problems.append(
                f"{manifest.stage}/{MANIFEST}: was built from another {entry.path} than is here. Run the recipe"
            )


def _recount(build: Build, manifest: Manifest, report: AuditReport) -> None:
    """Law 1: the documents in the files are those of the counts, by source and reason."""
    stage = manifest.stage
    kept: Counter[str] = Counter()
    page_types: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    dropped: defaultdict[str, Counter[str]] = defaultdict(Counter)
    entries = {f"{stage}/{entry.path}": entry for entry in manifest.outputs}
    counts_pages = "page_types" in manifest.facts
    page_columns = PAGE_COLUMNS if counts_pages else []
    for path in [*build.parts(stage), *build.parts(stage, dropped=True)]:
        is_drop = path.startswith(f"{stage}/{DROPPED}/")
        num_rows = 0
        for table in build.tables(path, ["source", *page_columns, *(["reason"] if is_drop else [])]):
            num_rows += table.num_rows
            if counts_pages:
                count_pages(page_types, table, is_drop)
            if is_drop:
                pairs = zip(table["source"].to_pylist(), table["reason"].to_pylist(), strict=True)
                for source, reason in pairs:
                    dropped[source][reason] += 1
            else:
                kept.update(table["source"].to_pylist())
        report.checked["documents"] += num_rows
        if entries[path].documents != num_rows:
            report.problems.append(f"{path}: {num_rows} documents, not {entries[path].documents} as the manifest says")
    if counts_pages:
        stated = {
            (source, page_type): Counter(counts)
            for source, types in manifest.facts["page_types"].items()
            for page_type, counts in types.items()
        }
        report.problems += [
            f"{stage}: facts.page_types: source {source}, {page_type}: not what the documents say"
            for source, page_type in sorted({*stated, *page_types})
            if stated.get((source, page_type)) != page_types[source, page_type]
        ]
    for source in sorted({*manifest.counts.sources, *kept, *dropped}):
        counts = manifest.counts.sources.get(source)
        if counts is None:
            report.problems.append(f"{stage}: documents of source {source}, which the manifest does not count")
            continue
        if kept[source] != counts.documents_out:
            report.problems.append(f"{stage}: source {source}: {kept[source]} kept, not {counts.documents_out}")
        if dict(dropped[source]) != counts.dropped:
            report.problems.append(
                f"{stage}: source {source}: dropped {dict(sorted(dropped[source].items()))}, not {counts.dropped}"
            )


def _recount_files(manifest: Manifest, report: AuditReport) -> None:
    """Law 1: the raw files that acquire lists are those of its counts, by source."""
    listed = Counter(file["source"] for file in manifest.facts["files"])
    for source in sorted({*listed, *manifest.counts.sources}):
        counts = manifest.counts.sources.get(source)
        counted = counts.documents_out if counts is not None else 0
        if listed[source] != counted:
            report.problems.append(f"acquire: source {source}: {listed[source]} files listed, not {counted}")


def _check_report(build: Build, report: AuditReport) -> None:
    """The page of `groundup report`, where there is one, ends with the digest of what stands above it."""
    if build.folder.exists(REPORT):
        page = build.folder.read_bytes(REPORT)
        above = page[: page.rfind(b"<!-- sha256 ")]
        report.checked["files"] += 1
        if page != above + digest_line(above):
            report.problems.append(f"{REPORT}: was changed or damaged; write it again with groundup report")


def _check_flow(manifests: dict[str, Manifest], report: AuditReport) -> None:
    """Law 1: a stage takes in the documents that the one before it put out."""
    writers: list[str] = []  # of documents, before the stage
    for stage, manifest in manifests.items():
        before = manifest.documents_from
        last = writers[-1] if writers else None
        writers += [stage] if manifest.writes_documents else []
        if before is None or before not in manifests:
            continue
        if before != last:
            report.problems.append(f"{stage}: took the documents of {before}, not those of {last}. Run the recipe")
        given, taken = manifests[before].counts.sources, manifest.counts.sources
        for source in sorted({*given, *taken}):
            out = given[source].documents_out if source in given else 0
            into = taken[source].documents_in if source in taken else 0
            report.checked["flows"] += 1
            if out != into:
                report.problems.append(f"{before} -> {stage}: source {source}: {out} documents out, {into} in")


def _check_training(build: Build, report: AuditReport) -> None:
    """The training run in the build: every file as its manifest says, learned from the shards that are here."""
    for name in ("sweep", "ladder"):
        if build.folder.exists(f"{name}/{name}.json"):
            report.notes.append(f"{name}/: training runs beside each other; their files were not looked at")
    folder = build.folder.folder(RUN)
    if not folder.list():
        return
    try:
        manifest = read_manifest(folder)
    except UserError as error:
        report.problems.append(str(error))
        return
    if manifest is None:
        report.notes.append(f"{RUN}/: a run that is not finished; its files were not looked at")
        return
    for entry in manifest.run.get("files", []):
        name = f"{RUN}/{entry['path']}"
        if not folder.exists(entry["path"]):
            report.problems.append(f"{name}: missing")
            continue
        found = folder.digest(entry["path"])
        report.checked["files"] += 1
        report.checked["bytes"] += found.bytes
        if found.sha256 != entry["sha256"]:
            report.problems.append(f"{name}: its sha256 is not the manifest's: the file was changed or damaged")
    shards = build.manifests.get("shards")
    if shards is not None:
        digest = hashlib.sha256(canonical_json(shards.reproducible()).encode()).hexdigest()
        if manifest.facts["data_manifest_sha256"] != digest:
            report.problems.append(f"{RUN}/{MANIFEST}: was trained on other shards than are here; train again")


def _check_raw_files(build: Build, report: AuditReport) -> None:
    """Law 4: the raw files that documents point to are there, unchanged. Files elsewhere may be gone: a note."""
    for raw in build.raw_files.values():
        if raw.inside:
            continue  # an output of acquire, looked at above
        folder, name = split_path(raw.location)
        try:
            found = folder.digest(name)
        except OSError:
            report.notes.append(f"{raw.key}: read in place when the corpus was built, not here now")
            continue
        report.checked["files"] += 1
        if found.sha256 != raw.sha256:
            report.problems.append(f"{raw.key}: changed since the corpus was built from it")


def problem_lines(report: AuditReport, most: int = 20) -> Iterator[str]:
    """The lines to print: the problems, and how many more there are."""
    yield from map(scrub, report.problems[:most])
    if len(report.problems) > most:
        yield f"... and {len(report.problems) - most} more"


def as_json(report: AuditReport) -> dict[str, Any]:
    return {
        "passed": report.passed,
        "problems": list(map(scrub, report.problems)),
        "notes": report.notes,
        "not_built": report.not_built,
        "checked": dict(sorted(report.checked.items())),
    }
