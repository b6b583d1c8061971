"""Rows that are like none of the reference's, where no model has anything to go by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, PrivateAttr

from causal_ranker.config import FrozenConfig
from causal_ranker.drift.protocol import fitted
from causal_ranker.errors import EmptyError, SchemaError
from causal_ranker.seeds import stage_rng
from causal_ranker.stats._arrays import Array, as_numbers

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

__all__ = ["Support"]

_ROWS: Final = 5000


class Support(FrozenConfig):
    """The region that a reference covers, by distance to the nearest of its rows.

    Features count in standard deviations of the reference; a missing value is a feature of its
    own. A row is outside if it is further from its nearest row of the reference than all but the
    share `rare` of the reference's own rows are from theirs: it also finds holes, which ranges of
    single features cannot.

    Parameters
    ----------
    rare : float
        Share of the reference's own rows that counts as outside.
    seed : int
        Decides which 5,000 rows of a larger reference stand for it.
    """

    rare: Annotated[float, Field(gt=0, lt=1)] = 0.01
    seed: Annotated[int, Field(ge=0)] = 0
    _tree: cKDTree | None = PrivateAttr(default=None)
    _scale: tuple[Array, Array] | None = PrivateAttr(default=None)
    _farthest: float = PrivateAttr(default=0.0)

    def fit(self, reference: ArrayLike) -> Self:
        """Learn the region.

        Parameters
        ----------
        reference : array_like, shape (n, n_features)
            Numbers; NaN is missing.

        Returns
        -------
        Support
            Itself.

        Raises
        ------
        EmptyError
            If there are fewer than two rows.
        SchemaError
            If it is not a table of numbers.
        """
        from scipy.spatial import cKDTree

        table = _table(reference)
        if len(table) < 2:
            raise EmptyError(
                expected="at least two rows in the reference",
                came=f"{len(table)}",
                do="Pass more rows.",
            )
        if len(table) > _ROWS:
            rng = stage_rng(self.seed, "drift-support")
            table = table[rng.choice(len(table), size=_ROWS, replace=False)]
        known = ~np.isnan(table)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, table, 0.0).sum(axis=0) / count
        spread = np.sqrt(np.where(known, np.square(table - mean), 0.0).sum(axis=0) / count)
        self._scale = mean, np.where(spread > 0, spread, 1.0)
        points = self._points(table)
        self._tree = cKDTree(points)
        apart = self._tree.query(points, k=2)[0][:, 1]
        self._farthest = float(np.quantile(apart, 1 - self.rare, method="higher"))
        return self

    def outside(self, window: ArrayLike) -> NDArray[np.bool_]:
        """Say which rows the reference has nothing like.

        Parameters
        ----------
        window : array_like, shape (m, n_features)
            Numbers; NaN is missing.

        Returns
        -------
        ndarray of bool, shape (m,)
            True outside; about a share `rare` where nothing moved.

        Raises
        ------
        SchemaError
            If it does not have the reference's columns.
        """
        tree = fitted(self._tree, detector=self)
        table = _table(window)
        mean, _ = fitted(self._scale, detector=self)
        if table.shape[1] != mean.size:
            raise SchemaError(
                expected=f"{mean.size} columns, as in the reference",
                came=f"{table.shape[1]}",
                do="Pass the same features.",
            )
        if not len(table):
            return np.zeros(0, dtype=bool)
        far: NDArray[np.bool_] = tree.query(self._points(table))[0] > self._farthest
        return far

    def _points(self, table: Array) -> Array:
        mean, spread = fitted(self._scale, detector=self)
        missing = np.isnan(table)
        return np.column_stack([np.where(missing, 0.0, (table - mean) / spread), missing])


def _table(values: ArrayLike) -> Array:
    table = as_numbers(values, name="features")
    if table.ndim != 2 or np.isinf(table).any():
        raise SchemaError(
            expected="finite features of shape (rows, columns)",
            came=f"shape {table.shape} with {int(np.isinf(table).sum())} infinite values",
            do="Pass a table of numbers.",
        )
    return table
