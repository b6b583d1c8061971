"""Marginal slot propensities of Plackett-Luce, exact and for many requests at once.

Plackett-Luce is a race: candidate i arrives at an exponential time with rate ``w_i``, its share
of the softmax, and the first k to arrive fill slots 1 .. k. Hence

``P(slot_i = s) = integral of w_i exp(-w_i t) P(N_i(t) = s - 1) dt``,

where ``N_i(t)`` counts the *other* candidates that arrived by t, a Poisson-binomial variable.
One recursion over candidates gives the distribution of the count N of all; taking candidate i
out again is one subtraction per slot: with ``D_m = (1 - F_i) P(N_i = m)`` and the odds
``o = F_i / (1 - F_i)``, ``P(N = m) = D_m + o D_{m-1}``. Solved upwards from ``D_0 = P(N = 0)`` a
rounding error grows by o per slot, solved downwards from ``D_K = 0`` it shrinks by o, so small
odds go up and large odds go down.
"""

from __future__ import annotations

import numpy as np

from causal_ranker.stats._arrays import Array

__all__ = ["chances_by_slot"]

# Rounding errors, or the error of starting from 0, may grow or must shrink by this much.
_ROUNDING_GROWTH = 1e7
_START_ERROR = 1e-8
# The race is over when fewer than k arrivals have a log probability below this.
_LOG_TAIL = -18.0
_SMALLEST_LOG_SHARE = -200.0
_LARGEST_EXPONENT = 600.0  # exp of it is still a number
_REQUESTS_AT_ONCE = 32  # keeps the working arrays in the processor's cache


def chances_by_slot(log_rate: Array, slots: int) -> Array:
    """Return P(candidate is placed in slot s) for every request, candidate and slot.

    Summed over slots this is the inclusion propensity, P(placed in the slate).

    Parameters
    ----------
    log_rate : ndarray, shape (requests, candidates)
        Scores over temperature, finite; of a request's, the k highest within 150 of each other.
    slots : int
        k, the length of the slate, less than the number of candidates and at most 20.

    Returns
    -------
    ndarray of float64, shape (requests, candidates, slots)
        Probabilities, with an absolute error below 1e-6.
    """
    share = _shares(log_rate)
    order = np.argsort(-share, axis=1, kind="stable")
    share = np.take_along_axis(share, order, axis=1)
    end = _race_end(share, slots)
    nodes, node_weights = np.polynomial.legendre.leggauss(_node_count(end))
    placed = np.empty((*share.shape, slots))
    for first in range(0, len(share), _REQUESTS_AT_ONCE):
        part = slice(first, first + _REQUESTS_AT_ONCE)
        # t = exp(b v) - 1: linear where the first arrive, logarithmic where stragglers do
        stretch = np.log1p(end[part])[:, None]
        v = (nodes + 1) / 2
        time = np.expm1(stretch * v)
        step = stretch * np.exp(stretch * v) * node_weights / 2
        placed[part] = _integrate(share[part], slots, time=time, step=step)
    unsorted = np.empty_like(placed)
    np.put_along_axis(unsorted, order[:, :, None], placed, axis=1)
    return unsorted


def _shares(logits: Array) -> Array:
    logits = logits - logits.max(axis=1, keepdims=True)
    weights = np.exp(np.maximum(logits, _SMALLEST_LOG_SHARE))
    shares: Array = weights / weights.sum(axis=1, keepdims=True)
    return shares


def _node_count(end: Array) -> int:
    # each unit of log time costs four Gauss nodes for 1e-8; checked in the tests
    return 10 + int(np.ceil(4 * np.log1p(end.max())))


def _race_end(share: Array, slots: int) -> Array:
    """Return a time per request by which k candidates have arrived, but for exp(-25).

    Two Chernoff bounds, on too few arrivals and on too many missing, whichever is smaller.
    """
    low = np.zeros(len(share))
    high = np.full(len(share), 10.0 - _SMALLEST_LOG_SHARE)
    few = max(slots - 1, 0.5)  # k = 1: the bound on P(N = 0) by that on P(N <= 1/2)
    many = share.shape[1] - slots + 1
    for _ in range(18):
        middle = (low + high) / 2
        missing = np.exp(-share * np.exp(middle)[:, None]).sum(axis=1)
        arrived = share.shape[1] - missing
        ratio = np.maximum(arrived / few, 1.0)
        tail_few = few * (ratio - 1 - np.log(ratio))
        ratio = np.minimum(np.maximum(missing, 1e-300) / many, 1.0)
        tail_many = many * (ratio - 1 - np.log(ratio))
        over = np.maximum(tail_few, tail_many) > -_LOG_TAIL
        high = np.where(over, middle, high)
        low = np.where(over, low, middle)
    end: Array = np.exp(high)
    return end


def _integrate(share: Array, slots: int, *, time: Array, step: Array) -> Array:
    """Integrate one block of requests whose shares fall from left to right."""
    turn = _ROUNDING_GROWTH ** (1 / slots)
    top = min(slots + int(np.ceil(-np.log(_START_ERROR) / np.log(turn))), share.shape[1])
    exponent = share[:, :, None] * time[:, None, :]  # (requests, candidates, nodes)
    count = _counts(np.exp(-exponent), top)
    odds = np.expm1(np.minimum(exponent, _LARGEST_EXPONENT))
    measure = share[:, :, None] * step[:, None, :]
    down = odds > turn
    columns = int(down.any(axis=2).sum(axis=1).max())  # the larger shares: the first columns

    placed = np.empty((*share.shape, slots))
    upward = np.where(down, 0.0, measure)
    rising = np.where(down, 0.0, odds)
    left = np.zeros_like(odds)
    for m in range(slots):
        left *= rising
        np.subtract(count[m][:, None, :], left, out=left)
        placed[:, :, m] = np.einsum("rcn,rcn->rc", left, upward)
    downward = np.where(down, measure, 0.0)[:, :columns]
    falling = 1.0 / np.maximum(odds, turn)[:, :columns]
    left = np.zeros_like(falling)
    for m in range(top, 0, -1):
        np.subtract(count[m][:, None, :], left, out=left)
        left *= falling
        if m <= slots:
            placed[:, :columns, m - 1] += np.einsum("rcn,rcn->rc", left, downward)
    return np.clip(placed, 0.0, 1.0)


def _counts(stay: Array, top: int) -> Array:
    """Return P(N = m) for m = 0 .. top arrivals, shape (top + 1, requests, nodes)."""
    count = np.zeros((top + 1, stay.shape[0], stay.shape[2]))
    count[0] = 1.0
    one_more = np.empty_like(count[1:])
    for candidate in range(stay.shape[1]):
        here = stay[:, candidate]
        most = min(candidate + 1, top)
        np.multiply(count[:most], 1.0 - here, out=one_more[:most])
        count[: most + 1] *= here
        count[1 : most + 1] += one_more[:most]
    return count
