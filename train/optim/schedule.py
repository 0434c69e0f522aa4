"""The learning rate, weight decay and momentum of every step, as pure functions of the step.

A step is counted from 0, so the last step of a run is `num_steps - 1`. Functions of the learning rate and of the weight
decay return a multiplier in [0, 1] of its peak.
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
    progress = decay_progress(step, num_steps, warmup_steps, decay_fraction)
    return 1.0 if progress == 0.0 else min_fraction + (1.0 - min_fraction) * (1.0 - progress)


def decay_progress(step: int, num_steps: int, warmup_steps: int, decay_fraction: float) -> float:
    """How far the decay of `constant_decay` is: 0 up to the last step of the plateau, 1 at the last of all."""
    warmup_steps = max(1, warmup_steps)
    decay_steps = min(round(num_steps * decay_fraction), num_steps - warmup_steps)
    last_plateau_step = num_steps - 1 - decay_steps
    return 0.0 if step <= last_plateau_step else _progress(step, last_plateau_step, num_steps - 1)


def momentum(step: int, warmup_steps: int, start: float, peak: float, end: float, decayed: float) -> float:
    """Muon's momentum: a line from `start` to `peak` over the warm-up, and to `end` as the rate's decay goes to 1."""
    warm = start + (peak - start) * min(1.0, step / warmup_steps) if warmup_steps else peak
    return warm + (end - warm) * decayed


def weight_decay(schedule: str, step: int, num_steps: int) -> float:
    """The multiplier of the weight decay: "constant", or from 1 along half a "cosine" or "linear" towards 0.

    The first step has all of it, and the step after the last would have none.
    """
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * step / num_steps))
    if schedule == "linear":
        return 1.0 - step / num_steps
    raise ValueError(f"unknown schedule {schedule!r}; there are 'constant', 'cosine' and 'linear'")


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
