"""Which estimate of the uplift is the best, and which simpler one is as good.

Estimates are compared on rows that none of them was trained on, by the doubly robust gain: how
much nearer to the scores an estimate is than one effect for all. Differences of gains are paired,
row by row, so that the noise of the scores mostly cancels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker.stats.intervals import Interval, clustered_mean

__all__ = ["Entry", "League", "Scored", "rank_estimates"]


@dataclass(frozen=True)
class Scored:
    """Rows to judge estimates on, with doubly robust scores; all arrays of shape (n_rows,).

    Attributes
    ----------
    scores : numpy.ndarray
        Doubly robust scores, in plays per impression.
    weight : numpy.ndarray
        How much a row counts, positive.
    user, unit : numpy.ndarray
        Who, and where T was assigned: what intervals are clustered by. The same array where each
        user's T was assigned by itself.
    """

    scores: NDArray[np.float64]
    weight: NDArray[np.float64]
    user: NDArray[Any]
    unit: NDArray[Any]


@dataclass(frozen=True)
class Entry:
    """One estimate in the league.

    Attributes
    ----------
    name : str
        Whose estimate it is.
    gain : Interval
        Mean of ``(score - c)^2 - (score - estimate)^2`` with c the mean score: how much mean
        squared error the estimate takes off that of one effect for all, in squared plays per
        impression. 0 is one effect for all; negative is worse than that.
    behind : Interval
        Gain of the best entry less this one's.
    """

    name: str
    gain: Interval
    behind: Interval


@dataclass(frozen=True)
class League:
    """All estimates, simplest first.

    Attributes
    ----------
    entries : tuple of Entry
        In the order they were given, which is from simple to complex.
    best : str
        The one with the largest gain.
    chosen : str
        The simplest one that is no more than a standard error (of the paired difference) behind
        the best.
    """

    entries: tuple[Entry, ...]
    best: str
    chosen: str


def rank_estimates(
    estimates: Mapping[str, NDArray[np.float64]], judged: Scored, *, level: float = 0.95
) -> League:
    """Rank estimates by their doubly robust gain and apply the one-standard-error rule.

    Parameters
    ----------
    estimates : mapping of str to numpy.ndarray
        Estimated uplift of the judged rows by models that were not trained on them, nor on other
        rows of the same time and user, shape (n_rows,) each; simplest first.
    judged : Scored
        The rows.
    level : float
        Probability that an interval holds the truth.

    Returns
    -------
    League
        Every estimate with its gain.

    Raises
    ------
    RowError
        If there is only one user, or a value is not finite.
    """
    constant = np.average(judged.scores, weights=judged.weight)
    base = np.square(judged.scores - constant)

    def gain(name: str) -> NDArray[np.float64]:
        # Anew each time: of millions of rows, those of all estimates would be gigabytes.
        return base - np.square(judged.scores - estimates[name])

    def mean(values: NDArray[np.float64]) -> Interval:
        second = None if judged.unit is judged.user else judged.unit
        return clustered_mean(
            values, judged.user, second_cluster=second, weights=judged.weight, level=level
        )

    found = {name: mean(gain(name)) for name in estimates}
    best = max(found, key=lambda name: found[name].point)
    largest = gain(best)
    entries = tuple(
        Entry(name=name, gain=found[name], behind=mean(largest - gain(name))) for name in estimates
    )
    chosen = next(each.name for each in entries if each.behind.point <= each.behind.standard_error)
    return League(entries=entries, best=best, chosen=chosen)
