"""The version of the code that made an output: a digest of the source itself, so nobody has to remember a number.

Comments, docstrings and layout do not count; a change of them rebuilds nothing.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import platform
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("manifests", "model", "pipeline", "tokenizer", "train")


@functools.cache
def _module_file(module: str) -> Path | None:
    path = _ROOT.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@functools.cache
def _parse(module: str) -> tuple[str, tuple[str, ...]]:
    """A module's source without comments and docstrings, and the modules of ours that it imports."""
    file = _module_file(module)
    if file is None:
        raise ValueError(f"{module} is no module of groundup")
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imports: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            imports.add(node.module)
            imports.update(f"{node.module}.{alias.name}" for alias in node.names)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _strip_docstring(node)
    ours = sorted(name for name in imports if name.split(".")[0] in _PACKAGES and _module_file(name) is not None)
    return ast.unparse(tree), tuple(ours)


def _strip_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        node.body = node.body[1:] or [ast.Pass()]


def modules_used(entries: tuple[str, ...], plumbing: frozenset[str] = frozenset()) -> list[str]:
    """`entries` and every module of ours that they import, directly or not, but for `plumbing`, sorted."""
    seen: set[str] = set()
    waiting = list(entries)
    while waiting:
        module = waiting.pop()
        if module in seen or module in plumbing:
            continue
        seen.add(module)
        waiting.extend(_parse(module)[1])
    return sorted(seen)


def code_digest(entries: tuple[str, ...], plumbing: frozenset[str] = frozenset()) -> str:
    """`sha256:...` over the source of `modules_used(entries, plumbing)`.

    `plumbing` names modules that move data but do not shape it; a change there must not rebuild a corpus.
    """
    digest = hashlib.sha256()
    for module in modules_used(entries, plumbing):
        digest.update(f"{module}\0{_parse(module)[0]}\0".encode())
    return "sha256:" + digest.hexdigest()


def library_versions(distributions: tuple[str, ...]) -> dict[str, str]:
    """Distribution name -> installed version."""
    return {name: importlib.metadata.version(name) for name in sorted(distributions)}


def software_versions() -> dict[str, str]:
    """What a manifest notes of the software around it: Python and groundup themselves."""
    return {"python": platform.python_version(), "groundup": groundup_version()}


@functools.cache
def groundup_version() -> str:
    try:
        return importlib.metadata.version("groundup")
    except importlib.metadata.PackageNotFoundError:
        return "0+source"
