"""Four looks at all columns at once, decided together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig
from causal_ranker.drift.check import Check
from causal_ranker.drift.clusters import ClusterShares
from causal_ranker.drift.columns import AlertLevel, Levels
from causal_ranker.drift.days import Calendar
from causal_ranker.drift.discrepancy import MeanDiscrepancy
from causal_ranker.drift.domain import DomainClassifier
from causal_ranker.drift.protocol import Decision, DetectorConfig
from causal_ranker.drift.reconstruction import PrincipalComponents
from causal_ranker.drift.review.feedback import Raised, held_to
from causal_ranker.drift.stretches import further_than_stretches, stretches_of
from causal_ranker.drift.together.sample import ROWS_A_DAY, Drawn
from causal_ranker.drift.verdict import Finding, listed
from causal_ranker.errors import CausalRankerError
from causal_ranker.stats._arrays import Array

__all__ = ["Together", "look_together"]

_LEAST_A_DAY: Final = 10
_LEAST_ROWS: Final = 40
#: Share of the least effect that is the smallest unit: kernel means are mostly 0 between days.
_FLOOR: Final = 0.1
_TINY: Final = 1e-9
_FEW_TREES: Final = BoostConfig(rounds=10, leaves=8, min_rows_leaf=20)
_TELLING: Final = 5
_CLASSIFIER: Final = "domain_classifier"


@dataclass(frozen=True)
class _Look:
    name: str
    effect: str  # the field of `Levels` that says which effect matters
    of: Callable[..., Any]
    missing: bool = False  # whether it takes missing values
    quick: Callable[..., Any] | None = None  # between days, where `of` takes long

    def decide(self, detector: Any, before: Array, now: Array) -> Decision:
        sides = [self._filled(side) for side in (before, now)]
        found: Decision = detector.fit(sides[0]).predict(sides[1])
        return found

    def _filled(self, places: Array) -> Array:
        # the middle of the reference: what lacks is looked at column by column
        return places if self.missing else np.where(np.isnan(places), 0.5, places)


_LOOKS: Final = (
    _Look("components", "distribution", PrincipalComponents),
    _Look("clusters", "distribution", ClusterShares),
    _Look(
        "kernel_means",
        "discrepancy",
        MeanDiscrepancy,
        quick=lambda **settings: MeanDiscrepancy(waves=32, **settings),
    ),
    _Look(
        _CLASSIFIER,
        "area",
        DomainClassifier,
        missing=True,
        quick=lambda **settings: DomainClassifier(blocks=2, boost=_FEW_TREES, **settings),
    ),
)


@dataclass(frozen=True)
class Together:
    """What all columns at once say.

    Parameters
    ----------
    checks : tuple of Check
        Components, clusters, kernel means, the classifier.
    level : float
        Rate of false alarms: the asked one, or the smallest that the reference's days could teach.
    """

    checks: tuple[Check, ...]
    level: float


def look_together(
    before: Drawn,
    now: Drawn,
    *,
    names: Sequence[str],
    weekly: bool,
    level: float,
    levels: Levels,
    seed: int,
    raised: Sequence[Raised],
    alone: bool,
) -> Together:
    """Ask components, clusters, kernel means and a classifier of all columns.

    The level is shared evenly. Where days are known a window is compared with the reference's rows
    of its weekdays, and must moreover be further from them than days of the reference are from
    each other (`causal_ranker.drift.days`), by samples of one size.

    Parameters
    ----------
    before, now : Drawn
        Rows of both sides.
    names : sequence of str
        The columns.
    weekly : bool
        Whether weekdays differ.
    level : float
        Rate of false alarms of all four together.
    levels : Levels
        Which effects matter.
    seed : int
        Decides draws.
    raised : sequence of Raised
        Effects that verdicts ask for.
    alone : bool
        Whether single columns show a drift: then nothing more is called for here.

    Returns
    -------
    Together
        The decisions; nothing can be told of fewer than 40 rows of a side.
    """
    dated = not (np.isnat(before.day).any() or np.isnat(now.day).any())
    here = before
    if dated and weekly:
        here = before.some(np.isin(_weekday(before.day), np.unique(_weekday(now.day))))
    rows = len(here.places), len(now.places)
    if min(rows) < _LEAST_ROWS:
        few_rows = f"{rows[0]} rows of the reference and {rows[1]} of the window"
        return Together(tuple(_check(each, rows, None, few_rows) for each in _LOOKS), level)
    each_level = level / len(_LOOKS)
    decided: list[tuple[Decision | None, str | None]] = []
    for look in _LOOKS:
        try:
            detector = look.of(
                level=each_level, seed=seed, least_effect=getattr(levels, look.effect)
            )
            detector = held_to(detector, raised, name=look.name)
            decided.append((look.decide(detector, here.places, now.places), None))
        except CausalRankerError as error:
            decided.append((None, str(error)))
    if dated and any(decision is not None and decision.drifted for decision, _ in decided):
        far, level, few = _further(
            before, now, weekly=weekly, level=level, levels=levels, seed=seed
        )
        decided = [
            (None if d is None else replace(d, drifted=d.drifted and bool(beyond)), why or few)
            for (d, why), beyond in zip(decided, far, strict=True)
        ]
    checks = []
    for look, (decision, why) in zip(_LOOKS, decided, strict=True):
        alert: AlertLevel = "quiet"
        more: dict[str, Any] = {}
        if decision is not None and decision.drifted:
            least = getattr(levels, look.effect)
            alert = "alarm" if decision.effect_size >= levels.alarm * least else "watch"
            if look.name == _CLASSIFIER:
                judge = DomainClassifier(level=each_level, seed=seed).fit(here.places)
                told = judge.telling(now.places, names=names)[:_TELLING]
                more["telling"] = [{"column": t.name, "lost": t.lost} for t in told if t.lost > 0]
        checks.append(_check(look, rows, decision, why, level=alert, more=more))
    moved = [check for check in checks if check.level != "quiet"]
    if moved and not alone:
        finding = _finding(moved)
        checks = [replace(c, finding=finding) if c in moved else c for c in checks]
    return Together(tuple(checks), level)


def _finding(moved: Sequence[Check]) -> Finding:
    """Say what columns that moved together call for."""
    what = f"columns moved together (by {listed([c.name.replace('_', ' ') for c in moved])})"
    telling = [t["column"] for check in moved for t in check.more.get("telling", ())]
    if telling:
        what += f", most of all {listed(telling)}"
    if any(check.level == "alarm" for check in moved):
        return Finding(what, "retrain", "retrain on recent logs")
    return Finding(what, "watch", "watch them, and the effect once its outcomes have matured")


def _further(
    before: Drawn, now: Drawn, *, weekly: bool, level: float, levels: Levels, seed: int
) -> tuple[NDArray[np.bool_], float, str | None]:
    """Say of each look whether the window is further away than days without drift are.

    Beside it stands the level that days could teach, and why they could not.
    """
    days, its_days = np.unique(before.day), np.unique(now.day)
    calendar = Calendar.of_days(days, its_days, weekly=weekly)
    stretches = stretches_of(calendar, seed=seed)
    if not stretches:
        return np.ones(len(_LOOKS), dtype=bool), level, None
    most = min(ROWS_A_DAY, int(np.unique(now.day, return_counts=True)[1].min()))
    if most < _LEAST_A_DAY:
        why = f"a day of {most} rows cannot be compared with other days"
        return np.zeros(len(_LOOKS), dtype=bool), level, why
    past, here = before.first(most), now.first(most)

    def apart(reference: NDArray[Any], window: Drawn) -> list[float]:
        beside = past.some(np.isin(past.day, reference)).places
        return [_effect(look, beside, window.places, seed=seed) for look in _LOOKS]

    null = np.array(
        [apart(days[rest], past.some(np.isin(past.day, days[some]))) for some, rest in stretches]
    )
    alike = days[calendar.beside_window().any(axis=0)]
    chance = further_than_stretches(
        calendar,
        null,
        np.array(apart(alike, here)),
        least=np.array([max(_FLOOR * getattr(levels, look.effect), _TINY) for look in _LOOKS]),
        level=level,
        seed=seed,
    )
    return chance.score > chance.threshold, chance.level, None


def _effect(look: _Look, before: Array, now: Array, *, seed: int) -> float:
    detector: DetectorConfig = (look.quick or look.of)(seed=seed)
    try:
        return max(look.decide(detector, before, now).effect_size, 0.0)
    except CausalRankerError:  # a day of a few rows
        return 0.0


def _check(
    look: _Look,
    rows: tuple[int, int],
    decision: Decision | None,
    why: str | None,
    *,
    level: AlertLevel = "quiet",
    more: dict[str, Any] | None = None,
) -> Check:
    return Check(look.name, level, rows, None, None, decision, why, more or {}, None, None)


def _weekday(days: NDArray[np.datetime64]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = days.astype("datetime64[D]").astype(np.int64) % 7
    return found
