"""The value and the door every effect estimator shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Effect", "Rows", "UpliftModel"]


@dataclass(frozen=True)
class Rows:
    """Labelled rows as arrays, all of length n_rows.

    Attributes
    ----------
    features : numpy.ndarray
        Shape (n_rows, n_features), float32, NaN where a value is missing; known before t0.
    treatment : numpy.ndarray
        T, 0 or 1.
    outcome : numpy.ndarray
        Y, of the kind that the learner's config says: 0 or 1, a number of plays, or an amount.
    weight : numpy.ndarray
        Analysis weight: 1 / sampling rate, and so on; positive.
    user : numpy.ndarray
        Ids that folds are split by.
    unit : numpy.ndarray
        Where T was assigned; equal to `user` where each user's T was assigned by itself.
    propensity : numpy.ndarray
        Logged P(T = 1), in (0, 1); NaN throughout where none was logged.
    """

    features: NDArray[np.float32]
    treatment: NDArray[Any]
    outcome: NDArray[Any]
    weight: NDArray[np.float64]
    user: NDArray[Any]
    unit: NDArray[Any]
    propensity: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.treatment)


@dataclass(frozen=True)
class Effect:
    """Estimated uplift of some rows.

    Attributes
    ----------
    point : numpy.ndarray
        Plays that one impression causes, shape (n_rows,).
    """

    point: NDArray[np.float64]


class UpliftModel(Protocol):
    """Anything that estimates uplift from labelled rows."""

    def fit(self, rows: Rows) -> UpliftModel:
        """Learn from labelled rows.

        Parameters
        ----------
        rows : Rows
            Training rows of both arms.

        Returns
        -------
        UpliftModel
            Itself.
        """
        ...

    def predict(self, features: NDArray[np.float32]) -> Effect:
        """Estimate the uplift of rows.

        Parameters
        ----------
        features : numpy.ndarray
            Shape (n_rows, n_features), in the order of training.

        Returns
        -------
        Effect
            Uplift in plays per impression.
        """
        ...
