"""Intervals that respect clusters: rows of one user, or of one unit of assignment, move together.

Two-way variances are ``V1 + V2 - V12`` (Cameron, Gelbach and Miller, 2011), each with the factor
``C / (C - 1)``; where that is below the larger one-way variance, as it can be by chance, the
larger one-way variance is used. Quantiles are Student's t with ``min(C1, C2) - 1`` degrees of
freedom.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.errors import EmptyError
from causal_ranker.stats._arrays import float_vector, same_size, weight_vector
from causal_ranker.stats._codes import clusterings
from causal_ranker.stats._interval import Interval, linearised
from causal_ranker.stats.bands import (
    Band,
    CurveBands,
    PairedBands,
    half_sample_bands,
    paired_half_sample_bands,
)
from causal_ranker.stats.slots import PairedUplift, paired_uplift_at_k

__all__ = [
    "Band",
    "CurveBands",
    "Interval",
    "PairedBands",
    "PairedUplift",
    "clustered_mean",
    "clustered_ratio",
    "half_sample_bands",
    "paired_half_sample_bands",
    "paired_uplift_at_k",
]


def clustered_mean(
    values: ArrayLike,
    cluster: ArrayLike,
    *,
    second_cluster: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    level: float = 0.95,
) -> Interval:
    """Estimate a (weighted) mean with a one- or two-way cluster-robust interval.

    Parameters
    ----------
    values : array_like, shape (n,)
        One value per row.
    cluster : array_like of int or str, shape (n,)
        The cluster of each row, for example the user.
    second_cluster : array_like of int or str, shape (n,), optional
        A second clustering, for example the unit at which the treatment was assigned.
    weights : array_like, shape (n,), optional
        Row weights; a row of weight 0 is as good as absent.
    level : float
        Probability that the interval holds the truth.

    Returns
    -------
    Interval
        In the unit of the values.

    Raises
    ------
    RowError
        If a value is not finite, a label is missing, or there is only one cluster.
    """
    y = float_vector(values, name="values")
    w = weight_vector(weights, size=y.size)
    rows = np.flatnonzero(w)
    ways = clusterings(cluster, second_cluster, size=y.size, rows=rows)
    y, w = y[rows], w[rows]
    mean = float((w * y).sum() / w.sum())
    return linearised(mean, w * (y - mean) / w.sum(), ways=ways, level=level)


def clustered_ratio(
    numerator: ArrayLike,
    denominator: ArrayLike,
    cluster: ArrayLike,
    *,
    second_cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> Interval:
    """Estimate ``R = sum(numerator) / sum(denominator)`` with a cluster-robust interval.

    The interval rests on linearisation: row i contributes ``(a_i - R b_i) / sum(b)``.

    Parameters
    ----------
    numerator, denominator : array_like, shape (n,)
        One value of each per row; the denominators must not sum to 0.
    cluster : array_like of int or str, shape (n,)
        The cluster of each row.
    second_cluster : array_like of int or str, shape (n,), optional
        A second clustering.
    level : float
        Probability that the interval holds the truth.

    Returns
    -------
    Interval
        In the unit of numerator per denominator.

    Raises
    ------
    EmptyError
        If the denominators sum to 0.
    RowError
        If a value is not finite, a label is missing, or there is only one cluster.
    """
    a = float_vector(numerator, name="numerator")
    b = float_vector(denominator, name="denominator")
    same_size(a.size, denominator=b)
    total = float(b.sum())
    if total == 0:
        raise EmptyError(
            expected="denominators with a sum other than 0",
            came=f"{b.size} denominators that sum to 0",
            do="Check the filters that ran before.",
        )
    ways = clusterings(cluster, second_cluster, size=a.size, rows=np.arange(a.size))
    ratio = float(a.sum()) / total
    return linearised(ratio, (a - ratio * b) / total, ways=ways, level=level)
