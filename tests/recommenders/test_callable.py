"""Candidates from a function: every answer is checked, and the message says what came."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.errors import ConfigError, NotFittedError, RowError, SchemaError
from causal_ranker.recommenders.base import BaseRecommender
from causal_ranker.recommenders.callable import CallableRecommender
from tests.recommenders.contract import RecommenderContract

AT = datetime(2026, 3, 1, tzinfo=UTC)
LISTS: dict[Any, list[tuple[Any, float]]] = {
    7: [("b", 0.5), ("a", 0.9), ("c", 0.5)],
    9: [("a", 0.1), ("d", 0.1)],
    8: [("a", -2.0)],
}


def as_table(lists: dict[Any, list[tuple[Any, Any]]]) -> pd.DataFrame:
    rows = [(user, item, score) for user, pairs in lists.items() for item, score in pairs]
    return pd.DataFrame(rows, columns=["user_id", "item_id", "base_score"])


def mapping(users: list[Any], at: datetime, k: int | None) -> Any:
    return {user: LISTS[user] for user in users if user in LISTS}


def table(users: list[Any], at: datetime, k: int | None) -> Any:
    """Rows of several users among each other, the worst first, and a column too many."""
    rows = as_table(mapping(users, at, k)).assign(note="x")
    return rows.sort_values("base_score", kind="stable")


class TestMapping(RecommenderContract):
    fn: Callable[..., Any] = staticmethod(mapping)

    @pytest.fixture
    def recommender(self) -> BaseRecommender:
        return CallableRecommender(self.fn)

    @pytest.fixture
    def users(self) -> list[Any]:
        return [9, 7, 8]

    @pytest.fixture
    def at(self) -> datetime:
        return AT


class TestTable(TestMapping):
    fn = staticmethod(table)


class TestNamedUsers(TestMapping):
    @pytest.fixture
    def recommender(self) -> BaseRecommender:
        lists = {str(user): pairs for user, pairs in LISTS.items()}
        return CallableRecommender(lambda users, at, k: {u: lists[u] for u in users if u in lists})

    @pytest.fixture
    def users(self) -> list[Any]:
        return ["7", "8", "9"]


def test_the_function_is_asked_as_documented_and_may_keep_its_list() -> None:
    asked: list[Any] = []

    def fn(users: list[Any], at: datetime, k: int | None) -> Any:
        asked.append((list(users), at, k))
        users.clear()
        return {9: [("a", 1)], 7: [("b", 2), ("c", 3)]}

    users = np.array([7, 9])
    answer = CallableRecommender(fn).candidates(users, at=AT, k=1)
    assert asked == [([7, 9], AT, 1)]
    assert type(asked[0][0][0]) is int
    assert users.tolist() == [7, 9]
    assert answer.to_numpy().tolist() == [[7, "c", 3.0], [9, "a", 1.0]]


def test_equal_scores_keep_the_order_they_come_in() -> None:
    for fn in (mapping, lambda *asked: as_table(mapping(*asked))):
        answer = CallableRecommender(fn).candidates([7, 9], at=AT)
        assert answer["item_id"].tolist() == ["a", "b", "c", "a", "d"]


@given(
    lists=st.dictionaries(
        st.integers(0, 4),
        st.dictionaries(st.integers(0, 9), st.integers(-3, 3)),
    ),
    users=st.permutations(range(5)),
    k=st.one_of(st.none(), st.integers(1, 5)),
)
def test_it_equals_a_plain_loop(lists: Any, users: list[int], k: int | None) -> None:
    pairs = {user: list(mine.items()) for user, mine in lists.items()}
    expected = []
    for user in users:
        best = sorted(pairs.get(user, []), key=lambda pair: -pair[1])
        expected += [[user, item, float(score)] for item, score in best[:k]]
    for said in (pairs, as_table(pairs)):
        answer = CallableRecommender(lambda *_, said=said: said).candidates(users, at=AT, k=k)
        assert answer.to_numpy().tolist() == expected


@pytest.mark.parametrize("said", [{}, {7: []}, pd.DataFrame(), as_table({})])
def test_an_empty_answer_has_no_row(said: Any) -> None:
    answer = CallableRecommender(lambda *_: said).candidates([7], at=AT)
    assert list(answer.columns) == ["user_id", "item_id", "base_score"]
    assert answer.empty
    assert answer["base_score"].dtype == np.float64


def test_nobody_is_asked_about_nobody() -> None:
    assert CallableRecommender(lambda *_: 1 / 0).candidates([], at=AT).empty


def plain(**columns: Any) -> pd.DataFrame:
    return as_table({7: [("a", 1.0), ("b", 2.0)]}).assign(**columns)


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        (None, SchemaError, "got NoneType"),
        ([(7, "a", 1.0)], SchemaError, "got list"),
        ({7: ["abc"]}, SchemaError, "pairs of an item"),
        ({7: [("a", 1.0, 2.0)]}, SchemaError, "pairs of an item"),
        ({7: 3}, SchemaError, "pairs of an item"),
        (plain().drop(columns="item_id"), SchemaError, "user_id, base_score, without item_id"),
        ({7: [("a", "high")]}, SchemaError, "numbers in base_score.*'high'"),
        ({7: [("a", Decimal(1))]}, SchemaError, "numbers in base_score.*Decimal"),
        ({7: [("a", True)]}, SchemaError, "numbers in base_score.*bool"),
        ({7: [("a", 1j)]}, SchemaError, "numbers in base_score.*complex"),
        ({7: [("a", 1.0), ("b", np.nan)]}, RowError, "1 other rows of 2.*row 1.*user_id 7.*'b'"),
        ({7: [("a", None), ("b", 1)]}, RowError, "finite base scores.*row 0"),
        ({7: [("a", 1.0), ("b", np.inf)]}, RowError, "finite base scores.*inf"),
        ({7: [("a", 1.0), ("a", 2.0)]}, RowError, "each user and item once.*row 1"),
        ({7: [("a", 1.0)], 5: [("a", 1.0)]}, RowError, "users who were asked for.*user_id 5"),
        ({"7": [("a", 1.0)]}, RowError, r"such as 7 \(int\).*user_id '7'"),
        (plain(user_id=7.0), RowError, r"user_id as whole numbers or text.*7\.0 \(float\)"),
        (plain(item_id=[1, None]), RowError, "item_id as whole numbers or text"),
        (plain(item_id=[1, True]), RowError, r"item_id .*True \(bool\) in row 1"),
        ({7: [(None, 1.0)]}, RowError, r"item_id .*in row 0"),
        ({7: [("\ud800", 1.0)]}, RowError, "ids that are Unicode"),
        ({7: [(("a", 1), 1.0)]}, RowError, r"item_id .*\(tuple\)"),
    ],
)
def test_answers_that_break_the_rules_are_refused(said: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        CallableRecommender(lambda *_: said).candidates([7, 9], at=AT)


def test_what_the_function_raises_is_its_own() -> None:
    with pytest.raises(ZeroDivisionError):
        CallableRecommender(lambda *_: 1 / 0).candidates([7], at=AT)


def test_the_functions_table_is_not_changed() -> None:
    said = plain()
    CallableRecommender(lambda *_: said).candidates([7], at=AT, k=1)
    pd.testing.assert_frame_equal(said, plain())


@pytest.mark.parametrize(
    ("users", "question", "error", "message"),
    [
        ("789", {}, ConfigError, r"several users.*\['789'\]"),
        (7, {}, ConfigError, r"several users.*\[7\]"),
        ([7.0], {}, RowError, r"whole numbers or text.*7\.0 \(float\)"),
        ([True], {}, RowError, r"True \(bool\)"),
        ([None], {}, RowError, "NoneType"),
        ([[7]], {}, RowError, "list"),
        ([7, np.int64(7)], {}, RowError, "each user once"),
        ([7], {"at": "2026-03-01"}, ConfigError, "time zone"),
        ([7], {"at": pd.NaT}, ConfigError, "time zone"),
        ([7], {"k": 1.5}, ConfigError, "k of 1 or more"),
        ([7], {"k": True}, ConfigError, "k of 1 or more"),
    ],
)
def test_questions_that_cannot_be_are_refused(
    users: Any, question: Any, error: Any, message: str
) -> None:
    with pytest.raises(error, match=message):
        CallableRecommender(mapping).candidates(users, **{"at": AT} | question)


def test_a_model_is_not_asked_about_the_time_before_its_training() -> None:
    made = CallableRecommender(mapping, trained_until=AT)
    assert len(made.candidates([7], at=AT)) == 3
    with pytest.raises(NotFittedError, match="whose future the model has seen"):
        made.candidates([7], at=AT - timedelta(microseconds=1))
    with pytest.raises(ConfigError, match="trained_until as a moment with a time zone"):
        CallableRecommender(mapping, trained_until=datetime(2026, 3, 1))


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(ConfigError, match="a function"):
        CallableRecommender(LISTS)  # type: ignore[arg-type]
