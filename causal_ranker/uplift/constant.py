"""The learner that every other one must beat: one effect for all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.checks import check_rows
from causal_ranker.uplift.final import LearnerConfig, comparable_rows
from causal_ranker.uplift.learner import Learner
from causal_ranker.uplift.nuisance import NuisanceValues, cross_fit

__all__ = ["ConstantEffect"]


class ConstantEffect(Learner[LearnerConfig]):
    """The average effect of the rows chosen for their overlap, whatever the features.

    Attributes
    ----------
    estimand_ : str
        Of which rows it is the average, in words.
    """

    estimand_ = ""
    _effect: float | None = None

    def fit(self, rows: Rows, *, nuisances: NuisanceValues | None = None) -> ConstantEffect:
        """Average the doubly robust scores.

        Parameters
        ----------
        rows : Rows
            Training rows of both arms.
        nuisances : NuisanceValues, optional
            Cross-fitted nuisances of the same rows, to share them between learners.

        Returns
        -------
        ConstantEffect
            Itself.

        Raises
        ------
        DataError
            If the rows cannot be (see `causal_ranker.uplift.checks`).
        OverlapError
            If an arm's effective sample size among the rows chosen is below the floor, or one of
            them has a propensity of 0 or 1.
        """
        check_rows(rows, kind=self._config.nuisance.kind)
        nuisances = nuisances or cross_fit(rows, config=self._config.nuisance, seed=self._seed)
        chosen = comparable_rows(rows, nuisances.propensity, config=self._config)
        self.estimand_, kept = chosen.estimand, chosen.kept
        scores = nuisances.take(kept).scores(rows.treatment[kept], rows.outcome[kept])
        weights = rows.weight[kept] * chosen.factor[kept]
        self._effect = float(np.average(scores, weights=weights))
        return self

    def _estimate(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.full(len(features), self._fitted(self._effect))
