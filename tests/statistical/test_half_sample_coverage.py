"""What half-sample intervals of single predictions cover, and what they do not."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.final import LearnerConfig
from causal_ranker.uplift.intervals import HalfSampleConfig, HalfSampleIntervals
from causal_ranker.uplift.nuisance import NuisanceValues, cross_fit
from tests.uplift.worlds import NUISANCE, draw

pytestmark = pytest.mark.slow

WORLDS, ROWS, DRAWS = 24, 2_000, 12
NEW = draw(99, n=200)
#: Trees enough to follow the effect, and so few that every effect is shrunk to about half.
ENOUGH, TOO_FEW = 30, 6


@cache
def world(seed: int) -> tuple[Rows, NuisanceValues]:
    rows = draw(1_000 + seed, n=ROWS, logged=True).rows
    return rows, cross_fit(rows, config=NUISANCE, seed=3)


@cache
def ends(rounds: int) -> tuple[NDArray[np.float64], ...]:
    """Point, low and high of new rows, by learners of many worlds; each of shape (worlds, rows)."""
    final = BoostConfig(
        rounds=rounds, learning_rate=0.1, leaves=8, min_rows_leaf=50, feature_share=1.0
    )
    config = LearnerConfig(final=final, nuisance=NUISANCE)
    found = []
    for seed in range(WORLDS):
        rows, nuisances = world(seed)
        model = HalfSampleIntervals(
            DRLearner(config=config, seed=3), config=HalfSampleConfig(draws=DRAWS), seed=seed
        ).fit(rows, nuisances=nuisances)
        effect = model.predict(NEW.rows.features)
        found.append((effect.point, effect.low, effect.high))
    point, low, high = (np.array(each, dtype=np.float64) for each in zip(*found, strict=True))
    return point, low, high


def covered(rounds: int, truth: NDArray[np.float64]) -> float:
    _, low, high = ends(rounds)
    return float(((low <= truth) & (truth <= high)).mean())


@pytest.mark.parametrize("rounds", [ENOUGH, TOO_FEW], ids=["enough", "too few"])
def test_the_learners_own_expectation_is_covered(rounds: int) -> None:
    point, low, _ = ends(rounds)
    # The mean of the other worlds' learners stands for the expectation.
    expectation = (point.sum(axis=0) - point) / (WORLDS - 1)
    # A little more often than they say: trees of halves differ more than those of all rows.
    assert 0.94 <= covered(rounds, expectation) <= 0.99
    # Two thirds of the width would not do: the test can fail on this side, too.
    narrow = np.abs(point - expectation) <= 0.6 * (point - low)
    assert narrow.mean() < 0.9


def test_the_uplift_only_as_far_as_the_learner_is_unbiased() -> None:
    assert covered(ENOUGH, NEW.tau) > 0.92
    assert covered(TOO_FEW, NEW.tau) < 0.85
