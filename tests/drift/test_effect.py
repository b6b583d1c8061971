from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from causal_ranker.drift.effect import EffectDrift
from causal_ranker.drift.protocol import Detector
from causal_ranker.errors import RowError, SchemaError
from causal_ranker.stats.intervals import clustered_mean
from tests.drift.contract import DetectorContract


class TestEffectDrift(DetectorContract):
    def make(self, **settings: Any) -> Detector:
        return EffectDrift(**settings)


def window(
    seed: int, effects: tuple[float, ...], *, users: int = 60
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of users with ten rows each, which move together; groups by row."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), 10)
    group = rng.integers(0, len(effects), user.size)
    luck = rng.normal(size=users)
    score = np.array(effects)[group] + luck[user] + rng.normal(size=user.size)
    return np.column_stack([score, group]), user + 1000 * seed


def compare(seed: int, change: tuple[float, ...]) -> bool:
    (before, first) = window(2 * seed, (0.3, 0.3))
    (now, second) = window(2 * seed + 1, (0.3 + change[0], 0.3 + change[1]))
    return EffectDrift().fit(before, clusters=first).predict(now, clusters=second).drifted


def test_false_alarms_come_at_their_rate() -> None:
    runs = 400
    low, high = binom.ppf([0.001, 0.999], runs, 0.05)
    assert low <= sum(compare(seed, (0.0, 0.0)) for seed in range(runs)) <= high


def test_a_planted_change_is_found_even_if_the_mean_effect_stays() -> None:
    assert sum(compare(seed, (1.0, 1.0)) for seed in range(40)) >= 38
    assert sum(compare(seed, (0.5, -0.5)) for seed in range(40)) >= 38


def test_of_other_users_it_is_the_difference_of_two_clustered_means() -> None:
    (before, first), (now, second) = window(0, (0.3,)), window(1, (0.9,))
    detector = EffectDrift().fit(before[:, 0], clusters=first)
    (found,) = detector.changes(now[:, 0], clusters=second)
    ends = [clustered_mean(before[:, 0], first), clustered_mean(now[:, 0], second)]
    assert found.change.point == pytest.approx(ends[1].point - ends[0].point)
    assert found.change.standard_error**2 == pytest.approx(
        sum(end.standard_error**2 for end in ends)
    )


def test_intervals_of_the_groups_hold_at_once() -> None:
    runs, missed = 400, 0
    for seed in range(runs):
        (before, first), (now, second) = (
            window(2 * seed, (0.1,) * 3),
            window(2 * seed + 1, (0.2,) * 3),
        )
        detector = EffectDrift().fit(before, clusters=first)
        each = detector.changes(now, clusters=second)
        missed += not all(change.change.low <= 0.1 <= change.change.high for change in each)
    # Sidak's bound holds for estimates of the same users, too, which are not independent.
    assert 0.005 * runs <= missed <= binom.ppf(0.999, runs, 0.05)


def test_groups_that_cannot_be_compared_are_told() -> None:
    (before, first), (now, second) = window(0, (0.3, 0.3)), window(1, (0.3, 0.3, 0.3))
    detector = EffectDrift().fit(before, clusters=first)
    assert [each.group for each in detector.changes(now, clusters=second)] == [0, 1]
    now[:, 1] = 7
    with pytest.raises(SchemaError, match="Form the groups alike"):
        detector.predict(now, clusters=second)
    with pytest.raises(RowError, match="whole numbers"):
        detector.predict(now + 0.5, clusters=second)
    many = np.column_stack([before[:, 0], np.arange(len(before)) % 70])
    with pytest.raises(RowError, match="clusters in either window, for 70 estimates"):
        EffectDrift().fit(many, clusters=first).predict(many, clusters=first)
