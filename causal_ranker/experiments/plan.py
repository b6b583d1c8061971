"""A plan for a test: users, weeks, and what else has to be said before it starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, floor
from typing import Annotated, Final

from pydantic import Field

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError
from causal_ranker.experiments.design import (
    TestDesign,
    guardrail_power,
    least_detectable,
    power_of,
    users_needed,
)
from causal_ranker.experiments.traffic import Traffic

__all__ = ["Guardrail", "GuardrailPlan", "Plan", "make_plan"]

_DAYS_A_WEEK: Final = 7
#: Read users below whom means may be far from normal, which all sizes rest on.
_NORMAL_FROM: Final = 200


class Guardrail(FrozenConfig):
    """A metric that must not lose more than a margin.

    Parameters
    ----------
    name : str
        What it is called.
    deviation : float
        Its standard deviation between users.
    margin : float
        The loss to be excluded, in its unit.
    """

    name: str
    deviation: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    margin: Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class GuardrailPlan:
    """What a guardrail needs.

    Parameters
    ----------
    margin : float
        The loss to be excluded, in its unit.
    users : int
        Users needed in both arms together, triggered or not.
    power : float
        Probability that it is shown to hold where the arms are alike, with the users who will have
        come.
    """

    margin: float
    users: int
    power: float


@dataclass(frozen=True)
class Plan:
    """What a test needs, and what it will see.

    Parameters
    ----------
    design : TestDesign
        What is to be found.
    users : int
        Users needed in both arms together, triggered or not.
    treated, control : int
        Users needed in each.
    weeks : int
        Whole weeks until so many have come.
    expected : int
        Users who will have come by then.
    power : float
        Probability of finding the effect with those.
    least_detectable : float
        Smallest effect that those find with the wanted power.
    cuped_saves : float
        Share of users that CUPED saves.
    strata : dict of str to int
        Users needed of each stratum.
    guardrails : dict of str to GuardrailPlan
        What each needs.
    end : date or None
        First day after the last user's follow-up, where the start is known.
    notes : tuple of str
        What else has to be known, a sentence or two each.
    """

    design: TestDesign
    users: int
    treated: int
    control: int
    weeks: int
    expected: int
    power: float
    least_detectable: float
    cuped_saves: float
    strata: dict[str, int]
    guardrails: dict[str, GuardrailPlan]
    end: date | None
    notes: tuple[str, ...]


def make_plan(
    design: TestDesign, traffic: Traffic, *, guardrails: tuple[Guardrail, ...] = ()
) -> Plan:
    """Plan a test.

    Parameters
    ----------
    design : TestDesign
        What to find.
    traffic : Traffic
        Who comes.
    guardrails : tuple of Guardrail
        What must not be lost. They get the design's power, too: each needs users of its own.

    Returns
    -------
    Plan
        Users and weeks.

    Raises
    ------
    ConfigError
        If too few users come, or two guardrails have one name.
    """
    names = [each.name for each in guardrails]
    if len(set(names)) < len(names):
        raise ConfigError(
            expected="a name of its own for each guardrail",
            came=", ".join(names),
            do="Name them apart, or leave out what repeats.",
        )
    own = users_needed(design)
    guarded = {each.name: _users_for(each, design) for each in guardrails}
    users = max([own, *guarded.values()])
    split = design.share_treated
    weeks = traffic.weeks_for(users)
    expected = traffic.after(weeks)
    end = None
    if traffic.start is not None:
        end = traffic.start + timedelta(days=_DAYS_A_WEEK * weeks + traffic.follow_up_days)
    notes = [
        _split_words(design),
        _looks_words(design),
        *_trigger_words(design),
        *_date_words(traffic, weeks, end),
    ]
    if users * design.trigger_share < _NORMAL_FROM:
        notes.append(
            "So few users are a rough guess, as means of few are not normal: plan for "
            f"{_NORMAL_FROM} at least."
        )
    if users > own:
        notes.append(
            f"The metric itself needs {own:,} users; guardrails, to be shown to hold, need more."
        )
    return Plan(
        design=design,
        users=users,
        treated=ceil(users * split),
        control=users - ceil(users * split),
        weeks=weeks,
        expected=expected,
        power=power_of(design, users=expected),
        least_detectable=least_detectable(design, users=expected),
        cuped_saves=design.correlation**2,
        strata=_allocated(users, traffic.strata),
        guardrails={
            each.name: GuardrailPlan(
                each.margin,
                guarded[each.name],
                guardrail_power(
                    design, deviation=each.deviation, margin=each.margin, users=expected
                ),
            )
            for each in guardrails
        },
        end=end,
        notes=tuple(notes),
    )


def _users_for(guardrail: Guardrail, design: TestDesign) -> int:
    return users_needed(
        TestDesign(
            deviation=guardrail.deviation,
            effect=guardrail.margin,
            share_treated=design.share_treated,
            level=design.level,
            power=design.power,
            trigger_share=design.trigger_share,
            peeking=design.peeking,
        )
    )


def _allocated(users: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Divide users by shares, those left over to the largest remainders."""
    counts = {name: floor(users * share) for name, share in shares.items()}
    rest = sorted(shares, key=lambda name: counts[name] - users * shares[name])
    for name in rest[: users - sum(counts.values()) if shares else 0]:
        counts[name] += 1
    return counts


