from __future__ import annotations

import numpy as np
import pytest

from causal_ranker.coldstart.gen import GenConfig, choose_gen, gen_path, quantile_moves
from causal_ranker.coldstart.metrics import evaluate
from causal_ranker.coldstart.ranking import Audience
from causal_ranker.coldstart.scores import FactoredScores
from causal_ranker.errors import ConfigError, EmptyError
from tests.coldstart.worlds import ideal_audience, part, unfair


def slow(scores: FactoredScores, liked: np.ndarray, config: GenConfig) -> list[np.ndarray]:
    """Item by item, with dense targets and least squares."""
    items, users = (side.astype(np.float64) for side in (scores.items, scores.users))
    design = np.column_stack([items, np.ones(len(items))])
    weights = np.vstack([users.T, np.zeros(len(users))])
    unit = np.square(items).sum() / items.shape[1]
    root = np.sqrt(np.diag([config.l2 * unit] * items.shape[1] + [1e-9 * len(items)]))
    stacked = np.vstack([design, root])

    def add(target: np.ndarray) -> None:
        nonlocal weights
        wanted = np.vstack([target, np.zeros((len(root), len(users)))])
        weights = weights + np.linalg.lstsq(stacked, wanted, rcond=None)[0]

    old = design @ weights
    add(np.where(liked.T, config.lift * (old[liked.T].mean() - old.min()), 0))
    now = design @ weights
    ideal = np.sort(now[liked.T])
    average = np.mean([row[keen].mean() for row, keen in zip(now, liked.T, strict=True)])
    found = []
    for _ in range(config.rounds):
        now = design @ weights
        target = np.zeros_like(now)
        for i, keen in enumerate(liked.T):
            mine = now[i, keen]
            if mine.mean() < average:
                place = (mine.argsort().argsort() + 0.5) / mine.size
                grid = (np.arange(ideal.size) + 0.5) / ideal.size
                target[i, keen] = config.strength * (np.interp(place, grid, ideal) - mine)
        add(target)
        found.append((design @ weights).T)
    return found


def test_it_is_the_dense_version() -> None:
    scores, audience = unfair(0)
    config = GenConfig(rounds=3, strength=2, l2=0.2)
    expected = slow(scores, audience.matrix.toarray() > 0, config)
    path = list(gen_path(scores, audience=audience, config=config))
    assert len(path) == 3
    for fitted, truth in zip(path, expected, strict=True):
        np.testing.assert_allclose(fitted(scores.items).block(0, 120), truth, rtol=5e-3, atol=5e-3)


def test_mapped_scores_have_the_ideal_distribution() -> None:
    # one low item with four scores, one that is left alone: closed form
    scores = np.array([0.3, 0.1, 0.4, 0.2, 9.0, 8.0])
    moves = quantile_moves(
        scores,
        ends=np.array([0, 4, 6]),
        low=np.array([True, False]),
        ideal=np.array([10.0, 20.0, 30.0, 40.0]),
    )
    np.testing.assert_allclose(scores + moves, [30, 10, 40, 20, 9, 8])


def test_in_a_world_that_is_fair_already_nobody_moves_far() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(40, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    people = rng.normal(size=(4000, 3))
    people /= np.linalg.norm(people, axis=1, keepdims=True)
    scores = FactoredScores(people, vectors)
    liked = scores.block(0, 4000) > 0.8  # every audience has one distribution of scores
    audience = Audience.from_pairs(*np.nonzero(liked), shape=liked.shape)
    config = GenConfig(lift=0, strength=1, rounds=1)
    (fitted,) = gen_path(scores, audience=audience, config=config)
    moved = fitted(vectors).block(0, 4000) - scores.block(0, 4000)
    assert np.abs(moved).max() < 0.02


def test_the_worst_new_items_gain_and_utility_stays_within_the_limit() -> None:
    gains = []
    for seed in range(5):
        world = unfair(seed)
        (warm, audience), (new, theirs) = part(world, slice(0, 40)), part(world, slice(40, 60))
        chosen = choose_gen(
            warm,
            audience=audience,
            validation=new,
            validation_audience=theirs,
            configs=[GenConfig(strength=strength) for strength in (1, 4)],
            most_loss=0.1,
        )
        assert chosen.config is not None
        assert len(chosen.tried) == 4
        found = evaluate(chosen.map(new.items), audience=theirs, lengths=(15,))
        assert found.utility[15].ndcg >= 0.9 * chosen.base.utility[15].ndcg
        gains.append(found.fairness.lowest[10] - chosen.base.fairness.lowest[10])
    assert min(gains) >= 0
    assert max(gains) > 0.02


def test_where_everything_loses_too_much_nothing_is_changed() -> None:
    scores, audience = unfair(2)
    chosen = choose_gen(
        scores,
        audience=audience,
        validation=scores,
        validation_audience=ideal_audience(scores, length=15),
        configs=[GenConfig(strength=500, lift=0, rounds=1)],
        most_loss=0.0,
    )
    assert chosen.config is None
    np.testing.assert_allclose(
        chosen.map(scores.items).block(0, 120), scores.block(0, 120), atol=1e-6
    )


def test_bad_input_is_told() -> None:
    scores, _ = unfair(0)
    with pytest.raises(ConfigError, match="rounds"):
        GenConfig(rounds=0)
    nobody = Audience.from_pairs(np.array([], dtype=int), np.array([], dtype=int), shape=(120, 60))
    with pytest.raises(EmptyError, match="positives of warm items"):
        list(gen_path(scores, audience=nobody))
