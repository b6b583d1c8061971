"""Many features at once: how many of their alarms are chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import RowError
from causal_ranker.stats._arrays import float_vector, share

__all__ = ["false_discoveries_controlled"]


def false_discoveries_controlled(p_values: ArrayLike, *, level: float = 0.05) -> NDArray[np.bool_]:
    """Keep the alarms of which at most a share `level` is expected to be false.

    Benjamini and Hochberg (1995): of the ordered p-values, all up to the last with
    ``p_(k) <= k level / n``. Without any drift, some alarm is raised with probability at most
    `level`.

    Parameters
    ----------
    p_values : array_like, shape (n,)
        One p-value per feature.
    level : float
        The rate.

    Returns
    -------
    ndarray of bool, shape (n,)
        Which features drifted.

    Raises
    ------
    RowError
        If a value is not in [0, 1].
    ConfigError
        If the level is not strictly between 0 and 1.
    """
    p = float_vector(p_values, name="p_values")
    if ((p < 0) | (p > 1)).any():
        raise RowError(
            expected="p-values in [0, 1]",
            came=f"{p.min():g} to {p.max():g}",
            do="Check the detectors.",
        )
    order = np.argsort(p, kind="stable")
    below = p[order] <= share(level, name="level") * np.arange(1, p.size + 1) / p.size
    kept = np.zeros(p.size, dtype=bool)
    if below.any():
        kept[order[: np.flatnonzero(below)[-1] + 1]] = True
    return kept
