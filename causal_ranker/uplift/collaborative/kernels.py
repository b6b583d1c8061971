"""The loops over pairs: plain functions of arrays, which `compiled` hands to numba.

Each of the `_steps` takes its pairs one by one, in order, and steps down the gradient of that
pair's loss: the factors of a pair are read before any of them is changed, and every later pair
sees the change.
What is drawn, and with which weight, is decided outside, so that there is nothing here to be
wrong but the gradient. With s = p_u . q_i + b_i, a step of `pair_steps` is down

    w log(1 + exp(-slope (s_ui - s_uj))) + l2/2 (|p_u|^2 + |q_i|^2 + |q_j|^2 + b_i^2 + b_j^2).

Beyond 60 the margin counts as 60, where the slope of the loss is below 1e-26.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, ParamSpec, cast

import numpy as np
from numpy.typing import NDArray

from causal_ranker._extras import require
from causal_ranker.uplift.collaborative.prefetch import AHEAD, prefetch_row, teach_prefetching

__all__ = ["absent_items", "compiled", "pair_steps", "point_steps", "tied_steps"]

_P = ParamSpec("_P")
Codes = NDArray[np.int32]
Floats = NDArray[np.float32]
Places = NDArray[np.int64]

#: Sums in any order and fused multiplications, which let a loop run eight or sixteen numbers wide.
#: Not among them: the promise that nothing is infinite or NaN, as a diverging fit must show.
FASTMATH: Final = frozenset({"reassoc", "contract", "nsz", "arcp", "afn"})


def pair_steps(
    user: Codes,
    liked: Codes,
    other: Codes,
    weight: Floats,
    slope: Floats,
    users: Floats,
    items: Floats,
    bias: Floats,
    rate: np.float32,
    l2: np.float32,
) -> None:
    """Step down the pairwise logistic loss of each (user, liked, other).

    Parameters
    ----------
    user, liked, other : ndarray of int32, shape (n,)
        Codes; liked and other differ.
    weight : ndarray of float32, shape (n,)
        Importance weight w.
    slope : ndarray of float32, shape (n,)
        omega; negative where the liked item is to rank lower.
    users, items : ndarray of float32, shape (n_users, k) and (n_items, k)
        Factors, changed in place.
    bias : ndarray of float32, shape (n_items,)
        Changed in place.
    rate, l2 : float32
        Learning rate, and strength of the penalty.
    """
    one, edge = np.float32(1), np.float32(60)
    keep = one - rate * l2
    for n in range(user.shape[0]):
        if n + AHEAD < user.shape[0]:
            prefetch_row(users, np.uint32(user[n + AHEAD]))
            prefetch_row(items, np.uint32(liked[n + AHEAD]))
            prefetch_row(items, np.uint32(other[n + AHEAD]))
        # Unsigned codes spare the compiler the question whether they count from the end.
        u, i, j = np.uint32(user[n]), np.uint32(liked[n]), np.uint32(other[n])
        margin = bias[i] - bias[j]
        for f in range(users.shape[1]):
            margin += users[u, f] * (items[i, f] - items[j, f])
        z = slope[n] * margin
        if z > edge:
            z = edge
        elif z < -edge:
            z = -edge
        step = np.float32(rate * weight[n] * slope[n] / (one + np.exp(z)))
        for f in range(users.shape[1]):
            p, q, r = users[u, f], items[i, f], items[j, f]
            users[u, f] = keep * p + step * (q - r)
            items[i, f] = keep * q + step * p
            items[j, f] = keep * r - step * p
        bias[i] = keep * bias[i] + step
        bias[j] = keep * bias[j] - step


def point_steps(
    user: Codes,
    item: Codes,
    label: Floats,
    users: Floats,
    items: Floats,
    bias: Floats,
    rate: np.float32,
    l2: np.float32,
) -> None:
    """Step down the log-loss of each pair, ``log(1 + exp(-y s))``, y = 1 or -1, and its penalty.

    Parameters
    ----------
    user, item : ndarray of int32, shape (n,)
        Codes.
    label : ndarray of float32, shape (n,)
        y, 1 or -1.
    users, items : ndarray of float32, shape (n_users, k) and (n_items, k)
        Factors, changed in place.
    bias : ndarray of float32, shape (n_items,)
        Changed in place.
    rate, l2 : float32
        Learning rate, and strength of ``l2/2 (|p_u|^2 + |q_i|^2 + b_i^2)``.
    """
    one, edge = np.float32(1), np.float32(60)
    keep = one - rate * l2
    for n in range(user.shape[0]):
        if n + AHEAD < user.shape[0]:
            prefetch_row(users, np.uint32(user[n + AHEAD]))
            prefetch_row(items, np.uint32(item[n + AHEAD]))
        u, i = np.uint32(user[n]), np.uint32(item[n])
        score = bias[i]
        for f in range(users.shape[1]):
            score += users[u, f] * items[i, f]
        z = label[n] * score
        if z > edge:
            z = edge
        elif z < -edge:
            z = -edge
        step = np.float32(rate * label[n] / (one + np.exp(z)))
        for f in range(users.shape[1]):
            p, q = users[u, f], items[i, f]
            users[u, f] = keep * p + step * q
            items[i, f] = keep * q + step * p
        bias[i] = keep * bias[i] + step


def tied_steps(
    user: Codes,
    item: Codes,
    arm: Codes,
    label: Floats,
    users: Floats,
    items: Floats,
    bias: Floats,
    rate: np.float32,
    l2: np.float32,
    tie: np.float32,
) -> None:
    """Step down the log-loss of each pair in its arm, the arms' factors held together.

    The loss of a pair of arm a is that of `point_steps` of ``p_au . q_ai + b_ai``, plus
    ``tie/2 (|p_1u - p_0u|^2 + |q_1i - q_0i|^2 + (b_1i - b_0i)^2)``.

    Parameters
    ----------
    user, item : ndarray of int32, shape (n,)
        Codes.
    arm : ndarray of int32, shape (n,)
        0 or 1.
    label : ndarray of float32, shape (n,)
        y, 1 or -1.
    users, items : ndarray of float32, shape (2, n_users, k) and (2, n_items, k)
        Factors of both arms, changed in place.
    bias : ndarray of float32, shape (2, n_items)
        Changed in place.
    rate, l2, tie : float32
        Learning rate, and strengths of the penalties.
    """
    one, edge = np.float32(1), np.float32(60)
    keep, pull = one - rate * l2, rate * tie
    for n in range(user.shape[0]):
        u, i = np.uint32(user[n]), np.uint32(item[n])
        a = np.uint32(arm[n])
        c = np.uint32(1 - arm[n])
        score = bias[a, i]
        for f in range(users.shape[2]):
            score += users[a, u, f] * items[a, i, f]
        z = label[n] * score
        if z > edge:
            z = edge
        elif z < -edge:
            z = -edge
        step = np.float32(rate * label[n] / (one + np.exp(z)))
        for f in range(users.shape[2]):
            p, q = users[a, u, f], items[a, i, f]
            apart_p, apart_q = pull * (p - users[c, u, f]), pull * (q - items[c, i, f])
            users[a, u, f] = keep * p + step * q - apart_p
            items[a, i, f] = keep * q + step * p - apart_q
            users[c, u, f] += apart_p
            items[c, i, f] += apart_q
        apart_b = pull * (bias[a, i] - bias[c, i])
        bias[a, i] = keep * bias[a, i] + step - apart_b
        bias[c, i] += apart_b


def absent_items(user: Codes, rank: Codes, starts: Places, before: Codes, item: Codes) -> None:
    """Find the items that a user's list leaves out, by their rank among these.

    Parameters
    ----------
    user : ndarray of int32, shape (n,)
        Codes.
    rank : ndarray of int32, shape (n,)
        From 0, below the number of items that the user's list leaves out.
    starts : ndarray of int64, shape (n_users + 1,)
        Where each user's list starts in `before`, and where the last one ends.
    before : ndarray of int32
        How many items that are not listed come before each listed one, by user, in order.
    item : ndarray of int32, shape (n,)
        Filled: the rank, plus the number of listed items with no more than so many before them.
    """
    for n in range(user.shape[0]):
        first = starts[user[n]]
        low, high = first, starts[user[n] + 1]
        while low < high:
            middle = (low + high) // 2
            if before[middle] <= rank[n]:
                low = middle + 1
            else:
                high = middle
        item[n] = rank[n] + (low - first)


@cache
def compiled(loop: Callable[_P, None]) -> Callable[_P, None]:
    """Compile a loop of this module for one thread.

    Machine code is kept on disk beside the module, or where the user's caches are, for processors
    of the same kind; where neither can be written, each process compiles (half a second a loop).
    It is made anew when this module changes, not when `prefetch` does.

    Parameters
    ----------
    loop : callable
        `pair_steps` and the others.

    Returns
    -------
    callable
        The same steps, about two thousand times as fast; sums are in another order.

    Raises
    ------
    MissingExtraError
        If numba is not installed.
    """
    numba: Any = require("numba", extra="collaborative")
    teach_prefetching()
    try:
        fast = numba.njit(loop, cache=True, fastmath=set(FASTMATH))
    except RuntimeError:  # no place to keep the machine code in
        fast = numba.njit(loop, fastmath=set(FASTMATH))
    return cast("Callable[_P, None]", fast)
