"""The learner that every other one must beat: one effect for all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import OverlapError
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.final import LearnerConfig, inside
from causal_ranker.uplift.learner import Learner
from causal_ranker.uplift.nuisance import NuisanceValues, cross_fit

__all__ = ["ConstantEffect"]


class ConstantEffect(Learner[LearnerConfig]):
    """The average effect of the rows with overlap, whatever the features."""

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
        OverlapError
            If no row lies in the overlap band.
        """
        nuisances = nuisances or cross_fit(rows, config=self._config.nuisance, seed=self._seed)
        kept = inside(nuisances.propensity, lowest=self._config.lowest_propensity)
        if not kept.any():
            raise OverlapError(
                expected="rows whose propensity lies in the overlap band",
                came=f"none among {len(rows)} rows",
                do="Explore: show what is shown with some chance, and log its propensity.",
            )
        scores = nuisances.take(kept).scores(rows.treatment[kept], rows.outcome[kept])
        self._effect = float(np.average(scores, weights=rows.weight[kept]))
        return self

    def _estimate(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.full(len(features), self._fitted(self._effect))
