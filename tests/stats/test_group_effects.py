from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.errors import ConfigError, RowError
from causal_ranker.stats.group_effects import GroupEffects, group_effects
from causal_ranker.stats.intervals import clustered_mean


def rows(seed: int = 0, n: int = 400) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    user, unit = rng.integers(0, 30, n), rng.integers(0, 25, n)
    predicted = rng.normal(size=n)
    shared = rng.normal(size=30)[user] + rng.normal(size=25)[unit]
    return {
        "predicted": predicted,
        "gamma": 0.4 * predicted + shared + rng.normal(size=n),
        "cluster": user,
        "second_cluster": unit,
        "weights": rng.uniform(0.5, 2, n),
    }


def found_in(table: dict[str, Any], **settings: Any) -> GroupEffects:
    return group_effects(**table, **settings)


def test_groups_by_hand() -> None:
    table = rows()
    found = found_in(table, groups=4)
    order = np.argsort(table["predicted"])
    assert found.count.sum() == order.size
    # equal shares of weight: each but the last ends where a quarter of it is passed
    shares = np.cumsum(table["weights"][order]) / table["weights"].sum()
    start = 0
    for place, size in enumerate(found.count):
        group = order[start : start + size]
        start += size
        assert shares[start - 1] == pytest.approx((place + 1) / 4, abs=0.006)
        assert found.lowest[place] == table["predicted"][group[0]]
        assert found.highest[place] == table["predicted"][group[-1]]
        some = {name: table[name][group] for name in ("cluster", "second_cluster", "weights")}
        mean = np.average(table["predicted"][group], weights=some["weights"])
        assert found.predicted[place] == pytest.approx(mean)
        expected = clustered_mean(table["gamma"][group], **some)
        assert vars(found.observed[place]) == pytest.approx(vars(expected))
        wide = clustered_mean(table["gamma"][group], **some, level=0.95**0.25)
        assert vars(found.everywhere[place]) == pytest.approx(vars(wide))


def test_the_difference_by_pairs_of_rows() -> None:
    """Its variance adds up the products of all pairs of rows that share a user or a unit."""
    table = rows(3, n=150)
    found = found_in(table, groups=3)
    order = np.argsort(table["predicted"])
    first, last = order[: found.count[0]], order[-found.count[-1] :]
    w, g = table["weights"], table["gamma"]
    part = np.zeros(len(g))
    for sign, group in ((-1, first), (1, last)):
        mean = np.average(g[group], weights=w[group])
        part[group] = sign * w[group] * (g[group] - mean) / w[group].sum()
    either = np.concatenate([first, last])

    def variance(ids: list[Any]) -> float:
        count = len({ids[i] for i in either})
        pairs = sum(part[i] * part[j] for i in either for j in either if ids[i] == ids[j])
        return float(count / (count - 1) * pairs)

    user, unit = table["cluster"].tolist(), table["second_cluster"].tolist()
    one, two, both = (variance(ids) for ids in (user, unit, list(zip(user, unit, strict=True))))
    assert found.difference is not None
    assert found.difference.point == pytest.approx(
        found.observed[-1].point - found.observed[0].point
    )
    expected = max(one + two - both, one, two)
    assert found.difference.standard_error == pytest.approx(np.sqrt(expected))
    # users in both groups make it another than that of two independent groups
    apart = found.observed[0].standard_error ** 2 + found.observed[-1].standard_error ** 2
    assert abs(expected / apart - 1) > 0.05


@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 10))
def test_order_and_units_leave_no_trace(seed: int, scale: float) -> None:
    table = rows(1)
    before = found_in(table)
    order = np.random.default_rng(seed).permutation(table["gamma"].size)
    moved = {name: values[order] for name, values in table.items()}
    moved["gamma"] = scale * moved["gamma"]
    after = found_in({**moved, "weights": moved["weights"] * 7})
    assert after.count.tolist() == before.count.tolist()
    assert after.lowest.tolist() == before.lowest.tolist()
    for old, new in zip(
        [*before.observed, *before.everywhere, before.difference],
        [*after.observed, *after.everywhere, after.difference],
        strict=True,
    ):
        assert vars(new) == pytest.approx({key: scale * v for key, v in vars(old).items()})


def test_rows_of_weight_0_are_absent() -> None:
    table = rows(2)
    weights = np.where(np.arange(400) < 300, table["weights"], 0.0)
    some = {name: values[:300] for name, values in table.items()}
    whole, cut = found_in({**table, "weights": weights}), found_in(some)
    assert whole.count.tolist() == cut.count.tolist()
    assert whole.difference == cut.difference


def test_equal_predictions_stay_together() -> None:
    table = rows()
    one = found_in({**table, "predicted": np.full(400, 0.2)})
    assert one.count.tolist() == [400]
    assert one.difference is None
    assert one.everywhere == one.observed
    two = found_in({**table, "predicted": np.where(np.arange(400) < 300, 0.0, 1.0)})
    assert two.count.tolist() == [300, 100]
    assert two.lowest.tolist() == two.highest.tolist() == [0.0, 1.0]


def test_a_group_of_one_cluster_has_no_interval() -> None:
    table = rows()
    found = found_in({**table, "predicted": np.where(table["cluster"] == 3, 5.0, 0.0)}, groups=2)
    assert found.lowest.tolist() == [0.0, 5.0]
    for interval in (found.observed[-1], found.everywhere[-1], found.difference):
        assert interval is not None
        assert np.isfinite(interval.point)
        assert np.isnan([interval.low, interval.high, interval.standard_error]).all()
    assert np.isfinite(found.observed[0].standard_error)
    # the difference looks at the last group, however many are between
    three = np.where(table["cluster"] == 3, 5.0, np.arange(400) % 2)
    found = found_in({**table, "predicted": three}, groups=12)
    assert found.lowest.tolist() == [0.0, 1.0, 5.0]
    assert found.difference is not None
    assert np.isnan(found.difference.standard_error)


def test_what_cannot_be_is_refused() -> None:
    table = rows()
    with pytest.raises(ConfigError, match="groups"):
        found_in(table, groups=0)
    with pytest.raises(ConfigError, match="level"):
        found_in(table, level=1.0)
    with pytest.raises(RowError, match="gamma"):
        found_in({**table, "gamma": np.full(400, np.nan)})
    with pytest.raises(RowError, match="at least 2 clusters"):
        found_in({**table, "cluster": np.zeros(400, dtype=int)})
