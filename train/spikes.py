"""The spike guard: which steps are skipped, and when a run goes back."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from train.settings import SpikeSettings

HISTORY_STEPS, ACTIVE_AFTER = 128, 64
"""Steps whose losses and gradient norms are remembered, and how many there must be before one is judged (OLMo-core)."""
# A standard deviation counts as at least so much of the mean. A loss that hardly moves has no spikes of rounding. The
# gradient norms of small batches have a long tail: healthy runs reached 2.5 times the mean, 12 deviations above it.
_LEAST_DEVIATIONS = {"loss": 1e-3, "gradient norm": 0.5}
_REST = 4  # times max_skips: so many steps in a row may be the rest of a bad text


@dataclass(frozen=True)
class Skip:
    """A step that was skipped. Where its loss was not finite, the weights before it are not trusted."""

    step: int
    is_finite: bool

    @property
    def last_good(self) -> int:
        """The last step before it whose weights are trusted."""
        return self.step - 1 if self.is_finite else self.step - 2


class Setback(Exception):
    """What a run should go back for, after `step` steps.

    first: the first of the batches to leave out. suspect: the step whose weights may be bad, None where they are not.
    """

    def __init__(self, step: int, what: str, first: int, suspect: int | None) -> None:
        super().__init__(what)
        self.step, self.what, self.first, self.suspect = step, what, first, suspect

    @property
    def last_good(self) -> int:
        """The last step whose weights are trusted."""
        return self.first - 1 if self.suspect is None else min(self.first, self.suspect) - 1


class SpikeGuard:
    """Judges the loss and the gradient's norm of each step by those of the steps before it.

    Its state follows from the rows of `metrics.jsonl` and the last rollback. Steps are counted as in the rows: the
    first is 1.
    """

    def __init__(self, settings: SpikeSettings, rows: Iterable[dict[str, Any]], after: int | None = None) -> None:
        """rows: of the steps that are done, in their order.

        after: the step whose batch follows those that the last rollback left out. Steps that are skipped one after the
        other from there on are the rest of the same bad text, and count for no other rollback: up to four times
        `max_skips`, since a model that has diverged skips all.
        """
        self._settings = settings
        self._rest = range(after or 0, after or 0)
        self._seen: deque[tuple[float, float]] = deque(maxlen=HISTORY_STEPS)
        self._skipped: list[Skip] = []
        for row in rows:
            if row["kind"] == "train":
                self.note(row["step"], row["loss"], row["gradient_norm"], row.get("skipped"))

    def judge(self, loss: float, gradient_norm: float) -> str | None:
        """Why a step with these values is skipped; None where it is not."""
        values = {"loss": loss, "gradient norm": gradient_norm}
        for what, value in values.items():
            if not math.isfinite(value):
                return f"the {what} is {value:g}"
        if not self._settings.deviations or len(self._seen) < ACTIVE_AFTER:
            return None
        for (what, value), seen in zip(values.items(), zip(*self._seen, strict=True), strict=True):
            mean = statistics.fmean(seen)
            deviation = max(statistics.pstdev(seen, mean), _LEAST_DEVIATIONS[what] * abs(mean))
            if value > mean + self._settings.deviations * deviation:
                return (
                    f"the {what} {value:.4g} is {(value - mean) / deviation:.1f} standard deviations above the mean "
                    f"{mean:.4g} of {len(seen)} steps"
                )
        return None

    def note(self, step: int, loss: float | None, gradient_norm: float | None, skipped: str | None) -> None:
        """Remember a finished step. skipped: why it was, None where it was not. A value that is not finite may be None,
        as in a row."""
        if skipped is None and loss is not None and gradient_norm is not None:
            self._seen.append((loss, gradient_norm))
        else:
            self._skipped.append(skip := Skip(step, loss is not None and math.isfinite(loss)))
            if skip.is_finite and step == self._rest.stop and len(self._rest) < _REST * self._settings.max_skips:
                self._rest = range(self._rest.start, step + 1)

    def recent(self, step: int) -> list[Skip]:
        """What was skipped among the last `window_steps` up to `step`, without the rest of what a rollback left out."""
        first = step - self._settings.window_steps + 1
        return [skip for skip in self._skipped if skip.step >= first and skip.step not in self._rest]

    def cluster(self, step: int) -> list[Skip]:
        """Those of them that lie close together up to `step`: each no more than a tenth of the window after another."""
        skips, later = self.recent(step), step
        while skips and later - skips[-1].step <= max(1, self._settings.window_steps // 10):
            later = skips.pop().step
        return self.recent(step)[len(skips) :]

    def setback(self, step: int, why: str) -> Setback | None:
        """What the run should go back for, after a step that was skipped for that reason; None where it need not.

        All skips of the window count. Only those that lie close together at its end are what the run goes back behind:
        it has learned from sound steps since the others.
        """
        skips, settings = self.recent(step), self._settings
        if len(skips) < settings.max_skips or step in self._rest:
            return None
        first = self.cluster(step)[0]
        if len(skips) > 1:
            why = f"{len(skips)} of {settings.window_steps} steps were skipped, this one since {why}"
        return Setback(step, why, first.step, None if first.is_finite else first.step - 1)

    def suspect(self, step: int, what: str) -> Setback:
        """The weights after a step are not finite, or give what is not."""
        skips = self.cluster(step)
        return Setback(step, what, skips[0].step if skips else max(step, 1), step)
