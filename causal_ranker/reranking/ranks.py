"""Arithmetic inside requests, vectorised over many of them: ranks and a common scale.

A request is one candidate list. Rows of one request need not stand together, but when they do
(the request codes never fall) no sort by request is needed, and when all lists have the same
length the rows are ranked as a matrix, about eight times faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import RowError

__all__ = ["rank_within", "standardise_within", "top_within"]

# Below this spread, relative to the largest absolute value of the request, differences are
# rounding noise of whoever computed the scores, and standardising would blow them up to order 1.
_CONSTANT = 1e-12


def rank_within(
    request: ArrayLike, score: ArrayLike, *, tie_break: ArrayLike | None = None
) -> NDArray[np.int64]:
    """Rank the rows of each request by falling score.

    Parameters
    ----------
    request : array_like, shape (n,)
        Which request a row belongs to: integers or strings.
    score : array_like, shape (n,)
        Score of the row, larger is better. Infinities are allowed, NaN is not.
    tie_break : array_like, shape (n,), optional
        Decides between rows with equal scores, smaller is better; normally the base rank.
        Rows that are still equal keep their order in the input.

    Returns
    -------
    ndarray of int64, shape (n,)
        Ranks ``1..m`` within each request of ``m`` rows, in the order of the input.

    Raises
    ------
    RowError
        If the lengths differ or a score or a tie break is NaN.
    """
    requests, scores = np.asarray(request), _vector(score, "score", np.asarray(request))
    ties = None if tie_break is None else _vector(tie_break, "tie_break", requests)
    if not requests.size:
        return np.empty(0, dtype=np.int64)
    blocks = _blocks(requests)
    if blocks.order is None and blocks.length is not None:
        shape = (-1, blocks.length)
        keys = [-scores.reshape(shape)]
        if ties is not None:
            keys.insert(0, ties.reshape(shape))
        order = np.lexsort(keys, axis=-1)
        matrix = np.empty(order.shape, dtype=np.int64)
        np.put_along_axis(matrix, order, np.arange(1, blocks.length + 1)[None, :], axis=-1)
        return matrix.reshape(-1)
    flat_keys: list[NDArray[np.float64] | NDArray[np.int64]] = [-scores, blocks.codes]
    if ties is not None:
        flat_keys.insert(0, ties)
    order = np.lexsort(flat_keys)
    ranks = np.empty(requests.size, dtype=np.int64)
    ranks[order] = np.arange(1, requests.size + 1) - np.repeat(blocks.starts, blocks.counts)
    return ranks


def top_within(
    request: ArrayLike, score: ArrayLike, *, k: int, tie_break: ArrayLike | None = None
) -> NDArray[np.int64]:
    """Rank the first rows of each request; all rows behind them share the next rank.

    The ranks of `rank_within` up to `k`, and ``k + 1`` instead of all larger ones. Where lists
    have one length, much longer than `k`, only their heads are sorted.

    Parameters
    ----------
    request, score, tie_break : array_like, shape (n,)
        As for `rank_within`.
    k : int
        Rows to tell apart, at least 1.

    Returns
    -------
    ndarray of int64, shape (n,)
        Ranks ``1..k``, and ``k + 1`` behind them, in the order of the input.

    Raises
    ------
    RowError
        If the lengths differ or a score or a tie break is NaN.
    """
    requests, scores = np.asarray(request), _vector(score, "score", np.asarray(request))
    ties = None if tie_break is None else _vector(tie_break, "tie_break", requests)
    if requests.size:
        blocks = _blocks(requests)
        if blocks.order is None and blocks.length is not None and blocks.length > k:
            falling = -scores.reshape(-1, blocks.length)
            kth = np.partition(falling, k - 1, axis=-1)[:, k - 1, None]
            # Every row as good as the k-th: more than k where scores tie.
            first = np.flatnonzero(falling <= kth)
            ranks = np.full(requests.size, k + 1, dtype=np.int64)
            some = None if ties is None else ties[first]
            found = rank_within(blocks.codes[first], scores[first], tie_break=some)
            ranks[first] = np.minimum(found, k + 1)
            return ranks
    return np.minimum(rank_within(requests, scores, tie_break=ties), k + 1)


def standardise_within(request: ArrayLike, values: ArrayLike) -> NDArray[np.float64]:
    """Put values on a common scale within each request.

    ``z = (x - mean) / sd`` with the mean and the population standard deviation (divisor ``m``)
    of the request's ``m`` rows. A request of one row, or whose values are all equal (spread at
    most 1e-12 of the largest absolute value), gets ``z = 0`` for every row. So ``z`` does not
    change when the values of a request are shifted, or multiplied by a positive number.

    Parameters
    ----------
    request : array_like, shape (n,)
        Which request a row belongs to: integers or strings.
    values : array_like, shape (n,)
        Finite values, in any unit.

    Returns
    -------
    ndarray of float64, shape (n,)
        Standardised values, without a unit.

    Raises
    ------
    RowError
        If the lengths differ or a value is not finite.
    """
    requests = np.asarray(request)
    x = _vector(values, "values", requests)
    if not np.isfinite(x).all():
        raise RowError(
            expected="finite values to standardise",
            came=f"{int((~np.isfinite(x)).sum())} of {x.size} that are not",
            do="Repair or remove those rows.",
        )
    if not x.size:
        return x
    blocks = _blocks(requests)
    u = x if blocks.order is None else x[blocks.order]

    def spread(per_block: NDArray[np.float64]) -> NDArray[np.float64]:
        # Of one request, the one value goes with every row as it is.
        return per_block if blocks.counts.size == 1 else np.repeat(per_block, blocks.counts)

    # Dividing by the largest value first keeps squares of 1e200 from overflowing.
    largest = np.maximum.reduceat(np.abs(u), blocks.starts)
    u = u / spread(np.where(largest > 0, largest, 1.0))
    extent = np.maximum.reduceat(u, blocks.starts) - np.minimum.reduceat(u, blocks.starts)
    u = u - spread(np.add.reduceat(u, blocks.starts) / blocks.counts)
    sd = np.sqrt(np.add.reduceat(u * u, blocks.starts) / blocks.counts)
    constant = extent <= _CONSTANT
    z: NDArray[np.float64] = u / spread(np.where(constant, 1.0, sd))
    if constant.any():
        z[np.repeat(constant, blocks.counts)] = 0.0
    if blocks.order is None:
        return z
    out = np.empty_like(z)
    out[blocks.order] = z
    return out


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Where each request lies once its rows stand together."""

    codes: NDArray[np.int64]  # (n,) request number of each row, in the order of the input
    order: NDArray[np.int64] | None  # (n,) rows grouped by request; None: they already are
    starts: NDArray[np.int64]  # (requests,) first position of each request after grouping
    counts: NDArray[np.int64]  # (requests,) rows of each request
    length: int | None  # rows of every request, where that is one number


