"""`groundup drops` against a build's files, read here row by row."""

from __future__ import annotations

import copy
import json
import re
import shutil
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import groundup
import manifests.cli
from manifests.builds import Build
from manifests.drops.funnel import funnel, funnel_lines, reason_table
from manifests.drops.near import near_drops
from manifests.drops.samples import find_drops
from manifests.drops.what_if import what_if
from manifests.errors import UsageError, UserError
from manifests.manifest import write_manifest
from manifests.sightings import Journey, find_journeys, near_urls
from manifests.tables import Tables
from manifests.trace import trace_document
from tests.signal_builds import make_docstrings_build

_REASON = "gopher_too_few_words"
_KEY = "gopher_quality.min_words"
_STAGES = ("extract", "filter", "dedup")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return Build(make_docstrings_build(tmp_path_factory.mktemp("docstrings")))


def _rows(build: Build, stage: str, dropped: bool) -> list[dict[str, Any]]:
    return [
        {**row, "part": part, "row": number}
        for part in build.parts(stage, dropped)
        for number, row in enumerate(row for table in build.tables(part) for row in table.to_pylist())
    ]


def _signals(build: Build) -> list[dict[str, Any]]:
    return [
        {**row, "name": entry.path.rpartition("/")[2]}
        for entry in build.manifest("filter").outputs
        if entry.path.startswith("signals/")
        for table in build.tables(f"filter/{entry.path}")
        for row in table.to_pylist()
    ]


def _journeys(build: Build, column: str, value: str) -> list[Journey]:
    with Tables(build) as tables:
        return find_journeys(build, tables, column, value)


def _copy(build: Build, target: Path) -> Build:
    shutil.copytree(build.folder.root, target)
    return Build(str(target))


def _change_filter(build: Build, **facts: Any) -> Build:
    manifest = build.manifest("filter")
    write_manifest(build.folder.folder("filter"), manifest.model_copy(update={"facts": manifest.facts | facts}))
    return Build(build.url)


def _command(*arguments: str) -> Any:
    app = typer.Typer()
    manifests.cli.register(app)
    return CliRunner().invoke(app, list(arguments))


# A page and a document


def test_a_document_is_followed_through_every_stage(build: Build) -> None:
    expected: dict[str, list[tuple[Any, ...]]] = {}
    for stage in _STAGES:
        for dropped in (False, True):
            for row in _rows(build, stage, dropped):
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
    drop = next(row for row in _rows(build, "dedup", True) if row["reason"] == "exact_duplicate")
    (copy,) = _journeys(build, "id", drop["id"])
    assert copy.last.document["duplicate_of"] == drop["duplicate_of"]
    (kept,) = _journeys(build, "id", drop["duplicate_of"])
    copies = [row for row in _rows(build, "dedup", True) if row["duplicate_of"] == drop["duplicate_of"]]
    assert kept.copies == len(copies) > 0
    assert f"copy of   {drop['duplicate_of']}" in _command("drops", build.url, "--url", drop["url"]).output


def test_a_url_of_several_records_shows_all(build: Build) -> None:
    urls = Counter(row["url"] for row in _rows(build, "extract", False))
    url, number = urls.most_common(1)[0]
    assert number > 1
    assert len(_journeys(build, "url", url)) == number
    answer = _command("drops", build.url, "--url", url)
    assert answer.exit_code == 0
    assert answer.output.startswith(f"{number} documents have this url")
    assert len(json.loads(_command("drops", build.url, "--url", url, "--json").output)["documents"]) == number


def test_the_value_stands_beside_the_threshold_of_its_source(build: Build) -> None:
    for source, threshold in (("library", 40), ("short", 20)):
        drop = next(r for r in _rows(build, "filter", True) if r["source"] == source and r["reason"] == _REASON)
        answer = _command("drops", build.url, "--doc", drop["id"]).output
        assert f"{_REASON} ({drop['value']:.6g}; {_KEY} is {threshold})" in answer


def test_a_url_that_is_nowhere_names_those_near_it(build: Build) -> None:
    url = next(row["url"] for row in _rows(build, "extract", False))
    with Tables(build) as tables:
        near = near_urls(build, tables, url + "l")
        assert near[0] == url
        assert all("//docs.example/" in found for found in near)
        assert near_urls(build, tables, "https://docs.example.org/argparse") == []
    with pytest.raises(UserError, match=re.escape(url)):
        list(trace_document(build, "url", url + "l"))
    answer = _command("drops", build.url, "--url", url + "l", "--json")
    assert answer.exit_code == 1
    assert json.loads(answer.output)["near"] == near


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
    dropped = [row for row in _rows(build, "filter", True) if row["reason"] == _REASON]
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


