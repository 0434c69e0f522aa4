"""The stage `dedup`: what goes, for what, and that it is the same however documents lie in files."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from manifests.audit.audit import audit_build
from manifests.errors import UserError
from manifests.explore.build import Build
from pipeline.build import run_build
from pipeline.dedup.phases.clusters import Clusters, Names
from pipeline.dedup.phases.texts import Texts
from pipeline.dedup.phases.verify import Verify
from pipeline.engine.tasks import Phase, Task, TaskOutput
from pipeline.recipe import Recipe, load_recipe
from tests.builds import differing

Row = dict[str, Any]
_WORDS = [f"{first}{last}" for first in ["amber", "birch", "cedar", "delta", "ember"] for last in range(400)]
_RECIPE = """
name = "unique"
output = "{output}"
max_dropped_fraction = 1
[[sources]]
name = "web"
kind = "files"
paths = ["{files}/*.jsonl"]
format = "jsonl"
[filter]
rules = []
"""


def text(seed: int, length: int = 300) -> str:
    """Random words without repeats, so that its n-grams are all different."""
    return " ".join(random.Random(seed).sample(_WORDS, length))


def changed(original: str, num_changes: int, seed: int = 0) -> str:
    """The text with some of its words replaced, far enough apart that each costs five n-grams."""
    words = original.split()
    for number in range(num_changes):
        words[number * (len(words) // num_changes) + seed % 5] = f"changed{seed}x{number}"
    return " ".join(words)


def similarity(one: str, two: str, containment: bool = False) -> float:
    """Of the sets of 5-grams, by plain Python; words without signs only."""
    sets = [{tuple(words[at : at + 5]) for at in range(max(1, len(words) - 4))} for words in (one.split(), two.split())]
    return len(sets[0] & sets[1]) / len(sets[1] if containment else sets[0] | sets[1])


def write(folder: Path, files: dict[str, list[Row]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def recipe(folder: Path, files: dict[str, list[Row]], *settings: str, name: str = "out") -> Recipe:
    write(folder / f"{name}-files", files)
    path = folder / f"{name}.toml"
    path.write_text(_RECIPE.format(output=folder / name, files=folder / f"{name}-files"))
    return load_recipe(path, list(settings))


def built(folder: Path, files: dict[str, list[Row]], *settings: str, name: str = "out") -> Path:
    made = recipe(folder, files, *settings, name=name)
    run_build(made, until="dedup")
    return Path(made.output)


def kept(build: Path) -> dict[str, Row]:
    return {row["id"]: row for row in _rows(build, "part-*.parquet")}


def dropped(build: Path) -> dict[str, Row]:
    return {row["id"]: row for row in _rows(build, "dropped/part-*.parquet")}


def _rows(build: Path, pattern: str) -> list[Row]:
    return [row for path in sorted((build / "dedup").glob(pattern)) for row in pq.read_table(path).to_pylist()]


def mixed(number: int = 60) -> list[Row]:
    """Documents with copies and near copies, in a fixed order."""
    rows = []
    for seed in range(number):
        original = text(seed, 200 + seed % 7)
        rows.append(
            {
                "id": f"d{seed}",
                "text": original,
                "url": f"https://h{seed}.example/",
                "date": f"2020-01-{1 + seed % 28:02d}",
            }
        )
        for copy in range(seed % 4):
            near = changed(original, copy + 1, copy) if seed % 3 else original
            rows.append({**rows[-1], "id": f"d{seed}c{copy}", "text": near, "date": f"2021-02-{1 + copy:02d}"})
    return rows


def in_files(rows: list[Row], number: int, seed: int) -> dict[str, list[Row]]:
    """Rows in another order, in so many files with other names."""
    chance = random.Random(seed)
    chance.shuffle(rows := list(rows))
    names = [f"{chance.choice('abcxyz')}{seed}-{place}" for place in range(number)]
    return {name: rows[place::number] for place, name in enumerate(names)}


@pytest.mark.parametrize("keep", ["longest", "newest"])
def test_the_same_survivors_however_documents_lie_in_files(tmp_path: Path, keep: str) -> None:
    outcomes = []
    for number, seed in ((1, 1), (3, 2), (7, 3)):
        build = built(tmp_path, in_files(mixed(), number, seed), f"dedup.keep={keep}", name=f"{number}")
        evidence = ("reason", "value", "duplicate_of", "cluster", "shared_buckets", "estimated_similarity")
        outcomes.append(
            (
                {name: (row["cluster_size"], row["copies"]) for name, row in kept(build).items()},
                {name: [row[column] for column in evidence] for name, row in dropped(build).items()},
            )
        )
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert len(outcomes[0][1]) > 30


def test_every_removal_can_be_recomputed(tmp_path: Path) -> None:
    build = built(tmp_path, in_files(mixed(), 3, 4))
    texts = {row["id"]: row["text"] for row in mixed()}
    survivors, gone = kept(build), dropped(build)
    assert {row["reason"] for row in gone.values()} == {"exact_duplicate", "near_duplicate"}
    for name, row in gone.items():
        assert row["duplicate_of"] in survivors  # never through a chain
        assert row["value"] == similarity(texts[row["duplicate_of"]], texts[name]) >= 0.8
        if row["reason"] == "near_duplicate":
            assert 1 <= row["shared_buckets"] <= 14
            assert abs(row["estimated_similarity"] - row["value"]) < 0.2
    sizes = {name: row["cluster_size"] for name, row in survivors.items()}
    assert sum(sizes.values()) == len(texts)
    for name, row in survivors.items():
        copies = [one for one in gone.values() if one["duplicate_of"] == name]
        assert sizes[name] == 1 + len(copies)
        assert row["copies"] == (json.dumps({"web": len(copies)}) if copies else None)
    assert audit_build(str(build), deep=True).problems == []


def test_who_survives(tmp_path: Path) -> None:
    """Of three versions of a text: the longest, the newest, the first of the files, the one of the first source."""
    base = text(1)
    rows = [
        {"id": "new", "text": changed(base, 2), "date": "2024-01-01"},
        {"id": "long", "text": f"{base} and more", "date": "2020-01-01"},
        {"id": "first", "text": base, "date": "2019-01-01"},
    ]
    files = {"b": rows[:2], "a": rows[2:]}
    for keep, survivor in (("longest", "long"), ("newest", "new"), ("first", "first")):
        assert list(kept(built(tmp_path, files, f"dedup.keep={keep}"))) == [survivor]
    with pytest.raises(UserError, match="'best' is none of first, longest"):
        built(tmp_path, files, "dedup.keep=best")


def test_a_signal_decides(tmp_path: Path) -> None:
    base = text(1)
    rows = [{"id": "plain", "text": base}, {"id": "wordy", "text": f"{base} {'x ' * 20}"}]
    settings = ['filter.rules=["gopher_quality"]', "filter.gopher_quality.min_stop_words=0"]
    for keep, survivor in (("gopher_quality.mean_word_length", "plain"), ("gopher_quality.num_words", "wordy")):
        assert list(kept(built(tmp_path, {"a": rows}, *settings, f"dedup.keep={keep}"))) == [survivor]
    with pytest.raises(UserError, match=r"no signal of this build. Its signals: .*gopher_quality.num_words"):
        built(tmp_path, {"a": rows}, *settings, "dedup.keep=quality.score")


def test_scopes(tmp_path: Path) -> None:
    one = {"text": text(1)}
    files = {"x/a": [{"id": "1", **one}], "x/b": [{"id": "2", **one}], "y/a": [{"id": "3", **one}]}
    for folder in ("x", "y"):
        (tmp_path / "out-files" / folder).mkdir(parents=True)
    for scope, number in (("global", 1), ("source", 1), ("group", 2)):
        made = recipe(tmp_path, files, f"dedup.scope={scope}", f'sources.web.paths=["{tmp_path}/out-files/*/*.jsonl"]')
        run_build(made, until="dedup")
        assert len(kept(Path(made.output))) == number


def test_urls(tmp_path: Path) -> None:
    urls = ["https://www.A.example/x/", "http://a.example/x#top", "https://a.example:443/x", "https://a.example/X"]
    rows = [{"id": str(place), "text": text(place, 100 + place), "url": url} for place, url in enumerate(urls)]
    rows += [{"id": "none", "text": text(9)}, {"id": "null", "text": text(10), "url": None}]
    assert len(kept(built(tmp_path, {"a": rows}))) == 6
    build = built(tmp_path, {"a": rows}, "dedup.url=true")
    assert set(kept(build)) == {"2", "3", "none", "null"}
    assert {row["reason"] for row in dropped(build).values()} == {"url_duplicate"}
    assert {row["duplicate_of"] for row in dropped(build).values()} == {"2"}


def test_a_quotation_stays_and_containment_removes_it(tmp_path: Path) -> None:
    short, long = text(1, 150), f"{text(2)} {text(1, 150)}"
    rows = [{"id": "short", "text": short}, {"id": "long", "text": long}]
    assert len(kept(built(tmp_path, {"a": rows}))) == 2
    settings = (
        "dedup.minhash.measure=containment",
        "dedup.minhash.num_buckets=40",
        "dedup.minhash.hashes_per_bucket=1",
    )
    build = built(tmp_path, {"a": rows}, *settings)
    assert list(kept(build)) == ["long"]
    assert dropped(build)["short"]["value"] == similarity(long, short, containment=True) == 1.0


def test_a_chain_keeps_its_ends(tmp_path: Path) -> None:
    """A ~ B ~ C at 0.85, A and C at 0.72: B goes for one of them, and both stay, unless nothing is verified."""
    words = text(1, 304).split()
    versions = {"a": words[:260], "b": words[22:282], "c": words[44:304]}
    rows = [{"id": name, "text": " ".join(part)} for name, part in versions.items()]
    settings = ("dedup.keep=first", "dedup.minhash.num_buckets=40", "dedup.minhash.hashes_per_bucket=4")
    assert similarity(rows[0]["text"], rows[2]["text"]) < 0.8 < similarity(rows[0]["text"], rows[1]["text"])
    build = built(tmp_path, {"x": rows}, *settings)
    assert (set(kept(build)), set(dropped(build))) == ({"a", "c"}, {"b"})
    unchecked = built(tmp_path, {"x": rows}, *settings, "dedup.minhash.verify=false")
    assert list(kept(unchecked)) == ["a"]
    assert {row["duplicate_of"] for row in dropped(unchecked).values()} == {"a"}
    assert Build(str(unchecked)).manifest("dedup").facts["checked"] is False


_LICENCE = text(100, 180)
_NOTICE = text(101, 160)
_TEMPLATE = "Buy the {} {} in {} today . Our {} is made of {} and costs {} euros . Order it before {} and get a {} free"
_TRAPS: dict[str, list[str]] = {
    "pages of one template": [
        _TEMPLATE.format(*random.Random(seed).sample(_WORDS, 4), f"{seed} steel", 17 * seed, f"{seed} May", "mug")
        for seed in range(30)
    ],
    "a shared licence": [f"{text(seed, 120)} {_LICENCE}" for seed in range(20)],
    "a cookie notice": [f"{_NOTICE} {text(200 + seed, 90)}" for seed in range(20)],
    "shorter than an n-gram": ["one two", "one three", "two one", "one two three", "one"],
    "la la la": [" ".join(["la"] * number) for number in (5, 20, 100, 400)],
    "one sentence again and again": ["The end of the line . " * number for number in (3, 10, 60)],
    "lists of numbers": [" ".join(str(seed * 1000 + 37 * place) for place in range(100)) for seed in range(100)],
    "prices": [
        f"Total {seed} . {seed % 10}{seed % 7} € for {seed % 13} items on 0{seed % 9}.0{seed % 8}.2024"
        for seed in range(90)
    ],
    "accents": ["Pecheur a la ligne et a la barque dans le port", "Pêcheur à la ligne et à la barque dans le port"],
    "signs": ["if a + b > c then stop else go on with it", "if a - b < c then stop else go on with it"],
    "two scripts": ["Sva ljudska bića rađaju se slobodna i jednaka", "Сва људска бића рађају се слободна и једнака"],
    "two kinds of Han": ["这个国家的经济发展很快，人民生活水平提高", "這個國家的經濟發展很快，人民生活水平提高"],
}


@pytest.mark.parametrize("trap", _TRAPS)
def test_traps(tmp_path: Path, trap: str) -> None:
    rows = [{"id": str(place), "text": one} for place, one in enumerate(_TRAPS[trap])]
    build = built(tmp_path, {"a": rows})
    assert dropped(build) == {}


def test_problems_that_differ_in_numbers_stay(shared_data: Path, tmp_path: Path) -> None:
    """All but one, which is another's copy to the last byte."""
    rows = [json.loads(line) for line in (shared_data / "cases/35-dedup-numbers/docs.jsonl").read_text().splitlines()]
    build = built(tmp_path, {"a": rows})
    assert len({row["text"] for row in rows}) == len(kept(build)) == 199
    assert [row["reason"] for row in dropped(build).values()] == ["exact_duplicate"]
    folded = built(tmp_path, {"a": rows}, "dedup.minhash.fold_verified=true")
    assert len(kept(folded)) == 1


