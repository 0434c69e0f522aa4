"""Threads, ranges, redirects, budgets, versions and pins: what the downloader promises beside whole files."""

from __future__ import annotations

import contextlib
import email.utils
import hashlib
import itertools
import re
import socketserver
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import fsspec
import pytest
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from manifests.errors import UserError
from manifests.storage import PublishedFile
from pipeline.mirrors.budget import Budget, BudgetSettings
from pipeline.mirrors.download import Downloader
from pipeline.mirrors.integrity import Damaged
from pipeline.mirrors.loopback import Fault, LoopbackMirror, Request
from pipeline.mirrors.remote import RemoteFile, Version
from pipeline.mirrors.retry import RetrySettings
from pipeline.mirrors.transport import NotFound, Refused
from tests.pipeline.mirrors.download_site import NAME, Site, make_members


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_threads_share_a_downloader(site: Site) -> None:
    """Every file has its own bytes, state and faults, whatever the other threads meet."""
    contents = {f"crawl/{number}.warc.gz": b"".join(make_members(20, seed=number)) for number in range(24)}
    for name, content in contents.items():
        site.put(name, content)

    def fault(request: Request) -> Fault | None:
        number = int(re.sub(r"\D", "", request.path))
        return Fault(cut_after=5_000) if request.number < number % 4 else None

    with (
        LoopbackMirror(site.mirror_folder, fault) as mirror,
        Downloader(wait=lambda seconds: None) as downloader,
        ThreadPoolExecutor(6) as threads,
    ):
        files = [RemoteFile(name, f"{mirror.url}/{name}", "warc") for name in contents]
        downloads = list(threads.map(lambda file: downloader.download(file, site.out), files))
    for number, (name, content) in enumerate(contents.items()):
        assert site.out.read_bytes(name) == content
        assert downloads[number].published == PublishedFile(name, len(content), hashlib.sha256(content).hexdigest())
        assert downloads[number].faults == Counter({"cut": number % 4} if number % 4 else {})
        assert downloads[number].version.etag
    assert downloader.faults == sum((download.faults for download in downloads), Counter())
    assert site.out.list() == sorted(contents)


def test_memory_stays_constant(site: Site) -> None:
    """A file of 150 MB passes through blocks of less than a megabyte."""
    import tracemalloc

    with open(site.mirror_folder / "large.bin", "wb") as file:
        file.truncate(150_000_000)
    with LoopbackMirror(site.mirror_folder) as mirror, Downloader() as downloader:
        for url in (f"{mirror.url}/large.bin", f"file://{site.mirror_folder}/large.bin"):
            tracemalloc.start()
            published = downloader.download(RemoteFile("large.bin", url, "code"), site.out).published
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert published.bytes == 150_000_000
            assert peak < 3_000_000
            site.out.delete("large.bin")


class RecordingBudget(Budget):
    """Takes down what it is told."""

    def __init__(self) -> None:
        super().__init__("", BudgetSettings())
        self.events: list[tuple[str, str]] = []
        self.spent: Counter[str] = Counter()

    @contextlib.contextmanager
    def request(self, url: str) -> Iterator[None]:
        self.events.append(("begin", url))
        try:
            yield
        finally:
            self.events.append(("end", url))

    def spend(self, url: str, num_bytes: int) -> None:
        self.spent[url] += num_bytes

    def hold(self, url: str, seconds: float) -> None:
        self.events.append(("hold", url))

    def stop(self, url: str, why: str) -> None:
        self.events.append(("stop", url))


