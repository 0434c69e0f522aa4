"""Sound inputs of every format: small ones made here, and slices of the real test data where it is present."""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import lzma
import os
import tarfile
from pathlib import Path
from typing import Any

import lz4.frame
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from tests.conftest import REPOSITORY
from tests.fuzz.harness import Case

_MOST_BYTES = 150_000  # of a real file: inputs are to be many

PACKERS = {
    ".gz": lambda data: gzip.compress(data, 6, mtime=0),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data),
    ".lz4": lambda data: lz4.frame.compress(data, content_checksum=True),
}

ARTICLE = (
    "The river rises in the hills above the town and turns the wheels of three mills before it meets the sea.",
    "In spring it floods the meadows, and boats carry hay from farm to farm until the water goes down again.",
    "Nobody remembers when the first bridge was built; the oldest stones in it are those of a Roman road.",
)

HTML = (
    "<!DOCTYPE html><html lang=en><head><meta charset=utf-8><title>Rivers &amp; mills</title><style>p{}</style></head>"
    "<body><nav><ul><li><a href=/>Home</a></li></ul></nav><main><article><h1>Rivers</h1>"
    + "".join(f"<p>{line}</p>" for line in ARTICLE)
    + "<table><tr><th>River</th><td rowspan=2 colspan=2>900 km</td></tr><tr><td>x</td></tr></table>"
    "<pre><code>def flow(x):\n    return x ** 2\n</code></pre>"
    "<ul><li>one<ul><li>two</ul></ul><ol start=3><li>three</ol>"
    "<math><mfrac><mn>3</mn><mn>4</mn></mfrac><annotation encoding='application/x-tex'>\\frac34</annotation></math>"
    "10<sup>2</sup> H<sub>2</sub>O<details><summary>More</summary>text</details><noscript><img alt=x></noscript>"
    "<template shadowrootmode=open><slot name=a></slot></template><blockquote>said</blockquote></article></main>"
    '<script type=\'application/ld+json\'>{"articleBody": "It is a long text."}</script><footer>2024</footer></body>'
    "</html>"
)

WIKITEXT = (
    "{{Infobox river|name=Long|length={{convert|900|km|mi}}}}\n'''Long River''' is a [[river]] in [[Country|the "
    "country]].<ref name=a>{{cite web|url=http://x.y|title=T}}</ref> It has {{val|3.5|e=6|u=m}} and 10<sup>2</sup>.\n"
    "== Course ==\nIt rises ''here'' and ends [http://example.org there]. -{zh-hans:河;zh-hant:河}-\n* one\n** two\n"
    "# three\n; term : definition\n{| class=wikitable\n|+ Caption\n! a !! b\n|-\n| 1 || {{nowrap|2}}\n|}\n"
    "<math>\\frac{a}{b}</math> <code>x = [[y]]</code> <nowiki>[[no link]]</nowiki> <!-- a comment -->\n"
    "<syntaxhighlight lang=py>\nif x:\n    y\n</syntaxhighlight>\n<gallery>\nFile:A.jpg|caption\n</gallery>\n"
    "{{lang|de|Fluss}} {{{1|default}}} {{#if:x|y|z}} &nbsp;&amp; __TOC__ ~~~~\n[[File:Map.png|thumb|A [[map]] of it]]\n"
    "[[Category:Rivers]]\n[[de:Langer Fluss]]\n"
)


