from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from causal_ranker.drift.effect import effect_drift
from causal_ranker.stats.intervals import clustered_mean


def window(seed: int, effect: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores of 60 users with ten rows each, which move together."""
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(60), 10)
    return effect + rng.normal(size=60)[users] + rng.normal(size=600), users


def compare(seed: int, change: float) -> bool:
    (before, first), (now, second) = window(2 * seed, 0.3), window(2 * seed + 1, 0.3 + change)
    return effect_drift(before, now, reference_clusters=first, window_clusters=second).drifted


def test_false_alarms_come_at_their_rate() -> None:
    runs = 400
    low, high = binom.ppf([0.001, 0.999], runs, 0.05)
    assert low <= sum(compare(seed, 0.0) for seed in range(runs)) <= high


def test_a_planted_change_is_found() -> None:
    assert sum(compare(seed, 1.0) for seed in range(40)) >= 39


def test_it_is_the_difference_of_two_clustered_means() -> None:
    (before, first), (now, second) = window(0, 0.3), window(1, 0.9)
    found = effect_drift(before, now, reference_clusters=first, window_clusters=second)
    ends = [clustered_mean(before, first), clustered_mean(now, second)]
    assert found.change.point == pytest.approx(ends[1].point - ends[0].point)
    assert found.change.standard_error**2 == pytest.approx(
        sum(end.standard_error**2 for end in ends)
    )
