"""Half-samples of clusters, and the ranking statistics of each from sorted sums.

Rows are sorted once and summed by (group of clusters, bin of ranks). A half-sample is then a
sum over half of the groups, so that all draws are one product of small matrices: no sort, no
model and no pass over the rows per draw. The same half-samples serve any number of scores,
whose statistics are then paired.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from causal_ranker.stats._arrays import Array, IntArray
from causal_ranker.stats._codes import Clusters
from causal_ranker.stats._ranked import RankedRows, area_weights, areas

__all__ = ["HalfSamples", "RankStatistics", "half_sample_deviations", "rank_statistics"]

# More groups would change a standard error by about 1 %. With the bins they bound memory: two
# matrices of groups times bins.
_BINS = 500
_GROUPS = 4096


@dataclass(frozen=True)
class RankStatistics:
    """Ranking statistics, one row per draw.

    Parameters
    ----------
    gain : ndarray of float64, shape (d, g)
        G(q) at the grid.
    toc : ndarray of float64, shape (d, g)
        TOC at the grid.
    qini : ndarray of float64, shape (d, g)
        ``G(q) - q G(1)`` at the grid.
    autoc : ndarray of float64, shape (d,)
        Area under the TOC.
    coefficient : ndarray of float64, shape (d,)
        Area under the Qini curve.
    """

    gain: Array
    toc: Array
    qini: Array
    autoc: Array
    coefficient: Array

    def minus(self, other: RankStatistics) -> RankStatistics:
        """Subtract the statistics of another score on the same rows, draw by draw.

        G(1) is the same for both, so that the difference of G is that of the Qini curves, without
        what rounding would leave of it.

        Parameters
        ----------
        other : RankStatistics
            Of the same draws.

        Returns
        -------
        RankStatistics
            The differences.
        """
        return RankStatistics(
            gain=self.qini - other.qini,
            toc=self.toc - other.toc,
            qini=self.qini - other.qini,
            autoc=self.autoc - other.autoc,
            coefficient=self.coefficient - other.coefficient,
        )


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
        gain=at_grid,
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


@dataclass(frozen=True)
class HalfSamples:
    """Which groups of clusters each half-sample holds.

    Half of the C clusters, m = floor(C / 2), are drawn without replacement. For a mean that
    makes the variance of a draw about the full sample ``(1/m - 1/C) s^2``, which is ``s^2 / C``
    times ``(C - m) / m``; deviations are scaled by ``sqrt(m / (C - m))`` so that their variance
    estimates that of the full-sample statistic also when C is odd.

    With more than 4,096 clusters, random groups of clusters are drawn instead; groups of
    independent clusters are independent, and the variance stays unbiased.

    Parameters
    ----------
    groups : Clusters
        The group of each row.
    chosen : ndarray of float64, shape (d, groups.count)
        1 where the draw holds the group.
    """

    groups: Clusters
    chosen: Array

    @classmethod
    def draw(cls, clusters: Clusters, *, draws: int, rng: np.random.Generator) -> HalfSamples:
        """Draw half-samples of clusters.

        Parameters
        ----------
        clusters : Clusters
            The cluster of each row.
        draws : int
            Number of half-samples.
        rng : numpy.random.Generator
            Source of the draws.

        Returns
        -------
        HalfSamples
            The draws.
        """
        groups = _grouped(clusters, rng)
        template = (np.arange(groups.count) < groups.count // 2).astype(np.float64)
        chosen = rng.permuted(np.broadcast_to(template, (draws, groups.count)), axis=1)
        return cls(groups, chosen)

    def sums(self, values: Array) -> Array:
        """Sum a value of each row over each draw.

        Parameters
        ----------
        values : ndarray of float64, shape (n,)
            One value a row.

        Returns
        -------
        ndarray of float64, shape (d,)
            One sum a draw.
        """
        by_group = np.bincount(self.groups.codes, weights=values, minlength=self.groups.count)
        return np.asarray(self.chosen @ by_group)

    def deviations(self, drawn: Array) -> Array:
        """Return how far each draw lies from the mean of all, scaled to the full sample.

        Parameters
        ----------
        drawn : ndarray of float64, shape (d, ...)
            A statistic of each draw.

        Returns
        -------
        ndarray of float64, shape (d, ...)
            Their variance estimates that of the full-sample statistic.
        """
        half = self.groups.count // 2
        scaled: Array = np.sqrt(half / (self.groups.count - half)) * (drawn - drawn.mean(axis=0))
        return scaled


def _grouped(clusters: Clusters, rng: np.random.Generator) -> Clusters:
    if clusters.count <= _GROUPS:
        return clusters
    return Clusters((rng.permutation(clusters.count) % _GROUPS)[clusters.codes], _GROUPS)


def half_sample_deviations(
    ranked: RankedRows, samples: HalfSamples, *, grid: Array
) -> RankStatistics:
    """Return how far the statistics of half-samples lie from their mean.

    With more than 500 tie blocks, neighbours share a bin. What the order inside a bin adds to an
    area is added back, to first order: row i adds ``w_i (gamma_i - g_b) (c_i - c_b)``, with c the
    area's weight at its rank and at its bin (`area_weights`) and g_b the bin's mean. The curves
    need no such term, as bins end at the points of the grid. So two scores that differ inside
    bins only still have the difference, and its error, that they should have.

    Parameters
    ----------
    ranked : RankedRows
        The sorted rows.
    samples : HalfSamples
        The draws, with groups of the caller's rows, as ``ranked.order`` counts them.
    grid : ndarray of float64, shape (g,)
        Shares from the top, in (0, 1].

    Returns
    -------
    RankStatistics
        Scaled deviations, one row per draw.
    """
    bins = _rank_bins(ranked, grid)
    count = int(bins[-1]) + 1
    groups = Clusters(samples.groups.codes[ranked.order], samples.groups.count)
    cell = groups.codes * count + bins

    def sums(values: Array) -> Array:
        flat = np.bincount(cell, weights=values, minlength=groups.count * count)
        by_group = np.asarray(flat, dtype=np.float64).reshape(groups.count, count)
        return np.asarray(samples.chosen @ by_group)

    weight, total = sums(ranked.weights), sums(ranked.weights * ranked.gamma)
    del cell
    drawn = rank_statistics(weight, total, grid=grid)
    autoc, coefficient = drawn.autoc, drawn.coefficient
    if count < ranked.starts.size:
        inside = HalfSamples(groups, samples.chosen)
        size = weight.sum(axis=1)
        autoc, coefficient = (
            area + inside.sums(part) / size
            for area, part in zip((autoc, coefficient), _within_bins(ranked, bins), strict=True)
        )
    return RankStatistics(
        gain=samples.deviations(drawn.gain),
        toc=samples.deviations(drawn.toc),
        qini=samples.deviations(drawn.qini),
        autoc=samples.deviations(autoc),
        coefficient=samples.deviations(coefficient),
    )


def _rank_bins(ranked: RankedRows, grid: Array) -> IntArray:
    """Return the bin of each sorted row: its tie block, or whole blocks between bounds."""
    blocks = ranked.starts.size
    sizes = np.diff(ranked.starts, append=ranked.order.size)
    if blocks <= _BINS:
        return np.repeat(np.arange(blocks), sizes)
    weight = ranked.block_sums(ranked.weights)
    upper = np.cumsum(weight)
    middle = (upper - weight / 2) / upper[-1]
    bounds = np.union1d(np.arange(1, _BINS) / _BINS, grid)
    # numbered without gaps, so that no bin is empty
    _, bins = np.unique(np.searchsorted(bounds, middle), return_inverse=True)
    return np.repeat(bins, sizes)


def _within_bins(ranked: RankedRows, bins: IntArray) -> tuple[Array, Array]:
    """Return what each row adds to AUTOC and QINI by its place inside its bin, times its weight."""
    weights = ranked.weights
    mass = np.bincount(bins, weights=weights)
    mean = np.bincount(bins, weights=weights * ranked.gamma) / mass
    centred = weights * (ranked.gamma - mean[bins])
    size = np.diff(ranked.starts, append=ranked.order.size)
    of_block = ranked.block_sums(weights)
    first, second = (
        centred * (np.repeat(fine / of_block, size) - (coarse / mass)[bins]) * mass.sum()
        for fine, coarse in zip(area_weights(of_block), area_weights(mass), strict=True)
    )
    return first, second
