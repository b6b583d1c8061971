from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, kstest, norm
from statsmodels.stats.meta_analysis import combine_effects

from causal_ranker.stats.heterogeneity import heterogeneity
from causal_ranker.stats.intervals import Interval


def intervals(point: np.ndarray, error: np.ndarray) -> list[Interval]:
    return [Interval.around(p, error=e, quantile=1.96) for p, e in zip(point, error, strict=True)]


def test_statsmodels_gives_the_same() -> None:
    rng = np.random.default_rng(0)
    point, error = rng.normal(size=6), rng.uniform(0.1, 2, 6)
    found = heterogeneity(intervals(point, error))
    peer = combine_effects(point, error**2, method_re="dl").test_homogeneity()
    assert found.p_value == pytest.approx(peer.pvalue, abs=1e-8)


def test_one_effect_in_all_groups_is_rarely_denied_and_all_intervals_hold_at_once() -> None:
    rng, runs, groups = np.random.default_rng(1), 1000, 5
    error = rng.uniform(0.5, 2, groups)
    drawn = [
        heterogeneity(intervals(0.3 + error * rng.normal(size=groups), error)) for _ in range(runs)
    ]
    assert kstest([each.p_value for each in drawn], "uniform").pvalue > 0.01
    held = sum(all(i.low <= 0.3 <= i.high for i in each.everywhere) for each in drawn)
    low, high = binom.ppf([0.001, 0.999], runs, 0.95)
    assert low <= held <= high


def test_one_group_and_none() -> None:
    alone = heterogeneity([Interval.around(1.0, error=0.5, quantile=2.0)])
    assert np.isnan(alone.p_value)
    assert alone.everywhere[0].high == pytest.approx(1 + 0.5 * norm.ppf(0.975))
    assert heterogeneity([]).everywhere == ()
