"""A score of an earlier model as the estimate: its line, and its place in a league."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, NotFittedError, SchemaError
from causal_ranker.uplift.auto import STACK, AutoConfig, AutoLearner
from causal_ranker.uplift.base import Rows, UpliftModel
from causal_ranker.uplift.candidates import Candidate
from causal_ranker.uplift.nuisance import Nuisances
from causal_ranker.uplift.score import ScoreEffect, ScoreLine, fit_line
from tests.uplift.contract import UpliftModelContract
from tests.uplift.worlds import CONFIG, NUISANCE, TREES, Truth, draw

CONSTANT = Candidate(learner="constant")
SCORE = Candidate(learner="score", column="earlier")
STAGE = Candidate(learner="dr", final=TREES, stops=(0.25, 1.0))


def with_score(rows: Rows, score: NDArray[Any]) -> Rows:
    features = np.column_stack([rows.features, score]).astype(np.float32)
    return replace(rows, features=features, names=(*rows.names, "earlier"))


def only_the_score_knows(seed: int, n: int = 16_000) -> tuple[Rows, NDArray[np.float64]]:
    """An effect that no feature tells: a score of it does, in other units and with noise."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=n)
    truth = draw(seed, n=n, tau=0.0, logged=True)
    rows, tau = truth.rows, 0.1 + 0.2 * np.sign(hidden)
    level = 0.15 + 0.25 * (rows.features[:, 0] > 0) + 0.1 * (rows.features[:, 2] > 0)
    played = rng.random(n) < np.clip(level + tau * rows.treatment, 0, 1)
    rows = replace(rows, outcome=played.astype(np.int8))
    return with_score(rows, 3 + 5 * np.sign(hidden) + 0.5 * rng.normal(size=n)), tau


class TestScoreEffect(UpliftModelContract):
    """The step itself as a feature of the world: x1, which a line follows and no more."""

    least_correlation = 0.75
    bias = 0.08

    def fresh(self) -> UpliftModel:
        return ScoreEffect("x1", config=self.config, seed=3)

    def test_swapping_the_arms_swaps_the_sign(self, fitted: UpliftModel, truth: Truth) -> None:
        """Of the average alone: a score that ranks the wrong way round is worth nothing."""
        rows = truth.rows
        swapped = replace(rows, treatment=1 - rows.treatment, propensity=1 - rows.propensity)
        found = self.fresh().fit(swapped).predict(rows.features).point
        assert np.ptp(found) == 0
        assert found[0] == pytest.approx(-fitted.predict(rows.features).point.mean(), abs=0.01)


@pytest.mark.parametrize("slope", [0.02, 0.2])
def test_a_planted_slope_is_recovered(slope: float) -> None:
    found = []
    for seed in range(20):
        rng = np.random.default_rng([seed, 7])
        rows = draw(seed, n=4_000, tau=0.0, logged=True).rows
        score = rng.uniform(-1, 1, len(rows))
        outcome = rows.outcome + (0.1 + slope * score) * rows.treatment
        config = CONFIG.model_copy(
            update={"nuisance": NUISANCE.model_copy(update={"kind": "continuous"})}
        )
        learner = ScoreEffect("earlier", config=config, seed=seed)
        line = learner.fit(with_score(replace(rows, outcome=outcome), score)).line_
        assert line is not None
        found.append((line.slope, line.intercept))
    mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    assert mean[1] == pytest.approx(0.1, abs=4 * error[1])
    # A slope below 0 is cut off, which lifts the mean of a small one.
    lift = 0.01 if slope < 0.1 else 0.0
    assert slope - 4 * error[0] < mean[0] < slope + lift + 4 * error[0]
    assert error[0] < 0.012


