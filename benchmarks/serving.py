"""The service under load, under faults and under the axe; each part runs alone with ``--part``."""

from __future__ import annotations

import importlib
import math
import os
import pkgutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol, cast

import benchmarks
from benchmarks import Result

__all__ = ["DESCRIPTION", "LIMITS", "parts", "run"]

DESCRIPTION: Final = "serving: latency, throughput and memory of the service, and what it survives"
#: What is asked of a figure, on 2 cores shared with the client.
LIMITS: Final[Mapping[str, tuple[str, float]]] = {
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


class _Part(Protocol):
    """The form of a module ``_serving_PART``: found by its file."""

    def run(self, *, quick: bool) -> Mapping[str, object]:
        """Measure, and return figures by name."""
        ...


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
        module = cast(_Part, importlib.import_module(f"{benchmarks.__name__}.{_PREFIX}{name}"))
        others = _Others()
        found = module.run(quick=quick)
        rows += [(name, key, value, _asked(key)) for key, value in found.items()]
        rows.append((name, "cores that others kept busy meanwhile", others.cores(), ""))
        figures |= found
    return Result(
        columns=("part", "figure", "measured", "asked"),
        rows=rows,
        figures=figures,
        note=f"{os.cpu_count()} cores, shared with the client.",
    )


def _asked(figure: str) -> str:
    if figure not in LIMITS:
        return ""
    words, limit = LIMITS[figure]
    return f"{words} {limit:g}"


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
