"""What is kept of one column: counts by day in common cells, missing values, moments.

A profile is all that the monitor knows of 10 million rows. Counts and moments are exact; what lies
between two edges of a cell is not known, and `Numbers.resolution` bounds what that can hide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from causal_ranker.drift.histograms import edges_of
from causal_ranker.stats._arrays import Array, IntArray

__all__ = ["CELLS", "HALVINGS", "Categories", "Numbers", "Profile", "scale_of"]

CELLS: Final = 200
HALVINGS: Final = 6


@dataclass(frozen=True, eq=False)
class Numbers:
    """A numeric column by day.

    Parameters
    ----------
    edges : ndarray of float64, shape (n_edges,)
        Upper edges of all cells but the last.
    counts : ndarray of int64 or float64, shape (n_days, n_edges + 1)
        Values in each cell; infinite ones are in the outer cells.
    missing : ndarray, shape (n_days,)
        Null or NaN.
    mean, square : ndarray of float64, shape (n_days,)
        Mean and mean square of ``(x - centre) / unit`` over finite values; NaN without any.
    centre, unit : float
        What mean and square are measured from and in, so that squares of large numbers keep their
        digits.
    low, high : float
        Smallest and largest finite value of all days; NaN without any.
    """

    edges: Array
    counts: NDArray[Any]
    missing: NDArray[Any]
    mean: Array
    square: Array
    centre: float
    unit: float
    low: float
    high: float

    @classmethod
    def of_values(
        cls, values: Array, days: IntArray, *, size: int, like: Numbers | None = None
    ) -> Self:
        """Profile an array.

        Parameters
        ----------
        values : ndarray of float64, shape (n,)
            Values, NaN where missing.
        days : ndarray of int64, shape (n,)
            The day of each row, 0 to ``size - 1``.
        size : int
            Number of days.
        like : Numbers, optional
            The reference's profile, whose cells are taken; without it they are chosen.

        Returns
        -------
        Numbers
            The profile.
        """
        here = ~np.isnan(values)
        finite = np.isfinite(values)
        some = values[finite]
        if like is None:
            edges = edges_of(some, cells=CELLS, halvings=HALVINGS) if some.size else np.zeros(1)
            centre, unit = scale_of(some)
        else:
            edges, centre, unit = like.edges, like.centre, like.unit
        cell = np.searchsorted(edges, values[here], side="left")
        cells = edges.size + 1
        counts = np.bincount(days[here] * cells + cell, minlength=size * cells)
        with np.errstate(over="ignore"):
            z = (some - centre) / unit
        number = np.bincount(days[finite], minlength=size)
        # a square beyond the largest double is infinite, and no spread is told
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            mean = np.bincount(days[finite], weights=z, minlength=size) / number
            square = np.bincount(days[finite], weights=z * z, minlength=size) / number
        return cls(
            edges=edges,
            counts=counts.reshape(size, cells),
            missing=np.bincount(days[~here], minlength=size),
            mean=mean,
            square=square,
            centre=centre,
            unit=unit,
            low=float(some.min()) if some.size else np.nan,
            high=float(some.max()) if some.size else np.nan,
        )

    @property
    def rows(self) -> NDArray[Any]:
        """Values that are not missing, by day."""
        rows: NDArray[Any] = self.counts.sum(axis=1)
        return rows

    def spread(self) -> Array:
        """Return the standard deviation by day.

        Returns
        -------
        ndarray of float64, shape (n_days,)
            In the column's unit; NaN for a day without finite values.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            spread: Array = np.sqrt(np.maximum(self.square - self.mean**2, 0.0)) * self.unit
        return spread

    def days(self, which: NDArray[Any] | slice) -> Self:
        """Take some days.

        Parameters
        ----------
        which : ndarray or slice
            Their positions.

        Returns
        -------
        Numbers
            Their profile.
        """
        return replace(
            self,
            counts=self.counts[which],
            missing=self.missing[which],
            mean=self.mean[which],
            square=self.square[which],
        )

    def mixed(self, weights: Array) -> Self:
        """Put days together, with a weight for each row of a day.

        Parameters
        ----------
        weights : ndarray of float64, shape (n_mixtures, n_days)
            A mixture per row; 0 leaves a day out.

        Returns
        -------
        Numbers
            A "day" per mixture.
        """
        rows = self.rows
        total = weights @ rows
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (weights @ (rows * np.where(rows > 0, self.mean, 0.0))) / total
            square = (weights @ (rows * np.where(rows > 0, self.square, 0.0))) / total
        return replace(
            self,
            counts=weights @ self.counts,
            missing=weights @ self.missing,
            mean=mean,
            square=square,
        )

    def quantile(self, share: float) -> Array:
        """Return a quantile by day, by a straight line inside its cell.

        Parameters
        ----------
        share : float
            Of the values, in (0, 1).

        Returns
        -------
        ndarray of float64, shape (n_days,)
            NaN for a day without values; off by at most the width of its cell.
        """
        below = np.cumsum(self.counts, axis=1, dtype=np.float64)
        total = below[:, -1:]
        low = min(self.low, self.edges[0]) if np.isfinite(self.low) else self.edges[0]
        high = max(self.high, self.edges[-1]) if np.isfinite(self.high) else self.edges[-1]
        ends = np.concatenate([[low], self.edges, [high]])
        found = np.full(len(total), np.nan)
        for day in np.flatnonzero(total[:, 0] > 0):
            at = np.concatenate([[0.0], below[day] / total[day]])
            cell = int(np.clip(np.searchsorted(at, share, side="left"), 1, len(ends) - 1))
            part = (share - at[cell - 1]) / (at[cell] - at[cell - 1])
            found[day] = ends[cell - 1] + part * (ends[cell] - ends[cell - 1])
        return found

    def resolution(self, other: Numbers) -> float:
        """Return by how much a distance of distribution functions at the edges may fall short.

        Parameters
        ----------
        other : Numbers
            A profile with the same cells; both of a single "day".

        Returns
        -------
        float
            The bound: the largest of the smaller shares of a cell.
        """
        shares = [side.counts[0] / max(side.counts[0].sum(), 1) for side in (self, other)]
        return float(np.minimum(*shares).max())


