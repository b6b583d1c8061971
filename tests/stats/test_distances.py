from __future__ import annotations

import numpy as np
import pytest
import scipy.stats as ss
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from causal_ranker.errors import EmptyError, RowError, SchemaError
from causal_ranker.stats.distances import (
    chi_squared,
    jensen_shannon,
    kolmogorov_smirnov,
    population_stability,
    wasserstein,
)

samples = st.lists(st.integers(-9, 9).map(float), min_size=1, max_size=40)
counts = st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any)


@given(samples, samples)
def test_scipy_and_the_definition_give_the_same(first: list[float], second: list[float]) -> None:
    shares = [[np.mean(np.array(x) <= at) for at in (*first, *second)] for x in (first, second)]
    ks = np.abs(np.subtract(*shares)).max()
    assert kolmogorov_smirnov(first, second) == pytest.approx(ks, abs=1e-12)
    assert wasserstein(first, second) == pytest.approx(
        ss.wasserstein_distance(first, second), abs=1e-12
    )


@given(counts, counts)
def test_scipy_gives_the_same_for_counts(first: list[int], second: list[int]) -> None:
    assert jensen_shannon(first, second) == pytest.approx(
        jensenshannon(first, second, base=2), abs=1e-7
    )
    some = np.array(first) + np.array(second) > 0
    statistic, freedom = chi_squared(first, second, least_expected=0)
    assert freedom == some.sum() - 1
    if freedom:
        table = np.array([first, second])[:, some]
        expected = ss.chi2_contingency(table, correction=False)
        assert statistic == pytest.approx(expected.statistic, abs=1e-9)


@given(samples, samples, st.floats(0.1, 9))
def test_invariants(first: list[float], second: list[float], factor: float) -> None:
    assert kolmogorov_smirnov(first, first) == wasserstein(first, first) == 0
    assert kolmogorov_smirnov(first, second) == kolmogorov_smirnov(second, first)
    cubed = [np.power(first, 3), np.power(second, 3)]
    assert kolmogorov_smirnov(*cubed) == kolmogorov_smirnov(first, second)
    scaled = wasserstein(np.array(first) * factor, np.array(second) * factor)
    assert scaled == pytest.approx(factor * wasserstein(first, second), abs=1e-9)


@given(counts, counts)
def test_invariants_of_counts(first: list[int], second: list[int]) -> None:
    assert population_stability(first, first) == jensen_shannon(first, first) == 0
    assert population_stability(first, second) >= 0
    assert population_stability(first, second) == pytest.approx(population_stability(second, first))
    assert 0 <= jensen_shannon(first, second) <= 1


def test_closed_forms() -> None:
    assert wasserstein([0, 1, 2], [5, 6, 7]) == 5
    assert kolmogorov_smirnov([0, 1], [2, 3]) == 1
    assert jensen_shannon([1, 0], [0, 1]) == 1
    p, q = np.array([10.5, 30.5]) / 41, np.array([20.5, 20.5]) / 41
    assert population_stability([10, 30], [20, 20]) == pytest.approx(
        ((p - q) * np.log(p / q)).sum()
    )
    # a normal shift by d standard deviations has PSI d^2, whatever the bins, as they get fine
    rng = np.random.default_rng(0)
    edges = np.linspace(-4, 4, 200)
    shifted = [np.histogram(rng.normal(m, 1, 2_000_000), edges)[0] for m in (0, 0.2)]
    assert population_stability(*shifted) == pytest.approx(0.04, abs=0.003)


def test_rare_cells_are_pooled() -> None:
    # both rare cells expect 1 and 1.5 rows a side: together they are one cell
    statistic, freedom = chi_squared([100, 2, 0], [100, 0, 3])
    assert freedom == 1
    assert statistic == chi_squared([100, 2], [100, 3], least_expected=0)[0]
    assert chi_squared([7, 0], [9, 0]) == (0.0, 0)
    # In the smaller sample: cells that expect five rows stand alone, those that expect less do not.
    assert chi_squared([90, 5, 5], [900, 50, 50])[1] == 2
    assert chi_squared([92, 4, 4], [920, 40, 40])[1] == 1


def test_bad_input_is_told() -> None:
    with pytest.raises(EmptyError):
        kolmogorov_smirnov([], [1])
    with pytest.raises(RowError, match="finite"):
        wasserstein([np.inf], [1])
    with pytest.raises(RowError, match="not all 0"):
        jensen_shannon([0, 0], [1, 0])
    with pytest.raises(RowError, match="0 or more"):
        chi_squared([3, -1], [1, 1])
    with pytest.raises(SchemaError, match="2 rows"):
        population_stability([1, 2], [1, 2, 3])
