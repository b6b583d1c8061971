"""A child process, measured: what it printed last, and its peak memory."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep
from typing import Final

__all__ = ["last_line_and_peak", "peaks"]

# Linux counts ru_maxrss in KiB, macOS in bytes.
_PER_MIB: Final = 1 << 20 if sys.platform == "darwin" else 1 << 10


def last_line_and_peak(arguments: Sequence[str]) -> tuple[str, float]:
    """Run this interpreter with arguments.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``python``.

    Returns
    -------
    str
        The last line of its standard output.
    float
        Its peak resident memory in MiB.

    Raises
    ------
    RuntimeError
        If it fails; the message ends with its last lines.
    """
    line, peak, _ = peaks(arguments)
    return line, peak


def peaks(arguments: Sequence[str]) -> tuple[str, float, float]:
    """Run this interpreter with arguments, and tell mapped files from memory.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``python``.

    Returns
    -------
    str
        The last line of its standard output.
    float
        Its peak resident memory in MiB, pages of mapped files included: the operating system
        takes those back when it needs them.
    float
        Peak of the memory that no file stands behind, in MiB, looked at five times a second; NaN
        where the operating system does not tell (it is Linux that does).

    Raises
    ------
    RuntimeError
        If it fails; the message ends with its last lines.
    """
    with subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        assert child.stdout is not None
        with ThreadPoolExecutor(max_workers=1) as beside:
            watched = beside.submit(_peak_of_memory, child.pid)
            lines = child.stdout.read().splitlines()
            anonymous = watched.result()
        # wait4 tells of this child alone; RUSAGE_CHILDREN holds the largest there ever was.
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        last = "\n".join(lines[-20:])
        raise RuntimeError(f"it ended with exit code {child.returncode}:\n{last}")
    return (lines or [""])[-1], usage.ru_maxrss / _PER_MIB, anonymous


def _peak_of_memory(pid: int) -> float:
    """Look at a process until it ends."""
    peak = math.nan
    while True:
        try:
            status = Path(f"/proc/{pid}/status").read_text("utf-8")
        except OSError:
            return peak
        found = [line.split()[1] for line in status.splitlines() if line.startswith("RssAnon:")]
        if not found:  # it has ended and waits to be asked for its exit code
            return peak
        peak = max(int(found[0]) / 1024, 0.0 if math.isnan(peak) else peak)
        sleep(0.2)
