"""Wikis of anybody's: addresses and languages from what their dumps state; which revision of a page is the page."""

from __future__ import annotations

import bz2
import tracemalloc
from pathlib import Path

import pytest

from manifests.records.read import read_record
from pipeline.readers.wiki_site import page_address, read_site
from pipeline.sources.wikis import host_of_wiki, language_of_code, wiki_of_host
from tests.pipeline.readers.test_wiki_dumps import read


@pytest.mark.parametrize(
    ("base", "address"),
    [
        ("https://wiki.example.org/wiki/Main_Page", "https://wiki.example.org/wiki/{}"),
        ("https://wiki.example.org/w/index.php?title=Main_Page", "https://wiki.example.org/w/index.php?title={}"),
        ("http://a.example/index.php?uselang=de&title=Start&x=1", "http://a.example/index.php?uselang=de&title={}&x=1"),
        ("https://a.example/?title=Start", "https://a.example/?title={}"),
        ("https://a.example/w/index.php/Main_Page", "https://a.example/w/index.php/{}"),
        ("https://a.example/wiki/index.php/Project:Main/Start", "https://a.example/wiki/index.php/{}"),
        ("https://a.example/wiki/Project:Main", "https://a.example/wiki/{}"),
        ("https://a.example/wiki/Portal:Main/Start", "https://a.example/wiki/{}"),
        ("https://a.example/wiki/Main/Start", "https://a.example/wiki/{}"),
        ("https://a.example/pages/Portal%3AMain/Start", "https://a.example/pages/{}"),
        ("https://a.example/de/wiki/Hauptseite", "https://a.example/de/wiki/{}"),
        ("https://wiki.example.org/Main_Page", "https://wiki.example.org/{}"),
        ("https://wiki.example.org/Project:Main", "https://wiki.example.org/{}"),
        ("https://a.example:8080/mediawiki/Main_Page", "https://a.example:8080/mediawiki/{}"),
        ("https://user:word@a.example/wiki/Main_Page", "https://a.example/wiki/{}"),
        ("//a.example/wiki/Main_Page", "https://a.example/wiki/{}"),
        ("https://a.example/title/%C3%84_%7Bx%7D", "https://a.example/title/{}"),
        # Nothing that says where other pages are.
        ("https://a.example/", None),
        ("https://a.example", None),
        ("https://a.example/wiki/", None),
        ("https://a.example/wiki", None),
        ("https://a.example/w/index.php?curid=1", None),
        ("https://a.example/w/index.php?title=", None),
        ("https://a.example/{}/Main", None),
        ("https://[a/wiki/Main", None),
        ("Main Page", None),
        ("file:///srv/wiki/Main_Page", None),
        (None, None),
    ],
)
def test_address_of_pages(base: str | None, address: str | None) -> None:
    assert page_address(base) == address