def test_every_hop_is_in_the_budget_of_its_own_host(site: Site) -> None:
    """What another host answers after a redirect is held against that host, and no host is asked within another."""
    budget = RecordingBudget()
    busy = lambda request: Fault(status=503) if request.number == 0 else None  # noqa: E731
    with LoopbackMirror(site.mirror_folder, busy) as store:
        target = f"{store.url}/{NAME}"
        moved = lambda request: Fault(status=307, headers={"Location": f"{target}?token=secret"})  # noqa: E731
        with (
            LoopbackMirror(site.mirror_folder, moved) as mirror,
            Downloader(wait=site.waits.append, budget=budget) as d,
        ):
            first = f"{mirror.url}/{NAME}"
            site.check(d.download(RemoteFile(NAME, first, "warc"), site.out).published)
    hops = [("begin", first), ("end", first), ("begin", target), ("end", target)]
    assert budget.events == [*hops, ("hold", target), *hops]
    assert budget.spent == {target: len(site.content)}


def test_a_refusal_stops_the_host_that_refused(site: Site) -> None:
    budget = RecordingBudget()
    with LoopbackMirror(site.mirror_folder, lambda request: Fault(status=403)) as mirror:
        url = f"{mirror.url}/{NAME}"
        with Downloader(budget=budget) as downloader, pytest.raises(Refused):
            downloader.fetch(url)
    assert budget.events == [("begin", url), ("end", url), ("stop", url)]


class RawServer:
    """Answers every connection with the same bytes and closes it."""

    def __init__(self, answer: bytes) -> None:
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while self.rfile.readline(65_536).strip():
                    pass
                self.wfile.write(answer)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> RawServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        (CHUNKED + b"\r\n004\r\nbook\r\n0\r\n\r\n", b"book"),
        # A length beside chunks counts for nothing.
        (CHUNKED + b"Content-Length: 2\r\n\r\n4\r\nbook\r\n0\r\n\r\n", b"book"),
        (CHUNKED + b"\r\n004\r\nbook\r\n0", None),  # of the size 004
        (CHUNKED + b"\r\n4\r\nbook\r\nxyz\r\n", None),
        (OK + b"Date: x\r\nContent-Le", None),
        (OK + b"Content-Length: 4\r\nno field\r\nETag: x\r\n\r\nbook", None),
        (OK + b"Content-Length: 4, 5\r\n\r\nbook!", None),
        (OK + b"Content-Length: 5\r\n\r\nbook", None),
        (b"<html>no HTTP</html>", None),
        (b"", None),
    ],
)
def test_a_cut_answer_is_no_whole_one(answer: bytes, content: bytes | None) -> None:
    """A head, or the size of a chunk, that is cut or malformed never stands for a shorter file."""
    retry = RetrySettings(max_attempts=2)
    with RawServer(answer) as server, Downloader(retry, wait=lambda seconds: None) as downloader:
        if content is not None:
            assert downloader.fetch(f"{server.url}/a") == content
            return
        for ask in (downloader.fetch, lambda url: downloader.fetch_range(url, 0, 5)):
            with pytest.raises(UserError, match="gave up after 2") as caught:
                ask(f"{server.url}/a")
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/a.gz",
        "s3://bucket/a.gz",
        "http://",
        "http:///a.gz",
        "http://[",
        "data:,x",
    ],
)
def test_redirects_lead_to_the_web_only(site: Site, location: str) -> None:
    site.fault = lambda request: Fault(status=302, headers={"Location": location})
    site.refuse(r"leads to an address that is not http\(s\)", name="passwd.gz")
    assert len(site.starts) == 1


def test_redirects_are_followed_five_times(site: Site) -> None:
    def fault(request: Request) -> Fault | None:
        hop = int(request.path.removeprefix("hop/")) if request.path.startswith("hop/") else 0
        target = f"/hop/{hop - 1}" if hop > 1 else f"../{NAME}"
        return Fault(status=301, headers={"Location": target}) if hop else None

    site.fault = fault
    assert site.get("hop/5").sha256 == hashlib.sha256(site.content).hexdigest()
    assert len(site.starts) == 6
    site.refuse("redirects more than 5 times", name="hop/6")


