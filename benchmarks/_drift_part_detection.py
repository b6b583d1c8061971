"""Shifts of many kinds and who finds them within one window.

The asked figure has 100 windows: if all are found, its exact 95 % interval begins above .96. A cell
of the table has ten, so that it is told to a tenth: 7 kinds, 2 sizes and 9 detectors of 50 features
are 1,260 decisions already. All of it takes some minutes on 2 cores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import ibis
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causal_ranker.drift.calibration import CalibrationDrift
from causal_ranker.drift.clusters import ClusterShares
from causal_ranker.drift.detectors import ChiSquared, KolmogorovSmirnov
from causal_ranker.drift.discrepancy import MeanDiscrepancy
from causal_ranker.drift.distances import LearnedDistance
from causal_ranker.drift.domain import DomainClassifier
from causal_ranker.drift.effect import EffectDrift
from causal_ranker.drift.family import false_discoveries_controlled
from causal_ranker.drift.monitor import MonitorConfig, monitor
from causal_ranker.drift.protocol import Decision
from causal_ranker.drift.reconstruction import PrincipalComponents

__all__ = ["run"]

_FEATURES: Final = 50
_ROWS: Final = 10_000
_SIZES: Final = (1_000, 10_000)
_RUNS: Final = 100
_TABLE_RUNS: Final = 10
_KINDS: Final = ("none", "mean", "variance", "category", "correlation", "label", "effect")
_LETTERS: Final = np.array(list("abc"))
_EFFECT: Final = 0.1

Array = NDArray[np.float64]


class _Day:
    """Rows of one day; only what `kind` names differs from a day of kind "none"."""

    def __init__(self, rows: int, kind: str, rng: np.random.Generator) -> None:
        x = rng.normal(size=(rows, _FEATURES))
        rho = 0.3 if kind == "correlation" else 0.6  # of the last two features
        x[:, -1] = rho * x[:, -2] + np.sqrt(1 - rho**2) * x[:, -1]
        if kind == "mean":
            x[:, 0] += 0.2
        elif kind == "variance":
            x[:, 0] *= 1.2
        shares = [0.4, 0.3, 0.3] if kind == "category" else [0.5, 0.3, 0.2]
        code = rng.choice(3, p=shares, size=rows)
        logit = 0.5 * x[:, 1] - 1
        self.score = 1 / (1 + np.exp(-logit))
        effect = 0.0 if kind == "effect" else _EFFECT
        treated = rng.random(rows) < 0.5
        base = 1 / (1 + np.exp(-logit - (0.3 if kind == "label" else 0)))
        # The effect moves plays from one arm to the other, so that their share stays.
        chance = base + np.where(treated, effect / 2, -effect / 2)
        self.outcome = (rng.random(rows) < chance).astype(np.float64)
        self.aipw = 2 * np.where(treated, 1, -1) * (self.outcome - self.score)
        self.x, self.letter = x, _LETTERS[code]

    def frame(self) -> pd.DataFrame:
        table = pd.DataFrame(self.x, columns=[f"x{k}" for k in range(_FEATURES)])
        return table.assign(c=self.letter.astype(object))


def run(*, quick: bool) -> dict[str, object]:
    """Count who finds what.

    Parameters
    ----------
    quick : bool
        Three runs of each instead of 100 (the asked figure) and ten (the table).

    Returns
    -------
    dict of str to values
        ``detection_rate``: share of windows of 10,000 rows in which the monitor calls that of 50
        features drifted whose mean moved by 0.2 standard deviations, with its exact 95 % interval
        (Clopper and Pearson, 1934). ``detection_table``: share of windows by size, kind of shift
        and detector; of kind "none", false alarms.
    """
    from scipy.stats import binomtest

    runs = 3 if quick else _RUNS
    found = 0
    for turn in range(runs):
        before, now = (_Day(_ROWS, k, np.random.default_rng([turn, i, 1])) for i, k in _SIDES)
        found += "x0" in _columns(before, now)
    interval = binomtest(found, runs).proportion_ci()
    table = {
        f"{rows}": {kind: _shares(rows, kind, 3 if quick else _TABLE_RUNS) for kind in _KINDS}
        for rows in (_SIZES[:1] if quick else _SIZES)
    }
    return {
        "detection_rate": found / runs,
        "detection_rate_interval": [float(interval.low), float(interval.high)],
        "detection_runs": runs,
        "detection_table": table,
        "detection_table_runs": 3 if quick else _TABLE_RUNS,
    }


_SIDES: Final = ((0, "none"), (1, "mean"))


def _shares(rows: int, kind: str, runs: int) -> dict[str, float]:
    alarms = dict.fromkeys(_JUDGES, 0)
    for turn in range(runs):
        before, now = (
            _Day(rows, k, np.random.default_rng([turn, i, 2, rows]))
            for i, k in ((0, "none"), (1, kind))
        )
        for name, judge in _JUDGES.items():
            alarms[name] += judge(before, now)
    return {name: count / runs for name, count in alarms.items()}


def _columns(before: _Day, now: _Day) -> tuple[str, ...]:
    """Columns that the monitor calls drifted, by the share of the level that they have in a run.

    The other half is that of all columns at once, whose detectors stand in the table themselves.
    """
    tables = [ibis.memtable(side.frame()) for side in (before, now)]
    return monitor(*tables, config=MonitorConfig(together=False, level=0.025)).drifted


def _psi(before: _Day, now: _Day) -> bool:
    judge = LearnedDistance(kind="psi", level=0.05 / _FEATURES)  # Bonferroni's share
    return any(judge.fit(before.x[:, k]).predict(now.x[:, k]).drifted for k in range(_FEATURES))


def _family(before: _Day, now: _Day) -> bool:
    tests: list[Decision] = [
        KolmogorovSmirnov().fit(before.x[:, k]).predict(now.x[:, k]) for k in range(_FEATURES)
    ]
    tests.append(ChiSquared().fit(before.letter).predict(now.letter))
    return bool(false_discoveries_controlled([t.p_value for t in tests], level=0.05).any())


_JUDGES: Final[dict[str, Callable[[_Day, _Day], bool]]] = {
    "monitor": lambda a, b: bool(_columns(a, b)),
    "ks_and_chi_squared": _family,
    "psi": _psi,
    "components": lambda a, b: PrincipalComponents().fit(a.x).predict(b.x).drifted,
    "clusters": lambda a, b: ClusterShares().fit(a.x).predict(b.x).drifted,
    "kernel_means": lambda a, b: MeanDiscrepancy().fit(a.x).predict(b.x).drifted,
    "domain_classifier": lambda a, b: DomainClassifier().fit(a.x).predict(b.x).drifted,
    "label_residuals": lambda a, b: (
        CalibrationDrift()
        .fit(np.column_stack([a.score, a.outcome]))
        .predict(np.column_stack([b.score, b.outcome]))
        .drifted
    ),
    "effect": lambda a, b: EffectDrift().fit(_grouped(a)).predict(_grouped(b)).drifted,
}


def _grouped(day: _Day) -> Array:
    return np.column_stack([day.aipw, (day.x[:, 1] > 0).astype(np.float64)])
