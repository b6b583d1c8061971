"""The learner that every other one must beat: one effect for all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import NotFittedError, OverlapError
from causal_ranker.uplift.base import Effect, Rows
from causal_ranker.uplift.final import LearnerConfig, inside
from causal_ranker.uplift.nuisance import Nuisances, NuisanceValues

__all__ = ["ConstantEffect"]


class ConstantEffect:
    """The average effect of the rows with overlap, whatever the features.

    Parameters
    ----------
    config : LearnerConfig
        The overlap floor, and the nuisances where none are given.
    names, categorical : sequence of str
        Names of the features, and of the categorical ones.
    seed : int
        Decides folds and feature draws.
    """

    def __init__(
        self,
        *,
        config: LearnerConfig,
        names: Sequence[str],
        categorical: Sequence[str],
        seed: int,
    ) -> None:
        self._config = config
        self._names = list(names)
        self._categorical = list(categorical)
        self._seed = seed
        self._effect: float | None = None

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
        if nuisances is None:
            nuisances = (
                Nuisances(
                    config=self._config.nuisance,
                    names=self._names,
                    categorical=self._categorical,
                    seed=self._seed,
                )
                .fit(rows)
                .cross_fitted(rows)
            )
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
