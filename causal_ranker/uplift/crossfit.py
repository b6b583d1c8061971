"""Folds of the cross-fits: by user, and by assignment unit where that differs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker.stats.hashing import fold_of

__all__ = ["unit_fold", "user_fold"]


def user_fold(user: NDArray[Any], folds: int, *, seed: int) -> NDArray[np.int64]:
    """Return each row's user fold, the same for a user wherever it is asked.

    Parameters
    ----------
    user : numpy.ndarray
        User ids, shape (n_rows,).
    folds : int
        Number of folds.
    seed : int
        The run's seed.

    Returns
    -------
    numpy.ndarray
        Shape (n_rows,), values in 0..folds-1.
    """
    return np.asarray(fold_of(user, folds, salt=f"user-{seed}"), dtype=np.int64)


def unit_fold(
    unit: NDArray[Any], user: NDArray[Any], *, folds: int, seed: int
) -> NDArray[np.int64]:
    """Return each row's unit fold; all zero where the unit is the user.

    Parameters
    ----------
    unit, user : numpy.ndarray
        Assignment units and user ids, shape (n_rows,).
    folds : int
        Number of folds.
    seed : int
        The run's seed.

    Returns
    -------
    numpy.ndarray
        Shape (n_rows,), values in 0..folds-1.
    """
    if unit is user or np.array_equal(unit, user):
        return np.zeros(len(unit), dtype=np.int64)
    return np.asarray(fold_of(unit, folds, salt=f"unit-{seed}"), dtype=np.int64)
