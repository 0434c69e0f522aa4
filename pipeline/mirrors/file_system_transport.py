"""Reads files of any fsspec file system: file, s3, gs, ...; credentials are fsspec's own business."""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import errno
from collections.abc import Iterator
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from manifests.errors import UserError
from manifests.paths import file_system, local_path
from pipeline.mirrors.buckets import storage_options, why_refused
from pipeline.mirrors.remote import Version, public_url
from pipeline.mirrors.transport import Body, Interrupted, Limits, NotFound, Refused, TooShort

_LOCAL_READ_BYTES = 1 << 18
_REMOTE_READ_BYTES = 1 << 22  # one request each; held in memory by every thread


class FileSystemTransport:
    """Reads a remote file in requests of a few megabytes, each of them in the budget. Local files have none."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    @contextlib.contextmanager
    def open(self, url: str, start: int = 0, version: Version | None = None) -> Iterator[Body]:
        with self._reading(url) as (fs, file, info):
            found, size = _version(info), info.get("size")
            same = version is not None and version.etag is not None and version.etag == found.etag
            start = start if same and size is not None and start <= size else 0
            chunks = self._chunks(url, fs, file, start, None if size is None else size - start)
            yield Body(start, size, found, marked_end=size is not None, content_type="", chunks=chunks)

    @contextlib.contextmanager
    def open_range(self, url: str, start: int, length: int) -> Iterator[Body]:
        with self._reading(url) as (fs, file, info):
            size = info.get("size")
            if size is not None and start + length > size:
                raise TooShort(url, start + length)
            chunks = self._chunks(url, fs, file, start, length)
            yield Body(start, size, _version(info), marked_end=True, content_type="", chunks=chunks)

    def describe(self, url: str) -> tuple[Version, int | None]:
        with _faults(url):
            fs, path = _look_up(url)
            with self._request(url, fs):
                info = fs.info(path)
        _check_file(url, info)
        return _version(info), info.get("size")

    def list_folder(self, url: str) -> list[str]:
        with _faults(url):
            fs, path = _look_up(url)
            with self._request(url, fs):
                names = fs.ls(path, detail=False)
        return sorted(name.rstrip("/").rpartition("/")[2] for name in names)

    def close(self) -> None: ...

    def _request(self, url: str, fs: Any) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if isinstance(fs, LocalFileSystem) else self._limits.request(public_url(url))

    @contextlib.contextmanager
    def _reading(self, url: str) -> Iterator[tuple[Any, Any, dict[str, Any]]]:
        """The file system, the open file, and what is known of it."""
        with _faults(url):
            fs, path = _look_up(url)
            with self._request(url, fs):
                # Without read-ahead, each read is one request for these bytes. A file of an object store asks for its
                # size and version when it is opened, and reads that version only.
                file = fs.open(path, "rb", cache_type="none")
                details = getattr(file, "details", None)
                info = details if isinstance(details, dict) and details else fs.info(path)
        try:
            _check_file(url, info)
            yield fs, file, info
        finally:
            file.close()

    def _chunks(self, url: str, fs: Any, file: Any, start: int, length: int | None) -> Iterator[bytes]:
        is_local = isinstance(fs, LocalFileSystem)
        most = _LOCAL_READ_BYTES if is_local else _REMOTE_READ_BYTES
        with _faults(url):
            file.seek(start)
        while length is None or length > 0:
            with _faults(url), self._request(url, fs):
                data = file.read(most if length is None else min(most, length))
            if not data:
                return
            length = None if length is None else length - len(data)
            if not is_local:
                self._limits.spend(public_url(url), len(data))
            yield data


def _look_up(url: str) -> tuple[Any, str]:
    """A URL's file system and the path there."""
    fs, path = file_system(url, **storage_options(url))
    fs.invalidate_cache(path)  # what was listed earlier may be of another version
    return fs, path


def _check_file(url: str, info: dict[str, Any]) -> None:
    if info.get("type") == "directory":
        raise _is_folder(url)


def _is_folder(url: str) -> NotFound:
    return NotFound(f"{public_url(url)}: is a folder, not a file. Check the source's mirror.")


def _version(info: dict[str, Any]) -> Version:
    """Local files say `mtime`, object stores `ETag` and `LastModified`."""
    modified = info.get("mtime") or info.get("LastModified") or info.get("updated")
    if isinstance(modified, datetime.datetime):
        modified = modified.timestamp()
    if not isinstance(modified, int | float):
        return Version(info.get("ETag") or info.get("etag"))
    etag = info.get("ETag") or info.get("etag") or f"{modified}-{info.get('size')}"
    return Version(str(etag), email.utils.formatdate(int(modified), usegmt=True))


def _is_bucket(url: str) -> bool:
    return local_path(url) is None


@contextlib.contextmanager
def _faults(url: str) -> Iterator[None]:
    """Errors of a file system as those of a transport."""
    shown = public_url(url)
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{shown}: not found. Check the source's mirror and the names below it.") from None
    except IsADirectoryError:
        raise _is_folder(url) from None
    except PermissionError:
        message = f"{shown}: may not be read: {why_refused(url)}."
        # A local file says nothing about others; a bucket is one host.
        raise (Refused(message, shown) if _is_bucket(url) else UserError(message)) from None
    except (ImportError, ValueError) as error:
        hint = "install groundup[s3]" if url.startswith("s3") else "install what fsspec needs for it"
        raise UserError(f"{shown}: this kind of URL cannot be opened ({error}): {hint}.") from None
    except OSError as error:
        raise Interrupted(_fault_name(error), error.strerror or str(error)) from error
    except (Interrupted, UserError):
        raise
    except Exception as error:  # every store's client has errors of its own: botocore's, aiohttp's, ...
        if not _is_bucket(url):
            raise
        raise Interrupted("read_error", " ".join(str(error).split()) or type(error).__name__) from error


def _fault_name(error: OSError) -> str:
    if type(error).__name__ == "FileExpired":  # s3fs: the object is not the one that was opened
        return "changed"
    # s3fs says EBUSY where S3 answers SlowDown or ServiceUnavailable.
    return "status_503" if error.errno == errno.EBUSY else "read_error"
