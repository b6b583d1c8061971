"""How long `import causal_ranker` takes in a fresh interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys
from typing import Final

from benchmarks import Result

__all__ = ["DESCRIPTION", "SEEDS", "run"]

DESCRIPTION: Final = "seconds that `import causal_ranker` takes in a fresh interpreter"
SEEDS: Final = "none: nothing is drawn"
LIMIT: Final = 0.5  # seconds

# Timed inside the child, so that the interpreter's own start is not counted.
_CHILD: Final = (
    "import time; start = time.perf_counter(); import causal_ranker; "
    "print(time.perf_counter() - start)"
)


def _once() -> float:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def run(*, quick: bool) -> Result:
    """Import the package in fresh interpreters and take the median.

    Parameters
    ----------
    quick : bool
        Once instead of five times.

    Returns
    -------
    Result
        Figures ``seconds`` (the median) and ``limit``.
    """
    times = [_once() for _ in range(1 if quick else 5)]
    median = statistics.median(times)
    rows = [("fastest", min(times)), ("median", median), ("slowest", max(times)), ("limit", LIMIT)]
    return Result(
        columns=("import causal_ranker", "seconds"),
        rows=rows,
        figures={"seconds": round(median, 4), "limit": LIMIT, "runs": len(times)},
    )