def _blocks(request: NDArray[Any]) -> _Blocks:
    if request.dtype.kind in "iu" and request.size and (request == request[0]).all():
        return _Blocks(
            codes=np.zeros(request.size, dtype=np.int64),
            order=None,
            starts=np.zeros(1, dtype=np.int64),
            counts=np.array([request.size]),
            length=request.size,
        )
    if request.dtype.kind in "iu" and bool((request[1:] >= request[:-1]).all()):
        starts = np.concatenate([[0], np.flatnonzero(request[1:] != request[:-1]) + 1])
        counts = np.diff(np.append(starts, request.size))
        codes = np.repeat(np.arange(starts.size), counts)
        order = None
    else:
        _, codes, counts = np.unique(request, return_inverse=True, return_counts=True)
        starts = np.cumsum(counts) - counts
        order = np.argsort(codes, kind="stable")
    length = int(counts[0]) if bool((counts == counts[0]).all()) else None
    return _Blocks(codes=codes, order=order, starts=starts, counts=counts, length=length)


def _vector(values: ArrayLike, name: str, request: NDArray[Any]) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.shape != request.shape:
        raise RowError(
            expected=f"one value of {name} for each of the {request.shape} request codes",
            came=f"an array of shape {array.shape}",
            do="Pass vectors of one length.",
        )
    if np.isnan(array).any():
        raise RowError(
            expected=f"{name} without NaN",
            came=f"{int(np.isnan(array).sum())} of {array.size} rows with NaN",
            do="Give those rows a value before ranking.",
        )
    return array
