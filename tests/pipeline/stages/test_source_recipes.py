"""The recipes of the other sources, whole builds through the command line: an indexed crawl, books, code, a dataset.

What a recipe says stays as it is but for addresses and what makes it small. Each build is audited in full, runs again
without doing anything, and a token of it leads back to its raw record.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groundup import app
from manifests.explore.build import Build
from manifests.explore.trace import trace_token
from pipeline.mirrors.loopback import LoopbackMirror
from pipeline.stages.all import STAGE_CLASSES
from tests.conftest import REPOSITORY
from tests.crawl_mirror import CRAWL, CrawlMirror, make_crawl, real_pages
from tests.pipeline.sources.hub_server import fake_hub

RECIPES = REPOSITORY / "recipes"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SMALL = {
    "tokenizer.vocab_size": "1024",
    "shards.tokens_per_shard": "200_000",
    "shards.validation_fraction": "0.1",
    "acquire.requests_per_second": "1000",
}


def groundup(*arguments: str, **environment: str) -> str:
    """Run a command that must succeed, in a process of its own where it has an environment; returns what it prints."""
    if not environment:
        with contextlib.chdir(REPOSITORY):
            result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output
    run = subprocess.run(
        [sys.executable, "-m", "groundup", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def build(recipe: Path, output: Path, changed: dict[str, str], workers: int = 1, **environment: str) -> Build:
    """Run a recipe, audit what it built, and see that it is reused as it is."""
    values = {"output": str(output), **SMALL, **changed}
    overrides = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
    groundup("run", str(recipe), *overrides, "--workers", str(workers), **environment)
    assert "passed" in groundup("audit", str(output), "--deep")
    again = groundup("run", str(recipe), *overrides, **environment)
    assert again.count("reused") == len(STAGE_CLASSES), again
    return Build(str(output))


@pytest.fixture(scope="module")
def crawls(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> CrawlMirror:
    folder = tmp_path_factory.mktemp("crawls")
    pages = real_pages(shared_data, 400)
    make_crawl(folder, pages[200:300], "CC-MAIN-2023-50", num_warcs=2, num_parts=1)
    return make_crawl(folder, pages, CRAWL, num_warcs=4, num_parts=2, rows_per_group=50)


@pytest.fixture
def mirror(crawls: CrawlMirror) -> Iterator[LoopbackMirror]:
    with LoopbackMirror(crawls.folder) as serving:
        yield serving


def test_single_pages_of_two_crawls(crawls: CrawlMirror, mirror: LoopbackMirror, tmp_path: Path) -> None:
    changed = {
        "sources.cc.mirror": mirror.url,
        "sources.cc.index.tlds": '["gr", "pl", "com"]',
        "sources.cc.index.languages": '["ell", "pl"]',
        "filter.languages": "[]",
    }
    made = build(RECIPES / "common-crawl-index.toml", tmp_path / "build", changed, workers=2)
    facts = made.manifest("acquire").facts
    assert {file["key"].split("/")[1] for file in facts["files"]} == {CRAWL, "CC-MAIN-2023-50"}
    assert facts["unavailable"] == []
    extracted = made.manifest("extract").counts.sources["cc"]
    wanted = {
        (row["warc_filename"], row["warc_record_offset"], row["warc_record_length"])
        for row in crawls.rows.to_pylist()
        if row["url_host_tld"] in ("gr", "pl", "com") and row["content_languages"] in ("ell", "pol")
    }
    assert len(wanted) > 20
    assert extracted.documents_in >= len(wanted)
    origins = set()
    for shard in range(3):
        found = trace_token(made, f"shard-00000:{shard * 1000}")
        assert found.origin is not None
        data = (crawls.folder / found.origin.file).read_bytes()
        stored = data[found.origin.offset : found.origin.offset + found.origin.length]
        local = Path(found.location).read_bytes()
        assert local[found.provenance["offset"] :][: found.provenance["length"]] == stored  # byte for byte
        origins.add(found.origin)
    assert "  origin    crawl-data/CC-MAIN-20" in groundup("trace", made.url, "--token", "shard-00000:0")


def test_books(shared_data: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    for number, name in {
        2701: "moby-dick-2701-0",
        1342: "pride-and-prejudice-1342-0",
        1661: "sherlock-holmes-1661-8",
        22367: "de-die-verwandlung-22367-8",
        4650: "fr-candide-4650-8",
        2000: "es-don-quijote-2000-8",
        24675: "nl-ontboezemingen-24675-8",
    }.items():
        target = site / f"cache/epub/{number}/pg{number}.txt"
        target.parent.mkdir(parents=True)
        shutil.copy(shared_data / "books/gitenberg" / f"{name}.txt", target)
    with LoopbackMirror(site) as serving:
        changed = {"sources.gutenberg.mirror": serving.url, "shards.validation_fraction": "0.3"}
        made = build(RECIPES / "books.toml", tmp_path / "build", changed)
    assert made.manifest("dedup").counts.documents_out == 7
    texts = [row["text"] for part in made.parts("dedup") for table in made.tables(part) for row in table.to_pylist()]
    assert not any("gutenberg" in text[:2000].lower() + text[-2000:].lower() for text in texts)


def test_code(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(REPOSITORY / "pipeline", checkout / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "LICENSE", checkout)
    (checkout / "node_modules").mkdir()
    (checkout / "node_modules" / "index.js").write_text("module.exports = 1;\n")
    (checkout / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    made = build(RECIPES / "code.toml", tmp_path / "build", {"sources.code.paths": json.dumps([str(checkout)])})
    counts = made.manifest("extract").counts.sources["code"]
    assert counts.dropped["vendored"] == counts.dropped["not_source"] - 1 == 1 or counts.dropped["vendored"] == 1
    num_modules = len(list((checkout / "pipeline").rglob("*.py")))
    assert counts.documents_out == num_modules - sum(
        path.stat().st_size == 0 for path in (checkout / "pipeline").rglob("*.py")
    )
    (licence,) = made.manifest("acquire").facts["code"]["code"]["licences"]
    assert licence["spdx"] == "Apache-2.0"
    assert len(made.parts("extract")) == 1  # small files share a task


def test_a_dataset_of_the_hub(shared_data: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "simple").mkdir(parents=True)
    lines = (shared_data / "lm/llamafactory/c4_demo.jsonl").read_text(encoding="utf-8").splitlines()
    for number in range(3):
        text = "".join(f"{line}\n" for line in lines[number::3])
        (data / "simple" / f"train-{number:05d}.jsonl").write_text(text, encoding="utf-8")
    card = "---\nconfigs:\n- config_name: 20231101.simple\n  data_files: simple/train-*\n---\n"
    (data / "README.md").write_text(card, encoding="utf-8")
    home = str(tmp_path / "home")
    with fake_hub() as hub:
        hub.add("wikimedia/wikipedia", data, COMMIT)
        environment = {"HF_ENDPOINT": hub.url, "HF_HOME": home, "HOME": home}
        made = build(RECIPES / "hugging-face.toml", tmp_path / "build", {}, **environment)
    facts = made.manifest("acquire").facts
    assert facts["versions"] == {"wiki": COMMIT}
    assert [file["key"] for file in facts["files"]] == [f"wiki/part-{number:05d}.parquet" for number in range(3)]
    assert made.manifest("extract").counts.sources["wiki"].documents_in == len(lines)
