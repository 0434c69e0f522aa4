"""Files of this machine that a pattern matches.

The patterns are those of `glob`, with three differences. A folder is entered once, whatever links lead to it, and `**`
does not follow a link back to a folder that it stands in, so links in circles end. A part of a path that is spelt just
like a name matches it, whatever `[`, `*` and `?` are in it. And a folder that cannot be read is an error, since its
files would be lost unseen.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterator
from fnmatch import translate

from manifests.errors import UserError

_MAGIC = re.compile(r"[*?\[]")
_ANY_DEPTH = "**"


def matching_files(pattern: str, root: str) -> list[str]:
    """Paths of the files that match, as the pattern writes them, in no order; a relative pattern starts at `root`.

    A file in a folder that several ways lead to is found on one of them: without links where there is such a way.
    `*`, `?` and `**` do not match a name that begins with a dot. Raises `UserError` for a folder that cannot be read.
    """
    start = "/" if pattern.startswith("/") else ""
    segments = [segment for segment in pattern.split("/") if segment not in ("", ".")]
    if not segments or pattern.endswith("/"):
        return []  # a folder
    if segments[-1] == _ANY_DEPTH:
        segments.append("*")
    found: list[str] = []
    seen: set[tuple[int, int, int]] = set()
    folders, links = deque([(start, 0)]), deque[tuple[str, int]]()  # path, and the segment that its names must match
    while folders or links:
        path, number = (folders or links).popleft()
        if (state := _state(root, path, number)) is None or state in seen:
            continue
        seen.add(state)
        is_any_depth, is_last = segments[number] == _ANY_DEPTH, number == len(segments) - 1
        if is_any_depth:
            folders.append((path, number + 1))
        for name in _names(root, path, "*" if is_any_depth else segments[number]):
            inside = os.path.join(path, name)
            full = os.path.join(root, inside)
            if is_last:
                if os.path.isfile(full):
                    found.append(inside)
            elif os.path.isdir(full) and not (is_any_depth and _leads_back(full)):
                (links if os.path.islink(full) else folders).append((inside, number + (not is_any_depth)))
    return found


def _leads_back(path: str) -> bool:
    """True for a symbolic link whose target is one of the folders above it."""
    if not os.path.islink(path):
        return False
    here, there = os.path.realpath(os.path.dirname(path)), os.path.realpath(path)
    return f"{here}/".startswith(f"{there.rstrip('/')}/")


def _state(root: str, path: str, number: int) -> tuple[int, int, int] | None:
    """Device and inode of a folder, by which two paths to it are known as one, with `number`; None where it is gone."""
    try:
        status = os.stat(os.path.join(root, path))
    except OSError:
        return None
    return status.st_dev, status.st_ino, number


def _names(root: str, path: str, segment: str) -> Iterator[str]:
    """The names in a folder that a segment of a pattern matches, sorted; a plain segment is not looked for."""
    if not _MAGIC.search(segment):
        yield segment
        return
    folder = os.path.join(root, path)
    try:
        names = sorted(os.listdir(folder or "."))
    except OSError as error:
        raise UserError(
            f"{folder!a}: cannot be listed ({error.strerror}). Correct its permissions, or name paths without it."
        ) from None
    matches = _matcher(segment)
    for name in names:
        if name == segment or (matches(name) and (segment.startswith(".") or not name.startswith("."))):
            yield name


def _matcher(segment: str) -> Callable[[str], object]:
    return re.compile(translate(segment)).match
