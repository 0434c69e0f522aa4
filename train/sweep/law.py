"""The law of loss by size: L(N, D) = E + A / N^alpha + B / D^beta (Hoffmann et al., 2022, approach 3).

N are weights, D tokens, L the loss in nats a token. Its logarithm is fitted with Huber's loss (delta 1e-3) from a grid
of beginnings, as there, though by SciPy's `least_squares`, which wants fewer steps than L-BFGS. Where all runs have the
same tokens per weight, N and D grow together, and the two terms cannot be told apart: then L(N) = E + A / N^alpha is
fitted, which holds at those tokens per weight alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from manifests.errors import UserError

Array = npt.NDArray[np.float64]

_DELTA = 1e-3
_NUM_DRAWS = 200  # of the bootstrap
_INTERVAL = (2.5, 97.5)  # percentiles
_SAME_RATIO = 1.2  # tokens per weight that are the same but for whole batches
_EXPONENTS = (0.01, 3.0)
_NAMES = ("E", "A", "alpha", "B", "beta")


@dataclass(frozen=True)
class Point:
    """A measured run: weights, tokens, validation loss."""

    weights: int
    tokens: int
    loss: float


@dataclass(frozen=True)
class Law:
    """A fitted law.

    parameters: E, A, alpha, and B, beta where tokens have a term of their own. intervals: of each, where 95 % of the
    bootstrap's draws lie; that they hold the true value so often is the aim and not shown: of ten draws of a known
    law (noise .3 %, 8 runs) those of E, A and alpha held it in 8, the prediction's in 10. error: root mean square of
    the relative residuals, by degrees of freedom. `draws` are the parameters of each draw, as `predict` needs them.
    """

    parameters: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    error: float
    num_points: int
    theta: Array
    draws: Array
    noise: Array

    @property
    def has_tokens(self) -> bool:
        """True where tokens have a term of their own."""
        return "B" in self.parameters

    def predict(self, weights: int, tokens: int) -> tuple[float, float, float]:
        """The loss of a run of this size, and the 95 % interval of the bootstrap, noise of a run included."""
        x = np.log(np.array([[float(weights)], [float(tokens)]]))
        draws = [float(_log_loss(theta, x)[0]) for theta in self.draws]
        low, high = np.percentile(np.exp(np.array(draws) + self.noise), _INTERVAL)
        return float(np.exp(_log_loss(self.theta, x)[0])), float(low), float(high)


def num_fitted(runs: Sequence[tuple[int, int]]) -> int:
    """How many parameters the law of runs with these weights and tokens has.

    Raises `UserError`, with what to do, for runs too few, or too much alike, to say anything of every parameter and of
    the error.
    """
    ratios = [tokens / weights for weights, tokens in runs]
    has_tokens = bool(ratios) and max(ratios) > _SAME_RATIO * min(ratios)
    num_parameters = 5 if has_tokens else 3
    distinct, sizes = len(set(runs)), len({weights for weights, _ in runs})
    law = "L(N, D)" if has_tokens else "L(N)"
    if sizes < 3:
        raise UserError(f"{law} needs runs of at least 3 sizes, and there are {sizes}: add sizes (--sizes or --size).")
    if distinct < num_parameters or len(runs) <= num_parameters:
        raise UserError(
            f"{law} has {num_parameters} parameters, and {len(runs)} runs ({distinct} of them different) do not fix "
            "them and their error: add sizes (--sizes or --size), token counts (--tokens) or seeds (--seeds 0,1)."
        )
    return num_parameters


def fit_law(points: Sequence[Point], seed: int = 0) -> Law:
    """Fit the law to measured runs.

    The bootstrap is parametric: losses of the fitted law with noise of the size of its residuals, drawn with Student's
    t of the degrees of freedom that are left, are fitted again. Raises `UserError` as `num_fitted` does.
    """
    num_parameters = num_fitted([(point.weights, point.tokens) for point in points])
    has_tokens = num_parameters == 5
    x = np.log(np.array([[p.weights for p in points], [p.tokens for p in points]], dtype=np.float64))
    y = np.log(np.array([p.loss for p in points]))
    theta = min((_descend(start, x, y) for start in _starts(has_tokens, y)), key=lambda found: found[1])[0]
    fitted = _log_loss(theta, x)
    freedom = len(points) - num_parameters
    error = float(np.sqrt(np.square(y - fitted).sum() / freedom))
    rng = np.random.default_rng(seed)
    draws, noise = [], []
    for _ in range(_NUM_DRAWS):
        # Few residuals may happen to be small; runs of other seeds differ by about delta at least.
        scale = min(max(error, _DELTA) * np.sqrt(freedom / rng.chisquare(freedom)), 1.0)
        draws.append(_descend(theta, x, fitted + scale * rng.standard_normal(len(y)))[0])
        noise.append(scale * rng.standard_normal())
    names = _NAMES[:num_parameters]
    spread = np.percentile(_natural(np.array(draws)), _INTERVAL, axis=0)
    return Law(
        dict(zip(names, map(float, _natural(theta[None])[0]), strict=True)),
        {name: (float(spread[0, n]), float(spread[1, n])) for n, name in enumerate(names)},
        error,
        len(points),
        theta,
        np.array(draws),
        np.array(noise),
    )


def _starts(has_tokens: bool, y: Array) -> list[Array]:
    """Beginnings of the descent: log E, log A, alpha (, log B, beta)."""
    low = float(y.min())
    floors = (low - 2.0, low - 0.5, low - 0.1)
    if not has_tokens:
        return [np.array(start) for start in itertools.product(floors, (0.0, 5.0, 10.0), (0.1, 0.4, 0.8))]
    terms = tuple(itertools.product((0.0, 5.0, 10.0), (0.2, 0.6)))
    return [np.array([floor, *one, *other]) for floor in floors for one in terms for other in terms]


def _log_loss(theta: Array, x: Array) -> Array:
    """log L of the law with parameters log E, log A, alpha (, log B, beta); `x` are log N and log D."""
    return _terms_log(theta, x)[0]


def _terms_log(theta: Array, x: Array) -> tuple[Array, Array]:
    """log L, and the logarithms of its terms, a row each."""
    rows = [np.full(x.shape[1], theta[0]), theta[1] - theta[2] * x[0]]
    if len(theta) == 5:
        rows.append(theta[3] - theta[4] * x[1])
    terms = np.array(rows)
    return np.logaddexp.reduce(terms, axis=0), terms


def _descend(start: Array, x: Array, y: Array) -> tuple[Array, float]:
    """The parameters that are found from a beginning, and Huber's loss there."""
    # log A and log B are taken where the runs are, not at N = D = 1, where they go with the exponents.
    middle = x.mean(axis=1)

    def residuals(moved: Array) -> Array:
        return _terms_log(_unmoved(moved, middle), x)[0] - y

    def slopes(moved: Array) -> Array:
        total, terms = _terms_log(_unmoved(moved, middle), x)
        share = np.exp(terms - total)
        columns = [share[0]]
        for n in range(1, len(terms)):
            columns += [share[n], -share[n] * (x[n - 1] - middle[n - 1])]
        return np.stack(columns, axis=1)

    moved = start.copy()
    moved[1::2] -= start[2::2] * middle[: len(start) // 2]
    low = np.array([-12.0, *([-15.0, _EXPONENTS[0]] * (len(start) // 2))])
    high = np.array([float(y.min()), *([5.0, _EXPONENTS[1]] * (len(start) // 2))])
    inside = np.clip(moved, low + 1e-6, high - 1e-6)
    found = least_squares(
        residuals, inside, slopes, (low, high), loss="huber", f_scale=_DELTA, x_scale="jac", max_nfev=100
    )
    return _unmoved(found.x, middle), float(found.cost)


def _unmoved(moved: Array, middle: Array) -> Array:
    theta: Array = moved.copy()
    theta[1::2] += moved[2::2] * middle[: len(moved) // 2]
    return theta


def _natural(thetas: Array) -> Array:
    """E, A, alpha (, B, beta) from log E, log A, alpha (, log B, beta), a row each."""
    natural = thetas.copy()
    natural[:, [0, *range(1, thetas.shape[1], 2)]] = np.exp(natural[:, [0, *range(1, thetas.shape[1], 2)]])
    return natural
