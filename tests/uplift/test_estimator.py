"""The scikit-learn door: a citizen of its conventions, and the learner behind it unchanged."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.validation import check_is_fitted

from causal_ranker.boosting import BoostConfig
from causal_ranker.errors import (
    ConfigError,
    DataError,
    EmptyError,
    NotFittedError,
    RowError,
    SchemaError,
)
from causal_ranker.uplift.auto import SMALL_TREES
from causal_ranker.uplift.base import Effect, Rows
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.estimator import UpliftEstimator
from causal_ranker.uplift.final import LearnerConfig
from causal_ranker.uplift.intervals import HalfSampleConfig, HalfSampleIntervals
from causal_ranker.uplift.levels import LevelLearner
from causal_ranker.uplift.nuisance import NuisanceConfig
from causal_ranker.uplift.s import SLearner
from tests.fresh import loaded_by
from tests.uplift.test_levels import arms
from tests.uplift.worlds import draw

TREES = BoostConfig(rounds=15, learning_rate=0.2, leaves=6, min_rows_leaf=50, feature_share=1.0)
NUISANCE = NuisanceConfig(outcome=TREES, propensity=TREES)
CONFIG = LearnerConfig(final=TREES, nuisance=NUISANCE)
TRUTH = draw(61, n=4_000)
ROWS = TRUTH.rows
NAMES = ["start", "taste", "mood", "noise"]
X = pd.DataFrame(ROWS.features, columns=NAMES)
FIT: dict[str, Any] = {"treatment": ROWS.treatment, "user": ROWS.user}


def model(learner: Any = "dr", **settings: Any) -> UpliftEstimator:
    return UpliftEstimator(learner, **{"config": CONFIG, "random_state": 3, **settings})


@pytest.fixture(scope="module")
def fitted() -> UpliftEstimator:
    return model().fit(X, ROWS.outcome, **FIT)


@pytest.fixture(scope="module")
def devices() -> pd.DataFrame:
    """Effects differ by a text column and by nothing else."""
    code = np.random.default_rng(4).integers(0, 6, len(X))
    return X.assign(device=np.array(["tv", "web", "phone", "car", "fridge", "watch"])[code])


def outcome(device: pd.Series) -> NDArray[np.int8]:
    rng = np.random.default_rng(5)
    effect = np.where(device.isin(["web", "car", "watch"]), 0.5, 0.0)
    return (rng.random(len(device)) < 0.2 + effect * ROWS.treatment).astype(np.int8)


def test_parameters_as_in_scikit_learn() -> None:
    settings = {
        "learner": "x",
        "config": CONFIG,
        "outcome": "count",
        "random_state": 7,
        "unseen": "missing",
        "control": "none",
        "categorical_features": ["device"],
        "intervals": HalfSampleConfig(draws=4),
        "progress": True,
    }
    estimator = UpliftEstimator(**settings)
    assert estimator.get_params() == settings
    assert clone(estimator).get_params() == settings
    assert estimator.set_params(learner="r", control=0) is estimator
    assert (estimator.learner, estimator.control) == ("r", 0)
    assert set(UpliftEstimator().get_params()) == set(settings)
    with pytest.raises(ValueError, match="slots"):
        estimator.set_params(slots=3)


def test_it_is_the_learner_behind_it(fitted: UpliftEstimator) -> None:
    weight, e = np.random.default_rng(1).uniform(1, 3, len(ROWS)), TRUTH.propensity
    given = {"sample_weight": weight, "unit": ROWS.user // 2, "propensity": e}
    rows = replace(ROWS, weight=weight, unit=ROWS.user // 2, propensity=e)
    for door, behind in (
        (fitted, ROWS),
        (model().fit(X, ROWS.outcome, **FIT, **given), rows),
    ):
        alone = DRLearner(config=CONFIG, seed=3).fit(behind).predict(ROWS.features).point
        np.testing.assert_array_equal(door.predict(X), alone)
    assert isinstance(fitted.predict_effect(X), Effect)
    np.testing.assert_array_equal(fitted.predict_effect(X).point, fitted.predict(X))


def test_what_fit_leaves(fitted: UpliftEstimator) -> None:
    check_is_fitted(fitted)
    assert fitted.n_features_in_ == 4
    assert fitted.feature_names_in_.tolist() == NAMES
    assert fitted.levels_ == (1,)
    assert isinstance(fitted.learner_, DRLearner)
    again = clone(fitted).fit(ROWS.features, ROWS.outcome, **FIT)
    assert not hasattr(again, "feature_names_in_")
    np.testing.assert_array_equal(again.predict(ROWS.features), fitted.predict(X))
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))


@pytest.mark.parametrize("name", ["constant", "s", "t", "x", "r", "dr", "econml_dr"])
def test_every_name_finds_the_effect(name: str) -> None:
    found = model(name).fit(X, ROWS.outcome, **FIT).predict(X)
    assert found.shape == (len(X),)
    if name == "constant":
        assert np.ptp(found) == 0
        assert found[0] == pytest.approx(TRUTH.tau.mean(), abs=0.05)
    else:
        assert np.corrcoef(found, TRUTH.tau)[0, 1] > 0.7


def test_columns_are_found_by_name_in_any_order(fitted: UpliftEstimator) -> None:
    np.testing.assert_array_equal(fitted.predict(X[NAMES[::-1]]), fitted.predict(X))
    with pytest.raises(SchemaError, match=r"without \['mood'\]"):
        fitted.predict(X.drop(columns="mood"))
    with pytest.raises(SchemaError, match=r"with \['more'\] besides"):
        fitted.predict(X.assign(more=1))


def test_categories_stay_categories_end_to_end(devices: pd.DataFrame) -> None:
    """Of six unordered levels three have an effect: codes read as numbers would need five cuts."""
    y = outcome(devices["device"])
    small = {"category_l2": 1.0, "category_smoothing": 1.0, "leaves": 2, "rounds": 20}
    trees = TREES.model_copy(update=small)
    config = CONFIG.model_copy(update={"final": trees})
    found = model(config=config).fit(devices, y, **FIT)
    assert list(found.categories_) == ["device"]
    text = found.learner_.model_.model_to_string()
    assert "num_cat=1" in text
    effect = found.predict(devices)
    likes = devices["device"].isin(["web", "car", "watch"])
    assert effect[likes].mean() - effect[~likes].mean() == pytest.approx(0.5, abs=0.1)
    for table in (
        devices.astype({"device": "category"}),
        devices.astype({"device": object}),
        pl.from_pandas(devices),
    ):
        again = clone(found).fit(table, y, **FIT)
        np.testing.assert_array_equal(again.predict(table), effect)
        np.testing.assert_array_equal(again.predict(devices), effect)
    new = devices.assign(device="radio")
    with pytest.raises(SchemaError, match=r"'radio' in column 'device' \(4000 of 4000 rows\)"):
        found.predict(new)
    lenient = clone(found).set_params(unseen="missing").fit(devices, y, **FIT)
    with pytest.warns(UserWarning, match="'radio'"):
        unknown = lenient.predict(new)
    np.testing.assert_array_equal(unknown, found.predict(devices.assign(device=None)))


def test_missing_values_stay_missing() -> None:
    """Where x1 is missing the effect is large: a model that filled it in could not tell."""
    rng = np.random.default_rng(6)
    gone = rng.random(len(X)) < 0.4
    holes = X.assign(taste=X["taste"].mask(gone))
    y = rng.random(len(X)) < 0.2 + 0.5 * gone * ROWS.treatment
    found = model().fit(holes, y, **FIT).predict(holes)
    assert found[gone].mean() - found[~gone].mean() == pytest.approx(0.5, abs=0.1)


def test_names_may_be_of_any_kind() -> None:
    odd = X.set_axis(["price [€]", "a:b", "c, d", '"e"'], axis=1)
    plain = model().fit(X, ROWS.outcome, **FIT).predict(X)
    np.testing.assert_array_equal(model().fit(odd, ROWS.outcome, **FIT).predict(odd), plain)


def test_it_is_the_last_step_of_a_pipeline(fitted: UpliftEstimator) -> None:
    steps = make_column_transformer((StandardScaler(), NAMES), verbose_feature_names_out=False)
    pipe = Pipeline([("scale", steps.set_output(transform="pandas")), ("model", model())])
    routed = {f"model__{name}": values for name, values in FIT.items()}
    found = clone(pipe).fit(X, ROWS.outcome, **routed)
    assert found[-1].feature_names_in_.tolist() == NAMES
    scaled = steps.fit_transform(X)
    alone = clone(fitted).fit(scaled, ROWS.outcome, **FIT).predict(scaled)
    np.testing.assert_array_equal(found.predict(X), alone)


def test_cross_validation_splits_what_belongs_to_the_rows() -> None:
    folds = GroupKFold(2)
    plain = cross_val_predict(
        model(), X, ROWS.outcome, params=FIT, groups=ROWS.user, cv=folds, method="predict"
    )
    for train, test in folds.split(X, groups=ROWS.user):
        part = {name: values[train] for name, values in FIT.items()}
        alone = model().fit(X.iloc[train], ROWS.outcome[train], **part)
        np.testing.assert_array_equal(plain[test], alone.predict(X.iloc[test]))
    with config_context(enable_metadata_routing=True):
        routed = model().set_fit_request(treatment=True, user=True)
        found = cross_val_predict(
            routed, X, ROWS.outcome, params={**FIT, "groups": ROWS.user}, cv=folds
        )
    np.testing.assert_array_equal(found, plain)


def test_levels_of_treatment_have_a_column_each() -> None:
    rows, _ = arms(7, n=6_000)
    table = pd.DataFrame(rows.features, columns=NAMES)
    names = np.array(["none", "push", "mail"])  # sorted, they change places
    given = {"treatment": names[rows.treatment], "user": rows.user, "sample_weight": rows.weight}
    chances = pd.DataFrame(rows.propensity, columns=names)
    found = model(control="none").fit(table, rows.outcome, **given, propensity=chances)
    assert found.levels_ == ("mail", "push")
    assert isinstance(found.learner_, LevelLearner)
    one = LevelLearner(lambda: DRLearner(config=CONFIG, seed=3), levels=(1, 2)).fit(rows)
    expected = one.predict(rows.features).point[:, ::-1]
    np.testing.assert_array_equal(found.predict(table), expected)
    in_order = rows.propensity[:, [0, 2, 1]]
    again = clone(found).fit(table, rows.outcome, **given, propensity=in_order)
    np.testing.assert_array_equal(again.predict(table), expected)
    with pytest.raises(SchemaError, match=r"none for \['push'\]"):
        model(control="none").fit(
            table, rows.outcome, **given, propensity=chances.drop(columns="push")
        )


def test_two_named_levels_are_an_ordinary_treatment(fitted: UpliftEstimator) -> None:
    named = np.where(ROWS.treatment == 1, "shown", "hidden")
    found = model(control="hidden").fit(X, ROWS.outcome, treatment=named, user=ROWS.user)
    np.testing.assert_array_equal(found.predict(X), fitted.predict(X))


def test_a_learner_may_be_an_object_and_is_copied(fitted: UpliftEstimator) -> None:
    mine = DRLearner(config=CONFIG, seed=3)
    found = model(mine, config=None).fit(X, ROWS.outcome, **FIT)
    np.testing.assert_array_equal(found.predict(X), fitted.predict(X))
    assert mine.model_ is None
    assert found.learner_ is not mine
    assert clone(found).learner is not mine


def test_an_outcome_of_another_kind_is_one_setting() -> None:
    amounts = ROWS.outcome * 12.5
    with pytest.raises(DataError, match="outcome of 0 or 1"):
        model().fit(X, amounts, **FIT)
    found = model(outcome="continuous").fit(X, amounts, **FIT).predict(X)
    assert found.mean() == pytest.approx(12.5 * TRUTH.tau.mean(), abs=0.6)
    said = LearnerConfig(final=TREES, nuisance=NuisanceConfig(kind="count", outcome=TREES))
    with pytest.raises(
        ConfigError, match=r"outcome='continuous' and config\.nuisance\.kind='count'"
    ):
        model(outcome="continuous", config=said).fit(X, amounts, **FIT)


def test_a_seed_may_be_a_generator() -> None:
    one, other = (
        model(random_state=np.random.RandomState(5)).fit(X, ROWS.outcome, **FIT).predict(X)
        for _ in range(2)
    )
    np.testing.assert_array_equal(one, other)
    assert (one != model(random_state=6).fit(X, ROWS.outcome, **FIT).predict(X)).any()


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"learner": "deep"}, ConfigError, "a learner: .*'deep'"),
    ({"learner": 7}, ConfigError, "an object with fit and predict"),
    ({"learner": SLearner}, ConfigError, "an object with fit and predict"),
    ({"learner": SLearner(config=CONFIG, seed=1)}, ConfigError, "no config beside a learner"),
    ({"outcome": "ordinal"}, ConfigError, "as outcome; got 'ordinal'"),
    ({"unseen": "drop"}, ConfigError, "as unseen; got 'drop'"),
    ({"config": NUISANCE}, ConfigError, "None or a LearnerConfig"),
    ({"control": "none"}, EmptyError, "control, which is 'none'"),
]


@pytest.mark.parametrize(("settings", "error", "message"), WRONG)
def test_settings_that_cannot_be_are_refused(
    settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        model(**settings).fit(X, ROWS.outcome, **FIT)


@pytest.mark.parametrize("name", ["treatment", "user", "unit", "sample_weight", "propensity", "y"])
def test_columns_of_another_length_are_refused(name: str) -> None:
    given = {**FIT, "y": ROWS.outcome, name: np.ones(7)}
    with pytest.raises(SchemaError, match=r"shape \(4000,\).* shape \(7,\)"):
        model().fit(X, given.pop("y"), **given)


def test_an_outcome_of_words_is_refused() -> None:
    with pytest.raises(SchemaError, match="numbers as y"):
        model().fit(X, np.full(len(X), "yes"), **FIT)


def test_a_leak_is_called_by_the_name_of_the_table() -> None:
    leak = X.assign(clicked=np.where(ROWS.treatment == 1, "yes", "no"))
    with pytest.raises(DataError, match="column 'clicked', which is the treatment"):
        model().fit(leak, ROWS.outcome, **FIT)


def test_it_knows_who_was_in_training_by_hashes_alone(fitted: UpliftEstimator) -> None:
    assert np.all(fitted.seen_users(ROWS.user))
    new = np.array([-1, int(ROWS.user[0]), 10**9])
    np.testing.assert_array_equal(fitted.seen_users(new), [False, True, False])
    alone = model().fit(X, ROWS.outcome, treatment=ROWS.treatment)
    assert alone.seen_users(ROWS.user) is None
    named = np.char.add("member ", ROWS.user.astype(str))
    by_name = model().fit(X, ROWS.outcome, treatment=ROWS.treatment, user=named)
    np.testing.assert_array_equal(by_name.seen_users(["member 0", "nobody"]), [True, False])
    assert b"member" not in pickle.dumps(by_name)
    with pytest.raises(NotFittedError, match="Call fit"):
        clone(fitted).seen_users(new)


def test_a_clone_is_not_fitted(fitted: UpliftEstimator) -> None:
    with pytest.raises(NotFittedError, match="Call fit"):
        clone(fitted).predict(X)


def test_the_package_is_imported_without_scikit_learn() -> None:
    assert "sklearn" not in loaded_by("import causal_ranker")
    assert "sklearn" in loaded_by("import causal_ranker; causal_ranker.UpliftEstimator")


class CoinFlipped(UpliftEstimator):
    """Treats every other row, so that checks which know of no treatment can fit it."""

    def __init__(self, learner: str = "t", *, random_state: int = 0) -> None:
        # Checks fit a dozen rows.
        config = SMALL_TREES.model_copy(update={"fewest_effective_rows": 1.0})
        super().__init__(learner, config=config, random_state=random_state, outcome="continuous")

    def fit(self, X: Any, y: Any) -> CoinFlipped:
        n = len(X) if hasattr(X, "__len__") else 0
        # Some take a feature for the outcome, which is refused.
        y = np.asarray(y, dtype=float) + np.sin(np.arange(n))
        return super().fit(X, y, treatment=np.arange(n) % 2)


CHECKS = [
    "check_dict_unchanged",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_dont_overwrite_parameters",
    "check_estimators_dtypes",
    "check_estimators_fit_returns_self",
    "check_estimators_overwrite_params",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_fit_idempotent",
    "check_get_params_invariance",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_n_features_in",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_positive_only_tag_during_fit",
    "check_readonly_memmap_input",
    "check_set_params",
]


WITHOUT_FIT = {
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_get_params_invariance",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
}


@pytest.mark.parametrize("name", CHECKS)
def test_checks_of_scikit_learn(name: str) -> None:
    fits = name not in WITHOUT_FIT
    estimator = CoinFlipped() if fits else UpliftEstimator()
    getattr(estimator_checks, name)("UpliftEstimator", estimator)


def test_rows_are_shared_and_not_copied() -> None:
    """A matrix of 32-bit floats is read where it lies."""
    seen: list[Rows] = []

    class Spy(DRLearner):
        def fit(self, rows: Rows, **_: Any) -> Spy:
            seen.append(rows)
            return super().fit(rows)

    x = ROWS.features.copy()
    unit = ROWS.user // 2
    model(Spy(config=CONFIG, seed=3), config=None).fit(x, ROWS.outcome, **FIT, unit=unit)
    np.testing.assert_array_equal(seen[0].unit, unit)
    assert np.shares_memory(seen[0].features, x)
    np.testing.assert_array_equal(x, ROWS.features)


def test_intervals_are_those_of_half_samples_and_only_of_final_stages() -> None:
    draws = HalfSampleConfig(draws=4)
    effect = model(intervals=draws).fit(X, ROWS.outcome, **FIT).predict_effect(X)
    learner = DRLearner(config=CONFIG, seed=3)
    alone = HalfSampleIntervals(learner, config=draws, seed=3).fit(ROWS).predict(ROWS.features)
    assert effect.low is not None
    assert effect.high is not None
    for name in ("point", "low", "high"):
        np.testing.assert_array_equal(getattr(effect, name), getattr(alone, name))
    own = model(DRLearner(config=CONFIG, seed=3), config=None, intervals=draws)
    assert own.fit(X, ROWS.outcome, **FIT).predict_effect(X).low is not None
    with pytest.raises(ConfigError, match="'dr', 'r' or 'x' as a learner that is to have"):
        model("s", intervals=draws).fit(X, ROWS.outcome, **FIT)


@pytest.mark.parametrize(
    "settings", [{"intervals": HalfSampleConfig(draws=4)}, {"learner": "auto"}]
)
def test_a_bar_says_how_far_a_long_fit_is(
    settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    quiet = model(**settings).fit(X, ROWS.outcome, **FIT)
    assert capsys.readouterr().err == ""
    told = model(progress=True, **settings).fit(X, ROWS.outcome, **FIT)
    assert "5/5" in capsys.readouterr().err
    np.testing.assert_array_equal(told.predict(X), quiet.predict(X))


def test_infinite_features_are_refused_when_predicting_too(fitted: UpliftEstimator) -> None:
    bad = X.copy()
    bad.loc[5, NAMES[1]] = np.inf
    message = rf"1 infinite of 4000 rows in column '{NAMES[1]}', e.g. in rows \[5\]"
    for predict in (fitted.predict, fitted.predict_effect):
        with pytest.raises(RowError, match=message):
            predict(bad)
