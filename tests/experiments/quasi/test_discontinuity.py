from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, DataError, EmptyError, RowError
from causal_ranker.experiments.quasi.discontinuity import Discontinuity, regression_discontinuity

JUMP = 0.2


def rows(seed: int, *, size: int = 1500) -> dict[str, Any]:
    """A curved outcome that jumps at 0; two rows a user."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0.1, 0.5, size)
    user = np.repeat(np.arange(size // 2), 2)
    own = rng.normal(0, 0.15, size // 2)[user]
    y = np.sin(2 * x) + 0.5 * x**2 + JUMP * (x >= 0) + own + rng.normal(0, 0.2, size)
    return {"outcome": y, "running": x, "treatment": x >= 0, "cluster": user}


def fit(seed: int, **changes: Any) -> Discontinuity:
    return regression_discontinuity(**{**rows(seed), **changes})


def wls(given: dict[str, Any], *, width: float, degree: int) -> tuple[float, float]:
    """The same by one weighted regression with the jump as a coefficient."""
    x = given["running"]
    near = np.abs(x) < width
    x, above = x[near], (x[near] >= 0).astype(float)
    powers = [x**power for power in range(1, degree + 1)]
    design = np.column_stack([above, np.ones(x.size), *powers, *(above * p for p in powers)])
    fitted = sm.WLS(given["outcome"][near], design, weights=1 - np.abs(x) / width).fit(
        cov_type="cluster", cov_kwds={"groups": given["cluster"][near], "use_correction": False}
    )
    clusters = np.unique(given["cluster"][near]).size
    return fitted.params[0], fitted.bse[0] * np.sqrt(clusters / (clusters - 1))


def test_as_statsmodels_by_weighted_least_squares() -> None:
    given = rows(0)
    found = regression_discontinuity(**given, bandwidth=0.4)
    for degree, interval in ((1, found.effect), (2, found.robust)):
        point, error = wls(given, width=0.4, degree=degree)
        assert interval.point == pytest.approx(point, abs=1e-8)
        assert interval.standard_error == pytest.approx(error, abs=1e-8)
    near = np.abs(given["running"]) < 0.4
    assert found.below + found.above == near.sum()
    assert found.bandwidth == 0.4


def test_the_truth_is_found_and_the_robust_interval_holds() -> None:
    found = [fit(seed) for seed in range(120)]
    naive = rows(0)
    above = naive["treatment"]
    assert naive["outcome"][above].mean() - naive["outcome"][~above].mean() > 3 * JUMP
    points = np.array([each.robust.point for each in found])
    assert abs(points.mean() - JUMP) < 4 * points.std() / np.sqrt(len(points))
    held = sum(each.robust.low <= JUMP <= each.robust.high for each in found)
    assert abs(held - 114) < 4 * np.sqrt(120 * 0.05 * 0.95)
    assert abs(np.mean([each.effect.point for each in found]) - JUMP) < 0.03
    alarms = sum(each.density.jumps for each in found)
    assert alarms <= 6 + 4 * np.sqrt(120 * 0.05 * 0.95)


def test_who_moves_rows_over_the_cut_off_is_seen() -> None:
    given = rows(1, size=4000)
    x: NDArray[np.float64] = given["running"].copy()
    rng = np.random.default_rng(0)
    moved = (x < 0) & (x > -0.1) & (rng.random(x.size) < 0.5)
    x[moved] *= -1
    found = regression_discontinuity(
        given["outcome"], x, treatment=x >= 0, cluster=given["cluster"], bandwidth=0.3
    )
    assert found.density.jumps
    assert found.density.above > 1.5 * found.density.below
    density = np.exp(-(0.1**2) / 2 / 0.25) / np.sqrt(2 * np.pi) / 0.5
    fair = regression_discontinuity(**given, bandwidth=0.3).density
    assert not fair.jumps
    assert (fair.below, fair.above) == pytest.approx((density, density), rel=0.15)


def test_density_is_that_of_local_lines_through_a_fine_histogram() -> None:
    given = rows(2)
    found = regression_discontinuity(**given, bandwidth=0.3).density
    bins = np.linspace(0, 0.3, 3001)
    centre = (bins[1:] + bins[:-1]) / 2
    for side, density in ((1, found.above), (-1, found.below)):
        counts = np.histogram(side * given["running"], bins)[0]
        height = counts / given["running"].size / 1e-4
        line = sm.WLS(height, sm.add_constant(centre), weights=1 - centre / 0.3).fit()
        assert density == pytest.approx(line.params[0], rel=0.005)


def test_a_cut_off_elsewhere_and_a_straight_line_by_hand() -> None:
    x = np.linspace(4, 6, 101)
    y = 3 * x + 0.7 * (x >= 5) + 1e-3 * np.cos(40 * x)
    found = regression_discontinuity(
        y, x, treatment=x >= 5, cluster=np.arange(101), cutoff=5, bandwidth=0.5
    )
    assert found.effect.point == pytest.approx(0.7, abs=0.01)


def test_bad_input() -> None:
    given = rows(3)
    swapped = given["treatment"].copy()
    swapped[:3] = ~swapped[:3]
    with pytest.raises(RowError, match="3 of 1500"):
        fit(3, treatment=swapped)
    with pytest.raises(ConfigError, match="bandwidth"):
        fit(3, bandwidth=-1.0)
    rank = np.round(given["running"]) + 0.5
    with pytest.raises(EmptyError, match="a rank has too few values"):
        fit(3, running=rank, treatment=rank >= 0)
    with pytest.raises(EmptyError, match="finer than a rank"):
        fit(3, running=rank, treatment=rank >= 0, bandwidth=2.0)
    with pytest.raises(DataError, match="varies near"):
        fit(3, outcome=np.zeros(1500))
