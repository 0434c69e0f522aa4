"""Parts of the URL rules: the tables that hold lists, their cache, and the words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.filters.urls import UrlSettings, compile_url_rule
from pipeline.filters.urls.table import HashTable
from pipeline.filters.urls.words import WordRule
from tests.pipeline.filters.test_filters_urls import make_lists, reason_of

# Tables


@given(st.lists(st.binary(max_size=6), max_size=60), st.lists(st.text(max_size=3), max_size=20))
def test_tables_hold_what_was_put_in(put: list[bytes], asked: list[str]) -> None:
    table = HashTable.of(put, 7)
    assert len(table) == len(set(put))
    for text in asked + [raw.decode("latin-1") for raw in put]:
        assert table.find(text.encode()) == (7 if text.encode() in put else -1)


def test_the_first_list_of_a_name_counts() -> None:
    table = HashTable(np.array([5, 9, 5], np.uint64), np.array([1, 2, 3], np.uint16))
    assert table.numbers.tolist() == [1, 2]


def test_tables_from_the_cache_are_the_same(tmp_path: Path) -> None:
    make_lists(
        tmp_path, {"l/adult/domains": "a.example\nb.c.example\n", "l/adult/urls": "d.example/e\n", "l/z/hosts": "h.x\n"}
    )
    settings, cache = UrlSettings(block_lists=["l"]), tmp_path / "cache"
    urls = ["http://x.a.example", "http://d.example/e/f", "http://h.x", "http://c.example"]
    made = compile_url_rule(settings, tmp_path)
    expected = [made.verdict(url) for url in urls]
    for _ in range(2):
        rule = compile_url_rule(settings, tmp_path, cache)
        assert [rule.verdict(url) for url in urls] == expected
        assert rule.facts() == made.facts()
        compile_url_rule.__globals__["_compile"].cache_clear()
    (file,) = cache.iterdir()
    file.write_bytes(file.read_bytes()[:50])  # cut short: made again
    assert [compile_url_rule(settings, tmp_path, cache).verdict(url) for url in urls] == expected


# Words


def test_words() -> None:
    rule = WordRule(strict=["porntube", "xhamster", "xhams"], hard=["milf"], soft=["sexy", "girls", "hot"])
    assert rule.look("www.myporntubes.example/") == ("strict:porntube", [])
    assert rule.look("xhamster.example")[0] == "strict:xhams"  # the shorter word says it all
    assert rule.look("example.com/milf-photos") == ("hard:milf", [])
    assert rule.look("example.com/milford/sexyhot") == (None, [])
    assert rule.look("example.com/hot_sexy?q=hot") == (None, ["hot", "sexy"])
    assert WordRule().look("anything") == (None, [])


@given(st.sets(st.text("abc", min_size=1, max_size=4), max_size=8), st.text("abc.", max_size=20))
def test_strict_words_are_found_as_by_in(words: set[str], text: str) -> None:
    assert (WordRule(strict=words).look(text)[0] is not None) == any(word in text for word in words)


def test_levels_of_words(tmp_path: Path) -> None:
    strict, hard, soft = "http://pornhub.example/", "http://a.example/milf/", "http://sexy-webcams.example/"
    clean = ["http://essex.example/sussex", "http://a.example/sexy", "http://pornic.example/scunthorpe"]
    found = {
        level: [reason_of(UrlSettings(adult_words=level), url) for url in (strict, hard, soft)]  # type: ignore[arg-type]
        for level in ("off", "strict", "hard", "soft")
    }
    assert found["off"] == [None, None, None]
    assert found["strict"] == ["url_word strict:pornhub", None, None]
    assert found["hard"] == ["url_word strict:pornhub", "url_word hard:milf", None]
    assert found["soft"] == [*found["hard"][:2], "url_soft_words soft:sexy,webcams"]
    assert all(reason_of(UrlSettings(adult_words="soft"), url) is None for url in clean)
    assert reason_of(UrlSettings(adult_words="soft", max_soft_words=2), soft) is None
    make_lists(tmp_path, {"w/strict": "badword\n# porntube\n", "w/soft.txt": "Uno\ndos\n"})
    own = UrlSettings(adult_words="soft", word_lists="w")
    assert reason_of(own, "http://mybadwords.example", tmp_path) == "url_word strict:badword"
    assert reason_of(own, "http://porntube.example", tmp_path) is None
    assert reason_of(own, "http://uno.dos.example", tmp_path) == "url_soft_words soft:dos,uno"
