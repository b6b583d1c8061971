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
    weight_vector,
)
from causal_ranker.stats._bins import equal_weight_bins

__all__ = ["Calibration", "calibration"]


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
    error : float
        Root mean square calibration error, the sampling noise of `observed` taken out (see
        `calibration`); NaN if no bin has two rows.
    """

    predicted: Array
    observed: Array
    standard_error: Array
    count: IntArray
    error: float


def calibration(
    predicted: ArrayLike, gamma: ArrayLike, *, bins: int = 10, weights: ArrayLike | None = None
) -> Calibration:
    """Compare predicted uplift with doubly robust scores, by weighted quantile bin.

    A bin holds equal shares of weight; equal predictions are never split, so there may be fewer
    bins. Within bin b, with ``r = gamma - predicted``, the squared gap is estimated without
    bias by ``sum_{i != j} w_i w_j r_i r_j / sum_{i != j} w_i w_j`` (Xu and Yadlowsky, 2022): a
    perfect model has error 0 up to chance, however noisy gamma is. ``error`` is the root of the
    mean over bins of two rows or more, by share of weight, and 0 if that mean is negative.

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

    Returns
    -------
    Calibration
        One entry per bin that has rows.

    Raises
    ------
    ConfigError
        If bins is not a whole number of at least 1.
    RowError
        If a value is not finite.
    """
    wanted = positive_count(bins, name="bins")
    p = float_vector(predicted, name="predicted")
    g = float_vector(gamma, name="gamma")
    same_size(p.size, gamma=g)
    w = weight_vector(weights, size=p.size)
    kept, rows = equal_weight_bins(p, w, wanted=wanted)
    return _calibrate(p[kept], g[kept], w=w[kept], rows=rows, bins=int(rows.max()) + 1)


def _calibrate(p: Array, g: Array, *, w: Array, rows: IntArray, bins: int) -> Calibration:
    def total(values: Array) -> Array:
        return np.asarray(np.bincount(rows, weights=values, minlength=bins), dtype=np.float64)

    count, mass = np.bincount(rows, minlength=bins), total(w)
    predicted, observed = total(w * p) / mass, total(w * g) / mass
    several = count > 1
    missing = np.full(bins, np.nan)
    spread = total(np.square(w * (g - observed[rows]))) / np.square(mass)
    # count / (count - 1) undoes the use of the bin's own mean
    variance = np.divide(spread * count, count - 1, out=missing.copy(), where=several)
    r = g - p
    pairs = np.square(total(w * r)) - total(np.square(w * r))
    squared = np.divide(
        pairs, np.square(mass) - total(np.square(w)), out=missing.copy(), where=several
    )
    shares = mass[several]
    error = (
        float(np.sqrt(max(0.0, float(shares @ squared[several] / shares.sum()))))
        if several.any()
        else float("nan")
    )
    return Calibration(
        predicted=predicted,
        observed=observed,
        standard_error=np.sqrt(variance),
        count=count,
        error=error,
    )
