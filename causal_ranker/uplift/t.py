"""T-learner: the difference of the two arms' outcome models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.checks import check_rows, require_both_arms
from causal_ranker.uplift.final import LearnerConfig, look_at_overlap
from causal_ranker.uplift.learner import Learner
from causal_ranker.uplift.nuisance import Nuisances

__all__ = ["TLearner"]


class TLearner(Learner[LearnerConfig]):
    """Two outcome models, each the mean of its folds'.

    It reads no propensity, but is refused where they leave nothing to compare. It inherits the bias
    of both models: what regularisation takes from one arm and not from the other, it calls an
    effect. The config's final stage is not read.
    """

    _models: Nuisances | None = None

    def fit(self, rows: Rows, *, nuisances: Nuisances | None = None) -> TLearner:
        """Fit the outcome models of both arms, or take over those that were.

        Parameters
        ----------
        rows : Rows
            Training rows of both arms.
        nuisances : Nuisances, optional
            Fitted on these rows by the same config: shared with other learners, and not changed.
            Whoever shares them has looked at overlap (`causal_ranker.uplift.final`).

        Returns
        -------
        TLearner
            Itself.

        Raises
        ------
        EmptyError
            If an arm has no row in some fold's training rows.
        DataError
            If the rows cannot be (see `causal_ranker.uplift.checks`).
        OverlapError
            If an arm has too few comparable rows (see `LearnerConfig`).
        """
        check_rows(rows, kind=self._config.nuisance.kind)
        if nuisances is None:
            require_both_arms(rows)
            look_at_overlap(rows, config=self._config, seed=self._seed)
            nuisances = Nuisances(config=self._config.nuisance, seed=self._seed).fit_outcomes(rows)
        self._models = nuisances
        return self

    def arms(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Estimate the outcome in each arm.

        Parameters
        ----------
        features : numpy.ndarray
            Shape (n_rows, n_features), in the order of training.

        Returns
        -------
        numpy.ndarray
            Shape (2, n_rows): E[Y | T = 0, X] and E[Y | T = 1, X].

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        """
        return self._fitted(self._models).arms(features)

    def _estimate(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        control, treated = self.arms(features)
        return np.asarray(treated - control)
