"""R-learner whose effect is linear in the features: the simplest effect that differs at all.

Where plays are rare or rows are few, a straight line through everything is often all that can be
learned, and trees that look for more find noise.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.checks import check_rows
from causal_ranker.uplift.final import LearnerConfig, comparable_rows
from causal_ranker.uplift.learner import Learner
from causal_ranker.uplift.linear import Encoding, encode
from causal_ranker.uplift.nuisance import NuisanceValues, cross_fit
from causal_ranker.uplift.r import r_pseudo_outcomes

__all__ = ["RidgeLearner"]

Array = NDArray[np.float64]
_BATCH: Final = 2**17


class RidgeLearner(Learner[LearnerConfig]):
    """Ridge regression of what is left of Y on what is left of T times the features.

    Features become columns as `causal_ranker.uplift.linear.Encoding` says: numeric ones
    standardised, frequent categories each with a column. The average effect is not penalised.

    Parameters
    ----------
    config : LearnerConfig
        Nuisances and overlap; its final stage is not read.
    seed : int
        Decides the folds of the nuisances.
    penalty : float
        Of squared coefficients, as a multiple of the mean weight of a row: with 100 a feature that
        differs by a standard deviation must do so in hundreds of rows before it counts.

    Attributes
    ----------
    estimand_ : str
        Of which rows the effects are an average, in words.
    """

    estimand_ = ""
    _encoding: Encoding | None = None

    def __init__(self, *, config: LearnerConfig, seed: int, penalty: float = 300.0) -> None:
        super().__init__(config=config, seed=seed)
        self._penalty = penalty
        self._coefficients: Array = np.empty(0)

    def fit(self, rows: Rows, *, nuisances: NuisanceValues | None = None) -> RidgeLearner:
        """Fit the regression, and the nuisances where none are given.

        Parameters
        ----------
        rows : Rows
            Training rows of both arms.
        nuisances : NuisanceValues, optional
            Cross-fitted nuisances of the same rows, to share them between learners.

        Returns
        -------
        RidgeLearner
            Itself.

        Raises
        ------
        RowError
            If T, Y or a weight cannot be (see `causal_ranker.uplift.checks`).
        OverlapError
            If an arm's effective sample size among the rows chosen is below the floor.
        """
        check_rows(rows, kind=self._config.nuisance.kind)
        nuisances = nuisances or cross_fit(rows, config=self._config.nuisance, seed=self._seed)
        chosen = comparable_rows(rows, nuisances.propensity, config=self._config, own_weights=True)
        self.estimand_ = chosen.estimand
        kept = np.flatnonzero(chosen.kept)
        target, weight = r_pseudo_outcomes(
            rows.treatment[kept], rows.outcome[kept], nuisances.take(kept)
        )
        weight = weight * rows.weight[kept] * chosen.factor[kept]
        weight /= weight.mean()
        places = [rows.names.index(name) for name in rows.categorical]
        encoding = encode(rows.features, categorical=places)
        gram, moments = _moments(rows.features, kept, encoding, target=target, weight=weight)
        penalty = np.full(len(gram), self._penalty)
        penalty[0] = 0
        solved = np.linalg.lstsq(gram + np.diag(penalty), moments, rcond=None)
        self._coefficients = np.asarray(solved[0], dtype=np.float64)
        self._encoding = encoding
        return self

    def _estimate(self, features: NDArray[np.float32]) -> Array:
        encoding = self._fitted(self._encoding)
        estimate = np.empty(len(features))
        for start in range(0, len(features), _BATCH):
            batch = slice(start, start + _BATCH)
            # Row by row the same sum, however many rows are asked for at once.
            estimate[batch] = (encoding(features[batch]) * self._coefficients).sum(axis=1)
        return estimate


def _moments(
    features: NDArray[np.float32],
    kept: NDArray[np.int64],
    encoding: Encoding,
    *,
    target: Array,
    weight: Array,
) -> tuple[Array, Array]:
    """Sum what the regression needs, batch by batch: encoded rows are many bytes."""
    size = encoding(features[:0]).shape[1]
    gram, moments = np.zeros((size, size)), np.zeros(size)
    for start in range(0, len(kept), _BATCH):
        batch = slice(start, start + _BATCH)
        design = encoding(features[kept[batch]])
        weighted = design * weight[batch, None]
        gram += weighted.T @ design
        moments += weighted.T @ target[batch]
    return gram, moments
