"""Intervals over users of what a ranking of cold items gives."""

from __future__ import annotations

from causal_ranker.coldstart.metrics import ListMetrics
from causal_ranker.coldstart.uncertainty import gain_interval, ndcg_interval

__all__ = ["intervals"]


def intervals(*rankings: ListMetrics) -> dict[str, tuple[float, float]]:
    """Give the ends of 95 % intervals; half-widths would hide that a share cannot be below 0.

    Parameters
    ----------
    *rankings : ListMetrics
        One for each seed: it is their mean that the intervals are of.

    Returns
    -------
    dict of str to two floats
        ``ndcg15_interval`` and ``mdg_min10_interval``.
    """
    utility = ndcg_interval(*rankings, k=15)
    worst = gain_interval(*rankings, lowest=10)
    return {
        "ndcg15_interval": (utility.low, utility.high),
        "mdg_min10_interval": (worst.low, worst.high),
    }
