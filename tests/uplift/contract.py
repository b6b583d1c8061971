"""What every uplift model keeps; subclass :class:`UpliftModelContract` to test yours.

Where a promise holds of yours only roughly, override `tolerance`, `least_agreement` or a band. What
yours cannot do (read weights, learn amounts) it has to refuse.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import CausalRankerError, ConfigError, NotFittedError, RowError
from causal_ranker.uplift.base import Effect, UpliftModel
from causal_ranker.uplift.final import LearnerConfig
from tests.uplift.worlds import CONFIG, Truth, draw


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
    #: How far the mean effect may lie from one that is the same for all.
    constant_bias = 0.02
    #: Spread, as a standard deviation, of what is found where the effect is the same for all.
    constant_spread = 0.08
    #: How far two fits that should agree may differ, in plays per impression.
    tolerance = 1e-6
    #: Correlation of two fits that should agree, where draws by position forbid a tolerance.
    least_agreement: float | None = None
    #: How far a row scored alone may differ from the same row among others.
    alone = 0.0
    #: Whether missing features are scored; otherwise they are refused by name.
    reads_missing = True

    #: Whether weights are read; otherwise unequal ones are refused.
    reads_weights = True
    #: Settings that `fresh` is to use, some of which some tests change.
    config: LearnerConfig = CONFIG

    def fresh(self) -> UpliftModel:
        """Return a new model of `config`, the same each time."""
        raise NotImplementedError

    def fresh_with(self, *, kind: str = "binary", min_rows_leaf: int | None = None) -> UpliftModel:
        """Return the same for another outcome, or with another smallest leaf."""
        other = type(self)()
        other.config = _changed(self.config, kind=kind, min_rows_leaf=min_rows_leaf)
        return other.fresh()

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

    def test_the_order_of_columns_does_not_matter(self, fitted: UpliftModel, truth: Truth) -> None:
        order, rows = np.array([2, 0, 3, 1]), truth.rows
        names = tuple(rows.names[place] for place in order)
        moved = replace(rows, features=rows.features[:, order], names=names)
        found = self.fresh().fit(moved).predict(moved.features).point
        self.assert_same(found, fitted.predict(rows.features).point)

    def test_a_weight_of_two_is_the_row_twice(self) -> None:
        """Where a leaf may be of one row, as leaves count rows and not weights."""
        rows = draw(7, n=2_000, logged=True).rows
        # Two values each: both have the same bins, and no two features ever part a leaf alike,
        # which would leave the choice between them to the last digit.
        rows = replace(rows, features=(rows.features > 0).astype(np.float32))
        times = np.random.default_rng(0).integers(1, 3, len(rows))
        weighted = replace(rows, weight=times.astype(float))
        repeated = rows.take(np.repeat(np.arange(len(rows)), times))
        if not self.reads_weights:
            with pytest.raises(ConfigError, match="reads no weights"):
                self.fresh().fit(weighted)
            return
        once, one, other = (
            self.fresh_with(kind="continuous", min_rows_leaf=1)
            .fit(each)
            .predict(rows.features)
            .point
            for each in (rows, weighted, repeated)
        )
        self.assert_same(one, other)
        assert np.abs(one - once).max() > 1e-3  # the weights did something

    def test_an_outcome_in_other_units_has_effects_in_them(self) -> None:
        rows = draw(3, n=6_000).rows
        noise = np.random.default_rng(3).normal(size=len(rows))
        amounts = rows.outcome + 0.3 * noise - 3
        one, eight = (
            self.fresh_with(kind="continuous")
            .fit(replace(rows, outcome=scale * amounts))
            .predict(rows.features)
            .point
            for scale in (1, 8)
        )
        self.assert_same(eight / 8, one, tolerance=max(self.tolerance, 1e-4))
        assert np.abs(one).mean() > 0.05

    def test_a_constant_effect_is_found_where_the_naive_difference_is_wrong(self) -> None:
        truth = draw(8, n=20_000, tau=0.1, logged=self.logged)
        assert truth.naive > 0.17
        found = self.fresh().fit(truth.rows).predict(truth.rows.features).point
        assert found.mean() == pytest.approx(0.1, abs=self.constant_bias)
        assert found.std() < self.constant_spread

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
        self.assert_same(sign * one.predict(x).point, other.predict(x).point)

    def assert_same(
        self,
        one: NDArray[np.float64],
        other: NDArray[np.float64],
        *,
        tolerance: float | None = None,
    ) -> None:
        if self.least_agreement is None:
            np.testing.assert_allclose(one, other, atol=tolerance or self.tolerance)
        else:
            assert np.corrcoef(one, other)[0, 1] >= self.least_agreement


def _changed(config: Any, *, kind: str, min_rows_leaf: int | None) -> Any:
    """Return the settings with another kind of outcome, and another leaf of all trees."""
    update: dict[str, Any] = {}
    for name, value in config:
        if isinstance(value, FrozenConfig):
            update[name] = _changed(value, kind=kind, min_rows_leaf=min_rows_leaf)
    if "kind" in type(config).model_fields:
        update["kind"] = kind
    if isinstance(config, BoostConfig) and min_rows_leaf is not None:
        update["min_rows_leaf"] = min_rows_leaf
    return config.model_copy(update=update)
