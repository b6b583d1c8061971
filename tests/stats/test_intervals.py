from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import t as student

from causal_ranker.errors import ConfigError, EmptyError, RowError, SchemaError
from causal_ranker.stats.intervals import Interval, clustered_mean, clustered_ratio

Array = NDArray[np.float64]


def pair_variance(contributions: Array, *labels: NDArray[Any]) -> float:
    """Sum over all pairs of rows that share every label, times C / (C - 1)."""
    keys = list(zip(*(label.tolist() for label in labels), strict=True))
    pairs = sum(
        contributions[i] * contributions[j]
        for i in range(len(keys))
        for j in range(len(keys))
        if keys[i] == keys[j]
    )
    count = len(set(keys))
    return float(pairs * count / (count - 1))


@pytest.fixture
def rows() -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(7)
    user, unit = rng.integers(0, 8, 60), rng.integers(0, 6, 60)
    y = rng.normal(size=60) + rng.normal(size=8)[user] + rng.normal(size=6)[unit]
    return {"y": y, "user": user, "unit": unit, "w": rng.exponential(size=60)}


def test_one_way_by_pairs_of_rows(rows: dict[str, NDArray[Any]]) -> None:
    y, w = rows["y"], rows["w"]
    found = clustered_mean(y, rows["user"], weights=w)
    mean = float(np.average(y, weights=w))
    error = np.sqrt(pair_variance(w * (y - mean) / w.sum(), rows["user"]))
    assert found.point == pytest.approx(mean)
    assert found.standard_error == pytest.approx(error)
    reach = student.ppf(0.975, 7) * error
    assert (found.low, found.high) == pytest.approx((mean - reach, mean + reach))


def test_two_way_by_pairs_of_rows(rows: dict[str, NDArray[Any]]) -> None:
    y, w, user, unit = rows["y"], rows["w"], rows["user"], rows["unit"]
    found = clustered_mean(y, user, second_cluster=unit, weights=w, level=0.9)
    mean = float(np.average(y, weights=w))
    r = w * (y - mean) / w.sum()
    variance = pair_variance(r, user) + pair_variance(r, unit) - pair_variance(r, user, unit)
    assert variance > max(pair_variance(r, user), pair_variance(r, unit))
    assert found.standard_error == pytest.approx(np.sqrt(variance))
    assert found.high - found.point == pytest.approx(student.ppf(0.95, 5) * np.sqrt(variance))


def test_two_way_is_never_below_the_larger_one_way() -> None:
    # rows of a pair (user, unit) agree, but the pairs of a user cancel: V1 = V2 = 0 < V12
    y = np.array([1.0, 1.0, -1.0, -1.0, -1.0, -1.0, 1.0, 1.0])
    user = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    unit = np.array([0, 0, 1, 1, 0, 0, 1, 1])
    assert clustered_mean(y, user, second_cluster=unit).standard_error == 0
    rng = np.random.default_rng(0)
    bound = 0
    for _ in range(50):
        noise, first, second = rng.normal(size=30), rng.integers(0, 3, 30), rng.integers(0, 3, 30)
        larger = max(clustered_mean(noise, c).standard_error for c in (first, second))
        both = clustered_mean(noise, first, second_cluster=second).standard_error
        assert both >= larger
        bound += both == larger
    assert 0 < bound < 50


def test_rows_as_their_own_clusters_give_the_classical_interval() -> None:
    y = np.random.default_rng(1).normal(size=25)
    found = clustered_mean(y, np.arange(25))
    error = y.std(ddof=1) / 5
    assert found.standard_error == pytest.approx(error)
    assert (found.low, found.high) == pytest.approx(
        student.interval(0.95, 24, loc=y.mean(), scale=error)
    )


