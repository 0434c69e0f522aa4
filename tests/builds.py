"""Builds for tests: how to compare two of them byte for byte."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path


def build_digests(folder: Path) -> dict[str, str]:
    """Path -> digest of every file of a build, without the part `run` of JSON and of records, logs and the lock."""
    digests = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or name.startswith("logs/") or name in (".lock", "report.html"):
            continue
        data = path.read_bytes()
        if path.suffix == ".json" and name != "tokenizer/tokenizer.json":
            value = json.loads(data)
            if isinstance(value, dict):
                value.pop("run", None)
            data = json.dumps(value, sort_keys=True).encode()
        if path.parent.name == "tasks" and path.suffix == ".jsonl":
            records = [json.loads(line) for line in data.splitlines()]
            data = json.dumps([{**record, "run": None, "check": None} for record in records], sort_keys=True).encode()
        digests[name] = hashlib.sha256(data).hexdigest()
    return digests


def differing(first: Path, second: Path) -> list[str]:
    """Files that differ between two builds, or that only one of them has."""
    left, right = build_digests(first), build_digests(second)
    return sorted(name for name in {*left, *right} if left.get(name) != right.get(name))
