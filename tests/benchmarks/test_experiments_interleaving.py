from __future__ import annotations

import numpy as np
import pytest

from benchmarks._experiments_interleaving import _users_needed, run


def test_users_needed_are_those_of_the_normal_law() -> None:
    rng = np.random.default_rng(0)
    pool = rng.normal(0.7, 2.0, (20, 500))  # its mean is moved to the truth
    one = _users_needed([pool], 0.3, repeats=2_000, rng=rng)
    assert one == pytest.approx((1.645 * 2 / 0.3) ** 2, rel=0.1)
    two = _users_needed([pool, pool[::-1] - 3], -0.3, repeats=2_000, rng=rng)
    assert two == pytest.approx(4 * (1.645 * 2 / 0.3) ** 2, rel=0.1)


def test_quick_figures() -> None:
    found = run(quick=True)
    assert 0 < found["interleaving_user_ratio"] < 1
    ratios = [found[f"interleaving_user_ratio_{name}"] for name in ("popular", "personal")]
    assert found["interleaving_user_ratio"] == max(ratios)
    low, high = found["interleaving_bias_low"], found["interleaving_bias_high"]
    assert low < found["interleaving_bias"] < high
    assert abs(found["interleaving_bias"]) < high - low  # within some 4 standard errors of 0
