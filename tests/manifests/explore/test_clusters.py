"""`groundup clusters` against the drops and the kept documents of a build, read here row by row."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from manifests.errors import UserError
from manifests.explore import clusters
from manifests.explore.build import Build
from manifests.explore.changes import change_lines
from manifests.report.report import write_report
from pipeline.dedup import schema
from tests.copies_builds import make_copies_build, planted
from tests.signal_builds import rows_of, run_command


def _json(*arguments: str) -> Any:
    result = run_command("clusters", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def _members(build: Build, kept: str) -> list[dict[str, Any]]:
    return [row for row in rows_of(build, "dedup", True) if row["duplicate_of"] == kept]


def test_constants_are_those_of_the_stage() -> None:
    assert (clusters.CANDIDATES, clusters.PAIRS) == (schema.CANDIDATES, schema.PAIRS)
    assert (clusters.NEAR, clusters.EXACT, clusters.URL) == (schema.NEAR, schema.EXACT, schema.URL)
    assert clusters.REASONS == schema.REASONS


def test_the_overview_counts_every_removal(copies: Build) -> None:
    drops = rows_of(copies, "dedup", True)
    sources = {row["id"]: row["source"] for row in rows_of(copies, "dedup", False)}
    found = _json(copies.url, "--largest", "3")
    assert found["dropped"] == len(drops) > 50
    assert found["kept"] == len(sources)
    removed = Counter((row["source"], sources[row["duplicate_of"]]) for row in drops)
    assert len(removed) >= 3
    assert {(one, two): n for one, kept in found["removed"].items() for two, n in kept.items()} == removed
    by_kept = Counter(row["duplicate_of"] for row in drops)
    labels = {2: "2", 3: "3-4", 4: "3-4", 5: "5-9", 6: "5-9"}
    assert found["sizes"] == Counter(labels[number + 1] for number in by_kept.values())
    assert [row["size"] for row in found["largest"]] == [number + 1 for _, number in by_kept.most_common(3)]
    assert all(1 <= len(row["members"]) <= 3 for row in found["largest"])
    assert {row["reason"] for row in drops} == set(clusters.REASONS)
    assert f"{len(drops):,} dropped as copies, {len(by_kept):,} clusters" in run_command("clusters", copies.url).output


def test_the_cluster_of_a_kept_and_of_a_dropped_document_is_the_same(copies: Build) -> None:
    for drop in rows_of(copies, "dedup", True)[::7]:
        (of_drop,) = _json(copies.url, "--doc", drop["id"])["clusters"]
        (of_kept,) = _json(copies.url, "--doc", drop["duplicate_of"])["clusters"]
        for found in (of_drop, of_kept):
            assert (found["id"], found["number"]) == (drop["duplicate_of"], drop["cluster"])
            members = _members(copies, drop["duplicate_of"])
            assert found["size"] == len(members) + 1
            expected = {
                row["id"]: (row["reason"], row["value"], row["estimated_similarity"], row["shared_buckets"])
                for row in members
            }
            evidence = ("reason", "similarity", "estimated_similarity", "shared_buckets")
            assert {row["id"]: tuple(row[name] for name in evidence) for row in found["members"]} == expected
        assert of_drop["compared"] == [drop["duplicate_of"], drop["id"]]
        assert of_drop["changes"]


def test_a_kept_document_is_compared_with_the_one_least_like_it(copies: Build) -> None:
    near = [row for row in rows_of(copies, "dedup", True) if row["reason"] == "near_duplicate"]
    kept = Counter(row["duplicate_of"] for row in near).most_common(1)[0][0]
    (found,) = _json(copies.url, "--doc", kept)["clusters"]
    least = min((row for row in near if row["duplicate_of"] == kept), key=lambda row: row["value"])
    assert found["compared"] == [kept, least["id"]]
    assert [row["similarity"] for row in found["members"]] == sorted(row["similarity"] for row in found["members"])


def test_two_named_documents_are_compared(copies: Build) -> None:
    kept = Counter(row["duplicate_of"] for row in rows_of(copies, "dedup", True)).most_common(1)[0][0]
    one, two, *_ = [row["id"] for row in _members(copies, kept)]
    texts = {row["id"]: row["text"] for rows in planted().values() for row in rows}
    for first, second in ((one, two), (two, one), (kept, two), (two, kept)):
        (found,) = _json(copies.url, "--doc", first, "--with", second)["clusters"]
        assert found["compared"] == [first, second]
        assert found["changes"] == change_lines(texts[first], texts[second])


def test_one_id_and_text_in_two_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = planted()["zeta"][:12]
    both = {"zeta": rows, "alpha": [row for row in rows if row["id"] != "d0-near1"]}
    monkeypatch.setattr("tests.copies_builds.planted", lambda: both)
    build = make_copies_build(tmp_path, 'scope = "source"')
    drops = rows_of(build, "dedup", True)
    kept = drops[0]["duplicate_of"]
    found = _json(build.url, "--doc", kept)["clusters"]
    assert [cluster["source"] for cluster in found] == ["alpha", "zeta"]
    for cluster in found:
        mine = [row["id"] for row in drops if (row["duplicate_of"], row["source"]) == (kept, cluster["source"])]
        assert sorted(row["id"] for row in cluster["members"]) == sorted(mine)
        assert cluster["size"] == len(mine) + 1
        assert {row["source"] for row in cluster["members"]} == {cluster["source"]}
    assert [row["size"] for row in _json(build.url, "--largest", "2")["largest"]] == sorted(
        (cluster["size"] for cluster in found), reverse=True
    )


def test_the_report_has_sizes_and_sources(copies: Build, tmp_path: Path) -> None:
    page = Path(write_report(copies.url, tmp_path / "report.html")).read_text(encoding="utf-8")
    section = page.partition("<h2>Copies</h2>")[2].partition("<h2>")[0]
    facts = copies.manifest("dedup").facts["clusters"]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", section)
    rows = [[size, f"{number:,}"] for size, number in facts["sizes"].items()]
    rows += [[one, two, f"{number:,}"] for one, kept in facts["removed"].items() for two, number in kept.items()]
    assert cells == [cell for row in rows for cell in row]
    assert "(estimated " in page


def test_a_document_without_copies(copies: Build) -> None:
    alone = next(row["id"] for row in rows_of(copies, "dedup", False) if row["cluster_size"] == 1)
    assert "no other document was dropped as a copy of it" in run_command("clusters", copies.url, "--doc", alone).output


def test_a_kept_document_of_an_earlier_build(copies: Build, copies_again: Build) -> None:
    drops = rows_of(copies_again, "dedup", True)
    assert len(drops) == sum(map(len, planted().values()))
    found = _json(copies_again.url)
    assert found["dropped"] == len(drops)
    kept_in = {row["id"]: f"{row['source']} (earlier build)" for row in rows_of(copies, "dedup", False)}
    removed = Counter((row["source"], kept_in[row["duplicate_of"]]) for row in drops)
    assert {(one, two): n for one, kept in found["removed"].items() for two, n in kept.items()} == removed
    assert sum(found["sizes"].values()) == len({row["duplicate_of"] for row in drops})
    (cluster,) = _json(copies_again.url, "--doc", "d0-near1")["clusters"]
    assert cluster["is_earlier"]
    kept = next(row for row in rows_of(copies, "dedup", False) if row["id"] == cluster["id"])
    assert (cluster["place"], cluster["row"]) == (f"{copies.url}/{kept['part']}", kept["row"])
    assert cluster["text"] == kept["text"]


def test_an_earlier_build_that_is_gone(copies: Build, copies_again: Build, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.move(copies.url, moved)
    try:
        output = run_command("clusters", copies_again.url, "--doc", "d0-near1").output
    finally:
        shutil.move(moved, copies.url)
    assert "cannot be read now" in output
    assert "near_duplicate" in output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--doc", "nothing"], "no document with id 'nothing' came into stage dedup"),
        (["--doc", "d0-near1", "--with", "d1"], "d1: is not in the cluster of"),
        (["--with", "d1"], "--with needs --doc"),
        (["--doc", "d1", "--largest", "2"], "give one of --doc and --largest"),
    ],
)
def test_what_cannot_be_answered_is_told(copies: Build, arguments: list[str], says: str) -> None:
    result = run_command("clusters", copies.url, *arguments)
    assert isinstance(result.exception, UserError)
    assert says in str(result.exception)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("a b c", " a\nb  c", ["equal but for white space"]),
        ("a b c", "a x c", ["a [-b-] {+x+} c"]),
        ("a b", "a b c", ["a b {+c+}"]),
        ("a b c", "b c", ["[-a-] b c"]),
        ("", "a", ["{+a+}"]),
        ("a a a", "a a", ["a a [-a-]"]),
        (
            " ".join("abcdefghijklmnopqrst"),
            " ".join("abcdefghijKlmnopqrst"),
            ["... e f g h i j [-k-] {+K+} l m n o p q ..."],
        ),
        (" ".join(["w"] * 50), "", [f"[-{' '.join(['w'] * 40)} ... (50 words)-]"]),
    ],
)
def test_changes(first: str, second: str, expected: list[str]) -> None:
    assert change_lines(first, second) == expected


def test_changes_of_long_texts_are_counted() -> None:
    first = [f"w{number}" for number in range(40_000)]
    second = [word if number % 900 else "x" for number, word in enumerate(first)]
    del second[5_000:5_300]
    lines = change_lines(" ".join(first), " ".join(second))
    assert lines[1] == "... w894 w895 w896 w897 w898 w899 [-w900-] {+x+} w901 w902 w903 w904 w905 w906 ..."
    assert lines[6].startswith("... w4994 w4995 w4996 w4997 w4998 w4999 [-w5000 w5001 ")
    assert len(lines) == 21
    assert lines[-1] == "and 26 more places"


def test_changes_are_bounded() -> None:
    first = [f"w{number}" for number in range(40_000)]
    second = [word if number % 9 else "x" for number, word in enumerate(first)]
    lines = change_lines(" ".join(first), " ".join(second))
    assert len(lines) == 22
    assert lines[-2].startswith("and 1,")
    assert lines[-1] == "what follows was not compared"
    lines = change_lines(" ".join(first), " ".join(word.upper() for word in first))
    assert lines[-1] == "what follows was not compared"
    assert len(lines) == 2
