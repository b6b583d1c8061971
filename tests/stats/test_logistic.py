"""Logistic regression: the optimum by its conditions and by scikit-learn, whatever the order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from causal_ranker.stats.logistic import fit_logistic, log_loss, probability

Array = NDArray[np.float64]


def problem(seed: int, *, n: int = 500, p: int = 6) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), rng.normal(size=(n, p - 1))])
    x[:, 1] += 0.8 * x[:, 2]  # columns that are not orthogonal
    odds = x @ rng.normal(size=p)
    y = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(np.float64)
    return x, y, rng.uniform(0.2, 3.0, n)


def slopes(x: Array, y: Array, w: Array, b: Array, *, l2: Array) -> Array:
    chance = 1 / (1 + np.exp(-(x @ b)))
    return np.asarray(x.T @ (w * (chance - y)) / w.sum() + l2 * b)


@given(st.integers(0, 10_000), st.floats(0, 0.2), st.floats(1e-4, 0.5))
@settings(max_examples=40, deadline=None)
def test_the_conditions_of_the_optimum_hold(seed: int, lasso: float, ridge: float) -> None:
    """A convex problem: where they hold, it is the answer."""
    x, y, w = problem(seed)
    l1, l2 = np.full(6, lasso), np.full(6, ridge)
    l1[0] = 0.0
    found = fit_logistic(x, y, weight=w, l1=l1, l2=l2)
    slope = slopes(x, y, w, found, l2=l2)
    zero = found == 0
    assert (np.abs(slope[zero]) <= l1[zero] + 1e-8).all()
    np.testing.assert_allclose(slope[~zero], -(l1 * np.sign(found))[~zero], atol=1e-8)


def test_scikit_learn_gives_the_same() -> None:
    from sklearn.linear_model import LogisticRegression

    x, y, w = problem(3)
    peer = LogisticRegression(C=1 / (0.03 * w.sum()), tol=1e-10, solver="newton-cholesky")
    peer.fit(x[:, 1:], y, sample_weight=w)
    l2 = np.r_[1e-12, np.full(5, 0.03)]
    found = fit_logistic(x, y, weight=w, l2=l2)
    np.testing.assert_allclose(found, [*peer.intercept_, *peer.coef_[0]], atol=1e-6)


def test_the_order_of_rows_changes_no_digit_that_matters() -> None:
    x, y, w = problem(4)
    order = np.random.default_rng(0).permutation(len(y))
    l1, l2 = np.r_[0, np.full(5, 0.02)], np.full(6, 0.02)
    one = fit_logistic(x, y, weight=w, l1=l1, l2=l2)
    other = fit_logistic(x[order], y[order], weight=w[order], l1=l1, l2=l2)
    np.testing.assert_allclose(one, other, atol=1e-10)


def test_a_weight_of_two_is_the_row_twice_and_its_scale_is_nothing() -> None:
    x, y, _ = problem(5)
    times = np.random.default_rng(1).integers(1, 3, len(y))
    l2 = np.full(6, 0.01)
    weighted = fit_logistic(x, y, weight=times * 7.0, l2=l2)
    twice = np.repeat(np.arange(len(y)), times)
    repeated = fit_logistic(x[twice], y[twice], weight=np.ones(len(twice)), l2=l2)
    np.testing.assert_allclose(weighted, repeated, atol=1e-9)


def test_an_offset_is_where_the_coefficients_begin() -> None:
    x, y, w = problem(6)
    l2 = np.full(6, 1e-9)
    whole = fit_logistic(x, y, weight=w, l2=l2)
    rest = fit_logistic(x, y, weight=w, l2=l2, offset=x @ (whole / 2))
    np.testing.assert_allclose(rest, whole / 2, atol=1e-5)


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_what_can_be_told_apart_has_an_answer(target: float) -> None:
    x = np.column_stack([np.ones(40), np.linspace(-1, 1, 40)])
    l2 = np.full(2, 1 / 40)
    apart = fit_logistic(x, (x[:, 1] > 0).astype(float), weight=np.ones(40), l2=l2)
    assert np.isfinite(apart).all()
    assert 2 < apart[1] < 10
    alone = fit_logistic(x, np.full(40, target), weight=np.ones(40), l2=l2)
    assert 2 < abs(alone[0]) < 10


def test_no_probability_is_0_or_1() -> None:
    found = probability(np.array([-1e6, -30.0, 0.0, 30.0, 1e6]))
    assert ((found > 0) & (found < 1)).all()
    assert found[2] == 0.5
    assert found[0] == found[1] == pytest.approx(np.exp(-30), rel=1e-6)


def test_log_loss_by_hand() -> None:
    found = log_loss(np.array([0.5, 0.2]), np.array([1, 0]), weight=np.array([1.0, 3.0]))
    assert found == pytest.approx((np.log(2) - 3 * np.log(0.8)) / 4)