def _http(body: bytes, more: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n{more}\r\n".encode() + body


def _record(kind: str, block: bytes, content_type: str, number: int, more: str = "") -> bytes:
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-{number:012d}>\r\n"
        f"WARC-Date: 2024-01-01T00:00:00Z\r\nWARC-Target-URI: https://example.org/{number}\r\n{more}"
        f"Content-Type: {content_type}\r\nContent-Length: {len(block)}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"


def warc_records() -> list[bytes]:
    """Records of every kind that a crawl has."""
    html = HTML.encode()
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(html), html)
    http = "application/http; msgtype=response"
    return [
        _record("warcinfo", b"software: x\r\n", "application/warc-fields", 0),
        _record("request", b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "application/http; msgtype=request", 1),
        _record("response", _http(html), http, 2),
        _record("response", _http(chunked, "Transfer-Encoding: chunked\r\n"), http, 3),
        _record("response", _http(gzip.compress(html, mtime=0), "Content-Encoding: gzip\r\n"), http, 4),
        _record("resource", html, "text/html", 5),
        _record("revisit", _http(b""), http, 6),
        _record("conversion", "\n".join(ARTICLE).encode(), "text/plain", 7),
        _record("metadata", b"fetchTimeMs: 1\r\n", "application/warc-fields", 8),
        _record("response", _http(html), http, 9).replace(b"WARC-Record-ID", b"X-No-ID"),
    ]


def _arc() -> bytes:
    info = b"1 0 Example\nURL IP-address Archive-date Content-type Archive-length\n\n"
    body = _http(HTML.encode())
    return b"filedesc://x.arc 0.0.0.0 20240101000000 text/plain %d\n%s\n" % (len(info), info) + (
        b"http://example.org/ 10.0.0.1 20240101000000 text/html %d\n%s\n" % (len(body), body)
    )


def _page(number: int, title: str, text: str, more: str = "") -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return (
        f"<page><title>{title}</title><ns>0</ns><id>{number}</id>{more}<revision><id>{number + 100}</id>"
        f"<timestamp>2024-01-01T00:00:00Z</timestamp><model>wikitext</model><text xml:space='preserve'>{text}</text>"
        "<sha1>abc</sha1></revision></page>\n"
    )


def _dump() -> bytes:
    head = (
        '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" xml:lang="en"><siteinfo><sitename>W</sitename>'
        "<dbname>enwiki</dbname><base>https://en.wikipedia.org/wiki/Main_Page</base><namespaces>"
        '<namespace key="0" case="first-letter" /><namespace key="1" case="first-letter">Talk</namespace>'
        '<namespace key="6">File</namespace></namespaces></siteinfo>\n'
    )
    pages = _page(1, "River", WIKITEXT), _page(2, "Mill", "\n\n".join(ARTICLE)), _page(3, "Old", "#REDIRECT [[River]]")
    return (head + "".join(pages) + "</mediawiki>\n").encode()


_BOOK = (
    "The Project Gutenberg eBook of A Book, by A. Writer\n\nTitle: A Book\nAuthor: A. Writer\nLanguage: English\n\n"
    "*** START OF THE PROJECT GUTENBERG EBOOK A BOOK ***\n\n\nCHAPTER I\n\n"
    + "\n\n".join("\n".join(line[at : at + 60] for at in range(0, len(line), 60)) for line in ARTICLE * 3)
    + "\n\n    A verse stands here,\n    And another there.\n\n"
    "*** END OF THE PROJECT GUTENBERG EBOOK A BOOK ***\n\nlicence\n"
)


