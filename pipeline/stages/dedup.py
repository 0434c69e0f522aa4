"""`dedup`: kept documents -> unique documents, and each copy dropped with the survivor that was shown to hold it.

Keys of each part are gathered by range, a range proposes pairs, pairs are gathered by block, the texts of a block's
pairs are compared, and a document goes where a better one that stays is similar enough. Which of two is the better one
depends on the documents themselves (`pipeline/dedup/rank.py`), not on how they lie in parts.
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from math import isqrt
from typing import Any

from manifests.errors import UserError
from manifests.manifest import FileEntry, Manifest, read_manifest
from manifests.seal import SEAL
from manifests.storage import Folder
from pipeline.dedup.background import background_lines
from pipeline.dedup.candidates import ENTRY, range_count
from pipeline.dedup.evaluation_sets import EvaluationFile, check_files, digests, evaluation_files
from pipeline.dedup.facts import merged_cluster_facts
from pipeline.dedup.phases.apply import Apply
from pipeline.dedup.phases.background import Background
from pipeline.dedup.phases.clusters import Clusters, Names
from pipeline.dedup.phases.decontaminate import Decontaminate
from pipeline.dedup.phases.gather import GatherEntries, GatherPairs, by_receiver
from pipeline.dedup.phases.keys import KEYS, Keys, made_with
from pipeline.dedup.phases.layout import InputPart, Layout
from pipeline.dedup.phases.lines import GatherRepeats, GatherUnits, Repeats, UnitKeys
from pipeline.dedup.phases.propose import Propose
from pipeline.dedup.phases.texts import Texts
from pipeline.dedup.phases.verify import Verify
from pipeline.dedup.schema import CANDIDATES
from pipeline.documents.parts import SIGNALS
from pipeline.engine.records import TaskRecord
from pipeline.engine.runner import PhaseRunner
from pipeline.engine.tasks import WORK, Task
from pipeline.stages.base import Stage, StageResult, kept_parts, part_name, part_source, part_tasks

RANGE_BYTES = 256 << 20  # what proposing the pairs of one range may use
_LIBRARY_BYTES = 0.25e9  # for `--plan`: a worker that holds no texts
# Of a document: its keys and signature, and what clustering holds of it and of its pairs, about one in 5.
_KEY_BYTES, _CLUSTER_BYTES = 500, 40
_KEEP = ("first", "longest", "newest", "source")
_KEY_FILES = ("documents", "signatures", "keys", "kept")  # of a part of an earlier build
_AGAINST = "against/"  # before the paths of files of earlier builds, among the inputs


class DedupStage(Stage):
    """See the module."""

    name = "dedup"
    libraries = ("numba", "numpy", "pyarrow", "xxhash")
    worker_bytes = 0.42e9

    def expected_disk(self, num_bytes: float, num_documents: float) -> float:
        """The documents once more, keys, and of documents in pairs, about a third, their n-grams: 8 bytes each."""
        return num_bytes * (1.0 + 2.8 / 3) + num_documents * (_KEY_BYTES + self._keys_a_document() * ENTRY.itemsize)

    def expected_memory(self, workers: int, num_documents: float) -> float:
        """Of workers that propose pairs of a range each, or of the one that clusters all of them."""
        entries = min(RANGE_BYTES, 3 * num_documents * self._keys_a_document() * ENTRY.itemsize)
        worker = max(self.worker_bytes, _LIBRARY_BYTES + entries)
        return max(workers * worker, _LIBRARY_BYTES + num_documents * _CLUSTER_BYTES)

    def _keys_a_document(self) -> int:
        settings = self.recipe.dedup
        is_near = settings.minhash.enabled
        return settings.minhash.num_buckets * is_near + (settings.exact or is_near) + settings.url

    def settings(self) -> dict[str, Any]:
        settings = self.recipe.dedup
        order = [source.name for source in self.recipe.sources] if settings.keep == "source" else None
        described = {"dedup": settings.model_dump(mode="json"), "source_order": order}
        if settings.decontaminate.files:
            described["evaluation_sets"] = digests(self._evaluation_files())
        return described

    def _evaluation_files(self) -> list[EvaluationFile]:
        return evaluation_files(self.recipe.dedup.decontaminate.files, self.recipe.resolve)

    def inputs(self) -> list[FileEntry]:
        """The document parts, and of earlier builds the keys and the parts that they kept."""
        earlier = [
            entry.model_copy(update={"path": f"{_AGAINST}{number}/{entry.path}"})
            for number, (_, manifest) in enumerate(self._earlier)
            for entry in [*_texts_of(manifest), *(one for one in manifest.outputs if one.path.startswith(f"{KEYS}/"))]
        ]
        return [*self.documents(), *earlier]

    def check_recipe(self) -> None:
        """Refuse what cannot be found, and earlier builds that cannot be compared, before hours of extraction."""
        settings = self.recipe.dedup
        edits = settings.lines.enabled or settings.decontaminate.files
        if not settings.exact and not settings.url and not settings.minhash.enabled and not edits:
            raise UserError(
                "dedup: exact, url, minhash.enabled and lines.enabled are all false and decontaminate.files is empty, "
                "so nothing can be found. Switch one of them on."
            )
        if settings.keep not in _KEEP and "." not in settings.keep:
            raise UserError(
                f"dedup.keep: {settings.keep!r} is none of {', '.join(_KEEP)}, and no signal such as classifier.score."
            )
        ours = made_with(settings)
        for build, manifest in self._earlier:
            theirs = manifest.facts.get("keys")
            if theirs is None:
                raise UserError(
                    f"dedup.against: {build} keeps no keys. Run its recipe again with dedup.keep_keys=true."
                )
            if differ := [name for name in ours if theirs.get(name) != ours[name]]:
                raise UserError(
                    f"dedup.against: {build} has keys of another kind: {differ[0]} is {theirs.get(differ[0])!r} there "
                    f"and {ours[differ[0]]!r} here. Give both the same settings and run the earlier recipe again."
                )
        check_files(self._evaluation_files())

    @cached_property
    def _earlier(self) -> list[tuple[str, Manifest]]:
        """Address and manifest of each earlier build."""
        found = []
        for path in self.recipe.dedup.against:
            build = Folder(self.recipe.resolve(path))
            if build.url == self.build.url:
                raise UserError(f"dedup.against: {build.url} is this build itself. Name earlier builds.")
            manifest = read_manifest(build.folder(self.name))
            if manifest is None:
                if not build.exists(SEAL):
                    raise UserError(f"dedup.against: {build.url}: there is no build. Was it moved? Correct the path.")
                raise UserError(f"dedup.against: {build.url} has no finished stage dedup. Finish it, or leave it out.")
            found.append((build.url, manifest))
        return found

    def run(self, runner: PhaseRunner) -> StageResult:
        settings = self.recipe.dedup
        folder = KEYS if settings.keep_keys else f"{WORK}/{KEYS}"
        contaminated = self._contaminated(runner)
        keys = runner.run(
            Keys(settings, [source.name for source in self.recipe.sources], folder), self._key_tasks(contaminated)
        )
        layout, key_files = self._layout(folder, keys)
        background = self._background(runner, layout, key_files)
        pairs = self._proposed(runner, layout, key_files)
        blocks = by_receiver(pairs)
        groups = [f"{group:05d}" for group in range(layout.num_groups)]
        texts = runner.run(Texts(layout, settings), [self._texts_task(layout, group, blocks) for group in groups])
        by_group = {record.task: record.outputs for record in texts}
        verified = runner.run(
            Verify(layout, settings.minhash),
            [
                Task(
                    name=block,
                    inputs=(
                        *entries,
                        *(entry for group in dict.fromkeys(block.split("-")) for entry in by_group[group]),
                    ),
                )
                for block, entries in sorted(blocks.items())
            ],
        )
        together = Task(name="clusters", inputs=tuple(entry for record in verified for entry in record.outputs))
        clusters = runner.run(Clusters(layout, settings.minhash), [together])
        named = runner.run(
            Names(layout),
            [
                Task(
                    name=group,
                    inputs=(entry, next(file for file in by_group[group] if file.path.startswith(CANDIDATES))),
                )
                for entry in clusters[0].outputs
                for group in [entry.path.rpartition("/")[2].removesuffix(".npy")]
            ],
        )
        names = by_receiver(named)
        apply_tasks = [
            task.model_copy(
                update={
                    "inputs": (
                        *task.inputs,
                        *names.get(f"{layout.group_of(ordinal):05d}", ()),
                        *(contaminated[task.name].outputs if contaminated else ()),
                    ),
                    "settings": {"ordinal": ordinal},
                }
            )
            for ordinal, task in enumerate(part_tasks(self.documents()))
        ]
        if settings.lines.enabled:
            apply_tasks = self._with_repeats(runner, layout, apply_tasks, key_files)
        applied = runner.run(Apply(KEYS if settings.keep_keys else None, settings), apply_tasks)
        kept = [*keys] if settings.keep_keys else []
        facts: dict[str, Any] = {
            "num_pairs": sum(record.facts["num_pairs"] for record in verified),
            "num_unlike": sum(record.facts["num_unlike"] for record in verified),
            "checked": settings.minhash.verify,
            "background": background,
            "clusters": merged_cluster_facts(record.facts for record in named),
        }
        if contaminated:
            facts["evaluation_sets"] = next((record.facts["num_items"] for record in contaminated.values()), {})
        edited: Counter[str] = Counter()
        for record in applied:
            for counts in record.counts.sources.values():
                edited.update(counts.edited)
        if edited:
            told = ", ".join(f"{reason} {number:,}" for reason, number in sorted(edited.items()))
            runner.watcher.note(f"dedup: places cut out of texts: {told}; each is in {self.folder.url}/edits")
        if settings.keep_keys:
            facts["keys"] = made_with(settings)
            num_bytes = sum(entry.bytes for record in keys for entry in record.outputs)
            runner.watcher.note(
                f"dedup: keys are kept for builds to come: {num_bytes / 1e6:,.1f} MB, "
                f"{num_bytes / max(1, sum(part.documents or 0 for part in self.documents())):,.0f} bytes a document "
                "(dedup.keep_keys)"
            )
        return StageResult(records=[*applied, *kept, *texts, *verified], facts=facts)

    def _contaminated(self, runner: PhaseRunner) -> dict[str, TaskRecord]:
        """What each part shares with evaluation sets, by its name; nothing where none are named."""
        files = self._evaluation_files()
        if not files:
            return {}
        records = runner.run(Decontaminate(self.recipe.dedup.decontaminate, files), part_tasks(self.documents()))
        return {record.task: record for record in records}

    def _with_repeats(
        self, runner: PhaseRunner, layout: Layout, tasks: list[Task], key_files: list[list[FileEntry]]
    ) -> list[Task]:
        """The tasks of `apply`, each with the lines of its documents that repeat."""
        settings = self.recipe.dedup
        units = runner.run(UnitKeys(settings), tasks)
        num_ranges = range_count(sum(record.facts["num_units"] for record in units), 1, RANGE_BYTES)
        unit_files = {record.task: record.outputs for record in units}
        gathered = runner.run(
            GatherUnits(layout, num_ranges, settings.keep == "first"),
            [
                Task(
                    name=f"{group:05d}",
                    inputs=tuple(
                        entry
                        for ordinal in layout.ordinals(group)
                        for entry in (*unit_files[layout.parts[ordinal].name], *key_files[ordinal])
                    ),
                )
                for group in range(layout.group_of(layout.num_own - 1) + 1 if layout.num_own else 0)
            ],
        )
        ranges = [Task(name=name, inputs=entries) for name, entries in sorted(by_receiver(gathered).items())]
        files = [record.outputs[0] for record in runner.run(Repeats(settings.lines.min_documents), ranges)]
        repeated = by_receiver(runner.run(GatherRepeats(layout), _in_groups(files)))
        return [
            task.model_copy(update={"inputs": (*task.inputs, *repeated.get(f"{layout.group_of(ordinal):05d}", ()))})
            for ordinal, task in enumerate(tasks)
        ]

    def _key_tasks(self, contaminated: dict[str, TaskRecord]) -> list[Task]:
        tasks = part_tasks(self.documents())
        if contaminated:
            tasks = [
                task.model_copy(update={"inputs": (*task.inputs, *contaminated[task.name].outputs)}) for task in tasks
            ]
        if self.recipe.dedup.keep in _KEEP:
            return tasks
        if self.documents_from != "filter":
            raise UserError(
                f"dedup.keep: {self.recipe.dedup.keep} is a signal of the filter stage, and documents come from stage "
                f"{self.documents_from}. Keep by another quantity."
            )
        signals = {
            part_name(entry.path): entry.model_copy(update={"path": f"filter/{entry.path}"})
            for entry in self.upstream("filter").outputs
            if entry.path.startswith(f"{SIGNALS}/")
        }
        return [task.model_copy(update={"inputs": (*task.inputs, signals[task.name])}) for task in tasks]

    def _layout(self, folder: str, keys: list[TaskRecord]) -> tuple[Layout, list[list[FileEntry]]]:
        """All parts, and the files of keys of each."""
        own = [
            InputPart(name, part_source(name), entry, entry.documents or 0, f"{folder}/{name}")
            for entry in self.documents()
            for name in [part_name(entry.path)]
        ]
        earlier = []
        files = [record.outputs for record in keys]
        for build, manifest in self._earlier:
            num_documents = {part_name(entry.path): entry.documents or 0 for entry in _documents_of(manifest)}
            outputs = {entry.path: entry for entry in manifest.outputs}
            for entry in _texts_of(manifest):
                name = part_name(entry.path)
                earlier.append(InputPart(name, part_source(name), entry, num_documents[name], f"{KEYS}/{name}", build))
                files.append([outputs[f"{KEYS}/{name}.{what}.npy"] for what in _KEY_FILES])
        return Layout(own, earlier, files), files

    def _background(
        self, runner: PhaseRunner, layout: Layout, key_files: list[list[FileEntry]]
    ) -> dict[str, Any] | None:
        """What is known of false partners before pairs are proposed; None where no pairs are."""
        if not self.recipe.dedup.minhash.enabled:
            return None
        phase = Background(layout, self.recipe.dedup)
        ordinals = [ordinal for chosen in phase.ordinals().values() for ordinal in chosen]
        task = Task(
            name=phase.name,
            inputs=tuple(entry for ordinal in ordinals for entry in key_files[ordinal]),
        )
        facts = runner.run(phase, [task])[0].facts
        for line in background_lines(facts, self.recipe.dedup.minhash):
            runner.watcher.note(line)
        return facts

    def _proposed(self, runner: PhaseRunner, layout: Layout, key_files: list[list[FileEntry]]) -> list[TaskRecord]:
        """The records of the pairs, gathered by block."""
        settings = self.recipe.dedup
        num_ranges = range_count(layout.num_documents, self._keys_a_document(), RANGE_BYTES)
        tasks = [
            Task(
                name=f"{group:05d}",
                inputs=tuple(entry for ordinal in layout.ordinals(group) for entry in key_files[ordinal]),
            )
            for group in range(layout.num_groups)
        ]
        gathered = runner.run(GatherEntries(layout, num_ranges, settings.keep == "first"), tasks)
        proposed = runner.run(
            Propose(layout),
            [Task(name=name, inputs=entries) for name, entries in sorted(by_receiver(gathered).items())],
        )
        files = [record.outputs[0] for record in proposed]
        return runner.run(GatherPairs(layout), _in_groups(files))

    def _texts_task(self, layout: Layout, group: str, blocks: dict[str, tuple[FileEntry, ...]]) -> Task:
        """The pairs of all blocks of a group, and its parts."""
        pairs = [entry for block, entries in sorted(blocks.items()) if group in block.split("-") for entry in entries]
        parts = [layout.parts[ordinal] for ordinal in layout.ordinals(int(group))]
        return Task(
            name=group,
            inputs=(*pairs, *(part.entry for part in parts)),
        )


def _documents_of(manifest: Manifest) -> list[FileEntry]:
    """The parts that an earlier build's stage took: those that it was compared with itself have the same names."""
    return [entry for entry in manifest.inputs if not entry.path.startswith(_AGAINST)]


def _texts_of(manifest: Manifest) -> list[FileEntry]:
    """The parts of an earlier build that have the texts its keys are of: before its own edits, where it made some."""
    is_edited = any(counts.edited for counts in manifest.counts.sources.values())
    return _documents_of(manifest) if is_edited else kept_parts(manifest)


def _in_groups(files: list[FileEntry]) -> list[Task]:
    """Tasks that read about as many files each as there are tasks."""
    width = isqrt(max(0, len(files) - 1)) + 1
    return [
        Task(name=f"{begin // width:05d}", inputs=tuple(files[begin : begin + width]))
        for begin in range(0, len(files), width)
    ]
