"""The demo on every row of the grocery logs (about 40 minutes): memory, and what it found."""

from __future__ import annotations

from typing import Final

from benchmarks import Result
from benchmarks.demo import QUICK_PERMILLE, measured

__all__ = ["DESCRIPTION", "run"]

DESCRIPTION: Final = "demo --full, which trains on every row: seconds, peak memory, uplift@10"


def run(*, quick: bool) -> Result:
    """Run ``demo --full`` and read the figures it leaves beside its report.

    Parameters
    ----------
    quick : bool
        A tenth of the households instead of all.

    Returns
    -------
    Result
        As told in `benchmarks.demo.measured`.

    Raises
    ------
    RuntimeError
        If the demo fails; the message ends with its last lines.
    """
    return measured(full=True, permille=QUICK_PERMILLE if quick else 1000)
