"""Finds the files of a source: reads a mirror's listing, or expands the patterns of local files."""

from __future__ import annotations

import glob
import gzip
import json
import os
import re
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec

from manifests.errors import UserError
from pipeline.sources.download import Downloader
from pipeline.sources.remote import RemoteFile, check_key, join_url, public_url
from pipeline.sources.settings import CommonCrawlSource, FilesSource, Source, WikipediaSource
from pipeline.sources.transport import NotFound

# Jobs of a dump that hold the current articles and nothing else; a large wiki has them in several parts. In the first,
# a compressed stream holds 100 pages, so that each page has an address; not every dump has it.
_MULTISTREAM_JOB = "articlesmultistreamdump"
_ARTICLES_JOB = "articlesdump"
_MULTISTREAM_FILE = re.compile(r".*\.xml(-p[0-9]+p[0-9]+)?\.bz2", re.DOTALL)  # not its index, which is text


def list_files(source: Source, recipe_folder: Path, downloader: Downloader | None = None) -> list[RemoteFile]:
    """The files of a source, sorted by key, each key once.

    recipe_folder: where relative patterns of a `files` source start.
    downloader: reads the listing of a mirror; one is made where none is given. A `files` source needs no network.
    Raises `UserError` where there is nothing, or where the listing cannot be read or trusted.
    """
    if isinstance(source, FilesSource):
        return list_local_files(source, recipe_folder)
    if downloader is None:
        with Downloader() as downloader:
            return list_files(source, recipe_folder, downloader)
    if isinstance(source, CommonCrawlSource):
        return list_common_crawl(source, downloader)
    return list_wikipedia(source, downloader)


def list_common_crawl(source: CommonCrawlSource, downloader: Downloader) -> list[RemoteFile]:
    """Files of a crawl's `warc.paths.gz` or `wet.paths.gz`; `max_files` takes the first lines."""
    url = join_url(source.mirror, f"crawl-data/{source.crawl}/{source.records}.paths.gz")
    try:
        text = gzip.decompress(downloader.fetch(url)).decode("utf-8")
    except (zlib.error, EOFError, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{public_url(url)}: not a path listing ({error}). Check the source's mirror.") from None
    keys = [check_key(line, url) for line in dict.fromkeys(text.splitlines()) if line]
    if not keys:
        raise UserError(f"{public_url(url)}: lists no files. Choose another crawl.")
    return [
        RemoteFile(key=key, url=join_url(source.mirror, key), format=source.format)
        for key in sorted(keys[: source.max_files])
    ]


def list_wikipedia(source: WikipediaSource, downloader: Downloader) -> list[RemoteFile]:
    """Parts of a wiki's article dump, multistream where that is done, with sizes and digests as its status says."""
    date, job = _complete_dump(source, downloader)
    place = f"{source.wiki}/{date}"
    url = join_url(source.mirror, f"{place}/dumpstatus.json")
    files = []
    for name, facts in sorted(job["files"].items()):
        key = check_key(f"{place}/{name}", url)
        num_bytes, sha1 = facts.get("size"), facts.get("sha1")
        if not isinstance(num_bytes, int) or not re.fullmatch(r"[0-9a-fA-F]{40}", str(sha1)):
            raise UserError(f"{public_url(url)}: gives no size and sha1 for {name}. Use another date or mirror.")
        files.append(RemoteFile(key, join_url(source.mirror, key), source.format, num_bytes, sha1.lower()))
    return files[: source.max_files]


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
    """The articles job of a dump: its `status` and `files`. Raises `NotFound` where the mirror has no such dump."""
    url = join_url(source.mirror, f"{source.wiki}/{date}/dumpstatus.json")
    try:
        jobs = json.loads(downloader.fetch(url))["jobs"]
        if _MULTISTREAM_JOB in jobs:
            multistream = _checked_job(jobs[_MULTISTREAM_JOB])
            files = {name: facts for name, facts in multistream["files"].items() if _MULTISTREAM_FILE.fullmatch(name)}
            if multistream["status"] == "done" and files:
                return {"status": "done", "files": files}
        return _checked_job(jobs[_ARTICLES_JOB])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{public_url(url)}: not a dump status with the job {_ARTICLES_JOB}. Check the source's mirror."
        ) from None


def _checked_job(job: Any) -> dict[str, Any]:
    """A job's status and files. Raises `TypeError` and the like where it is not made as dumps make it."""
    status, files = job["status"], job.get("files", {})
    if not isinstance(status, str) or not all(isinstance(facts, dict) for facts in files.values()):
        raise TypeError("unexpected types")
    return {"status": status, "files": files}


def list_local_files(source: FilesSource, recipe_folder: Path) -> list[RemoteFile]:
    """Files that match the patterns; every pattern must match one. A file has the key of the first one it matches."""
    found: dict[str, RemoteFile] = {}
    for pattern in source.paths:
        files = _match_url(pattern, source) if "://" in pattern else _match_local(pattern, source, recipe_folder)
        if not files:
            raise UserError(
                f"source {source.name!r}: no file matches {public_url(pattern)!r}{_hint(pattern, recipe_folder)}."
            )
        for file in sorted(files, key=lambda file: file.key):
            found.setdefault(_real_place(file), file)
    return sorted(found.values(), key=lambda file: file.key)


def _real_place(file: RemoteFile) -> str:
    """The same for two ways to the same file: through links, from a folder above, or as file:// URL."""
    path = file.url.removeprefix("file://")
    return path if "://" in path else os.path.realpath(path)


def _match_local(pattern: str, source: FilesSource, recipe_folder: Path) -> list[RemoteFile]:
    pattern = os.path.expanduser(pattern)
    files = []
    for match in glob.glob(pattern, root_dir=recipe_folder, recursive=True):
        path = Path(recipe_folder, match)  # an absolute match stands alone
        if path.is_file():
            key = PurePosixPath(Path(match).as_posix()).as_posix()
            files.append(RemoteFile(key, str(path.absolute()), source.format, bytes=path.stat().st_size, in_place=True))
    return files


def _match_url(pattern: str, source: FilesSource) -> list[RemoteFile]:
    """Files of a bucket or another file system; their keys are URLs without credentials."""
    shown = public_url(pattern)
    try:
        fs, path = fsspec.core.url_to_fs(pattern)
        matches = fs.glob(path, detail=True)
    except (ImportError, ValueError) as error:
        raise UserError(f"source {source.name!r}: {shown}: this kind of URL cannot be opened ({error}).") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"source {source.name!r}: {shown}: cannot be listed ({reason}). Check the address.") from None
    files = []
    for match, info in matches.items():
        if info.get("type") == "file":
            url = fs.unstrip_protocol(match)
            files.append(RemoteFile(public_url(url), url, source.format, bytes=info.get("size"), in_place=True))
    return files


def _hint(pattern: str, recipe_folder: Path) -> str:
    """What may be wrong with a pattern that matches nothing."""
    if "://" in pattern:
        return "; check the address"
    if Path(recipe_folder, os.path.expanduser(pattern)).is_dir():
        return f": it is a folder; write {pattern.rstrip('/')}/**/* for the files in it"
    return f"; patterns start at the recipe's folder {recipe_folder}"
