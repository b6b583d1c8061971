"""Half-sample intervals: what they are for a mean, which rows are drawn together, what is kept."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from causal_ranker.boosting import BoostConfig
from causal_ranker.errors import EmptyError, NotFittedError, RowError
from causal_ranker.stats.intervals import Interval, clustered_mean
from causal_ranker.uplift.base import Rows, UpliftModel
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.final import FinalStageLearner, LearnerConfig
from causal_ranker.uplift.intervals import HalfSampleConfig, HalfSampleIntervals
from causal_ranker.uplift.nuisance import NuisanceValues
from causal_ranker.uplift.r import RLearner
from causal_ranker.uplift.x import XLearner
from tests.uplift.contract import UpliftModelContract
from tests.uplift.worlds import CONFIG, NUISANCE, draw

FINAL_STAGES = [DRLearner, RLearner, XLearner]
#: One leaf holds all rows, so that the final stage is a weighted mean.
ONE_LEAF = BoostConfig(rounds=1, learning_rate=1.0, leaves=2, min_rows_leaf=10**6)
MEAN = LearnerConfig(final=ONE_LEAF, nuisance=NUISANCE)


class TestHalfSampleIntervals(UpliftModelContract):
    def fresh(self) -> UpliftModel:
        return half_samples(DRLearner(config=self.config, seed=3), draws=3)


def half_samples(
    learner: FinalStageLearner, *, draws: int, level: float = 0.95, seed: int = 0
) -> HalfSampleIntervals:
    config = HalfSampleConfig(draws=draws, level=level)
    return HalfSampleIntervals(learner, config=config, seed=seed)


def known(rows: Rows) -> NuisanceValues:
    """Nuisances that vary by row, without a fit."""
    rng = np.random.default_rng(5)
    n = len(rows)
    return NuisanceValues(rng.uniform(0.2, 0.8, n), rng.uniform(0, 1, n), rng.uniform(0, 1, n))


def repeated(seed: int, *, times: int = 4) -> tuple[Rows, NuisanceValues]:
    """Rows of users who did the same thing several times."""
    rows = draw(seed, n=1_200, logged=True, per_user=1).rows
    at = np.repeat(np.arange(len(rows)), times)
    return rows.take(at), known(rows).take(at)


def mean_interval(
    learner: type[FinalStageLearner], rows: Rows, values: NuisanceValues, **clusters: object
) -> Interval:
    target, weight = learner._pseudo_outcomes(rows.treatment, rows.outcome, values)
    return clustered_mean(target, rows.user, weights=weight * rows.weight, **clusters)


def width(model: HalfSampleIntervals, rows: Rows) -> float:
    effect = model.predict(rows.features[:1])
    assert effect.low is not None
    assert effect.high is not None
    return float((effect.high - effect.low)[0])


def texts(model: HalfSampleIntervals) -> list[str]:
    """What would be written to disk."""
    return [each.model_to_string() for halves in model._halves for each in halves]


@pytest.mark.parametrize("learner", FINAL_STAGES)
def test_of_a_mean_they_are_the_clustered_interval(learner: type[FinalStageLearner]) -> None:
    rows, values = repeated(4)
    model = half_samples(learner(config=MEAN, seed=3), draws=200).fit(rows, nuisances=values)
    expected = mean_interval(learner, rows, values)
    found = width(model, rows)
    # 200 draws give a standard error to 5 %
    assert found == pytest.approx(expected.high - expected.low, rel=0.16)
    effect = model.predict(rows.features[:1])
    assert effect.point == pytest.approx([expected.point], abs=1e-6)
    assert effect.low == pytest.approx(effect.point - found / 2)
    # rows drawn one by one would call it half as wide
    apart = replace(rows, user=np.arange(len(rows)), unit=np.arange(len(rows)))
    naive = half_samples(learner(config=MEAN, seed=3), draws=200).fit(apart, nuisances=values)
    assert width(naive, rows) < 0.65 * found


def test_an_odd_number_of_users_is_no_bias() -> None:
    """Of 3 users a half is 1: without the factor the interval would be 1.4 times as wide."""
    rows = draw(2, n=1_500, logged=True).rows
    user = np.arange(len(rows)) % 3
    rows, values = replace(rows, user=user, unit=user), known(rows)
    model = half_samples(DRLearner(config=MEAN, seed=3), draws=200).fit(rows, nuisances=values)
    expected = mean_interval(DRLearner, rows, values).standard_error
    assert width(model, rows) / 2 / 1.972 == pytest.approx(expected, rel=0.2)


def test_units_of_assignment_count_beside_users() -> None:
    rng = np.random.default_rng(0)
    rows = draw(3, n=4_000, logged=True).rows
    unit = rng.integers(0, 40, len(rows))
    # the effect is 1 in some units and 0 in others
    works = (rng.random(40) < 0.5)[unit]
    rows = replace(rows, unit=unit, outcome=(works * rows.treatment).astype(np.int8))
    values = known(rows)
    steps: list[None] = []
    model = half_samples(DRLearner(config=MEAN, seed=3), draws=200)
    model.fit(rows, nuisances=values, advance=lambda: steps.append(None))
    assert len(steps) == model.steps(rows) == 1 + 3 * 200
    expected = mean_interval(DRLearner, rows, values, second_cluster=rows.unit).standard_error
    by_user = mean_interval(DRLearner, rows, values).standard_error
    found = width(model, rows) / 2 / 1.972
    assert found == pytest.approx(expected, rel=0.16)
    assert found > 1.3 * by_user


def test_equal_seeds_give_equal_bytes_and_the_level_the_width() -> None:
    rows, values = repeated(1)
    features = draw(9, n=300).rows.features

    def fitted(**settings: float) -> HalfSampleIntervals:
        learner = DRLearner(config=CONFIG, seed=3)
        return half_samples(learner, draws=8, **settings).fit(rows, nuisances=values)

    one, same, other, half = (fitted(**each) for each in ({}, {}, {"seed": 1}, {"level": 0.5}))
    assert texts(one) == texts(same) != texts(other)
    found, others, narrow = (each.predict(features) for each in (one, other, half))
    np.testing.assert_array_equal(found.point, others.point)
    assert (found.low != others.low).all()
    assert ((found.low < found.point) & (found.point < found.high)).all()
    # Student's quantiles of 7 degrees of freedom
    np.testing.assert_allclose(
        (found.high - found.point) / (narrow.high - narrow.point), 2.36462 / 0.71114, rtol=1e-4
    )


def test_trees_of_halves_are_as_fine_as_those_of_all_rows() -> None:
    """Leaves of at least 40 % of the rows: halves could not split if theirs were no smaller."""
    rows = draw(1, n=2_000, logged=True, per_user=1).rows
    final = BoostConfig(rounds=1, leaves=4, min_rows_leaf=800, feature_share=1.0)
    learner = DRLearner(config=LearnerConfig(final=final, nuisance=NUISANCE), seed=3)
    model = half_samples(learner, draws=3).fit(rows, nuisances=known(rows))
    assert [text.count("num_leaves=2") for text in texts(model)] == [1, 1, 1]


def test_it_keeps_models_and_no_rows() -> None:
    rows, values = repeated(1, times=20)
    model = half_samples(RLearner(config=CONFIG, seed=3), draws=4).fit(rows, nuisances=values)
    assert len(rows._binned) == 1  # one set of bins for all fits
    assert len(pickle.dumps(model)) < rows.features.nbytes
    again = pickle.loads(pickle.dumps(model)).predict(rows.features[:50])
    np.testing.assert_array_equal(again.low, model.predict(rows.features[:50]).low)


def test_a_plain_learner_has_no_interval() -> None:
    rows, values = repeated(1)
    effect = DRLearner(config=CONFIG, seed=3).fit(rows, nuisances=values).predict(rows.features)
    assert effect.low is None
    assert effect.high is None


def test_one_user_or_one_unit_is_refused() -> None:
    rows, values = repeated(1)
    one = np.zeros(len(rows), int)
    intervals = half_samples(DRLearner(config=CONFIG, seed=3), draws=4)
    with pytest.raises(EmptyError, match="rows of several users"):
        intervals.fit(replace(rows, user=one, unit=one), nuisances=values)
    with pytest.raises(RowError, match="at least 2 clusters"):
        intervals.fit(replace(rows, unit=one), nuisances=values)


def test_it_must_be_fitted_first_whatever_the_learner() -> None:
    rows, values = repeated(1)
    learner = DRLearner(config=CONFIG, seed=3).fit(rows, nuisances=values)
    with pytest.raises(NotFittedError):
        half_samples(learner, draws=4).predict(rows.features)
