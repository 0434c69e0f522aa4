"""Files that the recipe names: expands the patterns of a `files` source."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from manifests.errors import UserError, check_is_text
from manifests.paths import file_system, is_chain, is_url, local_path
from manifests.patterns import matching_files
from manifests.secrets import check_no_credentials
from pipeline.mirrors.buckets import storage_options
from pipeline.mirrors.remote import RemoteFile, check_key, is_http, join_url, public_url
from pipeline.sources.settings import RawFormat, SourceSettings, check_mirror

_COLUMNS = frozenset({"text", "id", "url", "title", "date", "language"})


class FilesSource(SourceSettings):
    """Files that the recipe names: on a disk or in a bucket, where they are read in place, or behind a mirror."""

    kind: Literal["files"] = "files"
    """The kind of source."""
    paths: list[str] = Field(min_length=1)
    """Glob patterns relative to the recipe, absolute, or fsspec URLs; `**` goes through folders. A path that is spelt
    like a name matches it, whatever characters are in it. With a mirror, the paths of files below it, which are
    downloaded."""
    mirror: str | None = None
    """URL below which the paths lie: http(s), or what fsspec opens. Without it files are read in place."""
    format: RawFormat
    """What the files hold. Compressed ones (gzip, bz2, xz, zstd, lz4, lzma, 7z) are opened."""
    language: str | None = Field(default=None, pattern=r"^[a-z]{2,3}(-[a-z0-9]+)*$")
    """Language code of all of it, where that is known."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Columns of jsonl, parquet and csv files that are named otherwise than ours (`text`, `id`, `url`, `title`, `date`,
    `language`), such as `{ text = "content" }`."""

    @field_validator("mirror")
    @classmethod
    def _mirror_is_url(cls, mirror: str | None) -> str | None:
        return None if mirror is None else check_mirror(mirror)

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        if self.mirror is not None:
            for path in self.paths:
                check_key(path, self.mirror)
                if re.search(r"[*?\[]", path):
                    raise ValueError("a path behind a mirror is that of one file: no pattern, and no query")
        elif any(is_http(path) for path in self.paths):
            raise ValueError(
                "a path is an http(s) URL: give its first part as `mirror` and the rest as path, and it is downloaded"
            )
        if any(is_chain(path) for path in self.paths):
            raise ValueError("a path is a chain of URLs (`::`): unpack the archive, and name the files in it")
        unknown = sorted(set(self.columns) - _COLUMNS)
        if unknown:
            raise ValueError(f"columns: {unknown[0]!r} is none of {', '.join(sorted(_COLUMNS))}")
        if self.columns and self.format not in ("jsonl", "parquet", "csv"):
            raise ValueError(f"columns: files of format {self.format} have none")
        return self

    @field_validator("paths")
    @classmethod
    def _paths_are_not_empty(cls, paths: list[str]) -> list[str]:
        if any(not path.strip() for path in paths):
            raise ValueError("a path is empty")
        return [check_no_credentials(path) for path in paths]


def list_mirror_files(source: FilesSource) -> list[RemoteFile]:
    """The files that a source with a mirror names, sorted by key, each once."""
    assert source.mirror is not None
    return [RemoteFile(key, join_url(source.mirror, key), source.format) for key in sorted(set(source.paths))]


def list_local_files(source: FilesSource, recipe_folder: Path) -> list[RemoteFile]:
    """Files that match the patterns; every pattern must match one. A file has the key of the first one it matches."""
    found: dict[str, RemoteFile] = {}
    for pattern in source.paths:
        is_remote = local_path(pattern) is None
        files = _match_url(pattern, source) if is_remote else _match_local(pattern, source, recipe_folder)
        if not files:
            raise UserError(
                f"source {source.name!r}: no file matches {public_url(pattern)!r}{_hint(pattern, recipe_folder)}."
            )
        for file in sorted(files, key=lambda file: (os.path.islink(file.url), file.key)):
            found.setdefault(_real_place(file), file)
    return sorted(found.values(), key=lambda file: file.key)


def _real_place(file: RemoteFile) -> str:
    """The same for two ways to the same file: through links, from a folder above, or as file:// URL."""
    return file.url if is_url(file.url) else os.path.realpath(file.url)


def _match_local(pattern: str, source: FilesSource, recipe_folder: Path) -> list[RemoteFile]:
    prefix = "file://" if is_url(pattern) else ""
    pattern = os.path.expanduser(str(local_path(pattern)))
    files = []
    for match in matching_files(pattern, str(recipe_folder)):
        path = os.path.join(os.path.abspath(recipe_folder), match)  # an absolute match stands alone
        check_is_text(match, f"source {source.name!r}", "Rename it, or write paths that leave it out.")
        size = os.path.getsize(path)
        files.append(RemoteFile(f"{prefix}{match}", path, source.format, bytes=size, in_place=True))
    return files


def _match_url(pattern: str, source: FilesSource) -> list[RemoteFile]:
    """Files of a bucket or another file system; their keys are URLs without credentials."""
    shown = public_url(pattern)
    try:
        fs, path = file_system(pattern, **storage_options(pattern))
        matches = fs.glob(path, detail=True)
        if not matches and fs.isfile(path):  # its name has the characters of a pattern
            matches = {path: fs.info(path)}
    except (ImportError, ValueError) as error:
        raise UserError(
            f"source {source.name!r}: {shown}: this kind of URL cannot be opened ({error}). Check the address, or "
            "install what fsspec needs for it."
        ) from None
    except Exception as error:  # every library behind fsspec has errors of its own
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"source {source.name!r}: {shown}: cannot be listed ({reason}). Check the address, and "
            "the credentials that fsspec finds for it."
        ) from None
    files = []
    for match, info in matches.items():
        if info.get("type") == "file":
            url = fs.unstrip_protocol(match)
            files.append(RemoteFile(_without_user(url), url, source.format, bytes=info.get("size"), in_place=True))
    return files


def _without_user(url: str) -> str:
    """The URL of an object without the user that may stand before its bucket; `?` and `#` are part of its name."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def _hint(pattern: str, recipe_folder: Path) -> str:
    """What may be wrong with a pattern that matches nothing."""
    if local_path(pattern) is None:
        return "; check the address"
    if Path(recipe_folder, os.path.expanduser(pattern)).is_dir():
        return f": it is a folder; write {pattern.rstrip('/')}/**/* for the files in it"
    return f"; patterns start at the recipe's folder {recipe_folder}"
