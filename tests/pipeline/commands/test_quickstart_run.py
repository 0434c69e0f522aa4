"""The quickstart's recipe on a part of the small web: from a mirror over HTTP to a trained model and back to pages."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import re
from pathlib import Path

import pytest
from resiliparse.parse.encoding import bytes_to_str

import pipeline.commands.compiling as compiling
import pipeline.commands.quickstart as quickstart
from groundup import _check_training, _complete, _train
from manifests.audit.audit import audit_build
from manifests.explore.build import Build
from manifests.explore.trace import trace_token
from pipeline.extractors.html import extract_main_text
from pipeline.quickstart.mirror import MirrorFacts, build_mirror
from tokenizer.shards.read import ShardSet

_PACKAGES = ("argparse.py", "asyncio", "email", "http", "logging", "multiprocessing", "unittest", "urllib", "xml")
_SMALL = [
    "tokenizer.vocab_size=1024",
    "shards.tokens_per_shard=40_000",
    "filter.gopher_quality.min_alphabetic_word_fraction=0.6",
    "model.num_layers=1",
    "model.width=48",
    "train.max_tokens=40_960",
    "train.validation_tokens=2_048",
]


@pytest.fixture(scope="module")
def printed() -> io.StringIO:
    """What the command prints."""
    return io.StringIO()


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory, printed: io.StringIO) -> str:
    """The command itself, with the documentation of fewer packages, a smaller model, and a compiler that fails."""

    def small_mirror(folder: Path) -> MirrorFacts:
        library = Path(os.__file__).parent
        return build_mirror(folder, num_records_per_warc=40, packages=[library / name for name in _PACKAGES])

    folder = str(tmp_path_factory.mktemp("quickstart") / "build")
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(quickstart, "build_mirror", small_mirror)
        patch.setattr(compiling, "_COMPILERS", {"pipeline.nowhere": None})
        patch.setattr(quickstart, "num_idle_cores", lambda: 1)
        quickstart.run_quickstart(folder, 1, _SMALL, _train, _complete, _check_training)
    return folder


def _folded(text: str) -> str:
    """Text without white space and without the citation marks that C4's rules remove."""
    return re.sub(r"\s|\[\d*\]|\[edit\]|\[citation needed\]", "", text)


def test_every_stage_and_the_run_are_there(output: str) -> None:
    assert set(Build(output).manifests) == {"acquire", "extract", "filter", "dedup", "tokenizer", "shards"}
    for name in ("report.html", "train/manifest.json", "train/metrics.jsonl", "train/samples.txt"):
        assert Path(output, name).exists(), name


def test_a_compiler_that_fails_is_told_and_does_no_harm(output: str, printed: io.StringIO) -> None:
    lines = printed.getvalue()
    assert "compiling what extract and filter need, once on this machine" in lines
    assert "the compiler failed; the stages will compile for themselves" in lines
    assert "] done\n" in lines


def test_the_validation_loss_falls(output: str) -> None:
    facts = Build(output).folder.folder("train").read_text("manifest.json")
    learned = json.loads(facts)["facts"]
    assert learned["validation_loss"] < learned["first_validation_loss"] - 0.2


def test_a_second_run_with_another_port_reuses_everything(output: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in Path(output).rglob("part-*.parquet")}
    assert before
    from pipeline.build import run_build
    from pipeline.recipe import load_recipe

    overrides = [f"output={output}", *(item for item in _SMALL if not item.startswith(("model", "train")))]
    mirrors = [f"sources.{name}.mirror=http://127.0.0.1:9" for name in ("web", "wiki")]
    assert run_build(load_recipe(quickstart.RECIPE, [*overrides, *mirrors])).rebuilt == []
    assert {path: path.stat().st_mtime_ns for path in Path(output).rglob("part-*.parquet")} == before


def test_a_thousand_tokens_lead_to_the_pages_they_came_from(output: str) -> None:
    build = Build(output)
    shards = ShardSet.open(f"{output}/shards")
    choose = random.Random(1)
    formats = set()
    records: dict[str, str] = {}
    for _ in range(1_000):
        shard, position = shards.locate(choose.randrange(shards.num_tokens))
        trace = trace_token(build, f"{shard.removesuffix('.bin')}:{position}")
        formats.add(trace.format)
        if trace.id not in records:
            record = trace.read_record()
            if trace.format == "warc":
                assert f"WARC-Record-ID: <{trace.id}>".encode() in record
                html = record.split(b"\r\n\r\n", 2)[2]
                records[trace.id] = _folded(extract_main_text(bytes_to_str(html, "utf-8")))
            else:
                records[trace.id] = record.decode()
        if trace.format == "warc":  # the filter may have taken lines and marks out, and put nothing in
            lines = [_folded(line) for line in trace.text.splitlines() if line.strip()]
            assert lines
            assert all(line in records[trace.id] for line in lines), trace.id
        else:
            page, revision = trace.id.split("/")[1:]
            assert f"<id>{page}</id>" in records[trace.id]
            assert f"<id>{revision}</id>" in records[trace.id]
    assert "warc" in formats


def test_the_audit_passes(output: str) -> None:
    report = audit_build(output, deep=True)
    assert report.problems == []
    assert report.notes == []
