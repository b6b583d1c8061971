"""Compressed rows: the items of each user as two vectors of integers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import SchemaError

__all__ = ["check_csr", "csr_from_rows"]


def check_csr(starts: ArrayLike, items: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Check that two vectors are an index of users' items.

    Parameters
    ----------
    starts : array_like of int, shape (users + 1,)
        The entries of user row ``u`` are ``starts[u]`` to ``starts[u + 1]``.
    items : array_like of int, shape (entries,)
        Item rows, rising within a user.

    Returns
    -------
    tuple of ndarray of int64
        Both vectors.

    Raises
    ------
    SchemaError
        If the starts do not lead from 0 to the number of entries, or the items of a user do not
        rise from 0 on.
    """
    first, rows = np.asarray(starts), np.asarray(items)
    whole = first.dtype.kind in "iu" and (rows.dtype.kind in "iu" or not rows.size)
    if first.ndim != 1 or rows.ndim != 1 or not first.size or not whole:
        raise SchemaError(
            expected="two vectors of integers as the index of users' items",
            came=f"shapes {first.shape} and {rows.shape}, types {first.dtype} and {rows.dtype}",
            do="Build the index with csr_from_rows.",
        )
    first, rows = first.astype(np.int64, copy=False), rows.astype(np.int64, copy=False)
    if first[0] != 0 or first[-1] != rows.size or (first[1:] < first[:-1]).any():
        raise SchemaError(
            expected=f"starts that rise from 0 to {rows.size}",
            came=f"starts from {first[0]} to {first[-1]}",
            do="Build the index with csr_from_rows.",
        )
    rising = rows[1:] > rows[:-1]
    borders = first[1:-1]
    rising[borders[(borders > 0) & (borders < rows.size)] - 1] = True
    if not rising.all() or (rows < 0).any():
        raise SchemaError(
            expected="item rows that start at 0 or later and rise within each user",
            came=f"{int((~rising).sum())} that do not rise, {int((rows < 0).sum())} below 0",
            do="Keep each pair once and build the index with csr_from_rows.",
        )
    return first, rows


def csr_from_rows(
    user_rows: ArrayLike, item_rows: ArrayLike, *, n_users: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Build the index of users' items from pairs in any order.

    Parameters
    ----------
    user_rows, item_rows : array_like of int, shape (entries,)
        Rows of the user table and of the item table; each pair at most once.
    n_users : int
        Rows of the user table.

    Returns
    -------
    starts : ndarray of int64, shape (n_users + 1,)
        Where each user's entries begin.
    items : ndarray of int64, shape (entries,)
        Item rows, rising within a user.
    order : ndarray of int64, shape (entries,)
        The input's row behind each entry.

    Raises
    ------
    SchemaError
        If a user row is out of range, or a pair comes twice.
    """
    users = np.asarray(user_rows, dtype=np.int64)
    items = np.asarray(item_rows, dtype=np.int64)
    if users.ndim != 1 or users.shape != items.shape:
        raise SchemaError(
            expected="one item row for each user row",
            came=f"shapes {users.shape} and {items.shape}",
            do="Pass two vectors of one length.",
        )
    if users.size and (users.min() < 0 or users.max() >= n_users):
        raise SchemaError(
            expected=f"user rows from 0 to {n_users - 1}",
            came=f"{users.min()} to {users.max()}",
            do="Use row numbers of the user table.",
        )
    order = np.lexsort((items, users))
    starts = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=n_users))])
    starts, items = check_csr(starts, items[order])
    return starts, items, order
