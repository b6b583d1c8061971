from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, kstest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from causal_ranker.errors import ConfigError, DataError, EmptyError, RowError
from causal_ranker.experiments.correction import holm
from causal_ranker.experiments.readout import (
    adjust_by_past,
    mean_difference,
    ratio_difference,
    sample_ratio,
)
from causal_ranker.stats.sequential import always_valid


def test_statsmodels_gives_the_same() -> None:
    rng = np.random.default_rng(0)
    arm = rng.random(500) < 0.4
    metric = rng.exponential(1 + arm)
    found = mean_difference(metric, arm)
    peer = CompareMeans(DescrStatsW(metric[arm]), DescrStatsW(metric[~arm]))
    assert found.p_value == pytest.approx(peer.ttest_ind(usevar="unequal")[1], abs=1e-8)
    low, high = peer.tconfint_diff(usevar="unequal")
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high), abs=1e-8)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_statsmodels_corrects_the_same(p: list[float]) -> None:
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=1e-12)


def test_without_an_effect_the_level_is_kept_and_p_values_are_uniform() -> None:
    rng, runs = np.random.default_rng(1), 2000
    p = []
    for _ in range(runs):
        arm = rng.random(200) < 0.5
        p.append(mean_difference(rng.poisson(2.0, 200), arm).p_value)
    low, high = binom.ppf([0.001, 0.999], runs, 0.05)
    assert low <= np.sum(np.array(p) < 0.05) <= high
    assert kstest(p, "uniform").pvalue > 0.01


def test_ratios_need_the_delta_method() -> None:
    """Plays per impression of users who differ: the interval of rows would be far too narrow."""
    rng, runs, inside, naive = np.random.default_rng(2), 400, 0, 0
    for _ in range(runs):
        arm = rng.random(300) < 0.5
        shown = rng.integers(1, 40, 300)
        rate = rng.beta(1, 3, 300)
        plays = rng.binomial(shown, rate)
        inside += abs(ratio_difference(plays, shown, arm=arm).interval.point) <= (
            ratio_difference(plays, shown, arm=arm).interval.high
            - ratio_difference(plays, shown, arm=arm).interval.point
        )
        sums = [(plays[a].sum(), shown[a].sum()) for a in (arm, ~arm)]
        rates = [top / bottom for top, bottom in sums]
        error = np.sqrt(sum(r * (1 - r) / b for r, (_, b) in zip(rates, sums, strict=True)))
        naive += abs(rates[0] - rates[1]) < 1.96 * error
    low, high = binom.ppf([0.001, 0.999], runs, 0.95)
    assert low <= inside <= high
    assert naive < 0.8 * runs


def test_a_ratio_with_constant_denominator_is_a_mean() -> None:
    rng = np.random.default_rng(3)
    arm, plays = np.arange(100) % 2, rng.poisson(3, 100)
    ratio = ratio_difference(plays, np.full(100, 2), arm=arm)
    mean = mean_difference(plays / 2, arm)
    assert ratio.interval.point == pytest.approx(mean.interval.point)
    assert ratio.interval.standard_error == pytest.approx(mean.interval.standard_error)


def test_the_past_takes_out_what_it_explains() -> None:
    rng = np.random.default_rng(4)
    past = rng.normal(size=200_000)
    metric = 0.7 * past + np.sqrt(1 - 0.49) * rng.normal(size=past.size) + 5
    adjusted = adjust_by_past(metric, past)
    assert adjusted.var() / metric.var() == pytest.approx(1 - 0.49, rel=0.05)
    assert adjusted.mean() == pytest.approx(metric.mean())
    assert np.corrcoef(adjusted, past)[0, 1] == pytest.approx(0, abs=1e-9)


def test_a_wrong_split_blocks_and_a_right_one_does_not() -> None:
    rng, users = np.random.default_rng(5), 100_000
    right = [sample_ratio(rng.random(users) < 0.5).blocks for _ in range(300)]
    wrong = [sample_ratio(rng.random(users) < 0.49).blocks for _ in range(300)]
    assert sum(right) <= 3
    assert sum(wrong) >= 290
    assert sample_ratio(np.arange(10) % 2).p_value == 1
    assert sample_ratio([1] * 30 + [0] * 10, expected_share=0.75).p_value == 1


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


def test_words_do_not_mislead() -> None:
    arm = np.arange(40) % 2
    noise = np.random.default_rng(7).normal(size=40)
    assert "not evidence of none" in mean_difference(noise, arm).words
    assert "has more" in mean_difference(noise + 9 * arm, arm).words
    assert "has less" in mean_difference(noise - 9 * arm, arm).words


def test_bad_input_is_told() -> None:
    arm = np.arange(10) % 2
    with pytest.raises(DataError, match="1 for every user"):
        mean_difference(np.ones(10), arm)
    with pytest.raises(EmptyError, match="two users in the new arm; got 0"):
        mean_difference(np.arange(10), np.zeros(10))
    with pytest.raises(RowError, match="0 or 1"):
        sample_ratio([0, 1, 2])
    with pytest.raises(RowError, match="denominators of 0 or more"):
        ratio_difference(np.ones(10), -np.ones(10), arm=arm)
    with pytest.raises(EmptyError, match="positive denominator"):
        ratio_difference(np.ones(10), arm, arm=arm)
    with pytest.raises(DataError, match="past that varies"):
        adjust_by_past(np.arange(10), np.ones(10))
    with pytest.raises(RowError, match="p-values in"):
        holm([2.0])
    with pytest.raises(ConfigError, match="standard error above 0"):
        always_valid(0.0, standard_error=0.0, seen=1, planned=1)
