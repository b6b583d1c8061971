"""How far two samples of one variable lie apart: numbers, and counts by category or bin."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.errors import RowError
from causal_ranker.stats._arrays import Array, float_vector, same_size

__all__ = [
    "chi_squared",
    "jensen_shannon",
    "kolmogorov_smirnov",
    "population_stability",
    "wasserstein",
]


def kolmogorov_smirnov(first: ArrayLike, second: ArrayLike) -> float:
    """Return the largest distance of two empirical distribution functions.

    Parameters
    ----------
    first, second : array_like, shapes (n,) and (m,)
        Numbers, none missing.

    Returns
    -------
    float
        In [0, 1]; unchanged by any increasing transform of both.

    Raises
    ------
    EmptyError, RowError, SchemaError
        If a sample is empty or holds NaN.
    """
    ordered = [np.sort(float_vector(x, name="sample", finite=False)) for x in (first, second)]
    at = np.concatenate(ordered)
    below = [np.searchsorted(x, at, side="right") / x.size for x in ordered]
    return float(np.abs(below[0] - below[1]).max())


def wasserstein(first: ArrayLike, second: ArrayLike) -> float:
    """Return the first Wasserstein distance, ``integral |F - G|``.

    Parameters
    ----------
    first, second : array_like, shapes (n,) and (m,)
        Finite numbers.

    Returns
    -------
    float
        In the unit of the numbers; the distance of two means where one sample is a shift of the
        other.

    Raises
    ------
    EmptyError, RowError, SchemaError
        If a sample is empty or holds a value that is not finite.
    """
    ordered = [np.sort(float_vector(x, name="sample")) for x in (first, second)]
    at = np.sort(np.concatenate(ordered))
    below = [np.searchsorted(x, at[:-1], side="right") / x.size for x in ordered]
    return float(np.sum(np.abs(below[0] - below[1]) * np.diff(at)))


def population_stability(first: ArrayLike, second: ArrayLike) -> float:
    """Return the population stability index of two vectors of counts.

    ``PSI = sum_b (p_b - q_b) ln(p_b / q_b)``. Half a row is added to each cell (Jeffreys), so that
    an empty one does not make it infinite.

    Parameters
    ----------
    first, second : array_like, shape (n_cells,)
        Counts of the same cells.

    Returns
    -------
    float
        0 or more; symmetric.

    Raises
    ------
    EmptyError, RowError, SchemaError
        If the counts are not counts of the same cells.
    """
    p, q = _shares(first, second, added=0.5)
    return float(np.sum((p - q) * np.log(p / q)))


def jensen_shannon(first: ArrayLike, second: ArrayLike) -> float:
    """Return the Jensen-Shannon distance of two vectors of counts, to base 2.

    The root of the mean Kullback-Leibler divergence to the mixture (Lin, 1991).

    Parameters
    ----------
    first, second : array_like, shape (n_cells,)
        Counts of the same cells.

    Returns
    -------
    float
        In [0, 1]; symmetric, 0 for equal shares, 1 for shares without a common cell.

    Raises
    ------
    EmptyError, RowError, SchemaError
        If the counts are not counts of the same cells.
    """
    p, q = _shares(first, second, added=0.0)
    mixture = (p + q) / 2
    divergence = 0.0
    for shares in (p, q):
        some = shares > 0
        divergence += 0.5 * float(np.sum(shares[some] * np.log2(shares[some] / mixture[some])))
    return float(np.sqrt(min(max(divergence, 0.0), 1.0)))


def chi_squared(
    first: ArrayLike, second: ArrayLike, *, least_expected: float = 5.0
) -> tuple[float, int]:
    """Return Pearson's statistic of homogeneity of two vectors of counts.

    Cells with an expected count below `least_expected` in either sample are pooled into one, as
    the chi-squared approximation needs (Cochran, 1954).

    Parameters
    ----------
    first, second : array_like, shape (n_cells,)
        Counts of the same cells.
    least_expected : float
        The smallest expected count of a cell that stands alone.

    Returns
    -------
    float
        The statistic.
    int
        Its degrees of freedom: cells after pooling, less 1; 0 if a single cell is left.

    Raises
    ------
    EmptyError, RowError, SchemaError
        If the counts are not counts of the same cells.
    """
    counts = np.vstack(_counts(first, second))
    totals = counts.sum(axis=0)
    smaller = counts.sum(axis=1).min() / counts.sum()
    rare = totals * smaller < least_expected
    if rare.any():
        counts = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])
    counts = counts[:, counts.sum(axis=0) > 0]
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    return float(np.sum((counts - expected) ** 2 / expected)), counts.shape[1] - 1


def _counts(first: ArrayLike, second: ArrayLike) -> tuple[Array, Array]:
    counts = [float_vector(x, name="counts") for x in (first, second)]
    same_size(counts[0].size, counts=counts[1])
    for vector in counts:
        if (vector < 0).any() or not vector.any():
            raise RowError(
                expected="counts of 0 or more, not all 0",
                came=f"{vector[:3].tolist()} ... with the sum {vector.sum():g}",
                do="Count the rows of each cell; an empty window has no distribution.",
            )
    return counts[0], counts[1]


def _shares(first: ArrayLike, second: ArrayLike, *, added: float) -> tuple[Array, Array]:
    p, q = (vector + added for vector in _counts(first, second))
    return p / p.sum(), q / q.sum()
