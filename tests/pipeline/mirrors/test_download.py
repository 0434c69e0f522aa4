"""The downloader against a mirror that misbehaves: what is published is the original, or nothing is."""

from __future__ import annotations

import bz2
import errno
import gzip
import hashlib
import lzma
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from manifests.errors import UserError
from manifests.storage import Folder, PublishedFile
from pipeline.mirrors.download import Downloader, download
from pipeline.mirrors.loopback import Fault, FaultHook, LoopbackMirror, Request
from pipeline.mirrors.remote import RemoteFile
from pipeline.mirrors.retry import Retrier, RetrySettings
from pipeline.mirrors.transport import Interrupted, NotFound
from tests.pipeline.mirrors.download_site import NAME, Site, make_members

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_real_files_arrive_as_they_are(tmp_path: Path, shared_data: Path) -> None:
    """Every compressed WARC and dump of a good size; the one that its collection clipped is refused."""
    names = sorted(path.relative_to(shared_data).as_posix() for path in shared_data.glob("warc/*/*.warc.gz"))
    names += ["wiki/dumpster-dive/smallwiki-latest-pages-articles.xml.xz", "wiki/gensim/enwiki-table-markup.xml.bz2"]
    out = Folder(tmp_path)
    refused = []
    with LoopbackMirror(shared_data) as mirror, Downloader(wait=lambda seconds: None) as downloader:
        for name in names:
            original = (shared_data / name).read_bytes()
            file = RemoteFile(name, f"{mirror.url}/{name}", "warc", len(original), hashlib.sha1(original).hexdigest())
            try:
                published = downloader.download(file, out).published
            except UserError as error:
                refused.append((name, str(error)))
                continue
            assert published == PublishedFile(name, len(original), hashlib.sha256(original).hexdigest())
            assert (tmp_path / name).read_bytes() == original
    assert len(names) > 15
    assert [name for name, _ in refused] == ["warc/chatnoir-eu_chatnoir-resiliparse/clipped.warc.gz"]
    assert "the gzip stream ends too early (fetched 2 times)" in refused[0][1]
    assert not [name for name in out.list() if "partial" in name]


def test_a_thousand_cuts(site: Site) -> None:
    """Connections cut anywhere: the rest is fetched from there, with a strong ETag, a date, or no length at all."""
    source = random.Random(7)
    with (
        LoopbackMirror(site.mirror_folder, lambda request: site.fault(request)) as mirror,
        Downloader(wait=site.waits.append) as downloader,
    ):
        file = RemoteFile(NAME, f"{mirror.url}/{NAME}", "warc")
        for number in range(250):
            path = f"{number}/{NAME}"
            cuts = sorted(source.randrange(len(site.content)) for _ in range(4))
            headers = [{}, {"ETag": ""}, {"ETag": 'W/"weak"'}][number % 3]
            no_length = number % 5 == 0
            waiting = iter([later - earlier for earlier, later in zip([0, *cuts], cuts, strict=False)])

            def fault(
                request: Request,
                waiting: Iterator[int] = waiting,
                headers: dict[str, str] = headers,
                no_length: bool = no_length,
            ) -> Fault:
                return Fault(headers=headers, cut_after=next(waiting, None), no_length=no_length)

            site.fault = fault
            published = downloader.download(file, site.out, path).published
            assert site.out.read_bytes(path) == site.content
            assert published.sha256 == hashlib.sha256(site.content).hexdigest()
        num_resumed = sum(1 for request in mirror.requests if request.start)
    assert downloader.faults.total() >= 1000
    assert num_resumed > 900  # it went on from where it was, instead of starting over
    assert len(site.out.list()) == 250


def test_a_cut_between_members_is_no_end(site: Site) -> None:
    """What is there decompresses, and nobody said a length: only asking for the rest tells."""
    boundary = sum(map(len, make_members()[:17]))
    site.fault = lambda request: Fault(no_length=True, cut_after=boundary if request.number == 0 else None)
    site.check(site.get())
    assert site.starts == [0, boundary]
    assert site.faults == {"unmarked_end": 1}


def test_an_end_that_nobody_marked_is_asked_for(site: Site) -> None:
    site.fault = lambda request: Fault(no_length=True)
    site.check(site.get())
    assert site.starts == [0, len(site.content)]


def test_without_length_and_ranges_nothing_proves_a_file_whole(site: Site) -> None:
    site.fault = lambda request: Fault(no_length=True, headers={"ETag": "", "Last-Modified": ""})
    site.refuse("says neither its length nor where it ends")
    site.check(site.get(sha1=hashlib.sha1(site.content).hexdigest()))


