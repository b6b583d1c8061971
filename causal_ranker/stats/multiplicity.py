"""Several tests at once: p-values that allow for all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.errors import RowError
from causal_ranker.stats._arrays import Array, IntArray, float_vector

__all__ = ["benjamini_hochberg", "holm"]


def holm(p_values: ArrayLike) -> Array:
    """Return Holm's adjusted p-values, which bound the chance of any false alarm.

    ``max_{j <= k} min(1, (n - j + 1) p_(j))`` over the ordered p-values (Holm, 1979).

    Parameters
    ----------
    p_values : array_like, shape (n,)
        One per test.

    Returns
    -------
    ndarray of float64, shape (n,)
        Adjusted p-values, in the order given.

    Raises
    ------
    RowError
        If a value is not in [0, 1].
    """
    p, order = _checked(p_values)
    stepped = np.minimum(1, p[order] * (p.size - np.arange(p.size)))
    return _in_order(np.maximum.accumulate(stepped), order)


def benjamini_hochberg(p_values: ArrayLike) -> Array:
    """Return adjusted p-values that bound the share of false alarms among the alarms.

    ``min_{j >= k} n p_(j) / j`` over the ordered p-values (Benjamini and Hochberg, 1995), for
    tests that are independent or move together.

    Parameters
    ----------
    p_values : array_like, shape (n,)
        One per test.

    Returns
    -------
    ndarray of float64, shape (n,)
        Adjusted p-values, in the order given.

    Raises
    ------
    RowError
        If a value is not in [0, 1].
    """
    p, order = _checked(p_values)
    stepped = p[order] * p.size / np.arange(1, p.size + 1)
    return _in_order(np.minimum.accumulate(stepped[::-1])[::-1], order)


def _checked(p_values: ArrayLike) -> tuple[Array, IntArray]:
    p = float_vector(p_values, name="p_values")
    if ((p < 0) | (p > 1)).any():
        raise RowError(
            expected="p-values in [0, 1]", came=f"{p.min():g} to {p.max():g}", do="Check the tests."
        )
    return p, np.argsort(p, kind="stable")


def _in_order(adjusted: Array, order: IntArray) -> Array:
    values = np.empty(adjusted.size)
    values[order] = adjusted
    return values
