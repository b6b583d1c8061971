"""The learner that chooses: nothing that judges a row saw its outcomes, and simple may win."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from causal_ranker.boosting import BoostConfig
from causal_ranker.chain.config import ChainConfig
from causal_ranker.errors import ConfigError, NotFittedError, OverlapError
from causal_ranker.seeds import stage_seed
from causal_ranker.uplift.auto import STACK, AutoConfig, AutoLearner, _stacked
from causal_ranker.uplift.candidates import CANDIDATES, Candidate
from causal_ranker.uplift.contest import Fitting, fit_candidate
from causal_ranker.uplift.crossfit import user_fold
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.factory import make_learner
from causal_ranker.uplift.final import LearnerConfig
from causal_ranker.uplift.league import Scored
from causal_ranker.uplift.nuisance import Nuisances
from causal_ranker.uplift.stack import StackedEffect, stack_weights
from tests.uplift.contract import UpliftModelContract
from tests.uplift.worlds import CONFIG, NUISANCE, TREES, draw

SMALL = tuple(Candidate(learner=name, final=TREES, stops=(0.25, 1.0)) for name in ("r", "dr", "x"))
CONSTANT = Candidate(learner="constant")
EVERYONE = (
    CONSTANT,
    Candidate(learner="linear", penalties=(30.0, 300.0)),
    *SMALL,
    Candidate(learner="t"),
)


def auto(candidates: tuple[Candidate, ...] = EVERYONE, **settings: Any) -> AutoLearner:
    how = {"folds": 2, "stack": False, "learner": CONFIG} | settings
    return AutoLearner(config=AutoConfig(candidates=candidates, **how), seed=3)


class TestAuto(UpliftModelContract):
    """A stage that stops early is still on its way to the step."""

    bias = 0.08

    def fresh(self) -> AutoLearner:
        stage = Candidate(learner="dr", final=self.config.final, stops=(0.25, 1.0))
        candidates = (CONSTANT, stage)
        config = AutoConfig(learner=self.config, candidates=candidates, folds=2, stack=False)
        return AutoLearner(config=config, seed=3)


def test_whatever_judges_a_row_saw_no_outcome_of_its_user() -> None:
    rows = draw(5, n=4_000).rows
    learner = auto()
    fold = user_fold(rows.user, 2, seed=stage_seed(3, "league"))
    assert 0.4 < fold.mean() < 0.6
    propensity = Nuisances(config=NUISANCE, seed=3).fit(rows).cross_fitted(rows).propensity
    flipped = replace(rows, outcome=np.where(fold == 0, 1 - rows.outcome, rows.outcome))
    one, other = (
        learner._out_of_fold(each, fold, propensity, advance=lambda: None)
        for each in (rows, flipped)
    )
    mine = fold == 0
    assert len(one[0]) == 1 + 2 + 3 * 2 + 1
    for key, guess in one[0].items():
        np.testing.assert_array_equal(guess[mine], other[0][key][mine], err_msg=str(key))
        assert (guess[~mine] != other[0][key][~mine]).any()
    for arm in ("outcome_control", "outcome_treated"):
        held, again = getattr(one[1], arm), getattr(other[1], arm)
        np.testing.assert_array_equal(held[mine], again[mine])
        assert (held[~mine] != again[~mine]).mean() > 0.9


def test_one_effect_for_all_wins_where_it_is_the_truth() -> None:
    chosen = [auto().fit(draw(seed, tau=0.1).rows).league_.chosen for seed in range(3)]  # type: ignore[union-attr]
    assert chosen.count("constant") >= 2


def test_a_step_is_found_and_a_line_is_not_enough() -> None:
    truth = draw(6, n=16_000)
    learner = auto().fit(truth.rows)
    assert learner.league_ is not None
    gains = {each.name: each.gain for each in learner.league_.entries}
    assert list(gains) == [each.name for each in EVERYONE]
    assert learner.league_.chosen in {each.name for each in SMALL}
    # By x1 the effect has variance 0.175^2; a line explains 2 / pi of it.
    best = gains[learner.league_.best]
    assert abs(best.point - 0.175**2) < 4 * best.standard_error
    assert gains["linear"].point < best.point - 2 * best.standard_error
    assert set(learner.tuned_) == set(gains)
    assert learner.tuned_[SMALL[0].name] in (10, 40)


def test_the_winner_is_that_learner_on_all_rows() -> None:
    truth = draw(7, n=6_000, logged=True)
    learner = auto((CONSTANT, SMALL[1])).fit(truth.rows)
    rounds = learner.tuned_[SMALL[1].name]
    final = TREES.model_copy(update={"rounds": int(rounds)})
    alone = DRLearner(config=CONFIG.model_copy(update={"final": final}), seed=3).fit(truth.rows)
    np.testing.assert_array_equal(
        learner.predict(truth.rows.features).point, alone.predict(truth.rows.features).point
    )
    assert learner.estimand_ == alone.estimand_ != ""


def test_a_stack_takes_part_and_is_judged_by_weights_of_other_folds() -> None:
    truth = draw(8, n=16_000)
    learner = auto(EVERYONE, stack=True).fit(truth.rows)
    assert learner.league_ is not None
    assert learner.league_.entries[-1].name == STACK
    gains = {each.name: each.gain.point for each in learner.league_.entries}
    others = max(value for name, value in gains.items() if name != STACK)
    assert gains[STACK] > others - 0.002


def test_weights_of_a_stack_never_see_the_scores_they_are_judged_by() -> None:
    rng = np.random.default_rng(0)
    n = 600
    user, fold = np.arange(n), np.arange(n) % 3
    best = {name: rng.normal(size=n) for name in ("a", "b")}
    scores = best["a"] + rng.normal(size=n)
    mine = fold == 0
    one, other = (
        _stacked(best, Scored(each, np.ones(n), user, user), fold)
        for each in (scores, np.where(mine, -scores, scores))
    )
    np.testing.assert_array_equal(one[mine], other[mine])
    assert (one[~mine] != other[~mine]).all()
    # By hand: the weights of the first fold are those of the others.
    seen = ~mine
    average = scores[seen].mean()
    weights = stack_weights(
        [each[seen] for each in best.values()], scores[seen], weight=np.ones(400), average=average
    )
    by_hand = average + weights @ [each[mine] - average for each in best.values()]
    np.testing.assert_allclose(one[mine], by_hand)


def test_a_stack_that_is_chosen_predicts_its_members() -> None:
    truth = draw(10, n=8_000, logged=True)
    learner = auto(EVERYONE, stack=True).fit(truth.rows)
    assert learner.league_ is not None
    values = Nuisances(config=NUISANCE, seed=3).fit(truth.rows)
    league = replace(learner.league_, chosen=STACK)
    learner.league_ = league
    n = len(truth.rows)
    best = {each.name: np.random.default_rng(0).normal(size=n) for each in EVERYONE}
    best[SMALL[0].name] = truth.tau
    scored = values.cross_fitted(truth.rows)
    judged = Scored(truth.tau, np.ones(n), truth.rows.user, truth.rows.user)
    fitting = Fitting(truth.rows, scored, values, CONFIG, 3)
    found = learner._fit_chosen(fitting, best=best, judged=judged)
    assert isinstance(found, StackedEffect)
    assert found.weights.max() == pytest.approx(1, abs=0.02)
    assert found.estimand_.startswith("average over rows with propensity in")
    alone = fit_candidate(SMALL[0], fitting, setting=learner.tuned_[SMALL[0].name])
    difference = found.predict(truth.rows.features).point - alone.predict(truth.rows.features).point
    assert np.abs(difference).max() < 0.05


def test_it_says_how_far_it_is() -> None:
    told: list[int] = []
    learner = auto((CONSTANT,))
    rows = draw(11, n=2_000).rows
    learner.fit(rows, advance=lambda: told.append(1))
    assert len(told) == learner.steps(rows) == 4
    with pytest.raises(NotFittedError):
        auto().predict(np.zeros((1, 4), dtype=np.float32))


def test_the_floor_of_effective_rows_is_that_of_all_rows() -> None:
    """Where a learner may be fitted on all rows, it may be judged by folds of them."""
    rows = draw(13, n=1_200, logged=True).rows
    config = CONFIG.model_copy(update={"fewest_effective_rows": 250.0})
    DRLearner(config=config, seed=3).fit(rows)
    with pytest.raises(OverlapError):
        DRLearner(config=config, seed=3).fit(rows.take(np.arange(600)))
    auto((CONSTANT, SMALL[1]), learner=config).fit(rows)
    high = CONFIG.model_copy(update={"fewest_effective_rows": 100_000.0})
    with pytest.raises(OverlapError):
        auto((CONSTANT, SMALL[1]), learner=high).fit(rows)


def test_no_overlap_is_refused() -> None:
    rows = draw(12, n=2_000).rows
    certain = replace(rows, propensity=np.where(rows.treatment == 1, 0.999, 0.001))
    with pytest.raises(OverlapError):
        auto((CONSTANT,)).fit(certain)


@pytest.mark.parametrize(
    "settings",
    [
        {"learner": "constant", "stops": (1.0,)},
        {"learner": "r"},
        {"learner": "dr", "final": TREES},
        {"learner": "linear"},
        {"learner": "linear", "penalties": (1.0,), "final": TREES},
        {"learner": "forest"},
        {"learner": "r", "final": TREES, "stops": (1.5,)},
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Candidate(**settings)


def test_candidates_of_one_name_are_refused() -> None:
    other = SMALL[1].final.model_copy(update={"learning_rate": 0.5})  # type: ignore[union-attr]
    twin = Candidate(learner="dr", final=other, stops=(1.0,))
    with pytest.raises(ConfigError, match=r"several called 'dr, 8 constant leaves'"):
        AutoConfig(candidates=(CONSTANT, *SMALL, twin))
    with pytest.raises(ConfigError, match=r"several called 'dr, 8 constant leaves'"):
        ChainConfig(candidates=(CONSTANT, SMALL[1], twin))


@pytest.mark.parametrize("config", [AutoConfig, ChainConfig])
def test_one_effect_for_all_always_takes_part(config: Any) -> None:
    with pytest.raises(ConfigError, match="'r, 8 constant leaves' as the first of 2"):
        config(candidates=(SMALL[0], CONSTANT))


def test_monotone_features_that_nobody_would_keep_are_refused() -> None:
    trees = BoostConfig(monotone={"x0": 1})
    with pytest.raises(ConfigError, match=r"monotone = \{'x0': 1\} in a final stage"):
        make_learner("auto", config=LearnerConfig(final=trees))
    stage = Candidate(learner="dr", final=trees, stops=(1.0,))
    assert AutoConfig(candidates=(CONSTANT, stage)).candidates[1] == stage


def test_the_default_league_has_distinct_names_and_starts_simple() -> None:
    names = [each.name for each in CANDIDATES]
    assert len(set(names)) == len(names)
    assert names[0] == "constant"
