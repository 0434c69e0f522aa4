"""The folder of a build: any fsspec URL, with files published whole or not at all.

On a local disk a file is written under a temporary name, flushed to the disk and renamed. For another file system it
is written to a local temporary file first and uploaded when it is whole: an object store shows an object only when its
upload has ended.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import hashlib
import itertools
import os
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from fsspec.implementations.local import LocalFileSystem

from manifests.errors import UserError
from manifests.paths import file_system

TEMPORARY_SUFFIX = ".unpublished"
_COPY_BYTES = 1 << 20
_counter = itertools.count()


@dataclass(frozen=True)
class PublishedFile:
    """A file that is complete: its path below its folder, its size in bytes and its sha256 in hexadecimal."""

    path: str
    bytes: int
    sha256: str


class HashingWriter:
    """A write-only binary file that digests what passes through it."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._digest = hashlib.sha256()
        self.bytes = 0
        self.abandoned = False  # after an error: Arrow writes a footer even when its object is collected

    def write(self, data: Any) -> int:
        view = memoryview(data)
        if self.abandoned:
            return view.nbytes
        self._raw.write(view)
        self._digest.update(view)
        self.bytes += view.nbytes
        return view.nbytes

    def writelines(self, blocks: Iterable[bytes]) -> None:
        for block in blocks:
            self.write(block)

    def flush(self) -> None:
        self._raw.flush()

    def tell(self) -> int:
        return self.bytes

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    closed = False

    def close(self) -> None:
        """Publishing closes the file underneath; a library that closes early must not."""

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


class Folder:
    """A folder on any fsspec file system. Paths given to its methods are relative and use `/`.

    A relative `url` starts at the working directory.
    """

    def __init__(self, url: str | Path) -> None:
        self.url = str(url).rstrip("/") or "/"
        self.fs, self.root = file_system(self.url)
        self.is_local = isinstance(self.fs, LocalFileSystem)

    def __repr__(self) -> str:
        return f"Folder({self.url!r})"

    def folder(self, path: str) -> Folder:
        """A folder in this one, without a look at the file system."""
        below = copy.copy(self)
        below.url, below.root = f"{self.url}/{path}", self.full(path)
        return below

    def full(self, path: str) -> str:
        """The path as the file system itself names it."""
        return f"{str(self.root).rstrip('/')}/{path}" if path else str(self.root)

    def exists(self, path: str) -> bool:
        full = self.full(path)
        return os.path.exists(full) if self.is_local else bool(self.fs.exists(full))

    def size(self, path: str) -> int:
        full = self.full(path)
        return os.path.getsize(full) if self.is_local else int(self.fs.size(full))

    def open(self, path: str, mode: str = "rb") -> Any:
        """Open for reading."""
        if mode not in ("rb", "r"):
            raise ValueError(f"open() is for reading; publish {path} instead.")
        return self.fs.open(self.full(path), mode)

    def read_bytes(self, path: str) -> bytes:
        if self.is_local:
            return Path(self.full(path)).read_bytes()
        return bytes(self.fs.cat_file(self.full(path)))

    def read_text(self, path: str) -> str:
        """The text of a file in UTF-8. Raises `UserError` where it is in none."""
        try:
            return self.read_bytes(path).decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{self.url}/{path}: not UTF-8 ({error}). It was changed or damaged; restore it.") from None

    def sizes(self, path: str = "") -> dict[str, int]:
        """Path -> bytes of every file below `path`, sorted. One listing; empty where `path` does not exist."""
        start = self.full(path)
        if self.is_local:
            return dict(sorted(_local_sizes(start, f"{path}/" if path else "")))
        self.fs.invalidate_cache()
        prefix = str(self.root).rstrip("/") + "/"
        try:
            found = self.fs.find(start, detail=True)
        except FileNotFoundError:
            return {}
        return {name[len(prefix) :]: int(found[name]["size"]) for name in sorted(found) if name.startswith(prefix)}

    def names(self) -> list[str]:
        """The names of the files and folders directly in this folder, sorted."""
        self.fs.invalidate_cache()
        return sorted(str(path).rstrip("/").rpartition("/")[2] for path in self.fs.ls(self.root, detail=False))

    def list(self, path: str = "") -> list[str]:
        """Every file below `path`, sorted, relative to this folder. Empty where `path` does not exist."""
        return list(self.sizes(path))

    def delete(self, path: str) -> None:
        """Delete a file or a whole folder; nothing happens where there is none."""
        full = self.full(path)
        with contextlib.suppress(FileNotFoundError):
            self.fs.rm(full, recursive=True)
        self.fs.invalidate_cache()

    @contextlib.contextmanager
    def publish(self, path: str, flush: bool = True) -> Iterator[HashingWriter]:
        """Write a file that appears under its name only when the block ends without an error.

        flush: bring it to a local disk before it gets its name. Without, a power failure may leave an empty file; that
        is for files which are then made again. Raises `UserError` when the disk is full or cannot be written.
        """
        target = self.full(path)
        temporary = f"{target}.{os.getpid()}-{next(_counter)}{TEMPORARY_SUFFIX}"
        try:
            if not self.is_local:
                descriptor, temporary = tempfile.mkstemp(suffix=TEMPORARY_SUFFIX)
                os.close(descriptor)
            raw = _open_new(temporary)
        except OSError as error:
            raise write_error(self.url, path, error) from error
        writer = HashingWriter(raw)
        try:
            yield writer
            raw.flush()
            if self.is_local:
                if flush:
                    os.fsync(raw.fileno())
                raw.close()
                os.replace(temporary, target)
            else:
                raw.close()
                self.fs.put_file(temporary, target)
                os.unlink(temporary)
        except BaseException as error:
            writer.abandoned = True
            with contextlib.suppress(OSError):
                raw.close()
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            if isinstance(error, OSError):
                raise write_error(self.url, path, error) from error
            raise

    def publish_bytes(self, path: str, data: bytes, flush: bool = True) -> PublishedFile:
        with self.publish(path, flush) as file:
            file.write(data)
        return PublishedFile(path, file.bytes, file.sha256)

    def append(self, path: str, data: bytes) -> None:
        """Add to the end of a local file. Raises `UserError` when the disk is full or cannot be written."""
        with writing(self.url, path), open(self.full(path), "ab") as file:
            file.write(data)

    def digest(self, path: str) -> PublishedFile:
        """Read a file again and return its size and sha256."""
        digest = hashlib.sha256()
        num_bytes = 0
        with self.open(path) as file:
            while block := file.read(_COPY_BYTES):
                digest.update(block)
                num_bytes += len(block)
        return PublishedFile(path, num_bytes, digest.hexdigest())

    def remove_unpublished(self, path: str = "") -> int:
        """Remove what an interrupted run left half written; returns how many files."""
        left = [name for name in self.list(path) if name.endswith(TEMPORARY_SUFFIX)]
        for name in left:
            self.delete(name)
        return len(left)


