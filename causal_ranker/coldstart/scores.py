"""Scores of users and items that are looked at in blocks of users: matrices, products, maps.

Whatever a recommender is, what is ranked is a score for each user and item. A matrix of them, or
the two sides of a product, come in by the same door, so that any recommender can be judged and
made fairer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from causal_ranker.coldstart.ranking import check_matrix, checked_embeddings
from causal_ranker.errors import ConfigError, SchemaError

__all__ = ["FactoredScores", "MatrixScores", "ScoreMap", "Scores", "factorised", "with_one"]

#: Scores looked at together: 16 MiB of them in float32.
_CELLS = 1 << 22
#: Squares of singular values below this share of the largest are rounding of single precision.
_NOISE = 1e-12


class Scores(Protocol):
    """A score for each user and item."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of users and of items."""
        ...

    def block(self, start: int, stop: int) -> NDArray[np.float32]:
        """Score every item for some users.

        Parameters
        ----------
        start, stop : int
            The first user, and the one behind the last.

        Returns
        -------
        numpy.ndarray
            Shape (stop - start, n_items).
        """
        ...


@dataclass(frozen=True)
class MatrixScores:
    """Scores that are known one by one.

    Parameters
    ----------
    matrix : numpy.ndarray
        Shape (n_users, n_items). Whether all are finite is seen when they are looked at.

    Raises
    ------
    SchemaError
        If it is no matrix of numbers with at least one row and column.
    """

    matrix: NDArray[np.floating]

    def __post_init__(self) -> None:
        matrix = np.asarray(self.matrix)
        check_matrix(matrix, name="scores")
        object.__setattr__(self, "matrix", matrix)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of users and of items."""
        users, items = self.matrix.shape
        return users, items

    def block(self, start: int, stop: int) -> NDArray[np.float32]:
        """Score every item for some users.

        Parameters
        ----------
        start, stop : int
            The first user, and the one behind the last.

        Returns
        -------
        numpy.ndarray
            Shape (stop - start, n_items).

        Raises
        ------
        RowError
            If a score is NaN or infinite.
        """
        return checked_embeddings(self.matrix[start:stop], name=f"scores of users from {start}")

    def of_users(self, positions: NDArray[np.int64]) -> MatrixScores:
        """Keep some of the users.

        Parameters
        ----------
        positions : numpy.ndarray
            Rows of the matrix.

        Returns
        -------
        MatrixScores
            Their scores.
        """
        return MatrixScores(self.matrix[positions])

    def of_items(self, positions: NDArray[np.int64]) -> MatrixScores:
        """Keep some of the items.

        Parameters
        ----------
        positions : numpy.ndarray
            Columns of the matrix.

        Returns
        -------
        MatrixScores
            Their scores.
        """
        return MatrixScores(self.matrix[:, positions])


@dataclass(frozen=True)
class FactoredScores:
    """Scores that are products of embeddings.

    Parameters
    ----------
    users : numpy.ndarray
        Shape (n_users, width).
    items : numpy.ndarray
        Shape (n_items, width).

    Raises
    ------
    SchemaError
        If the widths differ, or either is no matrix of numbers.
    RowError
        If a row holds NaN or infinity.
    """

    users: NDArray[np.floating]
    items: NDArray[np.floating]

    def __post_init__(self) -> None:
        for name in ("users", "items"):
            checked = checked_embeddings(getattr(self, name), name=name)
            object.__setattr__(self, name, checked)
        if self.users.shape[1] != self.items.shape[1]:
            raise SchemaError(
                expected="embeddings of one width",
                came=f"widths {self.users.shape[1]} (users) and {self.items.shape[1]} (items)",
                do="Pass users and items of one model.",
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Number of users and of items."""
        return len(self.users), len(self.items)

    def block(self, start: int, stop: int) -> NDArray[np.float32]:
        """Score every item for some users.

        Parameters
        ----------
        start, stop : int
            The first user, and the one behind the last.

        Returns
        -------
        numpy.ndarray
            Shape (stop - start, n_items).
        """
        return np.asarray(self.users[start:stop] @ self.items.T, dtype=np.float32)

    def of_users(self, positions: NDArray[np.int64]) -> FactoredScores:
        """Keep some of the users.

        Parameters
        ----------
        positions : numpy.ndarray
            Rows of the user embeddings.

        Returns
        -------
        FactoredScores
            Their scores.
        """
        return FactoredScores(self.users[positions], self.items)

    def of_items(self, positions: NDArray[np.int64]) -> FactoredScores:
        """Keep some of the items.

        Parameters
        ----------
        positions : numpy.ndarray
            Rows of the item embeddings.

        Returns
        -------
        FactoredScores
            Their scores.
        """
        return FactoredScores(self.users, self.items[positions])

    def range(self) -> tuple[float, float]:
        """Return the lowest and the highest score of all users and items.

        Returns
        -------
        tuple of float
            In the scores' own unit.
        """
        step = max(1, _CELLS // len(self.items))
        blocks = (self.block(start, start + step) for start in range(0, len(self.users), step))
        ends = [(float(block.min()), float(block.max())) for block in blocks]
        return min(low for low, _ in ends), max(high for _, high in ends)


@dataclass(frozen=True)
class ScoreMap:
    """A map from old to new scores that is linear in an item's embedding.

    Parameters
    ----------
    weights : numpy.ndarray
        Shape (width + 1, n_users): the new scores of an item with embedding v are
        ``[v, 1] @ weights``.
    """

    weights: NDArray[np.floating]

    def __call__(self, items: NDArray[np.floating]) -> FactoredScores:
        """Score items anew.

        Parameters
        ----------
        items : numpy.ndarray
            Shape (n_items, width): items of the same model, whether it was fitted on them or not.

        Returns
        -------
        FactoredScores
            New scores of all users.

        Raises
        ------
        SchemaError
            If the width is another one than in the fit.
        """
        width = len(self.weights) - 1
        vectors = checked_embeddings(items, name="items")
        if vectors.shape[1] != width:
            raise SchemaError(
                expected=f"item embeddings of width {width}, as in the fit",
                came=f"width {vectors.shape[1]}",
                do="Pass embeddings of the model whose scores were made fairer.",
            )
        return FactoredScores(np.ascontiguousarray(self.weights.T), with_one(vectors))


def with_one(items: NDArray[np.floating]) -> NDArray[np.float32]:
    """Set a column of ones behind embeddings.

    Parameters
    ----------
    items : numpy.ndarray
        Shape (n_items, width).

    Returns
    -------
    numpy.ndarray
        Shape (n_items, width + 1).
    """
    checked = checked_embeddings(items, name="items")
    return np.column_stack([checked, np.ones(len(checked), dtype=np.float32)])


def factorised(matrix: NDArray[np.floating], *, width: int = 100) -> tuple[FactoredScores, float]:
    """Write any score matrix as the product of two sides, as well as that width allows.

    The best approximation there is (Eckart and Young): a truncated singular value decomposition,
    the singular values shared evenly by the two sides. What varies little is then short in both,
    and a ridge on the items' side does not learn from it.

    Parameters
    ----------
    matrix : numpy.ndarray
        Shape (n_users, n_items).
    width : int
        Width of the embeddings; a matrix of a lower rank gets narrower ones.

    Returns
    -------
    FactoredScores
        The product.
    float
        Share of the sum of squares that it misses, in [0, 1].

    Raises
    ------
    ConfigError
        If the width is below 1 or above the number of users or of items.
    SchemaError, RowError
        If the matrix holds no numbers, or NaN or infinity.
    """
    checked = checked_embeddings(matrix, name="matrix").astype(np.float64)
    least = min(checked.shape)
    if not 1 <= width <= least:
        raise ConfigError(
            expected=f"a width from 1 to {least}, the number of items or users",
            came=str(width),
            do="Ask for a smaller width.",
        )
    # The shorter side of the decomposition, from a square matrix of that length only.
    turned = checked.shape[0] < checked.shape[1]
    tall = checked.T if turned else checked
    values, vectors = np.linalg.eigh(tall.T @ tall)
    squares = np.clip(values[::-1], 0, None)
    kept = np.flatnonzero(squares[:width] > _NOISE * squares[0])
    kept = kept if kept.size else np.array([0])
    root = np.maximum(squares[kept], np.finfo(np.float64).tiny) ** 0.25
    short = vectors[:, ::-1][:, kept]
    long = tall @ short / root
    short = short * root
    scores = FactoredScores(short, long) if turned else FactoredScores(long, short)
    total = float(squares.sum())
    return scores, 1 - float(squares[kept].sum()) / total if total else 0.0
