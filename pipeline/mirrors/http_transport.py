"""Reads files over HTTP and HTTPS with urllib3: whole, from a byte on, or a range."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3 import exceptions

from manifests.code import groundup_version
from manifests.errors import UserError
from pipeline.mirrors.http_pool import make_pool, proxy_for
from pipeline.mirrors.remote import Version, is_http, mirror_of, parse_http_date, public_url
from pipeline.mirrors.transport import Body, Interrupted, Limits, NotFound, Refused, TooShort

# As much as a socket holds at a time on a fast line; a larger block leaves the processor's cache before it is digested.
_READ_BYTES = 1 << 18
_MOST_REDIRECTS = 5
_MOST_PAGE_BYTES = 32 << 20
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SMALL_BODY_BYTES = 1 << 16  # of an answer that is no file: read, so that its connection can be used again
# What may pass if it is asked again: time-outs, too many requests, and failures of the server itself.
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524, 529})


class HttpTransport:
    """Asks for the bytes as they are stored. Follows redirects by hand, to http(s) only and each within its budget."""

    def __init__(self, limits: Limits, connect_timeout_seconds: float, read_timeout_seconds: float) -> None:
        self._limits = limits
        self._timeout = urllib3.Timeout(connect=connect_timeout_seconds, read=read_timeout_seconds)
        self._lock = threading.Lock()
        self._pools: dict[tuple[bool, str | None], urllib3.PoolManager] = {}

    @contextlib.contextmanager
    def open(self, url: str, start: int = 0, version: Version | None = None) -> Iterator[Body]:
        headers = {}
        if start and version is not None and version.condition is not None:
            name, value = version.condition
            headers = {"Range": f"bytes={start}-", name: value}
        with self._send("GET", url, headers) as (hop, response):
            # The range starts where the file ends: everything is here already.
            if response.status == 416 and response.headers.get("content-range", "").strip() == f"bytes */{start}":
                yield Body(start, start, Version(), True, "", iter(()))
            elif response.status == 416:
                raise Interrupted("wrong_range", "has fewer bytes than are here already", url=public_url(hop))
            elif response.status == 412:
                raise Interrupted("wrong_range", "has changed since its first bytes were fetched", url=public_url(hop))
            else:
                yield self._body(url, hop, response, start if headers else None)

    @contextlib.contextmanager
    def open_range(self, url: str, start: int, length: int) -> Iterator[Body]:
        with self._send("GET", url, {"Range": f"bytes={start}-{start + length - 1}"}) as (hop, response):
            if response.status == 416:
                raise TooShort(url, start + length)
            yield self._body(url, hop, response, start)

    def describe(self, url: str) -> tuple[Version, int | None]:
        with self._send("HEAD", url, {}) as (_, response):
            if response.status in (405, 501):
                return Version(), None
            return _version(response), _content_length(response)

    def list_folder(self, url: str) -> list[str]:
        page = bytearray()
        with self.open(url) as body:
            for chunk in body.chunks:
                page += chunk
                if len(page) > _MOST_PAGE_BYTES:
                    raise UserError(f"{public_url(url)}: too large for a folder's page. Check the source's mirror.")
        text = page.decode("utf-8", "replace")
        names = re.findall(r"""<a\s[^>]*?href\s*=\s*["']?(?:\./)?([^"'/?#>\s]+)/?["'\s>]""", text, re.IGNORECASE)
        return sorted(set(names) - {"..", "."})

    def close(self) -> None:
        with self._lock:
            for pool in self._pools.values():
                pool.clear()
            self._pools.clear()

    def _body(self, url: str, hop: str, response: urllib3.BaseHTTPResponse, asked: int | None) -> Body:
        """The file, or its rest from byte `asked` on."""
        begin, total = 0, _content_length(response)
        if response.status == 206:
            begin, total = _content_range(response.headers.get("content-range", ""))
            if begin != asked:
                raise Interrupted(
                    "wrong_range", f"answers bytes from {begin:,}, asked for {asked or 0:,}", url=public_url(hop)
                )
        _check_encoding(url, hop, response)
        return Body(
            start=begin,
            total=total,
            version=_version(response),
            marked_end="content-length" in response.headers
            or response.headers.get("transfer-encoding", "").lower() == "chunked",
            content_type=response.headers.get("content-type", "").partition(";")[0].strip().lower(),
            chunks=self._chunks(url, hop, response),
        )

    def _chunks(self, url: str, hop: str, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        shown = public_url(hop)
        while True:
            try:
                # What has arrived is passed on at once: a time-out or a kill loses none of it.
                chunk = response.read1(_READ_BYTES, decode_content=False)
            except exceptions.HTTPError as error:
                raise _http_fault(url, hop, error) from error
            if not chunk:
                return
            self._limits.spend(shown, len(chunk))
            yield chunk

    @contextlib.contextmanager
    def _send(self, method: str, url: str, headers: dict[str, str]) -> Iterator[tuple[str, urllib3.BaseHTTPResponse]]:
        """The answer that is no redirect, and the URL that gave it. Other answers than files are raised."""
        hop = url
        for _ in range(_MOST_REDIRECTS + 1):
            with self._limits.request(public_url(hop)):
                response = self._request(method, url, hop, headers)
                try:
                    target = response.headers.get("location") if response.status in _REDIRECTS else None
                    if target is None:
                        if not _is_answer(method, response.status, headers):
                            raise _status_fault(url, hop, response)
                        yield hop, response
                        return
                finally:
                    _release(response)
            hop = _next_hop(url, hop, target)
        raise UserError(f"{public_url(url)}: redirects more than {_MOST_REDIRECTS} times. Check the source's mirror.")

    def _request(self, method: str, url: str, hop: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool(hop).request(
                method,
                hop,
                headers={"User-Agent": f"groundup/{groundup_version()}", "Accept-Encoding": "identity", **headers},
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
                timeout=self._timeout,
            )
        except exceptions.HTTPError as error:
            raise _http_fault(url, hop, error) from error

    def _pool(self, url: str) -> urllib3.PoolManager:
        proxy = proxy_for(url)
        secure = any(address.lower().startswith("https:") for address in (url, proxy or ""))
        with self._lock:
            if (secure, proxy) not in self._pools:
                self._pools[secure, proxy] = make_pool(proxy, secure)
            return self._pools[secure, proxy]


def _next_hop(url: str, hop: str, target: str) -> str:
    """Where a redirect leads. Raises `UserError` where that is not http(s)."""
    try:
        following = target if urlsplit(target).scheme else urljoin(hop, target)
        is_safe = is_http(following) and bool(urlsplit(following).hostname)
    except ValueError:  # an address that cannot be read
        is_safe = False
    if not is_safe:
        raise UserError(f"{public_url(url)}: leads to an address that is not http(s). Check the source's mirror.")
    return following


def _release(response: urllib3.BaseHTTPResponse) -> None:
    """Give the connection back where nothing is left on it, else close it."""
    length = _content_length(response)
    if response.status not in (200, 206) and length is not None and length <= _SMALL_BODY_BYTES:
        with contextlib.suppress(exceptions.HTTPError):  # of a page that nobody reads
            response.read(decode_content=False)
    response.close()


def _is_answer(method: str, status: int, headers: dict[str, str]) -> bool:
    """Whether an answer is the file, or says what was asked about it."""
    return (
        status in (200, 206)
        or (method == "HEAD" and status in (405, 501))
        or (status == 416 and "Range" in headers)
        or (status == 412 and "If-Unmodified-Since" in headers)
    )


def _version(response: urllib3.BaseHTTPResponse) -> Version:
    headers = response.headers
    return Version(headers.get("etag"), headers.get("last-modified"), headers.get("date"))


def _content_length(response: urllib3.BaseHTTPResponse) -> int | None:
    text = response.headers.get("content-length", "")
    if "transfer-encoding" in response.headers:  # it says where the body ends; a length beside it counts for nothing
        return None
    return int(text) if text.isdecimal() and text.isascii() else None


def _content_range(text: str) -> tuple[int, int | None]:
    match = re.fullmatch(r"bytes ([0-9]+)-[0-9]+/([0-9]+|\*)", text.strip())
    if match is None:
        raise Interrupted("wrong_range", f"answers 206 with Content-Range {text!r}")
    return int(match[1]), None if match[2] == "*" else int(match[2])


def _check_encoding(url: str, hop: str, response: urllib3.BaseHTTPResponse) -> None:
    """A server that encodes although asked not to would give other bytes than the file's."""
    encoding = response.headers.get("content-encoding", "identity").lower()
    stored = {"gzip": ".gz", "x-gzip": ".gz", "bzip2": ".bz2", "x-bzip2": ".bz2", "xz": ".xz"}.get(encoding)
    if encoding != "identity" and not (stored and public_url(hop).endswith(stored)):
        raise UserError(f"{public_url(url)}: sent with encoding {encoding!r}, not asked for. Use another mirror.")


