"""A build of which one file is changed: audit says so, and every command ends well or with one line."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import groundup
from manifests.audit.audit import audit_build
from manifests.errors import UserError
from tests.conftest import REPOSITORY
from tests.fuzz.harness import Case, Target, check_user_error, fuzz_test
from tests.fuzz.mutate import changed, changed_json, changed_toml
from tests.fuzz.seeds import ARTICLE, HTML

_RECIPE = """
name = "small"
output = "build"
max_dropped_fraction = 1
[[sources]]
name = "rows"
kind = "files"
paths = ["rows.jsonl"]
format = "jsonl"
[[sources]]
name = "pages"
kind = "files"
paths = ["*.html"]
format = "html"
[filter]
languages = []
rules = []
[tokenizer]
vocab_size = 300
[shards]
tokens_per_shard = 2000
validation_fraction = 0.2
[model]
preset = "tiny"
num_layers = 1
width = 16
num_heads = 2
[train]
sequence_length = 16
batch_tokens = 64
max_tokens = 256
checkpoint_every_steps = 2
validation_tokens = 64
sample_tokens = 2
precision = "float32"
"""


@functools.cache
def _build() -> Path:
    """The folder of a recipe, complete with its build and its training run; removed when the process ends."""
    folder = tempfile.TemporaryDirectory()
    _kept.append(folder)
    path = Path(folder.name)
    rows = [{"id": f"r{n}", "text": f"{n} {ARTICLE[n % 3]} " + " ".join(ARTICLE[: n % 4])} for n in range(60)]
    (path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for number in range(6):
        (path / f"{number}.html").write_text(HTML.replace("mills", f"mills {number}"))
    (path / "recipe.toml").write_text(_RECIPE)
    for command in ("run", "train"):  # in processes of their own: threads do not go along into those that fuzz
        arguments = [command, path / "recipe.toml", "--set", f"output={path / 'build'}"]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, "-m", "groundup", *arguments], env=environment, check=True, capture_output=True)
    report = audit_build(str(path / "build"), deep=True)
    assert report.passed, report.problems
    return path


_kept: list[Any] = []


@functools.cache
def _app(command: str) -> Any:
    return groundup.make_app(command)


def _command(*arguments: object) -> None:
    """Run a command in this process; errors come as they are."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            _app(str(arguments[0]))(args=list(map(str, arguments)), prog_name="groundup", standalone_mode=False)
        except SystemExit as error:
            if error.code not in (0, 1, None):
                raise


@contextlib.contextmanager
def _changed_file(case: Case) -> Any:
    """The build's folder with a file changed, which is as it was afterwards."""
    path = _build() / case.name
    before = path.read_bytes()
    path.write_bytes(case.data)
    try:
        yield _build()
    finally:
        path.write_bytes(before)


def check_build(case: Case) -> None:
    before = (_build() / case.name).read_bytes()
    with _changed_file(case) as folder:
        build = folder / "build"
        try:
            passed = audit_build(str(build)).passed
        except UserError as error:
            check_user_error(error)
            passed = False
        assert not passed or _is_same(case, before), "audit passes a changed build"
        for command in _commands(build, case):
            try:
                _command(*command)
            except UserError as error:
                check_user_error(error)


def _commands(build: Path, case: Case) -> list[list[object]]:
    """Commands that read a build; of all, two for each input."""
    recipe = ["--set", f"output={build}"]
    commands: list[list[object]] = [
        ["drops", build],
        ["drops", build, "--reason", "near_duplicate"],
        ["drops", build, "--reason", "near_duplicate", "--near"],
        ["drops", build, "--what-if", "filter.gopher_quality.min_words=3"],
        ["drops", build, "--doc", "r5", "--json"],
        ["trace", build, "--doc", "r3", "--record"],
        ["trace", build, "--token", "train/shard-00000:10"],
        ["report", build],
        ["steps", build / "train", "--step", "2"],
        ["run", build.parent / "recipe.toml", *recipe, "--plan"],
        ["generate", build / "train", "--prompt", "The", "--max-tokens", "2"],
    ]
    number = len(case.data)
    return [commands[number % len(commands)], commands[(number // 8 + 3) % len(commands)]]


def _is_same(case: Case, before: bytes) -> bool:
    """Whether a file says what it said before, or says nothing that the build stands on."""
    if case.data == before or case.name.endswith((".lock", "report.html", ".log")) or "/logs/" in case.name:
        return True
    if case.name == "build/groundup.json":
        with contextlib.suppress(ValueError):
            return bool(json.loads(case.data) == json.loads(before))
    return case.name.startswith("build/train/") and not case.name.endswith("manifest.json")


def _files(part: str) -> list[Case]:
    folder = _build()
    paths = [path for path in sorted((folder / "build").rglob("*")) if path.is_file() and path.stat().st_size]
    names = [path.relative_to(folder).as_posix() for path in paths]
    return [
        Case(name, path.read_bytes())
        for name, path in zip(names, paths, strict=True)
        if _part_of(name) == part and not name.endswith((".lock", ".html"))
    ]


def _part_of(name: str) -> str:
    if name.endswith((".json", ".jsonl", ".toml")) and not name.endswith("tokenizer.json"):
        return "run" if name.startswith("build/train/") and not name.endswith("manifest.json") else "manifests"
    return "run" if name.startswith("build/train/") else "data"


def _mutate(random: Random, case: Case, seeds: Sequence[Case]) -> Case:
    if case.name.endswith(".json"):
        return Case(case.name, changed_json(random, case.data))
    if case.name.endswith(".toml"):
        return Case(case.name, changed_toml(random, case.data))
    if case.name.endswith(".jsonl") and random.random() < 0.7:
        lines = case.data.splitlines()
        at = random.randrange(len(lines))
        lines[at] = changed_json(random, lines[at]).replace(b"\n", b" ")
        return Case(case.name, b"\n".join(lines) + b"\n")
    return Case(case.name, changed(random, case.data, [random.choice(seeds).data]))


TARGETS = [
    Target("build-manifests", lambda: _files("manifests"), check_build, _mutate, seconds=20, ci_inputs=20),
    Target("build-data", lambda: _files("data"), check_build, _mutate, seconds=20, ci_inputs=20),
    Target("build-run", lambda: _files("run"), check_build, _mutate, seconds=20, ci_inputs=20),
]

test_inputs = fuzz_test(TARGETS)
