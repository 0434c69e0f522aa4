"""`groundup drops` against a build's files, read here row by row: what became of a page, examples, the funnel."""

from __future__ import annotations

import json
import math
import os
import re
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import fsspec
import pytest
from typer.testing import CliRunner

import groundup
from manifests.errors import UsageError, UserError
from manifests.explore.build import Build
from manifests.explore.funnel import funnel, funnel_lines, reason_table
from manifests.explore.journeys import number_text
from manifests.explore.samples import find_drops
from manifests.explore.sightings import Journey, find_journeys, near_urls
from manifests.explore.sql import Tables
from manifests.explore.trace import trace_document
from manifests.explore.what_if import what_if
from tests.signal_builds import copy_build, rows_of, run_command

_REASON = "gopher_too_few_words"
_KEY = "gopher_quality.min_words"
_STAGES = ("extract", "filter", "dedup")


def _journeys(build: Build, column: str, value: str) -> list[Journey]:
    with Tables(build) as tables:
        return find_journeys(build, tables, column, value)


# A page and a document


def test_a_document_is_followed_through_every_stage(build: Build) -> None:
    expected: dict[str, list[tuple[Any, ...]]] = {}
    for stage in _STAGES:
        for dropped in (False, True):
            for row in rows_of(build, stage, dropped):
                place = (stage, not dropped, row["part"], row["row"], row.get("reason"))
                expected.setdefault(row["id"], []).append(place)
    outcomes = {places[-1][0::4]: id for id, places in reversed(expected.items())}
    assert {("filter", _REASON), ("dedup", None), ("dedup", "exact_duplicate")} <= set(outcomes)
    for id in outcomes.values():
        (journey,) = _journeys(build, "id", id)
        found = [(s.stage, s.kept, s.part, s.row, s.document.get("reason")) for s in journey.sightings]
        assert found == expected[id]


def test_a_kept_document_is_where_the_shards_say(build: Build) -> None:
    splits = set()
    for entry in build.manifest("shards").outputs:
        if not entry.path.endswith(".index.parquet"):
            continue
        for row in [row for table in build.tables(f"shards/{entry.path}") for row in table.to_pylist()][:2]:
            (journey,) = _journeys(build, "id", row["id"])
            shard = entry.path.removesuffix(".index.parquet")
            assert journey.places == [{"shard": shard, **{key: row[key] for key in ("start", "length", "copy")}}]
            splits.add(shard.partition("/")[0])
    assert splits == {"train", "validation"}


def test_the_kept_one_of_a_cluster_counts_its_copies(build: Build) -> None:
    drop = next(row for row in rows_of(build, "dedup", True) if row["reason"] == "exact_duplicate")
    (copy,) = _journeys(build, "id", drop["id"])
    assert copy.last.document["duplicate_of"] == drop["duplicate_of"]
    (kept,) = _journeys(build, "id", drop["duplicate_of"])
    copies = [row for row in rows_of(build, "dedup", True) if row["duplicate_of"] == drop["duplicate_of"]]
    assert kept.copies == len(copies) > 0
    output = run_command("drops", build.url, "--url", drop["url"]).output
    assert f"copy of   {drop['duplicate_of']}, equal but for white space" in output


def test_a_url_of_several_records_shows_all(build: Build) -> None:
    urls = Counter(row["url"] for row in rows_of(build, "extract", False))
    url, number = urls.most_common(1)[0]
    assert number > 1
    assert len(_journeys(build, "url", url)) == number
    answer = run_command("drops", build.url, "--url", url)
    assert answer.exit_code == 0
    assert answer.output.startswith(f"{number} documents have this url")
    assert len(json.loads(run_command("drops", build.url, "--url", url, "--json").output)["documents"]) == number


def test_the_value_stands_beside_the_threshold_of_its_source(build: Build) -> None:
    for source, threshold in (("library", 40), ("short", 20)):
        drop = next(r for r in rows_of(build, "filter", True) if r["source"] == source and r["reason"] == _REASON)
        answer = run_command("drops", build.url, "--doc", drop["id"]).output
        assert f"{_REASON} ({drop['value']:.6g}; {_KEY} is {threshold})" in answer


