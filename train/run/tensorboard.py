"""A run's metrics as TensorBoard's event files, beside `metrics.jsonl` and from the same rows.

Whenever a run begins, goes on or has gone back, one file is written anew from the rows that are there, and those that
follow are added to it: so no step is in it twice. It says first that all before it is void, for boards that are open.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from manifests.errors import UserError
from manifests.storage import writing

TENSORBOARD = "tensorboard"  # below the run
_SECONDS_BETWEEN_WRITES = 5  # each waits for the disk
_TAGS = {
    "loss": "train/loss",
    "learning_rate": "train/learning_rate",
    "gradient_norm": "train/gradient_norm",
    "tokens_per_second": "speed/tokens_per_second",
    "mfu": "speed/mfu",
    "validation_loss": "validation/loss",
    "bits_per_byte": "validation/bits_per_byte",
}


class EventFile:
    """The one file in a run's `tensorboard/`; its steps count as in the metrics."""

    def __init__(self, run: Path) -> None:
        """Raises `UserError` where the library is not installed."""
        try:
            import tensorboardX  # noqa: F401
        except ImportError:
            raise UserError(
                "train.tensorboard: tensorboardX is not installed. Run: pip install 'groundup[tensorboard]', or set it "
                "to false."
            ) from None
        self._folder = run.absolute() / TENSORBOARD
        self._file: Any = None

    def begin(self, rows: Iterable[dict[str, Any]]) -> None:
        """Put a file of these rows in the place of what is there."""
        from tensorboardX import RecordWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        self.close()
        now = time.time_ns()
        self._name = f"events.out.tfevents.{now // 10**9}.{now % 10**9:09}"  # a board reads files in the order of names
        with writing(str(self._folder), self._name):
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file, self._event = RecordWriter(str(self._folder / self._name)), Event
            self._put(Event(file_version="brain.Event:2"))
            self._put(Event(session_log=SessionLog(status=SessionLog.START)))
            for row in rows:
                self._put_row(row)
        self.sync()

    def add(self, row: dict[str, Any]) -> None:
        """Add a row of the metrics; it is on the disk a few seconds later, or with the next validation."""
        with writing(str(self._folder), self._name):
            self._put_row(row)
        if row["kind"] == "validation" or time.monotonic() - self._synced > _SECONDS_BETWEEN_WRITES:
            self.sync()

    def sync(self) -> None:
        """Bring the rows to the disk."""
        with writing(str(self._folder), self._name):
            self._file.flush()
        self._synced = time.monotonic()

    def close(self) -> None:
        """Nothing more is added."""
        if self._file is not None:
            with writing(str(self._folder), self._name):
                self._file.close()

    def _put_row(self, row: dict[str, Any]) -> None:
        if scalars := list(_scalars(row)):
            event = self._event(step=row["step"])
            for tag, value in scalars:
                event.summary.value.add(tag=tag, simple_value=value)
            self._put(event)

    def _put(self, event: Any) -> None:
        event.wall_time = time.time()
        self._file.write(event.SerializeToString())


def _scalars(row: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Tags and values of a row. What is null has none, and a rollback has none."""
    if row["kind"] not in ("train", "validation"):
        return
    yield from ((tag, row[key]) for key, tag in _TAGS.items() if row.get(key) is not None)
    for source, loss in row.get("loss_by_source", {}).items():
        if loss is not None:
            yield f"train/loss_by_source/{source}", loss
