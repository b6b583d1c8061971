"""Which items a user's request starts from when the caller sends none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import SchemaError
from causal_ranker.serving.csr import check_csr, csr_from_rows

__all__ = ["CandidateSource"]


@dataclass(frozen=True, eq=False)
class CandidateSource:
    """A candidate set for each user.

    Parameters
    ----------
    starts : array_like of int, shape (users + 1,)
        The candidates of user row ``u`` are ``starts[u]`` to ``starts[u + 1]``.
    items : array_like of int, shape (entries,)
        Item rows, rising within a user.

    Raises
    ------
    SchemaError
        If the two vectors are no such index.
    """

    starts: NDArray[np.int64]
    items: NDArray[np.int64]

    def __post_init__(self) -> None:
        starts, items = check_csr(self.starts, self.items)
        object.__setattr__(self, "starts", starts)
        object.__setattr__(self, "items", items)

    @classmethod
    def from_rows(cls, user_rows: ArrayLike, item_rows: ArrayLike, *, n_users: int) -> Self:
        """Build the source from pairs in any order.

        Parameters
        ----------
        user_rows, item_rows : array_like of int, shape (entries,)
            Rows of the snapshot's user table and item table; each pair at most once.
        n_users : int
            Rows of the user table.

        Returns
        -------
        CandidateSource
            The source.

        Raises
        ------
        SchemaError
            If a user row is out of range, or a pair comes twice.
        """
        starts, items, _ = csr_from_rows(user_rows, item_rows, n_users=n_users)
        return cls(starts, items)

    def items_of(self, user_row: int) -> NDArray[np.int64]:
        """Return the candidates of one user.

        Parameters
        ----------
        user_row : int
            Row of the user.

        Returns
        -------
        ndarray of int64, shape (n,)
            Item rows.
        """
        return self.items[self.starts[user_row] : self.starts[user_row + 1]]

    def check(self, *, n_users: int, n_items: int) -> None:
        """Check that the source speaks of the users and items of a snapshot.

        Parameters
        ----------
        n_users, n_items : int
            Rows of the snapshot's user table and item table.

        Raises
        ------
        SchemaError
            If it does not.
        """
        last = int(self.items.max()) if self.items.size else -1
        if self.starts.size != n_users + 1 or last >= n_items:
            raise SchemaError(
                expected=f"candidates of {n_users} users among {n_items} items",
                came=f"candidates of {self.starts.size - 1} users, item rows up to {last}",
                do="Build the candidates with the row numbers of the snapshot.",
            )
