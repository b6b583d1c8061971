"""S-learner: one outcome model that sees the treatment as a feature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from causal_ranker.boosting import fit_trees, predict_trees
from causal_ranker.errors import EmptyError, NotFittedError
from causal_ranker.paging import empty_array
from causal_ranker.uplift.base import Effect, Rows
from causal_ranker.uplift.checks import check_rows
from causal_ranker.uplift.nuisance import OBJECTIVES, NuisanceConfig

if TYPE_CHECKING:
    import lightgbm

__all__ = ["SLearner"]

_TREATMENT = "treatment"


class SLearner:
    """One outcome model; the uplift is what it changes by when the treatment is turned on.

    Trees that never split on the treatment say that it has no effect: where effects are small
    beside what moves the outcome anyway, it shrinks them towards 0.

    Parameters
    ----------
    config : NuisanceConfig
        Kind of the outcome, and its trees.
    names, categorical : sequence of str
        Names of the features, and of the categorical ones.
    seed : int
        Decides feature draws.
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
        self._names = [*names, _TREATMENT]
        self._categorical = list(categorical)
        self._seed = seed
        self._model: lightgbm.Booster | None = None

    def fit(self, rows: Rows) -> SLearner:
        """Fit the outcome model on both arms.

        Parameters
        ----------
        rows : Rows
            Training rows of both arms.

        Returns
        -------
        SLearner
            Itself.

        Raises
        ------
        EmptyError
            If an arm has no row.
        RowError
            If T, Y or a weight cannot be (see `causal_ranker.uplift.checks`).
        """
        check_rows(rows, kind=self._config.kind)
        for arm in (0, 1):
            if not (rows.treatment == arm).any():
                raise EmptyError(
                    expected=f"rows with T = {arm}",
                    came=f"none among {len(rows)} rows",
                    do="Give logs in which both arms occur.",
                )
        self._model = fit_trees(
            _beside(rows.features, rows.treatment),
            np.asarray(rows.outcome, dtype=np.float64),
            weight=rows.weight,
            objective=OBJECTIVES[self._config.kind],
            config=self._config.outcome,
            names=self._names,
            categorical=self._categorical,
            seed=self._seed,
        )
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
        if self._model is None:
            raise NotFittedError(
                expected="a fitted learner", came="none", do="Call fit(rows) first."
            )
        matrix = _beside(features, 0)
        control = predict_trees(self._model, matrix)
        matrix[:, -1] = 1
        return Effect(point=predict_trees(self._model, matrix) - control)


def _beside(
    features: NDArray[np.float32], treatment: NDArray[np.int8] | int
) -> NDArray[np.float32]:
    """Put the treatment into a last column."""
    matrix = empty_array((len(features), features.shape[1] + 1), np.float32)
    matrix[:, :-1] = features
    matrix[:, -1] = treatment
    return matrix
