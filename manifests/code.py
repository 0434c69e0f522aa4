"""The version of the code that made an output: a digest of the source itself, so nobody has to remember a number.

Comments, docstrings and layout do not count; a change of them rebuilds nothing.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.metadata
import json
import platform
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

_ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("manifests", "model", "pipeline", "tokenizer", "train")


@functools.cache
def _module_file(module: str) -> Path | None:
    path = _ROOT.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


class _Read(NamedTuple):
    """The part of a module's source that counts."""

    digest: str  # of the source without comments and docstrings
    imports: tuple[str, ...]  # every name that may be a module


class _Kept:
    """A cache of what was read of sources, by a digest of their bytes. It spares a second of parsing in each run."""

    def __init__(self) -> None:
        self._read: dict[str, _Read] | None = None
        self._num_kept = 0

    def read(self, source: bytes) -> _Read:
        key = hashlib.sha256(source).hexdigest()
        if self._read is None:
            self._read = self._load()
            self._num_kept = len(self._read)
        if key not in self._read:
            self._read[key] = _parse(source)
        return self._read[key]

    def save(self) -> None:
        """Keep what is new. Where that cannot be written, only time is lost."""
        if self._read is None or len(self._read) == self._num_kept:
            return
        self._num_kept = len(self._read)
        temporary = Path(f"{self._file}.{secrets.token_hex(8)}")
        try:
            temporary.parent.mkdir(exist_ok=True)
            temporary.write_text(json.dumps(self._read), encoding="utf-8")
            temporary.replace(self._file)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()

    @functools.cached_property
    def _file(self) -> str:
        # By what this module does with a source: Python's parser, and its own code.
        own = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
        name = f"sources.{sys.implementation.cache_tag}-{platform.python_version()}-{own}.json"
        return str(Path(__file__).parent / "__pycache__" / name)

    def _load(self) -> dict[str, _Read]:
        try:
            kept = json.loads(Path(self._file).read_bytes())
            return {key: _Read(digest, tuple(imports)) for key, (digest, imports) in kept.items()}
        except (OSError, ValueError, TypeError, AttributeError):  # not there, or not what was written
            return {}


_kept = _Kept()


def _parse(source: bytes) -> _Read:
    tree = ast.parse(source)
    imports: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            imports.add(node.module)
            imports.update(f"{node.module}.{alias.name}" for alias in node.names)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _strip_docstring(node)
    ours = sorted(name for name in imports if name.split(".")[0] in _PACKAGES)
    return _Read(hashlib.sha256(ast.unparse(tree).encode()).hexdigest(), tuple(ours))


@functools.cache
def _read(module: str) -> _Read:
    """The part of a module of ours that counts; of the names that it imports, those that are modules.

    A file of JSON beside it with its name is a table of it, and counts as its source does.
    """
    file = _module_file(module)
    if file is None:
        raise ValueError(f"{module} is no module of groundup")
    read = _kept.read(file.read_bytes())
    table = file.with_suffix(".json")
    digest = read.digest + (hashlib.sha256(table.read_bytes()).hexdigest() if table.is_file() else "")
    return _Read(digest, tuple(name for name in read.imports if _module_file(name) is not None))


def _strip_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        node.body = node.body[1:] or [ast.Pass()]


def _none(module: str) -> bool:
    return False


def modules_used(entries: tuple[str, ...], leaves_out: Callable[[str], bool] = _none) -> list[str]:
    """`entries` and every module of ours that they import, directly or not, but for `leaves_out`, sorted."""
    seen: set[str] = set()
    waiting = list(entries)
    while waiting:
        module = waiting.pop()
        if module in seen or leaves_out(module):
            continue
        seen.add(module)
        waiting.extend(_read(module).imports)
    _kept.save()
    return sorted(seen)


def code_digest(entries: tuple[str, ...], leaves_out: Callable[[str], bool] = _none) -> str:
    """`sha256:...` over the source of `modules_used(entries, leaves_out)`.

    leaves_out: says of a module whether it moves data and does not shape it; a change there must not rebuild a corpus.
    """
    digest = hashlib.sha256()
    for module in modules_used(entries, leaves_out):
        digest.update(f"{module}\0{_read(module).digest}\0".encode())
    return "sha256:" + digest.hexdigest()


def library_versions(distributions: tuple[str, ...]) -> dict[str, str]:
    """Distribution name -> installed version."""
    return {name: importlib.metadata.version(name) for name in sorted(distributions)}


def software_versions() -> dict[str, str]:
    """The versions that a manifest notes: of Python, and of groundup."""
    return {"python": platform.python_version(), "groundup": groundup_version()}


@functools.cache
def groundup_version() -> str:
    try:
        return importlib.metadata.version("groundup")
    except importlib.metadata.PackageNotFoundError:
        return "0+source"
