"""Settings that every source of a recipe has. Each kind's settings stand beside the code that finds its files."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator

from manifests.secrets import check_no_credentials
from manifests.settings import Settings

_MIRROR_SCHEMES = frozenset(
    {"http", "https", "file", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "hdfs", "memory"}
)
_PORT = re.compile(r"://(?:\[[^\]/]*(?:/|$)|[^/?#@\[]*:(?![0-9]*(?:[/?#]|$))[^/?#@]*(?:[/?#]|$))")

RawFormat = Literal["warc", "wet", "mediawiki", "html", "text", "gutenberg", "code", "jsonl", "parquet", "csv"]
WEB_FORMATS: frozenset[RawFormat] = frozenset({"warc", "wet", "html", "mediawiki"})
"""What the defaults of `[filter]` judge: web pages and wikis. Files of other formats were chosen by their owner."""
INDEX_FORMAT = "multistream-index"  # of a raw file that says where another one can be cut, and holds no document

# Names of folders that a stage keeps beside its files; a source's name becomes a folder too.
_RESERVED_NAMES = frozenset({"dropped", "listing", "logs", "tasks", "work"})


class SourceSettings(Settings):
    """Keys of every source."""

    name: str = Field(pattern=r"^[a-z0-9_-]+$", max_length=64)
    """Name of the source in file names, counts and reports."""
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Weight in the training mixture, as a factor on the source's own size: 2.0 takes each document twice."""
    rules: list[str] | None = None
    """Filter rules for this source in place of `[filter] rules`; an empty list applies none."""
    filter: dict[str, Any] = Field(default_factory=dict)
    """Keys of `[filter]` that differ for this source."""

    verify_records: bool = False
    """Check the block and payload digests of every record of a WARC or WET file before the file is taken."""

    @field_validator("name")
    @classmethod
    def _name_is_free(cls, name: str) -> str:
        if name in _RESERVED_NAMES:
            raise ValueError(f"{name!r} is a name that stages use themselves; choose another")
        return name


def check_mirror(mirror: str) -> str:
    """The mirror's URL without a slash at its end. Raises `ValueError` for what is none."""
    scheme, separator, rest = mirror.partition("://")
    if not separator or not scheme or not rest.strip("/"):
        raise ValueError("a mirror is a URL, such as https://host or file:///folder")
    if "@" not in mirror and _PORT.search(mirror):
        raise ValueError("the port of the mirror is no number, or its host is not written as one")
    check_no_credentials(mirror)
    if scheme.lower() not in _MIRROR_SCHEMES:
        raise ValueError(f"a mirror is behind {', '.join(sorted(_MIRROR_SCHEMES))}, not {scheme[:20]!r}")
    return mirror.rstrip("/")


class MirrorSettings(SourceSettings):
    """Keys of every source behind a mirror."""

    mirror: str
    """URL that the source's paths stand below: http(s), or what fsspec opens (file, s3, ...)."""
    max_files: int | None = Field(default=None, ge=1)
    """Number of files to take, the first of the listing; all of them where it is not set."""

    _check_mirror = field_validator("mirror")(check_mirror)
