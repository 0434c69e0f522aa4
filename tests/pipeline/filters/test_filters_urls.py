"""URL rules: addresses in one spelling, lists, opt-outs, words; against a plain reference that reads the lists anew."""

from __future__ import annotations

import gzip
import hashlib
import json
import pickle
import string
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from manifests.errors import UserError
from pipeline.filters.urls import (
    UrlFilter,
    UrlSettings,
    compile_url_rule,
    digests,
    read_address,
)
from pipeline.filters.urls import address as address_module
from pipeline.filters.urls.lists import read_entry
from tests.pipeline.filters.test_filters import Sink


def make_lists(folder: Path, files: dict[str, str | bytes]) -> Path:
    """A folder of block lists from `category/file` -> text."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def reason_of(settings: UrlSettings, url: str, folder: Path = Path()) -> str | None:
    match = compile_url_rule(settings, folder).verdict(url)
    return None if match is None else f"{match.reason} {match.detail}"


# Addresses


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a/b",
        "HTTPS://EXAMPLE.com:8443/A/b/",
        "//example.com/a/b#part",
        "example.com/a/b",
        "http://user:p%40ss@example.com/a/b",
        "http://user@name@example.com./a//b",
        "http://ex%61mple.com/%61/b",
        " \thttp://exa\nmple.com/a/b\r\n",
        "http:\\\\example.com\\a\\b",
        "http:/example.com/a/b",
        "http://example.com...:80/a/b///",
    ],
)
def test_one_address_however_it_is_written(url: str) -> None:
    assert read_address(url) == ("example.com", "/a/b", "")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://bücher.example/", "xn--bcher-kva.example"),
        ("http://BÜCHER.example", "xn--bcher-kva.example"),
        ("http://xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("http://例え。テスト/", "xn--r8jz45g.xn--zckzah"),
        ("http://b%C3%BCcher.example/", "xn--bcher-kva.example"),
        ("http://[2001:DB8:0::1]:80/x", "[2001:db8::1]"),
        ("http://192.168.0.1/x", "192.168.0.1"),
        ("http://localhost/x", "localhost"),
        ("ftp://under_score.example.com", "under_score.example.com"),
    ],
)
def test_hosts(url: str, host: str) -> None:
    address = read_address(url)
    assert address is not None
    assert address.host == host


@pytest.mark.parametrize("url", ["", " ", "/only/a/path", "?q", "localhost", "http://", "http://a b.com/",
                                 "http://[::zz]/", "urn:isbn:1", "http://a..b/", "#", "http://<x>.com"])  # fmt: skip
def test_what_names_no_host(url: str) -> None:
    assert read_address(url) is None


@given(st.text(max_size=200))
@example("\ud800.com/\ud800?\ud800")
@example("http://" + "." * 100)
@example("http://\u2024example.com")
@hypothesis_settings(max_examples=300, deadline=None)
def test_any_text_is_an_address_or_none(text: str) -> None:
    for url in (text, f"http://{text}", f"https://example.com/{text}"):
        address = read_address(url)
        if address is not None:
            assert address.host
            assert not address.path.endswith("/")
            "".join(address).encode()


_LABEL = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=5)
_HOST = st.lists(_LABEL, min_size=1, max_size=4).map(".".join)


@given(_HOST, st.text('ab/.%41-_A?é#&\\="', max_size=12))
@hypothesis_settings(max_examples=300, deadline=None)
def test_the_short_way_is_the_long_way(host: str, rest: str) -> None:
    for url in (f"http://{host}/{rest}", f"https://{host}{rest}"):
        assert read_address(url) == address_module._read_any(url)


def test_a_long_url_takes_no_longer(tmp_path: Path) -> None:
    lists = make_lists(
        tmp_path, {"a/domains": "bad.example\n", "a/urls": "x.com/a/a/a/a/a\n", "a/expressions": "zz$\n"}
    )
    settings = UrlSettings(block_lists=[str(lists)], adult_words="soft")
    rule = compile_url_rule(settings)
    for url in ("http://" + "a." * 10_000_000, "http://x.com" + "/a" * 10_000_000, "@" * 20_000_000, "%" * 20_000_000):
        rule.look(url)
    assert rule.verdict("http://x.com" + "/a" * 10_000) is not None


@pytest.mark.parametrize(
    ("host", "site"),
    [
        ("www.example.com", "example.com"),
        ("www12.example.com", "example.com"),
        ("www.com", "www.com"),
        ("www2.com", "www2.com"),
        ("wwwx.example.com", "wwwx.example.com"),
        ("www.a.b", "a.b"),
        ("example.com", "example.com"),
    ],
)
def test_sites_have_no_www(host: str, site: str) -> None:
    address = read_address(f"http://{host}/")
    assert address is not None
    assert address.site == site


# Lists


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("example.com", ("domains", "example.com")),
        ("  .Example.COM. ", ("domains", "example.com")),
        ("*.example.com", ("domains", "example.com")),
        ("bücher.example", ("domains", "xn--bcher-kva.example")),
        ("0.0.0.0 ads.example.com # a hosts file", ("domains", "ads.example.com")),
        ("localhost", ("hosts", "localhost")),
        (".xxx", ("domains", "xxx")),
        ("https://www.example.com/A/b/?x=1#y", ("pages", "example.com/a/b?x=1")),
        ("example.com/a", ("pages", "example.com/a")),
        ("https://example.com/", ("domains", "example.com")),
        ("no host at all", None),
        ("/just/a/path", None),
    ],
)
def test_lines_of_lists(line: str, entry: tuple[str, str] | None) -> None:
    assert read_entry(line) == entry


def test_lists_of_domains_hosts_pages_and_expressions(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "ut1/adult/domains": "bad.example\ndeep.sub.example.org\n10.1.2.3\nloneword\n",
        "ut1/adult/urls": "blog.example.net/~someone/album\nsite.example.net/page?id=7\nwhole.example.net\n",
        "ut1/adult/expressions": "(^|[-/.])casino[0-9]*([-/.]|$)\n[[:digit:]]{6}x\n",
        "ut1/phishing/domains.gz": gzip.compress("phish.example\nПример.РФ\n".encode()),
        "ut1/phishing/hosts": "only.example.org\n",
        "ut1/README": "not a list",
    }
    make_lists(tmp_path, files)
    settings = UrlSettings(block_lists=["ut1"])
    expected = {
        "http://bad.example/": "url_domain adult:bad.example",
        "http://a.b.bad.example:81/x?y": "url_domain adult:bad.example",
        "http://notbad.example/": None,
        "http://example.org/": None,
        "http://www.deep.sub.example.org": "url_domain adult:deep.sub.example.org",
        "http://10.1.2.3/x": "url_domain adult:10.1.2.3",
        "http://9.10.1.2.3/x": None,  # no domains in numbers
        "http://sub.loneword/": None,  # a name without a dot is that host only
        "http://loneword/": "url_host adult:loneword",
        "http://www.blog.example.net/~SOMEONE/album/": "url_exact adult:blog.example.net/~someone/album",
        "http://blog.example.net/%7Esomeone/album/9.jpg?x": "url_exact adult:blog.example.net/~someone/album",
        "http://blog.example.net/~someone/albums": None,
        "http://blog.example.net/~someone": None,
        "http://sub.blog.example.net/~someone/album": None,
        "http://site.example.net/page?id=7": "url_exact adult:site.example.net/page?id=7",
        "http://site.example.net/page?id=77": None,
        "http://www3.whole.example.net/any": "url_host adult:whole.example.net",
        "http://x.whole.example.net/any": None,
        "http://online-casino7.example/": "url_word adult:(^|[-/.])casino[0-9]*([-/.]|$)",
        "http://x.example/123456X": "url_word adult:[[:digit:]]{6}x",
        "http://phish.example": "url_domain phishing:phish.example",
        "http://xn--e1afmkfd.xn--p1ai/": "url_domain phishing:xn--e1afmkfd.xn--p1ai",
        "https://www.only.example.org/": "url_host phishing:only.example.org",
        "https://sub.only.example.org/": None,
    }
    assert {url: reason_of(settings, url, tmp_path) for url in expected} == expected
    # One category only.
    phishing = UrlSettings(block_lists=["ut1"], categories=["phishing"])
    assert reason_of(phishing, "http://bad.example/", tmp_path) is None
    assert reason_of(phishing, "http://phish.example/", tmp_path) is not None
    # A category's own folder, and a file, are lists, too.
    assert reason_of(UrlSettings(block_lists=["ut1/adult"]), "http://bad.example", tmp_path) is not None
    one_file = UrlSettings(block_lists=["ut1/adult/domains"])
    assert reason_of(one_file, "http://x.bad.example", tmp_path) == "url_domain domains:bad.example"


def test_opt_outs_come_first(tmp_path: Path) -> None:
    make_lists(
        tmp_path,
        {"ut1/adult/domains": "bad.example\n", "out.txt": "# asked\nhttps://bad.example/\nhttps://a.example/me/\n"},
    )
    settings = UrlSettings(block_lists=["ut1"], opt_out="out.txt")
    assert reason_of(settings, "http://x.bad.example", tmp_path) == "url_opt_out opt_out:bad.example"
    assert reason_of(settings, "http://a.example/me/too", tmp_path) == "url_opt_out opt_out:a.example/me"
    assert reason_of(settings, "http://a.example/you", tmp_path) is None
    signals, details = compile_url_rule(settings, tmp_path).look("http://bad.example")
    assert signals["urls.url_opt_out"] == signals["urls.url_domain"] == 1.0  # all that match, not only the first
    assert set(details) == {"url_opt_out", "url_domain"}
    assert [comparison.reason for comparison in compile_url_rule(settings, tmp_path).comparisons][:2] == [
        "url_opt_out",
        "url_domain",
    ]


def test_lines_that_mean_nothing_are_counted(tmp_path: Path) -> None:
    make_lists(tmp_path, {"l/adult/domains": "a.example\n# no\n\nwhat is this\nb.example\n/c\n", "l/adult/urls": "\n"})
    facts = compile_url_rule(UrlSettings(block_lists=["l"]), tmp_path).facts()
    assert facts["num_ignored_lines"] == {"l/adult/domains": 2}
    assert facts["num_entries"] == {"domains": 2, "hosts": 0, "pages": 0, "expressions": 0, "opt_out": 0}


def test_every_file_of_the_lists_is_counted(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "l/adult/domains": "a.example\nwhat is this\nA.example\n",
        "l/adult/urls": "a.example/b\n/c\n? ?\n",
        "l/adult/expressions": "one\n# two\nthree\n",
        "l/news/domains.gz": gzip.compress(b"a.example\n"),
        "out.txt": "b.example\nnobody here\nb.example/c\n",
        "words/strict": "badword\n",
    }
    make_lists(tmp_path, files)
    settings = UrlSettings(block_lists=["l"], opt_out="out.txt", adult_words="strict", word_lists="words")
    for cache in (None, tmp_path / "cache", tmp_path / "cache"):
        found = compile_url_rule(settings, tmp_path, cache).lists
        compile_url_rule.__globals__["_compile"].cache_clear()
        assert {facts.file.name: (facts.num_entries, facts.num_ignored_lines) for facts in found} == {
            "l/adult/domains": (2, 1),
            "l/adult/urls": (1, 2),
            "l/adult/expressions": (2, 0),
            "l/news/domains.gz": (1, 0),
            "words/strict": (1, 0),
            "out.txt": (2, 1),
        }


@pytest.mark.parametrize("expression", ["(a+)+$", "(a|a)*b", "(.*a){20}", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_no_expression_takes_long(tmp_path: Path, expression: str) -> None:
    """Each of these would keep an engine that backtracks busy for years: that this ends is the test."""
    make_lists(tmp_path, {"l/adult/expressions": f"{expression}\n"})
    rule = compile_url_rule(UrlSettings(block_lists=["l"]), tmp_path)
    rule.look(f"http://x.example/{'a' * 4000}!")


@pytest.mark.parametrize("expression", ["(?=a)b", r"(a)\1", "(?<!a)b", "a{1,5000}"])
def test_expressions_that_only_backtracking_can_read_are_refused(tmp_path: Path, expression: str) -> None:
    make_lists(tmp_path, {"l/adult/expressions": f"fine\n{expression}\n"})
    with pytest.raises(UserError, match=r"adult/expressions: line 2: no regular expression that RE2 can read \(\w.*\)"):
        compile_url_rule(UrlSettings(block_lists=["l"]), tmp_path)


@pytest.mark.parametrize("expression", [r"\bсекс\b", r"[[:alpha:]]ж", r"ж\d"])
def test_classes_that_would_miss_other_letters_are_refused(tmp_path: Path, expression: str) -> None:
    make_lists(tmp_path, {"l/adult/expressions": f"/секс/\n[\\p{{L}}]ж\n{expression}\n"})
    with pytest.raises(UserError, match=r"adult/expressions: line 3: .* knows ASCII letters and digits only in RE2"):
        compile_url_rule(UrlSettings(block_lists=["l"]), tmp_path)


def test_a_list_is_digested_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_lists(tmp_path, {"l/adult/domains": "a.example\n", "l/adult/urls": "a.example/b\n"})
    settings = UrlSettings(block_lists=["l"])
    read: list[int] = []
    real = hashlib.file_digest

    def counted(file: Any, name: str) -> Any:
        read.append(1)
        return real(file, name)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    before = digests(settings, tmp_path)
    assert before == {
        name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("l/adult/domains", "l/adult/urls")
    }
    assert digests(settings, tmp_path) == digests(UrlSettings(block_lists=["l"], max_soft_words=3), tmp_path) == before
    assert len(read) == 2
    (tmp_path / "l/adult/domains").write_text("bb.example\n")
    assert digests(settings, tmp_path)["l/adult/domains"] != before["l/adult/domains"]
    assert len(read) == 3


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    make_lists(tmp_path, {"l/adult/domains": "a.example\n", "empty/README": "", "bad/x/expressions": "ok\n(\n"})
    make_lists(tmp_path, {"broken/x/domains.gz": b"not gzip"})
    make_lists(tmp_path, {"damaged/x/domains.gz": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + b"\xff" * 20})
    make_lists(tmp_path, {"torn/x/domains.gz": gzip.compress(b"a.example\n" * 9)[:-9]})
    for settings, message in (
        (UrlSettings(block_lists=["none"]), "no such folder"),
        (UrlSettings(block_lists=["empty"]), "no list in it"),
        (UrlSettings(block_lists=["l"], categories=["adlut"]), "did you mean 'adult'"),
        (UrlSettings(block_lists=["bad"]), "line 2: no regular expression"),
        (UrlSettings(block_lists=["broken"]), "cannot be read"),
        (UrlSettings(block_lists=["damaged"]), "cannot be read"),
        (UrlSettings(block_lists=["torn"]), "cannot be read"),
        (UrlSettings(opt_out="gone.txt"), "gone.txt: no such file"),
        (UrlSettings(adult_words="hard", word_lists="empty"), "no word list"),
    ):
        with pytest.raises(UserError, match=message):
            compile_url_rule(settings, tmp_path)
        with pytest.raises(UserError, match=message):
            UrlFilter(settings, tmp_path)


def test_digests_name_every_file(tmp_path: Path) -> None:
    make_lists(tmp_path, {"l/adult/domains": "a.example\n", "l/gambling/urls": "b.example/c\n", "out": "c.example\n"})
    settings = UrlSettings(block_lists=["l"], opt_out="out")
    before = digests(settings, tmp_path)
    assert sorted(before) == ["l/adult/domains", "l/gambling/urls", "out"]
    make_lists(tmp_path, {"out": "d.example\n"})
    after = digests(settings, tmp_path)
    assert {name for name in before if before[name] != after[name]} == {"out"}
    assert reason_of(settings, "http://d.example", tmp_path) is not None  # and the rule is made anew
    assert digests(UrlSettings()) == {}


# Against a plain reference


_NAMES = st.lists(st.sampled_from(["a", "b", "www", "www2", "com", "co"]), min_size=1, max_size=4).map(".".join)
_PATHS = st.lists(st.sampled_from(["x", "y", "%78", "X"]), max_size=3).map(
    lambda parts: "".join(f"/{p}" for p in parts)
)


def _plain(host: str) -> str:
    first, _, rest = host.partition(".")
    return rest if first in ("www", "www2") and "." in rest else host


def _reference(url: str, domains: list[str], hosts: list[str], pages: list[str]) -> list[str]:
    """All reasons for a URL, by going through the whole lists."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    path = parts.path.replace("%78", "x").lower().rstrip("/")
    found = []
    if any(host == domain or host.endswith(f".{domain}") for domain in domains if "." in domain):
        found.append("url_domain")
    if any(_plain(host) == _plain(name) or host == name for name in [*hosts, *(d for d in domains if "." not in d)]):
        found.append("url_host")
    for page in pages:
        page_host, slash, rest = page.lower().replace("%78", "x").partition("/")
        if slash and "." in page_host and _plain(page_host) == _plain(host) and f"{path}/".startswith(f"/{rest}/"):
            found.append("url_exact")
            break
    return found


