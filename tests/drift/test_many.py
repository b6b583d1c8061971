"""Detectors of many features at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats as ss
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from causal_ranker.boosting import BoostConfig
from causal_ranker.drift.clusters import ClusterShares, _Cells
from causal_ranker.drift.detectors import KolmogorovSmirnov
from causal_ranker.drift.discrepancy import MeanDiscrepancy
from causal_ranker.drift.domain import DomainClassifier, _rank_sum
from causal_ranker.drift.protocol import Detector
from causal_ranker.drift.reconstruction import PrincipalComponents, _Ordered, _Plane
from causal_ranker.drift.rows import Units, float_rows
from causal_ranker.errors import ConfigError, EmptyError, RowError, SchemaError
from tests.drift.contract import DetectorContract

Rows = NDArray[np.float64]
DETECTORS = [PrincipalComponents, ClusterShares, MeanDiscrepancy, DomainClassifier]
each_detector = pytest.mark.parametrize("kind", DETECTORS)


class TestPrincipalComponents(DetectorContract):
    features = 5
    runs = 300

    def make(self, **settings: Any) -> Detector:
        return PrincipalComponents(**settings)


class TestClusterShares(DetectorContract):
    features = 5
    runs = 300

    def make(self, **settings: Any) -> Detector:
        return ClusterShares(**settings)


class TestMeanDiscrepancy(DetectorContract):
    features = 5
    runs = 200

    def make(self, **settings: Any) -> Detector:
        return MeanDiscrepancy(**settings)


class TestDomainClassifier(DetectorContract):
    features = 5
    runs = 120
    missing_allowed = True

    def make(self, **settings: Any) -> Detector:
        return DomainClassifier(**settings)


def pairs(rng: np.random.Generator, rows: int, *, rho: float, spread: float = 1.0) -> Rows:
    """Five pairs of standard normal features; within a pair the correlation is `rho`."""
    first, second = rng.normal(size=(2, rows, 5))
    return spread * np.column_stack([first, rho * first + np.sqrt(1 - rho**2) * second])


@each_detector
def test_what_no_single_feature_shows_is_found(kind: type[Any]) -> None:
    alone = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        reference, window = pairs(rng, 2000, rho=0.6), pairs(rng, 1000, rho=0.0)
        assert kind().fit(reference).predict(window).drifted
        alone += sum(
            KolmogorovSmirnov().fit(a).predict(b).drifted
            for a, b in zip(reference.T, window.T, strict=True)
        )
    assert alone <= ss.binom.ppf(0.999, 40, 0.05)


@each_detector
def test_a_wider_spread_and_a_moved_mean_are_found(kind: type[Any]) -> None:
    rng = np.random.default_rng(0)
    detector = kind().fit(pairs(rng, 2000, rho=0.6))
    assert detector.predict(pairs(rng, 1000, rho=0.6, spread=1.25)).drifted
    assert detector.predict(pairs(rng, 1000, rho=0.6) + 0.5).drifted


@each_detector
@settings(max_examples=6)
@given(powers=st.lists(st.integers(-8, 8), min_size=10, max_size=10))
def test_units_of_features_do_not_matter(kind: type[Any], powers: list[int]) -> None:
    rng = np.random.default_rng(1)
    reference, window = pairs(rng, 200, rho=0.6), pairs(rng, 100, rho=0.3)
    unit = 2.0 ** np.array(powers)  # exact in floats, so that no tie breaks
    first = kind().fit(reference).predict(window)
    second = kind().fit(reference * unit).predict(window * unit)
    assert second.statistic == pytest.approx(first.statistic, rel=1e-6)
    assert second.drifted == first.drifted


@each_detector
def test_a_window_of_other_features_is_refused(kind: type[Any]) -> None:
    rng = np.random.default_rng(0)
    detector = kind().fit(rng.normal(size=(50, 3)))
    with pytest.raises(SchemaError, match="3 columns in 'window', as in the reference; got 4"):
        detector.predict(rng.normal(size=(50, 4)))
    with pytest.raises(SchemaError, match="rows and columns"):
        detector.predict(rng.normal(size=50))
    window = rng.normal(size=(50, 3))
    window[:2, 0] = np.inf
    with pytest.raises(RowError, match="2 of 50 bad rows"):
        detector.predict(window)
    with pytest.raises(EmptyError, match="at least"):
        kind().fit(rng.normal(size=(1, 3)))


@each_detector
def test_of_more_rows_than_asked_so_many_are_drawn(kind: type[Any]) -> None:
    rng = np.random.default_rng(0)
    reference, window = rng.normal(size=(3000, 2)), rng.normal(0.8, 1, size=(3000, 2))
    whole = kind().fit(reference).predict(window)
    part = kind(most_rows=100).fit(reference).predict(window)
    assert whole.drifted
    assert part.drifted
    assert part.statistic != whole.statistic
    with pytest.raises(ConfigError, match="most_rows"):
        kind(most_rows=99)


def test_text_is_not_cast_to_numbers() -> None:
    with pytest.raises(SchemaError, match="<U1"):
        float_rows(np.array([["1", "2"]]), name="window")
    assert float_rows([[True, False]], name="window").tolist() == [[1.0, 0.0]]


def test_a_level_that_no_permutation_reaches_is_refused() -> None:
    with pytest.raises(ConfigError, match="level"):
        MeanDiscrepancy(level=1e-5)
    rng = np.random.default_rng(0)
    far = MeanDiscrepancy(level=1e-4, waves=8).fit(rng.normal(size=(60, 1)))
    decision = far.predict(rng.normal(3, 1, size=(60, 1)))
    assert decision.drifted
    assert decision.p_value == pytest.approx(1e-4)


def test_the_threshold_and_the_p_value_agree() -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        detector = PrincipalComponents(seed=seed).fit(rng.normal(size=(100, 2)))
        decision = detector.predict(rng.normal(size=(50, 2)) * 1.3)
        assert (decision.p_value <= 0.05) == (decision.statistic > decision.threshold)


def test_sklearn_reconstructs_as_we_do() -> None:
    rng = np.random.default_rng(0)
    rows = pairs(rng, 300, rho=0.6) * np.arange(1, 11)
    plane = _Plane.of(rows, explained=0.8)
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    peer = PCA(n_components=0.8, svd_solver="full").fit(scaled)
    assert plane.axes.shape[1] == peer.n_components_
    scores = peer.transform(scaled)
    error = ((scaled - peer.inverse_transform(scores)) ** 2).sum(axis=1)
    within = (scores**2 / scores.var(axis=0)).sum(axis=1)
    np.testing.assert_allclose(plane.distances(rows), np.column_stack([error, within]), atol=1e-8)


def test_scipy_finds_the_same_largest_gap() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 9, 80).astype(float)  # with ties
    labels = rng.permuted(np.tile(np.arange(80) < 30, (5, 1)), axis=1)
    expected = [ss.ks_2samp(values[mark], values[~mark]).statistic for mark in labels]
    np.testing.assert_allclose(_Ordered.of(values).largest_gap(labels), expected, atol=1e-12)


def test_a_feature_that_repeats_another_has_no_distance_until_it_stops() -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(size=(400, 1))
    detector = PrincipalComponents(explained=0.99).fit(np.column_stack([first, first]))
    again = rng.normal(size=(200, 1))
    assert not detector.predict(np.column_stack([again, again])).drifted
    assert detector.predict(np.column_stack([again, -again])).drifted


def test_rows_that_the_components_were_fitted_on_are_no_measure_for_others() -> None:
    alarms = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        detector = PrincipalComponents().fit(rng.normal(size=(120, 40)))
        alarms += detector.predict(rng.normal(size=(60, 40))).drifted
    assert alarms <= ss.binom.ppf(0.999, 60, 0.05)


def test_shares_of_clusters_by_hand() -> None:
    rng = np.random.default_rng(0)
    corners = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0], [9.0, 9.0]])

    def draw(rows: int, p: list[float]) -> Rows:
        return corners[rng.choice(4, rows, p=p)] + rng.normal(size=(rows, 2)) / 10

    reference, window = draw(4000, [0.25] * 4), draw(1000, [0.4, 0.2, 0.2, 0.2])
    cells = _Cells.of(reference, clusters=4, rng=np.random.default_rng(1))
    counts = np.array([cells.counts(part) for part in (reference, window)])
    # the blobs are far apart, so each cluster is one corner, and half of it lies near
    for rows, part in zip((reference, window), counts, strict=True):
        corner = np.bincount((rows > 4.5) @ [1, 2], minlength=4)
        assert sorted(part.reshape(4, 2).sum(axis=1)) == sorted(corner)
    np.testing.assert_allclose(counts[0, ::2], counts[0, 1::2], atol=1)
    decision = ClusterShares(clusters=4).fit(reference).predict(window)
    # V^2 = sum (p - q)^2 / pooled share * n m / (n + m)^2, with n = 2,000 of the half that counts
    share, part = np.array([0.25] * 4), np.array([0.4, 0.2, 0.2, 0.2])
    pooled = (2 * share + part) / 3
    truth = np.sqrt(((share - part) ** 2 / pooled).sum() * 2 / 9)
    assert decision.effect_size == pytest.approx(truth, abs=0.03)


def test_waves_stand_for_the_gaussian_kernel() -> None:
    rng = np.random.default_rng(0)
    before, now = rng.normal(size=(300, 3)), rng.normal(0.7, 1, size=(200, 3))
    found = MeanDiscrepancy(waves=10_000).fit(before).predict(now).statistic
    both = np.concatenate([before, now])
    scaled = (both - both.mean(axis=0)) / both.std(axis=0)
    width = np.median(pdist(scaled))

    def kernel(a: Rows, b: Rows) -> float:
        return float(np.exp(-cdist(a, b, "sqeuclidean") / (2 * width**2)).mean())

    a, b = scaled[:300], scaled[300:]
    exact = np.sqrt(kernel(a, a) + kernel(b, b) - 2 * kernel(a, b))
    assert found == pytest.approx(exact, rel=0.05)


def test_the_rank_sum_is_mann_whitneys() -> None:
    rng = np.random.default_rng(0)
    scores, mark = rng.integers(0, 30, 400).astype(float), rng.random(400) < 0.3
    wins, pairs_, variance = _rank_sum(scores, mark)
    assert wins / pairs_ == pytest.approx(roc_auc_score(mark, scores))
    peer = ss.mannwhitneyu(
        scores[mark],
        scores[~mark],
        alternative="greater",
        method="asymptotic",
        use_continuity=False,
    )
    assert ss.norm.sf((wins - pairs_ / 2) / np.sqrt(variance)) == pytest.approx(peer.pvalue)


def test_the_area_of_one_moved_normal_is_the_known_one() -> None:
    rng = np.random.default_rng(0)
    reference, window = rng.normal(size=(8000, 1)), rng.normal(1, 1, size=(8000, 1))
    boost = BoostConfig(rounds=40, leaves=4, min_rows_leaf=200)
    decision = DomainClassifier(boost=boost).fit(reference).predict(window)
    truth = ss.norm.cdf(1 / np.sqrt(2))
    assert decision.statistic == pytest.approx(truth, abs=0.015)
    assert decision.effect_size == decision.statistic - 0.5


def test_the_most_telling_features_are_named() -> None:
    rng = np.random.default_rng(0)
    reference, window = rng.normal(size=(2000, 6)), rng.normal(size=(1000, 6))
    window[:, 3] += 0.6
    window[::3, 1] = np.nan
    detector = DomainClassifier().fit(reference)
    names = [f"f{place}" for place in range(6)]
    told = detector.telling(window, names=names)
    assert {told[0].name, told[1].name} == {"f1", "f3"}
    assert told[1].lost > 0.05
    assert all(abs(feature.lost) < 0.03 for feature in told[2:])
    assert sorted(feature.name for feature in told) == names
    with pytest.raises(SchemaError, match="6 names"):
        detector.telling(window, names=names[:5])
    with pytest.raises(EmptyError, match="10 rows"):
        detector.predict(window[:9])


def test_units_leave_missing_values_out() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 3))
    rows[:, 1] = 5.0
    rows[::4, 2] = np.nan
    found = Units.of(rows)
    np.testing.assert_allclose(found.center, np.nanmean(rows, axis=0))
    # a constant's own size is its unit
    np.testing.assert_allclose(found.spread, [rows[:, 0].std(), 5.0, np.nanstd(rows[:, 2])])
    gone = Units.of(np.full((3, 1), np.nan))
    assert (gone.center[0], gone.spread[0]) == (0.0, 1.0)
