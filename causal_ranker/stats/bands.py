"""Bands around the TOC and Qini curves, from half-samples of clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.errors import ConfigError
from causal_ranker.stats._arrays import Array, float_vector, positive_count, share
from causal_ranker.stats._codes import clusterings
from causal_ranker.stats._half_samples import half_sample_deviations, rank_statistics
from causal_ranker.stats._interval import Interval, combined_variance, t_quantile
from causal_ranker.stats._ranked import rank_rows

__all__ = ["Band", "CurveBands", "half_sample_bands"]


@dataclass(frozen=True)
class Band:
    """A curve on a grid with two bands, each array of shape (g,).

    Parameters
    ----------
    point : ndarray of float64
        The curve.
    low, high : ndarray of float64
        Pointwise band: holds the truth at any one point with the stated probability.
    low_everywhere, high_everywhere : ndarray of float64
        Simultaneous band: holds the whole true curve with the stated probability.
    standard_error : ndarray of float64
        Standard error at each point.
    """

    point: Array
    low: Array
    high: Array
    low_everywhere: Array
    high_everywhere: Array
    standard_error: Array


@dataclass(frozen=True)
class CurveBands:
    """TOC and Qini curves with bands, and their areas with intervals.

    Parameters
    ----------
    q : ndarray of float64, shape (g,)
        Shares from the top.
    toc : Band
        ``G(q)/q - G(1)``.
    qini : Band
        ``G(q) - q G(1)``.
    autoc_interval : Interval
        Area under the TOC.
    qini_interval : Interval
        Area under the Qini curve.
    """

    q: Array
    toc: Band
    qini: Band
    autoc_interval: Interval
    qini_interval: Interval


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
    """Put bands around the TOC and Qini curves, and intervals around their areas.

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
    share(level, name="level")
    points = float_vector(grid, name="grid")
    if points.min() <= 0 or points.max() > 1:
        raise ConfigError(
            expected="a grid of shares in (0, 1]",
            came=f"shares from {points.min()} to {points.max()}",
            do="Choose for example np.linspace(0.01, 1, 100).",
        )
    count = positive_count(draws, name="draws", least=2)
    ranked = rank_rows(score, gamma, weights=weights)
    ways = clusterings(cluster, second_cluster, size=np.size(gamma), rows=ranked.order)
    full = rank_statistics(
        ranked.block_sums(ranked.weights)[None, :],
        ranked.block_sums(ranked.weights * ranked.gamma)[None, :],
        grid=points,
    )
    drawn = [half_sample_deviations(ranked, way, draws=count, rng=rng, grid=points) for way in ways]
    quantile = t_quantile(ways, level=level)

    def band(point: Array, deviations: list[Array]) -> Band:
        return _band(point[0], deviations, quantile=quantile, level=level)

    def area(point: Array, deviations: list[Array]) -> Interval:
        error = float(np.sqrt(combined_variance([_variance(rows) for rows in deviations])))
        return Interval.around(float(point[0]), error=error, quantile=quantile)

    return CurveBands(
        q=points.copy(),
        toc=band(full.toc, [way.toc for way in drawn]),
        qini=band(full.qini, [way.qini for way in drawn]),
        autoc_interval=area(full.autoc, [way.autoc for way in drawn]),
        qini_interval=area(full.coefficient, [way.coefficient for way in drawn]),
    )


def _variance(deviations: Array) -> Array:
    return np.asarray(np.square(deviations).sum(axis=0) / (deviations.shape[0] - 1))


def _band(point: Array, deviations: list[Array], *, quantile: float, level: float) -> Band:
    error = np.sqrt(combined_variance([_variance(rows) for rows in deviations]))
    wide = max(quantile, *(_largest(rows, level=level) for rows in deviations[:2]))
    return Band(
        point=point,
        low=point - quantile * error,
        high=point + quantile * error,
        low_everywhere=point - wide * error,
        high_everywhere=point + wide * error,
        standard_error=error,
    )


def _largest(deviations: Array, *, level: float) -> float:
    """Quantile over draws of the largest standardised deviation on the grid."""
    error = np.sqrt(_variance(deviations))
    moving = error > 0
    if not moving.any():
        return 0.0
    return float(np.quantile((np.abs(deviations[:, moving]) / error[moving]).max(axis=1), level))