@given(
    st.lists(_NAMES, max_size=6),
    st.lists(_NAMES, max_size=4),
    st.lists(st.tuples(_NAMES, _PATHS.filter(bool)).map("".join), max_size=6),
    st.lists(st.tuples(_NAMES, _PATHS), min_size=1, max_size=8),
    st.sampled_from(["", ":8080", "."]),
    st.sampled_from(["", "user:pass@"]),
    st.sampled_from(["", "/", "?q=1", "#x"]),
)
@hypothesis_settings(max_examples=100, deadline=None)
def test_decisions_are_those_of_a_plain_reference(
    tmp_path_factory: pytest.TempPathFactory,
    domains: list[str],
    hosts: list[str],
    pages: list[str],
    urls: list[tuple[str, str]],
    port: str,
    user: str,
    end: str,
) -> None:
    folder = tmp_path_factory.mktemp("lists")
    make_lists(folder, {f"l/c/{name}": "\n".join(lines) for name, lines in
                        (("domains", domains), ("hosts", hosts), ("urls", pages))})  # fmt: skip
    rule = compile_url_rule(UrlSettings(block_lists=["l"]), folder)
    comparisons = rule.comparisons
    for host, path in urls:
        url = f"http://{user}{host}{port}{path}{end}"
        signals, details = rule.look(url)
        expected = _reference(url, domains, hosts, pages)
        assert sorted(details) == sorted(expected), url
        match = rule.verdict(url)
        broken = [c.reason for c in comparisons if (value := signals[c.signal]) is not None and value > c.threshold]
        assert broken == [reason for reason in ("url_domain", "url_host", "url_exact") if reason in expected]
        assert (match.reason if match else None) == (broken[0] if broken else None)
        assert match is None or match.detail == details[match.reason]


