"""kill -9 during `acquire`, 50 times: what was published is never fetched again, and the originals arrive."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from manifests.manifest import MANIFEST, read_manifest
from manifests.storage import Folder
from pipeline.mirrors.loopback import Fault, LoopbackMirror, Request
from tests.acquire_mirror import all_sources, check_originals, pack_mirror, recipe_text
from tests.conftest import REPOSITORY

NUM_KILLS = 50
# Starts runs without starting Python anew: it forks a child for each recipe that it reads, the leader of a process
# group, says its process id, and then how it ended.
_STARTER = """
import os, sys, traceback
from pathlib import Path
import pipeline.stages.all
from pipeline.build import run_build
from pipeline.engine.settings import ExecutorSettings
from pipeline.recipe import load_recipe
for line in sys.stdin:
    workers, recipe = line.rstrip("\\n").split(" ", 1)
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        code = 1
        try:
            run_build(load_recipe(Path(recipe)), until="acquire", executor=ExecutorSettings(workers=int(workers)))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    try:
        os.setpgid(child, child)
    except OSError:  # it did so itself, and may have ended
        pass
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Starter:
    """A process that starts runs of a recipe; the last lines that they wrote are in `errors`."""

    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self._process = process
        self._errors = errors

    def run(self, recipe: Path, workers: int = 1, before_kill: Callable[[], None] | None = None) -> int:
        """Run `acquire` and return its exit status; kill every process of it when `before_kill` returns."""
        assert self._process.stdin
        self._process.stdin.write(f"{workers} {recipe}\n")
        self._process.stdin.flush()
        child = self._read()
        if before_kill is not None:
            before_kill()
            os.killpg(child, signal.SIGKILL)
        return self._read()

    def _read(self) -> int:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, self.errors
        return int(line)

    @property
    def errors(self) -> str:
        return self._errors.read_text()[-4_000:]


@contextmanager
def starter(folder: Path) -> Iterator[Starter]:
    errors = folder / "errors.txt"
    with (
        errors.open("w") as file,
        subprocess.Popen(
            [sys.executable, "-c", _STARTER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            cwd=REPOSITORY,
        ) as process,
    ):
        yield Starter(process, errors)


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


def test_killed_fifty_times(tmp_path: Path, shared_data: Path) -> None:
    choose = random.Random(20_261_121)
    files = pack_mirror(tmp_path / "mirror", shared_data, num_warcs=150, num_books=150)
    acquired = tmp_path / "build" / "acquire"
    slow = Slow(files, acquired)
    with LoopbackMirror(tmp_path / "mirror", slow) as mirror, starter(tmp_path) as runs:
        recipe = tmp_path / "recipe.toml"
        recipe.write_text(recipe_text(tmp_path / "build", all_sources(mirror.url, files)))
        num_published = []
        for number in range(NUM_KILLS):
            # A third of the kills comes anywhere in a run, the others when files are under way.
            seconds, anywhere = choose.uniform(0.0, 0.25), number % 3 == 0
            slow.asked.clear()

            def wait(seconds: float = seconds, anywhere: bool = anywhere) -> None:
                assert anywhere or slow.asked.wait(60)
                time.sleep(seconds)

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
    assert slow.num_resumed > NUM_KILLS  # they were killed within files
    assert num_published == sorted(num_published)
    assert 0 < num_published[NUM_KILLS // 2] < num_published[-1] < len(files)
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith((".partial", ".unpublished"))]
