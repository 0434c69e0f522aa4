"""`shards`: documents -> packed token shards, globally shuffled, with the mixture and the validation split decided.

Encoding is a task for each document part; writing is a task for each shard, which is a range of the shuffle's draws.
Both depend on the data and the recipe's seed alone.
"""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.draws import draw, fraction
from manifests.errors import UserError
from manifests.manifest import FileEntry
from pipeline.documents.page_types import PageType
from pipeline.documents.parts import read_part
from pipeline.engine.records import TaskRecord
from pipeline.engine.runner import PhaseRunner
from pipeline.engine.tasks import WORK, Phase, Task, TaskOutput
from pipeline.stages.base import Stage, StageResult, part_name, part_source, part_tasks
from tokenizer.encode import bulk_encoder
from tokenizer.shards.format import shard_dtype
from tokenizer.shards.write import WrittenShard, shard_facts, write_shard

TRAIN, VALIDATION = "train", "validation"
_BATCH_DOCUMENTS = 512
_MIXTURE_COLUMNS = ["id", "source", "page_type", "cluster_size"]
_ENCODED_COLUMNS = [*_MIXTURE_COLUMNS, "url", "text", "num_bytes"]
_CHECKED_CHARACTERS = 100_000  # of each part, compared with `tokenizers`
_ROWS_PER_GROUP = 65_536
_DRAWS = 1 << 64
_FEW_DOCUMENTS, _FEWEST_DOCUMENTS = 10_000, 10  # with so many, one at least is held out for validation

_ENCODED_SCHEMA = pa.schema(
    [
        ("key", pa.uint64()),  # place in the global shuffle
        ("split", pa.string()),
        ("start", pa.int64()),  # of the document's ids in its part's token file
        ("length", pa.int64()),  # ids, without the end-of-text
        ("id", pa.string()),
        ("source", pa.string()),
        ("url", pa.string()),
        ("num_bytes", pa.int64()),
        ("part", pa.string()),
        ("row", pa.int64()),
        ("copy", pa.int32()),
    ]
)


def shuffle_key(seed: int, source: str, document: str, copy: int) -> int:
    """A document's place in the order of training: uniform in [0, 2^64), and the same in every run."""
    return draw("shuffle", seed, source, document, copy)


def is_validation(seed: int, source: str, document: str, share: float) -> bool:
    """Whether a document is in the validation split, which has this share of all."""
    return fraction("validation", seed, source, document) < share


def share_that_takes_one(draws: list[float], share: float) -> float:
    """The share of the validation split; for a small corpus of which it would take none, the share that takes one.

    draws: of every document of the mixture, in [0, 1). Of fewer than ten documents none is held out.
    """
    if share == 0.0 or len(draws) < _FEWEST_DOCUMENTS or min(draws) < share:
        return share
    return math.nextafter(min(draws), 1.0)


def num_copies(seed: int, source: str, document: str, weight: float) -> int:
    """How often a document of a source with this weight is in the mixture: 2.5 is two or three times, as drawn."""
    whole = int(weight)
    return whole + int(fraction("mixture", seed, source, document) < weight - whole)


class Mixture(NamedTuple):
    """How often documents are in the mixture: the weight of a source, times those of a type of page and of copies.

    copies: (smallest cluster size, weight from there on), growing; below the first it is 1.
    """

    seed: int
    sources: dict[str, float]
    page_types: Mapping[PageType, float]
    copies: Sequence[tuple[int, float]] = ()

    def num_copies(self, row: dict[str, Any]) -> int:
        """Of a document: columns `id`, `source`, `page_type` and `cluster_size`, which is null where nobody counted."""
        weight = self.sources[row["source"]] * self.page_types.get(row["page_type"], 1.0)
        size = row.get("cluster_size") or 1
        weight *= next((weight for smallest, weight in reversed(self.copies) if size >= smallest), 1.0)
        return num_copies(self.seed, row["source"], row["id"], weight)


