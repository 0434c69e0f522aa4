"""Wikipedia and its sister wikis: the article dump that Wikimedia reports as done."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

from pydantic import Field

from manifests.errors import UserError
from pipeline.sources.download import Downloader
from pipeline.sources.remote import RemoteFile, check_key, join_url, public_url
from pipeline.sources.settings import MirrorSettings, RawFormat
from pipeline.sources.transport import NotFound

# Jobs of a dump that hold the current articles and nothing else; a large wiki has them in several parts. In the first,
# a compressed stream holds 100 pages, so that each page has an address; not every dump has it.
_MULTISTREAM_JOB = "articlesmultistreamdump"
_ARTICLES_JOB = "articlesdump"
_MULTISTREAM_FILE = re.compile(r".*\.xml(-p[0-9]+p[0-9]+)?\.bz2", re.DOTALL)  # not its index, which is text
# Wikis whose database name does not say a language.
_WIKI_LANGUAGES = {"simple": "en", "zh_classical": "lzh", "zh_min_nan": "nan", "zh_yue": "yue", "be_x_old": "be"}
_WIKIS_OF_NO_LANGUAGE = frozenset(
    {"commons", "incubator", "mediawiki", "meta", "outreach", "sources", "species", "test", "test2", "wikidata"}
)


class WikipediaSource(MirrorSettings):
    """The current articles of one wiki, from a dump that Wikimedia reports as done."""

    kind: Literal["wikipedia"] = "wikipedia"
    """The kind of source."""
    mirror: str = "https://dumps.wikimedia.org"
    """Where the wikis' folders are."""
    wiki: str = Field(default="simplewiki", pattern=r"^[a-z][a-z0-9_]*$")
    """Database name of the wiki, such as enwiki."""
    date: str = Field(pattern=r"^(latest|[0-9]{8})$")
    """Date of the dump as YYYYMMDD, or `latest` for the newest complete one (which changes with time)."""

    @property
    def format(self) -> RawFormat:
        """Format of its raw files."""
        return "mediawiki"

    @property
    def language(self) -> str | None:
        """Language code that the wiki's name says; None for wikis of many languages."""
        stem = self.wiki
        for ending in ("wiki", "wiktionary", "wikibooks", "wikinews", "wikiquote", "wikisource", "wikivoyage"):
            if self.wiki.endswith(ending):
                stem = self.wiki.removesuffix(ending)
        if not stem or stem in _WIKIS_OF_NO_LANGUAGE:
            return None
        return _WIKI_LANGUAGES.get(stem, stem.replace("_", "-"))


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
