"""`kernel`: compiles a function when it is first called, and keeps the machine code for the processes that follow.

numba looks only at the file of a function to tell whether kept code is stale, so the folder that it is kept in is named
by a digest of the sources of this package.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

_CONFIG: Any = numba.config


def _folder() -> Path:
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for name in ("kernels.py", "features.py"):
        digest.update((here / name).read_bytes())
    name = f"classifier-{digest.hexdigest()[:16]}"
    if _CONFIG.CACHE_DIR:
        return Path(_CONFIG.CACHE_DIR) / name
    beside = here / "__pycache__"
    if os.access(beside if beside.is_dir() else here, os.W_OK):
        return beside / name
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "groundup" / name


_FOLDER = str(_folder())


def kernel(function: Callable[..., Any]) -> Any:
    """The function, compiled without Python objects."""
    usual = _CONFIG.CACHE_DIR
    _CONFIG.CACHE_DIR = _FOLDER
    try:
        return numba.njit(cache=True)(function)
    finally:
        _CONFIG.CACHE_DIR = usual
