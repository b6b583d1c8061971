"""How the service stops: what is in flight is finished, within the time it was told."""

from __future__ import annotations

import asyncio
import time

from causal_ranker.serving.bundle import Bundle
from causal_ranker.serving.service import Service
from tests.serving.asking import PATIENT, assert_base_order
from tests.serving.fakes import Hang, MemoryLog, request, stubbed, until


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
