from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.stats as ss
from scipy.stats import binom

from causal_ranker.drift.alibi import Wrapped
from causal_ranker.drift.detectors import (
    ChiSquared,
    KolmogorovSmirnov,
    LearnedDistance,
)
from causal_ranker.drift.family import false_discoveries_controlled
from causal_ranker.drift.protocol import Detector
from causal_ranker.errors import EmptyError, NotFittedError, RowError, SchemaError

Draw = Callable[[np.random.Generator, int, float], np.ndarray]


def normal(rng: np.random.Generator, size: int, shift: float) -> np.ndarray:
    return rng.normal(shift, 1, size)


def colour(rng: np.random.Generator, size: int, shift: float) -> np.ndarray:
    return rng.choice(["red", "green", "blue"], size, p=[0.5 - shift, 0.3 + shift, 0.2])


class DetectorContract:
    """What every detector must keep; subclasses say which one."""

    draw: Draw = staticmethod(normal)
    shift = 0.5
    runs = 400

    def detector(self, **settings: Any) -> Detector:
        raise NotImplementedError

    def test_false_alarms_come_at_their_rate(self) -> None:
        alarms = 0
        for seed in range(self.runs):
            rng = np.random.default_rng(seed)
            fitted = self.detector().fit(self.draw(rng, 400, 0.0))
            alarms += fitted.predict(self.draw(rng, 300, 0.0)).drifted
        low, high = binom.ppf([0.001, 0.999], self.runs, 0.05)
        assert low <= alarms <= high

    def test_a_shift_is_found(self) -> None:
        found = 0
        for seed in range(20):
            rng = np.random.default_rng(seed)
            fitted = self.detector().fit(self.draw(rng, 400, 0.0))
            found += fitted.predict(self.draw(rng, 300, self.shift)).drifted
        assert found >= 19

    def test_a_small_effect_is_no_drift_however_sure(self) -> None:
        rng = np.random.default_rng(0)
        reference, window = self.draw(rng, 4000, 0.0), self.draw(rng, 4000, self.shift)
        sure = self.detector().fit(reference).predict(window)
        assert sure.drifted
        assert sure.p_value < 0.01
        same = self.detector(least_effect=sure.effect_size * 2).fit(reference).predict(window)
        assert not same.drifted
        assert same.p_value == sure.p_value

    def test_statistic_threshold_and_p_value_agree(self) -> None:
        for seed in range(30):
            rng = np.random.default_rng(seed)
            fitted = self.detector().fit(self.draw(rng, 400, 0.0))
            decision = fitted.predict(self.draw(rng, 300, self.shift * (seed % 3) / 5))
            if abs(decision.p_value - 0.05) > 0.01:  # learned ones have the grain of their draws
                assert decision.drifted == (decision.statistic > decision.threshold)

    def test_bad_input_is_told(self) -> None:
        some = self.draw(np.random.default_rng(0), 50, 0.0)
        with pytest.raises(NotFittedError, match="before fit"):
            self.detector().predict(some)
        with pytest.raises(EmptyError):
            self.detector().fit(some[:0])
        with pytest.raises(EmptyError):
            self.detector().fit(some).predict(some[:0])

    def test_a_constant_is_no_drift_and_one_row_is_judged(self) -> None:
        constant = np.repeat(self.draw(np.random.default_rng(0), 1, 0.0), 30)
        decision = self.detector().fit(constant).predict(constant)
        assert decision.statistic == pytest.approx(0)
        assert not decision.drifted
        assert not self.detector().fit(constant).predict(constant[:1]).drifted


class TestKolmogorovSmirnov(DetectorContract):
    def detector(self, **settings: Any) -> KolmogorovSmirnov:
        return KolmogorovSmirnov(**settings)

    def test_scipy_gives_the_same_p_value(self) -> None:
        rng = np.random.default_rng(4)
        first, second = rng.normal(size=3000), rng.normal(0.05, 1, 2000)
        found = KolmogorovSmirnov().fit(first).predict(second)
        peer = ss.ks_2samp(first, second, method="asymp")
        assert found.statistic == pytest.approx(peer.statistic, abs=1e-12)
        assert found.p_value == pytest.approx(peer.pvalue, rel=0.1)  # scipy corrects for size

    def test_huge_integers_and_missing_values(self) -> None:
        huge = np.arange(100) + 2**62
        assert not KolmogorovSmirnov().fit(huge).predict(huge).drifted
        with pytest.raises(RowError, match="not NaN"):
            KolmogorovSmirnov().fit([1.0, np.nan])


