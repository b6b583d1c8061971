"""Slates by uniform swaps: the chance of each item in each slot, whatever stands in the others.

Slots are filled from the top. With probability epsilon a slot's item changes places with one drawn
evenly from the items that are left (itself among them). Where one item stands is then a Markov
chain of its own, because what is drawn does not depend on who stands where.
"""

from __future__ import annotations

import numpy as np

from causal_ranker.errors import ConfigError
from causal_ranker.stats._arrays import Array, positive_count

__all__ = ["swapped_slot_propensities"]


def swapped_slot_propensities(n: int, k: int, *, epsilon: float) -> Array:
    """Return the probability of each item in each slot.

    Parameters
    ----------
    n : int
        Items.
    k : int
        Slots.
    epsilon : float
        Probability of a swap in each slot.

    Returns
    -------
    ndarray of float64, shape (n, k)
        Exact but for rounding; row r is the item of rank r + 1 before any swap. Over items they
        sum to 1, over slots to the probability of being in the slate.

    Raises
    ------
    ConfigError
        If k is below 1 or above n, or epsilon is no probability.
    """
    slots = positive_count(k, name="k")
    if slots > n:
        raise ConfigError(
            expected="at least k items", came=f"k = {slots} and {n} items", do="Lower k."
        )
    if not 0 <= epsilon <= 1:
        raise ConfigError(
            expected="epsilon in [0, 1]", came=f"epsilon = {epsilon!r}", do="Give a probability."
        )
    stands = np.eye(n)  # of the item in a row, where it stands
    for slot in range(slots):
        each = epsilon / (n - slot)
        here, below = stands[:, slot].copy(), stands[:, slot + 1 :]
        stands[:, slot] = here * (1 - each * (n - slot - 1)) + each * below.sum(axis=1)
        stands[:, slot + 1 :] = below * (1 - each) + each * here[:, None]
    found: Array = stands[:, :slots]
    return found
