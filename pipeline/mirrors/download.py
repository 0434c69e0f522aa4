"""Downloads a file so that it is whole under its name or not there at all.

Bytes go to `<path>.partial` beside the target, with the version they are of in `<path>.partial.json`. An interrupted
download goes on from there if the mirror still has that version, and starts over if not. The target appears when its
length, its digest where known, and its compressed stream have been checked. Its modification time is the mirror's, so
a later run that finds it there without a record can tell whether it is still the mirror's file.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from manifests.errors import UserError
from manifests.storage import Folder, PublishedFile
from pipeline.mirrors.budget import Budget, no_budget
from pipeline.mirrors.file_system_transport import FileSystemTransport
from pipeline.mirrors.http_transport import HttpTransport
from pipeline.mirrors.integrity import Damaged, Verifier
from pipeline.mirrors.partial import Partial, feed_file, open_partial
from pipeline.mirrors.remote import PARTIAL_SUFFIX, STATE_SUFFIX, RemoteFile, Version, check_key, is_http, public_url
from pipeline.mirrors.retry import Retrier, RetrySettings
from pipeline.mirrors.transport import Body, Interrupted, NotFound, Refused, TooShort, Transport

_MOST_LISTING_BYTES = 32 << 20
_MOST_SKIPPED_BYTES = 64 << 20  # before a range, where a server sends the whole file
_MOST_UNMARKED_ENDS = 2

Check = Callable[[str], None]


@dataclass(frozen=True)
class Download:
    """A file that was downloaded, or was there already.

    faults: what went wrong with it and was mended, by name.
    version: as the mirror says; empty where the mirror was not asked.
    """

    published: PublishedFile
    faults: Counter[str]
    version: Version


class Downloader:
    """Fetches listings, ranges and files. Use it as a context manager; its threads share it and its connections.

    wait: called with the seconds to wait between attempts.
    budget: how much each host is asked; without one, as much as the threads can.
    """

    def __init__(
        self,
        retry: RetrySettings | None = None,
        wait: Callable[[float], None] = time.sleep,
        budget: Budget | None = None,
    ) -> None:
        self._settings = retry or RetrySettings()
        self._budget = no_budget() if budget is None else budget
        self._retrier = Retrier(self._settings, wait, self._budget)
        self._lock = threading.Lock()
        self._transports: dict[bool, Transport] = {}

    def __enter__(self) -> Downloader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            for transport in self._transports.values():
                transport.close()
            self._transports.clear()

    @property
    def faults(self) -> Counter[str]:
        """What went wrong and was mended or reported, by name: cut, timeout, status_503, restarted, damaged, ..."""
        return self._retrier.faults

    def counting(self) -> contextlib.AbstractContextManager[Counter[str]]:
        """Count the faults of what this thread asks for inside."""
        return self._retrier.counting()

    def fetch(self, url: str) -> bytes:
        """A small file, such as a listing, as it is stored. Raises `NotFound` or another `UserError`."""
        return self._retrier.run(url, lambda: self._fetch(url))

    def fetch_range(self, url: str, start: int, length: int, version: Version | None = None) -> bytes:
        """Exactly `length` bytes of a file from byte `start` on; they are held in memory.

        version: what the file must still be of. Raises `UserError` where it is not, or where the file is too short.
        """
        if length == 0:
            return b""
        return self._retrier.run(url, lambda: self._fetch_range(url, start, length, version))

    def describe(self, url: str) -> tuple[Version, int | None]:
        """A file's version and its size in bytes, None where the mirror does not say it."""
        return self._retrier.run(url, lambda: self._transport(url).describe(url))

    def size_of(self, url: str) -> int | None:
        """A file's size in bytes; None where the mirror does not say it at once. A refusal has no consequence."""
        try:
            return self._transport(url).describe(url)[1]
        except (Interrupted, Damaged, UserError):
            return None  # the download itself will say what is wrong

    def list_folder(self, url: str) -> list[str]:
        """Names directly below a folder of a mirror, sorted."""
        return self._retrier.run(url, lambda: self._transport(url).list_folder(url.rstrip("/") + "/"))

    def download(
        self, file: RemoteFile, folder: Folder, path: str | None = None, check: Check | None = None
    ) -> Download:
        """Download `file` to `path` below `folder` (its key where no path is given), or find it there already.

        check: called with the local path of the whole file before it is published; raises `Damaged` for a bad one.
        Raises `UserError` that says what is wrong at the mirror or on the disk; nothing is published then.
        """
        path = check_key(file.key if path is None else path, file.url)
        faults: Counter[str] = Counter()
        found = self._find_published(file, folder, path, check, faults)
        if found is not None:
            for suffix in (PARTIAL_SUFFIX, STATE_SUFFIX):  # of a run that was killed between its last two steps
                folder.delete(path + suffix)
            return found
        with open_partial(folder, path, lambda: _verifier(file)) as partial:
            sha256 = self._retrier.run(
                file.url, lambda: self._attempt(file, partial, check, faults), lambda: partial.num_bytes, faults
            )
            version = partial.version or Version()
            return Download(partial.publish(sha256), faults, version)

    def _describe_published(self, url: str, faults: Counter[str]) -> tuple[Version, int | None] | None:
        """What a mirror says of a file that may be here already; None where it will not say, and may still send it."""

        def describe() -> tuple[Version, int | None] | None:
            try:
                return self._transport(url).describe(url)
            except (NotFound, Refused):
                return None

        return self._retrier.run(url, describe, faults=faults)

    def _transport(self, url: str) -> Transport:
        kind, settings = is_http(url), self._settings
        with self._lock:
            if kind not in self._transports:
                self._transports[kind] = (
                    HttpTransport(self._budget, settings.connect_timeout_seconds, settings.read_timeout_seconds)
                    if kind
                    else FileSystemTransport(self._budget)
                )
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

    def _fetch_range(self, url: str, start: int, length: int, version: Version | None) -> bytes:
        data = bytearray()
        with self._transport(url).open_range(url, start, length) as body:
            if version is not None and version.differs(body.version):
                raise _changed(url, version, body.version, "while it was read", "Run the same command again.")
            if body.total is not None and body.total < start + length:
                raise TooShort(url, start + length)
            skip = start - body.start  # a server that knows no ranges sends the file from its first byte on
            if skip > _MOST_SKIPPED_BYTES:
                raise UserError(f"{public_url(url)}: this mirror cannot send a part of a file. Use another mirror.")
            for chunk in body.chunks:
                data += chunk[skip:]
                skip = max(0, skip - len(chunk))
                if len(data) >= length:
                    break
        if len(data) < length:
            raise Interrupted("cut", f"ended after {len(data):,} of {length:,} bytes")
        return bytes(data[:length])

    def _attempt(self, file: RemoteFile, partial: Partial, check: Check | None, faults: Counter[str]) -> str:
        """Bring the partial file to its end and return its sha256."""
        try:
            if partial.version and file.version and not file.version.is_confirmed_by(partial.version):
                partial.discard()
            if not partial.is_complete:
                self._receive(file, partial, faults)
            sha256 = partial.verifier.finish()
            if check is not None:
                check(partial.file_path)
            return sha256
        except Damaged:
            partial.discard()
            raise

    def _receive(self, file: RemoteFile, partial: Partial, faults: Counter[str]) -> None:
        """Append what the mirror sends, up to an end that is surely the file's."""
        try:
            with self._transport(file.url).open(file.url, partial.num_bytes, partial.version) as body:
                _check_answer(file, body, partial)
                if body.start == 0:
                    if partial.num_bytes:
                        self._retrier.count("restarted", faults)
                    partial.begin(body.version, body.total)
                for chunk in body.chunks:
                    partial.append(chunk)
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

    def _find_published(
        self, file: RemoteFile, folder: Folder, path: str, check: Check | None, faults: Counter[str]
    ) -> Download | None:
        """The target if it is there already and provably the mirror's file: by its digest, or by date and size."""
        if not folder.is_local or not folder.exists(path):
            return None
        full = folder.full(path)
        version = Version()
        if file.sha1 is None and file.sha256 is None:
            described = self._describe_published(file.url, faults)
            if described is None:
                return None
            version, total = described
            found = os.stat(full)
            if total != found.st_size or version.modified_seconds != int(found.st_mtime):
                return None
            if file.version is not None and not file.version.is_confirmed_by(version):
                return None
        verifier = _verifier(file)
        try:
            feed_file(verifier, full)
            published = PublishedFile(path, verifier.num_bytes, verifier.finish())
            if check is not None:
                check(full)
        except Damaged:
            return None
        return Download(published, faults, version)


