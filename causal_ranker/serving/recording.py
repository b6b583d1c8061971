"""What a service writes down, and waiting until it is safe."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, Protocol

from causal_ranker.errors import ConfigError
from causal_ranker.serving.decisions.record import EventRecord, Record, event_id
from causal_ranker.serving.wire import EventsRequest, Play, View

__all__ = ["RecordSink", "event_records", "is_written"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class RecordSink(Protocol):
    """Where records go, as `causal_ranker.serving.decisions.log.DecisionLog` takes them."""

    @property
    def alive(self) -> bool:
        """Whether records can be written, as far as the process itself goes."""
        ...

    def new_id(self) -> str:
        """Return an id for a decision.

        Returns
        -------
        str
            One that no decision has had.
        """
        ...

    def append(self, records: Sequence[Record]) -> Future[bool]:
        """Write records, without waiting for the disk.

        Parameters
        ----------
        records : sequence of Decision, EventRecord or ShadowRecord
            The records.

        Returns
        -------
        Future of bool
            True once they survive the process, False if they cannot be written.
        """
        ...

    def flush(self, timeout_s: float) -> bool | None:
        """Wait until everything appended is written.

        Parameters
        ----------
        timeout_s : float
            Seconds to wait at most.

        Returns
        -------
        bool or None
            Whether it is.
        """
        ...


async def is_written(future: Future[bool], *, within: float) -> bool | None:
    """Wait until records are safe.

    Parameters
    ----------
    future : Future
        What `append` returned. It is never cancelled: the log goes on writing.
    within : float
        Seconds to wait.

    Returns
    -------
    bool or None
        Whether they are; ``None`` where it is not known in time.
    """
    if future.done():
        return future.result()
    loop = asyncio.get_running_loop()
    told: asyncio.Future[bool | None] = loop.create_future()

    def tell(outcome: bool | None) -> None:
        if not told.done():
            told.set_result(outcome)

    def done(finished: Future[bool]) -> None:
        with suppress(RuntimeError):  # the loop has closed; nobody waits any more
            loop.call_soon_threadsafe(tell, finished.result())

    future.add_done_callback(done)
    timer = loop.call_later(max(within, 0.0), tell, None)
    try:
        return await told
    finally:
        timer.cancel()


def event_records(told: EventsRequest) -> list[EventRecord]:
    """Turn a request's events into records of the log.

    Parameters
    ----------
    told : EventsRequest
        Views and plays.

    Returns
    -------
    list of EventRecord
        A record for each; the same event sent again has the same id.

    Raises
    ------
    ConfigError
        If a view has no decision, or a play neither a decision nor a user.
    """
    decision, user = told.decision_id, told.user_id
    if decision is None and any(isinstance(event, View) for event in told.events):
        raise ConfigError(
            expected="the decision_id of the list that was viewed",
            came="views without one",
            do="Send the decision_id of the answer to /v1/rerank.",
        )
    if decision is None and user is None:
        raise ConfigError(
            expected="a decision_id or a user_id with plays",
            came="neither",
            do="Send the decision_id of the list, or the user_id where there was none.",
        )
    received = time.time_ns() // 1_000_000
    return [
        _record(event, received_ms=received, decision_id=decision, user_id=user)
        for event in told.events
    ]


def _record(
    event: View | Play, *, received_ms: int, decision_id: str | None, user_id: int | str | None
) -> EventRecord:
    kind: Literal["view", "play"] = "play"
    named: dict[str, Any]  # what tells the event from others
    said: dict[str, Any] = {}
    if isinstance(event, View):
        kind = "view"
        clicked = None if event.clicked_at is None else _ms(event.clicked_at)
        named = {"viewable_ms": event.viewable_ms, "clicked_at_ms": clicked}
    else:
        named = {"play_id": event.play_id}
        said = {"seconds": event.seconds, "fraction": event.fraction}
    named |= {"at_ms": _ms(event.at), "decision_id": decision_id, "user_id": user_id}
    return EventRecord(
        event_id=event_id(kind, event.item_id, **named),
        kind=kind,
        item_id=event.item_id,
        received_ms=received_ms,
        **named,
        **said,
    )


def _ms(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND
