"""Every learner by its name, and the LightGBM models that wrapped ones are given."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest

from causal_ranker.boosting import BoostConfig, Objective, fit_trees, predict_trees
from causal_ranker.errors import ConfigError, MissingExtraError
from causal_ranker.uplift.auto import AutoLearner
from causal_ranker.uplift.causalml_adapter import CausalMLLearner
from causal_ranker.uplift.constant import ConstantEffect
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.econml_adapter import EconMLLearner
from causal_ranker.uplift.factory import LEARNERS, make_learner
from causal_ranker.uplift.final import LearnerConfig
from causal_ranker.uplift.lightgbm_models import lightgbm_regressor, with_categories
from causal_ranker.uplift.r import RLearner
from causal_ranker.uplift.s import SLearner
from causal_ranker.uplift.t import TLearner
from causal_ranker.uplift.x import XLearner
from tests.fresh import loaded_by
from tests.uplift.worlds import CONFIG, draw

OURS = {
    "auto": AutoLearner,
    "constant": ConstantEffect,
    "s": SLearner,
    "t": TLearner,
    "x": XLearner,
    "r": RLearner,
    "dr": DRLearner,
}


@pytest.mark.parametrize("name", LEARNERS)
def test_each_name_makes_its_learner(name: str) -> None:
    package = EconMLLearner if name.startswith("econml") else CausalMLLearner
    assert type(make_learner(name)) is OURS.get(name, package)


def test_the_names_are_those_of_the_documentation() -> None:
    said = str(make_learner.__doc__)
    assert len(LEARNERS) == 14
    assert [name for name in LEARNERS if f"``{name}``" not in said] == []


def test_an_unknown_name_is_told_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match=r"constant, s, t, x.*Did you mean 'econml_forest'\?"):
        make_learner("econml_forrest")
    with pytest.raises(ConfigError, match="Take one of these"):
        make_learner("zzz")


@pytest.mark.parametrize(("name", "package"), [("econml_dr", "econml"), ("causalml_x", "causalml")])
def test_a_package_that_is_not_there_is_named(
    name: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [each for each in sys.modules if each.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=f"pip install {package}"):
        make_learner(name)


def test_our_learners_are_made_without_the_other_packages() -> None:
    code = "from causal_ranker.uplift.factory import make_learner; make_learner('dr')"
    heavy = {"econml", "causalml", "shap", "sklearn", "lightgbm", "matplotlib"}
    assert heavy & loaded_by(code) == set()


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("objective", ["binary", "poisson", "regression"])
def test_the_models_of_other_packages_are_ours_bit_by_bit(
    objective: Objective, linear: bool
) -> None:
    rng = np.random.default_rng(0)
    rows = draw(1, n=4_000).rows
    features = rows.features.copy()
    features[:, 3] = rng.integers(0, 7, len(features))
    features[rng.random(len(features)) < 0.1, 0] = np.nan
    target = np.asarray((rows.outcome == 1) | (features[:, 3] == 3), dtype=np.float64)
    weight = rng.uniform(1, 3, len(target))
    # every setting away from LightGBM's default, and from ours
    config = BoostConfig(
        rounds=7,
        learning_rate=0.2,
        leaves=5,
        min_rows_leaf=40,
        feature_share=0.5,
        l2=3.0,
        bins=63,
        category_l2=1.0,
        category_smoothing=2.0,
        linear=linear,
        linear_l2=0.5,
    )
    # none is forgotten
    assert set(BoostConfig.model_fields) - {"monotone"} == config.model_fields_set
    ours = fit_trees(
        features,
        target,
        weight=weight,
        objective=objective,
        config=config,
        names=rows.names,
        categorical=("x3",),
        seed=3,
    )
    model = lightgbm_regressor(config, objective=objective, seed=3)
    theirs = with_categories(model, [3])
    theirs.fit(features.astype(np.float64), target, sample_weight=weight)
    found = theirs.predict(features.astype(np.float64))
    np.testing.assert_array_equal(found, predict_trees(ours, features))
    assert "cat_feature" not in model.get_params()  # told to a copy


def test_monotone_features_are_refused_where_names_are_lost() -> None:
    trees = BoostConfig(monotone={"x0": 1})
    with pytest.raises(ConfigError, match=r"monotone = \{'x0': 1\}"):
        make_learner("econml_dr", config=LearnerConfig(final=trees))


@pytest.mark.parametrize("name", ["econml_dr", "econml_linear_dr", "causalml_x"])
def test_a_fitted_learner_can_be_pickled(name: str) -> None:
    rows = draw(1, n=2_000, logged=True).rows
    model = make_learner(name, config=CONFIG, seed=3).fit(rows)
    again = pickle.loads(pickle.dumps(model))
    x = rows.features
    np.testing.assert_array_equal(again.predict(x).point, model.predict(x).point)