# Near a threshold


def _limit(row: dict[str, Any]) -> float:
    return 20.0 if row["source"] == "short" else 40.0


def test_near_shows_both_sides_of_the_threshold(build: Build) -> None:
    reasons = [row["reason"] for row in build.manifest("filter").facts["comparisons"]["library"]]
    later = {None, *reasons[reasons.index(_REASON) + 1 :]}
    rows = [row for row in _signals(build) if row["gopher_quality.num_words"] is not None]
    failed = [row for row in rows if row["reason"] == _REASON]
    passed = [row for row in rows if row["reason"] in later]
    assert any(row["reason"] for row in passed)
    found = near_drops(build, _REASON, 12)
    for side, expected in ((True, failed), (False, passed)):
        near = [near for near in found if near.failed == side]
        distances = sorted(abs(row["gopher_quality.num_words"] - _limit(row)) for row in expected)
        assert [one.distance for one in near] == distances[:12]
        by_id = {row["id"]: row for row in expected}
        for one in near:
            start = one.journey.sightings[0]
            row = by_id[start.document["id"]]
            assert one.value == row["gopher_quality.num_words"]
            assert (start.stage, start.kept) == ("filter", row["reason"] is None)
            assert one.journey.last.stage == ("dedup" if start.kept else "filter")
            assert one.text == build.row(start.part, start.row)["text"]
    assert {near.comparison.threshold for near in near_drops(build, _REASON, 5, source="short")} == {20.0}


def test_near_needs_a_threshold(build: Build) -> None:
    with pytest.raises(UserError, match=r"no threshold decides 'exact_duplicate'.*gopher_too_few_words"):
        near_drops(build, "exact_duplicate", 3)
    with pytest.raises(UserError, match="nothing was dropped for 'taste'"):
        near_drops(build, "taste", 3)


def test_near_to_a_reason_that_dropped_nothing(build: Build) -> None:
    assert "language" not in build.manifest("filter").counts.dropped
    found = near_drops(build, "language", 4)
    assert [near.failed for near in found] == [False] * 4
    lowest = sorted(row["language.score"] for row in _signals(build))
    assert [near.value for near in found] == lowest[:4]
    assert _command("drops", build.url, "--reason", "language", "--near").output.startswith("no document failed it")


def test_a_reason_of_several_comparisons_is_near_to_each(build: Build, tmp_path: Path) -> None:
    other, signal = "gopher_few_alphabetic_words", "gopher_quality.alphabetic_word_fraction"
    changed = _copy(build, tmp_path / "out")
    comparisons = copy.deepcopy(build.manifest("filter").facts["comparisons"])
    for row in [*comparisons["library"], *comparisons["short"]]:
        row["reason"] = _REASON if row["reason"] == other else row["reason"]
    for path in (tmp_path / "out/filter/signals").iterdir():
        table = pq.read_table(path)
        reasons = [_REASON if reason == other else reason for reason in table["reason"].to_pylist()]
        at = table.schema.get_field_index("reason")
        pq.write_table(table.set_column(at, table.schema.field(at), pa.array(reasons, pa.string())), path)
    changed = _change_filter(changed, comparisons=comparisons)
    assert all(not effect.moves for effect in what_if(changed, [f"sources.library.filter.{_KEY}=40"]).effects)
    found = near_drops(changed, _REASON, 10_000, source="short")
    rows = [row for row in _signals(build) if row["source"] == "short"]
    for judged, number in ((_REASON, "gopher_quality.num_words"), (other, signal)):
        lane = [near for near in found if near.comparison.signal == number]
        failed = {near.journey.sightings[0].document["id"] for near in lane if near.failed}
        assert failed == {row["id"] for row in rows if row["reason"] == judged}
        order = [row["reason"] for row in build.manifest("filter").facts["comparisons"]["short"]]
        later = {None, *order[order.index(judged) + 1 :]}
        passed = {near.journey.sightings[0].document["id"] for near in lane if not near.failed}
        assert passed == {row["id"] for row in rows if row["reason"] in later and row[number] is not None}


