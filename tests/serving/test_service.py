"""The service: a list whatever fails, what is written down of it, and how it stops."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from causal_ranker.errors import (
    ConfigError,
    EmptyError,
    LogUnavailableError,
    OverloadedError,
    RowError,
    SchemaError,
    UnknownUserError,
)
from causal_ranker.reranking.draws import PlackettLuce, Thompson
from causal_ranker.reranking.explore import Exploration
from causal_ranker.serving.bundle import Bundle
from causal_ranker.serving.config import BreakerConfig, ServeConfig
from causal_ranker.serving.decisions.record import EventRecord
from causal_ranker.serving.service import Service
from causal_ranker.serving.wire import EventsRequest, Play, RerankAnswer, View
from tests.serving.fakes import (
    BASE_ORDER,
    Hang,
    MemoryLog,
    exit_process,
    explode,
    not_a_number,
    request,
    running,
    stubbed,
    too_many,
    until,
    value,
)
from tests.serving.shop import ITEM_IDS, ITEMS, USER_IDS, Shop

#: The deadline of tests is long, where nothing hangs: the machine may be busy. With one worker it
#: is known who waits.
PATIENT = ServeConfig(workers=1, deadline_ms=20_000)
QUICK = ServeConfig(workers=1, deadline_ms=250, log_ms=10)


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


def test_a_list_is_what_the_model_says(shop: Shop, bundle: Bundle) -> None:
    async def run() -> RerankAnswer:
        async with running(Service(bundle, config=PATIENT)) as service:
            return await service.rerank(request(105, sent=SENT_THREE, k=2))

    got = asyncio.run(run())
    items, score, rank = np.array([3, 7, 0]), np.array([0.2, 0.9, 0.2]), np.array([2, 1, 3])
    uplift = shop.uplift.predict(shop.uplift_features(5, items, score, rank), num_threads=1)
    order = np.lexsort((rank, -np.asarray(uplift)))[:2]
    assert ids(got) == ITEM_IDS[items[order]].tolist()
    assert [each.uplift for each in got.items] == np.asarray(uplift)[order].tolist()
    assert [each.base_rank for each in got.items] == rank[order].tolist()
    assert [each.propensity for each in got.items] == [1.0, 1.0]
    assert (got.version, got.fallback, got.decision_id) == (bundle.version, None, None)


SENT_THREE = [("item-03", 0.2), ("item-07", 0.9), ("item-00", 0.2)]


def test_moment_and_context_reach_the_models(shop: Shop, bundle: Bundle) -> None:
    async def run(**more: Any) -> RerankAnswer:
        async with running(Service(bundle, config=PATIENT)) as service:
            return await service.rerank(request(105, sent=SENT_THREE, **more))

    items, score, rank = np.array([3, 7, 0]), np.array([0.2, 0.9, 0.2]), np.array([2, 1, 3])
    X = shop.uplift_features(5, items, score, rank)
    # device: a level that training knew, one that it did not; None is missing, too
    for device, code in (("tv", 0.0), ("watch", np.nan), (None, np.nan)):
        X[:, 1], X[:, 4], X[:, 8] = 71.0, 3.0, code
        got = asyncio.run(run(moment={"week": 3.0, "device": device}, context={"age": 71.0}))
        expected = np.asarray(shop.uplift.predict(X, num_threads=1))
        by_item = {each.item_id: each.uplift for each in got.items}
        assert [by_item[ITEM_IDS[item]] for item in items] == expected.tolist()
        assert np.unique(expected).size > 1
    # and the base model, where it is asked
    X_base = shop.base_features(5, np.arange(ITEMS))
    X_base[:, 2], X_base[:, 3] = 71.0, 3.0

    async def own() -> RerankAnswer:
        async with running(Service(bundle, config=PATIENT)) as service:
            return await service.rerank(
                request(105, sent=None, moment={"week": 3.0}, context={"age": 71.0})
            )

    by_item = {each.item_id: each.base_score for each in asyncio.run(own()).items}
    base = np.asarray(shop.base.predict(X_base, num_threads=1))
    assert [by_item[item] for item in ITEM_IDS] == base.tolist()
    assert not np.array_equal(base, shop.base.predict(shop.base_features(5, np.arange(ITEMS))))


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"moment": {"week": "third"}}, SchemaError, "a number for 'week'"),
        ({"moment": {"\ud800": 3.0}}, RowError, "surrogate"),
        ({"context": {"age": "old"}}, SchemaError, "a number for 'age'"),
        ({"moment": {"week": float("inf")}}, SchemaError, "finite"),
        ({"moment": {"week": 10**400}}, SchemaError, "finite"),
        ({"sent": []}, EmptyError, "empty list"),
        ({"sent": [("a", float("nan"))]}, RowError, "nan"),
        ({"sent": [("a", 1.0), ("a", 2.0)]}, RowError, "repeated"),
        ({"sent": [("\ud800", 1.0)]}, RowError, "surrogate"),
        ({"sent": [(1 << 63, 1.0)]}, RowError, "64 bits"),
        ({"user": -(1 << 63) - 1}, RowError, "64 bits"),
        ({"columns": {"genre": ["drama"] * 3}}, RowError, "each of 4 candidates"),
        ({"sent": None, "columns": {"genre": ["drama"]}}, ConfigError, "columns alone"),
    ],
)
def test_what_cannot_be_is_refused(
    bundle: Bundle, more: dict[str, Any], error: type[Exception], message: str
) -> None:
    async def run() -> None:
        log = MemoryLog()
        async with running(Service(bundle, config=PATIENT, log=log)) as service:
            with pytest.raises(error, match=message):
                await service.rerank(request(**more))
            assert log.records == []

    asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (explode, "model_error"),
        (exit_process, "model_error"),
        (not_a_number, "model_not_finite"),
        (too_many, "model_wrong_length"),
    ],
)
def test_a_failing_model_leaves_the_base_order_and_opens_the_circuit(
    bundle: Bundle, answer: Callable[[Any], Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)

    async def run() -> None:
        log = MemoryLog()
        async with running(Service(stubbed(bundle, answer), config=PATIENT, log=log)) as service:
            for turn in range(20):
                got = await service.rerank(request())
                assert_base_order(got, reason if turn < 5 else "circuit_open")
                assert got.decision_id == f"decision-{turn + 1}"
            assert value(service, "circuit") == 2
            assert value(service, "fallbacks_total", reason=reason) == 5
            assert value(service, "fallbacks_total", reason="circuit_open") == 15
            assert service.version().fallbacks == {"circuit_open": 15, reason: 5}
        assert [each.fallback for each in log.decisions] == [reason] * 5 + ["circuit_open"] * 15
        assert all(each.score is None and each.slots == 0 for each in log.decisions)
        assert [log.decisions[0].items[p] for p in log.decisions[0].shown] == BASE_ORDER

    asyncio.run(run())


def test_a_hanging_model_is_late_once_and_then_left_alone(bundle: Bundle) -> None:
    hang = Hang()
    breaker = BreakerConfig(failures=2, open_ms=150)
    config = QUICK.model_copy(update={"breaker": breaker, "abandoned": 2})

    async def run() -> None:
        log = MemoryLog()
        async with running(Service(stubbed(bundle, hang), config=config, log=log)) as service:
            for reason in ("deadline", "deadline", "circuit_open", "circuit_open"):
                began = time.monotonic()
                got = await service.rerank(request())
                assert_base_order(got, reason)
                assert got.decision_id is not None  # time was kept to write it down
                assert time.monotonic() - began < 2.0
            assert value(service, "abandoned_threads") == hang.calls == 2
            await asyncio.sleep(0.2)
            assert_base_order(await service.rerank(request()), "deadline")  # one try
            await asyncio.sleep(0.4)
            # nobody is left to try: no thread more hangs
            assert_base_order(await service.rerank(request()), "circuit_open")
            assert value(service, "abandoned_threads") == hang.calls == 3
            hang.released.set()
            await until(lambda: value(service, "abandoned_threads") == 0)
            got = await service.rerank(request())
            assert got.fallback is None
            assert value(service, "circuit") == 0

    asyncio.run(run())


def test_those_who_wait_behind_one_that_hangs_are_not_held_against_the_model(
    bundle: Bundle,
) -> None:
    hang = Hang()
    config = ServeConfig(workers=1, deadline_ms=400, breaker=BreakerConfig(failures=2))

    async def run() -> None:
        async with running(Service(stubbed(bundle, hang), config=config)) as service:
            found = await asyncio.gather(*(service.rerank(request()) for _ in range(8)))
            hang.released.set()
            assert [each.fallback for each in found] == ["deadline"] + ["overload"] * 7
            assert value(service, "circuit") == 0

    asyncio.run(run())


def test_time_is_kept_to_write_a_late_list_down(bundle: Bundle) -> None:
    class Slow(MemoryLog):
        def append(self, records: Any) -> Future[bool]:
            future: Future[bool] = Future()
            threading.Timer(0.05, future.set_result, (True,)).start()
            return future

    hang = Hang()
    config = ServeConfig(workers=1, deadline_ms=3_000, log_ms=2_900)

    async def run() -> None:
        async with running(Service(stubbed(bundle, hang), config=config, log=Slow())) as service:
            got = await service.rerank(request())
            hang.released.set()
            assert got.fallback == "deadline"
            assert got.decision_id is not None

    asyncio.run(run())


def test_the_loop_goes_on_while_a_model_works(bundle: Bundle) -> None:
    hang = Hang()

    async def run() -> None:
        async with running(Service(stubbed(bundle, hang), config=PATIENT)) as service:
            task = asyncio.create_task(service.rerank(request()))
            for _ in range(20):
                await asyncio.sleep(0.001)
            assert hang.calls == 1
            assert not task.done()
            hang.released.set()
            assert (await task).fallback is None

    asyncio.run(run())


def test_overload_is_shed_at_once(bundle: Bundle) -> None:
    hang = Hang()
    config = PATIENT.model_copy(update={"queue": 2})

    async def run() -> None:
        async with running(Service(stubbed(bundle, hang), config=config)) as service:
            first = asyncio.create_task(service.rerank(request()))
            await until(lambda: hang.calls == 1)
            waiting = [asyncio.create_task(service.rerank(request())) for _ in range(2)]
            await until(lambda: value(service, "queue") == 2)
            began = time.monotonic()
            assert_base_order(await service.rerank(request()), "overload")
            with pytest.raises(OverloadedError, match="with candidates"):
                await service.rerank(request(sent=None))
            assert time.monotonic() - began < 5
            assert value(service, "shed_total") == 2
            hang.released.set()
            for each in await asyncio.gather(first, *waiting):
                assert each.fallback is None
            assert value(service, "circuit") == 0  # the model is not to blame

    asyncio.run(run())


def test_without_candidates_the_base_models_order_is_at_hand(shop: Shop, bundle: Bundle) -> None:
    hang = Hang()
    base = np.asarray(shop.base.predict(shop.base_features(9, np.arange(ITEMS)), num_threads=1))

    async def run(answering: Bundle, release: Hang) -> RerankAnswer:
        async with running(Service(answering, config=QUICK)) as service:
            got = await service.rerank(request(109, sent=None))
            release.released.set()
            return got

    got = asyncio.run(run(stubbed(bundle, hang), hang))
    assert got.fallback == "deadline"
    assert np.unique(base).size > 3
    assert ids(got) == ITEM_IDS[np.lexsort((np.arange(ITEMS), -base))].tolist()
    # where it hangs itself, the snapshot's order is what there is
    hang = Hang()
    got = asyncio.run(run(stubbed(bundle, hang, which="base"), hang))
    assert got.fallback == "deadline"
    assert ids(got) == ITEM_IDS.tolist()
    assert {each.base_score for each in got.items} == {None}


def test_an_unknown_user(bundle: Bundle) -> None:
    async def run() -> None:
        bare = replace(bundle, base=None)
        async with running(Service(bare, config=PATIENT)) as service:
            assert_base_order(await service.rerank(request(99)), "unknown_user")
            with pytest.raises(UnknownUserError, match="user 99"):
                await service.rerank(request(99, sent=None))
            with pytest.raises(EmptyError, match="no base model"):
                await service.rerank(request(105, sent=None))
            assert value(service, "unknown_users_total") == 2
            assert value(service, "circuit") == 0

    asyncio.run(run())


def test_what_is_missing_is_counted(bundle: Bundle) -> None:
    async def run() -> None:
        async with running(Service(bundle, config=PATIENT)) as service:
            await service.rerank(request())
            # genre and price of the item that nobody knows; pairs without history lack nothing
            assert value(service, "missing_features_total") == 2
            assert value(service, "unknown_items_total") == 1
            await service.rerank(request(sent=SENT_THREE, moment={"device": None}))
            assert value(service, "missing_features_total") == 2 + 3
            assert service.metrics.registry.get_sample_value(
                "causal_ranker_latency_seconds_count"
            ) == value(service, "requests_total", role="current")

    asyncio.run(run())


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


def test_of_the_bundles_own_candidates_the_best_are_ranked(
    shop: Shop, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 5
    monkeypatch.setattr("causal_ranker.serving.intake.MOST_ITEMS", most)

    async def run(served: Bundle, user: int = 105) -> tuple[RerankAnswer, MemoryLog]:
        log = MemoryLog()
        async with running(Service(served, config=PATIENT, log=log)) as service:
            return await service.rerank(request(user, sent=None)), log

    base = np.asarray(shop.base.predict(shop.base_features(5, np.arange(ITEMS)), num_threads=1))
    best = np.argsort(-base, kind="stable")[:most]
    got, log = asyncio.run(run(bundle))
    rank = np.arange(1, most + 1)
    X = shop.uplift_features(5, best, base[best], rank)
    uplift = np.asarray(shop.uplift.predict(X, num_threads=1))
    order = np.lexsort((rank, -uplift))
    assert (got.fallback, ids(got)) == (None, ITEM_IDS[best[order]].tolist())
    assert [each.uplift for each in got.items] == uplift[order].tolist()
    assert sorted(log.decisions[0].items) == sorted(ids(got))
    # of a user nobody knows, and where nothing can score them, too
    unknown, log = asyncio.run(run(bundle, user=1))
    assert (unknown.fallback, len(unknown.items)) == ("unknown_user", most)
    assert len(log.decisions[0].items) == most
    for broken in (
        stubbed(bundle, explode, which="base"),
        stubbed(bundle, exit_process, which="base"),
    ):
        alone, _ = asyncio.run(run(broken))
        assert alone.fallback is not None
        assert ids(alone) == ITEM_IDS[:most].tolist()


@pytest.mark.parametrize("answers", [False, None])
def test_a_log_that_cannot_be_written_costs_the_id_and_not_the_list(
    bundle: Bundle, answers: bool | None
) -> None:
    async def run() -> None:
        log = MemoryLog(answers=answers)
        config = ServeConfig(workers=1, deadline_ms=400, events_ms=50)
        async with running(Service(bundle, config=config, log=log)) as service:
            got = await service.rerank(request())
            assert got.decision_id is None
            assert got.items[0].item_id
            outcome = "late" if answers is None else "failed"
            assert value(service, "decisions_total", outcome=outcome) == 1
            with pytest.raises(LogUnavailableError):
                await service.events(EventsRequest(events=[play()], user_id=1))

    asyncio.run(run())


def play(**more: Any) -> Play:
    return Play(item_id="item-03", at=datetime(2026, 3, 1, 12, tzinfo=UTC), **more)


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


def test_stopping_finishes_what_is_in_flight_and_flushes(bundle: Bundle) -> None:
    hang, log = Hang(), MemoryLog()
    service = Service(stubbed(bundle, hang), config=PATIENT, log=log)

    async def run() -> None:
        assert service.not_ready() == "no model is loaded"
        await service.start()
        assert service.not_ready() is None
        log.alive = False
        assert service.not_ready() == "the decision log has stopped"
        log.alive = True
        asked = asyncio.create_task(service.rerank(request()))
        await until(lambda: hang.calls == 1)
        stopping = asyncio.create_task(service.stop())
        await asyncio.sleep(0.02)
        assert service.not_ready() == "stopping"
        assert not stopping.done()
        assert log.flushed == 0
        hang.released.set()
        assert (await asked).fallback is None
        await stopping
        assert log.flushed == 1
        # whoever comes all the same gets a list
        assert_base_order(await service.rerank(request()), "circuit_open")

    asyncio.run(run())


def test_stopping_waits_no_longer_than_it_was_told(bundle: Bundle) -> None:
    hang = Hang()
    config = PATIENT.model_copy(update={"drain_s": 0.05})
    service = Service(stubbed(bundle, hang), config=config)

    async def run() -> None:
        await service.start()
        asked = asyncio.create_task(service.rerank(request()))
        await until(lambda: hang.calls == 1)
        began = time.monotonic()
        await service.stop()
        assert time.monotonic() - began < 5
        hang.released.set()
        await asked

    asyncio.run(run())


TEMPERATURE = 0.02


def exploring(**more: Any) -> ServeConfig:
    drawn = Exploration(draw=PlackettLuce(temperature=TEMPERATURE), slots=2, **more)
    return PATIENT.model_copy(update={"exploration": drawn, "seed": 11})


def test_drawn_lists_come_with_their_chances(bundle: Bundle) -> None:
    log, n = MemoryLog(), 400

    async def run() -> list[RerankAnswer]:
        async with running(Service(bundle, config=exploring(), log=log)) as service:
            return [await service.rerank(request(105, k=3)) for _ in range(n)]

    answers = asyncio.run(run())
    score = {}
    for answer, found in zip(answers, log.decisions, strict=True):
        assert answer.explored
        assert (found.slots, found.seed) == (2, 11)
        assert found.exploration is not None
        assert found.score is not None
        score = dict(zip(found.items, found.score, strict=True))
        left = {item: np.exp(value / TEMPERATURE) for item, value in score.items()}
        for slot, each in enumerate(answer.items[:2]):
            chance = left.pop(each.item_id) / (
                sum(left.values()) + np.exp(score[each.item_id] / TEMPERATURE)
            )
            assert each.propensity == pytest.approx(chance, rel=1e-9)
            assert found.propensity[slot] == each.propensity
        assert answer.items[2].propensity is None
        assert answer.items[2].item_id == max(left, key=lambda item: score[item])
    rate = {item: np.exp(value / TEMPERATURE) for item, value in score.items()}
    for item, weight in rate.items():
        p = weight / sum(rate.values())
        count = sum(answer.items[0].item_id == item for answer in answers)
        assert abs(count - n * p) < 4.5 * np.sqrt(n * p * (1 - p)) + 1


def test_holdout_users_get_the_base_list_and_always_the_same_ones(bundle: Bundle) -> None:
    log = MemoryLog()

    async def run() -> list[list[RerankAnswer]]:
        async with running(Service(bundle, config=exploring(holdout_share=0.3), log=log)) as one:
            return [[await one.rerank(request(int(user))) for user in USER_IDS] for _ in range(2)]

    first, second = asyncio.run(run())
    held = [answer.holdout for answer in first]
    assert held == [answer.holdout for answer in second]
    assert 4 <= sum(held) <= 21  # of 40: more than 4 standard deviations either way
    for answer in first:
        assert answer.holdout != answer.explored
        if answer.holdout:
            assert ids(answer) == BASE_ORDER
            assert answer.fallback is None
            assert {each.propensity for each in answer.items} == {1.0}
    assert [each.holdout for each in log.decisions] == held * 2

    async def own() -> RerankAnswer:
        user = int(USER_IDS[held.index(True)])
        async with running(Service(bundle, config=exploring(holdout_share=0.3), log=log)) as one:
            return await one.rerank(request(user, sent=None))

    got = asyncio.run(own())
    assert got.holdout
    assert [each.base_rank for each in got.items] == list(range(1, ITEMS + 1))


def test_settings_that_do_not_go_together_are_refused(bundle: Bundle) -> None:
    with pytest.raises(ConfigError, match="a decision log"):
        Service(bundle, config=exploring())
    thompson = PATIENT.model_copy(update={"exploration": Exploration(draw=Thompson(), slots=2)})
    with pytest.raises(ConfigError, match="no interval"):
        Service(bundle, config=thompson, log=MemoryLog())
    with pytest.raises(ConfigError, match="a registry"):
        Service(bundle, config=ServeConfig(shadow="v2"))
    with pytest.raises(ConfigError, match="log_ms"):
        ServeConfig(deadline_ms=5, log_ms=5)
    with pytest.raises(ConfigError, match="started"):
        asyncio.run(Service(bundle).rerank(request()))


def test_a_log_that_answers_late_is_not_cancelled(bundle: Bundle) -> None:
    class Slow(MemoryLog):
        def append(self, records: Any) -> Future[bool]:
            self.last: Future[bool] = Future()
            return self.last

    log = Slow()

    async def run() -> None:
        async with running(Service(bundle, config=ServeConfig(), log=log)) as service:
            await service.rerank(request())
        log.last.set_result(True)  # a cancelled future would raise

    asyncio.run(run())
