from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, EmptyError, OverlapError, RowError, SchemaError
from causal_ranker.stats.logged_ranking import LoggedRanking, logged_effects
from causal_ranker.stats.rank_metrics import cdcg, cp_at_k
from causal_ranker.uplift.collaborative import estimated
from causal_ranker.uplift.collaborative.estimated import (
    estimated_cdcg,
    estimated_ranking,
)
from causal_ranker.uplift.collaborative.interactions import Interactions, from_dense

Array = NDArray[np.float64]


class Draw:
    """A small world, one draw of it, and a ranking with ties."""

    def __init__(self, seed: int, *, users: int = 23, items: int = 9) -> None:
        rng = np.random.default_rng(seed)
        shape = (users, items)
        self.p = rng.uniform(0.05, 0.6, shape)
        self.played_if_not = rng.uniform(0, 0.4, shape)
        self.played_if_shown = self.played_if_not + rng.uniform(-0.1, 0.5, shape)
        self.played_if_shown = np.clip(self.played_if_shown, 0, 1)
        self.effect = self.played_if_shown - self.played_if_not
        self.scores = np.round(rng.normal(size=shape) + self.effect, 1).astype(np.float32)
        self.exposed = rng.random(shape) < self.p
        chance = np.where(self.exposed, self.played_if_shown, self.played_if_not)
        self.played = rng.random(shape) < chance

    @property
    def interactions(self) -> Interactions:
        return from_dense(self.exposed, self.played, propensity=self.p)

    @property
    def ranks(self) -> NDArray[np.int64]:
        order = np.argsort(-self.scores.astype(np.float64), axis=1, kind="stable")
        return np.argsort(order, axis=1) + 1

    @property
    def requests(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(len(self.p)), self.p.shape[1])

    def logged(self, *, cap: float | None = None) -> LoggedRanking:
        effects = logged_effects(
            self.played.ravel(), self.exposed.ravel(), propensity=self.p.ravel(), cap=cap
        )
        return LoggedRanking(
            effects, self.ranks.ravel(), self.requests, self.requests, fewest_effective_rows=1
        )


@pytest.mark.parametrize("cap", [None, 3.0])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_metrics_of_dense_rows(seed: int, cap: float | None) -> None:
    draw = Draw(seed)
    ranking = estimated_ranking(draw.scores.__getitem__, draw.interactions, cap=cap)
    logged = draw.logged(cap=cap)
    for k in (1, 4, 9):
        assert ranking.cp(k).value == pytest.approx(logged.cp_at_k(k).interval.point, rel=1e-12)
    assert ranking.cdcg().value == pytest.approx(logged.cdcg().interval.point, rel=1e-12)

    weight = np.where(draw.exposed, 1 / draw.p, -1 / (1 - draw.p))
    if cap is not None:
        weight = np.clip(weight, -cap, cap)
    tau = (draw.played * weight).ravel()
    ranks = draw.ranks.ravel()
    found = estimated_cdcg(draw.scores.__getitem__, draw.interactions, cap=cap)
    assert found == pytest.approx(cdcg(tau, ranks, draw.requests), rel=1e-12)
    assert ranking.cp(4).value == pytest.approx(cp_at_k(tau, ranks, draw.requests, k=4), rel=1e-12)


def test_a_user_and_an_item_at_a_time() -> None:
    draw = Draw(5)
    by_user = []
    capped = counted = 0
    for u in range(len(draw.p)):
        added = 0.0
        for i in range(draw.p.shape[1]):
            if not draw.played[u, i]:
                continue
            above = sum(
                draw.scores[u, j] > draw.scores[u, i]
                or (draw.scores[u, j] == draw.scores[u, i] and j < i)
                for j in range(draw.p.shape[1])
            )
            if above >= 3:
                continue
            weight = 1 / draw.p[u, i] if draw.exposed[u, i] else 1 / (1 - draw.p[u, i])
            counted += 1
            capped += weight > 2
            added += (1 if draw.exposed[u, i] else -1) * min(weight, 2) / 3
        by_user.append(added)
    metric = estimated_ranking(draw.scores.__getitem__, draw.interactions, cap=2).cp(3)
    np.testing.assert_allclose(metric.by_user, by_user, atol=1e-12)
    assert metric.value == pytest.approx(np.mean(by_user))
    assert metric.share_capped == pytest.approx(capped / counted)


