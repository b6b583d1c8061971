"""How alike the exposed and the unexposed candidates are, before and after weighting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import OverlapError, SchemaError
from causal_ranker.evaluation.rows import EvaluationRows
from causal_ranker.stats.intervals import Interval, clustered_mean
from causal_ranker.stats.overlap import standardised_mean_differences

__all__ = [
    "Balance",
    "covariate_balance",
    "difference_interval",
    "largest_difference",
    "require_both_arms",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Balance:
    """Standardised mean differences between the arms, in standard deviations.

    Parameters
    ----------
    names : tuple of str
        The covariates, p of them.
    before : ndarray of float64, shape (p,)
        Differences between the exposed and the unexposed as they are; NaN where an arm never
        has a value.
    after : ndarray of float64, shape (p,)
        Differences after weighting by ``T/e + (1 - T)/(1 - e)``; close to 0 if the propensities
        are right.
    """

    names: tuple[str, ...]
    before: Array
    after: Array

    @property
    def judged(self) -> NDArray[np.bool_]:
        """True where a covariate varies and both arms have a value, shape (p,)."""
        known = ~np.isnan(self.before) & ~np.isnan(self.after)
        found: NDArray[np.bool_] = known & ((self.before != 0) | (self.after != 0))
        return found

    @property
    def worst(self) -> int | None:
        """Place of the covariate that differs most after weighting; None if none can be judged."""
        if not self.judged.any():
            return None
        return int(np.argmax(np.where(self.judged, np.abs(self.after), -1.0)))


def covariate_balance(
    rows: EvaluationRows, covariates: NDArray[np.floating], *, names: Sequence[str]
) -> Balance:
    """Compare the arms of the curve sample, covariate by covariate.

    Parameters
    ----------
    rows : EvaluationRows
        The curve sample is used.
    covariates : ndarray of float, shape (s, p)
        One row for each row of ``rows.sampled``, in that order; NaN where unknown.
    names : sequence of str
        The p covariates' names.

    Returns
    -------
    Balance
        Differences before and after weighting, over rows with overlap.

    Raises
    ------
    SchemaError
        If the table does not fit the sample or the names.
    OverlapError
        If an arm has no rows.
    """
    wanted = (rows.sampled.size, len(names))
    if np.shape(covariates) != wanted:
        raise SchemaError(
            expected=f"covariates of shape {wanted}: sampled rows by names",
            came=f"shape {np.shape(covariates)}",
            do="Pass the covariates of the rows with sample_weight above 0, in the rows' order.",
        )
    require_both_arms(rows)
    treatment, w = rows.treatment[rows.curve_rows], rows.sample_weight[rows.curve_rows]
    inside, balancing = _inside(rows), _balancing(rows)

    def differences(weights: Array) -> Array:
        # one column at a time: the whole table may be the largest thing in memory
        columns = (covariates[inside, j : j + 1] for j in range(len(names)))
        found = [
            standardised_mean_differences(column, treatment, weights=weights) for column in columns
        ]
        return np.concatenate(found) if found else np.empty(0)

    return Balance(names=tuple(names), before=differences(w), after=differences(balancing))


def largest_difference(
    rows: EvaluationRows, covariates: NDArray[np.floating], *, balance: Balance, level: float
) -> Interval | None:
    """Put an interval around the largest difference after weighting.

    Parameters
    ----------
    rows : EvaluationRows
        The curve sample is used.
    covariates : ndarray of float, shape (s, p)
        The table that `covariate_balance` had.
    balance : Balance
        What it found.
    level : float
        Probability that the intervals of all covariates, of which this is one, hold the truth.

    Returns
    -------
    Interval or None
        In standard deviations, clustered by user and unit; None if no covariate can be judged.
    """
    if balance.worst is None:
        return None
    at, units = rows.curve_rows, rows.second_cluster
    return difference_interval(
        covariates[_inside(rows), balance.worst].astype(np.float64),
        rows.treatment[at] == 1,
        difference=float(balance.after[balance.worst]),
        weights=_balancing(rows),
        user=rows.user[at],
        second_cluster=None if units is None else units[at],
        level=1 - (1 - level) / int(balance.judged.sum()),
    )


def difference_interval(
    column: Array,
    treated: NDArray[np.bool_],
    *,
    difference: float,
    weights: Array,
    user: NDArray[Any],
    second_cluster: NDArray[Any] | None,
    level: float,
) -> Interval:
    """Put an interval around one covariate's standardised difference of weighted means.

    Parameters
    ----------
    column : ndarray of float64, shape (n,)
        The covariate; NaN where unknown.
    treated : ndarray of bool, shape (n,)
        T.
    difference : float
        The standardised difference; its ruler is taken as known.
    weights : ndarray of float64, shape (n,)
        Balancing weights.
    user, second_cluster : ndarray, shape (n,)
        Clusters of the rows.
    level : float
        Probability that the interval holds the truth.

    Returns
    -------
    Interval
        In standard deviations; without width where the difference is not finite.
    """
    known = ~np.isnan(column)
    share, raw = np.zeros(len(column)), 0.0
    for sign, arm in ((1.0, treated & known), (-1.0, ~treated & known)):
        total = weights[arm].sum()
        mean = (weights[arm] * column[arm]).sum() / total
        raw += sign * mean
        share[arm] = sign * weights[arm] * (column[arm] - mean) / total
    if not raw or not np.isfinite(difference):
        return Interval(difference, difference, difference, 0.0)
    # A mean of n times the shares has their sum's error, and is 0.
    spread = clustered_mean(len(column) * share, user, second_cluster=second_cluster, level=level)
    ruler = abs(difference / raw)
    return Interval(
        difference,
        difference + ruler * spread.low,
        difference + ruler * spread.high,
        ruler * spread.standard_error,
    )


def _inside(rows: EvaluationRows) -> NDArray[np.int64]:
    """Return the places of the curve sample within the uniform sample."""
    return np.flatnonzero(rows.primary[rows.sampled])


def _balancing(rows: EvaluationRows) -> Array:
    at = rows.curve_rows
    treatment, e = rows.treatment[at], rows.propensity[at]
    found: Array = rows.sample_weight[at] * (treatment / e + (1 - treatment) / (1 - e))
    return found


def require_both_arms(rows: EvaluationRows) -> None:
    """Refuse a curve sample in which one arm is missing: it holds no comparison.

    Parameters
    ----------
    rows : EvaluationRows
        The curve sample is looked at.

    Raises
    ------
    OverlapError
        If no sampled row with overlap was exposed, or if all were.
    """
    treated = int(rows.treatment[rows.curve_rows].sum())
    if treated in (0, rows.curve_rows.size):
        raise OverlapError(
            expected="exposed and unexposed candidates in the curve sample",
            came=f"{treated} exposed of {rows.curve_rows.size} rows with overlap",
            do="Check how the treatment was built; a slate that never varies must explore.",
        )
