from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal_ranker.errors import RowError, SchemaError
from causal_ranker.experiments.balance import balance
from causal_ranker.experiments.moments import Moments, Ratio, pooled


@settings(max_examples=30)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 9))
def test_parts_pool_to_the_whole(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [rng.normal(1e6 * rng.normal(), 1, (2, size)) for size in sizes]
    found = pooled(Moments.of_columns({"a": part[0], "b": part[1]}) for part in parts)
    whole = np.concatenate(parts, axis=1)
    assert found.count == whole.shape[1]
    np.testing.assert_allclose(found.mean, whole.mean(axis=1))
    expected = np.cov(whole) if found.count > 1 else np.zeros((2, 2))
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-9, atol=1e-9)


def test_gradients_are_those_of_small_steps() -> None:
    rng = np.random.default_rng(0)
    found = Moments.of_columns({"a": rng.exponential(size=9), "b": rng.exponential(size=9)})
    for ratio in (Ratio("a"), Ratio("a", "b"), Ratio("b", "b")):
        for at in range(2):
            moved = found.mean + np.eye(2)[at] * 1e-6
            later = Moments(found.columns, 9, moved, found.covariance).value(ratio)
            slope = (later - found.value(ratio)) / 1e-6
            assert found.gradient(ratio)[at] == pytest.approx(slope, abs=1e-4)


def test_what_is_said_twice_counts_once_in_the_balance() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, 500)) + rng.normal(size=500)
    columns = {"a": x[0], "b": x[1], "again": 1e3 * x[0] + 7, "alike": np.ones(500)}
    arms = [
        Moments.of_columns({name: column[at] for name, column in columns.items()})
        for at in (slice(200), slice(200, None))
    ]
    found = balance(*arms, [Ratio(name) for name in columns])
    once = balance(*arms, [Ratio("a"), Ratio("b")])
    assert found.p_value == pytest.approx(once.p_value, rel=1e-6)
    assert found.differences["alike"] == 0
    # Wald's test by hand
    from scipy.stats import chi2

    gap = x[:, :200].mean(axis=1) - x[:, 200:].mean(axis=1)
    error = np.cov(x[:, :200]) / 200 + np.cov(x[:, 200:]) / 300
    assert once.p_value == pytest.approx(chi2.sf(gap @ np.linalg.solve(error, gap), 2))


def test_bad_input_is_told() -> None:
    with pytest.raises(RowError, match="finite"):
        Moments.of_columns({"a": [1, np.nan]})
    with pytest.raises(SchemaError, match="2 rows"):
        Moments.of_columns({"a": [1, 2], "b": [1, 2, 3]})
