"""What a report says of quasi-experiments: the effect, and what speaks for and against it."""

from __future__ import annotations

from collections.abc import Sequence

from causal_ranker.experiments.quasi.differences import Differences
from causal_ranker.experiments.quasi.discontinuity import Discontinuity
from causal_ranker.experiments.quasi.fixed_effects import FixedEffects
from causal_ranker.experiments.quasi.matching import Matched
from causal_ranker.reporting.blocks import Section, Table, Text
from causal_ranker.stats.intervals import Interval

__all__ = [
    "differences_section",
    "discontinuity_section",
    "fixed_effects_section",
    "matched_section",
]

_COLUMNS = ("", "low", "high", "point")  # an interval first
#: Standardised differences above this are called imbalance (Austin, 2011).
_ALIKE = 0.1


def matched_section(found: Matched, *, covariates: Sequence[str]) -> Section:
    """Show matching.

    Parameters
    ----------
    found : Matched
        Effect and balance.
    covariates : sequence of str
        Their names.

    Returns
    -------
    Section
        Effect first, then balance.
    """
    apart = [
        name
        for name, left in zip(covariates, found.balance_after, strict=True)
        if abs(left) > _ALIKE
    ]
    told = (
        f"Effect on the treated. {found.treated:,} of them ({found.share_matched:.1%}) "
        f"were matched to {found.controls:,} controls, worth {found.effective_controls:,.0f}."
    )
    judged = (
        f"Still apart by more than {_ALIKE} standard deviations: {', '.join(apart)}. Do not trust "
        "the effect."
        if apart
        else "What was measured is alike after matching; what was not may still differ."
    )
    balance = [
        (name, float(before), float(after))
        for name, before, after in zip(
            covariates, found.balance_before, found.balance_after, strict=True
        )
    ]
    return Section(
        "Matching",
        [
            Text(told),
            Table(_COLUMNS, [_row("effect", found.effect)], "95 % interval by user."),
            Table(("covariate", "before", "after"), balance, "Differences in standard deviations."),
            Text(judged),
        ],
    )


def fixed_effects_section(found: FixedEffects) -> Section:
    """Show two-way fixed effects.

    Parameters
    ----------
    found : FixedEffects
        The effect.

    Returns
    -------
    Section
        Effect, and whether it is a mean of effects.
    """
    told = (
        f"{found.rows:,} rows of {found.units:,} units in {found.periods:,} periods; "
        f"{found.switching:,} units are seen with the treatment and without. It holds if, without "
        "the treatment, all units would have moved in parallel."
    )
    judged = (
        f"Treated rows enter with negative weights of {found.negative_weight:.2f} in sum (all sum "
        "to 1): where effects differ, this is not their mean."
        if found.negative_weight > 0.01
        else "It is a weighted mean of the effects in treated rows: none has a negative weight."
    )
    rows = [_row("effect", found.effect)]
    return Section(
        "Two-way fixed effects",
        [Text(told), Table(_COLUMNS, rows, "95 % interval by cluster."), Text(judged)],
    )


def differences_section(found: Differences, *, periods: Sequence[str]) -> Section:
    """Show a difference in differences.

    Parameters
    ----------
    found : Differences
        The effect and the check.
    periods : sequence of str
        Their names, in order.

    Returns
    -------
    Section
        Effect, the check of trends, and the effect by period.
    """
    if found.parallel_p != found.parallel_p:
        judged = "One period before the change says nothing of trends: find more."
    elif found.diverged:
        judged = (
            f"The groups moved apart before the change (p = {found.parallel_p:.3g}): the effect is "
            "no effect of it."
        )
    else:
        judged = (
            f"No evidence that the groups moved apart before (p = {found.parallel_p:.3g}), which "
            "is not evidence that they would not have after."
        )
    rows = [_row("effect", found.effect), _row("trend before, per period", found.trend)]
    by_period = [_row(name, each) for name, each in zip(periods, found.by_period, strict=True)]
    return Section(
        "Difference in differences",
        [
            Text(
                f"{found.treated:,} units had the change and {found.controls:,} did not. {judged}"
            ),
            Table(_COLUMNS, rows, "95 % interval by unit."),
            Table(_COLUMNS, by_period, "By period, against the last one before the change."),
        ],
    )


def discontinuity_section(found: Discontinuity) -> Section:
    """Show a regression discontinuity.

    Parameters
    ----------
    found : Discontinuity
        The effect and the check.

    Returns
    -------
    Section
        Effect at the cut-off, and whether rows crowd on one side.
    """
    density = found.density
    sides = (
        f"density {density.below:.3g} below, {density.above:.3g} above, p = {density.p_value:.3g}"
    )
    judged = (
        f"Rows crowd on one side of the cut-off ({sides}): somebody may have chosen it."
        if density.jumps
        else f"No evidence that rows crowd on one side of the cut-off ({sides})."
    )
    told = (
        f"{found.below:,} rows below the cut-off and {found.above:,} above, within "
        f"{found.bandwidth:.3g} of it. The effect is that at the cut-off, of no row far from it."
    )
    rows = [
        _row("effect, curvature allowed for", found.robust),
        _row("effect by straight lines", found.effect),
    ]
    return Section(
        "Regression discontinuity",
        [Text(told), Table(_COLUMNS, rows, "95 % interval by user."), Text(judged)],
    )


def _row(name: str, found: Interval) -> tuple[object, ...]:
    return (name, found.low, found.high, found.point)
