"""The chance of being the largest, beside closed forms and SciPy's adaptive integration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ndtr
from scipy.stats import norm

from causal_ranker.errors import RowError
from causal_ranker.stats import normal_maximum
from causal_ranker.stats.normal_maximum import chance_of_maximum


def chances(mean: Any, sd: Any) -> tuple[Any, Any]:
    """Each variable's chance: a row for each."""
    n = len(mean)
    means, sds = np.tile(np.array(mean, float), (n, 1)), np.tile(np.array(sd, float), (n, 1))
    return chance_of_maximum(means, sds, able=np.ones((n, n), bool), chosen=np.arange(n))


@settings(max_examples=20, deadline=None)
@example([(0.0, 5.0), (0.0, 0.0625), (-0.25, 1.0)])
@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0.05, 5)), min_size=2, max_size=6))
def test_chances_sum_to_one_and_agree_with_adaptive_integration(parts: Any) -> None:
    mean, sd = (np.array(each) for each in zip(*parts, strict=True))
    found, error = chances(mean, sd)
    assert (error <= 1e-9).all()
    assert found.sum() == pytest.approx(1, abs=len(parts) * 1e-9)
    for chosen in range(len(parts)):
        others = [j for j in range(len(parts)) if j != chosen]

        def integrand(z: float, chosen: int = chosen, others: Any = others) -> float:
            at = mean[chosen] + sd[chosen] * z
            density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
            return float(density * np.prod(ndtr((at - mean[others]) / sd[others])))

        # A narrow rival makes a step, which the integration must be led to from both sides.
        steps = (mean[others] - mean[chosen]) / sd[chosen]
        width = sd[others] / sd[chosen]
        led = np.concatenate([steps - 8 * width, steps, steps + 8 * width])
        led = np.unique(led[np.abs(led) < 9])
        expected, uncertain = quad(integrand, -9, 9, points=led, limit=400, epsabs=1e-12)
        assert abs(found[chosen] - expected) <= error[chosen] + uncertain + 1e-13


@pytest.mark.parametrize("ratio", [1.0, 0.01, 0.0011, 30.0])
@pytest.mark.parametrize("gap", [-6.0, -0.4, 0.0, 2.0])
def test_two_variables_have_a_closed_form(ratio: float, gap: float) -> None:
    found, error = chances([gap, 0.0], [1.0, ratio])
    expected = norm.cdf(gap / np.hypot(1.0, ratio))
    np.testing.assert_allclose(found, [expected, 1 - expected], atol=1e-12)
    assert (error <= 1e-9).all()


def test_a_step_that_no_panel_resolves_is_bounded_honestly() -> None:
    found, error = chances([0.3, 0.0], [1.0, 1e-6])
    expected = norm.cdf(0.3)
    assert abs(found[0] - expected) <= error[0]
    # the halves of one panel may say the same and both miss the step: its whole mass is added, of
    # a panel in that half of a standard deviation where the step was seen to lie
    assert 5e-6 < error[0] < 3e-5
    assert abs(found[1] - (1 - expected)) <= error[1] + 1e-12
    assert error[1] <= 1e-9


def test_of_many_only_those_that_may_win_cost_anything() -> None:
    rng = np.random.default_rng(8)
    mean, sd = rng.normal(0, 0.02, 40), rng.uniform(0.001, 0.02, 40)
    found, error = chances(mean, sd)
    assert (error <= 1e-9).all()
    assert found.sum() == pytest.approx(1, abs=1e-9)
    z = np.linspace(-9, 9, 40_001)
    for chosen in np.argsort(-found)[[0, 1, 5, 39]]:
        at = (mean[chosen] + sd[chosen] * z)[:, None]
        below = np.delete(ndtr((at - mean) / sd), chosen, axis=1).prod(axis=1)
        assert found[chosen] == pytest.approx(np.trapezoid(norm.pdf(z) * below, z), abs=1e-10)


def test_equals_share_the_chance() -> None:
    found, error = chances(np.zeros(200), np.full(200, 0.01))
    np.testing.assert_allclose(found, 1 / 200, atol=1e-12)
    assert (error <= 1e-9).all()


def test_only_those_that_take_part_count_and_rows_do_not_touch() -> None:
    rng = np.random.default_rng(3)
    mean, sd = rng.normal(size=(5, 7)), rng.uniform(0.01, 2, (5, 7))
    able = rng.random((5, 7)) < 0.6
    chosen = np.arange(5)
    able[chosen, chosen] = True
    mean[~able], sd[~able] = np.nan, 0.0
    together, _ = chance_of_maximum(mean, sd, able=able, chosen=chosen)
    for row in range(5):
        some = np.flatnonzero(able[row])
        alone, _ = chances(mean[row, some], sd[row, some])
        assert together[row] == pytest.approx(alone[np.searchsorted(some, row)], abs=1e-12)
    able[:] = False
    able[chosen, chosen] = True
    assert chance_of_maximum(mean, sd, able=able, chosen=chosen)[0] == pytest.approx(1, abs=1e-15)


def test_memory_bound_changes_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    mean, sd = [0.0, 0.2, -1.0], [1.0, 0.1, 3.0]
    expected, _ = chances(mean, sd)
    monkeypatch.setattr(normal_maximum, "_CELLS", 100)
    np.testing.assert_allclose(chances(mean, sd)[0], expected, atol=1e-14)


@pytest.mark.parametrize(("mean", "sd"), [(np.nan, 1.0), (np.inf, 1.0), (0.0, 0.0), (0.0, np.nan)])
def test_what_is_no_normal_variable_is_refused(mean: float, sd: float) -> None:
    with pytest.raises(RowError, match="standard deviations above 0"):
        chances([0.0, mean], [1.0, sd])
