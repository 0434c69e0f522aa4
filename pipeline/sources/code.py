# ruff: noqa: SIM905
"""Source code: every file of checkouts on a disk, and the licence files among them.

What is source and what is vendored, generated or minified is decided when a file is read, so that each file that is
left out is a drop with its reason.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from manifests.errors import UserError, check_is_text
from manifests.paths import is_url
from manifests.settings import Settings
from pipeline.mirrors.remote import RemoteFile
from pipeline.sources.licences import is_licence_name, recognise_licence
from pipeline.sources.settings import RawFormat, SourceSettings

# Marks in a key where the checkout's folder ends and the path inside it begins. Opened as a path, it says nothing.
ROOT_MARK = "/./"
_GIT = ".git"
_MOST_LICENCE_BYTES = 1 << 20
_MOST_REFERENCES = 5  # from HEAD to a commit; git follows as many
# Folders whose content others wrote: see `vendored_folder`.
_VENDORED_FOLDERS = frozenset(
    """
    node_modules bower_components jspm_packages vendor vendors vendored _vendor third_party third-party thirdparty
    3rdparty 3rd-party external externals extern deps godeps pods carthage site-packages dist-packages dist virtualenv
    venv .venv .tox .nox .yarn .bundle .eggs .gradle .cargo __pypackages__ __macosx
    """.split()
)


class CodeRules(Settings):
    """The rules by which a file of a checkout is a document."""

    extensions: list[str] | None = None
    """Endings of the files to take, such as `.py`, with or without the dot; the common languages' where not set."""
    vendored: bool = False
    """Take files of folders that others wrote, such as node_modules or third_party, too."""
    max_file_bytes: int = Field(default=1 << 20, ge=1)
    """Bytes that a file may have; larger ones are mostly data."""

    @field_validator("extensions")
    @classmethod
    def _extensions_have_a_dot(cls, extensions: list[str] | None) -> list[str] | None:
        if extensions is None:
            return None
        bad = [ending for ending in extensions if not re.fullmatch(r"\.?[^./\s*?]+(\.[^./\s*?]+)*", ending)]
        if bad or not extensions:
            raise ValueError(f"extensions are endings such as .py, not {bad[0] if bad else 'an empty list'!r}")
        return sorted({f".{ending.removeprefix('.').lower()}" for ending in extensions})


class CodeSource(SourceSettings, CodeRules):
    """Checkouts of source code on a disk; files are read where they are."""

    kind: Literal["code"] = "code"
    """The kind of source."""
    format: ClassVar[RawFormat] = "code"
    """Format of its raw files."""
    language: ClassVar[str | None] = None
    """Code has no natural language."""
    paths: list[str] = Field(min_length=1)
    """Folders, relative to the recipe or absolute, each the root of a checkout."""
    exclude: list[str] = Field(default_factory=list)
    """Paths inside a checkout that are not looked at, as patterns: `data/*.bin`, or `build` with all that is in it."""

    @property
    def options(self) -> dict[str, Any]:
        """What its reader needs to know: `CodeRules`."""
        return {name: getattr(self, name) for name in CodeRules.model_fields}

    @field_validator("paths")
    @classmethod
    def _paths_are_folders(cls, paths: list[str]) -> list[str]:
        if any(not path.strip() or is_url(path) for path in paths):
            raise ValueError("a checkout is a folder on this machine's disk")
        return paths


def list_code_files(source: CodeSource, recipe_folder: Path) -> list[RemoteFile]:
    """Every regular file of the checkouts but what is below `.git` or excluded, sorted by key. Links are not followed.

    A key is the checkout's folder as the recipe names it, `/./`, and the path inside it. Raises `UserError` for a
    folder that is missing or empty, for one inside another, and for names that are no UTF-8.
    """
    files: dict[str, RemoteFile] = {}
    places: dict[str, str] = {}
    for path, folder in checkouts(source, recipe_folder):
        name = document_prefix(f"{path}{ROOT_MARK}")
        clash = places.setdefault(name, path)
        if clash != path:
            raise UserError(
                f"source {source.name!r}: {clash} and {path} have one name, so their documents would, too: "
                "make two sources of them."
            )
        before = len(files)
        for inside in _files_below(folder, source):
            full = folder / inside
            key = f"{path}{ROOT_MARK}{inside}"
            files[key] = RemoteFile(key, str(full), source.format, bytes=full.stat().st_size, in_place=True)
        if len(files) == before:
            raise UserError(f"source {source.name!r}: there is no file in {folder}. Name the folder of a checkout.")
    return [files[key] for key in sorted(files)]


def checkouts(source: CodeSource, recipe_folder: Path) -> list[tuple[str, Path]]:
    """(path as written, folder) of each checkout. Raises `UserError` for one that is missing or inside another."""
    found: dict[str, tuple[str, Path]] = {}
    for written in source.paths:
        path = os.path.normpath(os.path.expanduser(written))
        folder = Path(recipe_folder, path).absolute()
        if not folder.is_dir():
            raise UserError(
                f"source {source.name!r}: there is no folder {folder}. Check the path, which starts at the recipe's "
                f"folder {recipe_folder}."
            )
        found.setdefault(os.path.realpath(folder), (path, folder))
    for real, (path, _) in found.items():
        outer = next((other for place, (other, _) in found.items() if real.startswith(place.rstrip("/") + "/")), None)
        if outer is not None:
            raise UserError(f"source {source.name!r}: {path} lies inside {outer}. Name one of them.")
    return list(found.values())