@dataclass(frozen=True, eq=False)
class Categories:
    """A column of text or booleans by day.

    Parameters
    ----------
    labels : tuple of str
        The reference's categories.
    counts : ndarray, shape (n_days, n_labels + 1)
        Rows of each; the last cell holds categories that the reference does not have.
    missing : ndarray, shape (n_days,)
        Nulls.
    new : int
        How many categories are in the last cell.
    new_examples : tuple of str
        The most frequent of them, at most ten.
    """

    labels: tuple[str, ...]
    counts: NDArray[Any]
    missing: NDArray[Any]
    new: int = 0
    new_examples: tuple[str, ...] = ()

    @classmethod
    def of_values(
        cls,
        values: Sequence[str | None],
        days: IntArray,
        *,
        size: int,
        like: Categories | None = None,
    ) -> Self:
        """Profile a sequence.

        Parameters
        ----------
        values : sequence of str or None
            Categories, None where missing.
        days : ndarray of int64, shape (n,)
            The day of each row, 0 to ``size - 1``.
        size : int
            Number of days.
        like : Categories, optional
            The reference's profile.

        Returns
        -------
        Categories
            The profile.
        """
        here = np.array([value is not None for value in values], dtype=bool)
        found = np.array([value for value in values if value is not None], dtype=str)
        names, code = np.unique(found, return_inverse=True)
        labels = tuple(names.tolist()) if like is None else like.labels
        place = {label: k for k, label in enumerate(labels)}
        of_name = np.array([place.get(n, len(labels)) for n in names.tolist()], dtype=np.int64)
        cells = len(labels) + 1
        cell = of_name[code] if found.size else np.zeros(0, dtype=np.int64)
        counts = np.bincount(days[here] * cells + cell, minlength=size * cells)
        times = np.bincount(code, minlength=len(names))
        new = np.flatnonzero(of_name == len(labels))
        first = new[np.argsort(-times[new], kind="stable")][:10]
        return cls(
            labels=labels,
            counts=counts.reshape(size, cells),
            missing=np.bincount(days[~here], minlength=size),
            new=new.size,
            new_examples=tuple(names[first].tolist()),
        )

    @property
    def rows(self) -> NDArray[Any]:
        """Values that are not missing, by day."""
        rows: NDArray[Any] = self.counts.sum(axis=1)
        return rows

    def days(self, which: NDArray[Any] | slice) -> Self:
        """Take some days.

        Parameters
        ----------
        which : ndarray or slice
            Their positions.

        Returns
        -------
        Categories
            Their profile.
        """
        return replace(self, counts=self.counts[which], missing=self.missing[which])

    def mixed(self, weights: Array) -> Self:
        """Put days together, with a weight for each row of a day.

        Parameters
        ----------
        weights : ndarray of float64, shape (n_mixtures, n_days)
            A mixture per row; 0 leaves a day out.

        Returns
        -------
        Categories
            A "day" per mixture.
        """
        return replace(self, counts=weights @ self.counts, missing=weights @ self.missing)


Profile = Numbers | Categories


def scale_of(values: Array) -> tuple[float, float]:
    """Return a centre and a unit that keep the digits of squares: median and spread.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Finite values, or a sample of them.

    Returns
    -------
    centre, unit : float
        The unit is 1 where the values are constant, or their spread is not finite.
    """
    if not values.size:
        return 0.0, 1.0
    centre = float(np.median(values))
    with np.errstate(over="ignore"):
        spread = float(np.abs(values - centre).mean())
    return centre, spread if np.isfinite(spread) and spread > 0 else 1.0
