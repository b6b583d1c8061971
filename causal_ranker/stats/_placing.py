"""Who comes first, second, ... k-th, where everybody comes at a moment of their own.

``P(i comes s-th) = integral of density_i(t) P(s - 1 of the others are there at t) dt``. How many
others are there is Poisson-binomial, by dynamic programming from both ends of the list, so that
item i is left out without a division. The moments, and how the integral is taken, are the caller's.
"""

from __future__ import annotations

import numpy as np

from causal_ranker.stats._arrays import Array

__all__ = ["chances_by_place"]


def chances_by_place(absent: Array, there: Array, density: Array, *, places: int) -> Array:
    """Return the chance of each item at each place, added up over the nodes of an integral.

    Parameters
    ----------
    absent, there : ndarray of float64, shape (n, nodes)
        Probabilities that an item has not come yet, and that it has.
    density : ndarray of float64, shape (n, nodes)
        Of its coming just then, times the weight of the node.
    places : int
        k, at most n.

    Returns
    -------
    ndarray of float64, shape (n, k)
        Chances, as exact as the integral. Memory is n k nodes, time k times as much.
    """
    items, nodes = absent.shape
    before = np.empty((items, places, nodes))  # P(c of the items before i are there), c < k
    state = np.zeros((places, nodes))
    state[0] = 1.0
    for item in range(items):
        before[item] = state
        state = _with_one_more(state, absent[item], there[item])
    state[:] = 0.0
    state[0] = 1.0
    together = np.empty((items, places, places))  # c before i are there, and d behind it
    for item in range(items - 1, -1, -1):
        together[item] = (before[item] * density[item]) @ state.T
        state = _with_one_more(state, absent[item], there[item])
    found = np.empty((items, places))
    for others in range(places):
        some = np.arange(others + 1)
        found[:, others] = together[:, some, others - some].sum(axis=1)
    return found


def _with_one_more(state: Array, absent: Array, there: Array) -> Array:
    grown = state * absent
    grown[1:] += state[:-1] * there
    return grown
