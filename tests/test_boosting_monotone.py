"""Monotone constraints: kept exactly, in the order of the features, and never silently dropped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from causal_ranker.boosting import BinnedFeatures, BoostConfig, fit_trees, predict_trees
from causal_ranker.errors import ConfigError

RNG = np.random.default_rng(5)
N = 1_500
X = RNG.normal(size=(N, 3)).astype(np.float32)
X[:, 2] = RNG.integers(0, 4, N)
#: Up, down and up again along b; noise enough to make the rest uneven, too.
Y = np.sin(3 * X[:, 1]) + X[:, 0] + RNG.normal(size=N)


def fit(objective: Any = "regression", y: Any = Y, **monotone: Any) -> Any:
    return fit_trees(
        X,
        y,
        weight=np.ones(N),
        objective=objective,
        config=BoostConfig(rounds=25, leaves=15, min_rows_leaf=5, monotone=monotone),
        names=["a", "b", "c"],
        categorical=["c"],
        seed=0,
    )


def along(model: Any, row: NDArray[np.float32], column: int) -> NDArray[np.float64]:
    """Predict copies of a row that differ in one feature, in its order."""
    copies = np.tile(row, (201, 1))
    copies[:, column] = np.linspace(-4, 4, 201)
    return predict_trees(model, copies)


FREE = fit()
#: Each constraint by itself, and both; the binary model by its probabilities.
KEPT = {
    "rising": (fit(b=1), [(1, 1)]),
    "falling": (fit(b=-1), [(1, -1)]),
    "both": (fit(a=-1, b=1), [(0, -1), (1, 1)]),
    "binary": (fit("binary", (Y > 0).astype(float), b=1), [(1, 1)]),
}
ROWS = st.tuples(st.floats(-4, 4, width=32), st.floats(-4, 4, width=32), st.integers(0, 5)).map(
    lambda values: np.array(values, dtype=np.float32)
)


@pytest.mark.parametrize("which", KEPT)
@settings(max_examples=50, deadline=None)
@given(row=ROWS)
def test_predictions_are_monotone_from_any_row(which: str, row: NDArray[np.float32]) -> None:
    model, directions = KEPT[which]
    for column, sign in directions:
        assert (sign * np.diff(along(model, row, column)) >= 0).all()


def test_without_a_constraint_they_are_not() -> None:
    steps = np.diff(along(FREE, X[0], 1))
    assert (steps > 0).any()
    assert (steps < 0).any()


def test_the_constrained_feature_still_counts() -> None:
    assert np.ptp(along(KEPT["rising"][0], X[0], 1)) > 0.5


def test_where_none_is_named_none_is_passed() -> None:
    """The text says which parameters a model was fitted by."""
    assert "[monotone_constraints: ]" in FREE.model_to_string()
    assert "[monotone_constraints: 0,1,0]" in KEPT["rising"][0].model_to_string()


def test_constraints_follow_the_columns_that_are_kept() -> None:
    config = BoostConfig(rounds=25, leaves=15, min_rows_leaf=5, monotone={"b": 1})
    binned = BinnedFeatures(
        X, names=["a", "b", "c"], categorical=["c"], config=config, columns=[2, 1]
    )
    how: Any = {"weight": np.ones(N), "objective": "regression", "seed": 0}
    model = binned.fit(Y, config=config, **how)
    assert model.feature_name() == ["c", "b"]
    assert (np.diff(along(model, X[0][[2, 1]], 1)) >= 0).all()
    with pytest.raises(ConfigError, match="fitted on: c, b; got 'a'"):
        binned.fit(Y, config=config.model_copy(update={"monotone": {"a": 1}}), **how)


def test_models_with_and_without_constraints_share_bins() -> None:
    trees = BoostConfig(rounds=25, leaves=15, min_rows_leaf=5)
    binned = BinnedFeatures(X, names=["a", "b", "c"], categorical=["c"], config=trees)
    how: Any = {"weight": np.ones(N), "objective": "regression", "seed": 0}
    one = binned.fit(Y, config=trees.model_copy(update={"monotone": {"b": 1}}), **how)
    free = binned.fit(Y, config=trees, **how)
    assert one.model_to_string() == KEPT["rising"][0].model_to_string()
    assert free.model_to_string() == FREE.model_to_string()


@pytest.mark.parametrize(
    ("monotone", "message"),
    [
        ({"d": 1}, "fitted on: a, b, c; got 'd'"),
        ({"e": 1, "b": 1, "d": -1}, "got 'd', 'e'"),
        ({"c": 1}, "got 'c', which hold category codes"),
    ],
)
def test_what_cannot_be_monotone_is_refused(monotone: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        fit(**monotone)


def test_linear_leaves_keep_no_order_and_are_refused() -> None:
    with pytest.raises(ConfigError, match="both"):
        BoostConfig(linear=True, monotone={"a": 1})


@pytest.mark.parametrize("direction", [0, 2, 0.5, "up"])
def test_directions_are_up_or_down(direction: Any) -> None:
    with pytest.raises(ConfigError, match="monotone"):
        BoostConfig(monotone={"a": direction})
