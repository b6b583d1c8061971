from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.errors import ConfigError, EmptyError, RowError
from causal_ranker.stats.weights import clip_weights, effective_sample_size

weights = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=30)


def test_closed_forms() -> None:
    assert effective_sample_size(np.ones(7)) == 7
    assert effective_sample_size([1, 0, 0, 0]) == 1
    assert effective_sample_size([3, 1]) == pytest.approx(16 / 10)


@given(weights, st.floats(1e-150, 1e150))
def test_between_one_and_n_and_free_of_scale(values: list[float], scale: float) -> None:
    size = effective_sample_size(values)
    assert 1 - 1e-9 <= size <= len(values) + 1e-9
    assert effective_sample_size(np.array(values) * scale) == pytest.approx(size, rel=1e-9)


def test_it_is_the_variance_ratio_it_claims_to_be() -> None:
    # Var(sum w y / sum w) = sum w^2 / (sum w)^2 for unit variances, and 1/m for m equal rows
    w = np.random.default_rng(0).exponential(size=40)
    assert effective_sample_size(w) == pytest.approx(1 / np.square(w / w.sum()).sum())


def test_clipping_says_what_it_did() -> None:
    w = np.array([1.0, 2.0, 50.0, 10.0])
    clipped = clip_weights(w, cap=10)
    np.testing.assert_array_equal(clipped.weights, [1, 2, 10, 10])
    assert clipped.share_clipped == 0.25
    assert clipped.effective_sample_size == effective_sample_size([1, 2, 10, 10])
    np.testing.assert_array_equal(w, [1, 2, 50, 10])


@given(weights, st.floats(1e-2, 1e2))
def test_clipping_twice_is_clipping_once(values: list[float], cap: float) -> None:
    once = clip_weights(values, cap=cap)
    twice = clip_weights(once.weights, cap=cap)
    np.testing.assert_array_equal(once.weights, twice.weights)
    assert twice.share_clipped == 0
    assert once.effective_sample_size >= effective_sample_size(values) * (1 - 1e-12)


def test_impossible_input_is_refused() -> None:
    with pytest.raises(EmptyError):
        effective_sample_size([])
    with pytest.raises(EmptyError):
        effective_sample_size([0.0, 0.0])
    with pytest.raises(RowError, match="weights"):
        clip_weights([1.0, -2.0], cap=1)
    with pytest.raises(ConfigError, match="cap"):
        clip_weights([1.0], cap=0)
    with pytest.raises(ConfigError, match="cap"):
        clip_weights([1.0], cap=float("nan"))
