"""The kinds of sources that a recipe may name, and how the files of each are found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeGuard

from pydantic import Discriminator, Tag

from pipeline.mirrors.download import Downloader
from pipeline.mirrors.remote import RemoteFile
from pipeline.sources.code import CodeSource, list_code_files
from pipeline.sources.common_crawl import CommonCrawlSource, list_common_crawl
from pipeline.sources.crawl_index import list_index_files
from pipeline.sources.files import FilesSource, list_local_files, list_mirror_files
from pipeline.sources.hub import HuggingFaceSource
from pipeline.sources.wikipedia import WikipediaSource, list_wikipedia

_KINDS = ("common_crawl", "wikipedia", "files", "code", "huggingface")


def _kind_tag(value: Any) -> str | None:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return f"kind:{kind}" if kind in _KINDS else None


Source = Annotated[
    Annotated[CommonCrawlSource, Tag("kind:common_crawl")]
    | Annotated[WikipediaSource, Tag("kind:wikipedia")]
    | Annotated[FilesSource, Tag("kind:files")]
    | Annotated[CodeSource, Tag("kind:code")]
    | Annotated[HuggingFaceSource, Tag("kind:huggingface")],
    Discriminator(
        _kind_tag,
        custom_error_type="source_kind",
        custom_error_message=f"kind must be one of {', '.join(repr(kind) for kind in _KINDS)}",
    ),
]
MirrorSource = CommonCrawlSource | WikipediaSource | FilesSource  # the last only with a mirror
LocalSource = FilesSource | CodeSource


def is_behind_mirror(source: Source) -> TypeGuard[MirrorSource]:
    """Whether a source's files are downloaded one by one from below its `mirror`."""
    return getattr(source, "mirror", None) is not None


def is_in_place(source: Source) -> TypeGuard[LocalSource]:
    """Whether a source's files are read where they are."""
    return isinstance(source, CodeSource) or (isinstance(source, FilesSource) and source.mirror is None)


def list_mirror(source: MirrorSource, downloader: Downloader, seed: int = 0) -> list[RemoteFile]:
    """The files of a source behind a mirror, sorted by key, each key once; of an indexed crawl those of its index.

    `seed`: the recipe's, where a hash chooses.
    Raises `UserError` where there is nothing, or where the mirror's listing cannot be read or trusted.
    """
    if isinstance(source, CommonCrawlSource):
        if source.index is not None:
            return list_index_files(source, downloader)
        return list_common_crawl(source, downloader, seed)
    if isinstance(source, WikipediaSource):
        return list_wikipedia(source, downloader)
    return list_mirror_files(source)


def list_in_place(source: LocalSource, recipe_folder: Path) -> list[RemoteFile]:
    """The files of a source that are read where they are. `recipe_folder`: where relative patterns start.

    Raises `UserError` where a pattern matches nothing.
    """
    if isinstance(source, CodeSource):
        return list_code_files(source, recipe_folder)
    return list_local_files(source, recipe_folder)


def list_files(
    source: Source, recipe_folder: Path, downloader: Downloader | None = None, seed: int = 0
) -> list[RemoteFile]:
    """The files of a source of either kind; a downloader is made where none is given and a mirror is asked."""
    if is_in_place(source):
        return list_in_place(source, recipe_folder)
    assert is_behind_mirror(source)
    if downloader is not None:
        return list_mirror(source, downloader, seed)
    with Downloader() as own:
        return list_mirror(source, own, seed)
