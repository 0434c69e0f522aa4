"""Tables of large lists on disk, so that of many processes only the first reads the lists."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from manifests.storage import writing
from pipeline.filters.urls.lists import Entries
from pipeline.filters.urls.settings import ListFile
from pipeline.filters.urls.table import HashTable

_TABLES = ("names", "pages")
_NUMBERS = ("kinds", "min_labels", "max_labels", "max_segments", "num_entries", "of_files")


def load_or_make(
    files: Sequence[ListFile], cache: Path | None, make: Callable[[], Entries], categories: Sequence[str]
) -> Entries:
    """Entries as they lie in `cache`, else as `make` gives them, which are put there."""
    if cache is None or not files:
        return make()
    target = cache / f"urls-{_key(files, categories)}.npz"
    if target.exists():
        try:
            return _load(target)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):  # cut short by a full disk: made again
            target.unlink(missing_ok=True)
    entries = make()
    unfinished = target.with_suffix(f".{os.getpid()}.unfinished")
    with writing(str(cache), target.name):
        cache.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            _save(entries, file)
        os.replace(unfinished, target)
    return entries


def _key(files: Sequence[ListFile], categories: Sequence[str]) -> str:
    digest = hashlib.sha256(json.dumps(list(categories)).encode())
    # What the code makes of a line is part of what the tables are made of.
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    for file in files:
        digest.update(f"\n{file.kind} {file.category} ".encode())
        digest.update(file.digest().encode())
    return digest.hexdigest()[:32]


def _save(entries: Entries, file: IO[bytes]) -> None:
    arrays: dict[str, Any] = {}
    for name in _TABLES:
        table: HashTable = getattr(entries, name)
        arrays[f"{name}_hashes"], arrays[f"{name}_numbers"] = table.hashes, table.numbers
    rest = json.dumps({name: getattr(entries, name) for name in _NUMBERS}).encode()
    np.savez(file, rest=np.frombuffer(rest, np.uint8), **arrays)


def _load(path: Path) -> Entries:
    with np.load(path, allow_pickle=False) as stored:
        values: dict[str, Any] = json.loads(stored["rest"].tobytes())
        for name in _TABLES:
            values[name] = HashTable(stored[f"{name}_hashes"], stored[f"{name}_numbers"])
        return Entries(**values)
