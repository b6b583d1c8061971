"""The learner that every other one must beat: one effect for all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import NotFittedError, OverlapError
from causal_ranker.uplift.base import Effect, Rows
from causal_ranker.uplift.final import inside
from causal_ranker.uplift.nuisance import NuisanceValues

__all__ = ["ConstantEffect"]


class ConstantEffect:
    """The average effect of the rows with overlap, whatever the features.

    Parameters
    ----------
    lowest_propensity : float
        Rows with a propensity outside [lowest, 1 - lowest] are left out.
    """

    def __init__(self, *, lowest_propensity: float) -> None:
        self._lowest = lowest_propensity
        self._effect: float | None = None

    def fit(self, rows: Rows, *, nuisances: NuisanceValues) -> ConstantEffect:
        """Average the doubly robust scores.

        Parameters
        ----------
        rows : Rows
            Training rows of both arms.
        nuisances : NuisanceValues
            Their cross-fitted nuisances.

        Returns
        -------
        ConstantEffect
            Itself.

        Raises
        ------
        OverlapError
            If no row lies in the overlap band.
        """
        kept = inside(nuisances.propensity, lowest=self._lowest)
        if not kept.any():
            raise OverlapError(
                expected="rows whose propensity lies in the overlap band",
                came=f"none among {len(rows)} rows",
                do="Explore: show what is shown with some chance, and log its propensity.",
            )
        scores = nuisances.take(kept).scores(rows.treatment[kept], rows.outcome[kept])
        self._effect = float(np.average(scores, weights=rows.weight[kept]))
        return self

    def predict(self, features: NDArray[np.float32]) -> Effect:
        """Give each row the same uplift.

        Parameters
        ----------
        features : numpy.ndarray
            Shape (n_rows, n_features).

        Returns
        -------
        Effect
            Uplift in plays per impression.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        """
        if self._effect is None:
            raise NotFittedError(
                expected="a fitted learner", came="none", do="Call fit(rows) first."
            )
        return Effect(point=np.full(len(features), self._effect))
