"""Rows sorted by score into tie blocks, and the two areas computed from block sums.

With a linear gain inside each block (which is what averaging over all orders of tied rows
gives), both areas are weighted sums of the block means ``g_j``::

    AUTOC = sum_j (g_j - g) [-q log q]      from q_{j-1} to q_j
    QINI  = sum_j (g_j - g) [q (1 - q) / 2] from q_{j-1} to q_j

because ``int_0^1 G(q)/q dq = int_0^1 gamma(u) (-log u) du`` and likewise for QINI, where
``gamma(u)`` is the score's mean at share u from the top. Nothing is approximated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.stats._arrays import Array, IntArray, float_vector, same_size, weight_vector

__all__ = ["RankedRows", "area_weights", "areas", "rank_rows"]


@dataclass(frozen=True)
class RankedRows:
    """Rows of positive weight, best score first.

    Parameters
    ----------
    order : ndarray of int64, shape (m,)
        Row numbers in the caller's arrays.
    gamma : ndarray of float64, shape (m,)
        Their doubly robust scores.
    weights : ndarray of float64, shape (m,)
        Their weights, all positive.
    starts : ndarray of int64, shape (b,)
        First sorted row of each tie block.
    """

    order: IntArray
    gamma: Array
    weights: Array
    starts: IntArray

    def block_sums(self, values: Array) -> Array:
        """Sum over each tie block.

        Parameters
        ----------
        values : ndarray of float64, shape (m,)
            One value per sorted row.

        Returns
        -------
        ndarray of float64, shape (b,)
            One sum per block.
        """
        if self.starts.size == self.order.size:
            return values
        return np.add.reduceat(values, self.starts)


def rank_rows(score: ArrayLike, gamma: ArrayLike, *, weights: ArrayLike | None) -> RankedRows:
    """Sort rows by score, best first, so that the input's row order leaves no trace.

    Parameters
    ----------
    score : array_like, shape (n,)
        What to rank by, higher is better; may be infinite, not NaN.
    gamma : array_like, shape (n,)
        Doubly robust scores.
    weights : array_like, shape (n,), or None
        Analysis weights; rows of weight 0 are left out.

    Returns
    -------
    RankedRows
        The sorted rows and their tie blocks.
    """
    s = float_vector(score, name="score", finite=False)
    g = float_vector(gamma, name="gamma")
    same_size(s.size, gamma=g)
    w = weight_vector(weights, size=s.size)
    order = np.flatnonzero(w)
    order = order[np.argsort(-s[order])]
    starts = _block_starts(s[order])
    if starts.size < order.size:
        # inside a tie, sort by value: sums then do not depend on the input's row order by a bit
        sizes = np.diff(starts, append=order.size)
        block = np.repeat(np.arange(starts.size), sizes)
        tied = np.flatnonzero(np.repeat(sizes > 1, sizes))
        rows = order[tied]
        order[tied] = rows[np.lexsort((w[rows], g[rows], block[tied]))]
    return RankedRows(order=order, gamma=g[order], weights=w[order], starts=starts)


def _block_starts(ranked: Array) -> IntArray:
    return np.flatnonzero(np.concatenate(([True], ranked[1:] != ranked[:-1])))


def areas(weight: Array, total: Array) -> tuple[Array, Array]:
    """Return AUTOC and QINI from block sums, along the last axis.

    Parameters
    ----------
    weight : ndarray of float64, shape (..., b)
        Sum of weights of each tie block, best first; may be 0.
    total : ndarray of float64, shape (..., b)
        Sum of ``weight * gamma`` of each block.

    Returns
    -------
    autoc, qini : ndarray of float64, shape (...)
        The areas, in the unit of gamma. Exactly 0 with a single block.
    """
    autoc, qini = area_weights(weight)
    mean = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    # centring changes neither area; it only keeps a large average effect from eating digits
    mean -= total.sum(axis=-1, keepdims=True) / weight.sum(axis=-1, keepdims=True)
    return (mean * autoc).sum(axis=-1), (mean * qini).sum(axis=-1)


def area_weights(weight: Array) -> tuple[Array, Array]:
    """Return how much each block's mean adds to AUTOC and QINI, along the last axis.

    Parameters
    ----------
    weight : ndarray of float64, shape (..., b)
        Sum of weights of each tie block, best first; may be 0.

    Returns
    -------
    autoc, qini : ndarray of float64, shape (..., b)
        ``[-q log q]`` and ``[q (1 - q) / 2]``, each from the start to the end of the block.
    """
    cumulative = np.cumsum(weight, axis=-1)
    q = cumulative / cumulative[..., -1:]
    before = np.zeros_like(q)
    before[..., 1:] = q[..., :-1]
    entropy = np.log(q, out=np.zeros_like(q), where=q > 0)
    entropy *= -q
    entropy[..., 1:] -= entropy[..., :-1].copy()
    return entropy, (q - before) * (1 - q - before) / 2
