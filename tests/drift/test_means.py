from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, ttest_ind

from causal_ranker.drift.distribution import DistributionDrift
from causal_ranker.drift.means import MeanDrift
from causal_ranker.drift.protocol import Detector
from causal_ranker.errors import RowError, SchemaError
from causal_ranker.stats.distances import kolmogorov_smirnov
from tests.drift.contract import DetectorContract

BOTH = pytest.mark.parametrize("make", [MeanDrift, DistributionDrift])
RUNS = 300


def rows_of(
    rng: np.random.Generator, luck: np.ndarray, *, each: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of users that move together by as much as they vary."""
    users = np.repeat(np.arange(luck.size), each)
    return luck[users] + rng.normal(size=users.size), users


class TestMeanDrift(DetectorContract):
    def make(self, **settings: Any) -> Detector:
        return MeanDrift(**settings)


class TestDistributionDrift(DetectorContract):
    runs = 200
    shifts = (0.0, 0.5, 1.0, 3.0)

    def make(self, **settings: Any) -> Detector:
        return DistributionDrift(**settings)


def alarms(make: Any, *, same_users: bool, told: bool) -> int:
    count = 0
    for run in range(RUNS):
        rng = np.random.default_rng(run)
        luck = rng.normal(size=80)
        before, first = rows_of(rng, luck)
        now, second = rows_of(rng, luck if same_users else rng.normal(size=80))
        second = second if same_users else second + 1000
        detector = make().fit(before, clusters=first if told else None)
        count += detector.predict(now, clusters=second if told else None).drifted
    return count


@BOTH
def test_rows_of_a_user_are_not_so_many_users(make: Any) -> None:
    low, high = binom.ppf([0.001, 0.999], RUNS, 0.05)
    assert low <= alarms(make, same_users=False, told=True) <= high
    assert alarms(make, same_users=False, told=False) > 2 * high


@BOTH
def test_users_who_return_are_not_taken_for_others(make: Any) -> None:
    low, high = binom.ppf([0.001, 0.999], RUNS, 0.05)
    assert low <= alarms(make, same_users=True, told=True) <= high


@BOTH
def test_a_rare_event_that_did_not_happen_is_no_alarm(make: Any) -> None:
    reference = np.zeros(10_000)
    reference[:10] = 1
    found = make().fit(reference).predict(np.zeros(1000))
    assert found.p_value > 0.2
    assert make().fit(reference).predict(np.repeat([1.0, 0.0], [20, 980])).drifted


def test_of_independent_rows_it_is_welchs_test() -> None:
    rng = np.random.default_rng(0)
    before, now = rng.normal(size=3000), rng.normal(0.05, 1, size=3000)
    found = MeanDrift().fit(before).predict(now)
    theirs = ttest_ind(now, before, equal_var=False)
    assert found.statistic == pytest.approx(theirs.statistic**2, rel=0.04)
    assert found.p_value == pytest.approx(theirs.pvalue, abs=0.02)
    assert found.effect_size == pytest.approx(abs(now.mean() - before.mean()))


def test_a_share_that_moved_is_told_in_its_own_unit() -> None:
    rng = np.random.default_rng(1)
    found = MeanDrift(least_effect=0.02).fit(rng.random(5000) < 0.1).predict(rng.random(5000) < 0.2)
    assert found.drifted
    assert 0.07 < found.effect_size < 0.13


def test_its_distance_is_that_of_the_distribution_functions_where_ties_are() -> None:
    rng = np.random.default_rng(2)
    before, now = rng.integers(0, 8, 500), rng.integers(0, 9, 700)
    found = DistributionDrift().fit(before).predict(now)
    assert found.effect_size == pytest.approx(kolmogorov_smirnov(before, now))


def test_clusters_must_be_told_of_both_or_of_neither() -> None:
    rng = np.random.default_rng(3)
    values, users = rng.normal(size=50), np.arange(50)
    for labels, words in ((None, "none in the window"), (users.astype(str), "text in the window")):
        with pytest.raises(SchemaError, match=words):
            MeanDrift().fit(values, clusters=users).predict(values, clusters=labels)
    with pytest.raises(RowError, match="at least 2 clusters in the window"):
        MeanDrift().fit(values, clusters=users).predict(values, clusters=np.zeros(50, dtype=int))
