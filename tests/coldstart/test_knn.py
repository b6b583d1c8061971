from __future__ import annotations

import numpy as np
import pytest

from causal_ranker.coldstart.knn import NearestNeighbours, NearestNeighboursConfig
from causal_ranker.errors import ConfigError
from tests.coldstart.contract import ColdStartContract
from tests.coldstart.taste import fit_on, make_world


class TestNearestNeighbours(ColdStartContract):
    reaches = 0.7

    @classmethod
    def model(cls) -> NearestNeighbours:
        return NearestNeighbours(NearestNeighboursConfig(neighbours=3))

    def test_it_is_the_mean_of_the_nearest(self) -> None:
        world = make_world(3)
        found = fit_on(world, self.model()).item_embeddings(world.cold_content)
        for item, row in zip(found, world.cold_content, strict=True):
            lengths = np.linalg.norm(world.content, axis=1) * np.linalg.norm(row)
            nearest = np.argsort(-(world.content @ row) / lengths)[:3]
            np.testing.assert_allclose(item, world.warm.items[nearest].mean(0), atol=1e-5)

    def test_more_neighbours_than_items_are_refused(self) -> None:
        world = make_world()
        with pytest.raises(ConfigError, match="from 1 to 240"):
            NearestNeighbours(NearestNeighboursConfig(neighbours=241)).fit(
                world.warm, world.content, world.liked
            )
        with pytest.raises(ConfigError, match="neighbours = 0"):
            NearestNeighboursConfig(neighbours=0)