def test_a_language_has_its_own_threshold(build: Build, tmp_path: Path) -> None:
    comparisons = copy.deepcopy(build.manifest("filter").facts["comparisons"])
    language = Counter(row["language"] for row in _signals(build)).most_common(1)[0][0]
    for rows in comparisons.values():
        for row in rows:
            if row["setting"] == _KEY:
                row["by_language"] = {language: row["threshold"]}
                row["threshold"] = 1.0
    with pytest.raises(UserError, match="disagree"):  # others were dropped by the threshold of all
        what_if(_change_filter(_copy(build, tmp_path / "out"), comparisons=comparisons), [f"{_KEY}=1"])
    for rows in comparisons.values():
        for row in rows:
            if row["setting"] == _KEY:
                row["threshold"] = row["by_language"][language]
    changed = _change_filter(Build(str(tmp_path / "out")), comparisons=comparisons)
    here = what_if(changed, [f"{_KEY}=1"]).effects[0]
    expected = [row for row in _signals(build) if row["source"] == "library" and row["reason"] == _REASON]
    assert sum(move.num_documents for move in here.moves) == sum(row["language"] != language for row in expected)
    assert here.notes == [f"{_KEY}: {language} keep their own thresholds"]


# What if


def _decide(row: dict[str, Any], comparisons: list[dict[str, Any]]) -> str | None:
    for rule in comparisons:
        value = row[rule["signal"]]
        if value is not None:
            holds = value >= rule["threshold"] if rule["must_be"] == "at_least" else value <= rule["threshold"]
            if not holds:
                return str(rule["reason"])
    return None


@pytest.fixture(scope="module")
def signals(build: Build) -> list[dict[str, Any]]:
    return _signals(build)


@settings(max_examples=12, deadline=None)
@given(
    words=st.one_of(st.none(), st.integers(0, 90)),
    alphabetic=st.one_of(st.none(), st.floats(0, 1.5)),
    symbols=st.one_of(st.none(), st.floats(0, 0.2)),
    language=st.one_of(st.none(), st.floats(0, 1)),
)
def test_decisions_again_are_those_of_python(
    build: Build,
    signals: list[dict[str, Any]],
    words: int | None,
    alphabetic: float | None,
    symbols: float | None,
    language: float | None,
) -> None:
    asked = {
        "sources.library.filter.gopher_quality.min_words": words,
        "gopher_quality.min_alphabetic_word_fraction": alphabetic,
        "filter.gopher_quality.max_symbol_fraction": symbols,
        "language_threshold": language,
    }
    answer = what_if(build, [f"{key}={value!r}" for key, value in asked.items() if value is not None])
    facts = build.manifest("filter").facts["comparisons"]
    for effect in answer.effects:
        changed = [dict(row) for row in facts[effect.source]]
        for row in changed:
            for key, value in asked.items():
                of_source = not key.startswith("sources.") or effect.source == "library"
                if value is not None and of_source and row["setting"] and key.endswith(row["setting"]):
                    row["threshold"] = value
        rows = [row for row in signals if row["source"] == effect.source]
        moves: Counter[tuple[str | None, str | None]] = Counter()
        sizes: Counter[tuple[str | None, str | None]] = Counter()
        for row in rows:
            after = _decide(row, changed)
            if after != row["reason"]:
                moves[row["reason"], after] += 1
                sizes[row["reason"], after] += row["num_bytes"]
        assert {(move.before, move.after): move.num_documents for move in effect.moves} == moves
        assert {(move.before, move.after): move.num_bytes for move in effect.moves} == sizes
        assert effect.kept_now == sum(row["reason"] is None for row in rows)
        assert effect.kept_then == sum(_decide(row, changed) is None for row in rows)
        moved = sum(size * ((after is None) - (before is None)) for (before, after), size in sizes.items())
        assert effect.tokens == round(moved / effect.bytes_per_token)


def test_a_source_with_its_own_setting_stays_as_it_is(build: Build) -> None:
    library, short = what_if(build, [f"{_KEY}=5"]).effects
    assert library.come_back > 0
    assert library.notes == []
    assert short.moves == []
    assert f"sources.short.filter.{_KEY}=5" in short.notes[0]
    library, short = what_if(build, [f"sources.short.filter.{_KEY}=5"]).effects
    assert library.moves == []
    assert short.come_back > 0


