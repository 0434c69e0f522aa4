"""Draws: their values stay, and no two of them have anything to do with one another."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from manifests.draws import draw, fraction

_PARTS = st.one_of(st.text(st.characters(), max_size=4), st.integers(0, 12))


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        # Whoever changes these changes the order, the mixture and the samples of every build.
        (("shuffle", 0, "web", "https://example.org/", 0), 18266003105850405835),
        (("shuffle", 7, "books", 'Zo\xeb\x00\n"', 2), 5717148283026563226),
        (("validation", 0, "web", "a"), 11632788778606067992),
        (("mixture", 9223372036854775807, "web", "a"), 15037935282318689804),
        (("step", 0, 100, 3), 2174008137789157560),
        (("weights", 0), 7300103411307034303),
    ],
)
def test_values_stay(arguments: tuple[str, int, *tuple[str | int, ...]], value: int) -> None:
    assert draw(*arguments) == value
    assert fraction(*arguments) == pytest.approx(value / 2**64, abs=2**-53)


def test_a_draw_is_the_hash_of_a_list_in_json() -> None:
    written = json.dumps(["shuffle", 7, "books", 'a "b"\n\u00e9', 2], separators=(",", ":"))
    assert written.isascii()
    assert draw("shuffle", 7, "books", 'a "b"\n\u00e9', 2) == xxhash.xxh3_64_intdigest(written.encode())


def test_parts_do_not_run_together() -> None:
    keys: list[tuple[str | int, ...]] = [
        *[(), ("",), ("", ""), ("a", "b"), ("ab",), ("a,b",), ('a","b',), ("a\0b",), ("a", "b\0c"), ("a\0b", "c")],
        *[("a", "b c"), ("a b", "c"), (1,), ("1",), (1, 2), (12,), ("1", 2), (-1,), ("\ud800",), ("\udfff",), ("?",)],
    ]
    draws = [draw(purpose, seed, *key) for purpose in ("a", "a\0b", "order") for seed in (0, 1, 12) for key in keys]
    assert len(set(draws)) == len(draws)


@given(st.lists(_PARTS, max_size=4), st.lists(_PARTS, max_size=4))
def test_two_keys_draw_alike_only_where_they_are_equal(one: list[str | int], other: list[str | int]) -> None:
    assert (draw("x", 0, *one) == draw("x", 0, *other)) == (one == other)


def test_purposes_seeds_and_keys_are_independent() -> None:
    """Fractions are even, and those of two purposes, seeds or keys are not correlated."""
    count = 20_000
    columns = np.array(
        [
            [fraction(purpose, seed, source, str(number)) for number in range(count)]
            for purpose, seed, source in itertools.product(("shuffle", "mixture"), (0, 1), ("a", "b"))
        ]
    )
    assert columns.min() >= 0
    assert columns.max() < 1
    for column in columns:
        in_tenths, _ = np.histogram(column, 10, (0, 1))
        assert abs(in_tenths - count / 10).max() < 6 * (count * 0.09) ** 0.5
    correlations = np.corrcoef(columns) - np.eye(len(columns))
    assert abs(correlations).max() < 6 / count**0.5


def test_a_fraction_is_below_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xxhash, "xxh3_64_intdigest", lambda _: 2**64 - 1)
    assert fraction("x", 0) == 1 - 2**-53
    monkeypatch.setattr(xxhash, "xxh3_64_intdigest", lambda _: 0)
    assert fraction("x", 0) == 0