def test_a_second_build_against_the_first(tmp_path: Path) -> None:
    first = built(tmp_path, in_files(mixed(), 2, 1), name="first")
    new = [{**row, "id": f"again-{row['id']}"} for row in mixed(20)]
    new += [{"id": f"new{seed}", "text": text(1000 + seed)} for seed in range(5)]
    made = recipe(tmp_path, in_files(new, 2, 2), 'dedup.against=["first"]', name="second")
    run_build(made, until="dedup")
    second = Path(made.output)
    assert set(kept(second)) == {f"new{seed}" for seed in range(5)}
    survivors = kept(first)
    assert {row["duplicate_of"] for row in dropped(second).values()} <= set(survivors)
    assert audit_build(str(second), deep=True).problems == []
    inputs = {entry.path for entry in Build(str(second)).manifest("dedup").inputs}
    assert {"against/0/dedup/part-web-00000.parquet", "against/0/keys/web-00000.keys.npy"} <= inputs
    third = built(tmp_path, in_files(new, 5, 3), 'dedup.against=["first"]', name="third")
    assert set(kept(third)) == set(kept(second))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ('dedup.against=["nowhere"]', "there is no build. Was it moved"),
        ('dedup.against=["out"]', "is this build itself"),
        ('dedup.against=["first"]', "minhash.num_buckets is 14 there and 20 here"),
        ('dedup.against=["bare"]', "keeps no keys"),
    ],
)
def test_earlier_builds_that_cannot_be_compared_are_refused_before_anything_runs(
    tmp_path: Path, setting: str, message: str
) -> None:
    files = {"a": mixed(3)}
    if "first" in setting:
        built(tmp_path, files, name="first")
    if "bare" in setting:
        built(tmp_path, files, "dedup.keep_keys=false", name="bare")
    made = recipe(tmp_path, files, setting, "dedup.minhash.num_buckets=20")
    with pytest.raises(UserError, match=message):
        run_build(made, until="dedup")
    assert not (tmp_path / "out" / "extract").exists()


