"""Tables of numbers, as the detectors of many features at once take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import EmptyError, SchemaError
from causal_ranker.stats._arrays import Array, reject_rows

__all__ = ["Units", "float_rows", "halves", "some_rows"]


def float_rows(
    values: ArrayLike,
    *,
    name: str,
    least: int = 1,
    features: int | None = None,
    missing: bool = False,
) -> Array:
    """Return a checked table of numbers; the caller's array is not changed.

    Parameters
    ----------
    values : array_like, shape (n, n_features)
        Numbers or booleans; text that looks like numbers is refused.
    name : str
        What the table is called, for messages.
    least : int
        Fewest rows.
    features : int, optional
        Features that it must have; any number by default.
    missing : bool
        Whether NaN is allowed.

    Returns
    -------
    ndarray of float64, shape (n, n_features)
        The values.

    Raises
    ------
    SchemaError
        If the values are not numbers, or not in so many columns.
    EmptyError
        If there are fewer rows.
    RowError
        If a row holds an infinity, or NaN where that is not allowed.
    """
    table = np.asarray(values)
    if table.ndim != 2 or table.dtype.kind not in "biuf" or table.shape[1] == 0:
        raise SchemaError(
            expected=f"numbers in rows and columns in '{name}'",
            came=f"an array of {table.dtype} of shape {table.shape}",
            do="Code categories as numbers and pass one column per feature.",
        )
    if features is not None and table.shape[1] != features:
        raise SchemaError(
            expected=f"{features} columns in '{name}', as in the reference",
            came=f"{table.shape[1]}",
            do="Pass the features that fit was given, in their order.",
        )
    if len(table) < least:
        raise EmptyError(
            expected=f"at least {least} rows in '{name}'",
            came=f"{len(table)}",
            do="Check the filters that ran before, or take a longer window.",
        )
    rows = table.astype(np.float64)
    bad = np.isinf(rows) if missing else ~np.isfinite(rows)
    reject_rows(
        np.any(bad, axis=1),
        rows,
        name=name,
        expected=f"finite numbers{' or NaN' if missing else ''} in '{name}'",
        do="Fill or drop these rows."
        + ("" if missing else " DomainClassifier takes missing values as they are."),
    )
    return rows


def some_rows(rows: Array, *, most: int, rng: np.random.Generator) -> Array:
    """Return the rows, or so many of them drawn without replacement.

    Parameters
    ----------
    rows : ndarray, shape (n, n_features)
        The table.
    most : int
        Most rows to return.
    rng : numpy.random.Generator
        Draws them.

    Returns
    -------
    ndarray, shape (at most `most`, n_features)
        In their order.
    """
    if len(rows) <= most:
        return rows
    drawn: NDArray[np.int64] = np.sort(rng.choice(len(rows), size=most, replace=False))
    return rows[drawn]


def halves(reference: ArrayLike, *, most: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Split a checked reference by lot: one half to learn from, one to compare windows with.

    What a detector learned from fits the learned better than anything that comes later, so that
    a window would seem to have drifted.

    Parameters
    ----------
    reference : array_like, shape (n, n_features)
        Finite numbers, four rows at least.
    most : int
        Most rows to look at.
    rng : numpy.random.Generator
        Draws and splits them.

    Returns
    -------
    learn, compare : ndarray of float64, shape (about n / 2, n_features)
        The halves.

    Raises
    ------
    EmptyError, RowError, SchemaError
        If the reference is not such a table.
    """
    rows = float_rows(reference, name="reference", least=4)
    rows = rng.permutation(some_rows(rows, most=most, rng=rng))
    half = len(rows) // 2
    return rows[:half], rows[half:]


@dataclass(frozen=True)
class Units:
    """Centre and spread of each feature, so that none counts for its unit.

    Parameters
    ----------
    center, spread : ndarray, shape (n_features,)
        Mean and standard deviation; the spread of a constant is its size, or 1 for 0.
    """

    center: Array
    spread: Array

    @classmethod
    def of(cls, rows: Array) -> Self:
        """Measure them; missing values are left out.

        Parameters
        ----------
        rows : ndarray, shape (n, n_features)
            The table; NaN is missing.

        Returns
        -------
        Units
            The units.
        """
        present = ~np.isnan(rows)
        counts = np.maximum(present.sum(axis=0), 1)
        # A constant's mean and deviation are rounding, so its own value stands for them.
        first = rows[present.argmax(axis=0), np.arange(rows.shape[1])]
        constant = ((rows == first) | ~present).all(axis=0)
        first = np.where(np.isnan(first), 0.0, first)
        center = np.where(present, rows, 0.0).sum(axis=0) / counts
        center = np.where(constant, first, center)
        squares = np.where(present, rows - center, 0.0) ** 2
        size = np.where(center == 0, 1.0, np.abs(center))
        return cls(center, np.where(constant, size, np.sqrt(squares.sum(axis=0) / counts)))

    def apply(self, rows: Array) -> Array:
        """Express a table in these units.

        Parameters
        ----------
        rows : ndarray, shape (n, n_features)
            The table.

        Returns
        -------
        ndarray, shape (n, n_features)
            Centred and scaled.
        """
        return (rows - self.center) / self.spread
