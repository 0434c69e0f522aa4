"""A whole crawl over S3 without an account, through s3fs, against a server of the test extra."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from manifests.errors import UserError
from manifests.storage import Folder
from pipeline.build import run_build
from pipeline.mirrors.buckets import _has_credentials, storage_options, why_refused
from pipeline.mirrors.download import Downloader
from pipeline.mirrors.loopback import LoopbackMirror
from pipeline.mirrors.transport import NotFound
from pipeline.recipe import load_recipe
from pipeline.sources.common_crawl import CommonCrawlSource, list_common_crawl
from pipeline.sources.crawl_index import cut_batches, list_index_files, read_batch, scan_index_file, write_scan
from pipeline.sources.crawl_records import fetch_records
from pipeline.sources.files import FilesSource, list_local_files
from tests.builds import differing
from tests.crawl_mirror import CRAWL, CrawlMirror, make_crawl, real_pages

s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed (pip install groundup[s3])")
moto_server = pytest.importorskip("moto.server", reason="moto[server] is not installed (pip install groundup[test])")

BUCKET = "commoncrawl"
PRIVATE = "crawl-data/private.gz"


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> CrawlMirror:
    return make_crawl(tmp_path_factory.mktemp("mirror"), real_pages(shared_data, 80), num_warcs=2, num_wets=1)


@pytest.fixture
def without_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No credentials anywhere that boto looks, and nothing kept from other tests."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setitem(fsspec.config.conf, "s3", {})
    _has_credentials.cache_clear()
    yield
    _has_credentials.cache_clear()
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def bucket(crawl: CrawlMirror, without_account: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The crawl in a bucket of a server on this machine; stopped when the test ends."""
    import boto3

    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{host}:{port}")
        s3fs.S3FileSystem.clear_instance_cache()
        client = boto3.client("s3", aws_access_key_id="owner", aws_secret_access_key="owner")
        client.create_bucket(Bucket=BUCKET)
        for path in sorted(crawl.folder.rglob("*")):
            if path.is_file():
                key = path.relative_to(crawl.folder).as_posix()
                # The server refuses who does not sign a request, but for what is public.
                client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes(), ACL="public-read")
        client.put_object(Bucket=BUCKET, Key=PRIVATE, Body=b"private")
        yield f"s3://{BUCKET}"
    finally:
        server.stop()


def _source(mirror: str, **table: Any) -> CommonCrawlSource:
    return CommonCrawlSource.model_validate({"name": "cc", "crawl": CRAWL, "mirror": mirror, **table})


def _records(source: CommonCrawlSource, folder: Folder) -> bytes:
    """The local WARC of everything that a source's query finds."""
    target = io.BytesIO()
    with Downloader() as downloader:
        scans = []
        for number, file in enumerate(list_index_files(source, downloader)):
            scans.append(f"scan-{number}.parquet")
            with folder.publish(scans[-1]) as scan:
                write_scan(scan_index_file(source, file, downloader), scan)
        for batch in cut_batches(scans, source, folder, "batches.parquet"):
            fetch_records(read_batch(folder, "batches.parquet", batch.row_group), source.mirror, downloader, target)
    return target.getvalue()


def test_files_and_records_of_a_bucket_are_those_of_an_http_mirror(
    bucket: str, crawl: CrawlMirror, tmp_path: Path
) -> None:
    with Downloader() as downloader:
        files = list_common_crawl(_source(bucket, max_files=1), downloader)
        assert [file.url for file in files] == [f"{bucket}/{crawl.warc_keys[0]}"]
        downloader.download(files[0], Folder(tmp_path / "files"))
        with pytest.raises(NotFound):
            downloader.fetch(f"{bucket}/crawl-data/CC-MAIN-1999-01/warc.paths.gz")
        with pytest.raises(UserError, match=r"private\.gz: may not be read: take mirror"):
            downloader.fetch(f"{bucket}/{PRIVATE}")
    assert (tmp_path / "files" / files[0].key).read_bytes() == (crawl.folder / files[0].key).read_bytes()
    query = {"tlds": ["de", "org"], "mime": ["text/html"]}
    with LoopbackMirror(crawl.folder) as http:
        expected = _records(_source(http.url, index=query), Folder(tmp_path / "http"))
    assert _records(_source(bucket, index=query), Folder(tmp_path / "s3")) == expected
    assert len(expected) > 100_000


def test_a_bucket_is_opened_without_an_account_where_there_is_none(
    without_account: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"s3://{BUCKET}/crawl-data/x"
    assert storage_options(url) == {"anon": True}
    assert fsspec.core.url_to_fs(url, **storage_options(url))[0].anon is True
    assert "https://data.commoncrawl.org" in why_refused(url)
    assert storage_options("https://data.commoncrawl.org/x") == storage_options("/a/b") == {}
    monkeypatch.setitem(fsspec.config.conf, "s3", {"key": "mine", "secret": "mine"})
    assert storage_options(url) == {}
    assert "credentials" in why_refused(url)


def test_credentials_of_the_environment_are_used(without_account: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
    assert storage_options(f"s3://{BUCKET}/x") == {}


def test_credentials_do_not_stand_in_a_mirror() -> None:
    with pytest.raises(UserError, match="put credentials in the environment"):
        _source("s3://key:secret@commoncrawl")


def test_a_build_from_a_bucket_is_that_from_an_http_mirror(bucket: str, crawl: CrawlMirror, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    with LoopbackMirror(crawl.folder) as http:
        for name, mirror in (("s3", bucket), ("http", http.url)):
            sources = "".join(
                f'[[sources]]\nname = "{source}"\nkind = "common_crawl"\ncrawl = "{CRAWL}"\n'
                f'mirror = "{mirror}"\n{how}\n'
                for source, how in (("files", "max_files = 2"), ("pages", "[sources.index]\ntlds = ['de']"))
            )
            recipe.write_text(
                f'name = "n"\noutput = "{tmp_path / name}"\n{sources}[acquire]\nrequests_per_second = 1000\n'
            )
            run_build(load_recipe(recipe), until="extract")
    assert differing(tmp_path / "s3", tmp_path / "http") == []


def test_files_are_listed_without_an_account(bucket: str, crawl: CrawlMirror, tmp_path: Path) -> None:
    source = FilesSource(name="f", paths=[f"{bucket}/crawl-data/**/*.warc.wet.gz"], format="wet")
    assert [file.key for file in list_local_files(source, tmp_path)] == [f"{bucket}/{key}" for key in crawl.wet_keys]
