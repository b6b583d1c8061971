"""Chi-squared: rare categories pooled, or compared with exchanges of rows."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import scipy.stats as ss
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from causal_ranker.drift.detectors import ChiSquared
from causal_ranker.drift.protocol import Detector
from causal_ranker.errors import RowError, SchemaError
from tests.drift.contract import DetectorContract

COLOURS = np.array(["red", "green", "blue"])


class CategoriesContract(DetectorContract):
    shifts: ClassVar[tuple[float, ...]] = (0.0, 0.1, 0.2, 0.4)

    def sample(self, rng: np.random.Generator, rows: int, *, shift: float = 0.0) -> NDArray[Any]:
        return rng.choice(COLOURS, rows, p=[0.5 - shift, 0.3 + shift, 0.2])

    def constant(self, rows: int, *, changed: bool) -> NDArray[Any]:
        return np.repeat("blue" if changed else "red", rows)

    def huge(self, rng: np.random.Generator, rows: int, *, shift: float = 0.0) -> NDArray[Any]:
        # neighbours that are one number as doubles
        return rng.choice(2**62 + np.arange(3), rows, p=[0.5 - shift, 0.3 + shift, 0.2])

    def test_all_missing_is_an_alarm_or_refused_with_a_count(self) -> None:
        gone = np.full(self.window_rows, None, dtype=object)
        with pytest.raises(RowError, match=f"{self.window_rows} of {self.window_rows} missing"):
            self._fitted().predict(gone)


class TestPooled(CategoriesContract):
    def make(self, **settings: Any) -> Detector:
        return ChiSquared(**settings)

    def test_scipy_gives_the_same(self) -> None:
        found = ChiSquared().fit(["a"] * 50 + ["b"] * 50).predict(["a"] * 40 + ["c"] * 40)
        peer = ss.chi2_contingency([[50, 50, 0], [40, 0, 40]])
        assert found.statistic == pytest.approx(peer.statistic)
        assert found.p_value == pytest.approx(peer.pvalue)
        assert found.effect_size == pytest.approx(np.sqrt(peer.statistic / 180))
        assert ss.chi2.sf(found.threshold, 2) == pytest.approx(0.05)

    def test_another_kind_is_schema_drift(self) -> None:
        with pytest.raises(SchemaError, match="kind"):
            ChiSquared().fit(["1", "2"]).predict([1, 2])
        with pytest.raises(SchemaError, match="int, str"):
            ChiSquared().fit(np.array([1, "1"], dtype=object))
        with pytest.raises(SchemaError, match="whole numbers"):
            ChiSquared().fit([0.5])

    @given(
        st.lists(st.sampled_from("abcd"), min_size=1), st.lists(st.sampled_from("abcd"), min_size=1)
    )
    def test_order_is_nothing(self, first: list[str], second: list[str]) -> None:
        found = ChiSquared().fit(first).predict(second)
        again = ChiSquared().fit(sorted(first)).predict(second[::-1])
        assert again.statistic == pytest.approx(found.statistic)
        assert 0 <= found.effect_size <= 1 + 1e-12


class TestPermuted(CategoriesContract):
    runs = 200

    def make(self, **settings: Any) -> Detector:
        return ChiSquared(small_cells="permute", **settings)

    def test_fisher_gives_the_same(self) -> None:
        """Of a table of two by two with small cells, whose law is known exactly."""
        found = (
            ChiSquared(small_cells="permute")
            .fit(["a"] * 9 + ["b"] * 2)
            .predict(["a"] * 3 + ["b"] * 6)
        )
        exact = ss.fisher_exact([[9, 2], [3, 6]]).pvalue
        assert found.p_value == pytest.approx(exact, abs=0.02)

    def test_many_rare_categories_keep_the_level(self) -> None:
        """Where nothing is common enough for the chi-squared law, and pooling leaves nothing."""
        alarms = 0
        for run in range(200):
            rng = np.random.default_rng([1, run])
            reference, window = rng.integers(0, 60, 80), rng.integers(0, 60, 60)
            alarms += ChiSquared(small_cells="permute").fit(reference).predict(window).drifted
        low, high = ss.binom.ppf([0.001, 0.999], 200, 0.05)
        assert low <= alarms <= high