def _files_below(folder: Path, source: CodeSource) -> Iterator[str]:
    """Paths of the regular files below a folder, with `/`. Raises `UserError` where one cannot be listed or named."""

    def fail(error: OSError) -> None:
        raise UserError(f"source {source.name!r}: {error.filename} cannot be listed ({error.strerror}).")

    def is_left_out(path: str) -> bool:
        name = path.rpartition("/")[2]
        return name == _GIT or any(fnmatchcase(path, pattern.rstrip("/")) for pattern in source.exclude)

    for place, folders, names in os.walk(folder, onerror=fail):
        inner = Path(place).relative_to(folder).as_posix()
        prefix = "" if inner == "." else f"{inner}/"
        folders[:] = sorted(name for name in folders if not is_left_out(prefix + name))
        for name in sorted(names):
            full, inside = Path(place, name), prefix + name
            if is_left_out(inside) or full.is_symlink() or not full.is_file():
                continue
            check_is_text(str(full), f"source {source.name!r}", "Rename it, or name its folder under exclude.")
            yield inside


def split_key(key: str) -> tuple[str, str]:
    """(checkout's folder, path inside it) of a key of `list_code_files`; the folder is empty for any other key."""
    folder, mark, inside = key.partition(ROOT_MARK)
    return (folder, inside) if mark else ("", key)


def document_prefix(key: str) -> str:
    """Name of the checkout that a key is of, with a slash; empty for the recipe's own folder."""
    name = split_key(key)[0].rstrip("/").rpartition("/")[2]
    return f"{name}/" if name not in ("", ".", "..") else ""


def vendored_folder(path: str) -> str | None:
    """The first folder of a path that holds what others wrote, or what was built; None where there is none.

    A short list after GitHub linguist's `vendor.yml`.
    """
    return next((part for part in path.split("/")[:-1] if part.lower() in _VENDORED_FOLDERS), None)


def find_licences(source: CodeSource, recipe_folder: Path) -> list[dict[str, str]]:
    """Licence files of a source's checkouts, but for vendored ones: `path` (as in keys), `sha256`, `spdx`."""
    found = []
    for path, folder in checkouts(source, recipe_folder):
        for inside in _files_below(folder, source):
            if not is_licence_name(inside.rpartition("/")[2]) or vendored_folder(inside) is not None:
                continue
            with open(folder / inside, "rb") as file:
                data = file.read(_MOST_LICENCE_BYTES)
            sha256 = hashlib.sha256(data).hexdigest()
            spdx = recognise_licence(data.decode("utf-8", "replace"))
            found.append({"path": f"{path}{ROOT_MARK}{inside}", "sha256": sha256, "spdx": spdx})
    return sorted(found, key=lambda licence: licence["path"])


def checkout_facts(folder: Path) -> dict[str, str]:
    """`commit` and `remote` of a git checkout as its own files say; what they do not say is left out.

    The remote is given without a user and a token. The commit is that which is checked out: files may differ from it.
    A worktree or a submodule, whose `.git` is a file, is followed to where git keeps it.
    """
    git = _git_folder(folder)
    shared = git / (_read_line(git / "commondir") or ".")  # worktrees have branches and settings in common
    remote = _without_credentials(_origin_url(_read_line(shared / "config")))
    facts = {"commit": _commit(git, shared), "remote": remote}
    return {name: value for name, value in facts.items() if value}


def _git_folder(folder: Path) -> Path:
    git = folder / _GIT
    pointer = _read_line(git) if git.is_file() else ""
    return folder / pointer.removeprefix("gitdir:").strip() if pointer.startswith("gitdir:") else git


def _commit(git: Path, shared: Path) -> str:
    """What HEAD names, through branches that stand for others; empty where that is no commit."""
    value = _read_line(git / "HEAD")
    for _ in range(_MOST_REFERENCES):
        if not value.startswith("ref:"):
            break
        reference = value.removeprefix("ref:").strip()
        if not reference.startswith("refs/") or ".." in reference:
            return ""
        value = _read_line(git / reference) or _read_line(shared / reference) or _packed(shared, reference)
    return value if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", value) else ""


def _origin_url(config: str) -> str:
    """The first `url` of the remote `origin` in git's settings, without quotes and a comment; empty where none is."""
    inside = False
    for line in config.splitlines():
        section = re.match(r'\s*\[((?:[^\]"]|"(?:[^"\\]|\\.)*")*)\]', line)
        if section:
            inside = re.fullmatch(r'\s*(?i:remote)\s+"origin"\s*', section[1]) is not None
            line = line[section.end() :]
        entry = re.match(r"\s*url\s*=\s*(.*)", line, re.IGNORECASE)
        if inside and entry:
            unquoted = re.match(r'(?:[^"#;\\]|\\.|"(?:[^"\\]|\\.)*"?)*', entry[1])
            return re.sub(r'"|\\(.)', r"\1", unquoted[0] if unquoted else "").strip()
    return ""


def _without_credentials(remote: str) -> str:
    """Scheme, host and path of a remote, or host:path: no user, password, query or fragment.

    A password may hold any character, so all up to the last `@` goes, unless a plain host comes first and the `@` is
    of its path. Empty for what a helper program of git reads: what is secret in it is not known.
    """
    scheme, separator, rest = remote.partition("://")
    if "::" in remote.partition("/")[0]:
        return ""
    if not separator:
        if ":" not in remote.partition("/")[0]:
            return remote  # a path of this machine
        return re.split(r"[?#]", re.sub(r"^[^/]*@", "", remote))[0]
    if scheme.lower() != "file" and not re.match(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+/", rest):
        rest = rest.rpartition("@")[2]
    return f"{scheme.lower()}://{re.split(r'[?#]', rest)[0]}"


def _read_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""  # not there: a packed reference, or no git checkout


def _packed(git: Path, reference: str) -> str:
    lines = _read_line(git / "packed-refs").splitlines()
    return next((line.partition(" ")[0] for line in lines if line.endswith(f" {reference}")), "")
