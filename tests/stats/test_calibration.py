from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.stats.curves import calibration

Array = NDArray[np.float64]


def test_deciles_by_loops() -> None:
    rng = np.random.default_rng(0)
    predicted, gamma, weights = (
        rng.normal(size=200),
        rng.normal(size=200),
        rng.exponential(size=200),
    )
    found = calibration(predicted, gamma, bins=4, weights=weights)
    order = np.argsort(predicted)
    middle = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
    squared, mass = [], []
    for b in range(4):
        rows = order[(middle >= b / 4) & (middle < (b + 1) / 4)]
        w, g, p = weights[rows], gamma[rows], predicted[rows]
        assert found.count[b] == rows.size
        assert found.predicted[b] == pytest.approx(np.average(p, weights=w))
        mean = np.average(g, weights=w)
        assert found.observed[b] == pytest.approx(mean)
        n = rows.size
        variance = sum((w * (g - mean)) ** 2) / w.sum() ** 2 * n / (n - 1)
        assert found.standard_error[b] == pytest.approx(np.sqrt(variance))
        r = g - p
        pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
        squared.append(
            sum(w[i] * w[j] * r[i] * r[j] for i, j in pairs) / sum(w[i] * w[j] for i, j in pairs)
        )
        mass.append(w.sum())
    assert found.squared_error.point == pytest.approx(np.average(squared, weights=mass))
    assert found.count.sum() == 200


def test_equal_rows_give_equal_bins_and_the_classical_standard_error() -> None:
    gamma = np.random.default_rng(1).normal(size=100)
    found = calibration(np.arange(100.0), gamma, bins=10)
    np.testing.assert_array_equal(found.count, 10)
    np.testing.assert_allclose(found.predicted, np.arange(4.5, 100, 10))
    expected = gamma.reshape(10, 10).std(axis=1, ddof=1) / np.sqrt(10)
    np.testing.assert_allclose(found.standard_error, expected)


def test_equal_predictions_stay_together() -> None:
    assert calibration(np.zeros(50), np.arange(50.0)).count.tolist() == [50]
    found = calibration([0.0] * 30 + [1.0] * 10, np.ones(40), bins=4)
    np.testing.assert_array_equal(found.count, [30, 10])
    np.testing.assert_allclose(found.predicted, [0.0, 1.0])


def test_noise_alone_is_no_error_and_a_shift_is() -> None:
    rng = np.random.default_rng(2)
    predicted = rng.normal(size=20_000)
    noise = 5 * rng.normal(size=20_000)
    exact = calibration(predicted, predicted).squared_error
    assert (exact.point, exact.low, exact.high) == (0, 0, 0)
    # without taking the noise out, ten bins would read about 5 sqrt(10 / 20000) = .11
    assert abs(calibration(predicted, predicted + noise).squared_error.point) < 0.08**2
    shifted = calibration(predicted, predicted + noise - 0.5).squared_error
    assert np.sqrt(shifted.point) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_squared_error_has_no_bias(shift: float) -> None:
    rng = np.random.default_rng(3)
    predicted = np.zeros(20)
    squares = []
    for _ in range(4000):
        found = calibration(predicted, shift + rng.normal(size=20), bins=1)
        squares.append(found.squared_error.point)
    standard_error = np.std(squares) / np.sqrt(4000)
    assert abs(np.mean(squares) - shift**2) < 4 * standard_error


def of_pairs(predicted: Array, gamma: Array, weights: Array, *labels: NDArray[np.int64]) -> float:
    """Squared error by every pair of rows of a bin that share no label; two bins, at 0."""
    squared, mass = [], []
    for rows in (np.flatnonzero(predicted < 0), np.flatnonzero(predicted >= 0)):
        pairs = [(i, j) for i in rows for j in rows if i != j and all(c[i] != c[j] for c in labels)]
        r, w = gamma - predicted, weights
        top = sum(w[i] * w[j] * r[i] * r[j] for i, j in pairs)
        squared.append(top / sum(w[i] * w[j] for i, j in pairs))
        mass.append(w[rows].sum())
    return float(np.average(squared, weights=mass))


