"""Whatever learner was chosen, one LightGBM model says what it says."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from causal_ranker.boosting import BoostConfig
from causal_ranker.chain import served as module
from causal_ranker.chain.served import ServedLearner, as_booster, fit_named, serve_choice
from causal_ranker.errors import ConfigError, FidelityError, OverlapError
from causal_ranker.stats.agreement import spearman
from causal_ranker.uplift.base import Predicts, Rows
from causal_ranker.uplift.candidates import Candidate
from causal_ranker.uplift.contest import Fitting
from causal_ranker.uplift.distill import DistillConfig
from causal_ranker.uplift.nuisance import Nuisances, NuisanceValues
from causal_ranker.uplift.propensity import CrossFitPropensity
from causal_ranker.uplift.ridge import RidgeLearner
from causal_ranker.uplift.score import ScoreEffect
from causal_ranker.uplift.select import choose_learner
from tests.uplift.worlds import CONFIG, NUISANCE, draw


@cache
def fitting() -> Fitting:
    rows = draw(50, n=6_000, logged=True).rows
    models = Nuisances(config=NUISANCE, seed=3).fit(rows)
    return Fitting(rows, models.cross_fitted(rows), models, CONFIG, 3)


@cache
def later() -> tuple[Rows, NuisanceValues]:
    rows = draw(52, n=3_000, logged=True).rows
    return rows, fitting().models.predict(rows.features, rows.user, propensity=rows.propensity)


def serve(learner: Predicts) -> ServedLearner:
    judge, values = later()
    return as_booster(learner, fitting(), judge=judge, judge_values=values)


@pytest.mark.parametrize("name", ["dr", "r", "x"])
def test_a_final_stage_is_served_as_it_is(name: str) -> None:
    learner = fit_named(name, fitting())
    served = serve(learner)
    x = fitting().rows.features
    np.testing.assert_array_equal(served.predict(x).point, learner.predict(x).point)
    assert served.estimand.startswith("average over rows with propensity in")
    assert served.story == ""


def test_one_effect_for_all_is_one_leaf() -> None:
    learner = fit_named("constant", fitting())
    served = serve(learner)
    x = fitting().rows.features
    found = served.predict(x).point
    np.testing.assert_allclose(found, learner.predict(x).point, rtol=1e-6)
    assert served.model_.num_trees() == 1


@pytest.mark.parametrize("name", ["t", "s", "linear"])
def test_any_other_learner_has_a_student(name: str) -> None:
    learner = (
        RidgeLearner(config=CONFIG, seed=3).fit(fitting().rows, nuisances=fitting().values)
        if name == "linear"
        else fit_named(name, fitting())
    )
    served = serve(learner)
    new = draw(51).rows.features
    one, other = served.predict(new).point, learner.predict(new).point
    assert np.corrcoef(one, other)[0, 1] > 0.9
    assert "in place of the learner: Spearman" in served.story
    assert ", AUTOC 0." in served.story


def test_a_score_of_an_earlier_model_is_served_by_a_student_that_reads_it() -> None:
    """A collaborative method's score is a feature; in a bundle stands a model of features."""
    judge, values = later()
    candidates = (
        Candidate(learner="constant"),
        Candidate(learner="score", column="x1"),
        Candidate(learner="score", column="x3"),
    )
    choice = choose_learner(candidates, fitting=fitting(), choose=judge, choose_nuisances=values)
    assert choice.league.chosen == "score, x1"
    assert isinstance(choice.learner, ScoreEffect)
    served = serve_choice(choice, candidates, fitting=fitting(), judge=judge, judge_values=values)
    new = draw(51).rows.features
    one, other = served.predict(new).point, choice.learner.predict(new).point
    assert spearman(one, other) > 0.98
    assert "in place of the learner: Spearman" in served.story
    assert served.estimand == choice.learner.estimand_ != ""


def test_shared_nuisances_are_those_of_the_fit() -> None:
    """A learner by its name, with the nuisances there are, is the learner by itself."""
    alone = fit_named("t", fitting())
    x = fitting().rows.features
    control, treated = fitting().models.arms(x)
    np.testing.assert_array_equal(alone.predict(x).point, treated - control)


def test_wrapped_learners_are_told_the_propensities_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows drawn by outcome are not what propensities are learned from."""
    given = fitting()
    rows = replace(given.rows, propensity=np.full(len(given.rows), np.nan))

    def fitted_again(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(CrossFitPropensity, "fit", fitted_again)
    learner = fit_named("econml_linear_dr", replace(given, rows=rows))
    logged = fit_named("econml_linear_dr", given)
    x = rows.features
    np.testing.assert_array_equal(learner.predict(x).point, logged.predict(x).point)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="forest"):
        fit_named("forest", fitting())


def test_a_winner_that_nobody_can_speak_for_leaves_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, values = later()
    trees = BoostConfig(rounds=20, leaves=4, min_rows_leaf=200)
    candidates = (
        Candidate(learner="constant"),
        Candidate(learner="dr", final=trees, stops=(1.0,)),
        Candidate(learner="t"),
    )
    choice = choose_learner(candidates, fitting=fitting(), choose=rows, choose_nuisances=values)
    league = replace(choice.league, chosen="t")
    winner = replace(choice, league=league, learner=fit_named("t", fitting()))

    def serve_winner() -> ServedLearner:
        return serve_choice(winner, candidates, fitting=fitting(), judge=rows, judge_values=values)

    assert "in place of the learner: Spearman" in serve_winner().story
    strict = DistillConfig(least_spearman=1.0)
    monkeypatch.setattr(module, "DistillConfig", lambda: strict)
    with pytest.raises(FidelityError):
        as_booster(winner.learner, fitting(), judge=rows, judge_values=values)
    served = serve_winner()
    assert served.story.startswith("No LightGBM model says what 't' says (Spearman 0.9")
    assert served.story.endswith("so 'dr, 4 constant leaves' serves in its place.")
    final = fitting().config.model_copy(update={"final": trees})
    alone = fit_named("dr", replace(fitting(), config=final))
    x = rows.features
    np.testing.assert_array_equal(served.predict(x).point, alone.predict(x).point)


@pytest.mark.parametrize("name", ["s", "t"])
def test_learners_that_read_no_propensity_are_refused_by_those_there_are(name: str) -> None:
    given = fitting()
    rare = replace(given.values, propensity=np.full(len(given.rows), 0.005))
    with pytest.raises(OverlapError, match="effective rows"):
        fit_named(name, replace(given, values=rare))
