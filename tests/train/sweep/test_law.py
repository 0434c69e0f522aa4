"""The law of loss by size, on points of a law that is known."""

from __future__ import annotations

import numpy as np
import pytest

from manifests.errors import UserError
from train.sweep.law import Point, fit_law

SIZES = (300_000, 700_000, 1_500_000, 3_000_000)
TARGET = (12_000_000, 240_000_000)


def points(
    noise: float = 0.0, factors: tuple[float, ...] = (0.5, 1.0), seeds: int = 1, sizes: tuple[int, ...] = SIZES
) -> list[Point]:
    """Runs of Hoffmann's law at 20 tokens per weight times each factor."""
    rng = np.random.default_rng(7)
    return [
        Point(size, round(20 * factor * size), loss(size, 20 * factor * size) * float(np.exp(noise * rng.normal())))
        for size in sizes
        for factor in factors
        for _ in range(seeds)
    ]


def loss(weights: float, tokens: float) -> float:
    return float(1.69 + 406.4 / weights**0.34 + 410.7 / tokens**0.28)


def test_a_known_law_is_recovered() -> None:
    law = fit_law(points())
    assert law.parameters == pytest.approx({"E": 1.69, "A": 406.4, "alpha": 0.34, "B": 410.7, "beta": 0.28}, rel=1e-3)
    assert law.predict(*TARGET)[0] == pytest.approx(loss(*TARGET), rel=1e-5)


def test_a_known_law_of_weights_alone_is_recovered() -> None:
    known = [Point(size, 20 * size, 1.5 + 300 / size**0.3) for size in SIZES]
    law = fit_law(known)
    assert not law.has_tokens
    assert law.parameters == pytest.approx({"E": 1.5, "A": 300, "alpha": 0.3}, rel=1e-3)


@pytest.mark.parametrize("noise", [1e-3, 4e-3])
@pytest.mark.parametrize(("factors", "seeds"), [((0.5, 1.0), 1), ((1.0,), 2)])
def test_with_noise_the_interval_covers(noise: float, factors: tuple[float, ...], seeds: int) -> None:
    law = fit_law(points(noise, factors, seeds))
    predicted, low, high = law.predict(*TARGET)
    assert low < loss(*TARGET) < high
    assert low < predicted < high
    assert high - low > noise
    assert fit_law(points(noise, factors, seeds)).predict(*TARGET) == (predicted, low, high)


@pytest.mark.parametrize(
    ("few", "message"),
    [
        ([], "at least 3 sizes, and there are 0"),
        (points(sizes=SIZES[:1]), "at least 3 sizes, and there are 1"),
        (points(sizes=SIZES[:2], seeds=4), "at least 3 sizes, and there are 2"),
        (points(factors=(1.0,), sizes=SIZES[:3]), "L\\(N\\) has 3 parameters, and 3 runs .* seeds"),
        ([*points()[:5]], "L\\(N, D\\) has 5 parameters, and 5 runs"),
        ([points()[0]] * 6, "at least 3 sizes, and there are 1"),
    ],
)
def test_points_that_do_not_fix_a_law_are_refused(few: list[Point], message: str) -> None:
    with pytest.raises(UserError, match=message):
        fit_law(few)
