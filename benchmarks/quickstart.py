"""How long the README's quickstart takes, from a fresh interpreter to the report."""

from __future__ import annotations

import re
import statistics
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Final

from benchmarks import Result
from benchmarks._measure import run_child

__all__ = ["DESCRIPTION", "LINES", "README", "SECONDS", "SEEDS", "run"]

DESCRIPTION: Final = "the README's quickstart: lines, seconds and peak memory"
SEEDS: Final = "0"
#: What is asked of it.
LINES: Final = 10
SECONDS: Final = 60.0
README: Final = Path(__file__).parents[1] / "README.md"

_BLOCK: Final = re.compile(r"^## Quickstart$.*?^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# It writes where it is run.
_CHILD: Final = "import os, runpy, sys; os.chdir(sys.argv[1]); runpy.run_path('quickstart.py')"


def run(*, quick: bool) -> Result:
    """Run it in fresh interpreters and take the median.

    Parameters
    ----------
    quick : bool
        Once instead of three times.

    Returns
    -------
    Result
        Figures ``lines``, ``seconds`` (the median), ``peak_mb`` (MiB, the largest), ``most_lines``
        and ``most_seconds``.

    Raises
    ------
    RuntimeError
        If it fails, or the README has none.
    """
    found = _BLOCK.search(README.read_text(encoding="utf-8"))
    if found is None:
        raise RuntimeError(f"{README} has no block of Python below '## Quickstart'")
    lines = sum(bool(line.strip()) for line in found[1].splitlines())
    times, peaks = [], []
    for _ in range(1 if quick else 3):
        with tempfile.TemporaryDirectory(prefix="causal-ranker-bench-") as folder:
            (Path(folder) / "quickstart.py").write_text(found[1], encoding="utf-8")
            begun = perf_counter()
            peaks.append(run_child(["-c", _CHILD, folder]).peak)
            times.append(perf_counter() - begun)
    seconds, peak = statistics.median(times), round(max(peaks))
    return Result(
        columns=("quickstart", "measured", "at most"),
        rows=[("lines", lines, LINES), ("seconds", seconds, SECONDS), ("peak MiB", peak, "")],
        figures={
            "lines": lines,
            "seconds": round(seconds, 1),
            "peak_mb": peak,
            "most_lines": LINES,
            "most_seconds": SECONDS,
        },
    )
