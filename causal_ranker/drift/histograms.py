"""Distances of distributions that are known by their counts in common cells, many pairs at once.

The last axis is the cells; the axes before it are pairs, so that every day of a reference is
compared in one step. `causal_ranker.stats.distances` has the same for one pair, checked.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.stats._arrays import Array

__all__ = [
    "coarse",
    "cramers_v",
    "edges_of",
    "jensen_shannon",
    "kolmogorov_smirnov",
    "psi",
    "wasserstein",
]

_COARSE: Final = 20


def edges_of(values: Array, *, cells: int, halvings: int = 0) -> Array:
    """Choose upper edges of cells of about equal shares.

    A value that fills several cells gets one of its own, whose edge is its lower neighbour among
    the floating-point numbers, so that counts at the edges say all about it. With at most `cells`
    distinct values each is an edge. Values above the last edge have a last cell of their own.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Finite values, or a sample of them.
    cells : int
        Cells wanted; at most twice as many come, and those of the tails.
    halvings : int
        How often the outer cells are halved, outwards: tails are wide.

    Returns
    -------
    ndarray of float64, shape (n_edges,)
        Increasing edges; a cell holds values above the last edge up to its own.
    """
    distinct = np.unique(values)
    if distinct.size <= cells:
        return distinct
    tail = 2.0 ** -np.arange(1, halvings + 1) / cells
    shares = np.concatenate([tail, np.linspace(0, 1, cells + 1)[1:-1], 1 - tail])
    at = np.quantile(values, shares, method="inverted_cdf")
    edges, times = np.unique(at, return_counts=True)
    return np.unique(np.concatenate([edges, np.nextafter(edges[times > 1], -np.inf)]))


def kolmogorov_smirnov(first: NDArray[Any], second: NDArray[Any]) -> Array:
    """Return the largest distance of the distribution functions at the edges.

    Between edges it may be larger, by no more than the smaller share of a cell.

    Parameters
    ----------
    first, second : ndarray, shape (..., n_cells)
        Counts, or shares.

    Returns
    -------
    ndarray of float64, shape (...)
        In [0, 1].
    """
    p, q = _shares(first), _shares(second)
    distance: Array = np.abs(np.cumsum(p - q, axis=-1)).max(axis=-1)
    return distance


def psi(first: NDArray[Any], second: NDArray[Any]) -> Array:
    """Return the population stability index; half a row is added to each cell.

    Parameters
    ----------
    first, second : ndarray, shape (..., n_cells)
        Counts, rather of about 20 cells (`coarse`).

    Returns
    -------
    ndarray of float64, shape (...)
        0 or more.
    """
    p, q = _shares(first + 0.5), _shares(second + 0.5)
    index: Array = np.sum((p - q) * np.log(p / q), axis=-1)
    return index


def jensen_shannon(first: NDArray[Any], second: NDArray[Any]) -> Array:
    """Return the Jensen-Shannon distance to base 2.

    Parameters
    ----------
    first, second : ndarray, shape (..., n_cells)
        Counts, rather of about 20 cells (`coarse`).

    Returns
    -------
    ndarray of float64, shape (...)
        In [0, 1].
    """
    p, q = _shares(first), _shares(second)
    mixture = (p + q) / 2
    parts = []
    for side in (p, q):
        ratio = np.divide(side, mixture, out=np.ones_like(mixture), where=side > 0)
        parts.append(np.sum(side * np.log2(ratio), axis=-1))
    divergence = np.maximum((parts[0] + parts[1]) / 2, 0.0)  # rounding may go below 0
    distance: Array = np.sqrt(np.minimum(divergence, 1.0))
    return distance


def coarse(counts: NDArray[Any], *, whole: NDArray[Any]) -> Array:
    """Put neighbouring cells together, to about 20 of equal shares.

    Parameters
    ----------
    counts : ndarray, shape (..., n_cells)
        Counts.
    whole : ndarray, shape (n_cells,)
        Counts of the reference, by which the cuts are made.

    Returns
    -------
    ndarray of float64, shape (..., n_coarse)
        Counts.
    """
    middle = (np.cumsum(whole) - whole / 2) / max(float(whole.sum()), 1.0)
    bin_of = np.minimum((middle * _COARSE).astype(np.int64), _COARSE - 1)
    starts = np.flatnonzero(np.diff(bin_of, prepend=-1))
    together: Array = np.add.reduceat(counts, starts, axis=-1, dtype=np.float64)
    return together


def wasserstein(
    first: NDArray[Any],
    second: NDArray[Any],
    *,
    edges: Array,
    low: float,
    high: float,
) -> Array:
    """Return the first Wasserstein distance, with values spread evenly inside their cells.

    Parameters
    ----------
    first, second : ndarray, shape (..., n_edges + 1)
        Counts, or shares.
    edges : ndarray, shape (n_edges,)
        Upper edges of the cells.
    low, high : float
        Smallest and largest value of both; the outer cells end there.

    Returns
    -------
    ndarray of float64, shape (...)
        In the unit of the edges.
    """
    ends = np.concatenate([[min(low, edges[0])], edges, [max(high, edges[-1])]])
    gap = np.cumsum(_shares(first) - _shares(second), axis=-1)
    left = np.concatenate([np.zeros((*gap.shape[:-1], 1)), gap[..., :-1]], axis=-1)
    a, b = np.abs(left), np.abs(gap)
    crosses = (left * gap < 0) & (a + b > 0)
    total = np.where(crosses, a + b, 1.0)
    mean = np.where(crosses, (a**2 + b**2) / (2 * total), (a + b) / 2)
    distance: Array = np.sum(mean * np.diff(ends), axis=-1)
    return distance


def cramers_v(first: NDArray[Any], second: NDArray[Any]) -> Array:
    """Return Cramér's V of two samples' counts by category.

    Parameters
    ----------
    first, second : ndarray, shape (..., n_cells)
        Counts.

    Returns
    -------
    ndarray of float64, shape (...)
        In [0, 1]; 0 where a sample is empty.
    """
    first, second = np.broadcast_arrays(first, second)
    counts = np.stack([first, second], axis=-2).astype(np.float64)
    rows, columns = counts.sum(axis=-1, keepdims=True), counts.sum(axis=-2, keepdims=True)
    all_rows = rows.sum(axis=-2, keepdims=True)
    expected = rows * columns / np.where(all_rows > 0, all_rows, 1)
    parts = np.divide(
        (counts - expected) ** 2, expected, out=np.zeros_like(counts), where=expected > 0
    )
    statistic = parts.sum(axis=(-2, -1))
    v: Array = np.sqrt(statistic / np.maximum(all_rows[..., 0, 0], 1))
    return v


def _shares(counts: NDArray[Any]) -> Array:
    total = counts.sum(axis=-1, keepdims=True)
    shares: Array = counts / np.where(total > 0, total, 1)
    return shares
