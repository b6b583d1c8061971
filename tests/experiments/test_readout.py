from __future__ import annotations

import numpy as np
import pytest
import tea_tasting as tt
from scipy.stats import binom, kstest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from causal_ranker.errors import ConfigError, DataError, EmptyError, RowError
from causal_ranker.experiments.readout import mean_difference, ratio_difference
from causal_ranker.experiments.sample_ratio import sample_ratio
from causal_ranker.stats.multiplicity import benjamini_hochberg, holm


def test_statsmodels_gives_the_same() -> None:
    rng = np.random.default_rng(0)
    arm = rng.random(500) < 0.4
    metric = rng.exponential(1 + arm)
    found = mean_difference(metric, arm)
    peer = CompareMeans(DescrStatsW(metric[arm]), DescrStatsW(metric[~arm]))
    assert found.p_value == pytest.approx(peer.ttest_ind(usevar="unequal")[1], abs=1e-8)
    low, high = peer.tconfint_diff(usevar="unequal")
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high), abs=1e-8)


def test_statsmodels_corrects_the_same() -> None:
    p = np.r_[np.random.default_rng(0).uniform(size=9) ** 3, 0.01, 0.01, 1.0]
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=1e-12)
    found = benjamini_hochberg(p)
    np.testing.assert_allclose(found, multipletests(p, method="fdr_bh")[1], atol=1e-12)


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
        found = ratio_difference(plays, shown, arm=arm).interval
        inside += found.low <= 0 <= found.high
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


def test_tea_tasting_gives_the_same() -> None:
    rng = np.random.default_rng(4)
    users = tt.make_users_data(rng=rng, n_users=900, covariates=True, return_type="pandas")
    arm = users["variant"].to_numpy()
    measured = tt.Experiment(
        {
            "mean": tt.Mean("orders"),
            "cuped": tt.Mean("orders", "orders_covariate"),
            "ratio": tt.RatioOfMeans("orders", "sessions"),
            "sizes": tt.SampleRatio(0.8, method="norm", correction=False),
        }
    ).analyze(users)
    sizes = measured.pop("sizes")
    counted = sample_ratio(int(arm.sum()), int((1 - arm).sum()), expected_share=0.8 / 1.8)
    assert counted.p_value == pytest.approx(sizes.pvalue, abs=1e-8)
    orders, sessions = users["orders"].to_numpy(), users["sessions"].to_numpy()
    before = {"before": users["orders_covariate"].to_numpy()}
    ours = {
        "mean": mean_difference(orders, arm),
        "cuped": mean_difference(orders, arm, past=before),
        "ratio": ratio_difference(orders, sessions, arm=arm),
    }
    for name, peer in measured.items():
        mine = ours[name]
        assert mine.relative is not None
        found = [mine.treated, mine.control, mine.interval.point, mine.interval.low]
        found += [mine.interval.high, mine.p_value, mine.relative.point]
        found += [mine.relative.low, mine.relative.high]
        expected = [peer.treatment, peer.control, peer.effect_size, peer.effect_size_ci_lower]
        expected += [peer.effect_size_ci_upper, peer.pvalue, peer.rel_effect_size]
        expected += [peer.rel_effect_size_ci_lower, peer.rel_effect_size_ci_upper]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8, err_msg=name)


def test_the_past_takes_out_what_it_explains() -> None:
    rng = np.random.default_rng(4)
    past = rng.normal(size=200_000)
    arm = rng.random(past.size) < 0.5
    metric = 0.7 * past + np.sqrt(1 - 0.49) * rng.normal(size=past.size) + 5
    found = mean_difference(metric, arm, past={"past": past})
    assert found.variance_left == pytest.approx(1 - 0.49, rel=0.05)
    # once more by hand
    centred = past - past.mean()
    adjusted = metric - (metric @ centred) / (centred @ centred) * centred
    plain = mean_difference(adjusted, arm)
    assert found.interval.point == pytest.approx(plain.interval.point, abs=1e-12)
    assert found.interval.standard_error == pytest.approx(plain.interval.standard_error, rel=1e-9)
    # the same covariate twice, in another unit, says nothing new
    twice = mean_difference(metric, arm, past={"past": past, "again": 1e6 * past + 3})
    assert twice.interval.point == pytest.approx(found.interval.point, abs=1e-9)


