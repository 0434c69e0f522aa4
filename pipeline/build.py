"""Runs a recipe like make: a stage whose fingerprint and outputs still hold is reused, the rest is rebuilt."""

from __future__ import annotations

import contextlib
import platform
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from manifests.code import software_versions
from manifests.errors import UsageError, UserError
from manifests.explore.build import Build
from manifests.explore.funnel import funnel_lines
from manifests.manifest import (
    MANIFEST,
    Counts,
    FingerprintParts,
    Manifest,
    SourceCounts,
    read_manifest,
    write_manifest,
)
from manifests.seal import SEAL, TASKS, read_seal, stage_seal, unseal, write_seal
from manifests.storage import Folder, writing
from pipeline.engine.executors.make import check_executor
from pipeline.engine.runner import PhaseRunner, Unwatched, Watcher
from pipeline.engine.settings import ExecutorSettings
from pipeline.engine.tasks import WORK
from pipeline.losses import loss_lines
from pipeline.recipe import Recipe
from pipeline.stages.all import make_stages
from pipeline.stages.base import Stage

NOT_BUILT = "not built yet"
"""Why a stage is built that never was."""


@dataclass(frozen=True)
class StagePlan:
    """What would happen to one stage, and why."""

    stage: str
    action: str  # "reuse", "build" or "follow": runs if a stage before it changes its output
    reasons: list[str] = field(default_factory=list)


def checked_stages(recipe: Recipe, build: Folder, until: str | None = None) -> list[Stage]:
    """The stages of a recipe in order, up to and with `until`. Raises `UserError` for what they could not use."""
    stages = make_stages(recipe, build)
    names = [stage.name for stage in stages]
    if until is not None:
        if until not in names:
            raise UsageError(f"--until {until}: no such stage; there are: {', '.join(names)}.")
        stages = stages[: names.index(until) + 1]
    for stage in stages:
        stage.check_recipe()
    return stages


def plan_build(recipe: Recipe, until: str | None = None) -> list[StagePlan]:
    """The plan of a run: reuse or build, stage by stage, and why.

    It reads manifests and local inputs, uses no network and writes nothing. It executes the module of a
    `[filter.custom]` to check it, which may do as its author likes.
    """
    build = Folder(recipe.output)
    check_owner(recipe, build)
    plans: list[StagePlan] = []
    changed: set[str] = set()
    for stage in checked_stages(recipe, build, until):
        before = [name for name in stage.after if name in changed]
        manifest = stage.manifest()
        if manifest is None:
            plan = StagePlan(stage.name, "build", [NOT_BUILT])
        elif before:
            own = _differences(manifest.fingerprint_of, stage, inputs_known=False)
            plan = StagePlan(stage.name, "build", own) if own else StagePlan(stage.name, "follow", before)
        else:
            reasons = _differences(manifest.fingerprint_of, stage) or _missing_outputs(stage, manifest)
            plan = StagePlan(stage.name, "build" if reasons else "reuse", reasons)
        if plan.action != "reuse":
            changed.add(stage.name)
        plans.append(plan)
    return plans


def _differences(old: FingerprintParts, stage: Stage, inputs_known: bool = True) -> list[str]:
    """Why a fingerprint no longer holds, in words."""
    reasons = list(_changed_settings(old.settings, stage.settings()))
    if old.code != stage.code():
        reasons.append("its code changed")
    for name, version in stage.task_parts()["libraries"].items():
        if old.libraries.get(name) != version:
            reasons.append(f"{name} {old.libraries.get(name, '(none)')} -> {version}")
    if inputs_known and old.inputs != stage.fingerprint_parts().inputs:
        reasons.append("its inputs changed")
    return reasons


