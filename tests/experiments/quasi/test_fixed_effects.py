from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray

from causal_ranker.errors import OverlapError, RowError
from causal_ranker.experiments.quasi.fixed_effects import two_way_fixed_effects

Columns = dict[str, NDArray[np.generic]]
EFFECT = 0.3


def panel(seed: int, *, units: int = 60, periods: int = 8, effect: float = EFFECT) -> Columns:
    """Treated more often where the outcome is high anyway: only a unit's own past can tell."""
    rng = np.random.default_rng(seed)
    unit, period = (grid.ravel() for grid in np.indices((units, periods)))
    level, wave = rng.normal(size=units), rng.normal(size=periods)
    chance = 1 / (1 + np.exp(-(level[unit] + wave[period])))
    treated = (rng.random(unit.size) < chance).astype(float)
    shared = rng.normal(0, 0.3, units // 2)[unit // 2]
    y = 2 * level[unit] + wave[period] + effect * treated + shared + rng.normal(size=unit.size)
    kept = rng.random(unit.size) < 0.8  # rows are missing here and there
    names = {"outcome": y, "treatment": treated, "unit": unit, "period": period}
    return {name: values[kept] for name, values in {**names, "cluster": unit // 2}.items()}


def test_as_statsmodels_with_dummies() -> None:
    rows = panel(0)
    found = two_way_fixed_effects(**rows).effect
    dummies = [np.equal.outer(rows[side], np.unique(rows[side])) for side in ("unit", "period")]
    design = np.column_stack([rows["treatment"], dummies[0], dummies[1][:, 1:]]).astype(float)
    fit = sm.OLS(rows["outcome"], design).fit(
        cov_type="cluster", cov_kwds={"groups": rows["cluster"], "use_correction": False}
    )
    clusters = np.unique(rows["cluster"]).size
    assert found.point == pytest.approx(fit.params[0], abs=1e-8)
    wanted = fit.bse[0] * np.sqrt(clusters / (clusters - 1))
    assert found.standard_error == pytest.approx(wanted, abs=1e-8)


def test_a_whole_panel_of_two_groups_is_the_difference_of_changes() -> None:
    rng = np.random.default_rng(1)
    unit, period = (grid.ravel() for grid in np.indices((20, 5)))
    treated = (unit < 8) & (period >= 3)
    y = rng.normal(size=unit.size)
    means = {
        (group, late): y[((unit < 8) == group) & ((period >= 3) == late)].mean()
        for group in (True, False)
        for late in (True, False)
    }
    found = two_way_fixed_effects(y, treated, unit=unit, period=period, cluster=unit)
    closed = means[True, True] - means[True, False] - means[False, True] + means[False, False]
    assert found.effect.point == pytest.approx(closed, abs=1e-10)
    assert (found.units, found.periods, found.rows, found.switching) == (20, 5, 100, 8)
    assert found.negative_weight == pytest.approx(0, abs=1e-9)


def test_the_truth_is_found_where_means_mislead() -> None:
    found = [two_way_fixed_effects(**panel(seed)) for seed in range(60)]
    points = np.array([each.effect.point for each in found])
    rows = panel(0)
    treated = rows["treatment"] == 1
    assert rows["outcome"][treated].mean() - rows["outcome"][~treated].mean() > 2 * EFFECT
    assert abs(points.mean() - EFFECT) < 4 * points.std() / np.sqrt(len(points))
    held = sum(each.effect.low <= EFFECT <= each.effect.high for each in found)
    assert 51 <= held <= 60  # of Bin(60, .95), all but 1 in 1,000 on the lower side


def test_negative_weights_are_told() -> None:
    """Who was treated early is compared with who is later: its late rows count against it."""
    unit, period = (grid.ravel() for grid in np.indices((3, 3)))
    starts = np.array([1, 2, 9])  # the third never
    treated = period >= starts[unit]
    y = np.where(treated, 1.0, 0.0)
    steady = two_way_fixed_effects(y, treated, unit=unit, period=period, cluster=unit)
    assert steady.effect.point == pytest.approx(1)
    assert steady.negative_weight == pytest.approx(0, abs=1e-9)
    late = two_way_fixed_effects(
        y[unit < 2],
        treated[unit < 2],
        unit=unit[unit < 2],
        period=period[unit < 2],
        cluster=unit[unit < 2],
    )
    # By hand: T less unit and period means is (-1/6, 1/3, -1/6) for the first unit.
    assert late.negative_weight == pytest.approx(1 / 6 / (1 / 3))


def test_far_units_by_strings_and_two_ways() -> None:
    rows = panel(2)
    named = {**rows, "unit": np.char.add("u", rows["unit"].astype(str))}
    both = two_way_fixed_effects(**named, second_cluster=rows["period"])
    assert both.effect.point == pytest.approx(two_way_fixed_effects(**rows).effect.point, abs=1e-9)
    assert both.effect.standard_error >= two_way_fixed_effects(**rows).effect.standard_error


def test_a_treatment_that_units_and_periods_tell_is_refused() -> None:
    rows = panel(3)
    with pytest.raises(OverlapError, match="unit and period determine"):
        two_way_fixed_effects(**{**rows, "treatment": (rows["unit"] < 20).astype(float)})
    with pytest.raises(OverlapError):
        two_way_fixed_effects(**{**rows, "treatment": np.zeros(rows["unit"].size)})
    with pytest.raises(RowError, match="treatment"):
        two_way_fixed_effects(**{**rows, "treatment": rows["outcome"]})
