"""`acquire` stays below 300 MB whatever a file's size, and whatever it swells to."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from manifests.manifest import read_manifest
from manifests.storage import Folder
from pipeline.mirrors.loopback import LoopbackProcess
from tests.acquire_mirror import CRAWL, crawl_key, crawl_source, folder_in_memory, put, put_crawl, recipe_text
from tests.conftest import REPOSITORY

MOST_BYTES = 300 * 1000 * 1000
_LARGE = 1_500_000_000
_RUN = """
import re, sys
from pathlib import Path
from pipeline.build import run_build
from pipeline.engine.settings import ExecutorSettings
from pipeline.recipe import load_recipe
try:
    run_build(load_recipe(Path(sys.argv[1])), until="acquire", executor=ExecutorSettings(workers=int(sys.argv[2])))
finally:
    print(re.search(r"VmHWM:.*", Path("/proc/self/status").read_text())[0], flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with folder_in_memory(tmp_path, 4 * _LARGE) as folder:
        yield folder


def peak_memory(recipe: Path, workers: int) -> tuple[int, int, str]:
    """Run `acquire`; returns its exit status, the peak of its largest process in bytes, and what it wrote as error."""
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(recipe), str(workers)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    peak = 0
    while process.poll() is None:  # the workers are seen from outside: they end without a word
        peak = max([peak, *_peaks_of_session(process.pid)])
        time.sleep(0.02)
    output, errors = process.communicate()
    return process.returncode, max(peak, _peak(output)), errors


def _peaks_of_session(session: int) -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if int((entry / "stat").read_text().rpartition(")")[2].split()[3]) == session:
                yield _peak((entry / "status").read_text())
        except (OSError, IndexError):  # it ended meanwhile
            continue


def _peak(status: str) -> int:
    lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) * 1024 if lines else 0


def _bomb(num_bytes: int) -> bytes:
    """One gzip member of zeros, a thousand times as large as it looks."""
    block = bytes(1 << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)  # after which the next block is the same again
    number, checksum = num_bytes // len(block), 0
    for _ in range(number):
        checksum = zlib.crc32(block, checksum)
    head = gzip.compress(b"", mtime=0)[:10]
    return head + packed * number + packer.flush() + struct.pack("<II", checksum, number * len(block) % (1 << 32))


@pytest.mark.parametrize(
    ("workers", "num_bytes"), [(1, 400_000_000), (2, 400_000_000), pytest.param(1, _LARGE, marks=pytest.mark.slow)]
)
def test_large_files_take_little_memory(folder: Path, workers: int, num_bytes: int) -> None:
    """A file as it is, and a small one that swells to as much."""
    mirror_folder = folder / "mirror"
    bomb = _bomb(num_bytes)
    put_crawl(mirror_folder, {crawl_key(0): bomb})
    with (mirror_folder / "zeros.bin").open("wb") as file:
        file.truncate(num_bytes)  # it has no blocks on the disk
    with LoopbackProcess(mirror_folder) as mirror:
        large = f'[[sources]]\nname = "large"\nkind = "files"\nmirror = "{mirror.url}"\nformat = "text"\n'
        recipe = folder / "recipe.toml"
        recipe.write_text(recipe_text(folder / "build", crawl_source(mirror.url) + large + 'paths = ["zeros.bin"]\n'))
        status, peak, errors = peak_memory(recipe, workers)
    assert status == 0, errors
    assert 0 < peak < MOST_BYTES
    manifest = read_manifest(Folder(folder / "build" / "acquire"))
    assert manifest is not None
    assert {raw["key"]: raw["bytes"] for raw in manifest.facts["files"]} == {
        "zeros.bin": num_bytes,
        crawl_key(0): len(bomb),
    }


def test_a_listing_that_swells_is_refused(folder: Path) -> None:
    """Some megabytes of a path listing that become gigabytes."""
    mirror_folder = folder / "mirror"
    put(mirror_folder, f"crawl-data/{CRAWL}/warc.paths.gz", gzip.compress(b"a/b.warc.gz\n") + _bomb(_LARGE))
    with LoopbackProcess(mirror_folder) as mirror:
        recipe = folder / "recipe.toml"
        recipe.write_text(recipe_text(folder / "build", crawl_source(mirror.url)))
        status, peak, errors = peak_memory(recipe, 1)
    assert status != 0
    assert "warc.paths.gz: too large for a path listing" in errors
    assert 0 < peak < MOST_BYTES
