"""Removals under audit: what `dedup` says is computed again, and a removal that is not as stated is found."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.audit.audit import audit_build
from manifests.audit.removals import check_removals
from manifests.audit.similarity import Ngrams, words
from manifests.explore.build import Build
from pipeline.dedup.settings import MinHashSettings
from pipeline.dedup.text.similarity import similarities
from pipeline.dedup.text.sketch import Sketcher
from tests.copies_builds import make_copies_build
from tests.signal_builds import copy_build, rows_of

Row = dict[str, Any]


def _checked(build: Build, deep: bool = True) -> tuple[list[str], list[str], int]:
    problems: list[str] = []
    notes: list[str] = []
    checked: Counter[str] = Counter()
    check_removals(build, problems, notes, checked, deep)
    return problems, notes, checked["removals"]


def _change(build: Build, folder: str, is_wanted: Callable[[Row], bool], change: Callable[[Row], object]) -> Row:
    """Change one row of the parts in a folder of a build; returns it as it was."""
    for path in sorted(Path(build.url, folder).glob("part-*.parquet")):
        table = pq.read_table(path)
        rows = table.to_pylist()
        for row in rows:
            if is_wanted(row):
                before = dict(row)
                change(row)
                pq.write_table(pa.Table.from_pylist(rows, table.schema), path)
                return before
    raise AssertionError(f"{folder} has no such row")


def test_every_removal_of_a_sound_build_is_compared(copies: Build, copies_again: Build) -> None:
    for build in (copies, copies_again):
        assert _checked(build) == ([], [], len(rows_of(build, "dedup", True)))
        report = audit_build(build.url)
        assert report.problems == []
        assert report.checked["removals"] > 50


@pytest.mark.parametrize(
    "dedup",
    [
        'scope = "source"',
        "exact = false",
        "minhash.enabled = false",
        'minhash.measure = "containment"',
        "minhash.fold_verified = true",
        "minhash.ngram_words = 2\nminhash.threshold = 0.6",
    ],
)
def test_other_settings(tmp_path: Path, dedup: str) -> None:
    build = make_copies_build(tmp_path, dedup)
    problems, notes, number = _checked(build)
    assert (problems, notes, number) == ([], [], len(rows_of(build, "dedup", True)))
    assert number > 5


def test_texts_that_were_not_compared_are_no_fault(tmp_path: Path) -> None:
    build = make_copies_build(tmp_path, "minhash.verify = false")
    report = audit_build(build.url, deep=True)
    assert report.problems == []
    assert any("removals were not checked" in note for note in report.notes)
    assert report.checked["removals"] == 0


def test_a_sample_is_spread_evenly(copies: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("manifests.audit.removals._SAMPLE", 10)
    monkeypatch.setattr("manifests.audit.removals._BATCH_DROPS", 3)
    assert 10 <= _checked(copies, deep=False)[2] <= 12


def _near(row: Row) -> bool:
    return row["reason"] == "near_duplicate"


@pytest.mark.parametrize(
    ("is_wanted", "change", "says"),
    [
        (_near, lambda row: row.update(value=row["value"] + 1e-6), "as stated"),
        (_near, lambda row: row.update(value=None), "as stated"),
        (_near, lambda row: row.update(duplicate_of="d1"), "not kept"),
        (_near, lambda row: row.update(duplicate_of="nobody"), "not kept"),
        (_near, lambda row: row.update(duplicate_of=None), "not kept"),
        (_near, lambda row: row.update(duplicate_of=row["id"]), "not kept"),
        (_near, lambda row: row.update(cluster=row["cluster"] + 1), "not kept"),
        (_near, lambda row: row.update(text=f"another {row['text']}"), "as stated"),
        (_near, lambda row: row.update(reason="exact_duplicate"), "differ by more than white space"),
        (
            lambda row: row["reason"] == "exact_duplicate",
            lambda row: row.update(text=row["text"][:-1]),
            "differ by more than white space",
        ),
        (
            lambda row: row["reason"] == "url_duplicate",
            lambda row: row.update(url="https://one.example/other"),
            "their URLs are https://one.example/other and",
        ),
    ],
)
def test_a_removal_that_is_not_as_stated(
    copies: Build, tmp_path: Path, is_wanted: Callable[[Row], bool], change: Callable[[Row], object], says: str
) -> None:
    build = copy_build(copies, tmp_path / "build")
    before = _change(build, "dedup/dropped", is_wanted, change)
    problems = [line for line in _checked(build)[0] if before["id"] in line]
    assert len(problems) == 1
    assert says in problems[0]


def test_a_removal_below_the_threshold(copies: Build, tmp_path: Path) -> None:
    build = copy_build(copies, tmp_path / "build")
    manifest = build.manifest("dedup")
    manifest.fingerprint_of.settings["dedup"]["minhash"]["threshold"] = 0.97
    below = [row["id"] for row in rows_of(build, "dedup", True) if _near(row) and row["value"] < 0.97]
    problems = _checked(build)[0]
    assert len(problems) == len(below) > 0
    assert all("below the threshold 0.97" in line for line in problems)


def test_a_kept_document_that_was_changed_or_is_gone(copies: Build, tmp_path: Path) -> None:
    kept = next(row["duplicate_of"] for row in rows_of(copies, "dedup", True) if _near(row))
    number = sum(row["duplicate_of"] == kept for row in rows_of(copies, "dedup", True))
    build = copy_build(copies, tmp_path / "text")
    _change(build, "filter", lambda row: row["id"] == kept, lambda row: row.update(text="something else"))
    assert len(_checked(build)[0]) == number
    build = copy_build(copies, tmp_path / "gone")
    _change(build, "dedup", lambda row: row["id"] == kept, lambda row: row.update(id="renamed"))
    assert sum("that document is not kept" in line for line in _checked(build)[0]) == number


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row.update(cluster_size=row["cluster_size"] + 1),
        lambda row: row.update(copies='{"alpha": 77}'),
        lambda row: row.update(copies=None, cluster_size=1),
    ],
)
def test_numbers_of_copies_add_up(copies: Build, tmp_path: Path, change: Callable[[Row], object]) -> None:
    build = copy_build(copies, tmp_path / "build")
    _change(build, "dedup", lambda row: row["cluster_size"] > 1, change)
    problems = _checked(build)[0]
    assert problems
    assert all(
        "kept documents say" in line or "kept documents stand for" in line or "facts.clusters" in line
        for line in problems
    )


def test_an_earlier_build_that_is_gone_is_a_note(copies: Build, copies_again: Build, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.move(copies.url, moved)
    try:
        problems, notes, _ = _checked(copies_again)
    finally:
        shutil.move(moved, copies.url)
    assert problems == []
    assert notes
    assert all("not here now" in note for note in notes)


def test_an_earlier_build_that_was_made_anew(copies: Build, tmp_path: Path) -> None:
    first = make_copies_build(tmp_path)
    again = make_copies_build(tmp_path, 'against = ["out"]', "again")
    assert _checked(again)[0] == []
    kept = next(row["duplicate_of"] for row in rows_of(first, "dedup", True) if _near(row))
    _change(first, "dedup", lambda row: row["id"] == kept, lambda row: row.update(text="something else"))
    assert any(f"of {kept}, but" in line for line in _checked(again)[0])


def test_facts_of_clusters_are_counted_again(copies: Build, tmp_path: Path) -> None:
    for name in ("sizes", "removed"):
        build = copy_build(copies, tmp_path / name)
        build.manifest("dedup").facts["clusters"][name].popitem()
        assert _checked(build)[0] == ["dedup/manifest.json: facts.clusters: not what the documents say"]


# The definition, which `pipeline/dedup/text` and the audit each have by themselves


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The cat, the CAT.", ["the", "cat", ",", "the", "cat", "."]),
        (
            "Wait...  what?! \u201cNo\u201d \u2014 no\u2026",
            ["wait", ".", "what", "?", "!", "'", "no", "'", "-", "no", "."],
        ),
        ("1,234.5 and 12", ["1", ",", "234", ".", "5", "and", "12"]),
        ("e\u0301tude \u00c9TUDE co\u00adop", ["\u00e9tude", "\u00e9tude", "coop"]),
        ("\u6f22\u5b57 kana\u304b", ["\u6f22", "\u5b57", "kana", "\u304b"]),
        ("2++2 ==4", ["2", "+", "+", "2", "=", "=", "4"]),
        (" \n\u200b ", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The cat, the CAT.", ["the", "cat", "the", "cat"]),
        ("1,234.5 and 12, 7", ["0", "and", "0", "0"]),
        ("\u00e9tude E\u0301tude \u03c3\u03c2", ["etude", "etude", "\u03c3\u03c3"]),
        ("a1b2 x-y", ["a0b0", "x", "y"]),
        ("\u0e54\u0e55 \u0e01\u0e02", ["0", "\u0e01", "\u0e02"]),
    ],
)
def test_folded_words(text: str, expected: list[str]) -> None:
    assert words(text, fold=True) == expected


_POOLS = [
    *(range(0x20, 0x7F), range(0x250), range(0x250, 0x3000), range(0x3000, 0xD800), range(0xD800, 0x110000)),
    *(range(0x1F000, 0x30000), range(0xE0000, 0xE1000), range(0x1100, 0x1200)),
    [ord(character) for character in "..,,''-\u2014\u2013\u2026\u201c\u201d0123456789 ab\u00b4`|+\u0301\u0308\u0327e"],
]


def _text(draw: random.Random) -> str:
    pieces = [draw.choices(draw.choice(_POOLS), k=draw.randrange(1, 30)) for _ in range(draw.randrange(1, 8))]
    return " ".join("".join(map(chr, piece)) for piece in pieces) * draw.choice([1, 1, 1, 3])


@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("num_words", [1, 2, 5])
def test_it_is_the_stages_own(fold: bool, num_words: int) -> None:
    draw = random.Random(num_words)
    sketcher = Sketcher(MinHashSettings(ngram_words=num_words, fold_verified=fold))
    for _ in range(300):
        first = _text(draw)
        at = draw.randrange(len(first))
        texts = [first, first[:at] + draw.choice(["", "x", " ", "."]) + first[at + draw.randrange(3) :]]
        ngrams = [sketcher.ngrams(text) for text in texts]
        own = [Ngrams(text, num_words, fold) for text in texts]
        assert [len(one.different) for one in own] == [one.values.size for one in ngrams]
        values = np.concatenate([one.values for one in ngrams])
        offsets = np.cumsum([0, *(one.values.size for one in ngrams)])
        sequence = np.array([one.sequence for one in ngrams], dtype=np.uint64)
        repeats = np.array([one.is_repetitive for one in ngrams])
        for measure in ("similarity", "containment"):
            pair = (np.array([0]), np.array([1]))
            (found,) = similarities(values, offsets, *pair, measure, sequence, repeats)
            assert own[0].similarity(own[1], measure) == found
