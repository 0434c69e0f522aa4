"""The kinds of sources that a recipe may name, and how the files of each are found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, Tag

from pipeline.sources.common_crawl import CommonCrawlSource, list_common_crawl
from pipeline.sources.download import Downloader
from pipeline.sources.files import FilesSource, list_local_files
from pipeline.sources.remote import RemoteFile
from pipeline.sources.wikipedia import WikipediaSource, list_wikipedia

_KINDS = ("common_crawl", "wikipedia", "files")


def _kind_tag(value: Any) -> str | None:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return f"kind:{kind}" if kind in _KINDS else None


Source = Annotated[
    Annotated[CommonCrawlSource, Tag("kind:common_crawl")]
    | Annotated[WikipediaSource, Tag("kind:wikipedia")]
    | Annotated[FilesSource, Tag("kind:files")],
    Discriminator(
        _kind_tag,
        custom_error_type="source_kind",
        custom_error_message=f"kind must be one of {', '.join(repr(kind) for kind in _KINDS)}",
    ),
]


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
