"""The choice of the final stage, on rows that no candidate was trained on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from causal_ranker.boosting import BoostConfig
from causal_ranker.errors import OverlapError
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.final import LearnerConfig
from causal_ranker.uplift.nuisance import Nuisances
from causal_ranker.uplift.select import Trial, choose_final
from tests.uplift.worlds import CONFIG, NUISANCE, Truth, draw, scores

BLIND = BoostConfig(rounds=1, learning_rate=0.001, leaves=2)
GOOD = BoostConfig(rounds=60, learning_rate=0.1, leaves=4, min_rows_leaf=200)
GREEDY = BoostConfig(rounds=150, learning_rate=0.3, leaves=63, min_rows_leaf=2)


def choose(*candidates: BoostConfig, tau: Any = "step", **settings: Any) -> Any:
    train, late = draw(40, tau=tau), draw(41, tau=tau)
    nuisances = Nuisances(config=NUISANCE, seed=3).fit(train.rows)
    late_values = values_of(nuisances, late)
    told: list[int] = []
    learner, trials = choose_final(
        candidates,
        train=train.rows,
        train_nuisances=nuisances.cross_fitted(train.rows),
        choose=late.rows,
        choose_nuisances=late_values,
        config=LearnerConfig(**{**dict(CONFIG), **settings}),
        advance=lambda: told.append(1),
        seed=3,
    )
    assert len(told) == len(candidates)
    return learner, trials, late, late_values


def values_of(nuisances: Nuisances, late: Truth) -> Any:
    rows = late.rows
    e = nuisances.propensity(rows.features, rows.user, logged=rows.propensity)
    return nuisances.predict(rows.features, rows.user, propensity=e)


def test_where_effects_differ_seeing_beats_blind_and_greedy() -> None:
    learner, trials, late, _ = choose(BLIND, GREEDY, GOOD)
    losses = [trial.loss for trial in trials]
    assert losses.index(min(losses)) == 2
    assert [trial.config for trial in trials] == [BLIND, GREEDY, GOOD]
    assert np.corrcoef(learner.predict(late.rows.features).point, late.tau)[0, 1] > 0.8


def test_where_nothing_differs_the_blind_one_wins() -> None:
    _, trials, _, _ = choose(GREEDY, BLIND, tau=0.1)
    assert trials[1].loss < trials[0].loss


def test_differences_in_loss_are_differences_in_squared_error() -> None:
    """What the choice rests on: the loss ranks settings as the true error would."""
    candidates = (BLIND, GOOD, GREEDY)
    _, trials, late, _ = choose(*candidates)
    truth = []
    for trial in trials:
        learner, _, _, _ = choose(trial.config)
        truth.append(np.mean((learner.predict(late.rows.features).point - late.tau) ** 2))
    for i in (0, 2):
        found = trials[i].loss - trials[1].loss
        assert found == pytest.approx(truth[i] - truth[1], rel=0.5)


def test_the_loss_by_hand_and_only_rows_with_overlap_count() -> None:
    learner, trials, late, values = choose(GOOD, lowest_propensity=0.2)
    assert isinstance(learner, DRLearner)
    assert isinstance(trials[0], Trial)
    e = values.propensity
    kept = (e >= 0.2) & (e <= 0.8)
    assert 0.2 < kept.mean() < 0.9
    gamma = scores(late.rows, e, mu0=values.outcome_control, mu1=values.outcome_treated)
    miss = gamma[kept] - learner.predict(late.rows.features).point[kept]
    assert trials[0].loss == pytest.approx(np.mean(miss**2))


def test_choosing_rows_without_overlap_are_refused() -> None:
    train, late = draw(40), draw(41, n=400)
    values = Nuisances(config=NUISANCE, seed=3).fit(train.rows).cross_fitted(train.rows)
    certain = values.take(np.arange(400))
    with pytest.raises(OverlapError, match="none among 400 rows"):
        choose_final(
            [GOOD],
            train=train.rows,
            train_nuisances=values,
            choose=late.rows,
            choose_nuisances=replace(certain, propensity=np.full(400, 0.999)),
            config=CONFIG,
            seed=3,
        )


def test_a_tie_goes_to_the_first() -> None:
    learner, trials, late, _ = choose(GOOD, GOOD)
    assert trials[0].loss == trials[1].loss
    assert np.isfinite(learner.predict(late.rows.features).point).all()
