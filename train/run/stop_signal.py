"""Being told to stop: by Ctrl-C, by a job's time limit, by a machine that is taken back, by a terminal that closes."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from manifests.errors import UserError

# torchrun passes on SIGTERM, SIGINT and SIGHUP; Slurm sends SIGTERM, and before a time limit what `--signal` names.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_INSISTENT = 3


class Stopped(UserError):
    """A run ended before its last step because it was told to, with a checkpoint where it had done any."""


@dataclass
class StopSignal:
    """The first of `SIGNALS` that came, by name; the loop looks at it after every step.

    No signal ends the process: torchrun repeats the one that a terminal has sent to all already, and a second one must
    not cut off a checkpoint that is being written. The third says what would.
    """

    name: str = ""
    _count: int = 0

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """While this holds, signals are noted. SIGHUP stays ignored where the process was started so (`nohup`)."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        caught = {number: signal.getsignal(number) for number in SIGNALS}
        if caught[signal.SIGHUP] is signal.SIG_IGN:
            del caught[signal.SIGHUP]
        for number in caught:
            signal.signal(number, self._note)
        try:
            yield
        finally:
            for number, handler in caught.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: Any) -> None:
        self._count += 1
        if not self.name:
            self.name = signal.Signals(number).name
            _say(f"{self.name}: stopping after this step, with a checkpoint.")
        elif self._count == _INSISTENT:
            _say(
                "still stopping: a checkpoint is written first. To end this at once: kill -9 "
                f"{os.getpid()}. That loses the steps since the last complete checkpoint, which stays whole."
            )


def _say(line: str) -> None:
    # Not print: a signal may come in the middle of one.
    with contextlib.suppress(OSError):
        os.write(2, f"groundup: {line}\n".encode())
