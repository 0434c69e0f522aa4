"""Downloads a file so that it is whole under its name or not there at all.

Bytes go to `<path>.partial` beside the target, with the version they are of in `<path>.partial.json`. An interrupted
download goes on from there if the mirror still has that version, and starts over if not. The target appears when its
length, its digest where known, and its compressed stream have been checked. Its modification time is the mirror's, so
a later run that finds it there without a record can tell whether it is still the mirror's file.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from manifests.errors import UserError
from manifests.storage import Folder, PublishedFile, write_error
from pipeline.sources.integrity import Damaged, Verifier
from pipeline.sources.remote import PARTIAL_SUFFIX, STATE_SUFFIX, RemoteFile, check_key, is_http, public_url
from pipeline.sources.retry import Retrier, RetrySettings
from pipeline.sources.transport import Body, Interrupted, Transport, Version, transport_for

_BLOCK_BYTES = 1 << 20
_MOST_LISTING_BYTES = 256 << 20
_MOST_UNMARKED_ENDS = 2


class Downloader:
    """Fetches listings and files. Holds connections, so each worker makes its own; use it as a context manager.

    wait: called with the seconds to wait between attempts.
    on_bytes: called with the number of bytes of each block that arrived.
    """

    def __init__(
        self,
        retry: RetrySettings | None = None,
        wait: Callable[[float], None] = time.sleep,
        on_bytes: Callable[[int], None] = lambda num_bytes: None,
    ) -> None:
        self._settings = retry or RetrySettings()
        self._retrier = Retrier(self._settings, wait)
        self._on_bytes = on_bytes
        self._transports: dict[bool, Transport] = {}

    def __enter__(self) -> Downloader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for transport in self._transports.values():
            transport.close()
        self._transports.clear()

    @property
    def faults(self) -> Counter[str]:
        """What went wrong and was mended or reported, by name: cut, timeout, status_503, restarted, damaged, ..."""
        return self._retrier.faults

    def fetch(self, url: str) -> bytes:
        """A small file, such as a listing, as it is stored. Raises `NotFound` or another `UserError`."""
        return self._retrier.run(url, lambda: self._fetch(url))

    def list_folder(self, url: str) -> list[str]:
        """Names directly below a folder of a mirror, sorted."""
        transport = self._transport(url)
        return self._retrier.run(url, lambda: transport.list_folder(url.rstrip("/") + "/"))

    def download(self, file: RemoteFile, folder: Folder, path: str | None = None) -> PublishedFile:
        """Download `file` to `path` below `folder` (its key where no path is given), or find it there already.

        Raises `UserError` that says what is wrong at the mirror or on the disk; nothing is published then.
        """
        path = check_key(file.key if path is None else path, file.url)
        published = self._find_published(file, folder, path)
        if published is not None:
            return published
        with _partial(folder, path, lambda: Verifier(file.key, file.sha1, file.bytes)) as partial:
            sha256 = self._retrier.run(file.url, lambda: self._attempt(file, partial), lambda: partial.num_bytes)
            return partial.publish(sha256)

    def _transport(self, url: str) -> Transport:
        kind = is_http(url)
        if kind not in self._transports:
            settings = self._settings
            self._transports[kind] = transport_for(url, settings.connect_timeout_seconds, settings.read_timeout_seconds)
        return self._transports[kind]

    def _fetch(self, url: str) -> bytes:
        data = bytearray()
        with self._transport(url).open(url) as body:
            for chunk in body.chunks:
                data += chunk
                if len(data) > _MOST_LISTING_BYTES:
                    raise UserError(f"{public_url(url)}: too large for a listing. Check the source's mirror.")
        if body.total is not None and len(data) != body.total:
            raise Interrupted("cut", f"ended after {len(data):,} of {body.total:,} bytes")
        return bytes(data)

    def _attempt(self, file: RemoteFile, partial: _Partial) -> str:
        """Bring the partial file to its end and return its sha256."""
        try:
            if not partial.is_complete:
                self._receive(file, partial)
            return partial.verifier.finish()
        except Damaged:
            partial.discard()
            raise

    def _receive(self, file: RemoteFile, partial: _Partial) -> None:
        """Append what the mirror sends, up to an end that is surely the file's."""
        try:
            with self._transport(file.url).open(file.url, partial.num_bytes, partial.version) as body:
                self._check_answer(file, body, partial)
                if body.start == 0:
                    if partial.num_bytes:
                        self.faults["restarted"] += 1
                    partial.begin(body.version, body.total)
                for chunk in body.chunks:
                    partial.append(chunk)
                    self._on_bytes(len(chunk))
        except Interrupted as interrupted:
            if interrupted.fault == "wrong_range":
                partial.discard()
            raise
        total = file.bytes if body.total is None else body.total
        if total is not None and partial.num_bytes < total:
            raise Interrupted("cut", f"ended after {partial.num_bytes:,} of {total:,} bytes")
        if total is None and not body.marked_end and not partial.verifier.proves_the_end:
            # The connection closed, and nobody said that this was the end. A request for the rest tells.
            partial.num_unmarked_ends += 1
            if partial.num_unmarked_ends > _MOST_UNMARKED_ENDS:
                raise UserError(
                    f"{public_url(file.url)}: the mirror says neither its length nor where it ends, so nothing proves "
                    "it whole. Use another mirror."
                )
            raise Interrupted("unmarked_end", "ended without saying that this is the end")

    def _check_answer(self, file: RemoteFile, body: Body, partial: _Partial) -> None:
        """Refuse, before its bytes are read, an answer that cannot be the file or the rest of it."""
        if file.bytes is not None and body.total is not None and body.total != file.bytes:
            raise Damaged(f"has {body.total:,} bytes, not {file.bytes:,} as the listing says")
        plain = not file.key.endswith((".gz", ".bz2", ".xz"))  # a compressed file shows by itself what it is
        if plain and body.content_type == "text/html" and file.format != "html":
            raise Damaged(f"the mirror sent a web page in place of a {file.format} file")
        if body.start and (partial.version is None or partial.version.differs(body.version)):
            raise Interrupted("wrong_range", "sent the rest of another version")

    def _find_published(self, file: RemoteFile, folder: Folder, path: str) -> PublishedFile | None:
        """The target if it is there already and provably the mirror's file: by its digest, or by date and size."""
        if not folder.is_local or not folder.exists(path):
            return None
        full = folder.full(path)
        if file.sha1 is None:
            version, total = self._retrier.run(file.url, lambda: self._transport(file.url).describe(file.url))
            found = os.stat(full)
            if total != found.st_size or version.modified_seconds != int(found.st_mtime):
                return None
        verifier = Verifier(file.key, file.sha1, file.bytes)
        try:
            _feed_file(verifier, full)
            return PublishedFile(path, verifier.num_bytes, verifier.finish())
        except Damaged:
            return None


