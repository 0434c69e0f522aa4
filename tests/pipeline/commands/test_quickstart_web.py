"""The quickstart's small web: pages, WARC files and wiki dump, made from real packages and from a tricky one."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import sysconfig
import xml.etree.ElementTree as ElementTree
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType
from resiliparse.extract.html2text import extract_plain_text

from manifests.errors import UserError
from pipeline.quickstart import mirror
from pipeline.quickstart.markup import docstring_html
from pipeline.quickstart.mirror import MirrorFacts, build_mirror
from pipeline.quickstart.pages import Article, SourceFile, Unreadable, article, page, source_files
from pipeline.quickstart.warc import payload_digest

STANDARD_LIBRARY = Path(sysconfig.get_paths()["stdlib"])
MODULES = ("argparse.py", "difflib.py", "email", "json", "logging", "textwrap.py")
PACKAGES = [STANDARD_LIBRARY / name for name in MODULES]
EXPORT = "{http://www.mediawiki.org/xml/export-0.11/}"
PAGES_PER_WARC = 10

TRICKY = '''
"""Sums & products <of> numbers.

This paragraph is wrapped
over two lines; see ``a < b`` and :class:`~decimal.Decimal` or `the site <https://site.example/?a=1&b=2>`_.

Rules
-----
- the first rule, which
  is wrapped
- the second rule

Literal text::

    if a < b:
        print("&")

>>> add(1, 2)
3

