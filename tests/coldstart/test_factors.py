from __future__ import annotations

import numpy as np
import pytest

from causal_ranker.coldstart.factors import FactorConfig, factorise
from causal_ranker.coldstart.ranking import Audience
from causal_ranker.errors import EmptyError


def a_matrix(seed: int = 0) -> tuple[Audience, np.ndarray]:
    """Two groups of users, each with its half of the items, and a user who likes nothing."""
    rng = np.random.default_rng(seed)
    same = (np.arange(40) % 2)[:, None] == (np.arange(30) % 2)
    played = (rng.random((40, 30)) < np.where(same, 0.6, 0.05)).astype(float)
    played[39] = 0
    who, what = np.nonzero(played)
    return Audience.from_pairs(who, what, shape=played.shape), played


def loss(users: np.ndarray, items: np.ndarray, played: np.ndarray, config: FactorConfig) -> float:
    weight = 1 + config.weight * played
    penalty = weight.sum(1) @ np.square(users).sum(1) + weight.sum(0) @ np.square(items).sum(1)
    error = weight * np.square(played - users @ items.T)
    return float(error.sum() + config.l2 * penalty)


def test_each_round_lowers_the_weighted_loss_and_the_last_step_is_at_its_least() -> None:
    liked, played = a_matrix()
    configs = [FactorConfig(width=3, rounds=rounds) for rounds in (1, 2, 4, 12)]
    found = [factorise(liked, config=config) for config in configs]
    losses = [
        loss(one.users, one.items, played, config)
        for one, config in zip(found, configs, strict=True)
    ]
    assert losses == sorted(losses, reverse=True)
    last, rng = found[-1], np.random.default_rng(1)
    for _ in range(20):
        moved = last.items + 0.05 * rng.normal(size=last.items.shape)
        assert loss(last.users, moved, played, configs[-1]) > losses[-1]


def test_products_tell_the_groups_apart_and_who_likes_nothing_is_zero() -> None:
    liked, _ = a_matrix()
    found = factorise(liked, config=FactorConfig(width=2))
    score = found.users[:39] @ found.items.T
    same = (np.arange(39) % 2)[:, None] == (np.arange(30) % 2)
    assert score[same].mean() > score[~same].mean() + 0.5
    assert not found.users[39].any()


def test_blocks_do_not_matter_and_seeds_do(monkeypatch: pytest.MonkeyPatch) -> None:
    liked, _ = a_matrix()
    config = FactorConfig(width=3, rounds=2)
    whole = factorise(liked, config=config)
    other = factorise(liked, config=config.model_copy(update={"seed": 1}))
    monkeypatch.setattr("causal_ranker.coldstart.factors._BLOCK", 7)
    parts = factorise(liked, config=config)
    np.testing.assert_allclose(whole.items, parts.items, atol=1e-5)
    assert not np.allclose(whole.items, other.items, atol=1e-3)


def test_no_positives_are_refused() -> None:
    none = np.array([], dtype=int)
    with pytest.raises(EmptyError, match="pair of user and warm item"):
        factorise(Audience.from_pairs(none, none, shape=(3, 2)))