@pytest.mark.slow
def test_unbiased_and_intervals_cover_in_a_simulated_world() -> None:
    """Users drawn anew each time: 1,000 paired intervals at 95 % hold the truth as often."""
    users = 150
    world = Draw(0, users=20_000)
    other = -world.scores
    gains = [
        1 / np.log2(1.0 + np.argsort(np.argsort(-s, axis=1, kind="stable"), axis=1) + 1)
        for s in (world.scores.astype(np.float64), other.astype(np.float64))
    ]
    truth = float((world.effect * (gains[0] - gains[1])).sum() / len(world.p))
    rng = np.random.default_rng(1)
    misses, estimates = 0, []
    for _ in range(1000):
        who = rng.integers(0, len(world.p), users)
        exposed = rng.random((users, 9)) < world.p[who]
        chance = np.where(exposed, world.played_if_shown[who], world.played_if_not[who])
        pairs = from_dense(exposed, rng.random((users, 9)) < chance, propensity=world.p[who])
        ours, theirs = (
            estimated_ranking(s[who].__getitem__, pairs).cdcg().by_user
            for s in (world.scores, other)
        )
        difference = ours - theirs
        half = 1.96 * difference.std(ddof=1) / np.sqrt(users)
        misses += abs(difference.mean() - truth) > half
        estimates.append(difference.mean())
    error = np.std(estimates) / np.sqrt(1000)
    assert 0.05 < truth < 0.15
    assert abs(np.mean(estimates) - truth) < 3 * error
    assert error < 0.005
    assert 0.926 <= 1 - misses / 1000 <= 0.974


def test_pairs_without_overlap_add_nothing_and_keep_their_places() -> None:
    draw = Draw(6)
    near = np.minimum(draw.p, 1 - draw.p) < 0.2
    ranking = estimated_ranking(draw.scores.__getitem__, draw.interactions, overlap=0.2)
    tau = draw.played * np.where(draw.exposed, 1 / draw.p, -1 / (1 - draw.p)) * ~near
    expected = cdcg(tau.ravel(), draw.ranks.ravel(), draw.requests)
    assert ranking.cdcg().value == pytest.approx(expected, rel=1e-12)
    share = (draw.played & near).sum() / draw.played.sum()
    assert 0.05 < ranking.share_without_overlap < 0.5
    assert ranking.share_without_overlap == pytest.approx(share)
    expected = cp_at_k(tau.ravel(), draw.ranks.ravel(), draw.requests, k=2)
    assert ranking.cp(2).value == pytest.approx(expected, rel=1e-12)


def test_without_overlap_plays_count_as_effects_and_with_it_they_do_not() -> None:
    """No effect at all, and items that are hardly ever not shown: seen in every sample of 200."""
    plain, trimmed = [], []
    for seed in range(200):
        draw = Draw(seed)
        draw.p[:, 0] = 1 - 1e-7
        draw.exposed[:, 0] = True
        draw.played = np.random.default_rng(seed).random(draw.p.shape) < 0.3
        ranking = estimated_ranking(draw.scores.__getitem__, draw.interactions)
        plain.append(ranking.cdcg().value)
        ranking = estimated_ranking(draw.scores.__getitem__, draw.interactions, overlap=0.01)
        trimmed.append(ranking.cdcg().value)
    error = np.std(trimmed) / np.sqrt(200)
    assert abs(np.mean(trimmed)) < 3 * error
    assert 0.1 < np.mean(plain) - np.mean(trimmed) < 0.2


@given(
    arrays(
        np.float32,
        (4, 6),
        elements=st.floats(allow_nan=False, width=32) | st.sampled_from([0.0, -0.0, 1.0, np.inf]),
    )
)
def test_ranks_are_those_of_a_stable_sort(scores: NDArray[np.float32]) -> None:
    """Both types of scores: their estimates are equal, ties, signed zeros and infinities too."""
    draw = Draw(2, users=4, items=6)
    draw.scores = scores
    wide = scores.astype(np.float64)
    few, many = (estimated_ranking(s.__getitem__, draw.interactions) for s in (scores, wide))
    np.testing.assert_array_equal(few.rank, many.rank)
    np.testing.assert_array_equal(few.rank, draw.ranks[draw.played])


