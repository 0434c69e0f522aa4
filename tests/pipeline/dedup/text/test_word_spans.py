"""Words with their places: every text, in pieces of any size, and words in a row by sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dedup.text import word_spans as module
from pipeline.dedup.text.word_spans import WordRuns, word_spans

TEXTS = st.text(
    st.one_of(st.characters(exclude_categories=[]), st.sampled_from("ab 1.,+é한ㅏ\u1112\u1161\u0301中ไ\u0e31\u200d"))
)


def shown(text: str) -> list[str]:
    spans = word_spans(text)
    return [text[start:end] for start, end in zip(spans.starts, spans.ends, strict=True)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't pay $1,234.50!", ["Don", "t", "pay", "1", "234", "50"]),
        ("17*94=1598", ["17", "94", "=", "1598"]),
        ("e\u0301t\u00e9 \u00adco\u00adop", ["e\u0301t\u00e9", "co\u00adop"]),
        ("漢字kana かな 12", ["漢", "字", "kana", "か", "な", "12"]),
        ("กำลัง", ["ก", "ำ", "ลั", "ง"]),
        ("* * * }", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert shown(text) == words


@given(TEXTS)
def test_a_word_is_the_same_alone_and_in_any_piece(text: str) -> None:
    spans = word_spans(text)
    bounds = np.stack([spans.starts, spans.ends], axis=1).ravel()
    assert (np.diff(bounds) >= 0).all()
    assert (spans.starts < spans.ends).all()
    for value, start, end in zip(*spans, strict=True):
        assert word_spans(text[start:end]).hashes.tolist() == [value]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PIECE", 4)
        for one, other in zip(word_spans(text), spans, strict=True):
            assert one.tolist() == other.tolist()


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12), st.data())
def test_equal_words_in_a_row_have_one_hash(words: list[str], data: st.DataObject) -> None:
    runs = WordRuns(word_spans(" ".join(words)).hashes)
    places = st.tuples(st.integers(0, len(words)), st.integers(0, len(words))).map(sorted)
    (a, b), (c, d), (e, f) = (data.draw(places) for _ in range(3))
    whole, joined = words[a:b], words[c:d] + words[e:f]
    (one,), (other,) = runs.hashes(np.array([a]), np.array([b])), runs.joined(np.array([[c, d, e, f]]))
    assert (one == other) == (whole == joined)
