"""A policy without chance: one list per request."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.errors import ConfigError, RowError
from causal_ranker.evaluation.ope.policies import Array, IntArray, Mask, list_array

__all__ = ["FixedLists"]


class FixedLists:
    """A policy that shows one list for certain, as a ranker without exploration does.

    Parameters
    ----------
    lists : array_like of int, shape (n, L)
        Columns of each request's candidates, first slot first.
    candidates : int
        Columns of candidates.

    Attributes
    ----------
    requests, candidates : int
        Sizes.

    Raises
    ------
    SchemaError
        If the lists are not integers in two dimensions.
    RowError
        If an item is out of range, or stands twice in a list.
    """

    everywhere: Final = True
    least: Final = 0.0

    def __init__(self, lists: ArrayLike, *, candidates: int) -> None:
        self._lists = list_array(lists, candidates=candidates)
        in_order = np.sort(self._lists, axis=1)
        twice = (in_order[:, 1:] == in_order[:, :-1]).any(axis=1)
        if twice.any():
            raise RowError(
                expected="lists that show an item once",
                came=f"{int(twice.sum())} that repeat one, first in row {int(twice.argmax())}",
                do="Fill each list with different candidates.",
            )
        self.requests = len(self._lists)
        self.candidates = candidates

    def prefix(self, items: IntArray) -> Array:
        """Return 1 as long as the lists agree with this policy's, then 0.

        Parameters
        ----------
        items : ndarray of int64, shape (n, L)
            Lists.

        Returns
        -------
        ndarray of float64, shape (n, L)
            Ones, then zeros.
        """
        return np.asarray(np.cumprod(self.marginal(items), axis=1))

    def marginal(self, items: IntArray) -> Array:
        """Return 1 where slot k holds this policy's item.

        Parameters
        ----------
        items : ndarray of int64, shape (n, L)
            Lists.

        Returns
        -------
        ndarray of float64, shape (n, L)
            Ones and zeros.
        """
        return self.possible(items).astype(np.float64)

    def possible(self, items: IntArray) -> Mask:
        """Say where slot k holds this policy's item.

        Parameters
        ----------
        items : ndarray of int64, shape (n, L)
            Lists.

        Returns
        -------
        ndarray of bool, shape (n, L)
            The answer.
        """
        lists = list_array(items, candidates=self.candidates, requests=self.requests)
        same: Mask = self._first(lists.shape[1]) == lists
        return same

    def part(self, start: int, stop: int) -> FixedLists:
        """Return the policy on requests start .. stop - 1.

        Parameters
        ----------
        start, stop : int
            Rows.

        Returns
        -------
        FixedLists
            Their lists.
        """
        return FixedLists(self._lists[start:stop], candidates=self.candidates)

    def sample(self, k: int, *, rng: np.random.Generator) -> IntArray:
        """Return the first k items of the lists; nothing is drawn.

        Parameters
        ----------
        k : int
            Slots.
        rng : numpy.random.Generator
            Not asked.

        Returns
        -------
        ndarray of int64, shape (n, k)
            Lists.
        """
        return self._first(k)

    def slot_chances(self, k: int) -> Array:
        """Return 1 for the item in each slot.

        Parameters
        ----------
        k : int
            Slots.

        Returns
        -------
        ndarray of float64, shape (n, candidates, k)
            Ones and zeros.
        """
        chances = np.zeros((self.requests, self.candidates, k))
        np.put_along_axis(chances, self._first(k)[:, None, :], 1.0, axis=1)
        return chances

    def next_mean(self, items: IntArray, values: Array, *, slot: int) -> Array:
        """Return the value of the item that comes next, where the items before it agree.

        Parameters
        ----------
        items : ndarray of int64, shape (n, L)
            Lists.
        values : ndarray of float64, shape (n, candidates)
            Values.
        slot : int
            From 0.

        Returns
        -------
        ndarray of float64, shape (n,)
            Values; 0 where the lists have parted.
        """
        lists = self._first(slot + 1)
        agree = (lists[:, :slot] == items[:, :slot]).all(axis=1)
        chosen = np.take_along_axis(values, lists[:, slot:], axis=1)[:, 0]
        return np.where(agree, chosen, 0.0)

    def _first(self, k: int) -> IntArray:
        if k > self._lists.shape[1]:
            raise ConfigError(
                expected=f"k up to {self._lists.shape[1]}, the length of the policy's lists",
                came=f"k = {k}",
                do="Lower k, or pass longer lists.",
            )
        return self._lists[:, :k]
