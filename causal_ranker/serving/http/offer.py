"""Candidates of another service, for requests that bring none."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from causal_ranker.errors import (
    CausalRankerError,
    EmptyError,
    OverloadedError,
    UnknownUserError,
    UpstreamError,
)
from causal_ranker.serving.breaker import Breaker
from causal_ranker.serving.config import BreakerConfig
from causal_ranker.serving.wire import MOST_ITEMS, Candidate, Id, RerankRequest

if TYPE_CHECKING:
    from causal_ranker.recommenders.base import BaseRecommender

__all__ = ["OfferedCandidates"]

_log = logging.getLogger(__name__)
_THREADS: Final = 16
_MOST_WAITING: Final = 64
# Seconds that a request waits for a thread and for the answer, together.
_WITHIN_S: Final = 0.2
_Asked = TypeVar("_Asked", bound=RerankRequest)
_Said = TypeVar("_Said")


class OfferedCandidates:
    """Asks a base recommender before the service is asked.

    A request waits 0.2 s at most. A recommender that hangs is left alone, and tried again now and
    then.

    Parameters
    ----------
    recommender : BaseRecommender
        Who knows candidates; it is asked by several threads at once.
    """

    def __init__(self, recommender: BaseRecommender) -> None:
        self._recommender = recommender
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="offer")
        self._waiting = 0
        self._breaker = Breaker(BreakerConfig())

    async def ask(self, service: Callable[[_Asked], Awaitable[_Said]], asked: _Asked) -> _Said:
        """Ask the service, with candidates of the recommender where the request has none.

        Where the recommender fails or has none, the service may have candidates of its own.

        Parameters
        ----------
        service : coroutine function
            A method of the service.
        asked : RerankRequest or ExplainRequest
            The request.

        Returns
        -------
        RerankAnswer or ExplainAnswer
            What the service says.

        Raises
        ------
        CausalRankerError
            What the service raises; `UpstreamError` instead where it had nothing to answer with
            because the recommender failed.
        """
        if asked.candidates is not None:
            return await service(asked)
        try:
            offered = await self._offered(asked.user_id)
        except CausalRankerError as failed:
            _log.warning("the base recommender has no candidates: %s", type(failed).__name__)
            try:
                return await service(asked)
            except (EmptyError, UnknownUserError):
                raise UpstreamError(
                    expected="candidates from the base recommender",
                    came="none",
                    do="Ask again, or send candidates.",
                ) from None
        if offered:
            asked = msgspec.structs.replace(asked, candidates=offered)
        return await service(asked)

    def close(self) -> None:
        """Leave the threads to themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _offered(self, user: Id) -> list[Candidate]:
        if self._waiting >= _MOST_WAITING:
            raise OverloadedError(
                expected=f"at most {_MOST_WAITING} questions to the base recommender at a time",
                came="one more",
                do="Ask again later.",
            )
        if not self._breaker.admits():
            raise UpstreamError(
                expected="a base recommender that answers",
                came="one that was late too often, and is left alone for now",
                do="Ask again later.",
            )
        self._waiting += 1
        began = time.monotonic()
        try:
            call = asyncio.get_running_loop().run_in_executor(self._threads, self._fetch, user)
            found = await asyncio.wait_for(call, _WITHIN_S)
        except asyncio.CancelledError:
            self._breaker.skipped()
            raise
        except TimeoutError:
            self._breaker.failed()
            raise UpstreamError(
                expected=f"candidates from the base recommender within {_WITHIN_S:g} s",
                came="none",
                do="Ask again later.",
            ) from None
        except Exception:
            # A quick error costs nobody time, and may be about one user alone.
            if time.monotonic() - began < _WITHIN_S / 2:
                self._breaker.succeeded()
            else:
                self._breaker.failed()
            raise
        finally:
            self._waiting -= 1
        self._breaker.succeeded()
        return found

    def _fetch(self, user: Id) -> list[Candidate]:
        table: Any = self._recommender.candidates([user], at=datetime.now(UTC), k=MOST_ITEMS)
        pairs = zip(table["item_id"].tolist(), table["base_score"].tolist(), strict=True)
        return [Candidate(item_id=item, base_score=score) for item, score in pairs]
