"""The page before a stub of the service: a real bundle ranks, and a test decides the rest."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from causal_ranker.reranking.description import policy_to_dict
from causal_ranker.serving.adapter import rerank
from causal_ranker.serving.bundle import Bundle
from causal_ranker.serving.http.reading import read
from causal_ranker.serving.page.routes import page_routes
from causal_ranker.serving.wire import (
    ExplainAnswer,
    ExplainRequest,
    Influence,
    RankedItem,
    RerankAnswer,
    RerankRequest,
    VersionAnswer,
)

Answer = tuple[int, Any]

SCRIPT = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


@dataclass
class Stub:
    """What the service says, unless a test says otherwise; `asked` keeps what came."""

    bundle: Bundle
    key: str | None = None
    users: list[int | str] = field(default_factory=lambda: [100, 101, 102])
    lists: Callable[[RerankAnswer], Answer] = lambda answer: (200, answer)
    explains: Callable[[ExplainAnswer], Answer] = lambda answer: (200, answer)
    version: dict[str, Any] = field(default_factory=dict)
    metrics: str = ""
    wait: float = 0.0
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def rank(self, asked: RerankRequest) -> RerankAnswer:
        given = asked.candidates
        ranked = rerank(
            self.bundle,
            asked.user_id,
            candidates=None if given is None else [(c.item_id, c.base_score) for c in given],
        )
        return RerankAnswer(
            user_id=asked.user_id,
            items=[RankedItem(**row, propensity=1.0) for row in ranked.records()],
            decision_id=None,
            version=self.bundle.version,
            fallback=ranked.fallback,
            explored=False,
            holdout=False,
            relaxed=[],
        )

    def post_rerank(self, body: bytes) -> Answer:
        time.sleep(self.wait)
        return self.lists(self.rank(read(RerankRequest, body)))

    def post_explain(self, body: bytes) -> Answer:
        asked = read(ExplainRequest, body)
        answer = self.rank(asked)
        item = next(item for item in answer.items if item.item_id == asked.item_id)
        features = enumerate(self.bundle.uplift.plan.schema.names)
        told = ExplainAnswer(
            item=item,
            version=answer.version,
            fallback=answer.fallback,
            average=0.01,
            influences=[
                Influence(feature=n, value=1.5, uplift=0.01 / (p - 2.5)) for p, n in features
            ],
            words=f"It went from {item.base_rank} to {item.rank}, most of all by 'genre'.",
        )
        return self.explains(told)

    def get_users(self, _: bytes) -> Answer:
        return 200, {"users": self.users}

    def get_metrics(self, _: bytes) -> Answer:
        return 200, self.metrics

    def get_version(self, _: bytes) -> Answer:
        told: dict[str, Any] = {
            "version": self.bundle.version,
            "package_version": "0.1.0",
            "created_at": "2026-02-02T08:00:00+00:00",
            "training_window": ("2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"),
            "policy": policy_to_dict(self.bundle.policy),
            "shadow": None,
            "canary": None,
            "requests": 0,
            "fallbacks": {},
            "unknown_items": 0,
            "relaxed": {},
        }
        return 200, VersionAnswer(**{**told, **self.version})

    def app(self) -> Starlette:
        paths: dict[str, tuple[str, Callable[[bytes], Answer]]] = {
            "/v1/rerank": ("POST", self.post_rerank),
            "/v1/explain": ("POST", self.post_explain),
            "/v1/users": ("GET", self.get_users),
            "/v1/version": ("GET", self.get_version),
            "/metrics": ("GET", self.get_metrics),
        }

        def route(path: str, method: str, tell: Callable[[bytes], Answer]) -> Route:
            async def answer(request: Request) -> Response:
                body = await request.body()
                self.asked.append((path, msgspec.json.decode(body) if body else None))
                if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
                    return _json(401, {"error": "no valid API key"})
                status, told = await run_in_threadpool(tell, body)
                if isinstance(told, str):
                    return Response(told, status_code=status)
                return _json(status, told)

            return Route(path, answer, methods=[method])

        return Starlette(routes=[*page_routes(), *(route(p, *how) for p, how in paths.items())])


def _json(status: int, content: Any) -> Response:
    body = msgspec.json.encode(content)
    return Response(body, status_code=status, media_type="application/json")


def with_items(*changes: Callable[[int], dict[str, Any]]) -> Callable[[RerankAnswer], Answer]:
    """Answer the list with fields of its items changed, by their place in it."""

    def lists(answer: RerankAnswer) -> Answer:
        items = answer.items
        for change in changes:
            items = [msgspec.structs.replace(i, **change(at)) for at, i in enumerate(items)]
        return 200, msgspec.structs.replace(answer, items=items)

    return lists
