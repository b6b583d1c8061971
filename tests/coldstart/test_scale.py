from __future__ import annotations

import numpy as np
import pytest

from causal_ranker.coldstart.ranking import Audience
from causal_ranker.coldstart.scale import choose_scale, fit_scale
from causal_ranker.errors import ConfigError, EmptyError


def world(seed: int) -> tuple[np.ndarray, np.ndarray, Audience]:
    """Items of one taste score low although their audience is as keen."""
    rng = np.random.default_rng(seed)
    users = np.abs(rng.normal(size=(120, 4)))
    items = np.abs(rng.normal(size=(60, 4)))
    items[:20] *= 0.3
    chance = users @ items.T
    chance = chance / chance.mean(0)
    who, what = np.nonzero(rng.random(chance.shape) < 0.15 * chance)
    return users, items, Audience.from_pairs(who, what, shape=(120, 60))


def slow(users: np.ndarray, items: np.ndarray, liked: np.ndarray, alpha: float) -> np.ndarray:
    """Targets as dense matrices, and the ridge around the old scores as a stacked least squares."""
    scores = items @ users.T
    shifted = scores - scores.min()
    means = np.array([row[keen].mean() for row, keen in zip(shifted, liked.T, strict=True)])
    factor = (means.max() / means) ** alpha
    target = np.where(liked.T, shifted * factor[:, None], shifted)
    design = np.column_stack([items, np.ones(len(items))])
    old = np.vstack([users.T, np.full(len(users), -scores.min())])
    root = np.sqrt(np.diag([1.0] * items.shape[1] + [1e-9]))
    stacked = np.vstack([design, root])
    wanted = np.vstack([target - design @ old, np.zeros((len(root), len(users)))])
    return design @ (old + np.linalg.lstsq(stacked, wanted, rcond=None)[0])


@pytest.mark.parametrize("alpha", [0.0, 1.0, 3.0])
def test_it_is_the_dense_ridge(alpha: float) -> None:
    users, items, audience = world(0)
    fitted = fit_scale(users, items, audience=audience, alpha=alpha)
    found = fitted.embed(items) @ fitted.user_embeddings.T
    expected = slow(users, items, audience.matrix.toarray() > 0, alpha)
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-4)


def test_strength_zero_changes_no_order() -> None:
    users, items, audience = world(1)
    fitted = fit_scale(users, items, audience=audience, alpha=0.0)
    moved = fitted.embed(items) @ fitted.user_embeddings.T - items @ users.T
    np.testing.assert_allclose(moved, moved[0, 0], atol=1e-4)


def test_the_worst_items_gain_on_new_items_of_the_same_world() -> None:
    gains = []
    for seed in range(5):
        users, items, audience = world(seed)
        train = Audience(audience.matrix[:, :40])
        chosen, tried = choose_scale(
            users,
            items[:40],
            audience=train,
            validation=items[40:],
            validation_audience=Audience(audience.matrix[:, 40:]),
            alphas=(0.5, 1.0, 2.0),
            most_loss=0.1,
        )
        base = tried[0.0].utility[15].ndcg
        assert tried[chosen.alpha].utility[15].ndcg >= 0.9 * base
        gains.append(tried[chosen.alpha].fairness.lowest[10] - tried[0.0].fairness.lowest[10])
    assert min(gains) >= 0


def test_bad_input_is_told() -> None:
    users, items, audience = world(0)
    with pytest.raises(ConfigError, match="alpha of 0 or more"):
        fit_scale(users, items, audience=audience, alpha=-1)
    nobody = Audience.from_pairs(np.array([], dtype=int), np.array([], dtype=int), shape=(120, 60))
    with pytest.raises(EmptyError, match="positives of warm items"):
        fit_scale(users, items, audience=nobody, alpha=1)
