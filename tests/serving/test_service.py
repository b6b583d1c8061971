"""The service: a list whatever fails, model or log; and drawn lists with their chances."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from causal_ranker.errors import ConfigError, LogUnavailableError, OverloadedError
from causal_ranker.reranking.draws import PlackettLuce, Thompson
from causal_ranker.reranking.explore import Exploration
from causal_ranker.serving.bundle import Bundle
from causal_ranker.serving.config import BreakerConfig, ServeConfig
from causal_ranker.serving.service import Service
from causal_ranker.serving.wire import EventsRequest, RerankAnswer
from tests.serving.asking import PATIENT, assert_base_order, ids, play
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

QUICK = ServeConfig(workers=1, deadline_ms=250, log_ms=10)
TEMPERATURE = 0.02


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
