"""Effects by group of predicted uplift: sorted group average treatment effects (GATES).

Chernozhukov, Demirer, Duflo and Fernandez-Val (2018), "Generic machine learning inference on
heterogeneous treatment effects in randomized experiments", sort rows by a prediction and estimate
each group's average effect. Here the groups' means are those of doubly robust (AIPW) scores, so
that they hold under confounding by what is known, too (Semenova and Chernozhukov, 2021).

Whatever the prediction is worth, a group's interval holds that group's average effect. That rests
on two things: the prediction comes from a model that has seen none of these rows' users at these
times (in the chain: trained on earlier rows), and the scores' nuisances saw none of these users.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.stats._arrays import (
    Array,
    IntArray,
    float_vector,
    positive_count,
    same_size,
    share,
    weight_vector,
)
from causal_ranker.stats._bins import equal_weight_bins
from causal_ranker.stats._codes import Clusters, clusterings
from causal_ranker.stats._interval import Interval, linearised

__all__ = ["GroupEffects", "group_effects"]

_NAN = float("nan")


@dataclass(frozen=True)
class GroupEffects:
    """Average effects of groups of equal weight by predicted uplift, lowest prediction first.

    Parameters
    ----------
    lowest, highest : ndarray of float64, shape (g,)
        Smallest and largest prediction in each group, in plays per exposure.
    predicted : ndarray of float64, shape (g,)
        Weighted mean prediction.
    observed : tuple of Interval
        Weighted mean doubly robust score of each group; an interval of NaN where the group's rows
        are of one cluster only.
    everywhere : tuple of Interval
        The same estimates with wider intervals, which hold all groups' effects at once with the
        stated probability.
    count : ndarray of int64, shape (g,)
        Rows.
    difference : Interval or None
        Effect of the last group minus that of the first; None where there is only one group.
    """

    lowest: Array
    highest: Array
    predicted: Array
    observed: tuple[Interval, ...]
    everywhere: tuple[Interval, ...]
    count: IntArray
    difference: Interval | None


def group_effects(
    predicted: ArrayLike,
    gamma: ArrayLike,
    cluster: ArrayLike,
    *,
    groups: int = 5,
    second_cluster: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    level: float = 0.95,
) -> GroupEffects:
    """Estimate the average effect in groups of equal weight by predicted uplift.

    A group's interval is that of `clustered_mean` over its rows. It is about all rows there could
    have been with a prediction between the group's bounds, not about the drawn ones alone. The
    simultaneous intervals take the level ``level ** (1 / g)``: by Sidak (1967) they hold at least
    as often as they say, however the groups' estimates are correlated. The difference between the
    last and the first group counts what rows of one cluster in both share.

    Parameters
    ----------
    predicted : array_like, shape (n,)
        Predicted uplift, from a model that did not see these rows' users, or saw earlier rows only.
    gamma : array_like, shape (n,)
        Doubly robust scores (`causal_ranker.stats.aipw`), in plays per exposure.
    cluster : array_like of int or str, shape (n,)
        The cluster of each row, for example the user.
    groups : int
        Number of groups wanted; equal predictions are never split, so there may be fewer.
    second_cluster : array_like of int or str, shape (n,), optional
        A second clustering, for example the unit at which the treatment was assigned.
    weights : array_like, shape (n,), optional
        Analysis weights of 0 or more.
    level : float
        Probability that an interval holds the truth.

    Returns
    -------
    GroupEffects
        One entry per group.

    Raises
    ------
    ConfigError
        If groups is not a whole number of at least 1, or the level is not between 0 and 1.
    RowError
        If a value is not finite, a label is missing, or all rows are of one cluster.
    """
    wanted = positive_count(groups, name="groups")
    inside = share(level, name="level")
    p = float_vector(predicted, name="predicted")
    g = float_vector(gamma, name="gamma")
    same_size(p.size, gamma=g)
    w = weight_vector(weights, size=p.size)
    rows, group = equal_weight_bins(p, w, wanted=wanted)
    ways = clusterings(cluster, second_cluster, size=p.size, rows=rows)
    p, g, w = p[rows], g[rows], w[rows]
    found = int(group.max()) + 1
    mass = np.bincount(group, weights=w, minlength=found)
    mean = np.bincount(group, weights=w * g, minlength=found) / mass
    # What each row adds to the error of its group's mean.
    error = w * (g - mean[group]) / mass[group]
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])

    among = [_among(ways, member) for member in members]

    def intervals(level: float) -> tuple[Interval, ...]:
        return tuple(
            _interval(float(mean[at]), error[member], ways=among[at], level=level)
            for at, member in enumerate(members)
        )

    observed = intervals(inside)
    return GroupEffects(
        lowest=np.array([p[member].min() for member in members]),
        highest=np.array([p[member].max() for member in members]),
        predicted=np.bincount(group, weights=w * p, minlength=found) / mass,
        observed=observed,
        everywhere=intervals(inside ** (1 / found)),
        count=np.bincount(group),
        difference=_difference(observed, error, members, ways=ways, level=inside),
    )


def _difference(
    observed: tuple[Interval, ...],
    error: Array,
    members: list[IntArray],
    *,
    ways: list[Clusters],
    level: float,
) -> Interval | None:
    if len(members) == 1:
        return None
    gap = observed[-1].point - observed[0].point
    if np.isnan([observed[0].standard_error, observed[-1].standard_error]).any():
        return Interval(gap, _NAN, _NAN, _NAN)
    either = np.concatenate([members[0], members[-1]])
    contributions = np.concatenate([-error[members[0]], error[members[-1]]])
    return linearised(gap, contributions, ways=_among(ways, either), level=level)


def _among(ways: list[Clusters], rows: IntArray) -> list[Clusters]:
    """Code the clusters of some rows alone."""
    found = []
    for way in ways:
        levels, codes = np.unique(way.codes[rows], return_inverse=True)
        found.append(Clusters(codes, levels.size))
    return found


def _interval(
    point: float, contributions: Array, *, ways: list[Clusters], level: float
) -> Interval:
    # The rows of one cluster alone say nothing about how clusters differ.
    if min(way.count for way in ways) < 2:
        return Interval(point, _NAN, _NAN, _NAN)
    return linearised(point, contributions, ways=ways, level=level)
