"""What every base recommender keeps; subclass :class:`RecommenderContract` to test yours."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from causal_ranker.columns import Columns as C
from causal_ranker.errors import ConfigError, RowError
from causal_ranker.recommenders.base import BaseRecommender


class RecommenderContract:
    """Override the three fixtures. `users` are known users, at least two with candidates."""

    @pytest.fixture
    def recommender(self) -> BaseRecommender:
        raise NotImplementedError

    @pytest.fixture
    def users(self) -> list[Any]:
        raise NotImplementedError

    @pytest.fixture
    def at(self) -> datetime:
        raise NotImplementedError

    def test_it_is_a_recommender(self, recommender: BaseRecommender) -> None:
        assert isinstance(recommender, BaseRecommender)

    def test_the_answer_is_a_plain_table(
        self, recommender: BaseRecommender, users: list[Any], at: datetime
    ) -> None:
        answer = recommender.candidates(users, at=at)
        assert list(answer.columns) == [C.USER, C.ITEM, C.BASE_SCORE]
        assert answer.index.equals(pd.RangeIndex(len(answer)))
        assert answer[C.BASE_SCORE].dtype == np.float64
        assert np.isfinite(answer[C.BASE_SCORE]).all()
        assert answer[C.USER].nunique() >= 2
        assert not answer.duplicated([C.USER, C.ITEM]).any()

    def test_users_come_as_asked_and_scores_fall(
        self, recommender: BaseRecommender, users: list[Any], at: datetime
    ) -> None:
        for asked in (users, users[::-1]):
            answer = recommender.candidates(asked, at=at)
            seen = answer[C.USER].drop_duplicates().tolist()
            assert seen == [user for user in asked if user in set(seen)]
            place = answer[C.USER].map({user: n for n, user in enumerate(asked)})
            assert place.is_monotonic_increasing
            for _, scores in answer.groupby(C.USER)[C.BASE_SCORE]:
                assert scores.is_monotonic_decreasing

    @pytest.mark.parametrize("k", [1, 2, 10**6])
    def test_k_keeps_the_first(
        self, recommender: BaseRecommender, users: list[Any], at: datetime, k: int
    ) -> None:
        whole, short = (recommender.candidates(users, at=at, k=each) for each in (None, k))
        expected = whole.groupby(C.USER, sort=False).head(k).reset_index(drop=True)
        pd.testing.assert_frame_equal(short, expected)

    def test_asking_again_or_alone_gives_the_same(
        self, recommender: BaseRecommender, users: list[Any], at: datetime
    ) -> None:
        whole = recommender.candidates(users, at=at)
        pd.testing.assert_frame_equal(recommender.candidates(users, at=at), whole)
        for user in users[:3]:
            alone = recommender.candidates([user], at=at)
            mine = whole[whole[C.USER] == user].reset_index(drop=True)
            pd.testing.assert_frame_equal(alone, mine)

    def test_a_user_nobody_knows_has_no_row(
        self, recommender: BaseRecommender, users: list[Any], at: datetime
    ) -> None:
        stranger: Any = "nobody at all" if isinstance(users[0], str) else -987_654_321
        answer = recommender.candidates([stranger, *users], at=at)
        pd.testing.assert_frame_equal(answer, recommender.candidates(users, at=at))
        nothing = recommender.candidates([stranger], at=at)
        assert list(nothing.columns) == [C.USER, C.ITEM, C.BASE_SCORE]
        assert nothing.empty
        assert recommender.candidates([], at=at).empty

    def test_the_answer_is_the_callers_to_change(
        self, recommender: BaseRecommender, users: list[Any], at: datetime
    ) -> None:
        before = recommender.candidates(users, at=at)
        changed = recommender.candidates(users, at=at)
        changed[C.BASE_SCORE] = 0.0
        pd.testing.assert_frame_equal(recommender.candidates(users, at=at), before)

    def test_impossible_questions_are_refused(
        self, recommender: BaseRecommender, users: list[Any], at: datetime
    ) -> None:
        with pytest.raises(ConfigError, match="time zone"):
            recommender.candidates(users, at=at.replace(tzinfo=None))
        for k in (0, -1):
            with pytest.raises(ConfigError, match="k of 1 or more"):
                recommender.candidates(users, at=at, k=k)
        with pytest.raises(RowError, match="each user once"):
            recommender.candidates([users[0], users[0]], at=at)
