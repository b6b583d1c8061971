"""How often intervals of the average effect and of group effects hold the truth, by simulation.

What an interval must hold is the effect over all rows there could be, for a group those whose
prediction lies between the group's bounds as they were found. A sample's own mean effect is known
more sharply (its rows' effects do not vary), and intervals about it would be too wide. Groups are
formed by a model that was fitted once, on other users.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks._regimes import REGIMES, Array, Drawn, draw
from causal_ranker.boosting import BoostConfig
from causal_ranker.stats.group_effects import GroupEffects, group_effects
from causal_ranker.stats.intervals import Interval, clustered_mean
from causal_ranker.uplift.nuisance import NuisanceConfig, NuisanceValues, cross_fit

__all__ = [
    "NUISANCES",
    "Coverage",
    "boosted_scores",
    "coverage",
    "linear_nuisances",
    "linear_scores",
]

_GROUPS: Final = 5
_MANY_USERS: Final = 300_000
_TREES: Final = BoostConfig(rounds=40, learning_rate=0.1, leaves=6, min_rows_leaf=40)
#: Settings of LightGBM's nuisances that suit a few thousand rows.
NUISANCES: Final = NuisanceConfig(outcome=_TREES, propensity=_TREES)


@dataclass(frozen=True)
class Coverage:
    """Shares of draws in which an interval held the truth.

    Parameters
    ----------
    average : float
        The average effect.
    average_68 : float
        The same by intervals of one standard error, which should hold it in 68.3 %: few draws
        show there what they cannot show at 95 %.
    average_by_row : float
        The average effect by intervals that take rows for independent.
    groups : tuple of float
        Each group's effect, lowest prediction first.
    everywhere : float
        All groups' effects at once, by the wider intervals.
    difference : float
        The effect of the last group minus that of the first.
    """

    average: float
    average_68: float
    average_by_row: float
    groups: tuple[float, ...]
    everywhere: float
    difference: float


def coverage(name: str, scores: Callable[[Drawn], Array], *, draws: int) -> Coverage:
    """Count how often the intervals hold the truth of a regime.

    Parameters
    ----------
    name : str
        The regime.
    scores : callable
        Cross-fitted doubly robust scores of drawn rows.
    draws : int
        How many samples to draw.

    Returns
    -------
    Coverage
        Shares of the draws.
    """
    predictor = _model(name)
    predicted, sums = _truth(name)
    average = sums[-1] / len(predicted)
    rng = np.random.default_rng(1)
    held = np.zeros((draws, 5 + _GROUPS))
    for row in held:
        drawn = draw(REGIMES[name], rng)
        gamma = scores(drawn)
        clustered = clustered_mean(gamma, drawn.user)
        found = group_effects(drawn.x @ predictor, gamma, drawn.user, groups=_GROUPS)
        truth = _of_groups(found, predicted, sums)
        assert found.difference is not None
        row[:5] = (
            _holds(clustered, average),
            abs(clustered.point - average) <= clustered.standard_error,
            _holds(clustered_mean(gamma, np.arange(gamma.size)), average),
            all(map(_holds, found.everywhere, truth)),
            _holds(found.difference, truth[-1] - truth[0]),
        )
        row[5:] = [_holds(*pair) for pair in zip(found.observed, truth, strict=True)]
    one, narrow, by_row, everywhere, apart, *groups = held.mean(axis=0).tolist()
    return Coverage(one, narrow, by_row, tuple(groups), everywhere, apart)


def linear_scores(drawn: Drawn) -> Array:
    """Score with linear models, which are right in these regimes.

    Parameters
    ----------
    drawn : Drawn
        Rows.

    Returns
    -------
    ndarray of float64, shape (n,)
        Doubly robust scores from models that did not see the row's user.
    """
    found = linear_nuisances(drawn.x, drawn.treatment, drawn.outcome, user=drawn.user)
    return found.scores(drawn.treatment, drawn.outcome)


def linear_nuisances(x: Array, t: Array, y: Array, *, user: NDArray[np.int64]) -> NuisanceValues:
    """Fit linear models in plain NumPy, out of fold.

    Parameters
    ----------
    x : ndarray of float64, shape (n, p)
        Covariates, a column of ones among them.
    t, y : ndarray of float64, shape (n,)
        T and Y.
    user : ndarray of int64, shape (n,)
        Whose rows they are: even and odd users are the folds.

    Returns
    -------
    NuisanceValues
        Of models that did not see the row's user.
    """
    e, mu0, mu1 = np.empty((3, len(t)))
    fold: NDArray[np.int64] = user % 2
    for held_out in (fold == 0, fold == 1):
        seen = ~held_out
        arms = [_least_squares(x[seen & (t == arm)], y[seen & (t == arm)]) for arm in (0, 1)]
        e[held_out] = 1 / (1 + np.exp(-(x[held_out] @ _logistic(x[seen], t[seen]))))
        mu0[held_out], mu1[held_out] = (x[held_out] @ arm for arm in arms)
    return NuisanceValues(e, outcome_control=mu0, outcome_treated=mu1)


def boosted_scores(drawn: Drawn) -> Array:
    """Score with the package's own nuisances: trees by LightGBM, propensities estimated.

    Parameters
    ----------
    drawn : Drawn
        Rows.

    Returns
    -------
    ndarray of float64, shape (n,)
        Doubly robust scores from models that did not see the row's user.
    """
    rows = drawn.as_rows()
    values = cross_fit(rows, config=NUISANCES, seed=3)
    return values.scores(rows.treatment, rows.outcome)


def _least_squares(x: Array, y: Array) -> Array:
    return np.asarray(np.linalg.solve(x.T @ x, x.T @ y))


def _logistic(x: Array, t: Array) -> Array:
    found = np.zeros(x.shape[1])
    for _ in range(6):  # Newton's steps
        chance = 1 / (1 + np.exp(-(x @ found)))
        slope = (x * (chance * (1 - chance))[:, None]).T @ x
        found = found + np.linalg.solve(slope, x.T @ (t - chance))
    return found


def _model(name: str) -> Array:
    """Fit a linear DR-learner on users of its own."""
    other = draw(REGIMES[name], np.random.default_rng(7))
    return _least_squares(other.x, linear_scores(other))


@cache
def _truth(name: str) -> tuple[Array, Array]:
    """Return the predictions of very many rows in order, and their effects' sums up to each."""
    everyone = draw(REGIMES[name], np.random.default_rng(99), users=_MANY_USERS)
    predicted = everyone.x @ _model(name)
    order = np.argsort(predicted)
    return predicted[order], np.concatenate([[0.0], np.cumsum(everyone.tau[order])])


def _of_groups(found: GroupEffects, predicted: Array, sums: Array) -> list[float]:
    # cut midway between the bounds of neighbours
    cuts = (found.highest[:-1] + found.lowest[1:]) / 2
    places = np.concatenate([[0], np.searchsorted(predicted, cuts), [len(predicted)]])
    return [float(mean) for mean in np.diff(sums[places]) / np.diff(places)]


def _holds(interval: Interval, truth: float) -> bool:
    return bool(interval.low <= truth <= interval.high)
