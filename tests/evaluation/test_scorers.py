from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_score, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.evaluation import scorers
from causal_ranker.evaluation.scorers import Metric, UpliftScorer
from causal_ranker.stats.aipw import ipw_scores
from causal_ranker.stats.curves import autoc, qini
from causal_ranker.uplift.estimator import UpliftEstimator
from causal_ranker.uplift.held_out import held_out_scores
from tests.uplift.worlds import CONFIG, NUISANCE, draw

METRICS: tuple[Metric, ...] = ("autoc", "qini", "dr_loss", "r_loss")
TRUTH = draw(5, n=4_000, logged=True, confounding=0.3)
ROWS = TRUTH.rows
X, Y, USER = ROWS.features, ROWS.outcome.astype(float), ROWS.user
FOLDS = list(GroupKFold(2).split(X, Y, groups=USER))
HELD_OUT = held_out_scores(
    X,
    Y,
    treatment=ROWS.treatment,
    user=USER,
    folds=FOLDS,
    propensity=TRUTH.propensity,
    config=NUISANCE,
)
FIT: dict[str, Any] = {
    "treatment": ROWS.treatment,
    "user": USER,
    "propensity": TRUTH.propensity,
}


class Fixed(BaseEstimator):  # type: ignore[misc]
    """Says of a row what stands in one of its columns."""

    def __init__(self, column: int = 1) -> None:
        self.column = column

    def fit(self, X: Any, y: Any) -> Fixed:
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        return np.asarray(X[:, self.column], dtype=np.float64)


def model(learner: str = "dr") -> UpliftEstimator:
    return UpliftEstimator(learner, config=CONFIG, random_state=3)


def routed(learner: str = "dr") -> UpliftEstimator:
    made = model(learner)
    made.set_fit_request(treatment=True, user=True, propensity=True)
    return made


def test_the_example_of_the_docstring_runs() -> None:
    found = doctest.testmod(scorers)
    assert found.attempted > 10
    assert found.failed == 0


def test_scores_are_those_of_their_formulas() -> None:
    weight = np.random.default_rng(1).uniform(1, 3, len(X))
    given = {"treatment": ROWS.treatment, "sample_weight": weight, **HELD_OUT.metadata}
    tau, gamma = X[:, 1].astype(np.float64), HELD_OUT.gamma
    residual = Y - HELD_OUT.outcome - (ROWS.treatment - HELD_OUT.propensity) * tau
    expected = {
        "autoc": autoc(tau, gamma, weights=weight),
        "qini": qini(tau, gamma, weights=weight),
        "dr_loss": -(weight * (gamma - tau) ** 2).sum() / weight.sum(),
        "r_loss": -(weight * residual**2).sum() / weight.sum(),
    }
    for metric in METRICS:
        found = UpliftScorer(metric)(Fixed(), X, Y, **given)
        assert found == pytest.approx(expected[metric])


def test_the_truth_scores_best() -> None:
    tau = np.column_stack([TRUTH.tau, -TRUTH.tau, np.zeros(len(X)), TRUTH.tau + 0.3])
    given = {"treatment": ROWS.treatment, **HELD_OUT.metadata}
    for metric in METRICS:
        truth, reverse, flat, shifted = (
            UpliftScorer(metric)(Fixed(column), tau, Y, **given) for column in range(4)
        )
        assert truth > flat > reverse
        # the areas judge order alone
        assert shifted == pytest.approx(truth) if metric in ("autoc", "qini") else shifted < truth
        if metric in ("autoc", "qini"):
            assert flat == 0


def test_known_propensities_need_no_model() -> None:
    given = {"treatment": ROWS.treatment, "propensity": TRUTH.propensity}
    gamma = ipw_scores(Y, **given)
    areas: dict[Metric, Any] = {"autoc": autoc, "qini": qini}
    for metric, area in areas.items():
        assert UpliftScorer(metric)(Fixed(), X, Y, **given) == area(X[:, 1], gamma)
    # scores that are given win
    both = UpliftScorer("qini")(Fixed(), X, Y, gamma=HELD_OUT.gamma, **given)
    assert both == qini(X[:, 1], HELD_OUT.gamma)


