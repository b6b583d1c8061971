"""Drift of the effect itself, which no look at features can see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.stats._student import two_sided_quantile
from causal_ranker.stats.intervals import Interval, clustered_mean

__all__ = ["EffectDrift", "effect_drift"]


@dataclass(frozen=True)
class EffectDrift:
    """How the mean effect moved between two matured windows, in plays per impression.

    Parameters
    ----------
    reference, window : Interval
        Mean AIPW score of each.
    change : Interval
        Window less reference.
    drifted : bool
        Whether the interval of the change excludes 0.
    """

    reference: Interval
    window: Interval
    change: Interval
    drifted: bool


def effect_drift(
    reference: ArrayLike,
    window: ArrayLike,
    *,
    reference_clusters: ArrayLike,
    window_clusters: ArrayLike,
    level: float = 0.95,
) -> EffectDrift:
    """Compare the mean effect of two windows whose outcomes have matured.

    The windows are taken for independent: a user in both makes the interval too wide where its
    scores move together, and too narrow where they move against each other.

    Parameters
    ----------
    reference, window : array_like, shapes (n,) and (m,)
        AIPW scores (`causal_ranker.stats.aipw`) of rows of both windows.
    reference_clusters, window_clusters : array_like
        The user, or the unit of assignment, of each row.
    level : float
        Probability inside the intervals.

    Returns
    -------
    EffectDrift
        Both means and their difference.

    Raises
    ------
    EmptyError, RowError, SchemaError
        If a score is not finite, or the arrays do not fit.
    """
    before = clustered_mean(reference, reference_clusters, level=level)
    now = clustered_mean(window, window_clusters, level=level)
    groups = min(np.unique(np.asarray(ids)).size for ids in (reference_clusters, window_clusters))
    change = Interval.around(
        now.point - before.point,
        error=float(np.hypot(before.standard_error, now.standard_error)),
        quantile=two_sided_quantile(level, degrees=groups - 1),
    )
    return EffectDrift(before, now, change, drifted=not change.low <= 0 <= change.high)