def split_path(path: str) -> tuple[Folder, str]:
    """The folder that a path or URL names a file in, and the file's name there."""
    parent, separator, name = path.rpartition("/")
    return Folder((parent or "/") if separator else "."), name


def _local_sizes(folder: str, prefix: str) -> Iterator[tuple[str, int]]:
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            # A link to a folder is one name: what it leads to is somebody else's, and may lead back here.
            if entry.is_dir(follow_symlinks=False):
                yield from _local_sizes(entry.path, f"{prefix}{entry.name}/")
                continue
            try:
                size = entry.stat(follow_symlinks=entry.is_file()).st_size
            except FileNotFoundError:  # gone since it was listed
                continue
            yield f"{prefix}{entry.name}", size


def _open_new(path: str) -> IO[bytes]:
    """Open a file for writing; its folder is made where it is not there yet."""
    try:
        return open(path, "wb")
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return open(path, "wb")


_REFUSALS = {
    errno.ENOSPC: "the disk is full. Free some space and run the same command again; finished tasks are kept",
    errno.EDQUOT: "the disk quota is used up. Free some space and run the same command again; finished tasks are kept",
    errno.EFBIG: "the file is larger than is allowed here. Raise the limit (ulimit -f) and run the same command again",
    errno.EROFS: "the file system can only be read. Choose another folder, or mount it to be written",
}


def write_error(url: str, path: str, error: OSError) -> UserError:
    """The error for a user whose output cannot be written."""
    where = f"{url}/{path}" if url else path
    if error.errno in _REFUSALS:
        return UserError(f"{where}: {_REFUSALS[error.errno]}.")
    reason = error.strerror or str(error)
    return UserError(f"{where}: cannot be written ({reason}). Check the recipe's output folder and its permissions.")


@contextlib.contextmanager
def writing(url: str, path: str) -> Iterator[None]:
    """A block that writes a local file outside of `Folder.publish`. Raises `UserError` where the system refuses."""
    try:
        yield
    except OSError as error:
        raise write_error(url, path, error) from error


def refused_write(error: BaseException) -> UserError | None:
    """The same for a write that a library made, such as one of its caches; None where it is another error."""
    if not isinstance(error, OSError) or error.errno not in _REFUSALS:
        return None
    return write_error("", str(error.filename or _unnamed(error)), error)


def _unnamed(error: OSError) -> str:
    """What a write without a name went to, by who made it: a library for terminals, or one that holds a path."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    library = str(frame.f_globals.get("__name__")).partition(".")[0]
    if library in ("click", "rich", "typer", "groundup", "__main__"):
        return "standard output"
    for name in ("path", "filepath", "filename"):
        if isinstance(held := frame.f_locals.get(name), str | os.PathLike):
            return str(held)
    return f"a temporary file, perhaps in {tempfile.gettempdir()}"
