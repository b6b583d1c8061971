"""Rows as effect learners read them, with the truth beside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LearnerRows"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LearnerRows:
    """Plain arrays for a learner, and what only a world knows about the same rows.

    Parameters
    ----------
    features : ndarray of float32, shape (n_rows, n_features)
        What was known before t0; NaN is missing, categories are codes.
    names : tuple of str
        Names of the features.
    categorical : tuple of str
        Names of those whose values are category codes.
    treatment : ndarray of int8, shape (n_rows,)
        T, 0 or 1.
    outcome : ndarray of int8, shape (n_rows,)
        Y, 0 or 1.
    weight : ndarray, shape (n_rows,)
        Analysis weights.
    user, unit : ndarray of int64, shape (n_rows,)
        Who the row is about, and the unit at which T was assigned.
    propensity : ndarray, shape (n_rows,)
        As a log would tell it: P(T = 1), or NaN throughout where it was not logged.
    true_propensity : ndarray, shape (n_rows,)
        P(T = 1) of the row, whether logged or not.
    mu0, mu1 : ndarray, shape (n_rows,)
        P(Y(0) = 1) and P(Y(1) = 1).
    """

    features: NDArray[np.float32]
    names: tuple[str, ...]
    categorical: tuple[str, ...]
    treatment: NDArray[np.int8]
    outcome: NDArray[np.int8]
    weight: Array
    user: NDArray[np.int64]
    unit: NDArray[np.int64]
    propensity: Array
    true_propensity: Array
    mu0: Array
    mu1: Array

    @property
    def tau(self) -> Array:
        """True effect, in plays per impression, shape (n_rows,)."""
        effect: Array = self.mu1 - self.mu0
        return effect