def test_busy_servers_are_waited_for(site: Site) -> None:
    site.fault = lambda request: Fault(status=503, headers={"Retry-After": "7"}) if request.number < 5 else None
    site.check(site.get())
    assert site.faults == {"status_503": 5}
    assert [7 <= wait < 17 for wait in site.waits] == [True] * 5


def test_back_off_grows_with_jitter_up_to_its_bound(site: Site) -> None:
    site.fault = lambda request: Fault(status=500)
    site.refuse("gave up after 8 failed attempts in a row, the last: answered 500", retry=RetrySettings())
    assert len(site.waits) == 7
    passed = 5.0  # seconds, at most, on a busy machine between the failure, from which the wait counts, and the wait
    assert all(2.0**number / 2 - passed <= wait <= min(60, 2.0**number) for number, wait in enumerate(site.waits))
    assert RetrySettings(max_wait_seconds=10).wait_seconds(1000, None, 0.0) == 10


def test_a_date_to_come_back_counts_from_the_servers_clock(site: Site) -> None:
    headers = {"Retry-After": "Fri, 01 Mar 2024 00:02:00 GMT", "Date": "Fri, 01 Mar 2024 00:00:30 GMT"}
    site.fault = lambda request: Fault(status=503, headers=headers) if request.number == 0 else None
    site.check(site.get())
    assert site.waits == [90.0]


def test_a_wait_beyond_reason_stops_the_run(site: Site) -> None:
    site.fault = lambda request: Fault(status=429, headers={"Retry-After": "86400"})
    site.refuse("asks to wait 86,400 seconds")
    assert len(site.starts) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_stops_at_once(site: Site, status: int) -> None:
    site.fault = lambda request: Fault(status=status)
    site.refuse(rf"refused by http://127.0.0.1:\d+ \({status}\).*wait some hours")
    assert len(site.starts) == 1
    assert site.waits == []


def test_a_missing_file_is_said(site: Site) -> None:
    site.refuse(r"crawl/none.warc.gz: not found \(404\)", name="crawl/none.warc.gz")
    assert len(site.starts) == 1
    assert site.out.list() == []


def test_a_wrong_digest_is_refused(site: Site) -> None:
    site.refuse("its sha1 is [0-9a-f]{40}, not 0{40} as the listing says .fetched 2 times", sha1="0" * 40)
    assert len(site.starts) == 2
    assert site.out.list() == []


def test_a_wrong_size_is_refused_before_its_bytes(site: Site) -> None:
    site.refuse("bytes, not 17 as the listing says", bytes=17)


