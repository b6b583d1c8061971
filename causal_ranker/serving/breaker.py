"""A circuit breaker: a model that keeps failing is left alone, and tried again now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from causal_ranker.serving.config import BreakerConfig

__all__ = ["Breaker", "CircuitState"]

CircuitState = Literal["closed", "half_open", "open"]


class Breaker:
    """Counts failures in a row; used by one thread.

    Parameters
    ----------
    config : BreakerConfig
        How many failures open the circuit, and for how long.
    clock : callable
        Returns seconds that never go back.
    """

    def __init__(
        self, config: BreakerConfig, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._clock = clock
        self._failures = 0
        self._open_s = config.open_ms / 1e3
        self._until = 0.0
        self._state: CircuitState = "closed"

    @property
    def state(self) -> CircuitState:
        """Closed: asked as usual; open: not asked; half open: one request is trying."""
        return self._state

    def admits(self) -> bool:
        """Say whether a request may ask the model; tell the outcome of each that may.

        Returns
        -------
        bool
            True while the circuit is closed, and for one request once it was open long enough.
        """
        if self._state == "closed":
            return True
        if self._state == "open" and self._clock() >= self._until:
            self._state = "half_open"
            return True
        return False

    def succeeded(self) -> None:
        """Tell that the model answered: a try closes the circuit."""
        if self._state == "open":  # asked before it opened
            return
        self._failures = 0
        self._open_s = self._config.open_ms / 1e3
        self._state = "closed"

    def failed(self) -> None:
        """Tell that the model failed: too many in a row, or a failed try, open the circuit."""
        if self._state == "half_open":
            self._open_s = min(2 * self._open_s, self._config.longest_open_ms / 1e3)
            self._open()
        elif self._state == "closed":
            self._failures += 1
            if self._failures >= self._config.failures:
                self._open()

    def skipped(self) -> None:
        """Tell that the model was not asked after all: the next request tries instead."""
        if self._state == "half_open":
            self._state = "open"

    def _open(self) -> None:
        self._state = "open"
        self._until = self._clock() + self._open_s
