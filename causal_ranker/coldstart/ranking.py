"""Ranks of cold items for every user, in blocks of users.

The scores of all users never lie in memory at once: a block of users is scored, ranked and
handed on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from causal_ranker.errors import RowError, SchemaError

if TYPE_CHECKING:
    from causal_ranker.coldstart.scores import Scores

__all__ = [
    "Audience",
    "RankedBlock",
    "check_matrix",
    "checked_embeddings",
    "ranked_blocks",
    "ranks_of",
    "rows_at_once",
]

_BLOCK = 1024
#: Scores of a block: 16 MiB of them in float32, and ranks are a few whole numbers for each.
_CELLS = 1 << 22


@dataclass(frozen=True)
class Audience:
    """Who liked which of the ranked items.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        Shape (n_users, n_items), ones at positives, no explicit zeros.
    """

    matrix: csr_array

    @classmethod
    def from_pairs(
        cls, users: NDArray[np.int64], items: NDArray[np.int64], *, shape: tuple[int, int]
    ) -> Audience:
        """Build the audience from pairs of positions.

        Parameters
        ----------
        users, items : numpy.ndarray
            Shape (n_pairs,): rows of the user embeddings and of the item embeddings.
        shape : tuple of int
            Number of users and of items.

        Returns
        -------
        Audience
            The audience; a pair given twice counts once.

        Raises
        ------
        SchemaError
            If the positions are no whole numbers, or not two for each pair.
        RowError
            If a position is outside the shape.
        """
        if users.ndim != 1 or users.shape != items.shape or not _whole(users, items):
            raise SchemaError(
                expected="the users and the items of some pairs, as whole numbers of shape "
                "(n_pairs,)",
                came=f"shapes {users.shape} and {items.shape} of types {users.dtype} and "
                f"{items.dtype}",
                do="Number users and items as the rows of their embeddings.",
            )
        for name, positions, size in (("users", users, shape[0]), ("items", items, shape[1])):
            bad = np.flatnonzero((positions < 0) | (positions >= size))
            if bad.size:
                raise RowError(
                    expected=f"{name} from 0 to {size - 1}",
                    came=f"{bad.size} of {len(positions)} pairs outside, "
                    f"e.g. {positions[bad[:3]].tolist()}",
                    do="Number users and items as the rows of their embeddings.",
                )
        ones = np.ones(len(users), dtype=np.float64)
        matrix = csr_array((ones, (users.astype(np.int64), items.astype(np.int64))), shape=shape)
        matrix.sum_duplicates()
        matrix.data[:] = 1.0
        return cls(matrix)

    def of_items(self, positions: NDArray[np.int64]) -> Audience:
        """Keep some of the items.

        Parameters
        ----------
        positions : numpy.ndarray
            Columns.

        Returns
        -------
        Audience
            Who liked which of them.
        """
        return Audience(csr_array(self.matrix.tocsc()[:, positions]))

    def of_each_item(self) -> NDArray[np.int64]:
        """Count who liked each item.

        Returns
        -------
        numpy.ndarray
            Shape (n_items,).
        """
        return np.bincount(self.matrix.indices, minlength=self.matrix.shape[1])


@dataclass(frozen=True)
class RankedBlock:
    """The positives of a block of users, with their ranks.

    Parameters
    ----------
    users : numpy.ndarray
        Shape (n_positives,): the user of each positive, ascending.
    items : numpy.ndarray
        Shape (n_positives,): the item.
    ranks : numpy.ndarray
        Shape (n_positives,): the item's rank for the user among all items, from 1.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    ranks: NDArray[np.int64]


def check_matrix(matrix: NDArray[np.generic], *, name: str) -> None:
    """Refuse what is no matrix of numbers.

    Parameters
    ----------
    matrix : numpy.ndarray
        Shape (n_rows, width).
    name : str
        What it is called, for messages.

    Raises
    ------
    SchemaError
        If it is not a matrix of numbers with at least one row and column.
    """
    if matrix.ndim != 2 or 0 in matrix.shape or matrix.dtype.kind not in "fiu":
        raise SchemaError(
            expected=f"numbers of shape (rows, width) in '{name}'",
            came=f"shape {matrix.shape} of type {matrix.dtype}",
            do="Pass one embedding, or one user's scores, per row.",
        )