def test_a_source_that_grows_costs_its_new_files(tmp_path: Path) -> None:
    files = {"a": mixed(20), "b": [{"id": f"b{seed}", "text": text(500 + seed)} for seed in range(20)]}
    made = recipe(tmp_path, files)
    run_build(made, until="dedup")
    tasks = Path(made.output) / "dedup/tasks/keys.jsonl"
    before = {record["task"]: record["run"] for record in map(json.loads, tasks.read_text().splitlines())}
    more = {**files, "c": [{**row, "id": f"c-{row['id']}"} for row in mixed(10)]}
    grown = recipe(tmp_path, more)
    run_build(grown, until="dedup")
    after = {record["task"]: record["run"] for record in map(json.loads, tasks.read_text().splitlines())}
    assert {name: after[name] for name in before} == before
    assert len(after) == 3
    run_build(again := recipe(tmp_path, more, f"output={tmp_path / 'anew'}"), until="dedup")
    assert differing(Path(grown.output) / "dedup", Path(again.output) / "dedup") == []
    run_build(recipe(tmp_path, more, "dedup.minhash.threshold=0.9"), until="dedup")
    assert {record["task"]: record["run"] for record in map(json.loads, tasks.read_text().splitlines())} == after


def test_nothing_to_compare(tmp_path: Path) -> None:
    assert kept(built(tmp_path, {"a": []})) == {}
    with pytest.raises(UserError, match="so nothing can be found"):
        built(tmp_path, {"a": mixed(2)}, "dedup.exact=false", "dedup.minhash.enabled=false")


