from __future__ import annotations

from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.errors import RowError, SchemaError
from causal_ranker.stats.rank_metrics import car, cdcg, cp_at_k


def test_by_hand() -> None:
    # user 0 sees (+1, -1, 0), user 1 sees (0, +1)
    tau, rank, user = [1, -1, 0, 0, 1], [1, 2, 3, 1, 2], [0, 0, 0, 1, 1]
    assert cp_at_k(tau, rank, user, k=1) == pytest.approx(0.5)
    assert cp_at_k(tau, rank, user, k=2) == pytest.approx((0 + 1 / 2) / 2)
    expected = ((1 - 1 / log2(3)) + 1 / log2(3)) / 2
    assert cdcg(tau, rank, user) == pytest.approx(expected)
    assert car(tau, rank) == pytest.approx((1 - 2 + 2) / 5)


def test_by_loops() -> None:
    rng = np.random.default_rng(0)
    users, items = 6, 9
    tau = rng.integers(-1, 2, (users, items))
    rank = np.array([rng.permutation(items) + 1 for _ in range(users)])
    user = np.repeat(np.arange(users), items)
    cp = cd = average = 0.0
    for u in range(users):
        for i in range(items):
            cp += tau[u, i] / 4 * (rank[u, i] <= 4) / users
            cd += tau[u, i] / log2(1 + rank[u, i]) / users
            average += tau[u, i] * rank[u, i] / (users * items)
    shuffle = rng.permutation(users * items)
    t, r, c = tau.ravel()[shuffle], rank.ravel()[shuffle], user[shuffle]
    assert cp_at_k(t, r, c, k=4) == pytest.approx(cp)
    assert cdcg(t, r, c) == pytest.approx(cd)
    assert car(t, r) == pytest.approx(average)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8), st.integers(1, 8), st.integers(0, 999))
def test_no_ranking_beats_the_one_by_tau(tau: list[float], k: int, seed: int) -> None:
    one = np.zeros(len(tau), dtype=int)
    best = np.empty(len(tau), dtype=int)
    best[np.argsort(-np.array(tau))] = np.arange(len(tau)) + 1
    other = np.random.default_rng(seed).permutation(len(tau)) + 1
    k = min(k, len(tau))
    assert cp_at_k(tau, best, one, k=k) >= cp_at_k(tau, other, one, k=k) - 1e-12
    assert cdcg(tau, best, one) >= cdcg(tau, other, one) - 1e-12
    assert car(tau, best) <= car(tau, other) + 1e-12


def test_input_is_checked() -> None:
    with pytest.raises(RowError, match="rank"):
        cdcg([1.0], [0], [0])
    with pytest.raises(RowError, match="tau"):
        car([np.nan], [1])
    with pytest.raises(SchemaError, match="rank"):
        car([1.0], [1, 2])
    with pytest.raises(RowError, match="request"):
        cp_at_k([1.0], [1], [3], k=1)
