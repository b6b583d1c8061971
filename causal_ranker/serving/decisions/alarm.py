"""An alarm that says at most once a minute that decisions are lost, and how many."""

from __future__ import annotations

import logging
import time
from typing import Final

__all__ = ["Alarm"]

_log = logging.getLogger(__name__)
_EVERY_S: Final = 60.0


class Alarm:
    """Counts what is lost between two lines of the process's log.

    Parameters
    ----------
    folder : str
        The decision log, for the message.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._last: float | None = None
        self._since = 0

    def ring(self, records: int, reason: str) -> None:
        """Report records that were not written.

        Parameters
        ----------
        records : int
            How many.
        reason : str
            Why.
        """
        self._since += records
        now = time.monotonic()
        if self._last is not None and now - self._last < _EVERY_S:
            return
        _log.error(
            "the decision log %s could not write %d records: %s; lists are given all the same, "
            "and nothing will be learnt from these",
            self._folder,
            self._since,
            reason,
        )
        self._last, self._since = now, 0
