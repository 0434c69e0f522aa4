"""The hash of a text: white space is folded, everything else counts."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dedup.keys import content_hash, folded_bytes

_SPACES = "".join(chr(point) for point in range(sys.maxunicode + 1) if chr(point).isspace())


@given(st.lists(st.one_of(st.sampled_from(_SPACES), st.characters(), st.text(max_size=3))).map("".join))
def test_folding_is_that_of_split(text: str) -> None:
    assert bytes(folded_bytes(text)) == " ".join(text.split()).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("space", _SPACES, ids=ascii)
def test_each_white_space_is_one_space(space: str) -> None:
    assert content_hash(f"{space}one{space}{space}two\n{space}thrée{space}") == content_hash("one two thrée")
    assert content_hash(f"one{space}two") != content_hash("onetwo")


@pytest.mark.parametrize("other", ["One two", "one, two", "one two 2", "one twó", "one\u200btwo", "one\ud800two", ""])
def test_all_else_counts(other: str) -> None:
    assert content_hash(other) != content_hash("one two")
