"""What every cold-start model must keep; a test file per model says which model."""

from __future__ import annotations

from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from causal_ranker.coldstart.metrics import evaluate_embeddings
from causal_ranker.coldstart.model import ColdStartModel, Validation, WarmEmbeddings
from causal_ranker.coldstart.ranking import Audience
from causal_ranker.coldstart.storage import load_model, save_model
from causal_ranker.errors import BundleError, EmptyError, NotFittedError, RowError, SchemaError
from tests.coldstart.taste import World, fit_on, make_world


class ColdStartContract:
    """Four kinds of test: what it learns, what must not matter, bad input, saving."""

    # NDCG@10 of cold items that the model must reach; at random it is below 0.25.
    reaches: float

    @classmethod
    def model(cls) -> ColdStartModel[Any]:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def world(cls) -> World:
        return make_world()

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls, world: World) -> ColdStartModel[Any]:
        """Fitted once for a class: no test may fit or change it."""
        return fit_on(world, cls.model())

    def test_it_finds_who_likes_what_nobody_has_seen(
        self, world: World, fitted: ColdStartModel[Any]
    ) -> None:
        vectors = fitted.item_embeddings(world.cold_content)
        found = evaluate_embeddings(
            fitted.user_embeddings(), vectors, audience=world.cold_liked, lengths=(10,)
        )
        shuffled = evaluate_embeddings(
            fitted.user_embeddings(),
            vectors[np.random.default_rng(0).permutation(len(vectors))],
            audience=world.cold_liked,
            lengths=(10,),
        )
        assert shuffled.utility[10].ndcg < 0.3
        assert found.utility[10].ndcg > self.reaches

    def test_each_item_is_embedded_by_itself(
        self, world: World, fitted: ColdStartModel[Any]
    ) -> None:
        together = fitted.item_embeddings(world.cold_content)
        alone = np.concatenate(
            [fitted.item_embeddings(row[None]) for row in world.cold_content[:5]]
        )
        np.testing.assert_allclose(alone, together[:5], rtol=1e-4, atol=1e-5)

    def test_a_score_is_the_product_of_both_sides(
        self, world: World, fitted: ColdStartModel[Any]
    ) -> None:
        vectors = fitted.item_embeddings(world.cold_content)
        asked = np.array([7, 3, 7])
        wanted = fitted.user_embeddings()[asked].astype(float) @ vectors.T.astype(float)
        np.testing.assert_allclose(fitted.score(asked, vectors), wanted, rtol=1e-3, atol=1e-4)
        assert fitted.user_embeddings().shape == (len(world.warm.users), vectors.shape[1])

    def test_equal_seeds_give_equal_embeddings_and_nothing_given_is_changed(
        self, world: World, fitted: ColdStartModel[Any]
    ) -> None:
        untouched = make_world()
        second = fit_on(untouched, clone(self.model()))
        np.testing.assert_array_equal(
            fitted.item_embeddings(world.cold_content), second.item_embeddings(world.cold_content)
        )
        np.testing.assert_array_equal(fitted.user_embeddings(), second.user_embeddings())
        np.testing.assert_array_equal(world.content, make_world().content)
        np.testing.assert_array_equal(world.warm.items, make_world().warm.items)
        np.testing.assert_array_equal(world.warm.users, make_world().warm.users)

    def test_a_saved_model_comes_back_whole(
        self, world: World, fitted: ColdStartModel[Any], tmp_path: Path
    ) -> None:
        save_model(fitted, tmp_path / "model")
        back = load_model(tmp_path / "model")
        assert type(back) is type(fitted)
        assert back.get_params() == {
            "config": fitted.config or fitted.settings(),
            "progress": False,
        }
        assert back.state_.keys() == fitted.state_.keys()
        np.testing.assert_array_equal(
            back.item_embeddings(world.cold_content), fitted.item_embeddings(world.cold_content)
        )
        np.testing.assert_array_equal(back.user_embeddings(), fitted.user_embeddings())
        with pytest.raises(SchemaError, match="columns of content, as in fit"):
            back.item_embeddings(world.cold_content[:, :3])
        told = tmp_path / "model" / "model.json"
        text = told.read_text()
        told.write_text(text.replace('"users": [', '"others": ['))
        with pytest.raises(BundleError, match=r"arrays other than those named in model.json"):
            load_model(tmp_path / "model")
        told.write_text(text.replace('"seed": 0', '"sede": 0'))
        with pytest.raises(BundleError, match="sede"):
            load_model(tmp_path / "model")
        told.write_text(text)
        arrays = tmp_path / "model" / "model.npz"
        arrays.write_bytes(arrays.read_bytes()[:-40])
        with pytest.raises(BundleError, match="cold-start model"):
            load_model(tmp_path / "model")

    def test_items_without_content_are_refused_or_counted(
        self, world: World, fitted: ColdStartModel[Any]
    ) -> None:
        bare = world.cold_content.copy()
        bare[[4, 9]] = 0
        with pytest.raises(RowError, match=r"2 of 60 items with none.*rows \[4, 9\]"):
            fitted.item_embeddings(bare)
        model = copy(fitted)
        settings = fitted.config or fitted.settings()
        model.config = settings.model_copy(update={"without_content": "mean"})
        vectors = model.item_embeddings(bare)
        assert model.fallbacks_ == 2
        mean = fitted.item_embeddings(world.content).mean(axis=0)
        np.testing.assert_allclose(vectors[[4, 9]], [mean, mean], rtol=1e-3, atol=1e-4)
        rest = np.delete(np.arange(60), [4, 9])
        np.testing.assert_allclose(
            vectors[rest], fitted.item_embeddings(world.cold_content)[rest], rtol=1e-4, atol=1e-5
        )

    def test_users_without_positives_are_counted(self, world: World) -> None:
        matrix = world.liked.matrix.tolil()
        matrix[:6] = 0
        rows, columns = matrix.nonzero()
        liked = Audience.from_pairs(rows, columns, shape=matrix.shape)
        model = self.model().fit(world.warm, world.content, liked)
        assert model.users_without_positives_ == 6
        assert np.isfinite(model.user_embeddings()).all()

    def test_bad_input_is_told(self, world: World) -> None:
        warm, content, liked = world.warm, world.content, world.liked
        with pytest.raises(NotFittedError, match="before fit"):
            self.model().item_embeddings(world.cold_content)
        with pytest.raises(NotFittedError, match="before fit"):
            self.model().score(np.array([0]), warm.items)
        with pytest.raises(SchemaError, match="240 warm items"):
            self.model().fit(warm, content[:-1], liked)
        with pytest.raises(SchemaError, match="one width"):
            self.model().fit(WarmEmbeddings(warm.users[:, :3], warm.items), content, liked)
        with pytest.raises(EmptyError, match="at least one warm item"):
            self.model().fit(WarmEmbeddings(warm.users, warm.items[:0]), content[:0], liked)
        with pytest.raises(SchemaError, match="items of warm_embeddings"):
            self.model().fit(WarmEmbeddings(warm.users, warm.items[:, :0]), content, liked)
        with pytest.raises(SchemaError, match="'interactions' of shape"):
            self.model().fit(warm, content, world.cold_liked)
        nobody = Audience.from_pairs(
            np.array([], dtype=int), np.array([], dtype=int), shape=liked.matrix.shape
        )
        with pytest.raises(EmptyError, match="pair of user and warm item"):
            self.model().fit(warm, content, nobody)
        spoilt = content.copy()
        spoilt[3, 1] = np.nan
        with pytest.raises(RowError, match="1 of 240 rows with NaN"):
            self.model().fit(warm, spoilt, liked)
        bare = content.copy()
        bare[5] = 0
        with pytest.raises(RowError, match="1 of 240 items with none"):
            self.model().fit(warm, bare, liked)
        with pytest.raises(SchemaError, match="'validation' of shape"):
            self.model().fit(warm, content, liked, validation=Validation(world.cold_content, liked))

    def test_what_is_asked_of_a_fitted_model_must_fit(
        self, world: World, fitted: ColdStartModel[Any]
    ) -> None:
        vectors = fitted.item_embeddings(world.cold_content)
        with pytest.raises(SchemaError, match="columns of content, as in fit"):
            fitted.item_embeddings(world.cold_content[:, :3])
        with pytest.raises(RowError, match="NaN or infinity"):
            fitted.item_embeddings(np.full_like(world.cold_content, np.nan))
        with pytest.raises(SchemaError, match="item embeddings of width"):
            fitted.score(np.array([0]), vectors[:, :-1])
        with pytest.raises(RowError, match=r"1 of 2 outside, e.g. \[-1\]"):
            fitted.score(np.array([-1, 0]), vectors)
        with pytest.raises(SchemaError, match="whole numbers"):
            fitted.score(np.array([0.5]), vectors)
