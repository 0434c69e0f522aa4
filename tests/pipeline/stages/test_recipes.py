"""The ready recipes: `--plan` takes them as they are, and they build from a mirror laid out as the real ones are.

What a recipe says stays as it is but for the mirrors' address and what makes it small enough for a test.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from groundup import app
from manifests.explore.build import Build
from manifests.settings import load_toml
from model import GPT
from pipeline.mirrors.loopback import LoopbackMirror
from pipeline.quickstart.warc import warc_file
from pipeline.recipe import load_recipe
from pipeline.stages.all import STAGE_CLASSES
from tests.conftest import REPOSITORY
from tests.packing import first_pages, read_web_pages
from train.settings import load_run

RECIPES = REPOSITORY / "recipes"
READY = ("common-crawl-sample", "simple-wikipedia", "web-and-wiki", "gpt2-124m")
ELSEWHERE = ("books", "code", "common-crawl-index", "hugging-face")  # test_source_recipes.py
CRAWL = "CC-MAIN-2024-10"
NUM_WARCS = 3  # one more than the small recipes take
PAGES_PER_WARC = 100
PAGES_PER_DUMP = 120  # half of them redirects
OLD_DUMP, DUMP, UNFINISHED_DUMP = "20240201", "20240220", "20240301"
SMALL = {
    "tokenizer.vocab_size": "512",
    "shards.tokens_per_shard": "200_000",
    "shards.validation_fraction": "0.1",
    "model.preset": "tiny",
    "model.num_layers": "1",
    "model.width": "64",
    "model.num_heads": "2",
    "train.sequence_length": "64",
    "train.batch_tokens": "512",
    "train.max_tokens": "2048",
    "train.validation_tokens": "2048",
    "train.sample_tokens": "8",
}


def warc_path(number: int) -> str:
    """A file's place in the crawl, as its listing writes it."""
    name = f"CC-MAIN-20240220211055-20240221001055-{number:05d}.warc.gz"
    return f"crawl-data/{CRAWL}/segments/1707947473347.0/warc/{name}"


@pytest.fixture(scope="module")
def mirror(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackMirror]:
    folder = tmp_path_factory.mktemp("mirror")
    _write_crawl(folder, shared_data)
    wiki = shared_data / "wiki"
    simple = {"pages-articles.xml.bz2": (wiki / "gensim/enwiki-table-markup.xml.bz2").read_bytes()}
    _write_dump(folder, "simplewiki", OLD_DUMP, simple)
    (articles,) = (wiki / "gensim").glob("enwiki-latest-pages-articles1*")
    pages = bz2.compress(first_pages(bz2.decompress(articles.read_bytes()), PAGES_PER_DUMP))
    _write_dump(folder, "simplewiki", DUMP, {"pages-articles.xml.bz2": pages})
    _write_dump(folder, "simplewiki", UNFINISHED_DUMP, {}, status="waiting")
    # A large wiki is dumped in parts, named by the pages that they hold.
    parts = {
        "pages-articles1.xml-p10p30302.bz2": pages,
        "pages-articles2.xml-p30303p151573.bz2": (wiki / "wiki_dump_extractor/tiny_dump.xml.bz2").read_bytes(),
    }
    _write_dump(folder, "enwiki", DUMP, parts)
    with LoopbackMirror(folder) as serving:
        yield serving


