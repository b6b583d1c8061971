"""Where econml, causalml and scikit-uplift are right we agree, and where they are not it is shown.

All on one randomised world: the score X is uniform, T a fair coin, and the effect .4 (X - .5), so
that the average effect is 0, AUTOC = .4 / 4 and QINI = .4 / 12 (see `tests/stats/test_curves.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

from causal_ranker.stats.aipw import ipw_scores
from causal_ranker.stats.curves import autoc, qini, rank_curve, toc
from causal_ranker.stats.intervals import half_sample_bands
from causal_ranker.uplift.causalml_adapter import importing_causalml

Array = NDArray[np.float64]
SLOPE = 0.4
N = 20_000
_rng = np.random.default_rng(1)
X = _rng.random(N)
T = _rng.integers(0, 2, N)
Y = (_rng.random(N) < 0.4 + SLOPE * (X - 0.5) * T).astype(int)
GAMMA = ipw_scores(Y, T, propensity=np.full(N, 0.5))
TABLE = pd.DataFrame({"y": Y, "w": T, "score": X})
WITH_GAMMA = TABLE.assign(tau=GAMMA)


@pytest.fixture(scope="module")
def causalml() -> Any:
    with importing_causalml():
        import causalml.metrics
        import causalml.metrics.rate
    return causalml.metrics


def only(score: pd.Series) -> float:
    assert list(score.index) == ["score"]
    return float(score.iloc[0])


def test_ours_finds_the_closed_form() -> None:
    assert autoc(X, GAMMA) == pytest.approx(SLOPE / 4, abs=0.02)
    assert qini(X, GAMMA) == pytest.approx(SLOPE / 12, abs=0.006)


class TestCausalml:
    def test_its_toc_is_ours_where_scores_are_given_and_no_row_ties(self, causalml: Any) -> None:
        theirs = causalml.rate.get_toc(WITH_GAMMA, treatment_effect_col="tau")["score"]
        ours = toc(X, GAMMA)
        np.testing.assert_allclose(theirs.to_numpy()[1:], ours.toc, atol=1e-12)
        assert np.trapezoid(theirs.to_numpy(), theirs.index) == pytest.approx(
            autoc(X, GAMMA), abs=1e-3
        )

    def test_its_qini_weighting_is_twice_ours(self, causalml: Any) -> None:
        """Its weights are q over its own integral of 1/2."""
        theirs = only(causalml.rate.rate_score(WITH_GAMMA, weighting="qini"))
        assert theirs == pytest.approx(2 * qini(X, GAMMA), rel=1e-3)

    def test_its_autoc_is_no_area_under_the_toc(self, causalml: Any) -> None:
        """It weighs the TOC by 1/q once more: here even the sign is another."""
        theirs = only(causalml.rate.rate_score(WITH_GAMMA, weighting="autoc"))
        assert theirs < 0 < autoc(X, GAMMA)

    @pytest.mark.parametrize("sort", [False, True])
    def test_a_constant_score_has_an_area_by_the_order_of_rows(
        self, causalml: Any, sort: bool
    ) -> None:
        order = np.argsort(-X) if sort else np.arange(N)
        flat = TABLE.iloc[order].assign(score=1.0)
        theirs = only(causalml.qini_score(flat))
        assert theirs > 1 if sort else theirs != 0
        for area in (autoc, qini):
            assert area(np.ones(N), GAMMA[order]) == 0

    def test_near_an_average_effect_of_0_its_areas_jump_and_ours_do_not(
        self, causalml: Any
    ) -> None:
        theirs, ours = [], []
        for seed in range(3):
            half = np.random.default_rng(seed).permutation(N)[: N // 2]
            theirs.append(only(causalml.auuc_score(TABLE.iloc[half])))
            ours.append((autoc(X[half], GAMMA[half]), qini(X[half], GAMMA[half])))
        assert max(theirs) > 10 * min(theirs)
        np.testing.assert_allclose(ours, np.tile([SLOPE / 4, SLOPE / 12], (3, 1)), rtol=0.25)

    def test_a_column_called_tau_is_taken_for_the_truth(self, causalml: Any) -> None:
        honest = only(causalml.auuc_score(TABLE, normalize=False))
        with_forecast = only(causalml.auuc_score(TABLE.assign(tau=-X), normalize=False))
        assert honest > 0 > with_forecast


class TestScikitUplift:
    """Rows in blocks of equal scores, of which half are treated: all designs then agree."""

    BLOCK = np.repeat(np.arange(40), N // 40)
    TREATED = np.tile([0, 1], N // 2)
    OUTCOME = (np.random.default_rng(2).random(N) < 0.3 + 0.01 * BLOCK * TREATED).astype(int)
    SCORES = ipw_scores(OUTCOME, TREATED, propensity=np.full(N, 0.5))

    # its own, on scikit-learn 1.8 or later
    @pytest.mark.filterwarnings("ignore:Function stable_cumsum is deprecated:FutureWarning")
    def test_its_curves_are_ours_in_a_balanced_design(self) -> None:
        from sklift.metrics import qini_curve, uplift_curve

        ours = rank_curve(self.BLOCK, self.SCORES)
        rows, gain = uplift_curve(self.OUTCOME, self.BLOCK, self.TREATED)
        np.testing.assert_allclose(rows / N, ours.q)
        np.testing.assert_allclose(gain / N, ours.gain, atol=1e-12)
        rows, treated_gain = qini_curve(self.OUTCOME, self.BLOCK, self.TREATED)
        # it counts the plays of treated rows, which are half of all
        np.testing.assert_allclose(2 * treated_gain / N, ours.gain, atol=1e-12)
        area = np.trapezoid(2 * treated_gain / N, rows / N) - ours.gain[-1] / 2
        assert area == pytest.approx(qini(self.BLOCK, self.SCORES), abs=1e-12)

    def test_its_uplift_at_k_is_ours_in_a_balanced_design(self) -> None:
        from sklift.metrics import uplift_at_k

        found = half_sample_bands(
            self.BLOCK,
            self.SCORES,
            np.arange(N) // 4,
            draws=10,
            rng=np.random.default_rng(0),
            grid=[0.25, 1.0],
        ).uplift_at(0.25)
        theirs = uplift_at_k(self.OUTCOME, self.BLOCK, self.TREATED, strategy="overall", k=0.25)
        assert found.point == pytest.approx(theirs, abs=1e-12)
        assert found.low < theirs < found.high

    def test_without_an_arm_above_the_cut_it_has_no_number(self) -> None:
        """With known propensities of 1/2 that is chance, and the score of the top is unbiased."""
        from sklift.metrics import uplift_at_k

        score = np.arange(8.0)[::-1]
        treated = np.array([1, 1, 0, 1, 0, 0, 1, 0])
        y = np.array([1, 0, 0, 1, 1, 0, 0, 0])
        with pytest.warns(RuntimeWarning):
            assert np.isnan(uplift_at_k(y, score, treated, strategy="overall", k=0.25))
        gamma = ipw_scores(y, treated, propensity=np.full(8, 0.5))
        curve = rank_curve(score, gamma)
        assert curve.gain[2] / curve.q[2] == (2 * 1 + 2 * 0) / 2
        assert np.isfinite([autoc(score, gamma), qini(score, gamma)]).all()


class Constant:
    """An effect estimator as econml's tester wants one: its effect is the first feature."""

    def effect(self, X: Array, T0: Any = 0, T1: Any = 1) -> Array:
        return X[:, 0]

    def const_marginal_effect(self, X: Array) -> Array:
        return X[:, :1]