def _changed_settings(old: Any, new: Any, path: str = "") -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _changed_settings(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
    elif old != new:
        yield f"{path}: {_short(old)} -> {_short(new)}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _missing_outputs(stage: Stage, manifest: Manifest) -> list[str]:
    sizes = stage.folder.sizes()
    gone = [entry.path for entry in manifest.outputs if sizes.get(entry.path) != entry.bytes]
    return [f"{stage.name}/{gone[0]} is missing or has another size" + _more(gone)] if gone else []


def _more(items: list[str]) -> str:
    return f" (and {len(items) - 1} more)" if len(items) > 1 else ""


@dataclass
class BuildReport:
    """What a run did."""

    manifests: dict[str, Manifest]
    rebuilt: list[str]
    reused: list[str]


def run_build(
    recipe: Recipe,
    until: str | None = None,
    executor: ExecutorSettings | None = None,
    watcher: Watcher | None = None,
    on_stage: Callable[[str, str, Manifest], None] | None = None,
) -> BuildReport:
    """Build everything up to `until`. `on_stage(stage, "built" or "reused", manifest)` is called after each stage.

    Raises `UserError` for whatever stops the build; the same command again continues where it stopped.
    """
    executor = executor or ExecutorSettings()
    check_executor(executor)
    build = Folder(recipe.output)
    check_owner(recipe, build)
    report = BuildReport({}, [], [])
    names = [stage.name for stage in make_stages(recipe, build)]
    with _locked(build):
        rebuilt: dict[str, dict[str, str]] = {}
        if not build.exists(SEAL):
            write_seal(build, recipe.name, rebuilt, names)
        for stage in checked_stages(recipe, build, until):
            manifest = _reusable(stage)
            if manifest is None:
                manifest, rebuilt[stage.name] = _build_stage(stage, executor, watcher)
                report.rebuilt.append(stage.name)
                word = "built"
            else:
                report.reused.append(stage.name)
                word = "reused"
            _clean_work(stage)
            write_seal(build, recipe.name, rebuilt, names)
            report.manifests[stage.name] = stage.manifests[stage.name] = manifest
            if on_stage:
                on_stage(stage.name, word, manifest)
            if word == "built" and watcher is not None:
                for line in loss_lines(Build(recipe.output), manifest):
                    watcher.note(line)
            stage.check(manifest)
            _check_dropped(manifest, recipe.max_dropped_fraction, recipe.output, watcher or Unwatched())
    return report


def _reusable(stage: Stage) -> Manifest | None:
    manifest = stage.manifest()
    if manifest is None or manifest.fingerprint != stage.fingerprint_parts().digest():
        return None
    return None if _missing_outputs(stage, manifest) else manifest


def _build_stage(stage: Stage, executor: ExecutorSettings, watcher: Watcher | None) -> tuple[Manifest, dict[str, str]]:
    """Build a stage; returns its manifest and what the seal says of it."""
    unseal(stage.build, stage.name)
    stage.folder.delete(MANIFEST)  # from here until the new one is written, the stage is not complete
    stage.folder.remove_unpublished()
    started = time.time()
    parts = stage.fingerprint_parts()
    runner = PhaseRunner(stage.build, stage.name, stage.task_parts(), executor, watcher, stage.keeps_strangers)
    result = stage.run(runner)
    outputs = [entry for record in result.records for entry in record.outputs if not entry.path.startswith(f"{WORK}/")]
    counts = Counts.sum([*(record.counts for record in result.records), *result.counts]).model_copy(
        update={"unit": stage.unit}
    )
    if not stage.keeps_strangers:
        _remove_strangers(stage, {entry.path for entry in outputs})
    manifest = Manifest(
        stage=stage.name,
        recipe=stage.recipe.name,
        after=stage.after,
        documents_from=stage.documents_from,
        writes_documents=stage.writes_documents,
        fingerprint=parts.digest(),
        fingerprint_of=parts,
        inputs=stage.inputs(),
        outputs=outputs,
        counts=counts,
        facts=result.facts,
        software=software_versions(),
        run={
            "started": datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
            "seconds": round(time.time() - started, 3),
            "host": platform.node(),
            "executor": executor.model_dump(),
            "tasks_run": runner.num_run,
            "tasks_reused": runner.num_reused,
            **stage.run_facts(),
        },
    )
    published = write_manifest(stage.folder, manifest)
    return manifest, stage_seal(stage.folder, runner.record_digests | {MANIFEST: published.sha256})


def _check_dropped(manifest: Manifest, most: float, output: str, watcher: Watcher) -> None:
    """Stop a build in which a source, or a whole stage, loses more of its documents than the recipe accepts.

    most: the largest share of documents that it may drop, of a source and of all.
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


def _remove_strangers(stage: Stage, outputs: set[str]) -> None:
    """Remove what an earlier, other build of this stage left, so that the folder holds what its manifest says."""
    for path in stage.folder.list():
        if path not in outputs and not path.startswith((f"{TASKS}/", f"{WORK}/")):
            stage.folder.delete(path)


def _clean_work(stage: Stage) -> None:
    if stage.folder.exists(WORK):
        stage.folder.delete(WORK)


def check_owner(recipe: Recipe, build: Folder) -> None:
    """Refuse to build into a folder that another recipe, or somebody else, made. Raises `UserError`."""
    seal = read_seal(build)
    if seal is not None:
        if seal["recipe"] != recipe.name:
            raise UserError(
                f"{build.url}: holds the build of recipe {seal['recipe']!r}, not {recipe.name!r}. "
                "Give this recipe another output, or delete that folder."
            )
        return
    strangers = [stage.name for stage in make_stages(recipe, build) if stage.folder.exists("")]
    manifests = [read_manifest(build.folder(stage)) for stage in strangers]
    if any(manifest is not None and manifest.recipe == recipe.name for manifest in manifests):
        return  # ours: a damaged seal was deleted
    if strangers:
        raise UserError(
            f"{build.url}: has a folder {strangers[0]}/ that groundup did not make. Give the recipe another output."
        )


@contextlib.contextmanager
def _locked(build: Folder) -> Iterator[None]:
    """One run at a time in a local build folder."""
    if not build.is_local:
        yield
        return
    import fcntl
    import os

    path = build.full(".lock")
    with writing(build.url, ".lock"):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        file = open(path, "w")  # noqa: SIM115 - held until the run ends
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{build.url}: another groundup run is writing here. Wait for it, or stop it.") from None
        yield
