"""Wikipedia and its sister wikis: the article dump that Wikimedia reports as done, and where it can be cut.

A multistream dump is a row of bz2 streams of 100 pages each. Its index names the offset of each stream, so the dump
can be read in ranges.
"""

from __future__ import annotations

import bz2
import json
import re
from collections.abc import Callable, Iterator
from typing import IO, Any, ClassVar, Literal

from pydantic import Field

from manifests.errors import UserError
from manifests.paths import open_path
from pipeline.mirrors.download import Downloader
from pipeline.mirrors.remote import RemoteFile, check_key, join_url, public_url
from pipeline.mirrors.transport import NotFound
from pipeline.sources.settings import INDEX_FORMAT, MirrorSettings, RawFormat
from pipeline.sources.wikis import language_of_wiki

# Jobs of a dump that hold the current articles and nothing else; a large wiki has them in several parts. In the first,
# a compressed stream holds 100 pages, so that each page has an address; not every dump has it.
_MULTISTREAM_JOB = "articlesmultistreamdump"
_ARTICLES_JOB = "articlesdump"
_MULTISTREAM_FILE = re.compile(r".*\.xml(-p[0-9]+p[0-9]+)?\.bz2", re.DOTALL)  # not its index, which is text
_NUMBERED = re.compile(r"(.*-multistream)([0-9]*)\.xml((?:-p[0-9]+p[0-9]+)?\.bz2)", re.DOTALL)
TASK_BYTES = 64 << 20
_STREAM_START = re.compile(rb"BZh[1-9]1AY&SY")  # header of a bz2 stream, and of its first block
_PAGE = b"<page>"
_PROBE_BYTES = 1 << 20  # stored bytes, at least a block
_MOST_LINE_BYTES = 64 << 10  # of an index; a title has at most 255


class WikipediaSource(MirrorSettings):
    """The current articles of one wiki, from a dump that Wikimedia reports as done."""

    kind: Literal["wikipedia"] = "wikipedia"
    """The kind of source."""
    format: ClassVar[RawFormat] = "mediawiki"
    """Format of its raw files."""
    mirror: str = "https://dumps.wikimedia.org"
    """URL below which the wikis' folders lie. It changes no byte of the files."""
    wiki: str = Field(default="simplewiki", pattern=r"^[a-z][a-z0-9_]*$")
    """Database name of the wiki, such as enwiki."""
    date: str = Field(pattern=r"^(latest|[0-9]{8})$")
    """Date of the dump as YYYYMMDD, or `latest` for the newest complete one (which changes with time)."""

    @property
    def language(self) -> str | None:
        """Language code that the wiki's name says; None for wikis of many languages."""
        return language_of_wiki(self.wiki)


def list_wikipedia(source: WikipediaSource, downloader: Downloader) -> list[RemoteFile]:
    """Parts of a wiki's article dump, multistream where that is done, with sizes and digests as its status says.

    A multistream part's index comes along with it, in the format `INDEX_FORMAT`. `max_files` counts the parts.
    """
    date, job = _complete_dump(source, downloader)
    place = f"{source.wiki}/{date}"
    url = join_url(source.mirror, f"{place}/dumpstatus.json")
    files = []
    for name in sorted(job["files"])[: source.max_files]:
        files.append(_remote_file(source, f"{place}/{name}", job["files"][name], source.format, url))
        index = index_of(name)
        if index in job["indexes"]:
            files.append(_remote_file(source, f"{place}/{index}", job["indexes"][index], INDEX_FORMAT, url))
    return sorted(files, key=lambda file: file.key)


def index_of(name: str) -> str | None:
    """Name or key of the index of a multistream dump file; None for a file that is none."""
    folder, separator, file = name.rpartition("/")
    found = _NUMBERED.fullmatch(file)
    return f"{folder}{separator}{found[1]}-index{found[2]}.txt{found[3]}" if found else None


def _remote_file(source: WikipediaSource, key: str, facts: dict[str, Any], format: str, url: str) -> RemoteFile:
    check_key(key, url)
    num_bytes, sha1 = facts.get("size"), str(facts.get("sha1"))
    if not isinstance(num_bytes, int) or not re.fullmatch(r"[0-9a-fA-F]{40}", sha1):
        name = key.rpartition("/")[2]
        raise UserError(f"{public_url(url)}: gives no size and sha1 for {name}. Use another date or mirror.")
    return RemoteFile(key, join_url(source.mirror, key), format, num_bytes, sha1.lower())


