"""Paths of this machine and URLs: which of the two a text is, and how either is opened.

A local path is opened as it stands. fsspec would take `::` in it for a chain of URLs, and a `[` for a pattern.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import IO, Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

_SCHEME = "[A-Za-z][A-Za-z0-9+.-]*"
_ARCHIVES = ("zip", "tar", "libarchive")
_URL = re.compile(rf"(?:{_SCHEME}::)*({_SCHEME})://")


def is_url(path: str) -> bool:
    """True for a URL, and for a chain of URLs in fsspec's notation (`zip://a.txt::s3://bucket/b.zip`)."""
    return _URL.match(path) is not None


def local_path(path: str) -> str | None:
    """The path on this machine of a local path or a `file:` URL; None for any other URL."""
    scheme, separator, rest = path.partition("://")
    if separator and scheme.lower() in ("file", "local"):
        return rest
    return None if is_url(path) else path


def file_system(path: str, **options: Any) -> tuple[Any, str]:
    """The fsspec file system that a path or URL is on, and the path there. Raises what fsspec raises.

    A `::` in the name of a local file or of an object is part of the name.
    """
    local = local_path(path)
    if local is not None:
        return LocalFileSystem(), os.path.abspath(local)
    if "::" in path and not is_chain(path):
        scheme = path.partition("://")[0]
        kind = fsspec.get_filesystem_class(scheme)
        return fsspec.filesystem(scheme, **kind._get_kwargs_from_urls(path) | options), str(kind._strip_protocol(path))
    found: tuple[Any, str] = fsspec.core.url_to_fs(path, **options)
    return found


def is_chain(url: str) -> bool:
    """True for a chain of URLs, which names a file inside another one: `zip://a.txt::s3://bucket/b.zip`."""
    first, separator, rest = url.partition("::")
    scheme = first.partition("://")[0]
    return bool(separator) and is_url(url) and (scheme in _ARCHIVES or scheme == first or "://" in rest)


def open_path(path: str) -> IO[bytes]:
    """Open a file at a path or URL for reading. Raises what the file system raises."""
    local = local_path(path)
    if local is not None:
        return open(local, "rb")
    fs, inside = file_system(path)
    file: IO[bytes] = fs.open(inside, "rb")
    return file


def resolve(path: str, folder: str | Path) -> str:
    """A path of a file, such as a recipe, as it can be opened: a relative one starts at that file's folder."""
    if is_url(path):
        return path
    return os.path.join(os.path.realpath(folder), os.path.expanduser(path))


def as_seen_from_here(path: str) -> str:
    """The same place in few words: relative to the working directory where it lies below it."""
    if is_url(path):
        return path
    path = os.path.normpath(path)
    here = os.getcwd().rstrip("/") + "/"
    return path.removeprefix(here) if path.startswith(here) else path


def relative_to(path: str, folder: str | Path) -> str:
    """A path as a file in `folder` names it, so that both may be moved together. A URL stays as it is."""
    return path if is_url(path) else os.path.relpath(os.path.realpath(path), os.path.realpath(folder))
