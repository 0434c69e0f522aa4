"""Common Crawl: the files of its crawls, from their path listings, or records that their index names."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from manifests.draws import draw
from manifests.errors import UserError
from pipeline.mirrors.download import Downloader
from pipeline.mirrors.remote import RemoteFile, check_key, join_url, public_url
from pipeline.sources.crawl_query import IndexQuery
from pipeline.sources.settings import MirrorSettings, RawFormat

_MOST_LISTING_BYTES = 32 << 20  # unpacked; a crawl's listing of 100,000 files has 14 MB

_CrawlName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class CommonCrawlSource(MirrorSettings):
    """Files of one or more crawls of Common Crawl, or single records of them.

    Which files: all; the first `max_files` of each crawl's listing; `sample` of each crawl, drawn by path;
    or just `paths`. Which records: those that answer `index`. These exclude each other.
    """

    kind: Literal["common_crawl"] = "common_crawl"
    """The kind of source."""
    language: ClassVar[str | None] = None
    """Language of all of its documents: not known before they are read."""
    mirror: str = "https://data.commoncrawl.org"
    """URL below which `crawl-data/` lies: https, or s3://commoncrawl. It changes no byte of the files."""
    crawl: list[_CrawlName] = Field(default_factory=list)
    """Name of the crawl, such as "CC-MAIN-2024-10", or a list of names."""
    records: Literal["warc", "wet"] = "warc"
    """`warc`: pages as they were fetched. `wet`: Common Crawl's own plain text."""
    sample: int | None = Field(default=None, ge=1)
    """Number of files to take of each crawl, drawn by the recipe's seed and their path."""
    paths: list[str] | None = Field(default=None, min_length=1)
    """Files to take, as listings name them: "crawl-data/CC-MAIN-2024-10/segments/...". They say the crawl."""
    index: IndexQuery | None = None
    """Fetch single records that answer this table, in place of whole files."""

    @field_validator("crawl", mode="before")
    @classmethod
    def _one_or_more(cls, crawl: Any) -> Any:
        return [crawl] if isinstance(crawl, str) else crawl

    @field_validator("crawl")
    @classmethod
    def _crawls_differ(cls, crawl: list[str]) -> list[str]:
        if len(set(crawl)) != len(crawl):
            raise ValueError("names a crawl twice")
        return crawl

    @field_validator("paths")
    @classmethod
    def _paths_are_keys(cls, paths: list[str] | None) -> list[str] | None:
        for path in paths or []:
            try:
                check_key(path)
            except UserError:
                raise ValueError(f"{path[:80]!r} is no path below the mirror") from None
        if paths is not None and len(set(paths)) != len(paths):
            raise ValueError("names a file twice")
        return paths

    @model_validator(mode="after")
    def _one_way_to_choose(self) -> CommonCrawlSource:
        chosen = [name for name in ("max_files", "sample", "paths", "index") if getattr(self, name) is not None]
        if len(chosen) > 1:
            raise ValueError(f"{' and '.join(chosen)} exclude each other: keep one of them")
        if self.paths is not None:
            wrong = [path for path in self.paths if self.crawl and not path.startswith(tuple(self._folders()))]
            if wrong:
                raise ValueError(f"paths: {wrong[0]!r} is not of the source's crawl: leave out crawl, or correct one")
        elif not self.crawl:
            raise ValueError('crawl is missing: add it, such as crawl = "CC-MAIN-2024-10"')
        if self.index is not None and self.records == "wet":
            raise ValueError('the index knows no WET files: leave out records = "wet", or take whole files')
        return self

    @property
    def crawls(self) -> list[str]:
        """Names of the crawls; empty where `paths` say them."""
        return self.crawl

    @property
    def format(self) -> RawFormat:
        """Format of its raw files."""
        return self.records

    def _folders(self) -> list[str]:
        return [f"crawl-data/{crawl}/" for crawl in self.crawl]


def list_common_crawl(source: CommonCrawlSource, downloader: Downloader, seed: int = 0) -> list[RemoteFile]:
    """Files of a source, in the order of their keys, from `warc.paths.gz` or `wet.paths.gz` of its crawls.

    seed: the recipe's, for `sample`. `paths` are not looked up: the download tells whether they are there.
    Raises `UserError` where a listing cannot be read or is empty. A source with `index` has no such files.
    """
    assert source.index is None, "records of an index are listed by crawl_index"
    keys = list(source.paths or [])
    for crawl in source.crawls if source.paths is None else []:
        listed = read_listing(source.mirror, f"crawl-data/{crawl}/{source.records}.paths.gz", downloader)
        if source.sample is not None:
            listed = sorted(listed, key=lambda key: (draw("crawl_files", seed, key), key))
        keys += listed[: source.sample or source.max_files]
    return [RemoteFile(key=key, url=join_url(source.mirror, key), format=source.format) for key in sorted(set(keys))]


def read_listing(mirror: str, path: str, downloader: Downloader) -> list[str]:
    """Keys that a path listing of a mirror names, each once, in its order. Raises `UserError` where it is none."""
    url = join_url(mirror, path)
    try:
        with gzip.open(io.BytesIO(downloader.fetch(url))) as lines:
            data = lines.read(_MOST_LISTING_BYTES + 1)
        text = data.decode("utf-8")
    except (EOFError, OSError, ValueError, zlib.error) as error:
        raise UserError(f"{public_url(url)}: not a path listing ({error}). Check the source's mirror.") from None
    if len(data) > _MOST_LISTING_BYTES:
        raise UserError(f"{public_url(url)}: too large for a path listing. Check the source's mirror.")
    keys = [check_key(line, url) for line in dict.fromkeys(text.splitlines()) if line]
    if not keys:
        raise UserError(f"{public_url(url)}: lists no files. Choose another crawl.")
    return keys
