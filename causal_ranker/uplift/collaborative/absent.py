"""Even draws from the pairs that are not in a list, without going through them all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from causal_ranker.uplift.collaborative.kernels import absent_items, compiled

__all__ = ["AbsentPairs"]


class AbsentPairs:
    """All pairs of users and items but the listed ones.

    With a user's listed items sorted, ``item[m] - m`` that are not listed come before item m. The
    r-th of these is therefore r plus the number of listed items with ``item[m] - m <= r``: each
    draw is exact, nothing is rejected, and a list that leaves out hardly anything costs no more.

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
        user, item = np.divmod(np.sort(keys), n_items)
        listed = np.bincount(user, minlength=n_users)
        self._starts = np.concatenate([[0], np.cumsum(listed)])
        self._before = (item - np.arange(item.size) + self._starts[user]).astype(np.int32)
        self.of_user = n_items - listed
        self._ends = np.cumsum(self.of_user)
        self.size = int(self._ends[-1])

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
        place = rng.integers(self.size, size=count)
        user = np.searchsorted(self._ends, place, side="right")
        rank = place - self._ends[user] + self.of_user[user]
        codes = user.astype(np.int32)
        return codes, self._items(codes, rank.astype(np.int32))

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
        return self._items(user, rng.integers(self.of_user[user], dtype=np.int32))

    def _items(self, user: NDArray[np.int32], rank: NDArray[np.int32]) -> NDArray[np.int32]:
        item = np.empty(user.size, dtype=np.int32)
        compiled(absent_items)(user, rank, self._starts, self._before, item)
        return item