@pytest.mark.parametrize("metric", ["autoc", "r_loss"])
def test_cross_validation_scores_each_held_out_fold(metric: Any) -> None:
    with config_context(enable_metadata_routing=True):
        found = cross_val_score(
            routed("t"),
            X,
            Y,
            scoring=UpliftScorer(metric),
            cv=FOLDS,
            params={**FIT, **HELD_OUT.metadata},
            error_score="raise",
        )
    for score, (train, test) in zip(found, FOLDS, strict=True):
        part = {name: values[train] for name, values in FIT.items()}
        alone = model("t").fit(X[train], Y[train], **part)
        given = {name: values[test] for name, values in {**FIT, **HELD_OUT.metadata}.items()}
        assert score == pytest.approx(UpliftScorer(metric)(alone, X[test], Y[test], **given))


def test_make_scorer_of_the_area_scores_the_same() -> None:
    def area(y: Any, tau: Any, *, gamma: Any) -> float:
        return autoc(tau, gamma)

    with config_context(enable_metadata_routing=True):
        one, other = (
            cross_val_score(
                routed("t"),
                X,
                Y,
                scoring=scoring,
                cv=FOLDS,
                params={**FIT, "gamma": HELD_OUT.gamma},
                error_score="raise",
            )
            for scoring in (UpliftScorer(), make_scorer(area).set_score_request(gamma=True))
        )
    np.testing.assert_array_equal(one, other)
    assert (one != 0).all()


def test_several_metrics_at_once_and_another_name_for_a_column() -> None:
    held_out = HELD_OUT.metadata
    held_out["scores"] = held_out.pop("gamma")
    with config_context(enable_metadata_routing=True):
        found = cross_validate(
            routed("t"),
            X,
            Y,
            scoring={
                metric: UpliftScorer(metric).set_score_request(gamma="scores") for metric in METRICS
            },
            cv=FOLDS,
            params={**FIT, **held_out},
            error_score="raise",
        )
    scores = np.array([found[f"test_{metric}"] for metric in METRICS])
    assert np.isfinite(scores).all()
    assert (scores[:2] > 0).all()
    assert (scores[2:] < 0).all()


@pytest.mark.parametrize("metric", ["autoc", "dr_loss"])
def test_a_grid_search_finds_the_learner_of_an_effect_that_differs(metric: Any) -> None:
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            routed(),
            {"learner": ["constant", "dr"]},
            scoring=UpliftScorer(metric),
            cv=FOLDS,
            error_score="raise",
        ).fit(X, Y, **FIT, **HELD_OUT.metadata)
    assert search.best_params_ == {"learner": "dr"}
    if metric == "autoc":
        assert search.cv_results_["mean_test_score"][0] == 0  # one effect for all ranks nothing
    with pytest.raises(RowError, match="not in the training rows"):
        UpliftScorer(metric)(search, X, Y, user=USER, gamma=HELD_OUT.gamma)


def test_a_pipeline_is_looked_through() -> None:
    with config_context(enable_metadata_routing=True):
        pipe = Pipeline([("scale", StandardScaler()), ("model", routed("t"))])
        found = cross_val_score(
            pipe,
            X,
            Y,
            scoring=UpliftScorer("qini"),
            cv=FOLDS,
            params={**FIT, **HELD_OUT.metadata},
            error_score="raise",
        )
        fitted = clone(pipe).fit(X, Y, **FIT)
    assert (found > 0).all()
    with pytest.raises(RowError, match=r"1000 users in both, e\.g\. \[0, 1, 2\], with 4000"):
        UpliftScorer()(fitted, X, Y, user=USER, gamma=HELD_OUT.gamma)


def test_folds_that_split_users_are_refused() -> None:
    broken = list(KFold(2, shuffle=True, random_state=0).split(X))
    with (
        config_context(enable_metadata_routing=True),
        pytest.raises(RowError, match="GroupKFold"),
    ):
        cross_val_score(
            routed("t"),
            X,
            Y,
            scoring=UpliftScorer(),
            cv=broken,
            params={**FIT, **HELD_OUT.metadata},
            error_score="raise",
        )


