"""The DR-learner: its scores by hand, its effects against the truth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.boosting import BinnedFeatures, BoostConfig, predict_trees
from causal_ranker.errors import OverlapError
from causal_ranker.stats.weights import effective_sample_size
from causal_ranker.uplift.base import Rows, UpliftModel
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.final import LearnerConfig
from causal_ranker.uplift.nuisance import Nuisances, NuisanceValues
from causal_ranker.uplift.overlap import inside
from tests.uplift.contract import UpliftModelContract
from tests.uplift.worlds import CONFIG, NAMES, NUISANCE, TREES, draw, scores


def learner(**settings: Any) -> DRLearner:
    return DRLearner(config=LearnerConfig(**{**dict(CONFIG), **settings}), seed=3)


class TestDRLearner(UpliftModelContract):
    def fresh(self) -> UpliftModel:
        return DRLearner(config=self.config, seed=3)


class TestWithEstimatedPropensity(UpliftModelContract):
    logged = False

    def fresh(self) -> UpliftModel:
        return DRLearner(config=self.config, seed=3)


def made_up(n: int, seed: int) -> NuisanceValues:
    """Nuisances that no model would give, so that nothing fitted can stand in for them."""
    rng = np.random.default_rng(seed)
    return NuisanceValues(*(rng.uniform(0.01, 0.99, size=(3, n))))


def test_the_final_stage_regresses_the_scores_of_rows_with_overlap() -> None:
    rows = replace(draw(4, n=2_000).rows, weight=np.random.default_rng(0).uniform(1, 5, 2_000))
    values = made_up(2_000, 5)
    model = learner(lowest_propensity=0.2).fit(rows, nuisances=values)
    e = values.propensity
    kept = (e >= 0.2) & (e <= 0.8)
    gamma = scores(rows, e, mu0=values.outcome_control, mu1=values.outcome_treated)
    binned = BinnedFeatures(rows.features, names=NAMES, categorical=(), config=TREES)
    expected = binned.fit(
        gamma,
        rows=np.flatnonzero(kept),
        weight=rows.weight,
        objective="regression",
        config=TREES,
        seed=3,
    )
    np.testing.assert_allclose(
        model.predict(rows.features).point, predict_trees(expected, rows.features), atol=1e-9
    )
    assert model.share_outside_ == pytest.approx(rows.weight[~kept].sum() / rows.weight.sum())
    assert 0.3 < model.share_outside_ < 0.5


def test_the_band_is_closed() -> None:
    e = np.array([0.0, 0.0999, 0.1, 0.5, 0.9, 0.9001, 1.0])
    assert inside(e, lowest=0.1).tolist() == [False, False, True, True, True, False, False]


def test_outcomes_and_effects_have_one_unit() -> None:
    """Plays counted in dozens give effects in dozens."""
    rows, values = draw(4, n=2_000).rows, made_up(2_000, 6)
    amounts = NUISANCE.model_copy(update={"kind": "continuous"})
    one = learner(nuisance=amounts).fit(rows, nuisances=values).predict(rows.features).point
    dozens = learner(nuisance=amounts).fit(
        replace(rows, outcome=rows.outcome / 12.0),
        nuisances=NuisanceValues(
            values.propensity, values.outcome_treated / 12, values.outcome_control / 12
        ),
    )
    np.testing.assert_allclose(dozens.predict(rows.features).point, one / 12, atol=1e-7)


def test_a_weight_of_two_is_the_row_twice() -> None:
    rows = draw(7, n=3_000, logged=True).rows
    # few values, so that both have the same bins; leaves of any size, as those count rows
    rows = replace(rows, features=np.clip(np.round(rows.features), -2, 2))
    free = BoostConfig(rounds=15, leaves=8, min_rows_leaf=1, feature_share=1.0)
    times = np.random.default_rng(0).integers(1, 3, 3_000)
    chosen = np.repeat(np.arange(3_000), times)
    values = made_up(3_000, 8)

    def effects(rows: Rows, at: NDArray[np.int64]) -> NDArray[np.float64]:
        part = NuisanceValues(*(each[at] for each in vars(values).values()))
        return learner(final=free).fit(rows.take(at), nuisances=part).predict(x).point

    x, everyone = rows.features, np.arange(3_000)
    once = effects(rows, everyone)
    weighted = effects(replace(rows, weight=times.astype(float)), everyone)
    repeated = effects(rows, chosen)
    np.testing.assert_allclose(weighted, repeated, atol=1e-7)
    assert np.abs(weighted - once).max() > 1e-3  # the weights did something


def test_weights_undo_a_sample_by_outcome() -> None:
    """Zeros kept at a rate of one in four, with weight four, give the same effects."""
    truth = draw(9, n=24_000, tau="step")
    rng = np.random.default_rng(1)
    kept = (truth.rows.outcome == 1) | (rng.random(24_000) < 0.25)
    weight = np.where(truth.rows.outcome == 1, 1.0, 4.0)
    sampled = replace(truth.rows, weight=weight).take(kept)
    new = draw(10)
    found = learner().fit(sampled).predict(new.rows.features).point
    ignored = (
        learner()
        .fit(replace(sampled, weight=np.ones(len(sampled))))
        .predict(new.rows.features)
        .point
    )
    for step in (0.3, -0.05):
        assert found[new.tau == step].mean() == pytest.approx(step, abs=0.05)
    assert ignored[new.tau == 0.3].mean() < 0.22


def test_no_overlap_is_refused() -> None:
    rows = draw(11).rows
    decided = replace(rows, treatment=(rows.features[:, 0] > 0).astype(np.int8))
    with pytest.raises(OverlapError, match=r"outside the band: 100.0%\); without overlap: x0 "):
        learner().fit(decided)


def test_the_overlap_floor_counts_effective_rows() -> None:
    rows, e = draw(12, n=400, logged=True).rows, draw(12, n=400).propensity
    sizes = [
        effective_sample_size(1 / chance[rows.treatment == arm])
        for arm, chance in ((1, e), (0, 1 - e))
    ]
    least = min(sizes)
    learner(fewest_effective_rows=least - 0.5).fit(rows)
    with pytest.raises(OverlapError, match=f"{least:.1f}"):
        learner(fewest_effective_rows=least + 0.5).fit(rows)


def test_given_nuisances_are_used_and_not_fitted_again() -> None:
    rows = draw(13, n=4_000).rows
    shared = Nuisances(config=NUISANCE, seed=3).fit(rows).cross_fitted(rows)
    one = learner().fit(rows, nuisances=shared).predict(rows.features).point
    np.testing.assert_array_equal(one, learner().fit(rows).predict(rows.features).point)
