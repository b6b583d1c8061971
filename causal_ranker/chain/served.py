"""The effect model that is served: one LightGBM model, whatever learner it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig, predict_trees
from causal_ranker.errors import FidelityError
from causal_ranker.uplift.base import Effect, Predicts, Rows
from causal_ranker.uplift.candidates import Candidate
from causal_ranker.uplift.constant import ConstantEffect
from causal_ranker.uplift.contest import Fitting, fit_candidate
from causal_ranker.uplift.distill import DistillConfig, distill
from causal_ranker.uplift.factory import make_learner
from causal_ranker.uplift.final import FinalStageLearner, comparable_rows
from causal_ranker.uplift.nuisance import NuisanceValues
from causal_ranker.uplift.overlap import inside
from causal_ranker.uplift.s import SLearner
from causal_ranker.uplift.select import Choice
from causal_ranker.uplift.t import TLearner
from causal_ranker.uplift.wrapped import WrappedLearner

if TYPE_CHECKING:
    import lightgbm

__all__ = ["ServedLearner", "as_booster", "fit_named", "serve_choice"]


@dataclass(frozen=True)
class ServedLearner:
    """An effect model that a bundle can hold.

    Attributes
    ----------
    model_ : lightgbm.Booster
        The model.
    estimand : str
        Of which rows its effects are an average, in words; empty where the learner does not say.
    story : str
        In whose place the model stands and how faithful it is, in sentences; empty where it is the
        learner itself.
    """

    model_: lightgbm.Booster
    estimand: str
    story: str

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
    OverlapError
        If an arm has too few comparable rows.
    """
    learner = make_learner(name, config=fitting.config, seed=fitting.seed)
    if isinstance(learner, FinalStageLearner | ConstantEffect | WrappedLearner | SLearner):
        return learner.fit(fitting.rows, nuisances=fitting.values)
    if isinstance(learner, TLearner):
        comparable_rows(fitting.rows, fitting.values.propensity, config=fitting.config)
        return learner.fit(fitting.rows, nuisances=fitting.models)
    return learner.fit(fitting.rows)


def as_booster(
    learner: Predicts, fitting: Fitting, *, judge: Rows, judge_values: NuisanceValues
) -> ServedLearner:
    """Return the learner if it is one LightGBM model, and a student of it otherwise.

    Parameters
    ----------
    learner : Predicts
        A learner, fitted.
    fitting : Fitting
        What it was fitted on: the student learns from what it says of those rows.
    judge : Rows
        Later rows, on which the student is measured.
    judge_values : NuisanceValues
        Their nuisances.

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
        return ServedLearner(_one_leaf(learner, fitting.rows), estimand, "")
    band = inside(judge_values.propensity, lowest=fitting.config.lowest_propensity)
    scores = np.full(len(judge), np.nan)
    scores[band] = judge_values.take(band).scores(judge.treatment[band], judge.outcome[band])
    student = distill(
        learner,
        fitting.rows,
        config=DistillConfig(),
        seed=fitting.seed,
        judge=judge,
        scores=scores,
    )
    assert student.model_ is not None
    story = f"A LightGBM model serves in place of the learner: {student.fidelity_}."
    return ServedLearner(student.model_, estimand, story)


def serve_choice(
    choice: Choice,
    candidates: Sequence[Candidate],
    *,
    fitting: Fitting,
    judge: Rows,
    judge_values: NuisanceValues,
) -> ServedLearner:
    """Return the winner of a league as one model, or the best of those that are one by themselves.

    Parameters
    ----------
    choice : Choice
        The winner and the league.
    candidates : sequence of Candidate
        All of the league.
    fitting : Fitting
        What they were fitted on.
    judge : Rows
        The rows that they were chosen on.
    judge_values : NuisanceValues
        Their nuisances.

    Returns
    -------
    ServedLearner
        What a bundle can hold; where it is not the winner, it says so.
    """
    try:
        return as_booster(choice.learner, fitting, judge=judge, judge_values=judge_values)
    except FidelityError as error:
        gains = {each.name: each.gain.point for each in choice.league.entries}
        # One effect for all is among them, so that there is always one.
        able = [each for each in candidates if each.final or each.learner == "constant"]
        best = max(able, key=lambda each: gains[each.name])
        learner = fit_candidate(best, fitting, setting=choice.tuned[best.name])
        served = as_booster(learner, fitting, judge=judge, judge_values=judge_values)
        story = (
            f"No LightGBM model says what '{choice.league.chosen}' says ({error.came}), so "
            f"'{best.name}' serves in its place."
        )
        return replace(served, story=story)


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