class Encode(Phase):
    """Document part -> token ids, and one row for each copy of each document."""

    name = "encode"

    def __init__(self, mixture: Mixture, validation_fraction: float) -> None:
        self._mixture = mixture
        self._seed = mixture.seed
        self._validation_fraction = validation_fraction

    def settings(self) -> dict[str, Any]:
        return {
            "seed": self._seed,
            "validation_fraction": self._validation_fraction,
            "page_types": self._mixture.page_types,
            "copies": self._mixture.copies,
        }

    def process(self, task: Task, output: TaskOutput) -> None:
        part, tokenizer = task.inputs
        encoder = bulk_encoder(output.build.read_bytes(tokenizer.path))
        dtype = shard_dtype(encoder.vocab_size)
        ids: list[np.ndarray] = []
        rows: list[dict[str, Any]] = []
        position = 0
        checked = False
        for batch in _batches(read_part(output.build, part, _ENCODED_COLUMNS)):
            texts = [row["text"] for row in batch]
            if not checked:
                encoder.check_equal(_first_texts(texts))
                checked = True
            flat, offsets = encoder.encode_batch(texts)
            ids.append(flat.astype(dtype))
            for number, row in enumerate(batch):
                start, stop = int(offsets[number]), int(offsets[number + 1])
                rows.extend(self._copies(row, position + start, stop - start, part.path, output))
            position += len(flat)
        rows_table = pa.Table.from_pylist(rows, _ENCODED_SCHEMA)
        stem = f"{WORK}/encoded/{task.name}"
        output.publish_array(f"{stem}.npy", np.concatenate(ids) if ids else np.empty(0, dtype))
        with output.publish(f"{stem}.parquet") as file:
            pq.write_table(rows_table, file, compression="zstd", row_group_size=_ROWS_PER_GROUP)
        for split in (TRAIN, VALIDATION):
            # Each document is followed by one end-of-text.
            output.facts[split] = sum(row["length"] + 1 for row in rows if row["split"] == split)
        output.facts["repeats"] = dict(sorted(Counter(row["source"] for row in rows if row["copy"] > 0).items()))

    def _copies(
        self, row: dict[str, Any], start: int, length: int, part: str, output: TaskOutput
    ) -> Iterator[dict[str, Any]]:
        source, document = row["source"], row["id"]
        output.counts.read(source)
        copies = self._mixture.num_copies(row)
        if copies == 0:
            output.counts.dropped(source, "mixture_weight")
            return
        output.counts.kept(source)
        split = VALIDATION if is_validation(self._seed, source, document, self._validation_fraction) else TRAIN
        for copy in range(copies if split == TRAIN else 1):
            yield {
                "key": shuffle_key(self._seed, source, document, copy),
                "split": split,
                "start": start,
                "length": length,
                "id": document,
                "source": source,
                "url": row["url"],
                "num_bytes": row["num_bytes"],
                "part": part,
                "row": row["row"],
                "copy": copy,
            }


def _first_texts(texts: list[str]) -> list[str]:
    """The texts that are compared: whole ones up to the limit, the first at least in part."""
    chosen: list[str] = []
    left = _CHECKED_CHARACTERS
    for text in texts:
        if left <= 0:
            break
        chosen.append(text[:left])
        left -= len(text)
    return chosen


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for number, row in enumerate(rows):
        batch.append({**row, "row": number})
        if len(batch) == _BATCH_DOCUMENTS:
            yield batch
            batch = []
    if batch:
        yield batch


class Write(Phase):
    """A range of the shuffle's draws -> one shard, its documents in the order of their keys."""

    name = "write"

    def __init__(self, vocab_size: int, end_of_text_id: int) -> None:
        self._vocab_size = vocab_size
        self._end_of_text_id = end_of_text_id

    def settings(self) -> dict[str, Any]:
        return {"vocab_size": self._vocab_size, "end_of_text_id": self._end_of_text_id}

    def process(self, task: Task, output: TaskOutput) -> None:
        split, number, num_shards = (task.settings[key] for key in ("split", "shard", "num_shards"))
        low, high = number * _DRAWS // num_shards, (number + 1) * _DRAWS // num_shards
        chosen: list[dict[str, Any]] = []
        tokens: list[np.ndarray] = []
        for entry in task.inputs:
            path = entry.path.removeprefix(f"{output.stage}/")
            if path.endswith(".npy"):
                tokens.append(output.read_array(path))
                continue
            for row in _rows_between(output, path, split, low, high):
                chosen.append({**row, "tokens": len(tokens)})  # the part's token file comes next in the inputs
        chosen.sort(key=lambda row: (row["key"], row["source"], row["id"], row["copy"]))
        documents = ((tokens[row["tokens"]][row["start"] : row["start"] + row["length"]], row) for row in chosen)
        stem = f"{split}/shard-{number:05d}"
        shard = write_shard(output.folder, stem, documents, self._vocab_size, self._end_of_text_id)
        for file in shard.files:
            is_tokens = file.path == shard.path
            output.add(FileEntry.of(file, shard.num_documents, shard.num_tokens if is_tokens else None))
        output.facts |= {
            "split": split,
            "path": shard.path,
            "num_tokens": shard.num_tokens,
            "num_documents": shard.num_documents,
            "num_text_bytes": shard.num_text_bytes,
        }


def _rows_between(output: TaskOutput, path: str, split: str, low: int, high: int) -> Iterator[dict[str, Any]]:
    """The rows of an encoded part that lie in a range of the shuffle and in a split."""
    with output.folder.open(path) as file:
        parquet = pq.ParquetFile(file)
        for group in range(parquet.num_row_groups):
            table = parquet.read_row_group(group)
            keys = table["key"].to_numpy()
            inside = (keys >= np.uint64(low)) & (keys <= np.uint64(high - 1))
            inside &= table["split"].to_numpy(zero_copy_only=False) == split
            yield from table.take(np.flatnonzero(inside)).to_pylist()