@pytest.mark.parametrize(
    ("head", "name", "wiki", "language", "url"),
    [
        # Somebody's own wiki, whatever its file is called.
        (
            "<base>https://a.example/wiki/Main</base><dbname>wikidb</dbname>@en",
            "mywiki-2024.xml",
            *("wikidb", "en", "https://a.example/wiki/A_%26_B"),
        ),
        (
            "<dbname>wikidb</dbname><base>https://a.example/i.php?title=X&amp;y=1</base>@de-formal",
            "dewiki-2024.xml",
            *("wikidb", "de", "https://a.example/i.php?title=A_%26_B&y=1"),
        ),
        ("<base>https://a.example/Main</base>@zh-hant", "enwiki.xml", "a.example", "zh", "https://a.example/A_%26_B"),
        ("<dbname>mywiki</dbname>@en", "mywiki.xml", "mywiki", "en", None),
        ("<sitename>Ships</sitename>@fr", "enwiki-ships.xml", "enwiki-ships", "fr", None),
        ("<dbname>x</dbname><base>https://a.example/wiki/Main</base>", "my.xml", "x", None, "https://a.example/wiki/A_%26_B"),
        ("<dbname>x</dbname><lang>nl</lang>@en", "my.xml", "x", "nl", None),
        ("<dbname>x</dbname><generator>MediaWiki 1.35.2</generator>@und", "dewiki.xml", "x", None, None),
        # Wikimedia's.
        (
            "<dbname>alswiki</dbname><base>https://als.wikipedia.org/wiki/Houptsyte</base>@gsw",
            "x.xml",
            *("alswiki", "gsw", "https://als.wikipedia.org/wiki/A_%26_B"),
        ),
        (
            "<base>http://it.wikipedia.org/wiki/Pagina_principale</base>@it",
            "x.xml",
            *("itwiki", "it", "http://it.wikipedia.org/wiki/A_%26_B"),
        ),
        (
            "<dbname>commonswiki</dbname><base>https://commons.wikimedia.org/wiki/Main_Page</base>@en",
            "c.xml",
            *("commonswiki", None, "https://commons.wikimedia.org/wiki/A_%26_B"),
        ),
        (
            "<dbname>dewiktionary</dbname><generator>MediaWiki 1.41.0-wmf.6</generator>@de",
            "d.xml",
            *("dewiktionary", "de", "https://de.wiktionary.org/wiki/A_%26_B"),
        ),
        # One of Wikimedia's under the head of another: the page is not there.
        ("<dbname>enwiki</dbname><base>https://en.wikipedia.org/wiki/A</base>@en", "dewiki.xml", "dewiki", "de", None),
        # Nothing but a name.
        ("", "enwiki-20240101.xml", "enwiki", "en", None),
        ("@en", "mywiki.xml", "mywiki", "en", None),
        ("", "pages.xml", "pages", None, None),
    ],
)  # fmt: skip
def test_facts_of_a_wiki(head: str, name: str, wiki: str, language: str | None, url: str | None) -> None:
    facts, _, code = head.partition("@")
    root = f'<mediawiki version="0.11" xml:lang="{code}">' if code else "<mediawiki>"
    site = read_site(f"{root}<siteinfo>{facts}</siteinfo>", f"dumps/{name}")
    assert (site.wiki, site.language, site.url("A & B")) == (wiki, language, url)
    assert read_site(f"{root}<siteinfo>{facts}</siteinfo>", name, "xx").language == "xx"


def test_namespaces_of_a_dump() -> None:
    head = '<namespace key="4" case="case-sensitive">R&amp;D</namespace><namespace key=\'14\'>Art</namespace>'
    site = read_site(head, "x.xml")
    assert site.namespaces == {"R&D": 4, "Art": 14}
    assert [site.namespace_of(title) for title in ("R&D:a", "Art:b", "Talk:c", "d", "art:e")] == [4, 14, 1, 0, 0]


def test_names_of_wikimedia() -> None:
    for host, wiki in {
        "zh-min-nan.wikipedia.org": "zh_min_nanwiki",
        "www.wikidata.org": "wikidatawiki",
        "commons.wikimedia.org": "commonswiki",
        "be.wikimedia.org": "bewikimedia",
        "fr.wikivoyage.org": "frwikivoyage",
        "wiki.example.org": None,
        "wikipedia.org.example.com": None,
        "notwikipedia.org": None,
        "": None,
    }.items():
        assert wiki_of_host(host) == wiki, host
    assert host_of_wiki("zh_min_nanwiki") == "zh-min-nan.wikipedia.org"
    assert host_of_wiki("commonswiki") is None
    codes = {"de-formal": "de", "zh-Hant": "zh", "en-GB": "en", "be-x-old": "be", "als": "gsw", "und": None, "": None}
    assert {code: language_of_code(code) for code in codes} == codes


def revision(number: int | None, timestamp: str | None, text: str | None, noise: str = "") -> str:
    id = f"<id>{number}</id>" if number is not None else ""
    date = f"<timestamp>{timestamp}</timestamp>" if timestamp is not None else ""
    content = f"<text>{text}</text>" if text is not None else '<text bytes="9" deleted="deleted" />'
    return f"<revision>{id}<parentid>999</parentid>{date}{noise}<model>wikitext</model>{content}</revision>\n"


