"""One publisher at a time, in one process or in several."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from causal_ranker.errors import BundleError

__all__ = ["locked"]

_WAIT_S: Final = 120.0  # the longest verification of the other one, and more
_LOOK_S: Final = 0.02


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the lock of a file; the system takes it back from whoever dies.

    Parameters
    ----------
    file : Path
        The file, which is made where it is missing and stays.

    Yields
    ------
    None
        Control, while nobody else holds it.

    Raises
    ------
    BundleError
        If somebody else holds it for two minutes.
    OSError
        If the file cannot be opened or locked.
    """
    import fcntl  # where there is none (Windows) models can still be read

    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        until = time.monotonic() + _WAIT_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise BundleError(
                        expected=f"the lock {file} within {_WAIT_S:.0f} s",
                        came="another publisher that still holds it",
                        do="Wait until it has finished, or stop it.",
                    ) from None
                time.sleep(_LOOK_S)
        yield
    finally:
        os.close(descriptor)
