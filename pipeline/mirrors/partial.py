"""A file under way: its bytes in `<path>.partial`, and in `<path>.partial.json` the version that they are of."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from manifests.storage import Folder, PublishedFile, writing
from pipeline.mirrors.integrity import Damaged, Verifier
from pipeline.mirrors.remote import PARTIAL_SUFFIX, STATE_SUFFIX, Version

_BLOCK_BYTES = 1 << 18


class Partial:
    """The file under way and its state. Always on a local disk: other targets get it uploaded when it is whole.

    Raises `UserError` where the disk is full or cannot be written.
    """

    def __init__(self, folder: Folder, path: str, local: str, make_verifier: Callable[[], Verifier]) -> None:
        self.file_path = local + PARTIAL_SUFFIX
        self._folder = folder
        self._path = path
        self._state_path = local + STATE_SUFFIX
        self._target = local
        self._make_verifier = make_verifier
        self.verifier = make_verifier()
        self.version: Version | None = None
        self.num_unmarked_ends = 0
        self._total: int | None = None
        with self._writing():
            Path(local).parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.file_path, "ab")  # noqa: SIM115 (closed by `close`)
        self._resume()

    @property
    def num_bytes(self) -> int:
        return self.verifier.num_bytes

    @property
    def is_complete(self) -> bool:
        """Whether every byte that the mirror announced is here."""
        return self._total is not None and self.num_bytes == self._total

    def begin(self, version: Version, total: int | None) -> None:
        """Start over, with bytes of this version. The state is written when no old byte is left to be taken for new."""
        self.discard()
        self.version, self._total = version, total
        state = {**asdict(version), "bytes": total}
        with self._writing():
            Path(self._state_path).write_text(json.dumps(state), encoding="utf-8")

    def append(self, data: bytes) -> None:
        """Take the next bytes; they reach the disk even if they turn out wrong, and are discarded then."""
        with self._writing():
            self._file.write(data)
            self._file.flush()  # a kill loses nothing of it, and a check can read it
        self.verifier.feed(data)

    def discard(self) -> None:
        """Forget every byte."""
        with self._writing():
            self._file.truncate(0)
            Path(self._state_path).unlink(missing_ok=True)
        self.verifier = self._make_verifier()
        self.version = self._total = None

    def publish(self, sha256: str) -> PublishedFile:
        """Give the whole file its name; its bytes are on the disk by then.

        The name may be lost with the machine's power. Then the record that names the file does not hold, and its task
        runs again: no need to wait for the disk once more.
        """
        num_bytes = self.num_bytes
        with self._writing():
            if self._folder.is_local:
                modified = self.version.modified_seconds if self.version else None
                if modified is not None:
                    os.utime(self.file_path, (modified, modified))
                os.fsync(self._file.fileno())
                os.replace(self.file_path, self._target)
        if not self._folder.is_local:
            with open(self.file_path, "rb") as source, self._folder.publish(self._path) as target:
                shutil.copyfileobj(source, target, _BLOCK_BYTES)
        with self._writing():
            Path(self._state_path).unlink(missing_ok=True)
        return PublishedFile(self._path, num_bytes, sha256)

    def close(self) -> None:
        """Keep what is worth resuming, and nothing else."""
        with self._writing():
            self._file.close()
            if self.num_bytes == 0:
                Path(self.file_path).unlink(missing_ok=True)
                Path(self._state_path).unlink(missing_ok=True)

    def _resume(self) -> None:
        """Take up what an earlier run left, where it is known which version it is of."""
        try:
            state = json.loads(Path(self._state_path).read_text(encoding="utf-8"))
            version, total = Version(state["etag"], state["last_modified"], state.get("date")), state["bytes"]
            if version.condition is None:
                raise ValueError("nothing tells versions apart")
            feed_file(self.verifier, self.file_path)
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError, Damaged):
            self.discard()  # nothing is lost: these bytes are fetched again
            return
        self.version, self._total = version, total

    def _writing(self) -> contextlib.AbstractContextManager[None]:
        return writing(self._folder.url, self._path)


@contextlib.contextmanager
def open_partial(folder: Folder, path: str, make_verifier: Callable[[], Verifier]) -> Iterator[Partial]:
    """The partial file of a target, with what an earlier run left of it."""
    with contextlib.ExitStack() as stack:
        if folder.is_local:
            local = folder.full(path)
        else:
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="groundup-"))
            local = f"{scratch}/{path.rpartition('/')[2]}"
        partial = Partial(folder, path, local, make_verifier)
        stack.callback(partial.close)
        yield partial


def feed_file(verifier: Verifier, path: str) -> None:
    """Give a whole file to a verifier."""
    with open(path, "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            verifier.feed(block)
