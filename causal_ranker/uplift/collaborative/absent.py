"""Even draws from the pairs that are not in a list, without going through them all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["AbsentPairs"]


class AbsentPairs:
    """All pairs of users and items but the listed ones.

    With the listed keys sorted, ``key[m] - m`` pairs that are not listed come before key m. The
    r-th of these is therefore r plus the number of listed keys with ``key[m] - m <= r``: each draw
    is exact, nothing is rejected, and a list that leaves out hardly anything costs no more.

    Parameters
    ----------
    keys : ndarray of int64, shape (n,)
        ``user * n_items + item`` of the listed pairs, each once, in any order.
    n_users, n_items : int
        How many there are.

    Attributes
    ----------
    size : int
        Pairs that are not listed.
    of_user : ndarray of int64, shape (n_users,)
        Of each user.
    """

    def __init__(self, keys: NDArray[np.int64], *, n_users: int, n_items: int) -> None:
        ordered = np.sort(keys)
        self._before = ordered - np.arange(ordered.size)
        self._n_items = n_items
        self.of_user = n_items - np.bincount(ordered // n_items, minlength=n_users)
        self._first = np.cumsum(self.of_user) - self.of_user
        self.size = int(self.of_user.sum())

    def draw(
        self, count: int, *, rng: np.random.Generator
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Draw pairs evenly, with replacement.

        Parameters
        ----------
        count : int
            How many.
        rng : numpy.random.Generator
            Decides the draws.

        Returns
        -------
        user, item : ndarray of int32, shape (count,)
            The pairs drawn.
        """
        user, item = np.divmod(self._keys(rng.integers(self.size, size=count)), self._n_items)
        return user.astype(np.int32), item.astype(np.int32)

    def draw_items(self, user: NDArray[np.int32], *, rng: np.random.Generator) -> NDArray[np.int32]:
        """Draw an item for each user, evenly from those that are not listed for the user.

        Parameters
        ----------
        user : ndarray of int32, shape (n,)
            Codes of users with an item that is not listed.
        rng : numpy.random.Generator
            Decides the draws.

        Returns
        -------
        ndarray of int32, shape (n,)
            The items drawn.
        """
        rank = self._first[user] + rng.integers(self.of_user[user])
        return (self._keys(rank) - user.astype(np.int64) * self._n_items).astype(np.int32)

    def _keys(self, rank: NDArray[np.int64]) -> NDArray[np.int64]:
        return rank + np.searchsorted(self._before, rank, side="right")
