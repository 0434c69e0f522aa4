"""Compiled functions (numba), whose machine code is kept for the processes that follow (`folder.folder_of`)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from manifests.process import settle_numba
from pipeline.compiled.folder import MEMORY_IS_CHECKED, folder_of

settle_numba()  # before the first function

_CONFIG: Any = numba.config
if MEMORY_IS_CHECKED:
    _CONFIG.BOUNDSCHECK = 1  # indexes of arrays, and of views


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that only compiled functions call; it becomes part of them, and is kept with them."""
    return numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)


def entry(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, when it is first called; the code is kept for its package."""
    usual = _CONFIG.CACHE_DIR
    _CONFIG.CACHE_DIR = str(folder_of(Path(function.__code__.co_filename).parent))
    try:
        return numba.njit(cache=True, no_cfunc_wrapper=True)(function)
    finally:
        _CONFIG.CACHE_DIR = usual
