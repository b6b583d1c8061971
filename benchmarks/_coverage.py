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

__all__ = ["Coverage", "Fit", "boosted", "coverage", "least_squares", "linear"]

#: From drawn rows to their cross-fitted nuisances.
Fit = Callable[[Drawn], NuisanceValues]
_GROUPS: Final = 5
_MANY_USERS: Final = 300_000
_TREES: Final = BoostConfig(rounds=40, learning_rate=0.1, leaves=6, min_rows_leaf=40)
_NUISANCES: Final = NuisanceConfig(outcome=_TREES, propensity=_TREES)


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


def coverage(name: str, fit: Fit, *, draws: int) -> Coverage:
    """Count how often the intervals hold the truth of a regime.

    Parameters
    ----------
    name : str
        The regime.
    fit : callable
        Cross-fitted nuisances of drawn rows.
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
        gamma = fit(drawn).scores(drawn.treatment, drawn.outcome)
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


def linear(drawn: Drawn) -> NuisanceValues:
    """Fit linear models in plain NumPy, which are right in these worlds; even and odd users apart.

    Parameters
    ----------
    drawn : Drawn
        Rows.

    Returns
    -------
    NuisanceValues
        Of models that did not see the row's user.
    """
    x, t, y = drawn.x, drawn.treatment, drawn.outcome
    e, mu0, mu1 = np.empty((3, len(t)))
    fold: NDArray[np.int64] = drawn.user % 2
    for held_out in (fold == 0, fold == 1):
        seen = ~held_out
        arms = [least_squares(x[seen & (t == arm)], y[seen & (t == arm)]) for arm in (0, 1)]
        e[held_out] = 1 / (1 + np.exp(-(x[held_out] @ _logistic(x[seen], t[seen]))))
        mu0[held_out], mu1[held_out] = (x[held_out] @ arm for arm in arms)
    return NuisanceValues(e, outcome_control=mu0, outcome_treated=mu1)


def boosted(drawn: Drawn) -> NuisanceValues:
    """Fit the package's own nuisances: trees by LightGBM, propensities estimated.

    Parameters
    ----------
    drawn : Drawn
        Rows.

    Returns
    -------
    NuisanceValues
        Of models that did not see the row's user.
    """
    return cross_fit(drawn.as_rows(), config=_NUISANCES, seed=3)


def least_squares(x: Array, y: Array) -> Array:
    """Fit a line.

    Parameters
    ----------
    x : ndarray of float64, shape (n, p)
        Covariates, a column of ones among them.
    y : ndarray of float64, shape (n,)
        What to fit.

    Returns
    -------
    ndarray of float64, shape (p,)
        Coefficients.
    """
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
    return least_squares(other.x, linear(other).scores(other.treatment, other.outcome))


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