def test_of_five_versions_of_a_book_one_stays_and_no_other_book_goes(shared_data: Path, tmp_path: Path) -> None:
    """With the licence of Project Gutenberg in all of them, as text, and without it, as books."""
    versions = sorted((shared_data / "dedup/gutenberg-versions/sherlock").iterdir())
    books = sorted((shared_data / "books/gitenberg").glob("*.txt"))
    others = {path.name for path in books if not path.name.startswith("sherlock")}
    assert (len(versions), len(others)) == (5, 8)
    for kind in ("text", "gutenberg"):
        paths = json.dumps([str(path) for path in [*versions, *books]])
        made = recipe(tmp_path, {}, f"sources.web.paths={paths}", f'sources.web.format="{kind}"', name=kind)
        run_build(made, until="dedup")
        names = {row["file"].rpartition("/")[2] for row in kept(Path(made.output)).values()}
        assert names - others <= {path.name for path in versions} | {"sherlock-holmes-1661-8.txt"}
        assert len(names - others) == 1
        assert others < names


@pytest.mark.parametrize(("number", "num_true"), [(100, 5), (1000, 10)])
def test_plagiarised_articles_go_and_no_others(shared_data: Path, tmp_path: Path, number: int, num_true: int) -> None:
    """At the default threshold of 0.8: the least similar pair that was plagiarised is at 0.96."""
    folder = shared_data / "dedup/mccormick-minhash"
    lines = (folder / f"articles_{number}.train").read_text().splitlines()
    rows = [dict(zip(("id", "text"), line.split(" ", 1), strict=True)) for line in lines]
    truth = {frozenset(line.split()) for line in (folder / f"articles_{number}.truth").read_text().splitlines()}
    build = built(tmp_path, {"a": rows})
    assert {frozenset((row["id"], row["duplicate_of"])) for row in dropped(build).values()} == truth
    assert len(truth) == num_true
    assert min(row["value"] for row in dropped(build).values()) > 0.96


