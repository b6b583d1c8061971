"""Requests without candidates get those of the base recommender."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from causal_ranker.errors import EmptyError, UpstreamError
from causal_ranker.serving.app import create_app
from causal_ranker.serving.http.offer import OfferedCandidates
from causal_ranker.serving.wire import RerankAnswer, RerankRequest
from tests.serving.http.fake import FakeService
from tests.serving.running import Running


class Recommender:
    """Knows users 7 and "7"; fails for 8."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def candidates(
        self, users: Iterable[int | str], *, at: datetime, k: int | None = None
    ) -> pd.DataFrame:
        (user,) = users
        assert abs((datetime.now(UTC) - at).total_seconds()) < 60
        self.asked.append((user, k, threading.current_thread() is threading.main_thread()))
        if user == 8:
            raise UpstreamError(expected="an answer", came="none", do="Wait.")
        rows = {7: [("b", 0.5), (3, 0.25)], "7": [("c", 1.0)]}.get(user, [])
        table = pd.DataFrame(rows, columns=["item_id", "base_score"])
        table.insert(0, "user_id", user)
        return table


def items(answer: dict[str, Any]) -> list[Any]:
    return [(row["item_id"], row["base_score"]) for row in answer["items"]]


def test_it_is_asked_where_no_candidates_come_and_only_there() -> None:
    recommender, service = Recommender(), FakeService()
    with Running(create_app(service, upstream=recommender)) as running:  # type: ignore[arg-type]
        status, answer = running.post({"user_id": 7, "k": 1})
        assert (status, items(answer)) == (200, [("b", 0.5)])
        assert items(running.post({"user_id": "7"})[1]) == [("c", 1.0)]
        sent = [{"item_id": "z", "base_score": 1}]
        assert items(running.post({"user_id": 7, "candidates": sent})[1]) == [("z", 1.0)]
        explained = running.ask("POST", "/v1/explain", b'{"user_id": 7, "item_id": 3}')
        assert explained[1]["item"]["rank"] == 2
    assert recommender.asked == [(7, 1000, False), ("7", 1000, False), (7, 1000, False)]


def test_without_an_answer_the_service_is_asked_alone(caplog: pytest.LogCaptureFixture) -> None:
    service = FakeService()
    with Running(create_app(service, upstream=Recommender())) as running:  # type: ignore[arg-type]
        # it has none: an unknown user
        assert running.post({"user_id": "secret"})[0] == 404
        # it failed, and so had nothing to say of the user: not the client's fault
        status, answer = running.post({"user_id": 8})
        assert status == 503
        assert "base recommender" in answer["error"]
    assert [asked.candidates for asked in service.asked] == [None, None]
    assert "secret" not in caplog.text
    assert "UpstreamError" in caplog.text


def test_a_failing_recommender_hides_no_other_error() -> None:
    async def empty(_: object) -> Any:
        raise EmptyError(expected="x", came="y", do="z")

    service = FakeService(rerank=empty)
    with Running(create_app(service, upstream=Recommender())) as running:  # type: ignore[arg-type]
        assert running.post({"user_id": 8})[0] == 503
        assert running.post({"user_id": 9})[0] == 400


class Silent(Recommender):
    """Says nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.speaks = threading.Event()

    def candidates(
        self, users: Iterable[int | str], *, at: datetime, k: int | None = None
    ) -> pd.DataFrame:
        found = super().candidates(users, at=at, k=k)
        assert self.speaks.wait(30)
        return found


def test_quick_errors_about_some_users_keep_it_asked() -> None:
    recommender, service = Recommender(), FakeService()
    with Running(create_app(service, upstream=recommender)) as running:  # type: ignore[arg-type]
        assert [running.post({"user_id": 8})[0] for _ in range(7)] == [503] * 7
        assert running.post({"user_id": 7})[0] == 200


def test_one_that_hangs_is_waited_for_once_and_then_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    within = 0.3
    monkeypatch.setattr("causal_ranker.serving.http.offer._WITHIN_S", within)
    silent, service = Silent(), FakeService()
    offered = OfferedCandidates(silent)

    async def timed() -> float:
        began = time.monotonic()
        with pytest.raises(UpstreamError):
            await offered.ask(service.rerank, RerankRequest(user_id=7))
        return time.monotonic() - began

    async def run() -> RerankAnswer:
        # more than there are threads: the last ones would wait for those before them
        first = await asyncio.gather(*(timed() for _ in range(64)))
        assert within * 0.9 < min(first) <= max(first) < within + 2
        asked = len(silent.asked)
        assert sum([await timed() for _ in range(64)]) < 64 * within / 4  # nobody waits
        assert len(silent.asked) == asked == 16
        silent.speaks.set()
        for _ in range(200):  # until one request tries again
            with suppress(UpstreamError):
                return await offered.ask(service.rerank, RerankRequest(user_id=7))
            await asyncio.sleep(0.05)
        raise TimeoutError

    try:
        assert [each.item_id for each in asyncio.run(run()).items] == ["b", 3]
    finally:
        silent.speaks.set()
        offered.close()
