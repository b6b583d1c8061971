"""The demo on the real grocery logs, in a process of its own: time, memory, and what it found."""

from __future__ import annotations

import json
import tempfile
from math import isnan
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from benchmarks import Result
from benchmarks._measure import run_child

__all__ = ["DESCRIPTION", "QUICK_PERMILLE", "measured", "run"]

DESCRIPTION: Final = "the demo on The Complete Journey: seconds, peak memory, uplift@10 by policy"
QUICK_PERMILLE: Final = 100  # thousandths of the households

_CHILD: Final = """
import sys
from pathlib import Path
from rich.console import Console
from causal_ranker.demo import run_demo

run_demo(
    data="journey",
    out=Path(sys.argv[1]),
    full=bool(int(sys.argv[3])),
    seed=0,
    household_permille=int(sys.argv[2]),
    console=Console(),
)
"""


def run(*, quick: bool) -> Result:
    """Run the demo and read the figures it leaves beside its report.

    Parameters
    ----------
    quick : bool
        A tenth of the households instead of all.

    Returns
    -------
    Result
        As told in `measured`.

    Raises
    ------
    RuntimeError
        If the demo fails; the message ends with its last lines.
    """
    return measured(full=False, permille=QUICK_PERMILLE if quick else 1000)


def measured(*, full: bool, permille: int) -> Result:
    """Run the demo in a child and read the figures it leaves beside its report.

    Parameters
    ----------
    full : bool
        Train on every row.
    permille : int
        Thousandths of the households.

    Returns
    -------
    Result
        Figures ``seconds`` (wall clock, the interpreter's start included), ``rows`` by stage,
        ``peak_rss_mb`` (MiB), ``peak_without_files_mb`` (MiB; pages of mapped files left out),
        ``uplift_at_10`` by policy, and ``diff_vs_base`` with ``diff_low``
        and ``diff_high``, in purchases per slot.

    Raises
    ------
    RuntimeError
        If the demo fails; the message ends with its last lines.
    """
    with tempfile.TemporaryDirectory(prefix="causal-ranker-bench-") as folder:
        started = perf_counter()
        arguments = ["-c", _CHILD, str(Path(folder, "out")), str(permille), str(int(full))]
        child = run_child(arguments)
        seconds = perf_counter() - started
        told: dict[str, Any] = json.loads(Path(folder, "out", "figures.json").read_text("utf-8"))
    kept = ("rows", "uplift_at_10", "diff_vs_base", "diff_low", "diff_high")
    figures = {
        "seconds": round(seconds, 1),
        "peak_rss_mb": round(child.peak),
        "peak_without_files_mb": _rounded(child.peak_without_files),
        **{name: told[name] for name in kept},
    }
    rows: list[tuple[str, object]] = [
        ("seconds", figures["seconds"]),
        ("peak memory (MiB)", figures["peak_rss_mb"]),
        ("of it without mapped files (MiB)", figures["peak_without_files_mb"]),
        *((f"rows: {stage}", count) for stage, count in told["rows"].items()),
        *((f"uplift@10, {policy}", value) for policy, value in told["uplift_at_10"].items()),
        ("difference to base", figures["diff_vs_base"]),
        ("its interval, low", figures["diff_low"]),
        ("its interval, high", figures["diff_high"]),
    ]
    return Result(
        columns=("demo", "value"),
        rows=rows,
        figures=figures,
        note="Uplift and difference in purchases per slot.",
    )


def _rounded(size: float) -> int | None:
    return None if isnan(size) else round(size)
