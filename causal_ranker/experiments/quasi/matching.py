"""Compare treated rows with controls of the same propensity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import ConfigError, OverlapError, RowError
from causal_ranker.stats._arrays import Array, binary_vector, float_vector, reject_rows, same_size
from causal_ranker.stats._codes import clusterings
from causal_ranker.stats._interval import linearised
from causal_ranker.stats.intervals import Interval
from causal_ranker.stats.overlap import standardised_mean_differences
from causal_ranker.stats.weights import effective_sample_size

__all__ = ["Matched", "match_on_propensity"]


@dataclass(frozen=True)
class Matched:
    """Effect on the treated that found a control, and how alike the two became.

    Parameters
    ----------
    effect : Interval
        Mean of Y(1) - Y(0) over the matched treated rows, in the outcome's unit.
    balance_before, balance_after : ndarray of float64, shape (p,)
        Standardised mean differences of the covariates, over all rows and over matched ones.
    share_matched : float
        Share of the treated rows that have a control within the caliper: the effect is theirs.
    treated, controls : int
        Matched treated rows, and different controls that they were matched to.
    effective_controls : float
        Effective number of controls, as some are matched to many.
    """

    effect: Interval
    balance_before: Array
    balance_after: Array
    share_matched: float
    treated: int
    controls: int
    effective_controls: float


def match_on_propensity(
    outcome: ArrayLike,
    treatment: ArrayLike,
    *,
    propensity: ArrayLike,
    covariates: ArrayLike,
    cluster: ArrayLike,
    caliper: float = 0.2,
    level: float = 0.95,
) -> Matched:
    """Match each treated row to the controls nearest in log odds of the propensity.

    With replacement: a control may serve many, and controls of equal propensity serve together, so
    that with a discrete propensity this is the stratified mean of differences exactly. A treated
    row without a control within the caliper is left out and counted. It holds if treatment is as
    good as random given what the propensity knows; balance shows only what was measured.

    The interval takes propensities as known and rows as weighted by how often they were matched,
    clustered; matched pairs are more alike than that, so it is rather wide.

    Parameters
    ----------
    outcome : array_like, shape (n,)
        Y.
    treatment : array_like of 0 and 1, shape (n,)
        T.
    propensity : array_like, shape (n,)
        P(T = 1 | X), strictly between 0 and 1; cross-fitted by user if it was estimated.
    covariates : array_like, shape (n, p)
        Columns whose balance is judged; NaN where unknown.
    cluster : array_like of int or str, shape (n,)
        Users.
    caliper : float
        Largest distance of a match, in standard deviations of the log odds (Austin, 2011).
    level : float
        Probability inside the interval.

    Returns
    -------
    Matched
        Effect and balance.

    Raises
    ------
    ConfigError
        If the caliper is not above 0.
    OverlapError
        If an arm has no rows, or no treated row has a control within the caliper.
    RowError
        If a value is missing, or a propensity is not strictly between 0 and 1.
    """
    if not caliper > 0:
        raise ConfigError(
            expected="a caliper above 0", came=f"{caliper!r}", do="Choose for example 0.2."
        )
    y, chance = float_vector(outcome, name="outcome"), float_vector(propensity, name="propensity")
    treated = binary_vector(treatment, name="treatment")
    same_size(y.size, treatment=treated, propensity=chance)
    reject_rows(
        (chance <= 0) | (chance >= 1),
        chance,
        name="propensity",
        expected="propensities strictly between 0 and 1",
        do="Leave out rows that could be in one arm only, and say so.",
        error=RowError,
    )
    before = standardised_mean_differences(covariates, treated)
    odds = np.log(chance) - np.log1p(-chance)
    weight = _match(odds, treated, reach=caliper * float(odds.std()))
    matched = weight > 0
    rows = np.flatnonzero(matched)
    count = float(weight[treated].sum())
    means = [float(np.average(y[arm], weights=weight[arm])) for arm in _arms(treated, matched)]
    shift = np.where(treated, y - means[0], means[1] - y) * weight / count
    return Matched(
        effect=linearised(
            means[0] - means[1],
            shift[rows],
            ways=clusterings(cluster, None, size=y.size, rows=rows),
            level=level,
        ),
        balance_before=before,
        balance_after=standardised_mean_differences(covariates, treated, weights=weight),
        share_matched=count / float(treated.sum()),
        treated=int(count),
        controls=int((matched & ~treated).sum()),
        effective_controls=effective_sample_size(weight[~treated]),
    )


def _arms(
    treated: NDArray[np.bool_], matched: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    return treated & matched, ~treated & matched


def _match(odds: Array, treated: NDArray[np.bool_], *, reach: float) -> Array:
    """Return how often each row is matched: 1 or 0 for a treated one, any sum for a control."""
    levels, place, count = np.unique(odds[~treated], return_inverse=True, return_counts=True)
    wanted = odds[treated]
    above = np.clip(np.searchsorted(levels, wanted), 1, max(levels.size - 1, 1))
    near = np.minimum(above, levels.size - 1)
    below = above - 1
    nearest = np.where(wanted - levels[below] <= levels[near] - wanted, below, near)
    # Rounding apart, rows of equal propensity match whatever the caliper.
    found = np.abs(wanted - levels[nearest]) <= max(reach, 1e-12)
    if not found.any():
        raise OverlapError(
            expected="treated rows with a control of about the same propensity",
            came=f"none of {wanted.size} within {reach:.3g} in log odds",
            do="Widen the caliper, or give up: the arms are not comparable.",
        )
    weight = np.zeros(odds.size)
    weight[treated] = found
    served = np.bincount(nearest[found], minlength=levels.size) / count
    weight[~treated] = served[place]
    return weight
