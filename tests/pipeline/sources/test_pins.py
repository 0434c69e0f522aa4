"""Pins: exactly the pinned bytes, from any mirror that has them, or one line that names the file that changed."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from manifests.errors import UserError
from manifests.storage import Folder
from pipeline.build import run_build
from pipeline.commands import pin as pin_cli
from pipeline.commands.pin import make_pin, pin_source
from pipeline.mirrors.download import Downloader
from pipeline.mirrors.loopback import Fault, LoopbackMirror, Request
from pipeline.mirrors.retry import RetrySettings
from pipeline.recipe import Recipe, load_recipe
from pipeline.sources.common_crawl import CommonCrawlSource
from pipeline.sources.hub import HuggingFaceSource, list_hub
from pipeline.sources.pins import Pin, check_remote, pin_bytes, read_pin, write_pin
from tests.builds import differing

CRAWL = "CC-MAIN-2024-10"
SEGMENT = f"crawl-data/{CRAWL}/segments/1707947473347.0/warc"
DUMP = "itwiki/20240101"
INDEX = f"cc-index/table/cc-main/warc/crawl={CRAWL}/subset=warc/part-00000.parquet"
_RECIPE = """
name = "pinned"
output = "{output}"
seed = 3
{pin}

[[sources]]
name = "cc"
kind = "common_crawl"
mirror = "{mirror}"
crawl = "{crawl}"
max_files = 2

[[sources]]
name = "wiki"
kind = "wikipedia"
mirror = "{mirror}"
wiki = "itwiki"
date = "20240101"

