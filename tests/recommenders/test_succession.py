"""Each request is answered by the model that was in force."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from causal_ranker.errors import ConfigError, NotFittedError
from causal_ranker.recommenders.base import BaseRecommender
from causal_ranker.recommenders.callable import CallableRecommender
from causal_ranker.recommenders.succession import Succession
from tests.recommenders.contract import RecommenderContract

AT = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def model(number: int, *, until: datetime | None) -> CallableRecommender:
    """Score item `number` best; it knows users 1 to 3."""
    items = [(item, float(item == number) - item) for item in range(4)]
    return CallableRecommender(
        lambda users, at, k: {user: items for user in users if user in (1, 2, 3)},
        trained_until=until,
    )


class TestSuccession(RecommenderContract):
    @pytest.fixture
    def recommender(self) -> BaseRecommender:
        return Succession([model(1, until=AT), model(0, until=AT - DAY)])

    @pytest.fixture
    def users(self) -> list[Any]:
        return [3, 1]

    @pytest.fixture
    def at(self) -> datetime:
        return AT


def test_a_model_is_in_force_from_its_moment_until_the_next() -> None:
    made = Succession([model(3, until=AT + DAY), model(1, until=AT), model(2, until=AT + 2 * DAY)])
    assert made.trained_until == AT
    tick = timedelta(microseconds=1)
    for at, number in (
        (AT, 1),
        (AT + DAY - tick, 1),
        (AT + DAY, 3),
        (AT + 2 * DAY - tick, 3),
        (AT + 2 * DAY, 2),
        (AT + 999 * DAY, 2),
    ):
        score = made.candidates([1], at=at).set_index("item_id")["base_score"]
        assert score[number] == 1.0 - number
    with pytest.raises(NotFittedError, match="up to which the model was trained"):
        made.candidates([1], at=AT - tick)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "got none"),
        ([model(1, until=None)], "CallableRecommender without one"),
        ([object()], "object without one"),
        ([model(1, until=AT), model(2, until=AT)], "a moment of its own"),
    ],
)
def test_what_cannot_follow_one_another_is_refused(given: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Succession(given)
