"""Reads a remote file from a given byte on, over HTTP or any fsspec file system, and says which version it is."""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import fsspec
import httpx

from manifests.code import groundup_version
from manifests.errors import UserError
from pipeline.sources.remote import is_http, mirror_of, public_url

_READ_BYTES = 1 << 16
_MOST_REDIRECTS = 5
# What may pass if it is asked again: time-outs, too many requests, and failures of the server itself.
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524, 529})


class Interrupted(Exception):
    """Something that another attempt may mend.

    fault: snake_case name to count it by.
    retry_after: seconds that the server asks to wait.
    reached: False where no connection came about.
    """

    def __init__(self, fault: str, detail: str, retry_after: float | None = None, reached: bool = True) -> None:
        super().__init__(detail)
        self.fault = fault
        self.retry_after = retry_after
        self.reached = reached


class NotFound(UserError):
    """The mirror has no such file."""


@dataclass(frozen=True)
class Version:
    """What a server says of a file's version. Two requests that agree in it may be joined."""

    etag: str | None = None
    last_modified: str | None = None  # an HTTP date

    @property
    def condition(self) -> str | None:
        """What `If-Range` takes: a strong ETag, else the date; None where nothing tells versions apart."""
        if self.etag and not self.etag.startswith("W/"):
            return self.etag
        return self.last_modified

    def differs(self, other: Version) -> bool:
        """Whether a later answer is surely of another version; what one of the two does not say is no difference."""
        return any(
            mine is not None and theirs is not None and mine != theirs
            for mine, theirs in ((self.etag, other.etag), (self.last_modified, other.last_modified))
        )

    @property
    def modified_seconds(self) -> int | None:
        """`last_modified` as seconds since 1970."""
        return _http_date(self.last_modified)


@dataclass
class Body:
    """An answer under way.

    start: byte of the file that `chunks` begin at; 0 where the server starts over.
    total: size of the whole file in bytes; None where the server does not say.
    marked_end: a connection that ends too early would be noticed.
    """

    start: int
    total: int | None
    version: Version
    marked_end: bool
    content_type: str
    chunks: Iterator[bytes]


class Transport(Protocol):
    """Reads files behind one kind of URL.

    `open` and `describe` raise `Interrupted`, `NotFound` or another `UserError`; so does reading a body's chunks.
    """

    def open(self, url: str, start: int = 0, version: Version | None = None) -> contextlib.AbstractContextManager[Body]:
        """Begin to read, at `start` if the file still is of `version`, else at 0."""

    def describe(self, url: str) -> tuple[Version, int | None]:
        """A file's version and size, without its bytes."""

    def list_folder(self, url: str) -> list[str]:
        """Names directly below a folder that ends with `/`, sorted."""

    def close(self) -> None: ...


