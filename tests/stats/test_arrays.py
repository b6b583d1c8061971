from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from causal_ranker.errors import ConfigError, EmptyError, RowError, SchemaError
from causal_ranker.stats._arrays import (
    binary_vector,
    float_vector,
    positive_count,
    share,
    weight_vector,
)
from causal_ranker.stats._codes import clusterings, rank_vector, request_codes
from causal_ranker.stats.curves import autoc


def test_a_bad_row_is_named_with_column_count_and_position() -> None:
    with pytest.raises(RowError) as caught:
        float_vector([0.0, np.nan, 1.0, np.inf], name="gamma")
    assert caught.value.expected == "finite numbers in 'gamma'"
    assert caught.value.came == "'gamma' with 2 of 4 bad rows (row 1: nan, row 3: inf)"
    assert caught.value.do == "Fill or drop these rows."


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: float_vector(["a"], name="x"), SchemaError),
        (lambda: float_vector([[1.0]], name="x"), SchemaError),
        (lambda: float_vector(["1", "2"], name="x"), SchemaError),
        (lambda: float_vector(np.array([1, "2"], dtype=object), name="x"), SchemaError),
        (lambda: float_vector(np.array(["2026-01-01"], "datetime64[D]"), name="x"), SchemaError),
        (lambda: float_vector([1 + 2j], name="x"), SchemaError),
        (lambda: float_vector([], name="x"), EmptyError),
        (lambda: float_vector([np.nan], name="x", finite=False), RowError),
        (lambda: binary_vector([0, 1, 2], name="treatment"), RowError),
        (lambda: weight_vector([1.0, -1.0], size=2), RowError),
        (lambda: weight_vector([0.0, 0.0], size=2), EmptyError),
        (lambda: weight_vector([1.0], size=2), SchemaError),
        (lambda: rank_vector([1, 0]), RowError),
        (lambda: rank_vector([1.5]), RowError),
        (lambda: request_codes([0, -1]), RowError),
        (lambda: request_codes([0, 2, 2]), RowError),
        (lambda: request_codes([10**12]), RowError),
        (lambda: positive_count(0, name="k"), ConfigError),
        (lambda: positive_count(True, name="k"), ConfigError),
        (lambda: positive_count(1.5, name="k"), ConfigError),  # type: ignore[arg-type]
        (lambda: share(1.0, name="level"), ConfigError),
        (lambda: positive_count(1, name="k", least=2), ConfigError),
        (lambda: share(0.0, name="level"), ConfigError),
        (lambda: share(float("nan"), name="level"), ConfigError),
    ],
)
def test_impossible_input_is_refused(call: Callable[[], object], error: type[Exception]) -> None:
    with pytest.raises(error):
        call()


def test_what_lies_at_a_bound_is_taken() -> None:
    np.testing.assert_array_equal(float_vector([-np.inf, 1], name="x", finite=False), [-np.inf, 1])
    np.testing.assert_array_equal(weight_vector([0.0, 2.0], size=2), [0.0, 2.0])
    np.testing.assert_array_equal(weight_vector(None, size=3), np.ones(3))
    assert binary_vector([0, 1, True, 0.0], name="t").tolist() == [False, True, True, False]
    assert positive_count(1, name="k") == 1
    assert positive_count(np.int64(2), name="k", least=2) == 2  # type: ignore[arg-type]
    assert share(1e-9, name="level") == 1e-9


def test_three_bad_rows_are_shown_and_all_are_counted() -> None:
    with pytest.raises(RowError) as caught:
        binary_vector([0, 2, 3, 1, 4, 5], name="t")
    assert caught.value.came == "'t' with 4 of 6 bad rows (row 1: 2.0, row 2: 3.0, row 4: 4.0)"


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        ([0.5, 1.5], SchemaError),
        ([[1], [2]], SchemaError),
        ([1, 2, 3], SchemaError),
        (np.array(["a", None], dtype=object), RowError),
        (pd.Series(["a", None]), RowError),
        (["a", "a"], RowError),
        ([7, 7], RowError),
    ],
)
def test_impossible_clusters_are_refused(labels: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="cluster"):
        clusterings(labels, None, size=2, rows=np.arange(2))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "labels",
    [
        np.array([5, -3, 5, 9]),
        np.array([5, 0, 5, 9], dtype=np.uint8),
        ["b", "a", "b", "c"],
        pd.Series(["b", "a", "b", "c"]),
        np.array(["b", "a", "b", "c"], dtype=object),
        np.array([5, 1, 5, 9], dtype=object),
        np.array(["b", "a", "b", "c"], dtype=np.dtypes.StringDType()),
    ],
)
def test_clusters_may_be_integers_or_strings(labels: object) -> None:
    (way,) = clusterings(labels, None, size=4, rows=np.arange(4))  # type: ignore[arg-type]
    assert way.count == 3
    assert sorted(set(way.codes.tolist())) == [0, 1, 2]
    assert way.codes[0] == way.codes[2]
    assert len({*way.codes[[0, 1, 3]].tolist()}) == 3


def test_crossed_clusters_are_pairs_that_occur() -> None:
    _, _, both = clusterings(["a", "a", "b", "b"], [1, 1, 1, 2], size=4, rows=np.arange(4))
    assert both.count == 3
    assert both.codes[0] == both.codes[1]


def test_the_callers_arrays_are_not_changed() -> None:
    score, gamma, weights = np.array([2.0, 1.0, 2.0]), np.array([1.0, 0.0, 5.0]), np.ones(3)
    for array in (score, gamma, weights):
        array.setflags(write=False)
    assert autoc(score, gamma, weights=weights) > 0