def test_ranges(site: Site) -> None:
    """Exactly the bytes that were asked for, over HTTP and from file systems, or a line that says why not."""
    content = site.content
    site.fault = lambda request: Fault(cut_after=10) if request.number == 2 else None
    with (
        LoopbackMirror(site.mirror_folder, lambda request: site.fault(request)) as mirror,
        Downloader(wait=site.waits.append) as downloader,
    ):
        for url in (f"{mirror.url}/{NAME}", f"file://{site.mirror_folder}/{NAME}"):
            version, size = downloader.describe(url)
            assert size == len(content)
            for start, length in ((0, 1), (0, len(content)), (len(content) - 1, 1), (40_000, 30_000), (7, 0)):
                assert downloader.fetch_range(url, start, length, version) == content[start : start + length]
            for start, length in ((len(content) - 5, 6), (len(content), 1), (len(content) + 9, 9)):
                with pytest.raises(UserError, match=r"that it should have\. It is cut off at this mirror"):
                    downloader.fetch_range(url, start, length)
            with pytest.raises(UserError, match="changed while it was read"):
                downloader.fetch_range(url, 0, 5, Version(etag='"other"'))
            with pytest.raises(NotFound):
                downloader.fetch_range(f"{url}.none", 0, 5)
        assert downloader.faults == {"cut": 1}
        url = f"{mirror.url}/{NAME}"
        # Python's own server, for one, knows no ranges and sends the whole file.
        site.fault = lambda request: Fault(status=200, body=content)
        assert downloader.fetch_range(url, 40_000, 30_000) == content[40_000:70_000]
        site.fault = lambda request: Fault(headers={"Content-Range": "bytes 0-9/10"})
        with pytest.raises(UserError, match=r"gave up after 8 .* answers bytes from 0, asked for 5"):
            downloader.fetch_range(url, 5, 10)


class StoreFile(AbstractBufferedFile):
    """A file of a store that takes down every range it is asked for."""

    asked: ClassVar[list[tuple[int, int]]] = []

    def _fetch_range(self, start: int, end: int) -> bytes:
        self.asked.append((start, end))
        return bytes(end - start)


class Store(AbstractFileSystem):
    """An object store with one object of zeros."""

    protocol = "groundup-store"
    size = 10_000_000

    def info(self, path: str, **options: object) -> dict[str, object]:
        return {"name": path, "size": self.size, "type": "file", "ETag": '"v"'}

    def _open(self, path: str, mode: str = "rb", **options: object) -> StoreFile:
        return StoreFile(self, path, mode, **options)


