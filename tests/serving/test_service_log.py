"""What the service writes down: decisions as they were answered, and the events that came."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from causal_ranker.errors import ConfigError, LogUnavailableError, RowError
from causal_ranker.serving.bundle import Bundle
from causal_ranker.serving.decisions.record import EventRecord
from causal_ranker.serving.service import Service
from causal_ranker.serving.wire import EventsRequest, RerankAnswer, View
from tests.serving.asking import PATIENT, ids, play
from tests.serving.fakes import MemoryLog, request, running, value


def test_a_decision_holds_what_was_answered(bundle: Bundle) -> None:
    async def run() -> tuple[RerankAnswer, MemoryLog]:
        log = MemoryLog()
        async with running(Service(bundle, config=PATIENT, log=log)) as service:
            await service.rerank(request(106))
            asked = request(105, k=3, session_id="s", surface="home", moment={"week": 3.0})
            return await service.rerank(asked), log

    before = datetime.now(UTC)
    got, log = asyncio.run(run())
    first, found = log.decisions
    assert found.decision_id == got.decision_id == "decision-2"
    assert (found.user_id, found.version, found.session_id) == (105, bundle.version, "s")
    assert (found.surface, found.moment, found.fallback) == ("home", {"week": 3.0}, None)
    sent = [("item-03", 0.2), ("item-07", 0.9), ("item-00", 0.2), ("never-seen", 0.5)]
    assert list(zip(found.items, found.base_score, strict=True)) == sent
    assert [found.items[place] for place in found.shown] == ids(got)
    assert found.score is not None
    assert [found.score[place] for place in found.shown] == [each.score for each in got.items]
    assert (found.slots, found.propensity, found.exploration) == (0, [], None)
    assert found.features_hash != first.features_hash != ""
    assert abs(found.at_ms / 1e3 - before.timestamp()) < 60


def test_what_the_model_does_not_read_is_ignored_counted_and_of_the_moment_written_down(
    bundle: Bundle,
) -> None:
    moment = {"week": 3.0, "weather": "rain", "age": 1.0}  # age is the user's

    async def run() -> tuple[list[RerankAnswer], MemoryLog]:
        log = MemoryLog()
        async with running(Service(bundle, config=PATIENT, log=log)) as service:
            bare = await service.rerank(request(105, moment={"week": 3.0}))
            assert value(service, "unread_features_total") == 0
            unread = {"context": {"week": 3.0}, "columns": {"genre": ["drama"] * 4}}
            full = await service.rerank(request(105, moment=moment, **unread))
            assert value(service, "unread_features_total") == 4
            return [bare, full], log

    (bare, full), log = asyncio.run(run())
    assert full.items == bare.items
    assert full.fallback is None
    assert log.decisions[1].moment == moment


def test_events_are_written_down(bundle: Bundle) -> None:
    at = datetime(2026, 3, 1, 13, 0, 0, 1999, tzinfo=timezone(timedelta(hours=1)))
    view = View(item_id="item-03", at=at, viewable_ms=900, clicked_at=at)

    async def run() -> list[Any]:
        log = MemoryLog()
        async with running(Service(bundle, config=PATIENT, log=log)) as service:
            told = EventsRequest(events=[view, play(play_id=7, seconds=3.0)], decision_id="d")
            assert (await service.events(told)).accepted == 2
            assert (await service.events(EventsRequest(events=[play()], user_id=5))).accepted == 1
            assert value(service, "events_total", outcome="written") == 3
        return log.records

    viewed, played, alone = asyncio.run(run())
    noon = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()) * 1000
    assert isinstance(viewed, EventRecord)
    assert (viewed.kind, viewed.decision_id, viewed.at_ms) == ("view", "d", noon + 1)
    assert (viewed.viewable_ms, viewed.clicked_at_ms) == (900, noon + 1)
    assert (played.kind, played.play_id, played.seconds, played.at_ms) == ("play", 7, 3.0, noon)
    assert (alone.user_id, alone.decision_id) == (5, None)
    assert len({viewed.event_id, played.event_id, alone.event_id}) == 3


def test_events_that_belong_to_nothing_are_refused(bundle: Bundle) -> None:
    view = View(item_id="item-03", at=datetime(2026, 3, 1, tzinfo=UTC))

    async def run() -> None:
        log = MemoryLog()
        async with running(Service(bundle, config=PATIENT, log=log)) as service:
            for told, error, message in (
                (EventsRequest(events=[view], user_id=5), ConfigError, "decision_id"),
                (EventsRequest(events=[play()]), ConfigError, "user_id"),
                (EventsRequest(events=[play(play_id="\udfff")], user_id=5), RowError, "surrogate"),
                (EventsRequest(events=[play()], user_id=1 << 80), RowError, "64 bits"),
            ):
                with pytest.raises(error, match=message):
                    await service.events(told)
            assert log.records == []
        async with running(Service(bundle, config=PATIENT)) as service:
            with pytest.raises(LogUnavailableError, match="none"):
                await service.events(EventsRequest(events=[play()], user_id=5))

    asyncio.run(run())
