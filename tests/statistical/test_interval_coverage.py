"""Intervals hold the truth as often as they say: neither less often nor more."""

from __future__ import annotations

import numpy as np
import pytest

from causal_ranker.stats.intervals import clustered_mean, clustered_ratio

pytestmark = pytest.mark.slow

DRAWS = 1000
LOW, HIGH = 0.926, 0.974  # 95 % -/+ 3.5 binomial standard errors of 1,000 draws


def test_clustered_mean_with_clusters_of_unequal_size() -> None:
    rng = np.random.default_rng(1)
    held = naive = 0
    for _ in range(DRAWS):
        sizes = rng.integers(1, 12, 60)
        cluster = np.repeat(np.arange(60), sizes)
        y = 2.0 + rng.normal(size=60)[cluster] + rng.normal(size=cluster.size)
        found = clustered_mean(y, cluster)
        held += found.low <= 2.0 <= found.high
        alone = clustered_mean(y, np.arange(y.size))
        naive += alone.low <= 2.0 <= alone.high
    assert LOW <= held / DRAWS <= HIGH
    assert naive / DRAWS < 0.8  # the test can fail: ignoring the clusters does not pass


def test_few_clusters_need_students_quantile() -> None:
    rng = np.random.default_rng(2)
    held = normal = 0
    cluster = np.repeat(np.arange(8), 5)
    for _ in range(DRAWS):
        y = rng.normal(size=8)[cluster] + rng.normal(size=40)
        found = clustered_mean(y, cluster)
        held += found.low <= 0.0 <= found.high
        normal += abs(found.point) <= 1.96 * found.standard_error
    assert LOW <= held / DRAWS <= HIGH
    assert normal / DRAWS < LOW


def test_weighted_mean_of_weighted_truth() -> None:
    # E[w y] / E[w] with w = 1 + x and y = x + noise, x uniform: (1/2 + 1/3) / (3/2) = 5/9
    rng = np.random.default_rng(3)
    held = 0
    cluster = np.arange(400) // 4
    for _ in range(DRAWS):
        x = rng.random(100)[cluster]
        found = clustered_mean(x + rng.normal(size=400), cluster, weights=1 + x)
        held += found.low <= 5 / 9 <= found.high
    assert LOW <= held / DRAWS <= HIGH


def test_two_way_clustered_mean() -> None:
    rng = np.random.default_rng(4)
    held = one_way = 0
    user, unit = (axis.ravel() for axis in np.indices((50, 40)))
    for _ in range(DRAWS):
        y = rng.normal(size=50)[user] + rng.normal(size=40)[unit] + rng.normal(size=user.size)
        seen = rng.random(user.size) < 0.6
        found = clustered_mean(y[seen], user[seen], second_cluster=unit[seen])
        held += found.low <= 0.0 <= found.high
        alone = clustered_mean(y[seen], user[seen])
        one_way += alone.low <= 0.0 <= alone.high
    assert LOW <= held / DRAWS <= HIGH
    assert one_way / DRAWS < 0.9


def test_clustered_ratio() -> None:
    # sum(a) / sum(b) with cluster sizes b random and a = rate * b + cluster noise
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(DRAWS):
        b = rng.integers(1, 10, 120).astype(float)
        a = b * (0.3 + 0.2 * rng.normal(size=120))
        found = clustered_ratio(a, b, np.arange(120))
        held += found.low <= 0.3 <= found.high
    assert LOW <= held / DRAWS <= HIGH
