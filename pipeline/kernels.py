"""Compiled functions (numba), whose machine code is kept for the processes that follow.

numba looks only at the file of a function to tell whether kept code is stale, not at the files of the functions that
were compiled into it. So the code is kept in a folder that is named by a digest of all sources of a package.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from pipeline.libraries import not_installed

# Before its first function numba would load SciPy, for products of matrices, and awkward, which comes with gigatoken
# and makes itself known to numba. No function of ours uses either; each would cost every process half a second.
with not_installed("scipy.linalg"):
    import numba.np.arraymath
with contextlib.suppress(AttributeError):  # of another version; only time is lost
    numba.core.entrypoints._already_initialized = True

_CONFIG: Any = numba.config


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that only compiled functions call; it becomes part of them, and is kept with them."""
    return numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)


def compiled_in(package: Path) -> Callable[[Callable[..., Any]], Any]:
    """A decorator for functions of the package in a folder that Python calls: compiled when they are first called."""
    folder = str(_folder(package))

    def compiled(function: Callable[..., Any]) -> Any:
        usual = _CONFIG.CACHE_DIR
        _CONFIG.CACHE_DIR = folder
        try:
            return numba.njit(cache=True, no_cfunc_wrapper=True)(function)
        finally:
            _CONFIG.CACHE_DIR = usual

    return compiled


def _folder(package: Path) -> Path:
    """Where compiled code is kept: below `NUMBA_CACHE_DIR`, beside the sources, or in the user's cache."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for source in sorted(package.glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    name = f"{package.name}-{digest.hexdigest()[:16]}"
    if _CONFIG.CACHE_DIR:
        return Path(_CONFIG.CACHE_DIR) / name
    beside = package / "__pycache__"
    if os.access(beside if beside.is_dir() else package, os.W_OK):
        return beside / name
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "groundup" / name