def test_tokens_are_estimated_from_the_shards(build: Build, tmp_path: Path) -> None:
    index = [
        row
        for entry in build.manifest("shards").outputs
        if entry.path.endswith(".index.parquet")
        for table in build.tables(f"shards/{entry.path}")
        for row in table.to_pylist()
        if row["source"] == "library"
    ]
    answer = what_if(build, [f"{_KEY}=5"])
    assert answer.measured
    rate = sum(row["num_bytes"] for row in index) / sum(row["length"] for row in index)
    assert answer.effects[0].bytes_per_token == rate
    unfinished = _copy(build, tmp_path / "out")
    shutil.rmtree(tmp_path / "out/shards")
    answer = what_if(Build(unfinished.url), [f"{_KEY}=5"])
    assert not answer.measured
    assert {effect.bytes_per_token for effect in answer.effects} == {4.0}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("languages=['en']", "needs a rerun: groundup run RECIPE --until filter --set filter.languages="),
        ("languages=3", "needs a rerun"),
        ("gopher_quality.stop_words.de=3", "needs a rerun"),
        ("rules=[]", "needs a rerun"),
        ("filter.fineweb.short_line_length=20", "needs a rerun"),
        ("gopher_quality.min_words=true", "only a number"),
        ("gopher_quality.min_words=many", "only a number"),
        ("gopher_quality.min_words=nan", "only a number"),
        ("gopher_quality.min_word=3", "did you mean 'gopher_quality.min_words'"),
        ("sources.nobody.filter.gopher_quality.min_words=3", "Sources: library, short"),
        ("gopher_quality.min_words", "write it as key=value"),
        ("min_words=3", "did you mean|Settings that decided here"),
    ],
)
def test_what_signals_cannot_answer_is_refused(build: Build, asked: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        what_if(build, [asked])


def test_signals_that_disagree_with_the_decisions_are_refused(build: Build, tmp_path: Path) -> None:
    changed = _copy(build, tmp_path / "out")
    path = tmp_path / "out/filter/signals/part-library-00001.parquet"
    table = pq.read_table(path)
    at = table.schema.get_field_index("gopher_quality.num_words")
    values = table.column(at).to_pylist()
    first = table["reason"].to_pylist().index(_REASON)
    values[first] = 41.0
    pq.write_table(table.set_column(at, table.schema.field(at), pa.array(values)), path)
    with pytest.raises(UserError, match=f"'library' disagree: 1 documents are dropped for {_REASON}, but by .* audit"):
        what_if(changed, [f"{_KEY}=30"])


def test_a_column_that_is_not_there_is_refused(build: Build, tmp_path: Path) -> None:
    comparisons = copy.deepcopy(build.manifest("filter").facts["comparisons"])
    comparisons["library"][0]["signal"] = 'x" OR "y'
    changed = _change_filter(_copy(build, tmp_path / "out"), comparisons=comparisons)
    with pytest.raises(UserError, match="has no column 'x\" OR \"y'"):
        what_if(changed, [f"{_KEY}=30"])


def test_a_build_without_signals_says_what_to_do(build: Build, tmp_path: Path) -> None:
    old = _copy(build, tmp_path / "out")
    manifest = old.manifest("filter")
    facts = {name: fact for name, fact in manifest.facts.items() if name != "comparisons"}
    write_manifest(old.folder.folder("filter"), manifest.model_copy(update={"facts": facts}))
    for arguments in (["--what-if", f"{_KEY}=30"], ["--reason", _REASON, "--near"]):
        problem = _command("drops", old.url, *arguments).exception
        assert isinstance(problem, UserError)
        assert "groundup run RECIPE --until filter" in str(problem)
    assert _command("drops", old.url, "--reason", _REASON).exit_code == 0


# Wherever the build is


@pytest.mark.parametrize("where", ["memory", "odd"])
def test_every_question_is_answered_anywhere(build: Build, tmp_path: Path, where: str) -> None:
    if where == "memory":
        url = f"memory://{uuid.uuid4()}/out"
        fsspec.filesystem("memory").put(str(build.folder.root), url.removeprefix("memory:/"), recursive=True)
    else:
        url = _copy(build, tmp_path / "o[u]t *?$p0'").url
    kept = _rows(build, "dedup", False)[3]
    for question in (
        ["--url", kept["url"]],
        ["--doc", kept["id"]],
        ["--reason", _REASON, "--sample", "7"],
        ["--reason", _REASON, "--near"],
        ["--what-if", f"{_KEY}=30"],
        [],
    ):
        for form in ([], ["--json"]):
            here, there = (_command("drops", place, *question, *form) for place in (build.url, url))
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
    for row in (_rows(build, "dedup", False)[0], _rows(build, "filter", True)[0]):
        drops, trace = (_command(name, build.url, "--doc", row["id"]).output for name in ("drops", "trace"))
        assert trace.startswith(drops)
        assert f"record    {row['file']} at byte {row['offset']:,}" in trace


def test_one_question_at_a_time(build: Build) -> None:
    for arguments in (["--near"], ["--url", "x", "--doc", "y"], ["--source", "library"]):
        assert isinstance(_command("drops", build.url, *arguments).exception, UsageError)
