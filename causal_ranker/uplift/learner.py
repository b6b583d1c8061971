"""What learners share: settings, a seed, and no answer before `fit`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import NotFittedError
from causal_ranker.uplift.base import Effect

__all__ = ["Learner"]

_Config = TypeVar("_Config", bound=FrozenConfig)
_Model = TypeVar("_Model")


class Learner(ABC, Generic[_Config]):
    """An effect estimator of ours.

    Parameters
    ----------
    config : FrozenConfig
        Settings of the learner.
    seed : int
        Decides folds and feature draws.
    """

    def __init__(self, *, config: _Config, seed: int) -> None:
        self._config = config
        self._seed = seed

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

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        """
        return Effect(point=self._estimate(features))

    @abstractmethod
    def _estimate(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return one number a row; asks for what `fit` leaves by `_fitted`."""

    def _fitted(self, model: _Model | None) -> _Model:
        if model is None:
            raise NotFittedError(
                expected="a fitted learner", came="none", do="Call fit(rows) first."
            )
        return model
