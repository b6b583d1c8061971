"""Kolmogorov-Smirnov, and distances whose threshold is learned."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
import scipy.stats as ss
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.drift.detectors import KolmogorovSmirnov
from causal_ranker.drift.distances import LearnedDistance
from causal_ranker.drift.protocol import Detector
from causal_ranker.errors import RowError
from tests.drift.contract import DetectorContract

SOME = st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=60)


class TestKolmogorovSmirnov(DetectorContract):
    def make(self, **settings: Any) -> Detector:
        return KolmogorovSmirnov(**settings)

    def test_scipy_gives_the_same(self) -> None:
        rng = np.random.default_rng(4)
        first, second = rng.normal(size=3000), rng.normal(0.05, 1, 2000)
        found = KolmogorovSmirnov().fit(first).predict(second)
        peer = ss.ks_2samp(first, second, method="asymp")
        assert found.statistic == pytest.approx(peer.statistic, abs=1e-12)
        assert found.p_value == pytest.approx(peer.pvalue, rel=0.1)  # scipy corrects for size
        root = np.sqrt(3000 * 2000 / 5000)
        assert found.p_value == pytest.approx(ss.kstwobign.sf(root * peer.statistic))
        assert ss.kstwobign.sf(root * found.threshold) == pytest.approx(0.05)

    @given(first=SOME, second=SOME)
    def test_an_increasing_transform_changes_nothing(
        self, first: list[float], second: list[float]
    ) -> None:
        found = KolmogorovSmirnov().fit(first).predict(second)
        a, b = np.asarray(first), np.asarray(second)
        again = KolmogorovSmirnov().fit(a * 8).predict(b * 8)
        assert again.statistic == pytest.approx(found.statistic, abs=1e-12)
        swapped = KolmogorovSmirnov().fit(second).predict(first)
        assert swapped.statistic == pytest.approx(found.statistic, abs=1e-12)

    def test_a_small_shift_has_a_known_distance(self) -> None:
        rng = np.random.default_rng(0)
        found = [
            KolmogorovSmirnov()
            .fit(rng.normal(size=20_000))
            .predict(rng.normal(0.2, 1, 20_000))
            .statistic
            for _ in range(5)
        ]
        # the largest distance of two normal variables 0.2 apart is 2 Phi(0.1) - 1
        assert np.mean(found) == pytest.approx(2 * ss.norm.cdf(0.1) - 1, abs=0.008)

    def test_infinite_values_are_values(self) -> None:
        found = KolmogorovSmirnov().fit([1.0, 2.0, np.inf] * 20).predict([-np.inf, 2.0] * 30)
        assert found.statistic == pytest.approx(0.5)
        with pytest.raises(RowError, match="not NaN"):
            KolmogorovSmirnov().fit([1.0, np.nan])


class LearnedContract(DetectorContract):
    kind: Literal["psi", "jensen_shannon", "wasserstein"]
    runs = 200

    def make(self, **settings: Any) -> Detector:
        return LearnedDistance(kind=self.kind, draws=499, **settings)

    def test_threshold_and_p_value_agree(self) -> None:
        for shift in (0.0, 0.1, 0.2, 0.3):
            window = self.sample(np.random.default_rng(1), self.window_rows, shift=shift)
            found = self._fitted().predict(window)
            assert found.drifted == (found.statistic >= found.threshold)


class TestPopulationStability(LearnedContract):
    kind = "psi"

    def test_a_fifth_of_a_standard_deviation_is_far_below_folklore(self) -> None:
        rng = np.random.default_rng(0)
        detector = LearnedDistance().fit(rng.normal(size=10_000))
        found = detector.predict(rng.normal(0.2, 1, 10_000))
        assert 0.03 < found.statistic < 0.05
        assert found.drifted

    def test_its_chance_is_chi_squared(self) -> None:
        """An independent law: PSI n m / (n + m) is chi-squared with 19 degrees of freedom."""
        rng = np.random.default_rng(0)
        detector = LearnedDistance(draws=1999).fit(rng.normal(size=5000))
        threshold = detector.predict(rng.normal(size=5000)).threshold
        assert threshold == pytest.approx(ss.chi2.isf(0.05, 19) / 2500, rel=0.06)


class TestJensenShannon(LearnedContract):
    kind = "jensen_shannon"


class TestWasserstein(LearnedContract):
    kind = "wasserstein"
    rows, window_rows = 200, 100

    def test_scipy_gives_the_same(self) -> None:
        rng = np.random.default_rng(4)
        first, second = rng.normal(3, 2, size=500), rng.normal(4, 3, 400)
        found = LearnedDistance(kind="wasserstein").fit(first).predict(second)
        peer = ss.wasserstein_distance(first, second) / first.std()
        assert found.statistic == pytest.approx(peer)

    def test_its_chance_on_a_grid_is_that_of_all_values(self) -> None:
        """Resampling whole arrays, the plain way, gives the same threshold."""
        rng = np.random.default_rng(5)
        values = rng.normal(size=6000)
        found = LearnedDistance(kind="wasserstein", draws=499).fit(values).predict(values[:1000])
        plain = [
            ss.wasserstein_distance(rng.choice(values, 6000), rng.choice(values, 1000))
            for _ in range(300)
        ]
        assert found.threshold == pytest.approx(np.quantile(plain, 0.95), rel=0.12)
