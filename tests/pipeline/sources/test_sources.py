"""Settings, keys and listings of sources, against mirrors made of real files."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.errors import UserError
from manifests.settings import Settings, validate
from pipeline.mirrors.download import Downloader
from pipeline.mirrors.loopback import LoopbackMirror
from pipeline.mirrors.remote import RemoteFile, check_key, join_url, mirror_of, public_url
from pipeline.mirrors.retry import RetrySettings
from pipeline.sources.common_crawl import CommonCrawlSource
from pipeline.sources.files import FilesSource
from pipeline.sources.kinds import Source, list_files
from pipeline.sources.wikipedia import WikipediaSource

CRAWL = "CC-MAIN-2024-10"
SEGMENT = f"crawl-data/{CRAWL}/segments/1707947473347.0"


class _Recipe(Settings):
    sources: list[Source]


def _refusal(table: dict[str, object]) -> str:
    with pytest.raises(UserError) as caught:
        validate(_Recipe, {"sources": [table]}, "r.toml")
    return str(caught.value)


def test_each_kind_is_told_by_its_name() -> None:
    recipe = validate(
        _Recipe,
        {
            "sources": [
                {"name": "cc", "kind": "common_crawl", "crawl": CRAWL, "max_files": 2},
                {"name": "wiki", "kind": "wikipedia", "date": "20241101", "weight": 2, "rules": []},
                {"name": "mine", "kind": "files", "paths": ["*.gz"], "format": "warc", "filter": {"languages": []}},
            ]
        },
        "r.toml",
    )
    common_crawl, wiki, mine = recipe.sources
    assert isinstance(common_crawl, CommonCrawlSource)
    assert isinstance(wiki, WikipediaSource)
    assert isinstance(mine, FilesSource)
    assert (common_crawl.format, common_crawl.max_files, common_crawl.rules) == ("warc", 2, None)
    assert (wiki.format, wiki.language, wiki.weight, wiki.rules) == ("mediawiki", "en", 2.0, [])
    assert mine.filter == {"languages": []}


def test_wrong_settings_are_refused_with_their_key_path() -> None:
    files = {"name": "x", "kind": "files", "paths": ["*"], "format": "warc"}
    assert "sources.0: kind must be one of 'common_crawl', 'wikipedia', 'files'" in _refusal({"kind": "common"})
    assert "unknown key sources.0.crwl (did you mean 'crawl'?)" in _refusal({"kind": "common_crawl", "crwl": CRAWL})
    assert "sources.0.name" in _refusal({**files, "name": "../up"})
    assert "sources.0.name" in _refusal({**files, "name": "tasks"})
    assert "sources.0.weight" in _refusal({**files, "weight": 0})
    assert "sources.0.format" in _refusal({**files, "format": "wrac"})
    assert "sources.0.mirror" in _refusal({"name": "x", "kind": "wikipedia", "date": "latest", "mirror": "dumps"})
    assert "sources.0.date" in _refusal({"name": "x", "kind": "wikipedia", "date": "2024-11-01"})
    assert "sources.0.crawl" in _refusal({"name": "x", "kind": "common_crawl", "crawl": "../.."})


@pytest.mark.parametrize(
    ("wiki", "language"),
    [("simplewiki", "en"), ("itwiki", "it"), ("zh_yuewiki", "yue"), ("frwiktionary", "fr"), ("commonswiki", None)],
)
def test_language_of_a_wiki(wiki: str, language: str | None) -> None:
    assert WikipediaSource(name="w", wiki=wiki, date="latest").language == language


@settings(max_examples=500)
@given(st.one_of(st.text(max_size=40), st.text(alphabet="./\\ab:~\0", max_size=12)))
def test_a_key_stays_below_its_folder_or_is_refused(key: str) -> None:
    root = Path("/build/acquire")
    try:
        check_key(key)
    except UserError:
        return
    below = Path(os.path.normpath(root / key))
    assert below != root
    assert below.is_relative_to(root)
    assert below.relative_to(root).as_posix() == key  # nothing was folded away, so two keys are two files
    assert not key.endswith((".partial", ".partial.json", ".unpublished"))


@pytest.mark.parametrize(
    "key", ["../x.gz", "a/../../x", "/etc/passwd", "a//b", "./a", "", "a/", "C:/x", "a\\..\\b", "a\0b", "x" * 300]
)
def test_unsafe_keys(key: str) -> None:
    with pytest.raises(UserError, match="no safe path"):
        check_key(key)


@pytest.mark.parametrize("key", [f"{SEGMENT}/warc/CC-MAIN-20240220211055-00000.warc.gz", "a..b/..c", "wiki/日本.bz2"])
def test_safe_keys(key: str) -> None:
    assert check_key(key) == key


def test_urls_are_shown_without_secrets() -> None:
    url = "https://me:secret@host.org:81/a/b.gz?token=secret#x"
    assert public_url(url) == "https://host.org:81/a/b.gz"
    assert mirror_of(url) == "https://host.org:81"
    assert join_url("https://h/x", "a b/ü#.gz") == "https://h/x/a%20b/%C3%BC%23.gz"


def _common_crawl_mirror(folder: Path, shared_data: Path) -> list[str]:
    keys = []
    for source in sorted(shared_data.glob("warc/*/*.warc.gz"))[:8]:
        key = f"{SEGMENT}/warc/{source.parent.name}-{source.name}"
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / key)
        keys.append(key)
    wet = shared_data / "warc/commoncrawl_whirlwind-python/whirlwind.warc.wet.gz"
    (folder / SEGMENT / "wet").mkdir()
    shutil.copyfile(wet, folder / SEGMENT / "wet" / wet.name)
    base = folder / "crawl-data" / CRAWL
    # Two gzip members, as concatenated listings are.
    lines = "".join(f"{key}\n" for key in keys).encode()
    (base / "warc.paths.gz").write_bytes(gzip.compress(lines[:100]) + gzip.compress(lines[100:]))
    (base / "wet.paths.gz").write_bytes(gzip.compress(f"{SEGMENT}/wet/{wet.name}\n".encode()))
    return keys


def test_common_crawl_by_path_listing(tmp_path: Path, shared_data: Path) -> None:
    keys = _common_crawl_mirror(tmp_path, shared_data)
    with LoopbackMirror(tmp_path) as mirror:
        source = CommonCrawlSource(name="cc", crawl=CRAWL, mirror=mirror.url)
        files = list_files(source, tmp_path)
        assert [file.key for file in files] == sorted(keys)
        assert files[0] == RemoteFile(keys[0], f"{mirror.url}/{keys[0]}", "warc")
        first = list_files(source.model_copy(update={"max_files": 3}), tmp_path)
        assert [file.key for file in first] == sorted(keys[:3])
        (wet,) = list_files(source.model_copy(update={"records": "wet"}), tmp_path)
        assert wet.format == "wet"
        assert wet.key.endswith("whirlwind.warc.wet.gz")
    # The same mirror as a folder, without HTTP.
    files = list_files(CommonCrawlSource(name="cc", crawl=CRAWL, mirror=f"file://{tmp_path}"), tmp_path)
    assert [file.key for file in files] == sorted(keys)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"../../outside.warc.gz\n"), "no safe path"),
        (gzip.compress(b"/etc/passwd\n"), "no safe path"),
        (gzip.compress(b""), "lists no files"),
        (gzip.compress(b"a/b.gz\n")[:-9], "not a path listing"),
        (b"<html>Please wait</html>", "not a path listing"),
    ],
)
def test_a_listing_that_cannot_be_trusted(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "crawl-data" / CRAWL).mkdir(parents=True)
    (tmp_path / "crawl-data" / CRAWL / "warc.paths.gz").write_bytes(content)
    with LoopbackMirror(tmp_path) as mirror, pytest.raises(UserError, match=message) as caught:
        list_files(CommonCrawlSource(name="cc", crawl=CRAWL, mirror=mirror.url), tmp_path)
    assert mirror.url in str(caught.value)
    assert "\n" not in str(caught.value)


def _dump(folder: Path, wiki: str, date: str, parts: dict[str, bytes], status: str = "done") -> None:
    place = folder / wiki / date
    place.mkdir(parents=True)
    files = {}
    for name, data in parts.items():
        (place / name).write_bytes(data)
        files[name] = {
            "size": len(data),
            "url": f"/{wiki}/{date}/{name}",
            "md5": hashlib.md5(data).hexdigest(),
            "sha1": hashlib.sha1(data).hexdigest(),
        }
    jobs = {
        "articlesdump": {"status": status, "updated": "2024-11-02 03:04:05", "files": files},
        "metacurrentdump": {"status": "waiting"},
    }
    (place / "dumpstatus.json").write_text(json.dumps({"version": "0.8", "jobs": jobs}))


def test_wikipedia_by_dump_status(tmp_path: Path, shared_data: Path) -> None:
    wikis = shared_data / "wiki" / "dbpedia-minidumps"
    parts = {
        f"enwiki-20241101-pages-articles{number}.xml-p{number}.bz2": (wikis / f"{wiki}.xml.bz2").read_bytes()
        for number, wiki in ((1, "simplewiki"), (2, "scowiki"), (10, "cywiki"))
    }
    _dump(tmp_path, "enwiki", "20241101", parts)
    _dump(tmp_path, "enwiki", "20241020", {"enwiki-20241020-pages-articles.xml.bz2": b"old"})
    _dump(tmp_path, "enwiki", "20241120", {}, status="in-progress")
    (tmp_path / "enwiki" / "20241201").mkdir()  # only begun: no status yet
    (tmp_path / "enwiki" / "latest").mkdir()
    source = WikipediaSource(name="w", wiki="enwiki", date="20241101", mirror=f"file://{tmp_path}")
    named = list_files(source, tmp_path)
    assert [file.key for file in named] == sorted(f"enwiki/20241101/{name}" for name in parts)
    assert [(file.bytes, file.sha1) for file in named] == [
        (len(data), hashlib.sha1(data).hexdigest()) for _, data in sorted(parts.items())
    ]
    with LoopbackMirror(tmp_path) as mirror, Downloader() as downloader:
        latest = source.model_copy(update={"date": "latest", "mirror": mirror.url})
        assert [file.key for file in list_files(latest, tmp_path, downloader)] == [file.key for file in named]
        assert [file.key for file in list_files(latest.model_copy(update={"max_files": 1}), tmp_path, downloader)] == [
            named[0].key
        ]
        unfinished = source.model_copy(update={"date": "20241120", "mirror": mirror.url})
        with pytest.raises(UserError, match=r"enwiki of 20241120 is not complete \(articlesdump: in-progress\)"):
            list_files(unfinished, tmp_path, downloader)
        missing = source.model_copy(update={"date": "20200101", "mirror": mirror.url})
        with pytest.raises(UserError, match=r"20200101/dumpstatus.json: not found \(404\)"):
            list_files(missing, tmp_path, downloader)
        assert downloader.faults == {}
    assert [file.key for file in list_files(latest.model_copy(update={"mirror": f"file://{tmp_path}"}), tmp_path)] == [
        file.key for file in named
    ]


@pytest.mark.parametrize("name", ["../../../x.bz2", "a/../b", "/x"])
def test_a_dump_status_cannot_name_other_places(tmp_path: Path, name: str) -> None:
    _dump(tmp_path, "enwiki", "20241101", {"good.bz2": b"x"})
    path = tmp_path / "enwiki" / "20241101" / "dumpstatus.json"
    path.write_text(path.read_text().replace('"good.bz2"', json.dumps(name)))
    with pytest.raises(UserError, match="no safe path"):
        list_files(WikipediaSource(name="w", wiki="enwiki", date="20241101", mirror=f"file://{tmp_path}"), tmp_path)


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"jobs": {}}', '{"jobs": {"articlesdump": {"status": "done", "files": 3}}}']
)
def test_a_dump_status_of_another_kind(tmp_path: Path, text: str) -> None:
    (tmp_path / "enwiki" / "20241101").mkdir(parents=True)
    (tmp_path / "enwiki" / "20241101" / "dumpstatus.json").write_text(text)
    with pytest.raises(UserError, match="not a dump status"):
        list_files(WikipediaSource(name="w", wiki="enwiki", date="20241101", mirror=f"file://{tmp_path}"), tmp_path)


def test_local_files_by_pattern(tmp_path: Path, shared_data: Path) -> None:
    recipe = tmp_path / "recipes"
    recipe.mkdir()
    for name in ("b/2.warc.gz", "b/c/1.warc.gz", "a.warc.gz", "note.txt"):
        (recipe / name).parent.mkdir(parents=True, exist_ok=True)
        (recipe / name).write_bytes(b"x" * len(name))
    (tmp_path / "beside.txt").write_bytes(b"beside")
    source = FilesSource(name="f", paths=["**/*.warc.gz", "./a.warc.gz", "../beside.txt"], format="warc")
    files = list_files(source, recipe)
    assert [(file.key, file.bytes) for file in files] == [
        ("../beside.txt", 6),
        ("a.warc.gz", 9),
        ("b/2.warc.gz", 11),
        ("b/c/1.warc.gz", 13),
    ]
    assert all(file.in_place and Path(file.url).is_file() for file in files)
    absolute = list_files(FilesSource(name="f", paths=[f"{shared_data}/warc/*/*.warc.gz"], format="warc"), recipe)
    assert [file.key for file in absolute] == sorted(str(path) for path in shared_data.glob("warc/*/*.warc.gz"))
    url = list_files(FilesSource(name="f", paths=[f"file://{recipe}/b/**/*.gz"], format="warc"), recipe)
    assert [file.key for file in url] == [f"file://{recipe}/b/2.warc.gz", f"file://{recipe}/b/c/1.warc.gz"]
    for pattern, message in (
        ("*.xml", "no file matches '\\*.xml'; patterns start at"),
        ("b", "it is a folder; write b/"),
    ):
        with pytest.raises(UserError, match=message):
            list_files(FilesSource(name="f", paths=["a.warc.gz", pattern], format="warc"), recipe)
    with pytest.raises(UserError, match="cannot be opened"):
        list_files(FilesSource(name="f", paths=["nothing://bucket/*"], format="warc"), recipe)


def test_an_unreachable_mirror_is_named(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    waits: list[float] = []
    with Downloader(RetrySettings(max_connect_attempts=3), wait=waits.append) as downloader:
        source = CommonCrawlSource(name="cc", crawl=CRAWL).model_copy(
            update={"mirror": f"http://me:secret@127.0.0.1:{port}"}  # the settings themselves refuse it
        )
        with pytest.raises(
            UserError, match=rf"^http://127.0.0.1:{port}: cannot be reached .*Check the network"
        ) as caught:
            list_files(source, tmp_path, downloader)
    assert "secret" not in str(caught.value)
    assert len(waits) == 2
    assert downloader.faults == {"unreachable": 3}


def test_a_crawl_that_does_not_exist(tmp_path: Path) -> None:
    with (
        LoopbackMirror(tmp_path) as mirror,
        pytest.raises(UserError, match=r"not found \(404\). Check what the recipe names"),
    ):
        list_files(CommonCrawlSource(name="cc", crawl="CC-MAIN-1999-01", mirror=mirror.url), tmp_path)
    assert len(mirror.requests) == 1


def test_the_loopback_mirror_serves_nothing_outside(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "public").mkdir()
    with LoopbackMirror(tmp_path / "public") as mirror:
        host, port = mirror.url.removeprefix("http://").split(":")
        for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/x/../../secret.txt"):
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                answer = connection.makefile("rb").read()
            assert b" 404 " in answer.splitlines()[0]
            assert b"secret" not in answer


@pytest.mark.parametrize(
    "url",
    [
        "s3://KEY:SECRET@b/x",
        "s3://KEY:SEC/RET@b/x",
        "https://h/x.gz?sig=SECRET",
        "ftp://me@h/x",
        "simplecache::s3://K:SECRET@b",
    ],
)
def test_credentials_in_urls_are_refused(url: str) -> None:
    for table in (
        {"name": "x", "kind": "files", "paths": ["a.gz", url], "format": "warc"},
        {"name": "x", "kind": "wikipedia", "date": "latest", "mirror": url},
    ):
        message = _refusal(table)
        assert "put credentials in the environment" in message
        assert "SEC" not in message


def test_urls_without_credentials_are_taken() -> None:
    paths = ["s3://b/a?.gz", "s3://b/x@y/*.gz", "abfs://box@account/a", "a@b?c=d"]
    assert FilesSource(name="x", paths=paths, format="warc").paths == paths
    with pytest.raises(ValueError, match="give its first part as `mirror`"):
        FilesSource(name="x", paths=["https://h:8000/a"], format="warc")
    assert CommonCrawlSource(name="x", crawl=CRAWL, mirror="http://[::1]:80/a/").mirror == "http://[::1]:80/a"


def test_multistream_dumps_come_first(tmp_path: Path) -> None:
    _dump(tmp_path, "enwiki", "20241101", {"enwiki-pages-articles.xml.bz2": b"single"})
    path = tmp_path / "enwiki" / "20241101" / "dumpstatus.json"
    status = json.loads(path.read_text())
    names = [f"enwiki-multistream{n}.bz2" for n in ("1.xml-p1p9", "2.xml-p10p20", "-index1.txt-p1p9", "-index.txt")]
    job = {"status": "done", "files": {name: {"size": 1, "sha1": "0" * 40} for name in names}}
    source = WikipediaSource(name="w", wiki="enwiki", date="20241101", mirror=f"file://{tmp_path}")
    for change, expected in (
        ({}, [names[2], *names[:2]]),
        ({"status": "in-progress"}, ["enwiki-pages-articles.xml.bz2"]),
        ({"files": {names[3]: {"size": 1, "sha1": "0" * 40}}}, ["enwiki-pages-articles.xml.bz2"]),
    ):
        status["jobs"]["articlesmultistreamdump"] = {**job, **change}
        path.write_text(json.dumps(status))
        assert [file.key for file in list_files(source, tmp_path)] == [f"enwiki/20241101/{name}" for name in expected]


def test_a_file_found_by_two_patterns_is_one(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(b"x")
    (tmp_path / "b.gz").write_bytes(b"x")
    paths = ["a.gz", f"{tmp_path}/*.gz", f"file://{tmp_path}/*.gz", f"../{tmp_path.name}/b.gz"]
    files = list_files(FilesSource(name="f", paths=paths, format="warc"), tmp_path)
    assert [file.key for file in files] == sorted(["a.gz", f"{tmp_path}/b.gz"])


@pytest.mark.parametrize(
    ("mirror", "message"),
    [
        ("ftp://host/x", "a mirror is behind .*https.*, not 'ftp'"),
        ("http://[::1", "the port of the mirror is no number, or its host is not written as one"),
        ("http://localhost:abc", "the port of the mirror is no number"),
        ("https://user:secret@host/x", "holds a user, a password or a query"),
    ],
)
def test_mirrors_that_are_none(mirror: str, message: str) -> None:
    table = {"name": "x", "kind": "common_crawl", "crawl": CRAWL, "mirror": mirror}
    assert re.search(message, _refusal(table))
    assert "secret" not in _refusal(table)


@pytest.mark.parametrize("path", ["a?token=secret", "*.csv.gz", "a[0-9].gz", "/".join("a" * 1500)])
def test_paths_behind_a_mirror_name_one_file(path: str) -> None:
    table = {"name": "x", "kind": "files", "format": "text", "mirror": "https://h", "paths": [path]}
    refusal = _refusal(table)
    assert "no pattern, and no query" in refusal or "no safe path" in refusal
    assert "secret" not in refusal


def test_what_a_library_says_of_a_pattern_becomes_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class _LibraryError(Exception):
        pass

    def glob(*arguments: object, **options: object) -> None:
        raise _LibraryError("no\ncredentials")

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.glob", glob)
    with pytest.raises(UserError, match=r"memory://a/\*: cannot be listed \(no credentials\)\. Check the address"):
        list_files(FilesSource(name="f", paths=["memory://a/*"], format="text"), tmp_path)
    with pytest.raises(UserError, match=r"source 'f': memory://\.\.\.: cannot be listed"):
        list_files(FilesSource(name="f", paths=["memory://[a/x"], format="text"), tmp_path)
