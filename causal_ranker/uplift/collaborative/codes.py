"""Codes of users and items: which had pairs in training, and which cannot be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import RowError, SchemaError
from causal_ranker.uplift.collaborative.interactions import Interactions

__all__ = ["Seen", "checked_codes"]


@dataclass(frozen=True)
class Seen:
    """Who and what had a pair in training.

    Parameters
    ----------
    user, item : ndarray of bool, shape (n_users,) and (n_items,)
        Whether the code had one.
    """

    user: NDArray[np.bool_]
    item: NDArray[np.bool_]

    @classmethod
    def of(cls, interactions: Interactions) -> Seen:
        """Look through pairs.

        Parameters
        ----------
        interactions : Interactions
            Of training.

        Returns
        -------
        Seen
            Their users and items.
        """
        return cls(
            np.bincount(interactions.user, minlength=interactions.n_users) > 0,
            np.bincount(interactions.item, minlength=interactions.n_items) > 0,
        )

    def checked_pairs(
        self, user: NDArray[Any], item: NDArray[Any]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the codes of pairs as int64, or refuse them.

        Parameters
        ----------
        user, item : ndarray of int, shape (n,)
            Codes of training, or -1.

        Returns
        -------
        user, item : ndarray of int64, shape (n,)
            The codes.

        Raises
        ------
        SchemaError
            If codes are not whole numbers, or not as many users as items.
        RowError
            If a code is out of range.
        """
        u = checked_codes(user, count=self.user.size, name="user")
        i = checked_codes(item, count=self.item.size, name="item")
        if u.size != i.size:
            raise SchemaError(
                expected="as many users as items",
                came=f"{u.size} and {i.size}",
                do="Give pairs; score_users scores every item.",
            )
        return u, i

    def count_unseen(self, user: NDArray[np.int64], item: NDArray[np.int64] | None = None) -> int:
        """Count the pairs that get a fall-back.

        Parameters
        ----------
        user : ndarray of int64, shape (n,)
            Checked codes, or -1.
        item : ndarray of int64, shape (n,), optional
            Likewise; every item with each of the users by default.

        Returns
        -------
        int
            Pairs whose user or item had no pair in training.
        """
        known = (user >= 0) & self.user[user]
        if item is None:
            return int(user.size * self.item.size - known.sum() * self.item.sum())
        return int((~(known & (item >= 0) & self.item[item])).sum())


def checked_codes(codes: NDArray[Any], *, count: int, name: str) -> NDArray[np.int64]:
    """Return codes as int64, or refuse them.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        From 0, or -1 for what has no code.
    count : int
        How many codes there are.
    name : str
        What they are of, for the error.

    Returns
    -------
    ndarray of int64, shape (n,)
        The codes.

    Raises
    ------
    SchemaError
        If they are not whole numbers in one dimension.
    RowError
        If one is below -1, or not below `count`.
    """
    array = np.asarray(codes)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise SchemaError(
            expected=f"{name} codes as whole numbers in one dimension",
            came=f"shape {array.shape} of type {array.dtype}",
            do="Give the codes of training, and -1 for what has none.",
        )
    bad = (array < -1) | (array >= count)
    if bad.any():
        first = np.flatnonzero(bad)[:3]
        raise RowError(
            expected=f"{name} codes from 0 to {count - 1}, or -1",
            came=f"{int(bad.sum())} of {bad.size} without, e.g. {array[first].tolist()} in rows "
            f"{first.tolist()}",
            do="Give the codes of training, and -1 for what has none.",
        )
    return array.astype(np.int64)
