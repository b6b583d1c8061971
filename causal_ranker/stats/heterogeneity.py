"""Whether estimates of several groups differ by more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from causal_ranker.stats._arrays import share
from causal_ranker.stats.intervals import Interval

__all__ = ["Heterogeneity", "heterogeneity"]


@dataclass(frozen=True)
class Heterogeneity:
    """Independent estimates beside each other.

    Parameters
    ----------
    everywhere : tuple of Interval
        The estimates with wider intervals, which hold all truths at once with the stated
        probability.
    p_value : float
        Of one truth for all (Cochran's Q, chi-squared); NaN where there is only one estimate.
    """

    everywhere: tuple[Interval, ...]
    p_value: float


def heterogeneity(estimates: Sequence[Interval], *, level: float = 0.95) -> Heterogeneity:
    """Compare independent estimates of one thing, such as effects in groups of users.

    ``Q = sum w_g (e_g - e)^2`` with ``w_g = 1 / se_g^2`` and e their weighted mean (Cochran, 1954).
    Intervals take the level ``level ** (1 / g)`` (Sidak, 1967), and normal quantiles: groups are
    large.

    Parameters
    ----------
    estimates : sequence of Interval
        One per group, with standard errors above 0; there may be none.
    level : float
        Probability that all intervals hold their truths.

    Returns
    -------
    Heterogeneity
        Intervals, and the test.
    """
    from scipy.stats import chi2, norm

    if not estimates:
        return Heterogeneity((), float("nan"))
    point = np.array([each.point for each in estimates])
    error = np.array([each.standard_error for each in estimates])
    weight = 1 / error**2
    spread = float(weight @ (point - np.average(point, weights=weight)) ** 2)
    inside = share(level, name="level") ** (1 / point.size)
    quantile = float(norm.ppf(0.5 + inside / 2))
    return Heterogeneity(
        tuple(
            Interval.around(each.point, error=each.standard_error, quantile=quantile)
            for each in estimates
        ),
        float(chi2.sf(spread, point.size - 1)) if point.size > 1 else float("nan"),
    )
