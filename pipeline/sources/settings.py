"""The recipe's `[[sources]]`: one class for each `kind`. They only say what is wanted; `listing` finds the files."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator

from manifests.errors import UserError
from manifests.settings import Settings

# In the part of a URL before its path: a user (of cloud storage, that is the container), or what is no host and port.
_USER = re.compile(r"://(?:[^/?#]*@|[^/?#@\[]*:(?![0-9]*(?:[/?#]|$)))")
_CONTAINER = re.compile(r"(?:^|:)(?:abfss?|wasbs?)://[^/?#@:]+@")
_QUERY = re.compile(r"\?[^/]*=")  # `?` alone is a pattern for one character

RawFormat = Literal["warc", "wet", "mediawiki", "html", "text", "gutenberg", "code", "jsonl", "parquet"]

# Names of folders that a stage keeps beside its files; a source's name becomes a folder too.
_RESERVED_NAMES = frozenset({"dropped", "listing", "logs", "tasks", "work"})
# Wikis whose database name does not say a language.
_WIKI_LANGUAGES = {"simple": "en", "zh_classical": "lzh", "zh_min_nan": "nan", "zh_yue": "yue", "be_x_old": "be"}
_WIKIS_OF_NO_LANGUAGE = frozenset(
    {"commons", "incubator", "mediawiki", "meta", "outreach", "sources", "species", "test", "test2", "wikidata"}
)


def check_no_credentials(url: str) -> str:
    """The URL itself. Raises `UserError` where it holds a user, a password or a token: manifests record URLs."""
    if "://" in url and ((_USER.search(url) and not _CONTAINER.search(url)) or _QUERY.search(url)):
        # No ValueError: its message would come to quote the URL.
        raise UserError(
            f"sources: a {url.partition('://')[0]}:// URL holds a user, a password or a query: "
            "put credentials in the environment or fsspec's configuration, not in the recipe."
        )
    return url


class SourceSettings(Settings):
    """What every source has."""

    name: str = Field(pattern=r"^[a-z0-9_-]+$", max_length=64)
    """Names the source in file names, counts and reports."""
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Share of the source in the training mixture, as a factor on its own size."""
    rules: list[str] | None = None
    """Filter rules for this source in place of `[filter] rules`; an empty list applies none."""
    filter: dict[str, Any] = Field(default_factory=dict)
    """Keys of `[filter]` that differ for this source. The filter's settings check them."""

    @field_validator("name")
    @classmethod
    def _name_is_free(cls, name: str) -> str:
        if name in _RESERVED_NAMES:
            raise ValueError(f"{name!r} is a name that stages use themselves; choose another")
        return name


class MirrorSettings(SourceSettings):
    """What every source behind a mirror has."""

    mirror: str
    """URL that the source's paths stand below: http(s), or what fsspec opens (file, s3, ...)."""
    max_files: int | None = Field(default=None, ge=1)
    """Take the first so many files of the listing; all of them where this is not set."""

    @field_validator("mirror")
    @classmethod
    def _mirror_is_url(cls, mirror: str) -> str:
        scheme, separator, rest = mirror.partition("://")
        if not separator or not scheme or not rest.strip("/"):
            raise ValueError("a mirror is a URL, such as https://host or file:///folder")
        return check_no_credentials(mirror.rstrip("/"))


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


class FilesSource(SourceSettings):
    """Files that are already on a disk or in a bucket; they are read where they are."""

    kind: Literal["files"] = "files"
    """The kind of source."""
    paths: list[str] = Field(min_length=1)
    """Glob patterns relative to the recipe, absolute, or fsspec URLs; `**` goes through folders."""
    format: RawFormat
    """What the files hold; .gz, .bz2, .xz and .zst are opened by their ending."""
    language: str | None = Field(default=None, pattern=r"^[a-z]{2,3}(-[a-z0-9]+)*$")
    """Language code of all of it, where that is known."""

    @field_validator("paths")
    @classmethod
    def _paths_are_not_empty(cls, paths: list[str]) -> list[str]:
        if any(not path.strip() for path in paths):
            raise ValueError("a path is empty")
        return [check_no_credentials(path) for path in paths]


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
