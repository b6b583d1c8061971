"""A child process, measured: what it printed last, and its peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

__all__ = ["last_line_and_peak"]

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
    with subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        assert child.stdout is not None
        lines = child.stdout.read().splitlines()
        # wait4 tells of this child alone; RUSAGE_CHILDREN holds the largest there ever was.
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        last = "\n".join(lines[-20:])
        raise RuntimeError(f"it ended with exit code {child.returncode}:\n{last}")
    return (lines or [""])[-1], usage.ru_maxrss / _PER_MIB
