"""A file of a source: its key, its URL, and what is known of it before it is fetched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

from manifests.errors import UserError

PARTIAL_SUFFIX = ".partial"
STATE_SUFFIX = ".partial.json"
_OWN_SUFFIXES = (PARTIAL_SUFFIX, STATE_SUFFIX, ".unpublished")
_MOST_NAME_BYTES = 255 - len(".4194304-99999.unpublished")  # file systems allow 255; temporary names are longer


@dataclass(frozen=True)
class RemoteFile:
    """One raw file of a source.

    key: stable name with `/`: the path below the mirror, or for a file read in place its path as the recipe finds it.
    url: where it is read: http(s), an fsspec URL, or a local path.
    format: what it holds, as `RawFormat`.
    bytes: size as the listing or the disk says; None where unknown.
    sha1: hexadecimal digest as the listing says; None where unknown.
    in_place: it is read where it is, not downloaded.
    """

    key: str
    url: str
    format: str
    bytes: int | None = None
    sha1: str | None = None
    in_place: bool = False


def check_key(key: str, mirror: str = "the listing") -> str:
    """The key itself if it is a plain path below a folder.

    Keys come from a mirror's answer. Raises `UserError` for one that could leave the output folder, hide, or clash
    with names that the downloader uses itself; `mirror` is named in the message.
    """
    segments = key.split("/")
    bad = (
        not key
        or any(segment in ("", ".", "..") for segment in segments)
        or re.search(r"[\x00-\x1f\x7f\\]", key) is not None
        or re.match(r"[A-Za-z]:", key) is not None
        or key.endswith(_OWN_SUFFIXES)
        or not _encodes(key)
        or any(len(segment.encode()) > _MOST_NAME_BYTES for segment in segments)
    )
    if bad:
        shown = key if len(key) <= 80 else key[:77] + "..."
        raise UserError(f"{public_url(mirror)}: names a file {shown!r}, which is no safe path. Use another mirror.")
    return key


def _encodes(key: str) -> bool:
    try:
        key.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


def is_http(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))


def join_url(mirror: str, key: str) -> str:
    """The URL of a key below a mirror."""
    return f"{mirror.rstrip('/')}/{quote(key) if is_http(mirror) else key}"


def public_url(url: str) -> str:
    """A URL as it may be printed or recorded: without user, password, query and fragment."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def mirror_of(url: str) -> str:
    """Scheme and host of a URL, which is what can be out of reach."""
    parts = urlsplit(public_url(url))
    return f"{parts.scheme}://{parts.netloc}"
