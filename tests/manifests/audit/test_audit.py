"""What audit compares: a record with its document, and a report with its own digest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from manifests.audit.audit import audit_build
from manifests.audit.provenance import _check_record, _mismatch, _sha1
from manifests.errors import UserError
from manifests.explore.build import RawEntry
from manifests.report.report import digest_line
from manifests.seal import unseal
from manifests.storage import Folder
from pipeline.build import run_build
from pipeline.recipe import load_recipe
from pipeline.stages.all import STAGE_CLASSES
from tests.signal_builds import run_command

STAGES = [stage.name for stage in STAGE_CLASSES]
_HTTP = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>body</p>"
_WARC = b"WARC/1.0\r\nWARC-Record-ID: <urn:uuid:a>\r\nContent-Length: %d\r\n\r\n%s\r\n\r\n" % (len(_HTTP), _HTTP)


def test_of_a_repeated_field_the_first_counts() -> None:
    record = _WARC.replace(b"<urn:uuid:a>\r\n", b"<urn:uuid:a>\r\nWARC-Record-ID: <urn:uuid:b>\r\n")
    row = {"id": "urn:uuid:a", "digest": None}
    assert _mismatch(row, "warc", record, {}) is None
    assert _mismatch(row | {"id": "urn:uuid:b"}, "warc", record, {}) == "has another WARC-Record-ID"


def test_a_warc_record_is_known_by_its_payload() -> None:
    row = {"id": "urn:uuid:a", "digest": _sha1(b"<p>body</p>")}
    assert _mismatch(row, "warc", _WARC, {}) is None
    assert _mismatch(row, "warc", _WARC.replace(b"body", b"bodx"), {}) == "has another payload digest"
    assert _mismatch({**row, "id": "urn:uuid:b"}, "warc", _WARC, {}) == "has another WARC-Record-ID"


@pytest.mark.parametrize(
    ("line", "wrong"),
    [(b'{"id": 1, "text": "t"}', None), (b'{"id": 2, "text": "t"}', "has another id"), (b'{"id": 1', "is not JSON")],
)
def test_a_json_line_is_known_by_its_id(line: bytes, wrong: str | None) -> None:
    assert _mismatch({"id": "1", "digest": None}, "jsonl", line, {}) == wrong


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ("1;t", None),
        ("2;t", "has another id"),
        (";t", None),
        ("1; ", "has no text"),
        ("1;u", "has another digest"),
        ("1;t;x", "is no row of the file"),
        ("1;t\n2;u", "is no row of the file"),
        ('1;"t', "is no row of the file"),
    ],
)
def test_a_csv_row_is_known_by_its_id(row: str, wrong: str | None, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"id;body\n{row}\n")
    raw = RawEntry("k", "s", "csv", None, 0, "", None, str(path), False, {"text": "body"})
    document = {"id": "1", "source": "s", "file": "k", "offset": 8, "length": len(row) + 1, "digest": _sha1(b"t")}
    problems: list[str] = []
    _check_record(document, raw, "part", problems, set())
    assert problems == ([] if wrong is None else [f"part: 1: the record at byte 8 of k {wrong}"])


def test_digest_line_follows_the_page() -> None:
    assert digest_line(b"a") != digest_line(b"b")


# Builds of which only some stages are there

_RECIPE = """
name = "small"
output = "{folder}/out"
[[sources]]
name = "notes"
kind = "files"
paths = ["notes.jsonl"]
format = "jsonl"
[filter]
languages = []
rules = []
[tokenizer]
vocab_size = 260
"""


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A copy of the build after each stage."""
    folder = tmp_path_factory.mktemp("until")
    notes = [{"id": str(n), "text": f"Note {n}: the bridge was closed on day {n * n} of the year."} for n in range(40)]
    (folder / "notes.jsonl").write_text("".join(json.dumps(note) + "\n" for note in notes))
    (folder / "recipe.toml").write_text(_RECIPE.format(folder=folder))
    recipe = load_recipe(folder / "recipe.toml")
    found = {}
    for stage in STAGES:
        run_build(recipe, until=stage)
        found[stage] = folder / stage
        shutil.copytree(folder / "out", found[stage])
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_a_build_until_a_stage_passes(builds: dict[str, Path], stage: str) -> None:
    rest = list(STAGES[STAGES.index(stage) + 1 :])
    report = audit_build(str(builds[stage]), deep=True)
    assert report.problems == []
    assert report.not_built == rest
    assert report.checked["manifests"] == len(STAGES) - len(rest)
    shown = run_command("audit", str(builds[stage]))
    assert shown.exit_code == 0
    assert (f"  not built yet: {', '.join(rest)}\n" in shown.output) == bool(rest)
    assert json.loads(run_command("audit", str(builds[stage]), "--json").output)["not_built"] == rest


