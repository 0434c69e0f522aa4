"""Whether what is to be downloaded fits on the disk, said before the first byte."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

from manifests.errors import UserError
from manifests.storage import Folder
from pipeline.mirrors.remote import PARTIAL_SUFFIX, RemoteFile
from pipeline.units import format_bytes

_MOST_ASKED = 8  # files whose size the mirror is asked for, where its listing says none
_SPARE_SHARE = 0.02  # of the disk, left for records, manifests and everybody else


def expected_bytes(
    files: list[tuple[str, RemoteFile]], folder: Folder, size_of: Callable[[RemoteFile], int | None]
) -> int | None:
    """Bytes that are still to come. `files`: each with its path below `folder`.

    Where the listing says no sizes, `size_of` is asked for a few, evenly spread, and the others are taken to be like
    them. None where it knows none.
    """
    waiting = [(path, file) for path, file in files if not folder.exists(path)]
    known = [file.bytes for _, file in waiting if file.bytes is not None]
    unknown = [file for _, file in waiting if file.bytes is None]
    total = float(sum(known) - sum(_partial_bytes(folder, path) for path, _ in waiting))
    if unknown:
        asked = unknown[:: -(-len(unknown) // _MOST_ASKED)]
        sizes = [size for size in map(size_of, asked) if size is not None]
        if not sizes:
            return None
        total += sum(sizes) / len(sizes) * len(unknown)
    return max(0, round(total))


def _partial_bytes(folder: Folder, path: str) -> int:
    """What an interrupted run has of a file already."""
    partial = path + PARTIAL_SUFFIX
    return folder.size(partial) if folder.is_local and folder.exists(partial) else 0


def free_bytes(folder: Folder) -> int | None:
    """Room on the disk of a folder that may not be there yet; None where it is no disk."""
    if not folder.is_local:
        return None
    path = folder.full("")
    while not os.path.exists(path):
        path = os.path.dirname(path.rstrip("/")) or "/"
    return shutil.disk_usage(path).free


def check_space(folder: Folder, things: str, needed: int | None) -> str:
    """A line that says what is to come and what room there is. Raises `UserError` where it does not fit."""
    free = free_bytes(folder)
    what = f"{things}, " + ("of unknown size" if needed is None else f"about {format_bytes(needed)}")
    if free is None:
        return f"acquire: {what} to download"
    if needed is not None and needed > free - _SPARE_SHARE * needed:
        raise UserError(
            f"{folder.url}: {what} to download, and its disk has {format_bytes(free)} free. Free space, take fewer "
            "files (max_files), or give the recipe an output on another disk; what was downloaded is kept."
        )
    return f"acquire: {what} to download; {format_bytes(free)} free on the disk"
