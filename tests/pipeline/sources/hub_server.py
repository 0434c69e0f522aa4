"""A hub of Hugging Face on this machine: as much of its interface as reading a dataset needs."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

_ROUTE = re.compile(r"/(?:api/)?datasets/([^/]+/[^/]+?)(?:/(revision|resolve|tree|paths-info)/([^/]+)(/.*)?)?")


class FakeHub:
    """Serves dataset repositories at `url`. Every file counts as a large one, so that its sha256 is said.

    add: a folder under a repository's name, its commit, and the token without which it is refused.
    requests: method, path and whether a token came, in order.
    """

    def __init__(self, server: ThreadingHTTPServer) -> None:
        host, port = server.server_address[:2]
        self.url = f"http://{host!s}:{port}"
        self.requests: list[tuple[str, str, bool]] = []
        self.repositories: dict[str, tuple[Path, str, str | None, bool]] = {}
        self.broken: dict[str, int] = {}
        """Status to answer for the content of a file, by its path."""

    def add(self, name: str, folder: Path, commit: str, token: str | None = None, gated: bool = False) -> None:
        self.repositories[name] = (folder, commit, token, gated)


@contextmanager
def fake_hub() -> Iterator[FakeHub]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.hub = FakeHub(server)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.hub  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub: FakeHub = self.server.hub  # type: ignore[attr-defined]
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        path = unquote(urlsplit(self.path).path)
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ").strip() or None
        hub.requests.append((self.command, path, token is not None))
        match = _ROUTE.fullmatch(path)
        if match is None or match[1] not in hub.repositories:
            self._send(401 if token is None else 404, {"X-Error-Code": "RepoNotFound"}, b"Repository Not Found")
            return
        name, what, revision, rest = match[1], match[2] or "revision", match[3] or "main", (match[4] or "").strip("/")
        folder, commit, wanted, gated = hub.repositories[name]
        if wanted is not None and token != wanted:
            code = "GatedRepo" if gated else "RepoNotFound"
            self._send(401 if token is None else 403, {"X-Error-Code": code}, b"closed")
        elif revision not in ("main", "v1", commit):
            self._send(404, {"X-Error-Code": "RevisionNotFound"}, b"no such revision")
        elif what == "revision":
            files = [{"rfilename": key} for key in _keys(folder)]
            facts = {"id": name, "sha": commit, "siblings": files, "private": False, "tags": [], "downloads": 0}
            self._send_json(facts)
        elif what == "tree":
            self._send_json(_tree(folder, rest, parse_qs(urlsplit(self.path).query)))
        elif what == "paths-info":
            self._send_json(_paths(folder, _form_paths(body, self.headers.get("Content-Type") or "")))
        else:
            self._send_file(hub, folder, rest, commit)

    def _send_file(self, hub: FakeHub, folder: Path, key: str, commit: str) -> None:
        file = folder / key
        headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if not file.is_file():
            self._send(404, {**headers, "X-Error-Code": "EntryNotFound"}, b"Entry not found")
            return
        if key in hub.broken:
            self._send(hub.broken[key], headers, b"broken")
            return
        data = file.read_bytes()
        headers["ETag"] = f'"{hashlib.sha1(data).hexdigest()}"'
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if match is None:
            self._send(200, headers, data)
            return
        start, stop = int(match[1]), min(int(match[2] or len(data)) + 1, len(data))
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
        self._send(206, headers, data[start:stop])

    def _send_json(self, value: Any) -> None:
        self._send(200, {"Content-Type": "application/json"}, json.dumps(value).encode())

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _keys(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _entry(folder: Path, key: str) -> dict[str, Any]:
    if (folder / key).is_dir():
        return {"type": "directory", "oid": "0" * 40, "size": 0, "path": key}
    data = (folder / key).read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    large = {"oid": sha256, "size": len(data), "pointerSize": 130}
    return {"type": "file", "oid": hashlib.sha1(data).hexdigest(), "size": len(data), "path": key, "lfs": large}


def _tree(folder: Path, below: str, query: dict[str, list[str]]) -> list[dict[str, Any]]:
    start = folder / below
    found = start.rglob("*") if query.get("recursive", ["false"])[0].lower() in ("true", "1") else start.glob("*")
    return [_entry(folder, path.relative_to(folder).as_posix()) for path in sorted(found)]


def _form_paths(body: bytes, kind: str) -> list[str]:
    if "json" in kind:
        paths = json.loads(body)["paths"]
        return paths if isinstance(paths, list) else [paths]
    return parse_qs(body.decode())["paths"]


def _paths(folder: Path, paths: list[str]) -> list[dict[str, Any]]:
    return [_entry(folder, path.strip("/")) for path in paths if (folder / path.strip("/")).exists()]
