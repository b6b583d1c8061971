"""Cold items beside a base recommender's own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from causal_ranker.chain.cold import ItemContent, WithColdItems, with_cold_candidates
from causal_ranker.coldstart.common_scale import CommonScale
from causal_ranker.coldstart.knn import NearestNeighbours, NearestNeighboursConfig
from causal_ranker.coldstart.model import WarmEmbeddings
from causal_ranker.coldstart.ranking import Audience
from causal_ranker.coldstart.scores import MatrixScores, ScoreMap
from causal_ranker.errors import ConfigError, EmptyError, RowError, SchemaError
from causal_ranker.recommenders.base import BaseRecommender
from causal_ranker.recommenders.callable import CallableRecommender
from tests.recommenders.contract import RecommenderContract

AT = datetime(2025, 1, 6, tzinfo=UTC)
WARM = {7: [("a", 5.0), ("b", 1.0)], 8: [("b", 4.0), ("a", 2.0)], 9: [("a", 3.0)]}
MATRIX = np.array([[0.0, 3.0], [2.0, 1.0]])


def warm(until: datetime | None = None) -> CallableRecommender:
    def fn(users: list[Any], at: datetime, k: int | None) -> Any:
        return {user: WARM[user][:k] for user in users if user in WARM}

    return CallableRecommender(fn, trained_until=until)


def both(**settings: Any) -> WithColdItems:
    told = {"users": [7, 8], "items": ["c", "d"], "scale": CommonScale(1.0, 0.5)} | settings
    return WithColdItems(warm(), MatrixScores(MATRIX), **told)


class TestContract(RecommenderContract):
    @pytest.fixture
    def recommender(self) -> BaseRecommender:
        return both()

    @pytest.fixture
    def users(self) -> list[Any]:
        return [7, 8]

    @pytest.fixture
    def at(self) -> datetime:
        return AT


def answers(recommender: WithColdItems, users: list[int], k: int | None = None) -> list[Any]:
    return recommender.candidates(users, at=AT, k=k).to_numpy().tolist()


def test_cold_items_stand_among_the_warm_ones_on_their_scale() -> None:
    assert answers(both(), [8, 7], k=3) == [
        [8, "b", 4.0],
        [8, "c", 2.5],
        [8, "a", 2.0],
        [7, "a", 5.0],
        [7, "d", 3.5],
        [7, "b", 1.0],
    ]


def test_a_user_without_cold_scores_gets_the_mean_and_is_counted() -> None:
    found = both()
    assert answers(found, [9]) == [[9, "a", 3.0], [9, "d", 2.5], [9, "c", 1.5]]
    assert found.unknown_users_ == 1


def test_whom_the_base_cannot_serve_has_no_row() -> None:
    assert answers(both(users=[7, 10]), [10]) == []


def test_the_bases_own_score_counts() -> None:
    assert answers(both(items=["a", "d"]), [7]) == [[7, "a", 5.0], [7, "d", 3.5], [7, "b", 1.0]]


def test_it_was_trained_when_its_base_was() -> None:
    found = WithColdItems(
        warm(AT), MatrixScores(MATRIX), users=[7, 8], items=[1, 2], scale=CommonScale(1, 0)
    )
    assert found.trained_until == AT
    assert both().trained_until is None


@pytest.mark.parametrize("settings", [{"users": [7]}, {"items": ["c", "c"]}])
def test_ids_that_do_not_fit_the_scores_are_refused(settings: Any) -> None:
    with pytest.raises(SchemaError):
        both(**settings)


def test_fewer_than_no_cold_items_are_refused_and_more_than_there_are_is_all() -> None:
    with pytest.raises(ConfigError, match="0 or more cold items for each user; got -1"):
        both(offered=-1)
    with pytest.raises(ConfigError, match="got -2"):
        both().cold_candidates([7], k=-2)
    assert both(offered=99).offered == 2
    assert len(both().cold_candidates([7], k=99)) == 2


def test_cold_scores_that_are_no_numbers_are_refused() -> None:
    spoilt = WithColdItems(
        warm(),
        MatrixScores(np.array([[0.0, np.nan], [2.0, 1.0]])),
        users=[7, 8],
        items=["c", "d"],
        scale=CommonScale(1.0, 0.5),
    )
    with pytest.raises(RowError, match="1 of 2 rows with NaN"):
        answers(spoilt, [8])


def test_a_models_scores_are_put_where_it_agrees_with_the_base() -> None:
    """Many users, so that blocks matter; the scale is recomputed pair by pair."""
    rng = np.random.default_rng(4)
    users, vectors = rng.normal(size=(2500, 3)), rng.normal(size=(12, 3))
    content = np.eye(12) + 0.1
    everybody = Audience.from_pairs(np.arange(2500), np.arange(2500) % 12, shape=(2500, 12))
    model = NearestNeighbours(NearestNeighboursConfig(neighbours=3))
    model.fit(WarmEmbeddings(users, vectors), content, everybody)
    table = 7.0 + 30.0 * rng.normal(size=(2500, 12))

    def fn(asked: list[int], at: datetime, k: int | None) -> Any:
        return {user: [(f"w{item}", table[user, item]) for item in range(12)] for user in asked}

    cold = rng.random((5, 12))
    fairer = ScoreMap(rng.normal(size=(4, 2500)))
    for given in (None, fairer):
        found = WithColdItems.of_model(
            CallableRecommender(fn),
            model,
            users=list(range(2500)),
            warm=ItemContent([f"w{item}" for item in range(12)], content),
            cold=ItemContent(list("vwxyz"), cold),
            at=AT,
            fairer=given,
        )

        def scored(values: Any, given: Any = given) -> Any:
            v = model.item_embeddings(values).astype(float)
            if given is None:
                return model.user_embeddings().astype(float) @ v.T
            return (np.column_stack([v, np.ones(len(v))]) @ given.weights).T

        asked = np.arange(0, 2500, 2)
        by_model, by_base = scored(content)[asked], table[asked]
        standard = (scored(cold)[2049] - by_model.mean()) / by_model.std()
        expected = by_base.mean() + standard * by_base.std()
        answer = found.cold_candidates([2049]).set_index("item_id").loc[list("vwxyz")]
        np.testing.assert_allclose(answer["base_score"], expected, rtol=1e-4, atol=1e-3)


def test_a_base_that_knows_none_of_the_warm_items_is_refused() -> None:
    everybody = Audience.from_pairs(np.array([0, 1]), np.array([0, 1]), shape=(2, 2))
    model = NearestNeighbours(NearestNeighboursConfig(neighbours=1))
    model.fit(WarmEmbeddings(np.eye(2), np.eye(2)), np.eye(2), everybody)
    with pytest.raises(EmptyError):
        WithColdItems.of_model(
            warm(),
            model,
            users=[7, 8],
            warm=ItemContent(["x", "y"], np.eye(2)),
            cold=ItemContent(["c"], np.eye(2)[:1]),
            at=AT,
        )


def test_the_last_request_of_each_user_gets_its_best_cold_items() -> None:
    day = pd.Timestamp(AT)
    listed = pd.DataFrame(
        {
            "user_id": [7, 7, 7, 8],
            "item_id": ["a", "b", "d", "a"],
            "t0": [day, day + pd.Timedelta(days=1), day + pd.Timedelta(days=1), day],
            "shown": True,
            "hour": [1.0, 2.0, 2.0, 3.0],
            "is_cold": [False, False, False, False],
        }
    )
    found = with_cold_candidates(ibis.memtable(listed), both(offered=1)).to_pandas()
    found = found.sort_values(["user_id", "item_id"])[["user_id", "item_id", "hour", "is_cold"]]
    # d, the best of user 7, is a candidate of that request already.
    assert found.to_numpy().tolist() == [
        [7, "b", 2.0, False],
        [7, "d", 2.0, False],
        [8, "a", 3.0, False],
        [8, "c", 3.0, True],
    ]
