from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from causal_ranker.drift.proxies import Proxy
from causal_ranker.errors import EmptyError, NotFittedError, SchemaError

PERIODS, ROWS = 12, 400


def past(
    rng: np.random.Generator, *, strength: float = 1.5, swing: float = 0.0, periods: int = PERIODS
) -> dict[str, Any]:
    """Clicks that go with plays; `swing` moves, from period to period, plays and no clicks."""
    period = np.repeat(np.arange(periods), ROWS)
    clicks = rng.poisson(1.0, period.size)
    level = rng.normal(0, 0.1, periods)[period] + swing * (period % 2)
    play = rng.random(period.size) < 1 / (1 + np.exp(2 - strength * (clicks > 0) - level))
    return {
        "reference": clicks.astype(float),
        "outcome": play,
        "period": period,
        "clusters": np.arange(period.size) // 2,
    }


def test_its_weight_is_what_it_tells_on_later_periods() -> None:
    rng = np.random.default_rng(0)
    found = {strength: Proxy().fit(**past(rng, strength=strength)) for strength in (0.0, 1.5, 4.0)}
    readings = [found[each].read(rng.poisson(1.0, ROWS).astype(float)) for each in (0.0, 1.5, 4.0)]
    weights = [each.weight.point for each in readings]
    assert weights[0] < 0.01 < weights[1] < weights[2]
    assert readings[0].refusal is not None
    assert "may tell nothing" in readings[0].refusal
    assert readings[0].rate is None
    assert readings[1].refusal is None
    # The truth: Brier score without and with two known rates, of 63 % with a click.
    low, high = 1 / (1 + np.exp(2)), 1 / (1 + np.exp(0.5))
    share = 1 - np.exp(-1)
    mean = share * high + (1 - share) * low
    skill = 1 - (share * high * (1 - high) + (1 - share) * low * (1 - low)) / (mean * (1 - mean))
    assert readings[1].weight.low <= skill <= readings[1].weight.high


def test_its_interval_holds_the_rate_that_matures() -> None:
    runs, held = 200, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        rows = past(rng, strength=2.5, periods=PERIODS + 1)
        old = rows["period"] < PERIODS
        now = ~old
        proxy = Proxy(most_wander=9.0).fit(**{name: each[old] for name, each in rows.items()})
        rate = proxy.read(rows["reference"][now]).rate
        assert rate is not None
        held += rate.low <= rows["outcome"][now].mean() <= rate.high
    low, high = binom.ppf([0.001, 0.999], runs, 0.95)
    assert low <= held <= high + 3  # the first periods are foretold from few rows: a bit wide


def test_a_relation_that_swings_is_refused_and_raises_no_alarm() -> None:
    rng = np.random.default_rng(1)
    proxy = Proxy().fit(**past(rng, swing=2.0))
    many = np.full(ROWS, 5.0)
    found = proxy.read(many)
    assert found.refusal is not None
    assert "unstable" in found.refusal
    assert found.wander > 0.2
    decision = proxy.predict(many)
    assert (decision.threshold, decision.drifted) == (np.inf, False)
    assert np.isnan(decision.p_value)


def test_false_alarms_come_at_their_rate_and_a_shift_is_found() -> None:
    runs, alarms, found = 200, 0, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        proxy = Proxy().fit(**past(rng, strength=3.0))
        alarms += proxy.predict(rng.poisson(1.0, ROWS).astype(float)).drifted
        found += proxy.predict(rng.poisson(2.0, ROWS).astype(float)).drifted
    low, high = binom.ppf([0.001, 0.999], runs, 0.05)
    assert low <= alarms <= high
    assert found >= 0.99 * runs


def test_a_window_of_a_few_rows_is_as_uncertain_as_they_are() -> None:
    rng = np.random.default_rng(5)
    proxy = Proxy().fit(**past(rng, strength=3.0))
    assert not any(proxy.predict([clicks]).drifted for clicks in (0.0, 1.0, 2.0))
    alarms = sum(proxy.predict(rng.poisson(1.0, 20).astype(float)).drifted for _ in range(400))
    assert alarms <= binom.ppf(0.999, 400, 0.05)
    whole, part = (proxy.read(np.tile([0.0, 1.0], rows)).rate for rows in (200, 5))
    assert whole is not None
    assert part is not None
    assert part.high - part.low > 4 * (whole.high - whole.low)


def test_missing_values_are_a_sign_of_their_own() -> None:
    rng = np.random.default_rng(2)
    rows = past(rng)
    rows["reference"] = np.where(rows["outcome"], np.nan, 1.0)
    reading = Proxy().fit(**rows).read([np.nan, np.nan, 1.0, 1.0])
    assert reading.weight.point > 0.9
    assert reading.rate is not None
    assert reading.rate.point == pytest.approx(0.5, abs=0.01)
    assert reading.before == pytest.approx(rows["outcome"].mean())


def test_bad_input_is_told() -> None:
    rng = np.random.default_rng(3)
    rows = past(rng)
    proxy = Proxy().fit(**rows)
    with pytest.raises(NotFittedError):
        Proxy().read([1.0])
    with pytest.raises(EmptyError, match="2 rows, all missing"):
        proxy.read([np.nan, np.nan])
    with pytest.raises(SchemaError, match="one dimension"):
        proxy.read([[1.0]])
    with pytest.raises(SchemaError, match="numbers"):
        proxy.predict(["a", 1])
    with pytest.raises(EmptyError, match="at least five periods"):
        Proxy().fit(**past(rng, periods=4))
    with pytest.raises(EmptyError, match="0 plays of 400"):
        Proxy().fit(**{**rows, "outcome": rows["period"] > 0})
