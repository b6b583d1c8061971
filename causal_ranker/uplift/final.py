"""Learners whose last step is one regression: of a pseudo-outcome on what was known before t0.

The DR-, R- and X-learner differ in the pseudo-outcome and its weight, and in nothing else. Both
are made of nuisances that are cross-fitted by user (the propensity by unit as well), so the final
stage may use all rows, and several learners may share the nuisances.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.boosting import BoostConfig, predict_trees
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import OverlapError
from causal_ranker.stats.weights import effective_sample_size
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.checks import check_rows
from causal_ranker.uplift.learner import Learner
from causal_ranker.uplift.nuisance import NuisanceConfig, NuisanceValues, cross_fit

if TYPE_CHECKING:
    import lightgbm

__all__ = ["FinalStageLearner", "LearnerConfig", "inside"]


class LearnerConfig(FrozenConfig):
    """Settings of a learner with a final stage.

    Parameters
    ----------
    final : BoostConfig
        Trees of the final stage, which regresses pseudo-outcomes on features.
    nuisance : NuisanceConfig
        Propensity and outcome models.
    lowest_propensity : float
        Rows with a propensity outside [lowest, 1 - lowest] are left out of the final stage; the
        share is in ``share_outside_``.
    fewest_effective_rows : float
        Smallest effective sample size of an arm, after weighting by 1 / propensity of that arm.
    """

    final: BoostConfig = BoostConfig(rounds=100, learning_rate=0.06, leaves=16, min_rows_leaf=1000)
    nuisance: NuisanceConfig = NuisanceConfig()
    lowest_propensity: Annotated[float, Field(gt=0, lt=0.5)] = 0.02
    fewest_effective_rows: Annotated[float, Field(ge=1)] = 100.0


class FinalStageLearner(Learner[LearnerConfig]):
    """A regression of pseudo-outcomes on LightGBM; a learner says what they are.

    Attributes
    ----------
    share_outside_ : float
        Weighted share of training rows outside the overlap band.
    model_ : lightgbm.Booster
        The final stage.
    """

    share_outside_ = float("nan")
    model_: lightgbm.Booster | None = None

    @staticmethod
    @abstractmethod
    def _pseudo_outcomes(
        treatment: NDArray[Any], outcome: NDArray[Any], nuisances: NuisanceValues
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what the final stage regresses, and each row's weight in it.

        All arrays are of rows with overlap, shape (n_rows,). The target is in plays per impression,
        and its weighted mean given X is the uplift; weights are positive and multiply the analysis
        weight.
        """

    def fit(self, rows: Rows, *, nuisances: NuisanceValues | None = None) -> Self:
        """Fit the final stage, and the nuisances where none are given.

        Parameters
        ----------
        rows : Rows
            Training rows of both arms.
        nuisances : NuisanceValues, optional
            Cross-fitted nuisances of the same rows, to share them between learners.

        Returns
        -------
        FinalStageLearner
            Itself.

        Raises
        ------
        RowError
            If T, Y or a weight cannot be (see `causal_ranker.uplift.checks`).
        OverlapError
            If an arm's effective sample size inside the overlap band is below the floor.
        """
        check_rows(rows, kind=self._config.nuisance.kind)
        nuisances = nuisances or cross_fit(rows, config=self._config.nuisance, seed=self._seed)
        kept = inside(nuisances.propensity, lowest=self._config.lowest_propensity)
        self.share_outside_ = float(rows.weight[~kept].sum() / rows.weight.sum())
        self._check_overlap(rows, nuisances.propensity, kept)
        target, weight = np.zeros((2, len(rows)))
        target[kept], weight[kept] = self._pseudo_outcomes(
            rows.treatment[kept], rows.outcome[kept], nuisances.take(kept)
        )
        self.model_ = rows.binned(self._config.final).fit(
            target,
            rows=np.flatnonzero(kept),
            weight=rows.weight * weight,
            objective="regression",
            config=self._config.final,
            seed=self._seed,
        )
        return self

    def _estimate(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        return predict_trees(self._fitted(self.model_), features)

    def _check_overlap(
        self, rows: Rows, propensity: NDArray[np.float64], kept: NDArray[np.bool_]
    ) -> None:
        for arm, chance in ((1, propensity), (0, 1 - propensity)):
            chosen = kept & (rows.treatment == arm)
            size = (
                effective_sample_size(rows.weight[chosen] / chance[chosen]) if chosen.any() else 0
            )
            if size < self._config.fewest_effective_rows:
                raise OverlapError(
                    expected=f"at least {self._config.fewest_effective_rows:g} effective rows with "
                    f"T = {arm} where the propensity lies in the overlap band",
                    came=f"{size:.1f} (share of rows outside the band: {self.share_outside_:.1%})",
                    do="Explore: show what is shown with some chance, and log its propensity.",
                )


def inside(propensity: NDArray[np.float64], *, lowest: float) -> NDArray[np.bool_]:
    """Mark the rows whose propensity leaves both arms a chance.

    Parameters
    ----------
    propensity : numpy.ndarray
        Shape (n_rows,).
    lowest : float
        Smallest chance of either arm.

    Returns
    -------
    numpy.ndarray
        Boolean, shape (n_rows,).
    """
    return (propensity >= lowest) & (propensity <= 1 - lowest)
