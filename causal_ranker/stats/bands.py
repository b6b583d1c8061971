"""Bands around TOC, Qini and uplift curves, of a score and of the difference of two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.errors import ConfigError
from causal_ranker.stats._arrays import Array, IntArray, float_vector, positive_count, share
from causal_ranker.stats._bands import Band, CurveBands, curve_bands
from causal_ranker.stats._codes import Clusters, clusterings
from causal_ranker.stats._half_samples import (
    HalfSamples,
    RankStatistics,
    half_sample_deviations,
    rank_statistics,
)
from causal_ranker.stats._interval import t_quantile
from causal_ranker.stats._ranked import RankedRows, rank_rows

__all__ = ["Band", "CurveBands", "PairedBands", "half_sample_bands", "paired_half_sample_bands"]


@dataclass(frozen=True)
class PairedBands:
    """Two scores on the same rows, and their difference, all from the same half-samples.

    Parameters
    ----------
    first, second : CurveBands
        Of each score.
    difference : CurveBands
        First minus second: curves, areas, bands and intervals. Exactly 0 without any width where
        both scores put the rows in one order.
    """

    first: CurveBands
    second: CurveBands
    difference: CurveBands


def half_sample_bands(
    score: ArrayLike,
    gamma: ArrayLike,
    cluster: ArrayLike,
    *,
    draws: int,
    rng: np.random.Generator,
    grid: ArrayLike,
    second_cluster: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    level: float = 0.95,
) -> CurveBands:
    """Put bands around TOC, Qini and uplift curves, and intervals around the areas.

    Standard errors come from half-samples of whole clusters (Yadlowsky et al., 2021): the
    statistic of half of the clusters, drawn without replacement, varies about the full-sample
    one as that varies about the truth. The ranking is fixed; no model is fitted again. With
    two clusterings the variances of half-samples of each and of their intersections combine as
    in `clustered_mean`. The simultaneous band takes the largest standardised deviation over
    the grid of each draw, and the larger of the two clusterings' quantiles.

    Parameters
    ----------
    score : array_like, shape (n,)
        What to rank by, higher is better, from a model that did not see these rows.
    gamma : array_like, shape (n,)
        Doubly robust scores, in plays per exposure.
    cluster : array_like of int or str, shape (n,)
        The cluster of each row, for example the user.
    draws : int
        Half-samples, at least 2; 200 give standard errors to about 5 %.
    rng : numpy.random.Generator
        Source of the draws.
    grid : array_like, shape (g,)
        Shares from the top at which to evaluate the curves, in (0, 1].
    second_cluster : array_like of int or str, shape (n,), optional
        A second clustering.
    weights : array_like, shape (n,), optional
        Analysis weights of 0 or more.
    level : float
        Probability that an interval or band holds the truth.

    Returns
    -------
    CurveBands
        Curves, bands and areas.

    Raises
    ------
    ConfigError
        If there are fewer than 2 draws, or the grid leaves (0, 1].
    RowError
        If a value is not finite, a label is missing, or there is only one cluster.
    """
    points, count = _checked(grid, draws=draws, level=level)
    ranked = rank_rows(score, gamma, weights=weights)
    ways = clusterings(cluster, second_cluster, size=np.size(gamma), rows=ranked.order)
    drawn = [
        half_sample_deviations(ranked, samples, grid=points)
        for samples in _draws(ways, ranked.order, size=np.size(gamma), draws=count, rng=rng)
    ]
    full = _full(ranked, points)
    quantile = t_quantile(ways, level=level)
    return curve_bands(full, drawn, grid=points, quantile=quantile, level=level)


def paired_half_sample_bands(
    first: ArrayLike,
    second: ArrayLike,
    gamma: ArrayLike,
    cluster: ArrayLike,
    *,
    draws: int,
    rng: np.random.Generator,
    grid: ArrayLike,
    second_cluster: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    level: float = 0.95,
) -> PairedBands:
    """Compare two scores: curves and areas of each, and of the difference, with intervals.

    Both scores are computed on the same half-samples, so that what moves both alike cancels in
    the difference. Intervals are made as in `half_sample_bands`.

    Parameters
    ----------
    first, second : array_like, shape (n,)
        What to rank by, higher is better, from models that did not see these rows.
    gamma, cluster, draws, rng, grid, second_cluster, weights, level
        As in `half_sample_bands`.

    Returns
    -------
    PairedBands
        Each score, and first minus second.

    Raises
    ------
    ConfigError
        If there are fewer than 2 draws, or the grid leaves (0, 1].
    RowError
        If a value is not finite, a label is missing, or there is only one cluster.
    """
    points, count = _checked(grid, draws=draws, level=level)
    rankings = [rank_rows(score, gamma, weights=weights) for score in (first, second)]
    order = rankings[0].order
    ways = clusterings(cluster, second_cluster, size=np.size(gamma), rows=order)
    one, other = [], []
    for samples in _draws(ways, order, size=np.size(gamma), draws=count, rng=rng):
        one.append(half_sample_deviations(rankings[0], samples, grid=points))
        other.append(half_sample_deviations(rankings[1], samples, grid=points))
    full = [_full(ranked, points) for ranked in rankings]
    quantile = t_quantile(ways, level=level)

    def bands(point: RankStatistics, drawn: list[RankStatistics]) -> CurveBands:
        return curve_bands(point, drawn, grid=points, quantile=quantile, level=level)

    return PairedBands(
        first=bands(full[0], one),
        second=bands(full[1], other),
        difference=bands(
            full[0].minus(full[1]), [a.minus(b) for a, b in zip(one, other, strict=True)]
        ),
    )


def _checked(grid: ArrayLike, *, draws: int, level: float) -> tuple[Array, int]:
    share(level, name="level")
    points = float_vector(grid, name="grid")
    if points.min() <= 0 or points.max() > 1:
        raise ConfigError(
            expected="a grid of shares in (0, 1]",
            came=f"shares from {points.min()} to {points.max()}",
            do="Choose for example np.linspace(0.01, 1, 100).",
        )
    return points, positive_count(draws, name="draws", least=2)


def _draws(
    ways: list[Clusters], order: IntArray, *, size: int, draws: int, rng: np.random.Generator
) -> Iterator[HalfSamples]:
    """Draw half-samples of each clustering, with codes in the order of the caller's rows."""
    for way in ways:
        codes = np.zeros(size, dtype=np.int64)
        codes[order] = way.codes
        yield HalfSamples.draw(Clusters(codes, way.count), draws=draws, rng=rng)


def _full(ranked: RankedRows, grid: Array) -> RankStatistics:
    return rank_statistics(
        ranked.block_sums(ranked.weights)[None, :],
        ranked.block_sums(ranked.weights * ranked.gamma)[None, :],
        grid=grid,
    )