def test_a_url_that_is_nowhere_names_those_near_it(build: Build) -> None:
    url = next(row["url"] for row in rows_of(build, "extract", False))
    with Tables(build) as tables:
        near = near_urls(build, tables, url + "l")
        assert near[0] == url
        assert all("//docs.example/" in found for found in near)
        assert near_urls(build, tables, "https://docs.example.org/argparse") == []
    with pytest.raises(UserError, match=re.escape(url)):
        list(trace_document(build, "url", url + "l"))
    answer = run_command("drops", build.url, "--url", url + "l", "--json")
    assert answer.exit_code == 1
    assert json.loads(answer.output)["near"] == near


@pytest.mark.parametrize("command", ["drops", "trace"])
def test_an_id_given_as_url_and_a_url_given_as_id_name_the_right_option(build: Build, command: str) -> None:
    row = next(row for row in rows_of(build, "extract", False) if row["url"] and row["id"] != row["url"])
    for value, option, right in ((row["id"], "--url", "id: use --doc."), (row["url"], "--doc", "url: use --url.")):
        with pytest.raises(UserError, match=rf"{re.escape(repr(value))} was ever read\. A document has this {right}"):
            CliRunner().invoke(
                groundup.make_app(), [command, build.url, option, value], catch_exceptions=False, standalone_mode=False
            )


@pytest.mark.parametrize("value", ["' OR 1=1 --", '"', "$p0", "%", "", "https://docs.example/'; DROP TABLE x"])
def test_what_a_user_types_is_only_a_value(build: Build, value: str) -> None:
    with Tables(build) as tables:
        assert find_journeys(build, tables, "url", value) == []
        assert isinstance(near_urls(build, tables, value), list)
    with pytest.raises(UserError, match="nothing was dropped for"):
        list(find_drops(build, value, 3))
    with pytest.raises(UserError):
        what_if(build, [f"{value}=3"])


# Examples


def test_samples_are_drawn_from_all_parts(build: Build) -> None:
    dropped = [row for row in rows_of(build, "filter", True) if row["reason"] == _REASON]
    addresses = [(row["part"], row["row"]) for row in dropped]

    def drawn(most: int, **how: Any) -> list[tuple[str, int]]:
        found = list(find_drops(build, _REASON, most, **how))
        assert all(stage == "filter" and row["reason"] == _REASON for stage, row in found)
        return [(row["part"], row["row"]) for _, row in found]

    assert drawn(10_000) == addresses
    assert drawn(20) == drawn(20)
    assert drawn(20) != drawn(20, seed=1)
    assert len(set(drawn(20))) == 20
    assert drawn(20) != addresses[:20]
    assert {part for part, _ in drawn(40)} == {part for part, _ in addresses}
    assert {part for part, _ in drawn(5, source="short")} == {"filter/dropped/part-short-00000.parquet"}
    texts = {(row["part"], row["row"]): row["text"] for row in dropped}
    assert all(row["text"] == texts[row["part"], row["row"]] for _, row in find_drops(build, _REASON, 5))


def test_samples_of_nothing_are_refused(build: Build) -> None:
    with pytest.raises(UserError, match=f"'taste'.*{_REASON}"):
        list(find_drops(build, "taste", 3))
    with pytest.raises(UserError, match="Sources: library, short"):
        list(find_drops(build, _REASON, 3, source="nobody"))


# Wherever the build is


