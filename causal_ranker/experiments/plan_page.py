"""The plan of a test on one page, with its power curve."""

from __future__ import annotations

from typing import Final

import numpy as np

from causal_ranker.experiments.design import TestDesign, least_detectable, power_of
from causal_ranker.experiments.plan import Plan
from causal_ranker.experiments.traffic import Traffic
from causal_ranker.reporting.blocks import Block, Document, Figure, Section, Table, Text

__all__ = ["plan_document", "plan_section", "plan_words"]

_STEPS: Final = 61


def plan_words(plan: Plan) -> str:
    """Say a plan in two sentences.

    Parameters
    ----------
    plan : Plan
        The plan.

    Returns
    -------
    str
        Users, weeks and power.
    """
    design = plan.design
    weeks = f"{plan.weeks} whole week{'s' * (plan.weeks > 1)}"
    ends = "" if plan.end is None else f", read on {plan.end.isoformat()}"
    measured = "" if design.metric is None else f" in {design.metric}"
    return (
        f"{plan.users:,} users ({plan.treated:,} new, {plan.control:,} control), {weeks}{ends}. "
        f"With the {plan.expected:,} who come by then, an effect of {design.effect:g}{measured} "
        f"is found with a probability of {plan.power:.1%}, and one of {plan.least_detectable:.3g} "
        f"with {design.power:.0%}."
    )


def plan_section(plan: Plan, traffic: Traffic) -> Section:
    """Show a plan without drawings, for the console.

    Parameters
    ----------
    plan : Plan
        The plan.
    traffic : Traffic
        Who comes.

    Returns
    -------
    Section
        Weeks, strata, guardrails and notes.
    """
    design = plan.design
    weeks = sorted({1, 2, 3, 4, plan.weeks, 2 * plan.weeks})
    rows = [
        (
            week,
            traffic.after(week),
            f"{least_detectable(design, users=traffic.after(week)):.3g}",
            f"{power_of(design, users=traffic.after(week)):.1%}",
        )
        for week in weeks
        if traffic.after(week) >= 2
    ]
    note = (
        f"Least effect: found with {design.power:.0%} probability, at {design.level:.3g} false "
        f"alarms. Power: of an effect of {design.effect:g}."
    )
    blocks: list[Block] = [Table(["weeks", "users", "least effect", "power"], rows, note)]
    if plan.strata:
        blocks.append(
            Table(
                ["stratum", "users"],
                list(plan.strata.items()),
                "Compare the arms within each, weighted by its share.",
            )
        )
    if plan.guardrails:
        blocks.append(
            Table(
                ["guardrail", "margin", "users", "power"],
                [
                    (name, f"{each.margin:g}", each.users, f"{each.power:.1%}")
                    for name, each in plan.guardrails.items()
                ],
                f"Users needed to exclude a loss of the margin with {design.power:.0%} "
                f"probability, if the arms are alike. Power: with the {plan.expected:,} who come.",
            )
        )
    if plan.cuped_saves > 0:
        blocks.append(
            Text(
                f"Taking out the metric's past (CUPED, correlation {design.correlation:.2f}) saves "
                f"{plan.cuped_saves:.1%} of the users."
            )
        )
    return Section("Plan of a test", [*blocks, *(Text(words) for words in plan.notes)])


def plan_document(plan: Plan, traffic: Traffic) -> Document:
    """Put a plan on one page.

    Parameters
    ----------
    plan : Plan
        The plan.
    traffic : Traffic
        Who comes.

    Returns
    -------
    Document
        Users and weeks, the power curve, and the settings that it was made from.
    """
    section = plan_section(plan, traffic)
    settings = plan.design.model_dump() | traffic.model_dump(mode="json")
    return Document(
        "Plan of a test",
        plan_words(plan),
        [Section(section.title, [_power_curve(plan), *section.blocks])],
        {name: str(value) for name, value in settings.items() if value not in (None, {}, [], ())},
    )


def _power_curve(plan: Plan) -> Figure:
    from causal_ranker.reporting.figures import Curve, line_with_band

    design = plan.design
    effects = np.linspace(0, 2 * max(design.effect, plan.least_detectable), _STEPS)[1:]

    def powers(of: TestDesign) -> list[float]:
        return [
            100 * power_of(of.model_copy(update={"effect": effect}), users=plan.expected)
            for effect in effects
        ]

    curves = [Curve(f"{plan.expected:,} users", powers(design))]
    if design.correlation:
        curves.append(Curve("without CUPED", powers(design.model_copy(update={"correlation": 0}))))
    return Figure(
        line_with_band(
            effects, curves, xlabel="true difference, in the metric's unit", ylabel="power, %"
        ),
        f"How likely a true difference is found after {plan.weeks} weeks.",
        f"Power rises to {design.power:.0%} at a difference of {plan.least_detectable:.3g}.",
    )
