"""The whole pipeline on real pages, dumps and books: the four laws hold on what comes out."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from manifests.audit.audit import audit_build
from manifests.audit.recount import recount_shards
from manifests.errors import UserError
from manifests.explore.build import Build
from manifests.explore.trace import trace_document, trace_token
from manifests.report.report import write_report
from pipeline.build import plan_build, run_build
from pipeline.engine.settings import ExecutorSettings
from pipeline.recipe import Recipe, load_recipe
from tests.builds import differing
from tests.recipes import write_real_recipe
from tokenizer.shards.read import ShardSet
from train.data.steps import documents_of_run_step
from train.objectives.pretrain import pretrain
from train.settings import load_run


@pytest.fixture(scope="module")
def recipe(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    return load_recipe(write_real_recipe(tmp_path_factory.mktemp("real"), shared_data))


@pytest.fixture(scope="module")
def build(recipe: Recipe) -> Path:
    run_build(recipe, executor=ExecutorSettings(workers=1))
    return Path(recipe.output)


def test_every_source_reaches_the_shards(build: Path) -> None:
    counts = Build(str(build)).manifest("shards").counts.sources
    assert set(counts) == {"pages", "cc", "enwiki", "itwiki", "books"}
    assert all(source.documents_out > 0 for source in counts.values())
    assert counts["pages"].documents_out > 100
    assert counts["books"].documents_out == 2


def test_deep_audit_passes(build: Path) -> None:
    report = audit_build(str(build), deep=True)
    assert report.problems == []
    num_extracted = Build(str(build)).manifest("extract").counts.documents_out
    num_rows = sum(pq.read_metadata(path).num_rows for path in (build / "shards").rglob("*.index.parquet"))
    assert report.checked["raw records"] == num_extracted > 300
    assert report.checked["documents decoded"] == num_rows > 150


def test_two_workers_give_the_same_bytes(recipe: Recipe, build: Path, tmp_path: Path) -> None:
    other = load_recipe(recipe.folder / "real.toml", [f"output={tmp_path / 'two'}"])
    run_build(other, executor=ExecutorSettings(workers=2))
    different = differing(build, tmp_path / "two")
    assert different == [], different


def test_second_run_reuses_every_stage(recipe: Recipe, build: Path) -> None:
    assert [plan.action for plan in plan_build(recipe)] == ["reuse"] * 6
    assert run_build(recipe).rebuilt == []


def test_a_threshold_rebuilds_from_the_filter_on(recipe: Recipe, build: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(build, copy)
    overrides = [f"output={copy}", "filter.gopher_quality.min_words=200", "max_dropped_fraction=1"]
    changed = load_recipe(recipe.folder / "real.toml", overrides)
    plans = {plan.stage: plan for plan in plan_build(changed)}
    assert [plan.action for plan in plans.values()] == ["reuse", "reuse", "build", "follow", "follow", "follow"]
    assert any("gopher_quality.min_words: 50 -> 200" in reason for reason in plans["filter"].reasons)
    report = run_build(changed)
    assert report.reused == ["acquire", "extract"]
    assert report.manifests["filter"].counts.dropped["gopher_too_few_words"] > 0
    assert audit_build(str(copy)).problems == []
    # And back again: the bytes of the first build.
    run_build(load_recipe(recipe.folder / "real.toml", [f"output={copy}"]))
    assert differing(build, copy) == []


def test_random_tokens_lead_to_records_that_hold_their_page(build: Path) -> None:
    opened = Build(str(build))
    shards = ShardSet.open(str(build / "shards"))
    choose = random.Random(0)
    for _ in range(200):
        shard, position = shards.locate(choose.randrange(shards.num_tokens))
        trace = trace_token(opened, f"{shard.removesuffix('.bin')}:{position}")
        record = trace.read_record()
        assert record
        if trace.format == "warc":
            assert trace.provenance["url"].encode() in record
        elif trace.format == "mediawiki":
            page, revision = trace.id.split("/")[-2:]
            assert f"<id>{page}</id>".encode() in record
            assert f"<id>{revision}</id>".encode() in record


def test_a_page_is_traced_from_its_url(build: Path) -> None:
    opened = Build(str(build))
    row = next(iter(opened.tables(opened.parts("dedup")[0]))).slice(0, 1).to_pylist()[0]
    ((sighting, trace, places),) = trace_document(opened, "url", row["url"])
    assert sighting.kept
    assert sighting.stage == "dedup"
    assert trace is not None
    assert trace.text == row["text"]
    assert len(places) == 1
    with pytest.raises(UserError, match="was ever read"):
        list(trace_document(opened, "url", "http://nowhere.example/"))


def test_duplicates_name_what_is_kept(build: Path) -> None:
    opened = Build(str(build))
    kept = {
        row["id"]
        for part in opened.parts("dedup")
        for table in opened.tables(part, ["id"])
        for row in table.to_pylist()
    }
    drops = [
        row
        for part in opened.parts("dedup", dropped=True)
        for table in opened.tables(part)
        for row in table.to_pylist()
    ]
    assert drops
    assert {row["reason"] for row in drops} <= {"exact_duplicate", "near_duplicate"}
    assert all(row["duplicate_of"] in kept for row in drops)


@pytest.fixture(scope="module")
def trained(recipe: Recipe, build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the build in which a model was trained for a few steps."""
    copy = tmp_path_factory.mktemp("trained") / "build"
    shutil.copytree(build, copy)
    summary = pretrain(load_run(recipe.folder / "real.toml", [f"output={copy}"]))
    assert summary.finished
    assert summary.num_steps == 10
    return copy


