"""Predicted against observed uplift, with a calibration error that noise does not inflate."""

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
from causal_ranker.stats._interval import Interval, t_quantile

__all__ = ["Calibration", "calibration"]

# What is left of a difference of equal sums, as a share of them.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Calibration:
    """Predicted against observed uplift by bin, lowest prediction first.

    Parameters
    ----------
    predicted : ndarray of float64, shape (b,)
        Weighted mean prediction, in plays per exposure.
    observed : ndarray of float64, shape (b,)
        Weighted mean doubly robust score.
    standard_error : ndarray of float64, shape (b,)
        Of `observed`, rows taken as independent; NaN in a bin of one row.
    count : ndarray of int64, shape (b,)
        Rows.
    squared_error : Interval
        Mean square calibration error, the sampling noise of `observed` taken out (see
        `calibration`), in squared plays per exposure: below 0 by chance where predictions are
        right. NaN if no bin has rows of two clusters.
    """

    predicted: Array
    observed: Array
    standard_error: Array
    count: IntArray
    squared_error: Interval


def calibration(
    predicted: ArrayLike,
    gamma: ArrayLike,
    *,
    bins: int = 10,
    weights: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    second_cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> Calibration:
    """Compare predicted uplift with doubly robust scores, by weighted quantile bin.

    A bin holds equal shares of weight; equal predictions are never split, so there may be fewer
    bins. With ``r = gamma - predicted``, the plain squared gap of a bin, ``(mean of r)^2``, is
    larger than the truth by the variance of that mean, so that a perfect model would seem wrong.
    The error here is the debiased one: the squared gap is ``sum w_i w_j r_i r_j / sum w_i w_j``
    over pairs of rows that do not belong together (Xu and Yadlowsky, 2022, who have one row a
    cluster): not one row twice, nor two rows of one cluster, nor two of one second cluster.
    ``squared_error`` is the mean over bins with such pairs, by share of weight. A perfect model
    has 0 up to chance, however noisy gamma is: more often than not it comes out negative, and is
    left so.

    Its interval holds the values ``x`` with ``|squared_error - x| <= c sqrt(2 t + 4 l x)``, c being
    Student's quantile. That is the variance of a quadratic form in normal bin means: with V their
    clustered covariance and S the bins' shares on a diagonal, ``t = tr(SVSV)``, and
    ``l = t / tr(SV)``, as if the gaps lay where the noise does. Without 2 t the variance would be
    nearly 0 where the gaps are.

    Parameters
    ----------
    predicted : array_like, shape (n,)
        Predicted uplift, in plays per exposure.
    gamma : array_like, shape (n,)
        Doubly robust scores.
    bins : int
        Number of bins wanted.
    weights : array_like, shape (n,), optional
        Analysis weights of 0 or more.
    cluster : array_like of int or str, shape (n,), optional
        The cluster of each row, for example the user; each row by itself by default.
    second_cluster : array_like of int or str, shape (n,), optional
        A second clustering, beside `cluster`.
    level : float
        Probability that the interval of ``squared_error`` holds the truth.

    Returns
    -------
    Calibration
        One entry per bin that has rows.

    Raises
    ------
    ConfigError
        If bins is not a whole number of at least 1, or the level is not between 0 and 1.
    RowError
        If a value is not finite, a label is missing, or there is only one cluster.
    """
    wanted, inside = positive_count(bins, name="bins"), share(level, name="level")
    p = float_vector(predicted, name="predicted")
    g = float_vector(gamma, name="gamma")
    same_size(p.size, gamma=g)
    w = weight_vector(weights, size=p.size)
    kept, rows = equal_weight_bins(p, w, wanted=wanted)
    ways = (
        [Clusters(np.arange(kept.size), kept.size)]
        if cluster is None
        else clusterings(cluster, second_cluster, size=p.size, rows=kept)
    )
    return _calibrate(p[kept], g[kept], w=w[kept], rows=rows, ways=ways, level=inside)


def _calibrate(
    p: Array, g: Array, *, w: Array, rows: IntArray, ways: list[Clusters], level: float
) -> Calibration:
    bins = int(rows.max()) + 1

    def total(values: Array) -> Array:
        return np.asarray(np.bincount(rows, weights=values, minlength=bins), dtype=np.float64)

    count, mass = np.bincount(rows, minlength=bins), total(w)
    predicted, observed = total(w * p) / mass, total(w * g) / mass
    spread = total(np.square(w * (g - observed[rows]))) / np.square(mass)
    # count / (count - 1) undoes the use of the bin's own mean
    variance = np.divide(spread * count, count - 1, out=np.full(bins, np.nan), where=count > 1)
    pairs = np.square(mass) - _together(w, rows=rows, ways=ways)
    usable = pairs > _ROUNDING * np.square(mass)
    gap = w * (g - p)
    products = np.square(total(gap)) - _together(gap, rows=rows, ways=ways)
    squared = Interval(*[float("nan")] * 4)
    if usable.any():
        part = np.where(usable, mass, 0.0) / mass[usable].sum()
        mean = float(part[usable] @ (products[usable] / pairs[usable]))
        centred = (gap - w * (total(gap) / mass)[rows]) / mass[rows]
        spreads = _spreads(centred, rows=rows, ways=ways, part=part)
        squared = _interval(mean, spreads, quantile=t_quantile(ways, level=level))
    return Calibration(
        predicted=predicted,
        observed=observed,
        standard_error=np.sqrt(variance),
        count=count,
        squared_error=squared,
    )


def _spreads(
    centred: Array, *, rows: IntArray, ways: list[Clusters], part: Array
) -> tuple[float, float]:
    """Return ``tr(SV)`` and ``tr(SVSV)``, V being the covariance of the bins' mean gaps."""
    found = []
    for way in ways:
        covariance = np.empty((part.size, part.size))
        for place in range(part.size):  # a bin at a time: a table of clusters by bins may be large
            mine = np.where(rows == place, centred, 0.0)
            sums = np.bincount(way.codes, weights=mine, minlength=way.count)
            covariance[place] = np.bincount(
                rows, weights=centred * sums[way.codes], minlength=part.size
            )
        found.append(way.count / (way.count - 1) * part[:, None] * covariance)
    if len(found) > 1:  # as in `combined_variance`: not below the larger of the one-way variances
        found[2] = found[0] + found[1] - found[2]
    largest = max(found, key=np.trace)
    return float(np.trace(largest)), float(np.trace(largest @ largest))


def _interval(mean: float, spreads: tuple[float, float], *, quantile: float) -> Interval:
    first, second = spreads
    slope = 2 * second / first if first > 0 else 0.0
    middle = mean + quantile**2 * slope
    # below 0 no x fits: what is left is the one that fits best
    room = 2 * slope * mean + (quantile * slope) ** 2 + 2 * second
    reach = quantile * float(np.sqrt(max(room, 0.0)))
    error = float(np.sqrt(2 * second + 2 * slope * max(mean, 0.0)))
    return Interval(mean, middle - reach, middle + reach, error)


def _together(values: Array, *, rows: IntArray, ways: list[Clusters]) -> Array:
    """Sum in each bin the products of two values, over the pairs of rows that belong together."""
    bins = int(rows.max()) + 1
    found = np.zeros(bins)
    for sign, way in zip((1, 1, -1), ways, strict=False):  # who shares both was counted twice
        cells, cell = np.unique(rows * way.count + way.codes, return_inverse=True)
        squares = np.square(np.bincount(cell, weights=values))
        found += sign * np.bincount(cells // way.count, weights=squares, minlength=bins)
    return found
