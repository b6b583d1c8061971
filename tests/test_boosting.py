"""Trees on plain arrays: what every model of the house trains through."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from causal_ranker import boosting
from causal_ranker.boosting import BinnedFeatures, BoostConfig, fit_trees, predict_trees
from causal_ranker.errors import ConfigError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2_000, 3)).astype(np.float32)
X[:, 2] = RNG.integers(0, 5, 2_000)
SMALL = BoostConfig(rounds=30, min_rows_leaf=20)


def fit(y: Any, *, x: Any = X, weight: Any = None, **other: Any) -> Any:
    settings = {"objective": "regression", "config": SMALL, "seed": 0, "categorical": []}
    return fit_trees(
        x,
        np.asarray(y, dtype=float),
        weight=np.ones(len(x)) if weight is None else weight,
        names=["a", "b", "c"],
        **(settings | other),
    )


def test_equal_input_gives_equal_trees() -> None:
    y = X[:, 0] + RNG.normal(size=2_000)
    one, again, other = (fit(y, seed=seed).model_to_string() for seed in (0, 0, 1))
    assert one == again
    assert one != other


def test_one_leaf_predicts_the_weighted_mean() -> None:
    """Too few rows for a split: the closed form of squared error and of log-loss."""
    y, w = RNG.integers(0, 2, 2_000), RNG.uniform(1, 5, 2_000)
    stump = BoostConfig(rounds=1, min_rows_leaf=2_000)
    mean = np.average(y, weights=w)
    for objective in ("regression", "binary"):
        model = fit(y, weight=w, objective=objective, config=stump)
        np.testing.assert_allclose(predict_trees(model, X), mean, rtol=1e-5)


def test_probabilities_are_calibrated() -> None:
    chance = 1 / (1 + np.exp(-2 * X[:, 0]))
    y = RNG.random(2_000) < chance
    found = predict_trees(fit(y, objective="binary"), X)
    assert ((found > 0) & (found < 1)).all()
    assert np.corrcoef(found, chance)[0, 1] > 0.9
    assert found.mean() == pytest.approx(y.mean(), abs=0.01)


def test_category_codes_have_no_order() -> None:
    """One split sets the middle code apart from both neighbours."""
    y = (X[:, 2] == 2).astype(float)
    one_split = BoostConfig(rounds=1, learning_rate=1.0, leaves=2, min_rows_leaf=5, feature_share=1)
    by_code, by_size = (
        predict_trees(fit(y, categorical=categorical, config=one_split), X)
        for categorical in (["c"], [])
    )
    assert by_code[y == 1].min() > by_code[y == 0].max() + 0.5
    assert by_size[y == 1].min() < by_size[y == 0].max() + 0.5


def test_missing_values_have_a_side_of_their_own() -> None:
    x = X.copy()
    x[:1_000, 0] = np.nan
    y = np.isnan(x[:, 0]).astype(float)
    found = predict_trees(fit(y, x=x), x)
    assert found[:1_000].min() > 0.9
    assert found[1_000:].max() < 0.1


def test_no_rows_to_predict() -> None:
    found = predict_trees(fit(X[:, 0]), X[:0])
    assert found.shape == (0,)
    assert found.dtype == np.float64


def test_the_memory_layout_does_not_matter() -> None:
    y = X[:, 0] * X[:, 1]
    one, other = fit(y), fit(y, x=np.asfortranarray(X))
    np.testing.assert_array_equal(predict_trees(one, X), predict_trees(other, np.asfortranarray(X)))


@pytest.mark.parametrize(
    "settings",
    [
        {"rounds": 0},
        {"learning_rate": 0},
        {"learning_rate": 1.1},
        {"leaves": 1},
        {"min_rows_leaf": 0},
        {"feature_share": 0},
        {"feature_share": 1.1},
        {"l2": -1},
        {"bins": 2},
        {"depth": 3},
    ],
)
def test_impossible_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        BoostConfig(**settings)


def test_rows_in_batches_give_the_same_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    x = np.asfortranarray(rng.normal(size=(5000, 4)).astype(np.float32))
    y = (rng.random(5000) < 0.3 + 0.2 * (x[:, 0] > 0)).astype(float)
    rows = np.flatnonzero(rng.random(5000) < 0.7)
    settings = {
        "rows": rows,
        "weight": rng.random(5000) + 0.5,
        "objective": "binary",
        "config": BoostConfig(rounds=5, min_rows_leaf=20),
        "names": list("abcd"),
        "categorical": [],
        "seed": 0,
    }
    whole = fit_trees(x, y, **settings)
    copied = fit_trees(
        x[rows], y[rows], **{**settings, "rows": None, "weight": settings["weight"][rows]}
    )
    monkeypatch.setattr(boosting, "_IN_MEMORY", 0)
    monkeypatch.setattr(boosting, "_BATCH", 257)
    batched = fit_trees(x, y, **settings)
    assert batched.model_to_string() == whole.model_to_string() == copied.model_to_string()
    assert np.array_equal(predict_trees(whole, x, rows=rows), predict_trees(whole, x[rows]))


@pytest.mark.parametrize("in_memory", [2**30, 0])
def test_columns_are_chosen_without_a_copy_of_the_matrix(
    in_memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boosting, "_IN_MEMORY", in_memory)
    monkeypatch.setattr(boosting, "_BATCH", 257)
    rng = np.random.default_rng(4)
    x = np.asfortranarray(rng.normal(size=(3000, 5)).astype(np.float32))
    y = (rng.random(3000) < 0.3 + 0.2 * (x[:, 3] > 0)).astype(float)
    rows, columns = np.flatnonzero(rng.random(3000) < 0.7), [3, 1]
    settings = {
        "weight": np.ones(3000),
        "objective": "binary",
        "config": BoostConfig(rounds=5, min_rows_leaf=20),
        "seed": 0,
    }

    def binned(matrix: Any, **how: Any) -> BinnedFeatures:
        return BinnedFeatures(matrix, categorical=["b"], config=SMALL, **how)

    copy = np.ascontiguousarray(x[:, columns])
    copied = binned(copy, names=["d", "b"]).fit(y, rows=rows, **settings)
    chosen = binned(x, names=list("abcde"), columns=columns).fit(y, rows=rows, **settings)
    assert chosen.feature_name() == ["d", "b"]
    assert chosen.model_to_string() == copied.model_to_string()
    expected = predict_trees(copied, x[:, columns])
    assert np.array_equal(predict_trees(chosen, x, columns=columns), expected)
    assert np.array_equal(predict_trees(chosen, x, rows=rows, columns=columns), expected[rows])


def test_fits_that_share_bins_do_not_meet() -> None:
    """Values are few, so that the bins of some rows are those of all of them."""
    rng = np.random.default_rng(6)
    x = rng.integers(0, 9, size=(3000, 2)).astype(np.float32)
    y, weight = rng.normal(size=3000) + (x[:, 0] > 4), rng.uniform(1, 9, 3000)
    some, one = np.flatnonzero(rng.random(3000) < 0.5), np.ones(3000)
    how = {"objective": "regression", "config": SMALL, "seed": 0}
    names = {"names": ["a", "b"], "categorical": []}
    shared = BinnedFeatures(x, config=SMALL, **names)
    for rows, weights in ((None, weight), (None, one), (some, weight), (some, one), (None, weight)):
        chosen = np.arange(3000) if rows is None else rows
        found = shared.fit(y, rows=rows, weight=weights, **how)
        alone = fit_trees(x[chosen], y[chosen], weight=weights[chosen], **how, **names)
        assert found.model_to_string() == alone.model_to_string()


def test_sparse_features_are_not_bundled() -> None:
    """A bundle made of all rows breaks fits on some: wrong splits, or the end of the process."""
    x = (np.random.default_rng(0).random((500, 3)) < 0.05).astype(np.float32)
    shared = BinnedFeatures(x, names=["a", "b", "c"], categorical=[], config=SMALL)
    found = shared.fit(
        x[:, 0].astype(float), weight=np.ones(500), objective="regression", config=SMALL, seed=0
    )
    assert "[enable_bundle: 0]" in found.model_to_string()


def test_leaves_of_any_size_share_bins() -> None:
    """LightGBM would drop a feature that no leaf of the first fit's size could split on."""
    x = np.zeros((1000, 1), dtype=np.float32)
    x[:5] = 1
    how = {"weight": np.ones(1000), "objective": "regression", "seed": 0}
    shared = BinnedFeatures(x, names=["a"], categorical=[], config=SMALL)
    coarse, fine = (
        shared.fit(x[:, 0].astype(float), config=BoostConfig(rounds=1, min_rows_leaf=size), **how)
        for size in (500, 2)
    )
    assert np.ptp(predict_trees(coarse, x)) == 0
    assert np.ptp(predict_trees(fine, x)) > 0


