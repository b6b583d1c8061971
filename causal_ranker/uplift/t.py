"""T-learner: the difference of the two arms' outcome models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import NotFittedError
from causal_ranker.uplift.base import Effect, Rows
from causal_ranker.uplift.nuisance import NuisanceConfig, Nuisances

__all__ = ["TLearner"]


class TLearner:
    """Two outcome models, each the mean of its folds'.

    It needs no propensity, and inherits the bias of both models: what regularisation takes from
    one arm and not from the other, it calls an effect.

    Parameters
    ----------
    config : NuisanceConfig
        Folds, kind of the outcome, and trees.
    names, categorical : sequence of str
        Names of the features, and of the categorical ones.
    seed : int
        Decides folds and feature draws.
    """

    def __init__(
        self,
        *,
        config: NuisanceConfig,
        names: Sequence[str],
        categorical: Sequence[str],
        seed: int,
    ) -> None:
        self._config = config
        self._names = list(names)
        self._categorical = list(categorical)
        self._seed = seed
        self._models: Nuisances | None = None

    def fit(self, rows: Rows, *, nuisances: Nuisances | None = None) -> TLearner:
        """Fit the outcome models of both arms, or take over those that were.

        Parameters
        ----------
        rows : Rows
            Training rows of both arms.
        nuisances : Nuisances, optional
            Fitted on these rows by the same config: shared with other learners, and not changed.

        Returns
        -------
        TLearner
            Itself.

        Raises
        ------
        EmptyError
            If an arm has no row in some fold's training rows.
        """
        self._models = nuisances or Nuisances(
            config=self._config, names=self._names, categorical=self._categorical, seed=self._seed
        ).fit_outcomes(rows)
        return self

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
        if self._models is None:
            raise NotFittedError(
                expected="a fitted learner", came="none", do="Call fit(rows) first."
            )
        control, treated = self._models.arms(features)
        return Effect(point=treated - control)
