"""The order of preference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.dedup.rank import (
    by_preference,
    in_build_order,
    minutes,
    number,
    primaries,
    ranks,
    signal_of,
)


def row(**fields: Any) -> dict[str, Any]:
    return {"text": "", "date": None, "source": "web", "id": "x", "url": None, "signal": None, **fields}


def order(keep: str, *rows: dict[str, Any]) -> list[int]:
    return np.argsort(
        primaries(rows, keep, ["wiki", "web"], np.array([len(row["text"]) for row in rows])), kind="stable"
    ).tolist()


def test_numbers_pack_part_and_row() -> None:
    numbers = number(3, np.array([0, 7, 2**32 - 1]))
    assert ((numbers >> 32).tolist(), (numbers & (2**32 - 1)).tolist()) == ([3, 3, 3], [0, 7, 2**32 - 1])
    assert numbers[2] < number(4, np.array([0]))[0]
    for ordinal, wrong in [(-1, [0]), (2**31, [0]), (0, [-1]), (0, [2**32])]:
        with pytest.raises(ValueError, match="part"):
            number(ordinal, np.array(wrong))


def test_longest_newest_and_source() -> None:
    assert order("longest", row(text="a"), row(text="aaa"), row(text=""), row(text="aa")) == [1, 3, 0, 2]
    dates = ["2020-01-01", None, "2024-05-01T12:00:00Z", "2024", "never", "1890-03"]
    assert order("newest", *(row(date=date) for date in dates)) == [2, 3, 0, 5, 1, 4]
    assert order("source", row(), row(source="wiki")) == [1, 0]
    assert order("first", row(text="a"), row(text="aaa")) == [0, 1]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2024-05-01T12:00:00Z", "2024-05-01T12:01:00Z"),
        ("2024-05-01T12:00:00+02:00", "2024-05-01T12:00:00Z"),
        ("2024", "2024-02"),
        ("0001-01-01T00:01", "1999-12-31 23:59"),
        ("20240501", "2024-05-02"),
    ],
)
def test_dates(earlier: str, later: str) -> None:
    assert 0 < minutes(earlier) < minutes(later) < 2**32


@pytest.mark.parametrize("wrong", [None, "", "yesterday", "2024-13", "Wed, 01 May 2024 10:00:00 GMT"])
def test_what_is_no_date_is_last(wrong: str | None) -> None:
    assert minutes(wrong) == 0


def test_signals_come_highest_first_and_can_be_read_back() -> None:
    values = [0.5, None, -2.0, 1e9, 0.0, float("nan"), 0.75]
    primary = primaries([row(signal=value) for value in values], "quality.score", [], np.zeros(7, dtype=np.int64))
    assert np.argsort(primary, kind="stable").tolist() == [3, 6, 0, 4, 2, 1, 5]
    assert primary.min() >= 1
    again = signal_of(primary)
    assert np.isnan(again[[1, 5]]).all()
    assert again[[0, 2, 3, 4, 6]].tolist() == [0.5, -2.0, 1e9, 0.0, 0.75]


def test_order_of_the_build_holds_for_more_documents_than_a_rank_has_numbers() -> None:
    place = np.array([0, 1, 2**33, 2**34 - 1])
    tie = np.zeros(4, dtype=np.uint64)
    assert (np.diff(in_build_order(tie[:2], place[:2], 2) >> np.uint64(32)) > 0).all()
    wide = in_build_order(tie, place, 2**34) >> np.uint64(32)
    assert (wide[1:] >= wide[:-1]).all()
    assert wide[0] == 1
    assert wide[3] < 2**32


def test_preference_is_primary_then_text_then_tie_then_number() -> None:
    rank = ranks(np.array([2, 1, 1, 1, 1], dtype=np.uint32), np.array([0, 9, 5, 5, 7], dtype=np.uint32))
    content = np.array([0, 3, 4, 4, 4], dtype=np.uint64)
    assert by_preference(rank, content, np.array([0, 1, 3, 2, 4])).tolist() == [1, 3, 2, 4, 0]
