"""Detectors of drift: how often they cry wolf, what they find, and what a monitor run takes."""

from __future__ import annotations

import os
from typing import Final

from benchmarks import Result
from benchmarks._parts import Limits, asked, part_named

__all__ = ["DESCRIPTION", "LIMITS", "parts", "run"]

DESCRIPTION: Final = "drift: false alarms, detection, and the time and memory of a monitor run"
#: What is asked of a figure.
LIMITS: Final[Limits] = {
    "false_alarm_rate": ("at most", 0.071),
    "family_false_alarm_rate": ("at most", 0.071),
    "detection_rate": ("at least", 0.95),
    "seconds_10m": ("at most", 180),
    "peak_rss_mb": ("at most", 3072),
    "effect_drift_detected": ("at least", 1),
}
_PARTS: Final = ("false_alarms", "detection", "elec2", "effect", "monitor")


def parts() -> list[str]:
    """Name the parts.

    Returns
    -------
    list of str
        In the order in which they run.
    """
    return list(_PARTS)


def run(*, quick: bool, part: str | None = None) -> Result:
    """Run every part, or one.

    Parameters
    ----------
    quick : bool
        Seconds instead of minutes, tens of days instead of a thousand.
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
        found = part_named(f"_drift_part_{name}").run(quick=quick)
        rows += [(name, key, value, asked(key, limits=LIMITS)) for key, value in found.items()]
        figures |= found
    return Result(
        columns=("part", "figure", "measured", "asked"),
        rows=rows,
        figures=figures,
        note=f"{os.cpu_count()} cores. Rates are shares of runs, each with data of its own.",
    )
