"""A planted change of the effect: effect drift alarms, whatever watches features stays quiet.

Five worlds tell whether a change is found. They cannot tell a rate of 5 % from one of 20 %: a
false alarm in one of five comes with probability .23 at 5 %. So the rate is measured on 200 small
worlds without a change, each with a reference of its own, and has an interval.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from benchmarks._drift_effect_world import effect_run, quiet_alarm

__all__ = ["run"]

_SEEDS: Final = 5
_QUIET: Final = 200
_QUIET_USERS: Final = 250
#: No world of those that the change is looked for in.
_FIRST_QUIET: Final = 1000


def run(*, quick: bool) -> dict[str, object]:
    """Simulate worlds, and ask every detector about the week before and after.

    Parameters
    ----------
    quick : bool
        One world instead of five, and three without a change.

    Returns
    -------
    dict of str to values
        ``effect_drift_detected``: share of worlds in which effect drift alarms after its labels
        have matured; beside it who else alarmed, and when. ``effect_false_alarms``: share of
        worlds without a change in which it alarms, with its exact 95 % interval (Clopper and
        Pearson, 1934).
    """
    from scipy.stats import binomtest

    runs = [effect_run(seed=seed) for seed in range(1 if quick else _SEEDS)]
    others = [name for name in runs[0].changed if name != "effect"]
    seeds = range(_FIRST_QUIET, _FIRST_QUIET + (3 if quick else _QUIET))
    false = [quiet_alarm(seed=seed, users=_QUIET_USERS) for seed in seeds]
    interval = binomtest(sum(false), len(false)).proportion_ci()
    return {
        "effect_drift_detected": float(np.mean([run.changed["effect"] for run in runs])),
        "effect_worlds": len(runs),
        "effect_false_alarms": float(np.mean(false)),
        "effect_false_alarms_interval": [float(interval.low), float(interval.high)],
        "effect_worlds_without_change": len(false),
        "effect_quiet_weeks_alarm": float(np.mean([run.quiet["effect"] for run in runs])),
        "effect_days_to_alarm": [run.days_to_alarm for run in runs],
        "effect_others_alarm": {
            name: share
            for name in others
            if (share := float(np.mean([run.changed[name] for run in runs])))
        },
        "effect_true_before": float(np.mean([run.true_before for run in runs])),
        "effect_true_now": float(np.mean([run.true_now for run in runs])),
    }
