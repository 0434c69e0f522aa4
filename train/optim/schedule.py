"""The learning rate of every step, as pure functions of the step.

A step is counted from 0, so the last step of a run is `num_steps - 1`. Each function returns a multiplier in [0, 1]
of the peak learning rate.
"""

from __future__ import annotations

import math


def warmup(step: int, warmup_steps: int) -> float:
    """Linear rise that reaches 1 at step `warmup_steps - 1` and stays there. The first step is not zero."""
    if warmup_steps <= 0:
        return 1.0
    return min(1.0, (step + 1) / warmup_steps)


def cosine(step: int, num_steps: int, warmup_steps: int = 0, min_fraction: float = 0.1) -> float:
    """Warm-up, then half a cosine down to `min_fraction`, which the last step has (Loshchilov and Hutter, 2016).

    Without a warm-up the first step is the peak, as it is with a warm-up of one step.
    """
    warmup_steps = max(1, warmup_steps)
    if step < warmup_steps:
        return warmup(step, warmup_steps)
    progress = _progress(step, warmup_steps - 1, num_steps - 1)
    return min_fraction + (1.0 - min_fraction) * 0.5 * (1.0 + math.cos(math.pi * progress))


def constant_decay(
    step: int, num_steps: int, warmup_steps: int = 0, min_fraction: float = 0.1, decay_fraction: float = 0.2
) -> float:
    """Warm-up, a plateau, then a straight line down to `min_fraction` over the last `decay_fraction` of the steps.

    Known as warmup-stable-decay (Hu et al., MiniCPM, 2024). The decay never begins before the warm-up ends, and
    without a warm-up never at the first step, which is the peak.
    """
    warmup_steps = max(1, warmup_steps)
    if step < warmup_steps:
        return warmup(step, warmup_steps)
    decay_steps = min(round(num_steps * decay_fraction), num_steps - warmup_steps)
    last_plateau_step = num_steps - 1 - decay_steps
    if step <= last_plateau_step:
        return 1.0
    progress = _progress(step, last_plateau_step, num_steps - 1)
    return min_fraction + (1.0 - min_fraction) * (1.0 - progress)


def multiplier(
    schedule: str, step: int, num_steps: int, warmup_steps: int, min_fraction: float, decay_fraction: float
) -> float:
    """The multiplier of `step` under the schedule that a recipe names ("cosine" or "constant_decay")."""
    if schedule == "cosine":
        return cosine(step, num_steps, warmup_steps, min_fraction)
    if schedule == "constant_decay":
        return constant_decay(step, num_steps, warmup_steps, min_fraction, decay_fraction)
    raise ValueError(f"unknown schedule {schedule!r}; there are 'cosine' and 'constant_decay'")


def _progress(step: int, start: int, stop: int) -> float:
    """The place of `step` between `start` (0) and `stop` (1), held inside [0, 1]."""
    if stop <= start:
        return 1.0
    return min(1.0, max(0.0, (step - start) / (stop - start)))
