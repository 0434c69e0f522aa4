"""`tokenizer`: a deterministic sample of documents -> `tokenizer.json`, or a ready one taken over."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from manifests.draws import fraction
from manifests.errors import UserError
from manifests.manifest import FileEntry
from manifests.storage import Folder
from pipeline.documents.parts import read_part
from pipeline.engine.runner import PhaseRunner
from pipeline.engine.tasks import Phase, Task, TaskOutput
from pipeline.recipe import Recipe, TokenizerSettings
from pipeline.stages.base import Stage, StageResult
from tokenizer.bpe import read_tokenizer, tokenizer_bytes, train_bpe
from tokenizer.encode import bulk_encoder
from tokenizer.long_words import MOST_CHARACTERS, BoundedTexts

TOKENIZER = "tokenizer.json"


class TrainTokenizer(Phase):
    """Learns merges from a sample of the documents. Each is drawn by its source and id, so the sample does not move."""

    name = "tokenizer"

    def __init__(self, settings: TokenizerSettings, seed: int) -> None:
        self._settings = settings
        self._seed = seed

    def settings(self) -> dict[str, Any]:
        return {"tokenizer": self._settings.model_dump(), "seed": self._seed}

    def process(self, task: Task, output: TaskOutput) -> None:
        total = task.settings["num_text_bytes"]
        share = min(1.0, self._settings.sample_bytes / max(1, total))
        texts = BoundedTexts(self._sample(task, output, share))
        tokenizer = train_bpe(
            texts,
            self._settings.vocab_size,
            pretokenizer=self._settings.pretokenizer,
            min_frequency=self._settings.min_frequency,
        )
        output.facts |= {
            "sample_fraction": share,
            "wanted_vocab_size": self._settings.vocab_size,
            "most_word_characters": MOST_CHARACTERS,
            "num_cut_words": texts.num_cut,
        }
        _publish(tokenizer_bytes(tokenizer), output)

    def _sample(self, task: Task, output: TaskOutput, share: float) -> Iterator[str]:
        sample_bytes = 0
        for entry in task.inputs:
            for row in read_part(output.build, entry, ["id", "source", "text", "num_bytes"]):
                source = row["source"]
                output.counts.read(source)
                if fraction("sample", self._seed, source, row["id"]) < share:
                    output.counts.kept(source)
                    sample_bytes += row["num_bytes"]
                    yield row["text"]
                else:
                    output.counts.dropped(source, "not_sampled")
        output.facts["sample_bytes"] = sample_bytes


class TakeTokenizer(Phase):
    """Take over a tokenizer that exists, as it is."""

    name = "tokenizer"

    def __init__(self, path: str) -> None:
        self._path = path

    def process(self, task: Task, output: TaskOutput) -> None:
        _publish(read_tokenizer(self._path), output)


def _publish(data: bytes, output: TaskOutput) -> None:
    """Publish a `tokenizer.json` that the shards stage can encode with, and what is to be known of it."""
    encoder = bulk_encoder(data)
    with output.publish(TOKENIZER) as file:
        file.write(data)
    output.facts |= {"vocab_size": encoder.vocab_size, "end_of_text_id": encoder.end_of_text_id}


class TokenizerStage(Stage):
    """See the module."""

    name = "tokenizer"
    writes_documents = False
    libraries = ("gigatoken", "pyarrow", "tokenizers", "xxhash")
    max_workers = 1
    disk_share = 0.0

    def __init__(self, recipe: Recipe, build: Folder, documents_from: str | None) -> None:
        super().__init__(recipe, build, None if recipe.tokenizer.path else documents_from)

    def settings(self) -> dict[str, Any]:
        if self.recipe.tokenizer.path:
            return {"tokenizer": {"path": Path(self.recipe.tokenizer.path).name}}
        return {"tokenizer": self.recipe.tokenizer.model_dump(), "seed": self.recipe.seed}

    def inputs(self) -> list[FileEntry]:
        if self.recipe.tokenizer.path:
            data = read_tokenizer(self.recipe.resolve(self.recipe.tokenizer.path))
            name = Path(self.recipe.tokenizer.path).name
            return [FileEntry(path=name, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())]
        return self.documents()

    def check_recipe(self) -> None:
        """Refuse a ready tokenizer that cannot be used before hours of extraction."""
        if path := self.recipe.tokenizer.path:
            try:
                bulk_encoder(read_tokenizer(self.recipe.resolve(path)))
            except UserError as error:
                raise UserError(f"tokenizer.path: {path}: {error}") from None

    def run(self, runner: PhaseRunner) -> StageResult:
        inputs = tuple(self.inputs())
        if self.recipe.tokenizer.path:
            phase: Phase = TakeTokenizer(self.recipe.resolve(self.recipe.tokenizer.path))
            task = Task(name="tokenizer", inputs=inputs)
        else:
            if not any(entry.documents for entry in inputs):
                raise UserError(
                    f"tokenizer: no document is left to learn from. See why: "
                    f"groundup drops {shlex.quote(self.build.url)}"
                )
            phase = TrainTokenizer(self.recipe.tokenizer, self.recipe.seed)
            num_text_bytes = sum(entry.text_bytes or 0 for entry in inputs)
            task = Task(name="tokenizer", inputs=inputs, settings={"num_text_bytes": num_text_bytes})
        records = runner.run(phase, [task])
        return StageResult(records=records, facts=records[0].facts)
