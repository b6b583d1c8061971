from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.errors import ConfigError, OverlapError, RowError, SchemaError
from causal_ranker.stats.overlap import overlap_summary, standardised_mean_differences
from causal_ranker.stats.weights import effective_sample_size


def test_shares_counts_and_sizes() -> None:
    e = np.array([0.01, 0.02, 0.5, 0.5, 0.98, 0.99, 1.0])
    t = np.array([0, 1, 1, 0, 1, 1, 1])
    w = np.array([1.0, 1.0, 2.0, 1.0, 1.0, 1.0, 3.0])
    found = overlap_summary(e, t, low=0.02, high=0.98, weights=w)
    assert found.share_below == pytest.approx(0.1)
    assert found.share_inside == pytest.approx(0.5)  # the bounds themselves are inside
    assert found.share_above == pytest.approx(0.4)
    assert found.bin_edges.shape == (51,)
    assert found.treated_counts.sum() == 8
    assert found.control_counts.sum() == 2
    assert found.treated_counts[25] == 2
    assert found.treated_counts[-1] == 5  # .98, .99 and 1
    assert found.ess_treated == pytest.approx(effective_sample_size([1 / 0.02, 2 / 0.5, 1 / 0.98]))
    assert found.ess_control == pytest.approx(1.0)


def test_an_arm_with_nothing_inside_has_size_zero() -> None:
    found = overlap_summary([0.0, 1.0], [0, 1], low=0.1, high=0.9)
    assert (found.ess_treated, found.ess_control, found.share_inside) == (0.0, 0.0, 0.0)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_shares_sum_to_one_and_a_weight_of_two_is_two_rows(rows: list[tuple[float, bool]]) -> None:
    e, t = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    once = overlap_summary(e, t, low=0.2, high=0.7, weights=np.full(e.size, 2.0))
    twice = overlap_summary(np.repeat(e, 2), np.repeat(t, 2), low=0.2, high=0.7)
    assert once.share_inside + once.share_below + once.share_above == pytest.approx(1)
    assert once.share_inside == pytest.approx(twice.share_inside)
    np.testing.assert_array_equal(once.treated_counts, twice.treated_counts)
    np.testing.assert_array_equal(once.control_counts, twice.control_counts)


def test_overlap_input_is_checked() -> None:
    with pytest.raises(RowError, match="propensity"):
        overlap_summary([1.2], [1], low=0.1, high=0.9)
    for low, high in ((0.9, 0.1), (0.0, 0.9), (0.1, 1.0)):
        with pytest.raises(ConfigError, match="low"):
            overlap_summary([0.5], [1], low=low, high=high)


def test_differences_by_loops() -> None:
    rng = np.random.default_rng(3)
    x, t, w = rng.normal(size=(60, 4)), rng.integers(0, 2, 60), rng.exponential(size=60)
    x[rng.random(x.shape) < 0.2] = np.nan
    expected = []
    for j in range(4):
        arms = []
        for arm in (1, 0):
            rows = [i for i in range(60) if t[i] == arm and not np.isnan(x[i, j])]
            mean = sum(w[i] * x[i, j] for i in rows) / sum(w[i] for i in rows)
            plain = sum(x[i, j] for i in rows) / len(rows)
            arms.append((mean, sum((x[i, j] - plain) ** 2 for i in rows) / len(rows)))
        (m1, v1), (m0, v0) = arms
        expected.append((m1 - m0) / np.sqrt((v1 + v0) / 2))
    np.testing.assert_allclose(standardised_mean_differences(x, t, weights=w), expected)


def test_closed_forms() -> None:
    t = np.array([1, 1, 0, 0])
    x = np.array(
        [
            [3.0, 0.1, 1.0, np.nan, 1.0],
            [1.0, 0.1, 1.0, np.nan, 3.0],
            [1.0, 0.1, 2.0, 1.0, 3.0],
            [-1.0, 0.1, 2.0, 2.0, 1.0],
        ]
    )
    found = standardised_mean_differences(x, t)
    np.testing.assert_allclose(found, [2.0, 0.0, -np.inf, np.nan, 0.0])


def test_inverse_propensities_balance_a_confounder() -> None:
    x = np.repeat([0.0, 1.0], 500)
    e = np.where(x == 1, 0.8, 0.2)
    t = np.tile(np.arange(500) % 5, 2) < np.where(x == 1, 4, 1)
    table = x[:, None]
    assert standardised_mean_differences(table, t)[0] == pytest.approx(0.6 / 0.4)
    balanced = standardised_mean_differences(table, t, weights=np.where(t, 1 / e, 1 / (1 - e)))
    assert balanced[0] == pytest.approx(0, abs=1e-12)


@given(st.floats(0.01, 100), st.floats(-100, 100))
def test_differences_do_not_depend_on_the_unit(scale: float, shift: float) -> None:
    rng = np.random.default_rng(4)
    x, t = rng.normal(size=(30, 1)), np.arange(30) % 2
    before = standardised_mean_differences(x, t)
    np.testing.assert_allclose(
        standardised_mean_differences(x * scale + shift, t), before, rtol=1e-6, atol=1e-9
    )
    np.testing.assert_allclose(standardised_mean_differences(x, 1 - t), -before)


def test_difference_input_is_checked() -> None:
    with pytest.raises(OverlapError, match="both arms"):
        standardised_mean_differences([[1.0], [2.0]], [1, 1])
    with pytest.raises(SchemaError, match="shape"):
        standardised_mean_differences([1.0, 2.0], [1, 0])
    with pytest.raises(SchemaError, match="numeric"):
        standardised_mean_differences([["a"], ["b"]], [1, 0])
    with pytest.raises(SchemaError, match="rows"):
        standardised_mean_differences([[1.0]], [1, 0])
