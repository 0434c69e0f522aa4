"""A pin: the exact files that a recipe's sources read, so that a later build gets the same bytes or none.

A file is told by its digest where one is known (of a dump, of what is on this disk, of what a build has acquired), and
by the mirror's ETag and date elsewhere. A digest holds at any mirror; an ETag at mirrors that give the same one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from manifests.errors import UserError
from manifests.manifest import json_bytes
from manifests.settings import Settings, validate
from manifests.storage import Folder
from pipeline.mirrors.download import Downloader
from pipeline.mirrors.remote import RemoteFile, Version, check_key, join_url, public_url
from pipeline.sources.hub import HubFile, HubListing, HuggingFaceSource
from pipeline.sources.settings import SourceSettings

# What decides which documents are made of the files, or how they are weighed, but not which files are read.
_NOT_LISTING = frozenset(
    {"columns", "filter", "index", "language", "max_documents", "mirror", "rules", "verify_records", "weight"}
)
_HEX = r"^[0-9a-f]+$"


class PinnedFile(Settings):
    """One file.

    key: its name, as in the listing. url: where it was when it was pinned, without credentials; None on a local disk.
    bytes: None where the mirror does not say it. etag, last_modified: as the mirror says, where no digest is known.
    blob: git's id of a small file of the Hugging Face hub.
    """

    key: str
    format: str
    url: str | None = None
    bytes: int | None = Field(default=None, ge=0)
    sha1: str | None = Field(default=None, pattern=_HEX, min_length=40, max_length=40)
    sha256: str | None = Field(default=None, pattern=_HEX, min_length=64, max_length=64)
    etag: str | None = None
    last_modified: str | None = None
    blob: str | None = Field(default=None, pattern=_HEX)

    @property
    def version(self) -> Version | None:
        """What a mirror must say; None where a digest tells better."""
        if self.sha1 or self.sha256 or not (self.etag or self.last_modified):
            return None
        return Version(self.etag, self.last_modified)


class PinnedSource(Settings):
    """The files of one source, and the settings that chose them. revision, reader, options: of Hugging Face data."""

    name: str
    settings: dict[str, Any]
    files: list[PinnedFile]
    revision: str | None = None
    reader: str | None = None
    options: dict[str, Any] | None = None


class Pin(Settings):
    """What the sources of a recipe read. `seed` is the recipe's: it chooses samples of listings."""

    version: Literal[1] = 1
    recipe: str
    seed: int
    sources: list[PinnedSource]

    def source(self, name: str) -> PinnedSource:
        """One source. Raises `UserError` where it was not pinned."""
        for source in self.sources:
            if source.name == name:
                return source
        raise UserError(f"source {name!r} is not in the recipe's pin. Run `groundup pin` again.")

    def files(self, source: str, mirror: str) -> list[RemoteFile]:
        """A source's files as they are fetched from a mirror: the downloader refuses other bytes."""
        return [
            RemoteFile(
                key=check_key(file.key, "the pin"),
                url=join_url(mirror, file.key),
                format=file.format,
                bytes=file.bytes,
                sha1=file.sha1,
                sha256=file.sha256,
                version=file.version,
            )
            for file in self.source(source).files
        ]

    def hub(self, source: HuggingFaceSource) -> HubListing:
        """What a Hugging Face source reads, as it was listed."""
        pinned = self.source(source.name)
        files = [HubFile(key=f.key, bytes=f.bytes or 0, sha256=f.sha256, blob=f.blob) for f in pinned.files]
        return HubListing(
            revision=pinned.revision,
            reader=str(pinned.reader),
            options=pinned.options or {},
            files=files,
            in_order=source.max_documents is not None,
        )

    def check_settings(self, sources: Iterable[SourceSettings], seed: int) -> None:
        """Refuse a recipe that asks for other files than were pinned. Raises `UserError` naming the setting."""
        names = []
        for source in sources:
            names.append(source.name)
            before, now = self.source(source.name).settings, listing_settings(source)
            for key in sorted({*before, *now}):
                if before.get(key) != now.get(key):
                    raise UserError(
                        f"source {source.name!r}: {key} is {now.get(key)!r}, and {before.get(key)!r} was pinned. Run "
                        "`groundup pin` again, or set it back."
                    )
            if now.get("sample") is not None and seed != self.seed:
                raise UserError(
                    f"source {source.name!r}: its sample was pinned with seed {self.seed}, and the recipe has {seed}. "
                    "Run `groundup pin` again, or set it back."
                )
        gone = [source.name for source in self.sources if source.name not in names]
        if gone:
            raise UserError(f"source {gone[0]!r} was pinned and is not in the recipe. Run `groundup pin` again.")

    def check_local(self, source: str, files: Iterable[tuple[str, int, str]]) -> None:
        """Refuse files in place that are others than were pinned. files: key, bytes and sha256 of each.

        Raises `UserError` that names the first file that changed, is gone, or is new.
        """
        pinned = {file.key: file for file in self.source(source).files}
        left = set(pinned)
        for key, num_bytes, sha256 in files:
            if key not in pinned:
                raise _changed(source, key, "it is new")
            left.discard(key)
            file = pinned[key]
            if file.bytes != num_bytes:
                raise _changed(source, key, f"{file.bytes:,} bytes -> {num_bytes:,} bytes")
            if file.sha256 != sha256:
                raise _changed(source, key, f"sha256 {file.sha256} -> {sha256}")
        if left:
            raise _changed(source, min(left), "it is gone")


