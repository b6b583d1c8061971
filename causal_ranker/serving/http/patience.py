"""An HTTP/1.1 connection that does not wait for ever, and does not keep heads without end.

Uvicorn bounds how long a connection may idle between requests, and nothing else: a client that
opens a connection and says nothing, or a header a minute, holds it as long as it likes.
"""

from __future__ import annotations

import resource
from asyncio import BaseTransport, TimerHandle
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["PatientProtocol"]

_HEAD_BYTES: Final = 64 * 1024
# What the process needs besides connections: models, the decision log, a feature store.
_OTHER_FILES: Final = 256


class PatientProtocol(HttpToolsProtocol):
    """Hangs up on a request that is not whole in time (408) or whose head is too long (431).

    A connection beyond those that the limit of open files has room for is turned away (503), so
    that there is a file left for the decision log.

    Attributes
    ----------
    request_s : float
        Seconds from the first byte of a request to its last, and from connecting to the first.
    """

    request_s: float = 30.0

    _timer: TimerHandle | None = None
    _in_head = True
    _head_bytes = 0

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin to wait for the first request.

        Parameters
        ----------
        transport : asyncio.BaseTransport
            The connection.
        """
        super().connection_made(transport)  # type: ignore[arg-type]
        if len(self.connections) > _most_connections():
            self._hang_up(503, "Service Unavailable", "fewer connections at a time")
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting.

        Parameters
        ----------
        exc : Exception or None
            Why it was lost.
        """
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and count it as long as it is head.

        Parameters
        ----------
        data : bytes
            What came.
        """
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_BYTES:
                self._hang_up(431, "Request Header Fields Too Large", "a head of at most 64 KiB")

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of a request."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        self._wait()

    def on_headers_complete(self) -> None:
        """Stop counting."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop waiting: from here on it is the service that takes its time."""
        self._stop_waiting()
        super().on_message_complete()

    def _wait(self) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(self.request_s, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._hang_up(408, "Request Timeout", f"a whole request within {self.request_s:g} s")

    def _hang_up(self, status: int, phrase: str, expected: str) -> None:
        if self.transport.is_closing():
            return
        cycle: Any = self.cycle
        # An answer that has begun cannot be followed by another one.
        if cycle is None or cycle.response_complete or not cycle.response_started:
            body = f'{{"error":"expected {expected}"}}'
            self.transport.write(
                f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n{body}".encode("ascii")
            )
        self.transport.close()


def _most_connections() -> float:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return float("inf")
    return max(limit // 2, limit - _OTHER_FILES)
