from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from causal_ranker.errors import EmptyError, RowError, SchemaError
from causal_ranker.experiments.quasi.differences import Differences, difference_in_differences
from causal_ranker.experiments.quasi.fixed_effects import two_way_fixed_effects

EFFECT, BEFORE, PERIODS, UNITS = 0.5, 4, 7, 40


def panel(seed: int, *, drift: float = 0.0) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Levels and waves are shared; the treated drift apart by so much a period."""
    rng = np.random.default_rng(seed)
    treated = np.arange(UNITS) < 15
    table = rng.normal(size=(UNITS, 1)) + 3 * treated[:, None] + rng.normal(size=PERIODS)
    table = table + rng.normal(0, 0.5, (UNITS, PERIODS))
    table[treated, BEFORE:] += EFFECT
    table[treated] += drift * np.arange(PERIODS)
    return table, treated


def fit(seed: int, *, drift: float = 0.0) -> Differences:
    table, treated = panel(seed, drift=drift)
    return difference_in_differences(table, treated, before=BEFORE)


def test_closed_forms() -> None:
    table, treated = panel(0)
    found = fit(0)
    change = table[:, BEFORE:].mean(axis=1) - table[:, :BEFORE].mean(axis=1)
    welch = stats.ttest_ind(change[treated], change[~treated], equal_var=False)
    interval = welch.confidence_interval()
    assert found.effect.point == pytest.approx(
        change[treated].mean() - change[~treated].mean(), abs=1e-12
    )
    assert (found.effect.low, found.effect.high) == pytest.approx(tuple(interval), abs=1e-8)
    unit, period = (grid.ravel() for grid in np.indices(table.shape))
    within = two_way_fixed_effects(
        table.ravel(),
        treated[unit] & (period >= BEFORE),
        unit=unit,
        period=period,
        cluster=unit,
    )
    assert found.effect.point == pytest.approx(within.effect.point, abs=1e-9)
    assert found.by_period[BEFORE - 1].point == 0
    last = table[:, -1] - table[:, BEFORE - 1]
    assert found.by_period[-1].point == pytest.approx(last[treated].mean() - last[~treated].mean())
    slope = np.polyfit(np.arange(BEFORE), table[:, :BEFORE].T, 1)[0]
    assert found.trend.point == pytest.approx(slope[treated].mean() - slope[~treated].mean())
    assert (found.treated, found.controls) == (15, 25)


def test_the_truth_is_found_and_the_check_holds_its_level() -> None:
    found = [fit(seed) for seed in range(100)]
    points = np.array([each.effect.point for each in found])
    assert abs(points.mean() - EFFECT) < 4 * points.std() / np.sqrt(len(points))
    held = sum(each.effect.low <= EFFECT <= each.effect.high for each in found)
    assert abs(held - 95) < 4 * np.sqrt(100 * 0.05 * 0.95)
    alarms = sum(each.diverged for each in found)
    assert abs(alarms - 5) < 4 * np.sqrt(100 * 0.05 * 0.95)


def test_groups_that_drift_apart_are_told() -> None:
    found = [fit(seed, drift=0.3) for seed in range(25)]
    assert np.mean([each.effect.point for each in found]) > EFFECT + 0.5  # and it matters
    assert sum(each.diverged for each in found) >= 22
    assert np.mean([each.trend.point for each in found]) == pytest.approx(0.3, abs=0.05)


def test_one_period_before_leaves_nothing_to_check() -> None:
    table, treated = panel(1)
    found = difference_in_differences(table[:, BEFORE - 1 :], treated, before=1)
    assert np.isnan(found.parallel_p)
    assert np.isnan(found.trend.point)
    assert not found.diverged


def test_more_periods_than_units_can_be_checked_no_more() -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(6, 12))
    found = difference_in_differences(table, [1, 1, 1, 0, 0, 0], before=10)
    assert 0 <= found.parallel_p <= 1 or np.isnan(found.parallel_p)


def test_bad_input() -> None:
    table, treated = panel(2)
    for before in (0, PERIODS):
        with pytest.raises(SchemaError, match="periods before"):
            difference_in_differences(table, treated, before=before)
    with pytest.raises(SchemaError, match="40 groups"):
        difference_in_differences(table[1:], treated, before=BEFORE)
    holed = np.where(np.arange(PERIODS) == 2, np.nan, table)
    with pytest.raises(RowError, match="40 of 40 units"):
        difference_in_differences(holed, treated, before=BEFORE)
    with pytest.raises(EmptyError, match="at least two"):
        difference_in_differences(table, np.arange(UNITS) == 0, before=BEFORE)
    with pytest.raises(SchemaError, match="numbers"):
        difference_in_differences([["a"]], [1], before=1)
