"""The section that sets the user's total plays beside plays of the items shown."""

from __future__ import annotations

from causal_ranker.evaluation.totals import TotalComparison
from causal_ranker.evaluation.wording import decimals_for, interval_text, percent
from causal_ranker.reporting.blocks import Section, Table, Text
from causal_ranker.stats.intervals import Interval

__all__ = ["totals_section"]

_WIDEST = 2.0  # the width of an interval from none left to twice as much as was gained


def totals_section(found: TotalComparison, *, outcome: str = "plays") -> Section:
    """Return what lists change in plays of their items, and in all that users play.

    Parameters
    ----------
    found : TotalComparison
        Policies by the user's total.
    outcome : str
        What one outcome is called, in the plural.

    Returns
    -------
    Section
        A table, a line per policy but the baseline, and what the figures are.
    """
    k, level = found.k, percent(found.level)
    item, total = (
        decimals_for(column)
        for column in (
            [each.item_difference for each in found.policies],
            [each.total_difference for each in found.policies],
        )
    )
    lines = [
        [
            each.policy,
            interval_text(each.item_difference, decimals=item),
            interval_text(each.total_difference, decimals=total),
            _share(each.left),
        ]
        for each in found.policies
    ]
    return Section(
        f"Total {outcome} of the users",
        [
            Text(_sentence(found, outcome=outcome)),
            Table(
                [
                    "policy",
                    f"{outcome} of the items shown ({level} interval)",
                    f"{outcome} of any item ({level} interval)",
                    f"left in the total (%, {level} interval)",
                ],
                lines,
                f"Differences to {found.baseline}, in {outcome} per 100 slots of the first {k}; a "
                "user's total counts each item once in the horizon, whatever the surface. The "
                f"first column is the difference in uplift@k. Totals vary much more than {outcome} "
                "of one item, so that intervals of the second are wide. The last exchanges items "
                f"of {found.baseline} for those of the policy a little more often than was logged, "
                "over the slots that differ: 100 % where nothing takes the place of anything; n/a "
                f"where the exchange changes no {outcome} of the items shown; it cannot be told "
                f"where its interval is wider than {100 * _WIDEST:.0f} points. All hold for "
                "single slots changed, all else as logged, and add up if effects on the total do.",
            ),
        ],
    )


def _sentence(found: TotalComparison, *, outcome: str) -> str:
    said = f"A list that causes {outcome} of its own items may take them from other items."
    if found.left is None:
        return (
            f"{said} What share of uplift is left in the total cannot be said here: predicted "
            "uplift does not tell the candidates of a request apart."
        )
    if _too_wide(found.left):
        return (
            f"{said} What share of uplift is left in the total cannot be told here: its "
            f"{percent(found.level)} interval is wider than {100 * _WIDEST:.0f} points."
        )
    low, high = _ends(found.left)
    share = (
        f"{said} Of the {outcome} that items of higher predicted uplift gain, over all candidates "
        "with overlap, "
        f"{100 * found.left.point:.0f} % ({percent(found.level)} interval {low} to {high} %) are "
        "left in the users' totals."
    )
    if found.left.high < 1:
        return f"{share} The rest takes the place of other {outcome}: uplift overstates the gain."
    if found.left.low > 0:
        return f"{share} The interval does not exclude that all of them are."
    return f"{share} The interval is too wide to say whether any or all of them are."


def _share(left: Interval | None) -> str:
    if left is None:
        return "n/a"
    if _too_wide(left):
        return "cannot be told"
    low, high = _ends(left)
    return f"{100 * left.point:.0f} ({low} to {high})"


def _too_wide(left: Interval) -> bool:
    return left.high - left.low > _WIDEST


def _ends(left: Interval) -> tuple[str, str]:
    return f"{100 * left.low:.0f}", f"{100 * left.high:.0f}"
