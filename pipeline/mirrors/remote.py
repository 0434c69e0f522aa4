"""A file of a source: its key, its URL, and what is known of it before it is fetched."""

from __future__ import annotations

import email.utils
import re
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit, urlunsplit

from manifests.errors import UserError

PARTIAL_SUFFIX = ".partial"
STATE_SUFFIX = ".partial.json"
_OWN_SUFFIXES = (PARTIAL_SUFFIX, STATE_SUFFIX, ".unpublished")
_MOST_SEGMENTS = 100  # of a key; a folder is made and published for each
_MOST_NAME_BYTES = 255 - len(".4194304-99999.unpublished")  # file systems allow 255; temporary names are longer


@dataclass(frozen=True)
class Version:
    """What a server says of a file's version. Two requests that agree in it may be joined.

    etag: as the server writes it, with quotes and `W/`.
    last_modified: an HTTP date.
    date: when the answer was made, an HTTP date; no part of the version itself.
    """

    etag: str | None = None
    last_modified: str | None = None
    date: str | None = field(default=None, compare=False)

    @property
    def condition(self) -> tuple[str, str] | None:
        """The header, name and value, that makes a server send the rest of this version only; None where none can.

        By RFC 9110 (8.8.2.2, 13.1.5), `If-Range` takes a strong ETag, or where there is no ETag a date that is at least
        one second older than the answer: a file may change twice within a second. Beside a weak ETag such a date may
        stand in `If-Unmodified-Since`.
        """
        if self.etag and not self.etag.startswith("W/"):
            return "If-Range", self.etag
        made, modified = parse_http_date(self.date), self.modified_seconds
        if made is None or modified is None or self.last_modified is None or made <= modified:
            return None
        return "If-Unmodified-Since" if self.etag else "If-Range", self.last_modified

    def differs(self, other: Version) -> bool:
        """Whether another answer is surely of another version; what one of the two does not say is no difference."""
        return any(
            mine is not None and theirs is not None and mine != theirs
            for mine, theirs in ((self.etag, other.etag), (self.last_modified, other.last_modified))
        )

    def is_confirmed_by(self, other: Version) -> bool:
        """Whether another answer agrees in something and differs in nothing."""
        agrees = (self.etag and self.etag == other.etag) or (
            self.last_modified and self.last_modified == other.last_modified
        )
        return bool(agrees) and not self.differs(other)

    @property
    def modified_seconds(self) -> int | None:
        """`last_modified` as seconds since 1970."""
        return parse_http_date(self.last_modified)

    def __str__(self) -> str:
        return (
            ", ".join(f"{name} {value}" for name, value in (("ETag", self.etag), ("date", self.last_modified)) if value)
            or "no version"
        )


@dataclass(frozen=True)
class RemoteFile:
    """One raw file of a source.

    key: stable name with `/`: the path below the mirror, or for a file read in place its path as the recipe finds it.
    url: where it is read: http(s), an fsspec URL, or a local path.
    format: what it holds, as `RawFormat`.
    bytes: size as the listing or the disk says; None where unknown.
    sha1: hexadecimal digest as the listing says; None where unknown.
    in_place: it is read where it is, not downloaded.
    sha256: hexadecimal digest as a pin says; None where unknown.
    version: the only version that may be downloaded, as a pin says; None where any may.
    """

    key: str
    url: str
    format: str
    bytes: int | None = None
    sha1: str | None = None
    in_place: bool = False
    sha256: str | None = None
    version: Version | None = None


def check_key(key: str, mirror: str = "the listing") -> str:
    """The key itself if it is a plain path below a folder.

    Keys come from a mirror's answer. Raises `UserError` for one that could leave the output folder, hide, or clash
    with names that the downloader uses itself; `mirror` is named in the message.
    """
    segments = key.split("/")
    bad = (
        not key
        or len(segments) > _MOST_SEGMENTS
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


def parse_http_date(text: str | None) -> int | None:
    """Seconds since 1970; None for what is no date."""
    try:
        return int(email.utils.parsedate_to_datetime(text).timestamp()) if text else None
    except (ValueError, OverflowError):
        return None


def is_http(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))


def join_url(mirror: str, key: str) -> str:
    """The URL of a key below a mirror."""
    return f"{mirror.rstrip('/')}/{quote(key) if is_http(mirror) else key}"


def public_url(url: str) -> str:
    """A URL as it may be printed or recorded: without user, password, query and fragment."""
    if "://" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:  # a bracket in the place of the host: nothing of it is sure
        return f"{url.partition('://')[0]}://..."
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def mirror_of(url: str) -> str:
    """Scheme and host of a URL, which is what can be out of reach."""
    parts = urlsplit(public_url(url))
    return f"{parts.scheme}://{parts.netloc}"
