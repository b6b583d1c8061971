"""Bins of equal weight by value, which never split equal values."""

from __future__ import annotations

import numpy as np

from causal_ranker.stats._arrays import Array, IntArray

__all__ = ["equal_weight_bins"]


def equal_weight_bins(values: Array, weights: Array, *, wanted: int) -> tuple[IntArray, IntArray]:
    """Sort rows into bins that hold equal shares of weight, lowest values first.

    Parameters
    ----------
    values, weights : ndarray of float64, shape (n,)
        What to sort by, and weights of 0 or more with a positive sum.
    wanted : int
        Number of bins; there are fewer where equal values fill several.

    Returns
    -------
    rows : ndarray of int64, shape (m,)
        Positions of the rows of positive weight.
    bins : ndarray of int64, shape (m,)
        Their bins, 0 .. b-1, each used.
    """
    levels, level = np.unique(values, return_inverse=True)
    weight = np.bincount(level, weights=weights, minlength=levels.size)
    upper = np.cumsum(weight)
    # a level belongs to the bin that holds the middle of its share, so ties stay together
    middle = (upper - weight / 2) / upper[-1]
    bin_of_level = np.minimum((middle * wanted).astype(np.int64), wanted - 1)
    used = np.flatnonzero(np.bincount(bin_of_level, weights=weight, minlength=wanted))
    rows = np.flatnonzero(weights > 0)
    return rows, np.searchsorted(used, bin_of_level[level[rows]])