def checked_embeddings(values: NDArray[np.floating], *, name: str) -> NDArray[np.float32]:
    """Check a matrix of embeddings.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (n_rows, width).
    name : str
        What it is called, for messages.

    Returns
    -------
    numpy.ndarray
        Float32, shape (n_rows, width).

    Raises
    ------
    SchemaError
        If it is not a matrix with at least one row and column.
    RowError
        If a row holds NaN or infinity.
    """
    matrix = np.asarray(values)
    check_matrix(matrix, name=name)
    # NaN is not below anything, and what is beyond float32 would become infinite in it.
    bad = np.flatnonzero(~(np.abs(matrix) <= np.finfo(np.float32).max).all(axis=1))
    if bad.size:
        raise RowError(
            expected=f"finite numbers of single precision in '{name}'",
            came=f"{bad.size} of {len(matrix)} rows with NaN or infinity, e.g. rows "
            f"{bad[:3].tolist()}",
            do="Leave these rows out, or give their items content.",
        )
    return matrix.astype(np.float32, copy=False)


def rows_at_once(columns: int) -> int:
    """Say how many rows are looked at together, so that they fit in memory however wide they are.

    Parameters
    ----------
    columns : int
        Length of a row.

    Returns
    -------
    int
        From 1 to 1,024.
    """
    return max(1, min(_BLOCK, _CELLS // max(1, columns)))


def _whole(*arrays: NDArray[np.generic]) -> bool:
    """Whole numbers, and not those that a cast would make of others; nothing is of any type."""
    return all(array.dtype.kind in "iu" or not array.size for array in arrays)


def ranked_blocks(scores: Scores, *, audience: Audience) -> Iterator[RankedBlock]:
    """Rank all items for each user, and yield the positives' ranks.

    Equal scores rank in the order of the items' positions, as a stable sort leaves them.

    Parameters
    ----------
    scores : Scores
        A score for each user and item.
    audience : Audience
        Positives, shape (n_users, n_items).

    Yields
    ------
    RankedBlock
        The positives of the next users.

    Raises
    ------
    SchemaError
        If the shapes do not fit each other.
    RowError
        If a score is NaN or infinite.
    """
    if audience.matrix.shape != scores.shape:
        raise SchemaError(
            expected=f"an audience of shape {scores.shape}, as the scores are",
            came=f"one of shape {audience.matrix.shape}",
            do="Pass the users and items that the audience was built for.",
        )
    step = rows_at_once(scores.shape[1])
    for start in range(0, scores.shape[0], step):
        part = audience.matrix[start : start + step].tocoo()
        row, column = (axis.astype(np.int64) for axis in part.coords)
        ranks = ranks_of(scores.block(start, start + step), first_user=start)
        yield RankedBlock(users=row + start, items=column, ranks=ranks[row, column])


def ranks_of(scores: NDArray[np.float32], *, first_user: int = 0) -> NDArray[np.int64]:
    """Rank each row's scores, the highest first; equal ones in the order of their positions.

    Parameters
    ----------
    scores : numpy.ndarray
        Shape (n_users, n_items).
    first_user : int
        The user of the first row, for messages.

    Returns
    -------
    numpy.ndarray
        Shape (n_users, n_items), from 1.

    Raises
    ------
    RowError
        If a score is NaN or infinite.
    """
    bad = np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if bad.size:
        raise RowError(
            expected="finite scores",
            came=f"NaN or infinity for {bad.size} of {len(scores)} users, e.g. users "
            f"{(bad[:3] + first_user).tolist()}",
            do="Leave these users out, or find out why the model cannot score them.",
        )
    # Bits of floats, ordered as whole numbers, with the position behind them: whole numbers sort
    # many times faster than a stable sort of floats, and all differ. Adding 0 makes -0 a 0.
    bits = (np.asarray(scores, dtype=np.float32) + np.float32(0)).view(np.int32)
    ascending = (bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))).astype(np.int64)
    positions = np.arange(scores.shape[1], dtype=np.int64)
    order = np.sort((~ascending << 32) | positions, axis=1) & 0xFFFFFFFF
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.broadcast_to(positions + 1, order.shape), axis=1)
    return ranks
