"""Counts, means and covariances of some columns: all that a read-out needs to know of an arm.

They are the same whether they come from arrays or from one pass over a file of any length.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.stats._arrays import Array, float_vector, same_size

__all__ = ["Moments", "Ratio", "pooled"]


@dataclass(frozen=True)
class Ratio:
    """A ratio of two columns' sums; a mean per unit where there is no denominator.

    Parameters
    ----------
    numerator : str
        Name of a column.
    denominator : str or None
        Name of another, of numbers of 0 or more.
    """

    numerator: str
    denominator: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it is made of."""
        return (self.numerator,) if self.denominator is None else (self.numerator, self.denominator)


@dataclass(frozen=True)
class Moments:
    """Moments of the columns of independent units, such as users.

    Parameters
    ----------
    columns : tuple of str
        Names of the k columns.
    count : int
        Units.
    mean : ndarray of float64, shape (k,)
        Means.
    covariance : ndarray of float64, shape (k, k)
        Sample covariances, with ``count - 1`` below.
    """

    columns: tuple[str, ...]
    count: int
    mean: Array
    covariance: Array

    @classmethod
    def of_columns(cls, columns: Mapping[str, ArrayLike]) -> Moments:
        """Measure columns that lie in memory.

        Parameters
        ----------
        columns : mapping of str to array_like, each of shape (n,)
            By name.

        Returns
        -------
        Moments
            Their moments.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If there is no unit, a value is not finite, or the columns differ in length.
        """
        vectors = {name: float_vector(values, name=name) for name, values in columns.items()}
        count = next(iter(vectors.values())).size
        same_size(count, **vectors)
        rows = np.stack(list(vectors.values()))
        mean = rows.mean(axis=1)
        centred = rows - mean[:, None]
        return cls(tuple(vectors), count, mean, centred @ centred.T / max(count - 1, 1))

    def take(self, columns: Sequence[str]) -> Moments:
        """Keep some columns.

        Parameters
        ----------
        columns : sequence of str
            Their names.

        Returns
        -------
        Moments
            Those of these columns, in this order.
        """
        at = [self.columns.index(name) for name in columns]
        return Moments(tuple(columns), self.count, self.mean[at], self.covariance[np.ix_(at, at)])

    def value(self, ratio: Ratio) -> float:
        """Return a ratio of sums.

        Parameters
        ----------
        ratio : Ratio
            Which one.

        Returns
        -------
        float
            Its value.
        """
        top = self._mean(ratio.numerator)
        return top if ratio.denominator is None else top / self._mean(ratio.denominator)

    def gradient(self, ratio: Ratio) -> Array:
        """Return how a ratio moves with each column's mean: the delta method's first order.

        Parameters
        ----------
        ratio : Ratio
            Which one.

        Returns
        -------
        ndarray of float64, shape (k,)
            ``1 / mean(b)`` for the numerator and ``-ratio / mean(b)`` for the denominator b.
        """
        slope = np.zeros(len(self.columns))
        below = 1.0 if ratio.denominator is None else self._mean(ratio.denominator)
        slope[self.columns.index(ratio.numerator)] = 1 / below
        if ratio.denominator is not None:
            slope[self.columns.index(ratio.denominator)] -= self.value(ratio) / below
        return slope

    def _mean(self, column: str) -> float:
        return float(self.mean[self.columns.index(column)])


def pooled(parts: Iterable[Moments]) -> Moments:
    """Join the moments of units that are in no two parts.

    Parameters
    ----------
    parts : iterable of Moments
        Of the same columns.

    Returns
    -------
    Moments
        Of all units together (Chan, Golub and LeVeque, 1983).
    """
    known = list(parts)
    count = sum(part.count for part in known)
    mean = np.asarray(sum(part.count * part.mean for part in known)) / count
    scatter = np.zeros((mean.size, mean.size))
    for part in known:
        off = part.mean - mean
        scatter += (part.count - 1) * part.covariance + part.count * np.outer(off, off)
    return Moments(known[0].columns, count, mean, scatter / max(count - 1, 1))
