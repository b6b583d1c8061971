from __future__ import annotations

import numpy as np
import pytest
import scipy.stats as ss
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from causal_ranker.drift.family import false_discoveries_controlled
from causal_ranker.errors import RowError


def test_the_step_up_rule_by_hand() -> None:
    p = [0.001, 0.04, 0.012, 0.9, 0.02]
    # ordered .001 .012 .02 .04 .9 against .01 .02 .03 .04 .05
    assert false_discoveries_controlled(p).tolist() == [True, True, True, False, True]
    with pytest.raises(RowError, match=r"in \[0, 1\]"):
        false_discoveries_controlled([0.5, 1.5])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_scipy_adjusts_to_the_same_set(p: list[float]) -> None:
    adjusted = ss.false_discovery_control(p)
    sure = np.abs(adjusted - 0.05) > 1e-12
    kept = false_discoveries_controlled(p)
    np.testing.assert_array_equal(kept[sure], (adjusted <= 0.05)[sure])


def test_without_drift_the_family_keeps_its_level() -> None:
    runs = 2000
    p = np.random.default_rng(0).random((runs, 20))
    any_alarm = sum(bool(false_discoveries_controlled(row).any()) for row in p)
    low, high = binom.ppf([0.001, 0.999], runs, 0.05)
    assert low <= any_alarm <= high
