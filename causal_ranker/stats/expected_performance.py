"""What a model's loss is expected to be while its labels are unknown, from calibrated chances.

If the chance c of each row is right, ``E[loss] = c loss(1) + (1 - c) loss(0)``, and so for every
pair of rows of an AUC (the idea of Guillory et al., 2021, "Predicting with confidence on unseen
distributions", ICCV; NannyML's documentation calls it confidence-based performance estimation;
written here from the formula). With labels in the place of chances it is the loss itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.errors import EmptyError
from causal_ranker.stats._arrays import Array, float_vector, reject_rows, same_size

__all__ = ["ExpectedPerformance", "PerformanceMetric", "expected_performance"]

#: Log-loss in nats a row, Brier score, area under the ROC curve.
PerformanceMetric = Literal["log_loss", "brier", "auc"]


@dataclass(frozen=True)
class ExpectedPerformance:
    """An expected loss, and what it owes to each row.

    Parameters
    ----------
    value : float
        The expected metric.
    by_chance : ndarray of float64, shape (n,)
        Its derivative by each row's chance: the metric as it comes out differs from `value` by
        about ``sum by_chance (Y - c)``.
    by_row : ndarray of float64, shape (n,)
        What each row adds to the error of `value` as an estimate for all rows there could be;
        sums to 0.
    """

    value: float
    by_chance: Array
    by_row: Array


def expected_performance(
    score: ArrayLike, chance: ArrayLike, *, metric: PerformanceMetric
) -> ExpectedPerformance:
    """Return the expected metric of scores, given each row's chance of a positive outcome.

    Parameters
    ----------
    score : array_like, shape (n,)
        The model's probabilities, strictly between 0 and 1; for the AUC any finite score.
    chance : array_like, shape (n,)
        P(Y = 1) of each row, in [0, 1]; outcomes of 0 and 1 give the metric itself.
    metric : {"log_loss", "brier", "auc"}
        Which.

    Returns
    -------
    ExpectedPerformance
        For the AUC the ratio of the expected numbers of pairs, a row never paired with itself.

    Raises
    ------
    RowError
        If a chance is not in [0, 1], or a score of a loss not strictly between 0 and 1.
    EmptyError
        If there are no rows, or an AUC has no pairs of both outcomes.
    """
    s = float_vector(score, name="score")
    c = float_vector(chance, name="chance")
    same_size(s.size, chance=c)
    reject_rows(
        (c < 0) | (c > 1),
        c,
        name="chance",
        expected="chances in [0, 1]",
        do="Pass probabilities or outcomes.",
    )
    if metric == "auc":
        return _auc(s, c)
    reject_rows(
        (s <= 0) | (s >= 1),
        s,
        name="score",
        expected="probabilities strictly between 0 and 1",
        do="Pass the model's probabilities; one of exactly 0 or 1 may have an infinite loss.",
    )
    if metric == "brier":
        positive, negative = np.square(1 - s), np.square(s)
    else:
        positive, negative = -np.log(s), -np.log1p(-s)
    losses = c * positive + (1 - c) * negative
    value = float(losses.mean())
    return ExpectedPerformance(value, (positive - negative) / s.size, (losses - value) / s.size)


def _auc(s: Array, c: Array) -> ExpectedPerformance:
    _, code = np.unique(s, return_inverse=True)
    negative = np.bincount(code, weights=1 - c)
    positive = np.bincount(code, weights=c)
    # Mass of the other outcome below (or above) each row, ties by half, the row itself left out.
    below = (np.cumsum(negative) - negative / 2)[code] - (1 - c) / 2
    above = (positive.sum() - np.cumsum(positive) + positive / 2)[code] - c / 2
    others_negative = negative.sum() - (1 - c)
    others_positive = positive.sum() - c
    pairs = float(c @ others_negative)
    if not pairs > 0:
        raise EmptyError(
            expected="rows of both outcomes",
            came=f"{c.size} rows with chances that sum to {c.sum():g}",
            do="Take a longer window.",
        )
    value = float(c @ below) / pairs
    by_chance = (below - above - value * (others_negative - others_positive)) / pairs
    # A row is half of each of its pairs, as a positive or as a negative one.
    by_row = c * (below - value * others_negative) + (1 - c) * (above - value * others_positive)
    return ExpectedPerformance(value, by_chance, by_row / pairs)
