"""Tests of two arms: false alarms, power, what CUPED saves, users of interleaving, and speed."""

from __future__ import annotations

import os
from typing import Final

from benchmarks import Result
from benchmarks._parts import Limits, asked, part_named

__all__ = ["DESCRIPTION", "LIMITS", "parts", "run"]

DESCRIPTION: Final = "experiments: false alarms, power, CUPED, interleaving, and a large read-out"
#: What is asked of a figure; of some from both sides.
LIMITS: Final[dict[str, Limits]] = {
    "at least": {
        "type1": ("at least", 0.04),
        "uniform_p": ("at least", 0.01),
        "srm_false_alarm": ("at least", 0.0005),
        "srm_power": ("at least", 0.99),
    },
    "at most": {
        "type1": ("at most", 0.06),
        "sequential_type1": ("at most", 0.05),
        "srm_false_alarm": ("at most", 0.002),
        "cuped_ratio_error": ("at most", 0.05),
        "interleaving_user_ratio": ("at most", 0.1),
        "seconds_10m": ("at most", 60),
        "peak_rss_mb": ("at most", 2048),
    },
}
_PARTS: Final = ("type1", "sequential", "srm", "cuped", "interleaving", "large")


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
        Seconds instead of minutes.
    part : str, optional
        One of `parts`; all by default.

    Returns
    -------
    Result
        A row for each figure, with what is asked of it. Figures: those of `LIMITS`,
        ``naive_peeking_type1`` and ``impression_level_type1``, which show what goes wrong, and
        what stands beside them.
    """
    rows: list[tuple[object, ...]] = []
    figures: dict[str, object] = {}
    for name in parts() if part is None else [part]:
        found = part_named(f"_experiments_{name}").run(quick=quick)
        for key, value in found.items():
            words = [asked(key, limits=side) for side in LIMITS.values()]
            rows.append((name, key, value, ", ".join(filter(None, words))))
        figures |= found
    return Result(
        columns=("part", "figure", "measured", "asked"),
        rows=rows,
        figures=figures,
        note=f"{os.cpu_count()} cores. Rates are shares of runs; false alarms of tests whose arms "
        "differ in nothing, on users of the streaming world, assigned by the package's hash.",
    )
