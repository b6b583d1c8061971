"""Seconds of a step, and the memory it needed beyond what lay there before."""

from __future__ import annotations

import ctypes
import gc
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Spent", "spending"]


@dataclass
class Spent:
    """What a step took; known when it is over.

    Parameters
    ----------
    seconds : float
        Of this process's time on cores: what a free core would have taken of one thread.
    peak : float
        MiB: the highest resident memory during the step minus that before it; NaN where the
        operating system does not tell.
    """

    seconds: float = math.nan
    peak: float = math.nan

    def __add__(self, later: Spent) -> Spent:
        """Return both steps as one: peaks are not at the same time."""
        return Spent(self.seconds + later.seconds, max(self.peak, later.peak))


@contextmanager
def spending() -> Iterator[Spent]:
    """Measure what happens inside.

    The kernel keeps the peak itself and is told to forget earlier ones (Linux alone can), so that
    nothing has to be traced: memory of native libraries counts, and short peaks do, too.

    Yields
    ------
    Spent
        Filled in at the end.
    """
    found = Spent()
    before = _forget_peak()
    start = time.process_time()
    yield found
    found.seconds = time.process_time() - start
    found.peak = _resident("VmHWM") - before


def _forget_peak() -> float:
    """Give back what is free, so that using it again counts; return what is left, in MiB."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path(f"/proc/{os.getpid()}/clear_refs").write_text("5", "ascii")
    except (OSError, AttributeError):  # not Linux with its usual C library, or not allowed
        return math.nan
    return _resident("VmRSS")


def _resident(name: str) -> float:
    try:
        status = Path(f"/proc/{os.getpid()}/status").read_text("utf-8")
    except OSError:
        return math.nan
    told = dict(line.split(":", 1) for line in status.splitlines())
    return int(told[name].split()[0]) / 1024