def test_linear_leaves_follow_a_slope() -> None:
    """Two leaves with a slope each, where two constants leave most of it."""
    y = np.where(X[:, 0] > 0, 2 * X[:, 0], -X[:, 0]).astype(float)
    two = BoostConfig(rounds=60, learning_rate=0.2, leaves=2, min_rows_leaf=50, feature_share=1)
    missed = {
        linear: np.sqrt(np.mean((predict_trees(model, X) - y) ** 2))
        for linear in (False, True)
        for model in [fit(y, config=two.model_copy(update={"linear": linear}))]
    }
    assert missed[True] < 0.1 < 0.5 * y.std()
    assert missed[True] < missed[False] / 2
    holes = X[:5].copy()
    holes[:, 0] = np.nan
    linear = fit(y, config=two.model_copy(update={"linear": True}))
    assert np.isfinite(predict_trees(linear, holes)).all()


def test_a_penalty_takes_the_slope_away() -> None:
    y = X[:, 0].astype(float)
    slopes = [
        np.polyfit(X[:, 0], predict_trees(fit(y, config=config), X), 1)[0]
        for penalty in (0.0, 1e9)
        for config in [
            BoostConfig(rounds=5, leaves=2, min_rows_leaf=50, linear=True, linear_l2=penalty)
        ]
    ]
    assert slopes[0] > slopes[1] + 0.05


@pytest.mark.parametrize("names", [["p[0]", "q:r", "s"], ["a b", "a_b", "c"]])
def test_names_that_lightgbm_cannot_write_are_numbers(names: list[str]) -> None:
    """A user's columns are called what they are called; the trees are the same."""
    rng = np.random.default_rng(5)
    x = np.column_stack([rng.integers(0, 4, 2000), rng.normal(size=(2000, 2))]).astype(np.float32)
    y = (x[:, 0] == 2) + 0.1 * x[:, 1].astype(float)

    def fit(names: list[str]) -> Any:
        return fit_trees(
            x,
            y,
            weight=np.ones(2000),
            objective="regression",
            config=BoostConfig(rounds=5, min_rows_leaf=20),
            names=names,
            categorical=names[:1],
            seed=0,
        )

    odd, plain = fit(names), fit(["u", "v", "w"])
    assert odd.feature_name() == ["Column_0", "Column_1", "Column_2"]
    assert plain.feature_name() == ["u", "v", "w"]
    np.testing.assert_array_equal(predict_trees(odd, x), predict_trees(plain, x))
    assert "num_cat=1" in odd.model_to_string()