def test_blocks_change_nothing_and_users_without_pairs_are_not_scored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw = Draw(3)
    draw.exposed[[0, 7, 22]] = draw.played[[0, 7, 22]] = False
    whole = estimated_ranking(draw.scores.__getitem__, draw.interactions).cdcg()
    asked: list[NDArray[np.int64]] = []

    def score(user: NDArray[np.int64]) -> NDArray[np.float32]:
        asked.append(user)
        return draw.scores[user]

    monkeypatch.setattr(estimated, "_CELLS", 4 * 9)
    small = estimated_ranking(score, draw.interactions).cdcg()
    np.testing.assert_array_equal(small.by_user, whole.by_user)
    assert [len(user) for user in asked] == [4, 4, 4, 4, 3]
    np.testing.assert_array_equal(np.concatenate(asked), np.flatnonzero(draw.played.any(axis=1)))
    assert not whole.by_user[[0, 7, 22]].any()


def test_the_order_of_pairs_does_not_matter() -> None:
    draw = Draw(4)
    pairs = draw.interactions
    mixed = np.random.default_rng(0).permutation(pairs.user.size)
    other = Interactions(
        pairs.user[mixed],
        pairs.item[mixed],
        pairs.exposed[mixed],
        pairs.played[mixed],
        pairs.propensity[mixed],
        pairs.n_users,
        pairs.n_items,
    )
    expected = estimated_ranking(draw.scores.__getitem__, pairs, cap=3).cp(3)
    found = estimated_ranking(draw.scores.__getitem__, other, cap=3).cp(3)
    assert found.value == pytest.approx(expected.value, rel=1e-12)
    assert found.share_capped == expected.share_capped


def broken(**changes: Any) -> Draw:
    draw = Draw(0)
    for name, value in changes.items():
        setattr(draw, name, value)
    return draw


def test_what_cannot_be_judged_is_refused() -> None:
    draw = Draw(0)
    none = np.zeros_like(draw.exposed)
    with pytest.raises(EmptyError, match=r"none in \d+ pairs"):
        estimated_cdcg(draw.scores.__getitem__, broken(played=none).interactions)
    with pytest.raises(OverlapError, match="shown; got none"):
        estimated_cdcg(draw.scores.__getitem__, broken(exposed=none).interactions)
    unknown = from_dense(draw.exposed, draw.played)
    with pytest.raises(RowError, match="'propensity' with"):
        estimated_cdcg(draw.scores.__getitem__, unknown)
    with pytest.raises(ConfigError, match="cap above 1"):
        estimated_cdcg(draw.scores.__getitem__, draw.interactions, cap=1.0)
    for overlap in (0.5, -0.1):
        with pytest.raises(ConfigError, match=r"overlap from 0 to below 0\.5"):
            estimated_cdcg(draw.scores.__getitem__, draw.interactions, overlap=overlap)
    with pytest.raises(OverlapError, match="none of"):
        estimated_cdcg(draw.scores.__getitem__, draw.interactions, overlap=0.4999)
    with pytest.raises(ConfigError, match="k = 10"):
        estimated_ranking(draw.scores.__getitem__, draw.interactions).cp(10)


def test_scores_that_are_none_are_refused() -> None:
    draw = Draw(0)
    scores = draw.scores.copy()
    scores[3, 2] = np.nan
    with pytest.raises(RowError, match=r"NaN for 1 of 20 users \(first: 3\)"):
        estimated_cdcg(scores.__getitem__, draw.interactions)
    with pytest.raises(SchemaError, match=r"\(20, 9\)"):
        estimated_cdcg(draw.scores[:, 1:].__getitem__, draw.interactions)
    with pytest.raises(SchemaError, match="int64"):
        estimated_cdcg(np.zeros((23, 9), dtype=np.int64).__getitem__, draw.interactions)
