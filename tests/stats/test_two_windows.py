from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, f_oneway

from causal_ranker.errors import RowError, SchemaError
from causal_ranker.stats.two_windows import change_covariance, shared_clusters, wald_test


def test_who_is_in_both_is_counted_once() -> None:
    """Against the definition: sums by user over both windows, squared."""
    rng = np.random.default_rng(0)
    users = rng.integers(0, 9, 40), rng.integers(5, 14, 50)
    values = [rng.normal(size=(each.size, 2)) for each in users]
    parts = [(each - each.mean(axis=0)) / len(each) for each in values]
    shared = shared_clusters(users[0], users[1], rows=(40, 50))
    found = change_covariance(shared.sums(parts[0], 0), shared.sums(parts[1], 1))
    sizes = [np.unique(each).size for each in users]
    slow = np.zeros((2, 2))
    for user in range(14):
        sums = [
            np.sqrt(size / (size - 1)) * part[each == user].sum(axis=0)
            for each, part, size in zip(users, parts, sizes, strict=True)
        ]
        slow += np.outer(sums[1] - sums[0], sums[1] - sums[0])
    np.testing.assert_allclose(found, slow)
    assert shared.degrees == min(sizes) - 1
    assert shared_clusters(None, None, rows=(3, 4)).apart
    assert not shared.apart


def test_ids_may_be_text_and_a_window_of_one_user_is_refused() -> None:
    shared = shared_clusters(["a", "b"], ["b", "c"], rows=(2, 2))
    assert shared.count == 3
    assert shared.first[1] == shared.second[0]
    with pytest.raises(SchemaError, match="got numbers in the reference and none in the window"):
        shared_clusters([1, 2], None, rows=(2, 2))
    with pytest.raises(SchemaError, match="got none in the reference and text in the window"):
        shared_clusters(None, ["a", "b"], rows=(2, 2))
    with pytest.raises(RowError, match="in the window"):
        shared_clusters([1, 2], [3, 3], rows=(2, 2))
    with pytest.raises(RowError, match="in the reference"):
        shared_clusters([1, 1], [3, 4], rows=(2, 2))


def test_of_one_estimate_it_is_the_square_of_students_t() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=30), rng.normal(0.5, 1, size=30)
    variance = (first.var(ddof=1) + second.var(ddof=1)) / 30
    change = np.array([second.mean() - first.mean()])
    found = wald_test(change, np.array([[variance]]), degrees=58, level=0.05)
    theirs = f_oneway(first, second)
    assert found.statistic == pytest.approx(theirs.statistic)
    assert found.p_value == pytest.approx(theirs.pvalue)


def test_three_estimates_of_few_clusters_keep_the_level() -> None:
    rng, runs, alarms = np.random.default_rng(2), 2000, 0
    for _ in range(runs):
        values = rng.normal(size=(12, 3)) @ np.array([[1, 0.5, 0], [0, 1, 2], [0, 0, 1.0]])
        covariance = np.cov(values.T) / 12
        alarms += wald_test(values.mean(axis=0), covariance, degrees=11, level=0.05).p_value <= 0.05
    low, high = binom.ppf([0.001, 0.999], runs, 0.05)
    assert low <= alarms <= high


def test_what_cannot_vary_moves_by_no_chance() -> None:
    covariance = np.diag([1.0, 0.0])
    still = wald_test(np.array([0.5, 0.0]), covariance, degrees=20, level=0.05)
    assert still.statistic == pytest.approx(0.25)
    moved = wald_test(np.array([0.5, 1e-3]), covariance, degrees=20, level=0.05)
    assert (moved.statistic, moved.p_value) == (np.inf, 0.0)
    nothing = wald_test(np.zeros(2), np.zeros((2, 2)), degrees=20, level=0.05)
    assert nothing.p_value == 1
    with pytest.raises(RowError, match="more than 2 clusters"):
        wald_test(np.zeros(2), covariance, degrees=1, level=0.05)
