"""Law 3: a run killed at any moment, then started again, ends in the bytes of an undisturbed run."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from manifests.audit.audit import audit_build
from manifests.manifest import MANIFEST
from pipeline.mirrors.loopback import LoopbackMirror
from pipeline.quickstart.mirror import build_mirror
from pipeline.stages.all import STAGE_CLASSES
from tests.builds import differing
from tests.killing import Starter, has_ended, starter

STAGES = [stage.name for stage in STAGE_CLASSES]
_PACKAGES = ("json", "email", "logging", "asyncio", "http")
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


@dataclass(frozen=True)
class World:
    """A mirror, what starts runs against it, and a build that nobody disturbed."""

    mirror: LoopbackMirror
    runs: Starter
    undisturbed: Path

    def write_recipe(self, output: Path, min_fraction: float = 0.6) -> Path:
        """Write the recipe of a build beside it."""
        output.parent.mkdir(exist_ok=True)
        path = output.parent / f"{min_fraction}.toml"
        text = _RECIPE.replace("min_alphabetic_word_fraction = 0.6", f"min_alphabetic_word_fraction = {min_fraction}")
        path.write_text(text.format(output=output, mirror=self.mirror.url))
        return path

    def finish(self, recipe: Path, workers: int = 1, until: str | None = None) -> None:
        assert self.runs.run(recipe, workers, until=until) == 0, self.runs.errors


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("kill")
    library = Path(os.__file__).parent
    build_mirror(folder / "mirror", num_records_per_warc=20, packages=[library / name for name in _PACKAGES])
    with LoopbackMirror(folder / "mirror") as mirror, starter(folder) as runs:
        world = World(mirror, runs, folder / "undisturbed" / "build")
        world.finish(world.write_recipe(world.undisturbed))
        yield world


def _after(seconds: float, begun: Callable[[], bool], under_way: Callable[[], bool]) -> Callable[[int], bool]:
    """When to kill: so many seconds after something began; not at all where it is over by then."""

    def wait(process: int) -> bool:
        while not has_ended(process) and not begun():
            time.sleep(0.002)
        time.sleep(seconds)
        return not has_ended(process) and under_way()

    return wait


# In CI's slow part there are so many more.
@pytest.mark.parametrize("kills_per_stage", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_killed_runs_end_in_the_same_bytes(world: World, tmp_path: Path, kills_per_stage: int) -> None:
    choose = random.Random(20_261_121)
    output = tmp_path / "killed" / "build"
    recipe = world.write_recipe(output)
    for number, stage in enumerate(STAGES):
        before = [output / name / MANIFEST for name in STAGES[:number]]
        kills = attempts = 0
        after = 0.0
        while kills < kills_per_stage:
            attempts += 1
            assert attempts < 60, f"{stage}: never caught under way"
            if (output / stage / MANIFEST).exists():  # it was finished: begin it again
                shutil.rmtree(output / stage)
                after = 0.0
            when = _after(
                after,
                lambda before=before, stage=stage: all(path.exists() for path in before) and (output / stage).exists(),
                lambda stage=stage: not (output / stage / MANIFEST).exists(),
            )
            # The main process alone leaves its workers behind; they must not harm the next run.
            status = world.runs.run(recipe, 1 + number % 2, when, whole_group=bool(attempts % 2))
            assert status in (0, -signal.SIGKILL), world.runs.errors
            kills += status == -signal.SIGKILL
            after = choose.uniform(0.0, 0.4)
    world.finish(recipe, workers=2)
    assert differing(world.undisturbed, output) == []
    assert audit_build(str(output)).problems == []
    assert not list(output.rglob("*.unpublished"))


def test_a_killed_worker_stops_the_run_with_one_line(world: World, tmp_path: Path) -> None:
    output = tmp_path / "killed" / "build"
    recipe = world.write_recipe(output)

    def kill_a_worker(process: int) -> bool:
        while not has_ended(process) and not ((output / "extract").exists() and _workers_of(process)):
            time.sleep(0.002)
        os.kill(_workers_of(process)[-1], signal.SIGKILL)
        return False

    assert world.runs.run(recipe, 2, kill_a_worker, until="extract") == 1
    assert "a worker process was killed" in world.runs.errors
    world.finish(recipe, workers=2, until="extract")
    for stage in ("acquire", "extract"):
        assert differing(world.undisturbed / stage, output / stage) == []
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


# In CI's slow part there are so many more.
@pytest.mark.parametrize("num_kills", [3, pytest.param(12, marks=pytest.mark.slow)])
def test_killed_while_it_rebuilds_with_another_threshold(world: World, tmp_path: Path, num_kills: int) -> None:
    """A stage that was complete is rebuilt: neither its old manifest nor its old seal may outlive the kill."""
    choose = random.Random(5)
    outputs = {name: tmp_path / name / "build" for name in ("undisturbed", "killed")}
    recipes = {}
    for name, output in outputs.items():
        shutil.copytree(world.undisturbed, output)
        recipes[name] = world.write_recipe(output, 0.65)
    world.finish(recipes["undisturbed"])
    assert differing(world.undisturbed, outputs["undisturbed"]) != []
    killed = outputs["killed"]
    manifests = [killed / stage / MANIFEST for stage in STAGES]
    old_filter = manifests[2].read_bytes()

    def incomplete() -> bool:
        return not all(path.exists() for path in manifests)

    kills = 0
    for _ in range(20 * num_kills):
        if not incomplete() and manifests[2].read_bytes() != old_filter:  # it was finished: begin it again
            shutil.rmtree(killed)
            shutil.copytree(world.undisturbed, killed)
        status = world.runs.run(recipes["killed"], 1, _after(choose.uniform(0.0, 0.8), incomplete, incomplete))
        assert status in (0, -signal.SIGKILL), world.runs.errors
        kills += status == -signal.SIGKILL
        if kills == num_kills:
            break
    assert kills == num_kills
    world.finish(recipes["killed"])
    assert differing(outputs["undisturbed"], killed) == []
    assert audit_build(str(killed)).problems == []
