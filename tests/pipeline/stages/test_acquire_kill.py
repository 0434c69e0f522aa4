"""kill -9 during `acquire`, again and again: what was published is never fetched again, and the originals arrive."""

from __future__ import annotations

import random
import signal
import threading
import time
from pathlib import Path

import pytest

from manifests.manifest import MANIFEST, read_manifest
from manifests.storage import Folder
from pipeline.mirrors.loopback import Fault, LoopbackMirror, Request
from tests.acquire_mirror import all_sources, check_originals, pack_mirror, recipe_text
from tests.killing import starter


class Slow:
    """A mirror's hook that lets every file drip, and looks whether a file is asked for that was published already."""

    def __init__(self, files: dict[str, bytes], folder: Path) -> None:
        self.places = {key: folder / _source_of(key) / key for key in files}
        self.seconds = 0.01
        self.fetched_again: list[Request] = []
        self.num_resumed = 0
        self.asked = threading.Event()
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Fault | None:
        place = self.places.get(request.path)
        if place is None or request.method != "GET":
            return None
        self.asked.set()
        with self._lock:
            self.num_resumed += request.start > 0
            if place.exists():
                self.fetched_again.append(request)
        return Fault(drip_bytes=1_000, drip_seconds=self.seconds) if self.seconds else None


def _source_of(key: str) -> str:
    return {"crawl-data": "cc", "wiki": "wiki", "books": "books"}[key.split("/")[0]]


@pytest.mark.parametrize("num_kills", [12, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_many_times(tmp_path: Path, shared_data: Path, num_kills: int) -> None:
    choose = random.Random(20_261_121)
    files = pack_mirror(tmp_path / "mirror", shared_data, num_warcs=3 * num_kills, num_books=3 * num_kills)
    acquired = tmp_path / "build" / "acquire"
    slow = Slow(files, acquired)
    with LoopbackMirror(tmp_path / "mirror", slow) as mirror, starter(tmp_path) as runs:
        recipe = tmp_path / "recipe.toml"
        recipe.write_text(recipe_text(tmp_path / "build", all_sources(mirror.url, files)))
        num_published = []
        for number in range(num_kills):
            # A third of the kills comes anywhere in a run, the others when files are under way.
            seconds, anywhere = choose.uniform(0.0, 0.25), number % 3 == 0
            slow.asked.clear()

            def wait(process: int, seconds: float = seconds, anywhere: bool = anywhere) -> bool:
                assert anywhere or slow.asked.wait(60)
                time.sleep(seconds)
                return True

            status = runs.run(recipe, 2 if number % 10 == 9 else 1, wait)
            assert status == -signal.SIGKILL, f"{runs.errors} (run {number} ended by itself)"
            assert not (acquired / MANIFEST).exists()
            num_published.append(sum(place.exists() for place in slow.places.values()))
        slow.seconds = 0.0
        assert runs.run(recipe) == 0, runs.errors
    manifest = read_manifest(Folder(acquired))
    assert manifest is not None
    check_originals(acquired, files, manifest)
    assert slow.fetched_again == []
    assert slow.num_resumed > num_kills  # they were killed within files
    assert num_published == sorted(num_published)
    assert 0 < num_published[num_kills // 2] < num_published[-1] < len(files)
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith((".partial", ".unpublished"))]
