"""Lists that two rankers fill in turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import EmptyError, RowError, SchemaError
from causal_ranker.stats._arrays import Array, IntArray

__all__ = ["Interleaved", "causal_balanced", "team_draft"]

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Interleaved:
    """Lists of two rankers in one.

    Parameters
    ----------
    items : ndarray of int64, shape (requests, slots)
        What is shown, first slot first.
    from_first : ndarray of bool, shape (requests, slots)
        True where the first ranker chose, so that the item is on its team.
    """

    items: IntArray
    from_first: BoolArray


@dataclass(frozen=True)
class _Choices:
    """Both lists of each request as one row of items: the first's, then the second's.

    An item of both lists is that of the first; its second place in the row is nobody's.
    """

    items: IntArray  # (requests, 2 slots)
    first: Array  # rank in the first list, from 0; infinite where the item is not in it
    second: Array


def team_draft(first: ArrayLike, second: ArrayLike, *, rng: np.random.Generator) -> Interleaved:
    """Let two rankers choose by turns, each its best item that is not yet in the list.

    In every pair of slots a coin says who chooses first (Radlinski, Kurup and Joachims, 2008).

    Parameters
    ----------
    first, second : array_like of int, shape (requests, slots)
        The rankers' lists, best first, as codes of items.
    rng : numpy.random.Generator
        Source of the coins.

    Returns
    -------
    Interleaved
        Lists of as many slots.

    Raises
    ------
    EmptyError
        If there is no request or no slot.
    SchemaError
        If the lists are not whole numbers in two dimensions, as many in both.
    RowError
        If a list repeats an item.
    """
    choices = _choices(first, second)
    requests, slots = choices.items.shape[0], choices.items.shape[1] // 2
    starts = np.repeat(rng.random((requests, (slots + 1) // 2)) < 0.5, 2, axis=1)[:, :slots]
    return _fill(choices, starts ^ (np.arange(slots) % 2 == 1), rng=None)


def causal_balanced(
    first: ArrayLike, second: ArrayLike, *, rng: np.random.Generator
) -> Interleaved:
    """Let two rankers choose by turns, each at random from its items that are not yet in the list.

    A coin says who starts; choices are uniform and without replacement (Sato, RecSys 2021). So
    every item of either list has a known chance to be left out, by which plays can be weighted:
    see `causal_ranker.experiments.interleaving.uplift`.

    Parameters
    ----------
    first, second : array_like of int, shape (requests, slots)
        The rankers' lists as codes of items; their order plays no part.
    rng : numpy.random.Generator
        Source of coins and choices.

    Returns
    -------
    Interleaved
        Lists of as many slots.

    Raises
    ------
    EmptyError
        If there is no request or no slot.
    SchemaError
        If the lists are not whole numbers in two dimensions, as many in both.
    RowError
        If a list repeats an item.
    """
    choices = _choices(first, second)
    requests, slots = choices.items.shape[0], choices.items.shape[1] // 2
    starts = rng.random((requests, 1)) < 0.5
    return _fill(choices, starts ^ (np.arange(slots) % 2 == 1), rng=rng)


def _choices(first: ArrayLike, second: ArrayLike) -> _Choices:
    lists = [_checked(first, name="first"), _checked(second, name="second")]
    if lists[0].shape != lists[1].shape:
        raise SchemaError(
            expected="as many requests and slots in both lists",
            came=f"shapes {lists[0].shape} and {lists[1].shape}",
            do="Ask both rankers for the same slots of the same requests.",
        )
    requests, slots = lists[0].shape
    own = np.broadcast_to(np.arange(slots), (requests, slots))
    same = lists[0][:, :, None] == lists[1][:, None, :]  # (requests, in first, in second)
    column = np.where(same.any(axis=1), same.argmax(axis=1), slots + own)
    ranks = np.full((2, requests, 2 * slots), np.inf)
    ranks[0, :, :slots] = own
    np.put_along_axis(ranks[1], column, own.astype(np.float64), axis=1)
    return _Choices(np.concatenate(lists, axis=1), ranks[0], ranks[1])


def _checked(given: ArrayLike, *, name: str) -> IntArray:
    lists = np.asarray(given)
    if lists.ndim != 2 or lists.dtype.kind not in "iu":
        raise SchemaError(
            expected=f"whole numbers of shape (requests, slots) in '{name}'",
            came=f"shape {lists.shape} of type {lists.dtype}",
            do="Code the items as numbers, one row per request.",
        )
    if not lists.size:
        raise EmptyError(
            expected="at least one request and one slot",
            came=f"'{name}' of shape {lists.shape}",
            do="Check the filters that ran before.",
        )
    ordered = np.sort(lists, axis=1)
    repeats = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    if repeats.any():
        raise RowError(
            expected=f"each item at most once in a list of '{name}'",
            came=f"{int(repeats.sum())} lists with repeats, the first in row {repeats.argmax()}",
            do="Rank each candidate of a request once.",
        )
    return lists.astype(np.int64, copy=False)


def _fill(choices: _Choices, turns: BoolArray, *, rng: np.random.Generator | None) -> Interleaved:
    """Fill slots one after the other: by rank, or at random where there is a generator."""
    requests, slots = turns.shape
    taken = np.zeros(choices.items.shape, dtype=np.bool_)
    picked = np.empty((requests, slots), dtype=np.int64)
    for slot in range(slots):
        rank = np.where(turns[:, slot, None], choices.first, choices.second)
        free = np.isfinite(rank) & ~taken
        order = rank if rng is None else rng.random(rank.shape)
        picked[:, slot] = np.where(free, order, np.inf).argmin(axis=1)
        np.put_along_axis(taken, picked[:, slot, None], True, axis=1)
    return Interleaved(np.take_along_axis(choices.items, picked, axis=1), turns)
