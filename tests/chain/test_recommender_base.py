"""Somebody else's recommender as base: when it is asked, and what its answers must be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from causal_ranker.chain.base import RecommenderBase
from causal_ranker.errors import RowError, SchemaError
from causal_ranker.recommenders.callable import CallableRecommender
from tests.chain.blocks import DAY, block

START = datetime(1970, 1, 1, tzinfo=UTC)


class Says:
    """A recommender that checks nothing of what it says."""

    def __init__(self, **columns: Any) -> None:
        self.said = {"user_id": [0, 0], "item_id": [1, 2], "base_score": [0.5, 0.4]} | columns

    def candidates(self, users: Any, *, at: datetime, k: int | None = None) -> pd.DataFrame:
        return pd.DataFrame(self.said)


def test_requests_from_before_its_training_have_no_base_score() -> None:
    asked: list[datetime] = []

    def fn(users: list[Any], at: datetime, k: int | None) -> Any:
        asked.append(at)
        return {user: [(1, 0.2), (2, 0.7)] for user in users}

    until = START + timedelta(days=2)
    base = RecommenderBase(CallableRecommender(fn, trained_until=until))
    assert [base.speaks(day * DAY) for day in (0, 1, 2, 3)] == [False, False, True, True]
    assert not base.speaks(2 * DAY - 1)
    rows = block(6, user=[0] * 6, item=[1, 2] * 3, t0=np.repeat([1, 2, 3], 2) * DAY)
    base.fill(rows)
    np.testing.assert_allclose(rows.base_score, [np.nan, np.nan, 0.2, 0.7, 0.2, 0.7], rtol=1e-6)
    np.testing.assert_array_equal(rows.base_rank, [np.nan, np.nan, 2, 1, 2, 1])
    assert asked == [until, until + timedelta(days=1)]


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        ({"base_score": [0.5, np.nan]}, RowError, "finite for 1 of 2 rows.*item .*2"),
        ({"base_score": [np.inf, 0.4]}, RowError, "finite for 1 of 2 rows.*item .*1"),
        ({"item_id": [1, 3]}, RowError, "finite for 1 of 2 rows"),
        ({"item_id": ["1", "2"]}, SchemaError, "as in the candidate log.*'7' are different"),
        ({"user_id": ["0", "0"]}, SchemaError, "as in the candidate log"),
        ({"item_id": [1, 1]}, RowError, "each user and item once"),
    ],
)
def test_answers_that_do_not_fit_the_candidate_log_are_refused(
    said: Any, error: Any, message: str
) -> None:
    rows = block(2, user=[0, 0], item=[1, 2])
    with pytest.raises(error, match=message):
        RecommenderBase(Says(**said)).fill(rows)


def test_an_empty_answer_is_a_missing_score() -> None:
    nobody = CallableRecommender(lambda users, at, k: {})
    with pytest.raises(RowError, match="finite for 2 of 2 rows"):
        RecommenderBase(nobody).fill(block(2, user=[0, 0], item=[1, 2]))
