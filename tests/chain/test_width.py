"""Intervals of the learner that is served."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.stats import t as student

from causal_ranker.boosting import predict_trees
from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.served import fit_named
from causal_ranker.chain.width import ServedWidth, check_intervals, serve_width
from causal_ranker.errors import ConfigError, FidelityError
from causal_ranker.reporting.progress import Stages
from causal_ranker.stats.intervals import clustered_mean
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.candidates import Candidate
from causal_ranker.uplift.contest import Fitting
from causal_ranker.uplift.intervals import HalfSampleConfig
from causal_ranker.uplift.nuisance import Nuisances
from tests.uplift.worlds import CONFIG, NUISANCE, draw


def flagged(rows: Rows, *, share: float) -> Rows:
    """Make some rows those of cold items."""
    cold = np.random.default_rng(7).random(len(rows)) < share
    features = np.column_stack([rows.features, cold]).astype(np.float32)
    return replace(rows, features=features, names=(*rows.names, "is_cold"))


@cache
def fitting(cold: float | None = None) -> Fitting:
    rows = draw(50, n=4_000, logged=True).rows
    rows = rows if cold is None else flagged(rows, share=cold)
    models = Nuisances(config=NUISANCE, seed=3).fit(rows)
    return Fitting(rows, models.cross_fitted(rows), models, CONFIG, 3)


def width_of(
    name: str,
    *,
    draws: int,
    level: float = 0.95,
    given: Fitting | None = None,
    items: int = 40,
    apart: float = 0.0,
) -> ServedWidth:
    """Serve a learner's widths; items of the judge differ by so much in their effect."""
    given = given or fitting()
    judge = draw(52, n=3_000, logged=True).rows
    item = np.arange(len(judge)) % items
    if "is_cold" in given.rows.names:
        judge = flagged(judge, share=0.4)
        better = np.random.default_rng(8).random(len(judge)) < apart
        moved = better & (judge.treatment == 1) & (judge.features[:, -1] > 0)
        judge = replace(judge, outcome=np.where(moved, item % 2, judge.outcome).astype(np.int8))
    chance = given.models.propensity(judge.features, judge.user, logged=judge.propensity)
    return serve_width(
        fit_named(name, given),
        given,
        config=HalfSampleConfig(draws=draws, level=level),
        judge=judge,
        judge_values=given.models.predict(judge.features, judge.user, propensity=chance),
        judge_items=item,
        stages=Stages(None),
    )


def test_one_effect_for_all_has_the_clustered_interval_of_a_mean() -> None:
    given, draws = fitting(), 200
    rows = given.rows
    served = width_of("constant", draws=draws)
    half = predict_trees(served.model_, rows.features)
    assert np.ptp(half) == 0
    kept = (given.values.propensity >= 0.02) & (given.values.propensity <= 0.98)
    scores = given.values.take(kept).scores(rows.treatment[kept], rows.outcome[kept])
    exact = clustered_mean(scores, rows.user[kept])
    # 200 draws tell a standard error to 5 %
    assert half[0] == pytest.approx((exact.high - exact.low) / 2, rel=0.2)
    assert "95 % intervals, of 200 half-samples" in served.story


def test_another_level_is_another_width() -> None:
    wide, narrow = (
        predict_trees(width_of("constant", draws=8, level=level).model_, fitting().rows.features)
        for level in (0.95, 0.5)
    )
    assert wide[0] / narrow[0] == pytest.approx(2.3646 / 0.7111, rel=1e-4)  # Student's t, 7 degrees


def test_cold_items_have_the_width_by_which_they_differ() -> None:
    """All outcomes of half of the items become 1 with chance 0.6, of the other half 0."""
    served = width_of("constant", draws=8, given=fitting(0.3), apart=0.6)
    features = fitting(0.3).rows.features
    half = predict_trees(served.model_, features)
    cold = features[:, -1] > 0
    assert np.ptp(half[cold]) == 0
    assert np.ptp(half[~cold]) == 0
    # Their effects lie 0.3 to both sides of what they were on average, which moved, too.
    told = float(np.sqrt(half[cold][0] ** 2 - half[~cold][0] ** 2) / student.ppf(0.975, 39))
    assert 0.28 < told < 0.45
    assert f"by {100 * told:.2g} per 100" in served.story
    assert "effects of 40 cold items" in served.story


def test_widths_of_cold_items_that_nobody_can_tell_are_said_to_be_so() -> None:
    served = width_of("constant", draws=8, given=fitting(0.3), items=5)
    assert "Too few cold items" in served.story
    assert np.ptp(predict_trees(served.model_, fitting(0.3).rows.features)) == 0


def test_widths_of_cold_items_that_were_not_there_to_learn_from_are_refused() -> None:
    with pytest.raises(FidelityError, match="rows of cold items"):
        width_of("constant", draws=8, given=fitting(0.0), apart=0.6)


def test_learners_without_half_samples_are_refused_before_anything_is_fitted() -> None:
    config = ChainConfig(intervals=HalfSampleConfig())
    for name in ("auto", "constant", "dr", "r", "x"):
        check_intervals(config, learner=name)
    with pytest.raises(ConfigError, match="'t'"):
        check_intervals(config, learner="t")
    check_intervals(ChainConfig(), learner="t")
    candidates = (*config.candidates, Candidate(learner="t"))
    mixed = config.model_copy(update={"candidates": candidates})
    with pytest.raises(ConfigError, match="'t'"):
        check_intervals(mixed, learner="auto")
    check_intervals(mixed, learner="r")
