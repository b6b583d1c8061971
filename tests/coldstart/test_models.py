from __future__ import annotations

import numpy as np
import pytest

from causal_ranker.coldstart.models import ColdStartModel, DeepMusicRidge, NearestNeighbours
from causal_ranker.errors import ConfigError, NotFittedError, RowError, SchemaError


class ColdStartContract:
    """What every cold-start model must keep; subclasses say which model."""

    def model(self) -> ColdStartModel:
        raise NotImplementedError

    def world(self, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Embeddings that are a linear map of content, with little noise: warm and cold."""
        rng = np.random.default_rng(seed)
        content = rng.normal(size=(400, 4))
        vectors = content @ rng.normal(size=(4, 6)) + 0.05 * rng.normal(size=(400, 6))
        return vectors[:300], content[:300], vectors[300:], content[300:]

    def test_it_recovers_most_of_a_linear_world(self) -> None:
        vectors, content, truth, cold = self.world()
        found = self.model().fit(vectors, content).item_embeddings(cold)
        unexplained = np.square(found - truth).sum() / np.square(truth - truth.mean(0)).sum()
        assert found.shape == truth.shape
        assert unexplained < 0.35

    def test_the_order_of_warm_items_does_not_matter(self) -> None:
        vectors, content, _, cold = self.world()
        order = np.random.default_rng(1).permutation(len(vectors))
        first = self.model().fit(vectors, content).item_embeddings(cold)
        second = self.model().fit(vectors[order], content[order]).item_embeddings(cold)
        np.testing.assert_allclose(first, second, atol=1e-5)

    def test_each_item_is_embedded_by_itself(self) -> None:
        vectors, content, _, cold = self.world()
        fitted = self.model().fit(vectors, content)
        alone = np.concatenate([fitted.item_embeddings(row[None]) for row in cold[:5]])
        np.testing.assert_allclose(alone, fitted.item_embeddings(cold)[:5], atol=1e-5)

    def test_bad_input_is_told(self) -> None:
        vectors, content, _, cold = self.world()
        with pytest.raises(NotFittedError, match="before fit"):
            self.model().item_embeddings(cold)
        with pytest.raises(SchemaError, match="300 warm items"):
            self.model().fit(vectors, content[:-1])
        fitted = self.model().fit(vectors, content)
        with pytest.raises(SchemaError, match="4 columns of content, as in fit"):
            fitted.item_embeddings(cold[:, :3])
        bare = cold.copy()
        bare[7] = 0
        with pytest.raises(RowError, match="1 of 100 items with none"):
            fitted.item_embeddings(bare)
        with pytest.raises(SchemaError, match="warm_embeddings"):
            self.model().fit(vectors[:0], content[:0])


class TestNearestNeighbours(ColdStartContract):
    def model(self) -> NearestNeighbours:
        return NearestNeighbours(neighbours=3)

    def test_it_is_the_mean_of_the_nearest(self) -> None:
        vectors, content, _, cold = self.world(3)
        found = self.model().fit(vectors, content).item_embeddings(cold)
        for item, row in zip(found, cold, strict=True):
            cosine = content @ row / np.linalg.norm(content, axis=1) / np.linalg.norm(row)
            nearest = np.argsort(-cosine)[:3]
            np.testing.assert_allclose(item, vectors[nearest].mean(0), atol=1e-5)

    def test_more_neighbours_than_items_are_refused(self) -> None:
        vectors, content, _, _ = self.world()
        with pytest.raises(ConfigError, match="from 1 to 300"):
            NearestNeighbours(neighbours=301).fit(vectors, content)


class TestDeepMusicRidge(ColdStartContract):
    def model(self) -> DeepMusicRidge:
        return DeepMusicRidge(l2=0.1)

    def test_it_is_ridge_with_a_free_intercept(self) -> None:
        from sklearn.linear_model import Ridge

        vectors, content, _, cold = self.world(5)
        peer = Ridge(alpha=7.0).fit(content, vectors + 3)
        found = DeepMusicRidge(l2=7.0).fit(vectors + 3, content).item_embeddings(cold)
        np.testing.assert_allclose(found, peer.predict(cold), atol=1e-4)

    def test_no_penalty_is_refused(self) -> None:
        vectors, content, _, _ = self.world()
        with pytest.raises(ConfigError, match="above 0"):
            DeepMusicRidge(l2=0).fit(vectors, content)
