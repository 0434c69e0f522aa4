"""A stage that is added in a module of its own is planned, run, reused, audited and shown as the others are."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import pipeline.stages.all
from groundup import app
from manifests.audit.audit import audit_build
from manifests.explore.build import Build
from manifests.manifest import Manifest, read_manifest, write_manifest
from manifests.seal import SEAL, stage_seal, write_seal
from manifests.storage import Folder
from pipeline.stages.all import STAGE_CLASSES
from tests.pipeline.stages.added_stage import KEPT, REASON, SampleStage, place

_RECIPE = """
name = "added"
output = "{folder}/out"
[[sources]]
name = "notes"
kind = "files"
paths = ["notes.jsonl"]
format = "jsonl"
[[sources]]
name = "letters"
kind = "files"
paths = ["letters.jsonl"]
format = "jsonl"
[dedup]
keep = "first"
[filter]
languages = []
rules = []
[tokenizer]
vocab_size = 260
[shards]
validation_fraction = 0.2
"""
_SOURCES = ("notes", "letters")
_BEFORE = [stage.name for stage in STAGE_CLASSES]
_STAGES = ["acquire", "extract", "filter", "dedup", "sample", "tokenizer", "shards"]


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def _ids(source: str) -> list[str]:
    return [f"{source}-{number}" for number in range(40)]


def _text(name: str) -> str:
    """Words of a document's own, so that none is like another."""
    return " ".join(hashlib.sha256(f"{name} {number}".encode()).hexdigest()[:7] for number in range(30))


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What commands printed of a build before and after the stage was added between dedup and tokenizer."""
    folder = tmp_path_factory.mktemp("added")
    for source in _SOURCES:
        rows = [{"id": name, "text": _text(name)} for name in _ids(source)]
        rows.append({"id": f"{source}-copy", "text": rows[0]["text"]})  # for dedup to drop
        (folder / f"{source}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = folder / "recipe.toml"
    recipe.write_text(_RECIPE.format(folder=folder))
    found: dict[str, Any] = {"out": folder / "out", "recipe": str(recipe)}
    assert _run("run", str(recipe)).exit_code == 0
    with pytest.MonkeyPatch.context() as patch:
        at = _BEFORE.index("tokenizer")
        patch.setattr(pipeline.stages.all, "STAGE_CLASSES", (*STAGE_CLASSES[:at], SampleStage, *STAGE_CLASSES[at:]))
        for name, options in {
            "plan": ["--plan", "--workers", "8"],
            "until": ["--until", "sample"],
            "no such": ["--until", "samples"],
            "run": [],
            "again": [],
            "plan again": ["--plan"],
        }.items():
            found[name] = _run("run", str(recipe), *options)
            found[f"problems after {name}"] = audit_build(str(folder / "out")).problems
        yield found


def _lines(result: Result) -> dict[str, str]:
    """The lines of a run or a plan that begin with a stage's name, by that name."""
    assert result.exit_code == 0, result.output
    return {words[0]: line for line in result.output.splitlines() if (words := line.split()) and words[0] in _STAGES}


def test_it_is_planned_before_and_after(shown: dict[str, Any]) -> None:
    plan = _lines(shown["plan"])
    assert list(plan) == _STAGES
    assert {stage for stage, line in plan.items() if "reuse: complete" in line} == {
        "acquire",
        "extract",
        "filter",
        "dedup",
    }
    assert "build: not built yet" in plan["sample"]
    assert "build: follows sample" in plan["tokenizer"]
    needs = shown["plan"].output.partition(plan["sample"])[2].splitlines()[1]
    assert "memory about 600.0 MB" in needs  # two workers of the eight
    assert re.search(r"disk about [\d.]+ kB|disk about \d+ bytes", needs)
    assert all("reuse: complete" in line for line in _lines(shown["plan again"]).values())


def test_until_knows_it(shown: dict[str, Any]) -> None:
    until = _lines(shown["until"])
    assert list(until) == _STAGES[: _STAGES.index("sample") + 1]
    assert {stage for stage, line in until.items() if " built " in line} == {"sample"}
    stale = "took the documents of dedup, not those of sample. Run the recipe"
    assert shown["problems after until"] == [f"tokenizer: {stale}", f"shards: {stale}"]
    assert shown["problems after run"] == []
    assert "there are: acquire, extract, filter, dedup, sample, tokenizer, shards" in str(shown["no such"].exception)


def test_the_stages_after_it_read_what_it_keeps(shown: dict[str, Any]) -> None:
    run, again = _lines(shown["run"]), _lines(shown["again"])
    assert {stage for stage, line in run.items() if " built " in line} == {"tokenizer", "shards"}
    assert list(again) == _STAGES
    assert all(" reused " in line for line in again.values())
    build = Build(str(shown["out"]))
    assert list(build.manifests) == _STAGES
    expected = {name for source in _SOURCES for name in _ids(source) if place(name) < KEPT}
    assert 0 < len(expected) < 2 * len(_ids("any"))
    in_shards = {
        row["id"]
        for entry in build.manifest("shards").outputs
        if entry.path.endswith(".index.parquet")
        for table in build.tables(f"shards/{entry.path}")
        for row in table.to_pylist()
    }
    assert in_shards == expected
    assert build.manifest("tokenizer").counts.documents_in == len(expected)
    assert [build.manifests[stage].documents_from for stage in _STAGES] == [
        *(None, None, "extract", "filter", "dedup", "sample", "sample")
    ]


