"""econml's own intervals, and its objects as they come, by the one door."""

from __future__ import annotations

from dataclasses import replace

import joblib
import numpy as np
import pandas as pd
import pytest
from econml.dr import LinearDRLearner
from econml.inference import BootstrapInference
from sklearn.base import clone
from sklearn.dummy import DummyClassifier

from causal_ranker.errors import ConfigError, NotFittedError, OverlapError
from causal_ranker.uplift.econml_adapter import EconMLLearner
from causal_ranker.uplift.estimator import UpliftEstimator
from causal_ranker.uplift.factory import make_learner
from tests.uplift.econml_direct import Oracle, direct, estimators
from tests.uplift.worlds import CONFIG
from tests.uplift.wrapped import categories, confounded, outcome_model


@pytest.mark.parametrize("name", ["econml_linear_dr", "econml_forest"])
def test_intervals_are_those_of_econml(name: str) -> None:
    rows = confounded().rows
    expected = estimators(Oracle())[name]
    direct(expected, rows)
    x = rows.features[:50]
    with joblib.parallel_config(backend="sequential"):
        low, high = expected.effect_interval(x.astype(float), alpha=0.2)
    model = make_learner(name, config=CONFIG, seed=3).fit(rows)
    assert isinstance(model, EconMLLearner)
    found = model.predict_interval(x, level=0.8)
    np.testing.assert_array_equal(found.point, model.predict(x).point)
    np.testing.assert_array_equal(found.low, low)
    np.testing.assert_array_equal(found.high, high)
    wider = model.predict_interval(x)
    assert wider.low is not None
    assert (wider.low < low).all()
    empty = model.predict_interval(x[:0])
    assert empty.low is not None
    assert empty.low.shape == (0,)


def test_intervals_by_another_inference() -> None:
    estimator = estimators(DummyClassifier())["econml_dr"]
    rows = confounded(n=600).rows
    plain = EconMLLearner(estimator, config=CONFIG).fit(rows)
    with pytest.raises(ConfigError, match="inference=BootstrapInference"):
        plain.predict_interval(rows.features)
    with pytest.raises(NotFittedError):
        EconMLLearner(estimator, config=CONFIG).predict_interval(rows.features)
    drawn = EconMLLearner(
        estimator, config=CONFIG, inference=BootstrapInference(n_bootstrap_samples=4, n_jobs=1)
    ).fit(rows)
    found = drawn.predict_interval(rows.features)
    assert found.low is not None
    assert found.high is not None
    assert (found.low <= found.high).all()
    assert (found.low < found.high).any()


def test_the_one_door_takes_an_estimator_and_looks_at_its_overlap() -> None:
    """By name or as an object: econml's answers, our propensities, refused where there is none."""
    rows = categories(confounded().rows)
    given = {"treatment": rows.treatment, "user": rows.user}
    table = pd.DataFrame(rows.features, columns=list(rows.names))
    built = LinearDRLearner(model_regression=outcome_model(), cv=2, random_state=3)
    door = UpliftEstimator(built, config=CONFIG, categorical_features=rows.categorical)
    found = clone(door).fit(table, rows.outcome, **given)
    direct = EconMLLearner(built, config=CONFIG, one_hot=True, own_propensity=False, seed=0)
    codes = replace(rows, propensity=np.full(len(rows), np.nan))
    expected = direct.fit(codes).predict_interval(rows.features)
    np.testing.assert_array_equal(found.predict(table), expected.point)
    effect = found.predict_effect(table)
    for end in ("point", "low", "high"):
        np.testing.assert_array_equal(getattr(effect, end), getattr(expected, end))
    assert not hasattr(built, "featurizer_")  # a copy was fitted
    shown = (rows.features[:, 0] > 0).astype(int)
    with pytest.raises(OverlapError, match="effective rows with T = 1"):
        door.fit(table, rows.outcome, treatment=shown, user=rows.user)


def test_an_estimator_without_intervals_gives_none() -> None:
    rows = confounded().rows
    door = UpliftEstimator("econml_dr", config=CONFIG)
    found = door.fit(rows.features, rows.outcome, treatment=rows.treatment, user=rows.user)
    effect = found.predict_effect(rows.features)
    assert effect.low is None
    assert effect.high is None
    np.testing.assert_array_equal(effect.point, found.predict(rows.features))
