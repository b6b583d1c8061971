"""Chance learned from days: weekdays, mixtures, and the family's threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from causal_ranker.drift.days import Calendar, further_than_days
from causal_ranker.drift.weekly import WeeklyDetector, WeeklyKind
from causal_ranker.errors import ConfigError, EmptyError, NotFittedError, RowError, SchemaError

MONDAY = np.datetime64("2025-01-06")


def week_of(
    seed: int, days: int, *, rows: int = 60, first: int = 0, shift: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose weekends are another world, and whose days move together a little."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(first, first + days), rows)
    together = 0.2 * rng.normal(size=days)[day - first]
    return rng.normal(size=day.size) + 2.0 * (day % 7 >= 5) + together + shift, MONDAY + day


def test_a_monday_is_compared_with_mondays() -> None:
    days = MONDAY + np.arange(15)
    calendar = Calendar.of_days(days, MONDAY + np.array([21, 24]))
    assert np.flatnonzero(calendar.beside_window()[0]).tolist() == [0, 7, 14]
    assert np.flatnonzero(calendar.beside_window()[1]).tolist() == [3, 10]
    at, others = calendar.beside_reference()
    assert at.tolist() == list(range(15))
    assert np.flatnonzero(others[7]).tolist() == [0, 14]
    flat = Calendar.of_days(days, MONDAY + np.array([21]), weekly=False)
    assert flat.beside_reference()[1].sum() == 15 * 14
    with pytest.raises(EmptyError, match="none for Sunday"):
        Calendar.of_days(days[:6], MONDAY + np.array([20]))


@given(st.lists(st.integers(1, 500), min_size=14, max_size=14), st.integers(1, 7))
def test_a_mixture_has_the_windows_weekdays_and_is_worth_its_rows(
    rows: list[int], days: int
) -> None:
    calendar = Calendar.of_days(MONDAY + np.arange(14), MONDAY + 14 + np.arange(days))
    window = np.arange(1, days + 1)
    weights = calendar.mixture(np.array(rows), window)[0] * np.array(rows)
    by_weekday = weights.reshape(2, 7).sum(axis=0)
    share = np.zeros(7)
    share[:days] = window / window.sum()
    np.testing.assert_allclose(by_weekday / by_weekday.sum(), share, atol=1e-12)
    # the variance of the mixture's mean, of independent rows with variance 1
    variance = np.sum((weights / weights.sum()) ** 2 / np.array(rows))
    assert 1 / variance == pytest.approx(weights.sum())


def test_the_largest_of_all_signals_keeps_the_level_of_its_days() -> None:
    """Of 39 days the level 5 % is exactly 2 in 40, however many signals, however related."""
    runs, alarms = 800, 0
    for run in range(runs):
        rng = np.random.default_rng([3, run])
        common = rng.normal(size=(40, 1))
        signals = common + rng.standard_t(4, size=(40, 30))
        chance = np.full((40, 30), 1e-9)
        found = further_than_days(
            signals[:39],
            chance[:39],
            window_change=signals[39:],
            window_chance=chance[39:],
            level=0.05,
            seed=0,
        )
        alarms += bool((found.score > found.threshold).any())
        assert ((found.score > found.threshold) == (found.p_value <= 0.05)).all()
    low, high = binom.ppf([0.0005, 0.9995], runs, 0.05)
    assert low <= alarms <= high


def test_chance_among_rows_is_a_floor() -> None:
    """One missing value in a year of none is no alarm, and hides no other signal."""
    change, chance = np.zeros((56, 2)), np.full((56, 2), 0.1)
    change[3, 0] = 0.15
    seen = np.array([[0.15, 1.0]])
    found = further_than_days(
        change, chance, window_change=seen, window_chance=seen * 0 + 0.1, level=0.05, seed=0
    )
    assert found.score == pytest.approx([1.5, 10.0])
    assert found.threshold < 10
    assert found.level == 0.05
    few = further_than_days(
        change[:9], chance[:9], window_change=seen, window_chance=chance[:1], level=0.05, seed=0
    )
    assert few.level == pytest.approx(0.1)


@pytest.mark.parametrize("kind", ["distribution", "mean", "wasserstein", "psi"])
def test_weekends_are_no_alarm_and_a_shift_is(kind: WeeklyKind) -> None:
    reference, days = week_of(0, 56)
    detector = WeeklyDetector(kind=kind).fit(reference, days=days)
    saturday, its_day = week_of(1, 1, first=61)
    assert not detector.predict(saturday, days=its_day).drifted
    moved, its_day = week_of(2, 1, first=61, shift=1.2)
    found = detector.predict(moved, days=its_day)
    assert found.drifted
    assert found.p_value == pytest.approx(1 / 57)


def test_without_the_rhythm_of_weeks_a_shift_drowns() -> None:
    reference, days = week_of(0, 56)
    moved, its_day = week_of(2, 1, first=61, shift=-1.2)
    found = [
        WeeklyDetector(kind="mean", weekly=weekly).fit(reference, days=days)
        for weekly in (True, False)
    ]
    assert [each.predict(moved, days=its_day).drifted for each in found] == [True, False]


@pytest.mark.parametrize("kind", ["distribution", "spread", "jensen_shannon"])
def test_false_alarms_of_seasonal_days(kind: WeeklyKind) -> None:
    """With 35 days the level is 1 in 36."""
    runs, alarms = 250, 0
    for run in range(runs):
        values, days = week_of(100 + run, 36)
        old = days < MONDAY + 35
        detector = WeeklyDetector(kind=kind).fit(values[old], days=days[old])
        alarms += detector.predict(values[~old], days=days[~old]).drifted
    low, high = binom.ppf([0.001, 0.999], runs, 1 / 36)
    assert low <= alarms <= high


def test_several_days_are_judged_by_their_mean() -> None:
    reference, days = week_of(0, 56)
    detector = WeeklyDetector(kind="mean").fit(reference, days=days)
    values, its_days = week_of(5, 7, first=56, shift=0.4)
    one = its_days == its_days[0]
    assert not detector.predict(values[one], days=its_days[one]).drifted
    seven = detector.predict(values, days=its_days)
    assert seven.drifted
    assert detector.predict(values, days=its_days) == seven


def test_bad_input_is_told() -> None:
    values, days = week_of(0, 14)
    with pytest.raises(NotFittedError):
        WeeklyDetector().predict(values, days=days)
    with pytest.raises(EmptyError, match="comes twice"):
        WeeklyDetector().fit(values[:300], days=days[:300])
    with pytest.raises(EmptyError):
        WeeklyDetector().fit([], days=[])
    with pytest.raises(SchemaError, match="1 without one"):
        WeeklyDetector().fit([1.0, 2.0], days=["2025-01-01", "NaT"])
    with pytest.raises(SchemaError, match="dates"):
        WeeklyDetector().fit([1.0], days=["yesterday"])
    with pytest.raises(RowError):
        WeeklyDetector().fit([np.nan], days=["2025-01-01"])
    with pytest.raises(ConfigError, match="kind"):
        WeeklyDetector(kind="mode")
    with pytest.raises(RowError, match="after the reference's last, 2025-01-19; got 2025-01-19"):
        WeeklyDetector().fit(values, days=days).predict([1.0], days=["2025-01-19"])
    constant = WeeklyDetector().fit(np.ones(values.size), days=days)
    assert not constant.predict([1.0], days=["2025-01-20"]).drifted
    assert constant.predict([2.0] * 50, days=["2025-01-20"] * 50).drifted


@pytest.mark.parametrize("m", [7, 14])
def test_a_window_of_weeks_keeps_the_level_of_its_days(m: int) -> None:
    """Its days share what they are compared with, and its unit is learned from other days."""
    runs, alarms = 300, 0
    calendar = Calendar.of_days(MONDAY + np.arange(56), MONDAY + 56 + np.arange(m))
    at, others = calendar.beside_reference()
    beside = calendar.beside_window()
    for run in range(runs):
        rng = np.random.default_rng([8, m, run])
        days, window = rng.normal(size=(56, 20)), rng.normal(size=(m, 20))
        found = further_than_days(
            days[at] - others @ days / others.sum(axis=1, keepdims=True),
            np.full((56, 20), 1e-9),
            window_change=window - beside @ days / beside.sum(axis=1, keepdims=True),
            window_chance=np.full((m, 20), 1e-9),
            level=0.05,
            seed=run,
            widening=calendar.widening(),
        )
        alarms += bool((found.score > found.threshold).any())
    low, high = binom.ppf([0.001, 0.999], runs, 0.05)
    assert low <= alarms <= high


def test_how_much_wider_a_window_is_by_simulation() -> None:
    calendar = Calendar.of_days(MONDAY + np.arange(28), MONDAY + 28 + np.arange(14))
    rng = np.random.default_rng(0)
    days, window = rng.normal(size=(28, 40_000)), rng.normal(size=(14, 40_000))
    beside, (at, others) = calendar.beside_window(), calendar.beside_reference()
    seen = (window - beside @ days / beside.sum(axis=1, keepdims=True)).mean(axis=0)
    null = days[at] - others @ days / others.sum(axis=1, keepdims=True)
    drawn = np.take_along_axis(null, rng.integers(0, 28, size=(14, 40_000)), axis=0).mean(axis=0)
    assert seen.std() / drawn.std() == pytest.approx(calendar.widening(), rel=0.02)
