from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, ttest_ind
from statsmodels.stats.power import NormalIndPower

from causal_ranker.errors import ConfigError
from causal_ranker.experiments.design import TestDesign as Design
from causal_ranker.experiments.design import least_detectable, plan, power_of


@pytest.mark.parametrize("split", [0.5, 0.2])
def test_statsmodels_gives_the_same(split: float) -> None:
    design = Design(deviation=2.0, effect=0.3, share_treated=split)
    peer = NormalIndPower()
    found = power_of(design, users=1000)
    ratio = (1 - split) / split
    expected = peer.power(effect_size=0.15, nobs1=1000 * split, alpha=0.05, ratio=ratio)
    assert found == pytest.approx(expected, abs=1e-8)
    needed = peer.solve_power(effect_size=0.15, power=0.8, alpha=0.05, ratio=ratio)
    assert plan(design, users_a_day=100).treated == pytest.approx(np.ceil(needed), abs=1)


def test_the_promised_power_is_kept() -> None:
    design = Design(deviation=1.0, effect=0.4)
    found = plan(design, users_a_day=10)
    rng, runs = np.random.default_rng(0), 1000
    new = rng.normal(0.4, 1, (runs, found.treated))
    control = rng.normal(0.0, 1, (runs, found.control))
    hits = int((ttest_ind(new, control, axis=1).pvalue < 0.05).sum())
    low, high = binom.ppf([0.001, 0.999], runs, found.power)
    assert low <= hits <= high


@given(st.floats(0.05, 0.95), st.floats(0.1, 5), st.integers(50, 10**6))
def test_the_least_detectable_effect_is_found_with_the_power(
    split: float, deviation: float, users: int
) -> None:
    design = Design(deviation=deviation, effect=1.0, share_treated=split)
    effect = least_detectable(design, users=users)
    at_it = Design(deviation=deviation, effect=effect, share_treated=split)
    assert power_of(at_it, users=users) == pytest.approx(0.8, abs=1e-4)
    assert least_detectable(design, users=users) >= least_detectable(
        Design(deviation=deviation, effect=1.0), users=users
    ) * (1 - 1e-12)


def test_cuped_and_clusters_change_the_variance_as_they_say() -> None:
    plain = Design(deviation=1, effect=0.1)
    assert Design(deviation=1, effect=0.1, correlation=0.6).variance == pytest.approx(0.64)
    grouped = Design(deviation=1, effect=0.1, cluster_size=11, cluster_correlation=0.05)
    assert grouped.variance == pytest.approx(1.5)
    users = [plan(d, users_a_day=1000).users for d in (plain, grouped)]
    assert users[1] / users[0] == pytest.approx(1.5, rel=0.01)


def test_weeks_are_whole_and_the_split_is_said() -> None:
    found = plan(Design(deviation=1, effect=0.1, share_treated=0.1), users_a_day=1000)
    assert found.users == 8722
    assert found.weeks == 2
    assert "178% more users than an even one" in found.words
    assert "Neyman" in found.words


def test_bad_input_is_told() -> None:
    with pytest.raises(ConfigError, match="deviation"):
        Design(deviation=0, effect=1)
    with pytest.raises(ConfigError, match="users_a_day"):
        plan(Design(deviation=1, effect=1), users_a_day=0)
    with pytest.raises(ConfigError, match="two users"):
        power_of(Design(deviation=1, effect=1), users=1)
