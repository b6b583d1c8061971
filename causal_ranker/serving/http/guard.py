"""Stands before every route: looks at host and key, counts, turns a fault of ours into one line."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from functools import cache
from time import perf_counter
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from causal_ranker.serving.http.answers import refuse
from causal_ranker.serving.http.here import asks_here
from causal_ranker.serving.http.keys import KeyRing

__all__ = ["Guard"]

_log = logging.getLogger(__name__)
_BEARER: Final = "bearer "
_NOT_HERE: Final = (
    "expected Host: localhost, 127.0.0.1 or [::1], as there are no keys; got another. "
    "Serve with --keys to be asked by other names"
)
# Seconds; the deadline of a list is 0.05.
_BUCKETS: Final = (0.002, 0.005, 0.01, 0.015, 0.025, 0.05, 0.055, 0.1, 0.25, 1.0, 10.0)


class Guard:
    """ASGI middleware.

    Parameters
    ----------
    app : ASGI application
        What stands behind it.
    keys : KeyRing or None
        Keys that may enter; ``None`` lets everybody in.
    only_here : bool
        Whether requests must name this machine as their host.
    open_paths : collection of str
        Paths that need no key.
    known_paths : collection of str
        Paths that are counted by name; all others together, as a client can invent any number.
    registry : prometheus_client.CollectorRegistry
        Where it counts.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        keys: KeyRing | None,
        only_here: bool,
        open_paths: Collection[str],
        known_paths: Collection[str],
        registry: CollectorRegistry,
    ) -> None:
        self._app, self._keys, self._only_here = app, keys, only_here
        self._open, self._known = frozenset(open_paths), frozenset(known_paths)
        responses = Counter(
            "causal_ranker_http_responses",
            "Responses by path and status; 499 where the client left before there was one.",
            ("path", "status"),
            registry=registry,
        )
        seconds = Histogram(
            "causal_ranker_http_seconds",
            "Seconds from the first byte of the head to the end of the response, by path.",
            ("path",),
            buckets=_BUCKETS,
            registry=registry,
        )
        # To look one up costs more than to count, and there are few.
        self._responses, self._seconds = cache(responses.labels), cache(seconds.labels)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Parameters
        ----------
        scope, receive, send : ASGI
            The request.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        status = 499

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if self._only_here and not asks_here(scope):
                await refuse(421, _NOT_HERE)(scope, receive, noted)
            elif self._keys is None or scope["path"] in self._open or self._enters(scope):
                await self._app(scope, receive, noted)
            else:
                headers = {"WWW-Authenticate": "Bearer"}
                refused = refuse(401, "expected Authorization: Bearer and a valid key", headers)
                await refused(scope, receive, noted)
        except ClientDisconnect:
            pass  # nobody is left to answer
        except asyncio.CancelledError:
            if not scope["app"].state.stopping:
                raise
            # The server waits no longer for the rest of a body, or for us.
            if status == 499:
                stopping = refuse(503, "the service is stopping", {"Retry-After": "1"})
                await stopping(scope, receive, noted)
        except Exception:
            _log.exception("a request failed")
            if status != 499:  # the answer has begun, and cannot be taken back
                raise
            await refuse(500, "the service failed; see its log")(scope, receive, noted)
        path = scope["path"] if scope["path"] in self._known else "other"
        self._responses(path, status).inc()
        self._seconds(path).observe(perf_counter() - began)

    def _enters(self, scope: Scope) -> bool:
        assert self._keys is not None
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) != 1:
            return False
        text = given[0].decode("latin-1")
        return text[: len(_BEARER)].lower() == _BEARER and self._keys.holds(
            text[len(_BEARER) :].strip()
        )
