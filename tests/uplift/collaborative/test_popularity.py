from __future__ import annotations

import numpy as np

from causal_ranker.uplift.collaborative.interactions import Interactions, from_dense
from causal_ranker.uplift.collaborative.popularity import PopularityRanker, RandomRanker
from tests.uplift.collaborative.contract import PairModelContract


class TestRandomRanker(PairModelContract):
    band = (-0.03, 0.03)

    def fresh(self, *, seed: int = 0) -> RandomRanker:
        return RandomRanker(seed=seed)


class TestPopularityRanker(PairModelContract):
    band = (-0.1, 0.1)
    seeded = False

    def fresh(self, *, seed: int = 0) -> PopularityRanker:
        return PopularityRanker(seed=seed)


def pairs(seed: int = 0, *, users: int = 40, items: int = 30) -> Interactions:
    rng = np.random.default_rng(seed)
    shape = (users, items)
    return from_dense(rng.random(shape) < 0.3, rng.random(shape) < np.linspace(0, 0.6, items))


def test_popularity_is_the_share_of_users_who_played() -> None:
    rows = pairs()
    model = PopularityRanker().fit(rows)
    shares = [sum(rows.played[rows.item == item]) / rows.n_users for item in range(rows.n_items)]
    found = model.score_users(np.array([0, 5, -1]))
    for row in found:
        np.testing.assert_allclose(row, shares, rtol=1e-6)
    scores = model.score(np.array([3, 3, -1]), np.array([29, -1, 12]))
    np.testing.assert_allclose(scores, [shares[29], 0, shares[12]], rtol=1e-6)
    assert model.unseen_ == rows.n_items + 2


def test_chance_is_even_seeded_and_the_same_for_a_pair_however_asked() -> None:
    rows = pairs(users=200, items=300)
    model = RandomRanker(seed=3).fit(rows)
    found = model.score_users(np.arange(200))
    counts = np.histogram(found, bins=20, range=(0, 1))[0]
    assert np.abs(counts - 3000).max() < 4.5 * np.sqrt(3000)
    assert abs(np.corrcoef(found[0], found[1])[0, 1]) < 0.25
    assert abs(np.corrcoef(found[:, 0], found[:, 1])[0, 1]) < 0.3
    np.testing.assert_array_equal(model.score_users(np.array([7, 0])), found[[7, 0]])
    user, item = np.array([5, 0, 199, 5]), np.array([1, 299, 0, 2])
    np.testing.assert_array_equal(model.score(user, item), found[user, item])
    again = RandomRanker(seed=3).fit(rows).score_users(np.arange(200))
    np.testing.assert_array_equal(again, found)
    other = RandomRanker(seed=4).fit(rows).score_users(np.arange(200))
    assert abs(np.corrcoef(found.ravel(), other.ravel())[0, 1]) < 0.02
