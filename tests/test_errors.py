"""Bad input, as a user meets it: one clear line, the right exit code, and nothing that was built is lost.

Everything goes through the real command: in a process of its own where processes, signals or disks are the matter,
and otherwise through its `main` in this one, which saves the seconds that each start takes.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import groundup
from manifests.explore.build import Build
from pipeline.mirrors.loopback import LoopbackMirror
from pipeline.quickstart.mirror import build_mirror
from tests.builds import build_digests, differing
from tests.conftest import REPOSITORY

_PACKAGES = ("json", "email", "logging", "asyncio", "unittest", "http", "concurrent")
_SOURCES = """
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
"""
_REST = """
[filter.gopher_quality]
min_alphabetic_word_fraction = 0.6
[filter.c4]
max_curly_bracket_lines = 1_000_000
[tokenizer]
vocab_size = 1024
[shards]
tokens_per_shard = 100_000
validation_fraction = 0.1
[model]
preset = "tiny"
num_layers = 1
width = 64
num_heads = 2
[train]
sequence_length = 64
batch_tokens = 512
max_tokens = 2_048
validation_tokens = 1_024
sample_tokens = 4
precision = "float32"
"""
_RECIPE = 'name = "base"\noutput = "build"\n' + _SOURCES + _REST
_LOCAL_SOURCE = '[[sources]]\nname = "web"\nkind = "files"\npaths = ["pages/*.warc.gz"]\nformat = "warc"\n'
_LOCAL_RECIPE = 'name = "local"\noutput = "local"\n' + _LOCAL_SOURCE + _REST


@dataclass(frozen=True)
class Result:
    """What came of a command."""

    code: int
    printed: str
    errors: str

    def line(self, code: int = 1) -> str:
        """The one line that a failed command must have said."""
        assert self.code == code, self.errors
        assert "Traceback" not in self.errors, self.errors
        (line,) = self.errors.splitlines()
        assert line.startswith("groundup: ")
        assert "unexpected error" not in line
        return line.removeprefix("groundup: ")


@dataclass(frozen=True)
class World:
    """A folder in which commands run. It holds `base.toml` and, complete and never changed, its `build/`."""

    folder: Path
    build: Path
    mirror: LoopbackMirror
    unreachable: subprocess.Popen[str]  # a run whose mirror does not answer: it takes its time to give up

    def run(self, *arguments: str | Path) -> Result:
        """Run a command in this process."""
        printed, errors = io.StringIO(), io.StringIO()
        before = sys.argv
        sys.argv = ["groundup", *map(str, arguments)]
        try:
            with contextlib.chdir(self.folder), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
                groundup.main()
        except SystemExit as ended:
            return Result(int(ended.code or 0), printed.getvalue(), errors.getvalue())
        finally:
            sys.argv = before
        raise AssertionError("main did not exit")

    def succeeds(self, *arguments: str | Path) -> str:
        """Run a command that must succeed; returns what it prints."""
        result = self.run(*arguments)
        assert result.code == 0, result.errors
        return result.printed

    def fails(self, *arguments: str | Path, code: int = 1) -> str:
        """Run a command that must fail; returns the line that it says."""
        return self.run(*arguments).line(code)

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text, encoding="utf-8")
        return name


def start(folder: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    """Start the command in a process of its own, where Ctrl-C has its usual effect.

    A shell that runs tests in the background lets them, and all that they start, ignore it.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "groundup", *map(str, arguments)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)


def ended(process: subprocess.Popen[str]) -> Result:
    printed, errors = process.communicate(timeout=120)
    return Result(process.returncode, printed, errors)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("errors")
    library = Path(os.__file__).parent
    build_mirror(folder / "mirror", num_records_per_warc=25, packages=[library / name for name in _PACKAGES])
    with LoopbackMirror(folder / "mirror") as mirror:
        with socket.create_server(("127.0.0.1", 0)) as unused:  # bound, then closed: nobody listens there
            address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        (folder / "unreachable.toml").write_text(_RECIPE.format(mirror=address).replace('"build"', '"unreached"'))
        unreachable = start(folder, "run", "unreachable.toml", "--workers", "2")
        world = World(folder, folder / "build", mirror, unreachable)
        world.write("base.toml", _RECIPE.format(mirror=mirror.url))
        assert ended(start(folder, "run", "base.toml")).code == 0
        before = build_digests(world.build)
        assert len(before) > 30
        yield world
        assert build_digests(world.build) == before  # no failure of any test took anything