@given(
    st.lists(st.sampled_from(["sexy", "hot", "nude", "milf", "pornhub", "essex", "a"]), max_size=5), st.integers(0, 3)
)
def test_comparisons_of_words_decide_as_the_rule_does(words: list[str], max_soft_words: int) -> None:
    rule = compile_url_rule(UrlSettings(adult_words="soft", max_soft_words=max_soft_words))
    url = "http://example.com/" + quote("-".join(words))
    signals, match = rule.look(url)[0], rule.verdict(url)
    broken = [c.reason for c in rule.comparisons if (signals[c.signal] or 0.0) > c.threshold]
    assert (match.reason if match else None) == (broken[0] if broken else None)
    assert signals["urls.num_soft_words"] == len({"sexy", "hot", "nude"} & set(words))


def test_signals_of_what_is_not_asked_are_null(tmp_path: Path) -> None:
    assert set(compile_url_rule(UrlSettings()).look("http://a.example")[0].values()) == {None}
    assert compile_url_rule(UrlSettings()).comparisons == ()
    make_lists(tmp_path, {"l/c/domains": "a.example\n"})
    rule = compile_url_rule(UrlSettings(block_lists=["l"]), tmp_path)
    for url in (None, "", "/no/host"):
        assert set(rule.look(url)[0].values()) == {None}
    assert rule.look("http://b.example")[0] == {
        "urls.url_opt_out": None,
        "urls.url_domain": 0.0,
        "urls.url_host": 0.0,
        "urls.url_exact": 0.0,
        "urls.url_word": None,
        "urls.num_soft_words": None,
    }