class HttpTransport:
    """HTTP and HTTPS. Asks for the bytes as they are stored and follows redirects to http(s) only."""

    def __init__(self, connect_timeout_seconds: float, read_timeout_seconds: float) -> None:
        self._client = httpx.Client(
            headers={"User-Agent": f"groundup/{groundup_version()}", "Accept-Encoding": "identity"},
            timeout=httpx.Timeout(read_timeout_seconds, connect=connect_timeout_seconds),
            follow_redirects=True,
            max_redirects=_MOST_REDIRECTS,
            # A mirror on this machine is never behind the proxy that the environment may name.
            mounts={f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")},
        )

    @contextlib.contextmanager
    def open(self, url: str, start: int = 0, version: Version | None = None) -> Iterator[Body]:
        headers = {}
        if start and version is not None and version.condition is not None:
            headers = {"Range": f"bytes={start}-", "If-Range": version.condition}
        response = self._send("GET", url, headers)
        try:
            if response.status_code == 416:  # the range starts where the file ends: everything is here already
                yield Body(start, start, Version(), True, "", iter(()))
                return
            if response.status_code == 206:
                begin, total = _content_range(url, response.headers.get("content-range", ""))
                if begin != start or not headers:
                    raise Interrupted("wrong_range", f"answers bytes from {begin:,}, asked for {start:,}")
            else:
                begin, total = 0, _content_length(response)
            self._check_encoding(url, response)
            yield Body(
                start=begin,
                total=total,
                version=_version(response),
                marked_end="content-length" in response.headers
                or response.headers.get("transfer-encoding", "").lower() == "chunked",
                content_type=response.headers.get("content-type", "").partition(";")[0].strip().lower(),
                chunks=_http_chunks(url, response),
            )
        finally:
            response.close()

    def describe(self, url: str) -> tuple[Version, int | None]:
        response = self._send("HEAD", url, {})
        response.close()
        if response.status_code in (405, 501):
            return Version(), None
        return _version(response), _content_length(response)

    def list_folder(self, url: str) -> list[str]:
        with self.open(url) as body:
            page = b"".join(body.chunks).decode("utf-8", "replace")
        names = re.findall(r"""<a\s[^>]*?href\s*=\s*["']?(?:\./)?([^"'/?#>\s]+)/?["'\s>]""", page, re.IGNORECASE)
        return sorted(set(names) - {"..", "."})

    def close(self) -> None:
        self._client.close()

    def _send(self, method: str, url: str, headers: dict[str, str]) -> httpx.Response:
        try:
            request = self._client.build_request(method, url, headers=headers)
            response = self._client.send(request, stream=True)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _http_fault(url, error) from error
        status = response.status_code
        if status in (200, 206) or (method == "HEAD" and status in (405, 501)):
            return response
        start = headers.get("Range", "").removeprefix("bytes=").removesuffix("-")
        if status == 416 and start and response.headers.get("content-range", "").strip() == f"bytes */{start}":
            return response
        response.close()
        raise _status_fault(url, response)

    def _check_encoding(self, url: str, response: httpx.Response) -> None:
        """A server that encodes although asked not to would give other bytes than the file's."""
        encoding = response.headers.get("content-encoding", "identity").lower()
        path = public_url(str(response.url))
        stored = {"gzip": ".gz", "x-gzip": ".gz", "bzip2": ".bz2", "x-bzip2": ".bz2", "xz": ".xz"}.get(encoding)
        if encoding != "identity" and not (stored and path.endswith(stored)):
            raise UserError(f"{public_url(url)}: sent with encoding {encoding!r}, not asked for. Use another mirror.")


class FileSystemTransport:
    """Everything else that fsspec opens: file, s3, gs, ...; credentials are fsspec's own business."""

    @contextlib.contextmanager
    def open(self, url: str, start: int = 0, version: Version | None = None) -> Iterator[Body]:
        fs, path, info = self._look_up(url)
        found, size = _fsspec_version(info), info.get("size")
        same = version is not None and version.condition is not None and version.condition == found.condition
        start = start if same and size is not None and start <= size else 0
        with _fsspec_faults(url):
            file = fs.open(path, "rb")
        try:
            yield Body(
                start=start,
                total=size,
                version=found,
                marked_end=size is not None,
                content_type="",
                chunks=_file_chunks(url, file, start),
            )
        finally:
            file.close()

    def describe(self, url: str) -> tuple[Version, int | None]:
        _, _, info = self._look_up(url)
        return _fsspec_version(info), info.get("size")

    def list_folder(self, url: str) -> list[str]:
        with _fsspec_faults(url):
            fs, path = fsspec.core.url_to_fs(url)
            return sorted(name.rstrip("/").rpartition("/")[2] for name in fs.ls(path, detail=False))

    def close(self) -> None: ...

    def _look_up(self, url: str) -> tuple[Any, str, dict[str, Any]]:
        with _fsspec_faults(url):
            fs, path = fsspec.core.url_to_fs(url)
            info = fs.info(path)
        if info.get("type") == "directory":
            raise NotFound(f"{public_url(url)}: is a folder, not a file. Check the source's mirror.")
        return fs, path, info


def transport_for(url: str, connect_timeout_seconds: float, read_timeout_seconds: float) -> Transport:
    """The transport for a URL."""
    return HttpTransport(connect_timeout_seconds, read_timeout_seconds) if is_http(url) else FileSystemTransport()


def _version(response: httpx.Response) -> Version:
    return Version(response.headers.get("etag"), response.headers.get("last-modified"))


def _content_length(response: httpx.Response) -> int | None:
    text = response.headers.get("content-length", "")
    return int(text) if text.isdigit() else None


def _content_range(url: str, text: str) -> tuple[int, int | None]:
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", text.strip())
    if match is None:
        raise Interrupted("wrong_range", f"answers 206 with Content-Range {text!r}")
    return int(match[1]), None if match[2] == "*" else int(match[2])


def _http_chunks(url: str, response: httpx.Response) -> Iterator[bytes]:
    try:
        yield from response.iter_raw()
    except httpx.HTTPError as error:
        raise _http_fault(url, error) from error


def _http_fault(url: str, error: Exception) -> Exception:
    """What an error of the HTTP client means for the next attempt."""
    detail = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return UserError(f"{public_url(url)}: leads to an address that is not http(s). Check the source's mirror.")
    if isinstance(error, httpx.TooManyRedirects):
        return UserError(f"{public_url(url)}: redirects more than {_MOST_REDIRECTS} times. Check the source's mirror.")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
        return Interrupted("unreachable", detail, reached=False)
    if isinstance(error, httpx.TimeoutException):
        return Interrupted("timeout", "no bytes for too long")
    return Interrupted("cut", detail)


def _status_fault(url: str, response: httpx.Response) -> Exception:
    """What an answer without the file means for the next attempt."""
    status, shown = response.status_code, public_url(url)
    if status in (404, 410):
        return NotFound(f"{shown}: not found ({status}). Check the source's crawl, wiki or date, and its mirror.")
    if status in (401, 403, 407):
        return UserError(
            f"{shown}: refused by {mirror_of(url)} ({status}). The file may not exist or be closed to you, or this "
            "address has asked too much: check its name, wait some hours, then run the same command with fewer workers."
        )
    if status == 416:
        return Interrupted("wrong_range", "has fewer bytes than are here already")
    if status in _TRANSIENT_STATUS:
        return Interrupted(f"status_{status}", f"answered {status}", _retry_after(response))
    return UserError(f"{shown}: answered {status} {response.reason_phrase}. Check the source's mirror.")


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds to wait, from either form of the header; a date counts from the server's own clock where it shows it."""
    text = response.headers.get("retry-after", "").strip()
    if text.isdigit():
        return float(text)
    until = _http_date(text)
    if until is None:
        return None
    now = _http_date(response.headers.get("date"))
    return max(0.0, until - (time.time() if now is None else now))


def _http_date(text: str | None) -> int | None:
    try:
        return int(email.utils.parsedate_to_datetime(text).timestamp()) if text else None
    except (ValueError, OverflowError):
        return None


def _fsspec_version(info: dict[str, Any]) -> Version:
    """Local files say `mtime`, object stores `ETag` and `LastModified`."""
    modified = info.get("mtime") or info.get("LastModified") or info.get("updated")
    if isinstance(modified, datetime.datetime):
        modified = modified.timestamp()
    if not isinstance(modified, int | float):
        return Version(info.get("ETag") or info.get("etag"))
    etag = info.get("ETag") or info.get("etag") or f"{modified}-{info.get('size')}"
    return Version(str(etag), email.utils.formatdate(int(modified), usegmt=True))


def _file_chunks(url: str, file: Any, start: int) -> Iterator[bytes]:
    with _fsspec_faults(url):
        file.seek(start)
    while True:
        with _fsspec_faults(url):
            data = file.read(_READ_BYTES)
        if not data:
            return
        yield data


@contextlib.contextmanager
def _fsspec_faults(url: str) -> Iterator[None]:
    """Errors of a file system as those of a transport."""
    shown = public_url(url)
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{shown}: not found. Check the source's mirror and the names below it.") from None
    except PermissionError:
        raise UserError(f"{shown}: may not be read. Check its permissions or this machine's credentials.") from None
    except (ImportError, ValueError) as error:
        hint = "install groundup[s3]" if url.startswith("s3") else "install what fsspec needs for it"
        raise UserError(f"{shown}: this kind of URL cannot be opened ({error}): {hint}.") from None
    except OSError as error:
        raise Interrupted("read_error", error.strerror or str(error)) from error
