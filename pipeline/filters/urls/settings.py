"""The `[filter.urls]` table of a recipe, and the files that it names."""

from __future__ import annotations

import difflib
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field

from manifests.errors import UserError
from manifests.settings import Settings
from pipeline.filters.file_digests import file_digest

FileKind = Literal["domains", "hosts", "urls", "expressions", "strict", "hard", "soft", "opt_out"]
LIST_KINDS: tuple[FileKind, ...] = ("domains", "hosts", "urls", "expressions")
WORD_KINDS: tuple[FileKind, ...] = ("strict", "hard", "soft")

_BLOCK_BYTES = 1 << 20


class UrlSettings(Settings):
    """Which URLs are refused. Paths are relative to the recipe; nothing is refused where nothing is named."""

    block_lists: list[str] = Field(
        default=[],
        description="Folders in the layout of UT1 (https://dsi.ut-capitole.fr/blacklists): one for each category, with "
        "files named domains, urls, expressions, and hosts, plain or .gz; or files of domains.",
    )
    categories: list[str] = Field(
        default=[], description="Categories of the block lists to use, by the names of their folders; [] uses all."
    )
    opt_out: str | None = Field(
        default=None, description="File of domains and URLs whose owners asked not to be used, one a line."
    )
    adult_words: Literal["off", "strict", "hard", "soft"] = Field(
        default="off",
        description="`strict` refuses URLs with a word of the strict list anywhere; `hard` also those with one of the "
        "hard list as a word by itself; `soft` also those with several of the soft list.",
    )
    word_lists: str | None = Field(
        default=None, description="Folder with files strict, hard and soft, instead of the words that come along."
    )
    max_soft_words: int = Field(default=1, ge=0, description="Different words of the soft list that a URL may have.")


class ListFile(NamedTuple):
    """A file that rules are read from. `name`: as the settings' path leads to it, for digests and messages."""

    kind: FileKind
    category: str
    name: str
    path: Path

    def blocks(self) -> Iterator[bytes]:
        """Its bytes, unpacked, in blocks of whole lines. Raises `UserError` when it cannot be read."""
        try:
            with gzip.open(self.path) if self.path.suffix == ".gz" else self.path.open("rb") as file:
                while block := file.read(_BLOCK_BYTES):
                    yield block + file.readline()
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"{self.path}: cannot be read ({error}). Get the list again.") from None

    def digest(self) -> str:
        """The sha256 of its bytes as they lie there. Raises `UserError` when it cannot be read."""
        try:
            return file_digest(self.path)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read ({error.strerror}). Get the list again.") from None

    def lines(self) -> Iterator[tuple[int, str]]:
        """Number and text of each line that is neither blank nor a comment."""
        number = 0
        for block in self.blocks():
            for raw in block.splitlines():
                number += 1
                line = raw.decode("utf-8", "replace").strip()
                if line and not line.startswith("#"):
                    yield number, line


def list_files(settings: UrlSettings, folder: Path = Path()) -> list[ListFile]:
    """The files that settings name, in a fixed order; `folder` is what their paths are relative to.

    Raises `UserError` for a path that leads nowhere and a category that no list has.
    """
    found: list[ListFile] = []
    for given in settings.block_lists:
        found += _block_list(given, folder / given)
    known = sorted({file.category for file in found})
    for category in settings.categories:
        if category not in known:
            near = difflib.get_close_matches(category, known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known[:20]) or 'none'}."
            raise UserError(f"filter.urls.categories: no block list has a category {category!r}; {hint}")
    if settings.categories:
        found = [file for file in found if file.category in settings.categories]
    if settings.adult_words != "off" and settings.word_lists is not None:
        found += _word_lists(settings.word_lists, folder / settings.word_lists)
    if settings.opt_out is not None:
        path = folder / settings.opt_out
        if not path.is_file():
            raise UserError(f"filter.urls.opt_out: {path}: no such file. Give a file of domains and URLs, one a line.")
        found.append(ListFile("opt_out", "opt_out", settings.opt_out, path))
    return found


def digests(settings: UrlSettings, folder: Path = Path()) -> dict[str, str]:
    """The sha256 of each file that settings name, by its path from `folder`: they take part in a fingerprint."""
    return {file.name: digest for file, digest in list_digests(settings, folder)}


def list_digests(settings: UrlSettings, folder: Path = Path()) -> list[tuple[ListFile, str]]:
    """Each file that settings name, with its sha256."""
    return [(file, file.digest()) for file in list_files(settings, folder)]


def _block_list(given: str, path: Path) -> list[ListFile]:
    if path.is_file():
        return [ListFile("domains", path.name.partition(".")[0], given, path)]
    if not path.is_dir():
        raise UserError(f"filter.urls.block_lists: {path}: no such folder or file. Give the folder of a block list.")
    found = _category(given, path)
    for below in sorted(path.iterdir()):
        if below.is_dir() and not below.is_symlink():  # UT1 has links for the old names of categories
            found += _category(f"{given}/{below.name}", below)
    if not found:
        raise UserError(
            f"filter.urls.block_lists: {path}: no list in it. A category's folder has files named domains, urls, "
            "expressions or hosts, plain or .gz."
        )
    return found


def _category(given: str, path: Path) -> list[ListFile]:
    return [
        ListFile(kind, path.resolve().name, f"{given}/{kind}{ending}", path / f"{kind}{ending}")
        for kind in LIST_KINDS
        for ending in ("", ".gz")
        if (path / f"{kind}{ending}").is_file()
    ]


def _word_lists(given: str, path: Path) -> list[ListFile]:
    found = [
        ListFile(kind, kind, f"{given}/{kind}{ending}", path / f"{kind}{ending}")
        for kind in WORD_KINDS
        for ending in ("", ".txt", ".gz")
        if (path / f"{kind}{ending}").is_file()
    ]
    if not found:
        raise UserError(f"filter.urls.word_lists: {path}: no word list in it. It has files strict, hard or soft.")
    return found
