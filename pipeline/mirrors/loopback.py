"""A mirror on this machine: serves a folder over HTTP on 127.0.0.1, for the quickstart, for tests and for benches.

It does what a good mirror does (ranges, ETags, dates, folder pages) and, where a test asks for it, what a bad one does.
`python -m pipeline.mirrors.loopback FOLDER` serves from a process of its own and prints its URL.
"""

from __future__ import annotations

import contextlib
import email.utils
import functools
import html
import os
import re
import socket
import socketserver
import stat
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, unquote, urlsplit

_MOST_LINE_BYTES = 1 << 16
_MOST_HEADER_LINES = 200
_SMALL_BODY_BYTES = 1 << 15  # such a body leaves together with its header
_PIECE_BYTES = 1 << 16
_MSG_MORE: int = getattr(socket, "MSG_MORE", 0)
_REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True)
class Request:
    """One request as the mirror saw it.

    number: how many requests for this path came before.
    start: first byte that it asks for; 0 where it asks for all.
    headers: what the client sent, names in lower case.
    """

    method: str
    path: str
    number: int
    start: int
    headers: dict[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Fault:
    """How to answer badly. What is not set stays as it should be."""

    status: int | None = None
    """Answer with this status and no file."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers to add or replace; an empty value leaves one out. A false length ends with the connection."""
    body: bytes | None = None
    """Send this in place of the file."""
    cut_head_after: int | None = None
    """Close the connection after so many bytes of the answer's head."""
    cut_after: int | None = None
    """Close the connection after so many bytes of the body."""
    reset: bool = False
    """Reset the connection in place of closing it: at once, or where it is cut."""
    no_length: bool = False
    """Say no length; the end of the connection is the end of the body."""
    chunked: bool = False
    """Say no length and send the body in chunks."""
    bad_chunk_after: int | None = None
    """With `chunked`: after so many bytes of the body, send a chunk whose size is no number."""
    stall_after: int | None = None
    """Send nothing more after so many bytes of the body, until the mirror closes."""
    drip_bytes: int | None = None
    """Send so many bytes of the body at a time, ..."""
    drip_seconds: float = 0.0
    """... and wait so long after each time."""
    ignore_range: bool = False
    """Send the file from its first byte on although a range was asked for."""
    shift: int = 0
    """Answer a range with one that starts so many bytes later, and say so."""


FaultHook = Callable[[Request], Fault | None]
_PROPER = Fault()


class LoopbackMirror:
    """Context manager that serves `folder` at `url` from threads of this process, one for each connection.

    faults: asked for every request; None answers it properly. It may be called from several threads at a time.
    record: keep what was asked for, in order, in `requests`.
    """

    def __init__(self, folder: Path, faults: FaultHook | None = None, record: bool = True) -> None:
        self.folder = Path(folder).resolve()
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._record = record
        self._faults = faults
        self._numbers: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """URL of the folder, without a slash at its end."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def __enter__(self) -> LoopbackMirror:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.close_connections()

    def note(self, method: str, path: str, start: int, headers: dict[str, str] | None = None) -> Fault | None:
        """Record a request and return how it is to be answered."""
        with self._lock:
            request = Request(method, path, self._numbers[path], start, headers or {})
            self._numbers[path] += 1
            if self._record:
                self.requests.append(request)
        return self._faults(request) if self._faults else None


class LoopbackProcess:
    """Context manager that serves `folder` at `url` from a process of its own, which answers properly."""

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self._folder = Path(folder).resolve()
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> LoopbackProcess:
        command = [sys.executable, "-m", __spec__.name, "--until-input-ends", str(self._folder)]
        place = Path(__file__).resolve().parents[2]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=place)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            raise OSError(f"the mirror of {self._folder} did not start")
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process is not None
        self._process.communicate()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, mirror: LoopbackMirror) -> None:
        self.mirror = mirror
        self.resets: set[socket.socket] = set()
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        if request not in self.resets:
            super().shutdown_request(request)
            return
        self.resets.discard(request)
        self.close_request(request)

    def close_connections(self) -> None:
        """End the threads of clients that keep their connection."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no event."""


class _Connection(socketserver.BaseRequestHandler):
    """The requests of one connection, one after the other."""

    request: socket.socket
    server: _Server

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.request.makefile("rb") as lines:
            while self._answer(lines):
                pass

    def _answer(self, lines: IO[bytes]) -> bool:
        """Answer the next request; returns whether another one may follow."""
        words = lines.readline(_MOST_LINE_BYTES).decode("latin-1").split()
        if len(words) != 3:
            return False
        self._method, target, protocol = words
        self._headers = headers = dict(_read_headers(lines))
        self._keep = protocol == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        mirror = self.server.mirror
        path = unquote(urlsplit(target).path).lstrip("/")
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("range", ""))
        fault = mirror.note(self._method, path, int(match[1]) if match else 0, headers) or _PROPER
        if fault.reset and fault.cut_after is None:
            self._reset()
        elif fault.status is not None:
            self._send(fault.status, {"Content-Type": "text/plain"}, fault.body or b"", fault)
        elif self._method not in ("GET", "HEAD"):
            self._send(501, {"Content-Type": "text/plain"}, b"", fault)
        else:
            self._find(path, None if fault.ignore_range else match, fault)
        return self._keep

    def _find(self, path: str, match: re.Match[str] | None, fault: Fault) -> None:
        """Answer with the file or the folder of a path."""
        root = str(self.server.mirror.folder)
        full = os.path.realpath(os.path.join(root, path)) if "\0" not in path else ""
        inside = full == root or full.startswith(root + "/")
        if inside and os.path.isdir(full):
            self._send(200, {"Content-Type": "text/html; charset=utf-8"}, _folder_page(full), fault)
            return
        try:
            file = open(full if inside else "", "rb")  # noqa: SIM115 - closed just below
        except OSError:
            self._send(404, {"Content-Type": "text/plain"}, b"not found\n", fault)
            return
        with file:
            self._send_file(file, match, fault)

    def _send_file(self, file: IO[bytes], match: re.Match[str] | None, fault: Fault) -> None:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            self._send(404, {"Content-Type": "text/plain"}, b"not found\n", fault)
            return
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
        unmodified_since = self._headers.get("if-unmodified-since")
        if unmodified_since is not None and unmodified_since not in validators:
            self._send(412, {}, b"", fault)
            return
        condition = self._headers.get("if-range")
        start, stop, status = 0, size, 200
        if match is not None and (condition is None or condition in validators):
            start, stop, status = int(match[1]) + fault.shift, min(size, int(match[2] or size) + 1), 206
            if start >= size:
                self._send(416, {"Content-Range": f"bytes */{size}"}, b"", fault)
                return
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        self._send(status, headers, file if fault.body is None else fault.body, fault, start, stop)

    def _send(
        self,
        status: int,
        headers: dict[str, str],
        content: bytes | IO[bytes],
        fault: Fault,
        start: int = 0,
        stop: int | None = None,
    ) -> None:
        """Send the bytes `start` to `stop` of `content`, or what the fault leaves of them."""
        if stop is None:
            assert isinstance(content, bytes)
            stop = len(content)
        headers["Content-Length"] = str(stop - start)
        headers["Date"] = _date_now(int(time.time()))
        if fault.chunked:
            headers["Transfer-Encoding"] = "chunked"
        if fault.no_length or fault.chunked:
            del headers["Content-Length"]
        if fault.no_length:
            headers["Connection"] = "close"
        names = {name.lower(): name for name in headers}
        for name, value in fault.headers.items():
            headers[names.get(name.lower(), name)] = value
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
        head = f"HTTP/1.1 {status} {_REASONS.get(status, '')}\r\n{fields}\r\n".encode("latin-1")
        if fault.cut_head_after is not None:
            self.request.sendall(head[: fault.cut_head_after])
            self._close(fault)
            return
        limits = (fault.cut_after, fault.stall_after, fault.bad_chunk_after)
        end = min([stop, *(start + limit for limit in limits if limit is not None)])
        if self._method == "HEAD" or end <= start:
            self.request.sendall(head)
        else:
            self._send_body(head, content, fault, start, end)
        if self._method == "HEAD":
            return
        if fault.stall_after is not None and end < stop:
            self.server.mirror.closing.wait()
        if fault.bad_chunk_after is not None:
            self.request.sendall(b"no size\r\n")
        elif fault.chunked and end == stop:
            self.request.sendall(b"0\r\n\r\n")
        if fault.chunked:
            is_as_said = end == stop and fault.bad_chunk_after is None
        else:
            is_as_said = headers.get("Content-Length") == str(max(0, end - start))
        if not is_as_said:
            self._close(fault)

    def _send_body(self, head: bytes, content: bytes | IO[bytes], fault: Fault, start: int, end: int) -> None:
        if fault.chunked or fault.drip_bytes is not None:
            self.request.sendall(head)
            size = fault.drip_bytes or _PIECE_BYTES
            for position in range(start, end, size):
                piece = _read(content, position, min(end, position + size))
                self.request.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if fault.chunked else piece)
                if fault.drip_seconds and self.server.mirror.closing.wait(fault.drip_seconds):
                    return
        elif isinstance(content, bytes) or end - start <= _SMALL_BODY_BYTES:
            self.request.sendall(head + _read(content, start, end))
        else:
            self.request.send(head, _MSG_MORE)
            self.request.sendfile(content, start, end - start)

    def _close(self, fault: Fault) -> None:
        """End the connection; what was sent still arrives unless it is reset."""
        self._keep = False
        if fault.reset:
            self._reset()
        else:
            self.request.shutdown(socket.SHUT_WR)

    def _reset(self) -> None:
        self._keep = False
        # Closing with no time to linger sends a reset.
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.server.resets.add(self.request)


