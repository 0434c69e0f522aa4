"""What the manifest of `dedup` says before and after clustering, held against what the stage wrote."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from manifests.explore.build import Build
from pipeline.build import run_build
from pipeline.dedup.settings import MinHashSettings
from tests.pipeline.stages.test_dedup import built, dropped, in_files, kept, mixed, recipe, text


class _Notes:
    """A watcher that keeps its notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def progress(self, *_: Any) -> None: ...

    def waiting(self, *_: Any) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)


def _facts(build: Path) -> dict[str, Any]:
    return Build(str(build)).manifest("dedup").facts


def test_clusters_are_those_of_the_documents_however_they_lie_in_files(tmp_path: Path) -> None:
    found = []
    for number, seed in ((1, 1), (5, 2)):
        build = built(tmp_path, in_files(mixed(), number, seed), name=f"{number}")
        facts = _facts(build)["clusters"]
        sizes = Counter(row["cluster_size"] for row in kept(build).values() if row["cluster_size"] > 1)
        assert facts["sizes"] == {
            name: count for name, count in (("2", sizes[2]), ("3-4", sizes[3] + sizes[4])) if count
        }
        assert facts["removed"] == {"web": {"web": len(dropped(build))}}
        for row in facts["largest"]:
            went = {name for name, drop in dropped(build).items() if drop["duplicate_of"] == row["kept"]}
            assert row["size"] == len(went) + 1
            assert len(row["samples"]) == min(3, len(went))
            assert set(row["samples"]) <= went
        found.append((facts["sizes"], [(row["cluster"], row["size"], row["kept"]) for row in facts["largest"]]))
    assert found[0] == found[1]


def test_what_an_earlier_build_holds_is_told_apart(tmp_path: Path) -> None:
    built(tmp_path, {"old": mixed(12)}, name="first")
    new = [{**row, "id": f"new {row['id']}"} for row in mixed(12)]
    second = built(tmp_path, {"new": new}, f'dedup.against=["{tmp_path}/first"]', name="second")
    removed = _facts(second)["clusters"]["removed"]
    assert removed["web"]["web (earlier build)"] == len(dropped(second)) == len(new)


@pytest.mark.parametrize(("verify", "said"), [("true", "each pair is compared"), ("false", "keeps one document")])
def test_a_template_is_warned_of_before_pairs_are_proposed(tmp_path: Path, verify: str, said: str) -> None:
    """Documents that share two thirds of their words: similarity 0.5, so each is proposed with one in twenty."""
    shared = text(0, 240)
    rows = [{"id": str(number), "text": f"{shared} {text(number + 1, 110)}"} for number in range(300)]
    notes = _Notes()
    made = recipe(tmp_path, {"pages": rows}, f"dedup.minhash.verify={verify}")
    run_build(made, until="dedup", watcher=notes)
    facts = _facts(Path(made.output))["background"]
    assert facts["documents"] == 300
    assert facts["mean_similarity"] == pytest.approx(0.5, abs=0.05)
    probability = MinHashSettings().match_probability(facts["mean_similarity"])
    assert facts["expected"] == pytest.approx(300 * probability, rel=0.5)
    (line,) = [note for note in notes.notes if "proposed with" in note]
    assert said in line
    assert "More dedup.minhash.hashes_per_bucket" in line


def test_no_near_duplicates_no_background(tmp_path: Path) -> None:
    assert _facts(built(tmp_path, {"one": mixed(4)}, "dedup.minhash.enabled=false"))["background"] is None
