"""The filter stage on real pages: signals of every document, decisions that can be made again, the guard on drops."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from manifests.audit.recount_signals import recount_signals
from manifests.errors import UserError
from manifests.explore.build import Build
from manifests.explore.funnel import funnel_lines
from manifests.explore.what_if import what_if
from manifests.manifest import FileEntry, write_manifest
from manifests.storage import Folder
from pipeline.build import run_build
from pipeline.engine.runner import Unwatched
from pipeline.engine.tasks import Task, TaskOutput
from pipeline.filters.chain import Chain
from pipeline.filters.settings import FilterSettings
from pipeline.recipe import Recipe, load_recipe
from pipeline.stages.filter import Filter
from tests.builds import differing
from tests.packing import pack_web_pages

_RECIPE = """
name = "filtered"
output = "{output}"

[[sources]]
name = "pages"
kind = "files"
paths = ["pages.warc.gz"]
format = "warc"

[[sources]]
name = "loose"
kind = "files"
paths = ["pages.warc.gz"]
format = "warc"
rules = ["gopher_quality"]
[sources.filter]
languages = []
[sources.filter.pii]
enabled = true

[filter]
languages = ["en", "de"]
[filter.language_thresholds]
de = 0.8
[filter.urls]
opt_out = "opt_out.txt"
"""


@pytest.fixture(scope="module")
def folder(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filtered")
    pack_web_pages(shared_data / "web" / "trafilatura", folder / "pages.warc.gz", 200)
    (folder / "recipe.toml").write_text(_RECIPE.format(output=folder / "out"))
    return folder


@pytest.fixture(scope="module")
def recipe(folder: Path) -> Recipe:
    (folder / "opt_out.txt").write_text("# nobody yet\n")
    (folder / "empty.txt").touch()
    (folder / "blocked" / "forums").mkdir(parents=True)
    (folder / "blocked" / "forums" / "expressions").write_text("(a\\1)\n")
    return load_recipe(folder / "recipe.toml")


@pytest.fixture(scope="module")
def build(recipe: Recipe) -> Path:
    run_build(recipe, until="filter")
    return Path(recipe.output)


def rows(path: Path) -> list[dict[str, Any]]:
    return [row for part in sorted(path.glob("part-*.parquet")) for row in pq.read_table(part).to_pylist()]


@pytest.mark.parametrize("source", ["pages", "loose"])
def test_every_document_has_signals_and_a_place(build: Path, source: str) -> None:
    name = f"part-{source}-00000.parquet"
    came = pq.read_table(build / "extract" / name).to_pylist()
    kept = pq.read_table(build / "filter" / name).to_pylist()
    dropped = pq.read_table(build / "filter" / "dropped" / name).to_pylist()
    signals = pq.read_table(build / "filter" / "signals" / name).to_pylist()
    assert len(kept) > 10
    assert len(dropped) > 10
    assert [row["id"] for row in signals] == [row["id"] for row in came]
    for row, document in zip(signals, came, strict=True):
        place = (kept if row["reason"] is None else dropped)[row["row"]]
        assert place["id"] == row["id"]
        assert place.get("reason") == row["reason"]
        assert place["language"] == row["language"] == row["top_languages"][0]["code"]
        assert row["num_characters"] == len(document["text"])
        assert row["num_bytes"] == len(document["text"].encode())
        assert row["gopher_quality.num_words"] is not None


@pytest.mark.parametrize("source", ["pages", "loose"])
def test_comparisons_in_the_manifest_make_the_same_decisions(build: Path, source: str) -> None:
    comparisons = Build(str(build)).manifest("filter").facts["comparisons"][source]
    reasons = set()
    for row in pq.read_table(build / "filter" / "signals" / f"part-{source}-00000.parquet").to_pylist():
        decided = None
        for comparison in comparisons:
            value = row[comparison["signal"]]
            threshold = comparison.get("by_language", {}).get(row["language"], comparison["threshold"])
            if value is None or (value >= threshold if comparison["must_be"] == "at_least" else value <= threshold):
                continue
            decided = comparison["reason"]
            break
        assert decided == row["reason"], row["id"]
        reasons.add(decided)
    assert len(reasons) > 3


@pytest.mark.parametrize(
    ("before", "asked"),
    [
        ([], ["language_thresholds.de=0.99", "language_thresholds.en=0.95"]),
        ([], ["language_thresholds.de=0", "filter.language_threshold=0.97"]),
        (["filter.language_thresholds={}"], ["language_thresholds.en=0.9", "language_thresholds.fr=1"]),
        (
            ["sources.loose.filter.language_thresholds.de=0.9"],
            ["language_thresholds.de=1", "gopher_quality.min_words=9"],
        ),
        ([], ["sources.loose.filter.language_thresholds.en=0.97"]),
    ],
)
def test_what_thresholds_of_languages_would_do_is_what_they_do(
    folder: Path, build: Path, tmp_path: Path, before: list[str], asked: list[str]
) -> None:
    shutil.copytree(build, tmp_path / "out")
    overrides = [f"output={tmp_path / 'out'}", *before]
    run_build(load_recipe(folder / "recipe.toml", overrides), until="filter")
    old = {(row["source"], row["id"]): row for row in _signals(tmp_path / "out")}
    answer = what_if(Build(str(tmp_path / "out")), asked)
    assert any(effect.moves for effect in answer.effects)
    overrides += [change.assignment for change in answer.changes]
    report = run_build(load_recipe(folder / "recipe.toml", overrides), until="filter")
    assert report.reused == ["acquire", "extract"]
    for effect in answer.effects:
        moves: Counter[tuple[str | None, str | None]] = Counter()
        new = [row for row in _signals(tmp_path / "out") if row["source"] == effect.source]
        for row in new:
            was = old[row["source"], row["id"]]["reason"]
            if was != row["reason"]:
                moves[was, row["reason"]] += 1
        assert {(move.before, move.after): move.num_documents for move in effect.moves} == moves
        assert effect.kept_then == sum(row["reason"] is None for row in new)


def _signals(build: Path) -> list[dict[str, Any]]:
    return rows(build / "filter" / "signals")


def test_an_opt_out_and_a_changed_list_rebuild_the_filter_alone(folder: Path, recipe: Recipe, build: Path) -> None:
    urls = [row["url"] for row in rows(build / "filter") if row["source"] == "pages"]
    (folder / "opt_out.txt").write_text(f"{urls[0]}\n")
    report = run_build(recipe, until="filter")
    assert report.reused == ["acquire", "extract"]
    dropped = [row for row in rows(build / "filter" / "dropped") if row["reason"] == "url_opt_out"]
    assert {row["url"] for row in dropped} == {urls[0]}
    assert {row["source"] for row in dropped} == {"pages", "loose"}
    (folder / "opt_out.txt").write_text("# nobody yet\n")
    run_build(recipe, until="filter")


def test_the_manifest_tells_what_was_read_of_lists_and_urls(folder: Path, build: Path, tmp_path: Path) -> None:
    shutil.copytree(build, tmp_path / "out")
    (tmp_path / "lists" / "adult").mkdir(parents=True)
    (tmp_path / "lists" / "adult" / "domains").write_text("a.example\nno host\n\n# none\nb.example\n")
    # Three of the documents lose their URL, as documents of other formats have none.
    part = tmp_path / "out" / "extract" / "part-loose-00000.parquet"
    table = pq.read_table(part)
    urls = [None, "", "no host", *table["url"].to_pylist()[3:]]
    place = table.schema.get_field_index("url")
    pq.write_table(table.set_column(place, table.schema.field(place), [urls]), part)
    chain = Chain(FilterSettings().merged({"urls": {"block_lists": [str(tmp_path / "lists")]}}))
    output = TaskOutput(Folder(str(tmp_path / "out")), "filter")
    phase = Filter({"loose": chain.settings})
    entry = FileEntry.of(output.build.digest("extract/part-loose-00000.parquet"))
    phase.process(Task(name="loose-00000", inputs=(entry,), settings={"digests": {}}), output)
    assert output.facts["unread_urls"] == {"no_url": 2, "unreadable_url": 1}
    # A whole run says so by source, names the lists by their place, and says what it ignored.
    recipe = load_recipe(
        folder / "recipe.toml",
        [f"output={tmp_path / 'again'}", f"sources.loose.filter.urls.block_lists=['{tmp_path / 'lists'}']"],
    )
    watcher = Watcher()
    run_build(recipe, until="filter", watcher=watcher)
    facts = Build(str(tmp_path / "again")).manifest("filter").facts["urls"]
    none = {"num_entries": 0, "num_ignored_lines": 0}
    assert facts["pages"]["lists"] == {"urls/0/opt_out/opt_out.txt": none}
    assert facts["loose"]["lists"] == {
        "urls/0/adult/domains": {"num_entries": 2, "num_ignored_lines": 1},
        "urls/1/opt_out/opt_out.txt": none,
    }
    digests = Build(str(tmp_path / "again")).manifest("filter").fingerprint_of.settings["sources"]["loose"]["digests"]
    assert set(facts["loose"]["lists"]) <= set(digests)
    assert facts["loose"]["unread"] == {}
    (line,) = [line for line in watcher.lines if "ignored" in line]
    domains = tmp_path / "lists" / "adult" / "domains"
    assert line == f"filter: ignored lines of URL lists, which name no host: 1 in {domains} (1)"


def test_paths_are_no_part_of_the_fingerprint(folder: Path, build: Path, tmp_path: Path) -> None:
    copy = tmp_path / "moved"
    copy.mkdir()
    for name in ("pages.warc.gz", "opt_out.txt", "recipe.toml"):
        shutil.copy(folder / name, copy / name)
    moved = load_recipe(copy / "recipe.toml", [f"output={tmp_path / 'out'}"])
    run_build(moved, until="filter")
    assert str(folder) not in (build / "filter" / "manifest.json").read_text()
    assert differing(build / "filter", tmp_path / "out" / "filter") == []


def test_a_source_switches_the_classifier_off(folder: Path) -> None:
    recipe = load_recipe(
        folder / "recipe.toml", ["filter.classifier.model=m.safetensors", "sources.loose.filter.classifier.model=''"]
    )
    assert [recipe.filter_settings(source).classifier.model for source in recipe.sources] == ["m.safetensors", None]


def test_personal_data_is_counted_as_edits(build: Path) -> None:
    counts = Build(str(build)).manifest("filter").counts.sources
    assert counts["loose"].edited["pii_email"] > 0
    assert not any(name.startswith("pii_") for name in counts["pages"].edited)
    assert any("email@example.com" in row["text"] for row in rows(build / "filter") if row["source"] == "loose")


def _rewritten(build: Path, name: str, column: str, change: Any) -> list[str]:
    """What the audit says when one value of a column of the signals is another; the file is put back."""
    path = build / "filter" / "signals" / name
    before = path.read_bytes()
    table = pq.read_table(path)
    values = table[column].to_pylist()
    number = next(number for number, reason in enumerate(table["reason"].to_pylist()) if reason)
    values[number] = change(values[number])
    place = table.schema.get_field_index(column)
    pq.write_table(table.set_column(place, table.schema.field(place), [values]), path)
    problems: list[str] = []
    recount_signals(Build(str(build)), problems)
    path.write_bytes(before)
    return problems


def test_audit_compares_signals_with_parts_and_decisions(build: Path) -> None:
    name = "part-loose-00000.parquet"
    problems: list[str] = []
    recount_signals(Build(str(build)), problems)
    assert problems == []
    assert "not in the place" in _rewritten(build, name, "row", lambda row: row + 1)[0]
    assert "the dropped part" in _rewritten(build, name, "reason", lambda _: "other")[0]
    assert "is not in the place" in _rewritten(build, name, "reason", lambda _: None)[0]
    dropped = pq.read_table(build / "filter" / "signals" / name).to_pylist()
    reason = next(row["reason"] for row in dropped if row["reason"])
    comparison = next(
        row for row in Build(str(build)).manifest("filter").facts["comparisons"]["loose"] if row["reason"] == reason
    )
    assert "comparisons give" in _rewritten(build, name, comparison["signal"], lambda _: comparison["threshold"])[0]


def test_the_manifest_says_which_languages_a_signal_did_not_judge(build: Path) -> None:
    stated = Build(str(build)).manifest("filter").facts["languages"]
    for source, languages in stated.items():
        signals = rows(build / "filter" / "signals")
        own = [row for row in signals if row["source"] == source]
        assert sum(found["documents"] for found in languages.values()) == len(own)
        for language, found in languages.items():
            number = sum(row["gopher_quality.num_stop_words"] is None for row in own if row["language"] == language)
            assert found["not_judged"].get("gopher_quality.num_stop_words", 0) == number
    name, signal = "part-loose-00000.parquet", "gopher_quality.hash_fraction"
    assert "facts.languages: not what the signals say: loose" in _rewritten(build, name, signal, lambda _: None)[0]


def test_audit_misses_signals(build: Path, tmp_path: Path) -> None:
    name = "part-loose-00000.parquet"
    for kind in ("gone", "fewer"):
        shutil.copytree(build, tmp_path / kind)
        path = tmp_path / kind / "filter" / "signals" / name
        table = pq.read_table(path)
        path.unlink()
        if kind == "fewer":
            pq.write_table(table.slice(0, table.num_rows - 5), path)
        problems: list[str] = []
        recount_signals(Build(str(tmp_path / kind)), problems)
        if kind == "fewer":
            left = sum(int(re.search(r"has no row for (\d+) of", problem)[1]) for problem in problems)  # type: ignore[index]
            assert left == 5
        assert problems
        assert all(problem.startswith(f"filter/signals/{name}: ") for problem in problems)
    # A manifest that names no signals for a part is no better.
    copied = Build(str(tmp_path / "gone"))
    manifest = copied.manifest("filter")
    outputs = [entry for entry in manifest.outputs if entry.path != f"signals/{name}"]
    write_manifest(copied.folder.folder("filter"), manifest.model_copy(update={"outputs": outputs}))
    problems = []
    recount_signals(Build(copied.url), problems)
    assert problems == [f"filter/signals/{name}: missing, so the signals of part {name} cannot be compared"]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("filter.urls.block_lists=['nowhere']", "nowhere"),
        ("filter.urls.block_lists=['blocked']", "expressions: line 1: no regular expression that RE2 can read"),
        ("filter.classifier.model=none.safetensors", "none.safetensors"),
        ("filter.language_model=none.bin", "none.bin"),
        ("filter.c4.bad_words.en=none.txt", "none.txt"),
        ("filter.c4.bad_words.en=empty.txt", "no word in it"),
        ("filter.gopher_quality.min_mean_word_length=nan", "min_mean_word_length"),
        ("extract.page_seconds=inf", "page_seconds"),
        (
            "filter.languages=['english']",
            "filter: languages: the language model knows no language 'english' (did you mean 'en'?).",
        ),
        ("filter.gopher_quality.stop_words.eng=['the']", "gopher_quality.stop_words: the language model knows no"),
        ("filter.gopher_quality.stop_words.eng_Latn=['the']", "'eng_Latn' (did you mean 'en'?)."),
        ("filter.gopher_quality.stop_words.xx=['the']", "no language 'xx'; give ISO 639-1 codes"),
        ("sources.loose.filter.c4.bad_words.sr-Latn=opt_out.txt", "'sr-Latn' (did you mean 'sr'?)."),
        ("filter.pii.regions.german=['DE']", "filter.pii.regions: the language model knows no language 'german' (did"),
        ("filter.pii={enabled=true,email='jane@doe.org'}", "jane@doe.org"),
    ],
)
def test_what_the_filter_cannot_use_is_said_before_anything_runs(
    override: str, said: str, folder: Path, recipe: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=re.escape(said)) as error:
        run_build(load_recipe(folder / "recipe.toml", [f"output={tmp_path / 'out'}", override]))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out" / "acquire").exists()


class Watcher(Unwatched):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


def test_a_source_that_loses_too_much_stops_the_build(folder: Path, build: Path, tmp_path: Path) -> None:
    overrides = [f"output={tmp_path / 'my out'}", "filter.gopher_quality.min_words=1000000"]
    watcher = Watcher()
    with pytest.raises(UserError, match=r"filter: .* gopher_too_few_words.*max_dropped_fraction") as error:
        run_build(load_recipe(folder / "recipe.toml", overrides), watcher=watcher)
    assert "\n" not in str(error.value)
    assert f"`groundup drops '{tmp_path / 'my out'}' --reason gopher_too_few_words`" in str(error.value)
    manifest = Build(str(tmp_path / "my out")).manifest("filter")
    lines = funnel_lines(manifest)
    assert watcher.lines[-len(lines) :] == lines
    assert any("gopher_too_few_words" in line for line in watcher.lines)
    accepted = load_recipe(folder / "recipe.toml", [*overrides, "max_dropped_fraction=1"])
    assert run_build(accepted, until="filter").rebuilt == []


def test_one_source_of_two_that_loses_all(folder: Path, tmp_path: Path) -> None:
    overrides = [f"output={tmp_path / 'out'}", "filter.languages=['ja']"]
    with pytest.raises(UserError, match=r"of source 'pages' were dropped .*for language\)"):
        run_build(load_recipe(folder / "recipe.toml", overrides), until="filter")
