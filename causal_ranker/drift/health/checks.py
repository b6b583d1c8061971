"""Everything that tells of a model, decided together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.drift.check import Check
from causal_ranker.drift.columns import AlertLevel, Levels, Track
from causal_ranker.drift.days import Calendar
from causal_ranker.drift.health.advice import finding_of
from causal_ranker.drift.health.judges import Judge, judges_of
from causal_ranker.drift.health.roles import Rows, Sides
from causal_ranker.drift.protocol import Decision, DetectorConfig
from causal_ranker.drift.review.feedback import Raised, held_to
from causal_ranker.drift.stretches import further_than_stretches, stretches_of
from causal_ranker.drift.verdict import Finding
from causal_ranker.errors import CausalRankerError, EmptyError
from causal_ranker.stats._arrays import Array

__all__ = ["check_model"]

_FLOOR: Final = 0.1
_TINY: Final = 1e-9


@dataclass(frozen=True, eq=False)
class _Case:
    """A judge, its rows (and all of the reference, whatever weekday), and what it said of them."""

    name: str
    judge: Judge
    sides: Sides
    whole: Rows
    asked: DetectorConfig
    decision: Decision | None
    trouble: str | None
    unsound: bool


def check_model(
    sides: Sequence[Sides],
    *,
    level: float,
    levels: Levels,
    within: float,
    weekly: bool,
    seed: int,
    raised: Sequence[Raised],
) -> list[Check]:
    """Ask every detector that has what it needs.

    The level is shared evenly, so that without drift any of them alarms at most at this rate.
    Where days are known a window is compared with the reference's rows of its weekdays, and must
    moreover be further from them than days of the reference are from each other.

    Parameters
    ----------
    sides : sequence of Sides
        Rows of the tables, lists, a decision log.
    level : float
        Rate of false alarms of all checks together.
    levels : Levels
        Which effects matter.
    within : float
        Longest delay compared, in hours.
    weekly : bool
        Whether weekdays differ.
    seed : int
        Decides the draws, where the window has several days.
    raised : sequence of Raised
        Effects that verdicts ask for.

    Returns
    -------
    list of Check
        In the order of `sides`, then of `judges_of`.
    """
    asked = [(judge, each) for each in sides for judge in judges_of(each, within=within)]
    cases = []
    for judge, each in asked:
        name = f"{each.source} {judge.name}".strip()
        least = DetectorConfig(level=level / len(asked), least_effect=getattr(levels, judge.effect))
        cases.append(
            _decided(name, judge, each, weekly=weekly, asked=held_to(least, raised, name=name))
        )
    far = _far_enough(cases, level=level, weekly=weekly, seed=seed)
    return [_told(case, far.get(case.name, True), levels=levels) for case in cases]


def _decided(
    name: str, judge: Judge, sides: Sides, *, weekly: bool, asked: DetectorConfig
) -> _Case:
    here = judge.sides(sides)
    whole = here.before
    dated = here.before.day is not None and here.now.day is not None and here.now.size
    if weekly and dated and not judge.learned:
        alike = np.isin(_weekday(here.before), np.unique(_weekday(here.now)))
        here = replace(here, before=here.before.some(alike))
    decision, trouble, unsound = None, None, False
    few = [
        f"{size} rows of {_units(each)} users in the {side}"
        for side, each in (("reference", here.before), ("window", here.now))
        if (size := each.size) < 2 or _units(each) < 2
    ]
    if few:
        trouble = ", ".join(few)
    else:
        decision, trouble, unsound = _asked(judge, here.before, here.now, asked)
    return _Case(name, judge, here, whole, asked, decision, trouble, unsound)


def _asked(
    judge: Judge, before: Rows, now: Rows, asked: DetectorConfig
) -> tuple[Decision | None, str | None, bool]:
    try:
        return judge.decide(before, now, asked), None, False
    except EmptyError as error:  # too little of something: more may come
        return None, str(error), False
    except CausalRankerError as error:  # values that cannot be
        return None, str(error), True


def _far_enough(
    cases: Sequence[_Case], *, level: float, weekly: bool, seed: int
) -> dict[str, bool]:
    """Say of each case whether it is further away than days of the reference are.

    Stretches of the reference, with the window's weekdays, stand for windows without drift. Nothing
    is said where there are none, and unless something seems to have moved, as it takes a run of
    every detector for every stretch. What has labels of the same days is judged as one family.
    """
    known = [
        (tuple(np.unique(_days(case.sides.now)).tolist()), case)
        for case in cases
        if case.decision is not None
        and not case.judge.learned
        and case.sides.now.day is not None
        and case.whole.day is not None
    ]
    if not any(case.decision is not None and case.decision.drifted for _, case in known):
        return {}
    found: dict[str, bool] = {}
    known.sort(key=lambda each: each[0])
    for now, some in groupby(known, key=lambda each: each[0]):
        group = [case for _, case in some]
        days = _days(group[0].whole)
        for case in group:
            days = np.intersect1d(days, _days(case.whole))
        try:
            calendar = Calendar.of_days(days, np.array(now, dtype=days.dtype), weekly=weekly)
        except EmptyError:  # a weekday without labels, say
            continue
        stretches = stretches_of(calendar, seed=seed)
        if not stretches:
            continue
        null = np.array(
            [[_between(case, days[here], days[rest]) for case in group] for here, rest in stretches]
        )
        seen = np.array([_effect(case, case.sides.before, case.sides.now) for case in group])
        chance = further_than_stretches(
            calendar,
            null,
            seen,
            least=np.array([max(_FLOOR * case.asked.least_effect, _TINY) for case in group]),
            level=level * len(group) / len(known),
            seed=seed,
        )
        beyond = chance.score > chance.threshold
        found |= {case.name: bool(far) for case, far in zip(group, beyond, strict=True)}
    return found


def _between(case: _Case, here: NDArray[np.datetime64], rest: NDArray[np.datetime64]) -> float:
    """Effect of days of the reference beside others of it."""
    days = _days(case.whole)
    now, before = (case.whole.some(np.isin(days, some)) for some in (here, rest))
    return _effect(case, before, now)


def _effect(case: _Case, before: Rows, now: Rows) -> float:
    if min(_units(before), _units(now)) < 2:
        return 0.0
    if case.judge.distance is not None:
        try:
            return case.judge.distance(before, now)
        except CausalRankerError:  # as below
            return 0.0
    asked = case.asked.model_copy(update={"level": 0.5})  # the effect is the same at any
    said = _asked(case.judge, before, now, asked)[0]
    return 0.0 if said is None else max(said.effect_size, 0.0)


def _days(rows: Rows) -> NDArray[np.datetime64]:
    assert rows.day is not None
    return rows.day


def _told(case: _Case, far: bool, *, levels: Levels) -> Check:
    before, now = case.sides.before, case.sides.now
    decision, trouble, more = case.decision, case.trouble, {}
    level: AlertLevel = "quiet"
    if decision is not None:
        decision = replace(decision, drifted=decision.drifted and far)
        try:
            more = {} if case.judge.more is None else case.judge.more(before, now)
        except CausalRankerError as error:  # the decision stands without it
            more = {"left_out": str(error)}
        if not more.get("trusted", True):
            trouble = "; ".join(more["reasons"])
        elif decision.drifted:
            least = getattr(levels, case.judge.effect)
            level = "alarm" if decision.effect_size >= levels.alarm * least else "watch"
    role = case.judge.needs[0]
    means = [_mean(side.values[role]) for side in (before, now)]
    if case.unsound:
        level = "watch"
        finding: Finding | None = Finding(
            f"{case.name.replace('_', ' ')} cannot be judged", "watch", "see what is in the columns"
        )
    else:
        finding = finding_of(
            case.judge.name, source=case.sides.source, level=level, now=means[1], more=more
        )
    return Check(
        name=case.name,
        level=level,
        rows=(before.size, now.size),
        before=means[0],
        now=means[1],
        decision=decision,
        cannot_tell=trouble,
        more=more,
        finding=finding,
        track=_track(case.whole, now, role=role),
    )


def _track(before: Rows, now: Rows, *, role: str) -> Track | None:
    if before.day is None or now.day is None:
        return None
    sides = []
    for side in (before, now):
        days = np.unique(_days(side))
        sides.append(tuple(_mean(side.values[role][side.day == day]) for day in days))
    return Track(sides[0], sides[1], "mean")


def _mean(values: Array) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None


def _units(rows: Rows) -> int:
    return rows.size if rows.user is None else int(np.unique(rows.user).size)


def _weekday(rows: Rows) -> NDArray[np.int64]:
    found: NDArray[np.int64] = _days(rows).astype("datetime64[D]").astype(np.int64) % 7
    return found
