"""econml behind our door: its own answers, known propensities, whole users, and no silence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import pytest
from econml.dml import CausalForestDML, LinearDML, NonParamDML
from econml.dr import DRLearner, LinearDRLearner
from econml.metalearners import TLearner, XLearner
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GroupKFold, KFold

from causal_ranker.errors import (
    ConfigError,
    EmptyError,
    OverlapError,
    RowError,
)
from causal_ranker.uplift.base import UpliftModel
from causal_ranker.uplift.crossfit import user_fold
from causal_ranker.uplift.econml_adapter import EconMLLearner, UserFolds
from causal_ranker.uplift.factory import make_learner
from causal_ranker.uplift.nuisance import cross_fit
from tests.uplift.contract import UpliftModelContract
from tests.uplift.econml_direct import Oracle, direct, estimators
from tests.uplift.worlds import CONFIG, NUISANCE, Truth, draw
from tests.uplift.wrapped import (
    SETTINGS,
    N,
    categories,
    confounded,
    final_model,
    outcome_model,
)


class TestDRLearner(UpliftModelContract):
    def fresh(self) -> UpliftModel:
        return make_learner("econml_dr", config=self.config, seed=3)


class TestWithEstimatedPropensity(UpliftModelContract):
    logged = False
    least_correlation = 0.75  # other draws give 0.80 to 0.91, ours as well

    def fresh(self) -> UpliftModel:
        return make_learner("econml_dr", config=self.config, seed=3)


class TestNonParamDML(UpliftModelContract):
    def fresh(self) -> UpliftModel:
        return make_learner("econml_nonparam_dml", config=self.config, seed=3)


class TestLinearDRLearner(UpliftModelContract):
    reads_missing = False
    alone = 1e-12
    least_correlation = 0.7  # a line through a step

    def fresh(self) -> UpliftModel:
        return make_learner("econml_linear_dr", config=self.config, seed=3)

    def test_it_finds_the_step(self, fitted: UpliftModel, truth: Truth) -> None:
        """As a line can: the slope and the mean of the step."""
        new = draw(2)
        found = fitted.predict(new.rows.features).point
        assert np.corrcoef(found, new.tau)[0, 1] > self.least_correlation
        assert found.mean() == pytest.approx(new.tau.mean(), abs=self.bias)
        slope = np.polyfit(new.rows.features[:, 1], found, 1)[0]
        # E[x tau] of a standard normal x is the step times the normal density at 0.
        assert slope == pytest.approx(0.35 / np.sqrt(2 * np.pi), abs=0.03)


@pytest.mark.slow
class TestCausalForestDML(UpliftModelContract):
    reads_missing = False
    alone = 1e-12
    least_agreement = 0.99

    def fresh(self) -> UpliftModel:
        forest = CausalForestDML(
            model_y=LGBMRegressor(objective="binary", **SETTINGS),
            discrete_treatment=True,
            n_estimators=100,
            min_samples_leaf=50,
            cv=UserFolds(2, seed=3),
            random_state=3,
        )
        return EconMLLearner(forest, config=self.config, own_propensity=False, seed=3)


@pytest.mark.parametrize("name", list(estimators(None)))
def test_by_name_it_is_econml_told_the_true_propensities(name: str) -> None:
    """Bit by bit: the column of propensities is read by the model of T, and by no other."""
    rows = confounded().rows
    expected = direct(estimators(Oracle())[name], rows)
    found = make_learner(name, config=CONFIG, seed=3).fit(rows).predict(rows.features)
    np.testing.assert_array_equal(found.point, expected)
    assert found.low is None
    assert found.high is None


@pytest.mark.parametrize("family", ["dr", "dml"])
def test_models_that_econml_chooses_itself_are_those_it_would_choose(family: str) -> None:
    def built(**of_t: Any) -> Any:
        if family == "dr":
            return LinearDRLearner(random_state=3, cv=2, **of_t)
        return LinearDML(discrete_treatment=True, random_state=3, cv=2, **of_t)

    rows = confounded(n=1_000).rows
    expected = direct(
        built(**{"model_propensity" if family == "dr" else "model_t": Oracle()}), rows
    )
    found = EconMLLearner(built(), config=CONFIG).fit(rows).predict(rows.features).point
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_weights_go_where_econml_takes_them() -> None:
    rows = replace(confounded().rows, weight=np.random.default_rng(0).uniform(1, 5, N))
    expected = direct(estimators(Oracle())["econml_dr"], rows, sample_weight=rows.weight)
    model = make_learner("econml_dr", config=CONFIG, seed=3).fit(rows)
    np.testing.assert_array_equal(model.predict(rows.features).point, expected)
    even = make_learner("econml_dr", config=CONFIG, seed=3).fit(confounded().rows)
    assert np.abs(even.predict(rows.features).point - expected).max() > 0.01


def test_an_object_keeps_its_own_propensity_model_where_none_is_known() -> None:
    rows = draw(1, n=N).rows
    built = estimators(LogisticRegression())["econml_dr"]
    built.cv = 3  # econml's own folds, of whole users as groups are given
    expected = direct(estimators_with_cv(3), rows)
    model = EconMLLearner(built, config=CONFIG).fit(rows)
    np.testing.assert_array_equal(model.predict(rows.features).point, expected)
    assert model.share_outside_ == 0


def estimators_with_cv(folds: int) -> Any:
    built = estimators(LogisticRegression())["econml_dr"]
    built.cv = folds
    return built


def test_ours_take_its_place_where_it_may_not_estimate_its_own() -> None:
    rows = draw(1, n=N).rows
    shared = cross_fit(rows, config=NUISANCE, seed=3)
    given = make_learner("econml_dr", config=CONFIG, seed=3)
    given.fit(rows, nuisances=shared)  # type: ignore[call-arg]
    alone = make_learner("econml_dr", config=CONFIG, seed=3).fit(rows)
    logged = make_learner("econml_dr", config=CONFIG, seed=3).fit(
        replace(rows, propensity=shared.propensity)
    )
    expected = given.predict(rows.features).point
    np.testing.assert_array_equal(alone.predict(rows.features).point, expected)
    np.testing.assert_array_equal(logged.predict(rows.features).point, expected)


def wrong(family: str, **models: Any) -> Any:
    """An estimator whose models know nothing: constants everywhere."""
    folds: dict[str, Any] = {"cv": 2, "random_state": 0}
    if family == "dr":
        return DRLearner(
            model_propensity=DummyClassifier(),
            model_regression=DummyRegressor(),
            model_final=DummyRegressor(),
            **folds,
        )
    return NonParamDML(
        model_y=DummyRegressor(),
        model_t=DummyClassifier(),
        model_final=DummyRegressor(),
        discrete_treatment=True,
        **folds,
    )


@pytest.mark.parametrize("family", ["dr", "dml"])
def test_known_propensities_alone_undo_confounding(family: str) -> None:
    truth = confounded(8, n=20_000, tau=0.1)
    assert truth.naive > 0.17
    without = replace(truth.rows, propensity=np.full(len(truth.rows), np.nan))
    effects = [
        EconMLLearner(wrong(family), config=CONFIG).fit(rows).predict(rows.features[:1]).point[0]
        for rows in (truth.rows, without)
    ]
    assert effects[0] == pytest.approx(0.1, abs=0.02)
    assert effects[1] == pytest.approx(truth.naive, abs=0.02)


class Spy(LinearRegression):  # type: ignore[misc]
    """Notes how many columns it is shown."""

    widths: ClassVar[set[int]] = set()

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        self.widths.add(X.shape[1])
        super().fit(X, y, sample_weight)
        return self

    def predict(self, X: Any) -> Any:
        self.widths.add(X.shape[1])
        return super().predict(X)


@pytest.mark.parametrize(
    ("estimator", "columns"),
    [
        (LinearDRLearner(model_regression=Spy(), random_state=0), 5),  # four features and T
        (LinearDML(model_y=Spy(), discrete_treatment=True, random_state=0), 4),
        (LinearDML(model_y=[Spy(), Spy()], discrete_treatment=True, random_state=0), 4),
    ],
)
def test_models_of_the_outcome_never_see_the_propensity(estimator: Any, columns: int) -> None:
    Spy.widths.clear()
    EconMLLearner(estimator, config=CONFIG).fit(confounded().rows)
    assert Spy.widths == {columns}


def test_a_classifier_of_the_outcome_is_asked_for_probabilities() -> None:
    rows = confounded().rows
    effects = []
    for binary, model in ((True, LGBMClassifier(**SETTINGS)), (False, outcome_model())):
        estimator = NonParamDML(
            model_y=model,
            model_t=DummyClassifier(),
            model_final=final_model(),
            discrete_treatment=True,
            discrete_outcome=binary,
            cv=UserFolds(2, seed=3),
        )
        learner = EconMLLearner(estimator, config=CONFIG).fit(rows)
        effects.append(learner.predict(rows.features).point)
    np.testing.assert_allclose(effects[0], effects[1], atol=1e-9)


@pytest.mark.parametrize("kind", ["count", "continuous"])
def test_counts_and_amounts(kind: str) -> None:
    truth = confounded(3, n=8_000)
    rng = np.random.default_rng(0)
    amounts = truth.rows.outcome * (rng.poisson(2.0, 8_000) + 1.0)
    rows = replace(truth.rows, outcome=amounts if kind == "count" else amounts / 7)
    config = CONFIG.model_copy(update={"nuisance": NUISANCE.model_copy(update={"kind": kind})})
    found = make_learner("econml_dr", config=config, seed=3).fit(rows).predict(rows.features)
    unit = 3.0 if kind == "count" else 3.0 / 7
    for step in (0.3, -0.05):
        assert found.point[truth.tau == step].mean() == pytest.approx(step * unit, abs=0.12 * unit)


def test_the_callers_estimator_is_left_alone() -> None:
    estimator = estimators(LogisticRegression())["econml_dr"]
    before = dict(vars(estimator))
    inner = {name: dict(vars(before[name])) for name in ("model_regression", "model_final")}
    EconMLLearner(estimator, config=CONFIG).fit(categories(confounded().rows))
    assert vars(estimator) == before
    assert {name: vars(before[name]) for name in inner} == inner


def test_folds_hold_out_whole_users() -> None:
    user = np.array([f"user {each}" for each in np.random.default_rng(0).integers(0, 50, 500)])
    treatment = np.arange(500) % 2
    ours = user_fold(user, 3, seed=7)
    for f, (seen, held_out) in enumerate(UserFolds(3, seed=7).split(None, treatment, user)):
        np.testing.assert_array_equal(held_out, np.flatnonzero(ours == f))
        assert len(seen) + len(held_out) == 500
        assert not set(user[seen]) & set(user[held_out])


def test_few_users_are_refused() -> None:
    one = np.zeros(10, dtype=int)
    with pytest.raises(EmptyError, match="1 users"):
        list(UserFolds(2, seed=0).split(None, np.arange(10) % 2, one))
    arm_by_user = np.arange(40) // 20
    with pytest.raises(EmptyError, match="both arms"):
        list(UserFolds(2, seed=0).split(None, arm_by_user, arm_by_user))


def test_groups_reach_a_splitter_of_groups() -> None:
    rows = replace(draw(1, n=N, logged=True).rows)
    estimator = estimators(LogisticRegression())["econml_linear_dr"]
    estimator.cv = GroupKFold(3)
    rows = replace(rows, user=rows.user.astype(str), unit=rows.user.astype(str))
    expected = direct(_oracle_with(GroupKFold(3)), rows)
    model = EconMLLearner(estimator, config=CONFIG).fit(rows)
    np.testing.assert_array_equal(model.predict(rows.features).point, expected)


def _oracle_with(folds: Any) -> Any:
    estimator = estimators(Oracle())["econml_linear_dr"]
    estimator.cv = folds
    return estimator


@pytest.mark.parametrize(
    ("estimator", "said"),
    [
        (LinearDML(), "discrete_treatment=True"),
        (LinearDML(discrete_treatment=True, cv=KFold(2)), "GroupKFold"),
        (XLearner(models=LinearRegression()), "'propensity_model' is asked about later rows"),
    ],
)
def test_what_would_answer_another_question_is_refused(estimator: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        EconMLLearner(estimator, config=CONFIG).fit(confounded().rows)


def test_counts_are_not_taken_for_labels() -> None:
    rows = confounded().rows
    estimator = LinearDML(discrete_treatment=True, discrete_outcome=True)
    counts = CONFIG.model_copy(update={"nuisance": NUISANCE.model_copy(update={"kind": "count"})})
    with pytest.raises(RowError, match="up to 5"):
        EconMLLearner(estimator, config=counts).fit(replace(rows, outcome=rows.outcome * 5))


def test_weights_that_nobody_reads_are_refused() -> None:
    rows = replace(confounded().rows, weight=np.linspace(1, 2, N))
    for estimator in (
        TLearner(models=LinearRegression()),
        LinearDRLearner(model_regression=_Unweighted()),
    ):
        with pytest.raises(ConfigError, match="reads no weights"):
            EconMLLearner(estimator, config=CONFIG).fit(rows)
    even = replace(rows, weight=np.full(N, 3.0))
    EconMLLearner(TLearner(models=LinearRegression()), config=CONFIG).fit(even)


class _Unweighted:
    def fit(self, X: Any, y: Any) -> Self:
        return self


def test_a_t_learner_needs_no_propensity() -> None:
    rows = confounded().rows
    model = EconMLLearner(TLearner(models=LinearRegression()), config=CONFIG).fit(rows)
    x, t = rows.features.astype(float), rows.treatment
    arms = [
        LinearRegression().fit(x[t == arm], rows.outcome[t == arm]).predict(x) for arm in (0, 1)
    ]
    np.testing.assert_allclose(model.predict(rows.features).point, arms[1] - arms[0], atol=1e-9)


def test_units_that_are_not_users_need_propensities_held_out_by_both() -> None:
    rows = draw(1, n=N).rows
    by_item = replace(rows, unit=np.arange(N) % 40)
    built = estimators(LogisticRegression())["econml_linear_dr"]
    with pytest.raises(ConfigError, match="own_propensity=False"):
        EconMLLearner(built, config=CONFIG, seed=3).fit(by_item)
    ours = EconMLLearner(built, config=CONFIG, own_propensity=False, seed=3).fit(by_item)
    shared = cross_fit(by_item, config=NUISANCE, seed=3).propensity
    logged = EconMLLearner(built, config=CONFIG, seed=3).fit(replace(by_item, propensity=shared))
    x = rows.features
    np.testing.assert_array_equal(ours.predict(x).point, logged.predict(x).point)


def test_rows_without_overlap_are_left_out_and_counted() -> None:
    rows = confounded().rows
    e = rows.propensity
    narrow = CONFIG.model_copy(update={"lowest_propensity": 0.2})
    model = make_learner("econml_linear_dr", config=narrow, seed=3).fit(rows)
    kept = (e >= 0.2) & (e <= 0.8)
    only = make_learner("econml_linear_dr", config=CONFIG, seed=3).fit(rows.take(kept))
    x = rows.features
    np.testing.assert_array_equal(model.predict(x).point, only.predict(x).point)
    assert model.share_outside_ == pytest.approx((~kept).mean())  # type: ignore[attr-defined]
    with pytest.raises(OverlapError, match=r"T = \d"):
        make_learner("econml_dr", config=CONFIG).fit(replace(rows, propensity=np.full(N, 0.999)))


def test_the_choice_about_overlap_is_kept_and_said() -> None:
    """Weights e (1 - e) where the loss has none of its own, and the words of our own learners."""
    rows = confounded().rows
    e = rows.propensity
    chosen = CONFIG.model_copy(update={"overlap": "overlap_weights"})
    weighted = make_learner("econml_linear_dr", config=chosen, seed=3).fit(rows)
    by_hand = make_learner("econml_linear_dr", config=CONFIG, seed=3)
    by_hand.fit(replace(rows, weight=e * (1 - e)))
    x = rows.features
    np.testing.assert_allclose(weighted.predict(x).point, by_hand.predict(x).point, atol=1e-12)
    for theirs, ours in (("econml_linear_dr", "dr"), ("econml_nonparam_dml", "r")):
        said = {make_learner(name, config=chosen).fit(rows).estimand_ for name in (theirs, ours)}  # type: ignore[attr-defined]
        assert len(said) == 1
        assert "weighted by e (1 - e)" in said.pop()
    plain = make_learner("econml_nonparam_dml", config=chosen, seed=3).fit(rows)
    trimmed = make_learner("econml_nonparam_dml", config=CONFIG, seed=3).fit(rows)
    np.testing.assert_array_equal(plain.predict(x).point, trimmed.predict(x).point)
