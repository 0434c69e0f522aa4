"""Being told to stop: by Ctrl-C, by a job's time limit, by a machine that is taken back."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class StopSignal:
    """Set by SIGINT and SIGTERM; looked at after every step."""

    name: str = ""
    _previous: dict[int, Any] = field(default_factory=dict)

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._note)
        try:
            yield
        finally:
            for caught, handler in self._previous.items():
                signal.signal(caught, handler)

    def _note(self, number: int, frame: Any) -> None:
        if self.name:  # the second time it is meant
            raise KeyboardInterrupt
        self.name = signal.Signals(number).name
