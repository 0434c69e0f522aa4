"""The executors: where tasks run changes no byte. Slurm is stood in for by scripts that run an array job here."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from manifests.errors import UserError
from pipeline.build import run_build
from pipeline.engine.settings import ClusterSettings, ExecutorSettings
from pipeline.recipe import Recipe, load_recipe
from tests.builds import differing

_RECIPE = """
name = "executors"
output = "{output}"
[[sources]]
name = "texts"
kind = "files"
paths = ["texts/*.txt"]
format = "text"
rules = []
[filter]
languages = []
[tokenizer]
vocab_size = 300
[shards]
tokens_per_shard = 30_000
validation_fraction = 0.0
"""
# Reads the options of a job script as sbatch does, then runs the script once for each index of its array.
_SBATCH = """#!/bin/bash
for last; do :; done
echo "$@" >> "$(dirname "$0")/calls"
grep -q -- '^#SBATCH --wait$' "$last" || {{ echo "sbatch: would not wait" >&2; exit 1; }}
array=$(grep -oP '(?<=--array=0-)[0-9]+' "$last")
for index in $(seq 0 "$array"); do
  SLURM_ARRAY_TASK_ID=$index SLURM_JOB_ID=1 SLURM_NODELIST=here RUN_OFFSET=0 bash "$last" >> "{log}" 2>&1 || exit 1
done
echo "Submitted batch job 1"
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    texts = tmp_path / "texts"
    texts.mkdir()
    library = Path(os.__file__).parent
    for number, module in enumerate(("ast", "calendar")):
        (texts / f"{number}.txt").write_text((library / f"{module}.py").read_text(encoding="utf-8"))
    path = tmp_path / "recipe.toml"
    path.write_text(_RECIPE.format(output=tmp_path / "local"))
    return load_recipe(path)


@pytest.mark.parametrize("until", ["filter", pytest.param(None, marks=pytest.mark.slow)])
def test_slurm_gives_the_bytes_of_a_local_run(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: str | None
) -> None:
    """Each task starts Python anew, so the later stages are left to CI's slow part."""
    run_build(recipe, until=until)
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    scripts = {"sbatch": _SBATCH.format(log=tmp_path / "slurm.log"), "scontrol": "#!/bin/bash\necho here\n"}
    for name, text in scripts.items():
        (bin_folder / name).write_text(text)
        (bin_folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
    other = load_recipe(tmp_path / "recipe.toml", [f"output={tmp_path / 'slurm'}"])
    cluster = ClusterSettings(partition="cpu")
    run_build(other, until=until, executor=ExecutorSettings(kind="slurm", workers=3, cluster=cluster))
    assert (bin_folder / "calls").exists()
    assert differing(tmp_path / "local", tmp_path / "slurm") == []


def test_a_cluster_that_is_not_there_is_said_before_anything_runs(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    cluster = ClusterSettings(partition="cpu")
    with pytest.raises(UserError, match="no sbatch is on this machine"):
        run_build(recipe, executor=ExecutorSettings(kind="slurm", cluster=cluster))
    assert not (tmp_path / "local").exists()


def test_slurm_needs_a_partition(recipe: Recipe) -> None:
    with pytest.raises(UserError, match="partition"):
        run_build(recipe, executor=ExecutorSettings(kind="slurm"))


def test_ray_gives_the_bytes_of_a_local_run(recipe: Recipe, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed (extra `ray`)")
    run_build(recipe)
    other = load_recipe(tmp_path / "recipe.toml", [f"output={tmp_path / 'ray'}"])
    run_build(other, executor=ExecutorSettings(kind="ray", workers=2))
    assert differing(tmp_path / "local", tmp_path / "ray") == []