def test_who_was_in_training_cannot_be_kept_from_the_scorer() -> None:
    train, test = FOLDS[0]
    part = {name: values[train] for name, values in FIT.items()}
    fitted = model("t").fit(X[train], Y[train], **part)
    scorer, gamma = UpliftScorer(), HELD_OUT.gamma[test]
    with pytest.raises(ConfigError, match="fitted with users"):
        scorer(fitted, X[test], Y[test], gamma=gamma)
    with pytest.raises(SchemaError, match="'user'"):
        scorer(fitted, X[test], Y[test], gamma=gamma, user=USER[test][:5])
    assert np.isfinite(scorer(fitted, X[test], Y[test], gamma=gamma, user=USER[test]))
    # fitted without users, each row was one of its own
    alone = model("t").fit(X[train], Y[train], treatment=ROWS.treatment[train])
    assert np.isfinite(scorer(alone, X[test], Y[test], gamma=gamma))


def test_near_an_average_effect_of_0_scores_are_finite_and_keep_their_sign() -> None:
    """Beside them causalml's normalised area, of one score on three half-samples, jumps.

    See `tests/evaluation/test_peers.py`: 145, 8 and 3 where ours are .095, .104 and .115.
    """
    rng = np.random.default_rng(1)
    n = 20_000
    x = rng.random((n, 2))
    t = rng.integers(0, 2, n)
    y = (rng.random(n) < 0.4 + 0.4 * (x[:, 0] - 0.5) * t).astype(float)
    e = np.full(n, 0.5)
    areas: dict[Metric, float] = {"autoc": 0.1, "qini": 0.4 / 12}
    for metric, truth in areas.items():
        found = []
        for seed in range(3):
            half = np.random.default_rng(seed).permutation(n)[: n // 2]
            assert abs(y[half][t[half] == 1].mean() - y[half][t[half] == 0].mean()) < 0.02
            given = {"treatment": t[half], "propensity": e[half]}
            found.append(UpliftScorer(metric)(Fixed(0), x[half], y[half], **given))
        np.testing.assert_allclose(found, truth, rtol=0.25)


def test_scores_that_are_missing_or_all_equal() -> None:
    x = np.column_stack([np.full(8, np.nan), np.full(8, 3.0), np.full(8, np.inf)])
    given = {"treatment": np.array([0, 1] * 4), "propensity": np.full(8, 0.5)}
    for column in (0, 2):
        with pytest.raises(RowError, match="predicted uplift"):
            UpliftScorer("qini")(Fixed(column), x, np.ones(8), **given)
    assert UpliftScorer("qini")(Fixed(1), x, np.arange(8.0), **given) == 0
    assert UpliftScorer("autoc")(Fixed(1), x, np.arange(8.0), **given) == 0


def test_an_arm_that_is_absent_at_the_top_is_no_trouble() -> None:
    x = np.arange(8.0)[::-1, None]
    y = np.array([1.0, 0, 0, 1, 1, 0, 0, 0])
    given = {"treatment": np.array([1, 1, 0, 1, 0, 0, 1, 0]), "propensity": np.full(8, 0.5)}
    by_hand = np.array([2.0, 0, 0, 2, -2, 0, 0, 0])
    assert UpliftScorer("autoc")(Fixed(0), x, y, **given) == autoc(x[:, 0], by_hand)


def test_what_is_missing_or_unknown_is_named() -> None:
    with pytest.raises(ConfigError, match="no treatment and no propensity"):
        UpliftScorer()(Fixed(), X, Y)
    with pytest.raises(ConfigError, match="no held_out_outcome"):
        UpliftScorer("r_loss")(
            Fixed(), X, Y, treatment=ROWS.treatment, held_out_propensity=TRUTH.propensity
        )
    with pytest.raises(ConfigError, match="'auuc'"):
        UpliftScorer("auuc")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="got tau"):
        UpliftScorer()(Fixed(), X, Y, tau=TRUTH.tau)
    with pytest.raises(ConfigError, match="slot"):
        UpliftScorer().set_score_request(slot=True)
    with pytest.raises(SchemaError, match="gamma"):
        UpliftScorer()(Fixed(), X, Y, gamma=HELD_OUT.gamma[:9])
    levels = pd.DataFrame(np.zeros((4, 2)))

    class Levels(Fixed):
        def predict(self, X: Any) -> NDArray[np.float64]:
            return np.zeros((len(X), 2))

    with pytest.raises(SchemaError, match="one dimension"):
        UpliftScorer()(Levels(), levels, np.ones(4), gamma=np.ones(4))


def test_it_says_what_it_is() -> None:
    assert repr(UpliftScorer("r_loss")) == "UpliftScorer('r_loss')"