@pytest.mark.parametrize("name", ["a.gz", "a.bz2", "a.xz"])
def test_damaged_streams_are_refused(site: Site, name: str) -> None:
    """Cut short, changed in the middle, followed by something else, or no such file at all."""
    by_name: dict[str, Callable[[bytes], bytes]] = {
        "a.gz": gzip.compress,
        "a.bz2": bz2.compress,
        "a.xz": lzma.compress,
    }
    compress = by_name[name]
    whole = compress(site.content[:30_000]) + compress(b"second")
    site.put(name, whole)
    site.check(site.get(name), whole)
    site.out.delete(name)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0x10
    for bad in (whole[:-1], whole[: len(whole) // 2], bytes(flipped), whole + b"garbage", b"<html>Busy</html>", b""):
        site.put(name, bad)
        site.refuse("damaged at the mirror", name=name)
        assert site.out.list() == []


def test_a_bad_answer_that_passes_is_mended(site: Site) -> None:
    """An error page with status 200 the first time, the file the second."""
    site.fault = lambda request: Fault(body=b"<html>Slow down</html>") if request.number == 0 else None
    site.check(site.get())
    assert site.faults == {"damaged": 1}


def test_a_web_page_is_no_plain_file(site: Site) -> None:
    site.put("plain.warc", b"WARC/1.0")
    site.fault = lambda request: Fault(body=b"<html></html>", headers={"Content-Type": "text/html; charset=utf-8"})
    site.refuse("sent a web page in place of a warc file", name="plain.warc")


@pytest.mark.parametrize("wrong", [-1000, -1, 1, 1000])
def test_a_wrong_length(site: Site, wrong: int) -> None:
    """Once is mended; for ever is refused."""
    headers = {"Content-Length": str(len(site.content) + wrong)}
    cut = None if wrong < 0 else len(site.content)
    site.fault = lambda request: (
        Fault(headers=headers, cut_after=cut, no_length=True) if request.number == 0 and not request.start else None
    )
    site.check(site.get())
    assert site.faults.total() >= 1


def test_a_file_that_changes_between_attempts_starts_over(site: Site) -> None:
    other = b"".join(make_members(num_members=35, seed=1))

    def fault(request: Request) -> Fault | None:
        if request.number == 1:
            site.put(NAME, other)
        return Fault(cut_after=50_000) if request.number == 0 else None

    site.fault = fault
    site.check(site.get(), other)
    assert site.starts == [0, 50_000]
    assert site.faults == {"cut": 1, "restarted": 1}


def test_a_server_that_joins_versions_is_caught(site: Site) -> None:
    """It answers with the rest although the file is another one by now, and says so only in its ETag."""
    answers = [Fault(cut_after=50_000), Fault(headers={"ETag": '"new"'})]
    site.fault = lambda request: answers[request.number] if request.number < len(answers) else None
    site.check(site.get())
    assert site.faults == {"cut": 1, "wrong_range": 1}
    assert site.starts == [0, 50_000, 0]


@pytest.mark.parametrize("content_range", ["bytes 0-9/10", "bytes 60000-69999/*", "nonsense"])
def test_a_wrong_range_starts_over(site: Site, content_range: str) -> None:
    def fault(request: Request) -> Fault | None:
        if request.number == 0:
            return Fault(cut_after=50_000)
        return Fault(headers={"Content-Range": content_range}) if request.number == 1 else None

    site.fault = fault
    site.check(site.get())
    assert site.faults == {"cut": 1, "wrong_range": 1}
    assert site.starts == [0, 50_000, 0]


def test_slow_servers_are_left_and_asked_again(site: Site) -> None:
    site.fault = lambda request: Fault(stall_after=40_000) if request.number == 0 else None
    site.check(site.get(retry=RetrySettings(read_timeout_seconds=0.2)))
    assert site.starts == [0, 40_000]
    assert site.faults == {"timeout": 1}


def test_large_files_may_be_cut_more_often_than_attempts_are_allowed(site: Site) -> None:
    content = b"".join(gzip.compress(random.Random(n).randbytes(1 << 20), 0) for n in range(12))
    site.put(NAME, content)
    site.fault = lambda request: Fault(cut_after=(1 << 20) + 1)
    site.check(site.get(retry=RetrySettings(max_attempts=2)), content)
    assert site.faults["cut"] >= 10


def test_redirects(site: Site) -> None:
    site.fault = lambda request: (
        Fault(status=302, headers={"Location": f"/{NAME}"}) if request.path == "moved.warc.gz" else None
    )
    assert site.get("moved.warc.gz").sha256 == hashlib.sha256(site.content).hexdigest()
    site.fault = lambda request: Fault(status=302, headers={"Location": "file:///etc/passwd"})
    site.refuse(r"leads to an address that is not http\(s\)", name="passwd.gz")
    site.fault = lambda request: Fault(status=302, headers={"Location": f"/{NAME}"})
    site.refuse("redirects more than")


def test_an_encoding_that_was_not_asked_for(site: Site) -> None:
    """On a .gz file it only repeats what the name says; elsewhere the bytes would not be the file's."""
    site.fault = lambda request: Fault(headers={"Content-Encoding": "gzip"})
    site.check(site.get())
    site.put("plain.warc", b"WARC/1.0")
    site.refuse("sent with encoding 'gzip'", name="plain.warc")


def test_what_was_published_is_not_downloaded_again(site: Site) -> None:
    first = site.get()
    assert site.get() == first
    assert site.methods == ["HEAD"]
    sha1 = hashlib.sha1(site.content).hexdigest()
    assert site.get(sha1=sha1) == first
    assert site.methods == []  # the digest is proof enough
    # Another file at the mirror, or damage here, and it is fetched.
    os.truncate(Path(site.out.full(NAME)), 1000)
    site.check(site.get(sha1=sha1))
    site.content = b"".join(reversed(make_members()))  # of the same size: only the date tells
    site.put(NAME, site.content)
    os.utime(site.mirror_folder / NAME, (1_000_000_000, 1_000_000_000))
    site.check(site.get())
    assert int(os.stat(site.out.full(NAME)).st_mtime) == 1_000_000_000


def test_a_killed_download_is_resumed(site: Site) -> None:
    """SIGKILL in the middle; the next process asks for the rest only."""
    code = (
        "import sys\n"
        "from manifests.storage import Folder\n"
        "from pipeline.mirrors.download import download\n"
        "from pipeline.mirrors.remote import RemoteFile\n"
        "download(RemoteFile(sys.argv[1], sys.argv[2] + '/' + sys.argv[1], 'warc'), Folder(sys.argv[3]))\n"
    )
    partial = Path(site.out.full(NAME) + ".partial")
    stalled = 60_000
    fault: FaultHook = lambda request: Fault(stall_after=stalled) if request.number == 0 else None  # noqa: E731
    with LoopbackMirror(site.mirror_folder, fault) as mirror:
        process = subprocess.Popen([sys.executable, "-c", code, NAME, mirror.url, site.out.url], cwd=REPOSITORY)
        deadline = time.monotonic() + 60
        while not (partial.exists() and partial.stat().st_size >= stalled // 2):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = partial.stat().st_size
        assert not site.out.exists(NAME)
        published = download(RemoteFile(NAME, f"{mirror.url}/{NAME}", "warc"), site.out)
        assert [request.start for request in mirror.requests] == [0, kept]
    site.check(published)


@pytest.mark.parametrize("state", ["", "[]", '{"etag": "x"}', '{"etag": null, "last_modified": null, "bytes": SIZE}'])
def test_a_partial_file_of_unknown_version_is_not_trusted(site: Site, state: str) -> None:
    partial = Path(site.out.full(NAME) + ".partial")
    partial.parent.mkdir(parents=True)
    member = make_members(seed=9)[0]
    partial.write_bytes(member)
    Path(f"{partial}.json").write_text(state.replace("SIZE", str(len(member))))
    site.check(site.get())
    assert site.starts == [0]


def test_mirrors_and_outputs_on_other_file_systems(site: Site) -> None:
    """A file: mirror goes on from a partial file as well; an output that cannot be appended to is uploaded whole."""
    url = f"file://{site.mirror_folder}/{NAME}"
    site.check(download(RemoteFile(NAME, url, "warc"), site.out))
    store = Folder("memory://groundup-test-download")
    site.fault = lambda request: Fault(cut_after=20_000) if request.number < 3 else None
    with LoopbackMirror(site.mirror_folder, lambda request: site.fault(request)) as mirror:
        file = RemoteFile(NAME, f"{mirror.url}/{NAME}", "warc")
        published = download(file, store, f"cc/{NAME}", wait=site.waits.append)
        assert [request.start for request in mirror.requests] == [0, 20_000, 40_000, 60_000]
    assert store.read_bytes(f"cc/{NAME}") == site.content
    assert published.path == f"cc/{NAME}"
    with pytest.raises(NotFound, match=r"none\.gz: not found"):
        download(RemoteFile("none.gz", f"file://{site.mirror_folder}/none.gz", "warc"), site.out)
    with pytest.raises(UserError, match="cannot be opened"):
        download(RemoteFile("a.gz", "nothing://bucket/a.gz", "warc"), site.out)


def test_names_from_a_mirror_cannot_leave_the_folder(site: Site) -> None:
    for key in ("../outside.gz", "/tmp/outside.gz", "a/../../outside.gz"):
        with pytest.raises(UserError, match="no safe path"):
            download(RemoteFile(key, f"file://{site.mirror_folder}/{NAME}", "warc"), site.out)
    assert not list(Path(site.out.root).parent.glob("outside*"))


def test_an_output_that_cannot_be_written_is_said(site: Site) -> None:
    Path(site.out.root).mkdir()
    Path(site.out.full("crawl")).write_text("a file where a folder should be")
    site.refuse("cannot be written .* Check the recipe's output folder")


def test_a_full_disk_loses_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        site.refuse("the disk is full. Free some space")
    site.check(site.get())
    assert site.methods == []  # every byte was here already


def test_secrets_stay_out_of_errors_and_states(site: Site) -> None:
    with LoopbackMirror(site.mirror_folder, lambda request: Fault(cut_after=10_000)) as mirror:
        url = f"{mirror.url}/{NAME}?token=secret".replace("http://", "http://me:secret@")
        with pytest.raises(UserError, match="gave up after 2") as caught:
            download(
                RemoteFile(NAME, url, "warc"), site.out, retry=RetrySettings(max_attempts=2), wait=lambda seconds: None
            )
    assert "secret" not in str(caught.value)
    assert "secret" not in site.out.read_text(f"{NAME}.partial.json")


def test_one_retrier_for_listings_and_files() -> None:
    """New bytes wipe the slate clean; a mirror that has answered once is asked more often than one that never did."""
    retrier = Retrier(RetrySettings(max_attempts=3, max_connect_attempts=1), wait=lambda seconds: None)

    def unreachable() -> None:
        raise Interrupted("unreachable", "refused", reached=False)

    with pytest.raises(UserError, match="cannot be reached"):
        retrier.run("http://h/a", unreachable)
    assert retrier.faults["unreachable"] == 1
    assert retrier.run("http://h/a", lambda: 5) == 5
    with pytest.raises(UserError, match="cannot be reached"):
        retrier.run("http://h/b", unreachable)
    assert retrier.faults["unreachable"] == 4
