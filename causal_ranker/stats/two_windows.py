"""Whether two windows differ, where rows of one user move together and users return in both.

An estimate of each window is, up to its error, a sum over rows. What the rows of a cluster add is
summed over both windows, with opposite signs, before it is squared (as in a clustered regression
on a dummy of the window: Cameron, Gelbach and Miller, 2011): whoever is in both is neither counted
as two strangers, nor are a user's rows counted as so many users.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import RowError, SchemaError
from causal_ranker.stats._arrays import Array, IntArray, same_size
from causal_ranker.stats._codes import cluster_codes

__all__ = [
    "SharedClusters",
    "WaldTest",
    "change_covariance",
    "shared_clusters",
    "wald_test",
]

# Variances below this share of the largest are nothing but rounding.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class SharedClusters:
    """Clusters of the rows of two windows, in one coding.

    Parameters
    ----------
    first, second : ndarray of int64, shapes (n,) and (m,)
        Codes of the rows; the same code in both is the same cluster.
    count : int
        Clusters there are in all.
    sizes : tuple of int
        Clusters of the first and of the second window.
    """

    first: IntArray
    second: IntArray
    count: int
    sizes: tuple[int, int]

    @property
    def degrees(self) -> int:
        """Degrees of freedom: clusters of the window that has fewer, less 1."""
        return min(self.sizes) - 1

    @property
    def apart(self) -> bool:
        """Whether every row is a cluster by itself."""
        return self.count == self.first.size + self.second.size

    def sums(self, rows: Array, window: int) -> Array:
        """Sum by cluster, with the factor ``sqrt(C / (C - 1))`` of the window's clusters.

        Parameters
        ----------
        rows : ndarray of float64, shape (n_rows, k)
            Of that window.
        window : {0, 1}
            Which one.

        Returns
        -------
        ndarray of float64, shape (count, k)
            The sums; 0 for clusters that only the other window has.
        """
        codes = (self.first, self.second)[window]
        size = self.sizes[window]
        sums = np.column_stack(
            [np.bincount(codes, weights=column, minlength=self.count) for column in rows.T]
        )
        scaled: Array = np.sqrt(size / (size - 1)) * sums
        return scaled


def shared_clusters(
    first: ArrayLike | None, second: ArrayLike | None, *, rows: tuple[int, int]
) -> SharedClusters:
    """Code the clusters of two windows together.

    Parameters
    ----------
    first, second : array_like of int or str, shapes (n,) and (m,), or None
        Labels; None for both where each row stands by itself.
    rows : tuple of int
        n and m.

    Returns
    -------
    SharedClusters
        The codes.

    Raises
    ------
    RowError
        If a window has fewer than two clusters: one has no variance to estimate.
    SchemaError
        If one window has labels and the other none, or labels of another type.
    """
    if first is None and second is None:
        codes = np.arange(sum(rows))
        shared = SharedClusters(codes[: rows[0]], codes[rows[0] :], codes.size, rows)
    else:
        labels = [np.asarray(each) for each in (first, second)]
        kinds = ["numbers" if each.dtype.kind in "iu" else "text" for each in labels]
        if first is None or second is None or kinds[0] != kinds[1]:
            raise SchemaError(
                expected="clusters of both windows, of one type",
                came=f"{'none' if first is None else kinds[0]} in the reference and "
                f"{'none' if second is None else kinds[1]} in the window",
                do="Pass the same column of ids of both.",
            )
        for each, size in zip(labels, rows, strict=True):
            same_size(size, clusters=each)
        both = np.concatenate(labels)
        found = cluster_codes(both, name="clusters", size=both.size, rows=np.arange(both.size))
        parts = found.codes[: rows[0]], found.codes[rows[0] :]
        sizes = tuple(int(np.unique(part).size) for part in parts)
        shared = SharedClusters(*parts, found.count, (sizes[0], sizes[1]))
    for name, size in (("window", shared.sizes[1]), ("reference", shared.sizes[0])):
        if size < 2:
            raise RowError(
                expected=f"at least 2 clusters in the {name}",
                came=f"{size}",
                do="One has no variance to estimate: wait for more rows, or take a longer window.",
            )
    return shared


def change_covariance(
    first: Array, second: Array, *, pooled: Array | None = None, rows: tuple[int, int] = (1, 1)
) -> Array:
    """Return the covariance of the second window's means less the first's.

    Parameters
    ----------
    first, second : ndarray of float64, shapes (count, k)
        What each cluster adds to the error of the k means of either window
        (`SharedClusters.sums`).
    pooled : ndarray of float64, shape (k,), optional
        Variances of single rows, of both windows together. No window's mean is then taken to be
        surer than that of as many independent rows: one without a single rare event seems to have
        no variance at all, and its share of events to be known for certain.
    rows : tuple of int
        Rows of each window, for `pooled`.

    Returns
    -------
    ndarray of float64, shape (k, k)
        The covariance.
    """
    moved = second - first
    covariance: Array = moved.T @ moved
    if pooled is not None:
        for part, size in zip((first, second), rows, strict=True):
            lacking = pooled / size - np.square(part).sum(axis=0)
            covariance = covariance + np.diag(np.maximum(lacking, 0.0))
    return covariance


@dataclass(frozen=True)
class WaldTest:
    """Whether several estimates are all 0.

    Parameters
    ----------
    statistic : float
        Hotelling's F; infinite where something moved that cannot move by chance.
    threshold : float
        Its quantile.
    p_value : float
        Probability of a larger one by chance.
    """

    statistic: float
    threshold: float
    p_value: float


def wald_test(change: Array, covariance: Array, *, degrees: int, level: float) -> WaldTest:
    """Test whether estimates differ from 0 by more than chance.

    ``F = (d - k + 1) / (d k) c' V^-1 c`` with d degrees of freedom of V, on k and d - k + 1
    (Hotelling, 1931): exact for normal clusters, and for one estimate the square of Student's t.

    Parameters
    ----------
    change : ndarray of float64, shape (k,)
        The estimates.
    covariance : ndarray of float64, shape (k, k)
        Theirs.
    degrees : int
        Degrees of freedom behind the covariance.
    level : float
        Rate of false alarms.

    Returns
    -------
    WaldTest
        Directions without variance are left out, unless the estimate moves along one.

    Raises
    ------
    RowError
        If there are no more clusters than estimates.
    """
    from scipy.stats import f

    variances, directions = np.linalg.eigh(covariance)
    free: NDArray[np.bool_] = variances > _ROUNDING * max(float(variances[-1]), 0.0)
    along = directions.T @ change
    count = int(free.sum())
    if degrees < change.size:
        raise RowError(
            expected=f"more than {change.size} clusters in either window, for {change.size} "
            "estimates",
            came=f"{degrees + 1}",
            do="Take a longer window, or fewer groups.",
        )
    if np.abs(along[~free]).max(initial=0.0) > _ROUNDING * np.abs(change).max():
        return WaldTest(float("inf"), 0.0, 0.0)
    if not count:
        return WaldTest(0.0, 0.0, 1.0)
    freedom = degrees - count + 1
    scale = freedom / (degrees * count)
    statistic = scale * float(np.sum(along[free] ** 2 / variances[free]))
    return WaldTest(
        statistic,
        float(f.isf(level, count, freedom)),
        float(f.sf(statistic, count, freedom)),
    )
