"""A child process, measured: what it printed last, its memory, and what it spilled."""

from __future__ import annotations

import math
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Final

__all__ = ["Measured", "run_child"]

# Linux counts ru_maxrss in KiB, macOS in bytes.
_PER_MIB: Final = 1 << 20 if sys.platform == "darwin" else 1 << 10


@dataclass(frozen=True)
class Measured:
    """What a child did; sizes in MiB.

    Parameters
    ----------
    last_line : str
        The last line of its standard output.
    peak : float
        Peak resident memory, pages of mapped files included: the operating system takes those
        back when it needs them.
    peak_without_files : float
        Peak of the memory that no file stands behind, looked at five times a second; NaN where
        the operating system does not tell (it is Linux that does).
    spilled : float
        The most that lay in its temporary folder, looked at five times a second.
    """

    last_line: str
    peak: float
    peak_without_files: float
    spilled: float


def run_child(arguments: Sequence[str], *, temporary: Path | None = None) -> Measured:
    """Run this interpreter with arguments.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``python``.
    temporary : Path, optional
        The child's temporary folder, an existing one; nothing is known of `spilled` without it.

    Returns
    -------
    Measured
        What it did.

    Raises
    ------
    RuntimeError
        If it fails; the message ends with its last lines.
    """
    environment = dict(os.environ) | ({"TMPDIR": str(temporary)} if temporary else {})
    with subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    ) as child:
        assert child.stdout is not None
        with ThreadPoolExecutor(max_workers=1) as beside:
            watched = beside.submit(_watch, child.pid, temporary)
            lines = child.stdout.read().splitlines()
            seen, anonymous, spilled = watched.result()
        # wait4 tells of this child alone; RUSAGE_CHILDREN holds the largest there ever was.
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        last = "\n".join(lines[-20:])
        raise RuntimeError(f"it ended with exit code {child.returncode}:\n{last}")
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Between fork and exec a child counts its parent's memory as its own: what is no larger than
    # that says nothing of the child.
    peak = usage.ru_maxrss / _PER_MIB if usage.ru_maxrss > own or math.isnan(seen) else seen
    return Measured((lines or [""])[-1], peak, anonymous, spilled)


def _watch(pid: int, folder: Path | None) -> tuple[float, float, float]:
    """Look at a process until it ends: its memory, without files, and what lies in a folder."""
    peak = memory = spilled = math.nan
    while True:
        try:
            status = Path(f"/proc/{pid}/status").read_text("utf-8")
        except OSError:
            return peak, memory, spilled
        told = dict(line.split(":", 1) for line in status.splitlines())
        if "RssAnon" not in told:  # it has ended and waits to be asked for its exit code
            return peak, memory, spilled
        peak = int(told["VmHWM"].split()[0]) / 1024  # never falls
        # A file on a tmpfs is memory, too.
        now = sum(int(told[name].split()[0]) for name in ("RssAnon", "RssShmem")) / 1024
        memory = max(now, 0 if math.isnan(memory) else memory)
        if folder is not None:
            spilled = max(_size(folder) / 2**20, 0 if math.isnan(spilled) else spilled)
        sleep(0.2)


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:  # it is gone already
            continue
    return total
