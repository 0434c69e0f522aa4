"""`groundup drops --lost` and the report: a kind of site that is lost is seen in the first build."""

from __future__ import annotations

import io
import json
import re
from collections import defaultdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

import groundup
from manifests.audit.audit import audit_build
from manifests.explore.build import Build
from manifests.explore.least_kept import by_host, by_page_type, corpus_by_page_type, least_kept
from manifests.explore.sql import Tables
from manifests.report.report import write_report
from pipeline.build import run_build
from pipeline.engine.settings import ExecutorSettings
from pipeline.losses import loss_lines
from pipeline.recipe import load_recipe
from tests.signal_builds import change_facts, copy_build, run_command

_RECIPE = """
name = "sites"
output = "{output}"
max_dropped_fraction = 1.0
[[sources]]
name = "web"
kind = "files"
paths = ["*.warc.gz"]
format = "warc"
[[sources]]
name = "notes"
kind = "files"
paths = ["notes.jsonl"]
format = "jsonl"
"""
_SENTENCE = "The bridge over the river was repaired in {}, and the town paid for its new stones. "


def _article(number: int) -> str:
    text = "".join(f"<p>{_SENTENCE.format(number + year) * 2}</p>" for year in range(1900, 1910))
    return f"<title>Bridges</title><body><nav><a href=/>Home</a></nav><article>{text}</article></body>"


def _links(number: int) -> str:
    links = "".join(f"<a href=/{n}>Thing {number} {n}</a> " for n in range(60))
    return f"<title>x</title><body><nav>{links}</nav></body>"


# By host, the pages: of the first all are lost, of the second one of two, of the third one, and of others none.
_SITES = {
    "lost.example": [_links(number) for number in range(4)],
    "half.example:8080": [_links(9), _article(7)],
    "single.example": [_links(11)],
    "EMPTY.example": ["<title>app</title><div id=root></div>"],
    **{f"news{number}.example": [_article(number)] for number in range(5)},
}


def _make(folder: Path, workers: int) -> str:
    folder.mkdir()
    addresses = [(f"http://{host}/{n}", page) for host, pages in _SITES.items() for n, page in enumerate(pages)]
    for part in range(3):
        with (folder / f"{part}.warc.gz").open("wb") as file:
            writer = WARCWriter(file, gzip=True)
            for number, (url, page) in enumerate(addresses):
                if number % 3 != part:
                    continue
                headers = StatusAndHeaders(
                    "200 OK", [("Content-Type", "text/html; charset=utf-8")], protocol="HTTP/1.1"
                )
                fields = {"WARC-Record-ID": f"<urn:uuid:00000000-0000-4000-8000-{number:012}>"}
                fields["WARC-Date"] = "2026-01-01T00:00:00Z"
                body = io.BytesIO(page.encode())
                record = writer.create_warc_record(
                    url, "response", payload=body, http_headers=headers, warc_headers_dict=fields
                )
                writer.write_record(record)
    (folder / "notes.jsonl").write_text(json.dumps({"text": "A note that is no page."}) + "\n")
    (folder / "recipe.toml").write_text(_RECIPE.format(output="build"))
    recipe = load_recipe(folder / "recipe.toml")
    run_build(recipe, until="extract", executor=ExecutorSettings(workers=workers))
    return recipe.output


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return Build(_make(tmp_path_factory.mktemp("lost") / "one", 1))


def _hosts(build: Build, most: int = 10, passes: int = 1) -> list[tuple[str, int, int]]:
    with Tables(build) as tables:
        return [(row.name, row.pages, row.dropped) for row in by_host(tables, build, most, passes)]


def test_hosts_that_are_lost_come_first(build: Build) -> None:
    hosts = _hosts(build)
    assert hosts == [("lost.example", 4, 4), ("single.example", 1, 1), ("empty.example", 1, 1), ("half.example", 2, 1)]
    for passes in (2, 7):  # they bound the memory and change nothing
        assert _hosts(build, passes=passes) == hosts
        assert _hosts(build, 2, passes) == hosts[:2]


