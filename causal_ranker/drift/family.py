"""Many features at once: how many of their alarms are chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.stats._arrays import share
from causal_ranker.stats.multiplicity import benjamini_hochberg

__all__ = ["false_discoveries_controlled"]


def false_discoveries_controlled(p_values: ArrayLike, *, level: float = 0.05) -> NDArray[np.bool_]:
    """Keep the alarms of which at most a share `level` is expected to be false.

    Without any drift, some alarm is raised with probability at most `level` (see
    `causal_ranker.stats.multiplicity.benjamini_hochberg`).

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
    return benjamini_hochberg(p_values) <= share(level, name="level")
