"""Intervals of the learner that is served."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from causal_ranker.boosting import predict_trees
from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.served import fit_named
from causal_ranker.chain.width import ServedWidth, check_intervals, serve_width
from causal_ranker.errors import ConfigError
from causal_ranker.reporting.progress import Stages
from causal_ranker.stats.intervals import clustered_mean
from causal_ranker.uplift.candidates import Candidate
from causal_ranker.uplift.contest import Fitting
from causal_ranker.uplift.intervals import HalfSampleConfig
from causal_ranker.uplift.nuisance import Nuisances
from tests.uplift.worlds import CONFIG, NUISANCE, draw


@cache
def fitting() -> Fitting:
    rows = draw(50, n=4_000, logged=True).rows
    models = Nuisances(config=NUISANCE, seed=3).fit(rows)
    return Fitting(rows, models.cross_fitted(rows), models, CONFIG, 3)


def width_of(name: str, *, draws: int, level: float = 0.95) -> ServedWidth:
    return serve_width(
        fit_named(name, fitting()),
        fitting(),
        config=HalfSampleConfig(draws=draws, level=level),
        judge=draw(52, n=3_000, logged=True).rows,
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