# What to put in place of what, in the recipe; the words that the line must have.
RECIPES = {
    "not TOML": ('name = "base"', 'name = "base', ["not valid TOML", "line 1"]),
    "unknown key": ("min_alphabetic", "min_alphabetik", ["min_alphabetik_word_fraction", "'min_alphabetic_word"]),
    "unknown key of a source": ('wiki = "pydoc', 'wikki = "pydoc', ["sources.1.wikki", "did you mean 'wiki'"]),
    "unknown table": ("[tokenizer]", "[tokeniser]", ["unknown key tokeniser", "did you mean 'tokenizer'"]),
    "unknown key of the model": ("num_layers", "num_layer", ["model.num_layer ", "did you mean 'num_layers'"]),
    "unknown key of training": ("max_tokens", "max_token", ["train.max_token ", "did you mean 'max_tokens'"]),
    "unknown preset": ('"tiny"', '"tinny"', ["no preset 'tinny'", "did you mean 'tiny'"]),
    "unknown kind": ('"wikipedia"', '"wikipedia.org"', ["sources.1", "'wikipedia', 'files'"]),
    "wrong type": ("vocab_size = 1024", 'vocab_size = "many"', ["tokenizer.vocab_size", "integer", "'many'"]),
    "small vocabulary": ("vocab_size = 1024", "vocab_size = 200", ["tokenizer.vocab_size", "257", "200"]),
    "wrong batch": ("batch_tokens = 512", "batch_tokens = 500", ["batch_tokens 500", "multiple", "512 is"]),
    "no sources": (_SOURCES, "", ["sources is missing", "add it"]),
    "two of a name": ('name = "wiki"', 'name = "web"', ["two sources are named 'web'"]),
    "a name with a space": ('"base"', '"my base"', ["name: ", "not 'my base'"]),
    "a negative seed": ('name = "base"', 'name = "base"\nseed = -1', ["seed: ", "greater than or equal to 0, not -1"]),
    "a large seed": ('name = "base"', f'name = "base"\nseed = {2**63}', ["seed: ", "less than 9223372036854775808"]),
    "no output": ('"build"', '""', ["output: ", "at least 1 character"]),
    "a password": ('"build"', '"s3://me:secret@bucket"', ["a s3:// URL holds a user, a password or a query"]),
    "no name": ('name = "base"', "", ["name is missing", "add it"]),
    "no tokenizer": ("vocab_size = 1024", 'path = "no/tokenizer.json"', ["tokenizer.path", "no/tokenizer.json"]),
}


# Of these, `train` says the very same line.
OF_BOTH = [
    *("not TOML", "unknown key of the model", "unknown key of training", "unknown preset", "wrong batch"),
    *("a name with a space", "a negative seed", "a large seed", "no output", "a password", "no name"),
]


@pytest.mark.parametrize("case", RECIPES)
def test_a_bad_recipe_is_refused_before_anything_runs(world: World, case: str) -> None:
    old, new, words = RECIPES[case]
    old, text = old.format(mirror=world.mirror.url), _RECIPE.format(mirror=world.mirror.url)
    assert text.count(old) == 1
    recipe = world.write("bad.toml", text.replace(old, new).replace('"build"', '"never"'))
    line = world.fails("run", recipe, "--plan")
    assert line.startswith("bad.toml: ") or case == "a password"  # whose line quotes nothing
    assert all(word in line for word in words), line
    if case in OF_BOTH:
        assert world.fails("train", recipe) == line
    assert not (world.folder / "never").exists()


