from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.drift.delays import DelayDrift
from causal_ranker.drift.overlap import OverlapDecay
from causal_ranker.drift.protocol import Detector
from causal_ranker.errors import DataError, EmptyError, RowError
from tests.drift.contract import DetectorContract


class TestOverlapDecay(DetectorContract):
    shifts = (0.0, 1.0, 2.0, 4.0)

    def make(self, **settings: Any) -> Detector:
        return OverlapDecay(**settings)

    def sample(self, rng: np.random.Generator, rows: int, *, shift: float = 0.0) -> Any:
        return 1 / (1 + np.exp(-(rng.normal(size=rows) - shift)))

    def constant(self, rows: int, *, changed: bool) -> Any:
        return np.full(rows, 0.05 if changed else 0.3)

    def huge(self, rng: np.random.Generator, rows: int, *, shift: float = 0.0) -> Any:
        return self.sample(rng, rows, shift=shift)  # no propensity is huge


class TestDelayDrift(DetectorContract):
    shifts = (0.0, 0.5, 1.0, 3.0)
    rows = 1200
    window_rows = 700
    runs = 200

    def make(self, **settings: Any) -> Detector:
        return DelayDrift(**settings)

    def sample(self, rng: np.random.Generator, rows: int, *, shift: float = 0.0) -> Any:
        delay = rng.exponential(12 * np.exp(-shift), size=rows)
        followed = rng.uniform(6, 72, size=rows)
        delay[(delay > followed) | (rng.random(rows) < 0.3)] = np.nan
        return np.column_stack([delay, followed])

    def constant(self, rows: int, *, changed: bool) -> Any:
        return np.column_stack([np.full(rows, 9.0 if changed else 3.0), np.full(rows, 30.0)])

    def huge(self, rng: np.random.Generator, rows: int, *, shift: float = 0.0) -> Any:
        return self.sample(rng, rows, shift=shift)

    def _shape(self, rows: int) -> tuple[int, ...]:
        return (rows, 2)

    def test_one_row_is_refused_or_no_alarm(self) -> None:
        rng = np.random.default_rng(0)
        with pytest.raises(DataError):
            self.make().fit(self.sample(rng, 500)).predict([[3.0, 30.0]])


def test_even_chances_are_worth_a_row_each_and_lost_rows_nothing() -> None:
    detector = OverlapDecay(alpha=0.05)
    assert detector.share([0.5] * 4).effective == pytest.approx(1)
    half = detector.share([0.5, 0.5, 0.01, 0.99])
    assert (half.outside, half.effective) == (0.5, pytest.approx(0.5))
    nothing = detector.share([0.01, 0.99])
    assert (nothing.outside, nothing.effective) == (1.0, 0.0)


@given(st.lists(st.floats(0.05, 0.95), min_size=2, max_size=30))
def test_the_effective_share_is_that_of_the_variance(propensity: list[float]) -> None:
    """Variance of the difference of weighted means of noise, against that of an even experiment."""
    e = np.array(propensity)
    found = OverlapDecay(alpha=0.02).share(e).effective
    assert found == pytest.approx(4 / np.mean(1 / (e * (1 - e))))
    assert 0 < found <= 1 + 1e-12


def test_more_overlap_is_no_alarm() -> None:
    rng = np.random.default_rng(0)
    narrow, wide = rng.uniform(0.01, 0.1, 2000), rng.uniform(0.3, 0.7, 2000)
    found = OverlapDecay().fit(narrow).predict(wide)
    assert not found.drifted
    assert found.effect_size < 0
    lost = OverlapDecay().fit(wide).predict(narrow)
    assert lost.drifted
    assert lost.effect_size == pytest.approx(
        1 - OverlapDecay().share(narrow).effective / OverlapDecay().share(wide).effective
    )
    assert OverlapDecay().fit(wide).predict(np.full(50, 0.001)).drifted
    with pytest.raises(RowError, match="propensities in"):
        OverlapDecay().share([1.5])


def impressions(rng: np.random.Generator, rows: int, *, age: float, mean: float) -> np.ndarray:
    followed = rng.uniform(0, age, rows)
    delay = rng.exponential(mean, rows)
    delay[delay > followed] = np.nan
    return np.column_stack([delay, followed])


def test_a_young_window_is_no_drift_though_its_delays_are_shorter() -> None:
    rng, alarms, naive = np.random.default_rng(1), 0, []
    old = impressions(rng, 4000, age=300, mean=20)
    detector = DelayDrift(within=24).fit(old)
    for _ in range(40):
        young = impressions(rng, 3000, age=36, mean=20)
        naive.append(np.nanmedian(young[:, 0]) / np.nanmedian(old[:, 0]))
        alarms += detector.predict(young).drifted
    assert np.mean(naive) < 0.7
    assert alarms <= 7  # the 99.9 % point of 40 draws at 5 %
    assert detector.predict(impressions(rng, 3000, age=36, mean=60)).drifted


def test_what_is_compared_is_told() -> None:
    window = [[1.0, 30.0], [20.0, 30.0], [np.nan, 30.0], [2.0, 5.0], [25.0, 40.0]]
    found = DelayDrift(within=24).rows(window)
    assert (found.too_young, found.played, found.median) == (
        pytest.approx(0.2),
        pytest.approx(0.5),
        10.5,
    )
    none = DelayDrift(within=50).rows(window)
    assert none.too_young == 1
    assert np.isnan(none.played)
    assert np.isnan(none.median)
    with pytest.raises(EmptyError, match="0 of 5 rows followed as long"):
        DelayDrift(within=50).fit(window)
    with pytest.raises(RowError, match="delays from 0"):
        DelayDrift().fit([[9.0, 5.0]])


def test_what_falls_outside_counts_in_the_error_too() -> None:
    rng = np.random.default_rng(3)
    detector = OverlapDecay(alpha=0.05)
    draws = [rng.beta(0.4, 0.4, 500) for _ in range(300)]
    before = detector.share(draws[0]).effective
    errors = []
    for now in draws[1:]:
        found = detector.fit(draws[0]).predict(now)
        errors.append(found.effect_size * before / found.statistic)
    spread = np.std([detector.share(each).effective for each in draws])
    # Both windows are drawn alike, so that the loss varies by the root of two of one share.
    assert np.mean(errors) == pytest.approx(np.sqrt(2) * spread, rel=0.15)
