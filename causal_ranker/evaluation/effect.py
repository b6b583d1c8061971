"""The average effect of being shown, and the same by group of predicted uplift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from causal_ranker.evaluation.rows import EvaluationRows
from causal_ranker.stats.calibration import calibration
from causal_ranker.stats.intervals import Interval, clustered_mean

__all__ = ["GroupEffects", "average_effect", "group_effects"]


@dataclass(frozen=True)
class GroupEffects:
    """Effects by group of predicted uplift, lowest prediction first.

    Parameters
    ----------
    predicted : ndarray of float64, shape (b,)
        Weighted mean prediction, in plays per exposure.
    observed : tuple of Interval
        Weighted mean doubly robust score, clustered by user and assignment unit; an interval of
        NaN where a group has rows of one cluster only.
    count : ndarray of int64, shape (b,)
        Rows of the curve sample.
    error : float
        Root mean square calibration error with the noise of single rows taken out (noise that
        rows of one cluster share remains, so it errs on the high side), in plays per
        exposure; see `causal_ranker.stats.calibration`.
    """

    predicted: NDArray[np.float64]
    observed: tuple[Interval, ...]
    count: NDArray[np.int64]
    error: float


def average_effect(rows: EvaluationRows, *, level: float = 0.95) -> Interval:
    """Estimate the average effect over all candidates with overlap.

    Parameters
    ----------
    rows : EvaluationRows
        The curve sample is used.
    level : float
        Probability that the interval holds the truth.

    Returns
    -------
    Interval
        Extra plays per exposure, clustered by user and assignment unit.

    Raises
    ------
    RowError
        If there is only one user or one unit.
    """
    return _mean_gamma(rows, rows.curve_rows, level=level)


def group_effects(rows: EvaluationRows, *, groups: int = 10, level: float = 0.95) -> GroupEffects:
    """Estimate the effect in groups of equal weight by predicted uplift.

    Parameters
    ----------
    rows : EvaluationRows
        The curve sample is used.
    groups : int
        Number of groups wanted; equal predictions are never split, so there may be fewer.
    level : float
        Probability that an interval holds the truth.

    Returns
    -------
    GroupEffects
        Predicted against observed.

    Raises
    ------
    ConfigError
        If groups is not a whole number of at least 1.
    """
    at = rows.curve_rows
    predicted = rows.uplift[at]
    found = calibration(predicted, rows.gamma[at], bins=groups, weights=rows.sample_weight[at])
    # the groups are runs of the sorted predictions, so their sizes say which rows they hold
    ends = np.cumsum(found.count)[:-1]
    members = np.split(at[np.argsort(predicted, kind="stable")], ends)
    return GroupEffects(
        predicted=found.predicted,
        observed=tuple(_mean_gamma_or_none(rows, group, level=level) for group in members),
        count=found.count,
        error=found.error,
    )


def _mean_gamma(rows: EvaluationRows, at: NDArray[np.int64], *, level: float) -> Interval:
    return clustered_mean(
        rows.gamma[at],
        rows.user[at],
        second_cluster=None if rows.second_cluster is None else rows.second_cluster[at],
        weights=rows.sample_weight[at],
        level=level,
    )


def _mean_gamma_or_none(rows: EvaluationRows, at: NDArray[np.int64], *, level: float) -> Interval:
    if all((labels[at] != labels[at[0]]).any() for labels in (rows.user, rows.unit)):
        return _mean_gamma(rows, at, level=level)
    nothing = float("nan")
    mean = float(np.average(rows.gamma[at], weights=rows.sample_weight[at]))
    return Interval(mean, nothing, nothing, nothing)
