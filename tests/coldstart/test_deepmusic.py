from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from causal_ranker.coldstart.deepmusic import (
    DeepMusic,
    DeepMusicConfig,
    DeepMusicRidge,
    DeepMusicRidgeConfig,
)
from causal_ranker.coldstart.model import ColdStartModel, WarmEmbeddings
from causal_ranker.coldstart.training import DescentConfig
from causal_ranker.errors import ConfigError
from tests.coldstart.contract import ColdStartContract
from tests.coldstart.taste import World, make_world


def unexplained(found: np.ndarray, world: World) -> float:
    truth = world.cold_truth
    return float(np.square(found - truth).sum() / np.square(truth - truth.mean(0)).sum())


class TestDeepMusicRidge(ColdStartContract):
    reaches = 0.9

    @classmethod
    def model(cls) -> DeepMusicRidge:
        return DeepMusicRidge(DeepMusicRidgeConfig(l2=0.1))

    def test_it_is_ridge_with_a_free_intercept(self) -> None:
        from sklearn.linear_model import Ridge

        world = make_world(5)
        moved = WarmEmbeddings(world.warm.users, world.warm.items + 3)
        peer = Ridge(alpha=7.0).fit(world.content, moved.items)
        model = DeepMusicRidge(DeepMusicRidgeConfig(l2=7.0))
        found = model.fit(moved, world.content, world.liked).item_embeddings(world.cold_content)
        np.testing.assert_allclose(found, peer.predict(world.cold_content), atol=1e-4)

    def test_no_penalty_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="l2 = 0"):
            DeepMusicRidgeConfig(l2=0)


class TestDeepMusic(ColdStartContract):
    reaches = 0.85

    @classmethod
    def model(cls) -> DeepMusic:
        descent = DescentConfig(batch=32, rate=0.1, epochs=20, patience=10)
        return DeepMusic(DeepMusicConfig(hidden=32, descent=descent))

    def test_it_recovers_a_linear_world_in_the_embeddings_own_scale(
        self, world: World, fitted: ColdStartModel[Any]
    ) -> None:
        found = fitted.item_embeddings(world.cold_content)
        assert unexplained(found, world) < 0.15
