"""Learners whose last step is one regression: of a pseudo-outcome on what was known before t0.

The DR-, R- and X-learner differ in the pseudo-outcome and its weight, and in nothing else. Both
are made of nuisances that are cross-fitted by user (the propensity by unit as well), so the final
stage may use all rows, and several learners may share the nuisances.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.boosting import BoostConfig, predict_trees
from causal_ranker.config import FrozenConfig
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.checks import check_rows
from causal_ranker.uplift.learner import Learner
from causal_ranker.uplift.nuisance import (
    NuisanceConfig,
    NuisanceValues,
    cross_fit,
    propensity_model,
)
from causal_ranker.uplift.overlap import (
    Comparable,
    OverlapChoice,
    comparable,
    require_overlap,
)
from causal_ranker.uplift.propensity import logged_propensity

if TYPE_CHECKING:
    import lightgbm

__all__ = ["FinalStageLearner", "LearnerConfig", "comparable_rows", "look_at_overlap"]


class LearnerConfig(FrozenConfig):
    """Settings of a learner with a final stage.

    Parameters
    ----------
    final : BoostConfig
        Trees of the final stage, which regresses pseudo-outcomes on features.
    nuisance : NuisanceConfig
        Propensity and outcome models.
    lowest_propensity : float
        The overlap band: propensities in [lowest, 1 - lowest]. The share outside is in
        ``share_outside_``.
    overlap : {"trim", "overlap_weights", "all"}
        What becomes of rows outside the band in the final stage: left out; kept, while every row is
        weighted by e (1 - e), e being the propensity; or kept as they are. Each makes it another
        average, which ``estimand_`` says. Lists are judged inside the band whatever is chosen.
    fewest_effective_rows : float
        Smallest effective sample size of an arm, after weighting by 1 / propensity of that arm.
    """

    final: BoostConfig = BoostConfig(rounds=100, learning_rate=0.06, leaves=16, min_rows_leaf=1000)
    nuisance: NuisanceConfig = NuisanceConfig()
    lowest_propensity: Annotated[float, Field(gt=0, lt=0.5)] = 0.02
    overlap: OverlapChoice = "trim"
    fewest_effective_rows: Annotated[float, Field(ge=1)] = 100.0


class FinalStageLearner(Learner[LearnerConfig]):
    """A regression of pseudo-outcomes on LightGBM; a learner says what they are.

    Attributes
    ----------
    share_outside_ : float
        Weighted share of training rows outside the overlap band.
    estimand_ : str
        Of which rows the effects are an average, in words, for the tables that print them.
    model_ : lightgbm.Booster
        The final stage.
    """

    #: Whether the learner's own weights are e (1 - e) on average given X.
    _weighs_overlap: ClassVar[bool] = False

    share_outside_ = float("nan")
    estimand_ = ""
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
            If an arm's effective sample size among the rows chosen is below the floor, or one of
            them has a propensity of 0 or 1.
        """
        check_rows(rows, kind=self._config.nuisance.kind)
        nuisances = nuisances or cross_fit(rows, config=self._config.nuisance, seed=self._seed)
        target, weight = self._regression(rows, nuisances)
        self.model_ = self._final_stage(rows, target, weight=weight, config=self._config.final)
        return self

    def _regression(
        self, rows: Rows, nuisances: NuisanceValues
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the target and weight of each row, weights of 0 where it is left out."""
        chosen = comparable_rows(
            rows, nuisances.propensity, config=self._config, own_weights=self._weighs_overlap
        )
        self.share_outside_, self.estimand_ = chosen.share_outside, chosen.estimand
        kept = chosen.kept
        target, weight = np.zeros((2, len(rows)))
        target[kept], weight[kept] = self._pseudo_outcomes(
            rows.treatment[kept], rows.outcome[kept], nuisances.take(kept)
        )
        return target, rows.weight * weight * chosen.factor

    def _final_stage(
        self,
        rows: Rows,
        target: NDArray[np.float64],
        *,
        weight: NDArray[np.float64],
        config: BoostConfig,
    ) -> lightgbm.Booster:
        """Fit the trees on the rows of positive weight."""
        return rows.binned(config).fit(
            target,
            rows=np.flatnonzero(weight),
            weight=weight,
            objective="regression",
            config=config,
            seed=self._seed,
        )

    def _estimate(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        return predict_trees(self._fitted(self.model_), features)


def comparable_rows(
    rows: Rows, propensity: NDArray[np.float64], *, config: LearnerConfig, own_weights: bool = False
) -> Comparable:
    """Choose the rows of a final stage as its settings say, or refuse them.

    Parameters
    ----------
    rows : Rows
        Training rows of both arms.
    propensity : numpy.ndarray
        Their propensities, shape (n_rows,).
    config : LearnerConfig
        Choice, band and floor.
    own_weights : bool
        Whether the learner weights rows by e (1 - e) by itself.

    Returns
    -------
    Comparable
        Rows, weights and estimand.

    Raises
    ------
    OverlapError
        As told in `require_overlap`.
    """
    lowest = config.lowest_propensity
    chosen = comparable(
        propensity, rows.weight, overlap=config.overlap, lowest=lowest, own_weights=own_weights
    )
    require_overlap(
        rows,
        propensity,
        chosen,
        lowest=lowest,
        fewest_effective_rows=config.fewest_effective_rows,
    )
    return chosen


def look_at_overlap(
    rows: Rows, *, config: LearnerConfig, seed: int, nuisances: NuisanceValues | None = None
) -> None:
    """Refuse rows whose arms cannot be compared, for a learner that reads no propensity itself.

    Outcome models answer for either arm wherever they are asked: where one arm hardly occurs, what
    they say of it is made up.

    Parameters
    ----------
    rows : Rows
        Training rows of both arms.
    config : LearnerConfig
        Propensity models, choice, band and floor.
    seed : int
        Of the propensity models.
    nuisances : NuisanceValues, optional
        Of the same rows: their propensities are looked at. By default those that were logged, or
        estimates out of fold.

    Raises
    ------
    OverlapError
        As told in `require_overlap`.
    """
    known = logged_propensity(rows.propensity) if nuisances is None else nuisances.propensity
    if known is None:
        known = propensity_model(config.nuisance, seed=seed).fit(rows).cross_fitted(rows)
    comparable_rows(rows, known, config=config)
