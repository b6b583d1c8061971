"""Candidates from a table of scores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.errors import RowError, SchemaError
from causal_ranker.recommenders.base import BaseRecommender
from causal_ranker.recommenders.frame import FrameRecommender
from tests.recommenders.contract import RecommenderContract

AT = datetime(2026, 3, 1, tzinfo=UTC)


def scores() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "user_id": [7, 9, 7, 7, 9, 8],
            "item_id": ["b", "a", "a", "c", "d", "a"],
            "base_score": [0.5, 0.1, 0.9, 0.5, 0.1, -2.0],
            "note": "x",
        }
    )


def batches() -> pd.DataFrame:
    """User 7 has batches at -2, -1 and +1 hours, user 9 one at 0, user 8 one at +1."""
    return pd.DataFrame(
        {
            "user_id": [7, 7, 7, 7, 9, 9, 8],
            "item_id": [1, 2, 1, 3, 2, 1, 2],
            "base_score": [3, 2, 1, 5, 9, 8, 7],
            "t0": [AT + timedelta(hours=h) for h in (-2, -2, -1, 1, 0, 0, 1)],
        }
    )


class TestPlainScores(RecommenderContract):
    @pytest.fixture
    def recommender(self) -> BaseRecommender:
        return FrameRecommender(scores())

    @pytest.fixture
    def users(self) -> list[Any]:
        return [9, 7, 8]

    @pytest.fixture
    def at(self) -> datetime:
        return AT


class TestBatches(TestPlainScores):
    @pytest.fixture
    def recommender(self) -> BaseRecommender:
        return FrameRecommender(batches())


class TestNamedUsers(TestPlainScores):
    @pytest.fixture
    def recommender(self) -> BaseRecommender:
        return FrameRecommender(scores().assign(user_id=lambda t: t["user_id"].astype(str)))

    @pytest.fixture
    def users(self) -> list[Any]:
        return ["7", "8", "9"]


def test_equal_scores_keep_the_order_of_the_table() -> None:
    answer = FrameRecommender(scores()).candidates([7, 9], at=AT)
    assert answer["item_id"].tolist() == ["a", "b", "c", "a", "d"]


def test_only_the_last_batch_by_then_counts() -> None:
    recommender = FrameRecommender(batches())
    answer = recommender.candidates([7, 8, 9], at=AT)
    assert answer.to_numpy().tolist() == [[7, 1, 1.0], [9, 2, 9.0], [9, 1, 8.0]]
    early = recommender.candidates([7, 8, 9], at=AT - timedelta(hours=1, seconds=1))
    assert early.to_numpy().tolist() == [[7, 1, 3.0], [7, 2, 2.0]]


@given(
    rows=st.dictionaries(
        st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3)),
        st.integers(-3, 3),
        min_size=1,
    ),
    hour=st.integers(0, 4),
    k=st.integers(1, 5),
)
def test_it_equals_a_plain_loop(rows: dict[Any, int], hour: int, k: int) -> None:
    table = pd.DataFrame(
        [(u, i, AT + timedelta(hours=h), s) for (u, i, h), s in rows.items()],
        columns=["user_id", "item_id", "t0", "base_score"],
    )
    answer = FrameRecommender(table).candidates(range(5), at=AT + timedelta(hours=hour), k=k)
    expected = []
    for user in range(5):
        hours = [h for u, _, h in rows if u == user and h <= hour]
        mine = [(i, s) for (u, i, h), s in rows.items() if hours and (u, h) == (user, max(hours))]
        mine.sort(key=lambda pair: -pair[1])
        expected += [[user, i, float(s)] for i, s in mine[:k]]
    assert answer.to_numpy().tolist() == expected


def test_the_callers_table_is_neither_changed_nor_kept() -> None:
    table = scores()
    recommender = FrameRecommender(table)
    pd.testing.assert_frame_equal(table, scores())
    before = recommender.candidates([7, 8, 9], at=AT)
    table.loc[:, "base_score"] = 0.0
    pd.testing.assert_frame_equal(recommender.candidates([7, 8, 9], at=AT), before)


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        (scores().drop(columns="item_id"), SchemaError, "without item_id"),
        (scores().assign(base_score="high"), SchemaError, "numbers in base_score"),
        (scores().assign(t0=datetime(2026, 1, 1)), SchemaError, "with a time zone"),
        (scores().assign(base_score=np.nan), RowError, "got 6 other rows"),
        (scores().assign(base_score=np.inf), RowError, "finite scores"),
        (scores().assign(item_id=None), RowError, "no null keys"),
        (pd.concat([scores(), scores()[:1]]), RowError, "1 repeated rows"),
    ],
)
def test_tables_that_break_the_rules_are_refused(table: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        FrameRecommender(table)
