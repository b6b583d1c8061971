"""What tests of the service ask it with, and hold its answers against."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from causal_ranker.serving.config import ServeConfig
from causal_ranker.serving.wire import Play, RerankAnswer
from tests.serving.fakes import BASE_ORDER

#: The deadline of tests is long, where nothing hangs: the machine may be busy. With one worker it
#: is known who waits.
PATIENT = ServeConfig(workers=1, deadline_ms=20_000)


def ids(answer: RerankAnswer) -> list[Any]:
    return [each.item_id for each in answer.items]


def assert_base_order(answer: RerankAnswer, reason: str) -> None:
    assert answer.fallback == reason
    assert ids(answer) == BASE_ORDER
    assert [each.uplift for each in answer.items] == [None] * 4
    assert [each.score for each in answer.items] == [0.9, 0.5, 0.2, 0.2]
    assert [each.base_rank for each in answer.items] == [each.rank for each in answer.items]
    assert [each.propensity for each in answer.items] == [1.0] * 4
    assert not answer.explored


def play(**more: Any) -> Play:
    return Play(item_id="item-03", at=datetime(2026, 3, 1, 12, tzinfo=UTC), **more)
