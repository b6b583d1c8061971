"""The section on what being shown causes, and for which candidates more than for others."""

from __future__ import annotations

from functools import partial

import numpy as np

from causal_ranker.evaluation.evaluate import Evaluation
from causal_ranker.evaluation.wording import (
    decimals_for,
    estimand_text,
    interval_text,
    percent,
    range_text,
    root_text,
)
from causal_ranker.reporting.blocks import Figure, Section, Table, Text
from causal_ranker.reporting.figures import calibration_points
from causal_ranker.stats.intervals import Interval

__all__ = ["effects_section"]


def effects_section(evaluation: Evaluation, *, outcome: str = "plays") -> Section:
    """Return the effects by group of predicted uplift, and how right the predictions are.

    Parameters
    ----------
    evaluation : Evaluation
        What was found.
    outcome : str
        What one outcome is called, in the plural.

    Returns
    -------
    Section
        A sentence with the average effect and the difference between the extreme groups, a table
        of a few groups, and a drawing of observed against predicted effects in finer ones.
    """
    level = percent(evaluation.comparison.level)
    unit = f"{outcome} per 100 exposures"
    return Section(
        "Effects by predicted uplift",
        [
            Text(_sentence(evaluation, unit=unit, level=level)),
            _table(evaluation, unit=unit, level=level),
            _drawing(evaluation, unit=unit, level=level),
        ],
    )


def _sentence(evaluation: Evaluation, *, unit: str, level: str) -> str:
    average, gap = evaluation.average_effect, evaluation.group_effects.difference
    said = (
        f"Being shown causes {interval_text(average, decimals=decimals_for([average]))} {unit} on "
        f"average over all candidates ({level} interval)."
    )
    if gap is None:
        return f"{said} All predictions are equal, so there are no groups to tell apart."
    if gap.low > 0:
        apart = "so the predictions tell candidates apart"
    elif gap.high < 0:
        apart = "so the predictions order candidates the wrong way"
    else:
        apart = "so the predictions do not show that they tell candidates apart"
    return (
        f"{said} The effect in the group with the highest predicted uplift minus that in the group "
        f"with the lowest is {interval_text(gap, decimals=decimals_for([gap]))}, {apart}."
    )


def _table(evaluation: Evaluation, *, unit: str, level: str) -> Table:
    groups = evaluation.group_effects
    bounds = [
        Interval(low, low, high, 0.0)
        for low, high in zip(groups.lowest, groups.highest, strict=True)
    ]
    decimals, fine = decimals_for(groups.observed), decimals_for(bounds)
    rows: list[list[object]] = [
        [
            place,
            int(count),
            range_text(bound, decimals=fine),
            100 * float(predicted),
            interval_text(observed, decimals=decimals),
            range_text(wide, decimals=decimals),
        ]
        for place, (count, bound, predicted, observed, wide) in enumerate(
            zip(
                groups.count,
                bounds,
                groups.predicted,
                groups.observed,
                groups.everywhere,
                strict=True,
            ),
            start=1,
        )
    ]
    return Table(
        [
            "group",
            "rows",
            "predicted from and to",
            "predicted, mean",
            f"effect ({level} interval)",
            f"{level} for all groups at once",
        ],
        rows,
        f"Groups of equal size by predicted uplift, lowest first; effects in {unit}, from doubly "
        "robust scores. The predictions come from models trained on earlier rows; whatever they "
        "are worth, the intervals hold the groups' effects." + estimand_text(evaluation.estimand),
    )


def _drawing(evaluation: Evaluation, *, unit: str, level: str) -> Figure:
    groups = evaluation.groups
    drawing = partial(
        calibration_points,
        100 * groups.predicted,
        [100 * group.point for group in groups.observed],
        low=[100 * _end(group.low, group) for group in groups.observed],
        high=[100 * _end(group.high, group) for group in groups.observed],
        xlabel=f"predicted ({unit})",
        ylabel=f"observed ({unit})",
    )
    return Figure(
        drawing,
        "Observed against predicted effects in finer groups of equal size by predicted uplift; "
        f"bars are {level} intervals. On the dashed line predictions are right. Calibration "
        "error, debiased for the noise of rows, and for what rows of one user or unit share "
        f"({level} interval): {root_text(groups.squared_error, unit=unit)}.",
        "Observed against predicted effects with intervals",
    )


def _end(end: float, interval: Interval) -> float:
    """Draw no bar where a group has no interval."""
    return end if np.isfinite(end) else interval.point
