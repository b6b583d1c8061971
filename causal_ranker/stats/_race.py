"""Who arrives as the first, second, ... k-th in an exponential race.

``P(i is s-th) = int_0^inf r_i e^{-r_i t} P(s - 1 others arrived by t) dt``. The integral is taken
over log t by the trapezoid rule, which converges exponentially for such integrands (Trefethen and
Weideman, 2014).
"""

from __future__ import annotations

import numpy as np

from causal_ranker.stats._arrays import Array
from causal_ranker.stats._placing import chances_by_place

__all__ = ["places_in_race"]

# An item with log(rate * time) outside this window adds less than 1e-11 to its integral.
_EARLY, _LATE = -27.0, 4.0
_CELLS = 2_000_000


def places_in_race(log_rate: Array, *, places: int) -> Array:
    """Return each item's probability of arriving as the first, second, ... k-th.

    Parameters
    ----------
    log_rate : ndarray of float64, shape (n,)
        Log rates, finite, the largest 0.
    places : int
        k, with ``1 <= k < n``.

    Returns
    -------
    ndarray of float64, shape (n, k)
        Probabilities; over places they sum to that of arriving among the first k. Memory is bounded
        by a few arrays of 2 million cells (or n k, if that is more).
    """
    # the k-th arrival has relative spread 1/sqrt(k), which sets the step
    step = 0.55 / np.sqrt(max(places, 9))
    log_time = _log_times(log_rate, places=places, step=step)
    at_once = max(1, _CELLS // (log_rate.size * places))
    found = np.zeros((log_rate.size, places))
    for start in range(0, log_time.size, at_once):
        some = log_time[start : start + at_once]
        expected = np.exp(np.minimum(log_rate[:, None] + some, 700.0))
        absent = np.exp(-expected)
        density = expected * absent * step
        found += chances_by_place(absent, -np.expm1(-expected), density, places=places)
    chances: Array = np.minimum(found, 1.0)
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
