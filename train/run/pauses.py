"""What a run spends besides its steps: the seconds of its pauses, and the garbage that Python collects."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Iterator

KINDS = ("validation", "samples", "checkpoints", "data")
_COLLECT_EVERY_STEPS = 100


class Pauses:
    """Seconds by kind, of this process. "data" are those that steps waited for their batches."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(KINDS, 0.0)
        self.last = 0.0  # seconds of the last one

    @contextlib.contextmanager
    def of(self, kind: str) -> Iterator[None]:
        """Count the time that the context takes, also where it fails."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.last = time.perf_counter() - started
            self.seconds[kind] += self.last

    def rounded(self) -> dict[str, float]:
        """The seconds of each kind, to the millisecond."""
        return {kind: round(seconds, 3) for kind, seconds in self.seconds.items()}

    def __str__(self) -> str:
        return "pauses: " + ", ".join(f"{kind} {seconds:.1f} s" for kind, seconds in self.seconds.items())


@contextlib.contextmanager
def garbage_by_hand() -> Iterator[None]:
    """Let Python look for garbage only where `collect_garbage` says, and never among what is there already.

    By itself it does so at any moment, on each rank at another one, and the ranks wait for each other at every step.
    """
    was_enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()


def collect_garbage(step: int) -> None:
    """Collect after every hundredth step: all ranks at the same ones."""
    if step % _COLLECT_EVERY_STEPS == 0:
        gc.collect()