@given(
    st.lists(
        st.tuples(st.floats(-10, 10), st.integers(0, 3), st.integers(0, 3), st.integers(0, 2)),
        min_size=2,
        max_size=15,
    ).filter(
        lambda rows: len({r[1] for r in rows if r[3]}) > 1 and len({r[2] for r in rows if r[3]}) > 1
    ),
    st.randoms(use_true_random=False),
)
def test_names_order_and_absent_rows_do_not_matter(
    rows: list[tuple[float, int, int, int]], random: Any
) -> None:
    y, first, second, w = (np.array(column) for column in zip(*rows, strict=True))
    expected = clustered_mean(y, first, second_cluster=second, weights=w)
    order = np.random.default_rng(random.getrandbits(32)).permutation(y.size)
    kept = order[w[order] > 0]
    found = clustered_mean(
        y[kept],
        [f"user {code}" for code in first[kept]],
        second_cluster=np.array([f"unit {code}" for code in second[kept]], dtype=object),
        weights=3 * w[kept],
    )
    assert found.point == pytest.approx(expected.point, abs=1e-9)
    assert found.standard_error == pytest.approx(expected.standard_error, abs=1e-7)


@given(st.floats(0.01, 100), st.floats(-100, 100))
def test_the_interval_moves_with_the_unit(scale: float, shift: float) -> None:
    y, cluster = np.random.default_rng(2).normal(size=20), np.arange(20) % 5
    before, after = clustered_mean(y, cluster), clustered_mean(scale * y + shift, cluster)
    assert after.standard_error == pytest.approx(scale * before.standard_error, rel=1e-6)
    assert after.low == pytest.approx(scale * before.low + shift, rel=1e-6, abs=1e-6)


def test_duplicated_rows_inside_clusters_add_nothing() -> None:
    y, cluster = np.random.default_rng(3).normal(size=20), np.arange(20) % 5
    once = clustered_mean(y, cluster)
    twice = clustered_mean(np.repeat(y, 2), np.repeat(cluster, 2))
    assert twice.standard_error == pytest.approx(once.standard_error)


def test_ratio_by_pairs_of_rows(rows: dict[str, NDArray[Any]]) -> None:
    a, b = rows["y"], rows["w"]
    found = clustered_ratio(a, b, rows["user"], second_cluster=rows["unit"])
    ratio = a.sum() / b.sum()
    r = (a - ratio * b) / b.sum()
    one, two = pair_variance(r, rows["user"]), pair_variance(r, rows["unit"])
    variance = max(one + two - pair_variance(r, rows["user"], rows["unit"]), one, two)
    assert found.point == pytest.approx(ratio)
    assert found.standard_error == pytest.approx(np.sqrt(variance))


def test_a_ratio_to_the_weights_is_the_weighted_mean(rows: dict[str, NDArray[Any]]) -> None:
    y, w = rows["y"], rows["w"]
    ratio = clustered_ratio(w * y, w, rows["user"], level=0.8)
    mean = clustered_mean(y, rows["user"], weights=w, level=0.8)
    assert vars(ratio) == pytest.approx(vars(mean))


def test_input_is_checked() -> None:
    with pytest.raises(RowError, match="values"):
        clustered_mean([np.nan, 1.0], [0, 1])
    with pytest.raises(RowError, match="at least 2 clusters"):
        clustered_mean([0.0, 1.0], [0, 0])
    with pytest.raises(RowError, match="at least 2 clusters"):
        clustered_mean([0.0, 1.0], [0, 1], weights=[1, 0])
    with pytest.raises(SchemaError, match="second_cluster"):
        clustered_mean([0.0, 1.0], [0, 1], second_cluster=[1])
    with pytest.raises(ConfigError, match="level"):
        clustered_mean([0.0, 1.0], [0, 1], level=95)
    with pytest.raises(EmptyError, match="denominators"):
        clustered_ratio([1.0, 2.0], [1.0, -1.0], [0, 1])


def test_an_interval_is_a_frozen_value() -> None:
    interval = Interval(1.0, 0.0, 2.0, 0.5)
    assert interval == Interval(point=1.0, low=0.0, high=2.0, standard_error=0.5)
    with pytest.raises(AttributeError):
        interval.low = 3.0  # type: ignore[misc]