# Arguments, exit code, and the words that the line must have. {out} is the complete build.
COMMANDS = {
    "missing recipe": ("run nowhere.toml", 1, ["nowhere.toml: no such recipe", "recipes/"]),
    "missing recipe of train": ("train nowhere.toml", 1, ["nowhere.toml: no such recipe"]),
    "a folder for a recipe": ("run mirror", 1, ["mirror: cannot be read", "TOML file"]),
    "unknown stage": ("run base.toml --until shard", 2, ["--until shard", "dedup, tokenizer, shards"]),
    "unknown option": ("run base.toml --frob", 2, ["run: No such option: --frob", "groundup run --help"]),
    "unknown command": ("runn base.toml", 2, ["No such command 'runn'", "groundup --help"]),
    "no recipe": ("run", 2, ["Missing argument", "groundup run --help"]),
    "no workers": ("run base.toml --workers 0", 2, ["--workers", "greater than or equal to 1"]),
    "unknown executor": ("run base.toml --executor lsf", 2, ["--executor lsf", "local, slurm and ray"]),
    "no assignment": ("run base.toml --set seed", 2, ["--set 'seed'", "key=value"]),
    "unknown source": ("run base.toml --set sources.cc.max_files=1", 1, ["no entry named 'cc'", "web, wiki"]),
    "another recipe's folder": (
        "run base.toml --set name=other",
        1,
        ["build: holds the build of recipe 'base', not 'other'", "another output"],
    ),
    "somebody's folder": ("run base.toml --set output=somebody", 1, ["somebody: has a folder extract/", "another out"]),
    "below a file": ("run base.toml --set output=base.toml/out", 1, ["base.toml/out", "Not a directory", "output"]),
    "no permission": ("run base.toml --set output=/proc/out", 1, ["/proc/out", "cannot be written", "output folder"]),
    "audit of nothing": ("audit nowhere", 1, ["nowhere: no build of groundup is here", "output folder of a recipe"]),
    "audit of a stage": ("audit {out}/shards", 1, ["shards: no build of groundup is here"]),
    "trace in nothing": ("trace nowhere --token shard-00000:0", 1, ["nowhere: no build of groundup is here"]),
    "drops of nothing": ("drops nowhere", 1, ["nowhere: no build of groundup is here"]),
    "report of nothing": ("report nowhere", 1, ["nowhere: no build of groundup is here"]),
    "report to nowhere": ("report {out} --output base.toml/x.html", 1, ["base.toml/x.html", "cannot be written"]),
    "past the end": ("trace {out} --token shard-00000:99999999", 1, ["shard-00000", "no token 99,999,999", "0 to "]),
    "no such shard": ("trace {out} --token shard-00099:0", 1, ["no shard 'train/shard-00099'", "train/shard-00000"]),
    "no position": ("trace {out} --token shard-00000", 2, ["--token shard-00000", "SHARD:POSITION"]),
    "nothing to trace": ("trace {out}", 2, ["--token, --doc and --url"]),
    "unknown page": ("trace {out} --url http://nowhere.example/", 1, ["http://nowhere.example/", "was ever read"]),
    "unknown reason": ("drops {out} --reason taste", 1, ["'taste'", "Reasons: ", "redirect"]),
    "training without shards": ("train base.toml --set output=empty", 1, ["empty/shards", "groundup run RECIPE"]),
    "training with an unknown key": ("train base.toml --set train.lr=1", 1, ["base.toml: unknown key train.lr"]),
    "training with an unknown table": ("train base.toml --set trian.seed=1", 1, ["unknown key trian", "mean 'train'"]),
    "training with a negative seed": ("train base.toml --set seed=-1", 1, ["base.toml: seed: ", "not -1"]),
    "running with a negative seed": ("run base.toml --set seed=-1", 1, ["base.toml: seed: ", "not -1"]),
    "quickstart with a wrong model": ("quickstart --set model.norm=rms", 1, ["norm is 'rms'", "mean 'rmsnorm'"]),
    "generating without a run": ("generate {out}", 1, ["no checkpoint here", "OUT/train", "train first"]),
    "generating from nothing": ("generate nowhere", 1, ["nowhere: no checkpoint here"]),
    "steps of no run": ("steps {out} --step 1", 1, ["no training run here", "OUT/train"]),
    "a vocabulary of no texts": ("tokenizer train nowhere.txt -o t.json", 1, ["nowhere.txt: no such file"]),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_a_wrong_command_says_what_is_wrong(world: World, case: str) -> None:
    arguments, code, words = COMMANDS[case]
    (world.folder / "somebody/extract").mkdir(parents=True, exist_ok=True)
    (world.folder / "empty").mkdir(exist_ok=True)
    line = world.fails(*arguments.format(out=world.build).split(), code=code)
    assert all(word in line for word in words), line
    assert not (world.folder / "nowhere").exists()


def test_the_command_itself(world: World) -> None:
    line = ended(start(world.folder, "run", "nowhere.toml")).line()
    assert line.startswith("nowhere.toml: no such recipe")
    shown = ended(start(world.folder, "audit", "nowhere", "--debug"))
    assert shown.code == 1
    assert shown.errors.startswith("Traceback")
    assert shown.errors.splitlines()[-1].startswith("groundup: nowhere: no build")


def test_a_pattern_that_matches_nothing(world: World) -> None:
    recipe = world.write("local.toml", _LOCAL_RECIPE.replace("pages/", "no-pages/"))
    for more in ([], ["--plan"]):
        line = world.fails("run", recipe, "--set", "output=unmatched", *more)
        assert "source 'web': no file matches 'no-pages/*.warc.gz'" in line
        assert f"start at the recipe's folder {world.folder}" in line


def test_an_unreachable_mirror(world: World) -> None:
    line = ended(world.unreachable).line()
    assert re.search(r"2 of 2 tasks failed: http://127\.0\.0\.1:\d+: cannot be reached", line)
    assert "run the same command again" in line
    reached = [f"--set=sources.{name}.mirror={world.mirror.url}" for name in ("web", "wiki")]
    world.succeeds("run", "unreachable.toml", *reached)
    assert differing(world.build, world.folder / "unreached") == []


# Sizes at which the folder is full in different stages; the last one is enough.
_DISK_SIZES = {"200k": 1, "800k": 2, "1400k": 1, "64m": 1}  # and with how many workers the run is
_FILL = """
set -e
mount -t tmpfs -o size=4k tmpfs {out}
for run in {runs}; do
  size=${{run%:*}}
  mount -o remount,size=$size tmpfs {out}
  code=0
  {python} -m groundup run base.toml --set output={out} --workers ${{run#*:}} >/dev/null 2>{logs}/$size.txt || code=$?
  echo $code >{logs}/$size.code
  find {out} -name manifest.json | wc -l >{logs}/$size.done
done
cp -a {out} {logs}/copy
"""


def test_a_full_disk(world: World, tmp_path: Path) -> None:
    unshare = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    out, logs = tmp_path / "out", tmp_path / "logs"
    out.mkdir()
    logs.mkdir()
    probe = subprocess.run([*unshare, "mount", "-t", "tmpfs", "tmpfs", out], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {probe.stderr.decode().strip()}")
    runs = " ".join(f"{size}:{workers}" for size, workers in _DISK_SIZES.items())
    script = _FILL.format(out=out, logs=logs, runs=runs, python=sys.executable)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([*unshare, "sh", "-c", script], cwd=world.folder, env=environment, check=True, timeout=300)
    codes = {size: int((logs / f"{size}.code").read_text()) for size in _DISK_SIZES}
    assert codes.pop("64m") == 0, (logs / "64m.txt").read_text()
    assert set(codes.values()) == {1}, codes
    num_full = 0
    for size in codes:
        errors = (logs / f"{size}.txt").read_text()
        (line,) = errors.splitlines()
        assert line.startswith("groundup: "), errors
        assert f"{out}/" in line, errors
        known_before = "to download, and its disk has" in line and "Free space, take fewer files" in line
        assert known_before or "the disk is full. Free some space and run the same command again" in line, errors
        num_full += not known_before
    assert num_full >= 2  # what is seen only while writing, after the downloads that could be reckoned before
    done = [int((logs / f"{size}.done").read_text()) for size in _DISK_SIZES]
    assert done == sorted(done)  # what was finished stays
    assert len(set(done)) >= 3
    assert differing(world.build, logs / "copy") == []
    assert not list((logs / "copy").rglob("*.unpublished"))


def test_a_truncated_warc(world: World) -> None:
    whole = sorted((world.folder / "mirror").rglob("*.warc.gz"))[0].read_bytes()
    page = world.folder / "pages" / "pages.warc.gz"
    page.parent.mkdir()
    recipe = world.write("truncated.toml", _LOCAL_RECIPE)
    page.write_bytes(whole)
    world.succeeds("run", recipe, "--until", "extract", "--set", "output=whole")
    page.write_bytes(whole[: len(whole) // 2])
    for _ in range(2):  # the next run does not pass over it either
        line = world.fails("run", recipe, "--until", "filter")
        assert "pages/pages.warc.gz: at byte " in line
        assert "replace the file" in line
        assert "--set extract.damaged=drop" in line
    complete, half = (
        Build(str(world.folder / name)).manifest("extract").counts.sources["web"] for name in ("whole", "local")
    )
    assert half.dropped["truncated_record"] == 1
    assert 0 < half.documents_out < complete.documents_out
    world.succeeds("run", recipe, "--until", "extract", "--set", "extract.damaged=drop")
    page.write_bytes(whole)
    world.succeeds("run", recipe, "--until", "extract")
    assert differing(world.folder / "whole", world.folder / "local") == []


def test_a_corrupted_shard(world: World, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(world.build, copy)
    name = "shards/train/shard-00000.bin"
    shard = copy / name
    ids = np.fromfile(shard, dtype="<u2")
    ids[:64] |= 0x8000  # ids that the vocabulary does not have
    shard.write_bytes(ids.tobytes())
    audit = world.run("audit", copy)
    assert audit.code == 1
    assert f"{name}: its sha256 is not the manifest's: the file was changed or damaged" in audit.errors
    assert "FAILED, 1 problem" in audit.printed
    train = ["train", "base.toml", "--set", f"output={copy}"]
    trained = world.run(*train)  # it says what model and device it trains with before it reads
    assert trained.code == 1
    assert "Traceback" not in trained.errors
    last = trained.errors.splitlines()[-1]
    assert f"groundup: {shard}: corrupted: token 0 has id " in last
    assert "Delete the shards folder" in last

    shard.write_bytes(shard.read_bytes()[:-100])
    assert f"{shard}: {2 * len(ids) - 100} bytes long, not {2 * len(ids)}" in world.fails(*train)
    shutil.rmtree(copy / "train")
    assert "shards     built" in world.succeeds("run", "base.toml", "--set", f"output={copy}")
    assert differing(world.build, copy) == []


def test_a_checkpoint_of_another_model(world: World, tmp_path: Path) -> None:
    train = ["train", "base.toml", "--until-step", "1", "--run"]
    world.succeeds(*train, tmp_path / "run")
    world.succeeds(*train, tmp_path / "wide", "--set", "model.width=32")
    checkpoint = Path("checkpoints") / "step-00000001"
    shutil.rmtree(tmp_path / "run" / checkpoint)
    shutil.copytree(tmp_path / "wide" / checkpoint, tmp_path / "run" / checkpoint)
    before = build_digests(tmp_path / "run")
    line = world.fails("train", "base.toml", "--run", tmp_path / "run")
    assert f"{tmp_path / 'run' / checkpoint}: does not match its model: width is 32 in the checkpoint and 64" in line
    assert "--restart" in line
    line = world.fails("train", "base.toml", "--run", tmp_path / "wide")
    assert "holds a run of another configuration (model.width 32 -> 64)" in line
    assert build_digests(tmp_path / "run") == before

    # Weights that do not fit the checkpoint's own description of its model.
    state = tmp_path / "wide" / checkpoint / "state.json"
    described = json.loads(state.read_text())
    described["model_config"]["num_layers"] = 2
    state.write_text(json.dumps(described))
    line = world.fails("generate", tmp_path / "wide")
    assert "does not match its model: only the model has the tensor" in line


def test_two_runs_at_once(world: World) -> None:
    with (world.build / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        line = world.fails("run", "base.toml")
    assert "build: another groundup run is writing here. Wait for it, or stop it." in line
    world.succeeds("run", "base.toml")


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_run_goes_on(world: World, tmp_path: Path, workers: int) -> None:
    run = ["run", "base.toml", "--workers", str(workers), "--set", f"output={tmp_path / 'out'}"]
    for _ in range(5):
        process = start(world.folder, *run)
        while process.poll() is None and not (tmp_path / "out" / "extract").exists():
            time.sleep(0.01)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGSTOP)  # it cannot end while it is looked whether it is under way
            if not (tmp_path / "out/filter/manifest.json").exists():
                break
            os.killpg(process.pid, signal.SIGKILL)
        assert ended(process).code in (0, -signal.SIGKILL)
        shutil.rmtree(tmp_path / "out")  # this machine was busy with other things: once more
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does on Ctrl-C: to the workers, too
    os.killpg(process.pid, signal.SIGCONT)
    assert "interrupted. What was finished is kept; the same command goes on" in ended(process).line(code=130)
    assert not (tmp_path / "out/shards/manifest.json").exists()
    world.succeeds("run", "base.toml", "--set", f"output={tmp_path / 'out'}")
    assert differing(world.build, tmp_path / "out") == []


def test_stages_after_until_that_are_out_of_date_are_named(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.build, tmp_path / "out")
    until = ["run", "base.toml", "--until", "filter", "--set", f"output={tmp_path / 'out'}"]
    assert "was there before" not in world.succeeds(*until)
    said = world.succeeds(*until, "--set", "filter.gopher_quality.min_words=60")
    assert "dedup, tokenizer, shards: built from what was there before. Run without --until to renew them." in said
    assert "dedup/manifest.json: was built from another filter/part-web-00000.parquet than is here. Run the recipe" in (
        world.run("audit", tmp_path / "out").errors
    )


def test_every_document_filtered_away(world: World, tmp_path: Path) -> None:
    nothing = ["--set", "filter.language_threshold=1.0", "--set", f"output={tmp_path / 'out'}"]
    line = world.fails("run", "base.toml", *nothing)
    assert "150 of 150 documents" in line
    assert f"groundup drops {tmp_path / 'out'} --reason language" in line
    assert "or accept it with --set max_dropped_fraction=1" in line
    line = world.fails("run", "base.toml", *nothing, "--set", "max_dropped_fraction=1")
    assert "no document is left" in line
    assert f"groundup drops {tmp_path / 'out'}" in line
    assert re.search(r"filter +web +language +\d", world.succeeds("drops", tmp_path / "out"))
    world.succeeds("run", "base.toml", "--set", f"output={tmp_path / 'out'}")
    assert differing(world.build, tmp_path / "out") == []


def test_a_validation_split_that_takes_every_document(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.build, tmp_path / "out")
    out = ["--set", f"output={tmp_path / 'out'}"]
    line = world.fails("run", "base.toml", *out, "--set", "shards.validation_fraction=0.99999999")
    assert "shards.validation_fraction 0.99999999 takes every document for validation" in line
    assert "Lower it, or set it to 0 for no validation." in line
    world.succeeds("run", "base.toml", *out)


@pytest.mark.parametrize("name", ["groundup.json", "extract/manifest.json"])
def test_a_damaged_manifest(world: World, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(world.build, copy)
    (copy / name).write_text("{")
    line = world.fails("run", "base.toml", "--set", f"output={copy}")
    assert f"{copy / name}: " in line
    assert "delete" in line
    (copy / name).unlink()
    world.succeeds("run", "base.toml", "--set", f"output={copy}")
    assert differing(world.build, copy) == []
