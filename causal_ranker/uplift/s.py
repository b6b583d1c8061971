"""S-learner: one outcome model that sees the treatment as a feature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from causal_ranker.boosting import fit_trees, predict_trees
from causal_ranker.paging import empty_array
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.checks import check_rows, require_both_arms
from causal_ranker.uplift.final import LearnerConfig, look_at_overlap
from causal_ranker.uplift.learner import Learner
from causal_ranker.uplift.nuisance import OBJECTIVES, NuisanceValues

if TYPE_CHECKING:
    import lightgbm

__all__ = ["SLearner"]

_TREATMENT = "treatment"


class SLearner(Learner[LearnerConfig]):
    """One outcome model; the uplift is what it changes by when the treatment is turned on.

    Trees that never split on the treatment say that it has no effect: where effects are small
    beside what moves the outcome anyway, it shrinks them towards 0. It reads no propensity, but is
    refused where they leave nothing to compare. The config's final stage is not read.
    """

    _model: lightgbm.Booster | None = None

    def fit(self, rows: Rows, *, nuisances: NuisanceValues | None = None) -> SLearner:
        """Fit the outcome model on both arms.

        Parameters
        ----------
        rows : Rows
            Training rows of both arms.
        nuisances : NuisanceValues, optional
            Cross-fitted nuisances of the same rows: overlap is looked at by their propensities.

        Returns
        -------
        SLearner
            Itself.

        Raises
        ------
        EmptyError
            If an arm has no row.
        DataError
            If the rows cannot be (see `causal_ranker.uplift.checks`).
        OverlapError
            If an arm has too few comparable rows (see `LearnerConfig`).
        """
        nuisance = self._config.nuisance
        check_rows(rows, kind=nuisance.kind)
        require_both_arms(rows)
        look_at_overlap(rows, config=self._config, seed=self._seed, nuisances=nuisances)
        self._model = fit_trees(
            _beside(rows.features, rows.treatment),
            np.asarray(rows.outcome, dtype=np.float64),
            weight=rows.weight,
            objective=OBJECTIVES[nuisance.kind],
            config=nuisance.outcome,
            names=[*rows.names, _TREATMENT],
            categorical=rows.categorical,
            seed=self._seed,
        )
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
        model = self._fitted(self._model)
        matrix = _beside(features, 0)
        control = predict_trees(model, matrix)
        matrix[:, -1] = 1
        return np.stack([control, predict_trees(model, matrix)])

    def _estimate(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        control, treated = self.arms(features)
        return np.asarray(treated - control)


def _beside(
    features: NDArray[np.float32], treatment: NDArray[np.int8] | int
) -> NDArray[np.float32]:
    """Put the treatment into a last column."""
    matrix = empty_array((len(features), features.shape[1] + 1), np.float32)
    matrix[:, :-1] = features
    matrix[:, -1] = treatment
    return matrix
