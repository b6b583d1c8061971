"""Half-samples of clusters, and the ranking statistics of each from sorted sums.

Rows are sorted once and summed by (group of clusters, bin of ranks). A half-sample is then a
sum over half of the groups, so that all draws are one product of small matrices: no sort, no
model and no pass over the rows per draw.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from causal_ranker.stats._arrays import Array, IntArray
from causal_ranker.stats._codes import Clusters
from causal_ranker.stats._ranked import RankedRows, areas

__all__ = ["RankStatistics", "half_sample_deviations", "rank_statistics"]

# Finer bins would change a standard error by less than 1 in 1,000, more groups by about 1 %.
# Together they bound memory: two matrices of groups times bins.
_BINS = 1000
_GROUPS = 4096


@dataclass(frozen=True)
class RankStatistics:
    """Ranking statistics, one row per draw.

    Parameters
    ----------
    toc : ndarray of float64, shape (d, g)
        TOC at the grid.
    qini : ndarray of float64, shape (d, g)
        ``G(q) - q G(1)`` at the grid.
    autoc : ndarray of float64, shape (d,)
        Area under the TOC.
    coefficient : ndarray of float64, shape (d,)
        Area under the Qini curve.
    """

    toc: Array
    qini: Array
    autoc: Array
    coefficient: Array


def rank_statistics(weight: Array, total: Array, *, grid: Array) -> RankStatistics:
    """Compute the statistics of one or more samples from their block sums.

    Parameters
    ----------
    weight : ndarray of float64, shape (d, b)
        Sum of weights of each block of ranks, best first; may be 0.
    total : ndarray of float64, shape (d, b)
        Sum of ``weight * gamma``.
    grid : ndarray of float64, shape (g,)
        Shares from the top, in (0, 1].

    Returns
    -------
    RankStatistics
        With d rows.
    """
    autoc, coefficient = areas(weight, total)
    cumulative = np.cumsum(weight, axis=-1)
    q = cumulative / cumulative[:, -1:]
    gain = np.cumsum(total, axis=-1) / cumulative[:, -1:]
    at_grid = np.stack([_at(grid, *rows) for rows in zip(q, gain, strict=True)])
    return RankStatistics(
        toc=at_grid / grid - gain[:, -1:],
        qini=at_grid - grid * gain[:, -1:],
        autoc=autoc,
        coefficient=coefficient,
    )


def _at(grid: Array, q: Array, gain: Array) -> Array:
    """Interpolate G at the grid, from the origin through the block ends."""
    upper = np.searchsorted(q, grid)
    lower = np.maximum(upper - 1, 0)
    first = upper == 0
    q0, gain0 = np.where(first, 0.0, q[lower]), np.where(first, 0.0, gain[lower])
    # searchsorted finds q[upper] >= grid > q[upper - 1], so the step is never 0
    part = (grid - q0) / (q[upper] - q0)
    # this form gives gain[upper] exactly where part is 1: no rounding noise at q = 1
    found: Array = (1 - part) * gain0 + part * gain[upper]
    return found


def half_sample_deviations(
    ranked: RankedRows, clusters: Clusters, *, draws: int, rng: np.random.Generator, grid: Array
) -> RankStatistics:
    """Draw half-samples of clusters and return how far their statistics lie from their mean.

    Half of the C clusters, m = floor(C / 2), are drawn without replacement. For a mean that
    makes the variance of a draw about the full sample ``(1/m - 1/C) s^2``, which is ``s^2 / C``
    times ``(C - m) / m``; deviations are scaled by ``sqrt(m / (C - m))`` so that their variance
    estimates that of the full-sample statistic also when C is odd.

    With more than 1,000 tie blocks, neighbours share a bin and count as tied in the draws.
    With more than 4,096 clusters, random groups of clusters are drawn instead; groups of
    independent clusters are independent, and the variance stays unbiased.

    Parameters
    ----------
    ranked : RankedRows
        The sorted rows.
    clusters : Clusters
        The clusters of the sorted rows.
    draws : int
        Number of half-samples.
    rng : numpy.random.Generator
        Source of the draws.
    grid : ndarray of float64, shape (g,)
        Shares from the top, in (0, 1].

    Returns
    -------
    RankStatistics
        Scaled deviations, one row per draw.
    """
    groups = _grouped(clusters, rng)
    bins = _rank_bins(ranked)
    count = int(bins[-1]) + 1
    cell = groups.codes * count + bins

    def sums(values: Array) -> Array:
        flat = np.bincount(cell, weights=values, minlength=groups.count * count)
        return np.asarray(flat, dtype=np.float64).reshape(groups.count, count)

    half = groups.count // 2
    template = (np.arange(groups.count) < half).astype(np.float64)
    chosen = rng.permuted(np.broadcast_to(template, (draws, groups.count)), axis=1)
    drawn = rank_statistics(
        chosen @ sums(ranked.weights), chosen @ sums(ranked.weights * ranked.gamma), grid=grid
    )
    scale = np.sqrt(half / (groups.count - half))

    def deviations(values: Array) -> Array:
        scaled: Array = scale * (values - values.mean(axis=0))
        return scaled

    return RankStatistics(
        toc=deviations(drawn.toc),
        qini=deviations(drawn.qini),
        autoc=deviations(drawn.autoc),
        coefficient=deviations(drawn.coefficient),
    )


def _grouped(clusters: Clusters, rng: np.random.Generator) -> Clusters:
    if clusters.count <= _GROUPS:
        return clusters
    return Clusters((rng.permutation(clusters.count) % _GROUPS)[clusters.codes], _GROUPS)


def _rank_bins(ranked: RankedRows) -> IntArray:
    """Return the bin of each sorted row: its tie block, or equal shares of whole blocks."""
    blocks = ranked.starts.size
    sizes = np.diff(ranked.starts, append=ranked.order.size)
    if blocks <= _BINS:
        return np.repeat(np.arange(blocks), sizes)
    weight = ranked.block_sums(ranked.weights)
    upper = np.cumsum(weight)
    middle = (upper - weight / 2) / upper[-1]
    return np.repeat(np.minimum((middle * _BINS).astype(np.int64), _BINS - 1), sizes)