.. a comment that no page shows
.. versionadded:: 2.1
"""


def add(left, right=2, *, sign: bool = True, **options):
    """Add two numbers.

    Args:
        left (int): The left number, which
            may be negative.
        right: The right number.

    Returns:
        The sum of both.
    """
    def inner():
        """Not documentation of the module."""


class Total:
    """A running total.

    Parameters
    ----------
    start : int, optional
        Where the total starts.

    See Also
    --------
    add : the sum of two
    """

    if True:
        async def fetch(self, url):
            """Fetch a number."""
'''


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, MirrorFacts]:
    folder = tmp_path_factory.mktemp("web") / "mirror"
    return folder, build_mirror(folder, PAGES_PER_WARC, PACKAGES)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def gzip_members(data: bytes) -> list[tuple[int, int]]:
    """(offset, length) of each member of a gzip file."""
    members = []
    offset = 0
    while offset < len(data):
        inflater = zlib.decompressobj(wbits=31)
        inflater.decompress(data[offset:])
        assert inflater.eof
        length = len(data) - offset - len(inflater.unused_data)
        members.append((offset, length))
        offset += length
    return members


def warc_files(folder: Path) -> list[Path]:
    (listing,) = folder.glob("crawl-data/*/warc.paths.gz")
    return [folder / line for line in gzip.decompress(listing.read_bytes()).decode().splitlines()]


def test_listing_names_the_warc_files(built: tuple[Path, MirrorFacts]) -> None:
    folder, facts = built
    assert warc_files(folder) == sorted(folder.rglob("*.warc.gz"))
    assert len(warc_files(folder)) == facts.num_warc_files == -(-facts.num_pages // PAGES_PER_WARC) > 1
    assert all(path.match(f"crawl-data/{facts.crawl}/segments/*/warc/*.warc.gz") for path in warc_files(folder))


def test_every_record_reads_back_at_its_offset(built: tuple[Path, MirrorFacts]) -> None:
    folder, facts = built
    urls: list[str] = []
    ids: list[str | None] = []
    num_bytes = 0
    for path in warc_files(folder):
        data = path.read_bytes()
        kinds = []
        for offset, length in gzip_members(data):
            # The record reads through its iterator, which must stay.
            records = iter(ArchiveIterator(BytesIO(data[offset : offset + length]), parse_http=True))
            record = next(records)
            kinds.append(record.record_type)
            ids.append(record.record_id)
            if record.record_type == WarcRecordType.response:
                html = record.reader.read()
                assert record.http_headers.status_code == 200
                assert int(record.http_headers["Content-Length"]) == len(html)
                assert record.headers["WARC-Payload-Digest"] == payload_digest(html)
                assert record.headers["WARC-Identified-Payload-Type"] == "text/html"
                assert f'<link rel="canonical" href="{record.headers["WARC-Target-URI"]}">' in html.decode()
                urls.append(record.headers["WARC-Target-URI"])
                num_bytes += len(html)
        num_pages = len(kinds) // 2
        assert kinds == [WarcRecordType.warcinfo, *[WarcRecordType.request, WarcRecordType.response] * num_pages]
        assert all(record.verify_block_digest() for record in ArchiveIterator(BytesIO(data), parse_http=False))
    assert len(ids) == len(set(ids))
    assert urls == sorted(set(urls))
    assert (len(urls), num_bytes) == (facts.num_pages, facts.num_bytes)
    assert "https://docs.python.example/library/json/decoder.html" in urls


def test_every_source_file_is_accounted_for(built: tuple[Path, MirrorFacts]) -> None:
    _, facts = built
    num_files = sum(len(list(path.rglob("*.py"))) if path.is_dir() else 1 for path in PACKAGES)
    assert facts.num_files == num_files
    assert facts.num_pages + facts.num_short + facts.num_unreadable + facts.num_left_out == num_files


def test_dump_status_and_articles_agree(built: tuple[Path, MirrorFacts]) -> None:
    folder, facts = built
    status = json.loads((folder / facts.wiki / facts.wiki_date / "dumpstatus.json").read_text())
    job = status["jobs"]["articlesdump"]
    assert job["status"] == "done"
    ((name, entry),) = job["files"].items()
    assert entry["url"] == f"/{facts.wiki}/{facts.wiki_date}/{name}"
    data = (folder / entry["url"].lstrip("/")).read_bytes()
    assert (len(data), hashlib.sha1(data).hexdigest()) == (entry["size"], entry["sha1"])
    root = ElementTree.fromstring(bz2.decompress(data))
    assert root.tag == f"{EXPORT}mediawiki"
    assert root.get("version") == "0.11"
    pages = [describe_page(element) for element in root.iter(f"{EXPORT}page")]
    articles = {page["title"]: page for page in pages if page["redirect"] is None}
    redirects = [page for page in pages if page["redirect"] is not None]
    assert (len(articles), len(redirects)) == (facts.num_wiki_pages, facts.num_wiki_redirects)
    assert len({page["title"] for page in pages}) == len({page["id"] for page in pages}) == len(pages)
    assert redirects
    assert all(page["redirect"] in articles for page in redirects)
    assert all(page["text"] == f"#REDIRECT [[{page['redirect']}]]" for page in redirects)


def describe_page(element: ElementTree.Element) -> dict[str, Any]:
    redirect = element.find(f"{EXPORT}redirect")
    revision = element.find(f"{EXPORT}revision")
    assert revision is not None
    text = revision.findtext(f"{EXPORT}text") or ""
    sha1 = int.from_bytes(hashlib.sha1(text.encode()).digest(), "big")
    assert int(revision.findtext(f"{EXPORT}sha1") or "", 36) == sha1
    assert element.findtext(f"{EXPORT}ns") == "0"
    assert revision.findtext(f"{EXPORT}model") == "wikitext"
    return {
        "title": element.findtext(f"{EXPORT}title"),
        "id": element.findtext(f"{EXPORT}id"),
        "redirect": None if redirect is None else redirect.get("title"),
        "text": text,
    }


def test_help_topics_become_wikitext(built: tuple[Path, MirrorFacts]) -> None:
    folder, facts = built
    (dump,) = (folder / facts.wiki).rglob("*.bz2")
    root = ElementTree.fromstring(bz2.decompress(dump.read_bytes()))
    pages = [describe_page(element) for element in root.iter(f"{EXPORT}page")]
    text = next(page["text"] for page in pages if page["title"] == "Coroutines")
    assert "\n== Coroutine function definition ==\n" in text
    assert '<syntaxhighlight lang="python">\nasync for TARGET in ITER:\n    SUITE\n' in text
    assert "An ''asynchronous iterable'' provides" in text
    # A paragraph is one line.
    assert "Execution of Python coroutines can be suspended and resumed at many points" in text


def test_same_packages_give_the_same_bytes(built: tuple[Path, MirrorFacts], tmp_path: Path) -> None:
    folder, facts = built
    again = build_mirror(tmp_path / "elsewhere", PAGES_PER_WARC, list(reversed(PACKAGES)))
    assert again == facts
    assert contents(tmp_path / "elsewhere") == contents(folder)
    assert str(STANDARD_LIBRARY).encode() not in b"".join(
        gzip.decompress(data) for name, data in contents(folder).items() if name.endswith(".warc.gz")
    )


def test_processes_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = [STANDARD_LIBRARY / "json", STANDARD_LIBRARY / "textwrap.py"]
    seen: list[tuple[int, int]] = []
    alone = build_mirror(tmp_path / "alone", PAGES_PER_WARC, packages)
    monkeypatch.setattr(mirror, "_MIN_FILES_FOR_PROCESSES", 0)
    monkeypatch.setattr(mirror, "_CHUNK_FILES", 1)
    together = build_mirror(
        tmp_path / "together", PAGES_PER_WARC, packages, progress=lambda done, total: seen.append((done, total))
    )
    assert together == alone
    assert contents(tmp_path / "alone") == contents(tmp_path / "together")
    assert seen[-1] == (alone.num_files, alone.num_files)


def write_package(folder: Path) -> Path:
    package = folder / "tricky_one"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text('"""' + "A sentence of prose in a package. " * 12 + '"""\n')
    (package / "numbers.py").write_text(TRICKY)
    (package / "inner" / "deep.py").write_text('"""' + "A sentence of prose in a module. " * 12 + '"""\n')
    (package / "broken.py").write_text('"""' + "A sentence of prose in a broken file. " * 12 + '"""\ndef (:\n')
    (package / "undecodable.py").write_bytes(b'"""' + b"A caf\xe9 serves prose. " * 30 + b'"""\n')
    (package / "short.py").write_text('"""Too short for a page."""\n' + "x = 1\n" * 100)
    (package / "dangling.py").symlink_to(package / "nowhere.py")
    return package


def test_broken_files_are_counted(tmp_path: Path) -> None:
    package = write_package(tmp_path)
    facts = build_mirror(tmp_path / "mirror", PAGES_PER_WARC, [package])
    assert (facts.num_files, facts.num_pages, facts.num_short, facts.num_unreadable) == (7, 3, 1, 3)
    assert isinstance(article(b'"""\x00"""', "m"), Unreadable)


def test_addresses(tmp_path: Path) -> None:
    urls = [file.url for file in source_files([write_package(tmp_path)])]
    assert "https://docs.tricky-one.example/tricky_one/index.html" in urls
    assert "https://docs.tricky-one.example/tricky_one/inner/deep.html" in urls
    assert urls == sorted(urls)


def test_mirror_is_reused_and_replaced(tmp_path: Path) -> None:
    package = write_package(tmp_path)
    folder = tmp_path / "mirror"
    facts = build_mirror(folder, PAGES_PER_WARC, [package])
    written = folder.stat().st_ino
    assert build_mirror(folder, PAGES_PER_WARC, [package]) == facts
    assert folder.stat().st_ino == written
    (package / "broken.py").write_text('"""' + "A sentence of prose in a mended file. " * 12 + '"""\n')
    assert build_mirror(folder, PAGES_PER_WARC, [package]).num_pages == facts.num_pages + 1
    assert folder.stat().st_ino != written
    (folder / mirror.MARKER).unlink()
    with pytest.raises(UserError, match="no quickstart mirror"):
        build_mirror(folder, PAGES_PER_WARC, [package])


def test_an_interrupted_build_leaves_no_mirror(tmp_path: Path) -> None:
    package = write_package(tmp_path)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_mirror(tmp_path / "mirror", PAGES_PER_WARC, [package], interrupt)
    assert not (tmp_path / "mirror").exists()
    build_mirror(tmp_path / "mirror", PAGES_PER_WARC, [package])
    build_mirror(tmp_path / "fresh", PAGES_PER_WARC, [package])
    assert contents(tmp_path / "mirror") == contents(tmp_path / "fresh")


def test_source_beyond_the_limit_is_left_out(tmp_path: Path) -> None:
    limit = 150_000
    facts = build_mirror(tmp_path / "mirror", PAGES_PER_WARC, PACKAGES, max_source_bytes=limit)
    assert facts.num_pages > 0
    assert 0 < facts.num_left_out < facts.num_files
    assert facts.num_pages + facts.num_short + facts.num_unreadable + facts.num_left_out == facts.num_files


def tricky_page() -> tuple[Article, str]:
    content = article(TRICKY.encode(), "tricky.numbers")
    assert isinstance(content, Article)
    here, other = (SourceFile(Path("x.py"), "tricky", f"tricky.{name}", False) for name in ("numbers", "neighbour"))
    return content, page(here, content, None, other).decode()


@pytest.mark.parametrize(
    "piece",
    [
        "<p>Sums &amp; products &lt;of&gt; numbers.</p>",
        "wrapped over two lines; see <code>a &lt; b</code> and <code>Decimal</code> or "
        '<a href="https://site.example/?a=1&amp;b=2">the site</a>.</p>',
        "<h2>Rules</h2>",
        "<ul>\n<li>the first rule, which is wrapped</li>\n<li>the second rule</li>\n</ul>",
        '<p>Literal text:</p>\n<pre>if a &lt; b:\n    print("&amp;")\n</pre>',
        "<pre>&gt;&gt;&gt; add(1, 2)\n3\n</pre>",
        "<p><em>New in version 2.1</em>.</p>",
        "<h2><code>add(left, right, *, sign, **options)</code></h2>",
        "<li><strong>left</strong> (<em>int</em>) \u2013 The left number, which may be negative.</li>",
        "<h3>Returns</h3>\n<p>The sum of both.</p>",
        "<li><strong>start</strong> (<em>int, optional</em>) \u2013 Where the total starts.</li>",
        "<h3><code>Total.fetch(url)</code></h3>\n<p>Fetch a number.</p>",
    ],
)
def test_tricky_docstring_as_html(piece: str) -> None:
    assert piece in tricky_page()[0].html


def test_tricky_docstring_leaves_out_what_is_no_text() -> None:
    html = tricky_page()[0].html
    assert "a comment" not in html
    assert "Not documentation" not in html
    assert [title for _, title in tricky_page()[0].sections] == ["add", "Total", "Total.fetch"]


def test_docstring_cannot_break_out_of_its_page() -> None:
    hostile = "</article><script>alert('x')</script> `<b>` ``</pre>``\n\n::\n\n    </pre><script>\n"
    html = str(docstring_html(hostile, 2))
    assert "<script" not in html
    assert html.count("</pre>") == 1


def test_extraction_finds_the_prose_and_not_the_navigation() -> None:
    content, html = tricky_page()
    text = extract_plain_text(html, main_content=True)
    assert "Sums & products <of> numbers." in text
    assert "The left number, which may be negative." in text
    assert "    print(" in text
    for word in ("Search", "Privacy", "Copyright", "On this page", "neighbour", "breadcrumbs"):
        assert word not in text
    assert content.num_prose_chars < len(html)


def test_real_module_keeps_its_prose(built: tuple[Path, MirrorFacts]) -> None:
    folder, _ = built
    url = "https://docs.python.example/library/textwrap.html"
    for path in warc_files(folder):
        for record in ArchiveIterator(BytesIO(path.read_bytes()), record_types=WarcRecordType.response):
            if record.headers["WARC-Target-URI"] == url:
                text = extract_plain_text(record.reader.read().decode(), main_content=True)
                assert "Object for wrapping/filling text. The public interface consists of the wrap() and" in text
                assert "Privacy" not in text
                return
    raise AssertionError(f"{url} is in no WARC file")
