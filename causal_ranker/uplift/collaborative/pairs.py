"""From rows to pairs: the columns of codes, and one row of each user and item.

A log has several rows of a user and an item, one for each request. Put together (shown if any was,
played if any was) they would be another treatment, with another propensity, of which both arms grow
with the number of rows. So **one row of each pair is drawn by lot**, blind to T and Y: its T, its Y
and its own P(T = 1) are a pair's, and what IPS makes of them is an effect of one impression. Of
several draws, each is such a sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import EmptyError, RowError
from causal_ranker.uplift.collaborative.interactions import Interactions

__all__ = ["PairCodes", "draw_pairs", "key_of", "read_codes"]

#: The first whole number that a 32-bit float cannot tell from the next.
_MOST_CODES: Final = 2**24


def read_codes(column: NDArray[np.float32], *, name: str) -> NDArray[np.int64]:
    """Read a feature that holds codes of users or items.

    Parameters
    ----------
    column : numpy.ndarray
        Shape (n_rows,), float32; NaN where there is no code.
    name : str
        The feature, for the error.

    Returns
    -------
    numpy.ndarray
        Codes, shape (n_rows,); -1 where there is none.

    Raises
    ------
    RowError
        If a value is no whole number from 0 to 2^24 - 1: from 2^24 on, a 32-bit float cannot tell
        a code from the next one.
    """
    missing = np.isnan(column)
    whole = (column >= 0) & (column < _MOST_CODES) & (np.floor(column) == column)
    bad = ~(missing | whole)
    if bad.any():
        first = np.flatnonzero(bad)[:3]
        raise RowError(
            expected=f"codes in '{name}': whole numbers from 0 to {_MOST_CODES - 1}, as a 32-bit "
            "float holds no others exactly",
            came=f"{int(bad.sum())} of {len(bad)} rows without, e.g. {column[first].tolist()} in "
            f"rows {first.tolist()}",
            do="Code the ids from 0 on, e.g. by numpy.unique(ids, return_inverse=True).",
        )
    return np.where(missing, -1, np.where(missing, 0, column)).astype(np.int64)


@dataclass(frozen=True)
class PairCodes:
    """Users and items of training, in the order of their codes in a pair model.

    Attributes
    ----------
    users, items : numpy.ndarray
        Ids or codes of the caller's, sorted, each once.
    """

    users: NDArray[Any]
    items: NDArray[Any]

    def find(
        self, user: NDArray[Any], item: NDArray[Any]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the codes that a pair model knows rows by.

        Parameters
        ----------
        user, item : numpy.ndarray
            As the caller calls them, shape (n_rows,).

        Returns
        -------
        tuple of numpy.ndarray
            Codes of users and of items, shape (n_rows,); -1 for one that was not in training.
        """
        return _place(self.users, user), _place(self.items, item)


def _place(known: NDArray[Any], wanted: NDArray[Any]) -> NDArray[np.int32]:
    if not len(known):
        return np.full(len(wanted), -1, dtype=np.int32)
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[at] == wanted, at, -1).astype(np.int32)


def key_of(user: NDArray[Any], item: NDArray[Any]) -> NDArray[np.int64]:
    """Return one number for each pair.

    Parameters
    ----------
    user, item : numpy.ndarray of int
        Codes, shape (n_rows,), below 2^31.

    Returns
    -------
    numpy.ndarray
        Shape (n_rows,); the same for no two pairs.
    """
    key: NDArray[np.int64] = (user.astype(np.int64) << 31) + item
    return key


def draw_pairs(
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    *,
    exposed: NDArray[np.bool_],
    played: NDArray[np.bool_],
    propensity: NDArray[np.float64],
    codes: PairCodes,
    rng: np.random.Generator,
) -> Interactions:
    """Draw one row of each pair, and list the pairs that were shown or played in it.

    Parameters
    ----------
    user, item : numpy.ndarray
        Codes of `codes`, shape (n_rows,).
    exposed, played : numpy.ndarray
        T and Y, boolean, shape (n_rows,).
    propensity : numpy.ndarray
        P(T = 1), in (0, 1), shape (n_rows,).
    codes : PairCodes
        How many users and items there are.
    rng : numpy.random.Generator
        Draws the lots.

    Returns
    -------
    Interactions
        By user, then by item. A pair that was neither shown nor played in its row is not listed,
        nor is one that has no row.

    Raises
    ------
    EmptyError
        If no pair is left.
    """
    key = key_of(user, item)
    # Lots go to rows in an order that is theirs: so the order in which they come does not matter.
    rows = np.lexsort((played, exposed, propensity, key))
    lots = rows[rng.permutation(len(rows))]
    row = lots[np.unique(key[lots], return_index=True)[1]]
    row = row[exposed[row] | played[row]]
    if not len(row):
        raise EmptyError(
            expected="pairs of users and items that were shown or played",
            came=f"none among {len(key)} rows",
            do="Give longer logs.",
        )
    return Interactions(
        user=user[row],
        item=item[row],
        exposed=exposed[row],
        played=played[row],
        propensity=propensity[row],
        n_users=len(codes.users),
        n_items=len(codes.items),
    )