def _write_crawl(folder: Path, shared_data: Path) -> None:
    pages = read_web_pages(shared_data / "web" / "trafilatura", NUM_WARCS * PAGES_PER_WARC)
    for number in range(NUM_WARCS):
        chosen = [(page.url, page.html) for page, _ in zip(pages, range(PAGES_PER_WARC), strict=False)]
        path = folder / warc_path(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(warc_file(number, chosen))
    listing = "".join(f"{warc_path(number)}\n" for number in range(NUM_WARCS))
    (folder / f"crawl-data/{CRAWL}/warc.paths.gz").write_bytes(gzip.compress(listing.encode()))


def _write_dump(folder: Path, wiki: str, date: str, parts: dict[str, bytes], status: str = "done") -> None:
    """A dump's files and its status, which names jobs that this program does not want, too."""
    place = folder / wiki / date
    place.mkdir(parents=True)
    files = {}
    for part, data in parts.items():
        name = f"{wiki}-{date}-{part}"
        (place / name).write_bytes(data)
        digests = {"sha1": hashlib.sha1(data).hexdigest(), "md5": hashlib.md5(data).hexdigest()}
        files[name] = {"size": len(data), "url": f"/{wiki}/{date}/{name}", **digests}
    abstracts = bz2.compress(b"<feed></feed>")
    name = f"{wiki}-{date}-abstract.xml.bz2"
    (place / name).write_bytes(abstracts)
    other = {"status": "done", "files": {name: {"size": len(abstracts), "sha1": hashlib.sha1(abstracts).hexdigest()}}}
    jobs = {"abstractsdump": other, "articlesdump": {"status": status, "updated": "2024-02-21 05:11:02"}}
    if files:
        jobs["articlesdump"]["files"] = files
    (place / "dumpstatus.json").write_text(json.dumps({"version": "0.8", "jobs": jobs}))


def groundup(*arguments: str) -> str:
    """Run a command that must succeed; returns what it prints."""
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def overrides(name: str, url: str, output: Path) -> list[str]:
    sources = load_toml(RECIPES / f"{name}.toml")["sources"]
    values = {"output": str(output), **{f"sources.{source['name']}.mirror": url for source in sources}, **SMALL}
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


def test_these_are_the_ready_recipes() -> None:
    assert {path.stem for path in RECIPES.glob("*.toml")} == {"quickstart", *READY, *ELSEWHERE}
    assert not any(path.stem != load_toml(path)["name"] for path in RECIPES.glob("*.toml"))


@pytest.mark.parametrize("name", READY)
def test_plan_takes_the_recipe_as_it_is(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    printed = groundup("run", str(RECIPES / f"{name}.toml"), "--plan")
    assert [line.split()[0] for line in printed.splitlines() if "build: not built yet" in line] == [
        stage.name for stage in STAGE_CLASSES
    ]
    assert list(tmp_path.iterdir()) == []  # a plan writes nothing


@pytest.mark.parametrize("name", READY)
def test_the_recipe_builds_trains_and_passes_the_audit(name: str, mirror: LoopbackMirror, tmp_path: Path) -> None:
    recipe = str(RECIPES / f"{name}.toml")
    output = tmp_path / "build"
    changed = overrides(name, mirror.url, output)
    asked_before = len(mirror.requests)
    groundup("run", recipe, *changed)
    groundup("audit", str(output))
    loaded = load_recipe(RECIPES / f"{name}.toml")
    build = Build(str(output))
    _check_raw_files(build, name, {request.path for request in mirror.requests[asked_before:]})
    shards = build.manifest("shards").counts.sources
    assert set(shards) == {source.name for source in loaded.sources}
    assert all(counts.documents_in >= 10 for counts in shards.values())
    if name == "web-and-wiki":  # about a quarter of the articles, every page
        assert 0.1 < shards["wiki"].documents_out / shards["wiki"].documents_in < 0.4
        assert shards["cc"].num_dropped == 0
    else:
        assert all(counts.num_dropped == 0 for counts in shards.values())

    groundup("train", recipe, *changed)
    rows = [json.loads(line) for line in (output / "train" / "metrics.jsonl").read_text().splitlines()]
    losses = [row["validation_loss"] for row in rows if "validation_loss" in row]
    assert losses[-1] < losses[0]
    assert groundup("run", recipe, *changed, "--plan").count("reuse: complete") == len(STAGE_CLASSES)


def _check_raw_files(build: Build, name: str, asked: set[str]) -> None:
    """The files that the recipe names, of the dump that is complete, and no other was asked for."""
    num_warcs = {"simple-wikipedia": 0, "gpt2-124m": NUM_WARCS}.get(name, 2)
    keys = [file["key"] for file in build.manifest("acquire").facts["files"]]
    assert [key for key in keys if key.endswith(".warc.gz")] == [warc_path(number) for number in range(num_warcs)]
    dumps = [key for key in keys if not key.endswith(".warc.gz")]
    wiki = "enwiki" if name == "gpt2-124m" else "simplewiki"
    assert len(dumps) == {"common-crawl-sample": 0, "gpt2-124m": 2}.get(name, 1)
    assert all(re.match(f"{wiki}/{DUMP}/{wiki}-{DUMP}-pages-articles", key) for key in dumps)
    listings = {path for path in asked if path.endswith((".paths.gz", "/dumpstatus.json", "/"))}
    assert asked - listings - {"simplewiki", "enwiki"} == set(keys)


def test_latest_keeps_the_dump_that_it_found(mirror: LoopbackMirror, tmp_path: Path) -> None:
    folder = tmp_path / "mirror"
    shutil.copytree(mirror.folder / "simplewiki", folder / "simplewiki")
    recipe = str(RECIPES / "simple-wikipedia.toml")
    output = tmp_path / "build"
    with LoopbackMirror(folder) as moving:
        changed = [*overrides("simple-wikipedia", moving.url, output), "--until", "acquire"]
        groundup("run", recipe, *changed)
        first = (output / "acquire/manifest.json").read_bytes()
        shutil.rmtree(folder / "simplewiki" / UNFINISHED_DUMP)
        data = bz2.compress(b"<mediawiki></mediawiki>")
        _write_dump(folder, "simplewiki", UNFINISHED_DUMP, {"pages-articles.xml.bz2": data})
        assert "acquire    reused" in groundup("run", recipe, *changed)
    assert (output / "acquire/manifest.json").read_bytes() == first


def test_gpt2_124m_is_of_that_size() -> None:
    recipe = load_run(RECIPES / "gpt2-124m.toml")
    vocab_size = load_recipe(RECIPES / "gpt2-124m.toml").tokenizer.vocab_size
    with torch.device("meta"):
        model = GPT(recipe.config(vocab_size))
    assert 124e6 < model.num_parameters() < 125e6
    train = recipe.train
    assert (train.sequence_length, train.batch_tokens, train.max_tokens) == (1024, 524_288, 10_000_000_000)
    assert (train.schedule, train.learning_rate, train.betas) == ("cosine", 6e-4, (0.9, 0.95))
