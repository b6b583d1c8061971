"""Who arrives among the first k of an exponential race.

``P(i) = int_0^inf r_i e^{-r_i t} P(fewer than k others arrived by t) dt``. The inner probability
is Poisson-binomial, by dynamic programming from both ends of the list, so that item i is left
out without a division. The outer integral is taken over log t by the trapezoid rule, which
converges exponentially for such integrands (Trefethen and Weideman, 2014).
"""

from __future__ import annotations

import numpy as np

from causal_ranker.stats._arrays import Array

__all__ = ["chances_among_first"]

# An item with log(rate * time) outside this window adds less than 1e-11 to its integral.
_EARLY, _LATE = -27.0, 4.0
_CELLS = 2_000_000


def chances_among_first(log_rate: Array, *, places: int) -> Array:
    """Return each item's probability of arriving among the first.

    Parameters
    ----------
    log_rate : ndarray of float64, shape (n,)
        Log rates, finite, the largest 0.
    places : int
        k, with ``1 <= k < n``.

    Returns
    -------
    ndarray of float64, shape (n,)
        Probabilities. Time is O(n k) per node; memory is bounded by a few arrays of 2 million
        cells (or n k, if that is more).
    """
    # the k-th arrival has relative spread 1/sqrt(k), which sets the step
    step = 0.55 / np.sqrt(max(places, 9))
    log_time = _log_times(log_rate, places=places, step=step)
    at_once = max(1, _CELLS // (log_rate.size * places))
    total = np.zeros(log_rate.size)
    for start in range(0, log_time.size, at_once):
        total += _integrand(log_rate, log_time[start : start + at_once], places=places)
    chances: Array = np.minimum(total * step, 1.0)
    return chances


def _log_times(log_rate: Array, *, places: int, step: float) -> Array:
    """Return the nodes: the union of each item's window, on one grid."""
    width = int((_LATE - _EARLY) / step) + 2
    first = np.floor((_EARLY - log_rate) / step).astype(np.int64)
    log_time = np.unique(first[:, None] + np.arange(width)) * step
    # once the k fastest have surely all arrived, every place is taken
    full = np.log(27.0 + np.log(places)) - np.partition(log_rate, -places)[-places]
    nodes: Array = log_time[log_time <= full + step]
    return nodes


def _integrand(log_rate: Array, log_time: Array, *, places: int) -> Array:
    """Sum over nodes of ``r_i t e^{-r_i t} P(fewer than k others arrived by t)``."""
    expected = np.exp(np.minimum(log_rate[:, None] + log_time, 700.0))
    absent = np.exp(-expected)
    arrived = -np.expm1(-expected)
    items, nodes = expected.shape
    before = np.empty((items, places, nodes))  # P(c of the items before i arrived), c < k
    state = np.zeros((places, nodes))
    state[0] = 1.0
    for item in range(items):
        before[item] = state
        state = _with_one_more(state, absent[item], arrived[item])
    state[:] = 0.0
    state[0] = 1.0
    total = np.empty(items)
    for item in range(items - 1, -1, -1):
        # pair c before with fewer than k - c after
        open_place = (before[item] * np.cumsum(state, axis=0)[::-1]).sum(axis=0)
        total[item] = (expected[item] * absent[item] * open_place).sum()
        state = _with_one_more(state, absent[item], arrived[item])
    return total


def _with_one_more(state: Array, absent: Array, arrived: Array) -> Array:
    grown = state * absent
    grown[1:] += state[:-1] * arrived
    return grown
