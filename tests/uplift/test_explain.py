"""Explanations add up, are Shapley's, and find what was planted."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig
from causal_ranker.errors import ConfigError, NotFittedError, RowError, SchemaError
from causal_ranker.uplift.base import Effect, Rows
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.explain import Contributions, permutation_importance, shap_values
from causal_ranker.uplift.nuisance import Nuisances
from causal_ranker.uplift.t import TLearner
from tests.uplift.worlds import CONFIG, NAMES, NUISANCE, draw


@pytest.fixture(scope="module")
def fitted() -> DRLearner:
    return DRLearner(config=CONFIG, seed=3).fit(draw(70, logged=True).rows)


@pytest.fixture(scope="module")
def later() -> Rows:
    return draw(71, logged=True).rows


@pytest.fixture(scope="module")
def scores(later: Rows) -> NDArray[np.float64]:
    values = Nuisances(config=NUISANCE, seed=4).fit(later).cross_fitted(later)
    return values.scores(later.treatment, later.outcome)


def test_contributions_add_up_to_the_prediction(fitted: DRLearner, later: Rows) -> None:
    holes = later.features[:500].copy()
    holes[::3, 1] = np.nan
    found = shap_values(fitted, holes, names=NAMES)
    assert found.values.shape == (500, 4)
    np.testing.assert_allclose(
        found.values.sum(axis=1) + found.base, fitted.predict(holes).point, rtol=0, atol=1e-12
    )
    none = shap_values(fitted, holes[:0], names=NAMES)
    assert none.values.shape == (0, 4)


def conditional(node: dict[str, Any], row: NDArray[np.float32], known: tuple[int, ...]) -> float:
    """Expect the tree's answer when only some features are known, branches by their rows."""
    if "leaf_value" in node:
        return float(node["leaf_value"])
    left, right = node["left_child"], node["right_child"]
    if node["split_feature"] in known:
        below = row[node["split_feature"]] <= node["threshold"]
        return conditional(left if below else right, row, known)
    sizes = [child.get("leaf_count", child.get("internal_count")) for child in (left, right)]
    both = [conditional(child, row, known) for child in (left, right)]
    return float(np.average(both, weights=sizes))


def test_they_are_shapleys_by_all_subsets(later: Rows) -> None:
    trees = BoostConfig(rounds=2, leaves=8, min_rows_leaf=50, feature_share=1.0)
    model = DRLearner(config=CONFIG.model_copy(update={"final": trees}), seed=3).fit(later)
    assert model.model_ is not None
    roots = [tree["tree_structure"] for tree in model.model_.dump_model()["tree_info"]]
    rows = later.features[:20]
    found = shap_values(model, rows, names=NAMES)
    for i, row in enumerate(rows):
        worth = {
            known: sum(conditional(root, row, known) for root in roots)
            for size in range(5)
            for known in combinations(range(4), size)
        }
        assert found.base == pytest.approx(worth[()], abs=1e-12)
        for j in range(4):
            expected = 0.0
            for known, value in worth.items():
                if j not in known:
                    share = factorial(len(known)) * factorial(3 - len(known)) / factorial(4)
                    expected += share * (worth[tuple(sorted((*known, j)))] - value)
            assert found.values[i, j] == pytest.approx(expected, abs=1e-12)


def test_the_planted_feature_leads_and_its_direction_is_told(
    fitted: DRLearner, later: Rows
) -> None:
    found = shap_values(fitted, later.features, names=NAMES)
    drivers = found.drivers(later.features, weight=later.weight)
    assert drivers[0].name == "x1"
    assert drivers[0].size > 4 * drivers[1].size
    assert drivers[0].direction > 0.7
    flipped = later.features * np.array([1, -1, 1, 1], dtype=np.float32)
    assert found.drivers(flipped, weight=later.weight)[0].direction < -0.7


def test_drivers_by_hand() -> None:
    x = np.array([[0, 5, 1, np.nan], [1, 5, 0, 2], [3, 5, 1, 4]], dtype=np.float32)
    values = np.array([[1.0, 0.5, 3.0, 9.0], [0.0, -0.5, -2.0, 0.2], [-2.0, 0.5, 1.0, 0.4]])
    w = np.array([1.0, 2.0, 1.0])
    found = Contributions(("a", "b", "c", "d"), values, 0.1)
    drivers = {driver.name: driver for driver in found.drivers(x, weight=w, categorical=("c",))}
    assert list(drivers) == ["d", "c", "a", "b"]
    sizes = [drivers[name].size for name in "abcd"]
    assert sizes == pytest.approx([3 / 4, 2 / 4, 8 / 4, 9.8 / 4])
    assert drivers["a"].direction == pytest.approx(-1)
    assert drivers["d"].direction == pytest.approx(1)
    assert np.isnan(drivers["b"].direction)
    assert np.isnan(drivers["c"].direction)


