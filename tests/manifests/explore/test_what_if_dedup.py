"""`drops --what-if dedup...` against builds that were made with those settings."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.errors import UsageError, UserError
from manifests.explore import what_if_dedup
from manifests.explore.build import Build
from manifests.explore.what_if_dedup import _EDGE, Edges, _decided
from pipeline.dedup.rank import minutes
from pipeline.dedup.schema import EXACT, NEAR, STORED_SIMILARITY, URL
from tests.copies_builds import make_copies_build, planted
from tests.signal_builds import copy_build, rows_of, run_command


def _asked(build: Build, *assignments: str) -> dict[str, Any]:
    arguments = [word for assignment in assignments for word in ("--what-if", assignment)]
    result = run_command("drops", build.url, *arguments, "--json")
    assert result.exit_code == 0, result.exception
    answer: dict[str, Any] = json.loads(result.output)
    return answer


def _outcomes(build: Build) -> dict[tuple[str, str], str | None]:
    return {
        (row["source"], row["id"]): row["reason"] if dropped else None
        for dropped in (False, True)
        for row in rows_of(build, "dedup", dropped)
    }


def _table(dedup: dict[str, str]) -> str:
    return "\n".join(f"{key.removeprefix('dedup.')} = {value}" for key, value in dedup.items())


_KEEP, _THRESHOLD = "dedup.keep", "dedup.minhash.threshold"


@pytest.mark.parametrize(
    ("built", "asked"),
    [
        ({}, {_THRESHOLD: "0.9"}),
        ({}, {_THRESHOLD: "0.97"}),
        ({}, {_THRESHOLD: "0.6"}),
        ({}, {_THRESHOLD: "0.5"}),
        ({_THRESHOLD: "0.4"}, {_THRESHOLD: "0.85"}),
        ({}, {_KEEP: '"newest"'}),
        ({}, {_KEEP: '"first"'}),
        ({}, {_KEEP: '"source"'}),
        ({_KEEP: '"source"'}, {_KEEP: '"longest"'}),
        ({_KEEP: '"newest"'}, {_KEEP: '"source"', _THRESHOLD: "0.92"}),
        ({"dedup.exact": "false"}, {_KEEP: '"first"'}),
        ({_KEEP: '"language.score"'}, {_THRESHOLD: "0.92"}),
        ({_KEEP: '"language.score"'}, {_KEEP: '"first"'}),
        ({"dedup.scope": '"source"'}, {_KEEP: '"newest"', _THRESHOLD: "0.9"}),
        ({"dedup.minhash.measure": '"containment"'}, {_THRESHOLD: "0.95"}),
    ],
)
def test_the_answer_is_what_a_run_gives(tmp_path: Path, built: dict[str, str], asked: dict[str, str]) -> None:
    build = make_copies_build(tmp_path, _table(built))
    again = make_copies_build(tmp_path, _table({**built, **asked}), "again")
    now, then = _outcomes(build), _outcomes(again)
    answer = _asked(build, *(f"{key}={value}" for key, value in asked.items()))
    assert {effect["source"]: effect["kept_then"] for effect in answer["sources"]} == {
        source: counts.documents_out for source, counts in again.manifest("dedup").counts.sources.items()
    }
    moves = Counter((source, now[source, id], then[source, id]) for source, id in now)
    found = {
        (effect["source"], move["from"], move["to"]): move["documents"]
        for effect in answer["sources"]
        for move in effect["moves"]
    }
    assert found == {move: number for move, number in moves.items() if move[1] != move[2]}
    assert found
    length = {
        (row["source"], row["id"]): len(" ".join(row["text"].split()))
        for kept in (0, 1)
        for row in rows_of(build, "dedup", bool(kept))
    }
    for effect in answer["sources"]:
        mine = [key for key in now if key[0] == effect["source"]]
        assert effect["kept_now"] == sum(now[key] is None for key in mine)
        assert effect["come_back"] == sum(now[key] is not None and then[key] is None for key in mine)
        assert effect["go"] == sum(now[key] is None and then[key] is not None for key in mine)
        difference = sum(length[key] * ((then[key] is None) - (now[key] is None)) for key in mine)
        assert effect["characters"] == difference


def test_as_built_nothing_moves(copies: Build, copies_again: Build) -> None:
    for build in (copies, copies_again):
        for assignment in ("dedup.minhash.threshold=0.8", "dedup.keep=longest", 'dedup.keep="longest"'):
            answer = _asked(build, assignment)
            assert all(not effect["moves"] and not effect["notes"] for effect in answer["sources"])


def test_a_build_without_a_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.copies_builds.planted", lambda: {"zeta": planted()["zeta"][1:2], "alpha": []})
    build = make_copies_build(tmp_path)
    for assignment in ("dedup.minhash.threshold=0.6", "dedup.keep=newest"):
        answer = _asked(build, assignment)
        assert [effect["kept_then"] for effect in answer["sources"] if effect["source"] == "zeta"] == [1]
        assert not any(effect["moves"] for effect in answer["sources"])


def test_against_an_earlier_build(copies_again: Build) -> None:
    near = [row for row in rows_of(copies_again, "dedup", True) if row["reason"] == "near_duplicate"]
    answer = _asked(copies_again, "dedup.minhash.threshold=0.99")
    assert sum(effect["come_back"] for effect in answer["sources"]) > len(near) / 2
    assert all(effect["kept_now"] == 0 for effect in answer["sources"])


def test_lines_for_people(copies: Build) -> None:
    output = run_command("drops", copies.url, "--what-if", "dedup.keep=newest").output
    for words in ("with keep = newest:", "come back", "documents that move:", "-> near_duplicate"):
        assert words in output
    assert "to do it: groundup run RECIPE --set dedup.keep=newest" in output
    assert "more than 64 texts" in output


@pytest.mark.parametrize(
    ("assignments", "says"),
    [
        (["dedup.minhash.threshold=0.49"], "pairs below 0.5 were proposed and not stored"),
        (["dedup.minhash.threshold=0"], "above 0 and up to 1"),
        (["dedup.minhash.threshold=1.5"], "above 0 and up to 1"),
        (["dedup.minhash.threshold=true"], "above 0 and up to 1"),
        (["dedup.minhash.threshold=high"], "above 0 and up to 1"),
        (["dedup.minhash.threshold"], "write it as key=value"),
        (["dedup.threshold=0.9"], "did you mean dedup.minhash.threshold?"),
        (["dedup.minhash.num_buckets=20"], "It needs a rerun: groundup run RECIPE --until dedup --set"),
        (["dedup.keep=shortest"], "documents can be ordered by"),
        (["dedup.keep=classifier.score"], "the one that the build kept by"),
        (["dedup.keep=newest", "gopher_quality.min_words=30"], "Ask about one of them at a time"),
    ],
)
def test_what_cannot_be_answered_is_told(copies: Build, assignments: list[str], says: str) -> None:
    arguments = [word for assignment in assignments for word in ("--what-if", assignment)]
    result = run_command("drops", copies.url, *arguments)
    assert isinstance(result.exception, UsageError)
    assert says in str(result.exception)


def test_containment_is_of_one_order(tmp_path: Path) -> None:
    build = make_copies_build(tmp_path, 'minhash.measure = "containment"')
    with pytest.raises(UsageError, match="containment of the worse one"):
        what_if_dedup.what_if_dedup(build, ["dedup.keep=first"])


def test_pairs_that_were_not_compared_answer_nothing(tmp_path: Path) -> None:
    build = make_copies_build(tmp_path, "minhash.verify = false")
    with pytest.raises(UserError, match=r"verify=false"):
        what_if_dedup.what_if_dedup(build, ["dedup.keep=first"])


def test_pairs_that_do_not_give_the_drops_are_refused(copies: Build, tmp_path: Path) -> None:
    build = copy_build(copies, tmp_path / "build")
    (path,) = Path(build.url, "dedup", "pairs").glob("*.parquet")
    table = pq.read_table(path)
    lower = pa.array([0.79 if value and value < 0.9 else value for value in table["similarity"].to_pylist()])
    pq.write_table(table.set_column(table.column_names.index("similarity"), "similarity", lower), path)
    with pytest.raises(UserError, match=r"disagree on what goes as near_duplicate\. Run groundup audit"):
        what_if_dedup.what_if_dedup(build, ["dedup.minhash.threshold=0.9"])


def _edges(*pairs: tuple[int, int, int, float]) -> Edges:
    return np.array(list(pairs), dtype=_EDGE)


@pytest.mark.parametrize(
    ("pairs", "levels"),
    [
        ([(0, 1, NEAR, 0.9), (1, 2, NEAR, 0.9)], [0, 2, 0]),  # a chain: 1 goes, so 2 has nothing that holds it
        ([(0, 1, NEAR, 0.9), (1, 2, EXACT, 1.0)], [0, 2, 2]),
        ([(0, 1, URL, np.nan), (1, 2, EXACT, 1.0)], [0, 1, 0]),
        ([(0, 1, NEAR, 0.7), (1, 2, NEAR, 0.9)], [0, 0, 2]),
        ([(0, 2, NEAR, 0.9), (1, 2, EXACT, 1.0), (0, 1, URL, np.nan)], [0, 1, 2]),
        ([(2, 0, NEAR, 0.8), (1, 0, URL, np.nan)], [0, 1, 2]),  # pairs are turned by the order
    ],
)
def test_decisions(pairs: list[tuple[int, int, int, float]], levels: list[int]) -> None:
    assert _decided(_edges(*pairs), np.arange(3), 0.8).tolist() == levels


def test_constants_and_dates_are_those_of_the_stage() -> None:
    assert what_if_dedup._STORED == STORED_SIMILARITY
    dates = ["2024", "2024-03", "2024-03-05", "2024-03-05T10:20:30Z", "2024-03-05T10:20+02:00", "x", "", None, "0001"]
    assert [what_if_dedup._minutes(date) for date in dates] == [minutes(date) for date in dates]
