"""`acquire` and a mirror that does everything wrong: originals arrive or nothing does, and each fault is counted."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from manifests.errors import UserError
from manifests.storage import Folder
from pipeline.mirrors.download import Downloader
from pipeline.mirrors.loopback import Fault, LoopbackMirror, LoopbackProcess, Request
from pipeline.mirrors.remote import RemoteFile
from pipeline.mirrors.retry import RetrySettings
from tests.acquire_mirror import (
    acquire,
    all_sources,
    check_originals,
    crawl_key,
    crawl_source,
    folder_in_memory,
    pack_mirror,
    put,
    put_crawl,
)

_PAGE = b"<html><head><title>503</title></head><body>We will be back soon.</body></html>\n"


# --- One run with every kind of fault.


@dataclass(frozen=True)
class Kind:
    """A kind of fault, and the name that it is counted by: None where it is only a trial, and no fault.

    make: called with the file, the number of its bytes that are asked for, and the choice of chance.
    only_rest, only_whole: it needs a request for the rest of a file, or for all of it.
    once: at most one of these for each file.
    """

    name: str
    counted: str | None
    make: Callable[[bytes, int, random.Random], Fault]
    only_rest: bool = False
    only_whole: bool = False
    once: bool = False
    where: tuple[str, ...] = ("cc", "wiki", "books")


def _flip(data: bytes, choose: random.Random) -> bytes:
    """The file with one wrong bit: for a WARC file, in the compressed bytes of its first member."""
    wrong = bytearray(data)
    wrong[choose.randrange(30, 80)] ^= 1 << choose.randrange(8)
    return bytes(wrong)


def _another(data: bytes, choose: random.Random) -> Fault:
    """The start of another version of the file, which says so."""
    other = gzip.compress(choose.randbytes(len(data)), mtime=1) if data[:2] == b"\x1f\x8b" else data.swapcase()
    headers = {"ETag": '"another"', "Last-Modified": "Sat, 02 Mar 2024 00:00:00 GMT"}
    return Fault(body=other, headers=headers, ignore_range=True, cut_after=choose.randrange(1, len(data)))


def _too_short(data: bytes) -> Fault:
    """All but the end of the file, with the length of that."""
    length = len(data) - 3
    return Fault(headers={"Content-Length": str(length)}, cut_after=length, ignore_range=True)


_NO_DIGEST = ("cc", "books")
_COMPRESSED = ("cc", "wiki")  # nobody can tell a wrong text without digest
_HTML = {"Content-Type": "text/html"}
_KINDS = [
    Kind("cut", "cut", lambda data, rest, choose: Fault(cut_after=choose.randrange(rest))),
    Kind("reset later", "cut", lambda data, rest, choose: Fault(cut_after=choose.randrange(rest), reset=True)),
    Kind("reset at once", "cut", lambda data, rest, choose: Fault(reset=True)),
    Kind("cut status line", "cut", lambda data, rest, choose: Fault(cut_head_after=choose.randrange(12))),
    Kind("cut chunks", "cut", lambda data, rest, choose: Fault(chunked=True, cut_after=choose.randrange(rest))),
    Kind("bad chunk", "cut", lambda data, rest, choose: Fault(chunked=True, bad_chunk_after=choose.randrange(rest))),
    Kind(
        "length too long",
        "cut",
        lambda data, rest, choose: Fault(headers={"Content-Length": str(rest + 99)}),
        where=_NO_DIGEST,
    ),
    Kind("another version", "cut", lambda data, rest, choose: _another(data, choose), where=_NO_DIGEST),
    Kind("range ignored", "cut", lambda data, rest, choose: Fault(ignore_range=True, cut_after=0), only_rest=True),
    Kind(
        "stall",
        "timeout",
        lambda data, rest, choose: Fault(stall_after=choose.randrange(rest)),
        once=True,
        where=("books",),  # each costs the time of a time-out
    ),
    Kind("500", "status_500", lambda data, rest, choose: Fault(status=500, body=_PAGE)),
    Kind("503", "status_503", lambda data, rest, choose: Fault(status=503, body=_PAGE)),
    Kind("503 until", "status_503", lambda data, rest, choose: Fault(status=503, headers={"Retry-After": "0"})),
    Kind(
        "429 until",
        "status_429",
        lambda data, rest, choose: Fault(status=429, headers={"Retry-After": formatdate(usegmt=True)}),
    ),
    Kind(
        "wrong range",
        "wrong_range",
        lambda data, rest, choose: Fault(shift=choose.choice([-1, 1])),
        only_rest=True,
    ),
    Kind("416", "wrong_range", lambda data, rest, choose: Fault(status=416), only_rest=True),
    Kind(
        "no length",
        "unmarked_end",
        lambda data, rest, choose: Fault(no_length=True, cut_after=choose.randrange(rest)),
        only_whole=True,
        once=True,
        where=_NO_DIGEST,
    ),
    Kind(
        "web page",
        "damaged",
        lambda data, rest, choose: Fault(body=_PAGE, headers=_HTML, ignore_range=True),
        once=True,
    ),
    Kind("length too short", "damaged", lambda data, rest, choose: _too_short(data), once=True, where=_COMPRESSED),
    Kind(
        "wrong bit",
        "damaged",
        lambda data, rest, choose: Fault(body=_flip(data, choose), ignore_range=True),
        once=True,
        where=_COMPRESSED,
    ),
    Kind("slow", None, lambda data, rest, choose: Fault(drip_bytes=rest // 4 + 1, drip_seconds=0.002)),
    Kind("chunked", None, lambda data, rest, choose: Fault(chunked=True, drip_bytes=1_000)),
    Kind("redirect", None, lambda data, rest, choose: Fault(status=302, headers={"Location": "?again"})),
]


@dataclass
class Tormentor:
    """Chooses a fault for each request for a file, by a seed, the file and its number of requests."""

    files: dict[str, bytes]
    seed: int
    injected: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._choose = {key: random.Random(f"{self.seed}/{key}") for key in self.files}
        self._left = {key: choose.randint(4, 7) for key, choose in self._choose.items()}
        self._once: set[str] = set()

    def __call__(self, request: Request) -> Fault | None:
        key = request.path
        if request.method != "GET":
            return None
        if key not in self.files:  # a listing
            return self._note("503", "status_503", Fault(status=503)) if request.number == 0 else None
        # The rest of another version is not what anybody has: that is answered with the whole file.
        start = 0 if request.headers.get("if-range") == '"another"' else request.start
        rest = len(self.files[key]) - start
        if not self._left[key] or rest <= 0:  # a request at the end of a file only asks whether it is the end
            return None
        choose, source = self._choose[key], {"crawl-data": "cc", "wiki": "wiki", "books": "books"}[key.split("/")[0]]
        possible = [
            kind
            for kind in _KINDS
            if source in kind.where
            and (start or not kind.only_rest)
            and not (start and kind.only_whole)
            and not (kind.once and key in self._once)
        ]
        # Faults that need a partial file come only when there is one, so they come more often then.
        kind = choose.choice([*possible, *(kind for kind in possible if kind.only_rest for _ in range(3))])
        self._left[key] -= 1
        if kind.once:
            self._once.add(key)
        return self._note(kind.name, kind.counted, kind.make(self.files[key], rest, choose))

    def _note(self, name: str, counted: str | None, fault: Fault) -> Fault:
        with self._lock:
            self.injected[name] += 1
            if counted is not None:
                self.counted[counted] += 1
        return fault


def test_a_thousand_faults(tmp_path: Path, shared_data: Path) -> None:
    """All originals arrive, nothing is accepted wrongly, and the manifest counts what happened on the way."""
    files = pack_mirror(tmp_path / "mirror", shared_data)
    tormentor = Tormentor(files, seed=3)
    with LoopbackMirror(tmp_path / "mirror", tormentor) as mirror:
        manifest, folder = acquire(tmp_path / "run", all_sources(mirror.url, files), read_timeout=1.5)
    check_originals(folder, files, manifest)
    assert len(files) > 300
    assert tormentor.counted.total() >= 1_000
    assert {kind.name for kind in _KINDS} <= set(tormentor.injected)
    counted = Counter(manifest.run["faults"])
    assert counted.pop("restarted") > 0
    assert counted == tormentor.counted


# --- Faults one by one.


def _head_bytes(url: str, start: int = 0) -> int:
    """Length of the head of a proper answer."""
    parts = urlsplit(url)
    request = f"HEAD {parts.path} HTTP/1.1\r\nRange: bytes={start}-\r\nConnection: close\r\n\r\n"
    with socket.create_connection((str(parts.hostname), int(parts.port or 80))) as connection:
        connection.sendall(request.encode())
        return len(connection.makefile("rb").read())


@pytest.mark.parametrize(("key", "is_listed"), [("book.txt", False), ("crawl.warc.gz", False), ("dump.txt", True)])
def test_an_answer_cut_at_every_byte(tmp_path: Path, key: str, is_listed: bool) -> None:
    """The first answer ends at every byte of its head and body, then the second one, which is the rest.

    is_listed: the file's size and digest are known.
    """
    text = b"Call me Ishmael. Some years ago, never mind how long precisely.\n" * 3
    data = text if key.endswith(".txt") else gzip.compress(text[:60], mtime=0) + gzip.compress(text[60:], mtime=0)
    faults: list[Fault] = []

    def fault(request: Request) -> Fault | None:
        return faults.pop(0) if faults else None

    with (
        folder_in_memory(tmp_path, 1 << 28) as folder,
        LoopbackMirror(folder / "mirror", fault) as mirror,
        Downloader(RetrySettings(), wait=lambda seconds: None) as downloader,
    ):
        put(folder / "mirror", key, data)
        out = Folder(folder / "out")
        file = RemoteFile(key, f"{mirror.url}/{key}", "text")
        if is_listed:
            file = replace(file, bytes=len(data), sha1=hashlib.sha1(data).hexdigest())
        head, rest_head = _head_bytes(file.url), _head_bytes(file.url, 10)
        plans = [[Fault(cut_head_after=number)] for number in range(head)]
        plans += [[Fault(cut_after=number)] for number in range(len(data))]
        plans += [[Fault(cut_after=10), Fault(cut_head_after=number)] for number in range(rest_head)]
        plans += [[Fault(cut_after=10), Fault(cut_after=number)] for number in range(len(data) - 10)]
        wrong = []
        for number, plan in enumerate(plans):
            faults[:] = plan
            path = f"{number}/{key}"
            downloader.download(file, out, path)
            assert not faults
            if out.read_bytes(path) != data:
                wrong.append(plan)
        assert not wrong
        assert not [path for path in out.list() if "partial" in path]
    assert downloader.faults["cut"] >= len(plans)
    assert "damaged" not in downloader.faults


def test_a_storm_of_503(tmp_path: Path, shared_data: Path) -> None:
    """Half of all answers in the first part of the run; the listing is hit as well."""
    files = pack_mirror(tmp_path / "mirror", shared_data, num_warcs=20, num_books=20)
    choose = random.Random(2)
    left = [200]
    lock = threading.Lock()

    def fault(request: Request) -> Fault | None:
        with lock:
            storms = request.method == "GET" and left[0] > 0 and choose.random() < 0.5
            left[0] -= storms
            return Fault(status=503, headers=choose.choice([{}, {"Retry-After": "0"}])) if storms else None

    with LoopbackMirror(tmp_path / "mirror", fault) as mirror:
        manifest, folder = acquire(tmp_path / "run", all_sources(mirror.url, files), workers=2)
    check_originals(folder, files, manifest)
    assert manifest.run["faults"] == {"status_503": 200 - left[0]}
    assert left[0] < 100


def test_a_file_that_keeps_changing_is_refused(tmp_path: Path) -> None:
    """Each answer is of another version and cut: nothing of two versions is joined, nothing is published."""
    text = b"Call me Ishmael. Some years ago, never mind how long precisely.\n" * 300
    for says_so in (True, False):
        key = crawl_key(int(says_so))
        put_crawl(tmp_path / "mirror", {key: gzip.compress(text, 0, mtime=0)})

        def fault(request: Request, key: str = key, says_so: bool = says_so) -> Fault | None:
            if request.path != key or request.method != "GET":
                return None
            body = gzip.compress(bytes([65 + request.number]) * len(text), 0, mtime=0)
            headers = {"ETag": f'"{request.number}"', "Last-Modified": ""} if says_so else {"ETag": '"same"'}
            rest = (len(body) - request.start) // 2 + 1
            cut = rest if says_so or len(body) - request.start > 2_000 else None
            return Fault(body=body, headers=headers, cut_after=cut, ignore_range=says_so)

        match = "gave up after 5 failed attempts" if says_so else "damaged at the mirror"
        with LoopbackMirror(tmp_path / "mirror", fault) as mirror, pytest.raises(UserError, match=match):
            acquire(tmp_path / str(says_so), crawl_source(mirror.url), max_attempts=5 if says_so else 50)
        assert not list((tmp_path / str(says_so)).rglob("*.warc.gz"))


def test_403_stops_the_host_at_once(tmp_path: Path) -> None:
    """No file is asked for after it, but for what was under way; other hosts are asked on."""
    files = {crawl_key(number): gzip.compress(b"%d" % number, mtime=0) for number in range(300)}
    put_crawl(tmp_path / "mirror", files)
    put(tmp_path / "other", "books/1.txt", b"a book\n")
    refused: list[int] = []

    def fault(request: Request) -> Fault | None:
        if request.path in files and request.method == "GET":
            refused.append(request.number)
            return Fault(status=403, body=_PAGE) if len(refused) > 40 else None
        return None

    with LoopbackMirror(tmp_path / "mirror", fault) as mirror, LoopbackMirror(tmp_path / "other") as other:
        book = f'[[sources]]\nname = "books"\nkind = "files"\nmirror = "{other.url}"\nformat = "text"\n'
        sources = crawl_source(mirror.url) + book + 'paths = ["books/1.txt"]\n'
        with pytest.raises(UserError, match=r"refused by http.* \(403\)") as caught:
            acquire(tmp_path / "run", sources, workers=2, connections=4)
    assert "\n" not in str(caught.value)
    assert 40 < len(refused) <= 40 + 4 + 4  # what was under way, and what had its turn
    assert (tmp_path / "run/build/acquire/books/books/1.txt").read_bytes() == b"a book\n"
    assert len(list((tmp_path / "run").rglob("*.warc.gz"))) == 40  # what came before it is kept


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/x", "gopher:x", "http:///x"])
def test_a_redirect_leads_to_http_only(tmp_path: Path, target: str) -> None:
    key = crawl_key(0)
    put_crawl(tmp_path / "mirror", {key: gzip.compress(b"text", mtime=0)})
    redirect = Fault(status=302, headers={"Location": target})
    with (
        LoopbackMirror(tmp_path / "mirror", lambda request: redirect if request.path == key else None) as mirror,
        pytest.raises(UserError, match=r"leads to an address that is not http"),
    ):
        acquire(tmp_path / "run", crawl_source(mirror.url))
    assert not list((tmp_path / "run").rglob("*.warc.gz*"))


def test_redirects_to_another_host_and_in_circles(tmp_path: Path) -> None:
    key = crawl_key(0)
    data = gzip.compress(b"text", mtime=0)
    put_crawl(tmp_path / "mirror", {key: b"not this one"}, [key])
    put_crawl(tmp_path / "other", {key: data})
    targets = {}
    with (
        LoopbackMirror(tmp_path / "other") as other,
        LoopbackMirror(
            tmp_path / "mirror",
            lambda request: Fault(status=307, headers={"Location": targets["to"]}) if request.path == key else None,
        ) as mirror,
    ):
        targets["to"] = f"{other.url}/{key}"
        manifest, folder = acquire(tmp_path / "run", crawl_source(mirror.url))
        check_originals(folder, {key: data}, manifest)
        targets["to"] = f"{mirror.url}/{key}"
        with pytest.raises(UserError, match="redirects more than"):
            acquire(tmp_path / "circles", crawl_source(mirror.url))


@pytest.mark.parametrize(
    "key",
    ["../outside.warc.gz", "/outside.warc.gz", "a/../../outside.warc.gz", "C:\\outside.gz", "a//b.gz", "a\x01.gz"],
)
def test_a_listing_cannot_name_a_file_outside(tmp_path: Path, key: str) -> None:
    put_crawl(tmp_path / "mirror", {}, [crawl_key(0), key])
    with LoopbackMirror(tmp_path / "mirror") as mirror, pytest.raises(UserError, match="no safe path"):
        acquire(tmp_path / "run", crawl_source(mirror.url))
    assert not list(tmp_path.rglob("*outside*"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("num_files", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_small_files(tmp_path: Path, num_files: int) -> None:
    """A listing of files that are smaller than what is said about them."""
    files = {crawl_key(number): gzip.compress(b"file %d" % number, mtime=0) for number in range(num_files)}
    with folder_in_memory(tmp_path, 1 << 30) as folder:
        put_crawl(folder / "mirror", files)
        with LoopbackProcess(folder / "mirror") as mirror:
            manifest, acquired = acquire(folder / "run", crawl_source(mirror.url))
        check_originals(acquired, files, manifest)
        assert len(json.loads((acquired / "listing/cc.json").read_text())) == num_files
    assert manifest.run["faults"] == {}
    assert manifest.run["tasks_run"] == num_files + 1
    assert manifest.counts.sources["cc"].documents_out == num_files
