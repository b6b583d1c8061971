"""The interval, and how variances of several clusterings become one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from causal_ranker.stats._arrays import Array, share
from causal_ranker.stats._codes import Clusters
from causal_ranker.stats._student import two_sided_quantile

__all__ = ["Interval", "combined_variance", "linearised", "t_quantile"]


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval, all in the unit of the estimate.

    Parameters
    ----------
    point : float
        The estimate.
    low, high : float
        Ends of the interval.
    standard_error : float
        Standard error of the estimate.
    """

    point: float
    low: float
    high: float
    standard_error: float

    @classmethod
    def around(cls, point: float, *, error: float, quantile: float) -> Interval:
        """Build the symmetric interval.

        Parameters
        ----------
        point : float
            The estimate.
        error : float
            Its standard error.
        quantile : float
            How many standard errors to go to each side.

        Returns
        -------
        Interval
            ``point -/+ quantile * error``.
        """
        return cls(point, point - quantile * error, point + quantile * error, error)


def combined_variance(variances: list[Array]) -> Array:
    """Combine the variances of each clustering into that of the estimate.

    Parameters
    ----------
    variances : list of ndarray
        One entry, or those of the first, the second and the crossed clustering.

    Returns
    -------
    ndarray
        One-way: as it is. Two-way: V1 + V2 - V12, but not below the larger of V1 and V2.
    """
    if len(variances) == 1:
        return variances[0]
    first, second, both = variances
    return np.asarray(np.maximum(first + second - both, np.maximum(first, second)))


def t_quantile(ways: list[Clusters], *, level: float) -> float:
    """Return the two-sided quantile for the smaller number of clusters.

    Parameters
    ----------
    ways : list of Clusters
        One clustering, or first, second and crossed.
    level : float
        Probability inside, in (0, 1).

    Returns
    -------
    float
        Student's t with ``min(C1, C2) - 1`` degrees of freedom.
    """
    return two_sided_quantile(level, degrees=min(way.count for way in ways[:2]) - 1)


def linearised(
    point: float, contributions: Array, *, ways: list[Clusters], level: float
) -> Interval:
    """Build the interval of an estimate that is, up to its error, a sum over rows.

    Parameters
    ----------
    point : float
        The estimate.
    contributions : ndarray of float64, shape (n,)
        What each row adds to the estimate's error; they sum to 0.
    ways : list of Clusters
        One clustering of the rows, or first, second and crossed.
    level : float
        Probability that the interval holds the truth.

    Returns
    -------
    Interval
        With Student's quantile for the smaller number of clusters.
    """
    quantile = t_quantile(ways, level=share(level, name="level"))

    def variance(way: Clusters) -> Array:
        sums = np.bincount(way.codes, weights=contributions, minlength=way.count)
        return np.asarray(way.count / (way.count - 1) * (sums @ sums))

    error = float(np.sqrt(combined_variance([variance(way) for way in ways])))
    return Interval.around(point, error=error, quantile=quantile)
