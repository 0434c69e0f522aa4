"""What mirrors answer, and lists that rules are read from: read, or refused in one line."""

from __future__ import annotations

import bz2
import gzip
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa

from manifests.errors import UserError
from pipeline.filters.urls.rule import check_expressions, compile_url_rule
from pipeline.filters.urls.settings import UrlSettings
from pipeline.mirrors.remote import RemoteFile
from pipeline.sources.common_crawl import CommonCrawlSource, list_common_crawl
from pipeline.sources.crawl_index import scan_index_file
from pipeline.sources.wikipedia import WikipediaSource, cut_streams, list_wikipedia
from tests.fuzz.harness import Case, Target, check_user_error, fuzz_test
from tests.fuzz.mutate import changed, changed_json
from tests.fuzz.seeds import parquet_bytes, seeds_of

_MIRROR = "https://mirror.example"
_CRAWL = "CC-MAIN-2024-10"


class _Mirror:
    """A downloader that gets the same bytes whatever it asks for."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def fetch(self, url: str) -> bytes:
        return self.data

    def list_folder(self, url: str) -> list[str]:
        return ["20240101", "20240201", "latest"]

    def describe(self, url: str) -> tuple[Any, int]:
        return None, len(self.data)

    def fetch_range(self, url: str, start: int, num_bytes: int, *_: Any) -> bytes:
        return self.data[start : start + num_bytes]


def check_status(case: Case) -> None:
    for date in ("latest", "20240101"):
        source = WikipediaSource(kind="wikipedia", name="w", wiki="enwiki", date=date, mirror=_MIRROR)
        try:
            files = list_wikipedia(source, _Mirror(case.data))  # type: ignore[arg-type]
        except UserError as error:
            check_user_error(error, _MIRROR)
        else:
            assert all(".." not in file.key.split("/") for file in files), "a key that leaves its folder"


def check_listing(case: Case) -> None:
    for options in ({"max_files": 2}, {"sample": 2}):
        source = CommonCrawlSource(kind="common_crawl", name="c", crawl=_CRAWL, mirror=_MIRROR, **options)
        try:
            files = list_common_crawl(source, _Mirror(case.data))  # type: ignore[arg-type]
        except UserError as error:
            check_user_error(error, _MIRROR)
        else:
            assert all(".." not in file.key.split("/") for file in files), "a key that leaves its folder"


def check_index(case: Case) -> None:
    index = {"languages": ["eng"], "max_records": 5}
    source = CommonCrawlSource(kind="common_crawl", name="c", crawl=_CRAWL, mirror=_MIRROR, index=index)
    key = f"cc-index/table/cc-main/warc/crawl={_CRAWL}/subset=warc/part-0.parquet"
    try:
        scan_index_file(source, RemoteFile(key, f"{_MIRROR}/{key}", "parquet"), _Mirror(case.data))  # type: ignore[arg-type]
    except UserError as error:
        check_user_error(error, _MIRROR, key)


def check_streams(case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        index, dump = Path(folder) / "index.txt.bz2", Path(folder) / "dump.xml.bz2"
        data = seeds_of("mediawiki")[1].data * 2
        index.write_bytes(case.data)
        dump.write_bytes(data)
        notes: list[str] = []
        starts = cut_streams(str(index), str(dump), len(data), 100, notes.append)
        assert starts == sorted(set(starts)), "starts that do not follow each other"
        assert all(0 <= start < len(data) for start in starts), "a start outside of the dump"


def check_lists(case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "ut1" / "adult").mkdir(parents=True)
        (Path(folder) / "ut1" / "adult" / case.name).write_bytes(case.data)
        settings = UrlSettings(block_lists=[f"{folder}/ut1"], categories=["adult"])
        try:
            check_expressions(settings)
            rule = compile_url_rule(settings, Path(folder))
            rule.verdict("https://www.example.org/a?b=c")
        except UserError as error:
            check_user_error(error, folder, case.name)


def _status() -> bytes:
    files = {
        "enwiki-20240101-pages-articles-multistream.xml.bz2": {"size": 10, "sha1": "a" * 40, "url": "/x", "md5": "b"},
        "enwiki-20240101-pages-articles-multistream-index.txt.bz2": {"size": 5, "sha1": "b" * 40},
    }
    whole = {"enwiki-20240101-pages-articles.xml.bz2": {"size": 10, "sha1": "c" * 40}}
    jobs = {
        "articlesmultistreamdump": {"status": "done", "files": files},
        "articlesdump": {"status": "done", "files": whole},
    }
    return json.dumps({"version": "0.8", "jobs": jobs}).encode()


def _index_table() -> bytes:
    rows = 6
    return parquet_bytes(
        {
            "url": [f"https://example.org/{n}" for n in range(rows)],
            "url_host_name": ["example.org"] * rows,
            "url_host_registered_domain": ["example.org"] * rows,
            "fetch_status": pa.array([200] * rows, pa.int16()),
            "content_mime_detected": ["text/html"] * rows,
            "content_languages": ["eng", "deu", "eng,deu", None, "eng", "eng"],
            "content_digest": ["A" * 32] * rows,
            "content_truncated": [None] * rows,
            "warc_filename": [f"crawl-data/{_CRAWL}/segments/1/warc/x.warc.gz"] * rows,
            "warc_record_offset": pa.array(range(0, 60, 10), pa.int32()),
            "warc_record_length": pa.array([10] * rows, pa.int32()),
            "warc_segment": ["1"] * rows,
        },
        row_group_size=3,
        # pyarrow 26 ends the process where the histograms that it writes beside statistics have another length.
        write_statistics=["content_languages"],
    )


def _packed(pack: Any) -> Any:
    """Changes of what is packed, or of the packed bytes."""

    def mutate(random: Random, case: Case, seeds: Sequence[Case]) -> Case:
        if not case.name.endswith((".gz", ".bz2")) or random.random() < 0.3:
            return Case(case.name, changed(random, case.data, words=_LINES))
        text = gzip.decompress(case.data) if case.name.endswith(".gz") else bz2.decompress(case.data)
        return Case(case.name, pack(changed(random, text, words=_LINES)))

    return mutate


_LINES = (b"\n", b"../x", b"/etc", b"\r\n", b" ", b"#", b"(", b"[a-", b"\\w", b"0:1:x\n", b"99999999999999999999:",
          b"*.", b"example.org", "ü".encode(), b"?", b"|", b"(?=", b"{1,99999}", b"^", b"$", b":", b"\x00")  # fmt: skip
_PATHS = "".join(f"crawl-data/{_CRAWL}/segments/{n}/warc/x-{n}.warc.gz\n" for n in range(5)).encode()
_OFFSETS = b"0:1:River\n0:2:Mill\n620:3:Old\n700:4:New\n"
_LISTS = {"domains": b"example.org\nbad.example\n10.0.0.1\n", "urls": b"example.org/a\n", "expressions": b"bad[0-9]+\n"}


def _lists() -> list[Case]:
    cases = [Case(name, data) for name, data in _LISTS.items()]
    return cases + [Case(f"{case.name}.gz", gzip.compress(case.data, mtime=0)) for case in cases]


TARGETS = [
    Target("mirror-status", lambda: [Case("dumpstatus.json", _status())], check_status,
           lambda random, case, seeds: Case(case.name, changed_json(random, case.data))),
    Target("mirror-listing", lambda: [Case("warc.paths.gz", gzip.compress(_PATHS, mtime=0))], check_listing,
           _packed(gzip.compress)),
    Target("mirror-index", lambda: [Case("part-0.parquet", _index_table())], check_index, words=(b"PAR1", b"\x15\x00")),
    Target("mirror-streams", lambda: [Case("index.txt.bz2", bz2.compress(_OFFSETS))], check_streams,
           _packed(bz2.compress)),
    Target("url-lists", _lists, check_lists, _packed(gzip.compress), ci_inputs=30),
]  # fmt: skip

test_inputs = fuzz_test(TARGETS)
