"""Days without drift, each with a reference of its own: who alarms, and how often.

One reference for all days would show how lucky that reference is, not the rate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import ibis
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks._drift_quiet_rows import QUIET, checks_alarm
from causal_ranker.drift.clusters import ClusterShares
from causal_ranker.drift.detectors import ChiSquared, KolmogorovSmirnov
from causal_ranker.drift.discrepancy import MeanDiscrepancy
from causal_ranker.drift.distances import LearnedDistance
from causal_ranker.drift.domain import DomainClassifier
from causal_ranker.drift.monitor import MonitorConfig, MonitorReport, monitor
from causal_ranker.drift.protocol import Detector
from causal_ranker.drift.reconstruction import PrincipalComponents
from causal_ranker.drift.streaming import RiverDetector
from causal_ranker.drift.weekly import WeeklyDetector

__all__ = ["run"]

_DAYS: Final = 1000
_QUICK: Final = 10
_ROWS: Final = 400
_FEATURES: Final = 8
_WEEKS: Final = 8
_ROWS_A_DAY: Final = 100
#: Every effect counts: what is asked is the rate of chance, not of what matters.
_ANY: Final = dict.fromkeys(
    (
        *("distribution", "mean", "spread", "quantile", "missing", "new_categories"),
        *("discrepancy", "area"),
    ),
    0.0,
)
_ONE: Final[dict[str, Callable[[], Detector]]] = {
    "ks": lambda: KolmogorovSmirnov(),
    "psi": lambda: LearnedDistance(kind="psi"),
    "jensen_shannon": lambda: LearnedDistance(kind="jensen_shannon"),
    "wasserstein": lambda: LearnedDistance(kind="wasserstein"),
    "river_adwin": lambda: RiverDetector(kind="adwin"),
    "river_kswin": lambda: RiverDetector(kind="kswin", most_values=200),
    "river_page_hinkley": lambda: RiverDetector(kind="page_hinkley"),
}
_MANY: Final[dict[str, Callable[[], Detector]]] = {
    "components": lambda: PrincipalComponents(),
    "clusters": lambda: ClusterShares(),
    "kernel_means": lambda: MeanDiscrepancy(),
    "domain_classifier": lambda: DomainClassifier(),
}


def run(*, quick: bool) -> dict[str, object]:
    """Count alarms of each detector and of the monitor's family of columns.

    Parameters
    ----------
    quick : bool
        Ten days instead of a thousand.

    Returns
    -------
    dict of str to values
        ``false_alarm_rate``, the largest of all detectors; ``family_false_alarm_rate``, the larger
        of the monitor's columns, alone and at once, and of its checks of the model, on independent
        rows and on weeks with a rhythm; and what they are made of.
    """
    days = _QUICK if quick else _DAYS
    rates = {
        **{name: _rate(make, days, _normal) for name, make in _ONE.items()},
        "chi_squared": _rate(lambda: ChiSquared(), days, _letters),
        **{name: _rate(make, days, _wide) for name, make in _MANY.items()},
        **{
            name: sum(alarm(np.random.default_rng([5, day])) for day in range(days)) / days
            for name, alarm in QUIET.items()
        },
        **{f"weekly_{kind}": _weekly_rate(kind, days) for kind in ("mean", "distribution", "psi")},
    }
    family = {
        "family_iid": sum(_family_iid(day) for day in range(days)) / days,
        "family_weekly": sum(_family_weekly(day) for day in range(days)) / days,
        "family_model": sum(checks_alarm(day, weekly=False) for day in range(days)) / days,
        "family_model_weekly": sum(checks_alarm(day, weekly=True) for day in range(days)) / days,
    }
    return {
        "false_alarm_rate": max(rates.values()),
        "family_false_alarm_rate": max(family.values()),
        "no_drift_days": days,
        **{f"false_alarms_{name}": rate for name, rate in {**rates, **family}.items()},
    }


def _rate(
    make: Callable[[], Detector],
    days: int,
    draw: Callable[[np.random.Generator], NDArray[np.generic]],
) -> float:
    alarms = 0
    for day in range(days):
        rng = np.random.default_rng([1, day])
        alarms += make().fit(draw(rng)).predict(draw(rng)).drifted
    return alarms / days


def _normal(rng: np.random.Generator) -> NDArray[np.generic]:
    return rng.normal(size=_ROWS)


def _letters(rng: np.random.Generator) -> NDArray[np.generic]:
    return rng.choice(np.array(list("abcde")), p=[0.4, 0.3, 0.2, 0.09, 0.01], size=_ROWS)


def _wide(rng: np.random.Generator) -> NDArray[np.generic]:
    return rng.normal(size=(_ROWS, _FEATURES))


def _family_iid(day: int) -> bool:
    rng = np.random.default_rng([2, day])
    names = [f"x{i}" for i in range(_FEATURES)]
    sides = [
        pd.DataFrame(_wide(rng), columns=names).assign(c=_letters(rng).astype(str))
        for _ in range(2)
    ]
    config = MonitorConfig.model_validate({"levels": _ANY})
    found = monitor(*(ibis.memtable(side) for side in sides), config=config)
    return _says_anything(found)


def _says_anything(found: MonitorReport) -> bool:
    return bool(found.drifted) or any(check.level != "quiet" for check in found.together)


def _seasons(rng: np.random.Generator, days: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draw days with a weekly rhythm, each moved by what all its rows share."""
    day = np.repeat(np.arange(days), _ROWS_A_DAY)
    rhythm = np.sin(2 * np.pi * (day[:, None] % 7) / 7 + np.arange(_FEATURES))
    shared = rng.normal(scale=0.2, size=(days, _FEATURES))[day]
    return rhythm + shared + rng.normal(size=(day.size, _FEATURES)), day


def _family_weekly(day: int) -> bool:
    rng = np.random.default_rng([3, day])
    last = 7 * _WEEKS + day % 7
    values, days = _seasons(rng, last + 1)
    table = pd.DataFrame(values, columns=[f"x{i}" for i in range(_FEATURES)])
    table["day"] = pd.Timestamp("2026-01-05") + pd.to_timedelta(days, unit="D")
    config = MonitorConfig.model_validate({"levels": _ANY, "day": "day"})
    past = days < 7 * _WEEKS
    sides = [table[past], table[days == last]]
    return _says_anything(monitor(*(ibis.memtable(side) for side in sides), config=config))


def _weekly_rate(kind: str, days: int) -> float:
    alarms = 0
    for day in range(days):
        rng = np.random.default_rng([4, day])
        last = 7 * _WEEKS + day % 7
        values, place = _seasons(rng, last + 1)
        dates = np.datetime64("2026-01-05") + place
        past, now = place < 7 * _WEEKS, place == last
        judge = WeeklyDetector.model_validate({"kind": kind})
        judge = judge.fit(values[past, 0], days=dates[past])
        alarms += judge.predict(values[now, 0], days=dates[now]).drifted
    return alarms / days