def test_what_cannot_be_split_is_refused(later: Rows) -> None:
    with pytest.raises(ConfigError, match=r"TLearner.*distill"):
        shap_values(TLearner(config=CONFIG, seed=3), later.features, names=NAMES)
    with pytest.raises(NotFittedError):
        shap_values(DRLearner(config=CONFIG, seed=3), later.features, names=NAMES)
    linear = CONFIG.final.model_copy(update={"linear": True})
    model = DRLearner(config=CONFIG.model_copy(update={"final": linear}), seed=3).fit(later)
    with pytest.raises(ConfigError, match="linear leaves"):
        shap_values(model, later.features, names=NAMES)


def importance(model: Any, rows: Rows, scores: NDArray[np.float64], **how: Any) -> Any:
    return permutation_importance(model, rows, scores=scores, **({"seed": 1} | how))


def test_the_planted_feature_is_missed_and_noise_is_not(
    fitted: DRLearner, later: Rows, scores: NDArray[np.float64]
) -> None:
    """A step of 0.35 at the middle: the miss rises by about twice its variance of 0.0306."""
    found = importance(fitted, later, scores)
    assert next(iter(found)) == "x1"
    assert found["x1"].low > 0
    assert found["x1"].low < 2 * 0.35**2 / 4 < found["x1"].high
    for name in ("x0", "x2", "x3"):
        assert abs(found[name].point) < 0.1 * found["x1"].point
        assert found[name].low < 0 < found[name].high + 1e-3
    # Works for a learner that is no single booster, too.
    other = importance(TLearner(config=CONFIG, seed=3).fit(draw(70).rows), later, scores)
    assert next(iter(other)) == "x1"


class Linear:
    """Says twice the first feature; the others are not looked at."""

    def fit(self, rows: Rows) -> Linear:
        return self

    def predict(self, features: NDArray[np.float32]) -> Effect:
        return Effect(point=2.0 * features[:, 0].astype(np.float64))


def test_it_is_the_loss_of_shuffled_rows(later: Rows) -> None:
    """Twice a standard normal, by itself against a copy: the loss rises by 4 x 2."""
    truth = 2.0 * later.features[:, 0].astype(np.float64)
    found = importance(Linear(), later, truth, repeats=20)
    assert found["x0"].low < 8.0 < found["x0"].high
    assert found["x0"].high - found["x0"].low < 1.0
    for name in NAMES[1:]:
        assert (found[name].point, found[name].standard_error) == (0.0, 0.0)


def test_misleading_features_fall_below_zero(later: Rows) -> None:
    against = -2.0 * later.features[:, 0].astype(np.float64)
    assert importance(Linear(), later, against)["x0"].high < 0


def test_weights_say_how_often_a_value_is_drawn(later: Rows) -> None:
    """A row misses by 2 where it gets the other value: chances go by weight."""
    x = np.zeros((1_000, 4), dtype=np.float32)
    x[:100, 0] = 1
    weight = np.where(x[:, 0] == 1, 4.0, 1.0)
    share = weight[:100].sum() / weight.sum()
    rows = replace(later.take(np.arange(1_000)), features=x, weight=weight)
    found = importance(Linear(), rows, 2.0 * x[:, 0], repeats=50)["x0"]
    assert found.point == pytest.approx(4 * 2 * share * (1 - share), rel=0.05)


def test_intervals_are_clustered(later: Rows) -> None:
    """Rows four times over: they are no more than they were, whoever holds them together."""
    n, four = 500, np.repeat(np.arange(500), 4)
    alone = np.arange(4 * n)
    rows = replace(later.take(four), unit=alone, user=alone)
    truth = 2.0 * rows.features[:, 0].astype(np.float64)

    def error(**ids: NDArray[np.int64]) -> float:
        found = importance(Linear(), replace(rows, **ids), truth, repeats=50)
        return float(found["x0"].standard_error)

    for together in ({"user": four, "unit": four}, {"user": four}, {"unit": four}):
        assert error(**together) == pytest.approx(2 * error(), rel=0.05)


def test_the_callers_rows_stay_and_seeds_decide(
    fitted: DRLearner, later: Rows, scores: NDArray[np.float64]
) -> None:
    before = later.features.copy()
    one, same, other = (importance(fitted, later, scores, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(later.features, before)
    assert one == same
    assert one != other
    some = importance(fitted, later, scores, names=("x2", "x0"))
    assert some == {name: one[name] for name in one if name in ("x0", "x2")}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"scores": np.array([np.nan] + [0.0] * 99)}, RowError),
        ({"scores": np.zeros(7)}, SchemaError),
        ({"repeats": 0}, ConfigError),
    ],
)
def test_bad_input(later: Rows, change: dict[str, Any], error: type[Exception]) -> None:
    rows = later.take(np.arange(100))
    with pytest.raises(error):
        permutation_importance(Linear(), rows, **({"scores": np.zeros(100), "seed": 0} | change))
