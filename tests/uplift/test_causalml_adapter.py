"""causalml behind our door: its own answers, known propensities, and no silence."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from lightgbm import LGBMClassifier
from numpy.typing import NDArray
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression

from causal_ranker.boosting import fit_trees, predict_trees
from causal_ranker.errors import ConfigError, RowError
from causal_ranker.stats.hashing import uniform_hash
from causal_ranker.uplift.base import Rows, UpliftModel
from causal_ranker.uplift.causalml_adapter import CausalMLLearner, importing_causalml
from causal_ranker.uplift.estimator import UpliftEstimator
from causal_ranker.uplift.factory import make_learner
from causal_ranker.uplift.nuisance import NuisanceValues, cross_fit
from tests.uplift.contract import UpliftModelContract
from tests.uplift.worlds import CONFIG, NUISANCE, TREES, draw
from tests.uplift.wrapped import (
    SETTINGS,
    SPLITS,
    N,
    categories,
    confounded,
    final_model,
    outcome_model,
)

with importing_causalml():
    from causalml.inference.meta import (
        BaseDRRegressor,
        BaseRClassifier,
        BaseRRegressor,
        BaseSRegressor,
        BaseTRegressor,
        BaseXClassifier,
        BaseXRegressor,
    )
    from causalml.inference.tree import UpliftRandomForestClassifier, UpliftTreeClassifier


class TestXLearner(UpliftModelContract):
    reads_weights = False

    def fresh(self) -> UpliftModel:
        return make_learner("causalml_x", config=self.config, seed=3)


class TestRLearner(UpliftModelContract):
    def fresh(self) -> UpliftModel:
        return make_learner("causalml_r", config=self.config, seed=3)

    def test_a_weight_of_two_is_the_row_twice(self) -> None:
        """Nearly: its outcome models read no weights."""
        self.least_agreement = 0.99
        super().test_a_weight_of_two_is_the_row_twice()


@pytest.mark.slow
class TestUpliftForest(UpliftModelContract):
    reads_weights = False
    least_agreement = 0.99
    bias = 0.06  # three levels of splits; from some of which the features that matter are left out

    def fresh(self) -> UpliftModel:
        forest = UpliftRandomForestClassifier(
            control_name="control",
            n_estimators=64,
            max_depth=3,
            min_samples_leaf=400,
            random_state=3,
        )
        return CausalMLLearner(forest, config=self.config, seed=3)

    def test_an_outcome_in_other_units_has_effects_in_them(self) -> None:
        """A classifier has no units: amounts are refused."""
        rows = confounded().rows
        amounts = replace(rows, outcome=rows.outcome + 0.5)
        with pytest.raises(RowError, match="outcome of 0 or 1 for UpliftRandomForestClassifier"):
            self.fresh_with(kind="continuous").fit(amounts)


def later(rows: Rows) -> NDArray[np.float64]:
    """The propensity of later rows, as the adapter says that it learns it."""
    odds = fit_trees(
        rows.features,
        np.log(rows.propensity / (1 - rows.propensity)),
        weight=rows.weight,
        objective="regression",
        config=TREES,
        names=rows.names,
        categorical=(),
        seed=3,
    )
    return np.asarray(1 / (1 + np.exp(-predict_trees(odds, rows.features))))


def test_an_x_learner_by_name_is_causalml_told_the_propensities() -> None:
    rows = confounded().rows
    x = rows.features.astype(np.float64)
    built = BaseXRegressor(
        control_outcome_learner=outcome_model(),
        treatment_outcome_learner=outcome_model(),
        control_effect_learner=final_model(),
        treatment_effect_learner=final_model(),
    )
    built.fit(x, treatment=rows.treatment, y=rows.outcome.astype(float), p=rows.propensity)
    expected = built.predict(x, p=later(rows))[:, 0]
    model = make_learner("causalml_x", config=CONFIG, seed=3).fit(rows)
    np.testing.assert_array_equal(model.predict(rows.features).point, expected)


def test_the_propensity_of_later_rows_is_close_to_the_truth() -> None:
    rows = confounded(n=8_000).rows
    assert np.abs(later(rows) - rows.propensity).max() < 0.12
    assert np.abs(later(rows) - rows.propensity).mean() < 0.02


def test_an_r_learner_by_name_is_causalml_told_the_propensities() -> None:
    given = replace(confounded().rows, weight=np.random.default_rng(0).uniform(1, 5, N))
    # It makes folds by position, and must not see in which order the rows came.
    by_name = [given.features[:, place] for place in range(4)]
    users = uniform_hash(given.user, salt="order-3")
    rows = given.take(np.lexsort((*by_name, given.outcome, users)))
    x = rows.features.astype(np.float64)
    built = BaseRRegressor(
        outcome_learner=outcome_model(), effect_learner=final_model(), n_fold=2, random_state=3
    )
    built.cv_n_jobs = 1
    built.fit(
        x,
        treatment=rows.treatment,
        y=rows.outcome.astype(float),
        p=rows.propensity,
        sample_weight=rows.weight,
    )
    model = make_learner("causalml_r", config=CONFIG, seed=3).fit(given)
    np.testing.assert_array_equal(model.predict(rows.features).point, built.predict(x)[:, 0])


def even(rows: Rows) -> NuisanceValues:
    """Nuisances that take T for randomised."""
    half = np.full(len(rows), 0.5)
    return NuisanceValues(propensity=half, outcome_treated=half, outcome_control=half)


def test_a_forest_of_randomised_rows_is_causalml_as_it_is() -> None:
    rows = confounded().rows
    built = UpliftRandomForestClassifier(control_name="c", n_estimators=10, random_state=3)
    names = np.where(rows.treatment == 1, "t", "c")
    plain = UpliftRandomForestClassifier(control_name="c", n_estimators=10, random_state=3)
    plain.fit(rows.features, treatment=names, y=rows.outcome)
    model = CausalMLLearner(built, config=CONFIG, seed=3).fit(rows, nuisances=even(rows))
    expected = plain.predict(rows.features)[:, 0]
    np.testing.assert_array_equal(model.predict(rows.features).point, expected)
    assert not hasattr(built, "estimators_")


def test_a_forest_undoes_confounding_by_known_propensities() -> None:
    truth = confounded(8, n=20_000, tau=0.1)
    # one level of splits, so that the forest cannot undo it by itself
    forest = UpliftRandomForestClassifier(
        control_name="control", n_estimators=20, max_depth=1, random_state=0
    )
    found = CausalMLLearner(forest, config=CONFIG, seed=3).fit(truth.rows)
    blind = CausalMLLearner(forest, config=CONFIG, seed=3)
    blind.fit(truth.rows, nuisances=even(truth.rows))
    x = truth.rows.features
    assert found.predict(x).point.mean() == pytest.approx(0.1, abs=0.025)
    assert blind.predict(x).point.mean() > 0.15


def test_known_propensities_alone_undo_confounding() -> None:
    """An R-learner whose outcome model knows nothing, beside one that takes T for randomised."""
    truth = confounded(8, n=20_000, tau=0.1)
    knows_nothing = BaseRRegressor(
        outcome_learner=DummyRegressor(), effect_learner=LinearRegression(), random_state=0
    )
    x = truth.rows.features
    found = CausalMLLearner(knows_nothing, config=CONFIG).fit(truth.rows)
    blind = CausalMLLearner(knows_nothing, config=CONFIG)
    blind.fit(truth.rows, nuisances=even(truth.rows))
    assert found.predict(x).point.mean() == pytest.approx(0.1, abs=0.02)
    assert blind.predict(x).point.mean() == pytest.approx(truth.naive, abs=0.02)


def test_propensities_that_nobody_logged_are_ours() -> None:
    """Cross-fitted by user and by unit, and not estimated by causalml."""
    rows = replace(draw(1, n=N).rows, unit=np.arange(N) % 40)
    shared = cross_fit(rows, config=NUISANCE, seed=3).propensity
    alone = make_learner("causalml_r", config=CONFIG, seed=3).fit(rows)
    logged = make_learner("causalml_r", config=CONFIG, seed=3).fit(replace(rows, propensity=shared))
    x = rows.features
    np.testing.assert_array_equal(alone.predict(x).point, logged.predict(x).point)


@pytest.mark.parametrize(
    "estimator",
    [
        BaseXClassifier(outcome_learner=LGBMClassifier(**SETTINGS), effect_learner=final_model()),
        BaseRClassifier(outcome_learner=LGBMClassifier(**SETTINGS), effect_learner=final_model()),
        BaseSRegressor(learner=outcome_model()),
        BaseTRegressor(learner=outcome_model()),
        BaseDRRegressor(learner=final_model()),
        BaseTRegressor(learner=outcome_model(), control_name="nobody"),
        UpliftTreeClassifier(control_name="nobody", max_depth=3, min_samples_leaf=400),
    ],
    ids=lambda each: f"{type(each).__name__}-{each.control_name}",
)
def test_estimators_as_objects(estimator: Any) -> None:
    truth = confounded(2, n=8_000)
    before = dict(vars(estimator))
    found = CausalMLLearner(estimator, config=CONFIG).fit(truth.rows).predict(truth.rows.features)
    assert vars(estimator) == before
    # the weaker ones keep some of the confounding; none mixes up the arms
    assert np.corrcoef(found.point, truth.tau)[0, 1] > 0.5
    assert found.point.mean() == pytest.approx(truth.tau.mean(), abs=0.08)


def test_weights_that_nobody_reads_are_refused() -> None:
    rows = replace(confounded().rows, weight=np.linspace(1, 2, N))
    for name in ("causalml_x", "causalml_forest"):
        with pytest.raises(ConfigError, match=r"reads no weights; got weights from 1 to 2"):
            make_learner(name, config=CONFIG).fit(rows)


def test_counts_are_not_taken_for_labels() -> None:
    rows = confounded().rows
    counts = CONFIG.model_copy(update={"nuisance": NUISANCE.model_copy(update={"kind": "count"})})
    with pytest.raises(RowError, match="UpliftRandomForestClassifier; got values up to 5"):
        make_learner("causalml_forest", config=counts).fit(replace(rows, outcome=rows.outcome * 5))


def test_missing_features_need_models_that_read_them() -> None:
    rows = confounded().rows
    holes = rows.features.copy()
    holes[:3, 2] = np.nan
    rows = replace(rows, features=holes)
    with pytest.raises(RowError, match="3 of 2000 rows without in 'x2'"):
        CausalMLLearner(BaseTRegressor(learner=LinearRegression()), config=CONFIG).fit(rows)
    for name in ("causalml_r", "causalml_forest"):
        learner = make_learner(name, config=CONFIG).fit(rows)
        assert np.isfinite(learner.predict(holes).point).all()


@pytest.mark.parametrize("name", ["causalml_x", "causalml_r", "causalml_forest"])
def test_categories_stay_categories(name: str) -> None:
    truth = confounded(5, n=8_000)
    rows = categories(truth.rows)
    found = make_learner(name, config=SPLITS, seed=3).fit(rows).predict(rows.features).point
    for step in (0.3, -0.05):
        assert found[truth.tau == step].mean() == pytest.approx(step, abs=0.1)


def test_an_s_learner_finds_its_categories_behind_the_treatment() -> None:
    rows = categories(confounded(5, n=8_000).rows)
    model = CausalMLLearner(BaseSRegressor(learner=outcome_model()), config=CONFIG).fit(rows)
    (inner,) = model._model.models.values()
    assert inner.get_params()["cat_feature"] == [4]
    with pytest.raises(ConfigError, match="one_hot=True"):
        CausalMLLearner(BaseTRegressor(learner=LinearRegression()), config=CONFIG).fit(rows)


def test_nothing_is_said_of_citations_on_import(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("duecredit")
    with importing_causalml():
        logger.error("no module of citations")
    assert caplog.records == []
    logger.error("later")
    assert len(caplog.records) == 1


def test_the_one_door_takes_an_estimator() -> None:
    rows = confounded().rows
    built = BaseTRegressor(learner=outcome_model())
    expected = CausalMLLearner(built, config=CONFIG, one_hot=True, seed=0).fit(rows)
    door = UpliftEstimator(built, config=CONFIG)
    door.fit(
        rows.features,
        rows.outcome,
        treatment=rows.treatment,
        user=rows.user,
        propensity=rows.propensity,
    )
    x = rows.features
    np.testing.assert_array_equal(door.predict(x), expected.predict(x).point)
    own = type("Mine", (BaseTRegressor,), {})(learner=outcome_model())
    np.testing.assert_array_equal(
        make_learner(own, config=CONFIG).fit(rows).predict(x).point, door.predict(x)
    )
