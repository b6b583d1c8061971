"""The service under load, under faults and under the axe; each part runs alone with ``--part``."""

from __future__ import annotations

import math
import os
import pkgutil
import time
from pathlib import Path
from typing import Final

import benchmarks
from benchmarks import Result
from benchmarks._parts import Limits, asked, part_named

__all__ = ["DESCRIPTION", "LIMITS", "parts", "run"]

DESCRIPTION: Final = "serving: latency, throughput and memory of the service, and what it survives"
#: What is asked of a figure, on 2 cores shared with the client.
LIMITS: Final[Limits] = {
    "p99_ms_100": ("at most", 15),
    "p99_ms_200": ("at most", 25),
    "max_rps": ("at least", 400),
    "rerank_vs_predict": ("at most", 1.5),
    "rss_mb": ("at most", 300),
    "fault_ok_share": ("at least", 1),
    "swap_failures": ("at most", 0),
    "publish_kill_failures": ("at most", 0),
    "decisions_lost": ("at most", 0),
    "corrupt_served": ("at most", 0),
}
_PREFIX: Final = "_serving_"


def parts() -> list[str]:
    """Name the parts by their modules.

    Returns
    -------
    list of str
        Sorted.
    """
    found = (info.name for info in pkgutil.iter_modules(benchmarks.__path__))
    return sorted(name.removeprefix(_PREFIX) for name in found if name.startswith(_PREFIX))


def run(*, quick: bool, part: str | None = None) -> Result:
    """Run every part, or one.

    Parameters
    ----------
    quick : bool
        Seconds instead of minutes, tens instead of thousands.
    part : str, optional
        One of `parts`; all by default.

    Returns
    -------
    Result
        A row for each figure, with what is asked of it. Figures: those of `LIMITS`, and what stands
        beside them.
    """
    rows: list[tuple[object, ...]] = []
    figures: dict[str, object] = {}
    for name in parts() if part is None else [part]:
        module, others = part_named(f"{_PREFIX}{name}"), _Others()
        found = module.run(quick=quick)
        rows += [(name, key, value, asked(key, limits=LIMITS)) for key, value in found.items()]
        rows.append((name, "cores that others kept busy meanwhile", others.cores(), ""))
        figures |= found
    return Result(
        columns=("part", "figure", "measured", "asked"),
        rows=rows,
        figures=figures,
        note=f"{os.cpu_count()} cores, shared with the client.",
    )


class _Others:
    """Measures, from its making on, what other processes (of other machines, too) took from us."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._before = self._busy()

    def cores(self) -> float:
        """Return how many cores they kept busy on average; NaN where Linux does not tell."""
        return (self._busy() - self._before) / (time.monotonic() - self._start)

    @staticmethod
    def _busy() -> float:
        path = Path("/proc/stat")
        if not path.is_file():
            return math.nan
        user, nice, system, _, _, irq, soft, steal = (
            int(word) for word in path.read_text("ascii").split("\n")[0].split()[1:9]
        )
        everybody = (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")
        # Of the children, those that have ended: a part leaves none behind.
        ours = os.times()
        return everybody - sum(ours[:4])