def _split_words(design: TestDesign) -> str:
    best, split = design.best_share, design.share_treated

    def cost(share: float) -> float:
        return design.variance_at(share) * (share * design.cost_ratio + 1 - share)

    alike = abs(best - 0.5) < 1e-9
    if alike:
        rule = "With equal variances and costs in both arms a 50/50 split gives the most power."
    else:
        rule = (
            "Arms that vary or cost differently get users in proportion to their standard "
            f"deviation over the root of a user's cost (Neyman): {best:.1%} in the new arm gives "
            "the most power for the cost."
        )
    if abs(split - best) < 5e-4:
        return rule
    what = "users" if design.cost_ratio == 1 else "cost"
    extra = cost(split) / cost(best) - 1
    return f"{rule} {split:.1%} in the new arm takes {extra:.1%} more {what}."


def _looks_words(design: TestDesign) -> str:
    once = users_needed(design.model_copy(update={"peeking": False}))
    always = users_needed(design.model_copy(update={"peeking": True}))
    if design.peeking:
        return (
            "Intervals hold at every look: the test may be read daily, and stopped when they "
            f"allow. Read once, at the end, it would take {1 - once / always:.0%} fewer users."
        )
    return (
        "Read it once, at the end: whoever looks ten times and stops at p < .05 is wrong in about "
        "19 % of tests without any effect. Intervals that hold at every look take "
        f"{always / once:.2g} times as many users."
    )


def _trigger_words(design: TestDesign) -> Iterator[str]:
    if design.trigger_share < 1:
        yield (
            f"Only the {design.trigger_share:.1%} of users who come to where the arms differ are "
            "read: log that moment in both arms, and check their numbers against the split. Read "
            f"over all users, the same effect would be {design.trigger_share:.3g} times as large, "
            f"and take about {1 / design.trigger_share:.3g} times as many."
        )


def _date_words(traffic: Traffic, weeks: int, end: date | None) -> Iterator[str]:
    yield (
        "Start and end at the same hour of the same weekday, so that every day of the week and "
        "hour of the day counts alike."
    )
    if weeks == 1:
        yield ("One week shows what is new more than what lasts: let it run for two if you can.")
    if traffic.start is None or end is None:
        return
    inside = [day for day in sorted(traffic.holidays) if traffic.start <= day < end]
    if inside:
        yield (
            f"{', '.join(day.isoformat() for day in inside)} lies inside: users behave otherwise "
            "on such days, and the result is about them, too. Start "
            f"{(inside[-1] + timedelta(days=1)).isoformat()} or later, or say that it is meant."
        )
