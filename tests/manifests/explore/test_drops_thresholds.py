"""`groundup drops --near` and `--what-if` against decisions made here, document by document."""

from __future__ import annotations

import copy
import json
import shlex
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.errors import UsageError, UserError
from manifests.explore.build import Build
from manifests.explore.journeys import number_text
from manifests.explore.near import near_drops
from manifests.explore.what_if import what_if, written
from tests.signal_builds import change_filter, copy_build, run_command, signals_of

_REASON = "gopher_too_few_words"
_KEY = "gopher_quality.min_words"


# Near a threshold


def _limit(row: dict[str, Any]) -> float:
    return 20.0 if row["source"] == "short" else 40.0


def test_near_shows_both_sides_of_the_threshold(build: Build) -> None:
    reasons = [row["reason"] for row in build.manifest("filter").facts["comparisons"]["library"]]
    later = {None, *reasons[reasons.index(_REASON) + 1 :]}
    rows = [row for row in signals_of(build) if row["gopher_quality.num_words"] is not None]
    failed = [row for row in rows if row["reason"] == _REASON]
    passed = [row for row in rows if row["reason"] in later]
    assert any(row["reason"] for row in passed)
    found = near_drops(build, _REASON, 12)
    for side, expected in ((True, failed), (False, passed)):
        near = [near for near in found if near.failed == side]
        distances = sorted(abs(row["gopher_quality.num_words"] - _limit(row)) for row in expected)
        assert [abs(one.value - one.threshold) for one in near] == distances[:12]
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
    reason = "gopher_too_many_words"
    assert reason not in build.manifest("filter").counts.dropped
    found = near_drops(build, reason, 4)
    assert [near.failed for near in found] == [False] * 4
    highest = sorted((row["gopher_quality.num_words"] for row in signals_of(build)), reverse=True)
    assert [near.value for near in found] == highest[:4]
    assert run_command("drops", build.url, "--reason", reason, "--near").output.startswith("no document failed it")


def test_near_a_score_shows_whose_it_is(build: Build, tmp_path: Path) -> None:
    """Every language has a threshold of its own, as a recipe's `language_thresholds` has it."""
    comparisons = copy.deepcopy(build.manifest("filter").facts["comparisons"])
    score = {
        "reason": "language",
        "signal": "language.score",
        "must_be": "at_least",
        "setting": "language_threshold",
        "threshold": 0.0,
        "by_language": {"fr": 0.25},
    }
    for rows in comparisons.values():
        rows.insert(0, score)
    changed = change_filter(copy_build(build, tmp_path / "out"), comparisons=comparisons)
    near = near_drops(changed, "language", 3)
    labels = {row["id"]: row["language"] for row in signals_of(build)}
    assert [one.language for one in near] == [labels[one.journey.sightings[0].document["id"]] for one in near]
    answer = run_command("drops", changed.url, "--reason", "language", "--near", "--sample", "3").output
    assert f"  {number_text(near[0].value)} {near[0].language} (language_threshold: at least" in answer
    data = json.loads(run_command("drops", changed.url, "--reason", "language", "--near", "--json").output)
    assert data["near"][0]["language"] == near[0].language


def test_a_reason_of_several_comparisons_is_near_to_each(build: Build, tmp_path: Path) -> None:
    other, signal = "gopher_few_alphabetic_words", "gopher_quality.alphabetic_word_fraction"
    changed = copy_build(build, tmp_path / "out")
    comparisons = copy.deepcopy(build.manifest("filter").facts["comparisons"])
    for row in [*comparisons["library"], *comparisons["short"]]:
        row["reason"] = _REASON if row["reason"] == other else row["reason"]
    for path in (tmp_path / "out/filter/signals").iterdir():
        table = pq.read_table(path)
        reasons = [_REASON if reason == other else reason for reason in table["reason"].to_pylist()]
        at = table.schema.get_field_index("reason")
        pq.write_table(table.set_column(at, table.schema.field(at), pa.array(reasons, pa.string())), path)
    changed = change_filter(changed, comparisons=comparisons)
    assert all(not effect.moves for effect in what_if(changed, [f"sources.library.filter.{_KEY}=40"]).effects)
    found = near_drops(changed, _REASON, 10_000, source="short")
    rows = [row for row in signals_of(build) if row["source"] == "short"]
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
    language = Counter(row["language"] for row in signals_of(build)).most_common(1)[0][0]
    for rows in comparisons.values():
        for row in rows:
            if row["setting"] == _KEY:
                row["by_language"] = {language: row["threshold"]}
                row["threshold"] = 1.0
    with pytest.raises(UserError, match="disagree"):  # others were dropped by the threshold of all
        what_if(change_filter(copy_build(build, tmp_path / "out"), comparisons=comparisons), [f"{_KEY}=1"])
    for rows in comparisons.values():
        for row in rows:
            if row["setting"] == _KEY:
                row["threshold"] = row["by_language"][language]
    changed = change_filter(Build(str(tmp_path / "out")), comparisons=comparisons)
    here = what_if(changed, [f"{_KEY}=1"]).effects[0]
    expected = [row for row in signals_of(build) if row["source"] == "library" and row["reason"] == _REASON]
    assert sum(move.num_documents for move in here.moves) == sum(row["language"] != language for row in expected)
    assert here.notes == [f"{_KEY}: {language} keep their own thresholds"]


