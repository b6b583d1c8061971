"""A world whose effects change on one day, and nothing else: who alarms, and when.

Week 0 trains the outcome models, week 1 is the reference, week 2 is quiet; with week 3 an examined
impression leads to half as many plays, and the base recommender goes on as before. Propensities are
the logged ones, horizons a day long: what a day shows is known when the next one ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig, fit_trees, predict_trees
from causal_ranker.columns import Columns as C
from causal_ranker.drift.calibration import CalibrationDrift
from causal_ranker.drift.distribution import DistributionDrift
from causal_ranker.drift.effect import EffectDrift, GroupChange
from causal_ranker.drift.overlap import OverlapDecay
from causal_ranker.stats.aipw import aipw_scores
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.known import learner_rows
from causal_ranker.worlds.learner_rows import LearnerRows
from causal_ranker.worlds.streaming import StreamingWorld

__all__ = ["CHANGE_DAY", "EffectRun", "effect_run", "quiet_alarm"]

#: First day with other effects.
CHANGE_DAY: Final = 21
_DAYS: Final = 29
_WEEK: Final = 7
_FACTOR: Final = 0.5
_GROUPS: Final = 3
_TREES: Final = BoostConfig(rounds=60, learning_rate=0.1, leaves=15, min_rows_leaf=200)
# Counts of what has been grow with a log, whatever the effect does.
_COUNTS: Final = frozenset({"user_plays", "item_plays", "pair_plays", "pair_shown"})
_LEAST_DISTANCE: Final = 0.05
_LEAST_LOSS: Final = 0.05


@dataclass(frozen=True)
class EffectRun:
    """What detectors said of the world.

    Parameters
    ----------
    quiet, changed : dict of str to bool
        By detector (``effect``, ``overlap``, ``logged policy``, and each feature), whether it
        alarmed for the quiet week and for the week after the change.
    days_to_alarm : int or None
        Days from the change until matured labels had effect drift alarm, looking at the days
        since the change together, once a day, each look at a seventh of the level; None if never.
    true_before, true_now : float
        Mean true effects, in plays per impression.
    groups : list of GroupChange
        Of the week after the change, by predicted uplift, lowest first.
    """

    quiet: dict[str, bool]
    changed: dict[str, bool]
    days_to_alarm: int | None
    true_before: float
    true_now: float
    groups: list[GroupChange]


def effect_run(*, seed: int, users: int = 1000, level: float = 0.05) -> EffectRun:
    """Simulate the world once, and ask every detector.

    Parameters
    ----------
    seed : int
        Of the world.
    users : int
        Its size.
    level : float
        Of each detector.

    Returns
    -------
    EffectRun
        Who alarmed.
    """
    rows, day, scored = _weeks(seed=seed, users=users, days=_DAYS, changes=True)
    week = day // _WEEK
    effect = EffectDrift(level=level).fit(scored[week == 1], clusters=rows.user[week == 1])
    told: list[dict[str, bool]] = []
    for now in (2, 3):
        here = week == now
        found = {
            "effect": effect.predict(scored[here], clusters=rows.user[here]).drifted,
            **_others(rows, week == 1, here, level=level),
        }
        told.append(found)
    return EffectRun(
        quiet=told[0],
        changed=told[1],
        days_to_alarm=_days_to_alarm(scored, rows.user, day, level=level),
        true_before=float(rows.tau[week == 2].mean()),
        true_now=float(rows.tau[week == 3].mean()),
        groups=effect.changes(scored[week == 3], clusters=rows.user[week == 3]),
    )


def quiet_alarm(*, seed: int, users: int, level: float = 0.05) -> bool:
    """Simulate a world whose effects stay, and ask effect drift about a week of it.

    Parameters
    ----------
    seed : int
        Of the world.
    users : int
        Its size.
    level : float
        Of the detector.

    Returns
    -------
    bool
        Whether it alarms.
    """
    rows, day, scored = _weeks(seed=seed, users=users, days=3 * _WEEK + 1, changes=False)
    sides = [(scored[here], rows.user[here]) for here in (day // _WEEK == 1, day // _WEEK == 2)]
    judge = EffectDrift(level=level).fit(sides[0][0], clusters=sides[0][1])
    return judge.predict(sides[1][0], clusters=sides[1][1]).drifted


def _weeks(
    *, seed: int, users: int, days: int, changes: bool
) -> tuple[LearnerRows, NDArray[np.int64], NDArray[np.float64]]:
    """Simulate a world; return its rows, their days, and AIPW scores beside groups of uplift."""
    config = WorldConfig(
        users=users,
        items=3000,  # so many that nobody runs out of what is new to them: effects stay
        background_plays=0.05,
        candidates=20,
        slate_size=5,
        days=days,
        temperature=1.5,
        late_share=0.0,
        change_day=CHANGE_DAY if changes else None,
        change_factor=_FACTOR,
        seed=seed,
    )
    logs = StreamingWorld(config).simulate()
    ended = logs.candidates[C.HORIZON_END] <= logs.log_end
    rows = learner_rows(logs, rows=int(ended.sum()), seed=0, logged=True)
    start = pd.Timestamp(config.start)
    since = (logs.candidates.loc[ended, C.T0] - start) // pd.Timedelta(days=1)
    day = since.to_numpy().astype(np.int64)
    score, uplift = _scores(rows, day)
    edges = np.quantile(uplift[day // _WEEK == 1], np.linspace(0, 1, _GROUPS + 1)[1:-1])
    return rows, day, np.column_stack([score, np.searchsorted(edges, uplift)])


def _scores(rows: LearnerRows, day: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
    """AIPW scores, and predicted uplift, by models of the first week."""
    guess = []
    kept = [at for at, name in enumerate(rows.names) if name not in _COUNTS]
    features, names = rows.features[:, kept], [rows.names[at] for at in kept]
    for arm in (0, 1):
        first = np.flatnonzero((day < _WEEK) & (rows.treatment == arm))
        model = fit_trees(
            features,
            rows.outcome.astype(np.float64),
            rows=first,
            # what decides the slate decides who is an example: each arm stands for all rows
            weight=1 / np.where(rows.treatment == 1, rows.propensity, 1 - rows.propensity),
            objective="binary",
            config=_TREES,
            names=names,
            categorical=rows.categorical,
            seed=0,
        )
        guess.append(predict_trees(model, features))
    score = aipw_scores(
        rows.outcome, rows.treatment, propensity=rows.propensity, mu0=guess[0], mu1=guess[1]
    )
    return score, guess[1] - guess[0]


def _others(
    rows: LearnerRows,
    before: NDArray[np.bool_],
    now: NDArray[np.bool_],
    *,
    level: float,
) -> dict[str, bool]:
    users = {"before": rows.user[before], "now": rows.user[now]}
    decay = OverlapDecay(level=level, least_effect=_LEAST_LOSS).fit(
        rows.propensity[before], clusters=users["before"]
    )
    policy = CalibrationDrift(level=level, against="chance")
    pairs = np.column_stack([rows.propensity, rows.treatment])
    told = {
        "overlap": decay.predict(rows.propensity[now], clusters=users["now"]).drifted,
        # Slates are drawn by request: whoever is placed pushes another out.
        "logged policy": policy.fit(pairs[before])
        .predict(pairs[now], clusters=rows.unit[now])
        .drifted,
    }
    each = [name for name in rows.names if name not in _COUNTS]
    # A family of features: Bonferroni's share of the level for each.
    judge = DistributionDrift(level=level / len(each), least_effect=_LEAST_DISTANCE)
    for name in each:
        values = rows.features[:, rows.names.index(name)].astype(np.float64)
        judge.fit(values[before], clusters=users["before"])
        told[name] = judge.predict(values[now], clusters=users["now"]).drifted
    return told


def _days_to_alarm(
    scored: NDArray[np.float64],
    user: NDArray[np.int64],
    day: NDArray[np.int64],
    *,
    level: float,
) -> int | None:
    before = (day >= _WEEK) & (day < CHANGE_DAY)
    judge = EffectDrift(level=level / _WEEK).fit(scored[before], clusters=user[before])
    for last in range(CHANGE_DAY, CHANGE_DAY + _WEEK):
        since = (day >= CHANGE_DAY) & (day <= last)
        if judge.predict(scored[since], clusters=user[since]).drifted:
            return last + 2 - CHANGE_DAY  # its horizons end with the day after
    return None
