"""Tests of nothing against nothing, on the world's users: how often each reading of them alarms."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstest, norm

from benchmarks._experiments_users import TestUsers, draw_users, new_arm
from causal_ranker.experiments.readout import mean_difference, ratio_difference

__all__ = ["run"]

_RUNS: Final = 2_000
_USERS: Final = 3_000
_LEVEL: Final = 0.05


def run(*, quick: bool) -> dict[str, float]:
    """Count false alarms at the level of 5 %.

    Parameters
    ----------
    quick : bool
        A small world, 20 runs.

    Returns
    -------
    dict of str to float
        ``type1`` of plays per user, ``uniform_p`` (Kolmogorov-Smirnov of its p-values),
        ``type1_cuped``, ``type1_ratio`` of plays per impression by the delta method, and
        ``impression_level_type1`` of the same as if impressions were independent.
    """
    users = draw_users(200 if quick else _USERS)
    runs = 20 if quick else _RUNS
    found: dict[str, list[float]] = {"plays": [], "cuped": [], "ratio": [], "impressions": []}
    for at in range(runs):
        arm = new_arm(users.ids, f"a/a {at}")
        past = {"before": users.before}
        found["plays"].append(mean_difference(users.plays, arm).p_value)
        found["cuped"].append(mean_difference(users.plays, arm, past=past).p_value)
        found["ratio"].append(ratio_difference(users.played, users.shown, arm=arm).p_value)
        found["impressions"].append(_impression_level(users, arm))
    rates = {name: float(np.mean(np.array(p) < _LEVEL)) for name, p in found.items()}
    return {
        "type1": rates["plays"],
        "uniform_p": float(kstest(found["plays"], "uniform").pvalue),
        "type1_cuped": rates["cuped"],
        "type1_ratio": rates["ratio"],
        "impression_level_type1": rates["impressions"],
        "users": users.ids.size,
        "runs": runs,
    }


def _impression_level(users: TestUsers, arm: NDArray[np.bool_]) -> float:
    """Compare shares of impressions by a z-test, which takes a user's for those of strangers."""
    played, shown = (
        np.array([column[arm].sum(), column[~arm].sum()]) for column in (users.played, users.shown)
    )
    together = played.sum() / shown.sum()
    error = np.sqrt(together * (1 - together) * (1 / shown).sum())
    gap = np.subtract(*(played / shown))
    return float(2 * norm.sf(abs(gap) / error))
