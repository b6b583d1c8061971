"""The effect model that is served: one LightGBM model, whatever learner it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig, predict_trees
from causal_ranker.uplift.base import Effect, Predicts, Rows
from causal_ranker.uplift.constant import ConstantEffect
from causal_ranker.uplift.contest import Fitting
from causal_ranker.uplift.distill import DistillConfig, distill
from causal_ranker.uplift.factory import make_learner
from causal_ranker.uplift.final import FinalStageLearner
from causal_ranker.uplift.t import TLearner
from causal_ranker.uplift.wrapped import WrappedLearner

if TYPE_CHECKING:
    import lightgbm

__all__ = ["ServedLearner", "as_booster", "fit_named"]


@dataclass(frozen=True)
class ServedLearner:
    """An effect model that a bundle can hold.

    Attributes
    ----------
    model_ : lightgbm.Booster
        The model.
    estimand : str
        Of which rows its effects are an average, in words; empty where the learner does not say.
    taught : str
        How faithful the model is to the learner it was taught by; empty where it is the learner.
    """

    model_: lightgbm.Booster
    estimand: str
    taught: str

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
        """
        return Effect(point=predict_trees(self.model_, features))


def fit_named(name: str, fitting: Fitting) -> Predicts:
    """Fit one learner by its name, with the nuisances there are if it can share them.

    Parameters
    ----------
    name : str
        One of `causal_ranker.uplift.factory.LEARNERS`.
    fitting : Fitting
        Rows, nuisances and settings.

    Returns
    -------
    Predicts
        The fitted learner.

    Raises
    ------
    ConfigError
        If there is no such learner.
    """
    learner = make_learner(name, config=fitting.config, seed=fitting.seed)
    if isinstance(learner, FinalStageLearner | ConstantEffect | WrappedLearner):
        return learner.fit(fitting.rows, nuisances=fitting.values)
    if isinstance(learner, TLearner):
        return learner.fit(fitting.rows, nuisances=fitting.models)
    return learner.fit(fitting.rows)


def as_booster(learner: Predicts, rows: Rows, *, seed: int) -> ServedLearner:
    """Return the learner if it is one LightGBM model, and a student of it otherwise.

    Parameters
    ----------
    learner : Predicts
        A fitted learner.
    rows : Rows
        Rows to learn from what it says of them.
    seed : int
        Of the student.

    Returns
    -------
    ServedLearner
        What a bundle can hold.

    Raises
    ------
    FidelityError
        If a student ranks too differently.
    """
    estimand = str(getattr(learner, "estimand_", ""))
    if isinstance(learner, FinalStageLearner):
        assert learner.model_ is not None
        return ServedLearner(learner.model_, estimand, "")
    if isinstance(learner, ConstantEffect):
        return ServedLearner(_one_leaf(learner, rows), estimand, "")
    student = distill(learner, rows, config=DistillConfig(), seed=seed)
    assert student.model_ is not None
    return ServedLearner(student.model_, estimand, str(student.fidelity_))


def _one_leaf(learner: ConstantEffect, rows: Rows) -> lightgbm.Booster:
    """Write one effect for all as a model: a tree that may not split."""
    config = BoostConfig(rounds=1, min_rows_leaf=len(rows))
    effect = learner.predict(rows.features[:1]).point[0]
    return rows.binned(config).fit(
        np.full(len(rows), effect),
        weight=np.ones(len(rows)),
        objective="regression",
        config=config,
        seed=0,
    )
