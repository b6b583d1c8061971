"""The built-in ranker: the door's rules, and never a model from the future."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig, predict_trees
from causal_ranker.errors import NotFittedError
from causal_ranker.recommenders.base import BaseRecommender
from causal_ranker.recommenders.boosted import BoostedRecommender
from tests.recommenders.contract import RecommenderContract

AT = datetime(2026, 3, 1, tzinfo=UTC)
NAMES = ["taste", "price"]
TREES = BoostConfig(rounds=20, min_rows_leaf=20, feature_share=1.0)
ITEMS = 6


class Shop:
    """Candidate rows of users 1 to 4, whose features move with the hour."""

    def __init__(self, name: Any = int) -> None:
        self.name = name
        self.asked: list[tuple[list[Any], datetime]] = []

    def features(self, user: int, at: datetime) -> NDArray[np.float32]:
        rng = np.random.default_rng([user, at.hour])
        return rng.normal(size=(ITEMS, 2)).astype(np.float32)

    def __call__(
        self, users: Sequence[Any], at: datetime
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float32]]:
        self.asked.append((list(users), at))
        known = [user for user in range(1, 5) if self.name(user) in users]
        rows = [self.features(user, at) for user in known]
        return (
            np.repeat(np.array([self.name(user) for user in known], dtype=object), ITEMS),
            np.tile(np.array([self.name(item) for item in range(ITEMS)], dtype=object), len(known)),
            np.concatenate(rows) if rows else np.empty((0, 2), dtype=np.float32),
        )


def recommender(shop: Any = None) -> BoostedRecommender:
    return BoostedRecommender(shop or Shop(), names=NAMES, categorical=[], seed=0)


def fit(made: BoostedRecommender, *, sign: float = 1.0, seed: int = 0, **settings: Any) -> Any:
    """Train on rows whose chance of a play rises (or falls) with taste."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2_000, 2)).astype(np.float32)
    y = rng.random(2_000) < 1 / (1 + np.exp(-2 * sign * x[:, 0]))
    weight = settings.pop("weight", np.ones(2_000))
    return made.train(x, y, weight=weight, config=BoostConfig(**{**dict(TREES), **settings}))


def microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


class TestBoosted(RecommenderContract):
    name: Any = int

    @pytest.fixture
    def recommender(self) -> BaseRecommender:
        made = recommender(Shop(self.name))
        made.add(fit(made), valid_from=0)
        return made

    @pytest.fixture
    def users(self) -> list[Any]:
        return [self.name(user) for user in (3, 1, 4)]

    @pytest.fixture
    def at(self) -> datetime:
        return AT


class TestNamedUsers(TestBoosted):
    name = str


class TestTies(TestBoosted):
    """A model that sees no difference: the order is still one and the same."""

    @pytest.fixture
    def recommender(self) -> BaseRecommender:
        made = recommender()
        made.add(fit(made, rounds=1, min_rows_leaf=2_000), valid_from=0)
        return made


def test_scores_are_the_models_probabilities_of_the_users_rows() -> None:
    shop = Shop()
    made = recommender(shop)
    model = fit(made)
    made.add(model, valid_from=0)
    answer = made.candidates([2], at=AT)
    expected = predict_trees(model, shop.features(2, AT))
    order = np.argsort(-expected, kind="stable")
    assert answer["item_id"].tolist() == order.tolist()
    np.testing.assert_array_equal(answer["base_score"], expected[order])
    assert shop.asked[0] == ([2], AT)


def test_a_model_is_in_force_from_its_moment_until_the_next() -> None:
    made = recommender()
    early, late = fit(made), fit(made, sign=-1)
    made.add(late, valid_from=2_000)  # in any order
    made.add(early, valid_from=1_000)
    assert made.turns.tolist() == [1_000, 2_000]
    assert made.model_at(999) is None
    for moment, model in ((1_000, early), (1_999, early), (2_000, late), (10**18, late)):
        assert made.model_at(moment) is model
        x = np.array([[2.0, 0.0], [-2.0, 0.0]], dtype=np.float32)
        np.testing.assert_array_equal(made.score(x, moment=moment), predict_trees(model, x))


def test_it_is_silent_before_its_first_model() -> None:
    made = recommender()
    with pytest.raises(NotFittedError, match="in force"):
        made.candidates([1], at=AT)
    made.add(fit(made), valid_from=microseconds(AT))
    made.candidates([1], at=AT)
    with pytest.raises(NotFittedError):
        made.candidates([1], at=AT - timedelta(microseconds=1))


def test_training_keeps_nothing() -> None:
    made = recommender()
    fit(made)
    assert made.model_at(10**18) is None


def test_weights_enter_the_training() -> None:
    made = recommender()
    light, heavy = (fit(made, weight=w) for w in (np.ones(2_000), np.linspace(1, 50, 2_000)))
    x = np.zeros((1, 2), dtype=np.float32)
    assert predict_trees(light, x) != predict_trees(heavy, x)
    same = fit(made, weight=np.full(2_000, 3.0), min_rows_leaf=20)
    np.testing.assert_allclose(predict_trees(same, x), predict_trees(light, x), atol=1e-9)