# What if


def test_a_threshold_of_a_language_that_nobody_is_labelled_with(build: Build) -> None:
    with pytest.raises(UsageError, match="no document here has the label 'xx'"):
        what_if(build, ["language_thresholds.xx=1"])


def test_a_threshold_of_a_language_stands_for_its_scripts(build: Build, tmp_path: Path) -> None:
    """No language is listed, so the score was not asked; labels as a model gives them that knows scripts."""
    changed = copy_build(build, tmp_path / "out")
    labels = ["sr", "sr-Latn", "srp", "en"]
    for path in (tmp_path / "out/filter/signals").iterdir():
        table = pq.read_table(path)
        at = table.schema.get_field_index("language")
        values = [labels[number % 4] for number in range(table.num_rows)]
        pq.write_table(table.set_column(at, table.schema.field(at), pa.array(values)), path)
    rows = [row for row in signals_of(changed) if row["source"] == "library" and row["language_score"] < 1]
    for asked, expected in (
        (["language_thresholds.sr=1"], {"sr", "sr-Latn"}),
        (["language_thresholds.sr=1", "language_thresholds.sr-Latn=0"], {"sr"}),
        (["filter.language_thresholds.sr-Latn=1"], {"sr-Latn"}),
    ):
        effect = what_if(changed, asked).effects[0]
        assert {move.after for move in effect.moves} == {"language"}
        moved = sum(move.num_documents for move in effect.moves)
        assert moved == sum(row["language"] in expected for row in rows) > 0


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
    return signals_of(build)


@settings(max_examples=12, deadline=None)
@given(
    words=st.one_of(st.none(), st.integers(0, 90)),
    alphabetic=st.one_of(st.none(), st.floats(0, 1.5)),
    symbols=st.one_of(st.none(), st.floats(0, 0.2)),
    length=st.one_of(st.none(), st.floats(2, 8)),
)
def test_decisions_again_are_those_of_python(
    build: Build,
    signals: list[dict[str, Any]],
    words: int | None,
    alphabetic: float | None,
    symbols: float | None,
    length: float | None,
) -> None:
    asked = {
        "sources.library.filter.gopher_quality.min_words": words,
        "gopher_quality.min_alphabetic_word_fraction": alphabetic,
        "filter.gopher_quality.max_symbol_fraction": symbols,
        "gopher_quality.min_mean_word_length": length,
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
    unfinished = copy_build(build, tmp_path / "out")
    shutil.rmtree(tmp_path / "out/shards")
    answer = what_if(Build(unfinished.url), [f"{_KEY}=5"])
    assert not answer.measured
    assert {effect.bytes_per_token for effect in answer.effects} == {4.0}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("languages=['en']", r"needs a rerun: groundup run RECIPE --until filter --set 'filter\.languages=\["),
        ("language_thresholds.de=80", "between 0 and 1"),
        ("language_thresholds.de=high", "only a number"),
        ("language_thresholds=0.5", "needs a rerun"),
        ("languages=3", "needs a rerun"),
        ("gopher_quality.stop_words.de=3", "needs a rerun"),
        ("rules=[]", "needs a rerun"),
        ("filter.fineweb.short_line_length=20", "needs a rerun"),
        ("gopher_quality.min_words=true", "only a number"),
        ("gopher_quality.min_words=many", "only a number"),
        ("gopher_quality.min_words=nan", "only a number"),
        (f"gopher_quality.min_words={10**400}", "only a number"),
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
    changed = copy_build(build, tmp_path / "out")
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
    changed = change_filter(copy_build(build, tmp_path / "out"), comparisons=comparisons)
    with pytest.raises(UserError, match="has no column 'x\" OR \"y'"):
        what_if(changed, [f"{_KEY}=30"])


def test_a_build_without_signals_says_what_to_do(build: Build, tmp_path: Path) -> None:
    old = change_filter(copy_build(build, tmp_path / "out"), comparisons=None)
    for arguments in (["--what-if", f"{_KEY}=30"], ["--reason", _REASON, "--near"]):
        problem = run_command("drops", old.url, *arguments).exception
        assert isinstance(problem, UserError)
        assert "groundup run RECIPE --until filter" in str(problem)
    assert run_command("drops", old.url, "--reason", _REASON).exit_code == 0


def test_what_is_said_to_do_is_for_a_shell(build: Build, tmp_path: Path) -> None:
    """As typed, `shlex.split` gives the settings back; the test's own folder has a space in its name."""
    with pytest.raises(UsageError) as refused:
        what_if(build, ["languages=['en', \"de\"]"])
    assert shlex.split(str(refused.value).partition("needs a rerun: ")[2])[-1] == "filter.languages=['en', \"de\"]"
    old = change_filter(copy_build(build, tmp_path / "o u't"), comparisons=None)
    with pytest.raises(UserError) as lacking:
        what_if(Build(old.url), [f"{_KEY}=30"])
    assert shlex.split(str(lacking.value).partition("again: ")[2])[-1] == f"output={old.url}"


def test_numbers_are_written_without_losing_a_digit() -> None:
    assert [written(value) for value in (1234567.0, 0.1, 1e-7, 40.0)] == ["1234567", "0.1", "1e-07", "40"]