def _complete_dump(source: WikipediaSource, downloader: Downloader) -> tuple[str, dict[str, Any]]:
    """Date and articles job of the dump that the source names, which must be done."""
    if source.date != "latest":
        job = _articles_job(source, source.date, downloader)
        if job["status"] != "done" or not job["files"]:
            raise UserError(
                f"{public_url(source.mirror)}: the dump of {source.wiki} of {source.date} is not complete "
                f'({_ARTICLES_JOB}: {job["status"]}). Choose another date, or date = "latest".'
            )
        return source.date, job
    folder = join_url(source.mirror, f"{source.wiki}/")
    dates = [name for name in downloader.list_folder(folder) if re.fullmatch(r"[0-9]{8}", name)]
    for date in sorted(dates, reverse=True):
        try:
            job = _articles_job(source, date, downloader)
        except NotFound:
            continue  # a dump that has only begun
        if job["status"] == "done" and job["files"]:
            return date, job
    raise UserError(
        f"{public_url(folder)}: no complete dump among {len(dates)} dates. Check the source's wiki and mirror."
    )


def _articles_job(source: WikipediaSource, date: str, downloader: Downloader) -> dict[str, Any]:
    """The articles job of a dump: `status`, `files`, `indexes`. Raises `NotFound` where the mirror has no such dump."""
    url = join_url(source.mirror, f"{source.wiki}/{date}/dumpstatus.json")
    try:
        jobs = json.loads(downloader.fetch(url))["jobs"]
        if _MULTISTREAM_JOB in jobs:
            multistream = _checked_job(jobs[_MULTISTREAM_JOB])
            files = {name: facts for name, facts in multistream["files"].items() if _MULTISTREAM_FILE.fullmatch(name)}
            if multistream["status"] == "done" and files:
                others = {name: facts for name, facts in multistream["files"].items() if name not in files}
                return {"status": "done", "files": files, "indexes": others}
        return {**_checked_job(jobs[_ARTICLES_JOB]), "indexes": {}}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UserError(
            f"{public_url(url)}: not a dump status with the job {_ARTICLES_JOB}. Check the source's mirror."
        ) from None


def _checked_job(job: Any) -> dict[str, Any]:
    """A job's status and files. Raises `TypeError` and the like where it is not made as dumps make it."""
    status, files = job["status"], job.get("files", {})
    if not isinstance(status, str) or not all(isinstance(facts, dict) for facts in files.values()):
        raise TypeError("unexpected types")
    return {"status": status, "files": files}


def cut_streams(
    index_path: str,
    dump_path: str,
    dump_bytes: int,
    task_bytes: int = TASK_BYTES,
    report: Callable[[str], None] = lambda note: None,
) -> list[int]:
    """Where each range of a multistream dump starts: offsets of bz2 streams about `task_bytes` apart, the first 0.

    A range ends where the next one starts, so ranges hold every byte once whatever the index says. An offset of the
    index counts only where a stream that begins with a page does start there in the dump: a page is never cut. Where
    the index is wrong, its next right offset is taken, or none; `report` then gets a line for each wrong one that was
    tried. Memory is constant.
    """
    starts = [0]
    with open_path(index_path) as index, open_path(dump_path) as dump:
        for offset in _index_offsets(index, report):
            # What is left over for a last range shall be a range's worth, too.
            if offset < starts[-1] + task_bytes or offset > dump_bytes - task_bytes // 2:
                continue
            if _pages_start_at(dump, offset):
                starts.append(offset)
            else:
                report(f"{index_path}: no stream of pages starts at byte {offset} of {dump_path}")
    return starts


def _index_offsets(index: IO[bytes], report: Callable[[str], None]) -> Iterator[int]:
    """The offsets of an index (lines `offset:page id:title`), each run of equal ones once, until it is damaged."""
    last = b""
    with bz2.BZ2File(index) as lines:
        while True:
            try:
                line = lines.readline(_MOST_LINE_BYTES)
            except (OSError, EOFError, ValueError) as error:
                report(f"the index is damaged ({error})")
                return
            if not line:
                return
            if last and line.startswith(last):
                continue
            offset, colon, _ = line.partition(b":")
            if colon and offset.isdigit() and len(offset) < 19:
                last = offset + colon
                yield int(offset)


def _pages_start_at(dump: IO[bytes], offset: int) -> bool:
    """Whether a bz2 stream starts at this byte, and in it, after at most white space, a page."""
    dump.seek(offset)
    data = dump.read(_PROBE_BYTES)
    if not _STREAM_START.match(data):
        return False
    try:
        text = bz2.BZ2Decompressor().decompress(data, 4096)
    except (OSError, ValueError):
        return False
    return text.lstrip().startswith(_PAGE)
