"""T-learner: the difference of the two arms' outcome models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.checks import check_rows
from causal_ranker.uplift.learner import Learner
from causal_ranker.uplift.nuisance import NuisanceConfig, Nuisances

__all__ = ["TLearner"]


class TLearner(Learner[NuisanceConfig]):
    """Two outcome models, each the mean of its folds'.

    It needs no propensity, and inherits the bias of both models: what regularisation takes from
    one arm and not from the other, it calls an effect.
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
        """
        check_rows(rows, kind=self._config.kind)
        self._models = nuisances or Nuisances(config=self._config, seed=self._seed).fit_outcomes(
            rows
        )
        return self

    def _estimate(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        control, treated = self._fitted(self._models).arms(features)
        return np.asarray(treated - control)
