"""Days without drift, each with a reference of its own: who alarms, and how often.

One reference for all days would show how lucky that reference is, not the rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import ibis
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks._drift_quiet_rows import QUIET, checks_alarm
from benchmarks._pool import each_on_a_core
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
_PORTION: Final = 125
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
    # The longest first, in portions, so that no core waits for the last one.
    portion = min(days, _PORTION)
    jobs = [
        _Job(name, range(first, first + portion))
        for name in reversed(_ALARMS)
        for first in range(0, days, portion)
    ]
    counts = map(_count, jobs) if quick else each_on_a_core(_count, jobs)
    alarms = dict.fromkeys(_ALARMS, 0)
    for job, count in zip(jobs, counts, strict=True):
        alarms[job.name] += count
    rates = {name: count / days for name, count in alarms.items()}
    family = {name: rate for name, rate in rates.items() if name in _FAMILY}
    return {
        "false_alarm_rate": max(rate for name, rate in rates.items() if name not in _FAMILY),
        "family_false_alarm_rate": max(family.values()),
        "no_drift_days": days,
        **{f"false_alarms_{name}": rate for name, rate in rates.items()},
    }


@dataclass(frozen=True)
class _Job:
    """Some days of one detector, or family."""

    name: str
    days: range


def _count(job: _Job) -> int:
    return sum(_ALARMS[job.name](day) for day in job.days)


def _alarm(
    make: Callable[[], Detector],
    draw: Callable[[np.random.Generator], NDArray[np.generic]],
    day: int,
) -> bool:
    rng = np.random.default_rng([1, day])
    return make().fit(draw(rng)).predict(draw(rng)).drifted


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


def _weekly_alarm(kind: str, day: int) -> bool:
    rng = np.random.default_rng([4, day])
    last = 7 * _WEEKS + day % 7
    values, place = _seasons(rng, last + 1)
    dates = np.datetime64("2026-01-05") + place
    past, now = place < 7 * _WEEKS, place == last
    judge = WeeklyDetector.model_validate({"kind": kind})
    judge = judge.fit(values[past, 0], days=dates[past])
    return judge.predict(values[now, 0], days=dates[now]).drifted


def _quiet_alarm(alarm: Callable[[np.random.Generator], bool], day: int) -> bool:
    return bool(alarm(np.random.default_rng([5, day])))


_FAMILY: Final[dict[str, Callable[[int], bool]]] = {
    "family_iid": _family_iid,
    "family_weekly": _family_weekly,
    "family_model": partial(checks_alarm, weekly=False),
    "family_model_weekly": partial(checks_alarm, weekly=True),
}
#: By name, whether it alarms on a day.
_ALARMS: Final[dict[str, Callable[[int], bool]]] = {
    **{name: partial(_alarm, make, _normal) for name, make in _ONE.items()},
    "chi_squared": partial(_alarm, lambda: ChiSquared(), _letters),
    **{name: partial(_alarm, make, _wide) for name, make in _MANY.items()},
    **{name: partial(_quiet_alarm, alarm) for name, alarm in QUIET.items()},
    **{f"weekly_{kind}": partial(_weekly_alarm, kind) for kind in ("mean", "distribution", "psi")},
    **_FAMILY,
}