def test_object_stores_are_asked_for_nothing_more(site: Site) -> None:
    """A range is one request for its bytes; a file comes in pieces of a few megabytes, each within the budget."""
    fsspec.register_implementation("groundup-store", Store, clobber=True)
    budget = RecordingBudget()
    with Downloader(budget=budget) as downloader:
        url = "groundup-store://bucket/object.bin"
        assert downloader.fetch_range(url, 1_000_000, 500) == bytes(500)
        assert StoreFile.asked == [(1_000_000, 1_000_500)]
        StoreFile.asked.clear()
        budget.events.clear()
        published = downloader.download(RemoteFile("object.bin", url, "code"), site.out).published
    assert published.bytes == Store.size
    pieces = [0, 1 << 22, 1 << 23, Store.size]
    assert StoreFile.asked == list(itertools.pairwise(pieces))
    assert budget.events == [("begin", url), ("end", url)] * (len(budget.events) // 2)
    assert budget.spent[url] == Store.size + 500


def test_what_proves_a_version() -> None:
    """RFC 9110: a strong ETag; without any ETag a date a second older than the answer; never both in doubt."""
    date, later, same = (f"Fri, 01 Mar 2024 00:00:0{second} GMT" for second in (1, 2, 1))
    for version, condition in (
        (Version('"a"', date, same), ("If-Range", '"a"')),
        (Version(None, date, later), ("If-Range", date)),
        (Version('W/"a"', date, later), ("If-Unmodified-Since", date)),
        (Version(None, date, same), None),
        (Version(None, date, None), None),
        (Version('W/"a"', None, later), None),
        (Version(None, "nonsense", later), None),
        (Version(), None),
    ):
        assert version.condition == condition
    assert Version('"a"', date).is_confirmed_by(Version('"a"', None))
    assert not Version('"a"', date).is_confirmed_by(Version('"a"', later))
    assert not Version('"a"').is_confirmed_by(Version(None, date))
    assert not Version().is_confirmed_by(Version())


@pytest.mark.parametrize(
    ("etag", "seconds_old", "starts"),
    [("", 60, [0, 50_000]), ("", 0, [0, 0]), ('W/"weak"', 60, [0, 50_000]), ('W/"weak"', 0, [0, 0])],
)
def test_a_date_resumes_when_it_is_old_enough(site: Site, etag: str, seconds_old: int, starts: list[int]) -> None:
    now = 1_700_000_000
    headers = {
        "ETag": etag,
        "Last-Modified": email.utils.formatdate(now - seconds_old, usegmt=True),
        "Date": email.utils.formatdate(now, usegmt=True),
    }
    site.fault = lambda request: Fault(headers=headers, cut_after=50_000 if request.number == 0 else None)
    site.check(site.get())
    assert site.starts == starts


def test_a_changed_file_behind_a_weak_etag_starts_over(site: Site) -> None:
    answers = [Fault(headers={"ETag": 'W/"a"'}, cut_after=50_000), Fault(status=412)]
    site.fault = lambda request: answers[request.number] if request.number < len(answers) else None
    site.check(site.get())
    assert site.starts == [0, 50_000, 0]
    assert site.faults == {"cut": 1, "wrong_range": 1}


def test_pinned_files_are_these_or_none(site: Site) -> None:
    """Another version or digest than the pin's is refused; a version at once, since asking again changes nothing."""
    etag, date = '"pinned"', "Fri, 01 Mar 2024 00:00:00 GMT"
    answer = {"ETag": etag, "Last-Modified": date}
    site.fault = lambda request: Fault(headers=answer)
    site.check(site.get(version=Version(etag, date)))
    site.check(site.get(version=Version(etag, date)))
    assert site.methods == ["HEAD"]
    for other in (Version('"other"', date), Version(etag, "Sat, 02 Mar 2024 00:00:00 GMT")):
        site.out.delete(NAME)
        site.refuse("changed since it was pinned .*Pin the recipe again", version=other)
        assert len(site.starts) == 1
    answer.update({"ETag": "", "Last-Modified": ""})
    site.refuse("changed since it was pinned .* -> no version", version=Version(etag, date))
    digest = hashlib.sha256(site.content).hexdigest()
    site.refuse(f"its sha256 is {digest}, not {'0' * 64} as the pin says", sha256="0" * 64)
    site.check(site.get(sha256=digest.upper()))
    site.get(sha256=digest)
    assert site.methods == []  # the digest is proof enough


def test_the_rest_of_another_version_than_the_pinned_is_not_fetched(site: Site) -> None:
    """A partial file that an unpinned run left is of a version that the pin does not mean."""
    site.fault = lambda request: Fault(headers={"ETag": '"old"'}, cut_after=50_000)
    site.refuse("gave up", retry=RetrySettings(max_attempts=1))
    assert site.out.exists(f"{NAME}.partial")
    site.fault = lambda request: Fault(headers={"ETag": '"new"'})
    site.check(site.get(version=Version('"new"')))
    assert site.starts == [0]


def test_a_check_decides_what_is_published(site: Site) -> None:
    """It sees the whole file; what it calls damaged is fetched once more, and never published."""
    seen: list[bytes] = []

    def check(path: str) -> None:
        seen.append(Path(path).read_bytes())
        if len(seen) in (1, 3, 4, 5):
            raise Damaged("a record's digest is wrong")

    site.check(site.get(check=check))
    assert seen == [site.content] * 2
    assert site.faults == {"damaged": 1}
    # What was published is checked as well, and is not taken for good where it fails.
    with pytest.raises(UserError, match=r"a record's digest is wrong .fetched 2 times"):
        site.get(check=check)
    assert len(seen) == 5
