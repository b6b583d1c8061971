"""Several metrics in one read-out: p-values that allow for all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.errors import RowError
from causal_ranker.stats._arrays import Array, float_vector

__all__ = ["holm"]


def holm(p_values: ArrayLike) -> Array:
    """Return Holm's adjusted p-values, which bound the chance of any false alarm.

    ``max_{j <= k} min(1, (n - j + 1) p_(j))`` over the ordered p-values (Holm, 1979).

    Parameters
    ----------
    p_values : array_like, shape (n,)
        One per metric.

    Returns
    -------
    ndarray of float64, shape (n,)
        Adjusted p-values, in the order given.

    Raises
    ------
    RowError
        If a value is not in [0, 1].
    """
    p = float_vector(p_values, name="p_values")
    if ((p < 0) | (p > 1)).any():
        raise RowError(
            expected="p-values in [0, 1]", came=f"{p.min():g} to {p.max():g}", do="Check the tests."
        )
    order = np.argsort(p, kind="stable")
    stepped = np.minimum(1, p[order] * (p.size - np.arange(p.size)))
    adjusted = np.empty(p.size)
    adjusted[order] = np.maximum.accumulate(stepped)
    return adjusted
