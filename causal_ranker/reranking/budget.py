"""A bound on the loss of base score: the smallest weight on the base score that keeps it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.reranking.lists import BaseOrder
from causal_ranker.reranking.slots import Frame, best_of

__all__ = ["BaseBudget", "undominated"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: The weight on the base score is found to 2 ** -16.
_HALVINGS: Final = 16
#: For at most so many lists, so many halvings are tried at a time.
_AHEAD: Final = ((2, 8), (32, 4))


class BaseBudget:
    """Lists that lose no more base score than they may.

    Parameters
    ----------
    share : float
        Largest loss, as a share of the largest loss that a request allows.
    slots : int
        Slots whose base scores count.
    base_score : ndarray of float64, shape (n,)
        Base scores of the candidates.
    order : BaseOrder
        Their base order.
    """

    def __init__(self, share: float, *, slots: int, base_score: Array, order: BaseOrder) -> None:
        self._share, self._base = share, base_score
        places = np.arange(slots)
        there = places < order.counts[:, None]
        ends = order.starts + order.counts - 1
        best = order.rows[np.where(there, order.starts[:, None] + places, 0)]
        worst = order.rows[np.where(there, ends[:, None] - places, 0)]
        self._best = _sums(np.where(there, base_score[best], 0.0))
        self._range = self._best - _sums(np.where(there, base_score[worst], 0.0))

    def keep(
        self,
        places: IntArray,
        frame: Frame,
        score: Array,
        rows: IntArray,
        *,
        requests: IntArray,
    ) -> IntArray:
        """Give the base score as little weight as does, in the lists that lose too much.

        Parameters
        ----------
        places : ndarray of int64, shape (r, slots)
            What stands in the slots without any weight on the base score.
        frame : Frame
            The lists' rules.
        score : ndarray of float64, shape (r, w)
            What they are ordered by.
        rows : ndarray of int64, shape (r, w)
            Rows of the candidates.
        requests : ndarray of int64, shape (r,)
            Numbers of the requests.

        Returns
        -------
        ndarray of int64, shape (r, slots)
            Places that keep the budget.
        """
        base = self._base[rows]
        over = np.flatnonzero(self._too_much(places, base, requests))
        if not over.size:
            return places
        frame, base, requests = frame.take(over), base[over], requests[over]
        wish, safe = _unit(score[over], frame.real), _unit(base, frame.real)
        caps = np.ones(over.size, dtype=bool)
        floors = np.ones(over.size, dtype=bool)
        each = np.arange(over.size)

        def filled(weight: Array, at: IntArray) -> tuple[IntArray, Mask]:
            mixed = (1.0 - weight)[:, None] * wish[at] + weight[:, None] * safe[at]
            some = frame if at is each else frame.take(at)
            found = some.fill(best_of(mixed), keep_floors=floors[at], keep_caps=caps[at])
            return found, self._too_much(found, base[at], requests[at])

        ones = np.ones(over.size)
        kept, lost = filled(ones, each)
        for given_up, rules in ((caps, frame.caps), (floors, frame.floors)):
            if rules and lost.any():
                given_up[lost] = False
                kept, lost = filled(ones, each)
        low, high = np.zeros(over.size), ones
        # Few lists are as quick to fill at once for all weights that the next halvings may ask for.
        ahead = next((steps for few, steps in _AHEAD if over.size <= few), 1)
        parts = 1 << ahead
        inner = np.arange(1, parts) / parts
        for _ in range(_HALVINGS // ahead):
            weights = low[:, None] + (high - low)[:, None] * inner
            at = each if ahead == 1 else np.repeat(each, inner.size)
            tried, lost = filled(weights.ravel(), at)
            below, above = np.zeros(over.size, dtype=np.int64), np.full(over.size, parts)
            for _ in range(ahead):
                middle = (below + above) // 2
                cell = each * inner.size + middle - 1
                bad = lost[cell]
                kept[~bad] = tried[cell[~bad]]
                below, above = np.where(bad, middle, below), np.where(bad, above, middle)
            low, high = low + (high - low) * below / parts, low + (high - low) * above / parts
        result = places.copy()
        result[over] = kept
        return result

    def _too_much(self, places: IntArray, base: Array, requests: IntArray) -> Mask:
        # in base order, so that the base list's own items lose nothing at all
        width = base.shape[1]
        at = np.sort(np.where(places < 0, width, places), axis=1)
        there = at < width
        got = _sums(np.where(there, np.take_along_axis(base, np.where(there, at, 0), 1), 0.0))
        lost: Mask = self._best[requests] - got > self._share * self._range[requests]
        return lost


def _sums(values: Array) -> Array:
    # one after the other, so that empty slots at the end change no digit
    total: Array = np.cumsum(values, axis=1)[:, -1]
    return total


def _unit(values: Array, real: Mask) -> Array:
    """Map the values of each list to 0 .. 1; equal ones to 0."""
    low = np.where(real, values, np.inf).min(axis=1, keepdims=True)
    extent = np.where(real, values, -np.inf).max(axis=1, keepdims=True) - low
    return np.where(real, values - low, 0.0) / np.where(extent > 0, extent, 1.0)


def undominated(score: Array, rows: IntArray, real: Mask, *, slots: int) -> tuple[IntArray, Mask]:
    """Leave out items that no mix of score and base score brings into the slots.

    In base order, an item below as many items of at least its score stays behind all of them,
    whatever the weight. Of places 2^j to 2^(j+1) times the slots, those are left out that do not
    beat the slots-th best score above.

    Parameters
    ----------
    score : ndarray of float64, shape (r, w)
        Scores, in base order.
    rows, real : ndarray, shape (r, w)
        A chunk of `BaseOrder.chunks`.
    slots : int
        Slots.

    Returns
    -------
    rows, real : ndarray, shape (r, v)
        The items that are left, in base order.
    """
    score = np.where(real, score, -np.inf)
    keep = real.copy()
    width = score.shape[1]
    first = slots
    while first < width:
        above = score[:, :first]
        bar = np.partition(above, first - slots, axis=1)[:, first - slots, None]
        keep[:, first : 2 * first] &= score[:, first : 2 * first] > bar
        first *= 2
    counts = keep.sum(axis=1)
    there = np.arange(int(counts.max())) < counts[:, None]
    places = np.zeros(there.shape, dtype=np.int64)
    places[there] = np.nonzero(keep)[1]
    return np.take_along_axis(rows, places, axis=1), there
