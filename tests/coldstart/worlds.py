"""Small worlds for the post-processors: some items score low, however keen their audience is."""

from __future__ import annotations

import numpy as np

from causal_ranker.coldstart.ranking import Audience
from causal_ranker.coldstart.scores import FactoredScores


def unfair(seed: int, *, users: int = 120, items: int = 60) -> tuple[FactoredScores, Audience]:
    rng = np.random.default_rng(seed)
    people = np.abs(rng.normal(size=(users, 4)))
    vectors = np.abs(rng.normal(size=(items, 4)))
    vectors[: items // 3] *= 0.3
    vectors = rng.permutation(vectors)
    chance = people @ vectors.T
    chance = chance / chance.mean(0)
    liked = rng.random(chance.shape) < 0.15 * chance
    liked[0] = True  # every item has an audience
    return FactoredScores(people, vectors), Audience.from_pairs(
        *np.nonzero(liked), shape=(users, items)
    )


def part(world: tuple[FactoredScores, Audience], rows: slice) -> tuple[FactoredScores, Audience]:
    scores, audience = world
    which = np.arange(scores.shape[1])[rows]
    return scores.of_items(which), audience.of_items(which)


def ideal_audience(scores: FactoredScores, *, length: int) -> Audience:
    """Everybody likes the first items of their list, so that every other ranking is worse."""
    best = np.argsort(-scores.block(0, scores.shape[0]), axis=1, kind="stable")[:, :length]
    whose = np.repeat(np.arange(scores.shape[0]), length)
    return Audience.from_pairs(whose, best.ravel(), shape=scores.shape)
