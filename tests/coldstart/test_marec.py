from __future__ import annotations

import numpy as np

from causal_ranker.coldstart.marec import MetadataAlignment, MetadataAlignmentConfig
from causal_ranker.coldstart.ranking import Audience
from tests.coldstart.contract import ColdStartContract
from tests.coldstart.taste import fit_on, make_world


class TestMetadataAlignment(ColdStartContract):
    reaches = 0.5

    @classmethod
    def model(cls) -> MetadataAlignment:
        return MetadataAlignment(MetadataAlignmentConfig(l2=20.0))

    def test_scores_are_those_of_the_formula(self) -> None:
        world = make_world(2)
        model = fit_on(world, self.model())
        played = world.liked.matrix.toarray()
        weights = model.state_["alignment"].astype(float)
        rows = world.content * np.sqrt(weights)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        cold = world.cold_content * np.sqrt(weights)
        cold /= np.linalg.norm(cold, axis=1, keepdims=True)
        likeness, asked = (rows @ rows.T) ** 2, (rows @ cold.T) ** 2
        inverse = np.linalg.inv(likeness + 3.0 * np.eye(240))
        padded = played + played @ inverse @ likeness
        wanted = padded @ (
            np.linalg.inv(padded.T @ padded + 20.0 * np.eye(240))
            @ (padded.T @ played @ inverse @ asked)
        )
        found = model.score(np.arange(150), model.item_embeddings(world.cold_content))
        np.testing.assert_allclose(found, wanted, atol=2e-3)

    def test_columns_that_say_nothing_of_co_plays_get_little_weight(self) -> None:
        world = make_world()
        rng = np.random.default_rng(1)
        group = rng.integers(3, size=240)
        content = np.hstack([np.eye(3)[group], rng.integers(2, size=(240, 3)), np.ones((240, 1))])
        chance = np.where(rng.integers(3, size=150)[:, None] == group, 0.6, 0.05)
        who, what = np.nonzero(rng.random((150, 240)) < chance)
        liked = Audience.from_pairs(who, what, shape=(150, 240))
        model = self.model().fit(world.warm, content, liked)
        weights = model.state_["alignment"]
        assert weights[:3].min() > 0.3
        assert weights[3:6].max() < 0.05

    def test_weights_are_least_squares_over_pairs_of_different_items(self) -> None:
        from scipy.optimize import nnls

        world = make_world(4)
        played = world.liked.matrix.toarray()
        lengths = np.maximum(np.linalg.norm(played, axis=0), 1)
        cosines = (played / lengths).T @ (played / lengths)
        first, second = np.nonzero(~np.eye(240, dtype=bool))
        content = world.content.astype(float)
        wanted, _ = nnls(content[first] * content[second], cosines[first, second])
        found = fit_on(world, self.model()).state_["alignment"]
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-7)
