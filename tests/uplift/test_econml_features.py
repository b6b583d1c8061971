"""econml behind our door: features that are missing, infinite or categories."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from econml.dr import DRLearner, LinearDRLearner
from sklearn.linear_model import LinearRegression

from causal_ranker.errors import (
    ConfigError,
    RowError,
)
from causal_ranker.uplift.econml_adapter import EconMLLearner
from causal_ranker.uplift.factory import make_learner
from tests.uplift.worlds import CONFIG
from tests.uplift.wrapped import (
    SPLITS,
    N,
    categories,
    confounded,
    final_model,
    outcome_model,
)


@pytest.mark.parametrize("name", ["econml_linear_dr", "econml_forest"])
def test_missing_features_are_refused_at_fit(name: str) -> None:
    rows = confounded().rows
    holes = rows.features.copy()
    holes[:7, 2] = np.nan
    with pytest.raises(RowError, match="7 of 2000 rows without in 'x2'"):
        make_learner(name, config=CONFIG).fit(replace(rows, features=holes))


@pytest.mark.parametrize("name", ["econml_dr", "econml_nonparam_dml"])
def test_missing_features_are_learned_from(name: str) -> None:
    """A feature that is missing where the effect is high is as good as the feature."""
    truth = confounded(4, n=8_000)
    holes = truth.rows.features.copy()
    holes[holes[:, 1] > 0, 1] = np.nan
    holes[holes[:, 1] <= 0, 1] = 5.0
    rows = replace(truth.rows, features=holes)
    found = make_learner(name, config=CONFIG, seed=3).fit(rows).predict(holes).point
    assert found[truth.tau > 0].mean() - found[truth.tau < 0].mean() == pytest.approx(
        0.35, abs=0.06
    )


def test_an_infinite_feature_is_refused() -> None:
    rows = confounded().rows
    far = rows.features.copy()
    far[3, 1] = np.inf
    model = make_learner("econml_dr", config=CONFIG)
    with pytest.raises(RowError, match="got 1 infinite of 2000 rows in column 'x1'"):
        model.fit(replace(rows, features=far))
    model.fit(rows)
    with pytest.raises(RowError, match="finite or missing; got 1 of 2000 rows without in 'x1'"):
        model.predict(far)


def test_missing_features_need_models_that_read_them() -> None:
    rows = confounded().rows
    holes = rows.features.copy()
    holes[0, 0] = np.nan
    estimator = DRLearner(
        model_regression=LinearRegression(), model_final=final_model(), allow_missing=True
    )
    with pytest.raises(RowError, match="none missing"):
        EconMLLearner(estimator, config=CONFIG).fit(replace(rows, features=holes))


@pytest.mark.parametrize("name", ["econml_dr", "econml_nonparam_dml"])
def test_categories_stay_categories(name: str) -> None:
    truth = confounded(5, n=8_000)
    rows = categories(truth.rows)
    model = make_learner(name, config=SPLITS, seed=3).fit(rows)
    found = model.predict(rows.features).point
    for step in (0.3, -0.05):
        assert found[truth.tau == step].mean() == pytest.approx(step, abs=0.06)
    inner = model._model  # type: ignore[attr-defined]
    final = inner.model_cate if name.endswith("dml") else inner.model_cate(T=1)
    assert "num_cat=0" not in final.booster_.model_to_string().split("Tree=1")[0]


@pytest.mark.parametrize("name", ["econml_linear_dr", "econml_forest"])
def test_a_final_stage_without_categories_has_a_column_for_each(name: str) -> None:
    truth = confounded(5, n=8_000)
    rows = categories(truth.rows)
    model = make_learner(name, config=SPLITS, seed=3).fit(rows)
    found = model.predict(rows.features).point
    for step in (0.3, -0.05):
        assert found[truth.tau == step].mean() == pytest.approx(step, abs=0.08)
    # a level that nobody has seen is read as the most frequent one
    unseen, usual = rows.features[:5].copy(), rows.features[:5].copy()
    levels, count = np.unique(rows.features[:, 3], return_counts=True)
    unseen[:, 3], usual[:, 3] = 77, levels[np.argmax(count)]
    np.testing.assert_array_equal(model.predict(unseen).point, model.predict(usual).point)


@pytest.mark.parametrize(
    ("estimator", "part"),
    [
        (LinearDRLearner(model_regression=outcome_model()), "final stage"),
        (LinearDRLearner(model_regression=LinearRegression()), "'model_regression'"),
        (DRLearner(model_regression=outcome_model(), model_final=LinearRegression()), "final"),
    ],
)
def test_codes_are_not_read_as_amounts(estimator: Any, part: str) -> None:
    one_hot = part == "'model_regression'"
    with pytest.raises(ConfigError, match=rf"{part}.*'x3'"):
        EconMLLearner(estimator, config=CONFIG, one_hot=one_hot).fit(categories(confounded().rows))


def test_a_category_of_very_many_levels_gets_no_columns() -> None:
    rows = confounded().rows
    features = rows.features.copy()
    features[:, 3] = np.arange(N) % 101
    many = replace(rows, features=features, categorical=("x3",))
    with pytest.raises(ConfigError, match="101 levels of 'x3'"):
        make_learner("econml_linear_dr", config=CONFIG).fit(many)
