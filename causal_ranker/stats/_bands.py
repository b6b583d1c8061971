"""Curves on a grid with their bands, put together from the deviations of half-samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from causal_ranker.errors import ConfigError
from causal_ranker.stats._arrays import Array
from causal_ranker.stats._half_samples import RankStatistics
from causal_ranker.stats._interval import Interval, combined_variance

__all__ = ["Band", "CurveBands", "curve_bands", "half_sample_interval"]


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
    """TOC, Qini and uplift curves with bands, and the areas with intervals.

    Of one score, or of one score minus another: then every curve and area is the difference.

    Parameters
    ----------
    q : ndarray of float64, shape (g,)
        Shares from the top.
    toc : Band
        ``G(q)/q - G(1)``.
    qini : Band
        ``G(q) - q G(1)``.
    uplift : Band
        The uplift curve G(q): plays caused by exposing the best share q, per row of all.
    autoc_interval : Interval
        Area under the TOC.
    qini_interval : Interval
        Area under the Qini curve.
    level : float
        Probability that an interval or a band holds the truth.
    """

    q: Array
    toc: Band
    qini: Band
    uplift: Band
    autoc_interval: Interval
    qini_interval: Interval
    level: float

    def uplift_at(self, share: float) -> Interval:
        """Return the mean effect in the best share of the rows, ``G(q) / q``.

        Parameters
        ----------
        share : float
            q, a point of the grid.

        Returns
        -------
        Interval
            Plays per exposure.

        Raises
        ------
        ConfigError
            If the share is not a point of the grid.
        """
        found = np.flatnonzero(np.isclose(self.q, share, rtol=0, atol=1e-12))
        if not found.size:
            raise ConfigError(
                expected=f"a share among the {self.q.size} points of the grid",
                came=f"share = {share!r}",
                do="Put it in the grid that the curves are estimated on.",
            )
        at, band = int(found[0]), self.uplift
        return Interval(
            *(
                float(values[at]) / float(self.q[at])
                for values in (band.point, band.low, band.high, band.standard_error)
            )
        )


def curve_bands(
    full: RankStatistics,
    drawn: list[RankStatistics],
    *,
    grid: Array,
    quantile: float,
    level: float,
) -> CurveBands:
    """Put bands around curves and intervals around areas.

    Parameters
    ----------
    full : RankStatistics
        Of the full sample, one row.
    drawn : list of RankStatistics
        Scaled deviations of half-samples of one clustering, or of the first, the second and the
        crossed clustering.
    grid : ndarray of float64, shape (g,)
        Shares from the top.
    quantile : float
        How many standard errors a pointwise band goes to each side.
    level : float
        Probability that a band holds the truth.

    Returns
    -------
    CurveBands
        Curves, bands and areas.
    """

    def band(point: Array, deviations: list[Array]) -> Band:
        return _band(point[0], deviations, quantile=quantile, level=level)

    return CurveBands(
        q=grid.copy(),
        toc=band(full.toc, [way.toc for way in drawn]),
        qini=band(full.qini, [way.qini for way in drawn]),
        uplift=band(full.gain, [way.gain for way in drawn]),
        autoc_interval=half_sample_interval(
            float(full.autoc[0]), [way.autoc for way in drawn], quantile=quantile
        ),
        qini_interval=half_sample_interval(
            float(full.coefficient[0]), [way.coefficient for way in drawn], quantile=quantile
        ),
        level=level,
    )


def half_sample_interval(point: float, deviations: list[Array], *, quantile: float) -> Interval:
    """Put an interval around a figure.

    Parameters
    ----------
    point : float
        The figure of the full sample.
    deviations : list of ndarray of float64, shape (d,)
        Scaled deviations of half-samples, of one clustering or of three.
    quantile : float
        How many standard errors to go to each side.

    Returns
    -------
    Interval
        Symmetric about the point.
    """
    error = float(np.sqrt(combined_variance([_variance(rows) for rows in deviations])))
    return Interval.around(point, error=error, quantile=quantile)


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
