"""One step: the loss and its gradient, whatever the micro-batches and ranks, where not every target counts."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tests.train.builds import recipe, write_build
from tokenizer.shards.read import ShardSet
from train.data.loader import Loader
from train.objectives.pretrain import Pretrain, pretrain
from train.optim.plan import make_plan
from train.parallel.ranks import Ranks
from train.run.folder import read_metrics
from train.run.pauses import Pauses
from train.step import Gradient, Learner


@pytest.fixture(autouse=True)
def some_targets_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first two sequences of a batch have no target that counts, and others more or fewer."""
    original = Loader.batch

    def batch(self: Loader, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        tokens, targets = original(self, step)
        first = len(range(self.batch_sequences(step))[self._mine(step)]) * self.rank
        for row in range(len(targets)):
            number = first + row
            targets[row, 0 if number < 2 else 3 * number :] = -1
        return tokens, targets

    monkeypatch.setattr(Loader, "batch", batch)


def learner_of(build: Path, ranks: Ranks | None = None, **train: Any) -> Learner:
    asked = recipe(build, gradient_clip=0, **train)
    ranks = ranks or Ranks()
    objective = Pretrain(asked, ranks)
    return Learner(asked, make_plan(asked.train, objective.loader.tokens_per_epoch), objective, ranks, Pauses())


def find(build: Path, step: int = 3, **train: Any) -> tuple[Gradient, Learner]:
    learner = learner_of(build, **train)
    return learner.find_gradient(step, stop=False), learner


def gradients(learner: Learner) -> list[torch.Tensor]:
    return [parameter.grad for parameter in learner.model.parameters() if parameter.grad is not None]


def expected(build: Path, step: int = 3) -> tuple[float, list[torch.Tensor]]:
    """Written out: the mean over the targets of the whole batch that count."""
    _, learner = find(build, step=step)
    learner.discard()
    tokens, targets = learner.loader.batch(step)
    loss = F.cross_entropy(learner.model(tokens).flatten(0, 1), targets.flatten(), ignore_index=-1)
    loss.backward()
    return loss.item(), gradients(learner)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_every_micro_batch_gives_the_same(build: Path, size: int) -> None:
    loss, wanted = expected(build)
    found, learner = find(build, micro_batch_sequences=size)
    assert found.loss == pytest.approx(loss, rel=1e-6)
    for mine, other in zip(gradients(learner), wanted, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-7)


class Threads:
    """Ranks as threads of this process."""

    def __init__(self, num_ranks: int) -> None:
        self.num_ranks, self.parts = num_ranks, [torch.zeros(0)] * num_ranks
        self.barrier = threading.Barrier(num_ranks, timeout=60)

    def rank(self, number: int) -> Ranks:
        owner = self

        class Rank(Ranks):
            def sum(self, values: torch.Tensor) -> torch.Tensor:
                owner.parts[self.rank] = values.clone()
                owner.barrier.wait()
                values.copy_(torch.stack(owner.parts).sum(dim=0))
                owner.barrier.wait()
                return values

            def parallel(self, model: Any) -> Any:
                return model

        return Rank(number, self.num_ranks)


@pytest.mark.parametrize("num_ranks", [2, 4])
def test_ranks_with_other_numbers_of_targets_give_the_same(build: Path, num_ranks: int) -> None:
    loss, wanted = expected(build)
    threads, found = Threads(num_ranks), {}
    learners = [learner_of(build, threads.rank(number), micro_batch_sequences=2) for number in range(num_ranks)]

    def work(number: int) -> None:
        found[number] = learners[number].find_gradient(3, stop=False)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(num_ranks)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [gradient.loss for gradient in found.values()] == pytest.approx([loss] * num_ranks, rel=1e-6)
    assert len({(gradient.loss, gradient.norm) for gradient in found.values()}) == 1  # so all skip a step, or none
    for *parts, other in zip(*map(gradients, learners), wanted, strict=True):
        torch.testing.assert_close(sum(parts) / num_ranks, other, rtol=1e-4, atol=1e-7)  # as DDP averages


def test_a_batch_without_targets_is_no_nan(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Loader.batch
    monkeypatch.setattr(Loader, "batch", lambda self, step: (original(self, step)[0], original(self, step)[1] * 0 - 1))
    found, learner = find(build)
    assert found.loss == 0
    assert found.norm == 0
    assert all(not gradient.any() for gradient in gradients(learner))


def test_losses_by_source(tmp_path: Path, documents: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each source's mean is that of the targets in its documents, its ends of text included."""
    build = write_build(tmp_path / "build", documents[:60], num_shards=3)
    of_document = {f"train-{number}-{row}": "abc"[(number + row) % 3] for number in range(3) for row in range(60)}
    _name_sources(build / "shards", of_document)
    found, learner = find(build, batch_tokens=2048)
    tokens, targets = learner.loader.batch(3)
    each = learner.model(tokens, targets, reduction="none")
    shards = ShardSet.open(str(build / "shards"))
    sums: dict[str, list[float]] = {}
    for start, row, losses in zip(learner.loader.starts(3).tolist(), targets, each, strict=True):
        for place in range(len(row)):
            if row[place] != -1:
                sums.setdefault(shards.document_at(start + place + 1)["source"], []).append(losses[place].item())
    assert len(sums) > 1
    assert found.tokens_by_source == {source: len(losses) for source, losses in sums.items()}
    means = {source: sum(losses) / len(losses) for source, losses in sums.items()}
    assert found.loss_by_source == pytest.approx(means, rel=1e-5)
    total = sum(found.loss_by_source[name] * count for name, count in found.tokens_by_source.items())
    assert total / sum(found.tokens_by_source.values()) == pytest.approx(found.loss, rel=1e-5)
    # In later epochs, too, and in the rows of a run.
    pretrain(recipe(build, batch_tokens=2048, max_tokens=2048 * 20), tmp_path / "run")
    rows = [row for row in read_metrics(tmp_path / "run") if row["kind"] == "train"]
    assert all(set(row["loss_by_source"]) <= {"a", "b", "c"} for row in rows)
    assert len(rows[-1]["loss_by_source"]) > 1


def _name_sources(shards: Path, of_document: dict[str, str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in shards.glob("train/*.index.parquet"):
        table = pq.read_table(path)
        names = pa.array([of_document[name] for name in table["id"].to_pylist()])
        pq.write_table(table.set_column(table.column_names.index("source"), "source", names), path)
    manifest = json.loads((shards / "manifest.json").read_text())
    manifest["counts"] = {"sources": {name: {"documents_out": 1} for name in ("a", "b", "c")}}
    (shards / "manifest.json").write_text(json.dumps(manifest))
