"""What every uplift model keeps; subclass :class:`UpliftModelContract` to test yours."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from causal_ranker.errors import CausalRankerError, NotFittedError, RowError
from causal_ranker.uplift.base import Effect, UpliftModel
from tests.uplift.worlds import Truth, draw


@cache
def _draw(logged: bool) -> Truth:
    return draw(1, logged=logged)


@cache
def _fit(contract: type[UpliftModelContract]) -> UpliftModel:
    """Fit once for all tests of a class."""
    return contract().fresh().fit(_draw(contract.logged).rows)


class UpliftModelContract:
    """Override `fresh`; the features are those of `tests.uplift.worlds.NAMES`."""

    #: Correlation with the true effects in a world whose effect is a step.
    least_correlation = 0.8
    #: How far the mean effect on either side of the step may lie from the truth.
    bias = 0.05
    #: How far two fits that should agree may differ, in plays per impression.
    tolerance = 1e-6
    #: Correlation of two fits that should agree, where draws by position forbid a tolerance.
    least_agreement: float | None = None
    #: How far a row scored alone may differ from the same row among others.
    alone = 0.0
    #: Whether missing features are scored; otherwise they are refused by name.
    reads_missing = True

    def fresh(self) -> UpliftModel:
        """Return a new model, the same each time."""
        raise NotImplementedError

    #: Whether the training rows carry their propensities.
    logged = True

    @pytest.fixture
    def truth(self) -> Truth:
        return _draw(self.logged)

    @pytest.fixture
    def fitted(self) -> UpliftModel:
        return _fit(type(self))

    def test_fit_returns_itself(self, truth: Truth) -> None:
        model = self.fresh()
        assert model.fit(truth.rows.take(np.arange(4_000))) is model

    def test_the_answer_is_one_finite_number_a_row(self, fitted: UpliftModel, truth: Truth) -> None:
        effect = fitted.predict(truth.rows.features)
        assert isinstance(effect, Effect)
        assert effect.point.shape == (len(truth.rows),)
        assert effect.point.dtype == np.float64
        assert np.isfinite(effect.point).all()

    def test_rows_are_scored_alone(self, fitted: UpliftModel, truth: Truth) -> None:
        whole = fitted.predict(truth.rows.features).point
        some = np.array([5, 3, 4_000])
        np.testing.assert_allclose(
            fitted.predict(truth.rows.features[some]).point, whole[some], rtol=0, atol=self.alone
        )
        assert fitted.predict(truth.rows.features[:0]).point.shape == (0,)

    def test_missing_features_are_scored(self, fitted: UpliftModel, truth: Truth) -> None:
        holes = truth.rows.features[:10].copy()
        holes[:, 0] = np.nan
        holes[0] = np.nan
        if not self.reads_missing:
            with pytest.raises(RowError, match=r"10 of 10 rows without in 'x0', and in 3 more"):
                fitted.predict(holes)
            return
        assert np.isfinite(fitted.predict(holes).point).all()

    def test_the_same_rows_give_the_same_model(self, fitted: UpliftModel, truth: Truth) -> None:
        again = self.fresh().fit(truth.rows).predict(truth.rows.features).point
        np.testing.assert_array_equal(again, fitted.predict(truth.rows.features).point)

    def test_the_order_of_rows_does_not_matter(self, fitted: UpliftModel, truth: Truth) -> None:
        order = np.random.default_rng(0).permutation(len(truth.rows))
        other = self.fresh().fit(truth.rows.take(order))
        self.assert_agree(other, fitted, truth)

    def test_the_callers_rows_are_left_alone(self, truth: Truth) -> None:
        copies = {
            name: values.copy()
            for name, values in vars(truth.rows).items()
            if isinstance(values, np.ndarray)
        }
        assert len(copies) == 7
        self.fresh().fit(truth.rows).predict(truth.rows.features)
        for name, values in copies.items():
            np.testing.assert_array_equal(getattr(truth.rows, name), values)

    def test_swapping_the_arms_swaps_the_sign(self, fitted: UpliftModel, truth: Truth) -> None:
        rows = truth.rows
        swapped = replace(rows, treatment=1 - rows.treatment, propensity=1 - rows.propensity)
        self.assert_agree(self.fresh().fit(swapped), fitted, truth, sign=-1)

    def test_weights_are_scale_free(self, fitted: UpliftModel, truth: Truth) -> None:
        heavier = replace(truth.rows, weight=truth.rows.weight * 4)
        self.assert_agree(self.fresh().fit(heavier), fitted, truth)

    def test_it_finds_the_step(self, fitted: UpliftModel, truth: Truth) -> None:
        new = draw(2)
        found = fitted.predict(new.rows.features).point
        assert np.corrcoef(found, new.tau)[0, 1] > self.least_correlation
        for step in (0.3, -0.05):
            assert found[new.tau == step].mean() == pytest.approx(step, abs=self.bias)

    def test_it_must_be_fitted_first(self, truth: Truth) -> None:
        with pytest.raises(NotFittedError):
            self.fresh().predict(truth.rows.features)

    @pytest.mark.parametrize("arm", [0, 1])
    def test_one_arm_alone_is_refused(self, truth: Truth, arm: int) -> None:
        with pytest.raises(CausalRankerError, match=f"T = {1 - arm}"):
            self.fresh().fit(truth.rows.take(truth.rows.treatment == arm))

    def assert_agree(
        self, one: UpliftModel, other: UpliftModel, truth: Truth, *, sign: int = 1
    ) -> None:
        x = truth.rows.features
        if self.least_agreement is not None:
            agreement = np.corrcoef(sign * one.predict(x).point, other.predict(x).point)[0, 1]
            assert agreement >= self.least_agreement
            return
        np.testing.assert_allclose(
            sign * one.predict(x).point, other.predict(x).point, atol=self.tolerance
        )
