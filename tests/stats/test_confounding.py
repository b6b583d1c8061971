"""Published worked examples, exact identities of least squares, and roots put back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError
from causal_ranker.stats.confounding import (
    bias_bound,
    e_value,
    robustness_value,
    times_to_explain,
)

SHARES = st.floats(1e-4, 0.9)
SIGNALS = st.floats(1e-4, 50)


def test_the_e_value_of_the_paper() -> None:
    # VanderWeele and Ding (2017): maternal breast-feeding, RR 3.9 (1.8 to 8.7).
    assert e_value(3.9) == pytest.approx(7.26, abs=0.005)
    assert e_value(1.8) == pytest.approx(3.0, abs=1e-9)


@given(st.floats(1, 1e4))
def test_the_e_value_is_where_the_joint_bounding_factor_is_the_ratio(ratio: float) -> None:
    value = e_value(ratio)
    assert value * value / (2 * value - 1) == pytest.approx(ratio, rel=1e-9)
    assert e_value(1 / ratio) == pytest.approx(value, rel=1e-9)


# Cinelli and Hazlett (2020), Darfur: attitudes to peace on having been directly harmed.
EFFECT, ERROR, DEGREES = 0.09731582, 0.02325654, 783


def test_the_robustness_values_of_darfur() -> None:
    f = EFFECT / ERROR / math.sqrt(DEGREES)
    assert robustness_value(f) == pytest.approx(0.139, abs=0.0005)
    critical = 1.963  # Student's t of 782 degrees of freedom, two-sided 5 %
    assert robustness_value(f - critical / math.sqrt(DEGREES - 1)) == pytest.approx(
        0.076, abs=0.0005
    )


@pytest.mark.parametrize(
    ("treatment", "outcome", "left"),
    [(0.0092, 0.1246, 0.0752), (0.0183, 0.2493, 0.0529), (0.0275, 0.3741, 0.0304)],
)
def test_the_bounds_of_darfur_once_twice_and_three_times_as_strong_as_female(
    treatment: float, outcome: float, left: float
) -> None:
    scale = ERROR * math.sqrt(DEGREES)
    bias = bias_bound(scale, outcome_share=outcome, treatment_share=treatment)
    assert EFFECT - bias == pytest.approx(left, abs=2e-4)


def residual(y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    return y - x @ np.linalg.lstsq(x, y, rcond=None)[0]


def partial(y: NDArray[np.float64], z: NDArray[np.float64], x: NDArray[np.float64]) -> float:
    """Squared correlation of what x leaves of y and of z."""
    return float(np.corrcoef(residual(y, x), residual(z, x))[0, 1] ** 2)


@pytest.mark.parametrize("seed", range(3))
def test_in_least_squares_the_bound_is_what_a_left_out_column_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 300
    x = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    z = x[:, 1] + rng.normal(size=n)
    t = 0.5 * x[:, 2] + 0.7 * z + rng.normal(size=n)
    y = 0.3 * t + x[:, 1] - 0.8 * z + rng.normal(size=n)
    short, long = np.column_stack([t, x]), np.column_stack([t, x, z])
    without, within = (np.linalg.lstsq(m, y, rcond=None)[0][0] for m in (short, long))
    # the standard error times the root of the degrees of freedom
    scale = math.sqrt((residual(y, short) ** 2).sum() / (residual(t, x) ** 2).sum())
    bias = bias_bound(scale, outcome_share=partial(y, z, short), treatment_share=partial(t, z, x))
    assert abs(without - within) == pytest.approx(bias, rel=1e-9)
    assert bias > 0.2


@given(SIGNALS)
def test_the_robustness_value_undoes_the_effect(signal: float) -> None:
    r = robustness_value(signal)
    assert 0 < r < 1
    if r < 0.99:  # above, 1 - r has lost its digits
        assert bias_bound(1, outcome_share=r, treatment_share=r) == pytest.approx(signal)


@given(st.floats(1e-3, 0.5), SHARES, SHARES)
def test_so_many_times_the_known_strength_undoes_the_effect(
    signal: float, outcome: float, treatment: float
) -> None:
    times = times_to_explain(signal, outcome_share=outcome, treatment_share=treatment)
    if times * outcome <= 1 and times * treatment < 0.99:
        bias = bias_bound(1, outcome_share=times * outcome, treatment_share=times * treatment)
        assert bias == pytest.approx(signal)


def test_nothing_needs_no_confounder_and_a_covariate_without_strength_is_no_ruler() -> None:
    assert e_value(1) == 1
    assert robustness_value(0) == 0
    assert times_to_explain(0, outcome_share=0.1, treatment_share=0.1) == 0
    assert times_to_explain(0.1, outcome_share=0, treatment_share=0.1) == math.inf


@pytest.mark.parametrize("ratio", [0, -1, math.nan, math.inf])
def test_no_ratio_has_no_e_value(ratio: float) -> None:
    with pytest.raises(ConfigError, match="positive risk ratio"):
        e_value(ratio)


def test_what_is_no_share_or_signal_is_refused() -> None:
    with pytest.raises(ConfigError, match="signal"):
        robustness_value(-0.1)
    with pytest.raises(ConfigError, match="share"):
        bias_bound(1, outcome_share=0.1, treatment_share=1)
    with pytest.raises(ConfigError, match="share"):
        times_to_explain(1, outcome_share=1.1, treatment_share=0.5)