def test_audit_passes_and_follows_its_documents(shown: dict[str, Any]) -> None:
    report = audit_build(str(shown["out"]), deep=True)
    assert report.problems == []
    assert report.checked["manifests"] == len(_STAGES)
    assert report.checked["flows"] == len(_SOURCES) * 5  # each stage but the first two


@pytest.mark.parametrize("part", ["part-notes-00000.parquet", "dropped/part-letters-00000.parquet"])
def test_audit_sees_a_tampered_part_of_it(shown: dict[str, Any], tmp_path: Path, part: str) -> None:
    out = shutil.copytree(shown["out"], tmp_path / "out")
    path = out / "sample" / part
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert [problem.partition(":")[0] for problem in audit_build(str(out)).problems] == [f"sample/{part}"]


def test_audit_sees_documents_that_it_lost(shown: dict[str, Any], tmp_path: Path) -> None:
    """Counts that close and a seal that holds do not hide that fewer documents came in than dedup gave."""
    folder = Folder(shutil.copytree(shown["out"], tmp_path / "out"))
    manifest = read_manifest(folder.folder("sample"))
    assert manifest is not None
    changed = manifest.model_dump()
    notes = changed["counts"]["sources"]["notes"]
    notes["documents_in"] -= 1
    notes["dropped"][REASON] -= 1
    write_manifest(folder.folder("sample"), Manifest.model_validate(changed))
    write_seal(folder, "added", {"sample": stage_seal(folder.folder("sample"))})
    problems = audit_build(folder.url).problems
    assert "dedup -> sample: source notes: 40 documents out, 39 in" in problems
    assert any(problem.startswith("sample: source notes: dropped") for problem in problems)


@pytest.mark.parametrize("stage", ["sample", "shards"])
def test_audit_misses_a_stage_that_the_seal_does_not_name(shown: dict[str, Any], tmp_path: Path, stage: str) -> None:
    out = shutil.copytree(shown["out"], tmp_path / "out")
    seal = json.loads((out / SEAL).read_text())
    seal["stages"].remove(stage)
    del seal["run"][stage]
    (out / SEAL).write_text(json.dumps(seal))
    assert any(problem.startswith(f"{SEAL}: does not list {stage}/") for problem in audit_build(str(out)).problems)


def test_audit_misses_a_stage_of_which_only_its_readers_tell(shown: dict[str, Any], tmp_path: Path) -> None:
    out = shutil.copytree(shown["out"], tmp_path / "out")
    seal = json.loads((out / SEAL).read_text())
    seal["stages"].remove("sample")
    del seal["run"]["sample"]
    (out / SEAL).write_text(json.dumps(seal))
    shutil.rmtree(out / "sample")
    expected = [f"{SEAL}: does not list sample before {reader}, which read it" for reader in ("tokenizer", "shards")]
    assert audit_build(str(out)).problems == expected


def test_audit_knows_the_order_of_stages(shown: dict[str, Any], tmp_path: Path) -> None:
    out = shutil.copytree(shown["out"], tmp_path / "out")
    seal = json.loads((out / SEAL).read_text())
    for left in range(1, len(_STAGES)):
        stages = [*_STAGES[: left - 1], _STAGES[left], _STAGES[left - 1], *_STAGES[left + 1 :]]
        (out / SEAL).write_text(json.dumps({**seal, "stages": stages}))
        expected = f"{SEAL}: does not list {_STAGES[left - 1]} before {_STAGES[left]}, which read it"
        assert expected in audit_build(str(out)).problems


def test_its_drops_are_shown_under_its_name(shown: dict[str, Any]) -> None:
    out = str(shown["out"])
    lost = sorted(name for name in _ids("notes") if place(name) >= KEPT)
    funnel = [line.split() for line in _run("drops", out).output.splitlines()]
    assert [words[3] for words in funnel if words[:3] == ["sample", "notes", REASON]] == [str(len(lost))]
    assert [words[3] for words in funnel if words[:3] == ["sample", "notes", "out"]] == [str(40 - len(lost))]
    examples = json.loads(
        _run("drops", out, "--reason", REASON, "--source", "notes", "--sample", "99", "--json").output
    )
    assert sorted(row["id"] for row in examples["examples"]) == lost
    assert {row["stage"] for row in examples["examples"]} == {"sample"}
    for command in ("trace", "drops"):
        told = _run(command, out, "--doc", lost[0]).output
        assert "kept by   dedup: dedup/part-notes-00000.parquet" in told
        assert f"dropped   sample: {REASON} ({place(lost[0]):.6g})" in told


def test_a_document_that_it_kept_is_followed_to_the_shards(shown: dict[str, Any]) -> None:
    out = str(shown["out"])
    for name in [name for name in _ids("letters") if place(name) < KEPT]:
        told = _run("trace", out, "--doc", name).output
        (address,) = re.findall(r"  tokens +(\S+:\d+) \(", told)
        assert "kept by   sample: sample/part-letters-00000.parquet" in told
        assert f"document  {name}\n" in _run("trace", out, "--token", address).output
    originals = [f"{source}-0" for source in _SOURCES]
    assert any(place(name) < KEPT for name in originals)
    for name in originals:
        assert "copies    1 others were dropped as copies of it" in _run("drops", out, "--doc", name).output


def test_the_report_shows_it(shown: dict[str, Any], tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert _run("report", str(shown["out"]), "--output", str(page)).exit_code == 0
    text = " ".join(re.sub(r"<[^>]*>", " ", page.read_text()).split())
    kept = sum(place(name) < KEPT for name in _ids("notes"))
    assert f" sample notes 40 {kept} {40 - kept} " in text
    assert f" sample notes {REASON} {40 - kept} " in text
