"""Repeated lines and contaminated documents in whole builds: what is cut or dropped, and what is told of it."""

from __future__ import annotations

import itertools
import json
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.audit.audit import audit_build
from manifests.audit.edits import check_edits
from manifests.errors import UserError
from manifests.explore.build import Build
from manifests.explore.sightings import find_journeys
from manifests.explore.sql import Tables
from manifests.manifest import read_manifest
from manifests.storage import Folder
from pipeline.build import run_build
from pipeline.dedup.phases.apply import Apply
from pipeline.dedup.phases.decontaminate import Decontaminate
from pipeline.dedup.phases.lines import GatherRepeats, Repeats, UnitKeys
from pipeline.engine.settings import ExecutorSettings
from pipeline.recipe import load_recipe
from tests.builds import differing

BOILER = "Please read our terms of use and our privacy policy."
NOTICE = ["Subscribe to our letter today.", BOILER, "All rights reserved by the publisher 2026."]
QUESTION = "Which of these boats was the first to leave the harbour when the ice broke in spring?"
_SOURCE = """
[[sources]]
name = "web{begin}"
kind = "files"
paths = ["parts/{begin}.jsonl"]
format = "jsonl"
"""
_RECIPE = """
name = "edits"
output = "out"
max_dropped_fraction = 1
{sources}
[filter]
languages = []
rules = []
[dedup]
{dedup}
"""
LINES = 'keep = "longest"\n[dedup.lines]\nenabled = true\n'