@pytest.fixture(scope="module")
def tester() -> Any:
    from econml.validate.drtester import DRTester

    made = DRTester(
        model_regression=LinearRegression(),
        model_propensity=DummyClassifier(strategy="prior"),
        cate=Constant(),
    )
    features = np.column_stack([X, X**2])
    made.fit_nuisance(features, T, Y.astype(float), features, T, Y.astype(float))
    made.get_cate_preds(features, features)
    return made


class TestEconml:
    def gamma(self, tester: Any) -> Array:
        return np.asarray(tester.dr_val_, dtype=np.float64).ravel()

    @pytest.mark.parametrize(("metric", "area"), [("toc", autoc), ("qini", qini)])
    def test_its_curve_is_ours_on_its_own_scores(
        self, tester: Any, metric: str, area: Callable[..., float]
    ) -> None:
        gamma = self.gamma(tester)
        assert area(X, gamma) == pytest.approx(area(X, GAMMA), rel=0.1)
        cuts = np.linspace(5, 95, 10)
        found = tester.evaluate_uplift(percentiles=cuts, metric=metric, n_bootstrap=2)
        curve = next(iter(found.curves.values()))
        share = 1 - cuts / 100
        ours = rank_curve(X, gamma)
        gain = np.interp(share, ours.q, ours.gain) - share * ours.gain[-1]
        expected = gain / share if metric == "toc" else gain
        np.testing.assert_allclose(curve["value"], expected, atol=1e-4)

    def test_its_areas_leave_out_both_ends(self, tester: Any) -> None:
        """By default 5 to 95 %: the best twentieth, where the TOC is highest, is not counted."""
        gamma = self.gamma(tester)
        theirs = tester.evaluate_uplift(metric="toc", n_bootstrap=2).params[0]
        assert theirs < 0.92 * autoc(X, gamma)
        whole = np.linspace(0.02, 99.98, 400)
        wide = tester.evaluate_uplift(percentiles=whole, metric="toc", n_bootstrap=2).params[0]
        assert wide == pytest.approx(autoc(X, gamma), rel=0.02)

    def test_a_classifier_of_the_outcome_predicts_labels_to_it(self) -> None:
        """Its scores then take a handful of values; ours are of probabilities."""
        from econml.validate.drtester import DRTester

        made = DRTester(
            model_regression=LogisticRegression(),
            model_propensity=DummyClassifier(strategy="prior"),
            cate=Constant(),
        )
        made.fit_nuisance(X[:, None], T, Y, X[:, None], T, Y)
        assert np.unique(made.dr_val_).size < 50