def test_several_covariates_are_a_regression() -> None:
    rng = np.random.default_rng(8)
    x = rng.normal(size=(3000, 2)) @ np.array([[1, 0.6], [0, 1]])
    arm = rng.random(3000) < 0.3
    metric = x @ [1.0, -2.0] + 0.3 * arm + rng.normal(size=3000)
    found = mean_difference(metric, arm, past={"a": x[:, 0], "b": x[:, 1]})
    theta = np.linalg.lstsq(x - x.mean(0), metric - metric.mean(), rcond=None)[0]
    plain = mean_difference(metric - (x - x.mean(0)) @ theta, arm)
    assert found.interval.point == pytest.approx(plain.interval.point, abs=1e-10)
    assert found.interval.standard_error == pytest.approx(plain.interval.standard_error)


def test_users_who_were_assigned_together_are_one_unit() -> None:
    """Intervals of users would be too narrow: statsmodels' clustered regression agrees."""
    import statsmodels.api as sm

    rng = np.random.default_rng(9)
    size = rng.integers(2, 9, 600)
    house = np.repeat(np.arange(600), size)
    arm = (np.arange(600) % 2)[house]
    metric = np.repeat(rng.normal(size=600), size) + rng.normal(size=house.size)
    found = mean_difference(metric, arm, cluster=house)
    fit = sm.OLS(metric, sm.add_constant(arm)).fit(
        cov_type="cluster", cov_kwds={"groups": house, "use_correction": False}
    )
    assert found.interval.point == pytest.approx(fit.params[1], abs=1e-10)
    assert found.interval.standard_error == pytest.approx(fit.bse[1], rel=0.004)
    alone = mean_difference(metric, arm).interval.standard_error
    assert found.interval.standard_error > 1.3 * alone
    with pytest.raises(RowError, match="1 of 600 clusters in both"):
        mean_difference(metric, np.r_[1 - arm[0], arm[1:]], cluster=house)


def test_a_wrong_split_blocks_and_a_right_one_does_not() -> None:
    rng, users = np.random.default_rng(5), 100_000
    right = rng.binomial(users, 0.5, size=300).tolist()
    wrong = rng.binomial(users, 0.49, size=300).tolist()
    assert sum(sample_ratio(new, users - new).blocks for new in right) <= 3
    assert sum(sample_ratio(new, users - new).blocks for new in wrong) >= 290
    assert sample_ratio(5, 5).p_value == 1
    # p is .00101 and .00098: it is .001 that blocks
    assert not sample_ratio(50_520, 49_480).blocks
    assert sample_ratio(50_521, 49_479).blocks
    assert sample_ratio(30, 10, expected_share=0.75).p_value == 1


def test_bad_input_is_told() -> None:
    arm = np.arange(10) % 2
    with pytest.raises(DataError, match=r"0\.1 for every user"):
        mean_difference(np.full(10, 0.1), arm)
    with pytest.raises(EmptyError, match="two users in the new arm; got 0"):
        mean_difference(np.arange(10), np.zeros(10))
    with pytest.raises(EmptyError, match="users in the control; got none"):
        sample_ratio(10, 0)
    with pytest.raises(ConfigError, match="whole number"):
        sample_ratio(-1, 3)
    with pytest.raises(RowError, match="denominators of 0 or more"):
        ratio_difference(np.ones(10), -np.ones(10), arm=arm)
    with pytest.raises(EmptyError, match="positive 'denominator' in the control"):
        ratio_difference(np.ones(10), arm, arm=arm)
    with pytest.raises(DataError, match="past that varies"):
        mean_difference(np.arange(10), arm, past={"before": np.full(10, 0.1)})
    with pytest.raises(DataError, match="Is one of them the metric itself"):
        mean_difference(np.arange(10), arm, past={"before": np.arange(10)})
    with pytest.raises(RowError, match="p-values in"):
        holm([2.0])