def download(
    file: RemoteFile,
    folder: Folder,
    path: str | None = None,
    retry: RetrySettings | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> PublishedFile:
    """`Downloader.download` of one file."""
    with Downloader(retry, wait) as downloader:
        return downloader.download(file, folder, path).published


def _verifier(file: RemoteFile) -> Verifier:
    return Verifier(file.key, file.sha1, file.bytes, file.sha256)


def _check_answer(file: RemoteFile, body: Body, partial: Partial) -> None:
    """Refuse, before its bytes are read, an answer that cannot be the file or the rest of it."""
    if body.start == 0 and file.version is not None and not file.version.is_confirmed_by(body.version):
        advice = "Pin the recipe again, or use a mirror that has it."
        raise _changed(file.url, file.version, body.version, "since it was pinned", advice)
    if file.bytes is not None and body.total is not None and body.total != file.bytes:
        raise Damaged(f"has {body.total:,} bytes, not {file.bytes:,} as the listing says")
    plain = not file.key.endswith((".gz", ".bz2", ".xz"))  # a compressed file shows by itself what it is
    if plain and body.content_type == "text/html" and file.format != "html":
        raise Damaged(f"the mirror sent a web page in place of a {file.format} file")
    if body.start and (partial.version is None or partial.version.differs(body.version)):
        raise Interrupted("wrong_range", "sent the rest of another version")


def _changed(url: str, before: Version, after: Version, when: str, advice: str) -> UserError:
    return UserError(f"{public_url(url)}: changed {when} ({before} -> {after}). {advice}")
