"""How often intervals of the average effect and of group effects hold the truth, by regime."""

from __future__ import annotations

from typing import Final

from benchmarks import Result
from benchmarks._coverage import Coverage, boosted, coverage, linear
from benchmarks._regimes import REGIMES

__all__ = ["DESCRIPTION", "run"]

DESCRIPTION: Final = "shares of draws in which 95 % intervals of effects hold the truth, by regime"
#: 95 % -/+ 3.5 binomial standard errors of 1,000 draws, and of 200 draws.
BANDS: Final = {"linear": (0.926, 0.974), "LightGBM": (0.896, 1.0)}


def run(*, quick: bool) -> Result:
    """Draw each regime 1,000 times with linear nuisances and 200 times with LightGBM's.

    Parameters
    ----------
    quick : bool
        A tenth of the draws.

    Returns
    -------
    Result
        Per nuisances and regime the shares; figures ``lowest_linear``, ``highest_linear``,
        ``lowest_boosted`` and ``highest_boosted`` over regimes, average effect and groups, and
        ``inside``, how many of the ``checked`` shares lie in their band.
    """
    share = 10 if quick else 1
    rows: list[tuple[object, ...]] = []
    ends: dict[str, list[float]] = {}
    inside = checked = 0
    for kind, fit, draws in (
        ("linear", linear, 1000 // share),
        ("LightGBM", boosted, 200 // share),
    ):
        low, high = BANDS[kind]
        ends[kind] = []
        for name in REGIMES:
            found = coverage(name, fit, draws=draws)
            rows.append((kind, name, draws, *_cells(found)))
            shares = [found.average, *found.groups, found.difference]
            ends[kind] += shares
            checked += len(shares)
            inside += sum(low <= each <= high for each in shares)
    return Result(
        columns=(
            "nuisances",
            "regime",
            "draws",
            "average",
            "by row",
            "groups",
            "to",
            "ends",
            "at once",
        ),
        rows=rows,
        figures={
            "lowest_linear": min(ends["linear"]),
            "highest_linear": max(ends["linear"]),
            "lowest_boosted": min(ends["LightGBM"]),
            "highest_boosted": max(ends["LightGBM"]),
            "inside": inside,
            "checked": checked,
        },
        note="The truth is that of all rows there could be, for a group those between its bounds. "
        "By row: the average effect, users forgotten. Groups: the least and the most often held "
        "of five. Ends: last group minus first. At once: all groups, by the wider intervals.",
    )


def _cells(found: Coverage) -> tuple[float, ...]:
    return (
        found.average,
        found.average_by_row,
        min(found.groups),
        max(found.groups),
        found.difference,
        found.everywhere,
    )
