"""The folders of compiled functions (numba), and whether they are filled; known without loading numba."""

from __future__ import annotations

import functools
import hashlib
import os
import re
from pathlib import Path

MEMORY_IS_CHECKED = os.environ.get("GROUNDUP_CHECK_MEMORY") == "1"
"""True where compiled code checks every index before it reads or writes. For tests; several times as slow."""

_ROOT = Path(__file__).resolve().parents[2]
_IMPORTED = re.compile(r"^from (pipeline[\w.]*) import", re.MULTILINE)


@functools.cache
def folder_of(package: Path) -> Path:
    """The folder of a package's compiled code: below `NUMBA_CACHE_DIR`, beside the sources, or in the user's cache.

    The name is a digest of all sources of the package and of the modules that they import, because numba looks only at
    the file of a function to tell whether kept code is stale, not at the files of what was compiled into it.
    """
    digest = hashlib.sha256()
    sources = {*Path(__file__).parent.glob("*.py"), *package.glob("*.py")}
    for source in package.glob("*.py"):
        for module in _IMPORTED.findall(source.read_text("utf-8")):
            sources.add(_ROOT.joinpath(*module.split(".")).with_suffix(".py"))
    for source in sorted(filter(Path.is_file, sources)):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    name = f"{package.name}-{digest.hexdigest()[:16]}{'-checked' if MEMORY_IS_CHECKED else ''}"
    if usual := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(usual) / name
    beside = package / "__pycache__"
    if os.access(beside if beside.is_dir() else package, os.W_OK):
        return beside / name
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "groundup" / name


def is_compiled(module: str) -> bool:
    """True where compiled code of a package, such as `pipeline.filters.text`, is kept on this machine."""
    return any(folder_of(_ROOT.joinpath(*module.split("."))).rglob("*.nbc"))