@pytest.mark.parametrize("until", STAGES)
def test_a_stage_that_was_lost_is_no_stage_that_was_not_built(
    builds: dict[str, Path], until: str, tmp_path: Path
) -> None:
    for stage in STAGES[: STAGES.index(until) + 1]:
        for kind in ("folder", "manifest", "interrupted", "unsealed folder"):
            out = tmp_path / f"{stage} {kind}"
            shutil.copytree(builds[until], out)
            if kind in ("interrupted", "unsealed folder"):
                unseal(Folder(str(out)), stage)
            if kind in ("manifest", "interrupted"):
                (out / stage / "manifest.json").unlink()
            else:
                shutil.rmtree(out / stage)
            if kind == "unsealed folder" and stage == until:
                continue  # nothing is left that says it ever was
            report = audit_build(str(out))
            said = {
                "interrupted": "begun and not complete" if stage == until else "which follows it",
                "unsealed folder": "which follows it",
            }.get(kind, "missing, though groundup.json says")
            assert not report.passed
            if until == "acquire" and kind == "interrupted":
                continue  # these files are read in place, so it left nothing: no stage was built
            assert stage not in report.not_built
            assert any(problem.startswith(stage) and said in problem for problem in report.problems), report.problems


def test_a_build_of_which_nothing_is_there_fails(builds: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(builds["acquire"], tmp_path / "out")
    unseal(Folder(str(tmp_path / "out")), "acquire")
    shutil.rmtree(tmp_path / "out" / "acquire")
    assert audit_build(str(tmp_path / "out")).problems == ["no stage was built yet. Run the recipe"]


# Builds that were changed


def _change(build: Path, name: str, change: Callable[[Any], Any]) -> None:
    data = json.loads((build / name).read_text())
    (build / name).write_text(json.dumps(change(data)))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("shards/manifest.json", lambda data: {**data, "facts": {}}),
        ("acquire/manifest.json", lambda data: {**data, "facts": {"files": [{}]}}),
        ("extract/manifest.json", lambda data: {**data, "facts": {"damaged": 5}}),
        ("filter/manifest.json", lambda data: {**data, "facts": []}),
        ("dedup/manifest.json", lambda data: {**data, "documents_from": "none"}),
        ("groundup.json", lambda data: {**data, "run": {"extract": "sealed"}}),
        ("groundup.json", lambda data: {**data, "run": []}),
        ("groundup.json", lambda data: {**data, "stages": "extract"}),
        ("groundup.json", lambda data: {**data, "stages": ["../elsewhere"]}),
        ("groundup.json", lambda data: {**data, "stages": [data["stages"][0], *data["stages"]]}),
        ("groundup.json", lambda data: {**data, "more": 1}),
        ("groundup.json", lambda data: []),
    ],
)
def test_whatever_was_changed_is_told_in_one_line(
    builds: dict[str, Path], tmp_path: Path, name: str, change: Callable[[Any], Any]
) -> None:
    """No command that reads a build fails of what somebody else wrote into its manifests."""
    build = tmp_path / "build"
    shutil.copytree(builds["shards"], build)
    _change(build, name, change)
    for command in (["audit", build], ["drops", build], ["trace", build, "--doc", "3"], ["report", build]):
        shown = run_command(*map(str, command))
        assert shown.exit_code == 1
        assert isinstance(shown.exception, UserError | SystemExit), shown.exception
        assert name in f"{shown.exception} {shown.output}"


@pytest.mark.parametrize("content", [b"PAR1", b"", b"PAR1" + bytes(40) + b"PAR1"])
@pytest.mark.parametrize("name", ["shards/train/shard-00000.index.parquet", "dedup/part-notes-00000.parquet"])
def test_a_damaged_file_is_named(builds: dict[str, Path], tmp_path: Path, name: str, content: bytes) -> None:
    build = tmp_path / "build"
    shutil.copytree(builds["shards"], build)
    (build / name).write_bytes(content)
    assert not audit_build(str(build)).passed
    for command in (["trace", build, "--token", "shard-00000:5"], ["report", build]):
        shown = run_command(*map(str, command))
        assert shown.exit_code == 0 or name in str(shown.exception)
        assert shown.exception is None or isinstance(shown.exception, UserError | SystemExit)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"step": 1, "loss": 2.5}\n{"step": 2, "lo', None),
        (b'{"step": 1}\n', None),
        (b'{"step": 1, "loss": "low"}\n', "not the metrics of a run"),
        (b'{"loss": 1.0}\n', "not the metrics of a run"),
        (b"x\n{}\n", "not the metrics of a run"),
        (b"\xff\xfe\n", "not UTF-8"),
    ],
)
def test_metrics_in_a_report(builds: dict[str, Path], tmp_path: Path, content: bytes, said: str | None) -> None:
    build = tmp_path / "build"
    shutil.copytree(builds["shards"], build)
    (build / "train").mkdir()
    (build / "train" / "metrics.jsonl").write_bytes(content)
    shown = run_command("report", str(build))
    assert shown.exit_code == (1 if said else 0)
    assert said is None or f"metrics.jsonl: {said}" in str(shown.exception)