def test_a_chain_of_builds(tmp_path: Path) -> None:
    """A build that was compared with a smaller one, whose parts have the names of its own."""
    small = [{"id": "small", "text": text(2000)}]
    built(tmp_path, {"a": small}, name="first")
    documents = mixed(20)
    built(tmp_path, in_files(documents, 2, 1), 'dedup.against=["first"]', name="second")
    copies = [{**row, "id": f"again-{row['id']}"} for row in documents]
    third = built(tmp_path, in_files(copies + small, 3, 2), 'dedup.against=["second"]', name="third")
    assert set(kept(third)) == {"small"}
    assert audit_build(str(third), deep=True).problems == []


def test_against_a_build_that_cut_lines(tmp_path: Path) -> None:
    """Its keys are of its texts before that, and so is what is compared."""
    notice = "All rights are reserved, and no part of it may be copied."
    documents = [{**row, "text": f"{row['text']}\n{notice}"} for row in mixed(20)]
    first = built(tmp_path, {"a": documents}, "dedup.lines.enabled=true", name="first")
    assert sum(notice in row["text"] for row in kept(first).values()) == 1
    again = [{**row, "id": f"again-{row['id']}"} for row in documents]
    second = built(tmp_path, {"b": again, "c": mixed(30)[-3:]}, 'dedup.against=["first"]', name="second")
    assert set(kept(second)) == {row["id"] for row in mixed(30)[-3:]} - set(dropped(second))
    assert {row["duplicate_of"] for row in dropped(second).values()} <= {*kept(first), *kept(second)}
    assert audit_build(str(second), deep=True).problems == []


