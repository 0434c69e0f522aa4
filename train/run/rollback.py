"""Going back: to a checkpoint, past the batches that did harm, and on with a lower rate for a while.

A run's `config.toml` has a list of its rollbacks; with it everything else is known, so an interruption in the middle of
one changes nothing. An entry has

- `step`: of the checkpoint, 0 for the first weights;
- `first`, `last`: the steps whose batches are left out, as they were numbered until then;
- `left_out`: their tokens in the order of the data, first and end;
- `reason`;
- `learning_rate_factor`, `until_step`: from `step` up to there all rates are multiplied by the factor;
- `settled`: only of those before the last change of settings. They leave out their batches, and no more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from train.data.loader import Loader
from train.run import checkpoint
from train.run.folder import RunFolder, read_metrics
from train.settings import SpikeSettings
from train.spikes import Setback

Rollback = dict[str, Any]


def record(setback: Setback, step: int, settings: SpikeSettings, loader: Loader) -> Rollback:
    """The rollback to the checkpoint of a step."""
    return {
        "step": step,
        "first": setback.first,
        "last": setback.step,
        "left_out": list(loader.span(setback.first - 1, setback.step - 1)),
        "reason": setback.what,
        "learning_rate_factor": settings.learning_rate_factor,
        "until_step": step + settings.window_steps,
    }


def left_out(rollbacks: Sequence[Rollback]) -> list[tuple[int, int]]:
    """The spans of the order of tokens that a loader leaves out, sorted and apart."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(tuple(one["left_out"]) for one in rollbacks):
        if merged and start <= merged[-1][1]:
            start, end = merged[-1][0], max(end, merged.pop()[1])
        merged.append((start, end))
    return merged


def learning_rate_factor(rollbacks: Sequence[Rollback], step: int) -> float:
    """What the rates of a step (counted from 0) are multiplied by: all rollbacks since the last change of settings."""
    open_ = (one for one in rollbacks if "settled" not in one)
    active = (one for one in open_ if one["step"] <= step < one["until_step"])
    return math.prod(float(one["learning_rate_factor"]) for one in active)


def settle(folder: RunFolder, rollbacks: Sequence[Rollback], say: Callable[[str], None]) -> None:
    """Bring metrics, samples and checkpoints to where the last rollback has the run go on from. Done before: nothing.

    What was skipped stays in `metrics.jsonl`: its rows are in the row of the rollback.
    """
    rows = read_metrics(folder.path)
    for rollback in rollbacks[sum(row["kind"] == "rollback" for row in rows) :]:
        span = range(rollback["first"], rollback["last"] + 1)
        skipped = [row for row in rows if row["kind"] == "train" and "skipped" in row and row["step"] in span]
        row = {"kind": "rollback", **rollback, "skipped": skipped}
        folder.truncate_after(rollback["step"] or -1, row)
        say(
            f"step {rollback['last']}: {rollback['reason']}; going back to step {rollback['step']}, without the "
            f"batches of steps {rollback['first']} to {rollback['last']}, at {rollback['learning_rate_factor']:g} of "
            f"the learning rate until step {rollback['until_step']}"
        )
    for path in checkpoint.list_checkpoints(folder.checkpoints) if rollbacks else ():
        state = checkpoint.read_state(path)
        if any(state.step > later["step"] for later in rollbacks[state.num_rollbacks :]):
            checkpoint.remove(path)
