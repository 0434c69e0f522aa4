"""Common Crawl: the files of a crawl, from its path listing."""

from __future__ import annotations

import gzip
import zlib
from typing import Literal

from pydantic import Field

from manifests.errors import UserError
from pipeline.sources.download import Downloader
from pipeline.sources.remote import RemoteFile, check_key, join_url, public_url
from pipeline.sources.settings import MirrorSettings, RawFormat


class CommonCrawlSource(MirrorSettings):
    """Files of one crawl of Common Crawl, in the order of its path listing."""

    kind: Literal["common_crawl"] = "common_crawl"
    """The kind of source."""
    mirror: str = "https://data.commoncrawl.org"
    """Where `crawl-data/` is."""
    crawl: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """The crawl's name, such as CC-MAIN-2024-10."""
    records: Literal["warc", "wet"] = "warc"
    """`warc`: pages as they were fetched. `wet`: Common Crawl's own plain text."""

    @property
    def format(self) -> RawFormat:
        """Format of its raw files."""
        return self.records

    @property
    def language(self) -> str | None:
        """Language of all of its documents: not known before they are read."""
        return None


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