@given(st.integers(0, 10**6), st.floats(0.1, 10), st.floats(-5, 5))
def test_the_line_is_least_squares_of_whatever_unit(seed: int, unit: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    score, weight = rng.normal(size=50), rng.uniform(0.5, 2, 50)
    gamma = score + rng.normal(size=50)
    line = fit_line(score, gamma, weight=weight)
    slope, intercept = np.polyfit(score, gamma, 1, w=np.sqrt(weight))
    if slope > 0:
        assert line.slope == pytest.approx(slope)
        assert line.intercept == pytest.approx(intercept)
    else:
        assert line.slope == 0
    other = fit_line(shift + unit * score, gamma, weight=weight)
    np.testing.assert_allclose(other(shift + unit * score), line(score), atol=1e-8)


def test_a_score_that_turns_the_effects_around_is_worth_nothing() -> None:
    score = np.array([0.0, 1.0, 2.0, np.nan])
    line = fit_line(score, np.array([3.0, 2.0, 1.0, 10.0]), weight=np.ones(4))
    assert line == ScoreLine(slope=0.0, intercept=2.0, average=4.0)
    np.testing.assert_array_equal(line(score), [2, 2, 2, 4])


def test_no_score_at_all_is_the_average() -> None:
    nowhere = fit_line(np.full(3, np.nan), np.arange(3.0), weight=np.ones(3))
    assert nowhere == ScoreLine(slope=0.0, intercept=1.0, average=1.0)
    same = fit_line(np.ones(3), np.arange(3.0), weight=np.ones(3))
    assert same == nowhere


def test_the_column_is_looked_for_by_name() -> None:
    rows = draw(1, n=2_000, logged=True).rows
    with pytest.raises(SchemaError, match=r"a feature 'x11', which holds .*Did you mean 'x1'"):
        ScoreEffect("x11", config=CONFIG, seed=0).fit(rows)


def test_a_candidate_has_a_column_if_and_only_if_it_is_a_score() -> None:
    assert (SCORE.name, SCORE.path) == ("score, earlier", (0,))
    with pytest.raises(ConfigError, match="'score' with column"):
        Candidate(learner="score")
    with pytest.raises(ConfigError, match="column that it lacks"):
        Candidate(learner="constant", column="earlier")
    with pytest.raises(ConfigError, match="several called 'score, earlier'"):
        AutoConfig(candidates=(CONSTANT, SCORE, SCORE))


def test_auto_picks_the_score_where_only_the_score_knows() -> None:
    rows, tau = only_the_score_knows(11)
    stage = STAGE.model_copy(update={"final": TREES.model_copy(update={"feature_share": 0.2})})
    config = AutoConfig(learner=CONFIG, candidates=(CONSTANT, SCORE, stage), folds=2, stack=True)
    learner = AutoLearner(config=config, seed=3).fit(rows)
    assert learner.league_ is not None
    assert learner.league_.chosen == SCORE.name
    gains = {each.name: each.gain for each in learner.league_.entries}
    assert list(gains) == ["constant", SCORE.name, stage.name, STACK]
    # The line takes off what the effect varies by, times its squared correlation with the score.
    r = np.corrcoef(rows.features[:, -1], tau)[0, 1]
    gain = gains[SCORE.name]
    assert abs(gain.point - tau.var() * r**2) < 4 * gain.standard_error
    assert isinstance(learner.learner_, ScoreEffect)
    assert np.corrcoef(learner.predict(rows.features).point, tau)[0, 1] > 0.95


def test_a_stack_weighs_the_score_beside_the_features() -> None:
    """Half of the effect is in the features, half in the score: together they say all."""
    rng = np.random.default_rng(5)
    n = 24_000
    rows, hidden = draw(5, n=n, tau=0.0, logged=True).rows, np.sign(rng.normal(size=n))
    step = np.sign(rows.features[:, 1])
    tau = 0.25 + 0.12 * step + 0.12 * hidden
    played = rng.random(n) < 0.2 + tau * rows.treatment
    rows = with_score(replace(rows, outcome=played.astype(np.int8)), hidden)
    blind = Candidate(learner="score", column="x1")
    config = AutoConfig(learner=CONFIG, candidates=(CONSTANT, SCORE, blind), folds=2, stack=True)
    learner = AutoLearner(config=config, seed=3).fit(rows)
    assert learner.league_ is not None
    assert learner.league_.chosen == STACK
    assert np.corrcoef(learner.predict(rows.features).point, tau)[0, 1] > 0.9


def test_it_must_be_fitted_first() -> None:
    with pytest.raises(NotFittedError):
        ScoreEffect("x1", config=CONFIG, seed=0).predict(np.zeros((1, 4), dtype=np.float32))


def test_missing_scores_have_the_average_effect() -> None:
    truth = draw(3, n=4_000, logged=True)
    rows = truth.rows
    values = Nuisances(config=NUISANCE, seed=3).fit(rows).cross_fitted(rows)
    score = np.where(np.arange(len(rows)) % 3, rows.features[:, 1], np.nan)
    learner = ScoreEffect("earlier", config=CONFIG, seed=3)
    found = learner.fit(with_score(rows, score), nuisances=values)
    everyone = values.scores(rows.treatment, rows.outcome)
    predicted = found.predict(with_score(rows, score).features).point
    np.testing.assert_allclose(predicted[np.isnan(score)], everyone.mean(), rtol=1e-12)