def test_a_training_step_names_its_documents(trained: Path) -> None:
    documents = documents_of_run_step(trained / "train", 3)
    assert documents
    opened = Build(str(trained))
    for document in documents:
        assert trace_token(opened, f"{document['shard'].removesuffix('.bin')}:{document['start']}").id == document["id"]


def test_audit_knows_the_shards_that_were_trained_on(trained: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    assert audit_build(str(copy)).problems == []
    manifest = json.loads((copy / "train/manifest.json").read_text())
    manifest["facts"]["data_manifest_sha256"] = "0" * 64
    (copy / "train/manifest.json").write_text(json.dumps(manifest))
    assert any("other shards" in problem for problem in audit_build(str(copy)).problems)


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 12))])
def test_audit_names_a_file_with_one_flipped_byte(trained: Path, tmp_path: Path, seed: int) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    choose = random.Random(seed)
    files = sorted(path for path in copy.rglob("*") if path.is_file() and path.name != ".lock")
    files = [path for path in files if path.relative_to(copy).parts[0] != "logs" and path.stat().st_size]
    for path in choose.sample(files, 6):
        data = bytearray(path.read_bytes())
        place = choose.randrange(len(data))
        data[place] ^= 1 << choose.randrange(8)
        original = path.read_bytes()
        path.write_bytes(data)
        problems = "\n".join(audit_build(str(copy)).problems)
        name = path.relative_to(copy).as_posix()
        folder = f"{path.relative_to(copy).parts[0]}/tasks/"
        assert name in problems or (name.startswith(folder) and folder in problems), (name, place, problems)
        path.write_bytes(original)
    assert audit_build(str(copy)).problems == []


def test_audit_counts_the_rows_of_the_shards(build: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(build, copy)
    path = copy / "shards/train/shard-00000.index.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)
    problems: list[str] = []
    recount_shards(Build(str(copy)), problems)
    assert any("num_documents is" in problem for problem in problems)
    assert any("num_tokens is" in problem for problem in problems)


def test_audit_covers_the_report(build: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(build, copy)
    page = Path(write_report(str(copy)))
    assert audit_build(str(copy)).problems == []
    data = bytearray(page.read_bytes())
    data[len(data) // 2] ^= 1
    page.write_bytes(data)
    assert any("report.html" in problem for problem in audit_build(str(copy)).problems)


def test_report_is_one_file_with_the_funnel(build: Path) -> None:
    page = Path(write_report(str(build))).read_text(encoding="utf-8")
    assert "enwiki" in page
    assert "near_duplicate" in page or "exact_duplicate" in page
    assert "http-equiv" not in page
    for outside in ('src="http', 'href="http', "url(http"):
        assert outside not in page


def test_a_build_folder_of_another_recipe_is_refused(recipe: Recipe, build: Path) -> None:
    other = load_recipe(recipe.folder / "real.toml", ["name=other"])
    with pytest.raises(UserError, match="holds the build of recipe 'real', not 'other'"):
        run_build(other)


def test_damage_stops_the_build_and_loses_nothing(recipe: Recipe, build: Path, tmp_path: Path) -> None:
    overrides = [f"output={tmp_path / 'out'}", "extract.damaged=fail"]
    with pytest.raises(UserError, match=r"clipped.*damaged=drop"):
        run_build(load_recipe(recipe.folder / "real.toml", overrides))
    counts = json.loads((tmp_path / "out/extract/manifest.json").read_text())["counts"]["sources"]["cc"]
    expected = Build(str(build)).manifest("extract").counts.sources["cc"]
    assert counts == expected.model_dump()
    run_build(load_recipe(recipe.folder / "real.toml", [overrides[0]]), until="extract")


@pytest.mark.parametrize(
    ("change", "stage"),
    [
        ("seed=8", "tokenizer"),
        ("sources.books.format=gutenberg", "acquire"),
        ("sources.books.weight=2.0", "shards"),
        ("sources.books.rules=['c4']", "filter"),
        ("sources.itwiki.language=en", "acquire"),
        ("extract.html=resiliparse", "extract"),
        ("filter.language_threshold=0.7", "filter"),
        ("dedup.minhash.num_buckets=10", "dedup"),
        ("tokenizer.vocab_size=1024", "tokenizer"),
        ("shards.validation_fraction=0.1", "shards"),
    ],
)
def test_every_setting_is_in_the_fingerprint_of_its_stage(recipe: Recipe, build: Path, change: str, stage: str) -> None:
    changed = load_recipe(recipe.folder / "real.toml", [f"output={build}", change])
    first = next(plan for plan in plan_build(changed) if plan.action != "reuse")
    assert first.stage == stage
    assert first.action == "build"


def test_another_format_is_read_anew(recipe: Recipe, build: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(build, copy)
    changed = load_recipe(recipe.folder / "real.toml", [f"output={copy}", "sources.books.format=gutenberg"])
    assert "extract" in run_build(changed, until="extract").rebuilt
    texts = [
        row["text"]
        for table in Build(str(copy)).tables("extract/part-books-00000.parquet")
        for row in table.to_pylist()
    ]
    assert texts
    assert not any(
        "START OF THIS PROJECT GUTENBERG" in text or "START OF THE PROJECT GUTENBERG" in text for text in texts
    )
