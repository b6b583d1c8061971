"""Whatever learner was chosen, one LightGBM model says what it says."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from causal_ranker.chain.served import as_booster, fit_named
from causal_ranker.errors import ConfigError
from causal_ranker.uplift.contest import Fitting
from causal_ranker.uplift.nuisance import Nuisances
from causal_ranker.uplift.propensity import CrossFitPropensity
from causal_ranker.uplift.ridge import RidgeLearner
from tests.uplift.worlds import CONFIG, NUISANCE, draw


@cache
def fitting() -> Fitting:
    rows = draw(50, n=6_000, logged=True).rows
    models = Nuisances(config=NUISANCE, seed=3).fit(rows)
    return Fitting(rows, models.cross_fitted(rows), models, CONFIG, 3)


@pytest.mark.parametrize("name", ["dr", "r", "x"])
def test_a_final_stage_is_served_as_it_is(name: str) -> None:
    learner = fit_named(name, fitting())
    served = as_booster(learner, fitting().rows, seed=3)
    x = fitting().rows.features
    np.testing.assert_array_equal(served.predict(x).point, learner.predict(x).point)
    assert served.estimand.startswith("average over rows with propensity in")
    assert served.taught == ""


def test_one_effect_for_all_is_one_leaf() -> None:
    learner = fit_named("constant", fitting())
    served = as_booster(learner, fitting().rows, seed=3)
    x = fitting().rows.features
    found = served.predict(x).point
    np.testing.assert_allclose(found, learner.predict(x).point, rtol=1e-6)
    assert served.model_.num_trees() == 1


@pytest.mark.parametrize("name", ["t", "s", "linear"])
def test_any_other_learner_has_a_student(name: str) -> None:
    learner = (
        RidgeLearner(config=CONFIG, seed=3).fit(fitting().rows, nuisances=fitting().values)
        if name == "linear"
        else fit_named(name, fitting())
    )
    served = as_booster(learner, fitting().rows, seed=3)
    new = draw(51).rows.features
    one, other = served.predict(new).point, learner.predict(new).point
    assert np.corrcoef(one, other)[0, 1] > 0.9
    assert "Spearman" in served.taught


def test_shared_nuisances_are_those_of_the_fit() -> None:
    """A learner by its name, with the nuisances there are, is the learner by itself."""
    alone = fit_named("t", fitting())
    x = fitting().rows.features
    control, treated = fitting().models.arms(x)
    np.testing.assert_array_equal(alone.predict(x).point, treated - control)


def test_wrapped_learners_are_told_the_propensities_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows drawn by outcome are not what propensities are learned from."""
    given = fitting()
    rows = replace(given.rows, propensity=np.full(len(given.rows), np.nan))

    def fitted_again(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(CrossFitPropensity, "fit", fitted_again)
    learner = fit_named("econml_linear_dr", replace(given, rows=rows))
    logged = fit_named("econml_linear_dr", given)
    x = rows.features
    np.testing.assert_array_equal(learner.predict(x).point, logged.predict(x).point)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="forest"):
        fit_named("forest", fitting())