def _sum_repeats(records: list[TaskRecord]) -> dict[str, int]:
    """By source, the copies of documents beyond the first."""
    total: Counter[str] = Counter()
    for record in records:
        total.update(record.facts["repeats"])
    return dict(sorted(total.items()))


class ShardsStage(Stage):
    """See the module."""

    name = "shards"
    reads = ("tokenizer",)
    writes_documents = False
    libraries = ("gigatoken", "numpy", "pyarrow", "tokenizers", "xxhash")
    worker_bytes = 0.8e9
    disk_share = 0.8

    def settings(self) -> dict[str, Any]:
        weights = {source.name: source.weight for source in self.recipe.sources}
        return {
            "shards": self.recipe.shards.model_dump(),
            "mixture": self.recipe.mixture.model_dump(mode="json"),
            "seed": self.recipe.seed,
            "weights": weights,
        }

    def inputs(self) -> list[FileEntry]:
        return [*self.documents(), self._tokenizer()]

    def _tokenizer(self) -> FileEntry:
        manifest = self.upstream("tokenizer")
        entry = next(entry for entry in manifest.outputs if entry.path == "tokenizer.json")
        return entry.model_copy(update={"path": f"tokenizer/{entry.path}"})

    def _validation_share(self, mixture: Mixture, runner: PhaseRunner) -> float:
        """The recipe's, or a larger one for a small corpus, which is said."""
        share, seed, parts = self.recipe.shards.validation_fraction, self.recipe.seed, self.documents()
        if sum(part.documents or 0 for part in parts) > _FEW_DOCUMENTS:
            return share
        draws = [
            fraction("validation", seed, row["source"], row["id"])
            for part in parts
            for row in read_part(self.build, part, _MIXTURE_COLUMNS)
            if mixture.num_copies(row)
        ]
        taken = share_that_takes_one(draws, share)
        if taken != share:
            runner.watcher.note(
                f"shards: shards.validation_fraction {share:g} takes none of {len(draws):,} documents; one is taken"
            )
        return taken

    def run(self, runner: PhaseRunner) -> StageResult:
        shards = self.recipe.shards
        tokenizer = self._tokenizer()
        weights = {source.name: source.weight for source in self.recipe.sources}
        tasks = [
            Task(
                name=task.name,
                inputs=(*task.inputs, tokenizer),
                settings={"weight": weights[part_source(part_name(task.inputs[0].path))]},
            )
            for task in part_tasks(self.documents())
        ]
        copies = self.recipe.mixture.copies_weights()
        mixture = Mixture(self.recipe.seed, weights, shards.page_type_weights, copies)
        encode = Encode(mixture, self._validation_share(mixture, runner))
        encoded = runner.run(encode, tasks)
        if not any(record.facts[TRAIN] for record in encoded):
            if any(record.facts[VALIDATION] for record in encoded):
                num_documents = sum(record.counts.documents_out for record in encoded)
                raise UserError(
                    f"shards: shards.validation_fraction {shards.validation_fraction} takes every document for "
                    f"validation ({num_documents:,}), and none is left to train on. Lower it, or set it to 0 for no "
                    "validation."
                )
            raise UserError(
                f"shards: no document is left of {self.recipe.name!r}. See why: "
                f"groundup drops {shlex.quote(self.build.url)}"
            )
        facts = self.upstream("tokenizer").facts
        write = Write(facts["vocab_size"], facts["end_of_text_id"])
        inputs = tuple(
            entry.model_copy(update={"path": f"{self.name}/{entry.path}"})
            for record in encoded
            for entry in sorted(record.outputs, key=lambda entry: entry.path, reverse=True)  # .parquet, then .npy
        )
        write_tasks = []
        for split in (TRAIN, VALIDATION):
            num_tokens = sum(record.facts[split] for record in encoded)
            num_shards = -(-num_tokens // shards.tokens_per_shard)
            write_tasks += [
                Task(
                    name=f"{split}-{number:05d}",
                    inputs=inputs,
                    settings={"split": split, "shard": number, "num_shards": num_shards},
                )
                for number in range(num_shards)
            ]
        written = runner.run(write, write_tasks)
        for split in (TRAIN, VALIDATION):
            num_encoded = sum(record.facts[split] for record in encoded)
            num_written = sum(record.facts["num_tokens"] for record in written if record.facts["split"] == split)
            if num_encoded != num_written:
                raise RuntimeError(f"shards: {num_encoded} {split} tokens encoded, but {num_written} written")
        splits: dict[str, list[WrittenShard]] = {TRAIN: [], VALIDATION: []}
        for record in written:
            fact = dict(record.facts)
            splits[fact.pop("split")].append(WrittenShard(files=[], **fact))
        return StageResult(
            records=[*encoded, *written],
            facts={
                **shard_facts(facts["vocab_size"], facts["end_of_text_id"], splits),
                "repeats": _sum_repeats(encoded),
                "tokenizer_sha256": tokenizer.sha256,
                "seed": self.recipe.seed,
            },
        )
