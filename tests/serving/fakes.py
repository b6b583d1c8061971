"""What a service stands between, in memory: a log, a registry, and models that misbehave."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from causal_ranker.serving.bundle import Bundle
from causal_ranker.serving.decisions.record import Decision, Record
from causal_ranker.serving.model import Scorer
from causal_ranker.serving.service import Service
from causal_ranker.serving.wire import Candidate, RerankRequest
from tests.serving.shop import StubModel

SENT = [("item-03", 0.2), ("item-07", 0.9), ("item-00", 0.2), ("never-seen", 0.5)]
BASE_ORDER = ["item-07", "never-seen", "item-03", "item-00"]


def request(user: int | str = 105, *, sent: Any = SENT, **more: Any) -> RerankRequest:
    candidates = None if sent is None else [Candidate(item_id=i, base_score=s) for i, s in sent]
    return RerankRequest(user_id=user, candidates=candidates, **more)


def stubbed(bundle: Bundle, answer: Callable[[Any], Any], *, which: str = "uplift") -> Bundle:
    scorer = getattr(bundle, which)
    return replace(bundle, **{which: Scorer(model=StubModel(answer), plan=scorer.plan)})  # type: ignore[arg-type]


def explode(X: Any) -> Any:
    raise MemoryError("out of trees")


def exit_process(X: Any) -> Any:
    raise SystemExit(3)


def not_a_number(X: Any) -> Any:
    return np.full(len(X), np.nan)


def too_many(X: Any) -> Any:
    return np.zeros(len(X) + 1)


class Hang:
    """A model that hangs until the test lets it go."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.calls = 0

    def __call__(self, X: Any) -> Any:
        self.calls += 1
        assert self.released.wait(30)
        return np.arange(float(len(X)))


@dataclass
class MemoryLog:
    """Answers at once by default; `answers` says otherwise, None for never."""

    answers: bool | None = True
    records: list[Record] = field(default_factory=list)
    given: int = 0
    flushed: int = 0

    def new_id(self) -> str:
        self.given += 1
        return f"decision-{self.given}"

    alive = True

    def append(self, records: Sequence[Record]) -> Future[bool]:
        self.records += records
        future: Future[bool] = Future()
        if self.answers is not None:
            future.set_result(self.answers)
        return future

    def flush(self, timeout_s: float) -> None:
        self.flushed += 1

    @property
    def decisions(self) -> list[Decision]:
        return [each for each in self.records if isinstance(each, Decision)]


@dataclass
class Versions:
    """A registry of published folders."""

    paths: dict[str, Path]
    now: str
    turns: int = 0
    verified: list[str] = field(default_factory=list)

    def current(self) -> str:
        return self.now

    def path_of(self, version: str) -> Path:
        return self.paths[version]

    def verify(self, version: str) -> None:
        self.verified.append(version)

    def stamp(self) -> object:
        return self.turns

    def promote(self, version: str) -> None:
        self.now = version
        self.turns += 1


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[Service]:
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


async def until(true: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if true():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError("it did not come about in 5 s")


def value(service: Service, name: str, **labels: str) -> float:
    """A figure of the metrics page; 0 where nothing was counted."""
    return service.metrics.registry.get_sample_value(f"causal_ranker_{name}", labels) or 0.0
