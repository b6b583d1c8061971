"""Scores of two recommenders on one scale."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.coldstart.common_scale import CommonScale
from causal_ranker.errors import RowError

numbers = st.lists(st.integers(-1000, 1000), min_size=3, max_size=20, unique=True)


@given(numbers, numbers)
def test_mean_and_spread_are_those_of_the_other_and_no_order_moves(
    one: list[int], other: list[int]
) -> None:
    size = min(len(one), len(other))
    scores, onto = np.array(one[:size], dtype=float), np.array(other[:size], dtype=float)
    moved = CommonScale.between(scores, onto)(scores)
    np.testing.assert_allclose([moved.mean(), moved.std()], [onto.mean(), onto.std()], atol=1e-9)
    np.testing.assert_array_equal(np.argsort(moved), np.argsort(scores))


@pytest.mark.parametrize(
    ("scores", "onto"),
    [([1, 2], [1, 2, 3]), ([], []), ([1, 1], [1, 2]), ([1, 2], [5, 5]), ([1, np.nan], [1, 2])],
)
def test_what_has_no_scale_is_refused(scores: list[float], onto: list[float]) -> None:
    with pytest.raises(RowError):
        CommonScale.between(scores, onto)
