"""How well a ranking finds what was played, whoever caused the play.

Accuracy says nothing about effects: a list of what everybody plays anyway is accurate. It stands
beside the causal metrics so that a reader sees what a gain in one costs in the other. Everything
goes by the ranks that are given; which of two equal scores comes first is decided before. A list
that is shorter than k has empty slots, which find nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import RowError
from causal_ranker.stats._arrays import (
    Array,
    IntArray,
    binary_vector,
    float_vector,
    positive_count,
    reject_rows,
    same_size,
)
from causal_ranker.stats._codes import (
    counts_vector,
    rank_vector,
    reject_repeated_ranks,
    whole_numbers,
)

__all__ = ["Accuracy", "accuracy_at_k", "list_coverage", "novelty"]


@dataclass(frozen=True)
class Accuracy:
    """Accuracy of each request's first k places; NaN where nothing was played.

    Parameters
    ----------
    ndcg : ndarray of float64, shape (R,)
        ``sum 1/log2(1 + rank)`` over what was played, divided by that of the best list, which has
        ``min(played, k)`` plays at its top (Järvelin and Kekäläinen, 2002). In [0, 1].
    recall : ndarray of float64, shape (R,)
        Share of what was played that is among the first k.
    precision : ndarray of float64, shape (R,)
        Plays among the first k, divided by k.
    reciprocal_rank : ndarray of float64, shape (R,)
        1 / rank of the first play; 0 if it is not among the first k.
    average_precision : ndarray of float64, shape (R,)
        Mean over the played, at most k of them, of the precision at their ranks; what is not among
        the first k adds 0. The best list has 1. Its mean over requests is MAP.
    """

    ndcg: Array
    recall: Array
    precision: Array
    reciprocal_rank: Array
    average_precision: Array


def accuracy_at_k(
    rank: ArrayLike, played: ArrayLike, request: ArrayLike, *, relevant: ArrayLike, k: int
) -> Accuracy:
    """Return the accuracy metrics of every request's first k places.

    Parameters
    ----------
    rank : array_like, shape (n,)
        Rank within the request, from 1, no rank used twice among the first k.
    played : array_like of 0 and 1, shape (n,)
        Whether the row's item was played.
    request : array_like of int, shape (n,)
        Codes 0 .. R-1. Rows that were not played, or stand behind the first k, may be missing.
    relevant : array_like of int, shape (R,)
        How many candidates of each request were played, missing rows included.
    k : int
        Places that count; a request may have fewer candidates. As rows may be missing, a k above
        every list's length cannot be seen here: precision is then divided by places that are none.

    Returns
    -------
    Accuracy
        Five vectors of one value per request.

    Raises
    ------
    ConfigError
        If k is not a whole number of at least 1.
    RowError
        If a rank is below 1 or used twice, a request code is not in 0 .. R-1, or more rows of a
        request are played than it has played candidates.
    """
    slots = positive_count(k, name="k")
    ranks, hits = rank_vector(rank), binary_vector(played, name="played")
    wanted = counts_vector(relevant, name="relevant")
    codes = whole_numbers(request, name="request")
    same_size(ranks.size, played=hits, request=codes)
    _check(ranks, codes, hits, wanted=wanted, slots=slots)
    chosen = np.flatnonzero(hits & (ranks <= slots))
    chosen = chosen[np.lexsort((ranks[chosen], codes[chosen]))]
    places, of = ranks[chosen], codes[chosen]
    found = np.bincount(of, minlength=wanted.size)
    start = (np.cumsum(found) - found)[of]
    nth = np.arange(1, of.size + 1) - start  # the play is the nth of its request

    def summed(values: Array) -> Array:
        return np.bincount(of, weights=values, minlength=wanted.size).astype(np.float64)

    best = np.minimum(wanted, slots)
    ideal = np.concatenate(([0.0], np.cumsum(1 / np.log2(1.0 + np.arange(1, slots + 1)))))
    return Accuracy(
        ndcg=_divided(summed(1 / np.log2(1.0 + places)), ideal[best]),
        recall=_divided(found, wanted),
        precision=np.where(wanted > 0, found / slots, np.nan),
        reciprocal_rank=np.where(wanted > 0, summed((nth == 1) / places), np.nan),
        average_precision=_divided(summed(nth / places), best),
    )


def list_coverage(item: ArrayLike, *, catalogue: int) -> float:
    """Return the share of the catalogue that some list shows.

    Parameters
    ----------
    item : array_like of int, shape (n,)
        Codes 0 .. catalogue-1 of the items in the lists, each as often as it is shown.
    catalogue : int
        How many items could have been shown.

    Returns
    -------
    float
        Distinct items shown, divided by the catalogue; in (0, 1].

    Raises
    ------
    ConfigError
        If the catalogue is not a whole number of at least 1.
    RowError
        If a code is outside the catalogue.
    """
    size = positive_count(catalogue, name="catalogue")
    codes = whole_numbers(item, name="item")
    reject_rows(
        (codes < 0) | (codes >= size),
        codes,
        name="item",
        expected=f"item codes in 0 .. {size - 1}, the catalogue",
        do="Code the items of the whole catalogue, not those of the lists.",
    )
    return np.unique(codes).size / size


def novelty(share: ArrayLike) -> float:
    """Return how surprising the items of the lists are, in bits.

    ``mean(-log2 p)`` over what is shown, p being the share of all plays that the item had before
    (mean self-information: Zhou et al., PNAS 2010). A list of what everybody plays has a low value.

    Parameters
    ----------
    share : array_like, shape (n,)
        p of each item that is shown, as often as it is shown; in (0, 1].

    Returns
    -------
    float
        Bits per slot.

    Raises
    ------
    RowError
        If a share is not in (0, 1].
    """
    p = float_vector(share, name="share")
    reject_rows(
        (p <= 0) | (p > 1),
        p,
        name="share",
        expected="shares of the plays, above 0 and at most 1",
        do="Add 1 to every item's count before dividing, so that unplayed items have a share.",
    )
    return float(-np.log2(p).mean())


def _check(
    ranks: IntArray, codes: IntArray, hits: NDArray[np.bool_], *, wanted: IntArray, slots: int
) -> None:
    reject_rows(
        (codes < 0) | (codes >= wanted.size),
        codes,
        name="request",
        expected=f"request codes in 0 .. {wanted.size - 1}, a place in 'relevant' each",
        do="Code the requests with np.unique(..., return_inverse=True).",
    )
    reject_repeated_ranks(ranks, codes, slots=slots)
    missing = np.bincount(codes, weights=hits, minlength=wanted.size) > wanted
    if missing.any():
        raise RowError(
            expected="at least as many played candidates as played rows in every request",
            came=f"fewer in {int(missing.sum())} of {wanted.size} requests "
            f"(first: request {int(np.argmax(missing))})",
            do="Count the played candidates of the whole request.",
        )


def _divided(numerator: Array | IntArray, denominator: Array | IntArray) -> Array:
    result = np.full(denominator.size, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result
