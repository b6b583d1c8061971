"""A service that answers without a model: what HTTP adds is tested on it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from prometheus_client import CollectorRegistry

from causal_ranker.errors import EmptyError, RowError, UnknownUserError
from causal_ranker.serving.wire import (
    EventsAnswer,
    EventsRequest,
    ExplainAnswer,
    ExplainRequest,
    RankedItem,
    RerankAnswer,
    RerankRequest,
    UsersAnswer,
    VersionAnswer,
)


class FakeService:
    """Returns candidates in base order, and does what a test puts in the place of a method."""

    def __init__(self, **instead: Callable[..., Any]) -> None:
        self.metrics = SimpleNamespace(registry=CollectorRegistry())
        self.calls: list[str] = []
        self.asked: list[Any] = []
        vars(self).update(instead)

    async def start(self) -> None:
        self.calls.append("start")

    async def stop(self) -> None:
        self.calls.append("stop")

    def not_ready(self) -> str | None:
        return None

    async def rerank(self, asked: RerankRequest) -> RerankAnswer:
        self.asked.append(asked)
        if asked.candidates is None:
            unknown = {"expected": "a user", "came": repr(asked.user_id), "do": "Check."}
            raise UnknownUserError(**unknown)
        if len({c.item_id for c in asked.candidates}) < len(asked.candidates):
            raise RowError(expected="each candidate once", came="1 repeated", do="Remove it.")
        ranked = sorted(asked.candidates, key=lambda c: -c.base_score)
        return RerankAnswer(
            user_id=asked.user_id,
            items=[
                RankedItem(
                    item_id=c.item_id,
                    base_score=c.base_score,
                    base_rank=place,
                    uplift=None,
                    score=c.base_score,
                    rank=place,
                    propensity=1.0,
                )
                for place, c in enumerate(ranked[: asked.k], start=1)
            ],
            decision_id="d-1",
            version="v1",
            fallback=None,
            explored=False,
            holdout=False,
            relaxed=[],
        )

    async def events(self, told: EventsRequest) -> EventsAnswer:
        self.asked.append(told)
        return EventsAnswer(accepted=len(told.events))

    async def explain(self, asked: ExplainRequest) -> ExplainAnswer:
        listed = await self.rerank(asked)
        found = [item for item in listed.items if item.item_id == asked.item_id]
        if not found:
            raise EmptyError(expected="a candidate", came="another item", do="Send it, too.")
        return ExplainAnswer(
            item=found[0],
            version="v1",
            fallback=None,
            average=0.0,
            influences=[],
            words="It stands where it stood.",
        )

    def users(self) -> UsersAnswer:
        return UsersAnswer(users=[1, "two"])

    def version(self) -> VersionAnswer:
        return VersionAnswer(
            version="v1",
            package_version="0.1.0",
            created_at="2026-03-01T00:00:00+00:00",
            training_window=("2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"),
            policy={"kind": "uplift"},
            shadow=None,
            canary=None,
            requests=0,
            fallbacks={},
            unknown_items=0,
            relaxed={},
        )
