"""ELEC2 week by week: who alarms, what the loss is, and what was known of it without labels.

The Australian electricity market's prices going up or down (Harries, 1999), half-hourly, in order
of time, with real drift: the other state's columns are constant until May 1997. One LightGBM model
is trained on the first weeks and never again; every later week is scored before its labels are
looked at; by then labels of the weeks before are known. Half-hours of a day move together, so that
days are the clusters.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig, fit_trees, predict_trees
from causal_ranker.drift.calibration import CalibrationDrift
from causal_ranker.drift.distribution import DistributionDrift
from causal_ranker.drift.label_free import LabelFree
from causal_ranker.drift.means import MeanDrift
from causal_ranker.stats.expected_performance import PerformanceMetric, expected_performance

__all__ = ["Elec2Run", "elec2_run", "read_elec2"]

Array = NDArray[np.float64]

_COLUMNS: Final = ["period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer"]
_HALF_HOURS: Final = 48
_WEEK: Final = 7 * _HALF_HOURS
_TRAINED: Final = 8
_REFERENCE: Final = 8
_LATE: Final = 1  # the latest week whose labels are known when a week is scored
_CHECKED: Final = 2  # weeks that a calibration is learned from, and checked on
_MOST_ERROR: Final = 0.1  # prices are no plays: in 2 weeks, chances are known to about this
_MOST_OUTSIDE: Final = 0.25
_LEAST_DISTANCE: Final = 0.1
_LEAST_CHANGE: Final = 0.05
_TREES: Final = BoostConfig(rounds=60, learning_rate=0.1, leaves=7, min_rows_leaf=50)


@dataclass(frozen=True)
class Elec2Run:
    """A metric by week, and what was said of it.

    Parameters
    ----------
    weeks : ndarray of int64, shape (w,)
        Weeks of the stream, from 0; those that trained the model and the reference are not in it.
    loss : ndarray, shape (w,)
        Test-then-train metric: each week's, of a model that saw none of it.
    estimate : ndarray, shape (w,)
        Label-free estimate, its chances learned from the two latest matured weeks.
    trusted : ndarray of bool, shape (w,)
        Whether it said that it can be believed.
    inside : ndarray of bool, shape (w,)
        Whether the metric lay in the estimate's interval.
    fixed : ndarray, shape (w,)
        The estimate with chances learned from the reference once.
    at_reference : float
        The metric on the reference: what whoever has no monitor believes of every week.
    carried : ndarray, shape (w,)
        The latest week's whose labels are known, carried forward.
    alarms : dict of str to ndarray of bool, shape (w,)
        By detector, in which weeks it alarmed; those of labels on the day the labels have come.
    """

    weeks: NDArray[np.int64]
    loss: Array
    estimate: Array
    trusted: NDArray[np.bool_]
    inside: NDArray[np.bool_]
    fixed: Array
    at_reference: float
    carried: Array
    alarms: dict[str, NDArray[np.bool_]]

    def mean_absolute_error(self) -> dict[str, float]:
        """Return how far off each way of knowing the loss was.

        Returns
        -------
        dict of str to float
            Label-free; the same and no monitor where it said it can be believed (NaN if never);
            with chances learned once; no monitor; the latest known week carried forward.
        """
        everywhere = np.ones(self.loss.size, dtype=bool)
        ways = {
            "label_free": (self.estimate, everywhere),
            "label_free_trusted": (self.estimate, self.trusted),
            "no_monitor_trusted": (np.full(self.loss.size, self.at_reference), self.trusted),
            "label_free_fixed": (self.fixed, everywhere),
            "no_monitor": (np.full(self.loss.size, self.at_reference), everywhere),
            "carried_forward": (self.carried, everywhere),
        }
        return {
            name: float(np.abs(said - self.loss)[where].mean()) if where.any() else float("nan")
            for name, (said, where) in ways.items()
        }


def read_elec2() -> pd.DataFrame:
    """Read the stream.

    Returns
    -------
    pandas.DataFrame
        As it lies on disk, in order of time.

    Raises
    ------
    FileNotFoundError
        If it is not where ``CAUSAL_RANKER_DATA`` says.
    """
    default = Path(__file__).parents[2] / "shared" / "data"
    path = Path(os.environ.get("CAUSAL_RANKER_DATA", default)) / "elec2" / "elec2.parquet"
    if not path.is_file():
        raise FileNotFoundError(f"no ELEC2 at {path}; say where: CAUSAL_RANKER_DATA")
    return pd.read_parquet(path)


def elec2_run(
    stream: pd.DataFrame, *, metric: PerformanceMetric = "log_loss", level: float = 0.05
) -> Elec2Run:
    """Go through the stream week by week.

    Parameters
    ----------
    stream : pandas.DataFrame
        Of `read_elec2`, or its first part.
    metric : {"log_loss", "brier", "auc"}
        What is estimated.
    level : float
        Of each detector; of the features' family as a whole.

    Returns
    -------
    Elec2Run
        What happened, and what was said.
    """
    features = stream[_COLUMNS].to_numpy(dtype=np.float32)
    outcome = np.where(stream["class"] == "UP", 1.0, 0.0)
    row = np.arange(len(stream))
    week, day = row // _WEEK, row // _HALF_HOURS
    model = fit_trees(
        features,
        outcome,
        rows=np.flatnonzero(week < _TRAINED),
        weight=np.ones(len(stream)),
        objective="binary",
        config=_TREES,
        names=_COLUMNS,
        categorical=[],
        seed=0,
    )
    score = predict_trees(model, features)
    pairs = np.column_stack([score, outcome])
    reference = (week >= _TRAINED) & (week < _TRAINED + _REFERENCE)
    first = _TRAINED + _REFERENCE + 1
    whole = np.arange(first, len(stream) // _WEEK)
    metrics = np.array(
        [
            expected_performance(score[week == w], outcome[week == w], metric=metric).value
            for w in range(len(stream) // _WEEK)
        ]
    )
    judge = LabelFree(
        metric=metric, level=level, most_error=_MOST_ERROR, most_outside=_MOST_OUTSIDE
    )
    fixed = LabelFree(metric=metric, level=level, least_effect=_LEAST_CHANGE)
    fixed.fit(pairs[reference], clusters=day[reference])
    # A week has seven days, which are what varies: two bins are all that it can tell.
    residuals = CalibrationDrift(level=level, least_effect=_LEAST_CHANGE, bins=2)
    residuals.fit(pairs[reference], clusters=day[reference])
    losses = -np.log(np.where(outcome == 1, score, 1 - score))
    mean = MeanDrift(level=level, least_effect=_LEAST_CHANGE)
    mean.fit(losses[reference], clusters=day[reference])
    moved = _Moved(features, score, day, reference=reference, level=level)
    found: dict[str, list[float]] = {"estimate": [], "trusted": [], "inside": [], "fixed": []}
    alarms: dict[str, list[bool]] = {}
    for w in whole:
        now, checked = week == w, (week < w) & (week >= w - _CHECKED)
        before = (week < w - _CHECKED) & (week >= w - 2 * _CHECKED)
        # Checked on weeks it did not learn from; what is told is learned from those, too.
        judge.fit(pairs[before], clusters=day[before], features=features[before])
        trust = judge.trust(
            score[now],
            matured=pairs[checked],
            clusters=day[checked],
            features=features[now],
        )
        said = judge.fit(pairs[checked], clusters=day[checked]).estimate(score[now])
        found["estimate"].append(said.point)
        found["trusted"].append(trust.trusted)
        found["inside"].append(said.low <= metrics[w] <= said.high)
        found["fixed"].append(fixed.estimate(score[now]).point)
        latest = week == w - _LATE
        told = {
            **moved.told(now),
            "label-free": fixed.predict(score[now], clusters=day[now]).drifted,
            "residuals (matured)": residuals.predict(pairs[latest], clusters=day[latest]).drifted,
            "loss (matured)": mean.predict(losses[latest], clusters=day[latest]).drifted,
        }
        for name, alarm in told.items():
            alarms.setdefault(name, []).append(alarm)
    return Elec2Run(
        weeks=whole,
        loss=metrics[whole],
        estimate=np.array(found["estimate"]),
        trusted=np.array(found["trusted"], dtype=bool),
        inside=np.array(found["inside"], dtype=bool),
        fixed=np.array(found["fixed"]),
        at_reference=expected_performance(
            score[reference], outcome[reference], metric=metric
        ).value,
        carried=metrics[whole - _LATE],
        alarms={name: np.array(each) for name, each in alarms.items()},
    )


class _Moved:
    """Detectors that look at features and scores alone."""

    def __init__(
        self,
        features: NDArray[np.float32],
        score: Array,
        day: NDArray[np.int64],
        *,
        reference: NDArray[np.bool_],
        level: float,
    ) -> None:
        self._columns = {
            **{
                name: values.astype(np.float64)
                for name, values in zip(_COLUMNS, features.T, strict=True)
            },
            "scores": score,
        }
        self._day = day
        self._judges = {
            name: DistributionDrift(
                # Bonferroni's share of the level for each feature of the family
                level=level if name == "scores" else level / len(_COLUMNS),
                least_effect=_LEAST_DISTANCE,
            ).fit(values[reference], clusters=day[reference])
            for name, values in self._columns.items()
        }

    def told(self, now: NDArray[np.bool_]) -> dict[str, bool]:
        alarm = {
            name: judge.predict(self._columns[name][now], clusters=self._day[now]).drifted
            for name, judge in self._judges.items()
        }
        return {
            "any feature": any(alarm[name] for name in _COLUMNS),
            "scores": alarm["scores"],
        }
