"""A planted change of the effect: effect drift alarms, whatever watches features stays quiet."""

from __future__ import annotations

from typing import Final

import numpy as np

from benchmarks._drift_effect_world import effect_run

__all__ = ["run"]

_SEEDS: Final = 5


def run(*, quick: bool) -> dict[str, object]:
    """Simulate worlds, and ask every detector about the week before and after.

    Parameters
    ----------
    quick : bool
        One world instead of five.

    Returns
    -------
    dict of str to values
        ``effect_drift_detected``: share of worlds in which effect drift alarms after its labels
        have matured; beside it who else alarmed, and when.
    """
    runs = [effect_run(seed=seed) for seed in range(1 if quick else _SEEDS)]
    others = [name for name in runs[0].changed if name != "effect"]
    return {
        "effect_drift_detected": float(np.mean([run.changed["effect"] for run in runs])),
        "effect_worlds": len(runs),
        "effect_false_alarms": float(np.mean([run.quiet["effect"] for run in runs])),
        "effect_days_to_alarm": [run.days_to_alarm for run in runs],
        "effect_others_alarm": {
            name: share
            for name in others
            if (share := float(np.mean([run.changed[name] for run in runs])))
        },
        "effect_true_before": float(np.mean([run.true_before for run in runs])),
        "effect_true_now": float(np.mean([run.true_now for run in runs])),
    }