_HIDDEN_USER = '<contributor deleted="deleted" /><comment deleted="deleted" />'
_HISTORIES: dict[str, tuple[list[str], str | None]] = {
    "ascending": ([revision(1, "2001-01-01T00:00:00Z", "a"), revision(2, "2002-01-01T00:00:00Z", "b")], "b"),
    "descending": ([revision(2, "2002-01-01T00:00:00Z", "b"), revision(1, "2001-01-01T00:00:00Z", "a")], "b"),
    "imported": ([revision(5, "2024-05-01T00:00:00Z", "b"), revision(99, "2002-06-01T00:00:00Z", "a")], "b"),
    "same second": ([revision(7, "2002-01-01T00:00:00Z", "b"), revision(6, "2002-01-01T00:00:00Z", "a")], "b"),
    "no dates": ([revision(10, None, "b"), revision(9, None, "a")], "b"),
    "one date": ([revision(1, "2001-01-01T00:00:00Z", "b"), revision(9, None, "a")], "b"),
    "nothing": ([revision(None, None, "a"), revision(None, None, "b")], "b"),
    "hidden last": ([revision(1, "2001-01-01T00:00:00Z", "a"), revision(2, "2002-01-01T00:00:00Z", None)], None),
    "hidden older": ([revision(2, "2002-01-01T00:00:00Z", "b"), revision(1, "2001-01-01T00:00:00Z", None)], "b"),
    "hidden user": ([revision(2, "2002-01-01T00:00:00Z", "b", _HIDDEN_USER)], "b"),
    "other digits": ([revision(2, "20020101000000", "b"), revision(3, "2001-01-01T00:00:00Z", "a")], "b"),
}


@pytest.mark.parametrize("case", _HISTORIES)
@pytest.mark.parametrize("is_large", [False, True])
def test_the_newest_revision_is_the_page(case: str, is_large: bool, tmp_path: Path) -> None:
    """Also where all of them together are more than what stays in memory; its record is found by its address."""
    revisions, expected = _HISTORIES[case]
    if is_large:
        revisions = [revision(None, None, "x" * 700_000) + old for old in revisions]
    page = f"<page><title>A</title><ns>0</ns><id>1</id>{''.join(revisions)}</page>"
    documents, drops, _ = read(tmp_path, f"<mediawiki>{page}</mediawiki>".encode(), "x.xml")
    if expected is None:
        assert drops == ["hidden_revision"]
        return
    (document,) = documents
    assert document["text"] == expected
    if case != "nothing":
        place = (document["offset"], document["length"])
        assert page.encode() == read_record(str(tmp_path / "x.xml"), "mediawiki", *place, document["id"])
    # Packed in streams, the same.
    packed = bz2.compress(b"<mediawiki>") + bz2.compress(page.encode()) + bz2.compress(b"</mediawiki>")
    (other,), _, _ = read(tmp_path, packed, "x.xml.bz2")
    assert other["text"] == document["text"]


def test_a_long_history_takes_the_memory_of_two_revisions(tmp_path: Path) -> None:
    """The newest is the first of three hundred."""
    old = "".join(revision(n, f"20{n % 20:02}-01-01T00:00:00Z", "old words " * 10_000) for n in range(1, 300))
    page = f"<page><title>A</title><ns>0</ns><id>1</id>{revision(0, '2030-01-01T00:00:00Z', 'new')}{old}</page>"
    data = f"<mediawiki>{page}</mediawiki>".encode()
    tracemalloc.start()
    documents, _, _ = read(tmp_path, data, "x.xml")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [row["text"] for row in documents] == ["new"]
    assert peak < 12 << 20


def test_given_histories_and_private_wikis(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "cases"
    documents, drops, _ = read(tmp_path, (folder / "05-history/enwiki-history.xml").read_bytes(), "enwiki-history.xml")
    assert [row["id"] for row in documents] == ["enwiki/1/50", "enwiki/3/30"]
    assert drops == ["hidden_revision"]
    urls = {
        "indexphp.xml": "https://wiki.example.org/w/index.php?title=Harbour",
        "mywiki-20240101-pages.xml": "https://wiki.example.org/wiki/Harbour",
        "slash.xml": "https://wiki.example.org/wiki/Harbour",
    }
    for name, url in urls.items():
        (document,), _, _ = read(tmp_path, (folder / "04-private-wiki" / name).read_bytes(), name)
        assert (document["url"], document["language"]) == (url, "en")
