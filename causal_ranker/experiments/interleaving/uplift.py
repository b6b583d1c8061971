"""Uplift of two lists from causal-balanced interleaving."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import OverlapError, RowError
from causal_ranker.experiments.interleaving.chances import balanced_chances
from causal_ranker.stats._arrays import Array, IntArray, binary_vector, float_vector, same_size
from causal_ranker.stats._codes import cluster_codes
from causal_ranker.stats.intervals import Interval, clustered_mean

__all__ = ["InterleavedUplift", "interleaved_uplift", "row_chances"]


@dataclass(frozen=True)
class InterleavedUplift:
    """Uplift of two lists, in extra plays per slot.

    Parameters
    ----------
    difference : Interval
        The first list's uplift less the second's, over all requests: 0 where the lists are alike.
    first, second : Interval
        Uplift of each list, over the requests whose lists differ: where they do not, every item
        is shown for certain, and nothing says what would be without it.
    requests : int
        How many there are.
    differing : int
        Those whose lists differ.
    by_request : ndarray of float64, shape (requests,)
        The difference in each request, in the order of their sorted labels.
    """

    difference: Interval
    first: Interval
    second: Interval
    requests: int
    differing: int
    by_request: Array = field(repr=False)


def row_chances(request: ArrayLike, *, in_first: ArrayLike, in_second: ArrayLike) -> Array:
    """Return each row's chance to be in its request's causal-balanced list.

    Parameters
    ----------
    request : array_like of int or str, shape (n,)
        The request of each row; a row is an item of either list.
    in_first, in_second : array_like of 0 and 1, shape (n,)
        Which lists the item is in.

    Returns
    -------
    ndarray of float64, shape (n,)
        P(shown), exact.

    Raises
    ------
    RowError
        If a row is in no list, or the lists of a request are not equally long.
    """
    first, second = (
        binary_vector(flags, name=name)
        for flags, name in ((in_first, "in_first"), (in_second, "in_second"))
    )
    codes = _requests(request, size=first.size)
    same_size(first.size, in_second=second)
    lengths = [np.bincount(codes, weights=flags).astype(np.int64) for flags in (first, second)]
    if not (first | second).all() or (lengths[0] != lengths[1]).any():
        raise RowError(
            expected="rows of two equally long lists for each request",
            came=f"{int((~(first | second)).sum())} rows in no list, and "
            f"{int((lengths[0] != lengths[1]).sum())} requests with lists of unequal length",
            do="Log every item of both lists, and no other.",
        )
    shared = np.bincount(codes, weights=first & second).astype(np.int64)
    kinds, kind = np.unique(np.stack([lengths[0], shared]), axis=1, return_inverse=True)
    chances = np.array([balanced_chances(int(slots), int(both)) for slots, both in kinds.T])
    both, single = chances[kind[codes]].T
    return np.asarray(np.where(first & second, both, single))


def interleaved_uplift(
    request: ArrayLike,
    *,
    in_first: ArrayLike,
    in_second: ArrayLike,
    shown: ArrayLike,
    outcome: ArrayLike,
    user: ArrayLike,
    level: float = 0.95,
) -> InterleavedUplift:
    """Estimate the uplift of both lists, each item weighted by its chance to be shown.

    Of a request with lists of n slots,
    ``tau_A = (1/n) [sum over A's items shown of Y/p - sum over those not shown of Y/(1-p)]``
    (Sato, RecSys 2021): the mean effect of A's items, each in the slot that interleaving gives it.
    Items of both lists are the same terms in ``tau_A`` and ``tau_B``, so they add no noise to the
    difference. It is unbiased if the items of a request do not change one another's outcomes.

    Parameters
    ----------
    request : array_like of int or str, shape (n,)
        The request of each row; a row is an item of either list.
    in_first, in_second : array_like of 0 and 1, shape (n,)
        Which lists the item is in.
    shown : array_like of 0 and 1, shape (n,)
        Whether it was in the list that was shown.
    outcome : array_like, shape (n,)
        Y: plays on any surface within the horizon, of shown and of other items alike. Never
        attributed plays: what an item that was not shown gets no credit for is what a list must
        not be praised for.
    user : array_like of int or str, shape (n,)
        Clusters of the interval.
    level : float
        Probability inside the intervals.

    Returns
    -------
    InterleavedUplift
        Uplift of the lists, and their difference.

    Raises
    ------
    RowError
        If a row is in no list, the lists of a request differ in length from one another or from
        what was shown, a value is missing, or a request has several users.
    OverlapError
        If the lists are alike in every request.
    """
    mine = [
        binary_vector(flags, name=name)
        for flags, name in ((in_first, "in_first"), (in_second, "in_second"))
    ]
    chance = row_chances(request, in_first=mine[0], in_second=mine[1])
    codes = _requests(request, size=chance.size)
    placed, plays = binary_vector(shown, name="shown"), float_vector(outcome, name="outcome")
    same_size(chance.size, shown=placed, outcome=plays)
    slots = np.bincount(codes, weights=mine[0])
    wrong = np.bincount(codes, weights=placed) != slots
    if wrong.any():
        raise RowError(
            expected="as many items shown in a request as a list has",
            came=f"{int(wrong.sum())} requests with more or fewer",
            do="Log every item of both lists, and whether it was in the list that was drawn.",
        )
    alone = mine[0] != mine[1]
    differs = np.bincount(codes, weights=alone) > 0
    if not differs.any():
        raise OverlapError(
            expected="requests whose two lists differ",
            came=f"{slots.size} requests with the same items in both",
            do="Compare rankers that differ.",
        )
    # None is 0: an item that is certain to be shown was shown.
    weighted = plays / np.where(placed, chance, 1 - chance)
    signed = np.where(placed, weighted, -weighted)
    owner = _users(user, codes)
    means = [np.bincount(codes, weights=signed * flags) / slots for flags in mine]
    # Summed over single items, so that shared ones cancel to the last digit.
    difference = np.bincount(codes, weights=signed * (alone * np.where(mine[0], 1, -1))) / slots
    return InterleavedUplift(
        difference=clustered_mean(difference, owner, level=level),
        first=clustered_mean(means[0][differs], owner[differs], level=level),
        second=clustered_mean(means[1][differs], owner[differs], level=level),
        requests=slots.size,
        differing=int(differs.sum()),
        by_request=difference,
    )


def _requests(request: ArrayLike, *, size: int) -> IntArray:
    labels = np.asarray(request)
    same_size(size, request=labels)
    return np.asarray(np.unique(labels, return_inverse=True)[1], dtype=np.int64)


def _users(user: ArrayLike, codes: IntArray) -> IntArray:
    """Return the user of each request as a code."""
    mine = cluster_codes(user, name="user", size=codes.size, rows=np.arange(codes.size)).codes
    owner = np.empty(int(codes.max()) + 1, dtype=np.int64)
    owner[codes] = mine
    several: NDArray[np.bool_] = owner[codes] != mine
    if several.any():
        raise RowError(
            expected="one user for each request",
            came=f"{np.unique(codes[several]).size} requests of several",
            do="Tell requests of different users apart.",
        )
    return owner
