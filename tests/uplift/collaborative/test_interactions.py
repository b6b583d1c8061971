"""Pairs: what they refuse, and how matrices become pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from causal_ranker.errors import CausalRankerError, ConfigError, RowError, SchemaError
from causal_ranker.uplift.collaborative.interactions import Interactions, from_dense


def pairs(**changes: Any) -> Interactions:
    values: dict[str, Any] = {
        "user": np.array([0, 0, 2], dtype=np.int32),
        "item": np.array([1, 3, 1], dtype=np.int32),
        "exposed": np.array([True, True, False]),
        "played": np.array([True, False, True]),
        "propensity": np.array([0.5, np.nan, 0.2]),
        "n_users": 3,
        "n_items": 4,
    }
    return Interactions(**values | changes)


def test_good_pairs_are_kept_as_they_are() -> None:
    data = pairs()
    assert len(data) == 3
    assert data.keys.tolist() == [1, 3, 9]
    assert data.keys.dtype == np.int64


def test_keys_do_not_run_over() -> None:
    last = np.array([99_999], dtype=np.int32)
    one = np.ones(1, np.bool_)
    data = Interactions(last, last, one, one, np.full(1, 0.5), 100_000, 100_000)
    assert data.keys.tolist() == [10**10 - 1]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"user": np.array([0, 0, 3], np.int32)}, RowError, r"user codes from 0 to 2; got 1 of 3"),
        ({"item": np.array([-1, 3, 1], np.int32)}, RowError, r"item codes from 0 to 3.*\[-1\]"),
        (
            {"item": np.array([1, 1, 1], np.int32)},
            RowError,
            r"each pair .* once; got 1 of 3 .*\[1\]",
        ),
        ({"propensity": np.array([0.5, 1, 0])}, RowError, r"strictly between 0 and 1.* got 2 of 3"),
        ({"propensity": np.array([0.5, np.inf, 0.1])}, RowError, r"1 of 3 .*\[inf\]"),
        ({"played": np.array([True, False, False])}, RowError, "shown, played, or both; got 1 of"),
        ({"user": np.array([0, 0, 2])}, SchemaError, "an array of int32 as 'user' .* got int64"),
        ({"played": np.array([1, 0, 1])}, SchemaError, "an array of bool as 'played'"),
        ({"exposed": [True, True, False]}, SchemaError, "as 'exposed' .* got list"),
        ({"propensity": np.array([0.5])}, SchemaError, r"there are 3 users; got shape \(1,\)"),
        ({"n_users": 0}, ConfigError, "a whole number of at least 1 as n_users; got 0"),
        ({"n_items": 4.0}, ConfigError, "as n_items; got 4.0"),
        ({"n_items": True}, ConfigError, "as n_items; got True"),
    ],
)
def test_pairs_that_cannot_be_are_refused(
    changes: dict[str, Any], error: type[CausalRankerError], message: str
) -> None:
    with pytest.raises(error, match=message):
        pairs(**changes)


@given(st.data(), st.integers(1, 6), st.integers(1, 6))
def test_matrices_there_and_back(data: st.DataObject, users: int, items: int) -> None:
    flags = arrays(np.bool_, (users, items))
    exposed, played = data.draw(flags), data.draw(flags)
    propensity = np.arange(1, users * items + 1).reshape(users, items) / (users * items + 1)
    found = from_dense(exposed, played, propensity=propensity)
    assert len(found) == (exposed | played).sum()
    back = np.zeros((3, users, items))
    at = found.user, found.item
    back[0][at], back[1][at], back[2][at] = found.exposed, found.played, found.propensity
    np.testing.assert_array_equal(back[0], exposed)
    np.testing.assert_array_equal(back[1], played)
    np.testing.assert_array_equal(back[2], np.where(exposed | played, propensity, 0))
    assert np.isnan(from_dense(exposed, played).propensity).all()


@pytest.mark.parametrize(
    ("exposed", "played", "propensity"),
    [
        (np.ones((2, 3), np.bool_), np.ones((3, 2), np.bool_), None),
        (np.ones((2, 3), np.bool_), np.ones((2, 3), np.bool_), np.full(3, 0.5)),
        (np.ones(3, np.bool_), np.ones(3, np.bool_), None),
    ],
)
def test_matrices_of_other_shapes_are_refused(exposed: Any, played: Any, propensity: Any) -> None:
    with pytest.raises(SchemaError, match="matrices of one shape, users by items"):
        from_dense(exposed, played, propensity=propensity)


def test_matrices_of_numbers_are_not_taken_for_flags() -> None:
    with pytest.raises(SchemaError, match=r"bool as 'exposed' .* got int64"):
        from_dense(np.ones((2, 2), np.int64), np.ones((2, 2), np.bool_))
