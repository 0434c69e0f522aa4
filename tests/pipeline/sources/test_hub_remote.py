"""Hugging Face data in processes of their own: a hub on this machine, no hub at all, and the memory that it takes."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.sources.hub import HubListing
from tests.conftest import REPOSITORY
from tests.pipeline.sources.hub_server import fake_hub
from tests.pipeline.sources.test_hub import _read, _write_lines, c4

COMMIT = "0123456789abcdef0123456789abcdef01234567"
__all__ = ["c4"]  # the fixture


_DRIVER = """
import io, json, sys
from pathlib import Path
from manifests.errors import UserError
from pipeline.sources.hub import HuggingFaceSource, list_hub
from pipeline.sources.hub_rows import fetch_shard
import pipeline.commands.run
assert "datasets" not in sys.modules, "imported by a build without such a source"
for settings in json.loads(sys.argv[1]):
    try:
        source = HuggingFaceSource(name="hf", **settings)
        listing = list_hub(source, Path("."))
        shards = []
        for shard in listing.shards():
            output = io.BytesIO()
            counts = fetch_shard(source, shard, Path("."), output)
            shards.append([counts.model_dump(), output.getvalue().hex()])
        print(json.dumps({"listing": listing.model_dump(), "shards": shards}))
    except UserError as error:
        print(json.dumps({"error": str(error)}))
assert "torch" not in sys.modules
"""


def _drive(folder: Path, cases: list[dict[str, Any]], **environment: str) -> list[dict[str, Any]]:
    """What a process of its own makes of sources: the hub's address is read when its package is imported."""
    home = folder / "home"
    run = subprocess.run(
        [sys.executable, "-c", _DRIVER, json.dumps(cases)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "HF_HOME": str(home), "HOME": str(home), **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_the_hub(tmp_path: Path, c4: list[dict[str, Any]]) -> None:
    data = tmp_path / "data"
    _write_lines(data / "data/train-00000.jsonl", c4[:150])
    _write_lines(data / "data/train-00001.jsonl.gz", c4[150:])
    tables = tmp_path / "tables"
    tables.mkdir()
    pq.write_table(pa.Table.from_pylist(c4[:100]), tables / "test-00000.parquet", row_group_size=20)
    (data / "README.md").write_text(
        "---\nconfigs:\n- config_name: lines\n  data_files: data/train-*\n---\n", encoding="utf-8"
    )
    broken = tmp_path / "broken"
    _write_lines(broken / "x.jsonl", c4)
    with fake_hub() as hub:
        hub.add("owner/c4", data, COMMIT)
        hub.add("owner/tables", tables, COMMIT)
        hub.add("owner/gated", data, COMMIT, token="hf_secret", gated=True)
        hub.add("owner/broken", broken, COMMIT)
        hub.broken["x.jsonl"] = 403
        environment = {"HF_ENDPOINT": hub.url}
        found, named, missing, closed, no_revision, refused = _drive(
            tmp_path,
            [
                {"path": "owner/c4", "config": "lines"},
                {"path": "owner/tables", "split": "test", "revision": "v1"},
                {"path": "owner/missing"},
                {"path": "owner/gated"},
                {"path": "owner/c4", "revision": "v2"},
                {"path": "owner/broken"},
            ],
            **environment,
        )
        assert not any(token for _, _, token in hub.requests)
        (opened,) = _drive(tmp_path, [{"path": "owner/gated", "config": "lines"}], HF_TOKEN="hf_secret", **environment)
        read = [path for method, path, _ in hub.requests if "/resolve/" in path]
        (offline,) = _drive(tmp_path, [{"path": "owner/c4"}], HF_HUB_OFFLINE="1", **environment)
    (unreachable,) = _drive(tmp_path, [{"path": "owner/c4"}], **environment)

    listing = HubListing(**found["listing"])
    assert listing.revision == COMMIT
    assert [file.key for file in listing.files] == ["data/train-00000.jsonl", "data/train-00001.jsonl.gz"]
    assert all(file.sha256 for file in listing.files)
    rows = [row for _, content in found["shards"] for row in _read(bytes.fromhex(content), tmp_path)]
    assert [row["text"] for row in rows] == [row["text"] for row in c4]
    assert rows[151]["id"] == "owner/c4/data/train-00001.jsonl.gz#1"
    assert all(COMMIT in path for path in read)  # nothing is read of a branch, which may move

    assert named["listing"]["revision"] == COMMIT
    assert [row["text"] for row in _read(bytes.fromhex(named["shards"][0][1]), tmp_path)] == [
        r["text"] for r in c4[:100]
    ]
    assert [row["rows"] for row, _ in opened["shards"]] == [150, 150]

    assert "owner/missing: not found on the hub, or private" in missing["error"]
    assert "owner/gated: is gated: ask for access" in closed["error"]
    assert "HF_TOKEN" in closed["error"]
    assert "no revision 'v2'" in no_revision["error"]
    assert re.search(r"owner/broken/x.jsonl: refused by the hub \(403\)", refused["error"])
    assert "HF_HUB_OFFLINE" in offline["error"]
    assert "cannot be reached" in unreachable["error"]
    for answer in (missing, closed, no_revision, refused, offline, unreachable):
        assert "\n" not in answer["error"]


def test_a_local_folder_needs_no_network_and_leaves_nothing_behind(tmp_path: Path, c4: list[dict[str, Any]]) -> None:
    _write_lines(tmp_path / "data/x.jsonl", c4)
    with fake_hub() as hub:
        for environment in ({}, {"HF_HUB_OFFLINE": "1"}):
            (found,) = _drive(tmp_path, [{"path": "./data"}], HF_ENDPOINT=hub.url, **environment)
            assert found["shards"][0][0]["rows"] == 300
        assert hub.requests == []
    assert not (tmp_path / "home").exists()


_MEASURE = """
import sys
from pathlib import Path
from pipeline.sources.hub import HuggingFaceSource, list_hub
from pipeline.sources.hub_rows import fetch_shard
source = HuggingFaceSource(name="hf", path=sys.argv[1])
for shard in list_hub(source, Path("."), digest=lambda path: "0" * 64).shards():
    with open("output.parquet", "wb") as output:
        fetch_shard(source, shard, Path("."), output)
status = Path("/proc/self/status").read_text()  # getrusage would count the process that started this one
print(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
"""


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_memory_stays_constant(tmp_path: Path, c4: list[dict[str, Any]], kind: str) -> None:
    """100 MB of text, the Parquet file as one row group."""
    (tmp_path / "data").mkdir()
    path = tmp_path / f"data/x.{kind}"
    if kind == "jsonl":
        _write_lines(path, c4 * 140)
    elif kind == "csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(c4[0]))
            writer.writeheader()
            writer.writerows(c4 * 140)
    else:
        table = pa.Table.from_pylist(c4)
        table = pa.concat_tables([table] * 140)
        pq.write_table(table, path, row_group_size=1 << 30, use_dictionary=False)
    run = subprocess.run(
        [sys.executable, "-c", _MEASURE, "./data"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert int(run.stdout) < 300_000  # kB, of which importing `datasets` is 140
