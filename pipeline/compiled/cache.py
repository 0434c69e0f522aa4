"""Compiled functions (numba), whose machine code is kept for the processes that follow.

numba looks only at the file of a function to tell whether kept code is stale, not at the files of the functions that
were compiled into it. So the code is kept in a folder that is named by a digest of all sources of a package.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from manifests.process import settle_numba

settle_numba()  # before the first function

_CONFIG: Any = numba.config


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that only compiled functions call; it becomes part of them, and is kept with them."""
    return numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)


def entry(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, when it is first called; the code is kept for its package."""
    usual = _CONFIG.CACHE_DIR
    _CONFIG.CACHE_DIR = str(_folder(Path(function.__code__.co_filename).parent))
    try:
        return numba.njit(cache=True, no_cfunc_wrapper=True)(function)
    finally:
        _CONFIG.CACHE_DIR = usual


@functools.cache
def _folder(package: Path) -> Path:
    """Where compiled code of a package is kept: below `NUMBA_CACHE_DIR`, beside the sources, or in the user's cache."""
    digest = hashlib.sha256()
    for source in (*sorted(Path(__file__).parent.glob("*.py")), *sorted(package.glob("*.py"))):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    name = f"{package.name}-{digest.hexdigest()[:16]}"
    if _CONFIG.CACHE_DIR:
        return Path(_CONFIG.CACHE_DIR) / name
    beside = package / "__pycache__"
    if os.access(beside if beside.is_dir() else package, os.W_OK):
        return beside / name
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "groundup" / name