@pytest.mark.parametrize("where", ["memory", "odd"])
def test_every_question_is_answered_anywhere(build: Build, tmp_path: Path, where: str) -> None:
    if where == "memory":
        url = f"memory://{uuid.uuid4()}/out"
        fsspec.filesystem("memory").put(str(build.folder.root), url.removeprefix("memory:/"), recursive=True)
    else:
        url = copy_build(build, tmp_path / "o[u]t *?$p0'").url
    kept = rows_of(build, "dedup", False)[3]
    for question in (
        ["--url", kept["url"]],
        ["--doc", kept["id"]],
        ["--reason", _REASON, "--sample", "7"],
        ["--reason", _REASON, "--near"],
        ["--what-if", f"{_KEY}=30"],
        [],
    ):
        for form in ([], ["--json"]):
            here, there = (run_command("drops", place, *question, *form) for place in (build.url, url))
            assert there.exit_code == here.exit_code == 0, there.exception
            assert there.output == here.output
            if form:
                json.loads(there.output)


# The funnel


def test_the_funnel_closes(build: Build) -> None:
    steps = funnel(build)
    assert {step.source for step in steps} == {"library", "short"}
    for step in steps:
        assert step.documents_in == step.documents_out + sum(step.dropped.values())
    lines = funnel_lines(build)
    few = {(stage, source, reason): number for stage, source, reason, number in reason_table(build)}
    number = few["filter", "library", _REASON]
    assert [line for line in lines if re.fullmatch(rf"filter +library +{_REASON} +{number:,} +\d+\.\d\d %", line)]
    assert funnel_lines(build.manifest("filter")) == [line for line in lines if line.startswith("filter ")]


def test_the_program_answers_as_the_whole_command_line(
    build: Build, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`groundup drops` starts with the commands that read builds alone."""
    monkeypatch.setattr("sys.argv", ["groundup", "drops", build.url])
    with pytest.raises(SystemExit) as ended:
        groundup.main()
    assert ended.value.code == 0
    assert capsys.readouterr().out.splitlines() == funnel_lines(build)
    assert CliRunner().invoke(groundup.app, ["drops", build.url]).output.splitlines() == funnel_lines(build)


def test_trace_follows_a_page_as_drops_does(build: Build) -> None:
    for row in (rows_of(build, "dedup", False)[0], rows_of(build, "filter", True)[0]):
        drops, trace = (run_command(name, build.url, "--doc", row["id"]).output for name in ("drops", "trace"))
        assert trace.startswith(drops)
        assert f"record    {row['file']} at byte {row['offset']:,}" in trace


def test_one_question_at_a_time(build: Build) -> None:
    refused: tuple[list[str], ...] = (
        ["--near"],
        ["--url", "x", "--doc", "y"],
        ["--source", "library"],
        ["--sample", "3"],
        ["--what-if", f"{_KEY}=30", "--sample", "3"],
        ["--url", "x", "--seed", "1"],
        ["--reason", _REASON, "--near", "--seed", "1"],
    )
    for arguments in refused:
        assert isinstance(run_command("drops", build.url, *arguments).exception, UsageError)


def test_bytes_that_are_no_text_are_refused(build: Build) -> None:
    raw = os.fsdecode(b"\xff")
    for command, option in (("drops", "--url"), ("drops", "--reason"), ("drops", "--what-if"), ("trace", "--doc")):
        with pytest.raises(UsageError, match=f"^{option}: '.udcff' is not valid UTF-8"):
            raise run_command(command, build.url, option, raw).exception


def test_numbers_are_printed_for_people() -> None:
    written = [number_text(value) for value in (2e7, 40.0, 0.0, 0.123456789, 1e300, 1234567.5)]
    assert written == ["20000000", "40", "0", "0.123457", "1e+300", "1.23457e+06"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_are_null(build: Build, monkeypatch: pytest.MonkeyPatch, value: float) -> None:
    rows = [("filter", {"id": "a", "value": value, "inside": [{"score": value}]})]
    monkeypatch.setattr("manifests.explore.cli.find_drops", lambda *_: iter(rows))
    answer = run_command("drops", build.url, "--reason", _REASON, "--json")
    found = json.loads(answer.output, parse_constant=pytest.fail)
    assert found["examples"] == [{"id": "a", "value": None, "inside": [{"score": None}]}]