def _read_headers(lines: IO[bytes]) -> Iterator[tuple[str, str]]:
    for _ in range(_MOST_HEADER_LINES):
        name, colon, value = lines.readline(_MOST_LINE_BYTES).decode("latin-1").partition(":")
        if not colon:
            return
        yield name.strip().lower(), value.strip()


def _read(content: bytes | IO[bytes], start: int, stop: int) -> bytes:
    return content[start:stop] if isinstance(content, bytes) else os.pread(content.fileno(), stop - start, start)


def _folder_page(full: str) -> bytes:
    with os.scandir(full) as entries:
        names = sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in entries)
    links = "".join(f'<a href="{quote(name)}">{html.escape(name)}</a>\n' for name in names)
    return f'<html><body><pre>\n<a href="../">../</a>\n{links}</pre></body></html>\n'.encode()


@functools.lru_cache(maxsize=1)
def _date_now(second: int) -> str:
    return email.utils.formatdate(second, usegmt=True)


def _main(arguments: list[str]) -> None:
    until_input_ends = "--until-input-ends" in arguments
    folders = [argument for argument in arguments if not argument.startswith("--")]
    if len(folders) != 1 or not os.path.isdir(folders[0]):
        raise SystemExit("usage: python -m pipeline.mirrors.loopback FOLDER")
    with LoopbackMirror(Path(folders[0]), record=False) as mirror, contextlib.suppress(KeyboardInterrupt):
        print(mirror.url, flush=True)
        if until_input_ends:
            sys.stdin.read()
        else:
            mirror.closing.wait()


if __name__ == "__main__":
    _main(sys.argv[1:])