@pytest.mark.parametrize("phase", [Texts, Verify, Clusters, Names])
def test_a_setting_changes_after_a_run_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: type[Phase]
) -> None:
    """What was made of other signatures is made anew, though the pairs are the same."""

    def stops(self: Phase, task: Task, output: TaskOutput) -> None:
        raise UserError("stopped here")

    files = in_files(mixed(20), 3, 1)
    with monkeypatch.context() as patch:
        patch.setattr(phase, "process", stops)
        with pytest.raises(UserError, match="stopped here"):
            built(tmp_path, files)
    changed_build = built(tmp_path, files, "dedup.minhash.seed=7", "dedup.minhash.num_buckets=20")
    anew = built(tmp_path, files, "dedup.minhash.seed=7", "dedup.minhash.num_buckets=20", f"output={tmp_path / 'anew'}")
    assert differing(changed_build / "dedup", anew / "dedup") == []


def test_equal_texts_of_one_url_are_what_was_looked_for(tmp_path: Path) -> None:
    rows = [{"id": name, "text": text(1), "url": "https://one.example/"} for name in "abc"]
    for settings, reason in (
        (["dedup.exact=false", "dedup.minhash.enabled=false"], "url_duplicate"),
        (["dedup.exact=false"], "near_duplicate"),
        ([], "exact_duplicate"),
    ):
        build = built(tmp_path, {"a": rows}, "dedup.url=true", *settings)
        gone = dropped(build).values()
        assert [row["reason"] for row in gone] == [reason] * 2
        assert {row["shared_buckets"] for row in gone} == {14 if reason == "near_duplicate" else None}
        assert audit_build(str(build), deep=True).problems == []


def test_an_earlier_build_that_was_made_again_is_noted(tmp_path: Path) -> None:
    """Its documents lie elsewhere, so what was removed for them cannot be compared; nothing is wrong here."""
    built(tmp_path, in_files(mixed(20), 2, 1), name="first")
    again = [{**row, "id": f"again-{row['id']}"} for row in mixed(20)]
    second = built(tmp_path, {"a": again}, 'dedup.against=["first"]', name="second")
    for file in (tmp_path / "first-files").iterdir():
        file.unlink()
    built(tmp_path, in_files(mixed(40), 2, 5), name="first")
    report = audit_build(str(second), deep=True)
    assert report.problems == []
    assert any("not here now" in note for note in report.notes)


@pytest.mark.parametrize(
    "what",
    [*(f"keys/web-00000.{one}.npy" for one in ("documents", "signatures", "keys", "kept")), "part-web-00000.parquet"],
)
@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_damaged_files_of_an_earlier_build_are_named(tmp_path: Path, what: str, damage: str) -> None:
    first = built(tmp_path, {"a": mixed(8)}, name="first")
    file = first / "dedup" / what
    data = bytearray(file.read_bytes())
    if what.startswith("part"):
        data[8 : len(data) // 2] = bytes(len(data) // 2 - 8)
    data[-5] ^= 1
    file.unlink()
    if damage != "gone":
        file.write_bytes(data if damage == "changed" else data[:-20])
    made = recipe(tmp_path, {"a": mixed(12)}, 'dedup.against=["first"]')
    with pytest.raises(UserError, match=f"first/dedup/{re.escape(what)}: is missing, or was changed"):
        run_build(made, until="dedup")


@pytest.mark.parametrize("settings", [[], ["dedup.exact=false"], ["dedup.exact=false", "dedup.minhash.enabled=false"]])
@pytest.mark.parametrize("number", [2, 5, 200])
def test_one_document_of_a_url_stays(tmp_path: Path, settings: list[str], number: int) -> None:
    """Also where its others are equal among themselves."""
    rows = [{"id": "longest", "text": text(1), "url": "https://one.example/page"}]
    rows += [
        {"id": f"d{copy}", "text": text(2 + copy % 3, 200), "url": "http://one.example/page/"} for copy in range(number)
    ]
    rows += [{"id": "other", "text": text(2, 200), "url": "https://two.example/"}]
    build = built(tmp_path, {"a": rows}, "dedup.url=true", *settings)
    assert len(kept(build)) == 2
    assert {"longest"} < set(kept(build))
    assert audit_build(str(build), deep=True).problems == []
