"""A mirror on this machine: serves a folder over HTTP on 127.0.0.1, for the quickstart and for tests.

It does what a good mirror does (ranges, ETags, dates, folder pages) and, where a test asks for it, what a bad one does.
"""

from __future__ import annotations

import email.utils
import html
import os
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """One request as the mirror saw it.

    number: how many requests for this path came before.
    start: first byte that it asks for; 0 where it asks for all.
    """

    method: str
    path: str
    number: int
    start: int


@dataclass(frozen=True)
class Fault:
    """How to answer badly. What is not set stays as it should be."""

    status: int | None = None
    """Answer with this status and no file."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers to add or replace; an empty value leaves one out."""
    body: bytes | None = None
    """Send this in place of the file."""
    cut_after: int | None = None
    """Close the connection after so many bytes of the body."""
    no_length: bool = False
    """Say no length; the end of the connection is the end of the body."""
    stall_after: int | None = None
    """Send nothing more after so many bytes of the body, until the mirror closes."""


FaultHook = Callable[[Request], Fault | None]


class LoopbackMirror:
    """Context manager that serves `folder` at `url` from threads of this process.

    faults: asked for every request; None answers it properly.
    `requests` lists what was asked for, in order.
    """

    def __init__(self, folder: Path, faults: FaultHook | None = None) -> None:
        self.folder = Path(folder).resolve()
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._faults = faults or (lambda request: None)
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.mirror = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """URL of the folder, without a slash at its end."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def __enter__(self) -> LoopbackMirror:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def note(self, method: str, path: str, start: int) -> Fault | None:
        """Record a request and return how it is to be answered."""
        with self._lock:
            number = sum(request.path == path for request in self.requests)
            request = Request(method, path, number, start)
            self.requests.append(request)
        return self._faults(request)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    mirror: LoopbackMirror

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no event."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        mirror = self.server.mirror
        path = unquote(urlsplit(self.path).path).lstrip("/")
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        fault = mirror.note(self.command, path, int(match[1]) if match else 0) or Fault()
        if fault.status is not None:
            self._send(fault.status, {"Content-Type": "text/plain"}, fault.body or b"", fault)
            return
        full = (mirror.folder / path).resolve()
        if "\0" in path or not full.is_relative_to(mirror.folder) or not full.exists():
            self._send(404, {"Content-Type": "text/plain"}, b"not found\n", fault)
        elif full.is_dir():
            names = [f"{entry.name}/" if entry.is_dir() else entry.name for entry in sorted(full.iterdir())]
            links = "".join(f'<a href="{quote(name)}">{html.escape(name)}</a>\n' for name in names)
            page = f'<html><body><pre>\n<a href="../">../</a>\n{links}</pre></body></html>\n'
            self._send(200, {"Content-Type": "text/html; charset=utf-8"}, page.encode(), fault)
        else:
            self._send_file(full, match, fault)

    def _send_file(self, full: Path, match: re.Match[str] | None, fault: Fault) -> None:
        with full.open("rb") as file:
            found = os.fstat(file.fileno())
            size = found.st_size if fault.body is None else len(fault.body)
            etag = f'"{found.st_mtime_ns:x}-{size:x}"'
            modified = email.utils.formatdate(int(found.st_mtime), usegmt=True)
            headers = {
                "Content-Type": "application/octet-stream",
                "ETag": etag,
                "Last-Modified": modified,
                "Accept-Ranges": "bytes",
            }
            changed = {name.lower(): value for name, value in fault.headers.items()}
            validators = {etag, modified, changed.get("etag"), changed.get("last-modified")}
            condition = self.headers.get("If-Range")
            start, stop, status = 0, size, 200
            if match is not None and (condition is None or condition in validators):
                start, stop, status = int(match[1]), min(size, int(match[2] or size) + 1), 206
                if start >= size:
                    self._send(416, {"Content-Range": f"bytes */{size}"}, b"", fault)
                    return
                headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
            content = file if fault.body is None else fault.body
            self._send(status, headers, content, fault, start, stop)

    def _send(
        self, status: int, headers: dict[str, str], content: Any, fault: Fault, start: int = 0, stop: int | None = None
    ) -> None:
        stop = len(content) if stop is None else stop
        headers["Content-Length"] = str(stop - start)
        headers["Date"] = self.date_time_string()
        if fault.no_length:
            del headers["Content-Length"]
            headers["Connection"] = "close"
        names = {name.lower(): name for name in headers}
        for name, value in fault.headers.items():
            headers[names.get(name.lower(), name)] = value
        self.send_response_only(status)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        limits = [limit for limit in (fault.cut_after, fault.stall_after) if limit is not None]
        end = min([stop, *(start + limit for limit in limits)])
        if isinstance(content, bytes):
            self.wfile.write(content[start:end])
        elif end > start:
            self.connection.sendfile(content, start, end - start)
        if fault.stall_after is not None and end < stop:
            self.server.mirror.closing.wait()
        if end < stop or fault.no_length:
            self.close_connection = True
            # Say goodbye before closing, so that what was sent still arrives.
            self.connection.shutdown(socket.SHUT_WR)
