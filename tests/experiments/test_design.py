from __future__ import annotations

import numpy as np
import pytest
import tea_tasting as tt
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm, ttest_ind
from statsmodels.stats.power import NormalIndPower, normal_power_het

from causal_ranker.errors import ConfigError
from causal_ranker.experiments.design import TestDesign as Design
from causal_ranker.experiments.design import (
    guardrail_power,
    least_detectable,
    power_of,
    users_needed,
)
from causal_ranker.experiments.spread import rate_deviations
from causal_ranker.stats.sequential import always_valid


@pytest.mark.parametrize("split", [0.5, 0.2])
def test_statsmodels_gives_the_same(split: float) -> None:
    design = Design(deviation=2.0, effect=0.3, share_treated=split)
    peer = NormalIndPower()
    found = power_of(design, users=1000)
    ratio = (1 - split) / split
    expected = peer.power(effect_size=0.15, nobs1=1000 * split, alpha=0.05, ratio=ratio)
    assert found == pytest.approx(expected, abs=1e-8)
    needed = peer.solve_power(effect_size=0.15, power=0.8, alpha=0.05, ratio=ratio)
    assert users_needed(design) == pytest.approx(needed * (1 + ratio), abs=2)


def test_tea_tasting_gives_the_same() -> None:
    users = tt.make_users_data(rng=0, n_users=500, covariates=True, return_type="pandas")
    for past in (None, "orders_covariate"):
        metric = tt.Mean(
            "orders", past, use_t=False, n_obs=900, effect_size=0.2, ratio=0.25, alpha=0.01
        )
        peer = metric.solve_power(users, "power")[0].power
        correlation = 0.0 if past is None else users["orders"].corr(users[past])
        design = Design(
            deviation=users["orders"].std(),
            effect=0.2,
            share_treated=0.2,
            level=0.01,
            correlation=correlation,
        )
        assert power_of(design, users=900) == pytest.approx(peer, abs=1e-8)


def test_rates_vary_by_arm() -> None:
    deviation, treated = rate_deviations(0.1, effect=0.03)
    design = Design(deviation=deviation, treated_deviation=treated, effect=0.03)
    # statsmodels takes one arm's users, and the deviation of their difference
    expected = normal_power_het(
        0.03, 600, 0.05, std_null=np.hypot(deviation, treated), alternative="two-sided"
    )
    assert power_of(design, users=1200) == pytest.approx(expected, abs=1e-8)
    with pytest.raises(ConfigError, match="strictly between 0 and 1"):
        rate_deviations(0.99, effect=0.02)


def test_the_promised_power_is_kept() -> None:
    design = Design(deviation=1.0, treated_deviation=1.5, effect=0.4, share_treated=0.6)
    users = users_needed(design)
    rng, runs = np.random.default_rng(0), 1000
    new = rng.normal(0.4, 1.5, (runs, round(0.6 * users)))
    control = rng.normal(0.0, 1, (runs, round(0.4 * users)))
    hits = int((ttest_ind(new, control, axis=1, equal_var=False).pvalue < 0.05).sum())
    low, high = binom.ppf([0.001, 0.999], runs, power_of(design, users=users))
    assert low <= hits <= high


@settings(max_examples=30)
@given(st.floats(0.05, 0.95), st.floats(0.1, 5), st.integers(50, 10**6), st.booleans())
def test_the_least_detectable_effect_is_found_with_the_power(
    split: float, deviation: float, users: int, peeking: bool
) -> None:
    design = Design(deviation=deviation, effect=1.0, share_treated=split, peeking=peeking)
    effect = least_detectable(design, users=users)
    at_it = design.model_copy(update={"effect": effect})
    assert power_of(at_it, users=users) == pytest.approx(0.8, abs=1e-4)
    even = design.model_copy(update={"share_treated": 0.5})
    assert effect >= least_detectable(even, users=users) * (1 - 1e-12)


@settings(max_examples=30)
@given(st.floats(0.2, 5), st.floats(0.2, 5))
def test_neymans_split_is_the_best_for_its_cost(deviation: float, cost: float) -> None:
    design = Design(deviation=1, treated_deviation=deviation, cost_ratio=cost, effect=1)

    def price(share: float) -> float:
        return design.variance_at(share) * (share * cost + 1 - share)

    best = design.best_share
    grid = np.linspace(0.01, 0.99, 99)
    assert price(best) <= min(price(share) for share in grid) * (1 + 1e-12)
    assert Design(deviation=deviation, effect=1).best_share == pytest.approx(0.5)


def test_cuped_clusters_and_triggers_change_the_size_as_they_say() -> None:
    plain = Design(deviation=1, effect=0.1)
    assert Design(deviation=1, effect=0.1, correlation=0.6).variance_factor == pytest.approx(0.64)
    grouped = plain.model_copy(update={"cluster_size": 11.0, "cluster_correlation": 0.05})
    assert grouped.variance_factor == pytest.approx(1.5)
    assert users_needed(grouped) / users_needed(plain) == pytest.approx(1.5, rel=0.01)
    some = plain.model_copy(update={"trigger_share": 0.1})
    assert users_needed(some) / users_needed(plain) == pytest.approx(10, rel=0.01)
    assert power_of(some, users=50_000) == pytest.approx(power_of(plain, users=5000))


def test_unequal_clusters_inflate_the_variance() -> None:
    """Sums of clusters drawn with the correlation: their mean varies as the design says."""
    rng, runs = np.random.default_rng(1), 4000
    sizes = rng.integers(1, 20, 60)
    shared = rng.normal(size=(runs, 60)) * np.sqrt(0.2)
    noise = rng.normal(size=(runs, 60)) * np.sqrt(0.8 * sizes)
    mean = (shared * sizes + noise).sum(axis=1) / sizes.sum()
    design = Design(
        deviation=1,
        effect=1,
        cluster_size=sizes.mean(),
        cluster_variation=sizes.std() / sizes.mean(),
        cluster_correlation=0.2,
    )
    assert mean.var() * sizes.sum() == pytest.approx(design.variance_factor, rel=0.07)


def test_guardrails_and_several_metrics() -> None:
    design = Design(deviation=1, effect=0.1)
    found = guardrail_power(design, deviation=2, margin=0.2, users=3000)
    error = 2 * np.sqrt(4 / 3000)
    assert found == pytest.approx(norm.cdf(0.2 / error - norm.ppf(0.975)))
    several = design.model_copy(update={"comparisons": 5})
    stricter = design.model_copy(update={"level": 0.01})
    assert users_needed(several) == users_needed(stricter) > users_needed(design)


def test_looks_before_the_end_cost_what_the_wider_interval_costs() -> None:
    design = Design(deviation=1, effect=0.1, peeking=True)
    users = users_needed(design)
    error = np.sqrt(4 / users)
    wide = always_valid(0, standard_error=error, seen=users, planned=users)
    assert norm.cdf((0.1 - wide.high) / error) == pytest.approx(0.8, abs=1e-3)


def test_bad_input_is_told() -> None:
    with pytest.raises(ConfigError, match="deviation"):
        Design(deviation=0, effect=1)
    with pytest.raises(ConfigError, match="two users"):
        power_of(Design(deviation=1, effect=1), users=1)