# Blocks


def test_filter_drops_and_counts(tmp_path: Path) -> None:
    make_lists(tmp_path, {"l/adult/domains": "bad.example\n"})
    block = UrlFilter(UrlSettings(block_lists=["l"]), tmp_path)
    block.drops = sink = Sink()
    urls = {"bad": "http://x.bad.example/", "good": "http://good.example/", "none": None, "odd": "/no/host"}
    documents = [Document(text="text", id=name, metadata={"url": url}) for name, url in urls.items()]
    documents.append(Document(text="text", id="missing"))
    assert [document.id for document in block.run(iter(documents))] == ["good", "none", "odd", "missing"]
    assert [drop[:4] for drop in sink.drops] == [("bad", "url_domain", 1.0, "adult:bad.example")]
    assert block.stats.stats["no_url"].total == 2
    assert block.stats.stats["unreadable_url"].total == 1


class _Pages(PipelineStep):
    name = "pages"

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Any:
        for number in range(rank, 20, world_size):
            host = "bad.example" if number % 4 == 0 else f"site{number}.example"
            yield Document(text="text", id=str(number), metadata={"url": f"https://www.{host}/{number}"})


class _Keep(PipelineStep):
    name = "keep"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Any:
        for document in data:
            (self.folder / document.id).touch()
            yield document


def test_in_somebody_s_datatrove_pipeline(tmp_path: Path) -> None:
    make_lists(tmp_path, {"l/adult/domains": "bad.example\n"})
    (tmp_path / "kept").mkdir()
    block = UrlFilter(UrlSettings(block_lists=["l"]), tmp_path, cache=tmp_path / "cache")
    assert len(pickle.dumps(block)) < 10_000  # tables do not travel with the block
    executor = LocalPipelineExecutor(
        [_Pages(), block, _Keep(tmp_path / "kept")], tasks=2, workers=2, logging_dir=str(tmp_path / "logs")
    )
    executor.run()
    kept = {int(path.name) for path in (tmp_path / "kept").iterdir()}
    assert kept == {number for number in range(20) if number % 4}
    stats = json.loads((tmp_path / "logs" / "stats.json").read_text())
    counted = Counter(
        {key: value for step in stats for key, value in step["stats"].items() if key.startswith("dropped")}
    )
    assert counted["dropped_url_domain"] == 5
