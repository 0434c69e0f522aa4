"""The training part of a report, from the rows of a run's metrics."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from manifests.errors import UserError
from manifests.explore.build import Build
from manifests.report.report import write_report
from manifests.report.training import training
from manifests.seal import write_seal
from manifests.storage import Folder

_STEPS = 450


def _loss(source: str, step: int) -> float:
    return {"web": 6.0, "books": 4.0, "wiki": 5.0}[source] - step / 200


def _row(step: int) -> dict[str, Any]:
    """A step: of 100 targets, 70 of web and 30 of books, and in every tenth 10 of wiki in place of web."""
    tokens = {"web": 60, "books": 30, "wiki": 10} if step % 10 == 0 else {"web": 70, "books": 30, "wiki": 0}
    by_source = {name: _loss(name, step) if tokens[name] else None for name in tokens}
    loss = sum(tokens[name] * (by_source[name] or 0) for name in tokens) / 100
    return {
        "kind": "train",
        "step": step,
        "loss": loss,
        "loss_by_source": {name: value for name, value in by_source.items() if value is not None},
        "tokens_by_source": {name: count for name, count in tokens.items() if count},
    }


def _build(folder: Path, rows: list[dict[str, Any]]) -> Build:
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_seal(Folder(str(folder)), "mixed", {}, ["shards"])
    return Build(str(folder))


def _page(build: Build) -> str:
    return Path(write_report(build.url)).read_text(encoding="utf-8")


def test_loss_by_source(tmp_path: Path) -> None:
    rows = [_row(step) for step in range(1, _STEPS + 1)]
    build = _build(tmp_path / "build", rows)
    shown = training(build)
    assert shown is not None
    assert [row["name"] for row in shown["sources"]] == ["web", "books", "wiki"]
    assert {row["name"]: row["tokens"] for row in shown["sources"]} == {
        "web": 70 * 405 + 60 * 45,
        "books": 30 * _STEPS,
        "wiki": 10 * 45,
    }
    # The loss of the last 100 steps: each target counts once, and a source with targets in ten of them has theirs.
    last = range(_STEPS - 99, _STEPS + 1)
    assert shown["last_steps"] == 100
    found = {row["name"]: row["loss"] for row in shown["sources"]}
    assert found["books"] == pytest.approx(sum(_loss("books", step) for step in last) / 100)
    assert found["wiki"] == pytest.approx(sum(_loss("wiki", step) for step in last if step % 10 == 0) / 10)
    page = _page(build)
    assert page.count("<polyline") == 5  # training, validation, and three sources
    assert "training loss by source" in page
    longest = max(len(points.split()) for points in re.findall(r'points="([^"]*)"', page)[2:])
    assert 100 < longest <= 200  # of 450 steps


def test_skipped_steps_and_rollbacks(tmp_path: Path) -> None:
    rows = [_row(step) for step in range(1, 40)]
    documents = [{"id": f"d{number}", "source": "web"} for number in range(8)]
    skipped = rows[20] | {"loss": 900.0, "skipped": "the loss 900 is <high>", "documents": documents}
    skipped |= {"tokens_by_source": {"web": 10**6}, "loss_by_source": {"web": 900.0}}
    not_finite = {"kind": "train", "step": 15, "loss": None, "skipped": "the loss is nan", "documents": documents[:1]}
    rollback = {"kind": "rollback", "step": 10, "first": 15, "last": 15, "reason": "too many", "skipped": [not_finite]}
    build = _build(tmp_path / "build", [*rows[:10], rollback, *rows[10:20], skipped, *rows[21:]])
    shown = training(build)
    assert shown is not None
    assert [row["step"] for row in shown["events"]] == [15, 15, 21]
    assert shown["events"][1]["what"] == "went back to step 10, without the batches of steps 15 to 15: too many"
    assert shown["events"][2]["documents"] == ["d0", "d1", "d2", "d3", "d4", "and 3 more"]
    page = _page(build)
    assert "skipped: the loss 900 is &lt;high&gt;" in page
    assert "900</text>" not in page  # what was not learned from is in no curve
    assert shown["sources"][0]["tokens"] < 10**4


@pytest.mark.parametrize(
    "rows",
    [
        [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}],
        [{"kind": "train", "step": 1, "loss": 3.0}, {"kind": "validation", "step": 1, "validation_loss": 2.9}],
        [{"kind": "validation", "step": 0, "validation_loss": 2.9, "seconds": 1.0}],
        [{"kind": "train", "step": 1, "loss": 3.0, "loss_by_source": {}, "tokens_by_source": {}}],
        [{"kind": "train", "step": 1, "loss": 3.0, "loss_by_source": {"web": None}, "tokens_by_source": {"web": 0}}],
    ],
)
def test_rows_without_sources(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    build = _build(tmp_path / "build", rows)
    shown = training(build)
    assert shown is not None
    assert not shown["sources"]
    assert not shown["events"]
    assert _page(build).count("<polyline") == 2


def test_pauses_of_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = _build(tmp_path / "build", [_row(1)])
    manifest = SimpleNamespace(run={"pauses": {"validation": 2.345, "samples": 0.0, "checkpoints": 1234.5}})
    monkeypatch.setattr("manifests.report.training.read_manifest", lambda _: manifest)
    shown = training(build)
    assert shown is not None
    assert shown["pauses"] == {"validation": "2.3", "samples": "0.0", "checkpoints": "1,234.5"}
    assert '<td>checkpoints</td><td class="number">1,234.5</td>' in _page(build)
    manifest.run = {}  # of a run of before pauses were counted
    assert "pause" not in _page(build)


def test_nothing_to_show(tmp_path: Path) -> None:
    skipped = {"kind": "train", "step": 1, "loss": None, "skipped": "the loss is nan", "documents": []}
    assert training(_build(tmp_path / "skipped", [skipped])) is None
    assert training(_build(tmp_path / "empty", [])) is None
    build = _build(tmp_path / "none", [])
    (tmp_path / "none" / "train" / "metrics.jsonl").unlink()
    assert training(build) is None
    for number, bad in enumerate(
        ({"loss_by_source": [1], "tokens_by_source": [1]}, {"loss_by_source": {"a": 1}, "tokens_by_source": "x"})
    ):
        with pytest.raises(UserError, match="not the metrics of a run"):
            training(_build(tmp_path / f"bad{number}", [{"kind": "train", "step": 1, "loss": 3.0} | bad, _row(2)]))
