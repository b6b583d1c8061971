"""The average effect of being shown, and the same by group of predicted uplift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from causal_ranker.evaluation.rows import EvaluationRows
from causal_ranker.stats.calibration import calibration
from causal_ranker.stats.group_effects import GroupEffects, group_effects
from causal_ranker.stats.intervals import Interval, clustered_mean

__all__ = [
    "CalibrationGroups",
    "average_effect",
    "calibration_groups",
    "effects_by_prediction",
    "mean_unexposed",
]


@dataclass(frozen=True)
class CalibrationGroups:
    """Predicted against observed effects in fine groups, lowest prediction first.

    Parameters
    ----------
    predicted : ndarray of float64, shape (b,)
        Weighted mean prediction, in plays per exposure.
    observed : tuple of Interval
        Weighted mean doubly robust score, clustered by user and assignment unit; an interval of
        NaN where a group has rows of one cluster only.
    count : ndarray of int64, shape (b,)
        Rows of the curve sample.
    squared_error : Interval
        Mean square calibration error, debiased: the noise of rows, and what rows of one user or of
        one assignment unit share, is taken out, so that it may be below 0; in squared plays per
        exposure, see `causal_ranker.stats.calibration`.
    """

    predicted: NDArray[np.float64]
    observed: tuple[Interval, ...]
    count: NDArray[np.int64]
    squared_error: Interval


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
    at = rows.curve_rows
    return clustered_mean(
        rows.gamma[at],
        rows.user[at],
        second_cluster=_units(rows),
        weights=rows.sample_weight[at],
        level=level,
    )


def mean_unexposed(rows: EvaluationRows) -> float:
    """Estimate the mean outcome without exposure over all candidates with overlap.

    Parameters
    ----------
    rows : EvaluationRows
        The curve sample is used: its unexposed rows, weighted by 1/(1 - e).

    Returns
    -------
    float
        Plays per candidate that is not shown; NaN if all were shown.
    """
    at = rows.curve_rows
    weight = rows.sample_weight[at] * (1 - rows.treatment[at]) / (1 - rows.propensity[at])
    total = weight.sum()
    return float((weight * rows.outcome[at]).sum() / total) if total else float("nan")


def effects_by_prediction(
    rows: EvaluationRows, *, groups: int = 5, level: float = 0.95
) -> GroupEffects:
    """Estimate the effect in groups of equal weight by predicted uplift.

    Parameters
    ----------
    rows : EvaluationRows
        The curve sample is used. Its predictions come from models of earlier rows, and its doubly
        robust scores from nuisances that did not see the row's user.
    groups : int
        Number of groups wanted; equal predictions are never split, so there may be fewer.
    level : float
        Probability that an interval holds the truth.

    Returns
    -------
    GroupEffects
        Bounds, predictions and effects with intervals clustered by user and assignment unit.

    Raises
    ------
    ConfigError
        If groups is not a whole number of at least 1.
    RowError
        If there is only one user or one unit.
    """
    at = rows.curve_rows
    return group_effects(
        rows.uplift[at],
        rows.gamma[at],
        rows.user[at],
        groups=groups,
        second_cluster=_units(rows),
        weights=rows.sample_weight[at],
        level=level,
    )


def calibration_groups(
    rows: EvaluationRows, *, groups: int = 10, level: float = 0.95
) -> CalibrationGroups:
    """Set predicted beside observed effects in groups of equal weight by predicted uplift.

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
    CalibrationGroups
        Predicted against observed.

    Raises
    ------
    ConfigError
        If groups is not a whole number of at least 1.
    RowError
        If there is only one user or one unit.
    """
    at = rows.curve_rows
    found = effects_by_prediction(rows, groups=groups, level=level)
    weights = rows.sample_weight[at]
    return CalibrationGroups(
        predicted=found.predicted,
        observed=found.observed,
        count=found.count,
        squared_error=calibration(
            rows.uplift[at],
            rows.gamma[at],
            bins=groups,
            weights=weights,
            cluster=rows.user[at],
            second_cluster=_units(rows),
            level=level,
        ).squared_error,
    )


def _units(rows: EvaluationRows) -> NDArray[np.generic] | None:
    return None if rows.second_cluster is None else rows.second_cluster[rows.curve_rows]
