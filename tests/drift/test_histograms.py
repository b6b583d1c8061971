"""Distances in cells beside the exact ones, and what the cells can hide."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats as ss
from hypothesis import given, settings
from hypothesis import strategies as st

from causal_ranker.drift import histograms as h
from causal_ranker.drift.profiles import Categories, Numbers
from causal_ranker.stats import distances

FLOATS = st.lists(st.floats(-1e9, 1e9) | st.sampled_from([0.0, 1.0]), min_size=1, max_size=400)


def of(values: np.ndarray, like: Numbers | None = None) -> Numbers:
    return Numbers.of_values(values, np.zeros(values.size, np.int64), size=1, like=like)


@settings(max_examples=60, deadline=None)
@given(first=FLOATS, second=FLOATS)
def test_the_distance_in_cells_is_below_the_exact_one_by_no_more_than_told(
    first: list[float], second: list[float]
) -> None:
    a, b = np.array(first), np.array(second)
    one = of(a)
    two = of(b, one)
    assert one.counts.sum() == a.size
    assert two.counts.sum() == b.size
    rough = float(h.kolmogorov_smirnov(one.counts, two.counts)[0])
    exact = distances.kolmogorov_smirnov(a, b)
    assert rough <= exact + 1e-12
    assert exact <= rough + one.resolution(two) + 1e-12


def test_a_value_that_fills_cells_stands_alone() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([np.zeros(5000), rng.exponential(size=5000)])
    edges = h.edges_of(values, cells=200)
    assert 0.0 in edges
    assert np.nextafter(0.0, -1) in edges
    counts = of(values).counts[0]
    assert counts[np.searchsorted(edges, 0.0)] == 5000
    assert len(edges) <= 412


def test_few_values_are_known_exactly() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 30, 500).astype(float), rng.integers(3, 33, 400).astype(float)
    one = of(a)
    two = of(b, one)
    exact = distances.kolmogorov_smirnov(a, b)
    assert h.kolmogorov_smirnov(one.counts, two.counts)[0] == pytest.approx(exact)
    counts = [np.bincount(x.astype(int), minlength=33) for x in (a, b)]
    chi2 = ss.chi2_contingency(np.vstack([c[np.vstack(counts).sum(0) > 0] for c in counts]))
    v = h.cramers_v(*counts)
    assert v == pytest.approx(np.sqrt(chi2.statistic / 900))


def test_coarse_distances_are_those_of_one_pair() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 90, (3, 20)), rng.integers(0, 60, (3, 20))
    for row in range(3):
        assert h.psi(a, b)[row] == pytest.approx(distances.population_stability(a[row], b[row]))
        assert h.jensen_shannon(a, b)[row] == pytest.approx(
            distances.jensen_shannon(a[row], b[row])
        )
    fine = rng.integers(0, 90, (3, 400))
    together = h.coarse(fine, whole=np.ones(400))
    np.testing.assert_array_equal(together, fine.reshape(3, 20, 20).sum(axis=2))


def test_wasserstein_in_cells() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=20_000), rng.normal(0.3, 1.2, size=15_000)
    one = of(a)
    two = of(b, one)
    low, high = min(a.min(), b.min()), max(a.max(), b.max())
    found = h.wasserstein(one.counts, two.counts, edges=one.edges, low=low, high=high)[0]
    assert found == pytest.approx(ss.wasserstein_distance(a, b), rel=0.02)
    # a crossing inside one cell: the triangle by hand
    assert h.wasserstein(
        np.array([0, 1, 0]), np.array([1, 0, 0]), edges=np.array([0.0, 1.0]), low=-1, high=1
    ) == pytest.approx(0.5 + 0.5)


def test_moments_and_quantiles_of_days_and_mixtures() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(2**40, 3, size=3000)
    values[::7] = np.nan
    days = np.repeat([0, 1, 2], 1000)
    profile = Numbers.of_values(values, days, size=3)
    for day in range(3):
        some = values[days == day]
        some = some[~np.isnan(some)]
        assert profile.mean[day] * profile.unit + profile.centre == pytest.approx(
            some.mean(), rel=1e-15
        )
        assert profile.spread()[day] == pytest.approx(some.std(), rel=1e-6)
        assert profile.missing[day] == 1000 - some.size
        assert profile.quantile(0.5)[day] == pytest.approx(np.median(some), abs=0.1)
    both = profile.mixed(np.array([[1.0, 0.0, 1.0]]))
    some = values[(days != 1) & ~np.isnan(values)]
    assert both.spread()[0] == pytest.approx(some.std(), rel=1e-6)
    assert both.rows[0] == some.size


def test_categories_know_what_is_new() -> None:
    days = np.zeros(6, np.int64)
    one = Categories.of_values(["a", "b", None, "b", "b", "a"], days, size=1)
    two = Categories.of_values(["c", "b", "c", "d", None, "a"], days, size=1, like=one)
    assert one.counts.tolist() == [[2, 3, 0]]
    assert two.counts.tolist() == [[1, 1, 3]]
    assert (two.new, two.new_examples, two.missing.tolist()) == (2, ("c", "d"), [1])
