from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from causal_ranker.errors import CausalRankerError, ConfigError, EmptyError, RowError, SchemaError
from causal_ranker.evaluation.rows import EvaluationRows
from tests.evaluation.sample import make_rows, take

ROWS = make_rows()
SIZE = ROWS.request.size


def spoilt(name: str, value: float, *, row: int | None = None) -> Any:
    """A copy of one column with one value changed, in a primary row unless told otherwise."""
    vector = getattr(ROWS, name).copy()
    vector[np.flatnonzero(ROWS.primary)[0] if row is None else row] = value
    return vector


def spoilt_rank(value: int, *, row: int) -> dict[str, Any]:
    ranks = {name: vector.copy() for name, vector in ROWS.rank.items()}
    ranks["uplift"][row] = value
    return ranks


OUTSIDE = int(np.flatnonzero(~ROWS.primary)[0])
INSIDE = int(np.flatnonzero(ROWS.primary)[0])


def test_views_of_the_sample() -> None:
    sampled = [row for row in range(SIZE) if ROWS.sample_weight[row] > 0]
    inside = [row for row in sampled if ROWS.rank["base"][row] > 0]
    assert ROWS.sampled.tolist() == sampled
    assert ROWS.curve_rows.tolist() == inside
    assert 0 < len(inside) < len(sampled) < SIZE


def test_one_clustering_where_units_are_users() -> None:
    assert ROWS.second_cluster is ROWS.unit
    assert replace(ROWS, unit=ROWS.user.copy()).second_cluster is None


def test_values_of_rows_without_overlap_do_not_matter() -> None:
    for name in ("gamma", "uplift", "base_score", "outcome"):
        replace(ROWS, **{name: spoilt(name, np.nan, row=OUTSIDE)})


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"rank": {}}, ConfigError, "at least one policy"),
        ({"gamma": ROWS.gamma[:-1]}, SchemaError, r"shape \(\d+,\) in 'gamma'"),
        ({"gamma": ROWS.gamma.tolist()}, SchemaError, "class 'list'"),
        ({"uplift": ROWS.uplift.astype(np.float32)}, SchemaError, "float64 in 'uplift'"),
        ({"user": ROWS.user.astype(float)}, SchemaError, "integers or strings in 'user'"),
        ({"request": ROWS.request.astype(float)}, SchemaError, "integers in 'request'"),
        ({"rank": {"base": ROWS.gamma}}, SchemaError, r"integers in 'rank\['base'\]'"),
        ({"requests": 0}, ConfigError, "requests = 0"),
        ({"requests": ROWS.requests - 1}, RowError, r"codes in 0 \.\. 34"),
        ({"requests": ROWS.requests + 2}, RowError, "2 of 38 requests without a row"),
        ({"rank": spoilt_rank(-1, row=INSIDE)}, RowError, "ranks from 1"),
        ({"rank": spoilt_rank(7, row=OUTSIDE)}, RowError, "one primary candidate set"),
        ({"rank": spoilt_rank(0, row=INSIDE)}, RowError, "one primary candidate set"),
        ({"treatment": spoilt("treatment", 0.5)}, RowError, "treatments of 0 or 1"),
        ({"treatment": spoilt("treatment", np.nan)}, RowError, "treatments of 0 or 1"),
        ({"propensity": spoilt("propensity", 1.0)}, RowError, "give them rank 0"),
        ({"propensity": spoilt("propensity", np.nan)}, RowError, "1 of"),
        ({"propensity": spoilt("propensity", -0.1, row=OUTSIDE)}, RowError, "-0.1"),
        ({"propensity": spoilt("propensity", 1.1, row=OUTSIDE)}, RowError, "1.1"),
        ({"propensity": spoilt("propensity", 0.0)}, RowError, "give them rank 0"),
        ({"request": spoilt("request", -1)}, RowError, "codes in 0"),
        ({"treatment": spoilt("treatment", -1.0)}, RowError, "treatments of 0 or 1"),
        ({"sample_weight": spoilt("sample_weight", np.inf)}, RowError, "finite weights"),
        ({"total_gamma": ROWS.gamma.astype(np.float32)}, SchemaError, "float64 in 'total_gamma'"),
        ({"total_gamma": spoilt("gamma", np.nan)}, RowError, "numbers in 'total_gamma'"),
        ({"sample_weight": spoilt("sample_weight", -1.0)}, RowError, "weights of 0 or more"),
        ({"sample_weight": np.zeros(SIZE)}, EmptyError, "0 sampled rows"),
        ({"gamma": spoilt("gamma", np.nan)}, RowError, "finite numbers in 'gamma'"),
        ({"outcome": spoilt("outcome", np.inf)}, RowError, "finite numbers in 'outcome'"),
        ({"uplift": spoilt("uplift", np.nan)}, RowError, "finite numbers in 'uplift'"),
        ({"base_score": spoilt("base_score", np.nan)}, RowError, "finite numbers in 'base_score'"),
    ],
)
def test_bad_rows_are_refused(
    changes: dict[str, Any], error: type[CausalRankerError], message: str
) -> None:
    with pytest.raises(error, match=message):
        replace(ROWS, **changes)


def test_three_bad_rows_are_shown_and_all_are_counted() -> None:
    weight = np.where(np.arange(SIZE) < 5, -1.0, ROWS.sample_weight)
    with pytest.raises(RowError) as caught:
        replace(ROWS, sample_weight=weight)
    shown = "row 0: -1.0, row 1: -1.0, row 2: -1.0"
    assert caught.value.came == f"'sample_weight' with 5 of {SIZE} bad rows ({shown})"


def test_values_at_their_bounds_are_taken() -> None:
    for value in (0.0, 1.0):  # no overlap, and outside of every primary set
        replace(ROWS, propensity=spoilt("propensity", value, row=OUTSIDE))
        replace(ROWS, treatment=spoilt("treatment", value))
    replace(ROWS, propensity=spoilt("propensity", 1e-9))
    replace(ROWS, total_gamma=ROWS.gamma)


def test_no_rows_at_all() -> None:
    with pytest.raises(EmptyError, match="at least one row"):
        take(ROWS, np.array([], dtype=np.int64))


def test_the_callers_arrays_are_not_copied() -> None:
    fields = {name: getattr(ROWS, name) for name in EvaluationRows.__dataclass_fields__}
    assert EvaluationRows(**fields).gamma is ROWS.gamma
