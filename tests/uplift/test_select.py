"""The choice of the learner on later rows, that no candidate was trained on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from causal_ranker.boosting import BoostConfig
from causal_ranker.errors import OverlapError
from causal_ranker.uplift import contest
from causal_ranker.uplift.candidates import Candidate
from causal_ranker.uplift.contest import Fitting, estimates_along
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.final import LearnerConfig
from causal_ranker.uplift.nuisance import Nuisances, NuisanceValues
from causal_ranker.uplift.select import Choice, choose_learner
from tests.uplift.worlds import CONFIG, NUISANCE, Truth, draw, scores

CONSTANT = Candidate(learner="constant")
GOOD = Candidate(
    learner="dr",
    final=BoostConfig(rounds=60, learning_rate=0.1, leaves=4, min_rows_leaf=200),
    stops=(0.1, 1.0),
)
GREEDY = Candidate(
    learner="dr",
    final=BoostConfig(rounds=150, learning_rate=0.3, leaves=63, min_rows_leaf=2),
    stops=(1.0,),
)


def choose(
    *candidates: Candidate, tau: Any = "step", **settings: Any
) -> tuple[Choice, Truth, NuisanceValues]:
    train, late = draw(40, tau=tau), draw(41, tau=tau)
    nuisances = Nuisances(config=NUISANCE, seed=3).fit(train.rows)
    rows = late.rows
    e = nuisances.propensity(rows.features, rows.user, logged=rows.propensity)
    late_values = nuisances.predict(rows.features, rows.user, propensity=e)
    told: list[int] = []
    config = LearnerConfig(**{**dict(CONFIG), **settings})
    choice = choose_learner(
        candidates,
        fitting=Fitting(train.rows, nuisances.cross_fitted(train.rows), nuisances, config, 3),
        choose=rows,
        choose_nuisances=late_values,
        advance=lambda: told.append(1),
    )
    assert len(told) == len(candidates)
    return choice, late, late_values


def test_where_effects_differ_seeing_beats_blind_and_greedy() -> None:
    choice, late, _ = choose(CONSTANT, GOOD, GREEDY)
    assert [each.name for each in choice.league.entries] == [
        each.name for each in (CONSTANT, GOOD, GREEDY)
    ]
    assert choice.league.chosen == GOOD.name
    assert np.corrcoef(choice.learner.predict(late.rows.features).point, late.tau)[0, 1] > 0.8


def test_where_nothing_differs_one_effect_for_all_wins() -> None:
    choice, late, _ = choose(CONSTANT, GOOD, GREEDY, tau=0.1)
    assert choice.league.chosen == "constant"
    assert np.ptp(choice.learner.predict(late.rows.features).point) == 0


def test_gains_differ_as_squared_errors_do() -> None:
    """What the choice rests on: gains rank learners as the true error would."""
    choice, late, values = choose(CONSTANT, GOOD, GREEDY)
    e = values.propensity
    kept = (e >= CONFIG.lowest_propensity) & (e <= 1 - CONFIG.lowest_propensity)
    weight = (e * (1 - e))[kept]
    errors = []
    for candidate in (CONSTANT, GOOD, GREEDY):
        alone, _, _ = choose(candidate)
        missed = alone.learner.predict(late.rows.features).point - late.tau
        errors.append(np.average(missed[kept] ** 2, weights=weight))
    gains = [each.gain.point for each in choice.league.entries]
    for i in (0, 2):
        assert gains[1] - gains[i] == pytest.approx(errors[i] - errors[1], rel=0.5)


def test_the_gain_by_hand_and_only_rows_with_overlap_count() -> None:
    choice, late, values = choose(GOOD, lowest_propensity=0.2)
    assert isinstance(choice.learner, DRLearner)
    e = values.propensity
    kept = (e >= 0.2) & (e <= 0.8)
    assert 0.2 < kept.mean() < 0.9
    gamma = scores(late.rows, e, mu0=values.outcome_control, mu1=values.outcome_treated)[kept]
    weight = (e * (1 - e))[kept]
    guess = choice.learner.predict(late.rows.features).point[kept]
    level = np.average(gamma, weights=weight)
    gain = np.average((gamma - level) ** 2 - (gamma - guess) ** 2, weights=weight)
    assert choice.league.entries[0].gain.point == pytest.approx(gain)


def test_the_better_stop_is_kept_and_costs_no_training() -> None:
    choice, late, _ = choose(GOOD)
    assert choice.tuned == {GOOD.name: 60}  # six trees at .1 are hardly a start
    assert isinstance(choice.learner, DRLearner)
    assert choice.learner.model_ is not None
    assert choice.learner.model_.num_trees() == 60
    assert np.isfinite(choice.learner.predict(late.rows.features).point).all()


def test_estimates_come_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of learners that are no trees, too: the choosing rows may lie in a file."""
    train = draw(40, n=2_000).rows
    models = Nuisances(config=NUISANCE, seed=3).fit(train)
    fitting = Fitting(train, models.cross_fitted(train), models, CONFIG, 3)
    some = np.arange(3, 1_000, 7)
    monkeypatch.setattr(contest, "_BATCH", 50)
    for candidate in (
        CONSTANT,
        Candidate(learner="t"),
        Candidate(learner="linear", penalties=(9,)),
    ):
        ((_, found),) = estimates_along(candidate, fitting, train.features, chosen=some)
        ((_, whole),) = estimates_along(candidate, fitting, train.features)
        np.testing.assert_array_equal(found, whole[some])


def test_choosing_rows_without_overlap_are_refused() -> None:
    train, late = draw(40), draw(41, n=400)
    models = Nuisances(config=NUISANCE, seed=3).fit(train.rows)
    values = models.cross_fitted(train.rows)
    certain = replace(values.take(np.arange(400)), propensity=np.full(400, 0.999))
    with pytest.raises(OverlapError, match="none among 400 rows"):
        choose_learner(
            [GOOD],
            fitting=Fitting(train.rows, values, models, CONFIG, 3),
            choose=late.rows,
            choose_nuisances=certain,
        )
