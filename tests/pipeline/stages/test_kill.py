"""Law 3: a run killed at any moment, then started again, ends in the bytes of an undisturbed run."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from manifests.audit.audit import audit_build
from manifests.manifest import MANIFEST
from pipeline.mirrors.loopback import LoopbackMirror
from pipeline.quickstart.mirror import build_mirror
from pipeline.recipe import load_recipe
from pipeline.stages.all import STAGE_CLASSES
from tests.builds import differing
from tests.conftest import REPOSITORY

STAGES = [stage.name for stage in STAGE_CLASSES]
KILLS_PER_STAGE = 4  # 24 in all
_PACKAGES = ("json", "email", "logging", "asyncio", "unittest", "http", "concurrent")
_RECIPE = """
name = "killed"
output = "{output}"
[[sources]]
name = "web"
kind = "common_crawl"
mirror = "{mirror}"
crawl = "CC-MAIN-2026-01-quickstart"
[[sources]]
name = "wiki"
kind = "wikipedia"
mirror = "{mirror}"
wiki = "pydocwiki"
date = "20260101"
rules = []
[filter.gopher_quality]
min_alphabetic_word_fraction = 0.6
[filter.c4]
max_curly_bracket_lines = 1_000_000
[tokenizer]
vocab_size = 1024
[shards]
tokens_per_shard = 20_000
validation_fraction = 0.1
"""
# The run, without the command line around it: imports that the stages do not need would only make the test slower.
_RUN = """
import sys
from pathlib import Path
from pipeline.build import run_build
from pipeline.engine.settings import ExecutorSettings
from pipeline.recipe import load_recipe
if __name__ == "__main__":
    run_build(load_recipe(Path(sys.argv[1])), executor=ExecutorSettings(workers=int(sys.argv[2])))
"""


@pytest.fixture(scope="module")
def mirror_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mirror") / "mirror"
    library = Path(os.__file__).parent
    build_mirror(folder, num_records_per_warc=25, packages=[library / name for name in _PACKAGES])
    return folder


def _start(recipe: Path, workers: int) -> subprocess.Popen[bytes]:
    script = recipe.with_name("run.py")
    script.write_text(_RUN)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(
        [sys.executable, str(script), str(recipe), str(workers)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _finish(recipe: Path, workers: int = 1) -> None:
    process = _start(recipe, workers)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()


def _kill_in(stage: str, recipe: Path, output: Path, after: float, whole_group: bool) -> bool:
    """Run until `after` seconds into a stage, then kill -9; returns whether the stage was under way."""
    number = STAGES.index(stage)
    before = [output / name / MANIFEST for name in STAGES[:number]]
    process = _start(recipe, workers=1 + number % 2)
    deadline = time.monotonic() + 60
    while process.poll() is None and not all(path.exists() for path in before) and time.monotonic() < deadline:
        time.sleep(0.005)
    while process.poll() is None and not (output / stage).exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(after)
    under_way = process.poll() is None and not (output / stage / MANIFEST).exists()
    if process.poll() is None:
        # The main process alone leaves its workers behind; they must not harm the next run.
        os.kill(process.pid, signal.SIGKILL) if not whole_group else os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    return under_way


def test_killed_runs_end_in_the_same_bytes(mirror_folder: Path, tmp_path: Path) -> None:
    choose = random.Random(20_261_121)
    with LoopbackMirror(mirror_folder) as mirror:
        outputs = {name: tmp_path / name / "build" for name in ("undisturbed", "killed")}
        recipes = {}
        for name, output in outputs.items():
            output.parent.mkdir()
            recipes[name] = output.parent / "recipe.toml"
            recipes[name].write_text(_RECIPE.format(output=output, mirror=mirror.url))
        _finish(recipes["undisturbed"])
        assert load_recipe(recipes["killed"]).name == "killed"
        num_kills = 0
        for stage in STAGES:
            kills = attempts = 0
            after = 0.0
            while kills < KILLS_PER_STAGE:
                attempts += 1
                assert attempts < 60, f"{stage}: never caught under way"
                if (outputs["killed"] / stage / MANIFEST).exists():  # it was finished: begin it again
                    shutil.rmtree(outputs["killed"] / stage)
                    after = 0.0
                kills += _kill_in(stage, recipes["killed"], outputs["killed"], after, bool(attempts % 2))
                after = choose.uniform(0.0, 0.4)
            num_kills += kills
        assert num_kills >= 20
        _finish(recipes["killed"], workers=2)
    assert differing(outputs["undisturbed"], outputs["killed"]) == []
    assert audit_build(str(outputs["killed"])).problems == []
    assert not list(outputs["killed"].rglob("*.unpublished"))


def test_a_killed_worker_stops_the_run_with_one_line(mirror_folder: Path, tmp_path: Path) -> None:
    with LoopbackMirror(mirror_folder) as mirror:
        recipe, output = tmp_path / "recipe.toml", tmp_path / "build"
        recipe.write_text(_RECIPE.format(output=output, mirror=mirror.url))
        process = _start(recipe, workers=2)
        deadline = time.monotonic() + 60
        while not (output / "extract").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        workers = _workers_of(process.pid)
        assert workers
        os.kill(workers[-1], signal.SIGKILL)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "a worker process was killed" in errors.decode()
        _finish(recipe, workers=2)
    assert audit_build(str(output)).problems == []


def _workers_of(process: int) -> list[int]:
    """Grandchildren of a run: the processes that its fork server made."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):  # it ended meanwhile
            continue
    children = {child for child, parent in parents.items() if parent == process}
    return sorted(child for child, parent in parents.items() if parent in children)


def test_killed_while_it_rebuilds_with_another_threshold(mirror_folder: Path, tmp_path: Path) -> None:
    """A stage that was complete is rebuilt: neither its old manifest nor its old seal may outlive the kill."""
    choose = random.Random(5)
    with LoopbackMirror(mirror_folder) as mirror:
        outputs = {name: tmp_path / name / "build" for name in ("undisturbed", "killed")}
        for output in outputs.values():
            output.parent.mkdir()
            (output.parent / "first.toml").write_text(_RECIPE.format(output=output, mirror=mirror.url))
            text = _RECIPE.replace("min_alphabetic_word_fraction = 0.6", "min_alphabetic_word_fraction = 0.65")
            (output.parent / "second.toml").write_text(text.format(output=output, mirror=mirror.url))
            _finish(output.parent / "first.toml")
        _finish(outputs["undisturbed"].parent / "second.toml")
        second = outputs["killed"].parent / "second.toml"
        for _ in range(8):
            process = _start(second, workers=1)
            time.sleep(choose.uniform(0.8, 2.5))
            process.kill()
            process.communicate(timeout=60)
        _finish(second)
    assert differing(outputs["undisturbed"], outputs["killed"]) == []
    assert audit_build(str(outputs["killed"])).problems == []
