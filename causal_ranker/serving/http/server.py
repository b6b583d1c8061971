"""Uvicorn, told how to stop without losing a request."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Final

import uvicorn
from starlette.applications import Starlette

__all__ = ["DrainingServer"]

# Stopping takes these two, and then what the service takes to write its log.
_LINGER_S: Final = 1.0
_IN_FLIGHT_S: Final = 4


class DrainingServer(uvicorn.Server):
    """Says that it is not ready, goes on to answer for a moment, and only then hangs up.

    Answers of that moment ask the client to connect anew next time, elsewhere: who sends a request
    on a connection that is being closed loses it. The process ends with code 0.

    Parameters
    ----------
    app : starlette.applications.Starlette
        What `create_app` built. Its lifespan is run here and not by uvicorn, which would turn an
        error of the start into a traceback and an exit.
    config : uvicorn.Config
        Settings of uvicorn around the same application, with the lifespan "off".
    started : callable
        Called once it answers.
    """

    def __init__(
        self, app: Starlette, config: uvicorn.Config, *, started: Callable[[], None]
    ) -> None:
        config.timeout_graceful_shutdown = _IN_FLIGHT_S
        super().__init__(config)
        self._app_state = app.state
        self._lifespan = app.router.lifespan_context(app)
        self._tell = started

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; at a second Ctrl-C, at once.

        Parameters
        ----------
        sig : int
            The signal. Uvicorn would raise it again at the end, and the exit code would be its.
        frame : types.FrameType or None
            Where the process was.
        """
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the service, then listen.

        Parameters
        ----------
        sockets : list of socket.socket, optional
            Where.
        """
        await self._lifespan.__aenter__()
        await super().startup(sockets)
        self._tell()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then stop.

        Parameters
        ----------
        sockets : list of socket.socket, optional
            Where it listens.
        """
        self._app_state.stopping = True
        state = self.server_state
        state.default_headers = [*state.default_headers, (b"connection", b"close")]
        if not self.force_exit:
            await asyncio.sleep(_LINGER_S)
        await super().shutdown(sockets)
        if not self.force_exit:
            await self._lifespan.__aexit__(None, None, None)