def _http_fault(url: str, hop: str, error: Exception) -> Exception:
    """What an error of the HTTP client means for the next attempt."""
    detail = _detail(error)
    if isinstance(error, exceptions.LocationValueError | exceptions.URLSchemeUnknown):
        return UserError(f"{public_url(url)}: leads to an address that is not http(s). Check the source's mirror.")
    # Certificates are judged when a connection is made.
    unreachable = (exceptions.NewConnectionError, exceptions.ConnectTimeoutError, exceptions.ProxyError)
    if isinstance(error, (*unreachable, exceptions.SSLError)):
        return Interrupted("unreachable", detail, reached=False, url=public_url(hop))
    if isinstance(error, exceptions.TimeoutError):
        return Interrupted("timeout", "no bytes for too long", url=public_url(hop))
    return Interrupted("cut", detail, url=public_url(hop))


def _detail(error: Exception) -> str:
    """What the system said, without the objects that the client wraps it in."""
    text = " ".join(str(error.__cause__ or error).split())
    return text or type(error).__name__


def _status_fault(url: str, hop: str, response: urllib3.BaseHTTPResponse) -> Exception:
    """What an answer without the file means for the next attempt."""
    status, shown = response.status, public_url(url)
    if status in (404, 410):
        return NotFound(f"{shown}: not found ({status}). Check what the recipe names there, and the mirror.")
    if status in (401, 403, 407):
        message = (
            f"{shown}: refused by {mirror_of(hop)} ({status}). The file may not exist (some mirrors say so for a "
            "missing name), may be closed to you, or this address has asked too much: check its name, wait some hours, "
            "then run the same command with a lower acquire.connections."
        )
        return Refused(message, public_url(hop))
    if status in _TRANSIENT_STATUS:
        return Interrupted(f"status_{status}", f"answered {status}", _retry_after(response), url=public_url(hop))
    return UserError(f"{shown}: answered {status} {response.reason or ''}".rstrip() + ". Check the source's mirror.")


def _retry_after(response: urllib3.BaseHTTPResponse) -> float | None:
    """Seconds to wait, from either form of the header; a date counts from the server's own clock where it shows it."""
    text = response.headers.get("retry-after", "").strip()
    if text.isdecimal() and text.isascii():
        return float(text)
    until = parse_http_date(text)
    if until is None:
        return None
    now = parse_http_date(response.headers.get("date"))
    return max(0.0, until - (time.time() if now is None else now))