[[sources]]
name = "books"
kind = "files"
paths = ["books/*.txt"]
format = "gutenberg"
"""


def _patient() -> Downloader:
    return Downloader(RetrySettings(max_attempts=2), wait=lambda seconds: None)


@pytest.fixture
def site(tmp_path: Path, shared_data: Path) -> Path:
    """What a mirror serves: a crawl of three files with its index, and a dump. Every file has the same old date."""
    site = tmp_path / "site"
    names = ["chatnoir-eu_chatnoir-resiliparse/warcfile", "chatnoir-eu_chatnoir-resiliparse/clueweb-quirk"]
    names += ["commoncrawl_whirlwind-python/whirlwind"]
    warcs = [shared_data / "warc" / f"{name}.warc.gz" for name in names]
    keys = [f"{SEGMENT}/{number}.warc.gz" for number in range(3)]
    for key, source in zip(keys, warcs, strict=True):
        _put(site / key, source.read_bytes())
    _put(site / f"crawl-data/{CRAWL}/warc.paths.gz", gzip.compress("".join(f"{key}\n" for key in keys).encode()))
    _put(site / f"crawl-data/{CRAWL}/cc-index-table.paths.gz", gzip.compress(f"{INDEX}\n".encode()))
    _put(site / INDEX, b"PAR1 as far as a pin looks")
    dump = (shared_data / "wiki/dbpedia-minidumps/itwiki.xml.bz2").read_bytes()
    name = "itwiki-20240101-pages-articles.xml.bz2"
    _put(site / DUMP / name, dump)
    data = (site / DUMP / name).read_bytes()
    facts = {name: {"size": len(data), "sha1": hashlib.sha1(data).hexdigest()}}
    _put(
        site / DUMP / "dumpstatus.json",
        json.dumps({"jobs": {"articlesdump": {"status": "done", "files": facts}}}).encode(),
    )
    return site


def _put(path: Path, data: bytes, seconds: int = 1_700_000_000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (seconds, seconds))


@pytest.fixture
def mirror(site: Path) -> Iterator[LoopbackMirror]:
    with LoopbackMirror(site) as mirror:
        yield mirror


def _write_recipe(folder: Path, shared_data: Path, mirror: str, pin: str = "", output: str = "build") -> Path:
    (folder / "books").mkdir(exist_ok=True)
    for book in ("pride-and-prejudice-1342-0.txt", "huckleberry-finn-76-0.txt"):
        if not (folder / "books" / book).exists():
            shutil.copyfile(shared_data / "books/gitenberg" / book, folder / "books" / book)
    path = folder / "pinned.toml"
    named = f'pin = "{pin}"' if pin else ""
    path.write_text(_RECIPE.format(output=folder / output, mirror=mirror, crawl=CRAWL, pin=named), encoding="utf-8")
    return path


@pytest.fixture
def recipe(tmp_path: Path, shared_data: Path, mirror: LoopbackMirror) -> Recipe:
    return load_recipe(_write_recipe(tmp_path, shared_data, mirror.url))


def _pin(recipe: Recipe) -> Pin:
    with _patient() as downloader:
        return make_pin(recipe, downloader)


def _download(pin: Pin, source: str, mirror: str, folder: Path) -> dict[str, bytes]:
    with _patient() as downloader:
        for file in pin.files(source, mirror):
            downloader.download(file, Folder(folder))
    return {file.key: (folder / file.key).read_bytes() for file in pin.files(source, mirror)}


def _refusal(pin: Pin, source: str, mirror: str, folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        _download(pin, source, mirror, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_pin_says_exactly_what_there_is(recipe: Recipe, site: Path, mirror: LoopbackMirror) -> None:
    pin = _pin(recipe)
    crawl, wiki, books = pin.sources
    assert [file.key for file in crawl.files] == [f"{SEGMENT}/0.warc.gz", f"{SEGMENT}/1.warc.gz"]
    assert all(file.etag and file.last_modified and not file.sha256 for file in crawl.files)
    assert [file.bytes for file in crawl.files] == [(site / file.key).stat().st_size for file in crawl.files]
    assert crawl.files[0].url == f"{mirror.url}/{SEGMENT}/0.warc.gz"
    assert [file.sha1 for file in wiki.files] == [hashlib.sha1((site / wiki.files[0].key).read_bytes()).hexdigest()]
    assert wiki.files[0].etag is None  # the digest says more, at every mirror
    assert [file.key for file in books.files] == [
        "books/huckleberry-finn-76-0.txt",
        "books/pride-and-prejudice-1342-0.txt",
    ]
    for file in books.files:
        data = (recipe.folder / file.key).read_bytes()
        assert (file.bytes, file.sha256, file.url) == (len(data), hashlib.sha256(data).hexdigest(), None)
    assert pin_bytes(_pin(recipe)) == pin_bytes(pin)
    assert str(recipe.folder) not in pin_bytes(pin).decode()  # paths of this machine say nothing elsewhere


def test_a_pin_is_read_as_it_was_written(recipe: Recipe, tmp_path: Path) -> None:
    pin = _pin(recipe)
    path = tmp_path / "manifests/sources/pinned.json"
    assert write_pin(pin, path)
    assert not write_pin(pin, path)
    assert pin_bytes(read_pin(path)) == path.read_bytes()
    read_pin(path).check_settings(recipe.sources, recipe.seed)


def test_the_command(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirror: LoopbackMirror, shared_data: Path
) -> None:
    app = typer.Typer()
    app.callback()(lambda: None)
    pin_cli.register(app)
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke(app, ["pin", "pinned.toml"], catch_exceptions=False)
    assert run.exit_code == 0
    assert "cc: 2 files" in run.output
    assert "2 of them by ETag or date alone" in run.output
    assert f"{Path('manifests/sources/pinned.json')}: written" in run.output
    assert "unchanged" in CliRunner().invoke(app, ["pin", "pinned.toml"], catch_exceptions=False).output
    arguments = ["pin", "pinned.toml", "--out", "other.json", "--set", "sources.cc.max_files=1"]
    CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert len(read_pin(tmp_path / "other.json").source("cc").files) == 1


def test_the_pinned_bytes_are_fetched_and_no_listing_is_read(
    recipe: Recipe, tmp_path: Path, site: Path, mirror: LoopbackMirror
) -> None:
    pin = _pin(recipe)
    mirror.requests.clear()
    for source in ("cc", "wiki"):
        for key, data in _download(pin, source, mirror.url, tmp_path / "out").items():
            assert data == (site / key).read_bytes()
    assert {request.path for request in mirror.requests} == {file.key for s in pin.sources[:2] for file in s.files}


@pytest.mark.parametrize("change", ["byte", "size", "date", "gone"])
@pytest.mark.parametrize("source", ["cc", "wiki"])
def test_a_file_that_changed_at_the_mirror_is_named(
    recipe: Recipe, tmp_path: Path, site: Path, mirror: LoopbackMirror, change: str, source: str
) -> None:
    pin = _pin(recipe)
    key = pin.source(source).files[-1].key
    data = bytearray((site / key).read_bytes())
    if change == "gone":
        (site / key).unlink()
    elif change == "byte":  # a pinned ETag cannot see a change that keeps size and date: the mirror says it is the same
        data[len(data) // 2] ^= 1
        _put(site / key, bytes(data), 1_700_000_000 if source == "wiki" else 1_700_000_001)
    elif change == "size":
        _put(site / key, bytes(data) + b"\0")
    else:
        _put(site / key, bytes(data), 1_700_000_001)
    if source == "wiki" and change == "date":  # the digest holds: these are the same bytes
        assert _download(pin, source, mirror.url, tmp_path / "out")[key] == bytes(data)
        return
    message = _refusal(pin, source, mirror.url, tmp_path / "out")
    assert key.rpartition("/")[2] in message
    if source == "cc" and change != "gone":
        assert "changed since it was pinned" in message
    assert not (tmp_path / "out" / key).exists()


def test_what_was_acquired_is_pinned_by_its_digest_and_holds_at_another_mirror(
    recipe: Recipe, tmp_path: Path, site: Path, shared_data: Path, mirror: LoopbackMirror
) -> None:
    weak = _pin(recipe)
    run_build(recipe, until="acquire")
    pin = _pin(recipe)
    for file in pin.source("cc").files:
        data = (site / file.key).read_bytes()
        assert (file.sha256, file.bytes, file.etag) == (hashlib.sha256(data).hexdigest(), len(data), None)
    other = tmp_path / "other"
    shutil.copytree(site, other)
    for path in other.rglob("*.warc.gz"):
        _put(path, path.read_bytes(), 1_600_000_000)  # so other dates and ETags
    with LoopbackMirror(other) as second:
        found = _download(pin, "cc", second.url, tmp_path / "out")
        assert found == {key: (site / key).read_bytes() for key in found}
        assert "changed since it was pinned" in _refusal(weak, "cc", second.url, tmp_path / "weak")
        key = pin.source("cc").files[0].key
        data = bytearray((other / key).read_bytes())
        data[-1] ^= 1
        _put(other / key, bytes(data), 1_600_000_000)
        assert "0.warc.gz" in _refusal(pin, "cc", second.url, tmp_path / "damaged")


def test_files_in_place(recipe: Recipe, tmp_path: Path) -> None:
    pin = _pin(recipe)
    files = [(file.key, file.bytes or 0, str(file.sha256)) for file in pin.source("books").files]
    pin.check_local("books", files)
    (key, num_bytes, sha256), last = files
    cases = {
        f"{key}: changed since it was pinned (sha256 {sha256} -> {'0' * 64})": [(key, num_bytes, "0" * 64), last],
        f"{key}: changed since it was pinned ({num_bytes:,} bytes -> 7 bytes)": [(key, 7, sha256), last],
        f"{key}: changed since it was pinned (it is gone)": [last],
        "books/x.txt: changed since it was pinned (it is new)": [*files, ("books/x.txt", 1, "0" * 64)],
    }
    for expected, changed in cases.items():
        with pytest.raises(UserError) as caught:
            pin.check_local("books", changed)
        assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("sources.cc.max_files=3", "source 'cc': max_files is 3, and 2 was pinned"),
        ("sources.cc.crawl=CC-MAIN-2024-18", "source 'cc': crawl is"),
        ('sources.wiki.date="20240201"', "source 'wiki': date is '20240201', and '20240101' was pinned"),
        ("sources.books.paths=['*']", "source 'books': paths is"),
        ("sources.books.name=novels", "source 'novels' is not in the recipe's pin"),
    ],
)
def test_a_recipe_that_asks_for_other_files_is_refused(
    recipe: Recipe, tmp_path: Path, assignment: str, expected: str
) -> None:
    pin = _pin(recipe)
    changed = load_recipe(tmp_path / "pinned.toml", [assignment])
    with pytest.raises(UserError) as caught:
        pin.check_settings(changed.sources, changed.seed)
    assert expected in str(caught.value)
    assert "groundup pin" in str(caught.value)


def test_what_is_done_with_the_files_may_change(recipe: Recipe, tmp_path: Path, mirror: LoopbackMirror) -> None:
    pin = _pin(recipe)
    for assignment in ("sources.cc.weight=2", "sources.wiki.rules=[]", "sources.cc.mirror=https://x.org", "seed=9"):
        changed = load_recipe(tmp_path / "pinned.toml", [assignment])
        pin.check_settings(changed.sources, changed.seed)
    with pytest.raises(UserError, match=r"source 'wiki' was pinned and is not in the recipe"):
        pin.check_settings([source for source in recipe.sources if source.name != "wiki"], recipe.seed)


def test_a_sample_depends_on_the_seed(mirror: LoopbackMirror, tmp_path: Path) -> None:
    source = CommonCrawlSource(name="cc", mirror=mirror.url, crawl=[CRAWL], sample=1)
    with _patient() as downloader:
        pin = Pin(recipe="r", seed=3, sources=[pin_source(source, tmp_path, 3, downloader, {})])
    pin.check_settings([source], 3)
    with pytest.raises(UserError, match="its sample was pinned with seed 3"):
        pin.check_settings([source], 4)


def test_an_index_is_pinned_by_its_files(mirror: LoopbackMirror, site: Path, tmp_path: Path) -> None:
    source = CommonCrawlSource.model_validate(
        {"name": "cc", "mirror": mirror.url, "crawl": CRAWL, "index": {"hosts": ["x.org"]}}
    )
    acquired = {INDEX: (7, "0" * 64)}  # a digest could not be checked: only ranges of it are read
    with _patient() as downloader:
        pin = Pin(recipe="r", seed=0, sources=[pin_source(source, tmp_path, 0, downloader, acquired)])
        (file,) = pin.files("cc", mirror.url)
        assert (file.key, file.bytes, file.sha256) == (INDEX, (site / INDEX).stat().st_size, None)
        check_remote(file, downloader)
        _put(site / INDEX, (site / INDEX).read_bytes(), 1_700_000_001)
        with pytest.raises(UserError, match=r"part-00000\.parquet: changed since it was pinned"):
            check_remote(file, downloader)
        _put(site / INDEX, b"PAR1")
        with pytest.raises(UserError, match="26 bytes -> 4 bytes"):
            check_remote(file, downloader)


def test_a_mirror_that_says_nothing_cannot_be_pinned(site: Path, tmp_path: Path) -> None:
    def silent(request: Request) -> Fault:
        return Fault(headers={"ETag": "", "Last-Modified": ""})

    with LoopbackMirror(site, silent) as mirror, _patient() as downloader:
        source = CommonCrawlSource(name="cc", mirror=mirror.url, crawl=[CRAWL], max_files=1)
        with pytest.raises(UserError, match="neither a digest nor an ETag nor a date"):
            pin_source(source, tmp_path, 0, downloader, {})


def test_hugging_face_data(tmp_path: Path, shared_data: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    shutil.copyfile(shared_data / "lm/llamafactory/c4_demo.jsonl", data / "b.jsonl")
    shutil.copyfile(shared_data / "lm/llamafactory/c4_demo.jsonl", data / "a.jsonl")
    source = HuggingFaceSource(name="hf", path="./data")
    with _patient() as downloader:
        pinned = pin_source(source, tmp_path, 0, downloader, {})
    pin = Pin(recipe="r", seed=0, sources=[pinned])
    write_pin(pin, tmp_path / "pin.json")
    pin = read_pin(tmp_path / "pin.json")
    assert pin.hub(source) == list_hub(source, tmp_path)
    pin.check_settings([source], 0)
    with pytest.raises(UserError, match="data_files is"):
        pin.check_settings([HuggingFaceSource(name="hf", path="./data", data_files=["a.jsonl"])], 0)
    with (data / "a.jsonl").open("a") as file:
        file.write('{"text": "one more"}\n')
    now = [(file.key, file.bytes, str(file.sha256)) for file in list_hub(source, tmp_path).files]
    with pytest.raises(UserError, match=r"a\.jsonl: changed since it was pinned \(747,189 bytes -> 747,210 bytes\)"):
        pin.check_local("hf", now)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "no such pin"),
        ("{", "cannot be read as a pin"),
        ("[]", "is no pin"),
        ('{"version": 2, "recipe": "r", "seed": 0, "sources": []}', "version"),
        ('{"version": 1, "recipe": "r", "seed": 0, "sources": [], "extra": 1}', "unknown key extra"),
    ],
)
def test_what_is_no_pin(tmp_path: Path, content: str | None, expected: str) -> None:
    path = tmp_path / "pin.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError) as caught:
        read_pin(path)
    assert expected in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_key_of_a_pin_stays_below_its_folder() -> None:
    files = [{"key": "../../etc/passwd", "format": "warc", "bytes": 1}]
    pin = Pin.model_validate({"recipe": "r", "seed": 0, "sources": [{"name": "cc", "settings": {}, "files": files}]})
    with pytest.raises(UserError, match="no safe path"):
        pin.files("cc", "https://x.org")


@pytest.mark.skipif("pin" not in Recipe.model_fields, reason="recipes name no pin yet")
def test_builds_of_a_recipe_with_a_pin(
    recipe: Recipe, tmp_path: Path, site: Path, shared_data: Path, mirror: LoopbackMirror
) -> None:
    run_build(recipe, until="extract")
    write_pin(_pin(recipe), tmp_path / "pin.json")
    other = tmp_path / "other"
    shutil.copytree(site, other)
    for path in [*other.rglob("*.paths.gz"), *other.rglob("dumpstatus.json")]:
        path.unlink()  # no listing is read
    for path in other.rglob("*.warc.gz"):
        _put(path, path.read_bytes(), 1_600_000_000)
    with LoopbackMirror(other) as second:
        builds = []
        for url, output in ((second.url, "second"), (mirror.url, "third")):
            pinned = load_recipe(_write_recipe(tmp_path, shared_data, url, "pin.json", output))
            run_build(pinned, until="extract")
            builds.append(tmp_path / output)
        assert [name for name in differing(*builds) if not name.startswith(".budget/")] == []

        key = f"{SEGMENT}/1.warc.gz"
        data = bytearray((other / key).read_bytes())
        data[100] ^= 1
        _put(other / key, bytes(data), 1_600_000_000)
        changed = load_recipe(_write_recipe(tmp_path, shared_data, second.url, "pin.json", "fourth"))
        with pytest.raises(UserError, match=r"1\.warc\.gz"):
            run_build(changed, until="extract")
        assert not (tmp_path / "fourth/extract/manifest.json").exists()

    book = tmp_path / "books/huckleberry-finn-76-0.txt"
    book.write_bytes(book.read_bytes().replace(b"Huck", b"Hank", 1))
    changed = load_recipe(_write_recipe(tmp_path, shared_data, mirror.url, "pin.json", "fifth"))
    with pytest.raises(UserError, match=r"books/huckleberry-finn-76-0\.txt: changed since it was pinned"):
        run_build(changed, until="extract")
    assert not (tmp_path / "fifth/extract").exists()
