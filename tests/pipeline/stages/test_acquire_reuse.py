"""What of acquire and extract is taken again and what is not, when a recipe changes: never too little, nor too much."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from manifests.errors import UserError
from manifests.explore.build import Build
from manifests.explore.trace import trace_document
from pipeline.build import BuildReport, run_build
from pipeline.mirrors.loopback import LoopbackMirror
from pipeline.recipe import load_recipe

CRAWL = "CC-MAIN-2024-10"
_RECORD = (
    "WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Record-ID: <urn:uuid:{id}>\r\nWARC-Date: 2024-03-01T00:00:00Z\r\n"
    "WARC-Target-URI: https://h.example/{id}\r\nContent-Type: text/plain\r\nWARC-Block-Digest: {digest}\r\n"
    "Content-Length: {length}\r\n\r\n{text}\r\n\r\n"
)


def _wet(texts: list[str], right: bool = True) -> bytes:
    members = []
    for number, text in enumerate(texts):
        digest = hashlib.md5(text.encode() if right else b"other").hexdigest()
        members.append(_RECORD.format(id=number, digest=f"md5:{digest}", length=len(text.encode()), text=text))
    return b"".join(gzip.compress(member.encode(), mtime=0) for member in members)


def _run(folder: Path, sources: str, output: str = "out", until: str = "acquire", head: str = "") -> BuildReport:
    recipe = folder / "recipe.toml"
    recipe.write_text(f'name = "n"\noutput = "{folder / output}"\n{head}\n{sources}\n[filter]\nlanguages = []\n')
    return run_build(load_recipe(recipe), until=until)


def _keys(folder: Path, output: str = "out") -> list[str]:
    return [file["key"] for file in Build(str(folder / output)).manifest("acquire").facts["files"]]


def _texts(folder: Path, output: str = "out") -> dict[str, list[str]]:
    build = Build(str(folder / output))
    found: dict[str, list[str]] = {}
    for part in build.parts("extract"):
        for table in build.tables(part):
            for row in table.to_pylist():
                found.setdefault(row["source"], []).append(row["text"])
    return found


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    keys = [f"crawl-data/{CRAWL}/segments/1.1/wet/{number}.warc.wet.gz" for number in range(8)]
    for number, key in enumerate(keys):
        (site / key).parent.mkdir(parents=True, exist_ok=True)
        (site / key).write_bytes(_wet([f"Text {number} of this crawl."]))
    (site / f"crawl-data/{CRAWL}/wet.paths.gz").write_bytes(gzip.compress("\n".join(keys).encode()))
    return site


def _crawl_source(mirror: str, more: str) -> str:
    source = f'[[sources]]\nname = "cc"\nkind = "common_crawl"\ncrawl = "{CRAWL}"\nrecords = "wet"\n'
    return f'{source}mirror = "{mirror}"\n{more}'


def test_a_sample_follows_a_new_seed(crawl: Path, tmp_path: Path) -> None:
    source = _crawl_source(crawl.as_uri(), "sample = 2")
    chosen = {}
    for seed in (0, 1, 2, 3):
        _run(tmp_path, source, head=f"seed = {seed}")
        _run(tmp_path, source, output=f"fresh-{seed}", head=f"seed = {seed}")
        chosen[seed] = _keys(tmp_path)
        assert chosen[seed] == _keys(tmp_path, f"fresh-{seed}")
    assert len({tuple(keys) for keys in chosen.values()}) > 1


def test_a_seed_that_chooses_nothing_asks_nobody(crawl: Path, tmp_path: Path) -> None:
    with LoopbackMirror(crawl) as mirror:
        source = _crawl_source(mirror.url, "max_files = 3")
        _run(tmp_path, source)
        asked = len(mirror.requests)
        assert _run(tmp_path, source, head="seed = 9").reused == ["acquire"]
        _run(tmp_path, source + "\nverify_records = true")  # checks what is here
        assert [request for request in mirror.requests[asked:] if request.method == "GET"] == []


def test_a_mirror_of_other_files_is_another_source(tmp_path: Path) -> None:
    for name in ("one", "second"):  # of one size and time, they would be taken for one
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(f"The text of site {name}.")
    source = '[[sources]]\nname = "t"\nkind = "files"\nformat = "text"\npaths = ["a.txt"]\nmirror = "{}"\n'
    for name in ("one", "second", "one"):
        _run(tmp_path, source.format((tmp_path / name).as_uri()), until="extract")
        assert _texts(tmp_path) == {"t": [f"The text of site {name}."]}


def test_one_name_at_two_mirrors_is_refused_before_the_download(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(name)
    source = '[[sources]]\nname = "{0}"\nkind = "files"\nformat = "text"\npaths = ["a.txt"]\nmirror = "{1}"\n'
    both = "".join(source.format(name, (tmp_path / name).as_uri()) for name in ("one", "two"))
    with pytest.raises(UserError, match=r"two sources have a file named a.txt, at file://.*/one and at file://.*/two"):
        _run(tmp_path, both)
    assert not (tmp_path / "out/acquire/one").exists()


def test_two_sources_read_one_file_each_in_its_way(tmp_path: Path) -> None:
    rows = [{"a": f"column a, row {number}", "b": f"column b, row {number}", "c": "c"} for number in range(3)]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))

    def sources(first: str) -> str:
        source = '[[sources]]\nname = "{0}"\nkind = "files"\nformat = "jsonl"\npaths = ["rows.jsonl"]\n{1}\n'
        return "".join(
            source.format(name, f'columns = {{ text = "{column}" }}') for name, column in (("x", first), ("y", "b"))
        )

    for column in ("a", "c", "a"):
        _run(tmp_path, sources(column), until="extract")
        assert _texts(tmp_path) == {"x": [row[column] for row in rows], "y": [row["b"] for row in rows]}
    build = Build(str(tmp_path / "out"))
    traces = list(trace_document(build, "id", "rows.jsonl#2"))
    (found,) = (trace for sighting, trace, _ in traces if sighting.document["source"] == "x")
    assert found is not None
    assert found.columns == {"text": "a"}
    assert json.loads(found.read_record()) == rows[1]


@pytest.mark.parametrize("in_place", [True, False])
def test_records_are_verified_on_request_also_later(in_place: bool, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    path = tmp_path / "site" / "a.warc.wet.gz"
    place = 'paths = ["site/a.warc.wet.gz"]' if in_place else 'paths = ["a.warc.wet.gz"]\nmirror = "{}"'
    source = '[[sources]]\nname = "w"\nkind = "files"\nformat = "wet"\n' + place.format((tmp_path / "site").as_uri())
    on_request = source + "\nverify_records = true\n"
    path.write_bytes(_wet(["A text that is right.", "Another one."]))
    _run(tmp_path, on_request)
    _run(tmp_path, source)
    bad = _wet(["A text that is right."]) + _wet(["One whose digest is not its own."], right=False)
    path.write_bytes(bad)
    _run(tmp_path, source, output="bad")  # nobody asked
    with pytest.raises(UserError, match=rf"verify_records: the record at byte {len(_wet(['A text that is right.']))}:"):
        _run(tmp_path, on_request, output="bad")
    with pytest.raises(UserError, match="verify_records"):
        _run(tmp_path, on_request, output="fresh")
    assert not list((tmp_path / "fresh").rglob("*.wet.gz"))


def test_a_request_that_cannot_be_met_is_refused(tmp_path: Path) -> None:
    source = '[[sources]]\nname = "t"\nkind = "files"\nformat = "text"\npaths = ["*"]\nverify_records = true\n'
    with pytest.raises(UserError, match="verify_records is for whole WARC and WET files"):
        _run(tmp_path, source)


def test_the_latest_dump_stays_what_it_was(tmp_path: Path) -> None:
    def dump(date: str) -> None:
        folder = tmp_path / "site/xxwiki" / date
        folder.mkdir(parents=True)
        name = f"xxwiki-{date}-pages-articles.xml.bz2"
        import bz2

        data = bz2.compress(b"<mediawiki></mediawiki>" + date.encode())
        (folder / name).write_bytes(data)
        files = {name: {"size": len(data), "sha1": hashlib.sha1(data).hexdigest()}}
        status: dict[str, Any] = {"jobs": {"articlesdump": {"status": "done", "files": files}}}
        (folder / "dumpstatus.json").write_text(json.dumps(status))

    dump("20240101")
    source = (
        '[[sources]]\nname = "wiki"\nkind = "wikipedia"\nwiki = "xxwiki"\ndate = "latest"\n'
        f'mirror = "{(tmp_path / "site").as_uri()}"\n'
    )
    _run(tmp_path, source)
    dump("20240201")
    (tmp_path / "more.txt").write_text("More.")
    more = '[[sources]]\nname = "more"\nkind = "files"\nformat = "text"\npaths = ["more.txt"]\n'
    _run(tmp_path, f"{source}weight = 2.0\n{more}", head="seed = 5")
    assert _keys(tmp_path) == ["xxwiki/20240101/xxwiki-20240101-pages-articles.xml.bz2", "more.txt"]


def test_a_build_does_not_read_its_own_output(tmp_path: Path) -> None:
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout" / "a.py").write_text("print(1)\n")
    source = f'[[sources]]\nname = "c"\nkind = "code"\npaths = ["{tmp_path}/checkout"]\n'
    for refused, key in (
        (source, "exclude"),
        (f'[[sources]]\nname = "t"\nkind = "files"\nformat = "text"\npaths = ["{tmp_path}/**/*"]\n', "paths"),
    ):
        (tmp_path / "checkout/out").mkdir(exist_ok=True)
        (tmp_path / "checkout/out/own.py").write_text("own")
        with pytest.raises(UserError, match=f"lies in the build's own output .* Leave .* out by `{key}` of the source"):
            _run(tmp_path, refused, output="checkout/out")
    report = _run(tmp_path, f'{source}exclude = ["out"]\n', output="checkout/out")
    assert report.rebuilt == ["acquire"]
    assert _run(tmp_path, f'{source}exclude = ["out"]\n', output="checkout/out").reused == ["acquire"]