def parquet_bytes(columns: dict[str, Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, **options)
    return buffer.getvalue()


def _parquets() -> list[bytes]:
    texts = [*ARTICLE, "", None, "漢字"]
    columns = {"text": texts, "id": [f"d{n}" for n in range(6)], "url": [None, *["https://example.org/"] * 5]}
    table = {**columns, "date": pa.array([0, 1, 2, 3, None, 5], pa.timestamp("ns")), "language": ["en"] * 6}
    return [
        parquet_bytes(table, row_group_size=2),
        parquet_bytes(table, compression="zstd", use_dictionary=False),
        parquet_bytes({"text": pa.array(ARTICLE, pa.large_string())}, compression="none", data_page_version="2.0"),
        parquet_bytes({"text": pa.array(ARTICLE).dictionary_encode(), "id": [1, 2, 3]}, write_page_checksum=True),
    ]


_JSONL = "".join(
    f'{{"text": "{line}", "id": "r{number}", "url": "https://example.org/{number}", "date": "2024"}}\n'
    for number, line in enumerate(ARTICLE)
)
_CSV = "id,text,url\n" + "".join(f'{n},"{line}, ""so"" it is\nsaid",https://x.y/\n' for n, line in enumerate(ARTICLE))
_CODE = '#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n"""Flow."""\n\n\ndef flow(x):\n    return x ** 2\n' * 3


def _small() -> dict[str, list[Case]]:
    records = warc_records()
    texts = {
        "html": [Case("page.html", HTML.encode()), Case("short.html", b"<p>x")],
        "text": [Case("river.txt", "\n\n".join(ARTICLE).encode())],
        "gutenberg": [Case("book.txt", _BOOK.encode())],
        "code": [Case("repo/src/flow.py", _CODE.encode()), Case("repo/run", _CODE.encode())],
        "jsonl": [Case("rows.jsonl", _JSONL.encode())],
        "csv": [Case("rows.csv", _CSV.encode()), Case("semi.csv", _CSV.replace(",", ";").encode())],
        "parquet": [Case(f"{number}.parquet", data) for number, data in enumerate(_parquets())],
        "mediawiki": [Case("enwiki-20240101-pages-articles.xml", _dump())],
        "wet": [Case("x.warc.wet", records[0] + records[7] * 2)],
        "warc": [
            Case("x.warc", b"".join(records)),
            Case("x.warc.gz", b"".join(PACKERS[".gz"](record) for record in records)),
            Case("x.warc.zst", b"".join(PACKERS[".zst"](record) for record in records)),
            Case("x.warc.lz4", b"".join(PACKERS[".lz4"](record) for record in records)),
            Case("x.arc", _arc()),
            Case("x.arc.gz", PACKERS[".gz"](_arc())),
        ],
    }
    for format, (ending, pack) in zip(texts, [*PACKERS.items()] * 2, strict=False):
        first = texts[format][0]
        texts[format].append(Case(first.name + ending, pack(first.data)))
    return texts


def real_data() -> Path | None:
    """The folder of real test data; None where it is absent."""
    folder = Path(os.environ.get("GROUNDUP_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    return folder if folder.is_dir() else None


_REAL = {
    "warc": ("warc/webrecorder_warcio/*", "warc/richardlehane_webarchive/*arc*", "warc/*/example*arc.gz",
             "warc/commoncrawl_whirlwind-python/whirlwind.warc*"),
    "wet": ("warc/commoncrawl_whirlwind-python/whirlwind.warc.wet*",),
    "mediawiki": ("cases/*/*.xml", "wiki/macbre-mediawiki-dump/*.xml*", "wiki/dbpedia-minidumps/*1*.bz2"),
    "html": ("cases/*/*.html",),
    "text": ("books/the-verdict.txt", "cases/*/*.txt"),
    "gutenberg": ("cases/*/book.txt", "books/gitenberg/de-*"),
    "jsonl": ("cases/*/*.jsonl*",),
    "csv": ("cases/*/*.csv",),
    "parquet": ("cases/*/*.parquet",),
}  # fmt: skip
_MOST_FILES = 60


@functools.cache
def seeds_of(format: str) -> list[Case]:
    """Sound, and some unsound, inputs of a format."""
    cases = list(_small()[format])
    data = real_data()
    for pattern in _REAL.get(format, ()) if data is not None else ():
        paths = sorted(path for path in data.glob(pattern) if path.is_file())[:_MOST_FILES]  # type: ignore[union-attr]
        for path in paths:
            with path.open("rb") as file:
                head = file.read(_MOST_BYTES)
            cases.append(Case(path.name, head))
    return cases


@functools.cache
def web_pages() -> list[Case]:
    """Whole pages of the web, and those made here."""
    cases = list(seeds_of("html"))[:40]
    data = real_data()
    archive = data / "web" / "trafilatura" / "html.tar.xz" if data is not None else None
    if archive is not None and archive.is_file():
        with tarfile.open(archive) as members:
            for member in members:
                file = members.extractfile(member) if member.size < _MOST_BYTES else None
                if file is not None:
                    cases.append(Case(Path(member.name).name, file.read()))
                if len(cases) > 250:
                    break
    return [case for case in cases if not case.name.endswith((".gz", ".bz2", ".xz", ".zst", ".lz4"))]