class TestChiSquared(DetectorContract):
    draw = staticmethod(colour)
    shift = 0.2

    def detector(self, **settings: Any) -> ChiSquared:
        return ChiSquared(**settings)

    def test_a_new_category_is_a_cell(self) -> None:
        decision = ChiSquared().fit(["a"] * 50 + ["b"] * 50).predict(["a"] * 40 + ["c"] * 40)
        assert decision.drifted
        assert decision.effect_size == pytest.approx(
            np.sqrt(ss.chi2_contingency([[50, 50, 0], [40, 0, 40]]).statistic / 180)
        )

    def test_mixed_types_are_categories(self) -> None:
        mixed = np.array([1, "a", None] * 20, dtype=object)
        assert not ChiSquared().fit(mixed).predict(mixed).drifted


@pytest.mark.slow
class TestPopulationStability(DetectorContract):
    runs = 120

    def detector(self, **settings: Any) -> LearnedDistance:
        return LearnedDistance(kind="psi", **settings)


@pytest.mark.slow
class TestJensenShannon(DetectorContract):
    runs = 120

    def detector(self, **settings: Any) -> LearnedDistance:
        return LearnedDistance(kind="jensen_shannon", **settings)


@pytest.mark.slow
class TestWasserstein(DetectorContract):
    runs = 120

    def detector(self, **settings: Any) -> LearnedDistance:
        return LearnedDistance(kind="wasserstein", **settings)


def test_the_step_up_rule_by_hand() -> None:
    p = [0.001, 0.04, 0.012, 0.9, 0.02]
    # ordered .001 .012 .02 .04 .9 against .01 .02 .03 .04 .05
    assert false_discoveries_controlled(p).tolist() == [True, True, True, False, True]
    assert (
        false_discoveries_controlled(p).tolist() == (ss.false_discovery_control(p) <= 0.05).tolist()
    )
    with pytest.raises(RowError, match=r"in \[0, 1\]"):
        false_discoveries_controlled([0.5, 1.5])


def test_without_drift_the_family_keeps_its_level() -> None:
    runs = 2000
    p = np.random.default_rng(0).random((runs, 20))
    any_alarm = sum(bool(false_discoveries_controlled(row).any()) for row in p)
    low, high = binom.ppf([0.001, 0.999], runs, 0.05)
    assert low <= any_alarm <= high


class Foreign:
    """A detector as Alibi-Detect's users know them."""

    def __init__(self, x_ref: np.ndarray, p_val: float) -> None:
        self.x_ref, self.p_val = x_ref, p_val

    def predict(self, x: np.ndarray) -> dict[str, Any]:
        tests = [ss.ks_2samp(a, b) for a, b in zip(self.x_ref.T, x.T, strict=True)]
        p = np.array([test.pvalue for test in tests])
        limit = self.p_val / len(p)
        distance = np.array([test.statistic for test in tests])
        data = {"is_drift": int(p.min() < limit), "p_val": p, "distance": distance}
        return {"data": {**data, "threshold": limit}, "meta": {}}


def test_a_foreign_detector_plugs_in() -> None:
    rng = np.random.default_rng(0)
    wrapped = Wrapped(lambda x: Foreign(x, p_val=0.05)).fit(rng.normal(size=(500, 3)))
    quiet = wrapped.predict(rng.normal(size=(500, 3)))
    moved = wrapped.predict(rng.normal([0, 0, 1], size=(500, 3)))
    assert (quiet.drifted, moved.drifted) == (False, True)
    assert moved.p_value < 1e-9
    assert moved.effect_size > 0.3
    with pytest.raises(NotFittedError):
        Wrapped(lambda x: Foreign(x, p_val=0.05)).predict(np.ones((2, 2)))

    class Other:
        def predict(self, x: np.ndarray) -> dict[str, Any]:
            return {"drift": True}

    with pytest.raises(SchemaError, match="is_drift"):
        Wrapped(lambda x: Other()).fit([1]).predict([1])
