"""How often intervals about scores, lists and policies hold the truth, by world and estimator."""

from __future__ import annotations

from typing import Final

from benchmarks import Result
from benchmarks._coverage import boosted, linear
from benchmarks._list_coverage import FIGURES, REFUSED, SNIPS, coverage_of, type_one
from benchmarks._pool import each_on_a_core

__all__ = ["DESCRIPTION", "SEEDS", "run"]

DESCRIPTION: Final = "coverage: shares of draws in which 95 % intervals of an evaluation hold"
SEEDS: Final = "1 and 2 of draws, 3 and 4 of half-samples, 7 of the scores, 99 of the truth"
_NUISANCES: Final = {"linear": linear, "LightGBM": boosted}
_WORLDS: Final = ("randomised", "confounded", "rare", "clustered")
#: 95 % -/+ 3.5 binomial standard errors of 1,000 draws, and of 200 draws.
BANDS: Final = {"linear": (0.926, 0.974), "LightGBM": (0.896, 1.0)}


def run(*, quick: bool) -> Result:
    """Draw each world 1,000 times with linear nuisances and 200 times with LightGBM's.

    Parameters
    ----------
    quick : bool
        A twentieth of the draws.

    Returns
    -------
    Result
        Shares by nuisances, world and figure. ``min_coverage`` and ``max_coverage`` are over the
        linear ones, ``type1`` is the share of 4,000 draws in which the lists of one of two scores
        of equal truth are called better; ``inside`` of ``checked`` shares lie in their band.
    """
    share = 20 if quick else 1
    even = ("even", "", 4000 // share)
    jobs = [
        *(("linear", world, 1000 // share) for world in _WORLDS),
        *(("LightGBM", world, 200 // share) for world in _WORLDS),
    ]
    # The longest first, so that none is left alone at the end.
    wrong, *shares = each_on_a_core(_count, [even, *jobs])
    rows: list[tuple[object, ...]] = []
    table: list[dict[str, object]] = []
    right: list[float] = []
    refused: list[float] = []
    inside = checked = 0
    for (kind, world, draws), found in zip(jobs, shares, strict=True):
        low, high = BANDS[kind]
        refused.append(found.pop(REFUSED))
        rows.append((kind, world, draws, *(found.get(figure, "") for figure in FIGURES)))
        table.append({"nuisances": kind, "world": world, "draws": draws, **found})
        checked += len(found)
        inside += sum(low <= each <= high for each in found.values())
        if kind == "linear":
            right += found.values()
    return Result(
        columns=("nuisances", "world", "draws", *FIGURES),
        rows=rows,
        figures={
            "min_coverage": min(right),
            "max_coverage": max(right),
            "type1": wrong["uplift@10"],
            "type1_autoc": wrong["AUTOC"],
            "inside": inside,
            "checked": checked,
            "most_refused": max(refused),
            "table": table,
        },
        note="Bands: .926 to .974 over 1,000 draws, .896 to 1 over 200. Of two scores of equal "
        f"truth one was called better by uplift@10 in {100 * wrong['uplift@10']:.2f} % and by "
        f"AUTOC in {100 * wrong['AUTOC']:.2f} % of {4000 // share:,} draws; 5 % expected. Values "
        f"of policies were refused in at most {100 * max(refused):.1f} % of the draws of a line, "
        "and there coverage is of the others. 400 half-samples. Seeds 1 to 4, 7 and 99.",
    )


def _count(job: tuple[str, str, int]) -> dict[str, float]:
    """Count one line of the table, or wrong calls between equals."""
    kind, world, draws = job
    if kind == "even":
        return type_one(draws=draws)
    found = coverage_of(world, _NUISANCES[kind], draws=draws)
    if kind != "linear":
        # No nuisance is in it: the same draws would count twice.
        del found[SNIPS]
    return found
