"""What a policy must be able to say about lists, whoever it is."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import RowError, SchemaError

__all__ = ["Array", "IntArray", "ListPolicy", "LoggingPolicy", "Mask", "list_array"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
Mask = NDArray[np.bool_]


class LoggingPolicy(Protocol):
    """A policy whose lists were logged: it tells how likely they were.

    Lists are arrays of shape (n, L): one request per row, items as columns of its candidates.
    """

    @property
    def everywhere(self) -> bool:
        """Whether it can tell the chances of lists other than those logged."""
        ...

    @property
    def least(self) -> float:
        """The smallest propensity that it can tell from 0."""
        ...

    def prefix(self, items: IntArray) -> Array:
        """Return P(slots 1 .. k hold these items in this order), for every k.

        Parameters
        ----------
        items : ndarray of int64, shape (n, L)
            Lists.

        Returns
        -------
        ndarray of float64, shape (n, L)
            Chances; 0 for what cannot be shown.
        """
        ...

    def marginal(self, items: IntArray) -> Array:
        """Return P(slot k holds this item), whatever the other slots hold.

        Parameters
        ----------
        items : ndarray of int64, shape (n, L)
            Lists.

        Returns
        -------
        ndarray of float64, shape (n, L)
            Chances.
        """
        ...

    def possible(self, items: IntArray) -> Mask:
        """Say whether slot k may hold this item at all.

        Parameters
        ----------
        items : ndarray of int64, shape (n, L)
            Lists.

        Returns
        -------
        ndarray of bool, shape (n, L)
            True where the marginal chance is above 0.
        """
        ...

    def part(self, start: int, stop: int) -> LoggingPolicy:
        """Return the policy on requests start .. stop - 1.

        Parameters
        ----------
        start, stop : int
            Rows.

        Returns
        -------
        LoggingPolicy
            Of ``stop - start`` requests.
        """
        ...


class ListPolicy(LoggingPolicy, Protocol):
    """A policy that may be evaluated: it also draws lists, and takes means over them."""

    @property
    def requests(self) -> int:
        """How many requests there are."""
        ...

    @property
    def candidates(self) -> int:
        """Columns of candidates of a request."""
        ...

    def sample(self, k: int, *, rng: np.random.Generator) -> IntArray:
        """Draw a list for each request.

        Parameters
        ----------
        k : int
            Slots.
        rng : numpy.random.Generator
            Source of the draws.

        Returns
        -------
        ndarray of int64, shape (n, k)
            Lists.
        """
        ...

    def slot_chances(self, k: int) -> Array:
        """Return P(slot s holds the candidate); ask for a `part` of many requests.

        Parameters
        ----------
        k : int
            Slots.

        Returns
        -------
        ndarray of float64, shape (n, candidates, k)
            Over candidates they sum to 1.
        """
        ...

    def next_mean(self, items: IntArray, values: Array, *, slot: int) -> Array:
        """Return the mean of a value over what this policy puts next.

        Parameters
        ----------
        items : ndarray of int64, shape (n, L)
            Lists; what stands before `slot` is given.
        values : ndarray of float64, shape (n, candidates)
            The value of each candidate in that slot.
        slot : int
            From 0.

        Returns
        -------
        ndarray of float64, shape (n,)
            ``E[values of the item in slot | the items before it]``; 0 where this policy never
            puts those items there.
        """
        ...

    def part(self, start: int, stop: int) -> ListPolicy:
        """Return the policy on requests start .. stop - 1.

        Parameters
        ----------
        start, stop : int
            Rows.

        Returns
        -------
        ListPolicy
            Of ``stop - start`` requests.
        """
        ...


def list_array(items: ArrayLike, *, candidates: int, requests: int | None = None) -> IntArray:
    """Return lists as integers, refusing what is no column of the candidates.

    Parameters
    ----------
    items : array_like of int, shape (n, L)
        Columns of the chosen candidates, first slot first.
    candidates : int
        How many columns there are.
    requests : int, optional
        n, where it is known.

    Returns
    -------
    ndarray of int64, shape (n, L)
        The lists.

    Raises
    ------
    SchemaError
        If they are not integers in two dimensions, or of another number of requests.
    RowError
        If an item is out of range.
    """
    array = np.asarray(items)
    wanted = "n" if requests is None else str(requests)
    if array.dtype.kind not in "iu" or array.ndim != 2 or not array.size:
        raise SchemaError(
            expected=f"lists of shape ({wanted}, slots), as columns of candidates",
            came=f"shape {array.shape} of type {array.dtype}",
            do="Pass one row of integers per request, first slot first.",
        )
    if requests is not None and len(array) != requests:
        raise SchemaError(
            expected=f"one list for each of {requests} requests",
            came=f"{len(array)} lists",
            do="Pass policies and lists of the same requests, in one order.",
        )
    bad = ((array < 0) | (array >= candidates)).any(axis=1)
    if bad.any():
        raise RowError(
            expected=f"items from 0 to {candidates - 1}, the columns of candidates",
            came=f"{int(bad.sum())} lists with others, first in row {int(bad.argmax())}",
            do="Number each request's candidates by their column.",
        )
    return array.astype(np.int64)
