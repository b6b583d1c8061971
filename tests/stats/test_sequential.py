from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from causal_ranker.errors import ConfigError
from causal_ranker.stats.sequential import always_valid, always_valid_p_value


def test_looking_ten_times_costs_nothing_with_intervals_for_it() -> None:
    rng, runs, looks = np.random.default_rng(6), 800, range(300, 3001, 300)
    valid = naive = 0
    for _ in range(runs):
        values = rng.normal(size=3000)
        hits = []
        for users in looks:
            error = values[:users].std(ddof=1) / np.sqrt(users)
            point = values[:users].mean()
            wide = always_valid(point, standard_error=error, seen=users, planned=3000)
            hits.append((abs(point) > 1.96 * error, not wide.low <= 0 <= wide.high))
        naive += any(hit for hit, _ in hits)
        valid += any(hit for _, hit in hits)
    assert valid <= binom.ppf(0.999, runs, 0.05)
    low, high = binom.ppf([0.001, 0.999], runs, 0.19)
    assert low <= naive <= high


@given(st.floats(-9, 9), st.integers(2, 10**6), st.integers(2, 10**6), st.floats(0.5, 0.999))
def test_p_values_and_intervals_say_the_same(
    signal: float, seen: int, planned: int, level: float
) -> None:
    asked = {"standard_error": 0.7, "seen": seen, "planned": planned, "level": level}
    found = always_valid(0.7 * signal, **asked)
    p_value = always_valid_p_value(0.7 * signal, **asked)
    assert 0 < p_value <= 1
    if abs(p_value - (1 - level)) > 1e-9:
        assert (p_value < 1 - level) == (not found.low <= 0 <= found.high)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("planned", [1, 500, 10**6])
def test_no_other_mixture_is_much_tighter_at_the_planned_end(planned: int, level: float) -> None:
    """The width by any rho, from the paper, at n = planned; the best one found on a grid."""
    spread = np.logspace(-3, 4, 20_000)  # n rho^2
    widths = np.sqrt((spread + 1) / spread * np.log((spread + 1) / (1 - level) ** 2))
    found = always_valid(0, standard_error=1, seen=planned, planned=planned, level=level)
    assert widths.min() - 1e-6 <= found.high <= 1.002 * widths.min()
    assert found.low == -found.high


def test_the_level_is_95_percent_unless_said() -> None:
    asked = {"standard_error": 1.0, "seen": 40, "planned": 90}
    assert always_valid(2, **asked) == always_valid(2, **asked, level=0.95)
    assert always_valid_p_value(2, **asked) == always_valid_p_value(2, **asked, level=0.95)


@pytest.mark.parametrize("wrong", [{"standard_error": 0.0}, {"seen": 0}, {"planned": 0}])
def test_bad_input_is_told(wrong: dict[str, float]) -> None:
    for each in (always_valid, always_valid_p_value):
        with pytest.raises(ConfigError, match="standard error above 0"):
            each(0.0, **{"standard_error": 1.0, "seen": 1, "planned": 1, **wrong})
