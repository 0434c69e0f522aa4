"""Comparisons: what they mean in Python, in SQL and in a manifest."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from manifests.comparison import Comparison, first_broken
from manifests.explore.decisions import reason_sql
from manifests.explore.sql import Parameters

_NUMBERS = st.sampled_from([-1.0, 0.0, 0.3, 0.1 + 0.2, 1.0, 50.0])
_LANGUAGES = st.sampled_from(["en", "de", "it's", None])
_COMPARISONS = st.lists(
    st.builds(
        Comparison,
        st.sampled_from(["short", "long", "odd"]),
        st.sampled_from(["a.first", "a.second"]),
        st.sampled_from(["at_least", "at_most"]),
        st.just("a.setting"),
        _NUMBERS,
        st.none() | st.dictionaries(st.sampled_from(["en", "de", "it's"]), _NUMBERS),
    ),
    max_size=5,
)


def test_at_least_and_at_most_include_the_threshold() -> None:
    least = Comparison("few", "words", "at_least", "min_words", 50)
    most = Comparison("many", "words", "at_most", "max_words", 50, {"de": 40})
    assert [least.holds(value) for value in (49.9, 50.0, 51.0, None)] == [False, True, True, True]
    assert [most.holds(value, "en") for value in (49.0, 50.0, 50.1, None)] == [True, True, False, True]
    assert [most.holds(value, "de") for value in (40.0, 40.1, None)] == [True, False, True]
    assert [most.limit(language) for language in ("de", "en", None)] == [40.0, 50.0, 50.0]
    assert first_broken([least, most], {"words": 45.0}, "de") is least
    assert first_broken([most, least], {"words": 45.0}, "de") is most
    assert first_broken([least, most], {"words": None}, "de") is None


@given(_COMPARISONS, st.none() | _NUMBERS, st.none() | _NUMBERS, _LANGUAGES)
def test_sql_and_python_decide_alike(
    comparisons: list[Comparison], first: float | None, second: float | None, language: str | None
) -> None:
    parameters = Parameters()
    values = [f"{parameters.bind(value)}::DOUBLE" for value in (first, second)]
    names = f'{values[0]} AS "a.first", {values[1]} AS "a.second", {parameters.bind(language)}::VARCHAR AS language'
    query = f"SELECT {reason_sql(tuple(comparisons), parameters)} FROM (SELECT {names})"
    (answer,) = duckdb.execute(query, parameters.values).fetchone() or ()
    broken = first_broken(comparisons, {"a.first": first, "a.second": second}, language)
    assert answer == (broken.reason if broken else None)


@given(_COMPARISONS)
def test_a_manifest_gives_the_comparison_back(comparisons: list[Comparison]) -> None:
    assert [Comparison(**comparison.row()) for comparison in comparisons] == comparisons
    for comparison in comparisons:
        expected = ["reason", "signal", "must_be", "setting", "threshold"]
        assert list(comparison.row()) == expected + ["by_language"] * (comparison.by_language is not None)


@pytest.mark.parametrize("change", [{"must_be": "below"}, {"threshold": float("nan")}, {"more": 1}, {"signal": None}])
def test_what_is_no_comparison_is_refused(change: dict[str, object]) -> None:
    row = Comparison("few", "words", "at_least", "min_words", 50).row()
    with pytest.raises(ValidationError):
        Comparison(**(row | change))  # type: ignore[arg-type]
