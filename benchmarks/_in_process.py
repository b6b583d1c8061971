"""Requests to a service in this process, at the times of a Poisson process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from benchmarks._shop import Asked
from causal_ranker.serving.service import Service
from causal_ranker.serving.wire import Candidate, RerankAnswer, RerankRequest

__all__ = ["ask_at_rate", "wire_request"]


def wire_request(asked: Asked) -> RerankRequest:
    """Return a request as the service takes it.

    Parameters
    ----------
    asked : Asked
        The request.

    Returns
    -------
    RerankRequest
        The same.
    """
    return RerankRequest(
        user_id=asked.user,
        candidates=[Candidate(item_id=item, base_score=score) for item, score in asked.candidates],
    )


async def ask_at_rate(
    service: Service,
    bodies: Sequence[RerankRequest],
    *,
    n: int,
    rate: float,
    meanwhile: Callable[[], Awaitable[None]] | None = None,
) -> list[tuple[RerankAnswer | Exception, float]]:
    """Start a service, ask it in turn, and stop it.

    Parameters
    ----------
    service : Service
        Not started yet.
    bodies : sequence of RerankRequest
        Asked in turn, from the first again when they are over.
    n : int
        Requests at least.
    rate : float
        Requests a second.
    meanwhile : callable, optional
        What happens while requests come; they go on until it is over.

    Returns
    -------
    list of (RerankAnswer or Exception, float)
        What came, and after how many seconds, in the order of the requests.
    """
    found: dict[int, tuple[RerankAnswer | Exception, float]] = {}

    async def ask(turn: int) -> None:
        began = time.perf_counter()
        answer: RerankAnswer | Exception
        try:
            answer = await service.rerank(bodies[turn % len(bodies)])
        except Exception as error:  # what fails is counted
            answer = error
        found[turn] = answer, time.perf_counter() - began

    rng = np.random.default_rng(0)
    await service.start()
    other = None if meanwhile is None else asyncio.ensure_future(meanwhile())
    asking, due, turn = [], time.perf_counter(), 0
    while turn < n or (other is not None and not other.done()):
        due += rng.exponential(1 / rate)
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        asking.append(asyncio.create_task(ask(turn)))
        turn += 1
    await asyncio.gather(*asking, *([] if other is None else [other]))
    await service.stop()
    return [found[place] for place in range(turn)]
