"""A small world in which taste is a map of content: warm items, and cold ones to judge by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from causal_ranker.coldstart.model import ColdStartModel, Validation, WarmEmbeddings
from causal_ranker.coldstart.ranking import Audience


def fit_on(world: World, model: ColdStartModel[Any]) -> ColdStartModel[Any]:
    return model.fit(world.warm, world.content, world.liked, validation=world.validation)


@dataclass(frozen=True)
class World:
    """240 warm items, 40 to stop by and 60 cold; 150 users like the tenth that suits them best."""

    warm: WarmEmbeddings
    content: np.ndarray
    liked: Audience
    validation: Validation
    cold_content: np.ndarray
    cold_truth: np.ndarray
    cold_liked: Audience


def make_world(seed: int = 0) -> World:
    rng = np.random.default_rng(seed)
    content = rng.normal(size=(340, 6)).astype(np.float32)
    vectors = content @ rng.normal(size=(6, 8)) + 0.1 * rng.normal(size=(340, 8))
    content *= 4  # as content comes: networks must divide by its size, and remember that they did
    users = rng.normal(size=(150, 8))
    score = users @ vectors.T
    warm, stop, cold = slice(0, 240), slice(240, 280), slice(280, 340)

    def liked(part: slice) -> Audience:
        scores = score[:, part]
        rows, columns = np.nonzero(scores >= np.quantile(scores, 0.9, axis=1, keepdims=True))
        return Audience.from_pairs(rows, columns, shape=scores.shape)

    return World(
        warm=WarmEmbeddings(users.astype(np.float32), vectors[warm].astype(np.float32)),
        content=content[warm],
        liked=liked(warm),
        validation=Validation(content[stop], liked(stop)),
        cold_content=content[cold],
        cold_truth=vectors[cold],
        cold_liked=liked(cold),
    )
