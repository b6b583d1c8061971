"""Rows of a model that works, of users who come again: who of the model's detectors alarms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.drift.arriving import ArrivingResiduals
from causal_ranker.drift.calibration import CalibrationDrift
from causal_ranker.drift.columns import Levels
from causal_ranker.drift.delays import DelayDrift
from causal_ranker.drift.distribution import DistributionDrift
from causal_ranker.drift.effect import EffectDrift
from causal_ranker.drift.health.checks import check_model
from causal_ranker.drift.health.roles import Rows, Sides
from causal_ranker.drift.label_free import LabelFree
from causal_ranker.drift.means import MeanDrift
from causal_ranker.drift.overlap import OverlapDecay
from causal_ranker.drift.proxies import Proxy

__all__ = ["QUIET", "checks_alarm"]

Array = NDArray[np.float64]

_USERS: Final = 150
_A_DAY: Final = 120
_DAYS: Final = 7
_WEEKS: Final = 4
#: Every effect counts: what is asked is the rate of chance, not of what matters.
_ANY: Final = Levels(share=0, distribution=0, residual=0, loss=0, overlap=0, effect=0)


def _rows(rng: np.random.Generator, days: int, *, first: int = 0, together: float = 0.0) -> Rows:
    """Draw days of rows; users' tastes are the same in all draws of one generator."""
    n = _A_DAY * days
    user = rng.integers(0, _USERS, n)
    day = np.repeat(np.arange(first, first + days), _A_DAY)
    shocks = np.random.default_rng([9, int(rng.integers(2**31))])
    shared = together * shocks.normal(size=days)[day - first]
    rhythm = np.sin(2 * np.pi * day / 7) if together else np.zeros(n)
    score = user / _USERS + rhythm + shared + rng.normal(size=n)
    chance = 1 / (1 + np.exp(1 - score))
    played = rng.random(n) < chance
    propensity = 1 / (1 + np.exp(-score))
    values = {
        "base_score": score,
        "uplift": 0.01 * score,
        "chance": chance,
        "outcome": played.astype(np.float64),
        "propensity": propensity,
        "treatment": (rng.random(n) < propensity).astype(np.float64),
        "fallback": (rng.random(n) < 0.05).astype(np.float64),
        "changed": rng.integers(0, 11, n) / 10,
        "aipw": 0.1 + rng.normal(size=n),
        "group": (score > 1).astype(np.float64),
        "delay": np.where(played, np.minimum(rng.exponential(6, n), 99.0), np.nan),
        "followed": np.full(n, 100.0),
        "proxy click": (played & (rng.random(n) < 0.7)).astype(np.float64),
    }
    stamp = np.datetime64("2026-01-05") + day
    return Rows(values, user.astype(np.int64), None, stamp, n)


def _sides(rng: np.random.Generator) -> tuple[Rows, Rows]:
    return _rows(rng, 7), _rows(rng, 7, first=7)


def _table(rows: Rows, *names: str) -> Array:
    return np.column_stack([rows.values[name] for name in names])


def _mean(rng: np.random.Generator) -> bool:
    before, now = _sides(rng)
    judge = MeanDrift().fit(before.values["outcome"], clusters=before.user)
    return judge.predict(now.values["outcome"], clusters=now.user).drifted


def _distribution(rng: np.random.Generator) -> bool:
    before, now = _sides(rng)
    judge = DistributionDrift().fit(before.values["base_score"], clusters=before.user)
    return judge.predict(now.values["base_score"], clusters=now.user).drifted


def _label_free(rng: np.random.Generator) -> bool:
    before, now = _sides(rng)
    judge = LabelFree().fit(_table(before, "chance", "outcome"), clusters=before.user)
    return judge.predict(now.values["chance"], clusters=now.user).drifted


def _outcomes(rng: np.random.Generator) -> bool:
    before, now = _sides(rng)
    judge = CalibrationDrift().fit(_table(before, "chance", "outcome"), clusters=before.user)
    return judge.predict(_table(now, "chance", "outcome"), clusters=now.user).drifted


def _policy(rng: np.random.Generator) -> bool:
    before, now = _sides(rng)
    judge = CalibrationDrift(against="chance").fit(_table(before, "propensity", "treatment"))
    return judge.predict(_table(now, "propensity", "treatment"), clusters=now.user).drifted


def _arriving(rng: np.random.Generator) -> bool:
    before, now = _sides(rng)
    assert before.user is not None
    assert now.day is not None
    judge = ArrivingResiduals().fit(_table(before, "chance", "outcome"), clusters=before.user)
    looks = [now.some(now.day == day) for day in np.unique(now.day)]
    return any(
        judge.add(_table(each, "chance", "outcome"), clusters=each.user).drifted  # type: ignore[arg-type]
        for each in looks
    )


def _proxy(rng: np.random.Generator) -> bool:
    before, now = _rows(rng, 14), _rows(rng, 1, first=14)
    assert before.user is not None
    assert before.day is not None
    judge = Proxy().fit(
        before.values["proxy click"],
        outcome=before.values["outcome"],
        period=before.day.astype(np.int64),
        clusters=before.user,
    )
    return judge.predict(now.values["proxy click"]).drifted


def _effect(rng: np.random.Generator) -> bool:
    before, now = _sides(rng)
    judge = EffectDrift().fit(_table(before, "aipw", "group"), clusters=before.user)
    return judge.predict(_table(now, "aipw", "group"), clusters=now.user).drifted


def _overlap(rng: np.random.Generator) -> bool:
    before, now = _sides(rng)
    judge = OverlapDecay().fit(before.values["propensity"], clusters=before.user)
    return judge.predict(now.values["propensity"], clusters=now.user).drifted


def _delay(rng: np.random.Generator) -> bool:
    before, now = _sides(rng)
    judge = DelayDrift().fit(_table(before, "delay", "followed"), clusters=before.user)
    return judge.predict(_table(now, "delay", "followed"), clusters=now.user).drifted


#: By detector, whether it alarms on a window like its reference.
QUIET: Final[dict[str, Callable[[np.random.Generator], bool]]] = {
    "mean": _mean,
    "user_distribution": _distribution,
    "label_free": _label_free,
    "outcome_residuals": _outcomes,
    "propensity_residuals": _policy,
    "arriving_residuals": _arriving,
    "proxy": _proxy,
    "effect": _effect,
    "overlap": _overlap,
    "delay": _delay,
}


def checks_alarm(day: int, *, weekly: bool) -> bool:
    """Say whether any of the monitor's checks of the model alarms without drift.

    Parameters
    ----------
    day : int
        Decides the draws, and the weekday.
    weekly : bool
        Weeks with a rhythm, days whose rows move together, and a window of one day; else
        independent rows of users, and no days.

    Returns
    -------
    bool
        Whether one does.
    """
    rng = np.random.default_rng([6, day])
    if weekly:
        last = 7 * _WEEKS * 2 + day % 7
        before = _rows(rng, 7 * _WEEKS * 2, together=0.4)
        now = _rows(rng, 1, first=last, together=0.4)
    else:
        before, now = (Rows(each.values, each.user, None, None, each.of) for each in _sides(rng))
    found = check_model(
        [Sides(before, now)],
        level=0.05,
        levels=_ANY,
        within=24.0,
        weekly=weekly,
        seed=0,
        raised=(),
    )
    return any(check.level != "quiet" for check in found)