def test_types_are_counted_as_the_documents_say(build: Build) -> None:
    expected: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    num_others = 0
    for dropped in (False, True):
        for part in build.parts("extract", dropped):
            for row in pq.read_table(build.folder.full(part)).to_pylist():
                if row["page_type"] is None:
                    assert row["shown_characters"] is row["kept_characters"] is row["page_type_score"] is None
                    num_others += 1
                    continue
                for place, number in enumerate((1, dropped, row["shown_characters"], row["kept_characters"])):
                    expected[row["page_type"]][place] += number
                assert not dropped or row["kept_characters"] == 0
    found = by_page_type(build.manifest("extract"))
    assert {row.name: list(row[1:]) for row in found} == expected
    assert sum(row.pages for row in found) == sum(map(len, _SITES.values()))
    assert num_others == 1
    assert by_page_type(build.manifest("extract"), "notes") == []


def test_audit_counts_pages_again(build: Build, tmp_path: Path) -> None:
    assert audit_build(build.url, deep=True).problems == []
    stated = json.loads(json.dumps(build.manifest("extract").facts["page_types"]))
    next(iter(stated["web"].values()))["kept"] += 1
    changed = change_facts(copy_build(build, tmp_path / "copy"), "extract", {"page_types": stated})
    assert [problem for problem in audit_build(changed.url).problems if "page_types: source web" in problem]


def test_drops_and_the_report_show_what_was_lost(build: Build, tmp_path: Path) -> None:
    answer = CliRunner().invoke(groundup.app, ["drops", build.url, "--lost"]).output
    assert answer.index("page types") < answer.index("lost.example") < answer.index("half.example")
    assert "http://lost.example/0  (" in answer
    assert ": 0 of 60" not in answer
    assert "lost: Thing " in answer
    traced = run_command("trace", build.url, "--url", "http://half.example:8080/1").output
    assert re.search(r"^  page      [a-z]+ \(\d\.\d\d\): [\d,]+ of [\d,]+ characters kept$", traced, re.MULTILINE)
    types = corpus_by_page_type(build)
    extracted = by_page_type(build.manifest("extract"))
    assert sum(number for _, number, _ in types) == sum(row.pages - row.dropped for row in extracted)
    page = Path(write_report(build.url, tmp_path / "report.html")).read_text()
    assert f'<td>{types[0][0]}</td><td class="number">{types[0][1]}</td>' in page
    assert "http://half.example:8080/0" in page
    assert "news1.example</td>" not in page
    plain = CliRunner().invoke(groundup.app, ["drops", build.url]).output
    assert plain.splitlines()[-1].startswith(by_page_type(build.manifest("extract"))[-1].name)
    data = json.loads(
        CliRunner().invoke(groundup.app, ["drops", build.url, "--lost", "--json", "--sample", "1"]).output
    )
    assert [host["name"] for host in data["hosts"]] == ["lost.example"]
    assert data["hosts"][0]["examples"][0]["kept_characters"] == 0
    for options in (["--source", "notes"], ["--source", "notes", "--json"]):
        assert CliRunner().invoke(groundup.app, ["drops", build.url, "--lost", *options]).exit_code == 0
    for options in (["--source", "nope"], ["--seed", "1"], ["--reason", "empty_text"]):
        assert CliRunner().invoke(groundup.app, ["drops", build.url, "--lost", *options]).exit_code != 0


def test_the_run_names_types_of_which_little_is_kept(build: Build) -> None:
    manifest = build.manifest("extract").model_copy(deep=True)
    few, many = ({"pages": pages, "dropped": 0, "shown": 1000, "kept": 290} for pages in (19, 20))
    manifest.facts["page_types"] = {"web": {"forum": many, "listing": few, "article": {**many, "kept": 300}}}
    lines = [line for line in loss_lines(build, manifest) if "type" in line]
    assert len(lines) == 1
    assert "20 pages of type forum 29 %" in lines[0]


def test_the_same_whatever_the_workers(build: Build, tmp_path: Path) -> None:
    other = Build(_make(tmp_path / "three", 3))
    assert least_kept(other, 5) == least_kept(build, 5)
    assert other.manifest("extract").facts == build.manifest("extract").facts