@pytest.mark.parametrize("two_way", [True, False])
def test_the_error_counts_no_pair_of_rows_that_belong_together(two_way: bool) -> None:
    rng = np.random.default_rng(4)
    n = 60
    predicted = np.repeat([-1.0, 2.0], n // 2)
    user, unit = rng.integers(0, 9, n), rng.integers(0, 7, n)
    gamma, weights = 1.0 + rng.normal(size=n), rng.exponential(size=n)
    labels = (user, unit) if two_way else (user,)
    found = calibration(
        predicted,
        gamma,
        bins=2,
        weights=weights,
        cluster=user,
        second_cluster=unit if two_way else None,
    )
    expected = of_pairs(predicted, gamma, weights, *labels)
    assert found.squared_error.point == pytest.approx(expected)
    by_row = calibration(predicted, gamma, bins=2, weights=weights)
    assert found.squared_error.point != pytest.approx(by_row.squared_error.point)


def test_noise_that_users_and_units_share_is_no_error() -> None:
    """A shift of 1, and rows of 40 users by 40 units whose own noise is of variance 1 each.

    Their means have a variance of 1/40 each, and so much too large is the squared error if pairs
    of one unit, or of one user and of one unit, are counted.
    """
    rng = np.random.default_rng(5)
    user, unit = (axis.ravel() for axis in np.indices((40, 40)))
    both, by_user, by_row = [], [], []
    for _ in range(1000):
        gamma = rng.normal(size=40)[user] + rng.normal(size=40)[unit]
        given: dict[str, Any] = {"predicted": np.full(1600, -1.0), "gamma": gamma, "bins": 1}
        both.append(calibration(**given, cluster=user, second_cluster=unit).squared_error.point)
        by_user.append(calibration(**given, cluster=user).squared_error.point)
        by_row.append(calibration(**given).squared_error.point)
    noise = np.std(both) / np.sqrt(1000)
    assert 4 * noise < 1 / 15
    assert abs(np.mean(both) - 1.0) < 4 * noise
    assert np.mean(by_user) - np.mean(both) == pytest.approx(1 / 40, rel=0.15)
    assert np.mean(by_row) - np.mean(both) == pytest.approx(2 / 40, rel=0.15)


@pytest.mark.parametrize("two_way", [True, False])
@pytest.mark.parametrize("bins", [2, 10])
@pytest.mark.parametrize("shift", [0.0, 0.1, 0.3])
def test_the_interval_holds_the_squared_error(two_way: bool, bins: int, shift: float) -> None:
    rng = np.random.default_rng(8)
    draws, held, negative = 200, 0, 0
    for _ in range(draws):
        user, unit = rng.integers(0, 100, 1000), rng.integers(0, 80, 1000)
        predicted = rng.normal(size=1000)
        gamma = predicted + shift * np.sign(predicted) + rng.normal(size=1000)
        labels: dict[str, Any] = {}
        if two_way:
            labels = {"cluster": user, "second_cluster": unit}
            gamma += 0.5 * rng.normal(size=100)[user] + 0.5 * rng.normal(size=80)[unit]
        found = calibration(predicted, gamma, bins=bins, **labels).squared_error
        held += found.low <= shift**2 <= found.high
        negative += found.point < 0
    assert 0.92 * draws <= held  # 95 % of the draws, less 2 standard errors
    if shift == 0:
        assert 0.4 * draws < negative < 0.8 * draws  # noise falls on both sides of 0


def test_a_higher_level_gives_a_wider_interval() -> None:
    rng = np.random.default_rng(9)
    given: dict[str, Any] = {"predicted": np.zeros(50), "gamma": rng.normal(size=50)}
    usual, wide = (calibration(**given, level=level).squared_error for level in (0.95, 0.99))
    assert wide.point == usual.point
    assert wide.low < usual.low < usual.high < wide.high
    with pytest.raises(ConfigError, match="level"):
        calibration(**given, level=1.0)


def test_a_bin_of_one_user_says_nothing() -> None:
    given: dict[str, Any] = {
        "predicted": [0.0, 0.0, 1.0, 1.0],
        "gamma": [2.0, 2.0, 5.0, 9.0],
        "bins": 2,
    }
    # the second bin has pairs of one user only; the first bin's rows are both off by 2
    assert calibration(**given, cluster=[0, 1, 2, 2]).squared_error.point == pytest.approx(4.0)
    assert np.isnan(calibration(**given, cluster=[0, 0, 2, 2]).squared_error.point)


def test_a_bin_of_one_row_has_no_standard_error() -> None:
    found = calibration([0.0, 1.0], [0.0, 1.0], bins=2)
    assert np.isnan(found.standard_error).all()
    assert np.isnan(found.squared_error.point)
    found = calibration([0.0, 0.0, 1.0], [3.0, 3.0, 9.0], bins=2)
    assert found.squared_error.point == pytest.approx(9.0)


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.floats(-5, 5), st.integers(0, 3)), min_size=1, max_size=15
    ).filter(lambda rows: any(row[2] for row in rows)),
    st.integers(1, 5),
)
def test_a_weight_of_two_is_two_rows(rows: list[tuple[int, float, int]], bins: int) -> None:
    p, g, w = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    counts = w.astype(int)
    one = calibration(p, g, bins=bins, weights=w)
    many = calibration(np.repeat(p, counts), np.repeat(g, counts), bins=bins)
    np.testing.assert_allclose(one.predicted, many.predicted, atol=1e-12)
    np.testing.assert_allclose(one.observed, many.observed, atol=1e-12)


def test_input_is_checked() -> None:
    with pytest.raises(ConfigError, match="bins"):
        calibration([0.0], [0.0], bins=0)
    with pytest.raises(RowError, match="predicted"):
        calibration([np.nan], [0.0])
    with pytest.raises(SchemaError, match="gamma"):
        calibration([0.0], [0.0, 1.0])
    with pytest.raises(RowError, match="2 clusters"):
        calibration([0.0, 1.0], [0.0, 1.0], cluster=[7, 7])