def _changed(source: str, key: str, how: str) -> UserError:
    return UserError(
        f"source {source!r}: {key}: changed since it was pinned ({how}). Make it as it was, or run `groundup pin` "
        "again."
    )


def check_remote(file: RemoteFile, downloader: Downloader) -> None:
    """Refuse a file that is read in ranges, so without a digest, if its mirror has another version than was pinned."""
    version, num_bytes = downloader.describe(file.url)
    how = None
    if file.bytes is not None and num_bytes is not None and num_bytes != file.bytes:
        how = f"{file.bytes:,} bytes -> {num_bytes:,} bytes"
    elif file.version is not None and not file.version.is_confirmed_by(version):
        how = f"{file.version} -> {version}"
    if how:
        raise UserError(
            f"{public_url(file.url)}: changed since it was pinned ({how}). Pin the recipe again, or use a mirror that "
            "has it."
        )


def listing_settings(source: SourceSettings) -> dict[str, Any]:
    """The settings of a source that say which files it reads; of an index, only that it is read."""
    settings = source.model_dump(mode="json", exclude=set(_NOT_LISTING) | {"name"})
    index = getattr(source, "index", None)
    return settings | ({"index": True} if index is not None else {})


def pin_remote(
    files: list[RemoteFile], downloader: Downloader, acquired: dict[str, tuple[int, str]], in_ranges: bool = False
) -> list[PinnedFile]:
    """Pin files behind a mirror, which is asked for the version of each that has no digest.

    acquired: by key, bytes and sha256 of what a build has. in_ranges: only parts are read, so no digest can be checked.
    Raises `UserError` where nothing tells one version of a file from another.
    """
    from concurrent.futures import ThreadPoolExecutor

    def pin(file: RemoteFile) -> PinnedFile:
        known = {"key": file.key, "format": file.format, "url": public_url(file.url)}
        num_bytes, sha256 = acquired.get(file.key, (file.bytes, None))
        if file.bytes is not None and num_bytes != file.bytes:
            num_bytes, sha256 = file.bytes, None  # the listing is newer than what was acquired
        if not in_ranges and (file.sha1 or sha256):
            return PinnedFile(**known, bytes=num_bytes, sha1=file.sha1, sha256=sha256)
        version, num_bytes = downloader.describe(file.url)
        if not version.etag and not version.last_modified:
            raise UserError(
                f"{public_url(file.url)}: the mirror gives neither a digest nor an ETag nor a date. Run the recipe "
                "with --until acquire first: then the digest is known."
            )
        return PinnedFile(**known, bytes=num_bytes, etag=version.etag, last_modified=version.last_modified)

    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(pin, files))


def pin_local(files: list[RemoteFile], digest: Callable[[RemoteFile], tuple[int, str]]) -> list[PinnedFile]:
    """Pin files that are read in place, by their digest."""
    pinned = []
    for file in files:
        num_bytes, sha256 = digest(file)
        url = public_url(file.url) if "://" in file.url else None  # a path of this machine says nothing elsewhere
        pinned.append(PinnedFile(key=file.key, format=file.format, url=url, bytes=num_bytes, sha256=sha256))
    return pinned


def pin_hub(source: HuggingFaceSource, listing: HubListing) -> PinnedSource:
    """Pin Hugging Face data: its commit, and its files with the digests that the hub or the disk says."""
    place = None if listing.revision is None else f"hf://datasets/{source.path}@{listing.revision}"
    files = [
        PinnedFile(format=listing.reader, url=f"{place}/{file.key}" if place else None, **file.model_dump())
        for file in listing.files
    ]
    return PinnedSource(
        name=source.name,
        settings=listing_settings(source),
        files=files,
        revision=listing.revision,
        reader=listing.reader,
        options=listing.options,
    )


def pin_bytes(pin: Pin) -> bytes:
    """The one file of a pin: readable JSON with sorted keys; what is not known is left out."""
    return json_bytes(pin.model_dump(mode="json", exclude_none=True))


def read_pin(path: Path) -> Pin:
    """Read a pin. Raises `UserError` where there is none, or where it is no pin."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such pin. Make it with `groundup pin`, or take `pin` out of the recipe.") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as a pin ({error}). Make it again with `groundup pin`.") from None
    if not isinstance(data, dict):
        raise UserError(f"{path}: is no pin. Make it with `groundup pin`.")
    return validate(Pin, data, str(path))


def write_pin(pin: Pin, path: Path) -> bool:
    """Write a pin, whole or not at all. Returns whether the file is another one than before."""
    data = pin_bytes(pin)
    if path.is_file() and path.read_bytes() == data:
        return False
    Folder(path.absolute().parent).publish_bytes(path.name, data)
    return True