def download(
    file: RemoteFile,
    folder: Folder,
    path: str | None = None,
    retry: RetrySettings | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> PublishedFile:
    """`Downloader.download` of one file."""
    with Downloader(retry, wait) as downloader:
        return downloader.download(file, folder, path)


class _Partial:
    """The file under way and its state. Always on a local disk: other targets get it uploaded when it is whole."""

    def __init__(self, folder: Folder, path: str, local: str, make_verifier: Callable[[], Verifier]) -> None:
        self._folder = folder
        self._path = path
        self._file_path = local + PARTIAL_SUFFIX
        self._state_path = local + STATE_SUFFIX
        self._target = local
        self._make_verifier = make_verifier
        self.verifier = make_verifier()
        self.version: Version | None = None
        self.num_unmarked_ends = 0
        self._total: int | None = None
        with self._writing():
            Path(local).parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self._file_path, "ab")  # noqa: SIM115 (closed by `close`)
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
        state = {"etag": version.etag, "last_modified": version.last_modified, "bytes": total}
        with self._writing():
            Path(self._state_path).write_text(json.dumps(state), encoding="utf-8")

    def append(self, data: bytes) -> None:
        """Take the next bytes; they reach the disk even if they turn out wrong, and are discarded then."""
        with self._writing():
            self._file.write(data)
        self.verifier.feed(data)

    def discard(self) -> None:
        """Forget every byte."""
        with self._writing():
            self._file.truncate(0)
            Path(self._state_path).unlink(missing_ok=True)
        self.verifier = self._make_verifier()
        self.version = self._total = None

    def publish(self, sha256: str) -> PublishedFile:
        """Give the whole file its name."""
        num_bytes = self.num_bytes
        with self._writing():
            self._file.flush()
            if self._folder.is_local:
                modified = self.version.modified_seconds if self.version else None
                if modified is not None:
                    os.utime(self._file_path, (modified, modified))
                os.fsync(self._file.fileno())
                os.replace(self._file_path, self._target)
                _sync_folder(os.path.dirname(self._target))
        if not self._folder.is_local:
            with open(self._file_path, "rb") as source, self._folder.publish(self._path) as target:
                shutil.copyfileobj(source, target, _BLOCK_BYTES)
        with self._writing():
            Path(self._state_path).unlink(missing_ok=True)
        return PublishedFile(self._path, num_bytes, sha256)

    def close(self) -> None:
        """Keep what is worth resuming, and nothing else."""
        with self._writing():
            self._file.close()
            if self.num_bytes == 0:
                Path(self._file_path).unlink(missing_ok=True)
                Path(self._state_path).unlink(missing_ok=True)

    def _resume(self) -> None:
        """Take up what an earlier run left, where it is known which version it is of."""
        try:
            state = json.loads(Path(self._state_path).read_text(encoding="utf-8"))
            version = Version(state["etag"], state["last_modified"])
            if version.condition is None:
                raise ValueError("nothing tells versions apart")
            _feed_file(self.verifier, self._file_path)
        except (FileNotFoundError, ValueError, KeyError, TypeError, Damaged):
            self.discard()  # nothing is lost: these bytes are fetched again
            return
        self.version, self._total = version, state["bytes"]

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise write_error(self._folder.url, self._path, error) from error


@contextlib.contextmanager
def _partial(folder: Folder, path: str, make_verifier: Callable[[], Verifier]) -> Iterator[_Partial]:
    with contextlib.ExitStack() as stack:
        if folder.is_local:
            local = folder.full(path)
        else:
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="groundup-"))
            local = f"{scratch}/{path.rpartition('/')[2]}"
        partial = _Partial(folder, path, local, make_verifier)
        stack.callback(partial.close)
        yield partial


def _feed_file(verifier: Verifier, path: str) -> None:
    with open(path, "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            verifier.feed(block)


def _sync_folder(path: str) -> None:
    """Make a rename last through a power cut."""
    descriptor = os.open(path or ".", os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