@pytest.fixture(autouse=True)
def many_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of parts, and ranges of keys, as a large build has them."""
    monkeypatch.setattr("pipeline.dedup.phases.layout._FEWEST_DOCUMENTS", 1)
    monkeypatch.setattr("pipeline.stages.dedup.RANGE_BYTES", 1000)


def page(number: int) -> list[str]:
    draw = random.Random(number)
    return [" ".join("".join(draw.choices("abcdefgh", k=4)) for _ in range(30)) for _ in range(number % 4 + 2)]


def built(
    folder: Path, documents: list[dict[str, Any]], dedup: str, per_part: int = 3, workers: int = 1, sets: str = ""
) -> Path:
    """A build of documents, so many a source, since each source is a part."""
    (folder / "parts").mkdir(parents=True)
    begins = range(0, len(documents), per_part)
    for begin in begins:
        rows = "".join(json.dumps(row) + "\n" for row in documents[begin : begin + per_part])
        (folder / f"parts/{begin}.jsonl").write_text(rows)
    if sets:
        (folder / "set.jsonl").write_text(sets)
    sources = "".join(_SOURCE.format(begin=begin) for begin in begins)
    (folder / "recipe.toml").write_text(_RECIPE.format(sources=sources, dedup=dedup))
    executor = ExecutorSettings(workers=workers)
    run_build(load_recipe(folder / "recipe.toml"), until="dedup", executor=executor)
    return folder / "out"


def rows_of(build: Path, pattern: str) -> list[dict[str, Any]]:
    return [row for path in sorted(build.glob(pattern)) for row in pq.read_table(path).to_pylist()]


def texts_of(build: Path) -> dict[str, str]:
    return {row["id"]: row["text"] for row in rows_of(build, "dedup/part-*.parquet")}


def edits_of(build: Path) -> dict[str, int]:
    manifest = read_manifest(Folder(str(build)).folder("dedup"))
    assert manifest is not None
    return dict(sum((Counter(counts.edited) for counts in manifest.counts.sources.values()), Counter()))


def test_a_repeated_line_stays_in_the_best_document_alone(tmp_path: Path) -> None:
    pages = {f"d{number}": page(number) for number in range(12)}
    documents = [
        {"id": id, "text": "\n".join([lines[0], *(NOTICE if number % 3 else []), *lines[1:]])}
        for number, (id, lines) in enumerate(pages.items())
    ]
    build = built(tmp_path, documents, LINES)
    texts = texts_of(build)
    with_notice = [row for row in documents if BOILER in row["text"]]
    (best,) = {id for id, text in texts.items() if BOILER in text}
    assert len(texts[best]) == max(len(row["text"]) for row in with_notice)
    assert texts[best] == next(row["text"] for row in documents if row["id"] == best)
    assert all(texts[id] == "\n".join(lines) for id, lines in pages.items() if id != best)
    rows = rows_of(build, "dedup/edits/*.parquet")
    assert len(rows) == edits_of(build)["repeated_lines"] == 3 * (len(with_notice) - 1)
    assert {row["num_documents"] for row in rows} == {len(with_notice)}
    report = audit_build(str(build))
    assert (report.problems, report.checked["edits"]) == ([], len(rows))
    before = {row["id"]: row["text"] for row in documents}
    assert {before[row["id"]][row["start"] : row["end"]].strip() for row in rows} == set(NOTICE)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"start": 0}, "is not the one before"),
        ({"row": 10_000}, "is no edit of the document"),
        ({"reason": "contaminated"}, "the manifest says"),
        ({"id": "other"}, "is no edit of the document"),
        (None, "the manifest says"),
    ],
)
def test_edits_that_are_not_as_stated_are_found(tmp_path: Path, change: dict[str, Any] | None, says: str) -> None:
    documents = [{"id": f"d{number}", "text": "\n".join([*page(number), BOILER])} for number in range(4)]
    build = built(tmp_path, documents, LINES)
    path = max(build.glob("dedup/edits/*.parquet"), key=lambda path: pq.read_metadata(path).num_rows)
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows = rows[:-2] if change is None else [{**rows[0], **change}, *rows[1:]]
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path)
    problems: list[str] = []
    check_edits(Build(str(build)), problems, Counter())
    assert any(says in problem for problem in problems)


def test_a_killed_run_ends_in_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [{"id": f"d{number}", "text": "\n".join([*page(number), QUESTION, *NOTICE])} for number in range(12)]
    settings = f'{LINES}[dedup.decontaminate]\nfiles = ["*.jsonl"]\naction = "cut"\n'
    whole = built(tmp_path / "one", documents, settings, sets=json.dumps({"text": QUESTION}))
    shutil.copytree(tmp_path / "one", tmp_path / "two", ignore=shutil.ignore_patterns("out"))
    for phase in (Decontaminate, UnitKeys, Repeats, GatherRepeats, Apply):
        with monkeypatch.context() as patch:
            patch.setattr(phase, "process", _stops_after_one(phase.process))
            with pytest.raises(UserError, match="stopped here"):
                run_build(load_recipe(tmp_path / "two/recipe.toml"), until="dedup")
    run_build(load_recipe(tmp_path / "two/recipe.toml"), until="dedup")
    assert differing(whole, tmp_path / "two/out") == []
    assert audit_build(str(whole), deep=True).problems == []
    assert edits_of(whole)["contaminated"] == 12


def _stops_after_one(process: Callable[..., None]) -> Callable[..., None]:
    calls = itertools.count()

    def stops(self: Any, task: Any, output: Any) -> None:
        if next(calls):
            raise UserError("stopped here")
        process(self, task, output)

    return stops


def test_survivors_do_not_depend_on_parts_and_workers(tmp_path: Path) -> None:
    documents = [{"id": f"d{number}", "text": "\n".join([*page(number), *NOTICE])} for number in range(12)]
    first = built(tmp_path / "one", documents, LINES)
    second = built(tmp_path / "two", documents, LINES, workers=2)
    assert differing(first, second) == []
    shuffled = random.Random(1).sample(documents, len(documents))
    third = built(tmp_path / "three", shuffled, LINES, per_part=5)
    assert texts_of(third) == texts_of(first)


@pytest.mark.parametrize(("settings", "kept"), [('scope = "source"', ["d0", "d3"]), ('scope = "global"', ["d0"])])
def test_lines_are_compared_within_the_scope_and_the_first_may_stay(
    tmp_path: Path, settings: str, kept: list[str]
) -> None:
    documents = [{"id": f"d{number}", "text": "\n".join([*page(number), BOILER])} for number in range(6)]
    build = built(tmp_path, documents, f'{settings}\nkeep = "first"\n[dedup.lines]\nenabled = true\n')
    assert [id for id, text in texts_of(build).items() if BOILER in text] == kept


def test_lines_of_removed_copies_do_not_count(tmp_path: Path) -> None:
    text = "\n".join([*page(3), BOILER])
    documents = [{"id": "a", "text": text}, {"id": "b", "text": text}, {"id": "c", "text": "\n".join(page(9))}]
    build = built(tmp_path, documents, LINES)
    assert texts_of(build)["a" if "a" in texts_of(build) else "b"] == text
    assert rows_of(build, "dedup/edits/*.parquet") == []


def test_a_document_of_repeated_lines_goes_unless_it_stands_for_others(tmp_path: Path) -> None:
    long = "\n".join([*page(3), *NOTICE])
    short, copied = "\n".join(NOTICE), "\n".join([*NOTICE, "", NOTICE[0]])
    documents = [{"id": "long", "text": long}, {"id": "short", "text": short}]
    documents += [{"id": f"copied{number}", "text": copied} for number in range(2)]
    build = built(tmp_path, documents, LINES + "[dedup.minhash]\nenabled = false\n")
    (drop,) = [row for row in rows_of(build, "dedup/dropped/*.parquet") if row["reason"] == "repeated_lines"]
    assert (drop["id"], drop["value"], drop["text"]) == ("short", 3, short)
    (kept,) = [id for id in texts_of(build) if id.startswith("copied")]
    assert texts_of(build)[kept] == copied
    assert {row["duplicate_of"] for row in rows_of(build, "dedup/dropped/*.parquet")} == {None, kept}


@pytest.mark.parametrize("action", ["drop", "cut"])
def test_contaminated_documents_are_dropped_or_cut(tmp_path: Path, action: str) -> None:
    contaminated = f"{' '.join(page(1))} {QUESTION} {' '.join(page(2))}"
    documents = [
        {"id": "clean", "text": f"{' '.join(page(1))} {' '.join(page(2))}"},  # a near copy that must stay
        {"id": "bad", "text": contaminated + " and more words that make it longer"},
        {"id": "whole", "text": QUESTION},
    ]
    documents += [{"id": f"d{number}", "text": "\n".join(page(number))} for number in range(5, 9)]
    settings = f'[dedup.decontaminate]\nfiles = ["*.jsonl"]\naction = "{action}"\n[dedup.minhash]\nthreshold = 0.7\n'
    sets = json.dumps({"id": 5, "text": QUESTION})
    build = built(tmp_path, documents, settings, sets=sets)
    drops = {row["id"]: row for row in rows_of(build, "dedup/dropped/*.parquet")}
    assert drops["whole"]["reason"] == "contaminated"
    assert (drops["whole"]["value"], drops["whole"]["detail"]) == (17, f"set.jsonl 5: {QUESTION[:-1]}")
    if action == "drop":
        assert {id: row["reason"] for id, row in drops.items()} == {"whole": "contaminated", "bad": "contaminated"}
        assert "clean" in texts_of(build)
    else:
        text = texts_of(build)["bad"]
        assert text == documents[1]["text"].replace(QUESTION, "")  # its question mark goes with it
        (edit,) = rows_of(build, "dedup/edits/*.parquet")
        assert (edit["id"], edit["reason"], edit["detail"]) == ("bad", "contaminated", "set.jsonl 5")
        assert edits_of(build) == {"contaminated": 1}
        with Tables(opened := Build(str(build))) as tables:
            (journey,) = find_journeys(opened, tables, "id", "bad")
        assert journey.cuts == [{"reason": "contaminated", "places": 1, "characters": len(QUESTION)}]


def test_edits_alone_are_enough(tmp_path: Path) -> None:
    documents = [{"id": f"d{number}", "text": "\n".join([*page(number), BOILER])} for number in range(4)]
    off = "exact = false\n" + LINES + "[dedup.minhash]\nenabled = false\n"
    assert sum(BOILER in text for text in texts_of(built(tmp_path, documents, off)).values()) == 1


def test_a_changed_set_runs_dedup_again_and_a_missing_one_stops_before(tmp_path: Path) -> None:
    documents = [{"id": f"d{number}", "text": "\n".join(page(number))} for number in range(4)]
    settings = '[dedup.decontaminate]\nfiles = ["set.jsonl"]\n'
    build = built(tmp_path, documents, settings, sets=json.dumps({"text": QUESTION}))
    assert len(texts_of(build)) == 4
    (tmp_path / "set.jsonl").write_text(json.dumps({"text": page(2)[0]}))
    run_build(load_recipe(tmp_path / "recipe.toml"), until="dedup")
    assert sorted(texts_of(build)) == ["d0", "d1", "d3"]
    (tmp_path / "set.jsonl").unlink()
    with pytest.raises(UserError, match=r"set\.jsonl: no such file"):
        run_build(load_recipe(tmp_path / "recipe.toml"), until="dedup")
